/* The rescheduler: a pure state machine. Facts, verdicts, results and the time come in; effects and records to be written go out.
 * It has no clock, does no I/O, and every decision of heir is taken here, so that the simulator drives all of it.
 *
 * A turn: feed what has happened (any number of calls), call resched_turn once, then write what is dirty, and only when that is on
 * disk perform the effects. A crash is the same as a restart from what was written: resched_restore_* before the first turn. */
#ifndef RESCHED_RESCHED_H
#define RESCHED_RESCHED_H

#include "base/wall.h"
#include "resched/effect.h"
#include "resched/plan.h"
#include "resched/takeover.h"
#include "resched/workload.h"

enum publish_scope { PUBLISH_LABELLED, PUBLISH_OPTED_IN, PUBLISH_ALL };

struct resched_settings {
	const char *cluster;
	enum evidence fence; /* EVIDENCE_NONE: auto */
	bool engine_only_move;
	enum strategy strategy;
	unsigned parallel, per_target;
	unsigned per_minute; /* so many takeovers may find a target within a minute; 0: no limit */
	unsigned attempts;   /* a container's own label goes before it, as before the next two */
	struct span delay;   /* how long a node is lost before anything is taken over from it */
	bool keep_oldest;
	struct span backoff_initial, backoff_cap;
	bool stale_keep;
	struct {
		bool any;                 /* service discovery is configured */
		bool names;               /* the engines' own DNS is to be asked */
		enum publish_scope scope; /* which containers without a label heir.service are published, under their own name */
		enum service_address address; /* where no label says it */
		bool withdraw_unhealthy;
		struct span patience; /* a takeover waits so long at most */
	} discovery;
	uint64_t seed;
	/* Makes takeover IDs; a simulator's is repeatable. */
	void (*make_id)(void *ctx, char text[ID_TEXT_MAX]);
	void *ctx;
};

struct resched;

struct resched *resched_new(const struct resched_settings *settings); /* the strings are copied */
void resched_free(struct resched *r);

/* ---- what comes in ---- */

/* Every configured node, before anything else. */
void resched_add_node(struct resched *r, const char *name, bool remote);
/* It has an agent, of which nothing is known yet. */
void resched_expect_agent(struct resched *r, const char *node);
/* Takes what is in facts and leaves it empty. */
void resched_node_facts(struct resched *r, const char *node, struct node_facts *facts);
/* deaths: of the last while; hold: how long it is no target when it is back, for having died so often. */
struct flapping {
	unsigned deaths;
	struct span hold;
};
void resched_verdict(struct resched *r, struct mono now, const char *node, enum node_verdict verdict, const char *reason,
		     struct flapping flapping);
/* Its ID in the swarm, remembered from before this start; what the engine says itself goes before it. NULL is fine. */
void resched_node_swarm(struct resched *r, const char *node, const char *id);
/* Of the node with that ID in a swarm; a swarm attaches nothing to one that is not "active". NULL: not known. */
void resched_node_availability(struct resched *r, const char *swarm_node, const char *availability);
void resched_node_removed(struct resched *r, const char *node, bool removed); /* from its swarm, by heir; remembered by the store */
/* Takes c. Its addresses are kept from before where a container that does not run shows none. */
void resched_container(struct resched *r, struct mono now, struct world_container *c);
/* Seen to be absent on an engine that answers. */
void resched_container_gone(struct resched *r, const char *node, const char *id);
/* The whole list of an engine that answers: whatever is not in it is gone. */
void resched_listed(struct resched *r, struct mono now, const char *node, const struct strs *ids);
/* What a node's agent says of itself, whenever it was asked. */
struct agent_report {
	enum node_agent_state state;
	const char *reason, *instance;       /* NULL: nothing to say; not heard of */
	const struct strs *quarantine;       /* what its kernel drops; NULL: it did not say */
	const struct agent_endpoint *former; /* addresses it was told of by a manager that ran before, and by none since */
	size_t n_former;
	bool unaware; /* it knows addresses, and not that the manager was started since: it has to be given an order */
};
bool resched_agent(struct resched *r, const char *node, const struct agent_report *report); /* true: it is news */
/* Another agent reaches this node, or does not (any more): while one does, the node is not lost, whoever else hears nothing. */
void resched_witness(struct resched *r, const char *node, const char *by, bool reached, const char *how);
/* Its underlay address, remembered from before this start; what the engine says itself goes before it. NULL is fine. */
void resched_node_vtep(struct resched *r, const char *node, const char *vtep);
/* The storm brake's word: while held no takeover begins and none passes its point of no return. */
void resched_brake(struct resched *r, bool hold, const char *reason);
/* The same for what would be taken over from this node, whose zone has lost too many; NULL: let go. */
void resched_zone_brake(struct resched *r, const char *node, const char *reason);
/* The store cannot be written: nothing may be begun. */
void resched_store(struct resched *r, bool ok, const char *reason);
void resched_result(struct resched *r, struct mono now, uint64_t effect, const struct effect_result *result);
/* Where its published ports are reached; NULL is fine. */
void resched_node_address(struct resched *r, const char *node, const char *address);
/* What became of an EFFECT_PUBLISH that was performed, as often as it changes. True: somebody waits for it, and a turn is needed.
 */
struct publication_report {
	uint64_t stamp;
	bool published;     /* every system says so */
	bool awaited;       /* one that is required does not, and its deadline has not passed */
	const char *detail; /* what is missing, in words; NULL */
};
bool resched_published(struct resched *r, const char *workload, const struct publication_report *report);
/* An entry of that workload, node and generation, of which nothing was ordered in this run, may be taken out of service discovery:
 * it is known that nothing of the kind is wanted. False: not, or not yet known, or it is of a generation that this ledger never
 * gave out. */
bool resched_may_withdraw(const struct resched *r, const char *workload, const char *node, unsigned generation);
/* What keeps a container's services, or some of them, out of service discovery although its labels ask for them, in words; NULL:
 * nothing does. Static, or the container's own. */
const char *resched_publish_complaint(const struct resched *r, const struct world_container *c);

/* ---- what an operator says (operator.c); -ENOENT or -EBUSY with the reason when it cannot be ---- */

/* The node is off. Also takes up again what waits for an operator there. */
int resched_confirm_dead(struct resched *r, const char *node, struct err *err);
/* Nothing is moved there, and nothing is taken over from there, until it is released. Remembered by the store. */
int resched_hold(struct resched *r, const char *node, const char *reason, struct err *err);
/* Ends a hold, and a flapping node's hold-down. */
int resched_release_hold(struct resched *r, const char *node, struct err *err);
/* The takeover is tried again now, whatever its delays and however often it failed. */
int resched_retry(struct resched *r, const char *takeover, struct err *err);
/* It goes back where it can, and is given up where it cannot: nobody tries again until it is retried. */
int resched_abandon(struct resched *r, const char *takeover, struct err *err);
/* Could be abandoned now. */
bool resched_can_abandon(const struct resched *r, const struct takeover *t);

/* Before the first turn; both are taken. Memory comes by resched_container. */
void resched_restore_workload(struct resched *r, struct workload *w);
void resched_restore_takeover(struct resched *r, struct takeover *t);

/* ---- the turn, and what goes out ---- */

void resched_turn(struct resched *r, struct mono now, struct wall wall);
/* When to call the next turn if nothing happens; MONO_NEVER. */
struct mono resched_deadline(const struct resched *r);

/* One line of the IP log, for one address. Strings may be NULL; valid until the next turn. */
struct resched_log {
	char *takeover, *container, *network, *ip, *mac, *from, *to, *detail;
	const char *step, *outcome, *evidence;
	double seconds; /* since the takeover began; negative: absent */
};

struct resched_output {
	struct effect **effects; /* owned: free each, or resched_output_clear */
	size_t n_effects;
	struct resched_log *logs;
	size_t n_logs;
	struct strs forgotten; /* workloads whose ledger entry is to be deleted */
	struct strs unneeded;  /* "<node>/<id>" of containers that no workload is made again from any more */
	struct strs settled;   /* "<node>/<id>" of containers whose settled flag became true */
};

void resched_take_output(struct resched *r, struct resched_output *ret);
void resched_output_clear(struct resched_output *o);
/* Calls for each record that changed since it was last called; clears the marks. */
void resched_each_dirty(struct resched *r, void (*takeover)(void *ctx, const struct takeover *t),
			void (*workload)(void *ctx, const struct workload *w), void *ctx);
/* After a commit that failed: all open records are to be written again. */
void resched_mark_dirty(struct resched *r);

/* ---- to look at ---- */

const struct world *resched_world(const struct resched *r);
const struct workload *resched_workloads(const struct resched *r); /* head; next by hh.next */
const struct takeover *resched_takeovers(const struct resched *r); /* head, in order of their begin */
const struct takeover *resched_takeover(const struct resched *r, const char *id);
/* The one that it is of, as owner or as copy; NULL. */
const struct workload *resched_workload_for(const struct resched *r, const struct world_container *c);
const struct workload *resched_workload_of(const struct resched *r, const char *node, const char *id);
bool resched_brake_holds(const struct resched *r, const char **ret_reason);
/* Still needed to make a workload again. */
bool resched_needs_memory(const struct resched *r, const char *node, const char *id);

/* As it is to be made again: what is seen of a stale copy now, cut off and parked, is not that. NULL: nothing is remembered of it.
 */
const struct world_container *resched_memory(const struct resched *r, const char *node, const char *id);
/* What is remembered of it is not to be overwritten by what is seen of it now. */
bool resched_memory_is_frozen(const struct resched *r, const char *node, const char *id);

/* What would happen to the container if its node died now, found by what decides it then; claims are others planned before. It
 * would move when it is neither blocked nor waits. */
struct resched_forecast {
	struct plan_choice choice;
	char *blocked; /* why it would not move without an operator, or not at all; NULL */
	char *waits;   /* why not at once; NULL */
	enum evidence evidence, demanded;
	struct span delay;
	unsigned attempts;
	bool keeps_oldest;
};
void resched_forecast(struct resched *r, struct mono now, const struct world_container *c, const struct plan_claim *claims,
		      size_t n_claims, struct resched_forecast *ret);
void resched_forecast_clear(struct resched_forecast *f);

#endif
