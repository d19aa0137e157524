/* HTTP requests on the loop: libcurl's multi interface driven by libuv. One `struct http_client` serves every request of its loop.
 *
 * Contract. No callback ever runs inside http_request_start; on_done runs exactly once per start, unless the request is freed
 * first. Freeing a request cancels it and no callback follows; that is allowed anywhere, its own callbacks included. A request that
 * has ended can be started again: it keeps its handle and finds its connection again, which is what heartbeats do.
 *
 * The answer is either collected, up to body_limit, or (on_data given and the status is 2xx) streamed. Bodies of other statuses are
 * always collected, cut at HTTP_ERROR_BODY_MAX.
 *
 * Names are resolved by a helper thread, literal addresses without one. Proxies of the environment are not used, redirects not
 * followed. */
#ifndef HTTP_CLIENT_H
#define HTTP_CLIENT_H

#include "base/cleanup.h"
#include "base/err.h"
#include "base/mono.h"

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>
#include <uv.h>

#define HTTP_ERROR_BODY_MAX ((size_t)16 << 10)
#define HTTP_HEADERS_MAX ((size_t)64 << 10) /* all header and trailer lines of one answer together */

struct http_client;
struct http_request;

enum http_outcome {
	HTTP_ANSWERED, /* a complete answer, whatever its status */
	HTTP_NOT_SENT, /* not a byte of the request left: it has no effect */
	HTTP_UNKNOWN,  /* at least a part was sent and no complete answer came: it may have an effect */
	HTTP_BAD,      /* an answer came and is unusable (too large, no HTTP); a request that changes something may have done so */
	HTTP_OUTCOME_MAX,
};

struct http_result {
	enum http_outcome outcome;
	int status;       /* 0 when none came */
	const char *body; /* collected; never NULL, NUL-terminated; valid during the callback */
	size_t body_len;
	struct err err; /* set unless HTTP_ANSWERED: "10.0.0.1:2375: Connection refused" */
};

typedef void http_done_fn(void *ctx, const struct http_result *result);
/* The header lines of an answer (and its trailers), one call for each. */
typedef void http_header_fn(void *ctx, const char *name, const char *value);
/* All headers are here; the status is final (not 1xx). */
typedef void http_response_fn(void *ctx, int status);
/* A piece of a 2xx body; all of it counts as taken. After http_request_pause no further call comes until http_request_resume. */
typedef void http_data_fn(void *ctx, const char *data, size_t n);

#define HTTP_SOURCE_LATER ((ssize_t)-1) /* nothing now: http_request_resume says when to ask again */
#define HTTP_SOURCE_ABORT ((ssize_t)-2) /* give the request up */
/* Fills up to n bytes of a request body of unknown length. 0 ends it. */
typedef ssize_t http_source_fn(void *ctx, char *data, size_t n);

struct http_tls {
	const char *ca;         /* file; NULL: the system's */
	const char *cert, *key; /* client certificate, files; both or none */
	bool insecure;          /* the peer's certificate is not looked at */
};

/* Everything is copied by http_request_new. */
struct http_options {
	const char *method; /* NULL: GET */
	const char *url;
	const char *unix_socket;    /* path: connect there, whatever the URL's host is */
	const struct http_tls *tls; /* for https; NULL: verify against the system's CAs */
	bool http2;
	bool changes;   /* not idempotent: a connection of its own, so that it is never resent silently on a stale one */
	bool keepalive; /* TCP keepalive: a dead peer of an idle stream is noticed in about 30 s */

	const char *const *headers; /* "Name: value", NULL at the end; NULL: none */
	const void *body;           /* NULL: none, unless source is given */
	size_t body_len;
	http_source_fn *source;

	struct span connect_timeout; /* connection and TLS handshake; 0: 10 s */
	struct span deadline;        /* of everything; 0: none */
	size_t body_limit;           /* 0: 1 MiB. Not for streamed bodies */
	size_t buffer_size;          /* curl's receive buffer, 1 KiB to 512 KiB; 0: 16 KiB */

	http_done_fn *on_done;
	http_header_fn *on_header;
	http_response_fn *on_response;
	http_data_fn *on_data;
	void *ctx;
};

int http_client_new(uv_loop_t *loop, struct http_client **ret_client, struct err *err);
/* Every request must be freed already. The loop must turn once more afterwards for libuv's handles to close. */
void http_client_free(struct http_client *client);
CLEANUP_DEFINE(http_client, struct http_client, http_client_free)
uv_loop_t *http_client_loop(const struct http_client *client);

/* Errors of the options (a bad URL, no memory) show when it is started, as HTTP_NOT_SENT. */
struct http_request *http_request_new(struct http_client *client, const struct http_options *options);
void http_request_free(struct http_request *req);
CLEANUP_DEFINE(http_request, struct http_request, http_request_free)

/* The request must not be under way. */
void http_request_start(struct http_request *req);
bool http_request_is_running(const struct http_request *req);
/* For the next start. 0: none. */
void http_request_set_deadline(struct http_request *req, struct span deadline);

/* Stops reading the answer (backpressure: TCP's window closes). Time goes on counting against the deadline. */
void http_request_pause(struct http_request *req);
/* Goes on reading and asks the source again. */
void http_request_resume(struct http_request *req);

#endif
