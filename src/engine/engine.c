/* See engine.h: the endpoint and its heartbeat. Calls are made in call.c, what can be asked is in ops.c. */
#include "engine/engine.h"

#include "base/alloc.h"
#include "engine/call.h"

#include <assert.h>
#include <errno.h>
#include <string.h>
#include <strings.h>
#include <sys/un.h>

#define PING_BODY_MAX ((size_t)64 << 10)
#define PING_BUFFER 1024 /* there is one for each engine, for ever */

static const char *const outcome_names[] = {
	[ENGINE_OK] = "ok",           [ENGINE_REFUSED] = "refused", [ENGINE_NOT_SENT] = "not-sent",
	[ENGINE_UNKNOWN] = "unknown", [ENGINE_BAD] = "bad",
};
static_assert(sizeof(outcome_names) / sizeof(outcome_names[0]) == ENGINE_OUTCOME_MAX, "a name for each outcome");

const char *engine_outcome_name(enum engine_outcome outcome) { return outcome_names[outcome]; }

bool engine_outcome_is_open(enum engine_outcome outcome) { return outcome == ENGINE_UNKNOWN || outcome == ENGINE_BAD; }

/* URLs. */

static int set_unix(struct engine *e, const char *path, struct err *err) {
	struct sockaddr_un address;

	if (e->tls)
		return err_set(err, -EINVAL, "TLS is not spoken over a unix socket");
	if (path[0] != '/')
		return err_set(err, -EINVAL, "a unix socket needs an absolute path: unix:///path");
	if (strlen(path) >= sizeof(address.sun_path))
		return err_set(err, -EINVAL, "the socket's path is longer than %zu bytes", sizeof(address.sun_path) - 1);
	e->unix_socket = xstrdup(path);
	e->base = xstrdup("http://localhost");
	return 0;
}

/* 0 when text is a port number, or empty. */
static int check_port(const char *text) {
	size_t n = strspn(text, "0123456789");

	return text[n] == '\0' && n <= 5 && (n == 0 || (atoi(text) > 0 && atoi(text) < 65536)) ? 0 : -EINVAL;
}

static const char *after_host(const char *rest) {
	if (rest[0] == '[')
		return strchr(rest, ']') ? strchr(rest, ']') + 1 : rest;
	return rest + strcspn(rest, ":");
}

static int set_tcp(struct engine *e, const char *scheme, const char *rest, int default_port, struct err *err) {
	CLEANUP_FREE char *host = xstrdup(rest);
	size_t n = strlen(host);

	if (n > 0 && host[n - 1] == '/')
		host[n - 1] = '\0';
	const char *port = after_host(host);
	if (port == host || strpbrk(host, "/?#@ \t\r\n\\%"))
		return err_set(err, -EINVAL, "expected host:port");
	if ((*port != '\0' && *port != ':') || (*port == ':' && (port[1] == '\0' || check_port(port + 1) < 0)))
		return err_set(err, -EINVAL, "bad port");
	if (*port == '\0')
		e->base = xasprintf("%s://%s:%d", scheme, host, default_port);
	else
		e->base = xasprintf("%s://%s", scheme, host);
	return 0;
}

static int set_url(struct engine *e, const char *url, struct err *err) {
	if (strncmp(url, "unix://", 7) == 0)
		return set_unix(e, url + 7, err);
	if (strncmp(url, "tcp://", 6) == 0)
		return set_tcp(e, e->tls ? "https" : "http", url + 6, e->tls ? 2376 : 2375, err);
	if (strncmp(url, "https://", 8) == 0)
		return set_tcp(e, "https", url + 8, 2376, err);
	if (strncmp(url, "http://", 7) == 0 && !e->tls)
		return set_tcp(e, "http", url + 7, 2375, err);
	return err_set(err, -EINVAL, e->tls ? "expected tcp://host:port" : "expected tcp://host:port or unix:///path");
}

/* The engine. */

static void copy_tls(struct engine *e, const struct http_tls *tls) {
	if (!tls)
		return;
	e->tls = true;
	e->files.ca = xstrdup_null(tls->ca);
	e->files.cert = xstrdup_null(tls->cert);
	e->files.key = xstrdup_null(tls->key);
	e->files.insecure = tls->insecure;
}

int engine_new(struct http_client *client, const char *name, const char *url, const struct http_tls *tls,
	       struct engine **ret_engine, struct err *err) {
	struct engine *e = xnew(struct engine);

	e->client = client;
	e->name = xstrdup(name);
	e->url = xstrdup(url);
	copy_tls(e, tls);
	int r = set_url(e, url, err);
	if (r < 0) {
		err_wrap(err, "%.64s: \"%.128s\"", name, url);
		engine_free(e);
		return r;
	}
	*ret_engine = e;
	return 0;
}

static void free_const(const char *s) { free((void *)(uintptr_t)s); }

void engine_free(struct engine *e) {
	if (!e)
		return;
	while (e->calls)
		engine_call_free(e->calls);
	http_request_free(e->ping);
	free_const(e->files.ca);
	free_const(e->files.cert);
	free_const(e->files.key);
	free(e->unix_socket);
	free(e->base);
	free(e->url);
	free(e->name);
	free(e);
}

const char *engine_name(const struct engine *e) { return e->name; }
const char *engine_url(const struct engine *e) { return e->url; }
int engine_api(const struct engine *e) { return e->api; }
void engine_forget_api(struct engine *e) { e->api = 0; }

/* The heartbeat. */

static void judge_ping(const struct http_result *http, struct engine_result *result) {
	if (engine_judge_status(http, result) < 0)
		return;
	if (http->status == 200 && http->body_len == 2 && memcmp(http->body, "OK", 2) == 0)
		return;
	result->outcome = ENGINE_BAD;
	err_set(&result->err, -EBADMSG, "answered %d, and not as an engine does", http->status);
}

static void on_ping(void *ctx, const struct http_result *http) {
	struct engine *e = ctx;
	struct engine_result result = {0};

	judge_ping(http, &result);
	if (result.outcome != ENGINE_OK) {
		e->api = 0; /* what comes back may be another version */
		err_wrap(&result.err, "%s: GET /_ping", e->name);
	}
	struct engine_cb cb = e->ping_cb;
	if (cb.fn)
		cb.fn(cb.ctx, &result); /* may free the engine */
}

/* Every answer names the newest version that the engine speaks. */
static void on_ping_header(void *ctx, const char *name, const char *value) {
	struct engine *e = ctx;
	int newest;

	if (e->api != 0 && strcasecmp(name, "Api-Version") == 0 && engine_api_parse(value, &newest, NULL) == 0 &&
	    newest != e->engine_api)
		e->api = 0;
}

static void make_ping(struct engine *e) {
	CLEANUP_FREE char *url = xasprintf("%s/_ping", e->base);
	struct http_options o = {
		.url = url,
		.body_limit = PING_BODY_MAX,
		.buffer_size = PING_BUFFER,
		.on_done = on_ping,
		.on_header = on_ping_header,
		.ctx = e,
	};

	engine_set_up_http(e, &o);
	e->ping = http_request_new(e->client, &o);
}

int engine_ping(struct engine *e, struct engine_cb cb, struct err *err) {
	if (!e->ping)
		make_ping(e);
	if (http_request_is_running(e->ping))
		return err_set(err, -EBUSY, "%s: the ping before is still under way", e->name);
	e->ping_cb = cb;
	http_request_set_deadline(e->ping, cb.deadline.ns ? cb.deadline : span_sec(1));
	http_request_start(e->ping);
	return 0;
}

void engine_ping_cancel(struct engine *e) {
	http_request_free(e->ping);
	e->ping = NULL;
}
