/* See control.h. A gRPC call is a POST whose body is one frame (a zero byte, four bytes of length, a protobuf message) and whose
 * verdict, grpc-status, comes as a trailer, or as a header when there is no body. */
#include "engine/control.h"

#include "base/alloc.h"
#include "engine/call.h"

#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#define METHOD "RemoveTask"
#define URL "https://localhost/docker.swarmkit.v1.Control/" METHOD
#define DEFAULT_SECONDS 30
#define TASK_ID_MAX 127 /* a length of one byte */
#define FIELD_1_STRING 0x0a

enum grpc_code {
	GRPC_OK = 0,
	GRPC_CANCELLED = 1,
	GRPC_UNKNOWN = 2,
	GRPC_DEADLINE = 4,
	GRPC_NOT_FOUND = 5,
	GRPC_ABORTED = 10,
	GRPC_INTERNAL = 13,
	GRPC_UNAVAILABLE = 14,
	GRPC_NONE = -1,
};

struct control_call {
	struct http_request *http;
	struct engine_cb cb;
	char *socket;
	int code; /* grpc-status */
	char *message;
	bool finishing;
};

static void destroy(struct control_call *call) {
	http_request_free(call->http);
	free(call->socket);
	free(call->message);
	free(call);
}

void control_call_free(struct control_call *call) {
	if (call && !call->finishing)
		destroy(call);
}

/* A manager without a leader says so before it does anything; other failures on the way to the leader leave it open. */
static enum engine_outcome outcome_of(int code, const char *message) {
	switch (code) {
	case GRPC_OK:
	case GRPC_NOT_FOUND: /* gone is what was wanted */
		return ENGINE_OK;
	case GRPC_UNKNOWN:
	case GRPC_UNAVAILABLE:
		return strstr(message, "leader") ? ENGINE_REFUSED : ENGINE_UNKNOWN;
	case GRPC_CANCELLED:
	case GRPC_DEADLINE:
	case GRPC_ABORTED:
	case GRPC_INTERNAL:
		return ENGINE_UNKNOWN;
	case GRPC_NONE:
		return ENGINE_BAD;
	default:
		return ENGINE_REFUSED;
	}
}

static void judge(const struct control_call *call, const struct http_result *http, struct engine_result *result) {
	const char *message = call->message ? call->message : "";

	if (http->outcome != HTTP_ANSWERED) {
		result->outcome = http->outcome == HTTP_NOT_SENT ? ENGINE_NOT_SENT
				  : http->outcome == HTTP_BAD    ? ENGINE_BAD
								 : ENGINE_UNKNOWN;
		result->err = http->err;
		return;
	}
	if (http->status != 200) {
		result->outcome = ENGINE_BAD;
		result->status = http->status;
		err_set(&result->err, -EBADMSG, "%s: answered %d, and not as a swarm manager does", call->socket, http->status);
		return;
	}
	result->outcome = outcome_of(call->code, message);
	result->status = call->code == GRPC_OK          ? 200
			 : call->code == GRPC_NOT_FOUND ? 404
			 : call->code == GRPC_NONE      ? 200
							: call->code;
	if (result->outcome == ENGINE_BAD)
		err_set(&result->err, -EBADMSG, "%s: the answer has no grpc-status", call->socket);
	else if (result->outcome != ENGINE_OK)
		err_set(&result->err, -EREMOTEIO, "%s: gRPC error %d: %s", call->socket, call->code, message);
}

static void on_done(void *ctx, const struct http_result *http) {
	struct control_call *call = ctx;
	struct engine_result result = {0};

	judge(call, http, &result);
	if (result.outcome != ENGINE_OK)
		err_wrap(&result.err, "swarm control: " METHOD);
	call->finishing = true;
	if (call->cb.fn)
		call->cb.fn(call->cb.ctx, &result);
	destroy(call);
}

/* grpc-message is percent-encoded. */
static void decode(char *text) {
	char *to = text;
	unsigned value;

	for (const char *from = text; *from; from++) {
		if (from[0] == '%' && sscanf(from + 1, "%2x", &value) == 1 && from[1] && from[2] && value != 0) {
			*to++ = (char)value;
			from += 2;
		} else {
			*to++ = *from;
		}
	}
	*to = '\0';
}

static int parse_code(const char *value) {
	size_t n = strspn(value, "0123456789");

	return n > 0 && n <= 3 && value[n] == '\0' ? atoi(value) : GRPC_NONE;
}

static void on_header(void *ctx, const char *name, const char *value) {
	struct control_call *call = ctx;

	if (strcasecmp(name, "grpc-status") == 0)
		call->code = parse_code(value);
	if (strcasecmp(name, "grpc-message") != 0)
		return;
	CLEANUP_FREE char *text = xstrdup(value);
	decode(text);
	free(call->message);
	call->message = engine_quote(text);
}

/* Returns its length; 0: the ID is none. */
static size_t make_frame(const char *task_id, uint8_t frame[5 + 2 + TASK_ID_MAX]) {
	size_t n = strlen(task_id);

	if (n == 0 || n > TASK_ID_MAX)
		return 0;
	uint8_t head[] = {0, 0, 0, 0, (uint8_t)(n + 2), FIELD_1_STRING, (uint8_t)n};
	memcpy(frame, head, sizeof(head));
	memcpy(frame + sizeof(head), task_id, n);
	return sizeof(head) + n;
}

struct control_call *control_remove_task(struct http_client *client, const char *socket, const char *task_id, struct engine_cb cb) {
	static const char *const headers[] = {"content-type: application/grpc", "te: trailers", NULL};
	static const struct http_tls not_verified = {.insecure = true};
	struct control_call *call = xnew(struct control_call);
	uint8_t frame[5 + 2 + TASK_ID_MAX];

	call->cb = cb;
	call->code = GRPC_NONE;
	call->socket = xstrdup(strncmp(socket, "unix://", 7) == 0 ? socket + 7 : socket);
	size_t n = make_frame(task_id, frame);
	struct http_options o = {
		.method = "POST",
		.url = n > 0 ? URL : "an impossible task ID:",
		.unix_socket = call->socket,
		.tls = &not_verified,
		.http2 = true,
		.changes = true,
		.headers = headers,
		.body = frame,
		.body_len = n,
		.deadline = cb.deadline.ns ? cb.deadline : span_sec(DEFAULT_SECONDS),
		.on_done = on_done,
		.on_header = on_header,
		.ctx = call,
	};

	call->http = http_request_new(client, &o);
	http_request_start(call->http);
	return call;
}
