/* heir node ls|inspect|confirm-dead|confirm-manager */
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

static void render_agent(const struct cli *cli, const json_t *agent) {
	if (!agent)
		return;
	if (json_at(agent, "reason"))
		text_field_at(cli->out, "agent trouble", agent, "reason");
	text_list(cli->out, "drops frames of", json_at(agent, "quarantine"));
	text_list(cli->out, "rows not right", json_at(agent, "wrong"));
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
	render_agent(cli, json_at(answer, "agent_detail"));
	text_field_at(cli->out, "overlay", answer, "overlay");
	text_field_at(cli->out, "vtep", answer, "vtep");
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

static int confirm_manager(struct cli *cli, const char *arg) {
	json_t *answer CLEANUP_JSON = NULL;
	char *name CLEANUP_FREE = text_safe(arg);

	int status = cli_call_named(cli, "POST", "/v1/nodes/", arg, "/confirm-manager", &answer);
	if (status != CLI_OK)
		return status;
	cli_print(cli, answer, render_nothing);
	if (cli->format == CLI_TABLE && !cli->quiet)
		fprintf(cli->out, "the agent on %s obeys this manager now\n", name);
	return CLI_OK;
}

int cli_node(struct cli *cli, int argc, char **argv) {
	static const struct cli_syntax syntax = {
		.args_doc = "ls | inspect NAME | confirm-dead NAME | confirm-manager NAME",
		.doc = "The nodes.\vconfirm-dead is your word that the host is off, or off the network for good: its containers "
		       "are then "
		       "taken over as if its engine had said that they are stopped. While the host still runs, this makes two of "
		       "each. confirm-manager makes the agent of that host obey this manager instead of one that is lost.",
		.min = 1,
		.max = 2,
	};
	static const struct cli_verb verbs[] = {{"ls", 0, ls},
						{"inspect", 1, inspect},
						{"confirm-dead", 1, confirm_dead},
						{"confirm-manager", 1, confirm_manager},
						{0}};

	return cli_dispatch(cli, argc, argv, &syntax, verbs);
}
