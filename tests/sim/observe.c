/* What a manager sees of its engines, as heird's observe.c and observe-list.c ask for it: one container when an event names it,
 * everything when an engine answers again and now and then. Answers take their time, and are as old as they were under way. */
#include "sim.h"

#include "base/alloc.h"
#include "base/cleanup.h"
#include "daemon/translate.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static enum net_kind net_kind(void *ctx, const char *id, const char *name) {
	const struct sim *s = ctx;
	(void)id;
	return strcmp(name, "bridge") == 0 ? NET_LOCAL : s->fake.kind;
}

static struct world_container *translate(struct sim *s, const char *node, const json_t *inspect) {
	struct engine_container c CLEANUP_ENGINE_CONTAINER = {0};
	struct err err;

	if (engine_container_parse(inspect, &c, &err) < 0) {
		fprintf(stderr, "a container cannot be read: %s\n", err.msg);
		abort();
	}
	return translate_container(FAKE_CLUSTER, node, &c, inspect, net_kind, s);
}

void observe_say(const struct sim *s, const struct world_container *w, const char *how) {
	sim_say(s, "  %s %s \"%s\" (%s)%s%s%s%s", how, w->key, w->name, w->restart_policy, w->running ? " runs" : "",
		w->n_nets ? " " : "", w->n_nets ? w->nets[0].name : "", w->n_nets && w->nets[0].ip ? w->nets[0].ip : "");
}

static void container_seen(struct sim *s, const struct fake_container *c, const json_t *inspect) {
	const char *node = s->fake.nodes[c->node].name;
	struct world_container *w = translate(s, node, inspect);

	observe_say(s, w, "seen");
	resched_container(s->machine, s->now, w);
	const struct world_container *kept = world_container(resched_world(s->machine), node, c->id);
	if (kept)
		memory_keep(s->memory, kept, inspect);
	manager_wake(s);
}

static void container_gone(struct sim *s, const struct fake_container *c) {
	const char *node = s->fake.nodes[c->node].name;

	sim_say(s, "  seen %s/%s is gone", node, c->id);
	resched_container_gone(s->machine, node, c->id);
	memory_gone(s->memory, node, c->id);
	manager_wake(s);
}

static void listing_done(struct sim *s, int node) {
	struct observer *o = &s->observers[node];
	struct strs present = {0};

	o->listed = o->refreshing = false;
	for (int i = 0; i < s->fake.n_containers; i++)
		if (s->fake.containers[i]->exists && s->fake.containers[i]->node == node)
			strs_add(&present, s->fake.containers[i]->id);
	for (const struct world_container *c = resched_world(s->machine)->containers; c; c = c->hh.next)
		if (strcmp(c->node, s->fake.nodes[node].name) == 0)
			strs_add_new(&present, c->id);
	resched_listed(s->machine, s->now, s->fake.nodes[node].name, &present);
	strs_clear(&present);
	manager_wake(s);
	if (o->again) {
		o->again = false;
		manager_refresh(s, node);
	}
}

static struct look *look_find(struct observer *o, int container) {
	for (int i = 0; i < o->n_looks; i++)
		if (o->looks[i].container == container)
			return &o->looks[i];
	return NULL;
}

static void look(struct sim *s, int container);

/* The answer arrives: what it says is as old as it was under way. */
static void looked(struct sim *s, const struct event *e) {
	const struct fake_container *c = s->fake.containers[e->a];
	struct observer *o = &s->observers[c->node];
	struct look *l = look_find(o, e->a), was;

	assert(l);
	was = *l;
	*l = o->looks[--o->n_looks];
	if (was.inspect)
		container_seen(s, c, was.inspect);
	else if (was.gone)
		container_gone(s, c);
	json_decref(was.inspect);
	if (was.again)
		look(s, e->a);
	if (o->listed && !o->n_looks)
		listing_done(s, c->node);
}

static void engine_looks(struct sim *s, const struct event *e) {
	const struct fake_container *c = s->fake.containers[e->a];
	struct look *l = look_find(&s->observers[c->node], e->a);
	bool answers = fake_answers(&s->fake, c->node);

	assert(l);
	l->taken = true;
	l->inspect = answers && c->exists ? inspect_container(s, c) : NULL;
	l->gone = answers && !c->exists;
	sim_at(s, sim_ms(s, 1, rng_permille(&s->rng, 30) ? 1000 : 30), s->manager, looked, e->a, 0, NULL);
}

static void look(struct sim *s, int container) {
	struct observer *o = &s->observers[s->fake.containers[container]->node];
	struct look *l = look_find(o, container);

	if (l) {
		l->again |= l->taken;
		return;
	}
	if (o->n_looks == (int)(sizeof(o->looks) / sizeof(o->looks[0])))
		return;
	o->looks[o->n_looks++] = (struct look){.container = container};
	sim_at(s, sim_ms(s, 2, rng_permille(&s->rng, 50) ? 3000 : 60), s->manager, engine_looks, container, 0, NULL);
}

void manager_notice(struct sim *s, int container) {
	if (s->machine && fake_answers(&s->fake, s->fake.containers[container]->node))
		look(s, container);
}

static void listed(struct sim *s, const struct event *e) {
	struct observer *o = &s->observers[e->a];
	const char *name = s->fake.nodes[e->a].name;

	if (!fake_answers(&s->fake, e->a)) {
		o->refreshing = o->listed = false;
		const struct world_node *n = world_node(resched_world(s->machine), name);
		if (n && n->verdict == NODE_ALIVE)
			manager_refresh(s, e->a);
		return;
	}
	struct node_facts f = {.version = xstrdup("20.10.24"), .engine_id = xasprintf("id-%s", name), .api = manager_api(s)};
	char vtep[16];
	agents_vtep(e->a, vtep);
	f.vtep = xstrdup(vtep);
	f.kv = s->fake.kind == NET_KV;
	if (!f.kv && !s->fake.nodes[e->a].removed) {
		f.swarm_node = xasprintf("sn-%s", name);
		f.swarm_cluster = xstrdup("swarm");
	}
	strs_add(&f.local_networks, "bridge");
	f.images = xnew_n(struct world_image, FAKE_IMAGES);
	for (int k = 0; k < FAKE_IMAGES; k++)
		if (s->fake.nodes[e->a].image[k]) {
			f.images[f.n_images].id = xstrdup(fake_image_id(k));
			strs_add(&f.images[f.n_images++].names, fake_image_name(k));
		}
	resched_node_facts(s->machine, name, &f);
	for (int i = 0; i < s->fake.n_containers; i++)
		if (s->fake.containers[i]->node == e->a &&
		    (s->fake.containers[i]->exists || world_container(resched_world(s->machine), name, s->fake.containers[i]->id)))
			look(s, i);
	o->listed = true;
	if (!o->n_looks)
		listing_done(s, e->a);
}

void manager_refresh(struct sim *s, int node) {
	struct observer *o = &s->observers[node];

	if (o->refreshing) {
		o->again = true;
		return;
	}
	o->refreshing = true;
	sim_at(s, sim_ms(s, 5, rng_permille(&s->rng, 100) ? 3000 : 200), s->manager, listed, node, 0, NULL);
}

static void now_and_then(struct sim *s, const struct event *e) {
	const struct world_node *n = world_node(resched_world(s->machine), s->fake.nodes[e->a].name);

	if (n->verdict == NODE_ALIVE)
		manager_refresh(s, e->a);
	sim_at(s, span_sec(60), s->manager, now_and_then, e->a, 0, NULL);
}

void observe_begin(struct sim *s) {
	for (int i = 0; i < s->fake.n_nodes; i++)
		sim_at(s, span_sec(60), s->manager, now_and_then, i, 0, NULL);
}
