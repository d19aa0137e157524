/* See world.h. */
#include "resched/world.h"

#include "base/alloc.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <utlist.h>

static const char *const verdict_names[] = {
	[NODE_UNKNOWN] = "unknown",         [NODE_ALIVE] = "alive", [NODE_SUSPECT] = "suspect",
	[NODE_ENGINE_ONLY] = "engine-only", [NODE_DEAD] = "dead",   [NODE_RECOVERING] = "recovering",
};
static_assert(sizeof(verdict_names) / sizeof(verdict_names[0]) == NODE_VERDICT_MAX, "a name for every verdict");

const char *node_verdict_name(enum node_verdict v) { return verdict_names[v]; }

struct world_container *world_container_new(const char *node, const char *id) {
	struct world_container *c = xnew(struct world_container);

	c->key = xasprintf("%s/%s", node, id);
	c->node = xstrdup(node);
	c->id = xstrdup(id);
	return c;
}

void world_net_copy(struct world_net *to, const struct world_net *from) {
	*to = (struct world_net){
		.name = xstrdup(from->name),
		.id = xstrdup_null(from->id),
		.ip = xstrdup_null(from->ip),
		.ip6 = xstrdup_null(from->ip6),
		.mac = xstrdup_null(from->mac),
		.kind = from->kind,
	};
	strs_copy(&to->aliases, &from->aliases);
}

void world_nets_free(struct world_net *nets, size_t n) {
	for (size_t i = 0; i < n; i++) {
		free(nets[i].name);
		free(nets[i].id);
		free(nets[i].ip);
		free(nets[i].ip6);
		free(nets[i].mac);
		strs_clear(&nets[i].aliases);
	}
	free(nets);
}

void world_container_free(struct world_container *c) {
	if (!c)
		return;
	char *owned[] = {c->key,        c->node,           c->id,       c->name,     c->image,  c->image_id, c->runtime,
			 c->log_driver, c->restart_policy, c->workload, c->takeover, c->sandbox};
	for (size_t i = 0; i < sizeof(owned) / sizeof(owned[0]); i++)
		free(owned[i]);
	strs_clear(&c->blockers);
	strs_clear(&c->volume_drivers);
	world_nets_free(c->nets, c->n_nets);
	services_clear(&c->services);
	for (size_t i = 0; i < c->n_bound; i++)
		free(c->bound[i].host_ip);
	free(c->bound);
	for (size_t i = 0; i < c->n_ports; i++)
		free(c->ports[i].host_ip);
	free(c->ports);
	free(c);
}

const struct world_net *world_container_net(const struct world_container *c, const char *name) {
	for (size_t i = 0; i < c->n_nets; i++)
		if (strcmp(c->nets[i].name, name) == 0)
			return &c->nets[i];
	return NULL;
}

bool world_container_has_overlay(const struct world_container *c) {
	for (size_t i = 0; i < c->n_nets; i++)
		if (c->nets[i].kind != NET_LOCAL)
			return true;
	return false;
}

void node_facts_clear(struct node_facts *f) {
	free(f->version);
	free(f->engine_id);
	free(f->swarm_node);
	free(f->swarm_cluster);
	free(f->vtep);
	strs_clear(&f->runtimes);
	strs_clear(&f->volume_drivers);
	strs_clear(&f->log_drivers);
	strs_clear(&f->local_networks);
	for (size_t i = 0; i < f->n_images; i++) {
		free(f->images[i].id);
		strs_clear(&f->images[i].names);
	}
	free(f->images);
	*f = (struct node_facts){0};
}

struct world_node *world_node_add(struct world *w, const char *name, bool remote) {
	struct world_node *n = xnew(struct world_node);

	n->name = xstrdup(name);
	n->remote = remote;
	HASH_ADD_KEYPTR(hh, w->nodes, n->name, strlen(n->name), n);
	return n;
}

struct world_node *world_node(const struct world *w, const char *name) {
	struct world_node *n = NULL;

	if (name)
		HASH_FIND_STR(w->nodes, name, n);
	return n;
}

struct world_container *world_container(const struct world *w, const char *node, const char *id) {
	struct world_container *c = NULL;
	char key[512];

	if (!node || !id)
		return NULL;
	int n = snprintf(key, sizeof(key), "%s/%s", node, id);
	if (n > 0 && (size_t)n < sizeof(key))
		HASH_FIND_STR(w->containers, key, c);
	return c;
}

struct world_container *world_container_by_id(const struct world *w, const char *id) {
	struct world_container *c = NULL;
	HASH_FIND(by_id, w->by_id, id, strlen(id), c);
	return c;
}

struct world_container *world_container_named(const struct world *w, const char *node, const char *name) {
	const struct world_node *n = world_node(w, node);

	for (struct world_container *c = n ? n->containers : NULL; c; c = c->next)
		if (c->name && strcmp(c->name, name) == 0)
			return c;
	return NULL;
}

void world_container_take(struct world *w, struct world_container *c) {
	struct world_node *n = world_node(w, c->node);

	HASH_DEL(w->containers, c);
	HASH_DELETE(by_id, w->by_id, c); /* NOLINT(clang-analyzer-core.NullDereference): it is in there */
	if (n)
		DL_DELETE(n->containers, c);
}

void world_container_remove(struct world *w, struct world_container *c) {
	world_container_take(w, c);
	world_container_free(c);
}

void world_container_put(struct world *w, struct world_container *c) {
	struct world_container *old = world_container(w, c->node, c->id);

	if (old)
		world_container_remove(w, old);
	HASH_ADD_KEYPTR(hh, w->containers, c->key, strlen(c->key), c);
	HASH_ADD_KEYPTR(by_id, w->by_id, c->id, strlen(c->id), c);
	struct world_node *n = world_node(w, c->node);
	if (n)
		DL_APPEND(n->containers, c);
}

void world_clear(struct world *w) {
	struct world_container *c, *next_c;
	HASH_ITER (hh, w->containers, c, next_c) {
		world_container_remove(w, c);
	}
	struct world_node *n, *next_n;
	HASH_ITER (hh, w->nodes, n, next_n) {
		HASH_DEL(w->nodes, n);
		node_facts_clear(&n->facts);
		free(n->name);
		free(n->availability);
		node_agent_clear(&n->agent);
		strs_clear(&n->seen_by);
		strs_clear(&n->unseen);
		free(n->seen_how);
		free(n->reason);
		free(n->hold);
		free(n->address);
		free(n->zone_brake);
		free(n);
	}
}

bool world_node_serves(const struct world_node *n) {
	return n->verdict == NODE_ALIVE && n->listed && !n->returning && n->facts.version;
}

bool world_node_has_net(const struct world *w, const char *node, const char *network) {
	const struct world_node *n = world_node(w, node);

	for (const struct world_container *c = n ? n->containers : NULL; c; c = c->next)
		if (c->running && world_container_net(c, network))
			return true;
	return false;
}

const char *world_node_image(const struct world_node *n, const char *name, const char *image_id) {
	for (size_t i = 0; i < n->facts.n_images; i++) {
		const struct world_image *image = &n->facts.images[i];
		if (image_id && strcmp(image->id, image_id) == 0)
			return name && strs_has(&image->names, name) ? name : image->id;
	}
	return NULL;
}
