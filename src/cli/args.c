/* Arguments: every command takes the common options before or after its name, and its own. */
#include "cli/cli.h"

#include <stdlib.h>
#include <string.h>

static int parse_format(const char *word) {
	static const char *const words[] = {[CLI_TABLE] = "table", [CLI_JSON] = "json", [CLI_JSONL] = "jsonl"};

	for (int i = 0; i < CLI_FORMAT_MAX; i++)
		if (!strcmp(word, words[i]))
			return i;
	return -1;
}

static error_t parse_common(int key, char *arg, struct argp_state *state) {
	struct cli *cli = state->input;

	switch (key) {
	case 'H':
		cli->host = arg;
		return 0;
	case 'q':
		cli->quiet = true;
		return 0;
	case 'f':
		if (parse_format(arg) < 0)
			argp_error(state, "--format: expected table, json or jsonl");
		cli->format = (enum cli_format)parse_format(arg);
		return 0;
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

static const struct argp_option common_options[] = {
	{.name = "host",
	 .key = 'H',
	 .arg = "URL",
	 .doc = "The manager's API (default: $HEIR_HOST, else unix:///run/heir/heir.sock)"},
	{.name = "format", .key = 'f', .arg = "FORMAT", .doc = "table (default), json, or jsonl: a line for each element"},
	{.name = "quiet", .key = 'q', .doc = "Only names or IDs, or nothing where there are none"},
	{0},
};

const struct argp cli_common = {.options = common_options, .parser = parse_common};

struct parsing {
	struct cli *cli;
	const struct cli_syntax *syntax;
	const char **args;
	int n;
};

static error_t parse_own(int key, char *arg, struct argp_state *state) {
	struct parsing *p = state->input;
	const struct cli_syntax *s = p->syntax;

	switch (key) {
	case ARGP_KEY_INIT:
		state->child_inputs[0] = p->cli;
		return 0;
	case ARGP_KEY_ARG:
		if (p->n == s->max)
			argp_error(state, "too many arguments");
		p->args[p->n++] = arg;
		return 0;
	case ARGP_KEY_END:
		if (p->n < s->min)
			argp_error(state, "%s is missing", s->args_doc);
		return 0;
	default:
		if (!s->on_option || !(key > 0 && key < 0x1000000) || s->on_option(s->user, key, arg) < 0)
			return ARGP_ERR_UNKNOWN;
		return 0;
	}
}

void cli_parse(struct cli *cli, int argc, char **argv, const struct cli_syntax *syntax, const char *args[CLI_ARGS_MAX]) {
	const struct argp_child children[] = {{.argp = &cli_common}, {0}};
	const struct argp argp = {.options = syntax->options,
				  .parser = parse_own,
				  .args_doc = syntax->args_doc,
				  .doc = syntax->doc,
				  .children = children};
	struct parsing p = {.cli = cli, .syntax = syntax, .args = args};

	memset(args, 0, CLI_ARGS_MAX * sizeof(*args));
	argp_parse(&argp, argc, argv, 0, NULL, &p);
}

int cli_dispatch(struct cli *cli, int argc, char **argv, const struct cli_syntax *syntax, const struct cli_verb *verbs) {
	const char *args[CLI_ARGS_MAX];

	cli_parse(cli, argc, argv, syntax, args);
	for (const struct cli_verb *v = verbs; v->name; v++)
		if (!strcmp(v->name, args[0]) && !args[1] == !v->args)
			return v->run(cli, args[1]);
	fprintf(cli->errors, "heir: usage: %s %s\n", argv[0], syntax->args_doc);
	return CLI_USAGE;
}
