/* What the runner's files share: one effect under way. */
#ifndef DAEMON_RUNNER_INTERNAL_H
#define DAEMON_RUNNER_INTERNAL_H

#include "daemon/daemon.h"
#include "engine/spec.h"

/* One effect under way. */
struct run {
	struct daemon *daemon;
	struct effect *effect;
	struct daemon_node *node; /* NULL: the effect is an overlay's */
	struct overlay_call *overlay;
	struct agent_call *agent;
	char *sandbox;               /* of agents' effects: the namespace of the container, where it is on that node */
	struct spec spec;            /* CREATE */
	size_t next;                 /* CREATE: network to connect; DISCONNECT: network; IMAGE: source to try */
	char *made;                  /* CREATE: ID; IMAGE: what to look for */
	struct run *prev, *followed; /* in the daemon's list */
};

/* Ends it: the machine is told, r is gone. */
void runner_finish(struct run *r, const struct effect_result *result);

/* runner-agent.c: what is asked of the node's agent. */
bool runner_is_agents(enum effect_kind kind);
void runner_quarantine(struct run *r);
void runner_repair(struct run *r);
void runner_prove(struct run *r);
void runner_forget(struct run *r);
void runner_isolate(struct run *r);

#endif
