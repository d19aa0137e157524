/* The shell of the machine: one turn of it at the end of a turn of the loop, what it wants written is written, and only when that
 * is on disk are its effects performed.
 *
 * When the store cannot be written nothing is done. What a failed commit held is kept: its log lines and deletions as they were,
 * its records by writing every open one again, until the store takes them. */
#include "daemon/daemon.h"

#include "base/alloc.h"
#include "base/log.h"
#include "daemon/crash.h"
#include "daemon/records.h"

#include <string.h>
#include <utlist.h>

#define STORE_RETRY_MS 2000
#define TRIM_INTERVAL_MS 3600000
#define LOG_KEEP_DAYS 90
#define TAKEOVERS_KEEP 5000

/* What waits for its commit. */
struct turn_commit {
	struct daemon *daemon;
	struct resched_output out;
	struct turn_deletion *deletions;
	struct wall time;
	bool retry;
	struct turn_commit *next; /* among those that failed */
};

struct turn_deletion {
	enum store_table table;
	char *key;
	struct turn_deletion *next;
};

static struct store_batch *batch_of(struct daemon *d) {
	if (!d->turn.batch)
		d->turn.batch = store_batch_new();
	return d->turn.batch;
}

void turn_delete(struct daemon *d, enum store_table table, const char *key) {
	struct turn_deletion *x = xnew(struct turn_deletion);

	x->table = table;
	x->key = xstrdup(key);
	LL_APPEND(d->turn.deletions, x);
	turn_wake(d);
}

static void deletions_free(struct turn_deletion *list) {
	struct turn_deletion *x, *next;

	LL_FOREACH_SAFE(list, x, next) {
		free(x->key);
		free(x);
	}
}

/* ---- what is written ---- */

static void put_line(struct daemon *d, const struct resched_log *l, struct wall time) {
	const struct store_log_row row = {
		.time = time,
		.takeover = *l->takeover ? l->takeover : NULL,
		.container = l->container,
		.network = l->network,
		.ip = l->ip,
		.mac = l->mac,
		.from_node = l->from,
		.to_node = l->to,
		.step = l->step,
		.outcome = l->outcome,
		.evidence = l->evidence,
		.detail = l->detail,
		.seconds = l->seconds,
	};
	store_batch_log(batch_of(d), &row);
}

static void say_line(const struct daemon *d, const struct resched_log *l) {
	log_info("takeover", LOG_STR("takeover", *l->takeover ? l->takeover : NULL), LOG_INT("epoch", store_epoch(d->store)),
		 LOG_STR("container", l->container), LOG_STR("step", l->step), LOG_STR("outcome", l->outcome),
		 LOG_STR("network", l->network), LOG_STR("ip", l->ip), LOG_STR("from", l->from), LOG_STR("to", l->to),
		 LOG_STR("evidence", l->evidence), LOG_STR("detail", l->detail));
}

static void put_takeover(void *ctx, const struct takeover *t) {
	struct daemon *d = ctx;
	json_t *j CLEANUP_JSON = record_from_takeover(t);
	char *text CLEANUP_FREE = json_text(j);

	store_batch_put_takeover(batch_of(d), &(struct store_takeover){
						      .id = t->id,
						      .state = takeover_state_name(t->state),
						      .json_text = text,
						      .started = t->started,
						      .closed = takeover_is_over(t->state),
					      });
}

static void put_workload(void *ctx, const struct workload *w) {
	struct daemon *d = ctx;
	json_t *j CLEANUP_JSON = record_from_workload(w);
	char *text CLEANUP_FREE = json_text(j);

	store_batch_put(batch_of(d), STORE_LEDGER, w->id, text);
}

static void put_rest(struct daemon *d, const struct turn_commit *c) {
	const struct turn_deletion *x;

	LL_FOREACH (c->deletions, x) {
		store_batch_delete(batch_of(d), x->table, x->key);
	}
	for (size_t i = 0; i < c->out.forgotten.n; i++)
		store_batch_delete(batch_of(d), STORE_LEDGER, c->out.forgotten.v[i]);
	for (size_t i = 0; i < c->out.n_logs; i++)
		put_line(d, &c->out.logs[i], c->time);
}

static void put_records(struct daemon *d) {
	resched_each_dirty(d->machine, put_takeover, put_workload, d);
	memory_write(d, batch_of(d));
}

/* ---- commits ---- */

static void commit_free(struct turn_commit *c) {
	resched_output_clear(&c->out);
	deletions_free(c->deletions);
	free(c);
}

static void drop_effects(struct turn_commit *c) {
	for (size_t i = 0; i < c->out.n_effects; i++)
		effect_free(c->out.effects[i]);
	free(c->out.effects);
	c->out.effects = NULL;
	c->out.n_effects = 0;
}

static void store_failed(struct daemon *d, const struct err *err) {
	if (d->turn.store_ok)
		log_error("store-failing", LOG_STR("error", err->msg),
			  LOG_STR("next", "nothing is taken over until it can be written; it is tried again every 2 s"));
	d->turn.store_ok = false;
	xstr_replace(&d->turn.store_reason, err->msg);
	resched_store(d->machine, false, err->msg);
	uv_timer_start(&d->turn.retry, d->turn.retry.timer_cb, STORE_RETRY_MS, 0);
}

static void store_recovered(struct daemon *d) {
	log_info("store-works", LOG_STR("next", "what was held back is gone on with"));
	d->turn.store_ok = true;
	xstr_replace(&d->turn.store_reason, NULL);
	resched_store(d->machine, true, NULL);
	turn_wake(d);
}

static void committed(void *user, int result, const struct err *err) {
	struct turn_commit *c = user;
	struct daemon *d = c->daemon;

	crash_commit_ended(d, c->out.effects, result < 0 ? 0 : c->out.n_effects);
	if (result < 0) {
		for (size_t i = 0; i < c->out.n_effects; i++)
			runner_not_done(d, c->out.effects[i], err->msg);
		drop_effects(c);
		LL_APPEND(d->turn.failed, c);
		store_failed(d, err);
		return;
	}
	if (c->retry)
		store_recovered(d);
	if (c->out.n_logs > 0)
		api_log_written(d);
	for (size_t i = 0; i < c->out.n_effects; i++)
		runner_perform(d, c->out.effects[i]);
	c->out.n_effects = 0; /* the runner has them */
	commit_free(c);
}

static void commit(struct daemon *d, struct turn_commit *c) {
	struct store_batch *batch = batch_of(d);

	d->turn.batch = NULL;
	crash_commit_begins(d);
	store_commit(d->store, batch, committed, c);
}

/* All that failed, in its order, and every open record, in one. */
static void retry(uv_timer_t *timer) {
	struct daemon *d = timer->data;
	struct turn_commit *all = xnew(struct turn_commit), *c, *next;

	all->daemon = d;
	all->retry = true;
	all->time = wall_now();
	LL_FOREACH_SAFE(d->turn.failed, c, next) {
		put_rest(d, c);
		for (size_t i = 0; i < c->out.n_logs; i++) {
			all->out.logs = xreallocarray(all->out.logs, all->out.n_logs + 1, sizeof(*all->out.logs));
			all->out.logs[all->out.n_logs++] = c->out.logs[i]; /* their strings move over */
		}
		c->out.n_logs = 0;
		for (size_t i = 0; i < c->out.forgotten.n; i++)
			strs_add(&all->out.forgotten, c->out.forgotten.v[i]);
		LL_CONCAT(all->deletions, c->deletions);
		c->deletions = NULL;
		commit_free(c);
	}
	d->turn.failed = NULL;
	resched_mark_dirty(d->machine);
	memory_mark(d);
	put_records(d);
	commit(d, all);
}

static void trim(uv_timer_t *timer) {
	struct daemon *d = timer->data;
	const struct wall before = {wall_now().ms - (int64_t)LOG_KEEP_DAYS * 24 * 3600 * 1000};

	store_batch_trim(batch_of(d), before, TAKEOVERS_KEEP);
	turn_wake(d);
}

/* ---- the turn ---- */

static void set_deadline(struct daemon *d) {
	struct mono deadline = resched_deadline(d->machine), now = mono_now();

	if (deadline.ns == MONO_NEVER.ns) {
		uv_timer_stop(&d->turn.timer);
		return;
	}
	int64_t ms = deadline.ns <= now.ns ? 0 : (deadline.ns - now.ns) / 1000000 + 1;
	uv_timer_start(&d->turn.timer, d->turn.timer.timer_cb, (uint64_t)ms, 0);
}

static void log_nodes(struct daemon *d) {
	for (size_t i = 0; i < d->n_nodes; i++) {
		struct daemon_node *n = &d->nodes[i];
		const struct world_node *known = world_node(resched_world(d->machine), n->config->name);
		bool serves = world_node_serves(known);
		if (serves && !n->serves)
			log_info("node-serves", LOG_STR("node", n->config->name), LOG_STR("engine", known->facts.version),
				 LOG_STR("overlay", n->overlay));
		n->serves = serves || (n->serves && known->verdict == NODE_SUSPECT);
	}
}

/* Said once for each that comes to need one, and again after a restart. */
static void log_operator(const struct daemon *d) {
	for (const struct takeover *t = resched_takeovers(d->machine); t; t = t->hh.next)
		if (t->dirty && t->state == TAKEOVER_NEEDS_OPERATOR)
			log_error("needs-operator", LOG_STR("takeover", t->id), LOG_STR("container", t->container),
				  LOG_STR("reason", t->reason));
}

static void turn(struct daemon *d) {
	struct turn_commit *c = xnew(struct turn_commit);

	c->daemon = d;
	c->time = wall_now();
	resched_turn(d->machine, mono_now(), c->time);
	resched_take_output(d->machine, &c->out);
	log_nodes(d);
	log_operator(d);
	for (size_t i = 0; i < c->out.unneeded.n; i++)
		memory_unneeded(d, c->out.unneeded.v[i]);
	c->deletions = TAKE_PTR(d->turn.deletions);
	for (size_t i = 0; i < c->out.n_logs; i++)
		say_line(d, &c->out.logs[i]);
	for (size_t i = 0; i < c->out.settled.n; i++)
		memory_settled(d, c->out.settled.v[i]);
	set_deadline(d);
	if (!d->turn.store_ok) {
		/* For the next try; the machine asks for no effect while the store fails. */
		if (c->out.n_logs || c->out.forgotten.n || c->deletions)
			LL_APPEND(d->turn.failed, c);
		else
			commit_free(c);
		return;
	}
	put_rest(d, c);
	put_records(d);
	if (c->out.n_effects == 0 && store_batch_is_empty(batch_of(d)))
		commit_free(c);
	else
		commit(d, c);
}

static void on_idle(uv_idle_t *idle) {
	uv_idle_stop(idle);
	turn(idle->data);
}

static void on_timer(uv_timer_t *timer) { turn(timer->data); }

void turn_wake(struct daemon *d) {
	if (!d->stopping)
		uv_idle_start(&d->turn.idle, on_idle);
}

void turn_init(struct daemon *d) {
	d->turn.store_ok = true;
	uv_idle_init(d->loop, &d->turn.idle);
	uv_timer_init(d->loop, &d->turn.timer);
	uv_timer_init(d->loop, &d->turn.retry);
	uv_timer_init(d->loop, &d->turn.trim);
	d->turn.idle.data = d->turn.timer.data = d->turn.retry.data = d->turn.trim.data = d;
	d->turn.timer.timer_cb = on_timer;
	d->turn.retry.timer_cb = retry;
	uv_timer_start(&d->turn.trim, trim, 60000, TRIM_INTERVAL_MS);
}

void turn_close(struct daemon *d) {
	struct turn_commit *c, *next;

	uv_close((uv_handle_t *)&d->turn.idle, NULL);
	uv_close((uv_handle_t *)&d->turn.timer, NULL);
	uv_close((uv_handle_t *)&d->turn.retry, NULL);
	uv_close((uv_handle_t *)&d->turn.trim, NULL);
	LL_FOREACH_SAFE(d->turn.failed, c, next) { commit_free(c); }
	deletions_free(d->turn.deletions);
	store_batch_free(d->turn.batch);
	free(d->turn.store_reason);
}
