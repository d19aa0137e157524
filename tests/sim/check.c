/* See check.h. What the checks share, and what is looked at after every turn and every event. */
#include "checks.h"

#include "base/alloc.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

const struct takeover *check_takeover(const struct sim *s, const char *id) {
	const struct takeover *t = resched_takeovers(s->machine);
	while (t && strcmp(t->id, id) != 0)
		t = t->hh.next;
	return t;
}

const struct workload *check_workload(const struct sim *s, const char *id) {
	const struct workload *w = resched_workloads(s->machine);
	while (w && strcmp(w->id, id) != 0)
		w = w->hh.next;
	return w;
}

bool check_is_lost(const struct sim *s, const char *node) {
	const struct world_node *n = world_node(resched_world(s->machine), node);

	if (!n)
		return false;
	if (n->confirmed_dead)
		return true;
	if (n->verdict == NODE_DEAD)
		return n->seen_by.n == 0;
	return n->verdict == NODE_ENGINE_ONLY && s->settings.engine_only_move;
}

void check_begin(struct sim *s) { s->checks = xnew(struct checks); }

void check_clear(struct sim *s) {
	strs_clear(&s->checks->braked);
	check_log_clear(s->checks);
	free(s->checks);
	s->checks = NULL;
}

int check_life(const struct sim *s) { return s->checks->life; }

void check_new_life(struct sim *s) { s->checks->life++; }

void check_commit(struct sim *s) {
	if (s->acting_old || s->manager < s->checks->newest_writer)
		sim_fail(s, INV_EPOCH, "manager %u writes, and manager %u has written before", s->manager,
			 s->checks->newest_writer);
	s->checks->newest_writer = s->manager;
}

struct seen_takeover *check_seen(struct sim *s, const char *takeover) {
	struct checks *c = s->checks;

	for (int i = c->n_seen - 1; i >= 0; i--)
		if (strcmp(c->seen[i].id, takeover) == 0)
			return &c->seen[i];
	if (c->n_seen == SEEN_MAX)
		return NULL;
	struct seen_takeover *n = &c->seen[c->n_seen++];
	snprintf(n->id, sizeof(n->id), "%s", takeover);
	return n;
}

/* ---- after a turn ---- */

/* The point of no return: no owner that lives and answers loses its address, unless it was stopped for this. */
static void check_release(struct sim *s, const struct takeover *t) {
	struct fake_container *c = fake_by_id(&s->fake, t->old_id);

	if (c)
		c->given_up = true;
	if (c && c->exists && c->running && !c->touched && !t->fenced && !check_is_lost(s, t->from))
		sim_fail(s, INV_EVIDENCE, "takeover %s releases the address of %s, which runs on %s", t->id, c->name, t->from);
}

/* What was demanded, as user and operator wrote it; for `auto` presumed is enough (agents decide whether it is more). */
static enum evidence demanded(const struct sim *s, const struct truth *truth) {
	enum evidence own = s->fake.containers[truth->first]->fence, all = s->settings.fence;
	enum evidence more = own > all ? own : all;

	return more == EVIDENCE_NONE ? EVIDENCE_PRESUMED : more;
}

static void check_put_away(struct sim *s, const struct takeover *t, const struct fake_container *c) {
	const struct world_node *n = world_node(resched_world(s->machine), s->fake.nodes[c->node].name);

	bool asked = !t->old_id || strcmp(t->old_id, c->id) == 0; /* those before the owner were asked of when that was made */
	if (!asked || !c->exists || !c->running || c->touched || n->confirmed_dead)
		return;
	if (t->evidence == EVIDENCE_STOPPED)
		sim_fail(s, INV_EVIDENCE, "takeover %s takes %s for stopped, and it runs on %s", t->id, c->id, n->name);
	if (t->evidence == EVIDENCE_PRESUMED && !check_is_lost(s, n->name))
		sim_fail(s, INV_EVIDENCE, "takeover %s presumes %s dead, which was not given up", t->id, n->name);
}

/* Evidence is what is so, not what was said. */
static void check_evidence(struct sim *s, const struct takeover *t) {
	struct truth *truth = sim_truth_named(s, t->workload);

	if (!truth || t->evidence < demanded(s, truth))
		sim_fail(s, INV_EVIDENCE, "takeover %s goes on with evidence \"%s\"", t->id, evidence_name(t->evidence));
	for (int i = 0; i < s->fake.n_containers && truth; i++)
		if (sim_truth(s, s->fake.containers[i]) == truth)
			check_put_away(s, t, s->fake.containers[i]);
	check_fenced(s, t);
}

static bool has_name(const struct truth *t, const char *name) {
	for (int i = 0; i < t->n_names; i++)
		if (strcmp(t->names[i], name) == 0)
			return true;
	return false;
}

/* Everything by which others know it. */
static void check_identity(struct sim *s, const struct takeover *t, const struct truth *truth, const struct fake_container *c) {
	const struct fake_container *first = s->fake.containers[truth->first];

	for (int k = 0; k < FAKE_NETS; k++)
		if (strcmp(c->ip[k], first->ip[k]) != 0 || strcmp(c->mac[k], first->mac[k]) != 0)
			sim_fail(s, INV_ADDRESS, "takeover %s is done with %s %s instead of %s %s", t->id, c->ip[k], c->mac[k],
				 first->ip[k], first->mac[k]);
	if (strcmp(c->alias, first->alias) != 0)
		sim_fail(s, INV_ADDRESS, "takeover %s is done with the aliases of another", t->id);
	if (!has_name(truth, c->name) && !c->touched)
		sim_fail(s, INV_ADDRESS, "takeover %s is done with the name %s instead of %s", t->id, c->name, truth->names[0]);
}

/* Of those that were shown to be right nobody reaches an older one; but for the neighbours of that one, until it is cut off. */
static void check_reached(struct sim *s, const struct takeover *t, const struct fake_container *c, unsigned proven) {
	for (int i = 0; i < s->fake.n_nodes; i++)
		for (int k = 0; k < FAKE_NETS && proven & (1U << i); k++) {
			if (!*c->ip[k] || !kernel_joined(s, i, k) || s->agents[i].unheard || s->agents[i].down)
				continue;
			int row = s->kernels[i].rows[k][kernel_row_of(c->ip[k])].to;
			if (i != c->node && row != c->node + 1 && c->running)
				sim_fail(s, INV_PACKETS, "takeover %s goes on, %s has shown that its row is right, and it is %d",
					 t->id, s->fake.nodes[i].name, row);
			const struct fake_container *at = kernel_reaches(s, i, k, c->ip[k]);
			if (at && at != c && at->node != i && sim_truth(s, at) == sim_truth(s, c) && !at->touched)
				sim_fail(s, INV_PACKETS, "takeover %s goes on, and %s reaches the stale %s", t->id,
					 s->fake.nodes[i].name, at->id);
		}
}

/* Looked at when the proof is over: what becomes of rows while it is published is another matter. */
static void check_shown(struct sim *s, const struct takeover *t, const struct seen_takeover *was) {
	const struct fake_container *c = fake_by_id(&s->fake, t->new_id);
	if (c)
		check_reached(s, t, c, was->proven);
}

static void check_done(struct sim *s, const struct takeover *t) {
	const struct truth *truth = sim_truth_named(s, t->workload);
	const struct fake_container *c = fake_by_id(&s->fake, t->new_id);

	if (!c || !c->proved || !truth) {
		sim_fail(s, INV_ADDRESS, "takeover %s is done, and its container never ran with its addresses", t->id);
		return;
	}
	if (!takeover_is_resumed(t) && t->evidence < demanded(s, truth))
		sim_fail(s, INV_EVIDENCE, "takeover %s is done on evidence \"%s\"", t->id, evidence_name(t->evidence));
	check_identity(s, t, truth, c);
}

/* Where nothing is to be published, too: what the row may go by is the same. */
static void check_published(struct sim *s, const struct takeover *t) {
	const struct truth *truth = sim_truth_named(s, t->workload);
	const struct fake_container *c = fake_by_id(&s->fake, t->new_id);

	if (!truth || (!takeover_is_resumed(t) && t->evidence < demanded(s, truth)))
		sim_fail(s, INV_EVIDENCE, "takeover %s publishes on evidence \"%s\"", t->id, evidence_name(t->evidence));
	if (!c || !c->proved || t->steps[STEP_VERIFY].outcome == STEP_OUTCOME_NONE)
		sim_fail(s, INV_EVIDENCE, "takeover %s publishes what was not verified", t->id);
	if (t->published == PUBLISHED_YES)
		check_named(s, t);
}

/* What may be published from now on: seen right on the evidence that was demanded. */
static void note_verified(struct sim *s, const struct takeover *t) {
	struct truth *truth = sim_truth_named(s, t->workload);
	bool seen = t->row > ROW_VERIFY && t->row < ROW_MAX && t->steps[STEP_VERIFY].outcome != STEP_OUTCOME_NONE;

	if (truth && seen && (takeover_is_resumed(t) || t->evidence >= demanded(s, truth)))
		truth->verified |= UINT64_C(1) << (t->generation & 63);
}

static void note_proven(struct sim *s, const struct takeover *t, struct seen_takeover *was) {
	for (const struct takeover_ask *a = t->asks; a; a = a->next) {
		int node = fake_node_index(&s->fake, a->node);
		was->proven = a->proven ? was->proven | 1U << node : was->proven & ~(1U << node);
	}
}

static void say_move(const struct sim *s, const struct takeover *t) {
	static const char *const aborts[] = {"", " (goes back)", " (fails)"};

	sim_say(s, "  takeover %s of %s g%u %s -> %s: %s, %s%s %s", t->id + 12, t->container, t->generation, t->from,
		t->to ? t->to : "?", takeover_state_name(t->state), takeover_row_name(t->row), aborts[t->abort],
		t->reason ? t->reason : "");
}

static void check_moves(struct sim *s, const struct takeover *t, struct seen_takeover *was) {
	if (t->released && !was->released && t->old_id)
		check_release(s, t);
	if (t->row > ROW_EVIDENCE && was->row <= ROW_EVIDENCE && !takeover_is_resumed(t))
		check_evidence(s, t);
	note_proven(s, t, was);
	note_verified(s, t);
	if (t->row > ROW_PROVE && was->row <= ROW_PROVE)
		check_shown(s, t, was);
	if (t->row > ROW_PUBLISH && was->row <= ROW_PUBLISH)
		check_published(s, t);
	if (t->state == TAKEOVER_DONE && was->state != TAKEOVER_DONE)
		check_done(s, t);
	if (t->state == TAKEOVER_NEEDS_OPERATOR && (!t->reason || !*t->reason))
		sim_fail(s, INV_ENDS, "takeover %s needs an operator and does not say why", t->id);
	check_pace_turn(s, t, was);
	if (!was->known || was->row != t->row || was->state != t->state || was->abort != t->abort)
		say_move(s, t);
}

/* Nobody is owned twice, and each owner is of its own workload. */
static void check_owners(struct sim *s, const struct workload *w) {
	const struct fake_container *c = w->container ? fake_by_id(&s->fake, w->container) : NULL;
	const struct truth *t = sim_truth(s, c);

	if (c && (!t || strcmp(t->workload, w->id) != 0))
		sim_fail(s, INV_OWNER, "%s is the owner of %s, and not of it", c->id, w->id);
	for (const struct workload *o = w->hh.next; o && c; o = o->hh.next)
		if (o->container && strcmp(o->container, w->container) == 0)
			sim_fail(s, INV_OWNER, "%s is the owner of two workloads", c->id);
	if (w->last_generation < w->generation)
		sim_fail(s, INV_OWNER, "%s has an owner of generation %u, and only %u were ever given", w->id, w->generation,
			 w->last_generation);
}

void check_turn(struct sim *s) {
	if (s->acting_old)
		return;
	check_pace_nodes(s);
	check_pace_targets(s);
	for (const struct takeover *t = resched_takeovers(s->machine); t; t = t->hh.next) {
		struct seen_takeover *was = check_seen(s, t->id);
		if (!was)
			continue;
		const struct takeover before = {.row = was->row, .state = was->state, .abort = was->abort};
		coverage_takeover(was->known ? &before : NULL, t);
		check_moves(s, t, was);
		was->known = true;
		was->planned = t->planned;
		was->row = t->row;
		was->state = t->state;
		was->abort = t->abort;
		was->released = t->released;
	}
	s->checks->turned = s->now;
	for (const struct workload *w = resched_workloads(s->machine); w; w = w->hh.next) {
		check_owners(s, w);
		for (size_t i = 0; i < w->n_copies; i++) {
			coverage_copy(w->copies[i].row);
			check_pace_copy(s, &w->copies[i]);
		}
	}
}

/* ---- after every event ---- */

/* No address twice, whatever swarm or store gave it to. */
static void check_addresses_once(struct sim *s) {
	for (int i = 0; i < s->fake.n_containers; i++) {
		const struct fake_container *a = s->fake.containers[i];
		if (!a->task[0] && !a->task[1])
			continue;
		for (int j = i + 1; j < s->fake.n_containers; j++) {
			const struct fake_container *b = s->fake.containers[j];
			for (int k = 0; k < FAKE_NETS; k++)
				if (a->task[k] && b->task[k] && strcmp(a->ip[k], b->ip[k]) == 0)
					sim_fail(s, INV_SIMULATOR, "%s and %s both have %s", a->name, b->name, a->ip[k]);
		}
	}
}

void check_world(struct sim *s) {
	check_addresses_once(s);
	check_packets(s);
	if (s->machine)
		check_pace_nodes(s);
}
