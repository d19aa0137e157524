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

/* ---- what would be if its node died now ---- */

/* The node as it is, while it is taken for dead. */
struct imagined {
	struct world_node *node;
	enum node_verdict verdict;
	enum node_agent_state agent;
	size_t seen_by;
};

static struct imagined imagine_lost(struct resched *r, const char *name) {
	struct world_node *n = world_node(&r->world, name);
	struct imagined was = {.node = n};

	if (!n)
		return was;
	was = (struct imagined){n, n->verdict, n->agent.state, n->seen_by.n};
	n->verdict = NODE_DEAD;
	n->agent.state = n->agent.state == NODE_AGENT_NONE ? NODE_AGENT_NONE : NODE_AGENT_UNREACHABLE;
	n->seen_by.n = 0;
	return was;
}

static void imagine_no_more(const struct imagined *was) {
	if (!was->node)
		return;
	was->node->verdict = was->verdict;
	was->node->agent.state = was->agent;
	was->node->seen_by.n = was->seen_by;
}

/* The takeover that would begin. Borrows from c and w; free its nets. */
static struct takeover imagine_takeover(const struct workload *w, const struct world_container *c) {
	struct takeover t = {.workload = w->id, .from = c->node, .n_nets = c->n_nets};

	t.nets = xnew_n(struct takeover_net, c->n_nets);
	for (size_t i = 0; i < c->n_nets; i++)
		t.nets[i].net = c->nets[i];
	return t;
}

/* Why nothing would begin at all; NULL. Owned. */
static char *never_begun(const struct workload *w, const struct world_container *c, const struct world_node *n) {
	if (!c->policy.move)
		return xstrdup("it did not opt in");
	if (!w)
		return xstrdup("it was made by heir and never started");
	if (!workload_is_owner(w, c->node, c->id))
		return xstrdup("it is a stale copy");
	if (!w->must_run)
		return xstrdup("it was stopped on purpose");
	if (w->abandoned || w->exhausted)
		return xstrdup("an operator is needed for it (`heir takeover ls`)");
	return n && n->hold ? xasprintf("%s is held by an operator: %s", n->name, n->hold) : NULL;
}

static char *lacks_evidence(const struct resched_forecast *f) {
	if (f->demanded <= f->evidence)
		return NULL;
	if (f->demanded == EVIDENCE_QUARANTINED)
		return xasprintf("evidence \"%s\" is demanded, and not every host on its networks has an agent that answers",
				 evidence_name(f->demanded));
	return xasprintf("evidence \"%s\" is demanded, which only an operator can give", evidence_name(f->demanded));
}

static void foresee(struct resched *r, const struct workload *w, const struct world_container *c, const struct plan_claim *claims,
		    size_t n_claims, struct resched_forecast *ret) {
	struct takeover t = imagine_takeover(w, c);
	bool for_operator;

	char *why = walk_obstacle(r, &t, c, (unsigned)n_claims, &for_operator);
	walk_ask_plan(r, &t, w, c, claims, n_claims, &ret->choice);
	t.to = (char *)(uintptr_t)ret->choice.target; /* it is an observer, too */
	ret->evidence = walk_evidence_to_come(r, &t);
	ret->demanded = walk_evidence_demanded(r, &t);
	ret->blocked = for_operator ? why : lacks_evidence(ret);
	if (why && !for_operator)
		ret->waits = why;
	else if (!ret->choice.target)
		ret->waits =
			xstrdup(ret->choice.full ? "every possible target is busy with other takeovers" : "no node can take it");
	free(t.nets);
}

void resched_forecast(struct resched *r, struct mono now, const struct world_container *c, const struct plan_claim *claims,
		      size_t n_claims, struct resched_forecast *ret) {
	char *id;
	const struct workload *w = ledger_identify(r, c, &id);

	*ret = (struct resched_forecast){.evidence = EVIDENCE_PRESUMED, .demanded = EVIDENCE_PRESUMED};
	r->now = now;
	char *never = never_begun(w, c, world_node(&r->world, c->node));
	if (w) {
		const struct imagined was = imagine_lost(r, c->node);
		foresee(r, w, c, claims, n_claims, ret);
		imagine_no_more(&was);
		ret->delay = limit_delay(r, w);
		ret->attempts = limit_attempts(r, w);
		ret->keeps_oldest = limit_keeps_oldest(r, w);
	}
	if (never) {
		free(ret->blocked);
		ret->blocked = never;
	}
	free(id);
}

void resched_forecast_clear(struct resched_forecast *f) {
	plan_choice_clear(&f->choice);
	free(f->blocked);
	free(f->waits);
	*f = (struct resched_forecast){0};
}
