/* Neighbour rows: which MAC an IP address has on a device. On a VXLAN device with "proxy" they are what it answers ARP from. */
#ifndef NETLINK_NEIGH_H
#define NETLINK_NEIGH_H

#include "base/err.h"
#include "base/ip.h"
#include "base/mac.h"
#include "net/netlink/nlsock.h"

#include <stdbool.h>
#include <stdint.h>

struct neigh_row {
	struct ip ip;
	unsigned ifindex;
	bool has_mac;
	struct mac mac; /* zero when it has none */
	uint16_t state; /* NUD_… of linux/neighbour.h */
	bool external;  /* extern_learn: by a control plane */
};

bool neigh_is_permanent(const struct neigh_row *row);

/* Reads RTM_NEWNEIGH and RTM_DELNEIGH of IPv4 and IPv6. Pure. -EBADMSG for anything that is not a whole row. */
int neigh_parse(const struct nlmsghdr *m, struct neigh_row *ret, struct err *err);

/* Streams the rows of one device, or of all with 0, IPv4 and IPv6. NULL for a row: it begins again, forget the rows before. A
 * negative answer ends it. */
typedef int neigh_fn(void *arg, const struct neigh_row *row, struct err *err);
int neigh_dump(struct nlsock *s, unsigned ifindex, neigh_fn *fn, void *arg, struct err *err);

/* ip neigh replace IP lladdr MAC dev … nud permanent */
int neigh_replace_permanent(struct nlsock *s, unsigned ifindex, const struct ip *ip, const struct mac *mac, struct err *err);
/* -ENOENT when there is none. */
int neigh_delete(struct nlsock *s, unsigned ifindex, const struct ip *ip, struct err *err);

#endif
