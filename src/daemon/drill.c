/* See drill.h. First every container of the node is foreseen, one after the other, each with what was foreseen before it as on its
 * way. Then the overlays are asked whether they could let go of what is to move: a control socket that is gone is better found out
 * by day. */
#include "daemon/drill.h"

#include "base/alloc.h"
#include "daemon/view.h"

#include <string.h>
#include <utlist.h>

#define READY_SEC 10

struct drill {
	struct daemon *daemon;
	struct http_call *call;
	char *node;
	json_t *answer, *containers, *warnings; /* the latter two belong to the first */
	struct plan_claim *claims;
	size_t n_claims;
	struct strs kv_names; /* of what is to move */
	enum net_kind asking;
	struct overlay_call *ready;
	bool swarm, by_node_removal;
	struct drill *prev, *next;
};

static void drill_free(struct drill *x) {
	DL_DELETE(x->daemon->drills, x);
	overlay_call_free(x->ready);
	json_decref(x->answer);
	free(x->claims);
	strs_clear(&x->kv_names);
	free(x->node);
	free(x);
}

static void warn(struct drill *x, char *text) {
	json_array_append_new(x->warnings, json_from_str(text));
	free(text);
}

/* ---- the containers ---- */

static bool has_kind(const struct world_container *c, enum net_kind kind) {
	for (size_t i = 0; i < c->n_nets; i++)
		if (c->nets[i].kind == kind)
			return true;
	return false;
}

static json_t *networks(const struct world_container *c) {
	json_t *list = json_array();

	for (size_t i = 0; i < c->n_nets; i++)
		json_array_append_new(list, json_pack("{s:s, s:s?, s:s?, s:s?}", "name", c->nets[i].name, "ip", c->nets[i].ip,
						      "ip6", c->nets[i].ip6, "mac", c->nets[i].mac));
	return list;
}

static const char *state_of(const struct world_container *c, const struct resched_forecast *f) {
	if (!c->policy.move)
		return "not-opted-in";
	return f->blocked ? "blocked" : f->waits ? "would-wait" : "would-move";
}

static char *reason_of(const struct resched_forecast *f) {
	if (f->blocked)
		return xstrdup(f->blocked);
	if (f->waits)
		return f->choice.rejected.n == 1 ? xasprintf("%s: %s", f->waits, f->choice.rejected.v[0]) : xstrdup(f->waits);
	if (f->delay.ns > 0)
		return xasprintf("after %.0f s (delay)", span_to_sec(f->delay));
	if (f->choice.cold)
		return xstrdup("the target has not joined the network: about 10 s more");
	return f->choice.image_missing ? xstrdup("the image has to be brought there first") : NULL;
}

static json_t *container_json(const struct world_container *c, const struct resched_forecast *f) {
	json_t *j = json_object();
	char *reason CLEANUP_FREE = reason_of(f);
	bool moves = !f->blocked && !f->waits, by_word = f->demanded > f->evidence; /* an operator's */

	json_set_str(j, "container", c->name);
	json_set_str(j, "policy", c->policy.move ? "on-node-failure" : "no");
	json_set_str(j, "target", f->blocked && !by_word ? NULL : f->choice.target);
	json_set_str(j, "reason", reason);
	json_object_set_new(j, "networks", networks(c));
	json_set_str(j, "evidence", f->blocked && !by_word ? NULL : evidence_name(f->evidence));
	json_set_str(j, "demanded", c->policy.move ? evidence_name(f->demanded) : NULL);
	json_set_str(j, "state", state_of(c, f));
	json_object_set_new(j, "delay_seconds", moves ? json_real(span_to_sec(f->delay)) : json_null());
	json_object_set_new(j, "rejected", view_rejected(&f->choice.rejected));
	return j;
}

static void add_container(struct drill *x, const struct world_container *c) {
	struct resched_forecast f;

	resched_forecast(x->daemon->machine, mono_now(), c, x->claims, x->n_claims, &f);
	json_array_append_new(x->containers, container_json(c, &f));
	bool moves = c->policy.move && !f.blocked && !f.waits;
	if (moves) {
		x->claims = xreallocarray(x->claims, x->n_claims + 1, sizeof(*x->claims));
		x->claims[x->n_claims++] = (struct plan_claim){.node = f.choice.target, .like = c};
	}
	x->swarm |= moves && has_kind(c, NET_SWARM);
	if (moves && has_kind(c, NET_KV))
		strs_add_new(&x->kv_names, c->name);
	resched_forecast_clear(&f);
}

/* ---- what others there would lose ---- */

static size_t bystanders(const struct drill *x, json_t *ret_names) {
	const struct world_node *n = world_node(resched_world(x->daemon->machine), x->node);

	for (const struct world_container *c = n->containers; c; c = c->next)
		if (c->running && !c->policy.move && world_container_has_overlay(c))
			json_array_append_new(ret_names, json_from_str(c->name));
	return json_array_size(ret_names);
}

static bool any_agent(const struct drill *x) {
	for (const struct world_node *n = resched_world(x->daemon->machine)->nodes; n; n = n->hh.next)
		if (n->agent.state == NODE_AGENT_OK && strcmp(n->name, x->node) != 0)
			return true;
	return false;
}

/* A fence is around the node, not around one container of it. */
static void add_cost(struct drill *x) {
	json_t *names = json_array();
	size_t n = bystanders(x, names);

	json_object_set_new(x->answer, "bystanders", names);
	if (n == 0 || (!x->swarm && x->kv_names.n == 0))
		return;
	if (any_agent(x))
		warn(x, xasprintf("if %s is only cut off: until it is back and clean, hosts with an agent will not hear its %zu "
				  "other container%s on overlays either",
				  x->node, n, n == 1 ? "" : "s"));
	if (x->by_node_removal)
		warn(x, xasprintf("%s would be taken out of its swarm: the addresses of its %zu other container%s are free for "
				  "anybody until it is back, and are then given back to them",
				  x->node, n, n == 1 ? "" : "s"));
}

/* ---- whether the addresses could be released ---- */

static const char *word_of(enum net_kind kind) { return kind == NET_SWARM ? "swarm" : "key/value store"; }

/* What cannot be released cannot be moved, whatever target there is. */
static void block(struct drill *x, enum net_kind kind, const char *why) {
	const struct world_node *n = world_node(resched_world(x->daemon->machine), x->node);
	json_t *j;
	size_t i;

	json_array_foreach (x->containers, i, j) {
		const struct world_container *c =
			world_container_named(resched_world(x->daemon->machine), n->name, json_str_or(j, "container", ""));
		if (!c || !has_kind(c, kind) || strcmp(json_str_or(j, "state", ""), "would-move") != 0)
			continue;
		json_set_str(j, "state", "blocked");
		json_object_set_new(j, "reason", json_text_or_replaced("its address cannot be released: %s", why));
	}
	warn(x, xasprintf("the %s could not let go of an address now: %s", word_of(kind), why));
}

static void finish(struct drill *x) {
	struct http_call *call = x->call;

	add_cost(x);
	http_call_answer_json(call, 200, x->answer);
	drill_free(x);
}

static void ask_next(struct drill *x, enum net_kind from);

static void on_ready(void *ctx, const struct overlay_result *result) {
	struct drill *x = ctx;

	x->ready = NULL;
	x->by_node_removal |= result->outcome == OVERLAY_OK && result->by_node_removal;
	if (result->outcome != OVERLAY_OK)
		block(x, x->asking, result->detail ? result->detail : "no answer");
	ask_next(x, x->asking + 1);
}

/* With the node gone the others must still be a majority, or no manager lets anything go. */
static bool keeps_quorum(struct drill *x) {
	const struct world_node *lost = world_node(resched_world(x->daemon->machine), x->node);
	unsigned managers = 0, left = 0;

	for (const struct world_node *n = resched_world(x->daemon->machine)->nodes; n; n = n->hh.next) {
		managers += n->facts.swarm_manager;
		left += n->facts.swarm_manager && n != lost && n->verdict == NODE_ALIVE;
	}
	if (!lost->facts.swarm_manager || left * 2 > managers)
		return true;
	char *why CLEANUP_FREE =
		xasprintf("without %s the swarm has %u of its %u managers, and no leader", x->node, left, managers);
	block(x, NET_SWARM, why);
	return false;
}

static void ask_next(struct drill *x, enum net_kind from) {
	struct overlay_cluster *c = &x->daemon->overlay;
	const struct world_node *n = world_node(resched_world(x->daemon->machine), x->node);
	const struct overlay_ask ask = {
		.node = x->node, .swarm_node = n->facts.swarm_node, .names = &x->kv_names, .deadline = span_sec(READY_SEC)};

	if (from <= NET_SWARM && x->swarm && keeps_quorum(x)) {
		x->asking = NET_SWARM;
		x->ready = overlay_swarm.ready(c, &ask, on_ready, x);
	} else if (from <= NET_KV && x->kv_names.n) {
		x->asking = NET_KV;
		x->ready = overlay_kv.ready(c, &ask, on_ready, x);
	} else {
		finish(x);
	}
}

/* ---- all ---- */

static void begin_answer(struct drill *x, const struct daemon_node *n) {
	struct brake_verdict brake = brakes_if_lost(x->daemon, n);

	x->answer = json_object();
	x->containers = json_array();
	x->warnings = json_array();
	json_set_str(x->answer, "node", x->node);
	json_object_set_new(x->answer, "containers", x->containers);
	json_object_set_new(x->answer, "brake", json_pack("{s:b, s:s}", "held", brake.hold, "reason", brake.reason));
	json_object_set_new(x->answer, "warnings", x->warnings);
}

void drill_begin(struct daemon *d, struct http_call *call, const struct daemon_node *n) {
	struct drill *x = xnew(struct drill);
	const struct world_node *known = world_node(resched_world(d->machine), n->config->name);
	bool changes = false;

	x->daemon = d;
	x->call = call;
	x->node = xstrdup(n->config->name);
	DL_APPEND(d->drills, x);
	begin_answer(x, n);
	for (const struct world_container *c = known->containers; c; c = c->next) {
		add_container(x, c);
		changes |= c->policy.move;
	}
	json_object_set_new(x->answer, "changes", json_boolean(changes));
	ask_next(x, NET_LOCAL);
}

void drill_close(struct daemon *d) {
	while (d->drills) {
		http_call_fail(d->drills->call, 503, "heird is stopping");
		drill_free(d->drills);
	}
}
