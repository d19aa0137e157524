/* Links: the network devices of a namespace. */
#ifndef NETLINK_LINK_H
#define NETLINK_LINK_H

#include "base/err.h"
#include "base/ip.h"
#include "base/mac.h"
#include "net/netlink/nlsock.h"

#include <net/if.h>
#include <stdbool.h>
#include <stdint.h>

#define LINK_KIND_MAX 16

struct link_vxlan {
	uint32_t vni;
	uint16_t port;
	struct ip local; /* the own VTEP; none where the route decides */
	bool proxy, learning, l2miss, l3miss;
};

struct link_row {
	unsigned ifindex;
	char name[IF_NAMESIZE];
	char kind[LINK_KIND_MAX]; /* "bridge", "vxlan", "veth", … "" for hardware and lo */
	bool up;                  /* as it was told to be, not whether there is a carrier */
	unsigned master;          /* its bridge; 0 */
	struct mac mac;           /* zero where it has none of six bytes */
	unsigned peer;            /* veth: the other end's number, in that end's namespace (of other kinds: the link below); 0 */
	int peer_nsid;            /* of the other end's namespace, as this one numbers it; -1: it is in this one */
	bool is_vxlan;            /* and has said what follows */
	struct link_vxlan vxlan;
};

/* Reads RTM_NEWLINK and RTM_DELLINK. Pure. -EBADMSG for anything that is not a whole link, such as the messages of AF_BRIDGE, of
 * which RTM_DELLINK says that a port left its bridge and not that it is gone. */
int link_parse(const struct nlmsghdr *m, struct link_row *ret, struct err *err);

/* Streams all links. NULL for a row: it begins again, forget the rows before. A negative answer ends it. */
typedef int link_fn(void *arg, const struct link_row *row, struct err *err);
int link_dump(struct nlsock *s, link_fn *fn, void *arg, struct err *err);

int link_set_up(struct nlsock *s, unsigned ifindex, bool up, struct err *err);

#endif
