/* One takeover: one attempt to move a workload, and the table of its rows. Pure; the machine (resched.h) walks the table.
 *
 *   plan ─▶ stage(image, create, ready) ─▶ fence(disconnect, stop) ─▶ RELEASE(withdraw, release) ─▶ claim ─▶ start(rename, start,
 * policy) ─▶ repair ─▶ verify ─▶ publish ─▶ done
 *
 * Before RELEASE is journalled a takeover can be rolled back and nothing was taken from anybody. From there on it goes forward
 * only: to done, to failed (a new attempt follows, with a higher generation), or to an operator. */
#ifndef RESCHED_TAKEOVER_H
#define RESCHED_TAKEOVER_H

#include "base/id.h"
#include "base/mono.h"
#include "base/wall.h"
#include "resched/effect.h"

#include <string.h>

enum takeover_step {
	STEP_PLAN,
	STEP_STAGE,
	STEP_FENCE,
	STEP_RELEASE,
	STEP_CLAIM,
	STEP_START,
	STEP_REPAIR,
	STEP_VERIFY,
	STEP_PUBLISH,
	STEP_DONE,
	STEP_MAX,
};

const char *takeover_step_name(enum takeover_step s);

enum takeover_row {
	ROW_PLAN,
	ROW_IMAGE,
	ROW_CREATE,
	ROW_READY,
	ROW_FENCE_DISCONNECT,
	ROW_FENCE_STOP,
	ROW_EVIDENCE,
	ROW_WITHDRAW, /* from service discovery: entries with the old host's address */
	ROW_RELEASE,
	ROW_CLAIM,
	ROW_RENAME, /* before the start: engines refuse to rename what runs on a swarm overlay, and lose its names over it */
	ROW_START,
	ROW_POLICY,
	ROW_REPAIR,
	ROW_VERIFY,
	ROW_PROVE, /* by the agents: the kernels, and a probe */
	ROW_PUBLISH,
	ROW_DONE,
	ROW_MAX,
};

enum takeover_state {
	TAKEOVER_WAITING,
	TAKEOVER_RUNNING,
	TAKEOVER_DONE,
	TAKEOVER_ROLLED_BACK,
	TAKEOVER_FAILED,
	TAKEOVER_NEEDS_OPERATOR,
	TAKEOVER_STATE_MAX,
};

const char *takeover_state_name(enum takeover_state s);
enum takeover_state takeover_state_parse(const char *text); /* TAKEOVER_STATE_MAX when unknown */
const char *takeover_row_name(enum takeover_row r);
enum takeover_row takeover_row_parse(const char *text); /* ROW_MAX when unknown */

/* Done, rolled back and failed are over. */
static inline bool takeover_is_over(enum takeover_state s) {
	return s == TAKEOVER_DONE || s == TAKEOVER_ROLLED_BACK || s == TAKEOVER_FAILED;
}

enum step_outcome { STEP_OUTCOME_NONE, STEP_OK, STEP_RETRIED, STEP_SKIPPED, STEP_FAILED, STEP_UNKNOWN, STEP_OUTCOME_MAX };

const char *step_outcome_name(enum step_outcome o); /* NULL for none */
enum step_outcome step_outcome_parse(const char *text);

struct takeover_net {
	struct world_net net; /* as the owner had it */
	bool kept;            /* the replacement was seen with it */
};

struct takeover_step_record {
	enum step_outcome outcome;
	struct span took; /* all its rows, waiting included */
	char *detail;     /* NULL: nothing to say */
};

/* What one agent is asked to prove. */
struct takeover_ask {
	char *node;
	uint64_t effect; /* under way; 0: none */
	unsigned tries;
	bool proven, given_up;
	bool missing; /* the address is not where it should be */
	char *detail; /* what it said last */
	struct takeover_ask *next;
};

/* Whether service discovery names the new owner. */
enum takeover_published { PUBLISHED_NOTHING, PUBLISHED_YES, PUBLISHED_NO };

/* Why a takeover goes back instead of on. */
enum takeover_abort { ABORT_NO, ABORT_ROLL_BACK, ABORT_FAIL };

struct takeover {
	char id[ID_TEXT_MAX];
	char *workload, *container;                                  /* container: the real name */
	unsigned generation;                                         /* 0 until a target is chosen */
	char *from, *to, *old_id, *new_id, *staged_name, *image_ref; /* NULL until known */
	char *pinned;                                                /* NULL, or the only target allowed (moving back) */
	bool planned;                                                /* not for a failure: the owner is alive and gives way */
	enum takeover_state state;
	enum takeover_row row;
	enum takeover_abort abort;
	bool released;        /* past the point of no return */
	bool fenced;          /* the old container was stopped by its own engine, for this */
	bool claimed;         /* the ledger names the new generation */
	bool staged;          /* a container of ours may be on the target */
	unsigned rounds;      /* from claim to a start that was refused for the address */
	bool by_node_removal; /* the address is freed by removing the node from its swarm */
	char *reason;         /* why it waits, failed, went back; NULL */
	struct strs warnings;
	enum evidence evidence;
	enum takeover_published published;
	struct wall started, finished;
	struct takeover_net *nets;
	size_t n_nets;
	struct takeover_step_record steps[STEP_MAX];
	struct strs rejected; /* "h1: is the failed node" */
	char *restart_policy; /* the owner's, before heir parked it; NULL: as remembered of it */

	/* not persisted: where the walk stands in this run of the machine */
	uint64_t pending; /* effect under way; 0: none */
	enum effect_kind pending_kind;
	bool name_looked;       /* whose the taken name is was looked at */
	bool create_open;       /* a create of unknown outcome is out */
	bool see;               /* look before doing: after a restart and after an unknown outcome */
	bool effect_out;        /* this row's effect was sent at least once, in this run or an earlier one (persisted) */
	unsigned tries;         /* of this row */
	struct mono not_before; /* the row is tried again then */
	struct mono row_began, began;
	struct mono start_sent;    /* of START: since when it may still take effect */
	struct takeover_ask *asks; /* of PROVE; each owned */
	char *asked;               /* why an operator is needed, as the log has it; NULL: it does not say so */
	bool dirty;
	UT_hash_handle hh;
};

struct takeover *takeover_new(const char *workload, const char *container);
void takeover_free(struct takeover *t);
void takeover_asks_clear(struct takeover *t);
void takeover_warn(struct takeover *t, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
void takeover_reason(struct takeover *t, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* It goes on where the target of an earlier attempt died, and came back. */
static inline bool takeover_is_resumed(const struct takeover *t) { return t->from && t->to && strcmp(t->from, t->to) == 0; }

/* One row of the table. */
struct takeover_rule {
	const char *name;
	enum takeover_step step;
	bool has_do;           /* else the row is decided by the machine alone */
	enum effect_kind act;  /* the effect that does it */
	enum effect_kind look; /* the effect that sees whether it is done */
	enum answer (*see)(const struct takeover *t, const struct effect_result *seen);
	bool needs_overlay;   /* skipped for a container on no overlay */
	struct span deadline; /* of one effect */
	unsigned tries;       /* then the attempt fails, or an operator is asked where it cannot */
};

const struct takeover_rule *takeover_rule(enum takeover_row row);

#endif
