/* Giving a node that was taken out of its swarm its place back. The engine of a removed node goes on as if it were a member, and
 * the managers do not know it any more: it has to leave and join again, as a new node. Leaving wipes the networks of its running
 * containers, so these are recorded first, on disk.
 *
 *                    ┌── a member ──▶ settle: role, labels ──▶ reconnect.c ──▶ availability ──▶ done
 *   look: what is ───┼── removed ───▶ record ──▶ leave ──▶ look
 *   it now?          ├── in none ───▶ token, managers ──▶ join ──▶ look
 *                    └── between ───▶ look, later
 *
 * Every step begins with the look, so it does not matter what interrupted the last attempt. */
#include "net/overlay/restore-internal.h"

#include "base/alloc.h"

#include <errno.h>
#include <string.h>

#define RESTORE_SECONDS 180
#define ENGINE_SECONDS 15
#define CHANGE_SECONDS 60
#define JOIN_PORT "0.0.0.0:2377"
#define TOKEN_PREFIX "SWMTKN" /* how every join token begins */

static void look(struct overlay_call *call);

static void forget_token(struct restore *r) {
	if (r->token)
		explicit_bzero(r->token, strlen(r->token));
	free(TAKE_PTR(r->token));
}

static void clear(struct overlay_call *call) {
	struct restore *r = (struct restore *)call;

	reconnect_clear(r);
	forget_token(r);
	free(r->node);
	free(r->last);
	free(r->state);
	free(r->node_id);
	free(r->addr);
	json_decref(r->record);
	json_decref(r->spec);
	strs_clear(&r->networks);
	strs_clear(&r->ids);
	strs_clear(&r->remotes);
	strs_clear(&r->notes);
}

void restore_again(struct restore *r, const char *why) {
	xstr_replace(&r->last, strstr(why, TOKEN_PREFIX) ? "an error that is not shown: a join token is in it" : why);
	if (overlay_is_late(&r->call))
		overlay_fail(&r->call, OVERLAY_NOT_DONE, "%s", r->last);
	else
		overlay_later(&r->call, span_ms(300), look);
}

static bool is_removed_one(const struct restore *r, const char *id) {
	return strcmp(json_str_or(r->record, "swarm_node", ""), id) == 0;
}

/* Leaving. */

static void on_left(struct overlay_call *call, const struct engine_result *result) {
	struct restore *r = (struct restore *)call;

	if (overlay_is_yes(result) || overlay_refused_with(result, "not part of a swarm"))
		look(call);
	else
		restore_again(r, result->err.msg);
}

/* A manager leaves by force only; that it was one, its own engine may not say any more. */
static struct engine_call *send_leave(struct overlay_call *call, struct engine *e, struct engine_cb cb) {
	const struct restore *r = (struct restore *)call;
	bool was_manager = strcmp(json_str_or(r->record, "spec.Role", ""), "manager") == 0;

	return engine_leave_swarm(e, r->control || was_manager, cb);
}

static void on_enriched(struct overlay_call *call, int result) {
	struct restore *r = (struct restore *)call;

	if (result < 0)
		overlay_fail(call, OVERLAY_NOT_DONE, "the networks of %s's containers could not be written: %s", r->node,
			     strerror(-result));
	else
		overlay_ask(call, r->engine, span_sec(CHANGE_SECONDS), send_leave, on_left);
}

static struct engine_call *send_inspect_container(struct overlay_call *call, struct engine *e, struct engine_cb cb) {
	const struct restore *r = (struct restore *)call;

	return engine_inspect_container(e, r->ids.v[r->next], cb);
}

static void enrich_next(struct restore *r);

static void on_container(struct overlay_call *call, const struct engine_result *result) {
	struct restore *r = (struct restore *)call;

	if (!overlay_is_yes(result) && !overlay_is_gone(result)) {
		restore_again(r, result->err.msg);
		return;
	}
	if (result->container)
		record_add_container(r->record, result->container, &r->networks);
	r->next++;
	enrich_next(r);
}

static void enrich_next(struct restore *r) {
	if (r->next < r->ids.n)
		overlay_ask(&r->call, r->engine, span_sec(ENGINE_SECONDS), send_inspect_container, on_container);
	else
		overlay_remember(&r->call, r->node, r->record, on_enriched);
}

static struct engine_call *send_list_containers(struct overlay_call *call, struct engine *e, struct engine_cb cb) {
	(void)call;
	return engine_list_containers(e, cb);
}

static void on_containers(struct overlay_call *call, const struct engine_result *result) {
	struct restore *r = (struct restore *)call;

	if (!overlay_is_yes(result)) {
		restore_again(r, result->err.msg);
		return;
	}
	strs_clear(&r->ids);
	for (size_t i = 0; i < result->n; i++)
		strs_add(&r->ids, result->entries[i].id);
	r->next = 0;
	record_enrich(r->record, r->addr);
	enrich_next(r);
}

static struct engine_call *send_list_networks(struct overlay_call *call, struct engine *e, struct engine_cb cb) {
	(void)call;
	return engine_list_networks(e, cb);
}

/* A manager knows all of the swarm's networks, a worker those that it uses. */
static void on_networks(struct overlay_call *call, const struct engine_result *result) {
	struct restore *r = (struct restore *)call;

	if (!overlay_is_yes(result)) {
		restore_again(r, result->err.msg);
		return;
	}
	strs_clear(&r->networks);
	for (size_t i = 0; i < result->n; i++) {
		if (strcmp(result->networks[i].scope, "swarm") == 0 && !result->networks[i].ingress)
			strs_add(&r->networks, result->networks[i].name);
	}
	overlay_ask(call, r->engine, span_sec(ENGINE_SECONDS), send_list_containers, on_containers);
}

static void leave(struct restore *r) { overlay_ask_managers(&r->call, send_list_networks, on_networks); }

/* Joining. */

static void on_joined(struct overlay_call *call, const struct engine_result *result) {
	struct restore *r = (struct restore *)call;

	forget_token(r);
	if (overlay_is_yes(result) || overlay_refused_with(result, "already part of a swarm"))
		look(call);
	else
		restore_again(r, result->err.msg);
}

static struct engine_call *send_join(struct overlay_call *call, struct engine *e, struct engine_cb cb) {
	const struct restore *r = (struct restore *)call;
	CLEANUP_JSON json_t *remotes = json_from_strs(&r->remotes);
	CLEANUP_JSON json_t *body = json_pack("{s:s, s:s, s:s, s:O}", "ListenAddr", JOIN_PORT, "AdvertiseAddr",
					      json_str_or(r->record, "addr", ""), "JoinToken", r->token, "RemoteAddrs", remotes);

	return engine_join_swarm(e, body, cb);
}

static void on_managers(struct overlay_call *call, const struct engine_result *result) {
	struct restore *r = (struct restore *)call;

	if (!overlay_is_yes(result)) {
		restore_again(r, result->err.msg);
		return;
	}
	strs_clear(&r->remotes);
	for (size_t i = 0; i < result->n; i++) {
		const struct engine_swarm_node *n = &result->nodes[i];
		if (strcmp(n->reachability, "reachable") == 0 && *n->manager_addr && strncmp(n->manager_addr, "0.0.0.0", 7) != 0)
			strs_add(&r->remotes, n->manager_addr);
	}
	if (r->remotes.n == 0)
		restore_again(r, "no swarm manager has an address to join it at");
	else
		overlay_ask(call, r->engine, span_sec(CHANGE_SECONDS), send_join, on_joined);
}

static struct engine_call *send_list_nodes(struct overlay_call *call, struct engine *e, struct engine_cb cb) {
	(void)call;
	return engine_list_nodes(e, cb);
}

static void on_swarm(struct overlay_call *call, const struct engine_result *result) {
	struct restore *r = (struct restore *)call;

	if (!overlay_is_yes(result)) {
		restore_again(r, result->err.msg);
		return;
	}
	forget_token(r);
	r->token = xstrdup(result->swarm->worker_token); /* a manager is promoted by its role, in settle */
	overlay_ask_managers(call, send_list_nodes, on_managers);
}

static struct engine_call *send_inspect_swarm(struct overlay_call *call, struct engine *e, struct engine_cb cb) {
	(void)call;
	return engine_inspect_swarm(e, cb);
}

static void join(struct restore *r) { overlay_ask_managers(&r->call, send_inspect_swarm, on_swarm); }

/* Settling: labels and role first; the availability last, when everything is attached. */

static const char *availability_of(const json_t *spec) { return json_str_or(spec, "Availability", "active"); }

bool restore_is_active(const struct restore *r) { return strcmp(availability_of(r->spec), "active") == 0; }

static void take_spec(struct restore *r, const struct engine_swarm_node *node) {
	json_decref(r->spec);
	r->spec = json_incref(node->spec);
	r->version = node->version;
}

/* A change that comes from outside between our look and our update makes it out of date. */
static void update_failed(struct restore *r, const struct engine_result *result) {
	if (result->outcome == ENGINE_REFUSED && !overlay_refused_with(result, "out of sequence"))
		overlay_fail(&r->call, OVERLAY_REFUSED, "%s", result->err.msg);
	else
		restore_again(r, result->err.msg);
}

static json_t *settled_spec(const struct restore *r) {
	json_t *wanted = record_wanted_spec(r->record, r->spec);

	json_set_str(wanted, "Availability", r->open ? "active" : availability_of(r->spec));
	return wanted;
}

static void on_settled(struct overlay_call *call, const struct engine_result *result) {
	struct restore *r = (struct restore *)call;

	if (!overlay_is_yes(result)) {
		update_failed(r, result);
		return;
	}
	json_t *now = settled_spec(r);
	json_decref(r->spec);
	r->spec = now;
	reconnect_begin(r);
}

static struct engine_call *send_settle(struct overlay_call *call, struct engine *e, struct engine_cb cb) {
	const struct restore *r = (struct restore *)call;
	CLEANUP_JSON json_t *wanted = settled_spec(r);

	return engine_update_node(e, r->node_id, r->version, wanted, cb);
}

static void settle(struct restore *r, const struct engine_swarm_node *node) {
	take_spec(r, node);
	CLEANUP_JSON json_t *wanted = settled_spec(r);

	if (json_equal(wanted, r->spec))
		reconnect_begin(r);
	else
		overlay_ask_managers(&r->call, send_settle, on_settled);
}

/* Closing. */

static void finish(struct restore *r) {
	overlay_say(&r->call, "%s is a member again (%s, %s), %zu attachments given back in %.2f s", r->node,
		    json_str_or(r->record, "spec.Role", "worker"), json_str_or(r->record, "spec.Availability", "active"),
		    r->connected, span_to_sec(mono_since(r->call.started, mono_now())));
	for (size_t i = 0; i < r->notes.n; i++)
		overlay_say(&r->call, "%s", r->notes.v[i]);
	overlay_finish(&r->call, (struct overlay_result){.outcome = OVERLAY_OK});
}

static void on_closed(struct overlay_call *call, const struct engine_result *result) {
	struct restore *r = (struct restore *)call;

	if (overlay_is_yes(result))
		finish(r);
	else
		update_failed(r, result);
}

static struct engine_call *send_close(struct overlay_call *call, struct engine *e, struct engine_cb cb) {
	const struct restore *r = (struct restore *)call;
	CLEANUP_JSON json_t *wanted = json_deep_copy(r->spec);

	json_set_str(wanted, "Availability", json_str_or(r->record, "spec.Availability", "active"));
	return engine_update_node(e, r->node_id, r->version, wanted, cb);
}

static void on_last_look(struct overlay_call *call, const struct engine_result *result) {
	struct restore *r = (struct restore *)call;

	if (!overlay_is_yes(result)) {
		restore_again(r, result->err.msg);
		return;
	}
	take_spec(r, result->node);
	if (strcmp(availability_of(r->spec), json_str_or(r->record, "spec.Availability", "active")) == 0)
		finish(r);
	else
		overlay_ask_managers(call, send_close, on_closed);
}

static struct engine_call *send_inspect_node(struct overlay_call *call, struct engine *e, struct engine_cb cb) {
	return engine_inspect_node(e, ((struct restore *)call)->node_id, cb);
}

void restore_close(struct restore *r) { overlay_ask_managers(&r->call, send_inspect_node, on_last_look); }

/* The look. */

static void on_member(struct overlay_call *call, const struct engine_result *result) {
	struct restore *r = (struct restore *)call;

	if (overlay_is_yes(result) && strcmp(r->state, "active") == 0)
		settle(r, result->node);
	else if (overlay_is_gone(result) && is_removed_one(r, r->node_id))
		leave(r);
	else if (overlay_is_gone(result))
		overlay_fail(call, OVERLAY_REFUSED, "%s is in a swarm as node %.64s, which the managers here do not know", r->node,
			     r->node_id);
	else if (overlay_is_yes(result))
		restore_again(r, "the node's swarm membership is not active yet");
	else
		restore_again(r, result->err.msg);
}

static void decide(struct restore *r) {
	if (strcmp(r->state, "locked") == 0)
		overlay_fail(&r->call, OVERLAY_REFUSED, "%s: its swarm is locked and has to be unlocked by an operator", r->node);
	else if (strcmp(r->state, "inactive") == 0)
		join(r);
	else if (*r->node_id)
		overlay_ask_managers(&r->call, send_inspect_node, on_member);
	else if (strcmp(r->state, "error") == 0)
		leave(r);
	else
		restore_again(r, "the node is between two states of its swarm membership");
}

static void on_info(struct overlay_call *call, const struct engine_result *result) {
	struct restore *r = (struct restore *)call;

	if (!overlay_is_yes(result)) {
		overlay_fail(call, OVERLAY_NOT_DONE, "%s", result->err.msg);
		return;
	}
	xstr_replace(&r->state, result->info->swarm.state);
	xstr_replace(&r->node_id, result->info->swarm.node_id);
	xstr_replace(&r->addr, result->info->swarm.node_addr);
	r->control = result->info->swarm.control_available;
	decide(r);
}

static struct engine_call *send_info(struct overlay_call *call, struct engine *e, struct engine_cb cb) {
	(void)call;
	return engine_get_info(e, cb);
}

static void look(struct overlay_call *call) {
	struct restore *r = (struct restore *)call;

	overlay_ask(call, r->engine, span_sec(ENGINE_SECONDS), send_info, on_info);
}

static void first(struct overlay_call *call) {
	struct restore *r = (struct restore *)call;

	r->engine = call->cluster->engine(call->cluster->ctx, r->node);
	if (!r->record)
		overlay_fail(call, OVERLAY_REFUSED, "%s: %s", r->node, r->bad.msg);
	else if (!r->engine)
		overlay_fail(call, OVERLAY_REFUSED, "there is no engine of node %s", r->node);
	else
		look(call);
}

struct overlay_call *restore_begin(struct overlay_cluster *c, const char *node, const char *record, overlay_done_fn *done,
				   void *ctx) {
	struct restore *r = overlay_call_new(sizeof(*r), c, span_sec(RESTORE_SECONDS), done, ctx, clear, first);

	r->node = xstrdup(node);
	(void)record_parse(record, &r->record, &r->bad); /* the first step tells */
	return &r->call;
}
