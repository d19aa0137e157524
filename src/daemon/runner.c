/* Effects → done. Each kind is a small chain of calls; every chain ends with exactly one result for the machine. No decision is
 * taken here but how to ask: what an answer means is the machine's to say. */
#include "daemon/runner-internal.h"

#include "base/alloc.h"
#include "base/log.h"
#include "daemon/crash.h"
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
	crash_point(d, e->takeover, "after");
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

static struct effect_result from_engine(const struct engine_result *result) {
	static const enum effect_outcome outcomes[] = {
		[ENGINE_OK] = EFFECT_OK,           [ENGINE_REFUSED] = EFFECT_REFUSED, [ENGINE_NOT_SENT] = EFFECT_NOT_DONE,
		[ENGINE_UNKNOWN] = EFFECT_UNKNOWN, [ENGINE_BAD] = EFFECT_UNKNOWN,
	};
	static_assert(sizeof(outcomes) / sizeof(outcomes[0]) == ENGINE_OUTCOME_MAX, "every outcome is translated");
	struct effect_result r = {.outcome = outcomes[result->outcome]};

	if (result->outcome == ENGINE_OK)
		return r;
	r.detail = result->err.msg;
	if (result->outcome == ENGINE_REFUSED)
		r.refusal = translate_refusal(result->status, result->err.msg);
	return r;
}

static struct engine_cb callback(struct run *r, engine_done_fn *fn) {
	return (struct engine_cb){.fn = fn, .ctx = r, .deadline = r->effect->deadline};
}

/* Most effects are one call whose outcome is the result. */
static void one_call_done(void *ctx, const struct engine_result *result) {
	struct effect_result answer_ = from_engine(result);
	runner_finish(ctx, &answer_);
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
	struct effect_result seen = from_engine(result);
	struct daemon_node *n = r->node;

	if (result->outcome == ENGINE_REFUSED && result->status == 404)
		seen = (struct effect_result){.outcome = EFFECT_OK};
	const struct engine_container *c = result->outcome == ENGINE_OK ? result->container : NULL;
	struct world_net *nets = NULL;
	size_t n_nets = 0;
	char *id = NULL;
	if (c) {
		const char *generation = engine_container_label(c, SPEC_LABEL_GENERATION);
		nets = translate_endpoints(c, any_kind, NULL);
		n_nets = c->n_networks;
		id = xstrdup(c->id);
		seen.found = true;
		seen.running = c->running || c->paused || c->restarting;
		seen.started = seen.running || strcmp(c->status, "created") != 0;
		seen.container = c->id;
		seen.name = c->name;
		seen.workload = engine_container_label(c, SPEC_LABEL_WORKLOAD);
		seen.takeover = engine_container_label(c, SPEC_LABEL_TAKEOVER);
		seen.generation = generation ? (unsigned)strtoul(generation, NULL, 10) : 0;
		seen.nets = nets;
		seen.n_nets = n_nets;
	}
	runner_finish(r, &seen);
	if (id)
		observe_container(n, id);
	world_nets_free(nets, n_nets);
	free(id);
}

/* ---- image ---- */

static void image_next(struct run *r);

static void image_ready(struct run *r, const struct engine_image *image) {
	const struct effect *e = r->effect;
	bool named = e->image && (strs_has(&image->tags, e->image) || strs_has(&image->digests, e->image));
	char *latest CLEANUP_FREE = e->image ? xasprintf("%s:latest", e->image) : NULL;

	named = named || (latest && strs_has(&image->tags, latest));
	struct effect_result result = {.outcome = EFFECT_OK, .image_ref = named ? e->image : image->id};
	char *detail CLEANUP_FREE = r->next == 0              ? xstrdup("image is there")
				    : r->next <= e->sources.n ? xasprintf("image copied from %s", e->sources.v[r->next - 1])
							      : xstrdup("image pulled");
	result.detail = detail;
	runner_finish(r, &result);
}

static void image_seen(void *ctx, const struct engine_result *result) {
	struct run *r = ctx;

	if (result->outcome == ENGINE_OK) {
		image_ready(r, result->image);
		return;
	}
	if (result->outcome != ENGINE_REFUSED || r->next > r->effect->sources.n) {
		struct effect_result no = from_engine(result);
		runner_finish(r, &no);
		return;
	}
	image_next(r);
}

static void image_look(struct run *r) {
	const char *ref = r->made ? r->made : r->effect->image_id ? r->effect->image_id : r->effect->image;
	engine_inspect_image(r->node->engine, ref, (struct engine_cb){.fn = image_seen, .ctx = r, .deadline = span_sec(10)});
}

static void image_moved(void *ctx, const struct engine_result *result) {
	struct run *r = ctx;

	if (result->outcome == ENGINE_OK) {
		image_look(r);
		return;
	}
	log_warning("image-transfer", LOG_STR("node", r->effect->node), LOG_STR("image", r->effect->image),
		    LOG_STR("error", result->err.msg));
	if (r->next > r->effect->sources.n) {
		struct effect_result no = from_engine(result);
		runner_finish(r, &no);
		return;
	}
	image_next(r);
}

/* From each live engine that has it, then from its registry. */
static void image_next(struct run *r) {
	const struct effect *e = r->effect;
	size_t i = r->next++;

	if (i < e->sources.n) {
		struct daemon_node *source = daemon_node(r->daemon, e->sources.v[i]);
		const struct world_node *known = world_node(resched_world(r->daemon->machine), e->sources.v[i]);
		const char *ref = known ? world_node_image(known, e->image, e->image_id) : NULL;
		if (source && ref)
			engine_copy_image(source->engine, r->node->engine, ref, callback(r, image_moved));
		else
			image_next(r);
		return;
	}
	if (!e->image || strncmp(e->image, "sha256:", 7) == 0) {
		runner_finish(r, &(struct effect_result){.outcome = EFFECT_REFUSED,
							 .refusal = REFUSAL_NO_IMAGE,
							 .detail = "no live engine gave the image, and it has no name to pull"});
		return;
	}
	xstr_replace(&r->made, e->image); /* what a registry gives may have another ID */
	engine_pull_image(r->node->engine, e->image, NULL, callback(r, image_moved));
}

/* ---- create ---- */

static void create_connect(struct run *r);

static void create_undone(void *ctx, const struct engine_result *result) {
	struct run *r = ctx;
	/* Half made is not made: the machine looks, and sees by the missing network that it is not what it asked for. */
	runner_finish(r, &(struct effect_result){.outcome = result->outcome == ENGINE_OK ? EFFECT_REFUSED : EFFECT_UNKNOWN,
						 .detail = "a network could not be connected to the staged container"});
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
	json_t *inspect CLEANUP_JSON = memory_spec(r->daemon, e->spec_node, e->spec_id);
	const struct world_node *target = world_node(resched_world(r->daemon->machine), e->node);
	struct spec_address *addresses CLEANUP_FREE = xnew_n(struct spec_address, e->n_nets);
	struct err err = {0};

	for (size_t i = 0; i < e->n_nets; i++)
		if (e->nets[i].kind != NET_LOCAL)
			addresses[i] = (struct spec_address){e->nets[i].name, e->nets[i].ip, e->nets[i].ip6, e->nets[i].mac};
	size_t n = 0;
	for (size_t i = 0; i < e->n_nets; i++)
		if (addresses[i].network)
			addresses[n++] = addresses[i];
	int api = engine_api(r->node->engine);
	const struct spec_options options = {
		.api = api ? api : target->facts.api,
		.workload = e->workload,
		.takeover = e->takeover,
		.cluster = r->daemon->config->cluster,
		.generation = e->generation,
		.image = e->image,
		.no_restart = true,
		.addresses = addresses,
		.address_count = n,
	};
	int made = inspect ? spec_make(inspect, &options, &r->spec, &err) : err_set(&err, -1, "nothing is remembered of it");
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
	/* 500 "is not connected": it was so already. */
	bool gone = result->outcome == ENGINE_REFUSED &&
		    (strstr(result->err.msg, "is not connected to") ||
		     (strstr(result->err.msg, "network ") && strstr(result->err.msg, " not found")));

	if (result->outcome == ENGINE_OK || gone) {
		disconnect_next(r);
		return;
	}
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

/* ---- calls with an answer of their own ---- */

static void renamed(void *ctx, const struct engine_result *result) {
	struct run *r = ctx;
	struct effect_result answer_ = from_engine(result);

	if (result->outcome == ENGINE_REFUSED && result->status == 400 && strstr(result->err.msg, "same name"))
		answer_ = (struct effect_result){.outcome = EFFECT_OK};
	if (result->outcome == ENGINE_REFUSED && result->status == 409)
		answer_.refusal = REFUSAL_NAME_TAKEN;
	runner_finish(r, &answer_);
}

static void removed(void *ctx, const struct engine_result *result) {
	struct run *r = ctx;
	struct effect_result answer_ = from_engine(result);

	if (result->outcome == ENGINE_REFUSED && result->status == 409)
		answer_.refusal = REFUSAL_RUNNING; /* or it is being removed already: looked at again either way */
	runner_finish(r, &answer_);
}

/* ---- overlays ---- */

static void overlay_done(void *ctx, const struct overlay_result *result) {
	static const enum effect_outcome outcomes[] = {
		[OVERLAY_OK] = EFFECT_OK,           [OVERLAY_REFUSED] = EFFECT_REFUSED,
		[OVERLAY_MISSING] = EFFECT_REFUSED, [OVERLAY_NOT_DONE] = EFFECT_NOT_DONE,
		[OVERLAY_UNKNOWN] = EFFECT_UNKNOWN,
	};
	static const enum holder holders[] = {
		[OVERLAY_HOLDER_UNKNOWN] = HOLDER_UNKNOWN, [OVERLAY_HOLDER_NONE] = HOLDER_NONE,
		[OVERLAY_HOLDER_COPY] = HOLDER_COPY,       [OVERLAY_HOLDER_OWN] = HOLDER_OWN,
		[OVERLAY_HOLDER_OTHER] = HOLDER_OTHER,
	};
	struct run *r = ctx;

	r->overlay = NULL;
	runner_finish(r, &(struct effect_result){
				 .outcome = outcomes[result->outcome],
				 .refusal = result->outcome == OVERLAY_MISSING ? REFUSAL_MISSING : REFUSAL_OTHER,
				 .detail = result->detail,
				 .holder = holders[result->holder],
				 .by_node_removal = result->by_node_removal,
			 });
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
	engine_remove_container(r->node->engine, r->effect->container, false, callback(r, removed));
}

static void do_rename(struct run *r) {
	engine_rename_container(r->node->engine, r->effect->container, r->effect->name, callback(r, renamed));
}

static void do_policy(struct run *r) {
	engine_update_restart_policy(r->node->engine, r->effect->container, r->effect->name, callback(r, one_call_done));
}

static void do_stop(struct run *r) {
	int seconds = (int)(span_to_ms(r->daemon->config->takeover.stop_timeout) / 1000);
	engine_stop_container(r->node->engine, r->effect->container, seconds, callback(r, one_call_done));
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
