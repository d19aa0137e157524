/* What the manager remembers across its own death: JSON documents by table and key, and the append-only IP log.
 *
 * A batch is collected in memory on the loop thread and committed asynchronously as one transaction that is on disk before its
 * callback says 0. Batches that wait together share one transaction, so that all intents of one turn of the loop cost one commit;
 * each still gets its own callback, in the order in which they were given. When a shared transaction fails all of its batches fail
 * and none of them is written. A batch given after one that failed is tried again from scratch: who needs the earlier one stops by
 * itself.
 *
 * The kinds (sqlite.h; etcd where several managers are wanted) stand behind a vtable. One loop thread; callbacks run on it, never
 * inside the call that asked. Secrets (containers' Env) are in the documents: no error message ever quotes one. */
#ifndef STORE_STORE_H
#define STORE_STORE_H

#include "base/err.h"
#include "base/wall.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Keys are up to STORE_KEY_MAX bytes of text, documents are JSON text (not parsed here) up to STORE_DOC_MAX. */
enum store_table {
	STORE_MEMORY,   /* "<node>/<container id>": the inspected container and what else a takeover needs of it */
	STORE_LEDGER,   /* workload: who owns which address */
	STORE_TAKEOVER, /* takeover id: its journal; written by store_batch_put_takeover only */
	STORE_NODE,     /* node name: what is to be remembered of a node, as its clean-up list */
	STORE_TABLE_MAX,
};

#define STORE_KEY_MAX 1024
#define STORE_DOC_MAX (16 * 1024 * 1024)

const char *store_table_name(enum store_table table);

/* One line of the IP log. Text may be NULL (absent). */
struct store_log_row {
	int64_t seq; /* given by the store at commit, ascending; ignored when written */
	struct wall time;
	const char *takeover, *container, *network, *ip, *mac, *from_node, *to_node, *step, *outcome, *evidence, *detail;
	double seconds; /* negative: absent */
};

/* ---- a batch: what is to be written together ---- */

struct store_batch;

struct store_batch *store_batch_new(void);
void store_batch_free(struct store_batch *b); /* of one never committed */
bool store_batch_is_empty(const struct store_batch *b);

/* All text is copied. A later put or delete of the same key wins. */
void store_batch_put(struct store_batch *b, enum store_table table, const char *key, const char *json_text);
void store_batch_delete(struct store_batch *b, enum store_table table, const char *key);

/* `closed`: nothing remains to be done for it, so that retention may drop it. started orders takeovers. */
struct store_takeover {
	const char *id, *state, *json_text;
	struct wall started;
	bool closed;
};
void store_batch_put_takeover(struct store_batch *b, const struct store_takeover *t);

void store_batch_log(struct store_batch *b, const struct store_log_row *row);

/* Retention: drops log lines older than log_before, and of the closed takeovers all but the newest takeovers_keep. Open ones stay.
 */
void store_batch_trim(struct store_batch *b, struct wall log_before, unsigned takeovers_keep);

static inline void cleanup_store_batch(struct store_batch **b) { store_batch_free(*b); }
#define CLEANUP_STORE_BATCH __attribute__((cleanup(cleanup_store_batch)))

/* ---- the store ---- */

/* result: 0, or negative with err filled (err is NULL when 0): -ENOSPC disk full, -EROFS read-only, -EUCLEAN damaged, -EIO other.
 */
typedef void store_done_fn(void *user, int result, const struct err *err);

/* One document. A negative return stops the loading and is what store_load returns; fill err then. */
typedef int store_row_fn(void *user, const char *key, const char *json_text, struct err *err);

#define STORE_LOG_LIMIT_MAX 1000

/* Absent: NULL or 0. Given ones must all match. */
struct store_log_filter {
	const char *ip, *container;
	struct wall since; /* at or after */
	int64_t after_seq; /* larger seq only: for --follow and for paging */
	unsigned limit;    /* 0 and anything larger mean STORE_LOG_LIMIT_MAX */
	bool newest_first; /* else ascending by seq */
};

/* rows are valid during the call only. On an error n is 0. */
typedef void store_log_fn(void *user, int result, const struct store_log_row *rows, size_t n, const struct err *err);

struct store;
struct store_ops {
	int (*begin)(struct store *s, struct err *err);
	int (*load)(struct store *s, enum store_table table, store_row_fn *row, void *user, struct err *err);
	void (*commit)(struct store *s, struct store_batch *batch, store_done_fn *done, void *user);
	void (*read_log)(struct store *s, const struct store_log_filter *filter, store_log_fn *done, void *user);
	size_t (*pending)(const struct store *s);
	void (*close)(struct store *s);
};

/* The common head of every kind of store. */
struct store {
	const struct store_ops *ops;
	int64_t epoch;
};

/* Counted up at every opening: whose leadership wrote something. From 1. */
static inline int64_t store_epoch(const struct store *s) { return s->epoch; }

/* From now on it is at least that; what is opened next begins above what was on disk, not above this. */
static inline void store_raise_epoch(struct store *s, int64_t epoch) {
	if (s->epoch < epoch)
		s->epoch = epoch;
}

/* Every document of a table: takeovers by start, oldest first, others by key. Synchronous: for start-up only, before the loop runs.
 */
int store_load(struct store *s, enum store_table table, store_row_fn *row, void *user, struct err *err);

/* Once, after everything was loaded and understood, and before the first commit: from here on it is ours to write, and the epoch is
 * on disk. Synchronous. */
int store_begin(struct store *s, struct err *err);

/* Takes the batch. done (may be NULL) is called exactly once unless the store is closed before; an empty batch waits for its turn
 * too, and so serves as a barrier. */
void store_commit(struct store *s, struct store_batch *batch, store_done_fn *done, void *user);

/* The filter is copied. Reads and commits are done in the order in which they were asked. */
void store_read_log(struct store *s, const struct store_log_filter *filter, store_log_fn *done, void *user);

/* Commits and reads not yet called back. */
size_t store_pending(const struct store *s);

/* What still waits is dropped and no callback follows: to keep it, wait for its callback first (store_pending). A transaction that
 * is already being written is finished, for which the loop must run on; the file is closed and unlocked then. NULL is fine. */
void store_close(struct store *s);

#endif
