/* See disk.h. Documents stand in the order in which the real store gives them out: takeovers by their start, all else by key. */
#include "disk.h"

#include "sim.h"
#include "store/store-internal.h"

#include "base/alloc.h"
#include "base/cleanup.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

struct document {
	char *key, *text;
	int64_t started; /* of a takeover; else 0 */
};

struct table {
	struct document *v;
	size_t n, cap;
};

struct disk {
	struct sim *sim;
	struct table tables[STORE_TABLE_MAX];
	int64_t epoch;
	size_t n_lines;
};

struct job {
	struct store_batch *batch;
	store_done_fn *done;
	void *user;
	struct job *next;
};

struct disk_store {
	struct store store; /* first */
	struct disk *disk;
	struct job *queue, **last;
	struct job *running; /* all that share one transaction */
	bool starting, written;
	size_t pending;
};

/* ---- documents ---- */

static size_t find(const struct table *t, const char *key) {
	size_t i = 0;
	while (i < t->n && strcmp(t->v[i].key, key) != 0)
		i++;
	return i;
}

static void document_free(struct document *d) {
	free(d->key);
	free(d->text);
}

static void take_out(struct table *t, const char *key) {
	size_t i = find(t, key);

	if (i == t->n)
		return;
	document_free(&t->v[i]);
	memmove(&t->v[i], &t->v[i + 1], (--t->n - i) * sizeof(t->v[0]));
}

static bool is_before(const struct document *a, const struct document *b) {
	return a->started != b->started ? a->started < b->started : strcmp(a->key, b->key) < 0;
}

/* Takes text. */
static void put(struct table *t, const char *key, char *text, int64_t started) {
	struct document d = {NULL, text, started};
	size_t i = find(t, key);

	if (i < t->n && t->v[i].started == started) {
		free(t->v[i].text);
		t->v[i].text = text;
		return;
	}
	take_out(t, key);
	if (t->n == t->cap) {
		t->cap = t->cap ? t->cap * 2 : 8;
		t->v = xreallocarray(t->v, t->cap, sizeof(t->v[0]));
	}
	d.key = xstrdup(key);
	for (i = t->n++; i > 0 && is_before(&d, &t->v[i - 1]); i--)
		t->v[i] = t->v[i - 1];
	t->v[i] = d;
}

static void put_line(struct disk *d, const struct store_op *op) {
	struct store_log_row row = {.seq = (int64_t)++d->n_lines, .time = op->time, .seconds = op->seconds};

	store_log_row_set_texts(&row, op->text);
	check_log_written(d->sim, &row);
}

static void apply(struct disk *d, struct store_op *op) {
	switch (op->kind) {
	case STORE_OP_PUT:
		put(&d->tables[op->table], op->key, TAKE_PTR(op->doc), 0);
		return;
	case STORE_OP_PUT_TAKEOVER:
		put(&d->tables[op->table], op->key, TAKE_PTR(op->doc), op->time.ms);
		return;
	case STORE_OP_DELETE:
		take_out(&d->tables[op->table], op->key);
		return;
	case STORE_OP_LOG:
		put_line(d, op);
		return;
	default: /* no history is long enough for retention */
		return;
	}
}

static void apply_all(struct disk_store *s) {
	check_commit(s->disk->sim);
	for (struct job *j = s->running; j; j = j->next)
		for (struct store_op *op = j->batch->first; op; op = op->next)
			apply(s->disk, op);
}

/* ---- a transaction ---- */

static void arm(struct disk_store *s);

static void job_free(struct job *j) {
	store_batch_free(j->batch);
	free(j);
}

static void jobs_free(struct job *j) {
	for (struct job *next; j; j = next) {
		next = j->next;
		job_free(j);
	}
}

static int outcome(struct disk_store *s, struct err *err) {
	struct sim *sim = s->disk->sim;

	if (s->store.epoch != s->disk->epoch)
		return err_set(err, -EBUSY, "write state file: another manager has it");
	if (sim->commits_to_fail > 0) {
		sim->commits_to_fail--;
		return err_set(err, -ENOSPC, "write state file: database or disk is full (13)");
	}
	return 0;
}

/* Whoever is told may crash in it: nothing of the store is used afterwards unless it is still the present manager's. */
static void tell(struct sim *sim, struct disk_store *s, int result, const struct err *err) {
	struct job *done = TAKE_PTR(s->running);
	const struct store *present = sim->store;

	while (done && sim->store == present) {
		struct job *j = done;
		done = j->next;
		s->pending--;
		if (j->done)
			j->done(j->user, result, result < 0 ? err : NULL);
		job_free(j);
	}
	jobs_free(done);
	if (sim->store == present)
		arm(s);
}

static void on_synced(struct sim *sim, const struct event *e) {
	struct disk_store *s = e->data;
	struct err err;

	int result = outcome(s, &err);
	if (result == 0)
		apply_all(s);
	else
		sim_say(sim, "commit failed: %s", err.msg);
	s->written = false;
	tell(sim, s, result, &err);
}

static void on_written(struct sim *sim, const struct event *e) {
	struct disk_store *s = e->data;

	s->written = true;
	sim_at(sim, sim_ms(sim, 1, rng_permille(&sim->rng, 30) ? 400 : 4), sim->manager, on_synced, 0, 0, s);
}

static void dies(struct sim *sim, const struct event *e) {
	(void)e;
	if (sim->healed)
		return;
	coverage_fault("crash at a commit");
	manager_crash(sim);
}

/* All that waits becomes one transaction. */
static void on_start(struct sim *sim, const struct event *e) {
	struct disk_store *s = e->data;

	s->starting = false;
	s->running = TAKE_PTR(s->queue);
	s->last = &s->queue;
	if (!sim->healed && rng_permille(&sim->rng, 4))
		sim_at(sim, sim_ms(sim, 0, 3), sim->manager, dies, 0, 0, NULL);
	sim_at(sim, span_ms(rng_below(&sim->rng, 2)), sim->manager, on_written, 0, 0, s);
}

static void arm(struct disk_store *s) {
	struct sim *sim = s->disk->sim;

	if (s->starting || s->running || !s->queue)
		return;
	s->starting = true;
	sim_at(sim, span_ms(0), sim->manager, on_start, 0, 0, s);
}

/* ---- the vtable ---- */

static struct disk_store *self(struct store *s) { return (struct disk_store *)s; }

static int load(struct store *store, enum store_table table, store_row_fn *row, void *user, struct err *err) {
	const struct table *t = &self(store)->disk->tables[table];

	for (size_t i = 0; i < t->n; i++) {
		int r = row(user, t->v[i].key, t->v[i].text, err);
		if (r < 0)
			return r;
	}
	return 0;
}

static void commit(struct store *store, struct store_batch *batch, store_done_fn *done, void *user) {
	struct disk_store *s = self(store);
	struct job *j = xnew(struct job);

	*j = (struct job){.batch = batch, .done = done, .user = user};
	*s->last = j;
	s->last = &j->next;
	s->pending++;
	arm(s);
}

static size_t pending(const struct store *store) { return ((const struct disk_store *)store)->pending; }

/* The process is gone. What it had written and not synced the kernel may have got to disk, or not. */
static void close_(struct store *store) {
	struct disk_store *s = self(store);

	if (s->written && s->store.epoch == s->disk->epoch && rng_permille(&s->disk->sim->rng, 500))
		apply_all(s);
	jobs_free(s->running);
	jobs_free(s->queue);
	free(s);
}

static int begin(struct store *store, struct err *err) {
	(void)store; /* the epoch was counted up when it was opened: nobody refuses a document in here and goes on */
	(void)err;
	return 0;
}

static const struct store_ops ops = {
	.begin = begin,
	.load = load,
	.commit = commit,
	.read_log = NULL, /* nobody follows it in here */
	.pending = pending,
	.close = close_,
};

struct store *disk_open(struct disk *d) {
	struct disk_store *s = xnew(struct disk_store);

	s->disk = d;
	s->store = (struct store){&ops, ++d->epoch};
	s->last = &s->queue;
	return &s->store;
}

void disk_fence(struct disk *d) { d->epoch++; }

/* ---- the disk ---- */

struct disk *disk_new(struct sim *s) {
	struct disk *d = xnew(struct disk);
	d->sim = s;
	return d;
}

void disk_free(struct disk *d) {
	for (size_t t = 0; d && t < STORE_TABLE_MAX; t++) {
		for (size_t i = 0; i < d->tables[t].n; i++)
			document_free(&d->tables[t].v[i]);
		free(d->tables[t].v);
	}
	free(d);
}

bool disk_has(const struct disk *d, enum store_table table, const char *key) {
	return find(&d->tables[table], key) < d->tables[table].n;
}

void disk_put(struct disk *d, enum store_table table, const char *key, const char *text) {
	assert(table != STORE_TAKEOVER);
	put(&d->tables[table], key, xstrdup(text), 0);
}

size_t disk_lines(const struct disk *d) { return d->n_lines; }
