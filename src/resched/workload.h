/* The ledger: for each workload that opted in, which generation may hold its addresses, and which other copies are known.
 * A copy that is neither the owner nor the replacement of an open takeover is stale, whatever its engine believes. */
#ifndef RESCHED_WORKLOAD_H
#define RESCHED_WORKLOAD_H

#include "resched/world.h"

/* How far the clean-up of a stale copy is. Each row is looked at before it is done again. */
enum clean_row {
	CLEAN_ISOLATE, /* cut off in the kernel, where its node has an agent: an engine may not even believe that it is connected */
	CLEAN_DISCONNECT, /* from its overlays, by its own engine */
	CLEAN_STOP,
	CLEAN_PARK,   /* restart policy "no", so that nothing starts it again */
	CLEAN_RENAME, /* out of the owner's way */
	CLEAN_WAIT,   /* harmless now; removed only when the owner runs and is verified */
	CLEAN_REMOVE,
	CLEAN_KEPT, /* `stale: keep` */
	CLEAN_MAX,
};

const char *clean_row_name(enum clean_row row);
enum clean_row clean_row_parse(const char *text); /* CLEAN_MAX when unknown */

struct workload_copy {
	unsigned generation;
	char *node, *id, *name;
	bool staged; /* made by heir and never started: it can be removed at any time */
	enum clean_row row;

	uint64_t pending; /* not persisted, as all below */
	unsigned tries;
	struct mono not_before;
};

struct workload {
	char *id;                             /* "<cluster>/<ID of its first container>" */
	char *name;                           /* of the container */
	unsigned generation, last_generation; /* the owner's; the highest that was ever attempted */
	char *node, *container;               /* the owner's; container is NULL between claim and knowing it */
	char *origin;                         /* where it ran before heir moved it first; NULL */
	char *spec_node, *spec_id;            /* the memory it is made again from */
	struct {                              /* whom service discovery names: the owner that was verified last */
		unsigned generation;
		char *node, *container; /* NULL: nobody yet */
	} served;
	bool verified;  /* the owner was seen running with its addresses (also: heir never moved it) */
	bool must_run;  /* it ran when last seen, or was on its way */
	bool gone;      /* its user removed the owner */
	bool orphan;    /* its address was released and nobody has it: the next attempt goes on from there */
	bool abandoned; /* by an operator: not tried again until one says so, or until its node answers and nothing was taken from
			   it */
	struct workload_copy *copies;
	size_t n_copies;

	char *restart_policy; /* its user's; what heir made shows "no" until its own is given back. NULL: not known */
	struct strs ghosts;   /* IDs of replacements that are gone and may have left an attachment behind */

	struct world_container
		*remembered; /* the spec's as it was while it was the owner; NULL: as in the world. Not persisted, as all below */
	struct strs avoid;   /* nodes where attempts of this series failed */
	struct takeover *newest; /* of it, in this run of the machine; NULL: none */
	uint64_t told;           /* a hash of what the agents were to know of it when they were last gone through */
	unsigned attempts;
	struct mono not_before;
	bool exhausted;
	bool dirty;
	UT_hash_handle hh;
};

struct workload *workload_new(const char *id, const char *name);
void workload_free(struct workload *w);
struct workload_copy *workload_copy_find(struct workload *w, const char *node, const char *id);
/* Marks dirty; a copy that is known already is left as it is. */
struct workload_copy *workload_copy_add(struct workload *w, const char *node, const char *id, const char *name,
					unsigned generation);
void workload_copy_remove(struct workload *w, struct workload_copy *c);
bool workload_is_owner(const struct workload *w, const char *node, const char *id);
/* It is made again from the memory of this one. */
bool workload_is_spec(const struct workload *w, const char *node, const char *id);
/* "<node>/<id>" of owner and copies. */
void workload_keys(const struct workload *w, struct strs *ret);

#endif
