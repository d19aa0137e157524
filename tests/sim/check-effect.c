/* Effects: when they are given out, by what the machine knew, and when they happen, by what is so. */
#include "checks.h"

#include <stdio.h>
#include <string.h>

static bool changes_something(enum effect_kind k) {
	return k != EFFECT_INSPECT && k != EFFECT_READY && k != EFFECT_HOLDERS && k != EFFECT_RESTORE && !agents_handle(k);
}

static bool is_on_container(enum effect_kind k) { return (k >= EFFECT_START && k <= EFFECT_REMOVE) || k == EFFECT_ISOLATE; }

/* ---- nothing is touched that did not opt in, and nothing of another workload ---- */

static void check_touched(struct sim *s, const struct effect *e, const char *id) {
	const struct fake_container *c = fake_by_id(&s->fake, id);
	const struct truth *t = sim_truth(s, c);

	if (!c)
		sim_fail(s, INV_TOUCHED, "%s of \"%s\", which never was", effect_kind_name(e->kind), id);
	else if (!c->opted && !*c->takeover)
		sim_fail(s, INV_TOUCHED, "%s of %s, which did not opt in", effect_kind_name(e->kind), c->name);
	else if (!t || strcmp(t->workload, e->workload) != 0)
		sim_fail(s, INV_TOUCHED, "%s of %s for workload %s, which is not its own", effect_kind_name(e->kind), c->name,
			 e->workload);
}

static void check_subjects(struct sim *s, const struct effect *e) {
	if (is_on_container(e->kind))
		check_touched(s, e, e->container);
	for (size_t i = 0; e->kind == EFFECT_RELEASE && i < e->copies.n; i++)
		check_touched(s, e, e->copies.v[i]);
}

/* ---- the address is the old one ---- */

static void check_addresses(struct sim *s, const struct effect *e) {
	const struct truth *t = sim_truth_named(s, e->workload);

	if (!t) {
		sim_fail(s, INV_TOUCHED, "a container is made for %s, which did not opt in", e->workload);
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
			sim_fail(s, INV_ADDRESS, "%s is made without its address %s", e->name, first->ip[k]);
		if (!*first->ip[k] && net)
			sim_fail(s, INV_ADDRESS, "%s is made in network %s, where it never was", e->name, fake_net_name(k));
	}
}

/* Every attempt has a number of its own, whatever crashed before it. */
static void check_number(struct sim *s, const struct effect *e) {
	const struct truth *t = sim_truth_named(s, e->workload);

	for (int i = 0; i < s->fake.n_containers && t; i++) {
		const struct fake_container *c = s->fake.containers[i];
		if (sim_truth(s, c) == t && fake_generation(c) >= e->generation && strcmp(c->takeover, e->takeover) != 0)
			sim_fail(s, INV_OWNER, "%s is made as generation %u, and there was one of generation %u", e->name,
				 e->generation, fake_generation(c));
	}
}

/* ---- the last one standing is not removed ---- */

static void check_removal(struct sim *s, const struct effect *e) {
	const struct fake_container *c = fake_by_id(&s->fake, e->container);
	const struct workload *w = check_workload(s, e->workload);

	if (!c || !c->started || *e->takeover)
		return;
	const struct fake_container *owner = w ? fake_by_id(&s->fake, w->container) : NULL;
	bool newer = w && (w->generation > fake_generation(c) || c->touched); /* by hand: a staged one that was given up long ago */
	const struct world_node *at = w ? world_node(resched_world(s->machine), w->node) : NULL;
	if (owner && at && at->verdict != NODE_ALIVE)
		sim_fail(s, INV_REMOVED, "%s is to be removed, and %s, where the newer one is, does not answer", c->name, at->name);
	if (!owner || owner == c || !w->verified || !owner->proved || !newer)
		sim_fail(s, INV_REMOVED, "%s (generation %u) is to be removed, and no newer one was proved", c->name,
			 fake_generation(c));
}

/* ---- one start at a time, and none before the address was let go ---- */

/* The start of a container that was not seen to run yet; one that was seen has taken effect, whatever its answer says. */
static bool start_may_come(const struct sim *s, const struct flight *f, const struct effect *e) {
	const struct fake_container *c = fake_by_id(&s->fake, f->effect->container);

	return f->effect->kind == EFFECT_START && flight_is_pending(f) && strcmp(f->effect->workload, e->workload) == 0 &&
	       strcmp(f->effect->container, e->container) != 0 && c->exists && !c->proved;
}

static void check_start(struct sim *s, const struct effect *e) {
	const struct fake_container *c = fake_by_id(&s->fake, e->container);

	for (const struct flight *f = s->flights; f; f = f->next)
		if (start_may_come(s, f, e) && !check_is_lost(s, f->effect->node) &&
		    !fake_by_id(&s->fake, f->effect->container)->given_up)
			sim_fail(s, INV_OWNER, "%s is to be started while the start of %s on %s may still come", e->container,
				 f->effect->container, f->effect->node);
	for (int i = 0; i < s->fake.n_containers && c; i++) {
		const struct fake_container *o = s->fake.containers[i];
		if (o == c || sim_truth(s, o) != sim_truth(s, c) || !sim_truth(s, o) || !o->exists || o->let_go || o->given_up)
			continue;
		if (o->task[0] || o->task[1])
			sim_fail(s, INV_EVIDENCE, "%s is to be started, and %s was never released", c->name, o->name);
	}
}

/* ---- the brake ---- */

/* A planned one that has begun to cut the owner off does not leave it so. */
static bool has_fenced(struct sim *s, const struct effect *e, const struct takeover *t, bool held) {
	bool known = strs_has(&s->checks->braked, t->id);
	if (!known && !held && t->planned && (e->kind == EFFECT_DISCONNECT || e->kind == EFFECT_STOP))
		strs_add(&s->checks->braked, t->id);
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
		sim_fail(s, INV_BRAKE, "the brake holds, and takeover %s goes on with %s", t->id, effect_kind_name(e->kind));
}

/* ---- everything under way has one owner ---- */

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
		owners += (n->restoring == e->id) + (n->agent.quarantining == e->id) + (n->agent.forgetting == e->id) +
			  seats_asked(n, e->id);
	bool unheard = e->kind == EFFECT_REPAIR && !e->workload; /* a sweep's: nobody waits for it */
	bool publishers = e->kind == EFFECT_PUBLISH;             /* found by its workload */
	if (owners != 1 && !unheard && !publishers)
		sim_fail(s, INV_OWNER, "%s has %d owners", effect_kind_name(e->kind), owners);
	for (const struct flight *f = s->flights; f && *e->takeover && e->kind != EFFECT_PROVE; f = f->next)
		if (!f->answered && f->effect->kind != EFFECT_PROVE && f->manager == s->manager &&
		    strcmp(f->effect->takeover, e->takeover) == 0 && f->effect->generation == e->generation &&
		    f->effect->generation == e->generation && /* an earlier attempt's, given up with its node */
		    !check_is_lost(s, f->effect->node))
			sim_fail(s, INV_OWNER, "takeover %s asks for %s while its %s is not answered", e->takeover,
				 effect_kind_name(e->kind), effect_kind_name(f->effect->kind));
}

/* ---- see before do ---- */

static unsigned bit_of(enum effect_kind k) {
	switch (k) {
	case EFFECT_CREATE:
	case EFFECT_START:
	case EFFECT_RENAME:
	case EFFECT_DISCONNECT:
	case EFFECT_STOP:
	case EFFECT_RELEASE:
		return 1U << k;
	default:
		return 0;
	}
}

/* While it is not known what became of it, it is not asked for again before somebody has looked. */
static void check_see(struct sim *s, const struct effect *e, const struct takeover *t) {
	const struct seen_takeover *was = t ? check_seen(s, t->id) : NULL;

	if (was && was->open_generation == t->generation && was->open_kinds & bit_of(e->kind))
		sim_fail(s, INV_SEE, "takeover %s asks for %s again, and has not looked what became of the last one", t->id,
			 effect_kind_name(e->kind));
}

void check_sent(struct sim *s, const struct effect *e) {
	struct seen_takeover *was = *e->takeover ? check_seen(s, e->takeover) : NULL;

	if (!was)
		return;
	if (was->open_generation != e->generation)
		was->open_kinds = 0;
	was->open_generation = e->generation;
	was->open_kinds |= bit_of(e->kind);
}

void check_heard(struct sim *s, const struct flight *f) {
	const struct effect *e = f->effect;
	struct seen_takeover *was = *e->takeover && !s->acting_old ? check_seen(s, e->takeover) : NULL;

	if (!was || was->open_generation != e->generation)
		return;
	if (f->outcome != EFFECT_UNKNOWN)
		was->open_kinds &= ~bit_of(e->kind);
	if (f->outcome == EFFECT_OK && e->kind == EFFECT_INSPECT)
		was->open_kinds &= bit_of(EFFECT_RELEASE);
	if (f->outcome == EFFECT_OK && e->kind == EFFECT_HOLDERS)
		was->open_kinds &= ~bit_of(EFFECT_RELEASE);
}

/* ---- what is swept ---- */

/* Told of everybody after a return: where a newer one has the address, that would lead back to the stale one. */
static void check_swept(struct sim *s, const struct effect *e) {
	int host = fake_node_index(&s->fake, e->host);

	for (size_t i = 0; e->kind == EFFECT_REPAIR && !e->workload && i < e->n_nets; i++)
		for (int n = 0, k = fake_net_index(&e->nets[i]); k >= 0 && n < s->fake.n_containers; n++) {
			const struct fake_container *c = s->fake.containers[n];
			if (c->node == host && c->running && e->nets[i].ip && strcmp(c->ip[k], e->nets[i].ip) == 0 &&
			    check_is_stale(s, c))
				sim_fail(s, INV_PACKETS, "%s is to send %s to the stale %s", e->node, c->ip[k], c->id);
		}
}

/* ---- what happens ---- */

static bool takes_away(enum effect_kind k) {
	return k == EFFECT_DISCONNECT || k == EFFECT_STOP || k == EFFECT_REMOVE || k == EFFECT_ISOLATE;
}

/* Whoever asked for it and whenever: what is the owner now, and is not to give way, keeps all that it has. */
static void check_owner_kept(struct sim *s, const struct flight *f, const struct fake_container *c) {
	const struct truth *t = sim_truth(s, c);
	const struct workload *w = s->machine && !s->acting_old && t ? check_workload(s, t->workload) : NULL;

	if (!w || !c->running || !c->proved || !w->container || strcmp(w->container, c->id) != 0 || !w->verified)
		return;
	for (const struct takeover *o = resched_takeovers(s->machine); o; o = o->hh.next)
		if (!takeover_is_over(o->state) && o->old_id && strcmp(o->old_id, c->id) == 0)
			return;
	sim_fail(s, f->effect->kind == EFFECT_REMOVE ? INV_REMOVED : INV_ADDRESS, "%s happens to %s, the owner of %s",
		 effect_kind_name(f->effect->kind), c->id, w->id);
}

static struct mono *check_first_start(struct sim *s, const struct fake_container *c) {
	for (int i = 0; i < s->fake.n_containers && i < CLEANED_MAX; i++)
		if (s->fake.containers[i] == c)
			return &s->checks->starts[i];
	return NULL;
}

/* A manager's that is gone may come at any time, since engines know no epochs: then it is as if somebody had done it by hand. */
static void check_second_run(struct sim *s, const struct flight *f) {
	struct fake_container *c = fake_by_id(&s->fake, f->effect->container);
	struct mono *first = c ? check_first_start(s, c) : NULL;
	bool unseen = first && (first->ns == 0 || first->ns >= f->sent.ns); /* it had not been when this was sent */

	if (first && first->ns == 0)
		*first = s->now;
	if (!c || !c->exists || !c->started || c->running || c->touched || f->waiting)
		return;
	if (!s->machine || f->manager != s->manager || f->late || unseen)
		c->touched = true;
	else
		sim_fail(s, INV_SEE, "%s had been started, and is started a second time", c->id);
}

void check_happens(struct sim *s, const struct flight *f) {
	const struct effect *e = f->effect;
	int node = fake_node_index(&s->fake, e->node);
	const struct fake_container *c = node >= 0 && e->container ? fake_find(&s->fake, node, e->container) : NULL;

	if (c && takes_away(e->kind))
		check_owner_kept(s, f, c);
	if (e->kind == EFFECT_START)
		check_second_run(s, f);
	if (e->kind == EFFECT_RELEASE)
		check_withdrawn(s, f);
	for (int i = 0; e->kind == EFFECT_RELEASE && i < s->fake.n_containers; i++)
		if (strs_has(&e->copies, s->fake.containers[i]->id))
			check_owner_kept(s, f, s->fake.containers[i]);
}

void check_cut_instead(struct sim *s, const struct fake_container *c) {
	const struct truth *t = sim_truth(s, c);

	if (c->running)
		sim_fail(s, t ? INV_ADDRESS : INV_TOUCHED, "%s is cut off instead of one of the same name elsewhere", c->id);
}

void check_effect(struct sim *s, const struct effect *e) {
	if (s->acting_old)
		return; /* nothing of it is ever done: see flight_send */
	const struct takeover *t = *e->takeover ? check_takeover(s, e->takeover) : NULL;

	check_see(s, e, t);
	check_swept(s, e);
	check_pace_effect(s, e);
	check_pending(s, e);
	check_subjects(s, e);
	check_brake(s, e, t);
	if (e->kind == EFFECT_PUBLISH)
		check_ordered(s, e);
	if (e->kind == EFFECT_CREATE) {
		check_addresses(s, e);
		check_number(s, e);
	}
	if (e->kind == EFFECT_RELEASE && e->by_node_removal && !check_is_lost(s, e->node))
		sim_fail(s, INV_TOUCHED, "%s is to be removed from the swarm, and was not given up", e->node);
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
		    fake_has_overlay(c) && check_is_lost(s, n->name))
			sim_fail(s, INV_EVIDENCE, "%s is removed from the swarm, and %s there demands that it be stopped first",
				 n->name, c->name);
	}
}
