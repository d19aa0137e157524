/* Keeps one system true: what is to stand in it is compared with what does, and the difference is sent, by compare-and-set, until
 * there is none. Whatever was lost on the way, an answer or this process, the next comparison finds it.
 *
 * Rules
 * - A foreign value is never overwritten, unless the service's name is among those that are adopted; it is looked at again now and
 *   then.
 * - Of one workload the higher generation holds: what a later manager wrote is neither changed nor taken away.
 * - A call whose outcome is not known is looked at before it is done again.
 * - A system that does not answer is tried again after longer and longer delays, one call at a time.
 * - What is ours and was not ordered in this run is taken away only when the handler says that nothing of the kind is wanted. */
#ifndef DISCOVERY_PUBLISHER_H
#define DISCOVERY_PUBLISHER_H

#include "net/discovery/discovery.h"

#include "base/wall.h"

struct publisher;

enum publisher_state {
	PUBLISHER_OK,         /* it says what is wanted */
	PUBLISHER_PENDING,    /* not yet: it was not asked, or is being asked or told */
	PUBLISHER_MISSING,    /* it was told, or is to be told again, after a failure: `detail` */
	PUBLISHER_STALE,      /* the same, and something older of ours stands there */
	PUBLISHER_ORPHANED,   /* ours, and not wanted (any more) */
	PUBLISHER_FOREIGN,    /* not ours, and not overwritten */
	PUBLISHER_SUPERSEDED, /* of a higher generation than ours: another manager's */
	PUBLISHER_REFUSED,    /* this system can never hold it */
	PUBLISHER_STATE_MAX,
};

const char *publisher_state_name(enum publisher_state state);

struct publisher_settings {
	bool required;                            /* it is waited for, until the deadline */
	struct span deadline;                     /* from the order on */
	struct span interval;                     /* of full comparisons */
	struct strs adopt;                        /* services whose foreign entries may be overwritten */
	struct span backoff_initial, backoff_cap; /* 0: 500 ms, 60 s */
};

struct publisher_handler {
	/* Something became of what was ordered for that workload: publisher_progress says what. */
	void (*progress)(void *ctx, const char *workload);
	bool (*may_withdraw)(void *ctx, const char *workload, const char *node, unsigned generation);
	/* The system's first trouble since it last worked, be it with entries or with comparisons; err NULL: it works (again). */
	void (*trouble)(void *ctx, const struct publisher *p, const struct err *err);
	/* What was found of one entry that people should know: a foreign value, a later manager, a warning. Once until it changes.
	 */
	void (*notice)(void *ctx, const struct publisher *p, const char *key, const char *text);
	void (*compared)(void *ctx, const struct publisher *p); /* a comparison is over, or could not be made */
	void *ctx;
};

/* Takes the system. settings are copied; nothing is asked before publisher_start. */
struct publisher *publisher_new(uv_loop_t *loop, struct discovery *system, const struct publisher_settings *settings,
				const struct publisher_handler *handler);

/* The same on another clock than the loop's, as a simulator's. */
struct publisher_clock {
	struct mono (*now)(void *ctx);
	struct wall (*wall)(void *ctx); /* never 0 */
	/* publisher_due is to be called then, from outside of any call of ours; takes the place of what was asked for before.
	 * MONO_NEVER: not at all. */
	void (*wake)(void *ctx, struct mono at);
	void (*close)(void *ctx); /* it is not called any more; frees ctx where that is owned */
	void *ctx;
};
struct publisher *publisher_new_on(const struct publisher_clock *clock, struct discovery *system,
				   const struct publisher_settings *settings, const struct publisher_handler *handler);
void publisher_due(struct publisher *p);
/* Frees the system too. No callback follows. NULL is fine. The loop must turn once more for its timer to close. */
void publisher_free(struct publisher *p);
const char *publisher_name(const struct publisher *p);
const char *publisher_kind(const struct publisher *p);
bool publisher_only_checks(const struct publisher *p); /* its system holds no entries: it asks whether names resolve */
bool publisher_is_required(const struct publisher *p);

/* The first comparison, and then one in every interval. */
void publisher_start(struct publisher *p);
/* One now. */
void publisher_sync(struct publisher *p);

/* From now on exactly these stand for the workload (copied); none: nothing does. generation: the highest that the caller knows of
 * the workload. */
struct publisher_order {
	const char *workload;
	unsigned generation;
	uint64_t stamp; /* names this state in publisher_progress */
	const struct discovery_entry *entries;
	size_t n;
};
void publisher_order(struct publisher *p, const struct publisher_order *order);

struct publisher_progress {
	uint64_t stamp;
	bool published;     /* all of it is so; true where nothing was ever ordered */
	bool awaited;       /* it is not, it may still become so, and the deadline has not passed */
	const char *detail; /* why not; NULL: it is, or was not tried yet. Borrowed until the next call */
};
void publisher_progress(const struct publisher *p, const char *workload, struct publisher_progress *ret);

/* ---- to look at ---- */

struct publisher_view {
	const char *key;
	enum publisher_state state;
	const struct discovery_entry *wanted, *actual; /* NULL: none; of a foreign one actual is NULL and detail its content */
	const char *detail;                            /* NULL: nothing to say */
	struct wall since;                             /* it is in that state */
};
void publisher_each(const struct publisher *p, void (*see)(void *ctx, const struct publisher_view *view), void *ctx);

struct publisher_summary {
	size_t entries, differences; /* wanted; not OK, orphans among them */
	bool comparing;              /* a comparison is under way */
	const char *trouble;         /* why it cannot be asked; NULL */
	struct wall compared;        /* the last whole one; 0: none yet */
	int64_t requests;            /* calls made, since the start */
};
void publisher_summary(const struct publisher *p, struct publisher_summary *ret);

#endif
