/* Who may have the address: the evidence that the old owner is off its networks, behind which it is stale, and the ledger's entry
 * of the new one. */
#include "resched/walk-internal.h"

#include "base/alloc.h"
#include "base/mutant.h"

#include <string.h>

static enum evidence evidence_of_node(const struct resched *r, const struct takeover *t, const char *name) {
	const struct world_node *n = world_node(&r->world, name);

	if (n && n->confirmed_dead)
		return EVIDENCE_STOPPED;
	if (!walk_node_is_lost(r, name))
		return EVIDENCE_NONE;
	return takeover_has_overlay(t) && agents_quarantined(r, t, name) ? EVIDENCE_QUARANTINED : EVIDENCE_PRESUMED;
}

/* Nothing tells the owner from its copies any more: it has lost the address, or is one of them. */
static bool goes_by_all(const struct takeover *t, const struct workload *w) { return w->orphan || t->released; }

/* It may still speak, and it matters. While there is an owner only copies of lost nodes do: those of others are being put away. */
static bool may_speak(const struct resched *r, const struct takeover *t, const struct workload *w, const struct workload_copy *c) {
	return !c->staged && c->row < CLEAN_WAIT && (goes_by_all(t, w) || walk_node_is_lost(r, c->node));
}

/* The weakest over all copies that ran: each was put away on its own engine, or its node is given up. */
static enum evidence evidence_of_copies(const struct resched *r, const struct takeover *t, const struct workload *w) {
	enum evidence least = EVIDENCE_STOPPED;

	for (size_t i = 0; i < w->n_copies; i++) {
		const struct workload_copy *c = &w->copies[i];
		enum evidence e = may_speak(r, t, w, c) ? evidence_of_node(r, t, c->node) : EVIDENCE_STOPPED;
		least = e < least && !MUTANT(COPY_TAKEN_FOR_STOPPED) ? e : least;
	}
	return least;
}

static enum evidence evidence_at_hand(const struct resched *r, const struct takeover *t) {
	const struct workload *w = walk_workload(r, t);
	enum evidence copies = evidence_of_copies(r, t, w);

	if (goes_by_all(t, w))
		return copies;
	enum evidence owner = t->fenced ? EVIDENCE_STOPPED : evidence_of_node(r, t, t->from);
	return copies < owner ? copies : owner;
}

static bool can_be_dropped(const struct resched *r, const char *node) {
	const struct world_node *n = world_node(&r->world, node);
	return n && n->facts.vtep;
}

/* Frames can be dropped only of those whose address is known. */
static bool can_be_quarantined(const struct resched *r, const struct takeover *t) {
	const struct workload *w = walk_workload(r, t);
	bool all = takeover_has_overlay(t) && (goes_by_all(t, w) || can_be_dropped(r, t->from));

	for (size_t i = 0; i < w->n_copies; i++)
		if (may_speak(r, t, w, &w->copies[i]))
			all = all && can_be_dropped(r, w->copies[i].node);
	return all;
}

/* Quarantined where every observer has an agent, else there is nothing better than to presume: what `auto` demands. */
enum evidence walk_evidence_to_come(const struct resched *r, const struct takeover *t) {
	return can_be_quarantined(r, t) && agents_cover(r, t, NULL) ? EVIDENCE_QUARANTINED : EVIDENCE_PRESUMED;
}

enum evidence walk_evidence_demanded(const struct resched *r, const struct takeover *t) {
	const struct world_container *c = workload_subject(r, walk_workload(r, t));
	enum evidence demanded = r->settings.fence;

	if (c && c->policy.fence > demanded && !MUTANT(FENCE_LABEL_IGNORED))
		demanded = c->policy.fence;
	return demanded == EVIDENCE_NONE ? walk_evidence_to_come(r, t) : demanded;
}

/* By node removal every address of the node is freed, so all that is to move from there must have come as far as this. */
static const struct workload *awaited_sibling(const struct resched *r, const struct takeover *t) {
	bool waits = t->by_node_removal && walk_node_is_lost(r, t->from) && !MUTANT(SIBLINGS_NOT_AWAITED);

	for (const struct workload *w = r->workloads; w && waits; w = w->hh.next) {
		const struct takeover *other = takeover_open(r, w);
		if (!w->node || strcmp(w->node, t->from) != 0 || !w->must_run || w->gone || other == t)
			continue;
		if (!other || other->row < ROW_EVIDENCE ||
		    (other->row == ROW_EVIDENCE && evidence_at_hand(r, other) < walk_evidence_demanded(r, other)))
			return w;
	}
	return NULL;
}

/* From here on the old copy is stale, whatever becomes of this attempt: if its node answers, it is put away. */
static void disown(struct workload *w, const struct takeover *t) {
	if (t->old_id)
		workload_copy_add(w, t->from, t->old_id, t->container, w->generation);
	xstr_replace(&w->container, NULL);
	w->dirty = true;
}

static void lacks_evidence(struct resched *r, struct takeover *t, enum evidence demanded, enum evidence have) {
	struct strs without = {0};
	bool comes = demanded == EVIDENCE_QUARANTINED && agents_cover(r, t, &without) &&
		     can_be_quarantined(r, t); /* the acknowledgements are on their way */
	char *lacking = without.n && demanded == EVIDENCE_QUARANTINED ? xasprintf(" (%s has no agent that answers)", without.v[0])
								      : xstrdup("");

	if (comes) {
		takeover_reason(t, "waiting until every host on its networks drops what comes from %s", t->from);
		walk_set_state(r, t, TAKEOVER_RUNNING);
	} else {
		takeover_reason(t,
				"evidence \"%s\" is demanded, \"%s\" is what there is%s: make sure that %s is off, then `heir node "
				"confirm-dead %s`",
				evidence_name(demanded), evidence_name(have), lacking, t->from, t->from);
		walk_set_state(r, t, TAKEOVER_NEEDS_OPERATOR);
	}
	free(lacking);
	strs_clear(&without);
}

void walk_evidence(struct resched *r, struct takeover *t) {
	enum evidence demanded = walk_evidence_demanded(r, t), have = evidence_at_hand(r, t);
	const struct world_node *from = world_node(&r->world, t->from);

	if (t->planned && !t->fenced && !walk_workload(r, t)->orphan && from && from->verdict == NODE_ALIVE) {
		walk_set_row(r, t, ROW_FENCE_DISCONNECT); /* it was away when this was due */
		t->see = true;                            /* or fell silent with it under way */
		return;
	}
	if (have == EVIDENCE_NONE) {
		takeover_reason(t, "%s answers again: waiting until the old copy is stopped there", t->from);
		walk_set_state(r, t, TAKEOVER_WAITING);
		return;
	}
	if (have < demanded && !MUTANT(RELEASED_WITHOUT_EVIDENCE)) {
		lacks_evidence(r, t, demanded, have);
		return;
	}
	const struct workload *sibling = awaited_sibling(r, t);
	if (sibling) {
		const struct takeover *other = takeover_open(r, sibling);
		takeover_reason(t, "%s is to be removed from the swarm, which frees all its addresses: waiting for \"%s\"", t->from,
				sibling->name);
		walk_set_state(r, t, other && other->state == TAKEOVER_NEEDS_OPERATOR ? TAKEOVER_NEEDS_OPERATOR : TAKEOVER_WAITING);
		return;
	}
	t->evidence = have;
	walk_row_done(r, t, evidence_name(have));
	if (!t->released)
		disown(walk_workload(r, t), t); /* once: on a second way through here the owner may be the new one */
	t->released = true;
	log_nets(r, t, "fence", "ok", NULL);
}

void walk_claim(struct resched *r, struct takeover *t) {
	struct workload *w = walk_workload(r, t);

	if (t->claimed)
		return;
	if (w->node && w->container)
		workload_copy_add(w, w->node, w->container, w->name, w->generation);
	if (!w->origin)
		w->origin = xstrdup(t->from);
	xstr_replace(&w->node, t->to);
	xstr_replace(&w->container, t->new_id);
	w->generation = t->generation;
	w->verified = false;
	w->must_run = true;
	w->gone = false;
	w->orphan = false;
	w->dirty = true;
	t->claimed = true;
	t->dirty = true;
}
