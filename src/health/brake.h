/* The storm brake: may nodes be taken over now, or is it rather the manager that is cut off? Pure. */
#ifndef HEALTH_BRAKE_H
#define HEALTH_BRAKE_H

#include "base/mono.h"

#include <stdbool.h>
#include <stddef.h>

enum brake_witness {
	BRAKE_WITNESS_NONE, /* none is configured */
	BRAKE_WITNESS_SILENT,
	BRAKE_WITNESS_ANSWERS,
};

struct brake_limit {
	unsigned value;
	bool percent; /* of the total; else a number of nodes */
};

struct brake_counts {
	unsigned total;        /* nodes configured */
	unsigned lost;         /* dead, or not heard of since the start */
	unsigned alive_remote; /* engines that answer and are not on the manager's own host */
	unsigned alive_local;  /* those that are */
	enum brake_witness witness;
	struct brake_limit max_lost; /* strictly more than this many lost is a storm */
	bool operator_go; /* an operator has looked and said so (go, or confirm-dead of the node in question): no brake */
};

#define BRAKE_REASON_MAX 256

struct brake_verdict {
	bool hold;
	char reason[BRAKE_REASON_MAX]; /* why it holds, or on what ground it does not */
};

struct brake_verdict brake_decide(const struct brake_counts *c);
/* The same for one zone: only how many of it are lost counts. */
struct brake_verdict brake_decide_zone(const struct brake_counts *c, const char *zone);

/* After a storm the nodes come back one after the other, within a heartbeat or two: the first that answers must not make a case
 * against those that are about to. So the brake lets go only when nothing has spoken for it as long as it takes to find a node
 * dead. Embedded by its owner, zeroed at first. */
struct brake_storm {
	bool over_nodes;   /* it held while nodes that had been heard of were lost */
	struct mono since; /* nothing speaks for it since then; zero: something does */
};

/* hold is what brake_decide says now; lost_known: a node that was heard of is lost. True while the brake must go on holding
 * although hold is false. */
bool brake_lingers(struct brake_storm *s, bool hold, bool lost_known, struct mono now, struct span settle);

#endif
