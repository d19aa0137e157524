/* A small blocking HTTP client for command-line tools: one request, over a unix socket or TCP, on the calling thread. The daemon
 * never uses it: nothing may block there. */
#ifndef HTTP_REQUEST_H
#define HTTP_REQUEST_H

#include "base/buf.h"
#include "base/err.h"
#include "base/mono.h"

#include <stdbool.h>
#include <stddef.h>

/* One line of a streamed answer, without its newline. Returning false ends the request, which then counts as done. */
typedef bool request_line_fn(void *user, const char *line, size_t len);

struct request {
	const char *host;         /* "unix:///path", "tcp://host:port" or "http://host:port" */
	const char *method;       /* "GET" or "POST" */
	const char *path;         /* "/v1/status?x=y", already escaped */
	const char *body;         /* JSON, of a POST; NULL: none */
	struct span timeout;      /* of the whole request; 0: none (connecting always has 10 s) */
	size_t body_max;          /* larger answers are refused; 0: 64 MiB. With on_line it limits one line. */
	request_line_fn *on_line; /* NULL: the whole body goes into ret_body. Called for 2xx answers only. */
	void *user;
};

/* 0 when an HTTP answer came, whatever its status: *ret_status is set, and ret_body holds the body (with on_line: only that of an
 * answer that is not 2xx). -ENOTCONN when the host cannot be reached or gives no HTTP answer, -EMSGSIZE when it is too large,
 * -EINVAL for a malformed host, -EIO when it broke off in the middle, -ETIMEDOUT. */
int request_perform(const struct request *r, long *ret_status, struct buf *ret_body, struct err *err);

/* Percent-encoded as one path segment or query value. Free it. */
char *request_escape(const char *text);

#endif
