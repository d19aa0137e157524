/* One history: a virtual clock, a queue of what is going to happen, the true world (fake.h, kernel.h), and one manager after
 * another that drives the machine as heird does.
 *
 *   faults.c ──▶ fake.c ──events, heartbeats──▶ manager.c ──▶ the machine ──effects──▶ flight.c ──▶ act.c, agents.c
 *                kernel.c ◀── gossip ── fake.c     discovery.c ──▶ registry.c
 *                                                     check-*.c look at everything after every event
 *
 * Every event has a stream of chance of its own, made of the seed and of its time, and every fault one made of the seed and of its
 * number: what is left out of a history changes only what followed from it. */
#ifndef SIM_SIM_H
#define SIM_SIM_H

#include "disk.h"
#include "fake.h"
#include "kernel.h"
#include "real.h"
#include "registry.h"
#include "rng.h"

#include "agent/identity.h"
#include "agent/sequence.h"
#include "daemon/journal.h"
#include "engine/container.h"
#include "engine/spec.h"
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

/* What must hold, by the numbers of the list in check.h. */
enum invariant {
	INV_NONE,
	INV_PACKETS,   /* no two generations can exchange packets with any one observer behind a quarantine */
	INV_TOUCHED,   /* nothing that did not opt in is touched */
	INV_ADDRESS,   /* no address, MAC, alias or name is dropped or changed silently */
	INV_EVIDENCE,  /* released and published only behind the evidence that was demanded */
	INV_REMOVED,   /* no live generation is removed unless a newer one runs and is verified */
	INV_EPOCH,     /* no act of an older epoch takes effect on agent or store */
	INV_ENDS,      /* once faults are over everything ends, well or with an operator and a reason */
	INV_LOG,       /* the log alone explains each end */
	INV_LIMITS,    /* parallel, per_target, attempts, backoff */
	INV_BRAKE,     /* strictly more than max_lost */
	INV_HELD,      /* a held node is no target */
	INV_OWNER,     /* one owner of everything under way, one of each workload */
	INV_SEE,       /* see before do */
	INV_FOUND,     /* service discovery sends nobody to what is not there, and takes nothing away that is */
	INV_SIMULATOR, /* the simulator itself is broken */
	INV_MAX,
};

const char *invariant_name(enum invariant i);

/* A history with something left out of it. */
#define FAULTS_MAX 96
#define CONTAINERS_MAX 12
struct variant {
	bool fault[FAULTS_MAX]; /* left out */
	bool container[CONTAINERS_MAX];
	int nodes_max;  /* 0: as the seed has it */
	bool discovery; /* left out */
	unsigned only;  /* invariants, a bit each: no other is looked at; 0: all are */
};

struct verdict {
	enum invariant invariant; /* INV_NONE: all held */
	char failure[512];
	int n_faults, n_containers, n_nodes;
};

/* An opted-in container as its user made it: what must come true in the end. */
struct truth {
	char workload[64];
	int first; /* index of its first container */
	bool overlay, policy_refused;
	char policy[24];
	char names[4][80]; /* that its user gave it, the newest last */
	int n_names;
	bool excused; /* stopped, removed or not started again, by its user or its host: it need not run */
	/* what check-pace.c counts */
	int life;
	unsigned failures;
	struct mono failed;
	unsigned begun; /* takeovers, one upon the other */
	struct mono begun_last;
	uint64_t verified; /* generations of it that a takeover has verified, a bit each */
};

/* A takeover as it was after the turn before. */
struct seen_takeover {
	char id[ID_TEXT_MAX];
	bool known, released, planned;
	enum takeover_row row;
	enum takeover_state state;
	enum takeover_abort abort;
	unsigned proven; /* by node: its agent has shown that it is right there */
	/* what check-pace.c and check-see.c know of its effects */
	enum takeover_row missed_row;
	enum takeover_abort missed_abort;
	unsigned misses;
	int missed_life;
	struct mono missed;
	unsigned open_kinds, open_generation; /* sent, and it is not known whether it was done */
};

/* An effect on its way. */
struct flight {
	struct effect *effect;
	unsigned manager;
	bool may_happen, answered;
	bool waiting; /* an engine is trying to attach its networks */
	struct mono sent;
	struct mono gives_up; /* and until when */
	int slow_ms;          /* it takes so much longer to answer */
	bool late;            /* it was delivered: it happens whether the manager still hears of it or not */
	enum effect_outcome outcome;
	struct effect_result result;
	char container[16], image_ref[80]; /* CREATE, IMAGE */
	struct spec spec;                  /* CREATE: what is asked for, made when it was */
	char *no_spec;                     /* or why not */
	bool recorded;                     /* RELEASE: the node may be taken out of its swarm */
	struct engine_container seen;      /* INSPECT */
	struct world_net *nets;
	struct strs vteps;
	char *detail;
	struct flight *next;
};

/* What an agent was told to keep right. */
struct kept {
	bool watched;
	int host;
	unsigned epoch;
	char mac[48];
};

/* A node's agent; its kernel is another thing. */
struct sim_agent {
	bool there, down;
	bool unheard;             /* its kernel has forgotten everything, and nobody could know yet */
	unsigned instance;        /* of its process */
	unsigned epoch;           /* whom it obeys; on disk */
	struct sequence sequence; /* in its memory, as what it keeps */
	struct kept kept[FAKE_NETS][KERNEL_ROWS];
	int lag_ms;      /* how much later than others it answers */
	int lies;        /* how often it will say yes and do nothing */
	unsigned newest; /* the checker's: the newest manager that it has heard */
};

struct look {
	int container;
	bool again;
	bool taken, gone; /* the engine has answered: what it said is on its way */
	json_t *inspect;
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
	struct kernel kernels[FAKE_NODES_MAX];
	const struct variant *variant;

	/* how unkind this history is */
	struct resched_settings settings;
	struct detector_settings detector_settings;
	bool remove_node, first_is_local;
	int trouble;       /* per mille of effects that go wrong */
	unsigned max_lost; /* percent */
	bool healed;
	struct mono ends;
	struct span publish_deadline, publish_interval;
	struct registry registries[REGISTRIES];
	struct registry_call *calls; /* on their way to one */

	/* the manager; machine is NULL while there is none */
	struct resched *machine;
	unsigned manager;
	struct detector detectors[FAKE_NODES_MAX];
	struct storm storm;
	struct observer observers[FAKE_NODES_MAX];
	bool turn_wanted, dying;
	int commits_to_fail;
	struct mono deadline;
	struct disk *disk; /* outlives it */
	struct store *store;
	struct memory *memory;
	struct journal *journal;
	struct publishers *publishers; /* NULL: no service discovery */
	struct real *real;             /* NULL: everything is virtual */
	unsigned next_takeover;

	bool control_up, control_missing; /* the swarm's control socket */
	struct mono control_hangs;        /* its managers elect a leader until then */
	struct mono sleeps;               /* the manager's machine does, until then */
	int64_t wall_jump_ms;             /* how wrong its wall clock is */
	bool acting_old;                  /* what happens now is the old manager's */
	struct life *old;                 /* a manager that was paused, and that another one has followed; NULL */
	int same_time;                    /* events of this very moment so far */
	int n_faults, n_drawn;            /* faults and containers of the seed, left out or not */
	struct flight *flights;
	struct inspection *inspections; /* by container */
	int n_inspections;

	struct truth truths[16];
	int n_truths;
	struct checks *checks; /* check-*.c's own */
	unsigned good_checks;
	enum invariant broken;
	char failure[512]; /* "" while all is well */
};

/* ---- sim.c ---- */
void sim_at(struct sim *s, struct span in, unsigned manager, void (*fn)(struct sim *s, const struct event *e), int a, int b,
	    void *data);
void sim_say(const struct sim *s, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
void sim_fail(struct sim *s, enum invariant i, const char *fmt, ...) __attribute__((format(printf, 3, 4)));
/* Everything that happens up to that moment. */
void sim_until(struct sim *s, struct mono until);
struct span sim_ms(struct sim *s, int from, int to);
int sim_any_node(struct sim *s);
struct wall sim_wall(const struct sim *s);                                    /* as the manager's clock has it */
struct truth *sim_truth(const struct sim *s, const struct fake_container *c); /* NULL: not of a workload that opted in */
struct truth *sim_truth_named(const struct sim *s, const char *workload);
void sim_run(uint64_t seed, const struct variant *variant, bool verbose, struct verdict *ret);

/* ---- draw.c ---- */
void draw_history(struct sim *s);

/* ---- old.c: a manager that does not know that it is one ---- */
void old_pause(struct sim *s);                                           /* the present one; another one starts */
bool old_happens(struct sim *s, const struct event *e);                  /* true: it was an event of the old one's */
bool old_is_alive(const struct sim *s, unsigned manager);                /* it, or the present one */
bool old_holds(const struct sim *s, unsigned manager, struct span *ret); /* what it sent goes out later */
void old_free(struct sim *s);

/* ---- manager.c ---- */
void manager_start(struct sim *s);
void manager_crash(struct sim *s);
void manager_wake(struct sim *s);
void manager_turn(struct sim *s); /* when one is wanted */
void manager_brake(struct sim *s);
void manager_drop(struct sim *s);     /* all that it has but the disk */
int manager_api(const struct sim *s); /* what its engines speak */
/* The node's place in the swarm is taken from it, by the manager that lives; the record of it is on disk. */
void manager_remove_node(struct sim *s, int node);
void manager_node_restored(struct sim *s, int node);
void manager_free(struct sim *s);

/* ---- observe.c ---- */
void observe_begin(struct sim *s);                 /* of a manager that has just started */
void manager_notice(struct sim *s, int container); /* its engine tells of it */
void manager_refresh(struct sim *s, int node);     /* everything is asked for */
void observe_say(const struct sim *s, const struct world_container *w, const char *how);

/* ---- flight.c ---- */
void flight_send(struct sim *s, struct effect *e); /* takes it */
void flight_free_all(struct sim *s);
bool flight_is_pending(const struct flight *f); /* unanswered, or it may still take effect */

/* ---- discovery.c: the manager's ---- */
void publishers_start(struct sim *s);
void publishers_drop(struct sim *s);
void publishers_order(struct sim *s, struct effect *e); /* takes it */

/* ---- keyvalue.c: what a key/value network lets go of ---- */
void keyvalue_ready(struct sim *s, struct flight *f);
void keyvalue_release(struct sim *s, struct flight *f);

/* ---- inspect.c ---- */
json_t *inspect_container(struct sim *s, const struct fake_container *c); /* a new reference */
void inspect_free(struct sim *s);

/* ---- act.c ---- */
void act_prepare(struct sim *s, struct flight *f); /* what the manager makes of it before it sends it */
void act_perform(struct sim *s, struct flight *f);
/* The result, but for what only its kind answers with. */
void act_take(struct flight *f, const struct effect_result *means);
/* An engine's answer in its own words: what it means is heird's to say. */
void act_says(struct flight *f, int status, const char *fmt, ...) __attribute__((format(printf, 3, 4)));
void act_refuse(struct flight *f);          /* a definite no, for no reason of its own */
bool act_asks_swarm(enum effect_kind kind); /* and no engine */

/* ---- create.c ---- */
void create_prepare(struct sim *s, struct flight *f);
void create_perform(struct sim *s, struct flight *f);
int create_image(const char *ref); /* by name or ID; -1 */

/* ---- agents.c ---- */
bool agents_handle(enum effect_kind k);
void agents_draw(struct sim *s);
void agents_end(struct sim *s);
void agents_start(struct sim *s); /* of a manager that asks them */
void agents_vtep(int node, char text[16]);
bool agents_answer(const struct sim *s, int node);
void agents_perform(struct sim *s, struct flight *f);
void agents_row_changed(struct sim *s, int node, int net, int row); /* by an engine */
void agents_power_lost(struct sim *s, int node);
void agents_fault_down(struct sim *s, int node);
void agents_fault_lag(struct sim *s, int node);
void agents_fault_lie(struct sim *s, int node);
void agents_heal(struct sim *s);

/* ---- faults.c ---- */
void faults_start(struct sim *s);
void faults_heal(struct sim *s);

#include "check.h"
#include "coverage.h"

#endif
