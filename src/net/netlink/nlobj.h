/* From libnl's objects to our values. libnl-route knows the attributes of links, addresses and neighbours; sockets and dumps stay
 * our own (nlsock), so that nothing is held in its caches. */
#ifndef NETLINK_NLOBJ_H
#define NETLINK_NLOBJ_H

#include "base/cleanup.h"
#include "base/err.h"
#include "base/ip.h"
#include "base/mac.h"

#include <linux/netlink.h>
#include <netlink/addr.h>
#include <netlink/msg.h>
#include <netlink/object.h>
#include <stdbool.h>

CLEANUP_DEFINE(nl_object, struct nl_object, nl_object_put)
CLEANUP_DEFINE(nl_msg, struct nl_msg, nlmsg_free)
CLEANUP_DEFINE(nl_addr, struct nl_addr, nl_addr_put)
#define CLEANUP_NL_OBJECT CLEANUP(cleanup_nl_object)
#define CLEANUP_NL_MSG CLEANUP(cleanup_nl_msg)
#define CLEANUP_NL_ADDR CLEANUP(cleanup_nl_addr)

/* The object of a checked route message. -EBADMSG when libnl finds none in it. */
int nlobj_parse(const struct nlmsghdr *m, struct nl_object **ret, struct err *err);

struct ip nlobj_ip(const struct nl_addr *addr);                      /* none for NULL and other kinds */
bool nlobj_mac(const struct nl_addr *addr, struct mac *ret);         /* false, and zeroes, for other lengths */
struct nl_addr *nlobj_addr(int family, const void *bytes, size_t n); /* never NULL */

#endif
