/* The machine's turn at the end of a turn of the loop; what it wants written and done is the journal's. Here are the timers and
 * what is logged of it. */
#include "daemon/daemon.h"

#include "base/log.h"
#include "daemon/crash.h"

#include <string.h>

#define STORE_RETRY_MS 2000
#define TRIM_INTERVAL_MS 3600000
#define LOG_KEEP_DAYS 90
#define TAKEOVERS_KEEP 5000

/* ---- what the journal calls ---- */

static void commit_begins(void *ctx) { crash_commit_begins(ctx); }
static void commit_ended(void *ctx, struct effect *const *effects, size_t n) { crash_commit_ended(ctx, effects, n); }

static void perform(void *ctx, struct effect *e) { runner_perform(ctx, e); }

static void not_done(void *ctx, const struct effect *e, const char *why) { runner_not_done(ctx, e, why); }

static void wake(void *ctx) { turn_wake(ctx); }

/* Said for each that comes to need one, and again after a restart. */
static void takeover_written(void *ctx, const struct takeover *t) {
	(void)ctx;
	if (t->state == TAKEOVER_NEEDS_OPERATOR)
		log_error("needs-operator", LOG_STR("takeover", t->id), LOG_STR("container", t->container),
			  LOG_STR("reason", t->reason));
}

static void lines_written(void *ctx) { api_log_written(ctx); }

static void failing(void *ctx, bool first, const struct err *err) {
	struct daemon *d = ctx;

	if (first)
		log_error("store-failing", LOG_STR("error", err->msg),
			  LOG_STR("next", "nothing is taken over until it can be written; it is tried again every 2 s"));
	uv_timer_start(&d->turn.retry, d->turn.retry.timer_cb, STORE_RETRY_MS, 0);
}

static void works(void *ctx) {
	(void)ctx;
	log_info("store-works", LOG_STR("next", "what was held back is gone on with"));
}

static void retry(uv_timer_t *timer) {
	struct daemon *d = timer->data;
	journal_retry(d->journal);
}

static void trim(uv_timer_t *timer) {
	struct daemon *d = timer->data;
	journal_trim(d->journal, (struct wall){wall_now().ms - (int64_t)LOG_KEEP_DAYS * 24 * 3600 * 1000}, TAKEOVERS_KEEP);
}

/* ---- what is logged ---- */

static void say_line(const struct daemon *d, const struct resched_log *l) {
	log_info("takeover", LOG_STR("takeover", *l->takeover ? l->takeover : NULL), LOG_INT("epoch", store_epoch(d->store)),
		 LOG_STR("container", l->container), LOG_STR("step", l->step), LOG_STR("outcome", l->outcome),
		 LOG_STR("network", l->network), LOG_STR("ip", l->ip), LOG_STR("from", l->from), LOG_STR("to", l->to),
		 LOG_STR("evidence", l->evidence), LOG_STR("detail", l->detail));
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

static void turn(struct daemon *d) {
	struct wall now = wall_now();
	struct resched_output out;

	resched_turn(d->machine, mono_now(), now);
	resched_take_output(d->machine, &out);
	log_nodes(d);
	for (size_t i = 0; i < out.n_logs; i++)
		say_line(d, &out.logs[i]);
	set_deadline(d);
	journal_turn(d->journal, &out, now);
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

void turn_delete(struct daemon *d, enum store_table table, const char *key) { journal_delete(d->journal, table, key); }

void turn_init(struct daemon *d) {
	const struct journal_handler handler = {
		.commit_begins = commit_begins,
		.commit_ended = commit_ended,
		.perform = perform,
		.not_done = not_done,
		.wake = wake,
		.takeover_written = takeover_written,
		.lines_written = lines_written,
		.failing = failing,
		.works = works,
		.ctx = d,
	};

	d->memory = memory_new(d->machine);
	d->journal = journal_new(d->machine, d->memory, d->store, &handler);
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
	uv_close((uv_handle_t *)&d->turn.idle, NULL);
	uv_close((uv_handle_t *)&d->turn.timer, NULL);
	uv_close((uv_handle_t *)&d->turn.retry, NULL);
	uv_close((uv_handle_t *)&d->turn.trim, NULL);
	journal_free(d->journal); /* store_close is next: no commit is told of any more */
}
