/* The agents, and the kernels that they rule over. What a kernel was told stays there whatever happens to agent and manager, until
 * its host loses power. An order may be lost, come late, or never be answered, like any other effect (flight.c). */
#include "sim.h"

#include "base/alloc.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

bool agents_handle(enum effect_kind k) { return k >= EFFECT_QUARANTINE && k <= EFFECT_ISOLATE; }

static void vtep_of(int node, char text[16]) { snprintf(text, 16, "10.99.0.%u", (11U + (unsigned)node) & 0xff); }

void agents_vtep(int node, char text[16]) { vtep_of(node, text); }

void agents_draw(struct sim *s) {
	int how = rng_below(&s->rng, 4); /* none, none, all, some */

	for (int i = 0; i < s->fake.n_nodes; i++)
		s->agents[i].there = how == 2 || (how == 3 && rng_permille(&s->rng, 700));
}

bool agents_answer(const struct sim *s, int node) {
	const struct fake_node *n = &s->fake.nodes[node];
	return s->agents[node].there && !s->agents[node].down && !n->cut && !n->off;
}

/* ---- reports ---- */

static void report(struct sim *s, int node) {
	struct sim_agent *a = &s->agents[node];
	struct strs drops = {0};
	char instance[16], vtep[16];

	for (int i = 0; i < s->fake.n_nodes; i++) {
		vtep_of(i, vtep);
		if (a->drops & (1U << i))
			strs_add(&drops, vtep);
	}
	snprintf(instance, sizeof(instance), "%u", a->instance);
	const struct agent_report ok = {.state = NODE_AGENT_OK, .instance = instance, .quarantine = &drops};
	const struct agent_report silent = {.state = NODE_AGENT_UNREACHABLE, .reason = "no answer"};
	resched_agent(s->machine, s->fake.nodes[node].name, agents_answer(s, node) ? &ok : &silent);
	a->unheard &= !agents_answer(s, node);
	strs_clear(&drops);
	manager_wake(s);
}

static void poll(struct sim *s, const struct event *e) {
	report(s, e->a);
	sim_at(s, sim_ms(s, 900, 1100), s->manager, poll, e->a, 0, NULL);
}

void agents_start(struct sim *s) {
	for (int i = 0; i < s->fake.n_nodes; i++)
		if (s->agents[i].there)
			sim_at(s, sim_ms(s, 0, 1000), s->manager, poll, i, 0, NULL);
}

void agents_power_lost(struct sim *s, int node) {
	struct sim_agent *a = &s->agents[node];

	a->drops = 0;
	a->unheard = true;
	memset(a->rows, 0, sizeof(a->rows));
	a->instance++;
}

/* ---- orders ---- */

static int row_of(const char *ip) {
	const char *dot = strrchr(ip, '.');
	int number = dot ? atoi(dot + 1) : 0;
	return number >= 0 && number < SIM_ROWS ? number : 0;
}

static int node_of_vtep(const struct sim *s, const char *vtep) {
	char text[16];

	for (int i = 0; i < s->fake.n_nodes; i++) {
		vtep_of(i, text);
		if (strcmp(text, vtep) == 0)
			return i;
	}
	return -1;
}

/* Nobody is let out while a copy there speaks with an address that a newer one has. */
static void check_lifted(struct sim *s, int node) {
	for (int i = 0; i < s->fake.n_containers; i++) {
		const struct fake_container *c = s->fake.containers[i];
		if (c->node != node || !c->exists || !c->running || c->isolated || c->touched || !fake_is_attached(c) ||
		    !fake_has_overlay(c))
			continue;
		for (int k = 0; k < s->fake.n_containers; k++) {
			const struct fake_container *o = s->fake.containers[k];
			if (o->exists && o->running && o->proved && sim_truth(s, o) && sim_truth(s, o) == sim_truth(s, c) &&
			    o->generation > c->generation)
				sim_fail(s, "%s is let out of quarantine, and the stale %s runs there", s->fake.nodes[node].name,
					 c->id);
		}
	}
}

static void do_quarantine(struct sim *s, struct flight *f, struct sim_agent *a) {
	unsigned drops = 0;
	char vtep[16];

	for (size_t i = 0; i < f->effect->vteps.n; i++)
		drops |= 1U << node_of_vtep(s, f->effect->vteps.v[i]);
	for (int i = 0; i < s->fake.n_nodes; i++)
		if (a->drops & ~drops & (1U << i))
			check_lifted(s, i);
	a->drops = drops;
	strs_clear(&f->vteps);
	for (int i = 0; i < s->fake.n_nodes; i++) {
		vtep_of(i, vtep);
		if (drops & (1U << i))
			strs_add(&f->vteps, vtep);
	}
	f->result.vteps = &f->vteps;
}

static void set_rows(const struct effect *e, struct sim_agent *a, int host) {
	for (size_t i = 0; i < e->n_nets; i++)
		for (int k = 0; k < FAKE_NETS; k++) {
			int row = e->nets[i].ip ? row_of(e->nets[i].ip) : 0;
			if (strcmp(e->nets[i].name, fake_net_name(k)) != 0 || !e->nets[i].ip || e->id < a->row_orders[k][row])
				continue;
			a->rows[k][row] = (signed char)(host + 1);
			a->row_orders[k][row] = e->id;
		}
}

static bool are_right(const struct effect *e, const struct sim_agent *a, int host) {
	for (size_t i = 0; i < e->n_nets; i++)
		for (int k = 0; k < FAKE_NETS; k++)
			if (strcmp(e->nets[i].name, fake_net_name(k)) == 0 && e->nets[i].ip &&
			    a->rows[k][row_of(e->nets[i].ip)] != host + 1)
				return false;
	return true;
}

static void do_prove(struct sim *s, struct flight *f, struct sim_agent *a, int node) {
	const struct effect *e = f->effect;
	int host = fake_node_index(&s->fake, e->host);
	const struct fake_container *c = fake_by_id(&s->fake, e->container);

	f->result.right = are_right(e, a, host);
	f->result.here = node != host ? ANSWER_UNKNOWN : c && c->running && fake_is_attached(c) ? ANSWER_YES : ANSWER_NO;
	f->result.answered = rng_permille(&s->rng, 300)                ? ANSWER_UNKNOWN
			     : !s->healed && rng_permille(&s->rng, 50) ? ANSWER_NO
								       : ANSWER_YES;
}

void agents_perform(struct sim *s, struct flight *f) {
	const struct effect *e = f->effect;
	int node = fake_node_index(&s->fake, e->node);
	struct sim_agent *a = &s->agents[node];

	/* Of orders that overtook each other the newer one holds, and one of a manager that is gone does not. */
	if (f->manager < a->manager || (e->kind == EFFECT_QUARANTINE && f->manager == a->manager && e->id < a->order)) {
		f->outcome = EFFECT_REFUSED;
		f->detail = xstrdup("an older order");
		return;
	}
	if (f->manager > a->manager) {
		a->order = 0;
		memset(a->row_orders, 0, sizeof(a->row_orders));
	}
	a->manager = f->manager;
	switch (e->kind) {
	case EFFECT_QUARANTINE:
		a->order = e->id;
		do_quarantine(s, f, a);
		return;
	case EFFECT_REPAIR:
		set_rows(e, a, fake_node_index(&s->fake, e->host));
		f->result.right = true;
		return;
	case EFFECT_FORGET:
		set_rows(e, a, -1);
		return;
	case EFFECT_PROVE:
		do_prove(s, f, a, node);
		return;
	default: {
		struct fake_container *c = fake_find(&s->fake, node, e->container);
		if (c)
			c->isolated = true;
	}
	}
}

/* ---- faults ---- */

static void agent_back(struct sim *s, const struct event *e) {
	if (s->agents[e->a].down)
		sim_say(s, "FAULT the agent of %s is back", s->fake.nodes[e->a].name);
	s->agents[e->a].down = false;
}

void agents_fault(struct sim *s) {
	int node = rng_below(&s->rng, s->fake.n_nodes);
	struct sim_agent *a = &s->agents[node];

	if (!a->there)
		return;
	a->down = true;
	if (rng_permille(&s->rng, 500))
		a->instance++; /* what it was told is gone with it; what its kernel was told is not */
	sim_say(s, "FAULT the agent of %s is down", s->fake.nodes[node].name);
	sim_at(s, sim_ms(s, 200, 30000), 0, agent_back, node, 0, NULL);
}

void agents_heal(struct sim *s) {
	for (int i = 0; i < s->fake.n_nodes; i++)
		s->agents[i].down = false;
}

/* ---- checks ---- */

static bool has_joined(const struct sim *s, const struct world_node *n, const struct takeover *t) {
	bool joined = false;

	for (size_t k = 0; k < t->n_nets; k++)
		joined |= t->nets[k].net.kind != NET_LOCAL &&
			  world_node_has_net(resched_world(s->machine), n->name, t->nets[k].net.name);
	return joined;
}

static void check_dropped(struct sim *s, const struct takeover *t, const char *node) {
	int old = fake_node_index(&s->fake, node);

	for (int i = 0; i < s->fake.n_nodes; i++) {
		const struct world_node *n = world_node(resched_world(s->machine), s->fake.nodes[i].name);
		if (i != old && !s->agents[i].unheard && n->verdict == NODE_ALIVE && has_joined(s, n, t) &&
		    !(s->agents[i].drops & (1U << old)))
			sim_fail(s, "takeover %s goes by a quarantine of %s, which %s does not keep", t->id, node, n->name);
	}
}

static bool is_dead(const struct sim *s, const char *node) {
	const struct world_node *n = world_node(resched_world(s->machine), node);
	return n->verdict == NODE_DEAD && !n->confirmed_dead;
}

/* What the takeover goes by is what the kernels do: wherever a copy may still speak. */
void agents_check_release(struct sim *s, const struct takeover *t) {
	const struct workload *w = resched_workloads(s->machine);

	while (w && strcmp(w->id, t->workload) != 0)
		w = w->hh.next;
	for (size_t i = 0; w && t->evidence == EVIDENCE_QUARANTINED && i < w->n_copies; i++)
		if (!w->copies[i].staged && w->copies[i].row < CLEAN_WAIT && is_dead(s, w->copies[i].node))
			check_dropped(s, t, w->copies[i].node);
}

char *agents_check_end(const struct sim *s) {
	for (int i = 0; i < s->fake.n_nodes; i++) {
		const struct sim_agent *a = &s->agents[i];
		if (a->there && a->drops)
			return xasprintf("%s still drops somebody (%x)", s->fake.nodes[i].name, a->drops);
		for (const struct workload *w = resched_workloads(s->machine); w && a->there; w = w->hh.next) {
			const struct fake_container *c = fake_by_id(&s->fake, w->container);
			if (!c || w->generation < 2 || !w->verified || !w->must_run || !c->running || w->gone)
				continue;
			for (int k = 0; k < FAKE_NETS; k++) {
				bool joined = i == c->node || world_node_has_net(resched_world(s->machine), s->fake.nodes[i].name,
										 fake_net_name(k));
				if (*c->ip[k] && c->connected[k] && joined && a->rows[k][row_of(c->ip[k])] != c->node + 1)
					return xasprintf("%s sends %s to another than %s", s->fake.nodes[i].name, c->ip[k],
							 s->fake.nodes[c->node].name);
			}
		}
	}
	return NULL;
}
