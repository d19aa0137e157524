/* See call.h. */
#include "engine/call.h"

#include "base/alloc.h"
#include "base/buf.h"
#include "engine/progress.h"

#include <assert.h>
#include <ctype.h>
#include <errno.h>
#include <string.h>
#include <utlist.h>

#define VERSION_MAX ((size_t)64 << 10)
#define PATH_SHOWN 160
#define QUOTE_MAX 320 /* bytes of an engine's message that go into an error */

struct engine_call {
	struct engine *engine;
	struct engine_request request;
	struct engine_cb cb;
	struct mono started;
	struct http_request *http;
	json_t *version;
	struct progress progress;
	bool renegotiated, finishing;
	struct engine_call *prev, *next;
};

static void send_version(struct engine_call *call);

char *engine_quote(const char *text) {
	struct buf b = {0};

	for (const unsigned char *c = (const unsigned char *)text; *c && b.len < QUOTE_MAX; c++) {
		if (*c < 0x20 || *c == 0x7f)
			buf_printf(&b, "\\x%02x", *c);
		else
			buf_append(&b, c, 1);
	}
	while (b.len >= QUOTE_MAX && b.len > 0 && ((unsigned char)b.data[b.len - 1] & 0xc0) == 0x80)
		b.data[--b.len] = '\0'; /* not in the middle of a UTF-8 character */
	if (b.len >= QUOTE_MAX && (unsigned char)b.data[b.len - 1] >= 0xc0)
		b.data[--b.len] = '\0';
	return buf_take(&b);
}

int engine_parse_json(const char *text, size_t n, json_t **ret, struct err *err) {
	struct err why;

	if (json_parse(text, n, "answer", ret, &why) == 0)
		return 0;
	char *near = strstr(why.msg, " near ");
	if (near)
		*near = '\0';
	char *body = strstr(why.msg, "bad JSON");
	return err_set(err, -EBADMSG, "%s", body ? body : "bad JSON");
}

void engine_put_escaped(struct buf *b, const char *text, const char *keep) {
	for (const unsigned char *c = (const unsigned char *)text; *c; c++) {
		if ((*c < 0x80 && isalnum(*c)) || strchr("-._~", *c) || strchr(keep, *c))
			buf_append(b, c, 1);
		else
			buf_printf(b, "%%%02X", *c);
	}
}

/* The end. */

static void request_clear(struct engine_request *r) {
	free(r->path);
	free(r->body);
	free(r->header);
}

static void call_destroy(struct engine_call *call) {
	http_request_free(call->http);
	json_decref(call->version);
	progress_clear(&call->progress);
	request_clear(&call->request);
	free(call);
}

void engine_call_free(struct engine_call *call) {
	if (!call || call->finishing)
		return;
	DL_DELETE(call->engine->calls, call);
	call_destroy(call);
}

/* The callback may free the engine: only the call is touched afterwards. */
static void call_finish(struct engine_call *call, struct engine_result *result, const char *method, const char *path) {
	int n = (int)strcspn(path, "?");

	if (result->outcome != ENGINE_OK)
		err_wrap(&result->err, "%s: %s %.*s", call->engine->name, method, n < PATH_SHOWN ? n : PATH_SHOWN, path);
	call->finishing = true;
	DL_DELETE(call->engine->calls, call);
	if (call->cb.fn)
		call->cb.fn(call->cb.ctx, result);
	call_destroy(call);
}

static void call_finish_request(struct engine_call *call, struct engine_result *result) {
	call_finish(call, result, call->request.op->method, call->request.path ? call->request.path : "/");
}

static enum engine_outcome from_http(enum http_outcome outcome) {
	switch (outcome) {
	case HTTP_ANSWERED:
		return ENGINE_OK;
	case HTTP_NOT_SENT:
		return ENGINE_NOT_SENT;
	case HTTP_BAD:
		return ENGINE_BAD;
	case HTTP_UNKNOWN:
	case HTTP_OUTCOME_MAX:
		break;
	}
	return ENGINE_UNKNOWN;
}

/* What an answer means. */

static int bad(struct engine_result *result, const char *why) {
	result->outcome = ENGINE_BAD;
	return err_set(&result->err, -EBADMSG, "answered %d, %s", result->status, why);
}

int engine_judge_status(const struct http_result *http, struct engine_result *result) {
	CLEANUP_JSON json_t *j = NULL;
	struct err ignored;

	result->status = http->status;
	result->outcome = from_http(http->outcome);
	if (result->outcome != ENGINE_OK) {
		result->err = http->err;
		return http->err.code;
	}
	if ((http->status >= 200 && http->status < 300) || http->status == 304)
		return 0;
	(void)json_parse(http->body, http->body_len, "error", &j, &ignored); /* j says it */
	const char *message = json_str_or(j, "message", NULL);
	if (!message)
		return bad(result, "and not as an engine does");
	CLEANUP_FREE char *quoted = engine_quote(message);
	result->outcome = ENGINE_REFUSED;
	return err_set(&result->err, -EREMOTEIO, "%d: %s", http->status, quoted);
}

static int end_progress(struct engine_call *call, struct engine_result *result) {
	int r = progress_end(&call->progress, &result->err);

	if (r == -EREMOTEIO)
		result->outcome = ENGINE_REFUSED;
	else if (r < 0)
		result->outcome = ENGINE_BAD;
	return r;
}

static int parse_body(const struct http_result *http, bool needed, struct engine_result *result) {
	if (http->body_len == 0)
		return needed ? bad(result, "with an empty body") : 0;
	struct err why;
	return engine_parse_json(http->body, http->body_len, &result->body, &why) == 0 ? 0 : bad(result, why.msg);
}

static void merge_version(struct engine_call *call, struct engine_result *result) {
	result->body = json_pack("{s:o, s:O}", "Info", result->body, "Version", call->version);
}

static int read_answer(struct engine_call *call, const struct http_result *http, struct engine_answer *a) {
	const struct engine_op *op = call->request.op;
	struct err why;

	if (engine_judge_status(http, &a->result) < 0)
		return -1;
	if (op->progress)
		return end_progress(call, &a->result);
	if (parse_body(http, op->read != NULL, &a->result) < 0)
		return -1;
	if (op->want_version)
		merge_version(call, &a->result);
	if (!op->read || op->read(a, &why) == 0)
		return 0;
	CLEANUP_FREE char *quoted = engine_quote(why.msg);
	return bad(&a->result, quoted);
}

/* An engine that was replaced by another version while nobody looked. */
static bool is_version_mismatch(const struct engine_result *result) {
	return result->outcome == ENGINE_REFUSED && result->status == 400 && strstr(result->err.msg, "client version");
}

static void on_answer(void *ctx, const struct http_result *http) {
	struct engine_call *call = ctx;
	const struct engine_op *op = call->request.op;
	struct engine_answer a = {0};

	int r = read_answer(call, http, &a);
	if (is_version_mismatch(&a.result) && !call->renegotiated && !call->request.stream.source) {
		call->renegotiated = true;
		call->engine->api = 0;
		send_version(call);
		return;
	}
	CLEANUP_JSON json_t *body = a.result.body;
	if (r < 0 || op->secret)
		a.result.body = NULL;
	call_finish_request(call, &a.result);
	if (r == 0 && op->clear)
		op->clear(&a);
}

/* The request. */

static void on_stream_response(void *ctx, int status) {
	struct engine_call *call = ctx;

	if (status >= 200 && status < 300 && call->request.stream.on_response)
		call->request.stream.on_response(call->request.stream.ctx, status);
}

static void on_stream_data(void *ctx, const char *data, size_t n) {
	struct engine_call *call = ctx;

	if (call->request.op->progress)
		progress_push(&call->progress, data, n);
	else
		call->request.stream.on_data(call->request.stream.ctx, data, n);
}

static ssize_t on_stream_source(void *ctx, char *data, size_t n) {
	struct engine_call *call = ctx;

	return call->request.stream.source(call->request.stream.ctx, data, n);
}

/* What is left of the deadline; never 0, which would be none. */
static struct span time_left(const struct engine_call *call) {
	if (call->cb.deadline.ns == 0)
		return (struct span){0};
	struct span left = {call->cb.deadline.ns - mono_since(call->started, mono_now()).ns};
	return left.ns < span_ms(1).ns ? span_ms(1) : left;
}

void engine_set_up_http(const struct engine *e, struct http_options *o) {
	o->unix_socket = e->unix_socket;
	o->tls = e->tls ? &e->files : NULL;
}

static void send_stage(struct engine_call *call, const struct http_options *o) {
	http_request_free(call->http); /* of the stage before */
	call->http = http_request_new(call->engine->client, o);
	http_request_start(call->http);
}

static void send_request(struct engine_call *call) {
	const struct engine_request *r = &call->request;
	CLEANUP_FREE char *url = xasprintf("%s/v1.%d%s", call->engine->base, call->engine->api, r->path);
	CLEANUP_FREE char *type = xasprintf("Content-Type:%s%s", r->type || r->body ? " " : "",
					    r->type   ? r->type
					    : r->body ? "application/json"
						      : "");
	const char *headers[] = {type, r->header, NULL};
	bool streams = r->stream.on_data || r->op->progress;
	struct http_options o = {
		.method = r->op->method,
		.url = url,
		.changes = r->op->changes,
		.keepalive = r->stream.keepalive,
		.headers = headers,
		.body = r->body,
		.body_len = r->body ? strlen(r->body) : 0,
		.source = r->stream.source ? on_stream_source : NULL,
		.deadline = time_left(call),
		.body_limit = ENGINE_BODY_MAX,
		.buffer_size = r->stream.buffer_size,
		.on_done = on_answer,
		.on_response = on_stream_response,
		.on_data = streams ? on_stream_data : NULL,
		.ctx = call,
	};

	engine_set_up_http(call->engine, &o);
	send_stage(call, &o);
}

/* The version. */

static int choose_api(struct engine *e, const json_t *version, struct err *err) {
	const char *newest = json_str_or(version, "ApiVersion", ""), *oldest = json_str_or(version, "MinAPIVersion", "1.12");
	int max = 0, min = 0;

	if (engine_api_parse(newest, &max, err) < 0)
		return err_wrap(err, "ApiVersion");
	if (engine_api_parse(oldest, &min, err) < 0)
		return err_wrap(err, "MinAPIVersion");
	if (max < ENGINE_API_OLDEST)
		return err_set(err, -EPROTONOSUPPORT, "the engine speaks API 1.%d at most, 1.%d is needed", max, ENGINE_API_OLDEST);
	if (min > ENGINE_API_NEWEST)
		return err_set(err, -EPROTONOSUPPORT, "the engine wants API 1.%d at least, 1.%d is the newest known here", min,
			       ENGINE_API_NEWEST);
	e->engine_api = max;
	e->api = max < ENGINE_API_NEWEST ? max : ENGINE_API_NEWEST;
	return 0;
}

static int read_version(struct engine_call *call, const struct http_result *http, struct engine_result *result) {
	if (engine_judge_status(http, result) < 0)
		return -1;
	if (parse_body(http, true, result) < 0)
		return -1;
	call->version = TAKE_PTR(result->body);
	return choose_api(call->engine, call->version, &result->err);
}

static void on_version(void *ctx, const struct http_result *http) {
	struct engine_call *call = ctx;
	struct engine_result result = {0};

	json_decref(call->version);
	call->version = NULL;
	if (read_version(call, http, &result) == 0) {
		send_request(call);
		return;
	}
	result.outcome = ENGINE_NOT_SENT; /* of what was wanted nothing left */
	call_finish(call, &result, "GET", "/version");
}

static void send_version(struct engine_call *call) {
	CLEANUP_FREE char *url = xasprintf("%s/version", call->engine->base);
	struct span deadline = time_left(call);
	struct http_options o = {
		.url = url,
		.deadline = deadline.ns == 0 ? span_sec(10) : deadline,
		.body_limit = VERSION_MAX,
		.on_done = on_version,
		.ctx = call,
	};

	engine_set_up_http(call->engine, &o);
	send_stage(call, &o);
}

/* A name that cannot be asked for fails like a request that cannot be sent: later, by the callback. */
static void on_impossible(void *ctx, const struct http_result *http) {
	struct engine_call *call = ctx;
	struct engine_result result = {.outcome = ENGINE_NOT_SENT};

	(void)http;
	err_set(&result.err, -EINVAL, "an empty or impossible name");
	call_finish_request(call, &result);
}

static void send_nothing(struct engine_call *call) {
	struct http_options o = {.url = "none:", .on_done = on_impossible, .ctx = call};

	send_stage(call, &o);
}

struct engine_call *engine_call_start(struct engine *e, struct engine_request request, struct engine_cb cb) {
	struct engine_call *call = xnew(struct engine_call);

	call->engine = e;
	call->request = request;
	call->cb = cb;
	call->started = mono_now();
	if (cb.deadline.ns == 0)
		call->cb.deadline = span_sec(request.op->seconds);
	DL_APPEND(e->calls, call);
	if (!request.path)
		send_nothing(call);
	else if (e->api == 0 || request.op->want_version)
		send_version(call);
	else
		send_request(call);
	return call;
}

void engine_call_pause(struct engine_call *call) {
	if (call->http)
		http_request_pause(call->http);
}

void engine_call_resume(struct engine_call *call) {
	if (call->http)
		http_request_resume(call->http);
}
