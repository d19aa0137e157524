/* What the store remembers, back into the machine: before the first turn. The ledger comes first, so that a remembered container
 * finds the workload it belongs to. heird and the simulator start by this. */
#ifndef DAEMON_RESTORE_H
#define DAEMON_RESTORE_H

#include "daemon/memory.h"
#include "resched/resched.h"
#include "store/store.h"

struct restore {
	struct store *store;
	struct resched *machine; /* knows its nodes already */
	struct memory *memory;
	const char *cluster;
	struct mono now;
	/* False: that node is not in the configuration. ret_vtep: its underlay address where that is configured, else as it is. */
	bool (*node)(void *ctx, const char *node, const char **ret_vtep);
	int (*node_record)(void *ctx, const char *key, const char *text, struct err *err); /* one of table STORE_NODE */
	void (*resumed)(void *ctx, const struct takeover *t);                              /* it is open */
	void (*unused)(void *ctx, const char *node, const char *container); /* the memory of it: its node is not configured */
	void *ctx;
};

/* A document that is not understood is an error that names it: nothing is guessed, and the store is not begun with. */
int restore_machine(const struct restore *r, struct err *err);

#endif
