/*
 * rubbish: something that answers in a server's place, and never what was asked.
 *
 *	rubbish ADDRESS PORT
 *
 * TCP and UDP. Each question gets the next kind of wrong answer, in turn: bytes of no protocol, bodies that are cut, JSON of
 * another shape or without an end, DNS messages that promise more than they hold. A connection is a process of its own, so
 * that one who does not read keeps nobody waiting.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define HEAD "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"

enum { DNS_HEADER = 12, ENDLESS = 32 << 20, LIFETIME = 10 /* s */ };

static _Noreturn void die(const char *what) {
	fprintf(stderr, "rubbish: %s: %s\n", what, strerror(errno));
	exit(EXIT_FAILURE);
}

/* --- TCP --- */

static const struct {
	const char *text;
	size_t size;
	const char *again; /* and this again and again */
} answers[] = {
#define ANSWER(text, again) \
	{ text, sizeof text - 1, again }
	ANSWER("\x00\xff\x13\x37\x00\x00\x80\x0a\r\n\r\n", NULL),
	ANSWER(HEAD "Content-Length: 1000\r\n\r\n{\"header\":{\"revision\":\"12\"},\"kvs\":[{\"key\":", NULL),
	ANSWER(HEAD "Content-Length: 25\r\n\r\n<html>Please log in</html", NULL),
	ANSWER(HEAD "X-Consul-Index: -1\r\nContent-Length: 49\r\n\r\n[[{\"ServiceID\":7,\"header\":[],\"kvs\":\"x\",\"Node\":{}}]]",
	       NULL),
	ANSWER(HEAD "Content-Length: 2\r\n\r\n{}", NULL),
	ANSWER(HEAD "Content-Length: 4\r\n\r\nnull", NULL),
	ANSWER("HTTP/1.1 500 \x1b[31mno\r\nContent-Length: 6\r\n\r\n\x00\x01\x02\x1b[m", NULL),
	ANSWER("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nfffffffffffffffff\r\n[", NULL),
	ANSWER(HEAD "\r\n", "[[[[[[[["),
	ANSWER(HEAD "\r\n[", "{\"Key\":\"a\"},"),
};

static void say(int fd, const void *data, size_t size) {
	for (const char *p = data; size > 0;) {
		ssize_t n = write(fd, p, size);
		if (n <= 0)
			_exit(EXIT_SUCCESS); /* nobody listens any more */
		p += n;
		size -= (size_t)n;
	}
}

static _Noreturn void serve(int fd, unsigned turn) {
	size_t kind = turn % (sizeof answers / sizeof answers[0]);
	char question[4096];

	(void)alarm(LIFETIME);
	if (read(fd, question, sizeof question) > 0) {
		say(fd, answers[kind].text, answers[kind].size);
		for (size_t n = 0; answers[kind].again && n < ENDLESS; n += strlen(answers[kind].again))
			say(fd, answers[kind].again, strlen(answers[kind].again));
	}
	_exit(EXIT_SUCCESS);
}

static void accept_one(int listener) {
	static unsigned turn;

	int fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
	if (fd < 0)
		return; /* it has changed its mind */
	if (fork() == 0)
		serve(fd, turn);
	turn++;
	(void)close(fd); /* the child's now */
}

/* --- UDP --- */

/* What is made of a question of n bytes. Returns the size. */
typedef size_t spoil_fn(uint8_t *message, size_t n);

static size_t spoil_cut(uint8_t *m, size_t n) {
	m[2] |= 0x80;
	return n > 5 ? 5 : n;
}

static size_t spoil_counts(uint8_t *m, size_t n) {
	m[2] |= 0x80;
	memset(m + 4, 0xff, 8); /* 65535 of each section */
	return n;
}

static size_t spoil_loop(uint8_t *m, size_t n) {
	m[2] |= 0x80;
	m[DNS_HEADER] = 0xc0; /* the name points to itself */
	m[DNS_HEADER + 1] = DNS_HEADER;
	return n;
}

static size_t spoil_unsigned(uint8_t *m, size_t n) {
	m[2] |= 0x80;
	m[3] = 0;
	memset(m + 4, 0, 8); /* "it is done", signed by nobody */
	return n > DNS_HEADER ? DNS_HEADER : n;
}

static size_t spoil_number(uint8_t *m, size_t n) {
	m[2] |= 0x80;
	m[0] ^= 0xff; /* the answer to another question */
	return n;
}

static void answer_one(int fd) {
	static spoil_fn *const spoil[] = {spoil_cut, spoil_counts, spoil_loop, spoil_unsigned, spoil_number};
	static unsigned turn;
	uint8_t message[4096];
	struct sockaddr_in from;
	socklen_t size = sizeof from;

	ssize_t n = recvfrom(fd, message, sizeof message, 0, (struct sockaddr *)&from, &size);
	if (n < DNS_HEADER + 2)
		return;
	size_t length = spoil[turn++ % (sizeof spoil / sizeof spoil[0])](message, (size_t)n);
	(void)sendto(fd, message, length, 0, (struct sockaddr *)&from, size); /* lost is rubbish too */
}

static int bound(int type, const struct sockaddr_in *at) {
	int on = 1, fd = socket(AF_INET, type | SOCK_CLOEXEC, 0);

	if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) < 0 ||
	    bind(fd, (const struct sockaddr *)at, sizeof *at) < 0 || (type == SOCK_STREAM && listen(fd, 16) < 0))
		die("a socket");
	return fd;
}

int main(int argc, char **argv) {
	struct sockaddr_in at = {.sin_family = AF_INET};

	if (argc != 3 || inet_pton(AF_INET, argv[1], &at.sin_addr) != 1) {
		fprintf(stderr, "usage: rubbish ADDRESS PORT\n");
		return 64;
	}
	at.sin_port = htons((uint16_t)atoi(argv[2]));
	(void)signal(SIGCHLD, SIG_IGN);
	(void)signal(SIGPIPE, SIG_IGN);
	struct pollfd p[] = {{.fd = bound(SOCK_STREAM, &at), .events = POLLIN}, {.fd = bound(SOCK_DGRAM, &at), .events = POLLIN}};
	for (;;) {
		(void)poll(p, 2, -1); /* whatever it says, both are looked at */
		if (p[0].revents)
			accept_one(p[0].fd);
		if (p[1].revents)
			answer_one(p[1].fd);
	}
}
