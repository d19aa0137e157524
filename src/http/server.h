/* A small HTTP/1.1 server for JSON APIs: libmicrohttpd on the libuv loop, no threads of its own.
 *
 * Listens on "unix:///path" or "tcp://address:port" (numeric). Each request that fits the table is a call, and each call is
 * answered exactly once, at once or later: a handler may keep it as long as it likes. A call whose client went away stays valid,
 * its answer is dropped. Errors are {"error": "..."} with 400, 404, 405, 413, 500. One loop thread, as everywhere. */
#ifndef HTTP_SERVER_H
#define HTTP_SERVER_H

#include "base/err.h"
#include "base/mono.h"
#include "http/route.h"

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <uv.h>

struct http_server;
struct http_call;
struct http_stream;

/* Files in PEM. With ca NULL there is no TLS. A client without a certificate that this CA signed, for clients, does not get through
 * the handshake. Read once, by http_server_new. */
struct http_server_tls {
	const char *ca, *cert, *key;
};

struct http_server_settings {
	const char *listen;
	const struct http_route *routes; /* borrowed, as long as the server lives */
	size_t n_routes;
	void *user;               /* passed to every handler */
	unsigned max_connections; /* 0: 64 */
	struct span
		idle_timeout; /* 0: 30 s; a call that waits for its answer and a quiet stream are not idle. Rounded up to seconds */
	size_t stream_buffer; /* 0: 1 MiB a stream that its reader has not taken yet */
	size_t body_limit;    /* of a request; 0: HTTP_BODY_MAX */
	struct http_server_tls tls;
};

/* A unix socket gets mode 0660 from its first moment; one that a dead process left is replaced, a live one is -EADDRINUSE.
 * The directory must exist. */
int http_server_new(uv_loop_t *loop, const struct http_server_settings *settings, struct http_server **ret, struct err *err);

/* Cuts all connections and removes the socket. Streams end without notification; calls not yet answered stay valid and must still
 * be answered, to nobody. The loop must run on until the handles are closed. NULL is fine. Not from inside a handler. */
void http_server_free(struct http_server *s);

/* The port when listening on TCP (for ":0"), else 0. */
unsigned http_server_port(const struct http_server *s);

/* ---- reading a call; all borrowed, valid until it is answered ---- */

const char *http_call_param(const struct http_call *c, const char *name); /* of the path; never NULL for a name in the pattern */
const char *http_call_query(const struct http_call *c, const char *name); /* NULL when absent */
const struct http_params *http_call_queries(const struct http_call *c);   /* to refuse unknown ones */
const json_t *http_call_body(const struct http_call *c);                  /* an object, or NULL when there was none */

/* ---- answering: exactly one of these, exactly once; the call is gone afterwards ---- */

void http_call_answer(struct http_call *c, unsigned status, const char *json_text);
void http_call_answer_json(struct http_call *c, unsigned status, const json_t *body); /* body stays the caller's */
void http_call_fail(struct http_call *c, unsigned status, const char *fmt, ...) __attribute__((format(printf, 3, 4)));

/* Answers 200 with an open end (application/jsonl), to be written to from now on. closed is called once, from the loop and never
 * inside http_stream_write, when the reader is gone or was dropped for being slow; the stream must not be touched afterwards. */
typedef void http_stream_closed_fn(void *user);
struct http_stream *http_call_stream(struct http_call *c, http_stream_closed_fn *closed, void *user);

/* -EPIPE when the stream is over (closed will be called, or was the reason of this write), -ENOBUFS when this write was too much
 * for a slow reader, who is dropped. Both may be ignored by a caller that has a closed function. */
int http_stream_write(struct http_stream *s, const void *data, size_t n);

/* What is buffered is still sent, then the answer ends. closed is not called. NULL is fine. */
void http_stream_end(struct http_stream *s);

#endif
