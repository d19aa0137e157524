/* What can go wrong: hosts, networks, engines, the manager, its disk, the swarm's control socket, and people. */
#include "sim.h"

#include <stdio.h>
#include <string.h>

typedef void fault_fn(struct sim *s);

static const char *name_of(const struct sim *s, int node) { return s->fake.nodes[node].name; }

static void notice_all(struct sim *s, int node) {
	for (int i = 0; i < s->fake.n_containers; i++)
		if (s->fake.containers[i]->node == node)
			manager_notice(s, i);
}

/* ---- nodes ---- */

static void set_cut(struct sim *s, int node, bool cut) {
	if (s->fake.nodes[node].cut == cut)
		return;
	sim_say(s, "FAULT %s is %s", name_of(s, node), cut ? "cut off" : "reachable again");
	fake_cut(&s->fake, node, cut);
	/* The event stream was broken: as after any reconnect everything is asked for. */
	if (!cut && s->machine)
		manager_refresh(s, node);
}

static void uncut(struct sim *s, const struct event *e) { set_cut(s, e->a, false); }
static void cut(struct sim *s, const struct event *e) {
	if (!s->healed)
		set_cut(s, e->a, true);
}

static void fault_cut(struct sim *s) {
	int node = rng_below(&s->rng, s->fake.n_nodes);

	set_cut(s, node, true);
	sim_at(s, sim_ms(s, 500, rng_permille(&s->rng, 600) ? 12000 : 60000), 0, uncut, node, 0, NULL);
}

static void fault_flap(struct sim *s) {
	int node = rng_below(&s->rng, s->fake.n_nodes), t = 0;

	for (int i = rng_range(&s->rng, 2, 4); i > 0; i--) {
		sim_at(s, span_ms(t), 0, cut, node, 0, NULL);
		t += rng_range(&s->rng, 2000, 7000);
		sim_at(s, span_ms(t), 0, uncut, node, 0, NULL);
		t += rng_range(&s->rng, 500, 5000);
	}
}

static void fault_storm(struct sim *s) {
	int but = rng_permille(&s->rng, 500) ? rng_below(&s->rng, s->fake.n_nodes) : -1;

	for (int i = 0; i < s->fake.n_nodes; i++) {
		if (i == but)
			continue;
		sim_at(s, sim_ms(s, 0, 500), 0, cut, i, 0, NULL);
		sim_at(s, sim_ms(s, 2000, 25000), 0, uncut, i, 0, NULL);
	}
}

static void excuse_down(struct sim *s, int node, bool was_up_only) {
	for (int i = 0; i < s->fake.n_containers; i++) {
		struct fake_container *c = s->fake.containers[i];
		struct truth *t = c->exists && c->node == node ? sim_truth(s, c) : NULL;
		bool comes_up = *c->policy && strcmp(c->policy, "no") != 0;
		if (t && (was_up_only ? c->was_up && !comes_up : c->was_up))
			t->excused = true;
	}
}

static void set_power(struct sim *s, int node, bool on) {
	if (s->fake.nodes[node].off != on)
		return;
	sim_say(s, "FAULT %s is switched %s", name_of(s, node), on ? "on" : "off");
	fake_power(&s->fake, node, on);
	if (!on) {
		agents_power_lost(s, node);
		excuse_down(s, node, true);
		return;
	}
	/* Whose policy brings it up may still find its address or port taken. */
	for (int i = 0; i < s->fake.n_containers; i++) {
		struct fake_container *c = s->fake.containers[i];
		struct truth *t = c->exists && c->node == node && !c->running && c->started && !c->let_go ? sim_truth(s, c) : NULL;
		if (t)
			t->excused = true;
	}
	if (s->machine)
		manager_refresh(s, node);
}

static void power_on(struct sim *s, const struct event *e) { set_power(s, e->a, true); }

static void fault_power(struct sim *s) {
	int node = rng_below(&s->rng, s->fake.n_nodes);

	set_power(s, node, false);
	sim_at(s, sim_ms(s, 1500, rng_permille(&s->rng, 500) ? 10000 : 60000), 0, power_on, node, 0, NULL);
}

static void wake_engine(struct sim *s, const struct event *e) {
	struct fake_node *n = &s->fake.nodes[e->a];

	if (!n->hung && !n->killed)
		return;
	sim_say(s, "FAULT %s: the engine answers again", n->name);
	n->hung = n->killed = false;
	if (s->machine)
		manager_refresh(s, e->a);
	notice_all(s, e->a);
}

static void fault_engine(struct sim *s) {
	int node = rng_below(&s->rng, s->fake.n_nodes);
	struct fake_node *n = &s->fake.nodes[node];

	if (n->off)
		return;
	if (rng_permille(&s->rng, 500))
		n->hung = true;
	else
		n->killed = true;
	sim_say(s, "FAULT %s: the engine is %s", n->name, n->hung ? "stopped" : "killed");
	sim_at(s, sim_ms(s, 1000, 30000), 0, wake_engine, node, 0, NULL);
}

/* ---- the manager, its disk, the swarm ---- */

static void fault_crash(struct sim *s) {
	if (s->machine)
		manager_crash(s);
}

static void fault_disk(struct sim *s) { s->commits_to_fail = rng_range(&s->rng, 1, 4); }

static void control_back(struct sim *s, const struct event *e) {
	(void)e;
	sim_say(s, "FAULT the control socket is back");
	s->control_up = true;
}

static void fault_control(struct sim *s) {
	s->control_up = false;
	s->control_missing = rng_permille(&s->rng, 700);
	sim_say(s, "FAULT the control socket is %s", s->control_missing ? "missing" : "silent");
	sim_at(s, sim_ms(s, 1000, 40000), 0, control_back, 0, 0, NULL);
}

/* ---- people ---- */

static struct fake_container *any_container(struct sim *s, bool running, int *ret_index) {
	for (int i = 0; i < 20; i++) {
		*ret_index = rng_below(&s->rng, s->fake.n_containers);
		struct fake_container *c = s->fake.containers[*ret_index];
		if (c->exists && c->running == running && fake_answers(&s->fake, c->node))
			return c;
	}
	return NULL;
}

static void touch(struct sim *s, struct fake_container *c, const char *how) {
	struct truth *t = sim_truth(s, c);

	sim_say(s, "FAULT a user %s %s (%s) on %s", how, c->name, c->id, name_of(s, c->node));
	c->touched = true;
	if (t)
		t->excused = true;
}

static void user_starts(struct sim *s, const struct event *e) {
	struct fake_container *c = s->fake.containers[e->a];
	enum refusal why;

	if (!c->exists || s->healed || !fake_answers(&s->fake, c->node))
		return;
	touch(s, c, "starts");
	(void)fake_start(&s->fake, c, &why);
	manager_notice(s, e->a);
}

static void fault_user_stop(struct sim *s) {
	int i;
	struct fake_container *c = any_container(s, true, &i);

	if (!c)
		return;
	touch(s, c, "stops");
	(void)fake_stop(&s->fake, c);
	manager_notice(s, i);
	if (rng_permille(&s->rng, 500))
		sim_at(s, sim_ms(s, 500, 40000), 0, user_starts, i, 0, NULL);
}

static void fault_user_start(struct sim *s) {
	int i;
	struct fake_container *c = any_container(s, false, &i);
	struct event e = {.a = i};

	if (c)
		user_starts(s, &e);
}

static void fault_user_remove(struct sim *s) {
	int i;
	struct fake_container *c = any_container(s, rng_permille(&s->rng, 600), &i);
	enum refusal why;

	if (!c)
		return;
	touch(s, c, "removes");
	(void)fake_stop(&s->fake, c);
	(void)fake_remove(&s->fake, c, &why);
	manager_notice(s, i);
}

static void fault_confirm(struct sim *s) {
	int node = rng_below(&s->rng, s->fake.n_nodes);
	struct err err;

	if (!s->machine || detector_verdict(&s->detectors[node]) == HEALTH_ALIVE)
		return;
	/* A careful operator: it is off before it is said to be. */
	set_power(s, node, false);
	if (resched_confirm_dead(s->machine, name_of(s, node), &err) == 0)
		sim_say(s, "FAULT an operator says that %s is dead", name_of(s, node));
	manager_brake(s);
	manager_wake(s);
	sim_at(s, sim_ms(s, 5000, 60000), 0, power_on, node, 0, NULL);
}

/* ---- foreign containers in the way ---- */

static void foreign_leaves(struct sim *s, const struct event *e) {
	struct fake_container *c = s->fake.containers[e->a];
	enum refusal why;

	if (!c->exists)
		return;
	sim_say(s, "FAULT the foreign container %s leaves", c->name);
	(void)fake_stop(&s->fake, c);
	(void)fake_remove(&s->fake, c, &why);
	manager_notice(s, e->a);
}

static void foreign_tries(struct sim *s, const struct event *e) {
	struct fake_container *c = s->fake.containers[e->a];
	enum refusal why;

	if (!c->exists || c->running || s->healed)
		return;
	if (fake_answers(&s->fake, c->node) && fake_start(&s->fake, c, &why)) {
		sim_say(s, "FAULT the foreign container %s runs on %s", c->name, name_of(s, c->node));
		manager_notice(s, e->a);
		return;
	}
	if (e->b > 0)
		sim_at(s, span_ms(20), 0, foreign_tries, e->a, e->b - 1, NULL);
}

static void foreign(struct sim *s, struct fake_container *c, int tries) {
	int i = s->fake.n_containers - 1;

	c->foreign = true;
	sim_at(s, span_ms(0), 0, foreign_tries, i, tries, NULL);
	sim_at(s, sim_ms(s, 5000, 50000), 0, foreign_leaves, i, 0, NULL);
}

/* Wants an address that a workload has, and tries for it as fast as it can. */
static void fault_thief(struct sim *s) {
	if (!s->n_truths)
		return;
	const struct truth *t = &s->truths[rng_below(&s->rng, s->n_truths)];
	if (!t->overlay)
		return;
	const struct fake_container *victim = s->fake.containers[t->first];
	struct fake_container *c = fake_add(&s->fake, rng_below(&s->rng, s->fake.n_nodes), "thief");
	snprintf(c->name, sizeof(c->name), "thief%d", s->fake.n_containers);
	int k = *victim->ip[0] ? 0 : 1;
	snprintf(c->ip[k], sizeof(c->ip[k]), "%s", victim->ip[k]);
	snprintf(c->mac[k], sizeof(c->mac[k]), "02:00:00:00:00:%02x", s->fake.n_containers & 0xff);
	c->connected[k] = true;
	sim_say(s, "FAULT %s wants the address of %s", c->name, victim->name);
	foreign(s, c, 1500);
}

/* Has the name or the port that a workload will need there. */
static void fault_squatter(struct sim *s) {
	if (!s->n_truths)
		return;
	const struct fake_container *victim = s->fake.containers[s->truths[rng_below(&s->rng, s->n_truths)].first];
	int node = rng_below(&s->rng, s->fake.n_nodes);
	bool name = rng_permille(&s->rng, 500) && !fake_find(&s->fake, node, victim->name);
	struct fake_container *c = fake_add(&s->fake, node, victim->name);

	if (!name)
		snprintf(c->name, sizeof(c->name), "squatter%d", s->fake.n_containers);
	c->port = victim->port;
	sim_say(s, "FAULT %s on %s has the name or port of %s", c->name, name_of(s, node), victim->name);
	foreign(s, c, 1);
}

static void fault_image(struct sim *s) {
	int node = rng_below(&s->rng, s->fake.n_nodes);
	s->fake.nodes[node].image[rng_below(&s->rng, FAKE_IMAGES)] = false;
}

/* ---- when ---- */

static const struct {
	const char *name;
	fault_fn *fn;
	int weight;
} faults[] = {
	{"cut", fault_cut, 30},
	{"flap", fault_flap, 8},
	{"storm", fault_storm, 4},
	{"power off", fault_power, 14},
	{"engine", fault_engine, 10},
	{"crash", fault_crash, 14},
	{"disk", fault_disk, 5},
	{"control socket", fault_control, 7},
	{"user stops", fault_user_stop, 4},
	{"user starts", fault_user_start, 4},
	{"user removes", fault_user_remove, 3},
	{"confirm dead", fault_confirm, 8},
	{"thief", fault_thief, 6},
	{"squatter", fault_squatter, 6},
	{"image", fault_image, 4},
	{"agent", agents_fault, 12},
};
#define N_FAULTS ((int)(sizeof(faults) / sizeof(faults[0])))

static void next_fault(struct sim *s, const struct event *e) {
	int total = 0, i = 0;

	(void)e;
	if (s->healed)
		return;
	for (int k = 0; k < N_FAULTS; k++)
		total += faults[k].weight;
	for (int at = rng_below(&s->rng, total); at >= faults[i].weight; i++)
		at -= faults[i].weight;
	coverage_fault(faults[i].name);
	faults[i].fn(s);
	sim_at(s, sim_ms(s, 100, rng_permille(&s->rng, 500) ? 4000 : 15000), 0, next_fault, 0, 0, NULL);
}

void faults_start(struct sim *s) { sim_at(s, sim_ms(s, 2000, 8000), 0, next_fault, 0, 0, NULL); }

void faults_heal(struct sim *s) {
	agents_heal(s);
	s->commits_to_fail = 0;
	s->control_up = true;
	for (int i = 0; i < s->fake.n_nodes; i++) {
		const struct event e = {.a = i};
		set_cut(s, i, false);
		set_power(s, i, true);
		wake_engine(s, &e);
	}
	for (int i = 0; i < s->fake.n_containers; i++) {
		const struct event e = {.a = i};
		if (s->fake.containers[i]->foreign)
			foreign_leaves(s, &e);
	}
}
