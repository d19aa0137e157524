/* Agents: what they are to drop, and who can be sure of it.
 *
 * A node from which something is taken over is quarantined: every agent drops its frames, from the failure until it is back and was
 * cleaned. What an agent drops is what its kernel said last, so the order is repeated for as long as the two differ, whatever was
 * lost on the way, and neither a restart of the manager nor one of the agent needs to be known of. */
#include "resched/walk-internal.h"

#include "base/alloc.h"
#include "base/mutant.h"

#include <string.h>

#define ORDER_SEC 2 /* an agent that takes longer counts as silent */
#define REORDER_MS 200
#define ORDERS_UNTIL_ALONE 3 /* so often it may fail to do as it was told and still be waited for */

/* ---- what comes in ---- */

static void forget_what_it_was_told(struct node_agent *a) {
	for (struct agent_seat *s = a->seats; s; s = s->hh.next) {
		s->told = false;
		s->tries = 0;
		s->not_before = (struct mono){0};
	}
}

/* A node that some agent drops was quarantined by us, perhaps before a restart. */
static void adopt_quarantine(struct resched *r, const struct strs *vteps) {
	for (struct world_node *n = r->world.nodes; n; n = n->hh.next)
		if (n->facts.vtep && strs_has(vteps, n->facts.vtep) && !world_node_serves(n) && !MUTANT(QUARANTINE_NOT_ADOPTED))
			n->quarantined = true;
}

/* What it saw before it fell silent is no news. */
static void forget_sightings(struct resched *r, const char *by) {
	for (struct world_node *n = r->world.nodes; n; n = n->hh.next)
		strs_remove(&n->seen_by, by);
}

void resched_expect_agent(struct resched *r, const char *node) {
	struct world_node *n = world_node(&r->world, node);
	if (n)
		n->agent.expected = true;
}

bool resched_agent(struct resched *r, const char *node, const struct agent_report *report) {
	struct world_node *n = world_node(&r->world, node);

	if (!n)
		return false;
	struct node_agent *a = &n->agent;
	bool changed = a->state != report->state;
	a->state = report->state;
	xstr_replace(&a->reason, report->reason);
	a->due |= changed;
	if (report->instance && (!a->instance || strcmp(a->instance, report->instance) != 0)) {
		xstr_replace(&a->instance, report->instance);
		forget_what_it_was_told(a);
		a->tries = 0;
		a->due = changed = true;
	}
	if (report->quarantine) {
		changed |= !a->quarantine_known || !strs_equal(&a->quarantine, report->quarantine);
		strs_copy(&a->quarantine, report->quarantine);
		a->quarantine_known = true;
		adopt_quarantine(r, report->quarantine);
	}
	if (report->state != NODE_AGENT_OK)
		forget_sightings(r, node);
	changed |= report->unaware && !a->unaware;
	a->unaware = report->unaware; /* any order will do */
	former_take(a, report);
	changed |= a->n_former > 0;
	a->settled &= !changed;
	r->world_changed |= changed;
	return changed;
}

void resched_node_vtep(struct resched *r, const char *node, const char *vtep) {
	struct world_node *n = world_node(&r->world, node);
	if (n && vtep && !n->facts.vtep) {
		n->facts.vtep = xstrdup(vtep);
		r->vteps_changed = true;
	}
}

void resched_witness(struct resched *r, const char *node, const char *by, bool reached, const char *how) {
	struct world_node *n = world_node(&r->world, node);
	const struct world_node *witness = world_node(&r->world, by);

	if (reached && (!witness || witness->agent.state == NODE_AGENT_UNREACHABLE))
		return; /* it fell silent before this arrived */
	if (!n || strs_has(&n->seen_by, by) == reached || n->verdict == NODE_ALIVE || n->verdict == NODE_RECOVERING)
		return;
	if (reached) {
		strs_add(&n->seen_by, by);
		xstr_replace(&n->seen_how, how);
	} else {
		strs_remove(&n->seen_by, by);
	}
	r->world_changed = true;
}

/* ---- who is asked ---- */

static bool is_live(const struct world_node *n) {
	return n->verdict != NODE_DEAD && n->verdict != NODE_UNKNOWN && !n->confirmed_dead;
}

static bool has_joined(const struct resched *r, const struct world_node *n, const struct takeover *t) {
	for (size_t i = 0; i < t->n_nets; i++)
		if (t->nets[i].net.kind != NET_LOCAL && world_node_has_net(&r->world, n->name, t->nets[i].net.name))
			return true;
	return false;
}

bool agents_is_observer(const struct resched *r, const struct world_node *n, const struct takeover *t) {
	if (!is_live(n) || node_is_lost(r, n))
		return false;
	return (t->to && strcmp(n->name, t->to) == 0) || has_joined(r, n, t);
}

static bool obeys(const struct world_node *n) { return n->agent.state == NODE_AGENT_OK && n->agent.tries < ORDERS_UNTIL_ALONE; }

bool agents_cover(const struct resched *r, const struct takeover *t, struct strs *ret_without) {
	bool all = true;

	for (const struct world_node *n = r->world.nodes; n; n = n->hh.next) {
		if (!agents_is_observer(r, n, t) || obeys(n))
			continue;
		all = false;
		if (ret_without)
			strs_add(ret_without, n->name);
	}
	return all;
}

/* Its kernel drops it, and no order that is still out says otherwise, be it this manager's or one's before it. */
static bool keeps_quarantine(const struct node_agent *a, const char *vtep) {
	bool drops = a->state == NODE_AGENT_OK && a->quarantine_known && strs_has(&a->quarantine, vtep);
	bool under_way = !a->quarantining || strs_has(&a->ordered, vtep);
	bool open = a->obeyed && (!a->order_open || strs_has(&a->sure, vtep));

	return drops && under_way && open;
}

bool agents_quarantined(const struct resched *r, const struct takeover *t, const char *node) {
	const struct world_node *old = world_node(&r->world, node);
	bool all = old && old->facts.vtep && old->quarantined;

	for (const struct world_node *n = r->world.nodes; n && all; n = n->hh.next)
		all = n == old || !agents_is_observer(r, n, t) || keeps_quarantine(&n->agent, old->facts.vtep) ||
		      MUTANT(QUARANTINE_NOT_ACKNOWLEDGED);
	return all;
}

/* ---- quarantine ---- */

static void quarantine(struct resched *r, const char *node) {
	struct world_node *n = world_node(&r->world, node);

	if (n && !n->quarantined && n->facts.vtep && node_is_lost(r, n)) {
		n->quarantined = true;
		r->world_changed = true;
	}
}

/* Where an address is taken from, and where a copy of a time before may still speak with it. */
static void mark(struct resched *r) {
	for (const struct takeover *t = r->takeovers; t; t = t->hh.next)
		if (!takeover_is_over(t->state) && !t->planned && takeover_has_overlay(t))
			quarantine(r, t->from);
	for (const struct workload *w = r->workloads; w; w = w->hh.next)
		for (size_t i = 0; i < w->n_copies; i++)
			if (!w->copies[i].staged && w->copies[i].row < CLEAN_WAIT)
				quarantine(r, w->copies[i].node);
}

/* The last of its return: it is clean, and its own agent was told where the addresses are now. */
static void lift(struct resched *r) {
	for (struct world_node *n = r->world.nodes; n; n = n->hh.next)
		if (n->quarantined && ((world_node_serves(n) && seats_settled_on(r, n)) ||
				       (n->verdict == NODE_ALIVE && MUTANT(LET_IN_BEFORE_CLEAN)))) {
			n->quarantined = false;
			r->world_changed = true;
		}
}

static bool is_known_vtep(const struct resched *r, const char *vtep, bool *ret_all_known) {
	bool known = false;

	*ret_all_known = true;
	for (const struct world_node *n = r->world.nodes; n; n = n->hh.next) {
		*ret_all_known &= n->facts.vtep || n->facts.version; /* what has told of itself and has none needs none */
		known |= n->facts.vtep && strcmp(n->facts.vtep, vtep) == 0;
	}
	return known;
}

/* All that this one is to drop. An address that may be that of a node which has not told its own yet stays as it is. */
static void wanted(const struct resched *r, const struct world_node *at, struct strs *ret) {
	bool all_known;

	for (size_t i = 0; i < r->lost.n; i++)
		if (!at->facts.vtep || strcmp(at->facts.vtep, r->lost.v[i]) != 0 || MUTANT(OWN_FRAMES_DROPPED))
			strs_add(ret, r->lost.v[i]);
	for (size_t i = 0; i < at->agent.quarantine.n; i++)
		if (!is_known_vtep(r, at->agent.quarantine.v[i], &all_known) && !all_known)
			strs_add_new(ret, at->agent.quarantine.v[i]);
}

static bool is_same_set(const struct strs *a, const struct strs *b) {
	for (size_t i = 0; i < a->n; i++)
		if (!strs_has(b, a->v[i]))
			return false;
	return a->n == b->n;
}

static void order(struct resched *r, struct world_node *n) {
	struct node_agent *a = &n->agent;
	struct strs set = {0};

	if (a->state != NODE_AGENT_OK || a->quarantining || !a->quarantine_known || a->settled)
		return;
	wanted(r, n, &set);
	bool sure = !a->order_open && !a->unaware && (a->obeyed || set.n == 0);
	if (is_same_set(&set, &a->quarantine) && sure) {
		a->tries = 0;
		a->settled = true;
	} else if (!mono_reached(a->not_before, r->now) && !MUTANT(ORDERED_WITHOUT_BACKOFF)) {
		wake_at(r, a->not_before);
	} else {
		struct effect *e = effect_new(r, EFFECT_QUARANTINE, span_sec(ORDER_SEC));
		e->node = xstrdup(n->name);
		strs_copy(&e->vteps, &set);
		strs_copy(&a->ordered, &set);
		a->quarantining = e->id;
		agents_asked(r, e->id, n, NULL);
		effect_emit(r, e);
	}
	strs_clear(&set);
}

/* Only an order that was obeyed makes an earlier one that may still come an older one, which its agent refuses. */
static void note_open(struct node_agent *a, enum effect_outcome outcome) {
	if (outcome == EFFECT_OK) {
		a->order_open = a->unaware = false;
		a->obeyed = true;
		return;
	}
	if (outcome != EFFECT_UNKNOWN)
		return;
	if (!a->order_open)
		strs_copy(&a->sure, &a->ordered);
	for (size_t i = a->sure.n; i-- > 0;)
		if (!strs_has(&a->ordered, a->sure.v[i]))
			strs_remove(&a->sure, a->sure.v[i]);
	a->order_open = true;
}

static void ordered(struct resched *r, struct node_agent *a, const struct effect_result *result) {
	a->quarantining = 0;
	a->settled = false;
	note_open(a, result->outcome);
	if (result->outcome == EFFECT_OK && result->vteps) {
		strs_copy(&a->quarantine, result->vteps);
		if (is_same_set(&a->quarantine, &a->ordered)) {
			a->not_before =
				(struct mono){0}; /* what another death adds is not waited for: hosts of one rack die together */
			return;
		}
	}
	a->tries++; /* an agent that says yes and does something else is none that could be waited for either */
	a->not_before = mono_add(r->now, backoff(r, a->tries));
	xstr_replace(&a->reason, result->detail);
}

/* Found anew in every turn; the agents are gone through when it is another than before. A node that came back without an overlay
 * has no address that could be dropped. */
static void find_lost(struct resched *r) {
	struct strs lost = {0};

	for (const struct world_node *n = r->world.nodes; n; n = n->hh.next)
		if (n->quarantined && n->facts.vtep)
			strs_add_new(&lost, n->facts.vtep);
	if (!strs_equal(&lost, &r->lost) || r->vteps_changed)
		for (struct world_node *n = r->world.nodes; n; n = n->hh.next)
			n->agent.settled = false;
	r->vteps_changed = false;
	strs_clear(&r->lost);
	r->lost = lost;
}

/* ---- what was asked ---- */

struct agent_asked {
	uint64_t effect;
	struct world_node *node;
	struct agent_seat *seat;
	UT_hash_handle hh;
};

void agents_asked(struct resched *r, uint64_t effect, struct world_node *n, struct agent_seat *seat) {
	struct agent_asked *a = xnew(struct agent_asked);

	a->effect = effect;
	a->node = n;
	a->seat = seat;
	HASH_ADD(hh, r->asked, effect, sizeof(a->effect), a);
}

void agents_clear(struct resched *r) {
	struct agent_asked *a, *next;

	HASH_ITER (hh, r->asked, a, next) {
		HASH_DEL(r->asked, a);
		free(a);
	}
	strs_clear(&r->lost);
}

/* ---- the turn ---- */

void agents_turn(struct resched *r) {
	mark(r);
	lift(r);
	find_lost(r);
	for (struct world_node *n = r->world.nodes; n; n = n->hh.next)
		order(r, n);
	seats_turn(r);
	sweep_turn(r);
}

bool agents_result(struct resched *r, uint64_t effect, const struct effect_result *result) {
	struct agent_asked *a;

	HASH_FIND(hh, r->asked, &effect, sizeof(effect), a);
	if (!a)
		return false;
	HASH_DEL(r->asked, a);
	if (a->seat)
		seats_result(r, a->node, a->seat, result);
	else if (a->node->agent.forgetting == effect)
		a->node->agent.forgetting = 0;
	else
		ordered(r, &a->node->agent, result);
	free(a);
	return true;
}
