/* Where a workload goes: every node is either rejected, with the reason, or scored. Pure. */
#ifndef RESCHED_PLAN_H
#define RESCHED_PLAN_H

#include "base/mono.h"
#include "resched/world.h"

enum strategy { STRATEGY_SPREAD, STRATEGY_BINPACK, STRATEGY_RANDOM };

/* What is on its way to a node and not yet among its containers. */
struct plan_claim {
	const char *node;
	const struct world_container *like; /* what it will need */
	bool idle;                          /* it waits for something: its place is taken, but it is no work for the node now */
};

struct plan_ask {
	const struct world *world;
	const struct world_container *subject; /* as last seen */
	const char *name;                      /* the workload's, which must be free there */
	const char *from;                      /* the failed node: never the target; NULL: there is none */
	const char *pinned;                    /* the only one allowed; NULL */
	const struct strs *copies;             /* "<node>/<id>": the workload's own, whose names and ports do not count */
	const struct strs *avoid;              /* nodes where earlier attempts failed: taken last; may be NULL */
	const struct plan_claim *claims;
	size_t n_claims;
	enum strategy strategy;
	unsigned per_target; /* claims of running takeovers on one node; 0: no limit */
	uint64_t seed;
	struct mono now;
};

struct plan_choice {
	const char *target; /* borrowed from the world; NULL: none */
	bool cold;          /* no container there has the overlay yet: the join takes about 10 s after a failure */
	bool image_missing;
	bool full;            /* none is free now, but at least one would be if fewer takeovers ran there */
	struct strs rejected; /* "h2: port 80/tcp is taken by \"proxy\"" */
};

void plan_choose(const struct plan_ask *ask, struct plan_choice *ret);
void plan_choice_clear(struct plan_choice *c);

/* NULL when the node could take the subject, else the reason (owned). */
char *plan_reject(const struct plan_ask *ask, const struct world_node *node);

#endif
