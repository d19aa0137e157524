/* The forwarding database: which MAC is behind which bridge port, and behind which VTEP. Two tables look like one: a VXLAN device's
 * own rows ("self": MAC → remote) and its bridge's rows about it ("master": MAC → port).
 *
 *   bridge fdb replace MAC dev vxlan0 dst IP self permanent     {.self = true, .dst = IP, .state = FDB_PERMANENT}
 *   bridge fdb replace MAC dev veth1 master static sticky       {.state = FDB_STATIC, .sticky = true}
 */
#ifndef NETLINK_FDB_H
#define NETLINK_FDB_H

#include "base/err.h"
#include "base/ip.h"
#include "base/mac.h"
#include "net/netlink/nlsock.h"

#include <stdbool.h>
#include <stdint.h>

enum fdb_state {
	FDB_LEARNED,   /* or given with a life ("dynamic"): it may move and age */
	FDB_STATIC,    /* stays, but a bridge lets learning move it unless it is sticky */
	FDB_PERMANENT, /* on a bridge: the MAC is the host's own, and frames for it go up; on a VXLAN device: it stays */
	FDB_STATE_MAX,
};

struct fdb_row {
	struct mac mac;
	unsigned ifindex; /* of the port or the VXLAN device */
	bool self;        /* the device's own row, else its bridge's */
	enum fdb_state state;
	bool sticky;           /* bridge: learning does not move it */
	bool external;         /* ext_learn: by a control plane, does not age */
	unsigned master;       /* read only: the bridge whose row it is */
	struct ip dst;         /* VXLAN: the remote VTEP */
	uint16_t port;         /* VXLAN: 0 for the device's */
	uint32_t vni, src_vni; /* VXLAN: 0 for the device's */
	unsigned via;          /* VXLAN: the link to send through, 0 for the route's */
	uint32_t nexthop;      /* VXLAN: a group of nexthops instead of dst */
	uint16_t vlan;         /* bridge; 0: none */
};

/* Reads RTM_NEWNEIGH and RTM_DELNEIGH of AF_BRIDGE. Pure. -EBADMSG for anything that is not a whole row. */
int fdb_parse(const struct nlmsghdr *m, struct fdb_row *ret, struct err *err);

/* Streams the rows of one device (a port's rows of its bridge as well), or of all with 0. NULL for a row: it begins again, forget
 * the rows before. A negative answer ends it. */
typedef int fdb_fn(void *arg, const struct fdb_row *row, struct err *err);
int fdb_dump(struct nlsock *s, unsigned ifindex, fdb_fn *fn, void *arg, struct err *err);

/* Puts the row in place of the one with that MAC (and VLAN) on that device, or of that bridge, whatever port had it. */
int fdb_replace(struct nlsock *s, const struct fdb_row *row, struct err *err);
/* -ENOENT when that MAC has no row there. A VXLAN row is deleted whatever its dst if none is given; with a dst it does
 * not have, the kernel (6.18) says that all is well and deletes nothing. */
int fdb_delete(struct nlsock *s, const struct fdb_row *row, struct err *err);

/* "02:42:… dev 3 dst 10.99.0.12 self permanent", for errors and reports; returns text. */
#define FDB_TEXT_MAX 192
const char *fdb_format(const struct fdb_row *row, char text[FDB_TEXT_MAX]);

#endif
