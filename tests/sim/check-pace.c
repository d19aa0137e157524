/* Limits and pauses: how many at once, how often, how soon again, and on which nodes not yet. Counted here a second time, from what
 * is seen of the machine: nothing of its own counters is asked. */
#include "checks.h"

#include <stdlib.h>
#include <string.h>

#define ROW_RETRY_MS 250 /* a row's second try comes no sooner; then twice as late each time */
#define STORM_OVER_SEC 30
#define BEGUN_AT_ONCE_MAX 8 /* takeovers of one workload, each less than a second after the last */

static struct span twice(struct span d, unsigned times, struct span cap) {
	for (unsigned i = 0; i < times && span_less(d, cap); i++)
		d.ns *= 2;
	return span_less(cap, d) ? cap : d;
}

static bool is_too_soon(const struct sim *s, struct mono since, struct span pause) {
	return !mono_reached(mono_add(since, pause), s->now);
}

/* ---- tries of one row, orders to one agent, steps of one clean-up ---- */

static void note_miss(struct sim *s, const struct takeover *t) {
	struct seen_takeover *was = check_seen(s, t->id);

	if (!was)
		return;
	bool again =
		was->misses && was->missed_row == t->row && was->missed_abort == t->abort && was->missed_life == s->checks->life;
	was->misses = again ? was->misses + 1 : 1;
	was->missed_row = t->row;
	was->missed_abort = t->abort;
	was->missed_life = s->checks->life;
	was->missed = s->now;
}

static int container_index(const struct sim *s, const char *id) {
	for (int i = 0; i < s->fake.n_containers && i < CLEANED_MAX; i++)
		if (strcmp(s->fake.containers[i]->id, id) == 0)
			return i;
	return -1;
}

static bool is_clean_up(const struct effect *e) {
	return !*e->takeover && e->workload && !agents_handle(e->kind) && e->kind != EFFECT_PUBLISH;
}

static void note_clean_up(struct sim *s, const struct flight *f) {
	int i = container_index(s, f->effect->container);
	bool known = f->outcome == EFFECT_OK || (f->outcome == EFFECT_REFUSED && f->result.refusal != REFUSAL_OTHER);

	if (i < 0)
		return;
	struct check_tries *c = &s->checks->cleaned[i];
	c->failures = known ? 0 : c->manager == f->manager ? c->failures + 1 : 1;
	c->manager = f->manager;
	c->at = s->now;
}

/* Of the agent's process, as the machine has heard of it: another one begins anew. */
static unsigned instance_of(const struct sim *s, int node) {
	const struct world_node *n = world_node(resched_world(s->machine), s->fake.nodes[node].name);
	return n->agent.instance ? (unsigned)atoi(n->agent.instance) : 0;
}

static void note_order(struct sim *s, const struct flight *f) {
	int node = fake_node_index(&s->fake, f->effect->node);
	struct check_tries *o = &s->checks->orders[node];
	bool same = o->manager == f->manager && o->instance == instance_of(s, node);

	o->failures = f->outcome == EFFECT_OK ? 0 : same ? o->failures + 1 : 1;
	o->manager = f->manager;
	o->instance = instance_of(s, node);
	o->at = s->now;
}

void check_pace_answer(struct sim *s, const struct flight *f, const struct takeover *t) {
	if (s->acting_old)
		return;
	bool missed = f->outcome == EFFECT_NOT_DONE || f->outcome == EFFECT_UNKNOWN;
	/* What it asked for before it went back no longer matters to it. */
	bool matters = t && (t->abort == ABORT_NO || f->effect->kind == EFFECT_REMOVE || f->effect->kind == EFFECT_INSPECT);
	if (missed && matters)
		note_miss(s, t);
	if (is_clean_up(f->effect))
		note_clean_up(s, f);
	if (f->effect->kind == EFFECT_QUARANTINE)
		note_order(s, f);
}

static void check_row_pace(struct sim *s, const struct effect *e, const struct takeover *t) {
	const struct seen_takeover *was = check_seen(s, t->id);

	if (!was || !was->misses || was->missed_row != t->row || was->missed_abort != t->abort ||
	    was->missed_life != s->checks->life || e->kind == EFFECT_PROVE)
		return;
	if (is_too_soon(s, was->missed, twice(span_ms(ROW_RETRY_MS), was->misses - 1, s->settings.backoff_cap)))
		sim_fail(s, INV_LIMITS, "takeover %s tries %s again too soon, after %u misses", t->id, effect_kind_name(e->kind),
			 was->misses);
}

static void check_clean_up_pace(struct sim *s, const struct effect *e) {
	int i = container_index(s, e->container);

	if (i < 0)
		return;
	struct check_tries *c = &s->checks->cleaned[i];
	if (c->kind != e->kind)
		c->failures = 0;
	c->kind = e->kind;
	if (c->failures && c->manager == s->manager &&
	    is_too_soon(s, c->at, twice(s->settings.backoff_initial, c->failures - 1, s->settings.backoff_cap)))
		sim_fail(s, INV_LIMITS, "%s of %s is tried again too soon, after %u misses", effect_kind_name(e->kind),
			 e->container, c->failures);
}

/* It has left the step that failed. */
void check_pace_copy(struct sim *s, const struct workload_copy *copy) {
	static const enum effect_kind kinds[CLEAN_MAX] = {
		[CLEAN_DISCONNECT] = EFFECT_DISCONNECT, [CLEAN_STOP] = EFFECT_STOP,     [CLEAN_PARK] = EFFECT_POLICY,
		[CLEAN_RENAME] = EFFECT_RENAME,         [CLEAN_REMOVE] = EFFECT_REMOVE,
	};
	int i = container_index(s, copy->id);

	if (i >= 0 && kinds[copy->row] != s->checks->cleaned[i].kind)
		s->checks->cleaned[i].failures = 0;
}

static void check_order_pace(struct sim *s, const struct effect *e) {
	int node = fake_node_index(&s->fake, e->node);
	const struct check_tries *o = &s->checks->orders[node];

	if (o->failures && o->manager == s->manager && o->instance == instance_of(s, node) &&
	    is_too_soon(s, o->at, twice(s->settings.backoff_initial, o->failures - 1, s->settings.backoff_cap)))
		sim_fail(s, INV_LIMITS, "the agent of %s is ordered again too soon, after %u failures", e->node, o->failures);
}

void check_pace_effect(struct sim *s, const struct effect *e) {
	const struct takeover *t = *e->takeover ? check_takeover(s, e->takeover) : NULL;

	if (t)
		check_row_pace(s, e, t);
	else if (is_clean_up(e))
		check_clean_up_pace(s, e);
	else if (e->kind == EFFECT_QUARANTINE)
		check_order_pace(s, e);
}

/* ---- how many at once ---- */

static bool is_idle(enum takeover_state state, enum takeover_row row) {
	return takeover_is_over(state) || state == TAKEOVER_NEEDS_OPERATOR || (state == TAKEOVER_WAITING && row == ROW_EVIDENCE);
}

/* It was given its target in this turn. */
static bool is_adopted(const struct takeover *t, const struct seen_takeover *was) {
	return t->row > ROW_PLAN && (!was->known || was->row == ROW_PLAN) && !takeover_is_resumed(t) && !is_idle(t->state, t->row);
}

static bool is_running(const struct takeover *t, const struct seen_takeover *was) {
	return was->known && was->row > ROW_PLAN && t->to && !is_idle(was->state, was->row) && !is_idle(t->state, t->row);
}

/* What its user has removed meanwhile has nothing more to put there. */
static bool is_given_up(const struct sim *s, const struct takeover *t) {
	const struct truth *truth = sim_truth_named(s, t->workload);
	return t->abort != ABORT_NO && truth && truth->excused;
}

/* Those that run on, and those that begin now; on that node, or on all. */
static unsigned count(struct sim *s, const char *to, bool adopted_only) {
	unsigned n = 0;

	for (const struct takeover *t = resched_takeovers(s->machine); t; t = t->hh.next) {
		const struct seen_takeover *was = check_seen(s, t->id);
		if (was && (!to || (t->to && strcmp(t->to, to) == 0 && !is_given_up(s, t))))
			n += is_adopted(t, was) || (!adopted_only && is_running(t, was));
	}
	return n;
}

static void check_target(struct sim *s, const struct takeover *t) {
	int node = fake_node_index(&s->fake, t->to);

	if (!mono_reached(s->checks->held_until[node], s->now))
		sim_fail(s, INV_HELD, "takeover %s goes to %s, which is held down for %.1f s more", t->id, t->to,
			 span_to_sec(mono_since(s->now, s->checks->held_until[node])));
	for (int i = 0; i < s->fake.n_containers; i++) {
		const struct fake_container *c = s->fake.containers[i];
		if (c->node == node && c->running && check_is_stale(s, c))
			sim_fail(s, INV_HELD, "takeover %s goes to %s, where the stale %s still runs", t->id, t->to, c->id);
	}
	if (s->settings.per_target && count(s, t->to, false) > s->settings.per_target)
		sim_fail(s, INV_LIMITS, "%u takeovers run on %s, %u may", count(s, t->to, false), t->to, s->settings.per_target);
}

void check_pace_targets(struct sim *s) {
	if (count(s, NULL, true) == 0)
		return;
	if (s->settings.parallel && count(s, NULL, false) > s->settings.parallel)
		sim_fail(s, INV_LIMITS, "%u takeovers run, %u may", count(s, NULL, false), s->settings.parallel);
	for (const struct takeover *t = resched_takeovers(s->machine); t; t = t->hh.next) {
		const struct seen_takeover *was = check_seen(s, t->id);
		if (was && is_adopted(t, was))
			check_target(s, t);
	}
}

/* ---- how often, and how soon again ---- */

static unsigned count_lost(const struct sim *s) {
	unsigned lost = 0;

	for (int i = 0; i < s->fake.n_nodes; i++)
		lost += s->checks->verdicts[i] != NODE_ALIVE && s->checks->verdicts[i] != NODE_RECOVERING;
	return lost;
}

/* The brake lets go of what a storm has hit when that had time to come back, and looks once a beat who else answers. */
static void check_calm(struct sim *s, const struct takeover *t) {
	const struct checks *c = s->checks;
	struct span settle = storm_settling_time(&s->detector_settings);

	if (c->stormy.ns && is_too_soon(s, c->stormy, settle))
		sim_fail(s, INV_BRAKE, "takeover %s begins %.1f s after a storm", t->id,
			 span_to_sec(mono_since(c->stormy, s->now)));
	if (c->alone_since.ns != MONO_NEVER.ns && !is_too_soon(s, c->alone_since, settle))
		sim_fail(s, INV_BRAKE, "takeover %s begins, and nobody else has answered for %.1f s", t->id,
			 span_to_sec(mono_since(c->alone_since, s->now)));
}

static bool is_storm(const struct sim *s, unsigned lost) { return lost * 100 > s->max_lost * (unsigned)s->fake.n_nodes; }

/* What begins and goes back without end harms nobody, and helps nobody. */
static void check_again(struct sim *s, struct truth *truth) {
	truth->begun = is_too_soon(s, truth->begun_last, span_sec(1)) ? truth->begun + 1 : 0;
	truth->begun_last = s->now;
	if (truth->begun > BEGUN_AT_ONCE_MAX)
		sim_fail(s, INV_LIMITS, "takeovers of %s begin one upon the other", truth->workload);
}

static void check_begun(struct sim *s, const struct takeover *t, const struct truth *truth) {
	const struct world_node *from = world_node(resched_world(s->machine), t->from);

	if (is_storm(s, count_lost(s)) && !(from && from->confirmed_dead) && !takeover_is_resumed(t))
		sim_fail(s, INV_BRAKE, "takeover %s begins, and %u of %d nodes are lost", t->id, count_lost(s), s->fake.n_nodes);
	if (!(from && from->confirmed_dead) && !takeover_is_resumed(t))
		check_calm(s, t);
	if (truth->life != s->checks->life || truth->failures < 2)
		return;
	struct span pause = twice(s->settings.backoff_initial, truth->failures - 2, s->settings.backoff_cap);
	if (is_too_soon(s, truth->failed, pause))
		sim_fail(s, INV_LIMITS, "takeover %s begins too soon, after %u failed attempts", t->id, truth->failures);
}

static bool has_failed(const struct takeover *t, const struct seen_takeover *was) {
	if (t->state == TAKEOVER_FAILED)
		return was->state != TAKEOVER_FAILED;
	return t->state == TAKEOVER_NEEDS_OPERATOR && t->row == ROW_PLAN && was->abort == ABORT_FAIL && t->abort == ABORT_NO;
}

static void count_failure(struct sim *s, struct truth *truth) {
	truth->failures = truth->life == s->checks->life ? truth->failures + 1 : 1;
	truth->life = s->checks->life;
	truth->failed = s->checks->turned; /* since then, at the latest */
	if (truth->failures > s->settings.attempts)
		sim_fail(s, INV_LIMITS, "%s was tried %u times, %u may be", truth->workload, truth->failures, s->settings.attempts);
}

void check_pace_turn(struct sim *s, const struct takeover *t, struct seen_takeover *was) {
	struct truth *truth = sim_truth_named(s, t->workload);

	if (was->row != t->row)
		was->misses = 0;
	if (truth && !was->known)
		check_again(s, truth);
	if (!truth || t->planned || was->planned)
		return;
	if (!was->known && !takeover_is_over(t->state))
		check_begun(s, t, truth);
	if (was->known && has_failed(t, was))
		count_failure(s, truth);
	if (t->state == TAKEOVER_DONE && was->state != TAKEOVER_DONE)
		truth->failures = 0;
}

/* ---- nodes: what is held down, and the storm ---- */

static struct span hold_of(const struct sim *s, int node) {
	const struct checks *c = s->checks;
	unsigned deaths = 0;

	for (int i = 0; i < c->n_deaths[node]; i++)
		deaths += mono_since(c->deaths[node][i], s->now).ns <= span_sec(600).ns;
	return deaths < 2 ? span_ms(0) : twice(span_sec(10), deaths - 2, span_sec(300));
}

static bool is_down(enum node_verdict v) { return v == NODE_UNKNOWN || v == NODE_ENGINE_ONLY || v == NODE_DEAD; }

static void note_verdict(struct sim *s, int node, enum node_verdict now) {
	struct checks *c = s->checks;
	enum node_verdict before = c->verdicts[node];

	c->verdicts[node] = now;
	if (now == NODE_DEAD && before != NODE_RECOVERING && c->n_deaths[node] < DEATHS_MAX)
		c->deaths[node][c->n_deaths[node]++] = s->now;
	if (is_down(before) && (now == NODE_ALIVE || now == NODE_RECOVERING)) {
		check_new_life(s);
		c->held_until[node] = mono_add(s->now, hold_of(s, node));
	}
}

static void forget_verdicts(struct sim *s) {
	struct checks *c = s->checks;

	c->verdict_manager = s->manager;
	check_new_life(s);
	memset(c->verdicts, 0, sizeof(c->verdicts));
	memset(c->n_deaths, 0, sizeof(c->n_deaths));
	memset(c->held_until, 0, sizeof(c->held_until));
	c->no_storm_since = c->alone_since = MONO_NEVER;
	c->stormy = (struct mono){0};
}

static void note_storm(struct sim *s, bool answered) {
	struct checks *c = s->checks;
	bool known = false;

	for (int i = 0; i < s->fake.n_nodes; i++)
		known |= c->verdicts[i] == NODE_DEAD || c->verdicts[i] == NODE_SUSPECT || c->verdicts[i] == NODE_ENGINE_ONLY;
	if (known && is_storm(s, count_lost(s)))
		c->stormy = s->now;
	if (answered || !mono_reached(s->sleeps, s->now))
		c->alone_since = MONO_NEVER;
	else if (c->alone_since.ns == MONO_NEVER.ns)
		c->alone_since = s->now;
}

static void check_brake_lets_go(struct sim *s, bool alive_remote) {
	struct checks *c = s->checks;
	const char *reason;

	bool asleep = !mono_reached(s->sleeps, s->now); /* nobody looks */
	if (asleep || is_storm(s, count_lost(s)) || !alive_remote || s->fake.n_nodes < 3)
		c->no_storm_since = MONO_NEVER;
	else if (c->no_storm_since.ns == MONO_NEVER.ns)
		c->no_storm_since = s->now;
	else if (resched_brake_holds(s->machine, &reason) && mono_since(c->no_storm_since, s->now).ns > span_sec(STORM_OVER_SEC).ns)
		sim_fail(s, INV_BRAKE, "the brake holds, and not more than %u%% have been lost for %d s", s->max_lost,
			 STORM_OVER_SEC);
}

void check_pace_nodes(struct sim *s) {
	bool alive_remote = false, agent = false;
	int i = 0;

	if (s->checks->verdict_manager != s->manager)
		forget_verdicts(s);
	for (const struct world_node *n = resched_world(s->machine)->nodes; n; n = n->hh.next, i++) {
		if (s->checks->verdicts[i] != n->verdict)
			note_verdict(s, i, n->verdict);
		s->checks->was_lost[i] |= check_is_lost(s, n->name) || n->verdict == NODE_DEAD;
		alive_remote |= n->verdict == NODE_ALIVE && n->remote;
		agent |= n->agent.state == NODE_AGENT_OK && n->remote;
		if (n->agent.settled)
			s->checks->orders[i].failures = 0;
	}
	note_storm(s, alive_remote || agent);
	check_brake_lets_go(s, alive_remote);
}
