/* Agents and their kernels: whom they obey, whom they let in again, and whose packets arrive where. */
#include "checks.h"

#include <string.h>

/* ---- no act of an older epoch ---- */

void check_obeyed(struct sim *s, struct sim_agent *a, const struct flight *f) {
	if (f->manager < a->newest)
		sim_fail(s, INV_EPOCH, "%s of manager %u is obeyed on %s, which has heard manager %u",
			 effect_kind_name(f->effect->kind), f->manager, f->effect->node, a->newest);
	a->newest = f->manager;
}

/* ---- quarantine ---- */

/* It speaks with an address that a newer one of its workload has, or would when its host lets it up again. */
bool check_is_stale(const struct sim *s, const struct fake_container *c) {
	if (!c->exists || !fake_has_overlay(c) || c->touched || !sim_truth(s, c))
		return false;
	for (int i = 0; i < s->fake.n_containers; i++) {
		const struct fake_container *o = s->fake.containers[i];
		if (o->exists && o->running && o->proved && o->generation > c->generation && !o->touched &&
		    sim_truth(s, o) == sim_truth(s, c))
			return true;
	}
	return false;
}

static bool speaks_anywhere(const struct fake_container *c) {
	for (int k = 0; k < FAKE_NETS; k++)
		if (kernel_speaks(c, k))
			return true;
	return false;
}

/* Nobody is let in again while a copy there speaks with an address that a newer one has. */
static void check_lifted(struct sim *s, int node) {
	for (int i = 0; i < s->fake.n_containers; i++) {
		const struct fake_container *c = s->fake.containers[i];
		if (c->node != node || !check_is_stale(s, c))
			continue;
		if (speaks_anywhere(c) || (c->was_up && *c->policy && strcmp(c->policy, "no") != 0))
			sim_fail(s, INV_PACKETS, "%s is let out of quarantine, and the stale %s is there", s->fake.nodes[node].name,
				 c->id);
	}
}

void check_quarantine(struct sim *s, int node, unsigned before, unsigned now) {
	for (int i = 0; i < s->fake.n_nodes; i++) {
		unsigned bit = 1U << i;
		if (before & ~now & bit) {
			if (s->checks->keeps_out[i] & (1U << node))
				check_lifted(s, i); /* somebody goes by it */
			s->checks->keeps_out[i] &= ~(1U << node);
		}
		if (now & ~before & bit && !s->checks->was_lost[i])
			sim_fail(s, INV_TOUCHED, "%s is to drop what comes from %s, which was never given up",
				 s->fake.nodes[node].name, s->fake.nodes[i].name);
		if (now & bit && i == node)
			sim_fail(s, INV_TOUCHED, "%s is to drop its own frames", s->fake.nodes[i].name);
	}
}

void check_kernel_heard(struct sim *s, int node) {
	for (int i = 0; i < s->fake.n_nodes; i++)
		if (s->kernels[node].drops & (1U << i))
			s->checks->keeps_out[i] |= 1U << node;
}

void check_kernel_forgot(struct sim *s, int node) {
	for (int i = 0; i < s->fake.n_nodes; i++)
		s->checks->keeps_out[i] &= ~(1U << node);
}

/* ---- behind the evidence ---- */

static bool has_joined(const struct sim *s, const struct world_node *n, const struct takeover *t) {
	bool joined = t->to && strcmp(t->to, n->name) == 0;

	for (size_t k = 0; k < t->n_nets; k++)
		joined |= t->nets[k].net.kind != NET_LOCAL &&
			  world_node_has_net(resched_world(s->machine), n->name, t->nets[k].net.name);
	return joined;
}

static void check_dropped(struct sim *s, const struct takeover *t, const char *node) {
	int old = fake_node_index(&s->fake, node);

	for (int i = 0; i < s->fake.n_nodes; i++) {
		const struct world_node *n = world_node(resched_world(s->machine), s->fake.nodes[i].name);
		if (i == old || s->agents[i].unheard || n->verdict != NODE_ALIVE || !has_joined(s, n, t))
			continue;
		if (!(s->kernels[i].drops & (1U << old)))
			sim_fail(s, INV_EVIDENCE, "takeover %s goes by a quarantine of %s, which %s does not keep", t->id, node,
				 n->name);
		s->checks->keeps_out[old] |= 1U << i;
	}
}

static bool is_dead(const struct sim *s, const char *node) {
	const struct world_node *n = world_node(resched_world(s->machine), node);
	return n->verdict == NODE_DEAD && !n->confirmed_dead;
}

/* What the takeover goes by is what the kernels do: wherever a copy may still speak. */
void check_fenced(struct sim *s, const struct takeover *t) {
	const struct workload *w = check_workload(s, t->workload);

	for (size_t i = 0; w && t->evidence == EVIDENCE_QUARANTINED && i < w->n_copies; i++) {
		const struct fake_container *c = fake_by_id(&s->fake, w->copies[i].id);
		if (c && c->exists && c->running && is_dead(s, w->copies[i].node))
			check_dropped(s, t, w->copies[i].node);
	}
}

/* ---- packets ---- */

/* Behind an acknowledged quarantine an observer has to do with one generation only: whoever is left where it was taken from is
 * neither reached nor heard. */
static void check_observer(struct sim *s, int host, int net, const struct fake_container *stale) {
	bool acknowledged = s->checks->keeps_out[stale->node] & (1U << host);

	if (!s->agents[host].there || !acknowledged || host == stale->node || !kernel_joined(s, host, net))
		return;
	if (kernel_reaches(s, host, net, stale->ip[net]) == stale)
		sim_fail(s, INV_PACKETS, "%s reaches the stale %s on %s, behind its quarantine", s->fake.nodes[host].name,
			 stale->id, s->fake.nodes[stale->node].name);
	else if (kernel_hears(s, host, net, stale))
		sim_fail(s, INV_PACKETS, "%s hears the stale %s on %s, behind its quarantine", s->fake.nodes[host].name, stale->id,
			 s->fake.nodes[stale->node].name);
}

/* On its own host the stale one is never kept from its neighbours by a quarantine; but these are kept from the new one. */
static void check_own_host(struct sim *s, int net, const struct fake_container *stale) {
	const struct fake_container *at = kernel_reaches(s, stale->node, net, stale->ip[net]);

	if (!s->agents[stale->node].there || !at || at->node == stale->node || sim_truth(s, at) != sim_truth(s, stale) ||
	    at->generation <= stale->generation)
		return;
	if (s->checks->keeps_out[stale->node] & (1U << at->node))
		sim_fail(s, INV_PACKETS, "on %s both the stale %s and %s are reached", s->fake.nodes[stale->node].name, stale->id,
			 at->id);
}

void check_packets(struct sim *s) {
	for (int i = 0; i < s->fake.n_containers; i++) {
		const struct fake_container *c = s->fake.containers[i];
		if (!s->checks->keeps_out[c->node] || !c->running || !speaks_anywhere(c) || !check_is_stale(s, c))
			continue;
		for (int k = 0; k < FAKE_NETS; k++) {
			if (!kernel_speaks(c, k))
				continue;
			for (int host = 0; host < s->fake.n_nodes; host++)
				check_observer(s, host, k, c);
			check_own_host(s, k, c);
		}
	}
}

/* ---- rows ---- */

static const struct fake_container *named(const struct sim *s, const struct world_net *net, int k, int node) {
	for (int i = 0; i < s->fake.n_containers; i++) {
		const struct fake_container *c = s->fake.containers[i];
		if (c->node == node && c->started && net->ip && strcmp(c->ip[k], net->ip) == 0)
			return c;
	}
	return NULL;
}

/* Nobody else has the address where the row leads away from. */
static void check_row(struct sim *s, const struct flight *f, int at, int k, const struct world_net *net) {
	int host = fake_node_index(&s->fake, f->effect->host);
	const struct fake_container *c = f->effect->container ? fake_by_id(&s->fake, f->effect->container) : named(s, net, k, host);

	if (!c || !net->ip || strcmp(c->ip[k], net->ip) != 0 || c->node != host) {
		sim_fail(s, INV_TOUCHED, "%s is to send %s to %s, which never had it", s->fake.nodes[at].name,
			 net->ip ? net->ip : "?", s->fake.nodes[host].name);
		return;
	}
	if (f->effect->workload && (!sim_truth(s, c) || strcmp(sim_truth(s, c)->workload, f->effect->workload) != 0))
		sim_fail(s, INV_TOUCHED, "the rows of %s on %s are changed for %s", c->name, s->fake.nodes[at].name,
			 f->effect->workload);
}

/* What is taken back is nobody's: else those that are to be reached are not. */
static void check_forgotten(struct sim *s, int at, int k, const struct world_net *net) {
	const struct kept *kept = NULL;

	for (int row = 0; row < KERNEL_ROWS; row++)
		if (s->agents[at].kept[k][row].watched && net->mac && strcmp(s->agents[at].kept[k][row].mac, net->mac) == 0)
			kept = &s->agents[at].kept[k][row];
	for (int i = 0; kept && i < s->fake.n_containers; i++) {
		const struct fake_container *c = s->fake.containers[i];
		const struct truth *t = sim_truth(s, c);
		if (!t || t->excused || !kernel_speaks(c, k) || strcmp(c->mac[k], net->mac) != 0 || c->node != kept->host)
			continue;
		const struct workload *w = s->machine ? check_workload(s, t->workload) : NULL;
		if (w && w->container && strcmp(w->container, c->id) == 0 && w->generation > 1 && w->verified && !w->gone)
			sim_fail(s, INV_TOUCHED, "%s is to forget where %s is, which runs", s->fake.nodes[at].name, c->name);
	}
}

void check_rows(struct sim *s, const struct flight *f, int node) {
	for (size_t i = 0; i < f->effect->n_nets; i++) {
		int k = fake_net_index(&f->effect->nets[i]);
		if (k < 0)
			continue;
		if (f->effect->kind == EFFECT_REPAIR)
			check_row(s, f, node, k, &f->effect->nets[i]);
		else
			check_forgotten(s, node, k, &f->effect->nets[i]);
	}
}
