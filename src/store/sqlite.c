/* See sqlite.h. Jobs (commits, reads of the log) wait in one queue and are done one at a time on libuv's pool; all commits at the
 * head of the queue become one transaction. A job given while nothing runs starts at the end of the loop's turn (prepare, before
 * the loop sleeps; check, after its callbacks), so that what one turn has to say is one commit. */
#include "store/sqlite.h"

#include "base/alloc.h"
#include "base/buf.h"
#include "base/cleanup.h"
#include "store/sqlite-internal.h"
#include "store/store-internal.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum statement {
	ST_BEGIN,
	ST_COMMIT,
	ST_ROLLBACK,
	ST_PUT, /* one for each table; takeover's has more columns */
	ST_DELETE = ST_PUT + STORE_TABLE_MAX,
	ST_LOG = ST_DELETE + STORE_TABLE_MAX,
	ST_TRIM_LOG,
	ST_TRIM_TAKEOVERS,
	ST_MAX,
};

#define PUT(table) "INSERT INTO " table " (key, doc) VALUES (?1, ?2) ON CONFLICT (key) DO UPDATE SET doc = excluded.doc"
#define DELETE(table) "DELETE FROM " table " WHERE key = ?1"
#define LOG_TEXT_COLUMNS "takeover, container, network, ip, mac, from_node, to_node, step, outcome, evidence, detail"

static const char *const statements[] = {
	[ST_BEGIN] = "BEGIN IMMEDIATE",
	[ST_COMMIT] = "COMMIT",
	[ST_ROLLBACK] = "ROLLBACK",
	[ST_PUT + STORE_MEMORY] = PUT("memory"),
	[ST_PUT + STORE_LEDGER] = PUT("ledger"),
	[ST_PUT + STORE_TAKEOVER] =
		"INSERT INTO takeover (key, doc, state, started_ms, closed) VALUES (?1, ?2, ?3, ?4, ?5) ON CONFLICT (key)"
		" DO UPDATE SET doc = excluded.doc, state = excluded.state, started_ms = excluded.started_ms, closed = "
		"excluded.closed",
	[ST_PUT + STORE_NODE] = PUT("node"),
	[ST_DELETE + STORE_MEMORY] = DELETE("memory"),
	[ST_DELETE + STORE_LEDGER] = DELETE("ledger"),
	[ST_DELETE + STORE_TAKEOVER] = DELETE("takeover"),
	[ST_DELETE + STORE_NODE] = DELETE("node"),
	[ST_LOG] = "INSERT INTO log (time_ms, seconds, " LOG_TEXT_COLUMNS
		   ") VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13)",
	[ST_TRIM_LOG] = "DELETE FROM log WHERE time_ms < ?1",
	[ST_TRIM_TAKEOVERS] = "DELETE FROM takeover WHERE closed = 1 AND key NOT IN"
			      " (SELECT key FROM takeover WHERE closed = 1 ORDER BY started_ms DESC, key DESC LIMIT ?1)",
};
static_assert(sizeof(statements) / sizeof(statements[0]) == ST_MAX, "every statement has its text");

struct log_result {
	struct store_log_row row;
	char *text[STORE_LOG_TEXTS];
};

struct job {
	struct job *next;
	struct store_batch *batch; /* NULL: a read */
	store_done_fn *committed;
	store_log_fn *read;
	void *user;
	struct store_log_filter filter; /* its texts are owned */
	struct log_result *results;
	size_t n_results;
};

struct sqlite_store {
	struct store store; /* first */
	uv_prepare_t prepare;
	uv_check_t check;
	uv_work_t work;
	struct sqlite_file file;
	sqlite3_stmt *st[ST_MAX];
	struct job *queue, **queue_last;
	size_t pending;
	struct job *running; /* the pool's, until it comes back */
	int result;
	struct err err;
	bool begun;
	bool busy, closing; /* busy: the pool works, or its result is being told */
	unsigned handles;   /* not yet closed */
};

/* ---- on the pool (one job at a time) ---- */

static int stmt_run(struct sqlite_store *s, enum statement which) {
	int rc = sqlite3_step(s->st[which]);
	(void)sqlite3_reset(s->st[which]); /* repeats the error of the step */
	(void)sqlite3_clear_bindings(s->st[which]);
	return rc == SQLITE_DONE || rc == SQLITE_ROW ? SQLITE_OK : rc;
}

/* The texts outlive the step. Binding fails for want of memory only; the step then meets a NOT NULL, so the last result is enough.
 */
static int bind_text(sqlite3_stmt *st, int i, const char *text) {
	return text ? sqlite3_bind_text(st, i, text, -1, SQLITE_STATIC) : sqlite3_bind_null(st, i);
}

static int run_put(struct sqlite_store *s, const struct store_op *op) {
	enum statement which = (enum statement)(ST_PUT + (int)op->table);
	sqlite3_stmt *st = s->st[which];

	bind_text(st, 1, op->key);
	bind_text(st, 2, op->doc);
	if (op->kind == STORE_OP_PUT_TAKEOVER) {
		bind_text(st, 3, op->state);
		sqlite3_bind_int64(st, 4, op->time.ms);
		sqlite3_bind_int(st, 5, op->closed);
	}
	return stmt_run(s, which);
}

static int run_delete(struct sqlite_store *s, const struct store_op *op) {
	enum statement which = (enum statement)(ST_DELETE + (int)op->table);
	bind_text(s->st[which], 1, op->key);
	return stmt_run(s, which);
}

static int run_log(struct sqlite_store *s, const struct store_op *op) {
	sqlite3_stmt *st = s->st[ST_LOG];

	sqlite3_bind_int64(st, 1, op->time.ms);
	if (op->seconds >= 0)
		sqlite3_bind_double(st, 2, op->seconds);
	for (int i = 0; i < STORE_LOG_TEXTS; i++)
		bind_text(st, 3 + i, op->text[i]);
	return stmt_run(s, ST_LOG);
}

static int run_trim(struct sqlite_store *s, const struct store_op *op) {
	sqlite3_bind_int64(s->st[ST_TRIM_LOG], 1, op->time.ms);
	int rc = stmt_run(s, ST_TRIM_LOG);
	if (rc != SQLITE_OK)
		return rc;
	sqlite3_bind_int64(s->st[ST_TRIM_TAKEOVERS], 1, op->keep);
	return stmt_run(s, ST_TRIM_TAKEOVERS);
}

typedef int op_run_fn(struct sqlite_store *s, const struct store_op *op);
static op_run_fn *const op_runs[] = {
	[STORE_OP_PUT] = run_put, [STORE_OP_PUT_TAKEOVER] = run_put, [STORE_OP_DELETE] = run_delete,
	[STORE_OP_LOG] = run_log, [STORE_OP_TRIM] = run_trim,
};
static_assert(sizeof(op_runs) / sizeof(op_runs[0]) == STORE_OP_MAX, "every operation can be run");

static int run_batches(struct sqlite_store *s) {
	int rc = SQLITE_OK;

	for (const struct job *j = s->running; j; j = j->next)
		for (const struct store_op *op = j->batch->first; op; op = op->next)
			if ((rc = op_runs[op->kind](s, op)) != SQLITE_OK)
				return rc;
	return rc;
}

static bool nothing_to_write(const struct sqlite_store *s) {
	for (const struct job *j = s->running; j; j = j->next)
		if (!store_batch_is_empty(j->batch))
			return false;
	return true;
}

static int work_commit(struct sqlite_store *s, struct err *err) {
	if (nothing_to_write(s))
		return 0;
	int rc = stmt_run(s, ST_BEGIN);
	if (rc == SQLITE_OK)
		rc = run_batches(s);
	if (rc == SQLITE_OK)
		rc = stmt_run(s, ST_COMMIT);
	if (rc == SQLITE_OK)
		return 0;
	int r = sqlite_failed(s->file.db, rc, "write state file", err);
	/* Some failures have rolled back already; where this fails too the next BEGIN does, and nothing was written. */
	if (!sqlite3_get_autocommit(s->file.db))
		(void)stmt_run(s, ST_ROLLBACK);
	return r;
}

static char *column_text(sqlite3_stmt *st, int i) { return xstrdup_null((const char *)sqlite3_column_text(st, i)); }

static void result_read(sqlite3_stmt *st, struct log_result *r) {
	r->row.seq = sqlite3_column_int64(st, 0);
	r->row.time.ms = sqlite3_column_int64(st, 1);
	r->row.seconds = sqlite3_column_type(st, 2) == SQLITE_NULL ? -1 : sqlite3_column_double(st, 2);
	for (int i = 0; i < STORE_LOG_TEXTS; i++)
		r->text[i] = column_text(st, 3 + i);
	store_log_row_set_texts(&r->row, r->text);
}

/* Only what is asked for is in the text, so that the indexes are used. */
static char *log_query(const struct store_log_filter *f) {
	struct buf sql = {0};

	buf_puts(&sql, "SELECT seq, time_ms, seconds, " LOG_TEXT_COLUMNS " FROM log WHERE seq > ?1");
	if (f->since.ms)
		buf_puts(&sql, " AND time_ms >= ?2");
	if (f->ip)
		buf_puts(&sql, " AND ip = ?3");
	if (f->container)
		buf_puts(&sql, " AND container = ?4");
	buf_puts(&sql, f->newest_first ? " ORDER BY seq DESC LIMIT ?5" : " ORDER BY seq LIMIT ?5");
	return buf_take(&sql);
}

static void log_query_bind(sqlite3_stmt *st, const struct store_log_filter *f) {
	sqlite3_bind_int64(st, 1, f->after_seq);
	if (f->since.ms)
		sqlite3_bind_int64(st, 2, f->since.ms);
	if (f->ip)
		bind_text(st, 3, f->ip);
	if (f->container)
		bind_text(st, 4, f->container);
	sqlite3_bind_int64(st, 5, f->limit);
}

static void job_drop_results(struct job *j) {
	for (size_t i = 0; i < j->n_results; i++)
		for (size_t k = 0; k < STORE_LOG_TEXTS; k++)
			free(j->results[i].text[k]);
	free(j->results);
	j->results = NULL;
	j->n_results = 0;
}

static int work_read(struct sqlite_store *s, struct job *j, struct err *err) {
	CLEANUP_FREE char *sql = log_query(&j->filter);
	sqlite3_stmt *st = NULL;

	int rc = sqlite3_prepare_v2(s->file.db, sql, -1, &st, NULL);
	if (rc == SQLITE_OK) {
		log_query_bind(st, &j->filter);
		j->results = xnew_n(struct log_result, j->filter.limit);
		while ((rc = sqlite3_step(st)) == SQLITE_ROW && j->n_results < j->filter.limit)
			result_read(st, &j->results[j->n_results++]);
	}
	(void)sqlite3_finalize(st); /* repeats the error of the step */
	if (rc == SQLITE_DONE || rc == SQLITE_ROW)
		return 0;
	job_drop_results(j);
	return sqlite_failed(s->file.db, rc, "read the log", err);
}

static void on_work(uv_work_t *work) {
	struct sqlite_store *s = work->data;
	s->result = s->running->batch ? work_commit(s, &s->err) : work_read(s, s->running, &s->err);
}

/* ---- on the loop ---- */

static void job_free(struct job *j) {
	store_batch_free(j->batch);
	job_drop_results(j);
	free((char *)(uintptr_t)j->filter.ip);
	free((char *)(uintptr_t)j->filter.container);
	free(j);
}

static void jobs_free(struct job *j) {
	for (struct job *next; j; j = next) {
		next = j->next;
		job_free(j);
	}
}

static void job_tell_rows(const struct job *j, int result, const struct err *err) {
	struct store_log_row *rows = xnew_n(struct store_log_row, j->n_results + 1);
	for (size_t i = 0; i < j->n_results; i++)
		rows[i] = j->results[i].row;
	j->read(j->user, result, rows, j->n_results, err);
	free(rows);
}

static void job_tell(const struct job *j, int result, const struct err *err) {
	if (!j->batch)
		job_tell_rows(j, result, err);
	else if (j->committed)
		j->committed(j->user, result, err);
}

/* All commits at the head, or one read. */
static struct job *queue_take(struct sqlite_store *s) {
	struct job *first = s->queue, *last = first;

	while (first->batch && last->next && last->next->batch)
		last = last->next;
	s->queue = last->next;
	if (!s->queue)
		s->queue_last = &s->queue;
	last->next = NULL;
	return first;
}

static void store_finish_close(struct sqlite_store *s);
static void on_worked(uv_work_t *work, int status);

static void queue_start(struct sqlite_store *s) {
	uv_prepare_stop(&s->prepare);
	uv_check_stop(&s->check);
	s->running = queue_take(s);
	s->busy = true;
	int r = uv_queue_work(s->prepare.loop, &s->work, on_work, on_worked);
	assert(r == 0); /* fails without a work function only */
	(void)r;
}

static void on_prepare(uv_prepare_t *h) { queue_start(h->data); }
static void on_check(uv_check_t *h) { queue_start(h->data); }

static void queue_arm(struct sqlite_store *s) {
	if (s->busy || !s->queue)
		return;
	(void)uv_prepare_start(&s->prepare, on_prepare); /* both fail without a function only */
	(void)uv_check_start(&s->check, on_check);
}

static void on_worked(uv_work_t *work, int status) {
	struct sqlite_store *s = work->data;
	struct job *done = s->running;

	assert(status == 0); /* we never cancel it */
	(void)status;
	s->running = NULL;
	while (done && !s->closing) {
		struct job *j = done;
		done = j->next;
		s->pending--;
		job_tell(j, s->result, s->result < 0 ? &s->err : NULL);
		job_free(j);
	}
	jobs_free(done);
	s->busy = false;
	if (s->closing)
		store_finish_close(s);
	else
		queue_arm(s);
}

static void queue_add(struct sqlite_store *s, struct job *j) {
	assert(!s->closing);
	*s->queue_last = j;
	s->queue_last = &j->next;
	s->pending++;
	queue_arm(s);
}

static struct sqlite_store *self(struct store *s) { return (struct sqlite_store *)s; }

static int sqlite_begin(struct store *store, struct err *err) {
	struct sqlite_store *s = self(store);

	assert(!s->begun);
	int r = sqlite_file_begin(&s->file, err);
	s->begun = r == 0;
	return r;
}

static void sqlite_commit(struct store *store, struct store_batch *batch, store_done_fn *done, void *user) {
	struct job *j = xnew(struct job);

	assert(self(store)->begun);
	j->batch = batch;
	j->committed = done;
	j->user = user;
	queue_add(self(store), j);
}

static void sqlite_read_log(struct store *store, const struct store_log_filter *filter, store_log_fn *done, void *user) {
	struct job *j = xnew(struct job);
	j->filter = *filter;
	j->filter.ip = xstrdup_null(filter->ip);
	j->filter.container = xstrdup_null(filter->container);
	if (filter->limit == 0 || filter->limit > STORE_LOG_LIMIT_MAX)
		j->filter.limit = STORE_LOG_LIMIT_MAX;
	j->read = done;
	j->user = user;
	queue_add(self(store), j);
}

static size_t sqlite_pending(const struct store *store) { return ((const struct sqlite_store *)store)->pending; }

static int load_rows(sqlite3_stmt *st, store_row_fn *row, void *user, int *ret_rc, struct err *err) {
	while ((*ret_rc = sqlite3_step(st)) == SQLITE_ROW) {
		int r = row(user, (const char *)sqlite3_column_text(st, 0), (const char *)sqlite3_column_text(st, 1), err);
		if (r < 0)
			return r;
	}
	return 0;
}

static int sqlite_load(struct store *store, enum store_table table, store_row_fn *row, void *user, struct err *err) {
	struct sqlite_store *s = self(store);
	CLEANUP_FREE char *sql = xasprintf("SELECT key, doc FROM %s ORDER BY %s key", store_table_name(table),
					   table == STORE_TAKEOVER ? "started_ms," : "");
	sqlite3_stmt *st = NULL;

	assert(!s->busy && !s->queue);
	int rc = sqlite3_prepare_v2(s->file.db, sql, -1, &st, NULL);
	int r = rc == SQLITE_OK ? load_rows(st, row, user, &rc, err) : 0;
	if (r == 0 && rc != SQLITE_DONE)
		r = sqlite_failed(s->file.db, rc, "read state file", err);
	(void)sqlite3_finalize(st); /* repeats the error of the step */
	return r;
}

/* ---- opening and closing ---- */

static void statements_finalize(struct sqlite_store *s) {
	for (size_t i = 0; i < ST_MAX; i++)
		(void)sqlite3_finalize(s->st[i]); /* repeats the error of the last step */
}

/* Also the check that every table and column is there. */
static int statements_prepare(struct sqlite_store *s, struct err *err) {
	for (size_t i = 0; i < ST_MAX; i++) {
		int rc = sqlite3_prepare_v3(s->file.db, statements[i], -1, SQLITE_PREPARE_PERSISTENT, &s->st[i], NULL);
		if (rc == SQLITE_ERROR)
			return err_set(err, -EUCLEAN, "lacks a table or a column: %s", sqlite3_errmsg(s->file.db));
		if (rc != SQLITE_OK)
			return sqlite_failed(s->file.db, rc, "state file", err);
	}
	return 0;
}

static void on_handle_closed(uv_handle_t *h) {
	struct sqlite_store *s = h->data;
	if (--s->handles == 0)
		free(s);
}

static void store_finish_close(struct sqlite_store *s) {
	statements_finalize(s);
	sqlite_file_close(&s->file);
	uv_close((uv_handle_t *)&s->prepare, on_handle_closed);
	uv_close((uv_handle_t *)&s->check, on_handle_closed);
}

static void sqlite_close(struct store *store) {
	struct sqlite_store *s = self(store);

	assert(!s->closing);
	s->closing = true;
	jobs_free(TAKE_PTR(s->queue));
	if (!s->busy)
		store_finish_close(s);
}

static const struct store_ops sqlite_ops = {
	.begin = sqlite_begin,
	.load = sqlite_load,
	.commit = sqlite_commit,
	.read_log = sqlite_read_log,
	.pending = sqlite_pending,
	.close = sqlite_close,
};

static void handles_init(struct sqlite_store *s, uv_loop_t *loop) {
	(void)uv_prepare_init(loop, &s->prepare); /* neither can fail */
	(void)uv_check_init(loop, &s->check);
	s->prepare.data = s->check.data = s->work.data = s;
	s->handles = 2;
}

int sqlite_store_open(uv_loop_t *loop, const char *path, const char *cluster, struct store **ret, struct err *err) {
	CLEANUP_FREE struct sqlite_store *s = xnew(struct sqlite_store);
	int r = sqlite_file_open(path, cluster, &s->file, err);
	if (r < 0)
		return r;
	if (statements_prepare(s, err) < 0) {
		statements_finalize(s);
		sqlite_file_close(&s->file);
		return err_wrap(err, "%s", path);
	}
	s->store = (struct store){.ops = &sqlite_ops, .epoch = s->file.epoch};
	s->queue_last = &s->queue;
	handles_init(s, loop);
	*ret = &s->store;
	s = NULL;
	return 0;
}
