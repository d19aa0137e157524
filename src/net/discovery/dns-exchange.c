/* See dns-exchange.h. */
#include "net/discovery/dns-exchange.h"

#include "base/alloc.h"
#include "base/buf.h"

#include <assert.h>
#include <errno.h>
#include <string.h>

#define FIRST_PATIENCE span_ms(500) /* before a datagram is sent again; doubled each time */
#define DATAGRAM_MAX ((size_t)4096)
#define READ_SIZE \
	((size_t)16384) /* libuv reads up to 32 of these in one turn: of a transfer no more is to be understood in one \
			 */

struct dns_exchange {
	struct dns_exchange_options options;
	struct dns_peers peers;
	size_t peer;
	struct dns_request request;
	uv_timer_t timer;
	union {
		uv_handle_t handle;
		uv_stream_t stream;
		uv_udp_t udp;
		uv_tcp_t tcp;
	} io[2 * DNS_PEERS_MAX]; /* one for each attempt, since a handle needs a turn of the loop to close */
	size_t n_io;
	unsigned open; /* handles that libuv still has */
	uv_connect_t connect;
	uv_write_t write;
	uint8_t length[2];
	struct buf in;
	char *room;
	struct span patience;
	unsigned sent; /* datagrams or connections that may have carried it there */
	bool tcp, ended, freed;
	struct err complaint; /* of the last answer that did not count */
};

/* ---- its end ---- */

static void destroy(struct dns_exchange *x) {
	dns_request_clear(&x->request);
	buf_clear(&x->in);
	free(x->room);
	free(x);
}

static void on_closed(uv_handle_t *h) {
	struct dns_exchange *x = h->data;

	if (--x->open == 0 && x->freed)
		destroy(x);
}

static void close_io(struct dns_exchange *x) {
	if (x->n_io > 0 && !uv_is_closing(&x->io[x->n_io - 1].handle))
		uv_close(&x->io[x->n_io - 1].handle, on_closed);
}

static void stop(struct dns_exchange *x) {
	if (x->ended)
		return;
	x->ended = true;
	close_io(x);
	uv_close((uv_handle_t *)&x->timer, on_closed);
}

void dns_exchange_free(struct dns_exchange *x) {
	if (!x)
		return;
	stop(x);
	x->freed = true;
	if (x->open == 0)
		destroy(x);
}

/* The last thing that its caller does: the owner may free x. */
static void end(struct dns_exchange *x, int result, const struct err *err) {
	stop(x);
	x->options.on_done(x->options.ctx, result, err);
}

static void fail(struct dns_exchange *x, int code, const char *what) {
	struct err err;

	if (x->complaint.code)
		err_set(&err, code, "%s (%s)", what, x->complaint.msg);
	else
		err_set(&err, code, "%s", what);
	end(x, code, &err);
}

/* What was sent and not answered well may have been done. */
static int unsure(const struct dns_exchange *x, int code) { return dns_request_changes(&x->request) && x->sent ? -EIO : code; }

/* ---- addresses ---- */

static void begin(struct dns_exchange *x);

/* Nothing is there: `status` says why. */
static void unreachable(struct dns_exchange *x, int status) {
	close_io(x);
	if (x->sent == 0 && x->peer + 1 < x->peers.n) {
		x->peer++;
		begin(x);
		return;
	}
	fail(x, x->sent ? unsure(x, -ENOTCONN) : -ENOTCONN, uv_strerror(status));
}

static const struct sockaddr *peer_of(const struct dns_exchange *x) { return (const struct sockaddr *)&x->peers.at[x->peer]; }

static uv_handle_t *new_io(struct dns_exchange *x) {
	assert(x->n_io < 2 * DNS_PEERS_MAX);
	uv_handle_t *h = &x->io[x->n_io++].handle;
	if (x->tcp)
		uv_tcp_init(x->options.loop, (uv_tcp_t *)h);
	else
		uv_udp_init(x->options.loop, (uv_udp_t *)h);
	h->data = x;
	x->open++;
	return h;
}

static void on_alloc(uv_handle_t *h, size_t n, uv_buf_t *buf) {
	struct dns_exchange *x = h->data;
	size_t room = x->tcp ? READ_SIZE : DATAGRAM_MAX;

	(void)n;
	if (!x->room)
		x->room = xmalloc(room);
	*buf = uv_buf_init(x->room, (unsigned)room);
}

/* ---- an answer ---- */

static void use_tcp(struct dns_exchange *x) {
	close_io(x);
	free(TAKE_PTR(x->room));
	x->tcp = true;
	begin(x);
}

/* Whatever the message is; what does not count is only remembered. True: x is over or goes another way. */
static bool take(struct dns_exchange *x, const void *wire, size_t n) {
	struct dns_answer answer CLEANUP_DNS_ANSWER = {0};
	struct err err;

	if (dns_answer_read(&x->request, wire, n, &answer, &err) < 0) {
		x->complaint = err;
		return false;
	}
	if (!x->tcp && dns_answer_is_truncated(&answer)) {
		use_tcp(x);
		return true;
	}
	int r = x->options.on_message(x->options.ctx, &x->request, &answer, &err);
	if (r > 0 && x->tcp)
		return false;
	if (r > 0)
		r = err_set(&err, -EPROTO, "more than one message over UDP");
	end(x, r, r < 0 ? &err : NULL);
	return true;
}

/* ---- UDP ---- */

static void on_datagram(uv_udp_t *udp, ssize_t n, const uv_buf_t *buf, const struct sockaddr *from, unsigned flags) {
	struct dns_exchange *x = udp->data;

	if (n < 0 && x->sent <= 1) { /* as ECONNREFUSED: the only one there was came back */
		x->sent = 0;
		unreachable(x, (int)n);
	} else if (n < 0)
		unreachable(x, (int)n);
	else if (from && (flags & UV_UDP_PARTIAL))
		err_set(&x->complaint, -EPROTO, "an answer that is too long");
	else if (from)
		(void)take(x, buf->base, (size_t)n); /* what does not count is waited past */
}

static void arm(struct dns_exchange *x, struct span wait) {
	struct span left = mono_since(mono_now(), x->options.deadline);
	int64_t ms = span_to_ms(span_less(wait, left) ? wait : left) + 1;

	uv_timer_start(&x->timer, x->timer.timer_cb, ms < 0 ? 0 : (uint64_t)ms, 0);
}

static void send_datagram(struct dns_exchange *x) {
	uv_buf_t buf = uv_buf_init((char *)x->request.wire, (unsigned)x->request.n);
	int r = uv_udp_try_send(&x->io[x->n_io - 1].udp, &buf, 1, NULL);

	if (r < 0 && r != UV_EAGAIN && r != UV_ENOBUFS) {
		unreachable(x, r);
		return;
	}
	x->sent += r >= 0;
	arm(x, x->patience);
	x->patience.ns *= 2;
}

static void begin_udp(struct dns_exchange *x) {
	uv_udp_t *udp = (uv_udp_t *)new_io(x);
	int r = uv_udp_connect(udp, peer_of(x));

	if (r == 0)
		r = uv_udp_recv_start(udp, on_alloc, on_datagram);
	if (r < 0) {
		unreachable(x, r);
		return;
	}
	x->patience = FIRST_PATIENCE;
	send_datagram(x);
}

/* ---- TCP ---- */

static void lost(struct dns_exchange *x, int status) {
	if (status == UV_EOF)
		fail(x, unsure(x, -EIO), "the connection was closed in the middle");
	else
		fail(x, unsure(x, -EIO), uv_strerror(status));
}

/* Length and message, as often as they are whole. */
static void take_messages(struct dns_exchange *x) {
	while (x->in.len >= 2) {
		const uint8_t *head = (const uint8_t *)x->in.data;
		size_t n = (size_t)head[0] << 8 | head[1];
		if (x->in.len < n + 2)
			return;
		x->complaint = (struct err){0};
		if (take(x, head + 2, n))
			return;
		if (x->complaint.code) {
			fail(x, unsure(x, -EPROTO), "no answer that counts");
			return;
		}
		buf_consume(&x->in, n + 2);
	}
}

static void on_read(uv_stream_t *stream, ssize_t n, const uv_buf_t *buf) {
	struct dns_exchange *x = stream->data;

	if (n < 0) {
		lost(x, (int)n);
		return;
	}
	buf_append(&x->in, buf->base, (size_t)n);
	take_messages(x);
}

static void on_written(uv_write_t *req, int status) {
	struct dns_exchange *x = req->handle->data;

	if (status < 0 && status != UV_ECANCELED && !x->ended)
		lost(x, status);
}

static void on_connected(uv_connect_t *req, int status) {
	struct dns_exchange *x = req->handle->data;
	uv_stream_t *stream = req->handle;

	if (status == UV_ECANCELED || x->ended)
		return;
	x->length[0] = (uint8_t)(x->request.n >> 8);
	x->length[1] = (uint8_t)x->request.n;
	uv_buf_t bufs[] = {uv_buf_init((char *)x->length, sizeof(x->length)),
			   uv_buf_init((char *)x->request.wire, (unsigned)x->request.n)};
	int r = status;
	if (r == 0)
		r = uv_read_start(stream, on_alloc, on_read);
	if (r == 0)
		r = uv_write(&x->write, stream, bufs, 2, on_written);
	if (r < 0)
		unreachable(x, r);
	else
		x->sent++;
}

static void begin_tcp(struct dns_exchange *x) {
	int r = uv_tcp_connect(&x->connect, (uv_tcp_t *)new_io(x), peer_of(x), on_connected);

	if (r < 0)
		unreachable(x, r);
	else
		arm(x, mono_since(mono_now(), x->options.deadline));
}

/* ---- all of it ---- */

static void begin(struct dns_exchange *x) {
	if (x->tcp)
		begin_tcp(x);
	else
		begin_udp(x);
}

static void on_timer(uv_timer_t *timer) {
	struct dns_exchange *x = timer->data;

	if (x->n_io == 0)
		begin(x);
	else if (mono_reached(x->options.deadline, mono_now()))
		fail(x, x->sent ? -ETIMEDOUT : -ENOTCONN, x->sent ? "no answer in time" : "no connection in time");
	else if (!x->tcp)
		send_datagram(x);
	else
		arm(x, mono_since(mono_now(), x->options.deadline));
}

struct dns_exchange *dns_exchange_start(const struct dns_exchange_options *options, struct dns_request *request) {
	struct dns_exchange *x = xnew(struct dns_exchange);

	assert(options->peers->n > 0);
	x->options = *options;
	x->peers = *options->peers;
	x->request = *request;
	*request = (struct dns_request){0};
	x->tcp = x->request.type == DNS_AXFR || x->request.n > DNS_UDP_MAX;
	uv_timer_init(options->loop, &x->timer);
	x->timer.data = x;
	x->open = 1;
	uv_timer_start(&x->timer, on_timer, 0, 0);
	return x;
}
