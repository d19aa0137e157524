/* What the checks keep. */
#ifndef SIM_CHECKS_H
#define SIM_CHECKS_H

#include "sim.h"

#define SEEN_MAX 512
#define CLEANED_MAX 256
#define DEATHS_MAX 32

/* How often something failed in a row. */
struct check_tries {
	unsigned failures, manager, instance;
	enum effect_kind kind;
	struct mono at;
};

struct story;

struct checks {
	struct seen_takeover seen[SEEN_MAX];
	int n_seen;
	unsigned newest_writer;
	struct mono starts[CLEANED_MAX]; /* by container: when heir's start of it first happened */
	struct mono turned;              /* when the last turn was */

	/* check-agent.c */
	unsigned keeps_out[FAKE_NODES_MAX]; /* by node: which hosts' kernels are known to drop it, until it is clean */

	/* check-pace.c */
	int life;
	struct strs braked; /* takeovers that had begun to cut their owner off when the brake was put on */
	unsigned verdict_manager;
	enum node_verdict verdicts[FAKE_NODES_MAX];
	struct mono deaths[FAKE_NODES_MAX][DEATHS_MAX];
	int n_deaths[FAKE_NODES_MAX];
	struct mono held_until[FAKE_NODES_MAX];
	bool was_lost[FAKE_NODES_MAX]; /* at some time in this history */
	struct mono no_storm_since;    /* nothing speaks for the brake; MONO_NEVER: something does */
	struct mono stormy;            /* the last moment of a storm that nodes were in that had been heard of; 0: there was none */
	struct mono alone_since;       /* neither engine nor agent of another host answers; MONO_NEVER: one does */
	struct check_tries orders[FAKE_NODES_MAX], cleaned[CLEANED_MAX]; /* by node; by container */

	/* check-log.c */
	struct story *stories;
	int n_stories;
};

void check_log_clear(struct checks *c);
/* A newer one of its workload has its address. */
bool check_is_stale(const struct sim *s, const struct fake_container *c);

#endif
