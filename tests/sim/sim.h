/* One history: a virtual clock, a queue of what is going to happen, the true world (fake.h), and one manager after another that
 * drives the machine as heird does.
 *
 *   faults.c ──▶ fake.c ──events, heartbeats──▶ manager.c ──▶ the machine ──effects──▶ flight.c ──▶ act.c ──▶ fake.c
 *                                                    check.c looks at everything after every event
 */
#ifndef SIM_SIM_H
#define SIM_SIM_H

#include "disk.h"
#include "fake.h"
#include "rng.h"

#include "health/storm.h"
#include "resched/resched.h"

struct sim;

struct event {
	struct mono at;
	uint64_t seq;
	void (*fn)(struct sim *s, const struct event *e);
	unsigned manager; /* happens only while this one lives; 0: whoever does */
	int a, b;
	void *data; /* borrowed */
};

/* An opted-in container as its user made it: what must come true in the end. */
struct truth {
	char workload[64];
	int first; /* index of its first container */
	bool overlay, policy_refused;
	char policy[24];
	bool excused; /* stopped, removed or not started again, by its user or its host: it need not run */
};

/* A takeover as it was after the turn before. */
struct seen_takeover {
	char id[ID_TEXT_MAX];
	bool known, released;
	enum takeover_row row;
	enum takeover_state state;
	enum takeover_abort abort;
};

/* An effect on its way. */
struct flight {
	struct effect *effect;
	unsigned manager;
	bool may_happen, answered;
	bool late; /* it was delivered: it happens whether the manager still hears of it or not */
	enum effect_outcome outcome;
	struct effect_result result;
	char container[16], name[80], workload[64], takeover[ID_TEXT_MAX], image_ref[32];
	struct world_net nets[FAKE_NETS + 1];
	struct strs vteps;
	char *detail;
	struct flight *next;
};

#define SIM_ROWS 64

/* A node's agent, and its kernel. */
struct sim_agent {
	bool there, down;
	bool unheard;      /* its kernel has forgotten everything, and nobody could know yet */
	unsigned drops;    /* by node: whose frames its kernel drops */
	unsigned instance; /* of the agent's process */
	unsigned manager;  /* whom it obeys */
	uint64_t order;    /* the newest about the quarantine */
	uint64_t row_orders[FAKE_NETS][SIM_ROWS];
	signed char rows[FAKE_NETS][SIM_ROWS]; /* by the last part of the address: the node that it is sent to, from 1; 0: unset */
};

struct look {
	int container;
	bool again;
	bool taken, gone; /* the engine has answered: what it said is on its way */
	struct world_container *seen;
};

struct observer {
	bool refreshing, again, listed;
	struct look looks[128];
	int n_looks;
};

struct sim {
	uint64_t seed;
	struct rng rng;
	bool verbose;
	struct mono now;
	struct event *heap;
	size_t n_heap, cap_heap;
	uint64_t seq;
	struct fake fake;
	struct sim_agent agents[FAKE_NODES_MAX];

	/* how unkind this history is */
	struct resched_settings settings;
	struct detector_settings detector_settings;
	bool remove_node, first_is_local;
	int trouble;       /* per mille of effects that go wrong */
	unsigned max_lost; /* percent */
	bool healed;
	struct mono ends;

	/* the manager; machine is NULL while there is none */
	struct resched *machine;
	unsigned manager;
	struct detector detectors[FAKE_NODES_MAX];
	struct storm storm;
	struct observer observers[FAKE_NODES_MAX];
	bool turn_wanted, committing, store_bad;
	int commits_to_fail;
	struct mono deadline;
	struct disk disk, batch;
	struct strs batch_forgotten;
	struct effect **batch_effects;
	size_t n_batch_effects;
	struct strs fenced; /* planned takeovers that began to cut their owner off */
	struct strs memory_dirty, memory_gone;
	bool removed_on_disk[FAKE_NODES_MAX];
	unsigned next_takeover;

	bool control_up, control_missing; /* the swarm's control socket */
	struct flight *flights;

	struct truth truths[16];
	int n_truths;
	struct seen_takeover seen[512];
	int n_seen;
	unsigned good_checks;
	char failure[512]; /* "" while all is well */
};

/* ---- sim.c ---- */
void sim_at(struct sim *s, struct span in, unsigned manager, void (*fn)(struct sim *s, const struct event *e), int a, int b,
	    void *data);
void sim_say(const struct sim *s, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
void sim_fail(struct sim *s, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
struct span sim_ms(struct sim *s, int from, int to);
struct truth *sim_truth(struct sim *s, const struct fake_container *c); /* NULL: not of a workload that opted in */
/* True when the invariants held; else failure says which did not. */
bool sim_run(uint64_t seed, bool verbose, char failure[512]);

/* ---- manager.c ---- */
void manager_start(struct sim *s);
void manager_crash(struct sim *s);
void manager_wake(struct sim *s);
void manager_turn(struct sim *s);                  /* when one is wanted */
void manager_notice(struct sim *s, int container); /* its engine tells of it */
void manager_refresh(struct sim *s, int node);
void manager_brake(struct sim *s);
void manager_free(struct sim *s);

/* ---- flight.c ---- */
void flight_send(struct sim *s, struct effect *e); /* takes it */
void flight_free_all(struct sim *s);
bool flight_is_pending(const struct flight *f); /* unanswered, or it may still take effect */

/* ---- act.c ---- */
void act_perform(struct sim *s, struct flight *f);
void act_refuse(struct flight *f);          /* a definite no, for no reason of its own */
bool act_asks_swarm(enum effect_kind kind); /* and no engine */

/* ---- agents.c ---- */
bool agents_handle(enum effect_kind k);
void agents_draw(struct sim *s);
void agents_start(struct sim *s); /* of a manager that asks them */
void agents_vtep(int node, char text[16]);
bool agents_answer(const struct sim *s, int node);
void agents_perform(struct sim *s, struct flight *f);
void agents_power_lost(struct sim *s, int node);
void agents_fault(struct sim *s);
void agents_heal(struct sim *s);
void agents_check_release(struct sim *s, const struct takeover *t);
char *agents_check_end(const struct sim *s); /* what is not yet as it must be; NULL. Owned */

/* ---- faults.c ---- */
void faults_start(struct sim *s);
void faults_heal(struct sim *s);

/* ---- check.c ---- */
void check_effect(struct sim *s, const struct effect *e); /* when it is given out */
void check_node_removal(struct sim *s, int node);         /* all its addresses are freed at once */
void check_turn(struct sim *s);                           /* after a turn, before its effects are given out */
void check_world(struct sim *s);                          /* after every event */
char *check_end(struct sim *s);                           /* what is not yet as it must be; NULL: nothing. Owned */

/* ---- coverage.c ---- */
void coverage_takeover(const struct takeover *before, const struct takeover *now); /* before may be NULL */
void coverage_copy(enum clean_row row);
void coverage_effect(enum effect_kind kind, enum effect_outcome outcome);
void coverage_fault(const char *name);
void coverage_end(const char *how);
/* Prints the counts; false when something was never visited. */
bool coverage_print(void);

#endif
