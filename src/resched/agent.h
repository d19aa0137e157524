/* What the machine knows of a node's agent: whether it answers, what its kernel drops (quarantine), and which addresses it was told
 * to keep right. Pure; the machine's own (agents.c, seats.c) decide what is asked of it. */
#ifndef RESCHED_AGENT_H
#define RESCHED_AGENT_H

#include "base/mono.h"
#include "base/strs.h"

#include <stdbool.h>
#include <stdint.h>
#include <uthash.h>

enum node_agent_state {
	NODE_AGENT_NONE, /* none is configured for this node, or it was not heard of yet */
	NODE_AGENT_OK,
	NODE_AGENT_UNREACHABLE,
	NODE_AGENT_STALE_EPOCH, /* it obeys a newer epoch than ours, or another manager */
	NODE_AGENT_STATE_MAX,
};

const char *node_agent_state_name(enum node_agent_state s); /* "none", "ok", "unreachable", "stale-epoch" */

struct world_net;

/* One address, as its agent knows it. */
struct agent_endpoint {
	const char *network_id, *mac;
};

/* A workload's addresses as one agent was told of them, or is being told. */
struct agent_seat {
	char *workload;
	char *container; /* the owner told of; NULL: none yet */
	char *sandbox;   /* its namespace then; a restart makes another */
	char *host;      /* where that is */
	struct world_net *nets;
	size_t n_nets;
	unsigned generation;
	bool told;     /* its kernel was right when it answered */
	bool unwanted; /* it is to forget them */
	char *problem; /* why it is not told; NULL */
	uint64_t pending;
	unsigned tries; /* since it was last told */
	struct mono not_before;
	UT_hash_handle hh;
};

struct node_agent {
	enum node_agent_state state;
	bool expected;          /* one is configured */
	char *reason;           /* NULL when it is well */
	char *instance;         /* of its process; NULL: not heard of */
	struct strs quarantine; /* underlay addresses that its kernel drops, as it said last */
	bool quarantine_known;  /* it has said so, in this run */
	uint64_t quarantining;  /* the effect under way that changes it; 0: none */
	struct strs ordered;    /* what the newest order said */
	struct strs sure;       /* what every order says that may yet take effect; of no meaning while none is open */
	bool settled;           /* it drops what it is to drop, and nothing has changed since that was found */
	bool order_open;        /* an order was not answered: it may yet take effect, until a newer one was obeyed */
	bool unaware;           /* it knows addresses, and not that the manager was started since */
	bool obeyed;            /* an order of this run of the machine: none of a run before can take effect any more */
	unsigned tries;
	struct mono not_before;
	struct agent_seat *seats; /* by workload */
	unsigned telling;         /* of them are being told, or to be forgotten */
	bool awaited;             /* one of those has to answer before another can be told */
	struct world_net *former; /* it keeps these right, and was not told to in this run of the machine */
	size_t n_former;
	uint64_t forgetting; /* the effect under way that takes them back; 0: none */
	bool due;            /* it may have to be told something: looked at in the next turn */
	struct mono due_at;  /* and then; 0: not */
};

void node_agent_clear(struct node_agent *a);

/* The one of that workload; NULL. */
struct agent_seat *agent_seat(const struct node_agent *a, const char *workload);
struct agent_seat *agent_seat_add(struct node_agent *a, const char *workload);
void agent_seat_remove(struct node_agent *a, struct agent_seat *s);

#endif
