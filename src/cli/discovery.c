/* heir discovery ls|systems|sync: what is wanted in service discovery beside what stands there. */
#include "cli/cli.h"
#include "cli/text.h"

#include "base/alloc.h"
#include "base/buf.h"

#include <errno.h>
#include <string.h>

/* Of an entry or a system. One that cannot be looked at is not known to be right. */
static bool is_problem(const json_t *o) {
	return strcmp(json_str_or(o, "state", ""), "ok") != 0 || json_int_or(o, "differences", 0) > 0;
}

bool cli_discovery_has_problems(const json_t *list) {
	json_t *o;
	size_t i;

	json_array_foreach (list, i, o)
		if (is_problem(o))
			return true;
	return false;
}

/* New reference. */
static json_t *problems_of(const json_t *list) {
	json_t *problems = json_array(), *o;
	size_t i;

	json_array_foreach (list, i, o)
		if (is_problem(o))
			json_array_append(problems, o);
	return problems;
}

/* ---- entries ---- */

static void append_address(struct buf *b, const json_t *side, const char *key) {
	const char *address = json_str_or(side, key, NULL);
	int64_t port = json_int_or(side, "port", 0);

	if (!address)
		return;
	bool brackets = port > 0 && strchr(address, ':');
	buf_printf(b, "%s%s%s%s", b->len ? " " : "", brackets ? "[" : "", address, brackets ? "]" : "");
	if (port > 0)
		buf_printf(b, ":%lld", (long long)port);
}

/* "10.20.0.50:80 g2 h2" */
static char *side_text(const json_t *side) {
	struct buf b = {0};

	append_address(&b, side, "address");
	append_address(&b, side, "address6");
	if (json_at(side, "generation"))
		buf_printf(&b, " g%lld", (long long)json_int_or(side, "generation", 0));
	if (json_at(side, "node"))
		buf_printf(&b, " %s", json_str_or(side, "node", "?"));
	if (b.len == 0)
		buf_puts(&b, "-");
	return buf_take(&b);
}

/* What is right has been so for long; how long something is wrong is news. */
static char *detail_text(const json_t *entry) {
	char *detail CLEANUP_FREE = text_at(entry, "detail"), *since CLEANUP_FREE = text_at(entry, "since");

	if (!is_problem(entry) || !json_at(entry, "since"))
		return xstrdup(detail);
	return json_at(entry, "detail") ? xasprintf("%s, since %s", detail, since) : xasprintf("since %s", since);
}

static void render_keys(const struct cli *cli, const json_t *list) {
	json_t *entry;
	size_t i;

	json_array_foreach (list, i, entry) {
		char *system CLEANUP_FREE = text_at(entry, "system"), *key CLEANUP_FREE = text_at(entry, "key");
		fprintf(cli->out, "%s %s\n", system, key);
	}
}

void cli_render_discovery(const struct cli *cli, const json_t *answer) {
	static const char *const columns[] = {"SYSTEM", "SERVICE", "CONTAINER", "STATE", "WANTED", "ACTUAL", "DETAIL", NULL};
	json_t *e;
	size_t i;

	if (cli->quiet) {
		render_keys(cli, answer);
		return;
	}
	struct table *t = table_new(columns);
	json_array_foreach (answer, i, e) {
		char *cells[] = {text_at(e, "system"), text_at(e, "service"),           text_at(e, "container"),
				 text_at(e, "state"),  side_text(json_at(e, "wanted")), side_text(json_at(e, "actual")),
				 detail_text(e)};
		table_add(t, cells);
	}
	table_end(t, cli->out);
}

/* ---- systems ---- */

static void render_names(const struct cli *cli, const json_t *list) {
	json_t *system;
	size_t i;

	json_array_foreach (list, i, system) {
		char *name CLEANUP_FREE = text_at(system, "name");
		fprintf(cli->out, "%s\n", name);
	}
}

void cli_render_systems(const struct cli *cli, const json_t *answer) {
	static const char *const columns[] = {"NAME", "KIND", "STATE", "ENTRIES", "DIFFERENCES", "COMPARED", "DETAIL", NULL};
	json_t *s;
	size_t i;

	if (cli->quiet) {
		render_names(cli, answer);
		return;
	}
	struct table *t = table_new(columns);
	json_array_foreach (answer, i, s) {
		char *cells[] = {text_at(s, "name"),        text_at(s, "kind"),     text_at(s, "state"), text_at(s, "entries"),
				 text_at(s, "differences"), text_at(s, "compared"), text_at(s, "detail")};
		table_add(t, cells);
	}
	table_end(t, cli->out);
}

/* ---- commands ---- */

static int show(struct cli *cli, const char *path, cli_render_fn *render) {
	json_t *answer CLEANUP_JSON = NULL;

	int status = cli_call(cli, "GET", path, &answer);
	if (status != CLI_OK)
		return status;
	json_t *chosen CLEANUP_JSON = cli->problems ? problems_of(answer) : json_incref(answer);
	cli_print(cli, chosen, render);
	return cli_discovery_has_problems(answer) ? CLI_CHANGES : CLI_OK;
}

static int ls(struct cli *cli, const char *arg) {
	(void)arg;
	return show(cli, "/v1/discovery", cli_render_discovery);
}

static int systems(struct cli *cli, const char *arg) {
	(void)arg;
	return show(cli, "/v1/discovery/systems", cli_render_systems);
}

/* arg may be NULL: all of them. */
static int sync_with(struct cli *cli, const char *arg) {
	json_t *answer CLEANUP_JSON = NULL, *body CLEANUP_JSON = json_object();

	json_set_str(body, "system", arg);
	int status = cli_post(cli, "/v1/discovery/sync", body, &answer);
	if (status != CLI_OK)
		return status;
	const json_t *list = json_at(answer, "systems");
	if (cli->format == CLI_TABLE)
		cli_render_systems(cli, list);
	else
		cli_print(cli, answer, cli_render_systems);
	return cli_discovery_has_problems(list) ? CLI_CHANGES : CLI_OK;
}

static int on_option(void *user, int key, const char *arg) {
	struct cli *cli = user;

	(void)arg;
	if (key != 'p')
		return -EINVAL;
	cli->problems = true;
	return 0;
}

int cli_discovery(struct cli *cli, int argc, char **argv) {
	static const struct argp_option own[] = {
		{.name = "problems", .key = 'p', .doc = "Only what is not as it is to be"},
		{0},
	};
	const struct cli_syntax syntax = {
		.args_doc = "ls | systems | sync [SYSTEM]",
		.doc = "What is wanted in service discovery, beside what stands there.\vls: every entry; systems: how each system "
		       "is; "
		       "sync: compares with the systems now, mends what is heir's own, and says what is left. Ends with 2 when "
		       "something differs or is not known.",
		.min = 1,
		.max = 2,
		.options = own,
		.on_option = on_option,
		.user = cli,
	};
	static const struct cli_verb verbs[] = {
		{"ls", 0, ls}, {"systems", 0, systems}, {"sync", 0, sync_with}, {"sync", 1, sync_with}, {0}};

	return cli_dispatch(cli, argc, argv, &syntax, verbs);
}
