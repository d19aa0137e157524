/* See resched.h. The turn: what is begun, in which order everything is looked at, and whose a result is. Facts come in through
 * facts.c; walk.c and clean.c carry on what was begun. */
#include "resched/resched-internal.h"

#include "base/alloc.h"
#include "base/mutant.h"

#include <string.h>

struct resched *resched_new(const struct resched_settings *settings) {
	struct resched *r = xnew(struct resched);

	r->settings = *settings;
	r->cluster = xstrdup(settings->cluster);
	r->settings.cluster = r->cluster;
	r->store_ok = true;
	r->deadline = MONO_NEVER;
	return r;
}

void resched_free(struct resched *r) {
	if (!r)
		return;
	struct takeover *t, *next_t;
	HASH_ITER (hh, r->takeovers, t, next_t) {
		HASH_DEL(r->takeovers, t);
		takeover_free(t);
	}
	struct workload *w, *next_w;
	HASH_ITER (hh, r->workloads, w, next_w) {
		HASH_DEL(r->workloads, w);
		workload_free(w);
	}
	world_clear(&r->world);
	agents_clear(r);
	publish_clear(r);
	limit_clear(r);
	resched_output_clear(&r->out);
	for (unsigned i = 0; i < REMOVED_KEPT; i++)
		free(r->removed[i]);
	free(r->cluster);
	free(r->brake_reason);
	free(r->store_reason);
	free(r);
}

struct workload *workload_find(const struct resched *r, const char *id) {
	struct workload *w = NULL;
	HASH_FIND_STR(r->workloads, id, w);
	return w;
}

struct takeover *takeover_open(const struct resched *r, const struct workload *w) {
	(void)r;
	return w->newest && !takeover_is_over(w->newest->state) ? w->newest : NULL;
}

bool node_is_lost(const struct resched *r, const struct world_node *n) {
	if (n->confirmed_dead)
		return true;
	if (n->verdict == NODE_DEAD)
		return n->seen_by.n == 0 || MUTANT(WITNESS_IGNORED); /* else it is we who are cut off from it */
	return n->verdict == NODE_ENGINE_ONLY && (r->settings.engine_only_move || MUTANT(ENGINE_ONLY_TAKEN_FOR_DEAD));
}

const char *node_is_barred(const struct resched *r, const struct world_node *n) {
	if (n->hold)
		return n->hold;
	if (n->confirmed_dead)
		return NULL;
	if (r->brake)
		return r->brake_reason ? r->brake_reason : "?";
	return n->zone_brake;
}

void takeover_add(struct resched *r, struct takeover *t) {
	struct workload *w = workload_find(r, t->workload);

	HASH_ADD_KEYPTR(hh, r->takeovers, t->id, strlen(t->id), t);
	/* They come back in the order of a wall clock, which may have been set back: the open one is the newest all the same. */
	if (w && !(takeover_open(r, w) && takeover_is_over(t->state)))
		w->newest = t;
}

struct span backoff(const struct resched *r, unsigned tries) {
	struct span d = r->settings.backoff_initial;
	for (unsigned i = 1; i < tries && span_less(d, r->settings.backoff_cap); i++)
		d.ns *= 2;
	return span_less(r->settings.backoff_cap, d) ? r->settings.backoff_cap : d;
}

void wake_at(struct resched *r, struct mono t) { r->deadline = mono_min(r->deadline, t); }

void resched_result(struct resched *r, struct mono now, uint64_t effect, const struct effect_result *result) {
	r->now = now;
	r->world_changed = true;
	if (agents_result(r, effect, result) || publish_result(r, effect, result))
		return;
	for (struct takeover *t = r->takeovers; t; t = t->hh.next)
		if (t->pending == effect) {
			takeover_result(r, t, result);
			return;
		} else if (takeover_proof(r, t, effect, result)) {
			return;
		}
	for (struct world_node *n = r->world.nodes; n; n = n->hh.next)
		if (n->restoring == effect) {
			clean_node_result(r, n, result);
			return;
		}
	for (struct workload *w = r->workloads; w; w = w->hh.next)
		if (clean_result(r, w, effect, result))
			return;
}

static bool wants_takeover(const struct resched *r, const struct workload *w) {
	const struct world_node *n = world_node(&r->world, w->node);

	if (!n || (!node_is_lost(r, n) && !w->orphan) || !w->must_run || w->gone || w->exhausted || w->abandoned)
		return false;
	const struct world_container *c = workload_subject(r, w);
	return c && (c->policy.move || MUTANT(MOVED_WITHOUT_CONSENT)) && !takeover_open(r, w);
}

static void begin_lost(struct resched *r, struct workload *w) {
	if (!wants_takeover(r, w))
		return;
	const struct world_node *n = world_node(&r->world, w->node);
	if ((w->orphan ? r->brake : node_is_barred(r, n) != NULL) && !MUTANT(BEGUN_AGAINST_BRAKE))
		return;
	struct mono due = limit_due(r, w, n);
	if (!mono_reached(due, r->now)) {
		wake_at(r, due);
		return;
	}
	takeover_begin(r, w, NULL);
}

/* An attempt whose target died is the owner that nobody has seen to: when its node is back before anything was taken from it, it is
 * finished there. */
static void begin_resume(struct resched *r, struct workload *w) {
	const struct world_node *n = world_node(&r->world, w->node);

	if (w->verified || w->orphan || w->gone || !w->container || !n || n->verdict != NODE_ALIVE || !n->listed ||
	    takeover_open(r, w) || MUTANT(NOT_RESUMED))
		return;
	takeover_resume(r, w);
}

/* Whether it would find its place there now: else nothing is begun. */
static bool can_return(const struct resched *r, const struct workload *w) {
	const struct world_container *c = workload_subject(r, w);
	struct plan_choice choice;
	struct plan_claim *claims;

	if (!c || !c->policy.move || c->blockers.n)
		return false;
	size_t n = open_claims(r, NULL, &claims);
	plan_for(r, w, c, w->node, w->origin, claims, n, &choice);
	bool can = choice.target != NULL;
	plan_choice_clear(&choice);
	free(claims);
	return can;
}

/* `keep: oldest`: back to where it came from, by an ordinary takeover, once everything is quiet. */
static void begin_return(struct resched *r, struct workload *w) {
	if (!limit_keeps_oldest(r, w) || w->orphan || !w->origin || !w->verified || !w->must_run || w->gone || takeover_open(r, w))
		return;
	const struct world_node *home = world_node(&r->world, w->origin), *here = world_node(&r->world, w->node);
	if (!home || !here || home == here || !world_node_serves(home) || here->verdict != NODE_ALIVE || r->brake || here->hold)
		return;
	/* Not while a copy of it may still speak somewhere: evidence that is missing would be found out with the owner stopped. */
	for (size_t i = 0; i < w->n_copies; i++)
		if (strcmp(w->copies[i].node, w->origin) == 0 || (!w->copies[i].staged && w->copies[i].row < CLEAN_WAIT))
			return;
	if (!mono_reached(w->not_before, r->now))
		wake_at(r, w->not_before);
	else if (!w->exhausted && can_return(r, w))
		takeover_begin(r, w, w->origin);
}

/* The log says that an operator is needed, and why, as often as that becomes another matter, and again after a restart. */
static void say_asked(struct resched *r, struct takeover *t) {
	bool needed = t->state == TAKEOVER_NEEDS_OPERATOR;

	if (needed && (!t->asked || strcmp(t->asked, t->reason) != 0))
		log_nets(r, t, "needs-operator", "waiting", t->reason);
	xstr_replace(&t->asked, needed ? t->reason : NULL);
}

static void drop_old_takeovers(struct resched *r) {
	unsigned over = 0;

	for (const struct takeover *t = r->takeovers; t; t = t->hh.next)
		over += takeover_is_over(t->state) && !t->dirty;
	struct takeover *t, *next;
	HASH_ITER (hh, r->takeovers, t, next) {
		if (over <= TAKEOVERS_KEPT)
			return;
		if (takeover_is_over(t->state) && !t->dirty) {
			struct workload *w = workload_find(r, t->workload);
			if (w && w->newest == t)
				w->newest = NULL;
			HASH_DEL(r->takeovers, t);
			takeover_free(t);
			over--;
		}
	}
}

void resched_turn(struct resched *r, struct mono now, struct wall wall) {
	r->now = now;
	r->wall = wall;
	r->deadline = MONO_NEVER;
	if (r->began.ns == 0)
		r->began = now;
	if (!r->store_ok)
		return; /* nothing may be begun that cannot be journalled */
	facts_settle(r);
	struct workload *w, *next;
	HASH_ITER (hh, r->workloads, w, next) {
		begin_lost(r, w);
		begin_resume(r, w);
		begin_return(r, w);
	}
	for (struct takeover *t = r->takeovers; t; t = t->hh.next)
		if (!takeover_is_over(t->state))
			takeover_walk(r, t);
	for (struct takeover *t = r->takeovers; t; t = t->hh.next)
		say_asked(r, t);
	HASH_ITER (hh, r->workloads, w, next)
		clean_walk(r, w);
	for (struct world_node *n = r->world.nodes; n; n = n->hh.next)
		clean_node(r, n);
	agents_turn(r);
	publish_turn(r);
	drop_old_takeovers(r);
	r->world_changed = false;
}

struct mono resched_deadline(const struct resched *r) {
	return r->deadline;
}

const struct world *resched_world(const struct resched *r) { return &r->world; }

const struct workload *resched_workloads(const struct resched *r) { return r->workloads; }

const struct takeover *resched_takeovers(const struct resched *r) { return r->takeovers; }

bool resched_brake_holds(const struct resched *r, const char **ret_reason) {
	*ret_reason = r->brake_reason;
	return r->brake;
}
