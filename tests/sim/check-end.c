/* In the end: faults are over, and everything has to be as it should. */
#include "checks.h"

#include "base/alloc.h"

#include <string.h>

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
		if (c->started && *c->policy && strcmp(c->policy, "no") != 0 && !c->unparked && !c->touched)
			return xasprintf("the stale %s (%s) comes up again with %s", c->name, c->id, s->fake.nodes[c->node].name);
		if (w && w->verified && w->must_run && !s->settings.stale_keep && !open_takeover(s, w->id))
			return xasprintf("the stale %s (%s) is still on %s", c->name, c->id, s->fake.nodes[c->node].name);
	}
	return NULL;
}

static char *unserved_workload(struct sim *s, const struct truth *t) {
	const struct workload *w = check_workload(s, t->workload);
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

/* Who has been told, and who has not, no longer matters: packets arrive. */
static char *misled_host(const struct sim *s) {
	for (int i = 0; i < s->fake.n_nodes; i++) {
		if (!s->agents[i].there)
			continue;
		if (s->kernels[i].drops)
			return xasprintf("%s still drops somebody (%x)", s->fake.nodes[i].name, s->kernels[i].drops);
		for (const struct workload *w = resched_workloads(s->machine); w; w = w->hh.next) {
			const struct fake_container *c = fake_by_id(&s->fake, w->container);
			if (!c || w->generation < 2 || !w->verified || !w->must_run || w->gone)
				continue;
			for (int k = 0; k < FAKE_NETS; k++)
				if (kernel_speaks(c, k) && kernel_joined(s, i, k) && kernel_reaches(s, i, k, c->ip[k]) != c)
					return xasprintf("%s does not reach %s on %s (row to %d)", s->fake.nodes[i].name, c->ip[k],
							 s->fake.nodes[c->node].name,
							 s->kernels[i].rows[k][kernel_row_of(c->ip[k])].to);
		}
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
		wrong = stale_copy(s, &s->truths[i], check_workload(s, s->truths[i].workload));
		if (!wrong)
			wrong = unserved_workload(s, &s->truths[i]);
	}
	if (!wrong)
		wrong = harmed_bystander(s);
	if (!wrong)
		wrong = misled_host(s);
	if (!wrong)
		wrong = check_found(s);
	if (!wrong)
		wrong = check_told(s);
	if (!wrong && s->good_checks == 1)
		check_log_all(s);
	for (int i = 0; i < s->n_truths && !wrong && s->good_checks == 1; i++) {
		const struct takeover *t = open_takeover(s, s->truths[i].workload);
		coverage_end(t ? "needs an operator" : s->truths[i].excused ? "need not run" : "runs");
		if (t)
			sim_say(s, "%s needs an operator: %s", t->container, t->reason);
	}
	return wrong;
}
