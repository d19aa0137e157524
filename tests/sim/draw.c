/* A history's beginning: settings, hosts, images, containers. Each has a stream of chance of its own, so that what is left out
 * changes no other. */
#include "sim.h"

#include <stdio.h>
#include <string.h>

static void make_id(void *ctx, char text[ID_TEXT_MAX]) {
	struct sim *s = ctx;
	snprintf(text, ID_TEXT_MAX, "%016x", ++s->next_takeover);
}

static void draw_settings(struct sim *s) {
	static const int troubles[] = {0, 20, 80, 200};
	static const enum evidence fences[] = {EVIDENCE_PRESUMED, EVIDENCE_QUARANTINED, EVIDENCE_STOPPED};

	s->settings = (struct resched_settings){
		.cluster = FAKE_CLUSTER,
		.fence = rng_permille(&s->rng, 150) ? fences[rng_below(&s->rng, 3)] : EVIDENCE_NONE,
		.engine_only_move = rng_permille(&s->rng, 200),
		.strategy = (enum strategy)rng_below(&s->rng, 3),
		.parallel = rng_permille(&s->rng, 250) ? (unsigned)rng_range(&s->rng, 1, 2) : 32,
		.per_target = rng_permille(&s->rng, 250) ? 1 : 16,
		.attempts = (unsigned)rng_range(&s->rng, 2, 4),
		.backoff_initial = span_sec(1),
		.backoff_cap = span_sec(8),
		.keep_oldest = rng_permille(&s->rng, 200),
		.stale_keep = rng_permille(&s->rng, 150),
		.seed = s->seed,
		.make_id = make_id,
		.ctx = s,
	};
	s->detector_settings = (struct detector_settings){.interval = span_sec(1),
							  .timeout = span_sec(1),
							  .failures = 3,
							  .recover = (unsigned)rng_range(&s->rng, 1, 3),
							  .hold_initial = span_sec(10),
							  .hold_cap = span_sec(300),
							  .flap_window = span_sec(600)};
	s->remove_node = rng_permille(&s->rng, 200);
	s->first_is_local = rng_permille(&s->rng, 300);
	s->trouble = troubles[rng_below(&s->rng, 4)];
	s->max_lost = rng_permille(&s->rng, 300) ? 100 : 50;
	s->control_up = true;
	s->fake.kind = rng_permille(&s->rng, 250) ? NET_KV : NET_SWARM;
	s->fake.n_nodes = rng_range(&s->rng, 3, FAKE_NODES_MAX);
	if (s->variant->nodes_max && s->fake.n_nodes > s->variant->nodes_max)
		s->fake.n_nodes = s->variant->nodes_max;
	agents_draw(s);
}

/* Chance of its own: with it or without, a seed's hosts and containers are the same. */
static void draw_discovery(struct sim *s) {
	struct rng r = rng_stream(s->seed, STREAM_DISCOVERY, 0, 0);
	int deadline = rng_range(&r, 1, 3);

	s->settings.discovery.any = rng_permille(&r, 700) && !s->variant->discovery;
	s->settings.discovery.scope = (enum publish_scope)rng_below(&r, 3);
	s->settings.discovery.address = rng_permille(&r, 600) ? SERVICE_OVERLAY : SERVICE_HOST;
	s->settings.discovery.withdraw_unhealthy = rng_permille(&r, 150);
	s->registries[0].there = s->settings.discovery.any;
	s->registries[1].there = s->settings.discovery.any && rng_permille(&r, 300);
	s->registries[0].required = rng_permille(&r, 800);
	s->registries[1].required = rng_permille(&r, 500);
	s->publish_deadline = span_sec(deadline);
	s->publish_interval = span_sec(rng_range(&r, 15, 40));
	/* As heird has it: one more second than the systems that are waited for. */
	bool any_required = s->registries[0].required || (s->registries[1].there && s->registries[1].required);
	s->settings.discovery.patience = span_sec(any_required ? deadline + 1 : 1);
}

static void draw_node(struct sim *s, int i) {
	struct fake_node *n = &s->fake.nodes[i];

	s->rng = rng_stream(s->seed, STREAM_NODE, (uint64_t)i, 0);
	snprintf(n->name, sizeof(n->name), "h%d", i + 1);
	for (int k = 0; k < FAKE_IMAGES; k++)
		n->image[k] = rng_permille(&s->rng, 700);
	s->kernels[i].gossips = true;
}

static void draw_nets(struct sim *s, struct fake_container *c, int number) {
	int which = rng_below(&s->rng, 4); /* none, both, first, first */

	for (int k = 0; k < FAKE_NETS; k++) {
		if (which == 0 || (which > 1 && k > 0))
			continue;
		snprintf(c->ip[k], sizeof(c->ip[k]), "10.%d.0.%d", 20 + k, 10 + number);
		snprintf(c->mac[k], sizeof(c->mac[k]), "02:42:0a:%02x:00:%02x", 20 + k,
			 rng_permille(&s->rng, 800) ? 10 + number : 200 + number);
		c->connected[k] = true;
	}
}

static enum evidence draw_fence(struct sim *s) {
	int roll = rng_below(&s->rng, 100);
	return roll < 8 ? EVIDENCE_STOPPED : roll < 14 ? EVIDENCE_QUARANTINED : EVIDENCE_NONE;
}

static void draw_truth(struct sim *s, const struct fake_container *c) {
	struct truth *t = &s->truths[s->n_truths++];

	snprintf(t->workload, sizeof(t->workload), "%s/%s", FAKE_CLUSTER, c->id);
	t->first = s->fake.n_containers - 1;
	t->overlay = fake_has_overlay(c);
	snprintf(t->policy, sizeof(t->policy), "%s", strcmp(c->policy, "no") == 0 ? "" : c->policy);
	snprintf(t->names[t->n_names++], sizeof(t->names[0]), "%s", c->name);
}

static void draw_service(struct rng *r, int number, struct fake_service *ret) {
	static const uint16_t ports[] = {80, 80, 80, 0};

	snprintf(ret->name, sizeof(ret->name), "svc%d", number);
	snprintf(ret->tag, sizeof(ret->tag), "%s", rng_permille(r, 300) ? "blue" : "");
	ret->port = ports[rng_below(r, 4)];
	ret->address = (enum service_address)rng_below(r, 3);
	if (ret->address == SERVICE_OVERLAY && rng_permille(r, 300))
		ret->port = 8080;
}

static void draw_services(struct sim *s, struct fake_container *c, int number) {
	struct rng r = rng_stream(s->seed, STREAM_DISCOVERY, (uint64_t)number + 1, 0);
	bool any = rng_permille(&r, 650), two = rng_permille(&r, 300), publishes = rng_permille(&r, 600),
	     dynamic = rng_permille(&r, 500);

	if (!s->settings.discovery.any)
		return;
	c->n_services = any + (any && two);
	for (int i = 0; i < c->n_services; i++)
		draw_service(&r, number + 100 * i, &c->services[i]);
	if (c->port || !publishes)
		return;
	c->any_port = dynamic;
	c->port = dynamic ? 0 : (uint16_t)(9000 + number);
}

static void draw_container(struct sim *s, int number) {
	static const char *const policies[] = {"", "no", "always", "unless-stopped", "on-failure:3"};
	char name[16];
	enum refusal why;

	s->rng = rng_stream(s->seed, STREAM_CONTAINER, (uint64_t)number, 0);
	snprintf(name, sizeof(name), "%s%d", number % 3 == 2 ? "plain" : "web", number);
	struct fake_container *c = fake_add(&s->fake, sim_any_node(s), name);
	snprintf(c->policy, sizeof(c->policy), "%s", policies[rng_below(&s->rng, 5)]);
	c->opted = number % 3 != 2;
	c->fence = c->opted ? draw_fence(s) : EVIDENCE_NONE;
	c->image = rng_below(&s->rng, FAKE_IMAGES);
	s->fake.nodes[c->node].image[c->image] = true;
	c->port = rng_permille(&s->rng, 200) ? (uint16_t)(8000 + number) : 0;
	draw_services(s, c, number);
	draw_nets(s, c, number);
	if (fake_has_overlay(c)) /* the default bridge takes none */
		snprintf(c->alias, sizeof(c->alias), "alias%d", number);
	(void)fake_start(&s->fake, c, &why);
	if (c->opted)
		draw_truth(s, c);
}

void draw_history(struct sim *s) {
	draw_settings(s);
	draw_discovery(s);
	s->n_drawn = rng_range(&s->rng, 3, 9);
	for (int i = 0; i < s->fake.n_nodes; i++)
		draw_node(s, i);
	for (int i = 0; i < s->n_drawn; i++)
		if (!s->variant->container[i])
			draw_container(s, i);
		else
			s->fake.next_id++;
	s->rng = rng_stream(s->seed, STREAM_SETTINGS, 1, 0);
}
