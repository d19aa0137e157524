/* What must hold, whatever happens. Judged on the true world, not on what the machine believes. */
#include "sim.h"

#include "base/alloc.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const struct takeover *find_takeover(const struct sim *s, const char *id) {
	const struct takeover *t = resched_takeovers(s->machine);
	while (t && strcmp(t->id, id) != 0)
		t = t->hh.next;
	return t;
}

static const struct workload *find_workload(const struct sim *s, const char *id) {
	const struct workload *w = resched_workloads(s->machine);
	while (w && strcmp(w->id, id) != 0)
		w = w->hh.next;
	return w;
}

static bool is_lost(const struct sim *s, const char *node) {
	const struct world_node *n = world_node(resched_world(s->machine), node);
	return n &&
	       (n->verdict == NODE_DEAD || n->confirmed_dead || (n->verdict == NODE_ENGINE_ONLY && s->settings.engine_only_move));
}

static bool changes_something(enum effect_kind k) {
	return k != EFFECT_INSPECT && k != EFFECT_READY && k != EFFECT_HOLDERS && k != EFFECT_RESTORE && !agents_handle(k);
}

static bool is_on_container(enum effect_kind k) { return (k >= EFFECT_START && k <= EFFECT_REMOVE) || k == EFFECT_ISOLATE; }

static unsigned generation_of(const struct fake_container *c) { return c->generation ? c->generation : 1; }

/* ---- (a) nothing is touched that did not opt in, and nothing of another workload ---- */

static void check_touched(struct sim *s, const struct effect *e, const char *id) {
	const struct fake_container *c = fake_by_id(&s->fake, id);
	const struct truth *t = sim_truth(s, c);

	if (!c)
		sim_fail(s, "%s of \"%s\", which never was", effect_kind_name(e->kind), id);
	else if (!c->opted && !*c->takeover)
		sim_fail(s, "%s of %s, which did not opt in", effect_kind_name(e->kind), c->name);
	else if (!t || strcmp(t->workload, e->workload) != 0)
		sim_fail(s, "%s of %s for workload %s, which is not its own", effect_kind_name(e->kind), c->name, e->workload);
}

static void check_subjects(struct sim *s, const struct effect *e) {
	if (is_on_container(e->kind))
		check_touched(s, e, e->container);
	for (size_t i = 0; e->kind == EFFECT_RELEASE && i < e->copies.n; i++)
		check_touched(s, e, e->copies.v[i]);
}

/* ---- (b) the address is the old one ---- */

static struct truth *truth_named(struct sim *s, const char *workload) {
	for (int i = 0; i < s->n_truths; i++)
		if (strcmp(s->truths[i].workload, workload) == 0)
			return &s->truths[i];
	return NULL;
}

static void check_addresses(struct sim *s, const struct effect *e) {
	const struct truth *t = truth_named(s, e->workload);

	if (!t) {
		sim_fail(s, "a container is made for %s, which did not opt in", e->workload);
		return;
	}
	const struct fake_container *first = s->fake.containers[t->first];
	for (int k = 0; k < FAKE_NETS; k++) {
		const struct world_net *net = NULL;
		for (size_t i = 0; i < e->n_nets; i++)
			if (strcmp(e->nets[i].name, fake_net_name(k)) == 0)
				net = &e->nets[i];
		if (*first->ip[k] &&
		    (!net || !net->ip || strcmp(net->ip, first->ip[k]) != 0 || !net->mac || strcmp(net->mac, first->mac[k]) != 0))
			sim_fail(s, "%s is made without its address %s", e->name, first->ip[k]);
		if (!*first->ip[k] && net)
			sim_fail(s, "%s is made in network %s, where it never was", e->name, fake_net_name(k));
	}
}

static void check_done(struct sim *s, const struct takeover *t) {
	const struct truth *truth = truth_named(s, t->workload);
	const struct fake_container *c = fake_by_id(&s->fake, t->new_id);

	if (!c || !c->proved || !truth) {
		sim_fail(s, "takeover %s is done, and its container never ran with its addresses", t->id);
		return;
	}
	const struct fake_container *first = s->fake.containers[truth->first];
	for (int k = 0; k < FAKE_NETS; k++)
		if (strcmp(c->ip[k], first->ip[k]) != 0 || strcmp(c->mac[k], first->mac[k]) != 0)
			sim_fail(s, "takeover %s is done with %s instead of %s", t->id, c->ip[k], first->ip[k]);
}

/* ---- (c) the last one standing is not removed ---- */

static void check_removal(struct sim *s, const struct effect *e) {
	const struct fake_container *c = fake_by_id(&s->fake, e->container);
	const struct workload *w = find_workload(s, e->workload);

	if (!c || !c->started || *e->takeover)
		return;
	const struct fake_container *owner = w ? fake_by_id(&s->fake, w->container) : NULL;
	bool newer = w && (w->generation > generation_of(c) || c->touched); /* by hand: a staged one that was given up long ago */
	if (!owner || owner == c || !w->verified || !owner->proved || !newer)
		sim_fail(s, "%s (generation %u) is to be removed, and no newer one was proved", c->name, generation_of(c));
}

/* ---- (d) one start at a time, and none before the address was let go ---- */

/* The start of a container that was not seen to run yet; one that was seen has taken effect, whatever its answer says. */
static bool start_may_come(const struct sim *s, const struct flight *f, const struct effect *e) {
	const struct fake_container *c = fake_by_id(&s->fake, f->effect->container);

	return f->effect->kind == EFFECT_START && flight_is_pending(f) && strcmp(f->effect->workload, e->workload) == 0 &&
	       strcmp(f->effect->container, e->container) != 0 && c->exists && !c->proved;
}

static void check_start(struct sim *s, const struct effect *e) {
	const struct fake_container *c = fake_by_id(&s->fake, e->container);

	for (const struct flight *f = s->flights; f; f = f->next)
		if (start_may_come(s, f, e) && !is_lost(s, f->effect->node) &&
		    !fake_by_id(&s->fake, f->effect->container)->given_up)
			sim_fail(s, "%s is to be started while the start of %s on %s may still come", e->container,
				 f->effect->container, f->effect->node);
	for (int i = 0; i < s->fake.n_containers && c; i++) {
		const struct fake_container *o = s->fake.containers[i];
		if (o == c || sim_truth(s, o) != sim_truth(s, c) || !sim_truth(s, o) || !o->exists || o->let_go || o->given_up)
			continue;
		if (o->task[0] || o->task[1])
			sim_fail(s, "%s is to be started, and %s was never released", c->name, o->name);
	}
}

/* ---- (e) the brake ---- */

/* A planned one that has begun to cut the owner off does not leave it so. */
static bool has_fenced(struct sim *s, const struct effect *e, const struct takeover *t, bool held) {
	bool known = strs_has(&s->fenced, t->id);
	if (!known && !held && t->planned && (e->kind == EFFECT_DISCONNECT || e->kind == EFFECT_STOP))
		strs_add(&s->fenced, t->id);
	return known;
}

static void check_brake(struct sim *s, const struct effect *e, const struct takeover *t) {
	const char *reason;

	if (!t || !changes_something(e->kind) || t->released || t->abort != ABORT_NO)
		return;
	bool held = resched_brake_holds(s->machine, &reason);
	if (has_fenced(s, e, t, held) || !held)
		return;
	const struct world_node *from = world_node(resched_world(s->machine), t->from);
	bool fenced = t->planned && t->row >= ROW_FENCE_DISCONNECT; /* its owner was stopped for it: it goes on */
	if (!fenced && (!from || !from->confirmed_dead))
		sim_fail(s, "the brake holds, and takeover %s goes on with %s", t->id, effect_kind_name(e->kind));
}

/* ---- (g) everything under way has one owner ---- */

static int seats_asked(const struct world_node *n, uint64_t effect) {
	int asked = 0;

	for (const struct agent_seat *seat = n->agent.seats; seat; seat = seat->hh.next)
		asked += seat->pending == effect;
	return asked;
}

static int proofs_asked(const struct takeover *t, uint64_t effect) {
	int asked = 0;

	for (const struct takeover_ask *a = t->asks; a; a = a->next)
		asked += a->effect == effect;
	return asked;
}

static void check_pending(struct sim *s, const struct effect *e) {
	int owners = 0;

	for (const struct takeover *t = resched_takeovers(s->machine); t; t = t->hh.next)
		owners += (t->pending == e->id) + proofs_asked(t, e->id);
	for (const struct workload *w = resched_workloads(s->machine); w; w = w->hh.next)
		for (size_t i = 0; i < w->n_copies; i++)
			owners += w->copies[i].pending == e->id;
	for (const struct world_node *n = resched_world(s->machine)->nodes; n; n = n->hh.next)
		owners += (n->restoring == e->id) + (n->agent.quarantining == e->id) + seats_asked(n, e->id);
	bool unheard = e->kind == EFFECT_REPAIR && !e->workload; /* a sweep's: nobody waits for it */
	if (owners != 1 && !unheard)
		sim_fail(s, "%s has %d owners", effect_kind_name(e->kind), owners);
	for (const struct flight *f = s->flights; f && *e->takeover && e->kind != EFFECT_PROVE; f = f->next)
		if (!f->answered && f->effect->kind != EFFECT_PROVE && f->manager == s->manager &&
		    strcmp(f->effect->takeover, e->takeover) == 0 && f->effect->generation == e->generation &&
		    f->effect->generation == e->generation && /* an earlier attempt's, given up with its node */
		    !is_lost(s, f->effect->node))
			sim_fail(s, "takeover %s asks for %s while its %s is not answered", e->takeover, effect_kind_name(e->kind),
				 effect_kind_name(f->effect->kind));
}

void check_effect(struct sim *s, const struct effect *e) {
	const struct takeover *t = *e->takeover ? find_takeover(s, e->takeover) : NULL;

	check_pending(s, e);
	check_subjects(s, e);
	check_brake(s, e, t);
	if (e->kind == EFFECT_CREATE)
		check_addresses(s, e);
	if (e->kind == EFFECT_REMOVE)
		check_removal(s, e);
	if (e->kind == EFFECT_START)
		check_start(s, e);
}

/* It takes from everybody there, so nobody may be there who demands more than is known. */
void check_node_removal(struct sim *s, int node) {
	const struct world_node *n = s->machine ? world_node(resched_world(s->machine), s->fake.nodes[node].name) : NULL;

	for (int i = 0; i < s->fake.n_containers && n && !n->confirmed_dead; i++) {
		const struct fake_container *c = s->fake.containers[i];
		if (c->exists && c->running && c->node == node && c->fence == EVIDENCE_STOPPED && !c->let_go &&
		    fake_has_overlay(c) && is_lost(s, n->name))
			sim_fail(s, "%s is removed from the swarm, and %s there demands that it be stopped first", n->name,
				 c->name);
	}
}

/* ---- after a turn ---- */

static struct seen_takeover *seen(struct sim *s, const struct takeover *t) {
	for (int i = 0; i < s->n_seen; i++)
		if (strcmp(s->seen[i].id, t->id) == 0)
			return &s->seen[i];
	if (s->n_seen == (int)(sizeof(s->seen) / sizeof(s->seen[0])))
		return NULL;
	struct seen_takeover *n = &s->seen[s->n_seen++];
	memcpy(n->id, t->id, sizeof(n->id));
	return n;
}

/* The point of no return: no owner that lives and answers loses its address, unless it was stopped for this. */
static void check_release(struct sim *s, const struct takeover *t) {
	struct fake_container *c = fake_by_id(&s->fake, t->old_id);

	if (c)
		c->given_up = true;
	if (c && c->exists && c->running && !c->touched && !t->fenced && !is_lost(s, t->from))
		sim_fail(s, "takeover %s releases the address of %s, which runs on %s", t->id, c->name, t->from);
}

void check_turn(struct sim *s) {
	for (const struct takeover *t = resched_takeovers(s->machine); t; t = t->hh.next) {
		struct seen_takeover *was = seen(s, t);
		if (!was)
			continue;
		const struct takeover before = {.row = was->row, .state = was->state, .abort = was->abort};
		coverage_takeover(was->known ? &before : NULL, t);
		if (t->released && !was->released && t->old_id)
			check_release(s, t);
		if (t->row > ROW_EVIDENCE && was->row <= ROW_EVIDENCE && !takeover_is_resumed(t))
			agents_check_release(s, t);
		if (t->state == TAKEOVER_DONE && was->state != TAKEOVER_DONE)
			check_done(s, t);
		if (t->state == TAKEOVER_NEEDS_OPERATOR && (!t->reason || !*t->reason))
			sim_fail(s, "takeover %s needs an operator and does not say why", t->id);
		if (!was->known || was->row != t->row || was->state != t->state || was->abort != t->abort)
			sim_say(s, "  takeover %s of %s g%u %s -> %s: %s, %s%s %s", t->id + 12, t->container, t->generation,
				t->from, t->to ? t->to : "?", takeover_state_name(t->state), takeover_row_name(t->row),
				t->abort == ABORT_NO     ? ""
				: t->abort == ABORT_FAIL ? " (fails)"
							 : " (goes back)",
				t->reason ? t->reason : "");
		was->known = true;
		was->row = t->row;
		was->state = t->state;
		was->abort = t->abort;
		was->released = t->released;
	}
	for (const struct workload *w = resched_workloads(s->machine); w; w = w->hh.next)
		for (size_t i = 0; i < w->n_copies; i++)
			coverage_copy(w->copies[i].row);
}

/* (d) on the true network: no address twice, and nobody has one that the swarm gave to another. */
void check_world(struct sim *s) {
	for (int i = 0; i < s->fake.n_containers; i++) {
		const struct fake_container *a = s->fake.containers[i];
		if (!a->task[0] && !a->task[1])
			continue;
		for (int j = i + 1; j < s->fake.n_containers; j++) {
			const struct fake_container *b = s->fake.containers[j];
			for (int k = 0; k < FAKE_NETS; k++)
				if (a->task[k] && b->task[k] && strcmp(a->ip[k], b->ip[k]) == 0)
					sim_fail(s, "%s and %s both have %s", a->name, b->name, a->ip[k]);
		}
	}
}

/* ---- (f) in the end ---- */

static const struct takeover *open_takeover(const struct sim *s, const char *workload) {
	for (const struct takeover *t = resched_takeovers(s->machine); t; t = t->hh.next)
		if (!takeover_is_over(t->state) && strcmp(t->workload, workload) == 0)
			return t;
	return NULL;
}

static char *unserved_node(const struct sim *s) {
	for (const struct world_node *n = resched_world(s->machine)->nodes; n; n = n->hh.next)
		if (!world_node_serves(n) || n->removed)
			return xasprintf("%s does not take part again: %s%s%s", n->name, node_verdict_name(n->verdict),
					 n->listed ? "" : ", not listed", n->returning ? ", returning" : "");
	return NULL;
}

static char *busy_takeover(const struct sim *s) {
	for (const struct takeover *t = resched_takeovers(s->machine); t; t = t->hh.next)
		if (t->state == TAKEOVER_WAITING || t->state == TAKEOVER_RUNNING)
			return xasprintf("takeover %s of %s is still %s at %s: %s", t->id, t->container,
					 takeover_state_name(t->state), takeover_row_name(t->row), t->reason ? t->reason : "");
	return NULL;
}

static char *stale_copy(struct sim *s, const struct truth *t, const struct workload *w) {
	for (int i = 0; i < s->fake.n_containers; i++) {
		const struct fake_container *c = s->fake.containers[i];
		if (sim_truth(s, c) != t || !c->exists || (w && w->container && strcmp(w->container, c->id) == 0))
			continue;
		if (c->running)
			return xasprintf("the stale %s (%s) still runs on %s", c->name, c->id, s->fake.nodes[c->node].name);
		if (c->task[0] || c->task[1])
			return xasprintf("the stale %s (%s) is still connected on %s", c->name, c->id, s->fake.nodes[c->node].name);
		if (w && w->verified && w->must_run && !s->settings.stale_keep && !open_takeover(s, w->id))
			return xasprintf("the stale %s (%s) is still on %s", c->name, c->id, s->fake.nodes[c->node].name);
	}
	return NULL;
}

static char *unserved_workload(struct sim *s, const struct truth *t) {
	const struct workload *w = find_workload(s, t->workload);
	const struct fake_container *owner = w ? fake_by_id(&s->fake, w->container) : NULL;
	const struct fake_container *first = s->fake.containers[t->first];

	if (open_takeover(s, t->workload) || t->excused)
		return NULL;
	if (!w || !owner || !owner->exists)
		return xasprintf("%s (%s) is lost", first->name, t->workload);
	if (!owner->running || !fake_is_attached(owner))
		return xasprintf("%s (%s, %s) does not run with its addresses on %s", owner->name, t->workload, owner->id, w->node);
	bool none = !*t->policy && strcmp(owner->policy, "no") == 0;
	if (strcmp(owner->policy, t->policy) != 0 && !none && !t->policy_refused)
		return xasprintf("%s (%s) has restart policy \"%s\" instead of \"%s\"", owner->name, owner->id, owner->policy,
				 t->policy);
	if (!w->verified)
		return xasprintf("%s (%s) runs on %s, and nobody has verified it", owner->name, t->workload, w->node);
	return NULL;
}

/* Who never opted in runs on, with its addresses. */
static char *harmed_bystander(const struct sim *s) {
	for (int i = 0; i < s->fake.n_containers; i++) {
		const struct fake_container *c = s->fake.containers[i];
		if (c->exists && !c->opted && c->running && !fake_is_attached(c))
			return xasprintf("the bystander %s has lost its address", c->name);
	}
	return NULL;
}

char *check_end(struct sim *s) {
	const char *reason;

	if (!s->machine)
		return xstrdup("there is no manager");
	if (resched_brake_holds(s->machine, &reason))
		return xasprintf("the brake holds: %s", reason);
	char *wrong = unserved_node(s);
	if (!wrong)
		wrong = busy_takeover(s);
	for (int i = 0; i < s->n_truths && !wrong; i++) {
		wrong = stale_copy(s, &s->truths[i], find_workload(s, s->truths[i].workload));
		if (!wrong)
			wrong = unserved_workload(s, &s->truths[i]);
	}
	if (!wrong)
		wrong = harmed_bystander(s);
	if (!wrong)
		wrong = agents_check_end(s);
	for (int i = 0; i < s->n_truths && !wrong && s->good_checks == 1; i++) {
		const struct takeover *t = open_takeover(s, s->truths[i].workload);
		coverage_end(t ? "needs an operator" : s->truths[i].excused ? "need not run" : "runs");
		if (t)
			sim_say(s, "%s needs an operator: %s", t->container, t->reason);
	}
	return wrong;
}
