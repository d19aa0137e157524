/* See watch.h. */
#include "net/netlink/watch.h"

#include "base/alloc.h"
#include "net/netlink/netns.h"

#include <assert.h>
#include <errno.h>
#include <limits.h>
#include <linux/rtnetlink.h>
#include <sys/socket.h>

#define DATAGRAMS_A_TURN 256 /* one event each, mostly */

struct watch {
	int fd;
	_Alignas(struct nlmsghdr) char buf[NLSOCK_BUFFER];
};

static int join_groups(int fd) {
	static const int groups[] = {RTNLGRP_NEIGH, RTNLGRP_LINK};

	for (size_t i = 0; i < sizeof(groups) / sizeof(groups[0]); i++)
		if (setsockopt(fd, SOL_NETLINK, NETLINK_ADD_MEMBERSHIP, &groups[i], sizeof(groups[i])) < 0)
			return -errno;
	return 0;
}

/* Beyond net.core.rmem_max with CAP_NET_ADMIN in the first user namespace only. */
static int set_buffer(int fd, size_t size) {
	int bytes = size > INT_MAX / 2 ? INT_MAX / 2 : (int)size;

	if (setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &bytes, sizeof(bytes)) == 0)
		return 0;
	return setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &bytes, sizeof(bytes)) < 0 ? -errno : 0;
}

int watch_open(int ns_fd, size_t buffer, struct watch **ret, struct err *err) {
	struct sockaddr_nl any = {.nl_family = AF_NETLINK};
	CLEANUP_FD int fd = netns_socket(ns_fd, AF_NETLINK, SOCK_RAW | SOCK_NONBLOCK, NETLINK_ROUTE, err);

	if (fd < 0)
		return fd;
	int r = buffer ? set_buffer(fd, buffer) : 0;
	if (r == 0 && bind(fd, (struct sockaddr *)&any, sizeof(any)) < 0)
		r = -errno;
	if (r == 0)
		r = join_groups(fd);
	if (r < 0)
		return err_errno(err, r, "watch a network namespace");
	*ret = xnew(struct watch);
	(*ret)->fd = take_fd(&fd);
	return 0;
}

void watch_free(struct watch *w) {
	if (!w)
		return;
	close(w->fd);
	free(w);
}

int watch_fd(const struct watch *w) { return w->fd; }

/* ---- events ---- */

/* The first byte of every route message's own header is its family. */
static uint8_t family_of(const struct nlmsghdr *m) {
	return m->nlmsg_len > NLMSG_HDRLEN ? *(const uint8_t *)mnl_nlmsg_get_payload(m) : AF_UNSPEC;
}

static int neighbour_event(const struct nlmsghdr *m, struct watch_event *e) {
	e->gone = m->nlmsg_type == RTM_DELNEIGH;
	switch (family_of(m)) {
	case AF_BRIDGE:
		e->kind = WATCH_FDB;
		return fdb_parse(m, &e->fdb, NULL);
	case AF_INET:
	case AF_INET6:
		e->kind = WATCH_NEIGH;
		return neigh_parse(m, &e->neigh, NULL);
	default:
		return 1;
	}
}

/* 1: it concerns nobody here. RTM_GETNEIGH asks user space (a VXLAN device's l2miss and l3miss); AF_BRIDGE tells of a port's
 * settings, and who its master is comes with AF_UNSPEC as well. */
static int event_of(const struct nlmsghdr *m, struct watch_event *e) {
	switch (m->nlmsg_type) {
	case RTM_NEWNEIGH:
	case RTM_DELNEIGH:
		return neighbour_event(m, e);
	case RTM_NEWLINK:
	case RTM_DELLINK:
		if (family_of(m) == AF_BRIDGE)
			return 1;
		e->kind = WATCH_LINK;
		e->gone = m->nlmsg_type == RTM_DELLINK;
		return link_parse(m, &e->link, NULL);
	default:
		return 1;
	}
}

static void tell_overrun(watch_fn *fn, void *arg) { fn(arg, &(struct watch_event){.kind = WATCH_OVERRUN}); }

static void take_datagram(const struct watch *w, int n, watch_fn *fn, void *arg) {
	const struct nlmsghdr *m = (const struct nlmsghdr *)w->buf;

	for (; mnl_nlmsg_ok(m, n); m = mnl_nlmsg_next(m, &n)) {
		struct watch_event e = {.gone = false};
		int r = event_of(m, &e);
		if (r == 0)
			fn(arg, &e);
		else if (r < 0)
			tell_overrun(fn, arg);
	}
}

int watch_read(struct watch *w, watch_fn *fn, void *arg, struct err *err) {
	assert(fn);
	for (int i = 0; i < DATAGRAMS_A_TURN; i++) {
		int n = nlsock_receive(w->fd, w->buf, sizeof(w->buf), MSG_DONTWAIT);
		if (n == -EAGAIN)
			return 0;
		if (n == -ENOBUFS || n == -EMSGSIZE)
			tell_overrun(fn, arg);
		else if (n < 0)
			return err_errno(err, n, "read what changed in a network namespace");
		else
			take_datagram(w, n, fn, arg);
	}
	return 1;
}
