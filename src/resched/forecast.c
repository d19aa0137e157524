/* Where a container would go: asked by the turn, by the walk, and by those who only want to know (`heir drill`). */
#include "resched/walk-internal.h"

#include "base/alloc.h"

#include <string.h>

size_t open_claims(const struct resched *r, const struct takeover *but, struct plan_claim **ret) {
	size_t n = 0;

	*ret = NULL;
	for (const struct takeover *t = r->takeovers; t; t = t->hh.next) {
		if (t == but || takeover_is_over(t->state) || !t->to)
			continue;
		const struct workload *w = workload_find(r, t->workload);
		const struct world_container *like = w ? workload_subject(r, w) : NULL;
		if (!like)
			continue;
		*ret = xreallocarray(*ret, n + 1, sizeof(**ret));
		(*ret)[n++] = (struct plan_claim){.node = t->to, .like = like, .idle = takeover_is_idle(t)};
	}
	return n;
}

void plan_for(const struct resched *r, const struct workload *w, const struct world_container *subject, const char *from,
	      const char *pinned, const struct plan_claim *claims, size_t n_claims, struct plan_choice *ret) {
	struct strs copies = {0};

	workload_keys(w, &copies);
	const struct plan_ask ask = {
		.world = &r->world,
		.subject = subject,
		.name = w->name ? w->name : subject->name,
		.from = from,
		.pinned = pinned,
		.copies = &copies,
		.avoid = &w->avoid,
		.claims = claims,
		.n_claims = n_claims,
		.strategy = r->settings.strategy,
		.per_target = r->settings.per_target,
		.seed = r->settings.seed + w->last_generation + (uint64_t)strlen(w->id) * 31,
		.now = r->now,
	};
	plan_choose(&ask, ret);
	strs_clear(&copies);
}

/* Its takeover as the agents see it. Borrows from c; free its nets. */
static struct takeover imagine(const struct world_container *c, const char *target) {
	struct takeover t = {.from = c->node, .to = (char *)(uintptr_t)target, .n_nets = c->n_nets};

	t.nets = xnew_n(struct takeover_net, c->n_nets);
	for (size_t i = 0; i < c->n_nets; i++)
		t.nets[i].net = c->nets[i];
	return t;
}

/* Why it would not move at all; NULL. Owned. */
static char *blocked(const struct resched *r, const struct workload *w, const struct world_container *c, enum evidence at_hand,
		     bool covered) {
	enum evidence demanded = c->policy.fence > r->settings.fence ? c->policy.fence : r->settings.fence;

	if (!c->policy.move)
		return xstrdup("it did not opt in");
	if (c->blockers.n)
		return xstrdup(c->blockers.v[0]);
	if (w && !workload_is_owner(w, c->node, c->id))
		return xstrdup("it is a stale copy");
	if (!c->running && c->settled)
		return xstrdup("it was stopped on purpose");
	for (size_t i = 0; i < c->n_nets; i++)
		if (c->nets[i].kind == NET_KV && !covered)
			return xasprintf("network \"%s\" is kept in a key/value store: no agents", c->nets[i].name);
	if (demanded > at_hand && demanded == EVIDENCE_QUARANTINED)
		return xasprintf("evidence \"%s\" is demanded, and not every host on its networks has an agent that answers",
				 evidence_name(demanded));
	if (demanded > at_hand)
		return xasprintf("evidence \"%s\" is demanded, which only an operator can give", evidence_name(demanded));
	return NULL;
}

void resched_forecast(struct resched *r, struct mono now, const struct world_container *c, const struct plan_claim *claims,
		      size_t n_claims, struct resched_forecast *ret) {
	*ret = (struct resched_forecast){.evidence = EVIDENCE_PRESUMED};
	r->now = now;
	char *id;
	const struct workload *w = ledger_identify(r, c, &id);
	const struct world_node *from = world_node(&r->world, c->node);
	struct workload nobody = {.id = id};

	plan_for(r, w ? w : &nobody, c, c->node, NULL, claims, n_claims, &ret->choice);
	struct takeover t = imagine(c, ret->choice.target);
	bool covered = agents_cover(r, &t, NULL);
	if (covered && takeover_has_overlay(&t) && from && from->facts.vtep)
		ret->evidence = EVIDENCE_QUARANTINED;
	free(t.nets);
	ret->blocked = blocked(r, w, c, ret->evidence, covered);
	free(id);
}

void resched_forecast_clear(struct resched_forecast *f) {
	plan_choice_clear(&f->choice);
	free(f->blocked);
	*f = (struct resched_forecast){0};
}
