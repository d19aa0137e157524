/* See plan.h. Filters first, each a function that names its reason; then a score in "seconds lost", so that what costs the user
 * time weighs as much as it costs, and the strategy decides among equals. */
#include "resched/plan.h"

#include "base/alloc.h"
#include "base/mutant.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef char *filter_fn(const struct plan_ask *ask, const struct world_node *node);

static bool is_copy(const struct plan_ask *ask, const struct world_container *c) {
	return ask->copies && strs_has(ask->copies, c->key);
}

static char *filter_source(const struct plan_ask *ask, const struct world_node *n) {
	if (ask->pinned && strcmp(ask->pinned, n->name) != 0)
		return xasprintf("is not %s, where it is to return to", ask->pinned);
	return ask->from && strcmp(n->name, ask->from) == 0 ? xstrdup("is the node it leaves") : NULL;
}

static char *filter_alive(const struct plan_ask *ask, const struct world_node *n) {
	if (n->verdict != NODE_ALIVE)
		return xasprintf("is %s", node_verdict_name(n->verdict));
	if (n->returning && !MUTANT(TARGET_NOT_CLEAN))
		return xstrdup("has just returned and is not cleaned yet");
	if (!n->listed || !n->facts.version)
		return xstrdup("has not told its containers yet");
	if (n->hold)
		return xasprintf("is held by an operator: %s", n->hold);
	if (!mono_reached(n->held_until, ask->now) && !MUTANT(HOLD_DOWN_IGNORED))
		return xasprintf("died %u times lately and is held down for %.0f s more", n->deaths,
				 span_to_sec(mono_since(ask->now, n->held_until)));
	return NULL;
}

static bool ports_clash(const struct world_port *a, const struct world_port *b) {
	bool any = !*a->host_ip || !*b->host_ip || strcmp(a->host_ip, "0.0.0.0") == 0 || strcmp(b->host_ip, "0.0.0.0") == 0 ||
		   strcmp(a->host_ip, "::") == 0 || strcmp(b->host_ip, "::") == 0;
	return a->port == b->port && strcmp(a->proto, b->proto) == 0 && (any || strcmp(a->host_ip, b->host_ip) == 0);
}

static char *clash(const struct world_container *want, const struct world_container *has, const char *how) {
	for (size_t i = 0; i < want->n_ports; i++)
		for (size_t k = 0; k < has->n_ports; k++)
			if (ports_clash(&want->ports[i], &has->ports[k]))
				return xasprintf("port %u/%s %s \"%s\"", want->ports[i].port, want->ports[i].proto, how, has->name);
	return NULL;
}

static char *filter_ports(const struct plan_ask *ask, const struct world_node *n) {
	if (ask->subject->n_ports == 0)
		return NULL;
	for (const struct world_container *c = n->containers; c; c = c->next) {
		char *reason = c->running && !is_copy(ask, c) ? clash(ask->subject, c, "is taken by") : NULL;
		if (reason)
			return reason;
	}
	for (size_t i = 0; i < ask->n_claims; i++) {
		char *reason = strcmp(ask->claims[i].node, n->name) == 0
				       ? clash(ask->subject, ask->claims[i].like, "is promised to")
				       : NULL;
		if (reason)
			return reason;
	}
	return NULL;
}

static char *filter_name(const struct plan_ask *ask, const struct world_node *n) {
	const struct world_container *c = world_container_named(ask->world, n->name, ask->name);
	if (c && !is_copy(ask, c))
		return xasprintf("has another container named \"%s\"", ask->name);
	for (size_t i = 0; i < ask->n_claims; i++)
		if (strcmp(ask->claims[i].node, n->name) == 0 && strcmp(ask->claims[i].like->name, ask->name) == 0)
			return xasprintf("the name \"%s\" is promised there already", ask->name);
	return NULL;
}

static char *filter_resources(const struct plan_ask *ask, const struct world_node *n) {
	int64_t memory = ask->subject->memory, cpus = ask->subject->nano_cpus;

	if ((!memory || !n->facts.memory) && (!cpus || !n->facts.ncpu))
		return NULL;
	for (const struct world_container *c = n->containers; c; c = c->next)
		if (c->running && !is_copy(ask, c)) {
			memory += c->memory;
			cpus += c->nano_cpus;
		}
	for (size_t i = 0; i < ask->n_claims; i++)
		if (strcmp(ask->claims[i].node, n->name) == 0) {
			memory += ask->claims[i].like->memory;
			cpus += ask->claims[i].like->nano_cpus;
		}
	if (ask->subject->memory && n->facts.memory && memory > n->facts.memory)
		return xasprintf("memory: %lld MiB would be reserved of %lld MiB", (long long)(memory >> 20),
				 (long long)(n->facts.memory >> 20));
	if (ask->subject->nano_cpus && n->facts.ncpu && cpus > n->facts.ncpu * 1000000000)
		return xasprintf("CPU: %.1f would be reserved of %lld", (double)cpus / 1e9, (long long)n->facts.ncpu);
	return NULL;
}

static char *filter_drivers(const struct plan_ask *ask, const struct world_node *n) {
	const struct world_container *s = ask->subject;
	if (s->runtime && n->facts.runtimes.n && !strs_has(&n->facts.runtimes, s->runtime))
		return xasprintf("does not know the runtime \"%s\"", s->runtime);
	if (s->log_driver && n->facts.log_drivers.n && !strs_has(&n->facts.log_drivers, s->log_driver))
		return xasprintf("does not know the log driver \"%s\"", s->log_driver);
	for (size_t i = 0; i < s->volume_drivers.n && n->facts.volume_drivers.n; i++)
		if (!strs_has(&n->facts.volume_drivers, s->volume_drivers.v[i]))
			return xasprintf("does not know the volume driver \"%s\"", s->volume_drivers.v[i]);
	return NULL;
}

static char *filter_networks(const struct plan_ask *ask, const struct world_node *n) {
	const struct world_node *from = world_node(ask->world, ask->from);
	const char *cluster = from ? from->facts.swarm_cluster : NULL;

	for (size_t i = 0; i < ask->subject->n_nets; i++) {
		const struct world_net *net = &ask->subject->nets[i];
		if (net->kind == NET_SWARM && !n->facts.swarm_node)
			return xasprintf("is in no swarm, network \"%s\" cannot be reached", net->name);
		if (net->kind == NET_SWARM && cluster && n->facts.swarm_cluster && strcmp(cluster, n->facts.swarm_cluster) != 0)
			return xasprintf("is in another swarm, network \"%s\" cannot be reached", net->name);
		if (net->kind == NET_SWARM && n->availability && strcmp(n->availability, "active") != 0)
			return xasprintf("its availability in the swarm is \"%s\": network \"%s\" would not be attached",
					 n->availability, net->name);
		if (net->kind == NET_KV && !n->facts.kv)
			return xasprintf("has no key/value store, network \"%s\" cannot be reached", net->name);
		if (net->kind == NET_KV && n->agent.state != NODE_AGENT_OK)
			return xasprintf("has no agent that answers, without which network \"%s\" is not repaired", net->name);
		if (net->kind == NET_LOCAL && !strs_has(&n->facts.local_networks, net->name))
			return xasprintf("has no network \"%s\"", net->name);
	}
	return NULL;
}

static bool image_is_somewhere(const struct plan_ask *ask) {
	for (const struct world_node *n = ask->world->nodes; n; n = n->hh.next)
		if (n->verdict == NODE_ALIVE && world_node_image(n, ask->subject->image, ask->subject->image_id))
			return true;
	return false;
}

/* An image that no live engine has can still be pulled, unless the container was made from a bare ID. */
static char *filter_image(const struct plan_ask *ask, const struct world_node *n) {
	if (world_node_image(n, ask->subject->image, ask->subject->image_id) || image_is_somewhere(ask))
		return NULL;
	if (ask->subject->image && strncmp(ask->subject->image, "sha256:", 7) != 0)
		return NULL;
	return xstrdup("has not the image, no live node has it, and it has no name to pull");
}

static filter_fn *const filters[] = {
	filter_source, filter_alive, filter_networks, filter_name, filter_ports, filter_drivers, filter_image, filter_resources,
};

char *plan_reject(const struct plan_ask *ask, const struct world_node *node) {
	for (size_t i = 0; i < sizeof(filters) / sizeof(filters[0]); i++) {
		char *reason = filters[i](ask, node);
		if (reason)
			return reason;
	}
	return NULL;
}

static bool is_cold(const struct plan_ask *ask, const struct world_node *n) {
	for (size_t i = 0; i < ask->subject->n_nets; i++) {
		const struct world_net *net = &ask->subject->nets[i];
		if (net->kind != NET_LOCAL && !world_node_has_net(ask->world, n->name, net->name))
			return true;
	}
	return false;
}

static unsigned load_of(const struct plan_ask *ask, const struct world_node *n, unsigned *ret_claims) {
	unsigned load = 0;

	*ret_claims = 0;
	for (const struct world_container *c = n->containers; c; c = c->next)
		load += c->running;
	for (size_t i = 0; i < ask->n_claims; i++) {
		bool here = strcmp(ask->claims[i].node, n->name) == 0;
		load += here;
		*ret_claims += here && !ask->claims[i].idle;
	}
	return load;
}

/* SplitMix64's finalizer: an even spread of names and seeds. */
static uint64_t mix(uint64_t x, const char *text) {
	for (; *text; text++)
		x = (x ^ (unsigned char)*text) * UINT64_C(0x100000001b3);
	x ^= x >> 30;
	x *= UINT64_C(0xbf58476d1ce4e5b9);
	x ^= x >> 27;
	x *= UINT64_C(0x94d049bb133111eb);
	return x ^ (x >> 31);
}

struct score {
	double seconds; /* lost by choosing it */
	double order;   /* the strategy's */
};

static struct score score_of(const struct plan_ask *ask, const struct world_node *n, unsigned load, bool cold, bool image_missing) {
	struct score s = {0};

	s.seconds += cold ? 10 : 0;
	s.seconds += image_missing ? 5 : 0;
	s.seconds += ask->avoid && strs_has(ask->avoid, n->name) ? 1000 : 0;
	switch (ask->strategy) {
	case STRATEGY_SPREAD:
		s.order = load;
		break;
	case STRATEGY_BINPACK:
		s.order = -(double)load;
		break;
	case STRATEGY_RANDOM:
		s.order = (double)(mix(ask->seed, n->name) >> 11);
		break;
	}
	return s;
}

static bool is_better(struct score a, struct score b) {
	return a.seconds < b.seconds || (a.seconds <= b.seconds && a.order < b.order);
}

/* ---- claims by node: a thousand nodes do not each go through the claims of all ---- */

static int by_node(const void *a, const void *b) {
	return strcmp(((const struct plan_claim *)a)->node, ((const struct plan_claim *)b)->node);
}

static struct plan_claim *sort_claims(const struct plan_ask *ask) {
	struct plan_claim *sorted = xnew_n(struct plan_claim, ask->n_claims);

	for (size_t i = 0; i < ask->n_claims; i++)
		sorted[i] = ask->claims[i];
	if (ask->n_claims)
		qsort(sorted, ask->n_claims, sizeof(*sorted), by_node);
	return sorted;
}

/* The same question with the claims of one node only. */
static struct plan_ask ask_node(const struct plan_ask *ask, const struct plan_claim *sorted, const struct world_node *n) {
	struct plan_ask of = *ask;
	size_t low = 0, high = ask->n_claims;

	while (low < high) {
		size_t middle = low + (high - low) / 2;
		if (strcmp(sorted[middle].node, n->name) < 0)
			low = middle + 1;
		else
			high = middle;
	}
	of.claims = sorted + low;
	of.n_claims = 0;
	while (low + of.n_claims < ask->n_claims && strcmp(of.claims[of.n_claims].node, n->name) == 0)
		of.n_claims++;
	return of;
}

/* ---- the choice ---- */

static void reject(struct plan_choice *c, const struct world_node *n, const char *reason) {
	char *line = xasprintf("%s: %s", n->name, reason);

	strs_add(&c->rejected, line);
	free(line);
}

/* Why not; NULL when it can be scored. Owned. */
static char *weigh(const struct plan_ask *ask, const struct world_node *n, struct plan_choice *c, unsigned *ret_load) {
	char *reason = plan_reject(ask, n);
	unsigned claims;

	if (reason)
		return reason;
	*ret_load = load_of(ask, n, &claims);
	if (!ask->per_target || claims < ask->per_target + MUTANT(ONE_TOO_MANY_ON_TARGET))
		return NULL;
	c->full = true;
	return xasprintf("%u takeovers are running there already", claims);
}

void plan_choose(const struct plan_ask *ask, struct plan_choice *ret) {
	struct plan_claim *sorted = sort_claims(ask);
	struct score best = {0};

	*ret = (struct plan_choice){0};
	for (const struct world_node *n = ask->world->nodes; n; n = n->hh.next) {
		const struct plan_ask of = ask_node(ask, sorted, n);
		unsigned load = 0;
		char *reason = weigh(&of, n, ret, &load);
		if (reason) {
			reject(ret, n, reason);
			free(reason);
			continue;
		}
		bool cold = is_cold(ask, n);
		bool missing = !world_node_image(n, ask->subject->image, ask->subject->image_id);
		struct score s = score_of(ask, n, load, cold, missing);
		if (!ret->target || is_better(s, best)) {
			best = s;
			ret->target = n->name;
			ret->cold = cold;
			ret->image_missing = missing;
		}
	}
	free(sorted);
}

void plan_choice_clear(struct plan_choice *c) {
	strs_clear(&c->rejected);
	*c = (struct plan_choice){0};
}
