/* Who opted in, and to what. Pure. Opting in was proposed for Docker Swarm as an environment entry or a label; all forms are read:
 *
 *   -e reschedule:on-node-failure                                          (Config.Env; the text stays there without a "=")
 *   --label com.docker.swarm.reschedule-policies='["on-node-failure"]'
 *   --label com.docker.swarm.reschedule-policy=on-node-failure
 *
 * `no` wins over any other; an unknown value counts as `no` and is warned about. Further labels say what a container demands; each
 * goes before what the configuration says for all:
 *
 *   heir.fence     the least evidence: presumed, quarantined, stopped
 *   heir.delay     how long its node may be lost before it is moved ("30s"): a host that only restarts keeps it
 *   heir.attempts  how often a move is tried until an operator is asked
 *   heir.keep      newest or oldest: who has the address when its node is back
 *   heir.volumes   empty: it may start elsewhere with empty volumes
 */
#ifndef RESCHED_POLICY_H
#define RESCHED_POLICY_H

#include "base/mono.h"

#include <stdbool.h>
#include <stddef.h>

/* Weakest first. What proves that the old owner is off the network. */
enum evidence {
	EVIDENCE_NONE,
	EVIDENCE_PRESUMED,    /* missed heartbeats */
	EVIDENCE_QUARANTINED, /* every live observer's agent drops the old host's packets */
	EVIDENCE_STOPPED,     /* its engine says so, or an operator */
	EVIDENCE_MAX,
};

const char *evidence_name(enum evidence e); /* "presumed"; NULL for none */
/* EVIDENCE_MAX when the text is no name. */
enum evidence evidence_parse(const char *text);

enum keep { KEEP_UNSAID, KEEP_NEWEST, KEEP_OLDEST };

#define POLICY_TEXT_MAX 160
#define POLICY_DELAY_MAX_SEC (7 * 24 * 3600)
#define POLICY_ATTEMPTS_MAX 1000

struct policy {
	bool move;           /* on-node-failure */
	bool has_delay;      /* else the configuration's, as for all below that say nothing */
	bool volumes_empty;  /* may start with empty volumes */
	enum evidence fence; /* EVIDENCE_NONE: not said */
	enum keep keep;
	struct span delay;
	unsigned attempts;             /* 0: not said */
	char source[POLICY_TEXT_MAX];  /* what decided: "env reschedule:on-node-failure"; "none" */
	char warning[POLICY_TEXT_MAX]; /* "" or what was not understood, the first of it */
};

struct policy_label {
	const char *key, *value;
};

struct policy policy_read(char *const *env, size_t n_env, const struct policy_label *labels, size_t n_labels);

#endif
