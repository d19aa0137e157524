/* What agents were told before this run of the machine, and nobody has any more.
 *
 * Who was told what is not written down: after a start everything that holds is told again. A container that was removed while the
 * manager was down, or whose ledger was lost with the store, is known to the agents alone, which would go on setting rows for it
 * against whoever has its address next. They say which addresses nobody has spoken of since; what is in no moved workload's name is
 * taken back. */
#include "resched/resched-internal.h"

#include "base/alloc.h"
#include "base/mutant.h"

#include <string.h>

#define FORGET_SEC 5

void former_drop(struct node_agent *a) {
	world_nets_free(a->former, a->n_former);
	a->former = NULL;
	a->n_former = 0;
}

void former_take(struct node_agent *a, const struct agent_report *report) {
	former_drop(a);
	if (report->n_former == 0 || a->telling || a->forgetting)
		return;
	a->former = xnew_n(struct world_net, report->n_former);
	for (size_t i = 0; i < report->n_former; i++)
		a->former[a->n_former++] = (struct world_net){
			.name = xstrdup(report->former[i].network_id),
			.id = xstrdup(report->former[i].network_id),
			.mac = xstrdup(report->former[i].mac),
		};
	a->due = true;
}

/* A network that is not known well enough to tell counts as the same. */
static bool is_same(const struct world_net *net, const struct world_net *former) {
	if (net->kind == NET_LOCAL)
		return false;
	return (!net->id || strcmp(net->id, former->id) == 0) && (!net->mac || strcmp(net->mac, former->mac) == 0);
}

static bool has(const struct world_container *c, const struct world_net *former) {
	for (size_t i = 0; c && i < c->n_nets; i++)
		if (is_same(&c->nets[i], former))
			return true;
	return false;
}

/* By a workload that was moved, or is being moved: before that the engines' own rows hold. */
static bool is_held_by(const struct resched *r, const struct workload *w, const struct world_net *former) {
	const struct takeover *t = takeover_open(r, w);

	for (size_t i = 0; t && i < t->n_nets; i++)
		if (is_same(&t->nets[i].net, former))
			return true;
	if (!t && (w->generation < 2 || w->gone || !w->must_run))
		return false;
	return has(workload_subject(r, w), former) || has(world_container(&r->world, w->node, w->container), former);
}

static bool is_held(const struct resched *r, const struct world_net *former) {
	for (const struct workload *w = r->workloads; w; w = w->hh.next)
		if (is_held_by(r, w, former) && !MUTANT(OWNERS_ROWS_TAKEN_BACK))
			return true;
	return false;
}

/* Whose containers are not known yet may have any of them. */
static bool knows_all_nodes(const struct resched *r) {
	for (const struct world_node *n = r->world.nodes; n; n = n->hh.next)
		if (!n->listed && n->verdict != NODE_DEAD && n->verdict != NODE_ENGINE_ONLY)
			return false;
	return true;
}

void former_turn(struct resched *r, struct world_node *n) {
	struct node_agent *a = &n->agent;

	if (a->n_former == 0 || a->telling || a->forgetting || !knows_all_nodes(r))
		return;
	struct effect *e = effect_new(r, EFFECT_FORGET, span_sec(FORGET_SEC));
	e->node = xstrdup(n->name);
	e->nets = xnew_n(struct world_net, a->n_former);
	for (size_t i = 0; i < a->n_former; i++)
		if (!is_held(r, &a->former[i]))
			world_net_copy(&e->nets[e->n_nets++], &a->former[i]);
	former_drop(a);
	if (e->n_nets == 0) {
		effect_free(e);
		return;
	}
	a->forgetting = e->id;
	agents_asked(r, e->id, n, NULL);
	effect_emit(r, e);
}
