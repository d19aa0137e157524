/* What the engines' own DNS has to say of a moved container, and from where it can be asked: see net/discovery/docker.h. */
#include "daemon/discovery.h"

#include "base/alloc.h"

#include <string.h>

static const struct workload *workload_of(const struct daemon *d, const char *id) {
	for (const struct workload *w = resched_workloads(d->machine); w; w = w->hh.next)
		if (strcmp(w->id, id) == 0)
			return w;
	return NULL;
}

static const struct world_net *first_overlay(const struct world_container *c) {
	for (size_t i = 0; i < c->n_nets; i++)
		if (c->nets[i].kind != NET_LOCAL && (c->nets[i].ip || c->nets[i].ip6))
			return &c->nets[i];
	return NULL;
}

/* As it is made again from: what is seen of the new one may be older than its start. */
static const struct world_container *remembered(const struct daemon *d, const struct workload *w) {
	return resched_memory(d->machine, w->spec_node, w->spec_id);
}

bool discovery_names_entry(const struct daemon *d, const struct effect *e, struct discovery_entry *ret) {
	char key[DISCOVERY_KEY_MAX];
	const struct workload *w = e->check_names ? workload_of(d, e->workload) : NULL;
	const struct world_container *c = w ? remembered(d, w) : NULL;
	const struct world_net *net = c ? first_overlay(c) : NULL;

	if (!net)
		return false;
	*ret = (struct discovery_entry){
		.key = xstrdup(discovery_key(e->workload, 0, key)),
		.workload = xstrdup(e->workload),
		.generation = w->served.generation,
		.service = xstrdup(discovery_is_label(w->name) ? w->name : "names"),
		.address = xstrdup_null(net->ip),
		.address6 = net->ip ? NULL : xstrdup_null(net->ip6),
		.node = xstrdup_null(e->node),
		.container = xstrdup(w->name),
	};
	return true;
}

/* A worker that has never had a container on a network does not tell its ID: then another node does. */
static char *network_id(const struct daemon *d, const struct world_net *net) {
	if (net->id && *net->id)
		return xstrdup(net->id);
	for (const struct world_container *c = resched_world(d->machine)->containers; c; c = c->hh.next) {
		const struct world_net *same = world_container_net(c, net->name);
		if (same && same->kind != NET_LOCAL && same->id && *same->id)
			return xstrdup(same->id);
	}
	return NULL;
}

static bool has_name(const struct world_container *c, const struct world_net *net, const char *name) {
	return strcmp(c->name, name) == 0 || strs_has(&net->aliases, name);
}

/* Those that other running containers of the network go by as well: engines answer with the addresses of all of them. */
static void find_shared(const struct daemon *d, const struct workload *w, const char *network, struct docker_names *ret) {
	for (const struct world_container *c = resched_world(d->machine)->containers; c; c = c->hh.next) {
		const struct world_net *net = c->running ? world_container_net(c, network) : NULL;
		if (!net || net->kind == NET_LOCAL || resched_workload_for(d->machine, c) == w)
			continue;
		for (size_t i = 0; i < ret->names.n; i++)
			if (has_name(c, net, ret->names.v[i]))
				strs_add_new(&ret->shared, ret->names.v[i]);
	}
}

static bool names(void *ctx, const struct discovery_entry *entry, struct docker_names **ret, size_t *ret_n) {
	struct daemon *d = ctx;
	const struct workload *w = workload_of(d, entry->workload);
	const struct world_container *c = w ? remembered(d, w) : NULL;
	size_t n = 0;

	if (!c)
		return false;
	struct docker_names *list = xnew_n(struct docker_names, c->n_nets);
	for (size_t i = 0; i < c->n_nets; i++) {
		const struct world_net *net = &c->nets[i];
		char *id = net->kind == NET_LOCAL || !net->ip ? NULL : network_id(d, net);
		if (!id)
			continue;
		list[n] = (struct docker_names){.network_id = id, .ip = xstrdup(net->ip), .ip6 = xstrdup_null(net->ip6)};
		strs_copy(&list[n].names, &net->aliases);
		strs_add_new(&list[n].names, w->name);
		find_shared(d, w, net->name, &list[n]);
		n++;
	}
	*ret = list;
	*ret_n = n;
	return true;
}

/* A running container with a namespace of its own on that network; NULL. */
static const struct world_container *asker_on(const struct world_node *n, const char *network) {
	for (const struct world_container *c = n->containers; c; c = c->next)
		for (size_t i = 0; i < c->n_nets && c->running && c->sandbox; i++)
			if (c->nets[i].kind != NET_LOCAL && c->nets[i].id && strcmp(c->nets[i].id, network) == 0)
				return c;
	return NULL;
}

static struct agent *observer(void *ctx, const char *network, size_t i, const char **ret_sandbox) {
	struct daemon *d = ctx;

	for (size_t k = 0; k < d->n_nodes; k++) {
		const struct world_node *n = world_node(resched_world(d->machine), d->nodes[k].config->name);
		bool asked = d->nodes[k].agent && n->agent.state == NODE_AGENT_OK && n->verdict == NODE_ALIVE;
		const struct world_container *c = asked ? asker_on(n, network) : NULL;
		if (c && i-- == 0) {
			*ret_sandbox = c->sandbox;
			return d->nodes[k].agent;
		}
	}
	return NULL;
}

const struct docker_world discovery_docker_world = {.names = names, .observer = observer};
