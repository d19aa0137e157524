/* The storm brake: may nodes be taken over now, or is it rather the manager that is cut off? Pure. */
#ifndef HEALTH_BRAKE_H
#define HEALTH_BRAKE_H

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

#endif
