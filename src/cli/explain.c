/* heir explain CONTAINER: what would become of it, and why. */
#include "cli/cli.h"
#include "cli/text.h"

#include "base/alloc.h"

static void render_rejected(FILE *out, const json_t *rejected) {
	json_t *r;
	size_t i;

	if (json_array_size(rejected) > 0)
		fprintf(out, "nodes that cannot take it:\n");
	json_array_foreach (rejected, i, r) {
		char *node CLEANUP_FREE = text_at(r, "node"), *reason CLEANUP_FREE = text_at(r, "reason");
		text_field(out, node, reason);
	}
}

static void render_future(FILE *out, const json_t *answer) {
	char *node CLEANUP_FREE = text_at(answer, "node"), *target CLEANUP_FREE = text_at(answer, "would.target");

	if (!json_at(answer, "would"))
		return;
	if (json_at(answer, "would.target"))
		fprintf(out, "if %s died now, %s %s\n", node, target,
			json_bool_or(answer, "movable", false) ? "would take it over" : "is where it could go");
	else
		fprintf(out, "if %s died now, no node could take it over\n", node);
	render_rejected(out, json_at(answer, "would.rejected"));
}

static void render_rules(FILE *out, const json_t *rules) {
	static const char *const columns[] = {"  RULE", "VALUE", "FROM", "MEANING", NULL};
	json_t *rule;
	size_t i;

	struct table *t = table_new(columns);
	json_array_foreach (rules, i, rule) {
		char *what CLEANUP_FREE = text_at(rule, "what");
		char *cells[] = {xasprintf("  %s", what), text_at(rule, "value"), text_at(rule, "from"), text_at(rule, "meaning")};
		table_add(t, cells);
	}
	table_end(t, out);
}

void cli_render_explain(const struct cli *cli, const json_t *answer) {
	static const char *const fields[] = {"workload", "node", "generation", "policy", "policy_source"};
	char *name CLEANUP_FREE = text_at(answer, "container");
	bool movable = json_bool_or(answer, "movable", false);

	if (cli->quiet) {
		fprintf(cli->out, "%s\n", movable ? "movable" : "not movable");
		return;
	}
	fprintf(cli->out, "%s\n", name);
	for (size_t i = 0; i < sizeof(fields) / sizeof(fields[0]); i++)
		text_field_at(cli->out, fields[i], answer, fields[i]);
	text_field(cli->out, "movable", movable ? "yes" : "no");
	text_list(cli->out, movable ? "remarks" : "it is not moved, because", json_at(answer, "reasons"));
	text_field_at(cli->out, "now", answer, "now");
	render_future(cli->out, answer);
	render_rules(cli->out, json_at(answer, "rules"));
	if (json_array_size(json_at(answer, "takeovers")) > 0) {
		fprintf(cli->out, "takeovers:\n");
		cli_render_takeovers(cli, json_at(answer, "takeovers"));
	}
}

int cli_explain(struct cli *cli, int argc, char **argv) {
	static const struct cli_syntax syntax = {
		.args_doc = "CONTAINER", .doc = "Whether a container would be moved, where to, and why.", .min = 1, .max = 1};
	const char *args[CLI_ARGS_MAX];

	cli_parse(cli, argc, argv, &syntax, args);
	return cli_show_named(cli, "/v1/explain/", args[0], cli_render_explain);
}
