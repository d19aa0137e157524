/* Engines → world: each engine is asked for everything when it is (again) alive and at long intervals, and for one container
 * whenever an event names it. What an opted-in container looked like is written to the store as memory: a dead engine cannot be
 * asked.
 *
 * A container that a list does not show is inspected before it counts as gone: a list may be older than the container. */
#include "daemon/daemon.h"

#include "base/alloc.h"
#include "base/log.h"
#include "daemon/records.h"
#include "daemon/translate.h"
#include "engine/container.h"

#include <errno.h>
#include <string.h>
#include <utlist.h>

#define LOOKS_AT_ONCE 4
#define REFRESHES_AT_ONCE 32 /* of a thousand engines that appear at once; more would only delay heartbeats */
#define LIST_INTERVAL_MS 60000
#define RETRY_MS 3000

/* One container that is to be inspected. */
struct look {
	char *id;
	bool running, again;
	UT_hash_handle hh;
};

struct known_net {
	char *id, *name;
	enum net_kind kind;
};

struct observer {
	struct daemon_node *node;
	uv_timer_t timer;
	bool refreshing, again; /* everything is being asked for; and is wanted once more */
	bool stale;             /* the answers under way are from before the node was lost */
	bool asked;             /* refreshing, and no longer waiting for its turn */
	bool fully;             /* every container is inspected, because events were missed; else what the list shows changed */
	bool listed;            /* the list is here, its inspects are under way */
	struct strs ids;        /* of the list */
	struct look *looks;
	unsigned looking;
	struct known_net *nets;
	size_t n_nets;
	struct node_facts facts;
	struct observer *prev, *next; /* waiting to be refreshed */
};

static void refresh(struct daemon_node *n);
static void refresh_over(struct observer *o);
static void pump(struct daemon_node *n);

/* ---- trouble ---- */

static void trouble(struct daemon_node *n, const struct engine_result *result) {
	/* Silence is the prober's to report. What an engine answers wrongly is said once, until it is well again. */
	if (!n->warned && (result->outcome == ENGINE_BAD || result->outcome == ENGINE_REFUSED))
		log_warning("engine-trouble", LOG_STR("node", n->config->name), LOG_STR("error", result->err.msg),
			    LOG_STR("next", "it is asked again; the other engines go on"));
	n->warned |= result->outcome == ENGINE_BAD || result->outcome == ENGINE_REFUSED;
}

static void refresh_failed(struct daemon_node *n, const struct engine_result *result) {
	struct observer *o = n->observer;

	trouble(n, result);
	refresh_over(o);
	o->stale = false;
	if (o->again) {
		o->again = false;
		refresh(n);
		return;
	}
	if (daemon_node_answers(n->daemon, n))
		uv_timer_start(&o->timer, o->timer.timer_cb, RETRY_MS, LIST_INTERVAL_MS);
}

/* ---- networks ---- */

static void clear_nets(struct observer *o) {
	for (size_t i = 0; i < o->n_nets; i++) {
		free(o->nets[i].id);
		free(o->nets[i].name);
	}
	free(o->nets);
	o->nets = NULL;
	o->n_nets = 0;
}

static const struct known_net *find_net(const struct observer *o, const char *id, const char *name) {
	for (size_t i = 0; o && i < o->n_nets; i++)
		if (*id ? strcmp(o->nets[i].id, id) == 0 : strcmp(o->nets[i].name, name) == 0)
			return &o->nets[i];
	return NULL;
}

/* A worker forgets an overlay that nothing of it uses; the swarm's managers know it all the same. */
static enum net_kind kind_of(void *ctx, const char *id, const char *name) {
	const struct daemon_node *n = ctx;
	const struct daemon *d = n->daemon;
	const struct known_net *net = find_net(n->observer, id, name);

	for (size_t i = 0; !net && i < d->n_nodes; i++) {
		net = find_net(d->nodes[i].observer, id, name);
		if (net && net->kind == NET_LOCAL)
			net = NULL;
	}
	return net ? net->kind : NET_LOCAL;
}

static void take_networks(struct daemon_node *n, const struct engine_result *result) {
	struct observer *o = n->observer;

	clear_nets(o);
	strs_clear(&o->facts.local_networks);
	o->nets = xnew_n(struct known_net, result->n);
	for (size_t i = 0; i < result->n; i++) {
		const struct engine_network *net = &result->networks[i];
		o->nets[o->n_nets++] = (struct known_net){xstrdup(net->id), xstrdup(net->name), translate_network_kind(net)};
		if (o->nets[i].kind == NET_LOCAL)
			strs_add(&o->facts.local_networks, net->name);
	}
}

/* ---- memory ---- */

static uint64_t hash_text(const char *s) {
	uint64_t h = UINT64_C(14695981039346656037); /* FNV-1a */
	for (; *s; s++)
		h = (h ^ (unsigned char)*s) * UINT64_C(1099511628211);
	return h;
}

static struct memory *memory_find(const struct daemon *d, const char *key) {
	struct memory *m = NULL;
	HASH_FIND_STR(d->memory, key, m);
	return m;
}

static struct memory *memory_get(struct daemon *d, const struct world_container *c) {
	struct memory *m = memory_find(d, c->key);

	if (m)
		return m;
	m = xnew(struct memory);
	m->key = xstrdup(c->key);
	m->node = xstrdup(c->node);
	m->id = xstrdup(c->id);
	HASH_ADD_KEYPTR(hh, d->memory, m->key, strlen(m->key), m);
	return m;
}

static void memory_free(struct daemon *d, struct memory *m) {
	HASH_DEL(d->memory, m);
	free(m->inspect);
	free(m->key);
	free(m->node);
	free(m->id);
	free(m);
}

static void remember(struct daemon *d, const struct world_container *c, const json_t *inspect) {
	if (!c->policy.move && !c->workload)
		return;
	struct memory *m = memory_get(d, c);
	/* What a workload is made again from stays as it was before heir took its copy off the networks. */
	bool frozen = m->inspect && resched_memory_is_frozen(d->machine, c->node, c->id);
	if (json_is_object(inspect) && !frozen) {
		free(m->inspect);
		m->inspect = json_text(inspect);
	}
	m->dirty = true;
	turn_wake(d);
}

static json_t *memory_inspect(const struct memory *m) {
	json_t *j = NULL;

	if (m->inspect && json_parse(m->inspect, strlen(m->inspect), "memory", &j, NULL) < 0)
		return NULL; /* it was written by us */
	return j;
}

static char *memory_text(const struct daemon *d, const struct memory *m) {
	json_t *doc CLEANUP_JSON = json_object();
	const struct world_container *c = resched_memory(d->machine, m->node, m->id);
	const struct world_node *n = world_node(resched_world(d->machine), m->node);

	json_set_str(doc, "swarm_node", n ? n->facts.swarm_node : NULL);
	json_object_set_new(doc, "inspect", memory_inspect(m));
	json_object_set_new(doc, "node", json_string(m->node));
	json_object_set_new(doc, "networks", c ? record_from_nets(c->nets, c->n_nets) : json_array());
	json_object_set_new(doc, "running", json_boolean(c && c->running));
	json_object_set_new(doc, "settled", json_boolean(c && c->settled));
	return json_text(doc);
}

void observe_write_memory(struct daemon *d, struct store_batch *batch) {
	for (struct memory *m = d->memory; m; m = m->hh.next) {
		if (!m->dirty)
			continue;
		m->dirty = false;
		char *text CLEANUP_FREE = memory_text(d, m);
		uint64_t hash = hash_text(text);
		if (hash == m->hash)
			continue;
		m->hash = hash;
		if (strlen(text) > STORE_DOC_MAX)
			log_error("memory-too-large", LOG_STR("node", m->node), LOG_STR("container", m->id),
				  LOG_STR("next", "it is taken over only while this heird runs"));
		else
			store_batch_put(batch, STORE_MEMORY, m->key, text);
	}
}

void observe_mark_memory(struct daemon *d) {
	for (struct memory *m = d->memory; m; m = m->hh.next) {
		m->dirty = true;
		m->hash = 0;
	}
}

void observe_forget(struct daemon *d) {
	struct memory *m, *next;
	HASH_ITER (hh, d->memory, m, next) {
		memory_free(d, m);
	}
}

void observe_settled(struct daemon *d, const char *key) {
	struct memory *m = memory_find(d, key);
	if (m)
		m->dirty = true;
}

void observe_unneeded(struct daemon *d, const char *key) {
	struct memory *m = memory_find(d, key);

	if (!m || world_container(resched_world(d->machine), m->node, m->id) || resched_needs_memory(d->machine, m->node, m->id))
		return;
	turn_delete(d, STORE_MEMORY, key);
	memory_free(d, m);
}

json_t *observe_spec(const struct daemon *d, const char *node, const char *id) {
	for (const struct memory *m = d->memory; m && node && id; m = m->hh.next)
		if (strcmp(m->id, id) == 0 && strcmp(m->node, node) == 0)
			return memory_inspect(m);
	return NULL;
}

static int load_row(void *user, const char *key, const char *text, struct err *err) {
	struct daemon *d = user;
	json_t *doc CLEANUP_JSON = NULL;
	struct engine_container c CLEANUP_ENGINE_CONTAINER = {0};
	struct world_net *nets = NULL;
	size_t n_nets = 0;

	int r = json_parse(text, strlen(text), "memory", &doc, err);
	const char *node = json_str_or(doc, "node", NULL);
	json_t *inspect = json_at(doc, "inspect");
	if (r == 0 && (!node || !inspect))
		r = err_set(err, -EINVAL, "memory: node or inspect is missing");
	if (r == 0)
		r = engine_container_parse(inspect, &c, err);
	if (r == 0)
		r = record_to_nets(json_at(doc, "networks"), &nets, &n_nets, err);
	if (r < 0)
		return err_wrap(err, "memory of %s", key);
	struct daemon_node *n = daemon_node(d, node);
	if (!n) {
		world_nets_free(nets, n_nets);
		log_warning("memory-unused", LOG_STR("node", node), LOG_STR("container", c.name),
			    LOG_STR("reason", "this engine is not in the configuration"));
		return 0;
	}
	struct world_container *w = translate_container(d->config->cluster, node, &c, inspect, kind_of, n);
	world_nets_free(w->nets, w->n_nets);
	w->nets = nets;
	w->n_nets = n_nets;
	w->running = json_bool_or(doc, "running", false);
	w->settled = json_bool_or(doc, "settled", false);
	struct memory *m = memory_get(d, w);
	free(m->inspect);
	m->inspect = json_text(inspect);
	m->hash = hash_text(text);
	resched_node_swarm(d->machine, node, json_str_or(doc, "swarm_node", NULL));
	resched_container(d->machine, mono_now(), w);
	return 0;
}

int observe_load(struct daemon *d, struct err *err) { return store_load(d->store, STORE_MEMORY, load_row, d, err); }

/* ---- containers ---- */

static void container_seen(struct daemon_node *n, const struct engine_container *c, const json_t *inspect) {
	struct daemon *d = n->daemon;
	struct world_container *w = translate_container(d->config->cluster, n->config->name, c, inspect, kind_of, n);

	if (*w->policy.warning && !world_container(resched_world(d->machine), n->config->name, c->id))
		log_warning("policy-not-understood", LOG_STR("node", n->config->name), LOG_STR("container", c->name),
			    LOG_STR("warning", w->policy.warning));
	resched_container(d->machine, mono_now(), w);
	const struct world_container *kept = world_container(resched_world(d->machine), n->config->name, c->id);
	if (kept)
		remember(d, kept, inspect);
	turn_wake(d);
}

static void container_gone(struct daemon_node *n, const char *id) {
	struct daemon *d = n->daemon;

	resched_container_gone(d->machine, n->config->name, id);
	char *key CLEANUP_FREE = xasprintf("%s/%s", n->config->name, id);
	struct memory *m = memory_find(d, key);
	if (m && !resched_needs_memory(d->machine, n->config->name, id)) {
		turn_delete(d, STORE_MEMORY, key);
		memory_free(d, m);
	}
	turn_wake(d);
}

static void look_free(struct observer *o, struct look *l) {
	HASH_DEL(o->looks, l);
	free(l->id);
	free(l);
}

struct look_call {
	struct daemon_node *node;
	char id[129];
};

static void listing_done(struct daemon_node *n) {
	struct observer *o = n->observer;
	struct strs present = {0};

	refresh_over(o);
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
		refresh(n);
	}
}

static void inspected(void *ctx, const struct engine_result *result) {
	struct look_call *call = ctx;
	struct daemon_node *n = call->node;
	struct observer *o = n->observer;
	struct look *l;

	HASH_FIND_STR(o->looks, call->id, l);
	o->looking--;
	if (result->outcome == ENGINE_OK)
		container_seen(n, result->container, result->body);
	else if (result->outcome == ENGINE_REFUSED && result->status == 404)
		container_gone(n, call->id);
	else
		trouble(n, result);
	if (l && l->again)
		l->running = l->again = false;
	else if (l)
		look_free(o, l);
	free(call);
	pump(n);
	if (o->listed && !o->looks)
		listing_done(n);
}

static void pump(struct daemon_node *n) {
	struct observer *o = n->observer;

	for (struct look *l = o->looks; l && o->looking < LOOKS_AT_ONCE; l = l->hh.next) {
		if (l->running)
			continue;
		struct look_call *call = xnew(struct look_call);
		call->node = n;
		memcpy(call->id, l->id, strlen(l->id) + 1);
		l->running = true;
		o->looking++;
		engine_inspect_container(n->engine, l->id,
					 (struct engine_cb){.fn = inspected, .ctx = call, .deadline = span_sec(20)});
	}
}

void observe_container(struct daemon_node *n, const char *id) {
	struct observer *o = n->observer;
	struct look *l;

	if (!id || !*id || strlen(id) > 128)
		return;
	HASH_FIND_STR(o->looks, id, l);
	if (l) {
		l->again |= l->running;
	} else {
		l = xnew(struct look);
		l->id = xstrdup(id);
		HASH_ADD_KEYPTR(hh, o->looks, l->id, strlen(l->id), l);
	}
	pump(n);
}

/* ---- everything ---- */

static void give_facts(struct daemon_node *n) {
	struct observer *o = n->observer;
	struct node_facts copy = {0};

	copy.version = xstrdup_null(o->facts.version);
	copy.engine_id = xstrdup_null(o->facts.engine_id);
	copy.swarm_node = xstrdup_null(o->facts.swarm_node);
	copy.swarm_cluster = xstrdup_null(o->facts.swarm_cluster);
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
		listing_done(n);
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
	take_networks(n, result);
	engine_list_images(n->engine, (struct engine_cb){.fn = got_images, .ctx = n});
}

static void got_nodes(void *ctx, const struct engine_result *result) {
	struct daemon_node *n = ctx;

	/* Of a manager without a leader nothing is learnt; it is asked again with everything else. */
	for (size_t i = 0; result->outcome == ENGINE_OK && i < result->n; i++)
		resched_node_availability(n->daemon->machine, result->nodes[i].id, result->nodes[i].availability);
	turn_wake(n->daemon);
}

static void ask_nodes(struct daemon_node *n) { engine_list_nodes(n->engine, (struct engine_cb){.fn = got_nodes, .ctx = n}); }

static void got_info(void *ctx, const struct engine_result *result) {
	struct daemon_node *n = ctx;

	if (result->outcome != ENGINE_OK) {
		refresh_failed(n, result);
		return;
	}
	translate_info(result->info, &n->observer->facts);
	xstr_replace(&n->overlay, n->observer->facts.kv ? "kv" : n->observer->facts.swarm_node ? "swarm" : "none");
	if (n->observer->facts.swarm_manager)
		ask_nodes(n);
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

static void refresh_over(struct observer *o) {
	struct daemon *d = o->node->daemon;

	if (o->asked)
		d->refreshes.under_way--;
	else if (o->refreshing)
		DL_DELETE(d->refreshes.waiting, o);
	o->refreshing = o->asked = o->listed = false;
	if (!d->stopping)
		refresh_next(d);
}

static void refresh_wait(struct daemon_node *n) {
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

static void refresh(struct daemon_node *n) {
	n->observer->fully = true;
	refresh_wait(n);
}

static void on_timer(uv_timer_t *timer) {
	struct daemon_node *n = timer->data;
	if (daemon_node_answers(n->daemon, n))
		refresh_wait(n);
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
		take_networks(n, result);
		give_facts(n);
	}
}

/* ---- events ---- */

static void on_connected(void *ctx) { refresh(ctx); }

static void on_event(void *ctx, const struct engine_event *e) {
	struct daemon_node *n = ctx;

	if (strcmp(e->type, "container") == 0) {
		observe_container(n, e->id);
	} else if (strcmp(e->type, "network") == 0) {
		if (strcmp(e->action, "create") == 0 || strcmp(e->action, "destroy") == 0)
			engine_list_networks(n->engine, (struct engine_cb){.fn = networks_again, .ctx = n});
		else
			observe_container(n, e->container);
	} else if (strcmp(e->type, "node") == 0) {
		ask_nodes(n);
	}
}

static void on_lost(void *ctx, const struct err *reason) {
	const struct daemon_node *n = ctx;
	log_debug("events-lost", LOG_STR("node", n->config->name), LOG_STR("reason", reason->msg));
}

void observe_begin(struct daemon_node *n) {
	struct observer *o = n->observer = xnew(struct observer);
	const struct engine_events_handler handler = {on_connected, on_event, on_lost, n};

	o->node = n;
	uv_timer_init(n->daemon->loop, &o->timer);
	o->timer.data = n;
	o->timer.timer_cb = on_timer;
	n->events = engine_events_new(n->engine, &handler);
}

void observe_alive(struct daemon_node *n) {
	struct observer *o = n->observer;

	engine_events_reopen(n->events); /* what a stream from before says can no longer be trusted */
	engine_events_retry(n->events);
	o->again = o->asked; /* what was asked before says nothing about now */
	o->stale = o->asked;
	refresh(n);
}

static void timer_closed(uv_handle_t *h) {
	struct daemon_node *n = h->data;
	free(n->observer);
	n->observer = NULL;
}

/* After engine_free: no call of ours comes back any more. */
void observe_end(struct daemon_node *n) {
	struct observer *o = n->observer;
	struct look *l, *next;

	if (!o)
		return;
	refresh_over(o);
	HASH_ITER (hh, o->looks, l, next) {
		look_free(o, l);
	}
	clear_nets(o);
	strs_clear(&o->ids);
	node_facts_clear(&o->facts);
	uv_close((uv_handle_t *)&o->timer, timer_closed);
}
