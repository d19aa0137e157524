/* See knock.h. The sockets are opened inside; asked and waited is wherever the caller is. A raw ICMP socket hears every reply that
 * comes into the namespace: ours is told by its sender, identifier, sequence and a random payload. */
#include "net/netlink/knock.h"

#include "base/cleanup.h"
#include "net/netlink/netns.h"
#include "net/netlink/wait.h"

#include <assert.h>
#include <errno.h>
#include <linux/icmp.h>
#include <netinet/icmp6.h>
#include <netinet/in.h>
#include <poll.h>
#include <string.h>
#include <sys/random.h>
#include <sys/socket.h>

static const char *const sign_names[] = {
	[KNOCK_SILENT] = "silent",
	[KNOCK_ANSWERED] = "answered",
	[KNOCK_REFUSED] = "refused",
	[KNOCK_UNREACHABLE] = "unreachable",
};
static_assert(sizeof(sign_names) / sizeof(sign_names[0]) == KNOCK_SIGN_MAX, "every sign has its name");

const char *knock_sign_name(enum knock_sign sign) { return sign_names[sign]; }

struct asking {
	int fd;
	struct mono started, deadline;
};

static struct asking begin(int fd, struct span timeout) {
	struct mono now = mono_now();

	return (struct asking){.fd = fd, .started = now, .deadline = mono_add(now, timeout)};
}

static int finish(const struct asking *a, enum knock_sign sign, struct knock *ret) {
	*ret = (struct knock){.sign = sign, .us = mono_since(a->started, mono_now()).ns / 1000};
	return 0;
}

/* What an error of the network says about the address; -1: it is our own fault and says nothing. */
static int sign_of(int error) {
	switch (error) {
	case ECONNREFUSED:
	case ECONNRESET:
		return KNOCK_REFUSED;
	case ETIMEDOUT:
		return KNOCK_SILENT;
	case EHOSTUNREACH:
	case ENETUNREACH:
	case EHOSTDOWN:
	case ENETDOWN:
	case ENONET:
		return KNOCK_UNREACHABLE;
	default:
		return -1;
	}
}

static int finish_with(const struct asking *a, int error, struct knock *ret, struct err *err) {
	int sign = sign_of(error);

	return sign < 0 ? err_errno(err, -error, "knock") : finish(a, (enum knock_sign)sign, ret);
}

/* ---- TCP ---- */

static int pending_error(int fd) {
	int error = 0;
	socklen_t len = sizeof(error);

	return getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &len) < 0 ? errno : error;
}

int knock_tcp(int ns_fd, const struct ip *to, uint16_t port, struct span timeout, struct knock *ret, struct err *err) {
	struct linger reset = {.l_onoff = 1}; /* leaves no TIME_WAIT behind */
	struct sockaddr_storage addr;
	socklen_t len = ip_to_sockaddr(to, port, &addr);
	CLEANUP_FD int fd = netns_socket(ns_fd, to->family, SOCK_STREAM | SOCK_NONBLOCK, 0, err);

	if (fd < 0)
		return fd;
	(void)setsockopt(fd, SOL_SOCKET, SO_LINGER, &reset, sizeof(reset)); /* only thrift */
	struct asking a = begin(fd, timeout);
	if (connect(fd, (const struct sockaddr *)&addr, len) == 0)
		return finish(&a, KNOCK_ANSWERED, ret);
	if (errno != EINPROGRESS)
		return finish_with(&a, errno, ret, err);
	int r = wait_for(a.fd, POLLOUT, a.deadline);
	if (r < 0)
		return err_errno(err, r, "knock");
	if (r == 0)
		return finish(&a, KNOCK_SILENT, ret);
	int error = pending_error(fd);
	return error ? finish_with(&a, error, ret, err) : finish(&a, KNOCK_ANSWERED, ret);
}

/* ---- ICMP echo ---- */

struct echo {
	uint8_t type, code;
	uint16_t checksum, id, sequence;
	uint8_t cookie[16];
};
static_assert(sizeof(struct echo) == 24, "no holes");

static uint16_t checksum_of(const struct echo *e) { /* RFC 1071 */
	uint16_t words[sizeof(*e) / 2];
	uint32_t sum = 0;

	memcpy(words, e, sizeof(*e));
	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
		sum += words[i];
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	return (uint16_t)~sum;
}

static int make_request(bool ip6, struct echo *ret, struct err *err) {
	struct echo e = {.type = ip6 ? ICMP6_ECHO_REQUEST : ICMP_ECHO, .sequence = htons(1)};

	if (getrandom(e.cookie, sizeof(e.cookie), 0) != (ssize_t)sizeof(e.cookie))
		return err_errno(err, -errno, "random bytes");
	memcpy(&e.id, e.cookie, sizeof(e.id));
	e.checksum = ip6 ? 0 : checksum_of(&e); /* of ICMPv6 the kernel makes it */
	*ret = e;
	return 0;
}

/* Only replies are let in, and errors are told: those the kernel takes for passing ones, too. */
static int set_up(int fd, bool ip6) {
	struct icmp_filter v4 = {.data = ~(1u << ICMP_ECHOREPLY)};
	struct icmp6_filter v6;
	int on = 1;

	ICMP6_FILTER_SETBLOCKALL(&v6);
	ICMP6_FILTER_SETPASS(ICMP6_ECHO_REPLY, &v6);
	if (ip6 ? setsockopt(fd, IPPROTO_ICMPV6, ICMP6_FILTER, &v6, sizeof(v6)) < 0
		: setsockopt(fd, SOL_RAW, ICMP_FILTER, &v4, sizeof(v4)) < 0)
		return -errno;
	if (ip6 ? setsockopt(fd, IPPROTO_IPV6, IPV6_RECVERR, &on, sizeof(on)) < 0
		: setsockopt(fd, IPPROTO_IP, IP_RECVERR, &on, sizeof(on)) < 0)
		return -errno;
	return 0;
}

static bool is_reply(const uint8_t *data, size_t n, bool ip6, const struct echo *request) {
	struct echo e = {0};
	size_t at = !ip6 && n > 0 ? (size_t)(data[0] & 15) * 4 : 0; /* raw IPv4 sockets give the IP header as well */

	if (n < at + sizeof(e))
		return false;
	memcpy(&e, data + at, sizeof(e));
	return e.type == (ip6 ? ICMP6_ECHO_REPLY : ICMP_ECHOREPLY) && e.id == request->id && e.sequence == request->sequence &&
	       memcmp(e.cookie, request->cookie, sizeof(e.cookie)) == 0;
}

/* Reads what is there. 1: the reply. An errno of the network is a sign as well, but a refusal is for somebody else's packets. */
static int look(int fd, bool ip6, const struct echo *request) {
	uint8_t data[512];

	for (;;) {
		ssize_t n = recv(fd, data, sizeof(data), MSG_DONTWAIT);
		if (n >= 0 && is_reply(data, (size_t)n, ip6, request))
			return 1;
		if (n < 0 && errno == EAGAIN)
			return 0;
		if (n < 0 && errno != EINTR && errno != ECONNREFUSED)
			return -errno;
	}
}

static int await_reply(const struct asking *a, bool ip6, const struct echo *request, struct knock *ret, struct err *err) {
	for (;;) {
		int r = wait_for(a->fd, POLLIN, a->deadline);
		if (r == 0)
			return finish(a, KNOCK_SILENT, ret);
		if (r > 0)
			r = look(a->fd, ip6, request);
		if (r > 0)
			return finish(a, KNOCK_ANSWERED, ret);
		if (r < 0)
			return finish_with(a, -r, ret, err);
	}
}

int knock_icmp(int ns_fd, const struct ip *to, struct span timeout, struct knock *ret, struct err *err) {
	bool ip6 = to->family == AF_INET6;
	struct sockaddr_storage addr;
	struct echo request = {0};
	socklen_t len = ip_to_sockaddr(to, 0, &addr);
	CLEANUP_FD int fd =
		netns_socket(ns_fd, to->family, SOCK_RAW | SOCK_NONBLOCK, ip6 ? (int)IPPROTO_ICMPV6 : (int)IPPROTO_ICMP, err);

	if (fd < 0)
		return fd;
	int r = set_up(fd, ip6);
	if (r < 0)
		return err_errno(err, r, "set up an ICMP socket");
	r = make_request(ip6, &request, err);
	if (r < 0)
		return r;
	struct asking a = begin(fd, timeout);
	/* Connected, so that only that address is heard, and errors about it are told. */
	if (connect(fd, (const struct sockaddr *)&addr, len) < 0 || send(fd, &request, sizeof(request), MSG_NOSIGNAL) < 0)
		return finish_with(&a, errno, ret, err);
	return await_reply(&a, ip6, &request, ret, err);
}
