/* See resolve.h. The socket is opened inside and connected, so that only that server is heard; the engine's rules in the
 * container's namespace lead it to where the engine listens, and the answers come back as from where it was asked. */
#include "net/netlink/resolve.h"

#include "base/alloc.h"
#include "base/cleanup.h"
#include "net/netlink/netns.h"
#include "net/netlink/resolve-internal.h"
#include "net/netlink/wait.h"

#include <assert.h>
#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/random.h>
#include <sys/socket.h>

#define DNS_PORT 53
#define DATAGRAM_MAX 4096 /* more than an answer without EDNS may have */
#define OPCODE_STATUS 2

struct round {
	int fd;
	uint16_t first_id; /* of the queries, which have the following ones; the sign of life has the last */
	struct resolve_query *queries;
	size_t n, open;
	struct resolve_answer *answers;
	bool heard;
};

void resolve_answers_free(struct resolve_answer *answers, size_t n) {
	for (size_t i = 0; i < n; i++) {
		strs_clear(&answers[i].addresses);
		strs_clear(&answers[i].names);
		free(answers[i].why);
	}
	free(answers);
}

/* ---- asking ---- */

static void add_query(struct round *r, size_t question, ldns_rr_type type, const struct resolve_question *q) {
	struct resolve_query *query = &r->queries[r->n];

	*query = (struct resolve_query){.id = (uint16_t)(r->first_id + r->n), .type = type, .question = question, .open = true};
	if (q->name)
		strncpy(query->name, q->name, DNS_NAME_MAX);
	else
		resolve_reverse_name(&q->address, query->name);
	r->n++;
}

static void make_queries(struct round *r, const struct resolve_question *questions, size_t n) {
	r->queries = xnew_n(struct resolve_query, 2 * n);
	for (size_t i = 0; i < n; i++) {
		add_query(r, i, questions[i].name ? LDNS_RR_TYPE_A : LDNS_RR_TYPE_PTR, &questions[i]);
		if (questions[i].name)
			add_query(r, i, LDNS_RR_TYPE_AAAA, &questions[i]);
	}
	r->open = r->n;
}

/* A full buffer loses a question, as the network may: it is silent then. */
static int put(struct round *r, const void *data, size_t n) {
	if (send(r->fd, data, n, MSG_NOSIGNAL) >= 0 || errno == EAGAIN || errno == ENOBUFS)
		return 0;
	return -errno;
}

static int put_query(struct round *r, const struct resolve_query *query, struct err *err) {
	CLEANUP_FREE uint8_t *data = NULL;
	size_t size = 0;

	int e = resolve_query_write(query, &data, &size, err);
	if (e < 0)
		return e;
	e = put(r, data, size);
	return e == 0 || e == -ECONNREFUSED ? e : err_errno(err, e, "ask a DNS server");
}

/* A server's status (RFC 1035, opcode 2), which none has: engines say at once that they do not do that, whatever the questions. */
static int put_sign_of_life(struct round *r) {
	uint16_t id = (uint16_t)(r->first_id + r->n);
	const uint8_t header[DNS_HEADER_SIZE] = {(uint8_t)(id >> 8), (uint8_t)id, OPCODE_STATUS << 3};

	return put(r, header, sizeof(header));
}

/* -ECONNREFUSED: nobody listens there. */
static int put_all(struct round *r, struct err *err) {
	for (size_t i = 0; i < r->n; i++) {
		int e = put_query(r, &r->queries[i], err);
		if (e < 0)
			return e;
	}
	int e = put_sign_of_life(r);
	return e == 0 || e == -ECONNREFUSED ? e : err_errno(err, e, "ask a DNS server");
}

/* ---- answers ---- */

static void take(struct round *r, const uint8_t *data, size_t n) {
	uint16_t index = (uint16_t)(resolve_answer_id(data, n) - r->first_id);

	if (resolve_answer_id(data, n) < 0 || index > r->n)
		return;
	if (index == r->n) {
		r->heard = true;
		return;
	}
	struct resolve_query *query = &r->queries[index];
	if (!query->open || resolve_answer_read(query, data, n, &r->answers[query->question]) < 0)
		return;
	query->open = false;
	r->heard = true;
	r->open--;
}

/* Reads what is there. */
static int take_all(struct round *r) {
	uint8_t data[DATAGRAM_MAX];

	while (r->open > 0) {
		ssize_t n = recv(r->fd, data, sizeof(data), MSG_DONTWAIT);
		if (n >= 0)
			take(r, data, (size_t)n);
		else if (errno == EAGAIN)
			return 0;
		else if (errno != EINTR)
			return -errno;
	}
	return 0;
}

static int listen_until(struct round *r, struct mono deadline, struct err *err) {
	while (r->open > 0) {
		int e = wait_for(r->fd, POLLIN, deadline);
		if (e == 0)
			return 0;
		e = e < 0 ? e : take_all(r);
		if (e < 0)
			return e == -ECONNREFUSED ? e : err_errno(err, e, "hear a DNS server");
	}
	return 0;
}

static void close_open(struct round *r, const char *why) {
	for (size_t i = 0; i < r->n; i++)
		if (r->queries[i].open)
			xstr_replace(&r->answers[r->queries[i].question].why, why);
}

static int ask_all(struct round *r, struct span timeout, struct err *err) {
	struct mono deadline = mono_add(mono_now(), timeout);

	int e = put_all(r, err);
	if (e == 0)
		e = listen_until(r, deadline, err);
	if (e < 0 && e != -ECONNREFUSED)
		return e;
	close_open(r, e < 0 ? "refused" : "silent");
	return 0;
}

int resolve(int ns_fd, const struct ip *server, const struct resolve_question *questions, size_t n, struct span timeout,
	    struct resolve_answer **ret, bool *ret_heard, struct err *err) {
	struct sockaddr_storage to;
	socklen_t len = ip_to_sockaddr(server, DNS_PORT, &to);
	struct round r = {0};

	assert(n <= RESOLVE_MAX);
	CLEANUP_FD int fd = netns_socket(ns_fd, server->family, SOCK_DGRAM | SOCK_NONBLOCK, 0, err);
	if (fd < 0)
		return fd;
	if (connect(fd, (const struct sockaddr *)&to, len) < 0)
		return err_errno(err, -errno, "reach a DNS server");
	if (getrandom(&r.first_id, sizeof(r.first_id), 0) != (ssize_t)sizeof(r.first_id))
		return err_errno(err, -errno, "random bytes");
	r.fd = fd;
	r.answers = xnew_n(struct resolve_answer, n);
	make_queries(&r, questions, n);
	int e = ask_all(&r, timeout, err);
	free(r.queries);
	if (e < 0) {
		resolve_answers_free(r.answers, n);
		return e;
	}
	*ret = r.answers;
	*ret_heard = r.heard;
	return 0;
}
