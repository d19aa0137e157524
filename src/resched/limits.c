/* What is demanded of one workload, by its own labels or else by the configuration, and what may not be done too often. */
#include "resched/resched-internal.h"

#include "base/alloc.h"

#define MINUTE_SEC 60

static const struct policy *policy_of(const struct resched *r, const struct workload *w) {
	const struct world_container *c = workload_subject(r, w);
	return c ? &c->policy : NULL;
}

unsigned limit_attempts(const struct resched *r, const struct workload *w) {
	const struct policy *p = policy_of(r, w);
	return p && p->attempts ? p->attempts : r->settings.attempts;
}

bool limit_keeps_oldest(const struct resched *r, const struct workload *w) {
	const struct policy *p = policy_of(r, w);
	return p && p->keep != KEEP_UNSAID ? p->keep == KEEP_OLDEST : r->settings.keep_oldest;
}

struct span limit_delay(const struct resched *r, const struct workload *w) {
	const struct policy *p = policy_of(r, w);
	return p && p->has_delay ? p->delay : r->settings.delay;
}

/* Nothing is to be waited for where the address is nobody's already, or where an operator knows that the node does not come back.
 */
struct mono limit_due(const struct resched *r, const struct workload *w, const struct world_node *n) {
	if (w->orphan || n->confirmed_dead)
		return w->not_before;
	struct mono due = mono_add(n->lost_since, limit_delay(r, w));
	return due.ns > w->not_before.ns ? due : w->not_before;
}

/* ---- how many a minute ---- */

/* When a target was found; the oldest first. */
struct recent {
	struct mono at;
	struct recent *next;
};

static void add(struct resched *r, struct mono at) {
	struct recent *x = xnew(struct recent), **p = &r->recent;

	x->at = at;
	while (*p && (*p)->at.ns <= at.ns)
		p = &(*p)->next;
	x->next = *p;
	*p = x;
}

static void drop_first(struct resched *r) {
	struct recent *x = r->recent;

	r->recent = x->next;
	free(x);
}

/* A restart is no reason to begin as many again: what was begun before is in the journal, by the wall's clock. */
static void restore(struct resched *r) {
	for (const struct takeover *t = r->takeovers; t && !r->recent_restored; t = t->hh.next) {
		int64_t ago = r->wall.ms - t->started.ms;
		if (t->to && ago >= 0 && ago < MINUTE_SEC * 1000)
			add(r, (struct mono){r->now.ns - ago * 1000000});
	}
	r->recent_restored = true;
}

bool limit_allows_another(struct resched *r, struct mono *ret_when) {
	unsigned n = 0;

	if (r->settings.per_minute == 0)
		return true;
	restore(r);
	while (r->recent && mono_reached(mono_add(r->recent->at, span_sec(MINUTE_SEC)), r->now))
		drop_first(r);
	for (const struct recent *x = r->recent; x; x = x->next)
		n++;
	if (n < r->settings.per_minute)
		return true;
	*ret_when = mono_add(r->recent->at, span_sec(MINUTE_SEC));
	return false;
}

void limit_count(struct resched *r) {
	if (r->settings.per_minute)
		add(r, r->now);
}

void limit_clear(struct resched *r) {
	while (r->recent)
		drop_first(r);
}
