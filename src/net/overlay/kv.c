/* Overlays kept in an external key/value store (engines up to 22). There is no manager: every engine reads and writes the store,
 * and an address belongs to an endpoint there, which its dead host cannot take back. Any other engine can, by a forced disconnect;
 * but an engine looks for the container's name among its own first, so it must be one that has none of that name, by its own word:
 * what is known of it may be a moment old.
 *
 *   inspect the network ─▶ whose endpoint has the address? ─▶ the next address
 *                            └─ release: has the engine that name? ─▶ disconnect ─▶ inspect again
 *
 * An endpoint of another host is listed as "ep-<id>" with its container's name; only the engine that has the container itself lists
 * it by its ID. So the engine of the new container is asked, which knows its own from all others. */
#include "net/overlay/overlay-internal.h"

#include "base/alloc.h"

#include <string.h>

#define AGAIN_MS 200

struct kv_call {
	struct overlay_call call;
	struct overlay_address *addresses; /* strings owned */
	size_t n, at;
	struct strs copies, names;
	char *own, *own_node;
	bool release, sent; /* sent: a disconnect may have taken effect */
	size_t next_engine;
	struct engine *executing; /* the one that is to disconnect */
	enum overlay_holder worst;
	char *holder;  /* in words, of the worst */
	char *freed;   /* the name whose endpoint is being disconnected; NULL: none */
	bool answered; /* an engine says that this is done */
};

static void clear(struct overlay_call *call) {
	struct kv_call *k = (struct kv_call *)call;

	overlay_addresses_free(k->addresses, k->n);
	strs_clear(&k->copies);
	strs_clear(&k->names);
	free(k->own);
	free(k->own_node);
	free(k->holder);
	free(k->freed);
}

static struct kv_call *begin(struct overlay_cluster *c, const struct overlay_ask *ask, overlay_done_fn *done, void *ctx,
			     overlay_step_fn *first) {
	struct kv_call *k = overlay_call_new(sizeof(*k), c, ask->deadline, done, ctx, clear, first);

	k->addresses = overlay_addresses_copy(ask);
	k->n = ask->n;
	if (ask->copies)
		strs_copy(&k->copies, ask->copies);
	if (ask->names)
		strs_copy(&k->names, ask->names);
	k->own = xstrdup_null(ask->own);
	k->own_node = xstrdup_null(ask->own_node);
	k->worst = OVERLAY_HOLDER_NONE;
	return k;
}

/* ---- endpoints ---- */

static const struct engine_network_user *find_user(const struct engine_network *network, const struct overlay_address *a) {
	for (size_t i = 0; i < network->n_users; i++) {
		const struct engine_network_user *u = &network->users[i];
		if ((a->ip && strcmp(u->ip, a->ip) == 0) || (!a->ip && a->ip6 && strcmp(u->ip6, a->ip6) == 0))
			return u;
	}
	return NULL;
}

/* Somebody may have put a container of the old one's name in its place by hand: that one is not ours to disconnect. */
static bool is_foreign(const struct kv_call *k, const struct engine_network_user *u) {
	const struct overlay_cluster *c = k->call.cluster;
	struct strs ours = {0};

	strs_copy(&ours, &k->copies);
	if (k->own)
		strs_add(&ours, k->own);
	bool foreign = c->kv_foreign && c->kv_foreign(c->ctx, u->name, *u->ip ? u->ip : u->ip6, &ours);
	strs_clear(&ours);
	return foreign;
}

static enum overlay_holder holder_of(const struct kv_call *k, const struct engine_network_user *u) {
	if (!u)
		return OVERLAY_HOLDER_NONE;
	if (k->own && strcmp(u->key, k->own) == 0)
		return OVERLAY_HOLDER_OWN;
	if (strs_has(&k->copies, u->key))
		return OVERLAY_HOLDER_COPY;
	return strs_has(&k->names, u->name) && !is_foreign(k, u) ? OVERLAY_HOLDER_COPY : OVERLAY_HOLDER_OTHER;
}

static void note(struct kv_call *k, enum overlay_holder h, const struct overlay_address *a, const struct engine_network_user *u) {
	if (!overlay_holder_is_worse(h, k->worst))
		return;
	k->worst = h;
	if (h == OVERLAY_HOLDER_OWN)
		return;
	char *text CLEANUP_FREE = xasprintf("%s is held by %s \"%.64s\"", a->ip ? a->ip : a->ip6,
					    h == OVERLAY_HOLDER_COPY ? "the old container" : "another container", u->name);
	xstr_replace(&k->holder, text);
}

/* ---- looking ---- */

static void look(struct overlay_call *call);
static void disconnect(struct kv_call *k, const char *name);
static void stays(struct kv_call *k);
static void say_freed(struct kv_call *k);

static void finish(struct kv_call *k) {
	if (!k->release && k->holder)
		overlay_say(&k->call, "%s", k->holder);
	overlay_finish(&k->call, (struct overlay_result){.outcome = OVERLAY_OK, .holder = k->worst});
}

static void on_network(struct overlay_call *call, const struct engine_result *result) {
	struct kv_call *k = (struct kv_call *)call;
	const struct overlay_address *a = &k->addresses[k->at];

	if (!overlay_is_yes(result)) {
		overlay_fail(call, k->sent ? OVERLAY_UNKNOWN : OVERLAY_NOT_DONE, "%s", result->err.msg);
		return;
	}
	const struct engine_network_user *u = find_user(result->network, a);
	enum overlay_holder h = holder_of(k, u);
	if (k->release && h == OVERLAY_HOLDER_COPY) {
		if (k->answered)
			stays(k);
		else
			disconnect(k, u->name);
		return;
	}
	say_freed(k);
	note(k, h, a, u);
	k->at++;
	look(call);
}

static struct engine_call *send_inspect(struct overlay_call *call, struct engine *e, struct engine_cb cb) {
	const struct kv_call *k = (struct kv_call *)call;
	const struct overlay_address *a = &k->addresses[k->at];

	return engine_inspect_network(e, a->network_id ? a->network_id : a->network, cb);
}

/* The engine that can tell the new container from the old one, else any. */
static struct engine *asked(const struct kv_call *k) {
	const struct overlay_cluster *c = k->call.cluster;
	struct engine *own = k->own_node ? c->engine(c->ctx, k->own_node) : NULL;

	return own ? own : c->kv_engine(c->ctx, 0, NULL);
}

static void look(struct overlay_call *call) {
	struct kv_call *k = (struct kv_call *)call;
	struct engine *e = asked(k);

	if (k->at == k->n)
		finish(k);
	else if (!e)
		overlay_fail(call, k->sent ? OVERLAY_UNKNOWN : OVERLAY_NOT_DONE,
			     "no engine that shares the key/value store answers");
	else
		overlay_ask(call, e, overlay_at_most(call, span_sec(10)), send_inspect, on_network);
}

/* ---- letting go ---- */

/* The store's word, not the answer's. */
static void say_freed(struct kv_call *k) {
	if (k->freed)
		overlay_say(&k->call, "endpoint of \"%.64s\" let go in %.2f s", k->freed,
			    span_to_sec(mono_since(k->call.started, mono_now())));
	xstr_replace(&k->freed, NULL);
	k->answered = false;
}

/* An engine took it for done, and it is there all the same: another one may do, after a moment. */
static void stays(struct kv_call *k) {
	k->answered = false;
	k->next_engine++;
	overlay_later(&k->call, span_ms(AGAIN_MS), look);
}

static void on_disconnected(struct overlay_call *call, const struct engine_result *result) {
	struct kv_call *k = (struct kv_call *)call;

	k->sent = k->sent || engine_outcome_is_open(result->outcome);
	if (overlay_is_yes(result) || overlay_is_gone(result)) {
		k->answered = true;
		look(call);
	} else if (overlay_is_late(call) || result->outcome == ENGINE_REFUSED) {
		overlay_fail(call,
			     k->sent                             ? OVERLAY_UNKNOWN
			     : result->outcome == ENGINE_REFUSED ? OVERLAY_REFUSED
								 : OVERLAY_NOT_DONE,
			     "%s", result->err.msg);
	} else {
		k->next_engine++; /* another one may do */
		overlay_later(call, span_ms(AGAIN_MS), look);
	}
}

static struct engine_call *send_disconnect(struct overlay_call *call, struct engine *e, struct engine_cb cb) {
	const struct kv_call *k = (struct kv_call *)call;
	const struct overlay_address *a = &k->addresses[k->at];

	return engine_disconnect_network(e, a->network_id ? a->network_id : a->network, k->freed, true, cb);
}

static struct engine_call *send_name(struct overlay_call *call, struct engine *e, struct engine_cb cb) {
	return engine_inspect_container(e, ((const struct kv_call *)call)->freed, cb);
}

/* Only one that says that it has none of that name; of any other nothing was asked yet. */
static void on_name(struct overlay_call *call, const struct engine_result *result) {
	struct kv_call *k = (struct kv_call *)call;

	if (result->outcome == ENGINE_REFUSED && result->status == 404) {
		overlay_ask(call, k->executing, overlay_at_most(call, span_sec(10)), send_disconnect, on_disconnected);
		return;
	}
	k->next_engine++;
	xstr_replace(&k->freed, NULL);
	overlay_later(call, span_ms(AGAIN_MS), look);
}

static void disconnect(struct kv_call *k, const char *name) {
	const struct overlay_cluster *c = k->call.cluster;

	if (overlay_is_late(&k->call)) {
		overlay_fail(&k->call, k->sent ? OVERLAY_UNKNOWN : OVERLAY_NOT_DONE, "the endpoint of \"%.64s\" stays", name);
		return;
	}
	struct engine *e = c->kv_engine(c->ctx, k->next_engine, name);

	if (!e && k->next_engine > 0) {
		k->next_engine = 0;
		e = c->kv_engine(c->ctx, 0, name);
	}
	if (!e) {
		overlay_fail(
			&k->call, k->sent ? OVERLAY_UNKNOWN : OVERLAY_NOT_DONE,
			"every engine that answers has a container named \"%.64s\" of its own, which it would disconnect instead",
			name);
		return;
	}
	xstr_replace(&k->freed, name);
	k->executing = e;
	overlay_ask(&k->call, e, overlay_at_most(&k->call, span_sec(5)), send_name, on_name);
}

/* ---- the table ---- */

static void ready_first(struct overlay_call *call) {
	struct kv_call *k = (struct kv_call *)call;
	const struct overlay_cluster *c = call->cluster;

	for (size_t i = 0; i < k->names.n; i++)
		if (!c->kv_engine(c->ctx, 0, k->names.v[i])) {
			overlay_fail(call, OVERLAY_NOT_DONE, "no engine answers that has no container named \"%.64s\"",
				     k->names.v[i]);
			return;
		}
	overlay_finish(call, (struct overlay_result){.outcome = OVERLAY_OK});
}

static struct overlay_call *ready(struct overlay_cluster *c, const struct overlay_ask *ask, overlay_done_fn *done, void *ctx) {
	return &begin(c, ask, done, ctx, ready_first)->call;
}

static struct overlay_call *release(struct overlay_cluster *c, const struct overlay_ask *ask, overlay_done_fn *done, void *ctx) {
	struct kv_call *k = begin(c, ask, done, ctx, look);

	k->release = true;
	return &k->call;
}

static struct overlay_call *holders(struct overlay_cluster *c, const struct overlay_ask *ask, overlay_done_fn *done, void *ctx) {
	return &begin(c, ask, done, ctx, look)->call;
}

const struct overlay_ops overlay_kv = {
	.name = "kv",
	.ready = ready,
	.release = release,
	.holders = holders,
};
