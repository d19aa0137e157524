/* A small DNS server in a namespace, where an engine has its own. For tests that ask one. */
#ifndef TESTS_RESPONDER_H
#define TESTS_RESPONDER_H

#include "net/netlink/netns.h"
#include "netlab.h"

#include <stdint.h>
#include <sys/socket.h>

#define SERVER "127.0.0.11"
#define POINT "\xc0\x0c" /* the name in the question */
/* A record: the address 10.20.0.d. */
#define A(d) POINT "\0\1\0\1\0\0\2\x58\0\4\x0a\x14\0" d
#define RESPONDER_SAYS(record) .answer = (record), .answer_n = sizeof(record) - 1, .answers = 1

/* Answers like an engine: to what it knows, to a server's status that it does not do that, to the rest nothing. */
struct responder {
	int fd;
	pthread_t thread;
	bool mute;          /* about everything but how it is */
	bool forges;        /* says something else under the right ID first */
	const char *answer; /* to A questions: records */
	size_t answer_n, answers;
};

static inline void respond(struct responder *r, const uint8_t *query, size_t n, const struct sockaddr_in *to) {
	uint8_t data[512];
	bool status = (query[2] >> 3 & 15) == 2, is_a = n > 16 && query[n - 3] == 1;

	memcpy(data, query, n);
	data[2] |= 0x80;
	data[3] = status ? 4 : 0x80;
	if (!status && r->mute)
		return;
	if (!status && r->forges) {
		data[13] ^= 1; /* another name */
		sendto(r->fd, data, n, 0, (const struct sockaddr *)to, sizeof(*to));
		data[13] ^= 1;
	}
	if (is_a) {
		data[7] = (uint8_t)r->answers;
		memcpy(data + n, r->answer, r->answer_n);
		n += r->answer_n;
	}
	sendto(r->fd, data, n, 0, (const struct sockaddr *)to, sizeof(*to));
}

static inline void *responder_thread(void *data) {
	struct responder *r = data;
	struct sockaddr_in from;
	uint8_t query[512];

	for (;;) {
		socklen_t len = sizeof(from);
		ssize_t n = recvfrom(r->fd, query, sizeof(query) / 2, 0, (struct sockaddr *)&from, &len);
		if (n < 12)
			return NULL;
		respond(r, query, (size_t)n, &from);
	}
}

static inline void responder_start(struct responder *r, int ns) {
	struct ip ip = netlab_ip(SERVER);
	struct sockaddr_storage addr;
	socklen_t len = ip_to_sockaddr(&ip, 53, &addr);
	struct err err;

	netlab_do(ns, "ip link set lo up");
	r->fd = netns_socket(ns, AF_INET, SOCK_DGRAM, 0, &err);
	assert_true(r->fd >= 0);
	assert_int_equal(bind(r->fd, (struct sockaddr *)&addr, len), 0);
	assert_int_equal(pthread_create(&r->thread, NULL, responder_thread, r), 0);
}

/* A datagram that is no query ends it. */
static inline void responder_stop(struct responder *r, int ns) {
	struct ip ip = netlab_ip(SERVER);
	struct sockaddr_storage addr;
	socklen_t len = ip_to_sockaddr(&ip, 53, &addr);
	struct err err;
	CLEANUP_FD int fd = netns_socket(ns, AF_INET, SOCK_DGRAM, 0, &err);

	assert_int_equal(sendto(fd, "x", 1, 0, (struct sockaddr *)&addr, len), 1);
	pthread_join(r->thread, NULL);
	close(r->fd);
}

#endif
