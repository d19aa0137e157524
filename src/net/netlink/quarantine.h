/* A host's quarantine: VXLAN packets from and to the VTEPs of given up hosts are dropped, so that what a dead host's container
 * still says reaches nobody. It is a table "heir" of nftables in the host's namespace, ours alone; no other table is touched, and
 * gossip and everything else goes on. It does not mend what a bridge has learned already.
 *
 * All of it blocks, and calls take turns: libnftables is not made for several threads. */
#ifndef NETLINK_QUARANTINE_H
#define NETLINK_QUARANTINE_H

#include "base/cleanup.h"
#include "base/err.h"
#include "base/ip.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define QUARANTINE_PORT 4789

struct quarantine_count {
	uint64_t packets, bytes; /* dropped; 0 where the kernel does not count for each address (before 5.7) */
};

struct quarantine_row {
	struct ip ip;
	struct quarantine_count from, to;
};

struct quarantine {
	struct quarantine_row *rows; /* by address */
	size_t n;
	uint16_t *ports; /* ascending */
	size_t n_ports;
	bool in_force; /* the kernel has our chains, hooks and rules, whole and nothing besides */
};

void quarantine_clear(struct quarantine *q);
#define CLEANUP_QUARANTINE CLEANUP(quarantine_clear)

/* Makes the kernel's table exactly this in one transaction and reads it back; without addresses there is none. Addresses that stay
 * keep their counts, and nothing is done where nothing differs. Without ports QUARANTINE_PORT is meant. After an error the table is
 * what it was before, except with -EIO: then it was changed and is not in force. */
int quarantine_apply(int ns_fd, const struct ip *dead, size_t n, const uint16_t *ports, size_t n_ports, struct err *err);

/* What the kernel has now; nothing and not in force when there is no table, or when somebody gave it flags (dormant: it does
 * nothing). ret is overwritten. */
int quarantine_read(int ns_fd, struct quarantine *ret, struct err *err);

#endif
