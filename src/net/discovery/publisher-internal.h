/* What the files of the publisher share: publisher-slot.c (what is to be done with a key), publisher-call.c (calls, what comes of
 * them, comparisons, time), publisher.c (orders, and what is told of them). */
#ifndef DISCOVERY_PUBLISHER_INTERNAL_H
#define DISCOVERY_PUBLISHER_INTERNAL_H

#include "net/discovery/publisher.h"

#include <uthash.h>

enum knowledge { NOT_KNOWN, ABSENT, PRESENT };
enum place { IDLE, QUEUED, WAITING, BUSY };
enum action { DO_NOTHING, DO_LOOK, DO_SET, DO_UNSET, DO_DROP, DO_WATCH /* it is in the way: look again later */ };

/* A workload. */
struct subject {
	char *workload;
	unsigned generation;
	bool ordered; /* else it is only known from what stands there */
	uint64_t stamp;
	struct mono deadline;
	bool on_time;     /* the deadline has not passed: in the list of those, whose order is that of their deadlines */
	struct strs keys; /* wanted, or found to be its */
	struct subject *prev, *next;
	UT_hash_handle hh;
};

/* A key: what is wanted there, what stands there as far as is known, and which call is under way. Those that need a call wait in a
 * queue; those that wait for a time, in a list of their own. */
struct slot {
	struct publisher *publisher;
	char *key;
	bool wanting;
	struct discovery_entry wanted, sent; /* wanted: or what was last, or what was found first */
	enum knowledge known;
	struct discovery_found actual;
	enum place place;
	bool refused;     /* what is wanted can never be held; asked again after every comparison */
	bool checking;    /* it is right as far as is known, and is to be checked */
	uint64_t changed; /* the comparison that was begun last when something became of it */
	unsigned tries;
	struct mono not_before;
	enum publisher_state state;
	struct wall since;
	char *detail, *noticed;
	struct slot *prev, *next; /* of the queue or of those that wait */
	UT_hash_handle hh;
};

struct publisher {
	struct publisher_clock clock;
	struct discovery *system;
	struct publisher_settings settings;
	struct publisher_handler handler;
	struct slot *slots;
	struct subject *subjects, *on_time;
	struct slot *queue, *waiting; /* in the order of their turns, of their times */
	size_t busy;
	bool started;
	int64_t requests;
	/* The system as a whole. */
	char *trouble;
	unsigned tries;
	struct mono not_before;
	bool prompted; /* it is tried before its time, since somebody waits */
	bool worked;
	/* Comparisons have troubles of their own: an entry can be written where the whole cannot be read. */
	bool comparing, compare_again, sync_again;
	uint64_t comparison; /* counted up at the begin of each */
	struct mono next_comparison, compare_not_before;
	unsigned compare_tries;
	struct wall compared;
	size_t checking; /* slots */
	char *list_trouble, *list_noticed;
};

static inline struct mono now_of(const struct publisher *p) { return p->clock.now(p->clock.ctx); }
static inline struct wall wall_of(const struct publisher *p) { return p->clock.wall(p->clock.ctx); }

/* ---- publisher-slot.c ---- */

struct subject *subject_find(const struct publisher *p, const char *workload);
struct subject *subject_get(struct publisher *p, const char *workload);
void subject_free(struct publisher *p, struct subject *u);

struct slot *slot_find(const struct publisher *p, const char *key);
struct slot *slot_get(struct publisher *p, const char *key);
void slot_free(struct slot *s);                             /* not while a call is under way */
void slot_found(struct slot *s, struct discovery_found *f); /* stands there; takes it */
void slot_lost(struct slot *s, enum knowledge known);       /* what was known to stand there is not so, or not known, any more */
bool slot_is_right(const struct slot *s);
enum publisher_state slot_unsettled(const struct slot *s); /* its state while a call is still to be made for it */
void slot_set_state(struct slot *s, enum publisher_state state, const char *detail);
void slot_notice(struct slot *s, const char *text); /* people are told, once until it changes; NULL: nothing any more */
void slot_end_check(struct slot *s);

enum action slot_decide(const struct slot *s);
static inline bool action_is_call(enum action a) { return a == DO_LOOK || a == DO_SET || a == DO_UNSET; }
void slot_leave(struct slot *s); /* queue and waiting list */
void slot_enqueue(struct slot *s);
void slot_wait(struct slot *s, struct mono until);
/* What needs no call; may free it. */
void slot_settle(struct slot *s, enum action action);
/* With what is known and wanted now it is queued, or settled. */
void slot_consider(struct slot *s);

/* ---- publisher-call.c ---- */

struct span publisher_backoff(const struct publisher *p, unsigned tries);
/* Makes the calls that may be made now, and sets the clock for the next. */
void publisher_go_on(struct publisher *p);

#endif
