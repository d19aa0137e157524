/* What the machine's files share. */
#ifndef RESCHED_RESCHED_INTERNAL_H
#define RESCHED_RESCHED_INTERNAL_H

#include "resched/resched.h"

#define REMOVED_KEPT 64

struct resched {
	struct resched_settings settings;
	char *cluster;
	struct world world;
	struct workload *workloads;
	struct takeover *takeovers;
	uint64_t next_effect;
	bool brake, store_ok;
	char *brake_reason, *store_reason;
	bool world_changed;                            /* since the last turn: waiting takeovers plan again */
	struct agent_asked *asked;                     /* agents' effects under way that are not a takeover's; agents.c */
	struct strs lost;                              /* underlay addresses that are quarantined */
	bool vteps_changed;                            /* so that an agent may have to drop others */
	bool workload_lost;                            /* one was forgotten: agents may keep its addresses */
	struct publication *publications, *publishing; /* by workload; by the effect under way */
	bool publish_due;                              /* one waits for its time, or can be forgotten */
	struct recent *recent;                         /* targets that were found within the last minute; limits.c */
	bool recent_restored;
	struct mono now;   /* of the turn or result under way */
	struct mono began; /* of the first turn; 0: there was none */
	struct wall wall;
	struct resched_output out;
	struct mono deadline;
	char *removed[REMOVED_KEPT]; /* IDs of containers that heir has removed, the newest of them */
	unsigned n_removed;
};

#define OPERATOR_POLL_SEC 30 /* what waits for an operator is looked at again this often */
#define STOP_SETTLE_SEC 30   /* an engine that answers so long after a container stopped: it was stopped on purpose */
#define TAKEOVERS_KEPT 1000  /* of those that are over, in memory */

struct workload *workload_find(const struct resched *r, const char *id);
/* The takeover of it that is not over; NULL. */
struct takeover *takeover_open(const struct resched *r, const struct workload *w);
/* Takes it; the newest of its workload. */
void takeover_add(struct resched *r, struct takeover *t);
/* What it is made again from: its owner as last seen, or, until that was seen with all it is to have, the one before. NULL. */
struct world_container *workload_subject(const struct resched *r, const struct workload *w);
/* "heir-<8 characters of the first container's ID>-g<generation>"; owned. */
char *workload_staged_name(const struct workload *w, unsigned generation);
void workload_set_spec(struct resched *r, struct workload *w, const struct world_container *c);
/* It was started, and shows all that the one before had: addresses and restart policy. */
bool container_is_complete(const struct resched *r, const struct workload *w, const struct world_container *c);
/* Its node is given up: dead, or engine-only where that is configured to count, or confirmed by an operator. */
bool node_is_lost(const struct resched *r, const struct world_node *n);
struct span backoff(const struct resched *r, unsigned tries);
/* Why nothing is taken over from it, nor begun, though it is lost: brake, zone or an operator's hold. NULL: nothing forbids it. An
 * operator's word that it is dead goes before the brakes. */
const char *node_is_barred(const struct resched *r, const struct world_node *n);

/* limits.c: what is demanded of a workload, by itself or else by the configuration; and what is not to be done too often. */
unsigned limit_attempts(const struct resched *r, const struct workload *w);
bool limit_keeps_oldest(const struct resched *r, const struct workload *w);
/* Its node has to be lost so long. */
struct span limit_delay(const struct resched *r, const struct workload *w);
/* When it may be taken over from n; reached: now. */
struct mono limit_due(const struct resched *r, const struct workload *w, const struct world_node *n);
/* A target may be looked for now; else ret_when. */
bool limit_allows_another(struct resched *r, struct mono *ret_when);
void limit_count(struct resched *r); /* one was found */
void limit_clear(struct resched *r);

struct effect *effect_new(struct resched *r, enum effect_kind kind, struct span deadline);
void effect_emit(struct resched *r, struct effect *e); /* takes it */
void log_nets(struct resched *r, const struct takeover *t, const char *step, const char *outcome, const char *detail);
void wake_at(struct resched *r, struct mono t); /* a turn is needed then */
/* What is on its way: one for each takeover that has a target, as plan.h wants it. Free the array. */
size_t open_claims(const struct resched *r, const struct takeover *but, struct plan_claim **ret);
void plan_for(const struct resched *r, const struct workload *w, const struct world_container *subject, const char *from,
	      const char *pinned, const struct plan_claim *claims, size_t n_claims, struct plan_choice *ret);

/* ledger.c: whose a container is. The workload, or NULL, and the ID that it would have as a new one (owned): the ledger may know
 * neither. */
struct workload *ledger_identify(const struct resched *r, const struct world_container *c, char **ret_id);
/* It was seen: the ledger says which generation of which workload it is. */
void ledger_place(struct resched *r, const struct world_container *c);
/* A copy of a workload that was given up becomes its owner. */
void ledger_adopt(struct resched *r, struct workload *w, const struct world_container *c, unsigned generation);
/* It was found to have been stopped on purpose. */
void ledger_settled(struct resched *r, const struct world_container *c);
void ledger_container_gone(struct resched *r, const char *node, const char *id);
/* What it was is kept when it is about to be overwritten by what it was made into, or by nothing. Perhaps takes c out of the world.
 */
void ledger_freeze(struct resched *r, struct world_container *c);

/* facts.c: it is not there any more, whatever an answer says that is older than its removal. */
void facts_removed(struct resched *r, const char *id);
/* Containers that stay stopped while their engine answers were stopped on purpose. */
void facts_settle(struct resched *r);

/* walk.c, and what its files decide (walk-internal.h): one takeover as far as it goes in this turn. */
void takeover_begin(struct resched *r, struct workload *w, const char *pinned);
/* The owner was never verified, and the node that it was made on is back. */
void takeover_resume(struct resched *r, struct workload *w);
/* The old owner has lost its address, or was stopped for this: there is no way back to it. */
bool takeover_is_past_return(const struct takeover *t);
bool takeover_has_fenced(const struct takeover *t); /* a planned one has begun to take from the owner: it goes on */
bool takeover_is_idle(const struct takeover *t);
void takeover_walk(struct resched *r, struct takeover *t);
void takeover_result(struct resched *r, struct takeover *t, const struct effect_result *result);
/* What an agent proved, or did not; false: nobody asked. */
bool takeover_proof(struct resched *r, struct takeover *t, uint64_t effect, const struct effect_result *result);

/* agents.c: what the agents drop, and who can be sure of it. */
void agents_turn(struct resched *r); /* quarantine ordered and lifted, addresses told */
bool agents_result(struct resched *r, uint64_t effect, const struct effect_result *result); /* false: none of theirs */
/* The effect's result is to come to the seat of that node; NULL: it is about the whole node. */
void agents_asked(struct resched *r, uint64_t effect, struct world_node *n, struct agent_seat *seat);
void agents_clear(struct resched *r);
/* A live node whose kernel forwards to these networks, or will: it has one of them joined, or is the target. */
bool agents_is_observer(const struct resched *r, const struct world_node *n, const struct takeover *t);
/* Every observer has an agent that does as it is told; else they are named. */
bool agents_cover(const struct resched *r, const struct takeover *t, struct strs *ret_without);
/* Every observer's kernel drops the node's frames. */
bool agents_quarantined(const struct resched *r, const struct takeover *t, const char *node);

/* sweep.c: where the other containers of a node are that has come back. */
void sweep_turn(struct resched *r);
void sweep_ask(struct resched *r, const char *node); /* with the next turn */

/* former.c: what an agent was told before this run of the machine, and nobody has any more. */
void former_take(struct node_agent *a, const struct agent_report *report);
void former_drop(struct node_agent *a);                    /* it is out of date: its next status says it anew */
void former_turn(struct resched *r, struct world_node *n); /* when it was told all that it is to know */

/* seats.c: which addresses each agent keeps right. */
void seats_turn(struct resched *r);
void seats_result(struct resched *r, struct world_node *n, struct agent_seat *s, const struct effect_result *result);
/* How many agents have yet to be told of the takeover's owner; of those that are through, who is right and who is not and why. */
size_t seats_open(const struct resched *r, const struct takeover *t, struct strs *ret_right, struct strs *ret_wrong);
/* Its rows were seen to be wrong: it is told again. */
void seats_again(struct resched *r, const char *node, const char *workload);
bool seats_settled_on(const struct resched *r, const struct world_node *n); /* it was told everything that it is to know */

/* publish.c: what service discovery is to say. */
void publish_turn(struct resched *r);
bool publish_result(struct resched *r, uint64_t effect, const struct effect_result *result); /* false: none of its */
void publish_clear(struct resched *r);
/* The owner that was verified is who is named from now on. */
void publish_serve(struct workload *w, unsigned generation, const char *node, const char *container);

/* clean.c: stale copies and returning nodes. */
void clean_walk(struct resched *r, struct workload *w);
bool clean_result(struct resched *r, struct workload *w, uint64_t effect, const struct effect_result *result); /* false: not its */
void clean_node(struct resched *r, struct world_node *n);
void clean_node_result(struct resched *r, struct world_node *n, const struct effect_result *result);

/* facts.c: what an operator had to decide about this node's workloads is open again. */
void reopen_workloads(struct resched *r, const char *node);

#endif
