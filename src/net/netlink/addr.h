/* The addresses of a namespace's links. */
#ifndef NETLINK_ADDR_H
#define NETLINK_ADDR_H

#include "base/err.h"
#include "base/ip.h"
#include "net/netlink/nlsock.h"

#include <stdbool.h>

struct addr_row {
	unsigned ifindex;
	struct ip ip; /* the own one, also of a point-to-point link */
	unsigned prefix;
	bool tentative; /* IPv6: it may not be used yet: its uniqueness is being looked into, or was disproved */
};

/* Reads RTM_NEWADDR and RTM_DELADDR of IPv4 and IPv6. Pure. -EBADMSG for anything that is not a whole row. */
int addr_parse(const struct nlmsghdr *m, struct addr_row *ret, struct err *err);

/* Streams all addresses, IPv4 and IPv6. NULL for a row: it begins again, forget the rows before. A negative answer ends it. */
typedef int addr_fn(void *arg, const struct addr_row *row, struct err *err);
int addr_dump(struct nlsock *s, addr_fn *fn, void *arg, struct err *err);

#endif
