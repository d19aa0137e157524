/* What can go wrong: hosts, networks, engines. */
#include "faults.h"

#include <string.h>

static const char *name_of(const struct sim *s, int node) { return s->fake.nodes[node].name; }

static void notice_all(struct sim *s, int node) {
	for (int i = 0; i < s->fake.n_containers; i++)
		if (s->fake.containers[i]->node == node)
			manager_notice(s, i);
}

/* ---- ways that are cut ---- */

static const char *ways(unsigned paths) {
	switch (paths) {
	case 0:
		return "reachable again";
	case PATH_ALL:
		return "cut off";
	case PATH_MANAGER:
		return "cut off from the manager alone";
	case PATH_ALL & ~PATH_MANAGER:
		return "cut off from everybody but the manager";
	case PATH_DATA:
		return "cut off from its peers' containers";
	default:
		return "cut off from its peers' engines";
	}
}

static void set_cut(struct sim *s, int node, unsigned paths) {
	unsigned was = s->fake.nodes[node].cut;

	if (was == paths)
		return;
	sim_say(s, "FAULT %s is %s", name_of(s, node), ways(paths));
	fake_cut(&s->fake, node, paths);
	/* The event stream was broken: as after any reconnect everything is asked for. */
	if (was & ~paths & PATH_MANAGER && s->machine)
		manager_refresh(s, node);
}

static void uncut(struct sim *s, const struct event *e) { set_cut(s, e->a, 0); }
static void cut(struct sim *s, const struct event *e) {
	if (!s->healed)
		set_cut(s, e->a, e->b ? (unsigned)e->b : PATH_ALL);
}

static void cut_for_a_while(struct sim *s, unsigned paths) {
	int node = sim_any_node(s);

	set_cut(s, node, paths);
	sim_at(s, sim_ms(s, 500, rng_permille(&s->rng, 600) ? 12000 : 60000), 0, uncut, node, 0, NULL);
}

void fault_cut(struct sim *s) { cut_for_a_while(s, PATH_ALL); }

/* One way and not the other. */
void fault_half_cut(struct sim *s) {
	static const unsigned halves[] = {PATH_MANAGER, PATH_ALL & ~PATH_MANAGER, PATH_DATA, PATH_CONTROL | PATH_GOSSIP};
	cut_for_a_while(s, halves[rng_below(&s->rng, 4)]);
}

void fault_flap(struct sim *s) {
	int node = sim_any_node(s), t = 0;

	for (int i = rng_range(&s->rng, 2, 4); i > 0; i--) {
		sim_at(s, span_ms(t), 0, cut, node, 0, NULL);
		t += rng_range(&s->rng, 2000, 7000);
		sim_at(s, span_ms(t), 0, uncut, node, 0, NULL);
		t += rng_range(&s->rng, 500, 5000);
	}
}

void fault_storm(struct sim *s) {
	int but = rng_permille(&s->rng, 500) ? sim_any_node(s) : -1;

	for (int i = 0; i < s->fake.n_nodes; i++) {
		if (i == but)
			continue;
		sim_at(s, sim_ms(s, 0, 500), 0, cut, i, 0, NULL);
		sim_at(s, sim_ms(s, 2000, 25000), 0, uncut, i, 0, NULL);
	}
}

/* ---- power ---- */

static bool comes_up(const struct fake_container *c) { return *c->policy && strcmp(c->policy, "no") != 0; }

/* What its policy does not bring up again need not run. */
static void excuse_down(struct sim *s, int node) {
	for (int i = 0; i < s->fake.n_containers; i++) {
		const struct fake_container *c = s->fake.containers[i];
		struct truth *t = c->exists && c->node == node ? sim_truth(s, c) : NULL;
		if (t && (c->running || c->was_up) && !comes_up(c))
			t->excused = true;
	}
}

/* Whose policy brings it up may still find its address or port taken. */
static void excuse_refused(struct sim *s, int node) {
	for (int i = 0; i < s->fake.n_containers; i++) {
		const struct fake_container *c = s->fake.containers[i];
		struct truth *t = c->exists && c->node == node && !c->running && c->started && !c->let_go ? sim_truth(s, c) : NULL;
		if (t)
			t->excused = true;
	}
}

void faults_power(struct sim *s, int node, bool on) {
	if (s->fake.nodes[node].off != on)
		return;
	sim_say(s, "FAULT %s is switched %s", name_of(s, node), on ? "on" : "off");
	if (!on)
		excuse_down(s, node);
	fake_power(&s->fake, node, on);
	if (!on) {
		agents_power_lost(s, node);
		return;
	}
	excuse_refused(s, node);
	if (s->machine)
		manager_refresh(s, node);
}

void faults_power_on(struct sim *s, const struct event *e) { faults_power(s, e->a, true); }

void fault_power(struct sim *s) {
	int node = sim_any_node(s);

	faults_power(s, node, false);
	sim_at(s, sim_ms(s, 1500, rng_permille(&s->rng, 500) ? 10000 : 60000), 0, faults_power_on, node, 0, NULL);
}

/* A rack: several at the same moment. */
void fault_rack(struct sim *s) {
	int first = sim_any_node(s), n = rng_range(&s->rng, 2, 3);
	bool power = rng_permille(&s->rng, 500);

	for (int i = 0; i < n; i++) {
		int node = (first + i) % s->fake.n_nodes, ms = rng_range(&s->rng, 3000, 40000);
		if (power)
			faults_power(s, node, false);
		else
			set_cut(s, node, PATH_ALL);
		sim_at(s, span_ms(ms), 0, power ? faults_power_on : uncut, node, 0, NULL);
	}
}

/* ---- engines ---- */

static void wake_engine(struct sim *s, const struct event *e) {
	struct fake_node *n = &s->fake.nodes[e->a];
	bool started = n->killed && e->b;

	if (!n->hung && !n->killed)
		return;
	sim_say(s, "FAULT %s: the engine answers again%s", n->name, started ? ", and has started its containers anew" : "");
	n->hung = n->killed = false;
	if (started && !n->off) {
		excuse_down(s, e->a);
		fake_restart_engine(&s->fake, e->a);
		excuse_refused(s, e->a);
	}
	if (s->machine)
		manager_refresh(s, e->a);
	notice_all(s, e->a);
}

void fault_engine(struct sim *s) {
	int node = sim_any_node(s);
	struct fake_node *n = &s->fake.nodes[node];

	if (n->off)
		return;
	if (rng_permille(&s->rng, 500))
		n->hung = true;
	else
		n->killed = true;
	sim_say(s, "FAULT %s: the engine is %s", n->name, n->hung ? "stopped" : "killed");
	sim_at(s, sim_ms(s, 1000, 30000), 0, wake_engine, node, rng_permille(&s->rng, 500), NULL);
}

static void stutter(struct sim *s, const struct event *e) {
	struct fake_node *n = &s->fake.nodes[e->a];

	if (!n->slow || n->off || n->killed)
		return;
	n->hung = e->b == 0;
	sim_at(s, sim_ms(s, 300, n->hung ? 1500 : 5000), 0, stutter, e->a, n->hung, NULL);
}

static void quick_again(struct sim *s, const struct event *e) {
	struct fake_node *n = &s->fake.nodes[e->a];

	if (!n->slow)
		return;
	sim_say(s, "FAULT %s is as quick as before", n->name);
	n->slow = false;
	wake_engine(s, &(struct event){.a = e->a});
}

/* A host without memory or disk: everything takes seconds, and beats are missed now and then. */
void fault_slow(struct sim *s) {
	int node = sim_any_node(s);

	s->fake.nodes[node].slow = true;
	sim_say(s, "FAULT %s is slow", name_of(s, node));
	sim_at(s, sim_ms(s, 100, 3000), 0, stutter, node, 0, NULL);
	sim_at(s, sim_ms(s, 4000, 40000), 0, quick_again, node, 0, NULL);
}

/* ---- targets, one after the other ---- */

static const char *some_target(const struct sim *s) {
	for (const struct takeover *t = s->machine ? resched_takeovers(s->machine) : NULL; t; t = t->hh.next)
		if (!takeover_is_over(t->state) && t->to && t->row >= ROW_CREATE && t->row < ROW_DONE)
			return t->to;
	return NULL;
}

static void hunt(struct sim *s, const struct event *e) {
	int node = fake_node_index(&s->fake, some_target(s));

	if (s->healed || e->b == 0)
		return;
	if (node < 0 || !fake_host_answers(&s->fake, node)) {
		sim_at(s, span_ms(200), 0, hunt, e->a, e->b - 1, NULL);
		return;
	}
	if (e->a & 1)
		faults_power(s, node, false);
	else
		set_cut(s, node, PATH_ALL);
	sim_at(s, sim_ms(s, 6000, 20000), 0, e->a & 1 ? faults_power_on : uncut, node, 0, NULL);
	if (e->a >= 2)
		sim_at(s, sim_ms(s, 500, 6000), 0, hunt, e->a - 2, 200, NULL);
}

void fault_targets(struct sim *s) { sim_at(s, sim_ms(s, 0, 1000), 0, hunt, rng_range(&s->rng, 0, 5), 200, NULL); }

/* ---- in the end ---- */

void faults_heal_node(struct sim *s, int node) {
	const struct event e = {.a = node};

	set_cut(s, node, 0);
	faults_power(s, node, true);
	quick_again(s, &e);
	wake_engine(s, &e);
}
