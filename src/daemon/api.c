/* The API on the unix socket: routes to views, and to what an operator says (operator.c). */
#include "base/alloc.h"
#include "base/buf.h"
#include "base/log.h"
#include "daemon/daemon.h"
#include "daemon/discovery.h"
#include "daemon/drill.h"
#include "daemon/verify.h"
#include "daemon/view.h"

#include <errno.h>
#include <string.h>
#include <utlist.h>

/* ---- answers ---- */

static void answer(struct http_call *call, json_t *j) {
	http_call_answer_json(call, 200, j);
	json_decref(j);
}

static void get_status(struct http_call *call, void *user) { answer(call, view_status(user)); }
static void get_nodes(struct http_call *call, void *user) { answer(call, view_nodes(user)); }
static void get_containers(struct http_call *call, void *user) { answer(call, view_containers(user)); }
static void get_takeovers(struct http_call *call, void *user) { answer(call, view_takeovers(user)); }

struct daemon_node *api_node(struct http_call *call, const struct daemon *d) {
	struct daemon_node *n = daemon_node(d, http_call_param(call, "name"));
	if (!n)
		http_call_fail(call, 404, "there is no node \"%s\"", http_call_param(call, "name"));
	return n;
}

static const struct world_container *container_of(struct http_call *call, const struct daemon *d) {
	const struct world_container *c = view_find_container(d, http_call_param(call, "name"));
	if (!c)
		http_call_fail(call, 404, "there is no container \"%s\"", http_call_param(call, "name"));
	return c;
}

static void get_node(struct http_call *call, void *user) {
	const struct daemon_node *n = api_node(call, user);
	if (n)
		answer(call, view_node(user, n));
}

static void get_container(struct http_call *call, void *user) {
	const struct world_container *c = container_of(call, user);
	if (c)
		answer(call, view_container(user, c));
}

/* By its ID or the beginning of it; else the newest of the container of that name. */
const struct takeover *api_takeover(struct http_call *call, const struct daemon *d) {
	const char *id = http_call_param(call, "id");
	const struct takeover *named = NULL, *begins = NULL;
	size_t n = 0;

	for (const struct takeover *t = resched_takeovers(d->machine); t; t = t->hh.next) {
		if (strcmp(t->container, id) == 0)
			named = t; /* the last of them */
		if (strncmp(t->id, id, strlen(id)) == 0) {
			begins = t;
			n++;
		}
	}
	if (named || n == 1)
		return named ? named : begins;
	if (n)
		http_call_fail(call, 409, "%zu takeovers begin with \"%s\": give more of it", n, id);
	else
		http_call_fail(call, 404, "there is no takeover \"%s\"", id);
	return NULL;
}

static void get_takeover(struct http_call *call, void *user) {
	const struct takeover *t = api_takeover(call, user);
	if (t)
		answer(call, view_takeover(user, t));
}

static void get_explain(struct http_call *call, void *user) {
	const struct world_container *c = container_of(call, user);
	if (c)
		answer(call, view_explain(user, c));
}

static void get_drill(struct http_call *call, void *user) {
	const struct daemon_node *n = api_node(call, user);
	if (n)
		drill_begin(user, call, n);
}

static void get_verify(struct http_call *call, void *user) { verify_begin(user, call, false); }
static void post_verify(struct http_call *call, void *user) { verify_begin(user, call, true); }

static void post_confirm_manager(struct http_call *call, void *user) {
	struct daemon_node *n = api_node(call, user);

	if (n && !n->agent)
		http_call_fail(call, 409, "no agent is configured for %s", n->config->name);
	else if (n)
		agents_confirm(n, call);
}

/* ---- the log ---- */

/* Somebody who reads the log, and perhaps follows it. */
struct tail {
	struct daemon *daemon;
	struct http_stream *stream; /* NULL: the reader is gone */
	char *ip, *container;
	struct wall since;
	int64_t seq;         /* of the last line written */
	bool follow, newest; /* newest: the first page is the last lines, as no time was given */
	bool reading, again;
	struct tail *prev, *next;
};

static void tail_free(struct tail *t) {
	DL_DELETE(t->daemon->tails, t);
	free(t->ip);
	free(t->container);
	free(t);
}

static void tail_closed(void *user) {
	struct tail *t = user;
	t->stream = NULL;
	if (!t->reading)
		tail_free(t);
}

static void tail_read(struct tail *t);

static void tail_write(struct tail *t, const struct store_log_row *row) {
	json_t *j CLEANUP_JSON = view_log_row(row);
	char *text CLEANUP_FREE = json_dumps(j, JSON_COMPACT);
	struct buf line CLEANUP_BUF = {0};

	buf_printf(&line, "%s\n", text);
	if (t->stream && http_stream_write(t->stream, line.data, line.len) < 0)
		return; /* its closed function follows */
	t->seq = row->seq > t->seq ? row->seq : t->seq;
}

static void tail_rows(void *user, int result, const struct store_log_row *rows, size_t n, const struct err *err) {
	struct tail *t = user;

	t->reading = false;
	if (!t->stream) {
		tail_free(t);
		return;
	}
	if (result < 0)
		log_warning("log-read", LOG_STR("error", err->msg));
	for (size_t i = 0; i < n; i++)
		tail_write(t, &rows[t->newest ? n - 1 - i : i]);
	bool more = n == STORE_LOG_LIMIT_MAX && !t->newest;
	t->newest = false;
	if (result == 0 && t->stream && (more || t->again)) {
		tail_read(t);
	} else if (!t->follow && t->stream) {
		http_stream_end(TAKE_PTR(t->stream));
		tail_free(t);
	}
}

static void tail_read(struct tail *t) {
	const struct store_log_filter filter = {
		.ip = t->ip, .container = t->container, .since = t->since, .after_seq = t->seq, .newest_first = t->newest};

	t->reading = true;
	t->again = false;
	store_read_log(t->daemon->store, &filter, tail_rows, t);
}

void api_log_written(struct daemon *d) {
	for (struct tail *t = d->tails; t; t = t->next) {
		t->again = true;
		if (!t->reading)
			tail_read(t);
	}
}

static void get_log(struct http_call *call, void *user) {
	struct daemon *d = user;
	const char *since = http_call_query(call, "since"), *follow = http_call_query(call, "follow");
	struct wall from = {0};
	struct err err;

	if (since && wall_parse(since, &from, &err) < 0) {
		http_call_fail(call, 400, "since: %s", err.msg);
		return;
	}
	struct tail *t = xnew(struct tail);
	t->daemon = d;
	t->ip = xstrdup_null(http_call_query(call, "ip"));
	t->container = xstrdup_null(http_call_query(call, "container"));
	t->since = from;
	t->newest = !since;
	t->follow = follow && strcmp(follow, "1") == 0;
	DL_APPEND(d->tails, t);
	t->stream = http_call_stream(call, tail_closed, t);
	tail_read(t);
}

/* ---- start and end ---- */

static const struct http_route routes[] = {
	{HTTP_METHOD_GET, "/v1/status", get_status},
	{HTTP_METHOD_GET, "/v1/nodes", get_nodes},
	{HTTP_METHOD_GET, "/v1/nodes/{name}", get_node},
	{HTTP_METHOD_POST, "/v1/nodes/{name}/confirm-dead", operator_confirm_dead},
	{HTTP_METHOD_POST, "/v1/nodes/{name}/hold", operator_hold},
	{HTTP_METHOD_POST, "/v1/nodes/{name}/release", operator_release},
	{HTTP_METHOD_POST, "/v1/nodes/{name}/confirm-manager", post_confirm_manager},
	{HTTP_METHOD_GET, "/v1/verify", get_verify},
	{HTTP_METHOD_POST, "/v1/verify", post_verify},
	{HTTP_METHOD_GET, "/v1/containers", get_containers},
	{HTTP_METHOD_GET, "/v1/containers/{name}", get_container},
	{HTTP_METHOD_GET, "/v1/takeovers", get_takeovers},
	{HTTP_METHOD_GET, "/v1/takeovers/{id}", get_takeover},
	{HTTP_METHOD_POST, "/v1/takeovers/{id}/retry", operator_retry},
	{HTTP_METHOD_POST, "/v1/takeovers/{id}/abandon", operator_abandon},
	{HTTP_METHOD_GET, "/v1/log", get_log},
	{HTTP_METHOD_GET, "/v1/explain/{name}", get_explain},
	{HTTP_METHOD_GET, "/v1/drill/{name}", get_drill},
	{HTTP_METHOD_GET, "/v1/discovery", discovery_get_entries},
	{HTTP_METHOD_GET, "/v1/discovery/systems", discovery_get_systems},
	{HTTP_METHOD_POST, "/v1/discovery/sync", discovery_post_sync},
	{HTTP_METHOD_POST, "/v1/go", operator_go},
};

int api_start(struct daemon *d, struct err *err) {
	const struct http_server_settings settings = {
		.listen = d->config->api,
		.routes = routes,
		.n_routes = sizeof(routes) / sizeof(routes[0]),
		.user = d,
	};
	int r = http_server_new(d->loop, &settings, &d->server, err);
	return r < 0 ? err_wrap(err, "api") : 0;
}

void api_close(struct daemon *d) {
	struct tail *t, *next;

	drill_close(d);
	operator_close(d);
	DL_FOREACH_SAFE (d->tails, t, next) {
		if (t->stream)
			http_stream_end(TAKE_PTR(t->stream));
		if (!t->reading)
			tail_free(t);
	}
	http_server_free(d->server);
	d->server = NULL;
}

void api_forget(struct daemon *d) {
	operator_forget(d);
	while (d->tails)
		tail_free(d->tails);
}
