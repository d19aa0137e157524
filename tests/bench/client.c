/*
 * client: asks one HTTP server for a page at a steady pace and writes down every answer.
 *
 *	client ADDRESS PORT INTERVAL_MS TIMEOUT_MS
 *
 * A client that waits for one answer before it asks again measures its own patience: a lost SYN is sent again after a second,
 * so an outage would be known to a second only. Here every question has a connection of its own and is sent when its time has
 * come, whatever became of those before it. A timeout below a second lets each question be one SYN, so the first answer after
 * an outage is at most one interval late.
 *
 * One line for each question, when it is settled:
 *
 *	1795406188.123 1795406188.124 ok <first line of the page>
 *	1795406189.173 1795406189.973 no timeout
 *
 * sent, settled (seconds since 1970, to compare with logs), and what came. SIGTERM ends it. It enters no namespace: start it in
 * the one that is to be measured.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { ASKED_MAX = 256, ANSWER_MAX = 2048 };

static const char question[] = "GET / HTTP/1.0\r\n\r\n";

struct asked {
	int64_t sent, deadline; /* CLOCK_MONOTONIC, ns */
	bool written;
	size_t len;
	char answer[ANSWER_MAX];
};

static struct sockaddr_in server;
static struct asked asked[ASKED_MAX];
static struct pollfd polled[ASKED_MAX];
static int64_t to_wall; /* added to a monotonic time */

static int64_t clock_ns(clockid_t clock) {
	struct timespec t;

	clock_gettime(clock, &t);
	return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

static int64_t now(void) { return clock_ns(CLOCK_MONOTONIC); }

static double wall(int64_t t) { return (double)((t + to_wall) / 1000) / 1e6; }

static void settle(int i, bool ok, const char *what) {
	int length = (int)strcspn(what, "\r\n");

	printf("%.3f %.3f %s %.*s\n", wall(asked[i].sent), wall(now()), ok ? "ok" : "no", length, what);
	close(polled[i].fd);
	polled[i].fd = -1;
}

/* The whole answer is there: the server has closed. */
static void settle_answer(int i) {
	struct asked *a = &asked[i];
	a->answer[a->len] = '\0';
	const char *body = strstr(a->answer, "\r\n\r\n");
	bool ok = body && strncmp(a->answer, "HTTP/1.", 7) == 0 && strncmp(a->answer + 8, " 200", 4) == 0;

	settle(i, ok, ok ? body + 4 : "no page");
}

static void ask(int64_t timeout) {
	int i = 0;

	while (i < ASKED_MAX && polled[i].fd >= 0)
		i++;
	int fd = i < ASKED_MAX ? socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0) : -1;
	if (fd < 0)
		return;
	asked[i] = (struct asked){.sent = now(), .deadline = now() + timeout};
	polled[i] = (struct pollfd){.fd = fd, .events = POLLOUT};
	if (connect(fd, (struct sockaddr *)&server, sizeof server) < 0 && errno != EINPROGRESS)
		settle(i, false, strerror(errno));
}

static void write_question(int i) {
	if (write(polled[i].fd, question, sizeof question - 1) != (ssize_t)sizeof question - 1) {
		settle(i, false, strerror(errno));
		return;
	}
	asked[i].written = true;
	polled[i].events = POLLIN;
}

static void read_answer(int i) {
	struct asked *a = &asked[i];
	ssize_t n = read(polled[i].fd, a->answer + a->len, ANSWER_MAX - 1 - a->len);

	if (n < 0 && errno != EAGAIN)
		settle(i, false, strerror(errno));
	else if (n == 0 || a->len + (size_t)(n > 0 ? n : 0) == ANSWER_MAX - 1)
		settle_answer(i);
	else if (n > 0)
		a->len += (size_t)n;
}

static void serve(int i) {
	if (polled[i].fd < 0)
		return;
	if (polled[i].revents && !asked[i].written)
		write_question(i);
	else if (polled[i].revents)
		read_answer(i);
	if (polled[i].fd >= 0 && now() >= asked[i].deadline)
		settle(i, false, "timeout");
}

int main(int argc, char **argv) {
	if (argc != 5 || inet_pton(AF_INET, argv[1], &server.sin_addr) != 1) {
		fprintf(stderr, "usage: client ADDRESS PORT INTERVAL_MS TIMEOUT_MS\n");
		return 64;
	}
	server.sin_family = AF_INET;
	server.sin_port = htons((uint16_t)strtoul(argv[2], NULL, 10));
	int64_t interval = strtol(argv[3], NULL, 10) * 1000000, timeout = strtol(argv[4], NULL, 10) * 1000000;
	setvbuf(stdout, NULL, _IOLBF, 0);
	to_wall = clock_ns(CLOCK_REALTIME) - now();
	for (int i = 0; i < ASKED_MAX; i++)
		polled[i].fd = -1;
	for (int64_t next = now();;) {
		int64_t left = next - now();
		if (left <= 0) {
			ask(timeout);
			next += interval;
			continue;
		}
		poll(polled, ASKED_MAX, (int)(left / 1000000) + 1);
		for (int i = 0; i < ASKED_MAX; i++)
			serve(i);
	}
}
