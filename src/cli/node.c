/* heir node ls|inspect|confirm-dead */
#include "cli/cli.h"
#include "cli/text.h"

#include "base/alloc.h"

static void render_names(const struct cli *cli, const json_t *list) {
	json_t *node;
	size_t i;

	json_array_foreach (list, i, node) {
		char *name CLEANUP_FREE = text_at(node, "name");
		fprintf(cli->out, "%s\n", name);
	}
}

void cli_render_nodes(const struct cli *cli, const json_t *answer) {
	static const char *const columns[] = {"NAME", "STATE", "VERSION", "OVERLAY", "CONTAINERS", "AGENT", "URL", NULL};
	json_t *node;
	size_t i;

	if (cli->quiet) {
		render_names(cli, answer);
		return;
	}
	struct table *t = table_new(columns);
	json_array_foreach (answer, i, node) {
		char *cells[] = {text_at(node, "name"),    text_at(node, "state"),      text_at(node, "version"),
				 text_at(node, "overlay"), text_at(node, "containers"), text_at(node, "agent"),
				 text_at(node, "url")};
		table_add(t, cells);
	}
	table_end(t, cli->out);
}

void cli_render_node(const struct cli *cli, const json_t *answer) {
	static const char *const fields[] = {"state", "since",     "reason",     "url",  "version",
					     "api",   "engine_id", "containers", "agent"};
	char *name CLEANUP_FREE = text_at(answer, "name");

	if (cli->quiet) {
		fprintf(cli->out, "%s\n", name);
		return;
	}
	fprintf(cli->out, "%s\n", name);
	for (size_t i = 0; i < sizeof(fields) / sizeof(fields[0]); i++)
		text_field_at(cli->out, fields[i], answer, fields[i]);
	text_field_at(cli->out, "overlay", answer, "overlay");
	text_field_at(cli->out, "swarm", answer, "swarm");
	text_field_at(cli->out, "labels", answer, "labels");
	text_list(cli->out, "networks", json_at(answer, "networks"));
	text_list(cli->out, "stale copies", json_at(answer, "stale"));
}

static int ls(struct cli *cli, const char *arg) {
	(void)arg;
	return cli_show(cli, "/v1/nodes", cli_render_nodes);
}

static int inspect(struct cli *cli, const char *arg) { return cli_show_named(cli, "/v1/nodes/", arg, cli_render_node); }

static void render_nothing(const struct cli *cli, const json_t *answer) {
	(void)cli;
	(void)answer;
}

static int confirm_dead(struct cli *cli, const char *arg) {
	json_t *answer CLEANUP_JSON = NULL;
	char *name CLEANUP_FREE = text_safe(arg);

	int status = cli_call_named(cli, "POST", "/v1/nodes/", arg, "/confirm-dead", &answer);
	if (status != CLI_OK)
		return status;
	cli_print(cli, answer, render_nothing);
	if (cli->format == CLI_TABLE && !cli->quiet)
		fprintf(cli->out, "%s is taken for dead on your word\n", name);
	return CLI_OK;
}

int cli_node(struct cli *cli, int argc, char **argv) {
	static const struct cli_syntax syntax = {
		.args_doc = "ls | inspect NAME | confirm-dead NAME",
		.doc = "The nodes.\vconfirm-dead is your word that the host is off, or off the network for good: its containers "
		       "are then "
		       "taken over as if its engine had said that they are stopped. While the host still runs, this makes two of "
		       "each.",
		.min = 1,
		.max = 2,
	};
	static const struct cli_verb verbs[] = {{"ls", 0, ls}, {"inspect", 1, inspect}, {"confirm-dead", 1, confirm_dead}, {0}};

	return cli_dispatch(cli, argc, argv, &syntax, verbs);
}
