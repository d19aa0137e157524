/* heir status, heir go: the manager as a whole. */
#include "cli/cli.h"
#include "cli/text.h"

#include "base/alloc.h"
#include "base/buf.h"

/* {alive: 3, dead: 1} as "3 alive, 1 dead"; counts of nothing are left out. */
static char *counts(const json_t *obj) {
	struct buf b CLEANUP_BUF = {0};
	const char *key;
	json_t *n;

	json_object_foreach ((json_t *)(uintptr_t)obj, key, n) {
		if (!json_is_integer(n) || json_integer_value(n) == 0)
			continue;
		buf_printf(&b, "%s%lld %s", b.len ? ", " : "", (long long)json_integer_value(n), key);
	}
	return xstrdup(b.len ? b.data : "none");
}

static void render_brake(FILE *out, const json_t *brake) {
	char *reason CLEANUP_FREE = text_at(brake, "reason");
	char *held CLEANUP_FREE = xasprintf("HELD: %s (`heir go` releases it)", reason);

	text_field(out, "brake", json_bool_or(brake, "held", false) ? held : "not held");
}

void cli_render_status(const struct cli *cli, const json_t *answer) {
	char *nodes CLEANUP_FREE = counts(json_at(answer, "nodes")), *takeovers CLEANUP_FREE = counts(json_at(answer, "takeovers"));

	if (cli->quiet)
		return;
	text_field_at(cli->out, "cluster", answer, "cluster");
	text_field_at(cli->out, "version", answer, "version");
	text_field_at(cli->out, "epoch", answer, "epoch");
	text_field_at(cli->out, "store", answer, "store");
	render_brake(cli->out, json_at(answer, "brake"));
	text_field(cli->out, "nodes", nodes);
	text_field(cli->out, "takeovers", takeovers);
	text_list(cli->out, "warnings", json_at(answer, "warnings"));
}

int cli_status(struct cli *cli, int argc, char **argv) {
	static const struct cli_syntax syntax = {.doc = "How the manager is: nodes, takeovers, storm brake, warnings."};
	const char *args[CLI_ARGS_MAX];

	cli_parse(cli, argc, argv, &syntax, args);
	return cli_show(cli, "/v1/status", cli_render_status);
}

static void render_go(const struct cli *cli, const json_t *answer) {
	(void)answer;
	if (!cli->quiet)
		fprintf(cli->out, "the storm brake is released\n");
}

int cli_go(struct cli *cli, int argc, char **argv) {
	const struct cli_syntax syntax = {
		.doc = "Releases the storm brake, and those of zones: takeovers go on although many nodes are lost. Asks back.",
		.options = cli_yes_option,
		.on_option = cli_on_yes,
		.user = cli};
	const char *args[CLI_ARGS_MAX];
	json_t *answer CLEANUP_JSON = NULL;

	cli_parse(cli, argc, argv, &syntax, args);
	int status = cli_confirm(cli,
				 "Everything that is to be moved from lost nodes will be moved, however many are lost.\n"
				 "If it is this manager that is cut off, this makes two of each.",
				 "go");
	if (status == CLI_OK)
		status = cli_call(cli, "POST", "/v1/go", &answer);
	if (status == CLI_OK)
		cli_print(cli, answer, render_go);
	return status;
}
