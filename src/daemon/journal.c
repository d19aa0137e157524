/* See journal.h. */
#include "daemon/journal.h"

#include "base/alloc.h"
#include "base/cleanup.h"
#include "base/mutant.h"
#include "daemon/records.h"

#include <string.h>
#include <utlist.h>

struct deletion {
	enum store_table table;
	char *key;
	struct deletion *next;
};

struct line {
	struct resched_log log; /* its strings are owned */
	struct wall time;
	struct line *next;
};

struct waiter {
	journal_written_fn *fn;
	void *user;
	struct waiter *next;
};

/* What goes to the disk together, and what waits for that. */
struct part {
	struct store_batch *batch; /* NULL: given to the store */
	struct deletion *deletions;
	struct line *lines;
	struct waiter *waiters;
	struct effect **effects;
	size_t n_effects;
};

struct journal {
	struct resched *machine;
	struct memory *memory;
	struct store *store;
	struct journal_handler handler;
	struct part under_way, next;
	bool busy;    /* under_way is being written */
	bool waiting; /* a turn came by meanwhile: what it marked is written by the next one */
	char *reason; /* of the last commit that failed; NULL: the store can be written */
};

struct journal *journal_new(struct resched *machine, struct memory *memory, struct store *store,
			    const struct journal_handler *handler) {
	struct journal *j = xnew(struct journal);

	*j = (struct journal){.machine = machine, .memory = memory, .store = store, .handler = *handler};
	j->next.batch = store_batch_new();
	return j;
}

static void line_free(struct line *l) {
	char *owned[] = {l->log.takeover, l->log.container, l->log.network, l->log.ip,
			 l->log.mac,      l->log.from,      l->log.to,      l->log.detail};

	for (size_t i = 0; i < sizeof(owned) / sizeof(owned[0]); i++)
		free(owned[i]);
	free(l);
}

static void deletion_free(struct deletion *x) {
	free(x->key);
	free(x);
}

static void part_clear(struct part *p) {
	struct deletion *x, *next_x;
	struct line *l, *next_l;
	struct waiter *w, *next_w;

	LL_FOREACH_SAFE(p->deletions, x, next_x) { deletion_free(x); }
	LL_FOREACH_SAFE(p->lines, l, next_l) { line_free(l); }
	LL_FOREACH_SAFE(p->waiters, w, next_w) { free(w); }
	for (size_t i = 0; i < p->n_effects; i++)
		effect_free(p->effects[i]);
	free(p->effects);
	store_batch_free(p->batch);
	*p = (struct part){0};
}

void journal_free(struct journal *j) {
	if (!j)
		return;
	part_clear(&j->under_way);
	part_clear(&j->next);
	free(j->reason);
	free(j);
}

const char *journal_trouble(const struct journal *j) { return j->reason; }

/* ---- what is collected ---- */

static void put_deletion(struct journal *j, enum store_table table, const char *key) {
	struct deletion *x = xnew(struct deletion);

	x->table = table;
	x->key = xstrdup(key);
	LL_APPEND(j->next.deletions, x);
	store_batch_delete(j->next.batch, table, key);
}

static void put_line(struct store_batch *batch, const struct line *l) {
	const struct store_log_row row = {
		.time = l->time,
		.takeover = *l->log.takeover ? l->log.takeover : NULL,
		.container = l->log.container,
		.network = l->log.network,
		.ip = l->log.ip,
		.mac = l->log.mac,
		.from_node = l->log.from,
		.to_node = l->log.to,
		.step = l->log.step,
		.outcome = l->log.outcome,
		.evidence = l->log.evidence,
		.detail = l->log.detail,
		.seconds = l->log.seconds,
	};
	store_batch_log(batch, &row);
}

static void put_takeover(void *ctx, const struct takeover *t) {
	struct journal *j = ctx;
	json_t *doc CLEANUP_JSON = record_from_takeover(t);
	char *text CLEANUP_FREE = record_text(doc);

	j->handler.takeover_written(j->handler.ctx, t);
	store_batch_put_takeover(j->next.batch, &(struct store_takeover){
							.id = t->id,
							.state = takeover_state_name(t->state),
							.json_text = text,
							.started = t->started,
							.closed = takeover_is_over(t->state),
						});
}

static void put_workload(void *ctx, const struct workload *w) {
	struct journal *j = ctx;
	json_t *doc CLEANUP_JSON = record_from_workload(w);
	char *text CLEANUP_FREE = record_text(doc);

	store_batch_put(j->next.batch, STORE_LEDGER, w->id, text);
}

static void put_records(struct journal *j) {
	resched_each_dirty(j->machine, put_takeover, put_workload, j);
	memory_write(j->memory, j->next.batch);
}

/* Deletions first: what is there again is written after them. */
static void collect_deletions(struct journal *j, const struct resched_output *out) {
	struct strs forgotten;

	for (size_t i = 0; i < out->unneeded.n; i++)
		memory_unneeded(j->memory, out->unneeded.v[i]);
	memory_take_forgotten(j->memory, &forgotten);
	for (size_t i = 0; i < forgotten.n; i++)
		put_deletion(j, STORE_MEMORY, forgotten.v[i]);
	strs_clear(&forgotten);
	for (size_t i = 0; i < out->forgotten.n; i++)
		put_deletion(j, STORE_LEDGER, out->forgotten.v[i]);
	for (size_t i = 0; i < out->settled.n; i++)
		memory_settled(j->memory, out->settled.v[i]);
}

/* The strings move over. */
static void collect_lines(struct journal *j, struct resched_output *out, struct wall now) {
	for (size_t i = 0; i < out->n_logs; i++) {
		struct line *l = xnew(struct line);
		l->log = out->logs[i];
		l->time = now;
		LL_APPEND(j->next.lines, l);
		put_line(j->next.batch, l);
	}
	out->n_logs = 0;
}

static void collect_effects(struct journal *j, struct resched_output *out) {
	struct part *p = &j->next;

	p->effects = xreallocarray(p->effects, p->n_effects + out->n_effects + 1, sizeof(struct effect *));
	for (size_t i = 0; i < out->n_effects; i++)
		p->effects[p->n_effects++] = out->effects[i];
	out->n_effects = 0;
}

/* ---- commits ---- */

static void refuse_effects(struct journal *j, struct part *p, const char *why) {
	struct effect **effects = TAKE_PTR(p->effects);
	size_t n = p->n_effects;

	p->n_effects = 0;
	for (size_t i = 0; i < n; i++) {
		j->handler.not_done(j->handler.ctx, effects[i], why);
		effect_free(effects[i]);
	}
	free(effects);
}

static void tell_waiters(struct part *p, const char *why) {
	struct waiter *waiters = TAKE_PTR(p->waiters), *w, *next;

	LL_FOREACH_SAFE(waiters, w, next) {
		w->fn(w->user, why);
		free(w);
	}
}

/* What is kept is what the failed commit held and all that was wanted since, in this order. */
static void commit_failed(struct journal *j, const struct err *err) {
	bool first = !j->reason;

	store_batch_free(j->next.batch);
	j->next.batch = store_batch_new(); /* made anew by the retry */
	LL_CONCAT(j->under_way.deletions, j->next.deletions);
	LL_CONCAT(j->under_way.lines, j->next.lines);
	j->next.deletions = TAKE_PTR(j->under_way.deletions);
	j->next.lines = TAKE_PTR(j->under_way.lines);
	xstr_replace(&j->reason, err->msg);
	resched_store(j->machine, false, err->msg);
	refuse_effects(j, &j->under_way, err->msg);
	refuse_effects(j, &j->next, err->msg);
	tell_waiters(&j->under_way, err->msg);
	tell_waiters(&j->next, err->msg);
	part_clear(&j->under_way);
	j->handler.failing(j->handler.ctx, first, err);
}

static void store_recovered(struct journal *j) {
	xstr_replace(&j->reason, NULL);
	resched_store(j->machine, true, NULL);
	j->handler.works(j->handler.ctx);
	j->handler.wake(j->handler.ctx);
}

static void give_out(struct journal *j, struct part *done) {
	struct effect **effects = TAKE_PTR(done->effects);
	size_t n = done->n_effects;

	done->n_effects = 0;
	for (size_t i = 0; i < n; i++)
		j->handler.perform(j->handler.ctx, effects[i]);
	free(effects);
}

static void committed(void *user, int result, const struct err *err) {
	struct journal *j = user;

	j->busy = false;
	if (j->handler.commit_ended)
		j->handler.commit_ended(j->handler.ctx, j->under_way.effects, result < 0 ? 0 : j->under_way.n_effects);
	if (result < 0 && !MUTANT(FAILED_COMMIT_IGNORED)) {
		commit_failed(j, err);
		return;
	}
	struct part done = j->under_way;
	j->under_way = (struct part){0};
	if (j->reason)
		store_recovered(j);
	if (done.lines)
		j->handler.lines_written(j->handler.ctx);
	give_out(j, &done);
	tell_waiters(&done, NULL);
	part_clear(&done);
	if (j->waiting)
		j->handler.wake(j->handler.ctx);
}

static bool nothing_to_do(const struct part *p) { return p->n_effects == 0 && !p->waiters && store_batch_is_empty(p->batch); }

static void commit(struct journal *j) {
	j->waiting = j->busy;
	if (j->busy)
		return;
	put_records(j); /* as they are at the end of a turn, never in between */
	if (nothing_to_do(&j->next) && !j->reason)
		return;
	j->busy = true;
	j->under_way = j->next;
	j->next = (struct part){.batch = store_batch_new()};
	if (MUTANT(DONE_BEFORE_WRITTEN))
		give_out(j, &j->under_way);
	if (j->handler.commit_begins)
		j->handler.commit_begins(j->handler.ctx);
	store_commit(j->store, TAKE_PTR(j->under_way.batch), committed, j);
}

void journal_turn(struct journal *j, struct resched_output *out, struct wall now) {
	collect_deletions(j, out);
	collect_lines(j, out, now);
	collect_effects(j, out);
	resched_output_clear(out);
	if (j->reason) { /* the machine asks for nothing then; what it still had to ask is answered at once */
		refuse_effects(j, &j->next, j->reason);
		tell_waiters(&j->next, j->reason);
		return;
	}
	commit(j);
}

void journal_retry(struct journal *j) {
	struct part *p = &j->next;
	const struct deletion *x;
	const struct line *l;

	if (j->busy || !j->reason)
		return;
	store_batch_free(p->batch);
	p->batch = store_batch_new();
	LL_FOREACH (p->deletions, x) {
		store_batch_delete(p->batch, x->table, x->key);
	}
	LL_FOREACH (p->lines, l) {
		if (!MUTANT(LOG_LINES_LOST))
			put_line(p->batch, l);
	}
	resched_mark_dirty(j->machine);
	memory_mark(j->memory);
	commit(j);
}

void journal_delete(struct journal *j, enum store_table table, const char *key) {
	put_deletion(j, table, key);
	j->handler.wake(j->handler.ctx);
}

void journal_when_written(struct journal *j, journal_written_fn *fn, void *user) {
	struct waiter *w = xnew(struct waiter);

	*w = (struct waiter){.fn = fn, .user = user};
	LL_APPEND(j->next.waiters, w);
	j->handler.wake(j->handler.ctx);
}

void journal_trim(struct journal *j, struct wall log_before, unsigned takeovers_keep) {
	store_batch_trim(j->next.batch, log_before, takeovers_keep);
	j->handler.wake(j->handler.ctx);
}
