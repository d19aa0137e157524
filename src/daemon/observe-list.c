/* Everything of one engine: facts, networks, images, containers, asked for one after the other, and a bounded number of engines at
 * once.
 *
 * A container that a list does not show is inspected before it counts as gone: a list may be older than the container. */
#include "daemon/observe-internal.h"

#include "base/alloc.h"
#include "daemon/translate.h"

#include <string.h>
#include <utlist.h>

#define REFRESHES_AT_ONCE 32 /* of a thousand engines that appear at once; more would only delay heartbeats */
#define LIST_INTERVAL_MS 60000
#define RETRY_MS 3000

static void give_facts(struct daemon_node *n) {
	struct observer *o = n->observer;
	struct node_facts copy = {0};

	copy.version = xstrdup_null(o->facts.version);
	copy.engine_id = xstrdup_null(o->facts.engine_id);
	copy.swarm_node = xstrdup_null(o->facts.swarm_node);
	copy.swarm_cluster = xstrdup_null(o->facts.swarm_cluster);
	copy.vtep = xstrdup_null(n->config->vtep ? n->config->vtep : o->facts.vtep);
	copy.data_path_port = o->facts.data_path_port;
	copy.api = o->facts.api;
	copy.ncpu = o->facts.ncpu;
	copy.memory = o->facts.memory;
	copy.swarm_manager = o->facts.swarm_manager;
	copy.kv = o->facts.kv;
	strs_copy(&copy.runtimes, &o->facts.runtimes);
	strs_copy(&copy.volume_drivers, &o->facts.volume_drivers);
	strs_copy(&copy.log_drivers, &o->facts.log_drivers);
	strs_copy(&copy.local_networks, &o->facts.local_networks);
	copy.images = xnew_n(struct world_image, o->facts.n_images);
	copy.n_images = o->facts.n_images;
	for (size_t i = 0; i < copy.n_images; i++) {
		copy.images[i].id = xstrdup(o->facts.images[i].id);
		strs_copy(&copy.images[i].names, &o->facts.images[i].names);
	}
	resched_node_facts(n->daemon->machine, n->config->name, &copy);
	turn_wake(n->daemon);
}

static void refresh_failed(struct daemon_node *n, const struct engine_result *result) {
	struct observer *o = n->observer;

	observe_trouble(n, result);
	observe_refresh_over(o);
	o->stale = false;
	if (o->again) {
		o->again = false;
		observe_refresh(n);
		return;
	}
	if (daemon_node_answers(n->daemon, n))
		uv_timer_start(&o->timer, o->timer.timer_cb, RETRY_MS, LIST_INTERVAL_MS);
}

void observe_listing_done(struct daemon_node *n) {
	struct observer *o = n->observer;
	struct strs present = {0};

	observe_refresh_over(o);
	strs_copy(&present, &o->ids);
	const struct world_node *known = world_node(resched_world(n->daemon->machine), n->config->name);
	for (const struct world_container *c = known->containers; c; c = c->next)
		strs_add_new(&present, c->id);
	n->warned = false;
	o->fully &= o->stale;
	if (!o->stale)
		resched_listed(n->daemon->machine, mono_now(), n->config->name, &present);
	o->stale = false;
	strs_clear(&present);
	turn_wake(n->daemon);
	if (o->again) {
		o->again = false;
		observe_refresh(n);
	}
}

/* Nothing about it has changed but what an event tells: names and states that changed are caught here for the case that one did
 * not come. */
static bool is_as_known(const struct daemon_node *n, const struct engine_entry *e) {
	const struct world_container *c = world_container(resched_world(n->daemon->machine), n->config->name, e->id);
	bool running = strcmp(e->state, "running") == 0 || strcmp(e->state, "paused") == 0 || strcmp(e->state, "restarting") == 0;

	return c && c->running == running && strcmp(c->name, e->name) == 0;
}

static void got_containers(void *ctx, const struct engine_result *result) {
	struct daemon_node *n = ctx;
	struct observer *o = n->observer;

	if (result->outcome != ENGINE_OK) {
		refresh_failed(n, result);
		return;
	}
	strs_clear(&o->ids);
	for (size_t i = 0; i < result->n; i++)
		strs_add(&o->ids, result->entries[i].id);
	o->listed = true;
	struct strs known = {0};
	const struct world_node *node = world_node(resched_world(n->daemon->machine), n->config->name);
	for (const struct world_container *c = node->containers; c; c = c->next)
		if (!strs_has(&o->ids, c->id))
			strs_add(&known, c->id);
	for (size_t i = 0; i < result->n; i++)
		if (o->fully || !is_as_known(n, &result->entries[i]))
			observe_container(n, result->entries[i].id);
	for (size_t i = 0; i < known.n; i++)
		observe_container(n, known.v[i]);
	strs_clear(&known);
	if (!o->looks)
		observe_listing_done(n);
}

static void got_images(void *ctx, const struct engine_result *result) {
	struct daemon_node *n = ctx;

	if (result->outcome != ENGINE_OK) {
		refresh_failed(n, result);
		return;
	}
	translate_images(result->images, result->n, &n->observer->facts);
	give_facts(n);
	engine_list_containers(n->engine, (struct engine_cb){.fn = got_containers, .ctx = n});
}

static void got_networks(void *ctx, const struct engine_result *result) {
	struct daemon_node *n = ctx;

	if (result->outcome != ENGINE_OK) {
		refresh_failed(n, result);
		return;
	}
	observe_take_nets(n, result);
	engine_list_images(n->engine, (struct engine_cb){.fn = got_images, .ctx = n});
}

static void got_nodes(void *ctx, const struct engine_result *result) {
	struct daemon_node *n = ctx;

	/* Of a manager without a leader nothing is learnt; it is asked again with everything else. */
	for (size_t i = 0; result->outcome == ENGINE_OK && i < result->n; i++)
		resched_node_availability(n->daemon->machine, result->nodes[i].id, result->nodes[i].availability);
	turn_wake(n->daemon);
}

void observe_nodes(struct daemon_node *n) { engine_list_nodes(n->engine, (struct engine_cb){.fn = got_nodes, .ctx = n}); }

static void got_info(void *ctx, const struct engine_result *result) {
	struct daemon_node *n = ctx;

	if (result->outcome != ENGINE_OK) {
		refresh_failed(n, result);
		return;
	}
	translate_info(result->info, &n->observer->facts);
	xstr_replace(&n->overlay, n->observer->facts.kv ? "kv" : n->observer->facts.swarm_node ? "swarm" : "none");
	if (n->observer->facts.swarm_manager)
		observe_nodes(n);
	engine_list_networks(n->engine, (struct engine_cb){.fn = got_networks, .ctx = n});
}

static void refresh_next(struct daemon *d) {
	while (d->refreshes.waiting && d->refreshes.under_way < REFRESHES_AT_ONCE) {
		struct observer *o = d->refreshes.waiting;
		DL_DELETE(d->refreshes.waiting, o);
		o->asked = true;
		d->refreshes.under_way++;
		engine_get_info(o->node->engine, (struct engine_cb){.fn = got_info, .ctx = o->node});
	}
}

void observe_refresh_over(struct observer *o) {
	struct daemon *d = o->node->daemon;

	if (o->asked)
		d->refreshes.under_way--;
	else if (o->refreshing)
		DL_DELETE(d->refreshes.waiting, o);
	o->refreshing = o->asked = o->listed = false;
	if (!d->stopping)
		refresh_next(d);
}

void observe_list(struct daemon_node *n) {
	struct observer *o = n->observer;

	if (o->refreshing) {
		o->again = o->asked; /* one that still waits for its turn will see what is now */
		return;
	}
	o->refreshing = true;
	DL_APPEND(n->daemon->refreshes.waiting, o);
	uv_timer_start(&o->timer, o->timer.timer_cb, LIST_INTERVAL_MS, LIST_INTERVAL_MS);
	refresh_next(n->daemon);
}

void observe_refresh(struct daemon_node *n) {
	n->observer->fully = true;
	observe_list(n);
}

static void images_again(void *ctx, const struct engine_result *result) {
	struct daemon_node *n = ctx;
	if (result->outcome == ENGINE_OK) {
		translate_images(result->images, result->n, &n->observer->facts);
		give_facts(n);
	}
}

void observe_images(struct daemon_node *n) { engine_list_images(n->engine, (struct engine_cb){.fn = images_again, .ctx = n}); }

static void networks_again(void *ctx, const struct engine_result *result) {
	struct daemon_node *n = ctx;
	if (result->outcome == ENGINE_OK) {
		observe_take_nets(n, result);
		give_facts(n);
	}
}

void observe_networks(struct daemon_node *n) {
	engine_list_networks(n->engine, (struct engine_cb){.fn = networks_again, .ctx = n});
}
