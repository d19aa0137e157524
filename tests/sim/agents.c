/* The agents: whom they obey, what they keep right, and what they report. Their rules are heir-agent's own (agent/identity.h,
 * agent/sequence.h); the kernels that they rule over are kernel.c's. What a kernel was told stays there whatever happens to agent
 * and manager, until its host loses power. An order may be lost, come late, or never be answered, like any other effect
 * (flight.c). */
#include "sim.h"

#include "base/alloc.h"
#include "base/cleanup.h"
#include "daemon/answers-agent.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define OF_QUARANTINE "quarantine"

bool agents_handle(enum effect_kind k) { return k >= EFFECT_QUARANTINE && k <= EFFECT_ISOLATE; }

void agents_vtep(int node, char text[16]) { snprintf(text, 16, "10.99.0.%u", (11U + (unsigned)node) & 0xff); }

void agents_draw(struct sim *s) {
	int how = rng_below(&s->rng, 4); /* none, none, all, some; rows of a key/value network are kept by agents alone */

	if (s->fake.kind == NET_KV && rng_permille(&s->rng, 900))
		how = 2;
	for (int i = 0; i < FAKE_NODES_MAX; i++)
		s->agents[i].there = how == 2 || (how == 3 && rng_permille(&s->rng, 700));
}

bool agents_answer(const struct sim *s, int node) {
	return s->agents[node].there && !s->agents[node].down && fake_host_answers(&s->fake, node);
}

void agents_end(struct sim *s) {
	for (int i = 0; i < FAKE_NODES_MAX; i++)
		sequence_clear(&s->agents[i].sequence);
}

/* ---- what an agent keeps ---- */

/* Somebody changed the row, and the agent watches. */
void agents_row_changed(struct sim *s, int node, int net, int row) {
	const struct sim_agent *a = &s->agents[node];
	const struct kept *k = &a->kept[net][row];

	if (a->there && !a->down && !s->fake.nodes[node].off && k->watched && kernel_joined(s, node, net))
		kernel_set_row(s, node, net, row, k->host + 1);
}

static void keep_all(struct sim *s, int node) {
	for (int k = 0; k < FAKE_NETS; k++)
		for (int row = 0; row < KERNEL_ROWS; row++)
			agents_row_changed(s, node, k, row);
}

/* Its process is another one: what it was told is gone with the old one. What its kernel was told is not. */
static void restart(struct sim_agent *a) {
	memset(a->kept, 0, sizeof(a->kept));
	sequence_clear(&a->sequence);
	a->instance++;
	a->lies = 0;
}

void agents_power_lost(struct sim *s, int node) {
	kernel_power_lost(s, node);
	restart(&s->agents[node]);
	s->agents[node].unheard = true;
	check_kernel_forgot(s, node);
}

/* ---- reports ---- */

static bool is_former(const struct sim_agent *a, const struct kept *k) { return k->watched && k->epoch < a->epoch; }

static size_t list_former(const struct sim_agent *a, struct agent_endpoint ret[FAKE_NETS * KERNEL_ROWS]) {
	size_t n = 0;

	for (int k = 0; k < FAKE_NETS; k++)
		for (int row = 0; row < KERNEL_ROWS; row++) {
			if (is_former(a, &a->kept[k][row]))
				ret[n++] = (struct agent_endpoint){fake_net_id(k), a->kept[k][row].mac};
		}
	return n;
}

static bool knows_any(const struct sim_agent *a) {
	for (int k = 0; k < FAKE_NETS; k++)
		for (int row = 0; row < KERNEL_ROWS; row++)
			if (a->kept[k][row].watched)
				return true;
	return false;
}

static void list_drops(const struct sim *s, int node, struct strs *ret) {
	char vtep[16];

	for (int i = 0; i < s->fake.n_nodes; i++) {
		agents_vtep(i, vtep);
		if (s->kernels[node].drops & (1U << i))
			strs_add(ret, vtep);
	}
}

static void report(struct sim *s, int node) {
	struct sim_agent *a = &s->agents[node];
	static struct agent_endpoint former[FAKE_NETS * KERNEL_ROWS];
	struct strs drops = {0};
	char instance[16];

	list_drops(s, node, &drops);
	snprintf(instance, sizeof(instance), "%u", a->instance);
	const struct agent_report ok = {
		.state = a->epoch > s->manager ? NODE_AGENT_STALE_EPOCH : NODE_AGENT_OK,
		.instance = instance,
		.quarantine = &drops,
		.former = former,
		.n_former = list_former(a, former),
		.unaware = knows_any(a) && a->epoch < s->manager,
	};
	const struct agent_report silent = {.state = NODE_AGENT_UNREACHABLE, .reason = "no answer"};
	bool answers = agents_answer(s, node) && !(s->fake.nodes[node].slow && rng_permille(&s->rng, 300));
	resched_agent(s->machine, s->fake.nodes[node].name, answers ? &ok : &silent);
	a->unheard &= !answers;
	strs_clear(&drops);
	manager_wake(s);
}

static void poll(struct sim *s, const struct event *e) {
	report(s, e->a);
	sim_at(s, sim_ms(s, 900, 1100), s->manager, poll, e->a, 0, NULL);
}

/* ---- whom they see ---- */

static bool is_seen(const struct sim *s, int node, int by) {
	const struct fake_node *n = s->fake.nodes;
	return !n[node].off && !n[by].off && !((n[node].cut | n[by].cut) & PATH_GOSSIP);
}

static void sighted(struct sim *s, const struct event *e) {
	if (!agents_answer(s, e->b))
		return;
	bool seen = is_seen(s, e->a, e->b);
	resched_witness(s->machine, s->fake.nodes[e->a].name, s->fake.nodes[e->b].name, seen, seen ? "port 7946 accepts" : NULL);
	manager_wake(s);
}

static bool is_in_doubt(const struct sim *s, int node) {
	enum health_verdict v = detector_verdict(&s->detectors[node]);
	return v == HEALTH_SUSPECT || v == HEALTH_DEAD;
}

/* As heird does once an interval: every agent that answers is asked whether it reaches those that do not. */
static void ask_sightings(struct sim *s, const struct event *e) {
	for (int i = 0; i < s->fake.n_nodes; i++)
		for (int by = 0; by < s->fake.n_nodes && is_in_doubt(s, i); by++)
			if (by != i && agents_answer(s, by) && !is_in_doubt(s, by))
				sim_at(s, sim_ms(s, 5, 900), s->manager, sighted, i, by, NULL);
	(void)e;
	sim_at(s, span_sec(1), s->manager, ask_sightings, 0, 0, NULL);
}

void agents_start(struct sim *s) {
	for (int i = 0; i < s->fake.n_nodes; i++)
		if (s->agents[i].there) {
			resched_expect_agent(s->machine, s->fake.nodes[i].name);
			sim_at(s, sim_ms(s, 0, 1000), s->manager, poll, i, 0, NULL);
		}
	sim_at(s, sim_ms(s, 0, 1000), s->manager, ask_sightings, 0, 0, NULL);
}

/* ---- orders ---- */

static int node_of_vtep(const struct sim *s, const char *vtep) {
	char text[16];

	for (int i = 0; i < s->fake.n_nodes; i++) {
		agents_vtep(i, text);
		if (strcmp(text, vtep) == 0)
			return i;
	}
	return -1;
}

static void do_quarantine(struct sim *s, struct flight *f, struct sim_agent *a, int node) {
	unsigned drops = 0;

	for (size_t i = 0; i < f->effect->vteps.n; i++)
		drops |= 1U << node_of_vtep(s, f->effect->vteps.v[i]);
	if (a->lies > 0)
		a->lies--;
	else {
		check_quarantine(s, node, s->kernels[node].drops, drops);
		s->kernels[node].drops = drops;
	}
	strs_clear(&f->vteps);
	list_drops(s, node, &f->vteps); /* read back from the kernel, as heir-agent does */
	f->result.vteps = &f->vteps;
}

static void kept_late(struct sim *s, const struct event *e) { agents_row_changed(s, e->a, e->b / KERNEL_ROWS, e->b % KERNEL_ROWS); }

/* One that lies says yes and does it when its keeper comes by the next time. */
static void set_row(struct sim *s, const struct flight *f, int node, int net, int row) {
	struct sim_agent *a = &s->agents[node];
	struct kept *k = &a->kept[net][row];
	int host = fake_node_index(&s->fake, f->effect->host);

	if (f->effect->watch) {
		k->watched = true;
		k->host = host;
		k->epoch = f->manager;
	}
	if (a->lies > 0 && f->effect->watch)
		sim_at(s, sim_ms(s, 500, 4000), 0, kept_late, node, net * KERNEL_ROWS + row, NULL);
	else if (kernel_joined(s, node, net))
		kernel_set_row(s, node, net, row, host + 1);
	if (!f->effect->watch && k->watched && k->host != host) /* its keeper sees that somebody changed what it keeps */
		sim_at(s, span_ms(500), 0, kept_late, node, net * KERNEL_ROWS + row, NULL);
}

static void forget_row(struct sim *s, int node, int net, int row) {
	struct kept *k = &s->agents[node].kept[net][row];

	if (!k->watched)
		return; /* of what it does not know nothing is taken back */
	memset(k, 0, sizeof(*k));
	kernel_set_row(s, node, net, row, 0);
}

/* What an agent was told before it knows by network and MAC only. */
static int find_row(const struct sim_agent *a, int net, const struct world_net *n) {
	for (int row = 0; !n->ip && row < KERNEL_ROWS; row++)
		if (a->kept[net][row].watched && n->mac && strcmp(a->kept[net][row].mac, n->mac) == 0)
			return row;
	return n->ip ? kernel_row_of(n->ip) : 0;
}

static void do_rows(struct sim *s, struct flight *f, struct sim_agent *a, int node) {
	const struct effect *e = f->effect;

	for (size_t i = 0; i < e->n_nets; i++) {
		int net = fake_net_index(&e->nets[i]), row = net < 0 ? 0 : find_row(a, net, &e->nets[i]);
		if (row == 0)
			continue;
		if (e->kind == EFFECT_FORGET) {
			forget_row(s, node, net, row);
			continue;
		}
		if (e->watch)
			snprintf(a->kept[net][row].mac, sizeof(a->kept[net][row].mac), "%s", e->nets[i].mac ? e->nets[i].mac : "");
		set_row(s, f, node, net, row);
	}
	if (a->lies > 0)
		a->lies--;
	f->result.right = true; /* by its own word, whatever it did */
}

static bool is_right(const struct sim *s, int node, int host, int net, const struct world_net *n) {
	if (net < 0 || !n->ip || !kernel_joined(s, node, net))
		return true;
	const struct kernel_row *r = &s->kernels[node].rows[net][kernel_row_of(n->ip)];
	return r->to == host + 1 && (node != host || r->sticky);
}

static bool has_client(const struct sim *s, int node, int net, const struct fake_container *but) {
	for (int i = 0; i < s->fake.n_containers; i++)
		if (s->fake.containers[i] != but && s->fake.containers[i]->node == node &&
		    kernel_speaks(s->fake.containers[i], net))
			return true;
	return false;
}

/* A probe does not tell who answered it, and a container need not answer. */
static enum wire_echo probe(struct sim *s, int node, int net, const struct world_net *n, const struct fake_container *c) {
	if (net < 0 || !n->ip || !has_client(s, node, net, c))
		return WIRE_ECHO_NONE;
	return kernel_reaches(s, node, net, n->ip) && (s->healed || !rng_permille(&s->rng, 50)) ? WIRE_ECHO_ANSWERED
												: WIRE_ECHO_SILENT;
}

static enum wire_address address_of(const struct fake_container *c, bool local) {
	if (!local)
		return WIRE_ADDRESS_NONE;
	return c && c->running && fake_is_attached(c) ? WIRE_ADDRESS_HERE : WIRE_ADDRESS_MISSING;
}

/* In an agent's own words, which heird's judgement makes a result of. */
static void do_prove(struct sim *s, struct flight *f, int node) {
	const struct effect *e = f->effect;
	int host = fake_node_index(&s->fake, e->host);
	const struct fake_container *c = fake_by_id(&s->fake, e->container);
	struct wire_owner_state of[FAKE_NETS + 1] = {0};
	const struct wire_owner_states states = {.owners = {of, e->n_nets}};
	struct buf detail CLEANUP_BUF = {0};

	assert(e->n_nets <= FAKE_NETS + 1);
	for (size_t i = 0; i < e->n_nets; i++) {
		int net = fake_net_index(&e->nets[i]);
		of[i].joined = net >= 0 && kernel_joined(s, node, net);
		of[i].right = is_right(s, node, host, net, &e->nets[i]);
		of[i].address = (int)address_of(c, node == host);
		of[i].icmp = (int)probe(s, node, net, &e->nets[i], c);
	}
	answer_proved(&states, &f->result, &detail);
	f->detail = buf_take(&detail);
}

static void do_isolate(struct sim *s, const struct effect *e, struct sim_agent *a, int node) {
	struct fake_container *c = fake_find(&s->fake, node, e->container);

	if (a->lies > 0)
		a->lies--;
	else if (c && c->running)
		c->isolated = true;
}

/* ---- who is obeyed ---- */

static bool is_late(struct sim_agent *a, const struct flight *f) {
	const struct effect *e = f->effect;
	int64_t order = (int64_t)e->id;
	char subject[64];

	if (e->kind == EFFECT_QUARANTINE) {
		if (sequence_is_late(&a->sequence, f->manager, OF_QUARANTINE, order))
			return true;
		sequence_note(&a->sequence, f->manager, OF_QUARANTINE, order);
		return false;
	}
	for (int noting = 0; noting < 2 && (e->kind == EFFECT_REPAIR || e->kind == EFFECT_FORGET); noting++)
		for (size_t i = 0; i < e->n_nets; i++) {
			snprintf(subject, sizeof(subject), "%s/%s", e->nets[i].name, e->nets[i].mac ? e->nets[i].mac : "");
			if (noting)
				sequence_note(&a->sequence, f->manager, subject, order);
			else if (sequence_is_late(&a->sequence, f->manager, subject, order))
				return true;
		}
	return false;
}

static bool obeys(struct sim *s, struct sim_agent *a, struct flight *f) {
	static char name[] = "sim", cluster[] = FAKE_CLUSTER;
	const struct wire_envelope seen = {a->epoch ? name : NULL, cluster, a->epoch}, given = {name, cluster, f->manager};
	enum identity_verdict v = identity_judge(&seen, &given);

	if (v == IDENTITY_STALE || v == IDENTITY_OTHER || is_late(a, f)) {
		f->outcome = EFFECT_REFUSED;
		f->detail = xstrdup("an older order");
		return false;
	}
	check_obeyed(s, a, f);
	a->epoch = f->manager;
	return true;
}

void agents_perform(struct sim *s, struct flight *f) {
	int node = fake_node_index(&s->fake, f->effect->node);
	struct sim_agent *a = &s->agents[node];

	if (!obeys(s, a, f))
		return;
	switch (f->effect->kind) {
	case EFFECT_QUARANTINE:
		do_quarantine(s, f, a, node);
		return;
	case EFFECT_REPAIR:
	case EFFECT_FORGET:
		check_rows(s, f, node);
		do_rows(s, f, a, node);
		return;
	case EFFECT_PROVE:
		do_prove(s, f, node);
		return;
	default:
		do_isolate(s, f->effect, a, node);
	}
}

/* ---- faults ---- */

static void agent_back(struct sim *s, const struct event *e) {
	struct sim_agent *a = &s->agents[e->a];

	if (!a->down)
		return;
	sim_say(s, "FAULT the agent of %s is back", s->fake.nodes[e->a].name);
	a->down = false;
	keep_all(s, e->a);
}

void agents_fault_down(struct sim *s, int node) {
	struct sim_agent *a = &s->agents[node];

	a->down = true;
	if (rng_permille(&s->rng, 500))
		restart(a);
	sim_say(s, "FAULT the agent of %s is down", s->fake.nodes[node].name);
	sim_at(s, sim_ms(s, 200, 30000), 0, agent_back, node, 0, NULL);
}

static void prompt_again(struct sim *s, const struct event *e) { s->agents[e->a].lag_ms = 0; }

void agents_fault_lag(struct sim *s, int node) {
	s->agents[node].lag_ms = rng_range(&s->rng, 500, 5000);
	sim_say(s, "FAULT the agent of %s answers %d ms late", s->fake.nodes[node].name, s->agents[node].lag_ms);
	sim_at(s, sim_ms(s, 3000, 30000), 0, prompt_again, node, 0, NULL);
}

void agents_fault_lie(struct sim *s, int node) {
	s->agents[node].lies = rng_range(&s->rng, 1, 2);
	sim_say(s, "FAULT the agent of %s says yes and does nothing, %d times", s->fake.nodes[node].name, s->agents[node].lies);
}

void agents_heal(struct sim *s) {
	for (int i = 0; i < s->fake.n_nodes; i++) {
		const struct event e = {.a = i};
		agent_back(s, &e);
		s->agents[i].lag_ms = s->agents[i].lies = 0;
	}
}
