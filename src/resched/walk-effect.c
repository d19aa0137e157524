/* The rows' effects: what the runner must be told to do one, or to look whether it is done. */
#include "resched/walk-internal.h"

#include "base/alloc.h"
#include "base/mutant.h"

#include <stdio.h>
#include <string.h>

const char *walk_restart_policy(const struct resched *r, const struct takeover *t) {
	const struct world_container *c = workload_subject(r, walk_workload(r, t));
	if (t->restart_policy)
		return t->restart_policy;
	return c && c->restart_policy ? c->restart_policy : "";
}

static void add_nets(const struct takeover *t, struct effect *e, bool overlays_only) {
	e->nets = xnew_n(struct world_net, t->n_nets);
	for (size_t i = 0; i < t->n_nets; i++)
		if ((!overlays_only || t->nets[i].net.kind != NET_LOCAL) && !(i > 0 && MUTANT(SECOND_NETWORK_DROPPED)))
			world_net_copy(&e->nets[e->n_nets++], &t->nets[i].net);
	if (e->n_nets && MUTANT(MAC_DROPPED))
		xstr_replace(&e->nets[0].mac, NULL);
}

static void add_copies(const struct workload *w, const struct takeover *t, struct effect *e) {
	if (t->old_id)
		strs_add_new(&e->copies, t->old_id);
	if (w->container && !(t->new_id && strcmp(w->container, t->new_id) == 0))
		strs_add_new(&e->copies, w->container);
	for (size_t i = 0; i < w->n_copies; i++)
		strs_add_new(&e->copies, w->copies[i].id);
	for (size_t i = 0; i < w->ghosts.n; i++)
		strs_add_new(&e->copies, w->ghosts.v[i]);
}

static void add_names(const struct workload *w, const struct takeover *t, struct effect *e) {
	strs_add_new(&e->names, t->container);
	for (size_t i = 0; i < w->n_copies; i++)
		if (w->copies[i].name)
			strs_add_new(&e->names, w->copies[i].name);
}

static void add_image(struct resched *r, const struct workload *w, struct effect *e) {
	const struct world_container *c = workload_subject(r, w);

	e->image = xstrdup_null(c ? c->image : NULL);
	e->image_id = xstrdup_null(c ? c->image_id : NULL);
	for (const struct world_node *n = r->world.nodes; n && c; n = n->hh.next)
		if (n->verdict == NODE_ALIVE && strcmp(n->name, e->node) != 0 && world_node_image(n, c->image, c->image_id))
			strs_add(&e->sources, n->name);
}

struct effect *walk_begin_effect(struct resched *r, struct takeover *t, enum effect_kind kind, struct span deadline) {
	struct effect *e = effect_new(r, kind, deadline);

	snprintf(e->takeover, sizeof(e->takeover), "%s", t->id);
	e->workload = xstrdup(t->workload);
	e->generation = t->generation;
	t->pending = e->id;
	t->pending_kind = kind;
	t->dirty = true;
	return e;
}

static void add_create(const struct workload *w, const struct takeover *t, struct effect *e) {
	e->name = xstrdup(t->staged_name);
	e->spec_node = xstrdup_null(w->spec_node);
	e->spec_id = xstrdup_null(w->spec_id);
	e->image = xstrdup_null(t->image_ref);
	add_nets(t, e, false);
}

/* What is asked of the network, not of an engine. */
static void add_address(const struct resched *r, const struct workload *w, const struct takeover *t, struct effect *e) {
	const struct world_node *from = world_node(&r->world, t->from);

	e->swarm_node = xstrdup_null(from ? from->facts.swarm_node : NULL);
	xstr_replace(&e->node, t->from);
	e->own = xstrdup_null(t->new_id);
	e->own_node = xstrdup_null(t->to);
	add_names(w, t, e);
	add_nets(t, e, true);
	add_copies(w, t, e);
	if (from && from->containers && MUTANT(NEIGHBOUR_RELEASED))
		strs_add_new(&e->copies, from->containers->id);
}

static void fill(struct resched *r, struct takeover *t, struct effect *e) {
	const struct workload *w = walk_workload(r, t);

	switch (e->kind) {
	case EFFECT_IMAGE:
		add_image(r, w, e);
		break;
	case EFFECT_CREATE:
		add_create(w, t, e);
		break;
	case EFFECT_RENAME:
		e->name = xstrdup(t->container);
		break;
	case EFFECT_POLICY:
		e->name = xstrdup(walk_restart_policy(r, t));
		break;
	case EFFECT_START:
		t->start_sent = r->now;
		break;
	case EFFECT_DISCONNECT:
		add_nets(t, e, true);
		break;
	case EFFECT_RELEASE:
		/* It may be back: what had to be withdrawn first takes its time. */
		e->by_node_removal = t->by_node_removal && (walk_node_is_lost(r, t->from) || MUTANT(LIVE_NODE_REMOVED));
		add_address(r, w, t, e);
		break;
	case EFFECT_READY:
	case EFFECT_HOLDERS:
		add_address(r, w, t, e);
		break;
	default:
		break;
	}
}

void walk_emit(struct resched *r, struct takeover *t, enum effect_kind kind) {
	const struct takeover_rule *rule = takeover_rule(t->row);
	bool fence = rule->step == STEP_FENCE;
	struct effect *e = walk_begin_effect(r, t, kind, rule->deadline);

	e->node = xstrdup_null(fence ? t->from : t->to);
	e->container = xstrdup_null(fence ? t->old_id : (t->new_id ? t->new_id : t->staged_name));
	fill(r, t, e);
	effect_emit(r, e);
}
