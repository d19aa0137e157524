/* See server.h.
 *
 * libmicrohttpd keeps its sockets in an epoll set of its own, whose descriptor libuv polls; its timeouts are one timer. A call that
 * is not answered at once, and a stream with nothing to send, are suspended connections. Of those libmicrohttpd (0.9.75) does not
 * even notice that the client hung up, so a quiet stream's descriptor is watched by libuv. To end a connection from here its socket
 * is shut down, which libmicrohttpd sees in every state, also while a slow reader's window is closed. */
#include "http/server.h"

#include "base/alloc.h"
#include "base/buf.h"
#include "base/cleanup.h"
#include "base/json.h"
#include "http/listen.h"
#include "http/tls.h"

#include <assert.h>
#include <errno.h>
#include <microhttpd.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#define MAX_CONNECTIONS 64
#define IDLE_TIMEOUT span_sec(30)
#define STREAM_BUFFER ((size_t)1024 * 1024)
#define STREAM_BLOCK ((size_t)16 * 1024)
#define CONNECTION_MEMORY ((size_t)32 * 1024) /* bounds the headers */
/* libmicrohttpd (0.9.75) takes a connection in the middle of its TLS handshake for one that can be read all the time, and wants to
 * run again at once: a client that says nothing would leave the loop no time for anything else. */
#define HANDSHAKE_PAUSE_MS 1
#define BODY_PATIENCE 4 /* times the limit is read of a body that is too large, to be able to say so */

enum phase {
	PHASE_NEW,
	PHASE_READING,
	PHASE_HANDLING, /* inside the handler */
	PHASE_WAITING,  /* suspended until the answer comes */
	PHASE_ANSWERED, /* the response is there, or was dropped because nobody waits */
};

/* Owned by the connection and, from dispatch to answer, by the handler. */
struct http_call {
	struct http_call *prev, *next; /* of the server, while there is a connection */
	unsigned owners;
	struct http_server *server;
	struct MHD_Connection *connection; /* NULL when it is gone */
	enum phase phase;
	char *raw;
	struct buf body;
	size_t received;
	struct http_target target;
	struct http_params params;
	json_t *json;
	struct MHD_Response *response;
	unsigned status;
	struct http_stream *stream;
};

/* Owned by the caller (until told closed, or end), the connection, and the loop (its poll). */
struct http_stream {
	unsigned owners;
	struct http_call *call; /* NULL when the connection is gone */
	struct buf buf;
	size_t limit;
	int fd;
	uv_poll_t hangup;
	bool suspended, ended, dropped;
	bool abandoned; /* the caller does not want to hear of it */
	http_stream_closed_fn *closed;
	void *user;
};

struct http_server {
	struct http_server_settings settings;
	struct http_listener listener;
	struct MHD_Daemon *daemon;
	uv_loop_t *loop;
	uv_poll_t poll;
	uv_timer_t timer;
	unsigned handles;
	bool resumed; /* a connection since the last run */
	struct http_call *calls;
	struct tls_files tls;
};

static void on_timer(uv_timer_t *h);

/* Without a thread of its own libmicrohttpd does not wake up by itself to go on with a resumed connection. */
static void server_resume(struct http_server *s, struct MHD_Connection *connection) {
	MHD_resume_connection(connection);
	s->resumed = true;
	(void)uv_timer_start(&s->timer, on_timer, 0, 0); /* fails without a function only */
}

/* ---- calls ---- */

static void call_unref(struct http_call *c) {
	if (--c->owners > 0)
		return;
	if (c->response)
		MHD_destroy_response(c->response);
	free(c->raw);
	buf_clear(&c->body);
	http_target_clear(&c->target);
	http_params_clear(&c->params);
	json_decref(c->json);
	free(c);
}

static struct http_call *call_new(struct http_server *s, struct MHD_Connection *connection, const char *raw) {
	struct http_call *c = xnew(struct http_call);
	c->owners = 1;
	c->server = s;
	c->connection = connection;
	c->raw = xstrdup(raw);
	c->next = s->calls;
	if (c->next)
		c->next->prev = c;
	s->calls = c;
	return c;
}

static void call_unlink(struct http_call *c) {
	if (c->prev)
		c->prev->next = c->next;
	else
		c->server->calls = c->next;
	if (c->next)
		c->next->prev = c->prev;
	c->prev = c->next = NULL;
	c->connection = NULL;
}

/* Takes the response and the handler's share of the call. */
static void call_finish(struct http_call *c, unsigned status, struct MHD_Response *response, const char *type) {
	assert(c->phase == PHASE_HANDLING || c->phase == PHASE_WAITING);
	(void)MHD_add_response_header(response, MHD_HTTP_HEADER_CONTENT_TYPE, type); /* fails for want of memory, or none of it */
	bool waiting = c->phase == PHASE_WAITING;
	c->phase = PHASE_ANSWERED;
	c->response = response;
	c->status = status;
	if (waiting && c->connection)
		server_resume(c->server, c->connection);
	call_unref(c);
}

static struct MHD_Response *response_of(char *text) {
	struct MHD_Response *r = MHD_create_response_from_buffer(strlen(text), text, MHD_RESPMEM_MUST_FREE);
	if (!r)
		abort(); /* no memory: as base/alloc.h */
	return r;
}

static struct MHD_Response *response_error(const char *message) {
	CLEANUP_JSON json_t *j = json_object();

	json_set_str(j, "error", message);
	return response_of(json_text(j));
}

void http_call_answer(struct http_call *c, unsigned status, const char *json_text_) {
	call_finish(c, status, response_of(xstrdup(json_text_)), "application/json");
}

void http_call_answer_json(struct http_call *c, unsigned status, const json_t *body) {
	call_finish(c, status, response_of(json_text(body)), "application/json");
}

void http_call_fail(struct http_call *c, unsigned status, const char *fmt, ...) {
	char message[512];
	va_list ap;
	va_start(ap, fmt);
	vsnprintf(message, sizeof(message), fmt, ap);
	va_end(ap);
	call_finish(c, status, response_error(message), "application/json");
}

const char *http_call_param(const struct http_call *c, const char *name) { return http_params_get(&c->params, name); }
const char *http_call_query(const struct http_call *c, const char *name) { return http_params_get(&c->target.query, name); }
const struct http_params *http_call_queries(const struct http_call *c) { return &c->target.query; }
const json_t *http_call_body(const struct http_call *c) { return c->json; }

/* ---- streams ---- */

static void stream_release(struct http_stream *s, unsigned shares) {
	s->owners -= shares;
	if (s->owners > 0)
		return;
	buf_clear(&s->buf);
	free(s);
}

static void stream_resume(struct http_stream *s) {
	if (!s->suspended)
		return;
	s->suspended = false;
	(void)uv_poll_stop(&s->hangup); /* cannot fail */
	server_resume(s->call->server, s->call->connection);
}

/* The connection is ended; that it is over is told when it is. */
static void stream_drop(struct http_stream *s) {
	s->dropped = true;
	buf_clear(&s->buf);
	(void)shutdown(s->fd, SHUT_RDWR); /* fails when the peer was faster */
	stream_resume(s);
}

static void on_hangup(uv_poll_t *h, int status, int events) {
	(void)status; /* whatever it is, the reader is gone */
	(void)events;
	stream_drop(h->data);
}

static ssize_t on_stream_read(void *cls, uint64_t pos, char *out, size_t max) {
	struct http_stream *s = cls;

	(void)pos;
	if (s->dropped)
		return MHD_CONTENT_READER_END_WITH_ERROR;
	if (s->buf.len > 0) {
		size_t n = s->buf.len < max ? s->buf.len : max;
		memcpy(out, s->buf.data, n);
		buf_consume(&s->buf, n);
		return (ssize_t)n;
	}
	if (s->ended)
		return MHD_CONTENT_READER_END_OF_STREAM;
	s->suspended = true;
	(void)uv_poll_start(&s->hangup, UV_DISCONNECT, on_hangup); /* a reader who hangs up unseen is found by the next write */
	MHD_suspend_connection(s->call->connection);
	return 0;
}

static void on_hangup_closed(uv_handle_t *h) { stream_release(h->data, 1); }

/* The connection is over. */
static void stream_disconnected(struct http_stream *s) {
	s->call = NULL;
	s->dropped = true;
	(void)uv_poll_stop(&s->hangup); /* before the descriptor is closed */
	uv_close((uv_handle_t *)&s->hangup, on_hangup_closed);
	if (s->abandoned) {
		stream_release(s, 1);
		return;
	}
	s->abandoned = true;
	if (s->closed)
		s->closed(s->user);
	stream_release(s, 2); /* the connection's share and the caller's */
}

static int connection_fd(struct MHD_Connection *c) {
	const union MHD_ConnectionInfo *info = MHD_get_connection_info(c, MHD_CONNECTION_INFO_CONNECTION_FD);
	assert(info);
	return info->connect_fd;
}

struct http_stream *http_call_stream(struct http_call *c, http_stream_closed_fn *closed, void *user) {
	if (!c->connection) {
		c->phase = PHASE_ANSWERED;
		call_unref(c);
		return NULL;
	}
	struct http_stream *s = xnew(struct http_stream);
	s->limit = c->server->settings.stream_buffer;
	s->closed = closed;
	s->user = user;
	s->call = c;
	s->owners = 3;
	s->fd = connection_fd(c->connection);
	int r = uv_poll_init(c->server->loop, &s->hangup, s->fd);
	assert(r == 0); /* a socket can be polled */
	(void)r;
	s->hangup.data = s;
	c->stream = s;
	struct MHD_Response *response = MHD_create_response_from_callback(MHD_SIZE_UNKNOWN, STREAM_BLOCK, on_stream_read, s, NULL);
	if (!response)
		abort(); /* no memory: as base/alloc.h */
	call_finish(c, MHD_HTTP_OK, response, "application/jsonl");
	return s;
}

int http_stream_write(struct http_stream *s, const void *data, size_t n) {
	if (s->dropped)
		return -EPIPE;
	assert(!s->ended);
	if (n > s->limit - s->buf.len) {
		stream_drop(s);
		return -ENOBUFS;
	}
	buf_append(&s->buf, data, n);
	stream_resume(s);
	return 0;
}

void http_stream_end(struct http_stream *s) {
	if (!s)
		return;
	s->ended = true;
	s->abandoned = true;
	stream_resume(s);
	stream_release(s, 1);
}

/* ---- requests ---- */

static enum MHD_Result queue_error(struct MHD_Connection *connection, unsigned status, const char *message, const char *allow) {
	struct MHD_Response *r = response_error(message);
	(void)MHD_add_response_header(r, MHD_HTTP_HEADER_CONTENT_TYPE, "application/json"); /* as in call_finish */
	if (allow)
		(void)MHD_add_response_header(r, MHD_HTTP_HEADER_ALLOW, allow);
	enum MHD_Result queued = MHD_queue_response(connection, status, r);
	MHD_destroy_response(r);
	return queued;
}

static enum MHD_Result queue_answer(struct http_call *c) {
	enum MHD_Result queued = MHD_queue_response(c->connection, c->status, c->response);
	MHD_destroy_response(TAKE_PTR(c->response)); /* the queue holds its own reference */
	return queued;
}

static enum MHD_Result refuse_body(struct MHD_Connection *connection) {
	return queue_error(connection, MHD_HTTP_CONTENT_TOO_LARGE, "the request body is too large", NULL);
}

static bool is_announced_too_large(const struct http_server *s, struct MHD_Connection *connection) {
	const char *length = MHD_lookup_connection_value(connection, MHD_HEADER_KIND, MHD_HTTP_HEADER_CONTENT_LENGTH);
	return length && strtoull(length, NULL, 10) > s->settings.body_limit; /* checked by the library */
}

static enum MHD_Result refuse_method(struct http_call *c, const bool allowed[HTTP_METHOD_MAX]) {
	char allow[64] = "";
	size_t n = 0;

	for (size_t m = 0; m < HTTP_METHOD_MAX; m++)
		if (allowed[m])
			n += (size_t)snprintf(allow + n, sizeof(allow) - n, "%s%s", n ? ", " : "",
					      http_method_name((enum http_method)m));
	if (n == 0)
		return queue_error(c->connection, MHD_HTTP_NOT_FOUND, "there is nothing of this name", NULL);
	return queue_error(c->connection, MHD_HTTP_METHOD_NOT_ALLOWED, "this cannot be done with that", allow);
}

static enum MHD_Result call_handle(struct http_call *c, const struct http_route *route) {
	c->phase = PHASE_HANDLING;
	c->owners++;
	route->handler(c, c->server->settings.user);
	if (c->phase == PHASE_ANSWERED)
		return queue_answer(c);
	c->phase = PHASE_WAITING;
	MHD_suspend_connection(c->connection);
	return MHD_YES;
}

static enum MHD_Result call_dispatch(struct http_call *c, const char *method) {
	struct http_server *s = c->server;
	struct http_match match;
	struct err err;

	if (c->received > s->settings.body_limit)
		return refuse_body(c->connection);
	if (http_target_parse(c->raw, &c->target, &err) < 0)
		return queue_error(c->connection, MHD_HTTP_BAD_REQUEST, err.msg, NULL);
	http_route_match(s->settings.routes, s->settings.n_routes, http_method_parse(method), &c->target, &match);
	if (!match.route)
		return refuse_method(c, match.allowed);
	c->params = match.params;
	if (http_body_parse(c->body.data, c->body.len, &c->json, &err) < 0)
		return queue_error(c->connection, MHD_HTTP_BAD_REQUEST, err.msg, NULL);
	return call_handle(c, match.route);
}

/* What is too large is read for a while all the same: a client that is still sending would not see the answer. */
static enum MHD_Result call_receive(struct http_call *c, const char *data, size_t *n) {
	size_t limit = c->server->settings.body_limit;

	c->received += *n;
	if (c->received <= limit)
		buf_append(&c->body, data, *n);
	*n = 0;
	return c->received <= BODY_PATIENCE * limit ? MHD_YES : MHD_NO;
}

/* libmicrohttpd calls it once for the headers, for each piece of the body, at its end, and again after a suspension. */
static enum MHD_Result on_access(void *cls, struct MHD_Connection *connection, const char *url, const char *method,
				 const char *version, const char *data, size_t *n, void **con_cls) {
	struct http_call *c = *con_cls;

	(void)cls;
	(void)url;
	(void)version;
	switch (c->phase) {
	case PHASE_NEW:
		c->phase = PHASE_READING;
		return is_announced_too_large(c->server, connection) ? refuse_body(connection) : MHD_YES;
	case PHASE_READING:
		return *n ? call_receive(c, data, n) : call_dispatch(c, method);
	case PHASE_ANSWERED:
		return queue_answer(c);
	default:
		return MHD_NO;
	}
}

static void *on_request(void *cls, const char *raw, struct MHD_Connection *connection) { return call_new(cls, connection, raw); }

static void on_completed(void *cls, struct MHD_Connection *connection, void **con_cls, enum MHD_RequestTerminationCode code) {
	struct http_call *c = *con_cls;

	(void)cls;
	(void)connection;
	(void)code;
	if (!c)
		return;
	*con_cls = NULL;
	call_unlink(c);
	if (c->stream)
		stream_disconnected(TAKE_PTR(c->stream));
	call_unref(c);
}

/* ---- the loop ---- */

static void server_run(struct http_server *s) {
	MHD_UNSIGNED_LONG_LONG ms = 0;

	s->resumed = false;
	(void)MHD_run(s->daemon); /* fails for daemons with threads only */
	bool again = s->resumed || MHD_get_timeout(s->daemon, &ms) == MHD_YES;
	if (s->tls.ca && !s->resumed && ms == 0)
		ms = HANDSHAKE_PAUSE_MS;
	if (again)
		(void)uv_timer_start(&s->timer, on_timer, ms, 0); /* fails without a function only */
	else
		(void)uv_timer_stop(&s->timer);
}

static void on_timer(uv_timer_t *h) { server_run(h->data); }

static void on_poll(uv_poll_t *h, int status, int events) {
	(void)status;
	(void)events;
	server_run(h->data);
}

static void on_server_handle_closed(uv_handle_t *h) {
	struct http_server *s = h->data;
	if (--s->handles == 0)
		free(s);
}

static struct MHD_Daemon *daemon_start(struct http_server *s) {
	unsigned timeout = (unsigned)((s->settings.idle_timeout.ns + 999999999) / 1000000000);
	unsigned tls = s->tls.ca ? MHD_USE_TLS : MHD_NO_FLAG;
	struct MHD_OptionItem files[] = {
		{MHD_OPTION_HTTPS_MEM_TRUST, 0, s->tls.ca},
		{MHD_OPTION_HTTPS_MEM_CERT, 0, s->tls.cert},
		{MHD_OPTION_HTTPS_MEM_KEY, 0, s->tls.key},
		{MHD_OPTION_NOTIFY_CONNECTION, (intptr_t)tls_on_connection, NULL},
		{MHD_OPTION_END, 0, NULL},
	};
	return MHD_start_daemon(MHD_USE_EPOLL | MHD_ALLOW_SUSPEND_RESUME | tls, 0, NULL, NULL, on_access, s,
				MHD_OPTION_LISTEN_SOCKET, s->listener.fd, MHD_OPTION_CONNECTION_LIMIT, s->settings.max_connections,
				MHD_OPTION_CONNECTION_MEMORY_LIMIT, CONNECTION_MEMORY, MHD_OPTION_CONNECTION_TIMEOUT, timeout,
				MHD_OPTION_STRICT_FOR_CLIENT, 1, MHD_OPTION_URI_LOG_CALLBACK, on_request, s,
				MHD_OPTION_NOTIFY_COMPLETED, on_completed, s, MHD_OPTION_ARRAY, tls ? files : files + 4,
				MHD_OPTION_END);
}

static void server_watch(struct http_server *s) {
	const union MHD_DaemonInfo *info = MHD_get_daemon_info(s->daemon, MHD_DAEMON_INFO_EPOLL_FD);
	assert(info && info->epoll_fd >= 0);
	int r = uv_poll_init(s->loop, &s->poll, info->epoll_fd);
	assert(r == 0); /* an epoll descriptor can be polled */
	(void)r;
	(void)uv_timer_init(s->loop, &s->timer); /* cannot fail */
	s->poll.data = s->timer.data = s;
	s->handles = 2;
	(void)uv_poll_start(&s->poll, UV_READABLE, on_poll); /* fails for closing handles only */
}

static void settings_fill(struct http_server_settings *s) {
	if (!s->max_connections)
		s->max_connections = MAX_CONNECTIONS;
	if (!s->idle_timeout.ns)
		s->idle_timeout = IDLE_TIMEOUT;
	if (!s->body_limit)
		s->body_limit = HTTP_BODY_MAX;
	if (!s->stream_buffer)
		s->stream_buffer = STREAM_BUFFER;
	s->listen = NULL; /* the caller's */
	s->tls = (struct http_server_tls){0};
}

/* Why the library does not start it does not say; of TLS it is most likely a certificate and a key that do not fit. */
static int server_start(struct http_server *s, const char *listen, struct err *err) {
	int r = http_listen(listen, &s->listener, err);
	if (r < 0)
		return r;
	s->daemon = daemon_start(s);
	if (s->daemon)
		return 0;
	http_listener_clear(&s->listener);
	return err_set(err, -EIO, "%s: the HTTP server does not start%s", listen,
		       s->tls.ca ? ": do the certificate and the key belong together?" : "");
}

int http_server_new(uv_loop_t *loop, const struct http_server_settings *settings, struct http_server **ret, struct err *err) {
	CLEANUP_FREE struct http_server *s = xnew(struct http_server);

	int r = settings->tls.ca ? tls_files_read(&settings->tls, &s->tls, err) : 0;
	if (r < 0)
		return r;
	s->settings = *settings;
	settings_fill(&s->settings);
	s->loop = loop;
	if ((r = server_start(s, settings->listen, err)) < 0) {
		tls_files_clear(&s->tls);
		return r;
	}
	s->listener.fd = -1; /* the daemon's now */
	server_watch(s);
	*ret = TAKE_PTR(s);
	return 0;
}

unsigned http_server_port(const struct http_server *s) { return s->listener.port; }

/* No connection may be suspended when the daemon stops. */
static void server_release_calls(struct http_server *s) {
	for (struct http_call *c = s->calls; c; c = c->next) {
		if (c->phase == PHASE_WAITING)
			MHD_resume_connection(c->connection);
		if (!c->stream)
			continue;
		stream_resume(c->stream);
		if (!c->stream->abandoned) {
			c->stream->abandoned = true;
			stream_release(c->stream, 1);
		}
	}
}

void http_server_free(struct http_server *s) {
	if (!s)
		return;
	server_release_calls(s);
	(void)uv_poll_stop(&s->poll); /* before the descriptor is closed */
	MHD_stop_daemon(s->daemon);
	tls_files_clear(&s->tls);
	http_listener_clear(&s->listener);
	uv_close((uv_handle_t *)&s->poll, on_server_handle_closed);
	uv_close((uv_handle_t *)&s->timer, on_server_handle_closed);
}
