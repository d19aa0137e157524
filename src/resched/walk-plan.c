/* How an attempt begins: what it carries over from the owner, and the node that it goes to. */
#include "resched/walk-internal.h"

#include "base/alloc.h"
#include "base/mutant.h"

#include <stdio.h>
#include <string.h>

static void adopt_subject(struct takeover *t, const struct world_container *c) {
	t->n_nets = c->n_nets;
	t->nets = xnew_n(struct takeover_net, c->n_nets);
	for (size_t i = 0; i < c->n_nets; i++)
		world_net_copy(&t->nets[i].net, &c->nets[i]);
	t->restart_policy = xstrdup_null(c->restart_policy);
}

/* What the attempt before had to carry over: its old copies may have been cut off and parked since, and show nothing of it any
 * more. */
static void inherit(struct takeover *t, const struct takeover *before) {
	t->n_nets = before->n_nets;
	t->nets = xnew_n(struct takeover_net, before->n_nets);
	for (size_t i = 0; i < before->n_nets; i++)
		world_net_copy(&t->nets[i].net, &before->nets[i].net);
	t->restart_policy = xstrdup_null(before->restart_policy);
	t->evidence = before->evidence;
}

/* What it is made from is the owner itself, not one before it that may have been cut off and parked. */
static bool is_well_known(const struct resched *r, const struct workload *w) {
	const struct world_container *c = workload_subject(r, w);
	return w->verified && c && workload_is_owner(w, c->node, c->id) && container_is_complete(r, w, c);
}

static struct takeover *add_takeover(struct resched *r, struct workload *w) {
	const struct takeover *before = is_well_known(r, w) ? NULL : w->newest;
	struct takeover *t = takeover_new(w->id, w->name);

	if (before)
		inherit(t, before);
	else
		adopt_subject(t, workload_subject(r, w));
	if (w->restart_policy)
		xstr_replace(&t->restart_policy, w->restart_policy);
	r->settings.make_id(r->settings.ctx, t->id);
	takeover_add(r, t);
	t->started = r->wall;
	t->began = t->row_began = r->now;
	return t;
}

void takeover_begin(struct resched *r, struct workload *w, const char *pinned) {
	struct takeover *t = add_takeover(r, w);

	t->from = xstrdup(w->node);
	t->old_id = xstrdup_null(w->container);
	t->pinned = xstrdup_null(pinned);
	t->planned = pinned != NULL;
	t->state = TAKEOVER_WAITING;
	t->evidence = EVIDENCE_NONE;
	t->released = w->orphan;
	const struct world_node *from = world_node(&r->world, w->node);
	log_nets(r, t, "plan", "begun", t->planned ? "the node it came from is back" : w->orphan ? "again" : from->reason);
}

/* 8 characters of the workload's own ID: behind the cluster's name. */
char *workload_staged_name(const struct workload *w, unsigned generation) {
	const char *slash = strrchr(w->id, '/');
	return xasprintf("heir-%.8s-g%u", slash ? slash + 1 : w->id, generation);
}

void takeover_resume(struct resched *r, struct workload *w) {
	struct takeover *t = add_takeover(r, w);

	t->from = xstrdup(w->node);
	t->to = xstrdup(w->node);
	t->new_id = xstrdup(w->container);
	t->staged_name = workload_staged_name(w, w->generation);
	t->generation = w->generation;
	t->state = TAKEOVER_RUNNING;
	t->staged = t->released = t->claimed = true;
	log_nets(r, t, "plan", "begun", "its target is back: going on there");
	walk_set_row(r, t, ROW_CLAIM);
}

static bool any_agent(const struct resched *r) {
	for (const struct world_node *n = r->world.nodes; n; n = n->hh.next)
		if (n->agent.state == NODE_AGENT_OK)
			return true;
	return false;
}

/* The key/value kind of overlay keeps the first claimant's rows on every peer: without agents nobody would reach the replacement.
 */
static char *unrepairable(const struct resched *r, const struct takeover *t) {
	struct strs without = {0};
	char *why = NULL;

	for (size_t i = 0; i < t->n_nets && !why; i++) {
		if (t->nets[i].net.kind != NET_KV || (agents_cover(r, t, &without) && any_agent(r)))
			continue;
		why = xasprintf(
			"network \"%s\" is an overlay kept in a key/value store, whose rows only agents repair: no agents%s%s",
			t->nets[i].net.name, without.n ? " on " : "", without.n ? without.v[0] : "");
	}
	strs_clear(&without);
	return why;
}

/* Why no plan can ever be made as things are; NULL when one can. Owned. */
static char *impossible(const struct resched *r, const struct takeover *t, const struct world_container *c) {
	char *why = unrepairable(r, t);

	if (why)
		return why;
	if (c->blockers.n)
		return xstrdup(c->blockers.v[0]);
	/* An overlay address that was never learnt cannot be kept, and dropping it silently is out of the question. */
	for (size_t i = 0; i < t->n_nets; i++)
		if (t->nets[i].net.kind != NET_LOCAL && !t->nets[i].net.ip && !t->nets[i].net.ip6)
			return xasprintf("its address on network \"%s\" is not known", t->nets[i].net.name);
	return NULL;
}

static unsigned count_running(const struct resched *r) {
	unsigned n = 0;
	for (const struct takeover *t = r->takeovers; t; t = t->hh.next)
		n += !takeover_is_over(t->state) && t->to != NULL && !takeover_is_idle(t);
	return n;
}

static void adopt_target(struct resched *r, struct takeover *t, struct workload *w, const struct world_container *c,
			 const struct plan_choice *choice) {
	struct world_node *n = world_node(&r->world, choice->target);
	char text[160];

	xstr_replace(&t->to, choice->target);
	w->last_generation += !MUTANT(NUMBER_GIVEN_TWICE);
	t->generation = w->last_generation;
	w->dirty |= !MUTANT(NUMBER_NOT_WRITTEN);
	limit_count(r);
	free(t->staged_name);
	t->staged_name = workload_staged_name(w, t->generation);
	xstr_replace(&t->image_ref, world_node_image(n, c->image, c->image_id));
	snprintf(text, sizeof(text), "%s%s%s", t->to, choice->cold && takeover_has_overlay(t) ? ", network not joined yet" : "",
		 choice->image_missing ? ", image not there yet" : "");
	walk_row_done(r, t, text);
	walk_set_state(r, t, TAKEOVER_RUNNING);
}

void walk_ask_plan(const struct resched *r, const struct takeover *t, const struct workload *w, const struct world_container *c,
		   const struct plan_claim *claims, size_t n_claims, struct plan_choice *ret) {
	struct world_container like = *c; /* with the networks that it is to have, which the subject may have lost since */
	struct world_net *nets = xnew_n(struct world_net, t->n_nets);

	for (size_t i = 0; i < t->n_nets; i++)
		nets[i] = t->nets[i].net;
	like.nets = nets;
	like.n_nets = t->n_nets;
	plan_for(r, w, &like, w->orphan ? NULL : t->from, t->pinned, claims, n_claims, ret);
	free(nets);
}

/* The subject is gone, and nothing is left to make another from. */
static void nothing_to_plan(struct resched *r, struct takeover *t) {
	takeover_reason(t, "its container was removed, and nothing is remembered of it");
	if (t->released)
		walk_set_state(r, t, TAKEOVER_NEEDS_OPERATOR);
	else
		walk_abort(r, t, ABORT_ROLL_BACK);
}

/* A hold-down ends without any news. */
static void wake_at_release(struct resched *r) {
	for (const struct world_node *n = r->world.nodes; n; n = n->hh.next)
		if (!mono_reached(n->held_until, r->now))
			wake_at(r, n->held_until);
}

static void nowhere(struct resched *r, struct takeover *t, bool full) {
	if (t->planned && !full) {
		takeover_reason(t, "%s cannot take it any more", t->pinned);
		walk_abort(r, t, ABORT_ROLL_BACK);
		return;
	}
	wake_at_release(r);
	walk_set_state(r, t, TAKEOVER_WAITING);
	takeover_reason(t, "%s", full ? "every possible target is busy with other takeovers" : "no node can take it");
}

static void choose(struct resched *r, struct takeover *t, struct workload *w, const struct world_container *c) {
	struct plan_choice choice;
	struct plan_claim *claims;
	size_t n = open_claims(r, t, &claims);

	walk_ask_plan(r, t, w, c, claims, n, &choice);
	if (!strs_equal(&t->rejected, &choice.rejected)) {
		strs_copy(&t->rejected, &choice.rejected);
		t->dirty = true;
	}
	if (choice.target)
		adopt_target(r, t, w, c, &choice);
	else
		nowhere(r, t, choice.full);
	plan_choice_clear(&choice);
	free(claims);
}

char *walk_obstacle(struct resched *r, const struct takeover *t, const struct world_container *c, unsigned running,
		    bool *ret_operator) {
	char *why = impossible(r, t, c);
	struct mono when;

	*ret_operator = why != NULL;
	if (why)
		return why;
	if (r->settings.parallel && running >= r->settings.parallel + MUTANT(ONE_TOO_MANY_AT_ONCE))
		return xasprintf("%u takeovers are running already", r->settings.parallel);
	if (limit_allows_another(r, &when))
		return NULL;
	wake_at(r, when);
	return xasprintf("%u begun within the last minute, and no more are allowed (per_minute)", r->settings.per_minute);
}

void walk_plan(struct resched *r, struct takeover *t) {
	struct workload *w = walk_workload(r, t);
	const struct world_container *c = workload_subject(r, w);
	bool for_operator;

	if (w->exhausted)
		return;
	if (!c) {
		nothing_to_plan(r, t);
		return;
	}
	char *why = walk_obstacle(r, t, c, count_running(r), &for_operator);
	if (!why) {
		choose(r, t, w, c);
		return;
	}
	takeover_reason(t, "%s", why);
	walk_set_state(r, t, for_operator ? TAKEOVER_NEEDS_OPERATOR : TAKEOVER_WAITING);
	free(why);
}
