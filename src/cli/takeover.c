/* heir takeover ls|inspect|retry|abandon: what was moved, its story, and what an operator says to it. */
#include "cli/cli.h"
#include "cli/text.h"

#include "base/alloc.h"

#include <string.h>

static void render_ids(const struct cli *cli, const json_t *list) {
	json_t *takeover;
	size_t i;

	json_array_foreach (list, i, takeover) {
		char *id CLEANUP_FREE = text_at(takeover, "id");
		fprintf(cli->out, "%s\n", id);
	}
}

/* Without the fraction: a list is for an overview. */
static char *short_time(const json_t *obj, const char *path) {
	char *text = text_at(obj, path);
	char *dot = strchr(text, '.');
	if (dot)
		memcpy(dot, "Z", 2);
	return text;
}

static char *way(const json_t *takeover) {
	char *from CLEANUP_FREE = text_at(takeover, "from"), *to CLEANUP_FREE = text_at(takeover, "to");
	return xasprintf("%s -> %s", from, to);
}

static void render_commands(FILE *out, const json_t *list) {
	json_t *command;
	size_t i;

	json_array_foreach (list, i, command) {
		char *text CLEANUP_FREE = text_value(command);
		fprintf(out, "    %s\n", text);
	}
}

static void render_reasons(FILE *out, const json_t *list) {
	json_t *o;
	size_t i;

	json_array_foreach (list, i, o) {
		char *id CLEANUP_FREE = text_at(o, "id"), *state CLEANUP_FREE = text_at(o, "state"),
			 *reason CLEANUP_FREE = text_at(o, "reason");
		if (json_at(o, "reason"))
			fprintf(out, "%s %s: %s\n", id, state, reason);
		if (!strcmp(json_str_or(o, "state", ""), "needs-operator"))
			render_commands(out, json_at(o, "commands"));
	}
}

void cli_render_takeovers(const struct cli *cli, const json_t *answer) {
	static const char *const columns[] = {"ID", "CONTAINER", "WAY", "STATE", "STARTED", "TOOK", "ADDRESSES", NULL};
	json_t *o;
	size_t i;

	if (cli->quiet) {
		render_ids(cli, answer);
		return;
	}
	struct table *t = table_new(columns);
	json_array_foreach (answer, i, o) {
		char *cells[] = {text_at(o, "id"),
				 text_at(o, "container"),
				 way(o),
				 text_at(o, "state"),
				 short_time(o, "started"),
				 text_seconds(o, "seconds"),
				 text_networks(json_at(o, "networks"))};
		table_add(t, cells);
	}
	table_end(t, cli->out);
	render_reasons(cli->out, answer);
}

static void render_head(FILE *out, const json_t *o) {
	static const char *const fields[] = {"container", "workload", "generation", "from",
					     "to",        "evidence", "started",    "finished"};
	char *id CLEANUP_FREE = text_at(o, "id"), *state CLEANUP_FREE = text_at(o, "state");
	char *took CLEANUP_FREE = text_seconds(o, "seconds");

	fprintf(out, "takeover %s: %s\n", id, state);
	for (size_t i = 0; i < sizeof(fields) / sizeof(fields[0]); i++)
		text_field_at(out, fields[i], o, fields[i]);
	text_field(out, "took", took);
	text_field_at(out, "published", o, "published");
	text_field_at(out, "reason", o, "reason");
}

static char *verdict(const json_t *network) {
	const json_t *kept = json_at(network, "kept");
	return xstrdup(!kept ? "not known" : json_is_true(kept) ? "kept" : "NOT KEPT");
}

static void render_networks(FILE *out, const json_t *networks) {
	static const char *const columns[] = {"  NETWORK", "IP", "IP6", "MAC", "ADDRESS", NULL};
	struct table *t = table_new(columns);
	json_t *n;
	size_t i;

	json_array_foreach (networks, i, n) {
		char *name CLEANUP_FREE = text_at(n, "name");
		char *cells[] = {xasprintf("  %s", name), text_at(n, "ip"), text_at(n, "ip6"), text_at(n, "mac"), verdict(n)};
		table_add(t, cells);
	}
	table_end(t, out);
}

static void render_steps(FILE *out, const json_t *steps) {
	static const char *const columns[] = {"  STEP", "OUTCOME", "TOOK", "DETAIL", NULL};
	struct table *t = table_new(columns);
	json_t *s;
	size_t i;

	json_array_foreach (steps, i, s) {
		char *name CLEANUP_FREE = text_at(s, "name");
		char *cells[] = {xasprintf("  %s", name), text_at(s, "outcome"), text_seconds(s, "seconds"), text_at(s, "detail")};
		table_add(t, cells);
	}
	table_end(t, out);
}

void cli_render_takeover(const struct cli *cli, const json_t *answer) {
	if (cli->quiet) {
		char *state CLEANUP_FREE = text_at(answer, "state");
		fprintf(cli->out, "%s\n", state);
		return;
	}
	render_head(cli->out, answer);
	render_networks(cli->out, json_at(answer, "networks"));
	render_steps(cli->out, json_at(answer, "steps"));
	text_list(cli->out, "warnings", json_at(answer, "warnings"));
	text_list(cli->out, "what you can do", json_at(answer, "commands"));
}

static int ls(struct cli *cli, const char *arg) {
	(void)arg;
	return cli_show(cli, "/v1/takeovers", cli_render_takeovers);
}

static int inspect(struct cli *cli, const char *arg) { return cli_show_named(cli, "/v1/takeovers/", arg, cli_render_takeover); }

/* Posts what an operator says of one, and tells what follows from it. */
static int say(struct cli *cli, const char *id, const char *after, const char *follows) {
	json_t *answer CLEANUP_JSON = NULL;

	int status = cli_call_named(cli, "POST", "/v1/takeovers/", id, after, &answer);
	if (status != CLI_OK)
		return status;
	if (cli->format != CLI_TABLE)
		cli_print(cli, answer, cli_render_takeover);
	else if (!cli->quiet)
		fprintf(cli->out, "%s\n", follows);
	return CLI_OK;
}

static int retry(struct cli *cli, const char *arg) {
	int status = cli_confirm(cli, "It is tried again at once, with all its attempts.", arg);
	return status == CLI_OK ? say(cli, arg, "/retry", "it is tried again") : status;
}

static int abandon(struct cli *cli, const char *arg) {
	int status = cli_confirm(
		cli,
		"Before its address was released: it is rolled back, and tried again only when you say so or its node has\n"
		"answered in between. After that: nobody has the address; old copies are put away, and kept.",
		arg);
	return status == CLI_OK ? say(cli, arg, "/abandon", "it is given up; `heir takeover retry` takes it up again") : status;
}

int cli_takeover(struct cli *cli, int argc, char **argv) {
	const struct cli_syntax syntax = {
		.args_doc = "ls | inspect ID | retry ID | abandon ID",
		.doc = "What was moved, is being moved, or waits for it.\vID is that of a takeover, its beginning, or a "
		       "container's name "
		       "for its newest. retry tries again at once, whatever its delays and however often it failed. abandon goes "
		       "back where "
		       "that is possible, and gives up where it is not. Both ask back.",
		.min = 1,
		.max = 2,
		.options = cli_yes_option,
		.on_option = cli_on_yes,
		.user = cli,
	};
	static const struct cli_verb verbs[] = {
		{"ls", 0, ls}, {"inspect", 1, inspect}, {"retry", 1, retry}, {"abandon", 1, abandon}, {0}};

	return cli_dispatch(cli, argc, argv, &syntax, verbs);
}
