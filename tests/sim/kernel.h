/* The kernels: which host's frames for an address go where. This is what decides who answers in the end, whatever engines, swarm
 * and ledger believe.
 *
 * On every host, for each overlay network, an address has a row that names the host to which frames for it are sent; on the host
 * that has the container itself the row competes with the bridge, unless the agent made the bridge's entry sticky. Engines write
 * rows from what they hear of each other, each in its own time (docs/engine-facts.md, "What the kernel's rows do"):
 *
 *   swarm      a list of claimants on each host, in the order in which they were heard of; the first one has the row. A host that
 *              gossip has given up is taken off all lists, and comes back behind the others when it returns.
 *   key/value  the same list, and nobody is ever taken off it but by his own leaving.
 *
 * Agents write over them, and keep what they wrote. */
#ifndef SIM_KERNEL_H
#define SIM_KERNEL_H

#include "fake.h"

#include "base/mono.h"

#define KERNEL_ROWS 64
#define KERNEL_CLAIMS 8

struct sim;

/* One host's, for one network and one address (by its last part). */
struct kernel_row {
	signed char to; /* the host that it is sent to, from 1; 0: there is no row */
	bool sticky;    /* the bridge's entry for a container of this very host */
	short claims[KERNEL_CLAIMS];
	int n_claims; /* containers, in the order in which their claims were heard of */
};

struct kernel {
	unsigned drops; /* by host: whose frames it drops, and to whom it sends none */
	struct kernel_row rows[FAKE_NETS][KERNEL_ROWS];
	bool gossips;        /* as of the last look: the others hear its engine */
	unsigned gossip_era; /* counted up when that changes */
	bool joined[FAKE_NETS];
};

int kernel_row_of(const char *ip); /* by the last part of the address */

/* Who answers a client on `host` that asks for the address; NULL: nobody. */
const struct fake_container *kernel_reaches(const struct sim *s, int host, int net, const char *ip);
/* Frames that c sends with its address arrive at clients on `host`, whether they ever asked for it or not. */
bool kernel_hears(const struct sim *s, int host, int net, const struct fake_container *c);
bool kernel_speaks(const struct fake_container *c, int net); /* it has an interface there, and it is up */
bool kernel_joined(const struct sim *s, int host, int net);  /* a container there has the network */

/* After every event: engines hear of what has changed since the last one. */
void kernel_sync(struct sim *s);
void kernel_power_lost(struct sim *s, int host);
/* An agent's: 0 takes the row away. */
void kernel_set_row(struct sim *s, int host, int net, int row, int to);

#endif
