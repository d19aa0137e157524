/* heir log: which address was where and when, an event a line. */
#include "cli/cli.h"
#include "cli/text.h"

#include "base/alloc.h"
#include "base/buf.h"
#include "base/mono.h"
#include "base/wall.h"
#include "http/request.h"

#include <errno.h>
#include <string.h>

struct log_options {
	bool follow;
	const char *ip, *container, *since;
};

/* One event as a sentence of words; what is absent is left out. */
void cli_render_event(const struct cli *cli, const json_t *e) {
	static const char *const after[] = {"network", "ip", "evidence", "detail"};
	char *time CLEANUP_FREE = text_at(e, "time"), *container CLEANUP_FREE = text_at(e, "container");
	char *step CLEANUP_FREE = text_at(e, "step"), *outcome CLEANUP_FREE = text_at(e, "outcome");
	char *from CLEANUP_FREE = text_at(e, "from"), *to CLEANUP_FREE = text_at(e, "to");
	char *took CLEANUP_FREE = text_seconds(e, "seconds");

	if (cli->quiet)
		return;
	fprintf(cli->out, "%s %s %s: %s", time, container, step, outcome);
	if (json_at(e, "from") || json_at(e, "to"))
		fprintf(cli->out, ", %s -> %s", from, to);
	for (size_t i = 0; i < sizeof(after) / sizeof(after[0]); i++) {
		char *text CLEANUP_FREE = text_at(e, after[i]);
		if (json_at(e, after[i]))
			fprintf(cli->out, ", %s", text);
	}
	fprintf(cli->out, "%s%s\n", json_at(e, "seconds") ? ", " : "", json_at(e, "seconds") ? took : "");
}

struct printing {
	struct cli *cli;
	bool array; /* all events as one JSON list */
	size_t n;
};

static bool on_line(void *user, const char *line, size_t len) {
	struct printing *p = user;
	json_t *event CLEANUP_JSON = NULL;

	if (len == 0)
		return true;
	if (json_parse(line, len, "event", &event, NULL) < 0)
		event = json_string("(a line that is no JSON)");
	if (p->array)
		fputs(p->n ? ",\n" : "[\n", p->cli->out);
	if (p->cli->format == CLI_TABLE)
		cli_render_event(p->cli, event);
	else
		json_dumpf(event, p->cli->out, JSON_COMPACT | JSON_ENSURE_ASCII | JSON_ENCODE_ANY);
	if (p->cli->format != CLI_TABLE && !p->array)
		fputc('\n', p->cli->out);
	p->n++;
	return fflush(p->cli->out) == 0;
}

static bool is_digits(const char *text, size_t n) { return n > 0 && n < 7 && strspn(text, "0123456789") >= n; }

/* "10m" is ten minutes ago; anything else must be a time. Free the text. */
static char *since_text(const char *since, struct err *err) {
	static const struct {
		char unit;
		int64_t ms;
	} units[] = {{'s', 1000}, {'m', 60000}, {'h', 3600000}, {'d', 86400000}};
	size_t len = strlen(since);
	char text[WALL_TEXT_MAX];
	struct wall t;

	for (size_t i = 0; len > 1 && is_digits(since, len - 1) && i < sizeof(units) / sizeof(units[0]); i++) {
		if (since[len - 1] != units[i].unit)
			continue;
		t = (struct wall){wall_now().ms - strtol(since, NULL, 10) * units[i].ms};
		return xstrdup(wall_format(t, text));
	}
	if (wall_parse(since, &t, err) < 0) {
		(void)err_wrap(err, "--since (a time like 2026-01-02T03:04:05Z, or 30s, 10m, 2h, 1d ago)");
		return NULL;
	}
	return xstrdup(wall_format(t, text));
}

static void add_query(struct buf *path, const char *key, const char *value) {
	if (!value)
		return;
	char *escaped CLEANUP_FREE = request_escape(value);
	buf_printf(path, "%c%s=%s", strchr(path->data, '?') ? '&' : '?', key, escaped);
}

static int ask(struct cli *cli, const struct log_options *o, const char *since) {
	struct printing printing = {.cli = cli, .array = cli->format == CLI_JSON && !o->follow};
	struct buf path CLEANUP_BUF = {0}, body CLEANUP_BUF = {0};
	struct err err = {0};
	long status;

	buf_puts(&path, "/v1/log");
	add_query(&path, "ip", o->ip);
	add_query(&path, "container", o->container);
	add_query(&path, "since", since);
	add_query(&path, "follow", o->follow ? "1" : NULL);
	const struct request request = {.host = cli->host,
					.method = "GET",
					.path = path.data,
					.timeout = o->follow ? (struct span){0} : span_sec(60),
					.body_max = (size_t)1 << 20,
					.on_line = on_line,
					.user = &printing};
	if (request_perform(&request, &status, &body, &err) < 0)
		return cli_fail(cli, &err);
	if (status < 200 || status > 299)
		return cli_refused(cli, status, body.data, body.len);
	if (printing.array)
		fputs(printing.n ? "\n]\n" : "[]\n", cli->out);
	return CLI_OK;
}

static int on_option(void *user, int key, const char *arg) {
	struct log_options *o = user;

	switch (key) {
	case 'F':
		o->follow = true;
		return 0;
	case 'i':
		o->ip = arg;
		return 0;
	case 'c':
		o->container = arg;
		return 0;
	case 's':
		o->since = arg;
		return 0;
	default:
		return -EINVAL;
	}
}

int cli_log(struct cli *cli, int argc, char **argv) {
	static const struct argp_option own[] = {
		{.name = "follow", .key = 'F', .doc = "Go on with what happens from now"},
		{.name = "ip", .key = 'i', .arg = "ADDRESS", .doc = "Only of this address"},
		{.name = "container", .key = 'c', .arg = "NAME", .doc = "Only of this container"},
		{.name = "since", .key = 's', .arg = "TIME", .doc = "Only from this time (RFC 3339), or 30s, 10m, 2h, 1d ago"},
		{0},
	};
	struct log_options o = {0};
	const struct cli_syntax syntax = {
		.doc = "Which address was where, and when.", .options = own, .on_option = on_option, .user = &o};
	const char *args[CLI_ARGS_MAX];
	struct err err = {0};

	cli_parse(cli, argc, argv, &syntax, args);
	char *since CLEANUP_FREE = o.since ? since_text(o.since, &err) : NULL;
	if (o.since && !since)
		return cli_fail(cli, &err);
	return ask(cli, &o, since);
}
