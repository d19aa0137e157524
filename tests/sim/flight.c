/* An effect between the manager and the engine. It may be lost on the way, be refused, happen and not be heard of, or happen long
 * after the manager was told that nobody knows: whatever a network and a slow engine can do to a call. */
#include "sim.h"

#include "base/alloc.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void flight_free(struct flight *f) {
	effect_free(f->effect);
	world_nets_free(f->nets, f->seen.n_networks);
	engine_container_clear(&f->seen);
	spec_clear(&f->spec);
	free(f->no_spec);
	strs_clear(&f->vteps);
	free(f->detail);
	free(f);
}

void flight_free_all(struct sim *s) {
	while (s->flights) {
		struct flight *f = s->flights;
		s->flights = f->next;
		flight_free(f);
	}
}

bool flight_is_pending(const struct flight *f) { return !f->answered || f->may_happen; }

/* What nobody can notice any more is dropped. */
static void sweep(struct sim *s) {
	for (struct flight **p = &s->flights; *p;) {
		struct flight *f = *p;
		if (f->may_happen || (!f->answered && old_is_alive(s, f->manager))) {
			p = &f->next;
			continue;
		}
		*p = f->next;
		flight_free(f);
	}
}

/* ---- the way there and back ---- */

/* A key/value release is a walk of the manager's own, which looks before each disconnect and ends at its deadline: it does not come
 * late as a whole. A single disconnect may, from an engine that was stopped with the call in its socket, and as it goes by a name
 * it would hit whoever has that name by then: nothing in heir keeps it from that, and it is left out here. */
static bool never_late(const struct sim *s, const struct flight *f) {
	return s->fake.kind == NET_KV && f->effect->kind == EFFECT_RELEASE;
}

static bool is_reachable(const struct sim *s, const struct flight *f) {
	if (act_asks_swarm(f->effect->kind))
		return s->fake.kind == NET_KV || s->control_up || s->control_missing;
	int node = fake_node_index(&s->fake, f->effect->node);
	return agents_handle(f->effect->kind) ? agents_answer(s, node) : fake_answers(&s->fake, node);
}

static void happens(struct sim *s, const struct event *e);

/* An engine goes on trying to attach a swarm network for 20 s before it says no. */
static bool still_attaches(struct sim *s, struct flight *f) {
	if (f->effect->kind != EFFECT_START || f->outcome != EFFECT_REFUSED || f->result.refusal != REFUSAL_ADDRESS_TAKEN ||
	    s->fake.kind != NET_SWARM)
		return false;
	if (!f->waiting)
		f->gives_up = mono_add(s->now, span_sec(20));
	f->waiting = true;
	return !mono_reached(f->gives_up, s->now);
}

/* It is tried again, and whoever waits for the answer waits on. */
static void attach_later(struct sim *s, struct flight *f) {
	f->outcome = EFFECT_OK;
	f->result.refusal = REFUSAL_OTHER;
	free(f->detail);
	f->detail = NULL;
	f->may_happen = true;
	sim_at(s, span_ms(500), 0, happens, 0, 0, f);
}

/* Given back when it is perhaps a stale copy, and parked, by now. */
static void note_policy_late(struct sim *s, const struct flight *f) {
	struct fake_container *c = fake_by_id(&s->fake, f->effect->container);

	if (c && f->late && f->effect->kind == EFFECT_POLICY && *f->effect->takeover)
		c->unparked = true;
}

static void happens(struct sim *s, const struct event *e) {
	struct flight *f = e->data;
	bool no_engine = act_asks_swarm(f->effect->kind) || agents_handle(f->effect->kind);
	const struct fake_node *n = no_engine ? NULL : &s->fake.nodes[fake_node_index(&s->fake, f->effect->node)];
	struct span pause;

	if (old_holds(s, f->manager, &pause) && !never_late(s, f)) { /* it was about to send it */
		f->late = true;
		sim_at(s, pause, 0, happens, 0, 0, f);
		return;
	}
	if (act_asks_swarm(f->effect->kind) && s->fake.kind == NET_SWARM && !mono_reached(s->control_hangs, s->now)) {
		f->late = true; /* its managers take it up when they have a leader again */
		f->outcome = EFFECT_UNKNOWN;
		sim_at(s, mono_since(s->now, s->control_hangs), 0, happens, 0, 0, f);
		return;
	}
	if (n && n->hung && !n->off && !n->killed) {
		/* It lies in the engine's socket until somebody lets the engine go on. */
		f->late = true;
		f->outcome = EFFECT_UNKNOWN;
		sim_at(s, sim_ms(s, 100, 1500), 0, happens, 0, 0, f);
		return;
	}
	f->may_happen = false;
	if (!is_reachable(s, f) && !(f->late && n && !n->off && !n->killed)) {
		f->outcome = EFFECT_UNKNOWN;
		sweep(s);
		return;
	}
	check_happens(s, f);
	note_policy_late(s, f);
	act_perform(s, f);
	if (still_attaches(s, f))
		attach_later(s, f);
	sweep(s);
}

static void hear(struct sim *s, struct flight *f) {
	const struct takeover *t = *f->effect->takeover ? check_takeover(s, f->effect->takeover) : NULL;
	struct coverage_answer at = {0};

	coverage_effect(f->effect->kind, f->outcome);
	if (t && t->pending == f->effect->id)
		at = (struct coverage_answer){t->row, f->effect->kind != takeover_rule(t->row)->act, f->outcome, t->abort};
	else
		t = NULL;
	check_pace_answer(s, f, t);
	check_heard(s, f);
	if (f->effect->kind == EFFECT_QUARANTINE && f->outcome == EFFECT_OK && !s->acting_old)
		check_kernel_heard(s, fake_node_index(&s->fake, f->effect->node));
	resched_result(s->machine, s->now, f->effect->id, &f->result);
	if (t)
		coverage_answered(&at, t);
}

/* A warning, and "no"; and a stale copy that is none the less left alone after a while. */
static void note_policy_refused(struct sim *s, const struct flight *f) {
	struct fake_container *c = fake_by_id(&s->fake, f->effect->container);

	if (*f->effect->takeover)
		sim_truth(s, c)->policy_refused = true;
	else
		c->unparked = true;
}

static void answered(struct sim *s, const struct event *e) {
	struct flight *f = e->data;

	if (f->waiting && f->may_happen && !f->late) { /* the engine is still at it */
		sim_at(s, span_ms(100), f->manager, answered, 0, 0, f);
		return;
	}
	f->answered = true;
	if (f->effect->kind == EFFECT_POLICY && f->outcome == EFFECT_REFUSED)
		note_policy_refused(s, f);
	if (f->late || f->may_happen || (f->outcome != EFFECT_NOT_DONE && !is_reachable(s, f)))
		f->outcome = EFFECT_UNKNOWN;
	f->result.outcome = f->outcome;
	if (f->outcome != EFFECT_REFUSED)
		f->result.refusal = REFUSAL_OTHER;
	f->result.detail = f->detail;
	if (f->outcome != EFFECT_OK && f->outcome != EFFECT_REFUSED)
		f->result.found = false;
	static const char *const names[] = {"ok", "refused", "not done", "unknown"};
	sim_say(s, "  answer #%llu.%u %s: %s", (unsigned long long)f->effect->id, f->manager, effect_kind_name(f->effect->kind),
		names[f->outcome]);
	if (f->effect->kind == EFFECT_RESTORE && f->outcome == EFFECT_OK)
		manager_node_restored(s, fake_node_index(&s->fake, f->effect->node));
	hear(s, f);
	manager_wake(s);
	sweep(s);
}

/* An answer to a dead manager is heard by nobody. */
static void answer_in(struct sim *s, struct flight *f, int from_ms, int to_ms) {
	sim_at(s, sim_ms(s, from_ms, to_ms), f->manager, answered, 0, 0, f);
}

static void happen_in(struct sim *s, struct flight *f, int from_ms, int to_ms) {
	f->may_happen = true;
	sim_at(s, sim_ms(s, from_ms, to_ms), 0, happens, 0, 0, f);
}

static void go_wrong(struct sim *s, struct flight *f) {
	int how = rng_below(&s->rng, 5);

	switch (how == 3 && never_late(s, f) ? 1 : how) {
	case 0: /* lost on the way, and known to be */
		f->outcome = EFFECT_NOT_DONE;
		answer_in(s, f, 1, 2000);
		return;
	case 1: /* lost on the way */
		f->outcome = EFFECT_UNKNOWN;
		answer_in(s, f, 1000, 5000);
		return;
	case 2: /* done, and the answer is lost */
		happen_in(s, f, 1, 300);
		f->late = true;
		answer_in(s, f, 1000, 5000);
		f->outcome = EFFECT_UNKNOWN;
		return;
	case 3: /* done long after it was given up */
		f->late = true;
		f->outcome = EFFECT_UNKNOWN;
		happen_in(s, f, 2000, rng_permille(&s->rng, 300) ? 40000 : 6000);
		answer_in(s, f, 500, 2000);
		return;
	default:
		act_refuse(f);
		answer_in(s, f, 1, 300);
		return;
	}
}

/* A slow host, an agent that lags, and a target that has to join the network while gossip still waits for the dead. */
static int delay_of(struct sim *s, const struct flight *f) {
	int node = act_asks_swarm(f->effect->kind) ? -1 : fake_node_index(&s->fake, f->effect->node);

	if (node < 0)
		return 0;
	int ms = s->fake.nodes[node].slow ? rng_range(&s->rng, 300, 6000) : 0;
	if (agents_handle(f->effect->kind))
		return ms + s->agents[node].lag_ms;
	if (f->effect->kind != EFFECT_START || s->fake.kind != NET_SWARM)
		return ms;
	const struct fake_container *c = fake_by_id(&s->fake, f->effect->container);
	for (int k = 0; c && k < FAKE_NETS; k++)
		if (*c->ip[k] && !kernel_joined(s, node, k))
			return ms + rng_range(&s->rng, 500, rng_permille(&s->rng, 500) ? 1500 : 10500);
	return ms;
}

void flight_send(struct sim *s, struct effect *e) {
	struct flight *f = xnew(struct flight);

	if (s->acting_old)
		sim_fail(s, INV_EPOCH, "manager %u, which another one has followed, sends %s", s->manager,
			 effect_kind_name(e->kind));
	check_sent(s, e);
	f->effect = e;
	f->manager = s->manager;
	f->sent = s->now;
	f->next = s->flights;
	s->flights = f;
	act_prepare(s, f);
	sim_say(s, "  send   #%llu.%u %s %s/%s %s", (unsigned long long)e->id, f->manager, effect_kind_name(e->kind),
		e->node ? e->node : "-", e->container ? e->container : "-", e->name ? e->name : "");
	if (!is_reachable(s, f) &&
	    !(act_asks_swarm(e->kind) || agents_handle(e->kind) ? false : s->fake.nodes[fake_node_index(&s->fake, e->node)].hung)) {
		f->outcome = rng_permille(&s->rng, 700) ? EFFECT_NOT_DONE : EFFECT_UNKNOWN;
		answer_in(s, f, 100, 4000);
		return;
	}
	if (!s->healed && rng_permille(&s->rng, s->trouble)) {
		go_wrong(s, f);
		return;
	}
	bool slow = rng_permille(&s->rng, 30);
	int there = rng_range(&s->rng, 1, slow ? 4000 : 150) + delay_of(s, f), limit = (int)span_to_ms(e->deadline);
	happen_in(s, f, there, there);
	if (there > limit)
		f->late = true; /* it was given up before */
	answer_in(s, f, there > limit ? limit : there + 1, there > limit ? limit : there + (slow ? 2000 : 60));
}
