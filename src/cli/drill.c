/* heir drill NODE: what would happen if a node died now. Nothing is done. */
#include "cli/cli.h"
#include "cli/text.h"

#include "base/alloc.h"

#include <string.h>

bool cli_drill_has_changes(const json_t *answer) {
	json_t *c;
	size_t i;

	json_array_foreach (json_at(answer, "containers"), i, c) {
		const char *state = json_str_or(c, "state", "");
		if (!strcmp(state, "blocked") || !strcmp(state, "would-wait"))
			return true;
	}
	return json_bool_or(answer, "changes", false);
}

static char *networks_and_reason(const json_t *container) {
	char *networks CLEANUP_FREE = text_networks(json_at(container, "networks")),
		       *reason CLEANUP_FREE = text_at(container, "reason");
	if (!json_at(container, "reason"))
		return xstrdup(networks);
	bool none = !json_array_size(json_at(container, "networks"));
	return none ? xstrdup(reason) : xasprintf("%s; %s", networks, reason);
}

static void render_brake(FILE *out, const json_t *brake) {
	char *reason CLEANUP_FREE = text_value(json_is_object(brake) ? json_at(brake, "reason") : brake);

	if (json_is_string(brake) || json_is_true(json_at(brake, "held")))
		fprintf(out, "the storm brake would hold it: %s\n", reason);
}

void cli_render_drill(const struct cli *cli, const json_t *answer) {
	static const char *const columns[] = {"CONTAINER", "WHAT", "TARGET", "EVIDENCE", "ADDRESSES, REASON", NULL};
	char *node CLEANUP_FREE = text_at(answer, "node");
	json_t *c;
	size_t i;

	if (cli->quiet)
		return;
	fprintf(cli->out, "if %s died now:\n", node);
	struct table *t = table_new(columns);
	json_array_foreach (json_at(answer, "containers"), i, c) {
		char *cells[] = {text_at(c, "container"), text_at(c, "state"), text_at(c, "target"), text_at(c, "evidence"),
				 networks_and_reason(c)};
		table_add(t, cells);
	}
	table_end(t, cli->out);
	if (json_array_size(json_at(answer, "containers")) == 0)
		fprintf(cli->out, "  no container would be touched\n");
	render_brake(cli->out, json_at(answer, "brake"));
	text_list(cli->out, "warnings", json_at(answer, "warnings"));
	text_list(cli->out, "would not be moved, and is on overlays", json_at(answer, "bystanders"));
}

int cli_drill(struct cli *cli, int argc, char **argv) {
	static const struct cli_syntax syntax = {.args_doc = "NODE",
						 .doc = "What would happen if a node died now; nothing is done.\vEnds with 2 when "
							"something would be moved, would wait or is blocked.",
						 .min = 1,
						 .max = 1};
	const char *args[CLI_ARGS_MAX];
	json_t *answer CLEANUP_JSON = NULL;

	cli_parse(cli, argc, argv, &syntax, args);
	int status = cli_call_named(cli, "GET", "/v1/drill/", args[0], "", &answer);
	if (status != CLI_OK)
		return status;
	cli_print(cli, answer, cli_render_drill);
	return cli_drill_has_changes(answer) ? CLI_CHANGES : CLI_OK;
}
