/* See nlsock.h. libmnl puts messages together and takes them apart; the loop is our own, because mnl_cb_run gives up in the middle
 * of a dump that was interrupted and leaves the rest of it in the socket for whoever asks next. */
#include "net/netlink/nlsock.h"

#include "base/alloc.h"
#include "net/netlink/netns.h"

#include <assert.h>
#include <errno.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>

#define DUMP_TRIES 20
#define PATIENCE_S 30 /* the kernel answers at once, but its lock may be held for long; a lost answer must not hold us for ever */

struct nlsock {
	struct mnl_socket *mnl;
	int fd; /* mnl's */
	uint32_t sequence;
	_Alignas(struct nlmsghdr) char buf[NLSOCK_BUFFER];
};

/* ---- opening ---- */

static int set_up(struct nlsock *s, struct err *err) {
	int on = 1;
	struct timeval patience = {.tv_sec = PATIENCE_S};

	/* Older kernels lack these: then errors have fewer words and dumps are filtered by us only. */
	(void)setsockopt(s->fd, SOL_NETLINK, NETLINK_EXT_ACK, &on, sizeof(on));
	(void)setsockopt(s->fd, SOL_NETLINK, NETLINK_CAP_ACK, &on, sizeof(on));
	(void)setsockopt(s->fd, SOL_NETLINK, NETLINK_GET_STRICT_CHK, &on, sizeof(on));
	if (setsockopt(s->fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience)) < 0)
		return err_errno(err, -errno, "set up netlink socket");
	if (mnl_socket_bind(s->mnl, 0, MNL_SOCKET_AUTOPID) < 0)
		return err_errno(err, -errno, "bind netlink socket");
	return 0;
}

int nlsock_open(int ns_fd, struct nlsock **ret, struct err *err) {
	CLEANUP_FD int fd = netns_socket(ns_fd, AF_NETLINK, SOCK_RAW, NETLINK_ROUTE, err);
	if (fd < 0)
		return fd;
	struct nlsock *s CLEANUP_NLSOCK = xnew(struct nlsock);
	s->mnl = mnl_socket_fdopen(fd);
	if (!s->mnl)
		return err_errno(err, -errno, "open netlink socket");
	s->fd = take_fd(&fd);
	int r = set_up(s, err);
	if (r < 0)
		return r;
	*ret = TAKE_PTR(s);
	return 0;
}

void nlsock_free(struct nlsock *s) {
	if (!s)
		return;
	if (s->mnl)
		(void)mnl_socket_close(s->mnl); /* nothing is buffered */
	free(s);
}

/* ---- messages ---- */

struct nlmsghdr *nlsock_put(void *buf, uint16_t type, uint16_t flags, size_t header_size) {
	struct nlmsghdr *m = mnl_nlmsg_put_header(buf);

	m->nlmsg_type = type;
	m->nlmsg_flags = NLM_F_REQUEST | flags;
	(void)mnl_nlmsg_put_extra_header(m, header_size);
	return m;
}

static int check_attributes(const char *from, size_t n, struct err *err) {
	for (size_t at = 0; at < n;) {
		const struct nlattr *a = (const struct nlattr *)(from + at);
		if (n - at < sizeof(*a) || a->nla_len < sizeof(*a) || a->nla_len > n - at)
			return err_set(err, -EBADMSG, "bad attribute at byte %zu of %zu", at, n);
		at += (size_t)NLA_ALIGN(a->nla_len);
	}
	return 0;
}

int nlsock_check(const struct nlmsghdr *m, size_t header_size, struct err *err) {
	size_t at = mnl_nlmsg_size(NLMSG_ALIGN(header_size));

	if (m->nlmsg_len < mnl_nlmsg_size(header_size))
		return err_set(err, -EBADMSG, "netlink message of type %u is too short: %u bytes", m->nlmsg_type, m->nlmsg_len);
	if (m->nlmsg_len <= at)
		return 0;
	int r = check_attributes((const char *)m + at, m->nlmsg_len - at, err);
	if (r < 0)
		err_wrap(err, "netlink message of type %u", m->nlmsg_type);
	return r;
}

int nlsock_check_nest(const struct nlattr *nest, struct err *err) {
	int r = check_attributes(mnl_attr_get_payload(nest), mnl_attr_get_payload_len(nest), err);
	if (r < 0)
		err_wrap(err, "attribute %u", mnl_attr_get_type(nest));
	return r;
}

int nlsock_receive(int fd, void *buf, size_t size, int flags) {
	for (;;) {
		struct sockaddr_nl from = {0};
		socklen_t len = sizeof(from);
		ssize_t n = recvfrom(fd, buf, size, flags | MSG_TRUNC, (struct sockaddr *)&from, &len);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		if (from.nl_pid != 0) /* a privileged process in the namespace may send us what it likes */
			continue;
		return (size_t)n > size ? -EMSGSIZE : (int)n;
	}
}

/* ---- answers ---- */

/* The kernel's own words, among the attributes that follow. */
static const char *words_of(const struct nlmsghdr *m, size_t at) {
	const char *words = NULL;

	if (!(m->nlmsg_flags & NLM_F_ACK_TLVS) || nlsock_check(m, at, NULL) < 0)
		return NULL;
	const struct nlattr *a;
	nlsock_for_each_attr (a, m, at)
		if (mnl_attr_get_type(a) == NLMSGERR_ATTR_MSG && mnl_attr_validate(a, MNL_TYPE_NUL_STRING) == 0)
			words = mnl_attr_get_str(a);
	return words;
}

static int kernel_error(int code, const char *words, struct err *err) {
	return words && *words ? err_errno(err, code, "kernel: %s", words) : err_errno(err, code, "kernel");
}

/* Of NLMSG_ERROR: the error with which a request ended. */
static int answer_code(const struct nlmsghdr *m, struct err *err) {
	const struct nlmsgerr *e = mnl_nlmsg_get_payload(m);
	size_t at = sizeof(*e);

	if (m->nlmsg_len < NLMSG_HDRLEN + sizeof(*e))
		return err_set(err, -EBADMSG, "netlink answer is too short");
	if (e->error == 0)
		return 0;
	if (!(m->nlmsg_flags & NLM_F_CAPPED) && e->msg.nlmsg_len >= NLMSG_HDRLEN && e->msg.nlmsg_len < m->nlmsg_len)
		at += NLMSG_ALIGN(e->msg.nlmsg_len) - NLMSG_HDRLEN; /* the request is there as well */
	return kernel_error(e->error < 0 ? e->error : -EBADMSG, words_of(m, at), err);
}

/* Of NLMSG_DONE: the error with which a dump ended. */
static int done_code(const struct nlmsghdr *m, struct err *err) {
	int code = 0;

	if (m->nlmsg_len >= NLMSG_HDRLEN + sizeof(code))
		memcpy(&code, mnl_nlmsg_get_payload(m), sizeof(code));
	return code < 0 ? kernel_error(code, words_of(m, sizeof(code)), err) : 0;
}

static int send_request(struct nlsock *s, struct nlmsghdr *request, uint16_t flags, struct err *err) {
	request->nlmsg_flags |= (uint16_t)(NLM_F_REQUEST | flags);
	request->nlmsg_seq = ++s->sequence;
	request->nlmsg_pid = mnl_socket_get_portid(s->mnl);
	if (mnl_socket_sendto(s->mnl, request, request->nlmsg_len) < 0)
		return err_errno(err, -errno, "send to netlink");
	return 0;
}

/* One reading of the answer to the newest request. */
struct reading {
	struct nlsock *s;
	nlsock_row_fn *row; /* NULL: only an acknowledgement is awaited */
	void *arg;
	bool over, interrupted;
	int code; /* of the row function that ended it: what follows is read and dropped */
	struct err *err;
};

static int take_message(struct reading *r, const struct nlmsghdr *m) {
	if (m->nlmsg_seq != r->s->sequence)
		return 0; /* the rest of an answer that was given up */
	if (m->nlmsg_flags & NLM_F_DUMP_INTR)
		r->interrupted = true;
	if (m->nlmsg_type == NLMSG_ERROR || m->nlmsg_type == NLMSG_DONE) {
		r->over = true;
		struct err *err = r->code < 0 ? NULL : r->err;
		return m->nlmsg_type == NLMSG_ERROR ? answer_code(m, err) : done_code(m, err);
	}
	if (m->nlmsg_type >= NLMSG_MIN_TYPE && r->row && !r->interrupted && r->code == 0)
		r->code = r->row(r->arg, m, r->err);
	return 0;
}

static int take_datagram(struct reading *r, int n) {
	const struct nlmsghdr *m = (const struct nlmsghdr *)r->s->buf;
	int left = n, code = 0;

	for (; mnl_nlmsg_ok(m, left) && code == 0 && !r->over; m = mnl_nlmsg_next(m, &left))
		code = take_message(r, m);
	return code;
}

static int read_answer(struct reading *r) {
	while (!r->over) {
		int n = nlsock_receive(r->s->fd, r->s->buf, sizeof(r->s->buf), 0);
		if (n < 0)
			return err_errno(r->err, n, "receive from netlink");
		int code = take_datagram(r, n);
		if (code < 0)
			return code;
	}
	return 0;
}

int nlsock_request(struct nlsock *s, struct nlmsghdr *request, struct err *err) {
	struct reading reading = {.s = s, .err = err};

	int r = send_request(s, request, NLM_F_ACK, err);
	return r < 0 ? r : read_answer(&reading);
}

/* 1: it has to be made again. */
static int dump_once(struct nlsock *s, struct nlmsghdr *request, nlsock_row_fn *row, void *arg, struct err *err) {
	struct reading reading = {.s = s, .row = row, .arg = arg, .err = err};

	int r = send_request(s, request, NLM_F_DUMP, err);
	if (r < 0)
		return r;
	r = read_answer(&reading);
	if (reading.code < 0)
		return reading.code;
	if (r == -ENOBUFS || r == -EINTR)
		return 1;
	return r < 0 ? r : reading.interrupted;
}

int nlsock_dump(struct nlsock *s, struct nlmsghdr *request, nlsock_row_fn *row, void *arg, struct err *err) {
	assert(row);
	for (int try = 0; try < DUMP_TRIES; try++) {
		int r = try == 0 ? 0 : row(arg, NULL, err);
		if (r == 0)
			r = dump_once(s, request, row, arg, err);
		if (r <= 0)
			return r;
	}
	return err_set(err, -EINTR, "the kernel's table changed during each of %d dumps", DUMP_TRIES);
}
