/* The shell of the machine, without loop or clock: what a turn wants written is written in one transaction, and only when that is
 * on disk are its effects given out. heird (turn.c) and the simulator drive the machine by this.
 *
 * One commit is under way at a time. What later turns want meanwhile is collected, and records that they change are written as they
 * are at the end of the turn that begins the next commit. So nothing is ever on disk without what was wanted before it.
 *
 * When the store cannot be written nothing is done. Effects are answered with "not done"; what was to be written is kept: log lines
 * and deletions as they were, records by writing every open one again, until the store takes them. */
#ifndef DAEMON_JOURNAL_H
#define DAEMON_JOURNAL_H

#include "base/wall.h"
#include "daemon/memory.h"
#include "resched/resched.h"
#include "store/store.h"

struct journal_handler {
	/* Around every commit: right before it is given to the store, and when it is on disk and none of its effects is given out
	 * (or it failed: then there are none). NULL: nobody wants to know. */
	void (*commit_begins)(void *ctx);
	void (*commit_ended)(void *ctx, struct effect *const *effects, size_t n);
	void (*perform)(void *ctx, struct effect *e); /* its intent is on disk; takes it */
	/* It will never be given out: the machine is to hear that nothing was done. */
	void (*not_done)(void *ctx, const struct effect *e, const char *why);
	void (*wake)(void *ctx);                                       /* the machine wants a turn */
	void (*takeover_written)(void *ctx, const struct takeover *t); /* it changed, and is put into the next commit */
	void (*lines_written)(void *ctx);
	/* Each failed commit; first: the store worked until now. journal_retry is to be called in a while. */
	void (*failing)(void *ctx, bool first, const struct err *err);
	void (*works)(void *ctx); /* again */
	void *ctx;
};

struct journal;

/* All but the handler are borrowed. */
struct journal *journal_new(struct resched *machine, struct memory *memory, struct store *store,
			    const struct journal_handler *handler);
/* What is not on disk yet is gone, and its effects with it: as in a crash. The store's callback must not come any more. */
void journal_free(struct journal *j);

/* With the next commit. */
void journal_delete(struct journal *j, enum store_table table, const char *key);
void journal_trim(struct journal *j, struct wall log_before, unsigned takeovers_keep);
/* fn is called once: when all that the machine has changed until now is on disk, or else with why it is not yet. Not after
 * journal_free. */
typedef void journal_written_fn(void *user, const char *why_not);
void journal_when_written(struct journal *j, journal_written_fn *fn, void *user);

/* After every turn of the machine: takes what it puts out, and everything that is marked dirty. */
void journal_turn(struct journal *j, struct resched_output *out, struct wall now);
/* All that could not be written, once more. */
void journal_retry(struct journal *j);
/* Why the store cannot be written; NULL: it can. */
const char *journal_trouble(const struct journal *j);

#endif
