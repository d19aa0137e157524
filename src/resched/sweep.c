/* Sweeping after a node's return. On swarm overlays engines were seen to leave out rows for the *other* containers of a node that
 * came back, for up to half a minute (docs/engine-facts.md), and to drop rows again that were there already. Every agent is told
 * them, a few times over as long as that: what it sets is what its engine writes later anyway, so nothing has to be kept or taken
 * back, and nobody waits for the answers. */
#include "resched/resched-internal.h"

#include "base/alloc.h"
#include "base/mutant.h"

#include <string.h>

#define SWEEP_SEC 5
#define SWEEPS 6

static struct span pause_after(unsigned sweeps_left) {
	static const unsigned seconds[SWEEPS] = {0, 16, 16, 8, 4, 2};
	return span_sec(seconds[sweeps_left - 1]);
}

static bool is_swept(const struct world_net *net) { return net->kind == NET_SWARM && net->id && net->mac && (net->ip || net->ip6); }

/* Addresses of what was moved are seats.c's, wherever a copy of it still runs: told from a stale one they would lead to it. */
static bool is_anybodys(const struct resched *r, const struct world_container *c) {
	const struct workload *w = resched_workload_for(r, c);

	return !w || (w->generation == 1 && workload_is_owner(w, c->node, c->id)) || MUTANT(STALE_COPY_SWEPT);
}

/* What runs at `host` on swarm overlays that `at` has joined too. */
static void add_nets(const struct resched *r, struct effect *e, const struct world_node *at, const struct world_node *host) {
	for (const struct world_container *c = host->containers; c; c = c->next) {
		if (!c->running || !is_anybodys(r, c))
			continue;
		for (size_t i = 0; i < c->n_nets; i++) {
			if (!is_swept(&c->nets[i]) || !world_node_has_net(&r->world, at->name, c->nets[i].name))
				continue;
			e->nets = xreallocarray(e->nets, e->n_nets + 1, sizeof(*e->nets));
			world_net_copy(&e->nets[e->n_nets++], &c->nets[i]);
		}
	}
}

static void tell(struct resched *r, const struct world_node *at, const struct world_node *host) {
	if (at->agent.state != NODE_AGENT_OK || host->verdict != NODE_ALIVE || !host->facts.vtep)
		return;
	struct effect *e = effect_new(r, EFFECT_REPAIR, span_sec(SWEEP_SEC));
	e->node = xstrdup(at->name);
	e->host = xstrdup(host->name);
	e->vtep = xstrdup(host->facts.vtep);
	add_nets(r, e, at, host);
	if (e->n_nets)
		effect_emit(r, e);
	else
		effect_free(e);
}

static void begin(struct resched *r, struct world_node *n) {
	if (!n->sweep)
		return;
	n->sweep = false;
	n->sweeps_left = SWEEPS;
	n->sweep_at = r->now;
}

void sweep_turn(struct resched *r) {
	for (struct world_node *n = r->world.nodes; n; n = n->hh.next) {
		begin(r, n);
		if (n->sweeps_left == 0 || n->quarantined || !world_node_serves(n))
			continue;
		if (!mono_reached(n->sweep_at, r->now)) {
			wake_at(r, n->sweep_at);
			continue;
		}
		n->sweep_at = mono_add(r->now, pause_after(n->sweeps_left--));
		wake_at(r, n->sweep_at);
		for (const struct world_node *other = r->world.nodes; other; other = other->hh.next)
			if (other != n) {
				tell(r, other, n);
				tell(r, n, other);
			}
	}
}

void sweep_ask(struct resched *r, const char *node) {
	struct world_node *n = world_node(&r->world, node);

	if (n)
		n->sweep = true;
}
