/* Effects → done. Each kind is a small chain of calls; every chain ends with exactly one result for the machine. No decision is
 * taken here but how to ask: what an answer means is the machine's to say. */
#include "daemon/runner-internal.h"

#include "base/alloc.h"
#include "base/log.h"
#include "daemon/answers.h"
#include "daemon/crash.h"
#include "daemon/create.h"
#include "daemon/discovery.h"
#include "daemon/translate.h"
#include "engine/copy.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>
#include <utlist.h>

static void run_free(struct run *r) {
	DL_DELETE2(r->daemon->runs, r, prev, followed); /* NOLINT(clang-analyzer-core.NullDereference): it is in the list */
	overlay_call_free(r->overlay);
	agent_call_free(r->agent);
	spec_clear(&r->spec);
	effect_free(r->effect);
	free(r->made);
	free(r->sandbox);
	free(r);
}

static void log_effect(const struct effect *e, const struct effect_result *result) {
	static const char *const outcomes[] = {
		[EFFECT_OK] = "ok", [EFFECT_REFUSED] = "refused", [EFFECT_NOT_DONE] = "not-done", [EFFECT_UNKNOWN] = "unknown"};

	log_at(result->outcome == EFFECT_OK ? LOG_LEVEL_DEBUG : LOG_LEVEL_WARNING, "effect",
	       LOG_STR("takeover", *e->takeover ? e->takeover : NULL), LOG_STR("effect", effect_kind_name(e->kind)),
	       LOG_STR("node", e->node), LOG_STR("workload", e->workload), LOG_STR("outcome", outcomes[result->outcome]),
	       LOG_STR("detail", result->detail));
}

static void answer(struct daemon *d, const struct effect *e, const struct effect_result *result) {
	log_effect(e, result);
	crash_answered(d, e);
	resched_result(d->machine, mono_now(), e->id, result);
	turn_wake(d);
}

void runner_finish(struct run *r, const struct effect_result *result) {
	struct daemon *d = r->daemon;
	struct effect *e = TAKE_PTR(r->effect);
	struct daemon_node *n = r->node;
	char *made = TAKE_PTR(r->made);

	run_free(r);
	answer(d, e, result);
	/* What was changed is seen at once, not only when its event comes. */
	if (n && e->kind != EFFECT_INSPECT && e->kind != EFFECT_IMAGE && !runner_is_agents(e->kind))
		observe_container(n, e->kind == EFFECT_CREATE ? made : e->container);
	if (n && e->kind == EFFECT_IMAGE)
		observe_images(n);
	free(made);
	effect_free(e);
}

void runner_not_done(struct daemon *d, const struct effect *e, const char *why) {
	answer(d, e, &(struct effect_result){.outcome = EFFECT_NOT_DONE, .detail = why});
}

static struct answer_said said(const struct engine_result *result) {
	return (struct answer_said){result->outcome, result->status, result->err.msg};
}

static struct engine_cb callback(struct run *r, engine_done_fn *fn) {
	return (struct engine_cb){.fn = fn, .ctx = r, .deadline = r->effect->deadline};
}

/* Most effects are one call whose answer is the result. */
static void one_call_done(void *ctx, const struct engine_result *result) {
	struct run *r = ctx;
	const struct answer_said what = said(result);
	struct effect_result means = answer_to(r->effect->kind, &what);

	runner_finish(r, &means);
}

/* ---- inspect ---- */

/* The kinds do not matter here: the machine compares by name. */
static enum net_kind any_kind(void *ctx, const char *id, const char *name) {
	(void)ctx;
	(void)id;
	(void)name;
	return NET_LOCAL;
}

static void inspect_done(void *ctx, const struct engine_result *result) {
	struct run *r = ctx;
	const struct answer_said what = said(result);
	struct effect_result seen = answer_to(EFFECT_INSPECT, &what);
	struct daemon_node *n = r->node;

	const struct engine_container *c = result->outcome == ENGINE_OK ? result->container : NULL;
	struct world_net *nets = c ? translate_endpoints(c, any_kind, NULL) : NULL;
	size_t n_nets = c ? c->n_networks : 0;
	char *id CLEANUP_FREE = c ? xstrdup(c->id) : NULL;
	if (c)
		seen = answer_inspected(c, nets);
	runner_finish(r, &seen);
	if (id)
		observe_container(n, id);
	world_nets_free(nets, n_nets);
}

/* ---- image ---- */

static void image_go(struct run *r, enum image_move move, const struct effect_result *stop);

static void image_ready(struct run *r, const struct engine_image *image) {
	const struct effect *e = r->effect;
	char *detail CLEANUP_FREE = r->next == 0              ? xstrdup("image is there")
				    : r->next <= e->sources.n ? xasprintf("image copied from %s", e->sources.v[r->next - 1])
							      : xstrdup("image pulled");

	runner_finish(r, &(struct effect_result){.outcome = EFFECT_OK, .image_ref = answer_image_ref(e, image), .detail = detail});
}

static void image_seen(void *ctx, const struct engine_result *result) {
	struct run *r = ctx;
	const struct answer_said what = said(result);
	struct effect_result stop;
	enum image_move move = answer_image_looked(r->effect, r->next, &what, &stop);

	if (move == IMAGE_DONE)
		image_ready(r, result->image);
	else
		image_go(r, move, &stop);
}

static void image_look(struct run *r) {
	const char *ref = r->made ? r->made : r->effect->image_id ? r->effect->image_id : r->effect->image;
	engine_inspect_image(r->node->engine, ref, (struct engine_cb){.fn = image_seen, .ctx = r, .deadline = span_sec(10)});
}

static void image_moved(void *ctx, const struct engine_result *result) {
	struct run *r = ctx;
	const struct answer_said what = said(result);
	struct effect_result stop;

	if (result->outcome != ENGINE_OK)
		log_warning("image-transfer", LOG_STR("node", r->effect->node), LOG_STR("image", r->effect->image),
			    LOG_STR("error", result->err.msg));
	image_go(r, answer_image_moved(r->effect, r->next, &what, &stop), &stop);
}

/* False: that engine does not have it any more. */
static bool image_copy(struct run *r, const char *from) {
	const struct effect *e = r->effect;
	struct daemon_node *source = daemon_node(r->daemon, from);
	const struct world_node *known = world_node(resched_world(r->daemon->machine), from);
	const char *ref = known ? world_node_image(known, e->image, e->image_id) : NULL;

	if (source && ref)
		engine_copy_image(source->engine, r->node->engine, ref, callback(r, image_moved));
	return source && ref;
}

static void image_next(struct run *r) {
	const struct effect *e = r->effect;
	struct effect_result stop;
	enum image_move move;
	size_t i;

	do {
		i = r->next++;
		move = answer_image_source(e, i, &stop);
	} while (move == IMAGE_COPY && !image_copy(r, e->sources.v[i]));
	if (move == IMAGE_PULL) {
		xstr_replace(&r->made, e->image); /* what a registry gives may have another ID */
		engine_pull_image(r->node->engine, e->image, NULL, callback(r, image_moved));
	} else if (move == IMAGE_STOP) {
		runner_finish(r, &stop);
	}
}

static void image_go(struct run *r, enum image_move move, const struct effect_result *stop) {
	if (move == IMAGE_LOOK)
		image_look(r);
	else if (move == IMAGE_NEXT)
		image_next(r);
	else
		runner_finish(r, stop);
}

/* ---- create ---- */

static void create_connect(struct run *r);

static void create_undone(void *ctx, const struct engine_result *result) {
	const struct answer_said what = said(result);
	struct effect_result means = answer_create_undone(&what);

	runner_finish(ctx, &means);
}

static void create_connected(void *ctx, const struct engine_result *result) {
	struct run *r = ctx;

	if (result->outcome == ENGINE_OK) {
		create_connect(r);
		return;
	}
	log_warning("connect", LOG_STR("takeover", r->effect->takeover), LOG_STR("node", r->effect->node),
		    LOG_STR("error", result->err.msg));
	engine_remove_container(r->node->engine, r->made, false,
				(struct engine_cb){.fn = create_undone, .ctx = r, .deadline = span_sec(20)});
}

static void create_connect(struct run *r) {
	if (r->next == r->spec.connect_count) {
		runner_finish(r, &(struct effect_result){.outcome = EFFECT_OK, .container = r->made});
		return;
	}
	const struct spec_connect *c = &r->spec.connect[r->next++];
	engine_connect_network(r->node->engine, c->network, r->made, c->endpoint, callback(r, create_connected));
}

static void created(void *ctx, const struct engine_result *result) {
	struct run *r = ctx;

	if (result->outcome != ENGINE_OK) {
		one_call_done(r, result);
		return;
	}
	r->made = xstrdup(result->id);
	create_connect(r);
}

static void create(struct run *r) {
	const struct effect *e = r->effect;
	json_t *inspect CLEANUP_JSON = memory_spec(r->daemon->memory, e->spec_node, e->spec_id);
	const struct world_node *target = world_node(resched_world(r->daemon->machine), e->node);
	int api = engine_api(r->node->engine);
	struct err err = {0};

	int made = create_spec(e, inspect, api ? api : target->facts.api, r->daemon->config->cluster, &r->spec, &err);
	if (made < 0) {
		runner_finish(r, &(struct effect_result){.outcome = EFFECT_REFUSED, .detail = err.msg});
		return;
	}
	for (size_t i = 0; i < r->spec.warnings.n; i++)
		log_warning("spec", LOG_STR("takeover", e->takeover), LOG_STR("node", e->node),
			    LOG_STR("warning", r->spec.warnings.v[i]));
	engine_create_container(r->node->engine, e->name, r->spec.body, callback(r, created));
}

/* ---- disconnect ---- */

static void disconnect_next(struct run *r);

static void disconnected(void *ctx, const struct engine_result *result) {
	struct run *r = ctx;
	const struct answer_said what = said(result);

	if (answer_to(EFFECT_DISCONNECT, &what).outcome == EFFECT_OK)
		disconnect_next(r);
	else
		one_call_done(r, result);
}

static void disconnect_next(struct run *r) {
	const struct effect *e = r->effect;

	if (r->next == e->n_nets) {
		runner_finish(r, &(struct effect_result){.outcome = EFFECT_OK});
		return;
	}
	const struct world_net *net = &e->nets[r->next++];
	engine_disconnect_network(r->node->engine, net->id ? net->id : net->name, e->container, true, callback(r, disconnected));
}

/* ---- overlays ---- */

static void overlay_done(void *ctx, const struct overlay_result *result) {
	struct run *r = ctx;
	struct effect_result means = answer_overlay(result);

	r->overlay = NULL;
	runner_finish(r, &means);
}

static void restored(void *ctx, const struct overlay_result *result) {
	struct run *r = ctx;
	struct daemon *d = r->daemon;
	struct daemon_node *n = daemon_node(d, r->effect->node);

	if (result->outcome == OVERLAY_OK) {
		turn_delete(d, STORE_NODE, r->effect->node);
		xstr_replace(&n->swarm_record, NULL);
		resched_node_removed(d->machine, r->effect->node, false);
		log_info("node-restored", LOG_STR("node", r->effect->node), LOG_STR("detail", result->detail));
		observe_alive(n);
	}
	overlay_done(ctx, result);
}

static void overlay_perform(struct run *r) {
	const struct effect *e = r->effect;
	struct overlay_address *addresses CLEANUP_FREE = xnew_n(struct overlay_address, e->n_nets);
	struct overlay_cluster *c = &r->daemon->overlay;

	for (size_t i = 0; i < e->n_nets; i++)
		addresses[i] = (struct overlay_address){e->nets[i].name, e->nets[i].id, e->nets[i].ip, e->nets[i].ip6};
	const struct overlay_ask ask = {
		.addresses = addresses,
		.n = e->n_nets,
		.copies = &e->copies,
		.own = e->own,
		.own_node = e->own_node,
		.names = &e->names,
		.node = e->node,
		.swarm_node = e->swarm_node,
		.by_node_removal = e->by_node_removal,
		.deadline = e->deadline,
	};
	const struct overlay_ops *ops = e->n_nets && e->nets[0].kind == NET_KV ? &overlay_kv : &overlay_swarm;
	switch (e->kind) {
	case EFFECT_READY:
		r->overlay = ops->ready(c, &ask, overlay_done, r);
		return;
	case EFFECT_RELEASE:
		r->overlay = ops->release(c, &ask, overlay_done, r);
		return;
	case EFFECT_HOLDERS:
		r->overlay = ops->holders(c, &ask, overlay_done, r);
		return;
	default:
		break;
	}
	const struct daemon_node *n = daemon_node(r->daemon, e->node);
	if (!n->swarm_record) {
		runner_finish(r, &(struct effect_result){.outcome = EFFECT_REFUSED,
							 .detail = "what was to be restored is not in the store"});
		return;
	}
	r->overlay = overlay_swarm.restore(c, e->node, n->swarm_record, restored, r);
}

/* ---- the table ---- */

static void do_inspect(struct run *r) {
	engine_inspect_container(r->node->engine, r->effect->container, callback(r, inspect_done));
}
static void do_start(struct run *r) { engine_start_container(r->node->engine, r->effect->container, callback(r, one_call_done)); }
static void do_remove(struct run *r) {
	engine_remove_container(r->node->engine, r->effect->container, false, callback(r, one_call_done));
}

static void do_rename(struct run *r) {
	engine_rename_container(r->node->engine, r->effect->container, r->effect->name, callback(r, one_call_done));
}

static void do_policy(struct run *r) {
	engine_update_restart_policy(r->node->engine, r->effect->container, r->effect->name, callback(r, one_call_done));
}

static void do_stop(struct run *r) {
	int seconds = (int)(span_to_ms(r->daemon->config->takeover.stop_timeout) / 1000);
	engine_stop_container(r->node->engine, r->effect->container, seconds, callback(r, one_call_done));
}

/* The order is given; what comes of it is told by resched_published. */
static void do_publish(struct run *r) {
	discovery_order(r->daemon, r->effect);
	runner_finish(r, &(struct effect_result){.outcome = EFFECT_OK});
}

static const struct {
	void (*perform)(struct run *r);
	bool on_node;
} performers[] = {
	[EFFECT_INSPECT] = {do_inspect, true},
	[EFFECT_IMAGE] = {image_look, true},
	[EFFECT_CREATE] = {create, true},
	[EFFECT_START] = {do_start, true},
	[EFFECT_RENAME] = {do_rename, true},
	[EFFECT_POLICY] = {do_policy, true},
	[EFFECT_DISCONNECT] = {disconnect_next, true},
	[EFFECT_STOP] = {do_stop, true},
	[EFFECT_REMOVE] = {do_remove, true},
	[EFFECT_READY] = {overlay_perform, false},
	[EFFECT_RELEASE] = {overlay_perform, false},
	[EFFECT_HOLDERS] = {overlay_perform, false},
	[EFFECT_RESTORE] = {overlay_perform, false},
	[EFFECT_PUBLISH] = {do_publish, false},
	[EFFECT_QUARANTINE] = {runner_quarantine, true},
	[EFFECT_REPAIR] = {runner_repair, true},
	[EFFECT_PROVE] = {runner_prove, true},
	[EFFECT_FORGET] = {runner_forget, true},
	[EFFECT_ISOLATE] = {runner_isolate, true},
};
static_assert(sizeof(performers) / sizeof(performers[0]) == EFFECT_KIND_MAX, "every kind can be performed");

void runner_perform(struct daemon *d, struct effect *e) {
	struct run *r = xnew(struct run);

	r->daemon = d;
	r->effect = e;
	DL_APPEND2(d->runs, r, prev, followed);
	if (performers[e->kind].on_node) {
		r->node = daemon_node(d, e->node);
		if (!r->node) { /* of a takeover from before it was taken out of the configuration */
			runner_finish(r, &(struct effect_result){.outcome = EFFECT_NOT_DONE,
								 .detail = "this engine is not in the configuration"});
			return;
		}
	}
	performers[e->kind].perform(r);
}

/* After the engines were freed: their calls are gone. */
void runner_close(struct daemon *d) {
	while (d->runs)
		run_free(d->runs);
}
