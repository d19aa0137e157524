/* Engines → world: each engine is asked for everything when it is (again) alive and at long intervals (observe-list.c), and for one
 * container whenever an event names it. */
#include "daemon/observe-internal.h"

#include "base/alloc.h"
#include "base/log.h"
#include "daemon/discovery.h"
#include "daemon/translate.h"

#include <string.h>

#define LOOKS_AT_ONCE 4

void observe_trouble(struct daemon_node *n, const struct engine_result *result) {
	/* Silence is the prober's to report. What an engine answers wrongly is said once, until it is well again. */
	if (!n->warned && (result->outcome == ENGINE_BAD || result->outcome == ENGINE_REFUSED))
		log_warning("engine-trouble", LOG_STR("node", n->config->name), LOG_STR("error", result->err.msg),
			    LOG_STR("next", "it is asked again; the other engines go on"));
	n->warned |= result->outcome == ENGINE_BAD || result->outcome == ENGINE_REFUSED;
}

static void container_seen(struct daemon_node *n, const struct engine_container *c, const json_t *inspect) {
	struct daemon *d = n->daemon;
	struct world_container *w = translate_container(d->config->cluster, n->config->name, c, inspect, observe_net_kind, n);

	bool first = !world_container(resched_world(d->machine), n->config->name, c->id);
	if (first && *w->policy.warning)
		log_warning("policy-not-understood", LOG_STR("node", n->config->name), LOG_STR("container", c->name),
			    LOG_STR("warning", w->policy.warning));
	const char *unpublished = first ? discovery_complaint(d, w) : NULL;
	if (unpublished)
		log_warning("not-published", LOG_STR("node", n->config->name), LOG_STR("container", c->name),
			    LOG_STR("warning", unpublished));
	resched_container(d->machine, mono_now(), w);
	const struct world_container *kept = world_container(resched_world(d->machine), n->config->name, c->id);
	if (kept)
		memory_keep(d->memory, kept, inspect);
	turn_wake(d);
}

static void container_gone(struct daemon_node *n, const char *id) {
	struct daemon *d = n->daemon;

	resched_container_gone(d->machine, n->config->name, id);
	memory_gone(d->memory, n->config->name, id);
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

static void pump(struct daemon_node *n);

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
		observe_trouble(n, result);
	if (l && l->again)
		l->running = l->again = false;
	else if (l)
		look_free(o, l);
	free(call);
	pump(n);
	if (o->listed && !o->looks)
		observe_listing_done(n);
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

static void on_timer(uv_timer_t *timer) {
	struct daemon_node *n = timer->data;
	if (daemon_node_answers(n->daemon, n))
		observe_list(n);
}

static void on_connected(void *ctx) { observe_refresh(ctx); }

static void on_event(void *ctx, const struct engine_event *e) {
	struct daemon_node *n = ctx;

	if (strcmp(e->type, "container") == 0) {
		observe_container(n, e->id);
	} else if (strcmp(e->type, "network") == 0) {
		if (strcmp(e->action, "create") == 0 || strcmp(e->action, "destroy") == 0)
			observe_networks(n);
		else
			observe_container(n, e->container);
	} else if (strcmp(e->type, "node") == 0) {
		observe_nodes(n);
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
	observe_refresh(n);
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
	observe_refresh_over(o);
	HASH_ITER (hh, o->looks, l, next) {
		look_free(o, l);
	}
	observe_clear_nets(o);
	strs_clear(&o->ids);
	node_facts_clear(&o->facts);
	uv_close((uv_handle_t *)&o->timer, timer_closed);
}
