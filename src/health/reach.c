/* See reach.h. An echo reply is matched by a random cookie in its payload: identifiers are the kernel's with unprivileged ICMP
 * sockets, and a raw socket hears everybody's replies. */
#include "health/reach.h"

#include "base/alloc.h"
#include "base/cleanup.h"

#include <assert.h>
#include <errno.h>
#include <netdb.h>
#include <netinet/icmp6.h>
#include <netinet/ip.h>
#include <netinet/ip_icmp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>

#define REPLIES_A_TURN 256

struct reach_ask {
	struct reach_ask *prev, *next;
	struct reach *reach;
	struct reach_answer answer;
	bool tcp_pending, ping_pending;
	int fd;
	uv_poll_t poll; /* while tcp_pending */
	uv_timer_t timer;
	unsigned handles;
	uint64_t cookie;
	reach_fn *done;
	void *user;
};

struct pinger {
	struct reach *reach;
	int fd; /* -1: not permitted */
	bool raw, ip6;
	uv_poll_t poll;
};

struct reach {
	uv_loop_t *loop;
	struct pinger v4, v6;
	unsigned handles;
	struct reach_ask *asks;
};

/* ---- the end of a question ---- */

static void on_ask_closed(uv_handle_t *h) {
	struct reach_ask *a = h->data;
	if (--a->handles == 0)
		free(a);
}

static void tcp_stop(struct reach_ask *a) {
	if (!a->tcp_pending)
		return;
	a->tcp_pending = false;
	uv_close((uv_handle_t *)&a->poll, on_ask_closed); /* stops the poll before the descriptor goes */
	close(a->fd);
}

static void ask_retire(struct reach_ask *a) {
	if (a->prev)
		a->prev->next = a->next;
	else
		a->reach->asks = a->next;
	if (a->next)
		a->next->prev = a->prev;
	tcp_stop(a);
	uv_close((uv_handle_t *)&a->timer, on_ask_closed);
}

static bool is_open(const struct reach_ask *a) { return !reach_sign_answers(a->answer.tcp) && (a->tcp_pending || a->ping_pending); }

static void ask_settle(struct reach_ask *a) {
	if (is_open(a))
		return;
	struct reach_answer answer = a->answer;
	reach_fn *done = a->done;
	void *user = a->user;
	ask_retire(a);
	done(user, &answer);
}

static void on_timeout(uv_timer_t *t) {
	struct reach_ask *a = t->data;
	if (is_open(a) && a->ping_pending)
		a->answer.ping = REACH_SILENT;
	if (a->tcp_pending)
		a->answer.tcp = REACH_SILENT;
	a->ping_pending = false;
	tcp_stop(a);
	ask_settle(a);
}

void reach_cancel(struct reach_ask *a) {
	if (a)
		ask_retire(a);
}

/* ---- TCP ---- */

/* What a failed connect says about the host. What is our own fault (no descriptors, no permission, no address) says nothing. */
static enum reach_sign sign_of(int error) {
	switch (error) {
	case 0:
		return REACH_ACCEPTED;
	case ECONNREFUSED:
	case ECONNRESET:
		return REACH_REFUSED;
	case ETIMEDOUT:
	case EHOSTUNREACH:
	case ENETUNREACH:
	case EHOSTDOWN:
	case ENETDOWN:
		return REACH_SILENT;
	default:
		return REACH_SKIPPED;
	}
}

static void on_tcp(uv_poll_t *h, int status, int events) {
	struct reach_ask *a = h->data;
	int error = 0;
	socklen_t len = sizeof(error);

	(void)status; /* the socket itself knows better */
	(void)events;
	if (getsockopt(a->fd, SOL_SOCKET, SO_ERROR, &error, &len) < 0)
		error = errno;
	a->answer.tcp = sign_of(error);
	tcp_stop(a);
	ask_settle(a);
}

static void tcp_start(struct reach_ask *a, const struct reach_address *to) {
	struct linger reset = {.l_onoff = 1}; /* leaves no TIME_WAIT behind, as this may be done every second for many hosts */
	CLEANUP_FD int fd = socket(to->addr.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return;
	(void)setsockopt(fd, SOL_SOCKET, SO_LINGER, &reset, sizeof(reset)); /* only thrift */
	if (connect(fd, (const struct sockaddr *)&to->addr, to->len) == 0 || errno != EINPROGRESS) {
		a->answer.tcp = sign_of(errno == EINPROGRESS ? 0 : errno);
		return;
	}
	if (uv_poll_init(a->reach->loop, &a->poll, fd) < 0)
		return;
	a->poll.data = a;
	a->handles++;
	a->fd = take_fd(&fd);
	a->tcp_pending = true;
	(void)uv_poll_start(&a->poll, UV_WRITABLE, on_tcp); /* fails for closing handles only */
}

/* ---- ICMP echo ---- */

struct echo {
	uint8_t type, code;
	uint16_t checksum, id, sequence;
	uint64_t cookie;
} __attribute__((packed));

static uint16_t echo_checksum(const struct echo *e) { /* RFC 1071 */
	uint16_t words[sizeof(*e) / 2];
	uint32_t sum = 0;

	static_assert(sizeof(*e) % 2 == 0, "no odd byte");
	memcpy(words, e, sizeof(*e));
	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
		sum += words[i];
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	return (uint16_t)~sum;
}

static void ping_start(struct reach_ask *a, const struct reach_address *to) {
	bool ip6 = to->addr.ss_family == AF_INET6;
	const struct pinger *p = ip6 ? &a->reach->v6 : &a->reach->v4;
	struct sockaddr_storage addr = to->addr;
	struct echo e = {.type = ip6 ? ICMP6_ECHO_REQUEST : ICMP_ECHO, .id = htons((uint16_t)getpid()), .cookie = a->cookie};

	if (p->fd < 0)
		return;
	if (ip6)
		((struct sockaddr_in6 *)&addr)->sin6_port = 0; /* raw sockets take it for a protocol */
	else
		e.checksum = echo_checksum(&e); /* of ICMPv6 the kernel makes it */
	if (sendto(p->fd, &e, sizeof(e), MSG_DONTWAIT | MSG_NOSIGNAL, (const struct sockaddr *)&addr, to->len) < 0) {
		a->answer.ping = sign_of(errno) == REACH_SILENT ? REACH_SILENT : REACH_SKIPPED;
		return;
	}
	a->ping_pending = true;
}

static void ping_answered(struct reach *r, uint64_t cookie) {
	for (struct reach_ask *a = r->asks; a; a = a->next) {
		if (!a->ping_pending || a->cookie != cookie)
			continue;
		a->ping_pending = false;
		a->answer.ping = REACH_ACCEPTED;
		ask_settle(a);
		return;
	}
}

static bool reply_parse(const struct pinger *p, const uint8_t *data, size_t n, uint64_t *ret_cookie) {
	struct echo e;
	size_t at = p->raw && !p->ip6 && n > 0 ? (size_t)(data[0] & 15) * 4 : 0; /* raw IPv4 sockets deliver the IP header */
	if (n < at + sizeof(e))
		return false;
	memcpy(&e, data + at, sizeof(e));
	*ret_cookie = e.cookie;
	return e.type == (p->ip6 ? ICMP6_ECHO_REPLY : ICMP_ECHOREPLY);
}

static void on_reply(uv_poll_t *h, int status, int events) {
	struct pinger *p = h->data;
	uint8_t data[512];
	uint64_t cookie;

	(void)status;
	(void)events;
	for (int i = 0; i < REPLIES_A_TURN; i++) {
		ssize_t n = recv(p->fd, data, sizeof(data), MSG_DONTWAIT);
		if (n < 0 && (errno == EAGAIN || errno == EINTR))
			return;
		if (n > 0 &&
		    reply_parse(p, data, (size_t)n, &cookie)) /* a negative n is somebody's ICMP error: its ping times out */
			ping_answered(p->reach, cookie);
	}
}

static void pinger_open(struct reach *r, struct pinger *p, bool ip6) {
	int domain = ip6 ? AF_INET6 : AF_INET, protocol = ip6 ? (int)IPPROTO_ICMPV6 : (int)IPPROTO_ICMP;

	p->reach = r;
	p->ip6 = ip6;
	p->fd = socket(domain, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, protocol); /* needs net.ipv4.ping_group_range */
	if (p->fd < 0) {
		p->fd = socket(domain, SOCK_RAW | SOCK_NONBLOCK | SOCK_CLOEXEC, protocol); /* needs CAP_NET_RAW */
		p->raw = true;
	}
	if (p->fd < 0)
		return;
	if (uv_poll_init(r->loop, &p->poll, p->fd) < 0) {
		close(p->fd);
		p->fd = -1;
		return;
	}
	p->poll.data = p;
	r->handles++;
	(void)uv_poll_start(&p->poll, UV_READABLE, on_reply); /* fails for closing handles only */
}

/* ---- questions ---- */

struct reach_ask *reach_ask(struct reach *r, const struct reach_address *to, unsigned how, struct span timeout, reach_fn *done,
			    void *user) {
	struct reach_ask *a = xnew(struct reach_ask);

	assert(done);
	a->reach = r;
	a->done = done;
	a->user = user;
	if (getrandom(&a->cookie, sizeof(a->cookie), GRND_NONBLOCK) != (ssize_t)sizeof(a->cookie))
		a->cookie = (uint64_t)(uintptr_t)a ^ uv_hrtime();
	a->next = r->asks;
	if (a->next)
		a->next->prev = a;
	r->asks = a;
	(void)uv_timer_init(r->loop, &a->timer); /* cannot fail */
	a->timer.data = a;
	a->handles = 1;
	if (how & REACH_TCP)
		tcp_start(a, to);
	if (how & REACH_PING)
		ping_start(a, to);
	uint64_t ms =
		is_open(a) ? (uint64_t)((timeout.ns + 999999) / 1000000) : 0; /* what is known already is told from the loop, too */
	(void)uv_timer_start(&a->timer, on_timeout, ms, 0);                   /* fails without a function only */
	return a;
}

bool reach_address_parse(const char *text, struct reach_address *ret) {
	const char *colon = strrchr(text, ':');
	bool brackets = text[0] == '[' && colon && colon > text + 1 && colon[-1] == ']';
	struct addrinfo hints = {.ai_flags = AI_NUMERICHOST | AI_NUMERICSERV, .ai_socktype = SOCK_STREAM}, *found = NULL;

	if (!colon || !colon[1] || strlen(colon + 1) > 5 ||
	    strtoul(colon + 1, NULL, 10) > UINT16_MAX) /* getaddrinfo cuts it silently */
		return false;
	CLEANUP_FREE char *host =
		brackets ? xstrndup(text + 1, (size_t)(colon - text) - 2) : xstrndup(text, (size_t)(colon - text));
	if ((!brackets && strchr(host, ':')) || getaddrinfo(host, colon + 1, &hints, &found) != 0)
		return false;
	*ret = (struct reach_address){.len = found->ai_addrlen};
	memcpy(&ret->addr, found->ai_addr, found->ai_addrlen);
	freeaddrinfo(found);
	return true;
}

struct reach *reach_new(uv_loop_t *loop) {
	struct reach *r = xnew(struct reach);
	r->loop = loop;
	pinger_open(r, &r->v4, false);
	pinger_open(r, &r->v6, true);
	return r;
}

static void on_reach_closed(uv_handle_t *h) {
	struct reach *r = ((struct pinger *)h->data)->reach;
	if (--r->handles == 0)
		free(r);
}

static void pinger_close(struct pinger *p) {
	if (p->fd < 0)
		return;
	uv_close((uv_handle_t *)&p->poll, on_reach_closed);
	close(p->fd);
}

void reach_free(struct reach *r) {
	if (!r)
		return;
	assert(!r->asks);
	if (r->handles == 0) {
		free(r);
		return;
	}
	pinger_close(&r->v4);
	pinger_close(&r->v6);
}
