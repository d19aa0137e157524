/* heir: asks the manager, heird, and shows its answers. A table of commands; each has its own file. */
#include "cli/cli.h"

#include "base/alloc.h"

#include <locale.h>
#include <stdlib.h>
#include <string.h>

#define HOST_DEFAULT "unix:///run/heir/heir.sock"

static const struct command {
	const char *name;
	cli_command_fn *run;
	const char *help;
} commands[] = {
	{"status", cli_status, "how the manager is"},
	{"node", cli_node, "ls, inspect, hold, release, confirm-dead, confirm-manager NAME"},
	{"container", cli_container, "ls, inspect NAME"},
	{"takeover", cli_takeover, "ls, inspect, retry, abandon ID"},
	{"log", cli_log, "which address was where, and when"},
	{"explain", cli_explain, "whether CONTAINER would be moved, where to, and why"},
	{"drill", cli_drill, "what would happen if NODE died now; nothing is done"},
	{"verify", cli_verify, "whether ledger, engines and every kernel agree; --repair"},
	{"discovery", cli_discovery, "ls, systems, sync [SYSTEM]: what stands in service discovery"},
	{"go", cli_go, "release the storm brake"},
	{"config", cli_config, "check FILE: check a configuration of heird"},
};

#define COMMANDS (sizeof(commands) / sizeof(commands[0]))

const char *argp_program_version = "heir " HEIR_VERSION;

struct start {
	struct cli *cli;
	int command; /* its place in argv; 0: none given */
};

static error_t parse_start(int key, char *arg, struct argp_state *state) {
	struct start *start = state->input;

	(void)arg;
	switch (key) {
	case ARGP_KEY_INIT:
		state->child_inputs[0] = start->cli;
		return 0;
	case ARGP_KEY_ARG:
		start->command = state->next - 1;
		state->next = state->argc; /* the rest is the command's */
		return 0;
	case ARGP_KEY_NO_ARGS:
		argp_usage(state);
		return 0;
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

/* argp's filter: the list of commands stands at the end of --help. Free the text. */
static char *help(int key, const char *text, void *input) {
	char *list = NULL;
	size_t len = 0;

	(void)input;
	if (key != ARGP_KEY_HELP_POST_DOC)
		return (char *)(uintptr_t)text;
	FILE *f = open_memstream(&list, &len);
	if (!f)
		abort();
	fprintf(f, "Commands (COMMAND --help says more):\n\n");
	for (size_t i = 0; i < COMMANDS; i++)
		fprintf(f, "  %-10s %s\n", commands[i].name, commands[i].help);
	fprintf(f, "\nEnds with 0: done, 1: failed, 2: changes pending (drill, verify, discovery), 64: wrong usage, 69: manager "
		   "not reachable.");
	fclose(f);
	return list;
}

static int run(struct cli *cli, int argc, char **argv) {
	for (size_t i = 0; i < COMMANDS; i++) {
		if (strcmp(argv[0], commands[i].name) != 0)
			continue;
		/* argp takes the name for its messages from here. */
		char *name CLEANUP_FREE = xasprintf("heir %s", commands[i].name);
		argv[0] = name;
		return commands[i].run(cli, argc, argv);
	}
	fprintf(cli->errors, "heir: no such command; heir --help lists them\n");
	return CLI_USAGE;
}

/* Output that could not be written is a failure: a full disk must not look like an empty answer. */
static int finish(int status) {
	bool written = fflush(stdout) == 0 && !ferror(stdout);
	return written || status != CLI_OK ? status : CLI_FAILED;
}

int main(int argc, char **argv) {
	const struct argp_child children[] = {{.argp = &cli_common}, {0}};
	const struct argp argp = {.parser = parse_start,
				  .args_doc = "COMMAND [ARGUMENT...]",
				  .doc = "Asks heird about containers that outlive their hosts and keep their addresses.\v ",
				  .children = children,
				  .help_filter = help};
	const char *host = getenv("HEIR_HOST");
	struct cli cli = {.host = host && *host ? host : HOST_DEFAULT, .in = stdin, .out = stdout, .errors = stderr};
	struct start start = {.cli = &cli};

	setlocale(LC_CTYPE, "");
	argp_parse(&argp, argc, argv, ARGP_IN_ORDER, NULL, &start);
	return finish(run(&cli, argc - start.command, argv + start.command));
}
