/* A route netlink socket in a namespace: requests that are acknowledged and dumps that are streamed. Blocks; one thread at a time.
 *
 * A dump during which the table changed (NLM_F_DUMP_INTR) or which overran the socket (ENOBUFS) is worth nothing and is made again,
 * a bounded number of times. */
#ifndef NETLINK_NLSOCK_H
#define NETLINK_NLSOCK_H

#include "base/cleanup.h"
#include "base/err.h"

#include <libmnl/libmnl.h>
#include <stddef.h>
#include <stdint.h>

#define NLSOCK_REQUEST_MAX 1024 /* room for any request made here */
#define NLSOCK_BUFFER 65536     /* for received messages; the kernel sends up to 32 KiB at once */

struct nlsock;

int nlsock_open(int ns_fd, struct nlsock **ret, struct err *err);
void nlsock_free(struct nlsock *s); /* NULL is fine */
CLEANUP_DEFINE(nlsock, struct nlsock, nlsock_free)
#define CLEANUP_NLSOCK CLEANUP(cleanup_nlsock)

/* Sends it with NLM_F_ACK, and sequence number and port set, and waits for the answer. Returns the kernel's error with its words,
 * so that -ENOENT is "there was none" and -EEXIST "there is one". -EAGAIN: no answer came, the outcome is not known. */
int nlsock_request(struct nlsock *s, struct nlmsghdr *request, struct err *err);

/* Calls row for every message of the dump; NULL instead of a message says that the dump begins again and that what was seen before
 * does not count. A negative answer ends it and is returned. */
typedef int nlsock_row_fn(void *arg, const struct nlmsghdr *row, struct err *err);
int nlsock_dump(struct nlsock *s, struct nlmsghdr *request, nlsock_row_fn *row, void *arg, struct err *err);

/* One datagram from the kernel into buf, others' are passed over: its length, or -EAGAIN, -ENOBUFS, … without words, as callers
 * take these for events. flags as for recv(2). */
int nlsock_receive(int fd, void *buf, size_t size, int flags);

/* Begins a message: zeroed, with a type, flags and a header of its own of that size. */
struct nlmsghdr *nlsock_put(void *buf, uint16_t type, uint16_t flags, size_t header_size);

/* Whether a message is whole: its own header of that size is there, and its attributes fill the rest without a gap. -EBADMSG. */
int nlsock_check(const struct nlmsghdr *m, size_t header_size, struct err *err);

/* The same of the attributes within one. */
int nlsock_check_nest(const struct nlattr *nest, struct err *err);

/* Of a message, or a nest, that was checked. */
#define nlsock_for_each_attr(a, m, header_size) \
	for ((a) = mnl_nlmsg_get_payload_offset((m), (header_size)); \
	     (const char *)(a) < (const char *)mnl_nlmsg_get_payload_tail(m); (a) = mnl_attr_next(a))

#define nlsock_for_each_nested(a, nest) \
	for ((a) = mnl_attr_get_payload(nest); (const char *)(a) < (const char *)(nest) + (nest)->nla_len; (a) = mnl_attr_next(a))

#endif
