/* See grpc.h. A gRPC call is a POST whose body is one frame (a zero byte, four bytes of length, a protobuf message) and whose
 * verdict, grpc-status, comes as a trailer, or as a header when there is no body. */
#include "http/grpc.h"

#include "base/alloc.h"
#include "base/buf.h"

#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#define DEFAULT_SECONDS 30
#define FIELD_1_STRING 0x0a
#define HEAD 7 /* the frame's and the field's */
#define MESSAGE_MAX 320

struct grpc_call {
	struct http_request *http;
	grpc_done_fn *fn;
	void *ctx;
	char *socket;
	int code; /* grpc-status */
	char *message;
	bool finishing;
};

static void destroy(struct grpc_call *call) {
	http_request_free(call->http);
	free(call->socket);
	free(call->message);
	free(call);
}

void grpc_call_free(struct grpc_call *call) {
	if (call && !call->finishing)
		destroy(call);
}

/* A manager without a leader says so before it does anything; other failures on the way to the leader leave it open. */
static enum grpc_outcome outcome_of(int code, const char *message) {
	switch (code) {
	case GRPC_OK:
		return GRPC_DONE;
	case GRPC_NOT_FOUND: /* gone is what was wanted */
		return GRPC_GONE;
	case GRPC_UNKNOWN:
	case GRPC_UNAVAILABLE:
		return strstr(message, "leader") ? GRPC_REFUSED : GRPC_OPEN;
	case GRPC_CANCELLED:
	case GRPC_DEADLINE:
	case GRPC_ABORTED:
	case GRPC_INTERNAL:
		return GRPC_OPEN;
	case GRPC_NONE:
		return GRPC_BAD;
	default:
		return GRPC_REFUSED;
	}
}

static void judge(const struct grpc_call *call, const struct http_result *http, struct grpc_result *result) {
	const char *message = call->message ? call->message : "";

	result->http_status = http->status;
	if (http->outcome != HTTP_ANSWERED) {
		result->outcome = http->outcome == HTTP_NOT_SENT ? GRPC_NOT_SENT : http->outcome == HTTP_BAD ? GRPC_BAD : GRPC_OPEN;
		result->err = http->err;
		return;
	}
	if (http->status != 200) {
		result->outcome = GRPC_BAD;
		err_set(&result->err, -EBADMSG, "%s: answered %d, and not as a swarm manager does", call->socket, http->status);
		return;
	}
	result->outcome = outcome_of(call->code, message);
	if (result->outcome == GRPC_BAD)
		err_set(&result->err, -EBADMSG, "%s: the answer has no grpc-status", call->socket);
	else if (result->outcome != GRPC_DONE && result->outcome != GRPC_GONE)
		err_set(&result->err, -EREMOTEIO, "%s: gRPC error %d: %s", call->socket, call->code, message);
}

static void on_done(void *ctx, const struct http_result *http) {
	struct grpc_call *call = ctx;
	struct grpc_result result = {.code = call->code};

	judge(call, http, &result);
	call->finishing = true;
	call->fn(call->ctx, &result);
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

/* Fit for an error: cut between two characters, control characters escaped. */
static char *quote(const char *text) {
	struct buf b = {0};

	for (const unsigned char *c = (const unsigned char *)text; *c && (b.len < MESSAGE_MAX || (*c & 0xc0) == 0x80); c++) {
		if (*c < 0x20 || *c == 0x7f)
			buf_printf(&b, "\\x%02x", *c);
		else
			buf_append(&b, c, 1);
	}
	return buf_take(&b);
}

static int parse_code(const char *value) {
	size_t n = strspn(value, "0123456789");

	return n > 0 && n <= 3 && value[n] == '\0' ? atoi(value) : GRPC_NONE;
}

static void on_header(void *ctx, const char *name, const char *value) {
	struct grpc_call *call = ctx;

	if (strcasecmp(name, "grpc-status") == 0)
		call->code = parse_code(value);
	if (strcasecmp(name, "grpc-message") != 0)
		return;
	CLEANUP_FREE char *text = xstrdup(value);
	decode(text);
	free(call->message);
	call->message = quote(text);
}

/* Returns its length; 0: the text cannot be sent. */
static size_t make_frame(const char *text, uint8_t frame[HEAD + GRPC_TEXT_MAX]) {
	size_t n = strlen(text);

	if (n == 0 || n > GRPC_TEXT_MAX)
		return 0;
	uint8_t head[HEAD] = {0, 0, 0, 0, (uint8_t)(n + 2), FIELD_1_STRING, (uint8_t)n};
	memcpy(frame, head, HEAD);
	memcpy(frame + HEAD, text, n);
	return HEAD + n;
}

struct grpc_call *grpc_call_text(struct http_client *client, const char *socket, const char *method, const char *text,
				 struct span deadline, grpc_done_fn *fn, void *ctx) {
	static const char *const headers[] = {"content-type: application/grpc", "te: trailers", NULL};
	static const struct http_tls not_verified = {.insecure = true};
	CLEANUP_FREE char *url = xasprintf("https://localhost%s", method);
	struct grpc_call *call = xnew(struct grpc_call);
	uint8_t frame[HEAD + GRPC_TEXT_MAX];
	size_t n = make_frame(text, frame);

	call->fn = fn;
	call->ctx = ctx;
	call->code = GRPC_NONE;
	call->socket = xstrdup(strncmp(socket, "unix://", 7) == 0 ? socket + 7 : socket);
	struct http_options o = {
		.method = "POST",
		.url = n > 0 ? url : "an impossible text:",
		.unix_socket = call->socket,
		.tls = &not_verified,
		.http2 = true,
		.changes = true,
		.headers = headers,
		.body = frame,
		.body_len = n,
		.deadline = deadline.ns ? deadline : span_sec(DEFAULT_SECONDS),
		.on_done = on_done,
		.on_header = on_header,
		.ctx = call,
	};

	call->http = http_request_new(client, &o);
	http_request_start(call->http);
	return call;
}
