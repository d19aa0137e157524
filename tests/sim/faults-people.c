/* What can go wrong: people, and containers that are in the way. */
#include "faults.h"

#include <stdio.h>
#include <string.h>

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

	sim_say(s, "FAULT a user %s %s (%s) on %s", how, c->name, c->id, s->fake.nodes[c->node].name);
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

void fault_user_stop(struct sim *s) {
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

void fault_user_start(struct sim *s) {
	int i;
	struct fake_container *c = any_container(s, false, &i);
	struct event e = {.a = i};

	if (c)
		user_starts(s, &e);
}

void fault_user_remove(struct sim *s) {
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

void fault_confirm(struct sim *s) {
	int node = sim_any_node(s);
	struct err err;

	if (!s->machine || detector_verdict(&s->detectors[node]) == HEALTH_ALIVE)
		return;
	/* A careful operator: it is off before it is said to be. */
	faults_power(s, node, false);
	if (resched_confirm_dead(s->machine, s->fake.nodes[node].name, &err) == 0)
		sim_say(s, "FAULT an operator says that %s is dead", s->fake.nodes[node].name);
	check_new_life(s);
	manager_brake(s);
	manager_wake(s);
	sim_at(s, sim_ms(s, 5000, 60000), 0, faults_power_on, node, 0, NULL);
}

void fault_user_rename(struct sim *s) {
	int i;
	struct fake_container *c = any_container(s, rng_permille(&s->rng, 800), &i);
	struct truth *t = sim_truth(s, c);
	enum refusal why;
	char name[80];

	if (!c || c->generation || (t && t->n_names == (int)(sizeof(t->names) / sizeof(t->names[0]))))
		return;
	snprintf(name, sizeof(name), "renamed%d", i);
	if (!fake_rename(&s->fake, c, name, &why))
		return;
	sim_say(s, "FAULT a user renames %s to %s", c->id, name);
	if (t)
		snprintf(t->names[t->n_names++], sizeof(t->names[0]), "%s", name);
	manager_notice(s, i);
}

/* Its own check says so, or does not any more. */
void fault_unhealthy(struct sim *s) {
	int i;
	struct fake_container *c = any_container(s, true, &i);

	if (!c)
		return;
	c->unhealthy = !c->unhealthy;
	sim_say(s, "FAULT %s (%s) is %s", c->name, c->id, c->unhealthy ? "unhealthy" : "healthy again");
	manager_notice(s, i);
}

/* ---- foreign containers in the way ---- */

void faults_foreign_leaves(struct sim *s, const struct event *e) {
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
		sim_say(s, "FAULT the foreign container %s runs on %s", c->name, s->fake.nodes[c->node].name);
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
	sim_at(s, sim_ms(s, 5000, 50000), 0, faults_foreign_leaves, i, 0, NULL);
}

/* Wants an address that a workload has, and tries for it as fast as it can. */
void fault_thief(struct sim *s) {
	if (!s->n_truths)
		return;
	const struct truth *t = &s->truths[rng_below(&s->rng, s->n_truths)];
	if (!t->overlay)
		return;
	const struct fake_container *victim = s->fake.containers[t->first];
	struct fake_container *c = fake_add(&s->fake, sim_any_node(s), "thief");
	snprintf(c->name, sizeof(c->name), "thief%d", s->fake.n_containers);
	int k = *victim->ip[0] ? 0 : 1;
	snprintf(c->ip[k], sizeof(c->ip[k]), "%s", victim->ip[k]);
	snprintf(c->mac[k], sizeof(c->mac[k]), "02:00:00:00:00:%02x", s->fake.n_containers & 0xff);
	c->connected[k] = true;
	sim_say(s, "FAULT %s wants the address of %s", c->name, victim->name);
	foreign(s, c, 1500);
}

/* Has the name or the port that a workload will need there. */
void fault_squatter(struct sim *s) {
	if (!s->n_truths)
		return;
	const struct fake_container *victim = s->fake.containers[s->truths[rng_below(&s->rng, s->n_truths)].first];
	int node = sim_any_node(s);
	bool name = rng_permille(&s->rng, 500) && !fake_find(&s->fake, node, victim->name);
	struct fake_container *c = fake_add(&s->fake, node, victim->name);

	if (!name)
		snprintf(c->name, sizeof(c->name), "squatter%d", s->fake.n_containers);
	c->port = victim->port;
	sim_say(s, "FAULT %s on %s has the name or port of %s", c->name, s->fake.nodes[node].name, victim->name);
	foreign(s, c, 1);
}

/* A second container of the same name, elsewhere, on the same network. */
void fault_double(struct sim *s) {
	if (!s->n_truths)
		return;
	const struct truth *t = &s->truths[rng_below(&s->rng, s->n_truths)];
	const struct fake_container *victim = s->fake.containers[t->first];
	int node = sim_any_node(s);

	if (fake_find(&s->fake, node, victim->name))
		return;
	struct fake_container *c = fake_add(&s->fake, node, victim->name);
	for (int k = 0; k < FAKE_NETS; k++) {
		c->connected[k] = *victim->ip[k] != '\0';
		if (!c->connected[k])
			continue;
		snprintf(c->ip[k], sizeof(c->ip[k]), "10.%d.0.%d", 20 + k, 40 + (s->fake.n_containers & 15));
		snprintf(c->mac[k], sizeof(c->mac[k]), "02:00:00:00:01:%02x", s->fake.n_containers & 0xff);
	}
	sim_say(s, "FAULT a second %s is made on %s", c->name, s->fake.nodes[node].name);
	foreign(s, c, 1500);
}

void fault_image(struct sim *s) {
	int node = sim_any_node(s), image = rng_below(&s->rng, FAKE_IMAGES);
	bool everywhere = rng_permille(&s->rng, 400);

	for (int i = 0; i < s->fake.n_nodes; i++)
		if (everywhere || i == node)
			s->fake.nodes[i].image[image] = false;
	sim_say(s, "FAULT %s has lost image %s", everywhere ? "every node" : s->fake.nodes[node].name, fake_image_name(image));
}
