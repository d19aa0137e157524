/* heir node ls|inspect|hold|release|confirm-dead|confirm-manager */
#include "cli/cli.h"
#include "cli/text.h"

#include "base/alloc.h"
#include "http/request.h"

static void render_names(const struct cli *cli, const json_t *list) {
	json_t *node;
	size_t i;

	json_array_foreach (list, i, node) {
		char *name CLEANUP_FREE = text_at(node, "name");
		fprintf(cli->out, "%s\n", name);
	}
}

void cli_render_nodes(const struct cli *cli, const json_t *answer) {
	static const char *const columns[] = {"NAME", "STATE", "VERSION", "OVERLAY", "CONTAINERS", "AGENT", "URL", "HELD", NULL};
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
				 text_at(node, "url"),     text_at(node, "hold")};
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
	static const char *const fields[] = {"state",   "since", "reason",    "hold",       "url",
					     "version", "api",   "engine_id", "containers", "agent"};
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

/* Posts what an operator says of a node, and tells what follows from it. */
static int say(struct cli *cli, const char *node, const char *after, const char *follows) {
	json_t *answer CLEANUP_JSON = NULL;
	char *name CLEANUP_FREE = text_safe(node);

	int status = cli_call_named(cli, "POST", "/v1/nodes/", node, after, &answer);
	if (status != CLI_OK)
		return status;
	cli_print(cli, answer, render_nothing);
	if (cli->format == CLI_TABLE && !cli->quiet)
		fprintf(cli->out, "%s %s\n", name, follows);
	return CLI_OK;
}

static int confirm_dead(struct cli *cli, const char *arg) {
	int status = cli_confirm(cli,
				 "Its containers will be taken over as if its engine had said that they are stopped.\n"
				 "While the host still runs, this makes two of each.",
				 arg);
	return status == CLI_OK ? say(cli, arg, "/confirm-dead", "is taken for dead on your word") : status;
}

static int confirm_manager(struct cli *cli, const char *arg) {
	int status = cli_confirm(cli,
				 "Its agent will obey this manager and no other.\n"
				 "While another one still runs, the two work against each other.",
				 arg);
	return status == CLI_OK ? say(cli, arg, "/confirm-manager", "has an agent that obeys this manager now") : status;
}

static int hold(struct cli *cli, const char *arg) {
	const char *reason = cli->reason ? cli->reason : "no reason was given";
	char *escaped CLEANUP_FREE = request_escape(reason), *after CLEANUP_FREE = xasprintf("/hold?reason=%s", escaped);

	int status = cli_confirm(cli,
				 "Nothing will be moved there, and nothing will be taken over from there when it fails,\n"
				 "until it is released.",
				 arg);
	return status == CLI_OK ? say(cli, arg, after, "is held until you release it") : status;
}

static int release(struct cli *cli, const char *arg) {
	int status =
		cli_confirm(cli, "It takes part again at once: as a target, and if it is lost its containers are taken over.", arg);
	return status == CLI_OK ? say(cli, arg, "/release", "is released") : status;
}

#define KEY_REASON 'r'

static const struct argp_option options[] = {
	{.name = "yes", .key = 'y', .doc = "Do not ask back"},
	{.name = "reason", .key = KEY_REASON, .arg = "TEXT", .doc = "Why it is held, for others"},
	{0},
};

static int on_option(void *user, int key, const char *arg) {
	struct cli *cli = user;

	if (key != KEY_REASON)
		return cli_on_yes(user, key, arg);
	cli->reason = arg;
	return 0;
}

int cli_node(struct cli *cli, int argc, char **argv) {
	const struct cli_syntax syntax = {
		.args_doc = "ls | inspect NAME | hold NAME | release NAME | confirm-dead NAME | confirm-manager NAME",
		.doc = "The nodes.\vhold: nothing is moved to that host, and nothing is taken over from it, until it is released; "
		       "for "
		       "work on it. release also ends the hold-down of a host that died too often. confirm-dead is your word that "
		       "the "
		       "host is off, or off the network for good: its containers are then taken over as if its engine had said "
		       "that "
		       "they are stopped. While the host still runs, this makes two of each. confirm-manager makes the agent of "
		       "that "
		       "host obey this manager instead of one that is lost. All but ls and inspect ask back.",
		.min = 1,
		.max = 2,
		.options = options,
		.on_option = on_option,
		.user = cli,
	};
	static const struct cli_verb verbs[] = {{"ls", 0, ls},
						{"inspect", 1, inspect},
						{"hold", 1, hold},
						{"release", 1, release},
						{"confirm-dead", 1, confirm_dead},
						{"confirm-manager", 1, confirm_manager},
						{0}};

	return cli_dispatch(cli, argc, argv, &syntax, verbs);
}
