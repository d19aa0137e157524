/* A stand-in HTTP/1.1 server on the test's own loop, on loopback TCP or a unix socket. It reads whole requests and lets the test
 * write what it likes: good answers, bad ones, pieces, nothing. Included by the tests that need one. */
#ifndef TESTS_STANDIN_H
#define TESTS_STANDIN_H

#include "base/alloc.h"
#include "base/buf.h"

#include <assert.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <utlist.h>
#include <uv.h>

struct standin;

struct standin_conn {
	union {
		uv_handle_t handle;
		uv_stream_t stream;
		uv_tcp_t tcp;
		uv_pipe_t pipe;
	} io;
	struct standin *server;
	struct buf in;
	bool closing;
	size_t requests; /* on this connection */
	struct standin_conn *prev, *next;
};

struct standin_request {
	const char *method, *path; /* with its query */
	const char *headers;
	const char *body; /* chunks put together */
	size_t body_len;
};

typedef void standin_fn(void *ctx, struct standin_conn *conn, const struct standin_request *request);

struct standin {
	union {
		uv_handle_t handle;
		uv_stream_t stream;
		uv_tcp_t tcp;
		uv_pipe_t pipe;
	} io;
	bool is_pipe, closed, deaf; /* deaf: accepts and never reads */
	const char *blurt;          /* said to whoever connects */
	uv_loop_t *loop;
	standin_fn *fn;
	void *ctx;
	int port;
	char path[108];
	size_t connections, requests;
	size_t got; /* bytes read */
	struct standin_conn *conns;
};

/* One turn that always comes back: UV_RUN_ONCE sleeps on after a timer that ended what was waited for. */
static inline void standin_turn(uv_loop_t *loop) {
	struct pollfd fd = {.fd = uv_backend_fd(loop), .events = POLLIN};
	uv_run(loop, UV_RUN_NOWAIT);
	int ms = uv_backend_timeout(loop);
	poll(&fd, 1, ms < 0 || ms > 5 ? 5 : ms);
}

/* Runs the loop until the condition holds. A test that hangs is killed by alarm(2). */
#define RUN_UNTIL(loop, condition) \
	do { \
		while (!(condition)) \
			standin_turn(loop); \
	} while (0)

static inline void standin_conn_closed(uv_handle_t *h) {
	struct standin_conn *c = h->data;
	buf_clear(&c->in);
	free(c);
}

static inline void standin_close(struct standin_conn *c) {
	if (c->closing)
		return;
	c->closing = true;
	DL_DELETE(c->server->conns, c);
	uv_close(&c->io.handle, standin_conn_closed);
}

struct standin_write {
	uv_write_t req;
	bool then_close;
	struct standin_conn *conn;
	char data[];
};

static inline void standin_written(uv_write_t *req, int status) {
	struct standin_write *w = req->data;
	if (status == 0 && w->then_close)
		standin_close(w->conn);
	free(w);
}

static inline void standin_write_n(struct standin_conn *c, const char *data, size_t n, bool then_close) {
	if (c->closing)
		return;
	struct standin_write *w = xcalloc(1, sizeof(*w) + n + 1);
	memcpy(w->data, data, n);
	w->then_close = then_close;
	w->conn = c;
	w->req.data = w;
	uv_buf_t buf = uv_buf_init(w->data, (unsigned)n);
	if (uv_write(&w->req, &c->io.stream, &buf, 1, standin_written) < 0)
		free(w);
}

static inline void standin_write(struct standin_conn *c, const char *text) { standin_write_n(c, text, strlen(text), false); }

static inline void standin_answer(struct standin_conn *c, int status, const char *body) {
	char *text =
		xasprintf("HTTP/1.1 %d X\r\nApi-Version: 1.51\r\nContent-Type: application/json\r\nContent-Length: %zu\r\n\r\n%s",
			  status, strlen(body), body);
	if (status == 204 || status == 304)
		snprintf(text, 40, "HTTP/1.1 %d X\r\n\r\n", status);
	standin_write(c, text);
	free(text);
}

/* Puts chunks together. False while the last one is not there. */
static inline bool standin_dechunk(const char *in, size_t n, struct buf *out, size_t *used) {
	size_t at = 0;
	for (;;) {
		const char *eol = memmem(in + at, n - at, "\r\n", 2);
		if (!eol)
			return false;
		size_t size = strtoul(in + at, NULL, 16), start = (size_t)(eol - in) + 2;
		if (start + size + 2 > n)
			return false;
		buf_append(out, in + start, size);
		at = start + size + 2;
		if (size == 0) {
			*used = at;
			return true;
		}
	}
}

static inline bool standin_take_request(struct standin_conn *c) {
	char *end = c->in.len ? memmem(c->in.data, c->in.len, "\r\n\r\n", 4) : NULL;
	struct buf body = {0};
	size_t used = 0;

	if (!end)
		return false;
	char *head = xstrndup(c->in.data, (size_t)(end - c->in.data) + 2);
	size_t rest = c->in.len - (size_t)(end + 4 - c->in.data);
	char *length = strcasestr(head, "\r\ncontent-length:");
	bool whole = true;
	if (strcasestr(head, "transfer-encoding: chunked")) {
		whole = standin_dechunk(end + 4, rest, &body, &used);
	} else if (length) {
		used = strtoul(length + 17, NULL, 10);
		whole = used <= rest;
		if (whole)
			buf_append(&body, end + 4, used);
	}
	if (whole) {
		char *save = NULL, *line = strtok_r(head, "\r\n", &save);
		char *method = line, *path = strchr(line, ' ');
		*path++ = '\0';
		*strchr(path, ' ') = '\0';
		buf_consume(&c->in, (size_t)(end + 4 - c->in.data) + used);
		c->server->requests++;
		c->requests++;
		struct standin_request r = {
			.method = method, .path = path, .headers = save, .body = body.data ? body.data : "", .body_len = body.len};
		c->server->fn(c->server->ctx, c, &r);
	}
	buf_clear(&body);
	free(head);
	return whole && !c->closing;
}

static inline void standin_alloc(uv_handle_t *h, size_t n, uv_buf_t *buf) {
	(void)h;
	*buf = uv_buf_init(xmalloc(n), (unsigned)n);
}

static inline void standin_read(uv_stream_t *s, ssize_t n, const uv_buf_t *buf) {
	struct standin_conn *c = s->data;
	if (n > 0) {
		c->server->got += (size_t)n;
		buf_append(&c->in, buf->base, (size_t)n);
	}
	free(buf->base);
	if (n < 0)
		standin_close(c);
	else
		while (standin_take_request(c)) {}
}

static inline void standin_accept(uv_stream_t *listener, int status) {
	struct standin *s = listener->data;
	struct standin_conn *c = xnew(struct standin_conn);
	assert(status == 0);
	c->server = s;
	if (s->is_pipe)
		uv_pipe_init(s->loop, &c->io.pipe, 0);
	else
		uv_tcp_init(s->loop, &c->io.tcp);
	c->io.handle.data = c;
	DL_APPEND(s->conns, c);
	s->connections++;
	assert(uv_accept(listener, &c->io.stream) == 0);
	if (s->blurt)
		standin_write(c, s->blurt);
	if (!s->deaf)
		uv_read_start(&c->io.stream, standin_alloc, standin_read);
}

/* path NULL: TCP on a free port of 127.0.0.1. */
static inline void standin_listen(struct standin *s, uv_loop_t *loop, const char *path, standin_fn *fn, void *ctx) {
	struct sockaddr_in any = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	int n = sizeof(any);

	*s = (struct standin){.loop = loop, .fn = fn, .ctx = ctx, .is_pipe = path != NULL};
	if (path) {
		snprintf(s->path, sizeof(s->path), "%s", path);
		uv_pipe_init(loop, &s->io.pipe, 0);
		assert(uv_pipe_bind(&s->io.pipe, path) == 0);
	} else {
		uv_tcp_init(loop, &s->io.tcp);
		assert(uv_tcp_bind(&s->io.tcp, (struct sockaddr *)&any, 0) == 0);
		assert(uv_tcp_getsockname(&s->io.tcp, (struct sockaddr *)&any, &n) == 0);
		s->port = ntohs(any.sin_port);
	}
	s->io.handle.data = s;
	assert(uv_listen(&s->io.stream, 128, standin_accept) == 0);
}

static inline void standin_drop_all(struct standin *s) {
	while (s->conns)
		standin_close(s->conns);
}

static inline void standin_closed(uv_handle_t *h) { ((struct standin *)h->data)->closed = true; }

static inline void standin_stop(struct standin *s) {
	standin_drop_all(s);
	s->closed = false;
	uv_close(&s->io.handle, standin_closed);
	RUN_UNTIL(s->loop, s->closed);
}

#endif
