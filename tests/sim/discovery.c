/* A manager's part of service discovery: heird's own publishers and orders, on the virtual clock, with ways to the registries of
 * the world instead of sockets. An order is given when it is on disk, as the runner gives it. */
#include "sim.h"

#include "base/alloc.h"
#include "daemon/orders.h"

#include <stdlib.h>

/* One registry's. */
struct follower {
	struct publishers *all;
	struct publisher *publisher;
	struct mono wake;
	unsigned wishes; /* that were made; the last one counts */
};

struct publishers {
	struct sim *sim;
	unsigned manager;
	struct orders *orders;
	struct follower of[REGISTRIES];
};

/* ---- the clock ---- */

static struct mono now(void *ctx) { return ((struct follower *)ctx)->all->sim->now; }
static struct wall wall(void *ctx) { return (struct wall){now(ctx).ns / 1000000}; }

static void on_time(struct sim *s, const struct event *e) {
	struct follower *f = e->data;

	(void)s;
	if ((unsigned)e->b != f->wishes)
		return; /* another one has taken its place */
	f->wake = MONO_NEVER;
	publisher_due(f->publisher);
}

static void wake(void *ctx, struct mono at) {
	struct follower *f = ctx;
	struct sim *s = f->all->sim;
	struct span in = mono_since(s->now, at);

	if (f->wake.ns == at.ns)
		return;
	f->wake = at;
	f->wishes++;
	if (at.ns != MONO_NEVER.ns)
		sim_at(s, in.ns > 0 ? in : span_ms(1), f->all->manager, on_time, 0, (int)f->wishes, f);
}

static void close_clock(void *ctx) { (void)ctx; }

/* ---- what comes back ---- */

static void report(void *ctx, const char *workload, const struct publication_report *r) {
	struct sim *s = ctx;

	sim_say(s, "  %s is %spublished%s%s%s", workload, r->published ? "" : "not ", r->awaited ? " yet" : "",
		r->detail ? ": " : "", r->detail ? r->detail : "");
	if (resched_published(s->machine, workload, r))
		manager_wake(s);
}

static void progress(void *ctx, const char *workload) { orders_progress(((struct sim *)ctx)->publishers->orders, workload); }

static bool may_withdraw(void *ctx, const char *workload, const char *node, unsigned generation) {
	struct sim *s = ctx;
	bool may = resched_may_withdraw(s->machine, workload, node, generation);

	if (may)
		check_may_withdraw(s, workload);
	return may;
}

static void trouble(void *ctx, const struct publisher *p, const struct err *err) {
	sim_say(ctx, "registry %s: %s", publisher_name(p), err ? err->msg : "works");
}

static void notice(void *ctx, const struct publisher *p, const char *key, const char *text) {
	sim_say(ctx, "registry %s: %s: %s", publisher_name(p), key, text);
}

static void compared(void *ctx, const struct publisher *p) {
	(void)ctx;
	(void)p;
}

/* ---- its life ---- */

void publishers_start(struct sim *s) {
	const struct publisher_handler handler = {.progress = progress,
						  .may_withdraw = may_withdraw,
						  .trouble = trouble,
						  .notice = notice,
						  .compared = compared,
						  .ctx = s};

	if (!s->settings.discovery.any)
		return;
	struct publishers *all = s->publishers = xnew(struct publishers);
	*all = (struct publishers){.sim = s, .manager = s->manager, .orders = orders_new(report, s)};
	for (int i = 0; i < REGISTRIES && s->registries[i].there; i++) {
		struct follower *f = &all->of[i];
		const struct publisher_clock clock = {.now = now, .wall = wall, .wake = wake, .close = close_clock, .ctx = f};
		const struct publisher_settings settings = {
			.required = s->registries[i].required, .deadline = s->publish_deadline, .interval = s->publish_interval};
		*f = (struct follower){.all = all, .wake = MONO_NEVER};
		f->publisher = publisher_new_on(&clock, registry_open(s, i, s->manager), &settings, &handler);
		orders_add(all->orders, f->publisher);
	}
	for (int i = 0; i < REGISTRIES && all->of[i].publisher; i++)
		publisher_start(all->of[i].publisher);
}

void publishers_drop(struct sim *s) {
	struct publishers *all = s->publishers;

	if (!all)
		return;
	for (int i = 0; i < REGISTRIES; i++)
		publisher_free(all->of[i].publisher);
	orders_free(all->orders);
	free(all);
	s->publishers = NULL;
}

void publishers_order(struct sim *s, struct effect *e) {
	static const struct effect_result ok = {.outcome = EFFECT_OK};

	if (s->acting_old)
		sim_fail(s, INV_EPOCH, "manager %u, which another one has followed, orders what is to be published", s->manager);
	sim_say(s, "  order  #%llu.%u %s: %zu entries", (unsigned long long)e->id, s->manager, e->workload, e->n_entries);
	coverage_effect(e->kind, EFFECT_OK);
	orders_give(s->publishers->orders, e, NULL);
	resched_result(s->machine, s->now, e->id, &ok);
	manager_wake(s);
	effect_free(e);
}
