/* Inside src/net/overlay: what a question about swarm addresses carries from swarm.c to node.c. */
#ifndef NET_OVERLAY_SWARM_INTERNAL_H
#define NET_OVERLAY_SWARM_INTERNAL_H

#include "engine/control.h"
#include "net/overlay/overlay-internal.h"
#include "net/wire/agent-client.h"

struct swarm_removal {
	struct swarm_call *of;
	char *task, *node;
	size_t socket; /* of the cluster's, being asked; after them its agents */
	struct control_call *asked;
	struct agent_call *asked_agent;
	enum engine_outcome outcome; /* the best so far */
	bool was_sent;               /* some socket may have taken it */
	struct err err;
};

struct swarm_call { /* ready, release, holders */
	struct overlay_call call;
	struct overlay_address *addresses;
	size_t n_addresses;
	struct strs copies;
	char *own, *node, *swarm_node;
	bool by_node_removal;

	struct swarm_removal *removals; /* made once, never moved */
	size_t n_removals, running;

	/* holders */
	enum overlay_holder worst;
	char *other_container, *other_node, *other_ip;

	/* node.c */
	json_t *attachments; /* of the old node */
	json_t *spec;        /* the node's, as it is now */
	int64_t version;
	bool remembered, removal_sent;
	char *last; /* what the swarm said last */
};

/* A task's address is free when both say that it is over. */
bool swarm_task_is_live(const struct engine_task *task);
/* The parts of the node's tasks that a record keeps. New reference. */
json_t *swarm_attachments_of(const struct engine_task *tasks, size_t n, const char *swarm_node);

/* node.c. Could the old node be taken out of the swarm? Ends the call. `why_not` says why no control socket will do. */
void node_removal_check(struct swarm_call *s, const char *why_not);
/* Takes it out, its record written first. Ends the call. */
void node_removal_begin(struct swarm_call *s);

#endif
