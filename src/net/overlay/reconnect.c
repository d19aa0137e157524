/* The attachments of a restored node: every container of the record that still exists on its engine is connected to its networks
 * again, with its address and aliases. Containers go in parallel, the networks of one in turn; before each change the container is
 * inspected, so that what was done before an interruption is not done again. What fails is tried again in rounds: a worker that has
 * just joined does not know the networks at once. */
#include "net/overlay/restore-internal.h"

#include "base/alloc.h"

#include <errno.h>
#include <string.h>

#define INSPECT_SECONDS 15
#define CONNECT_SECONDS 40 /* an address that is taken is refused after 20 s */
#define DEAF_LOOKS 20
#define AT_ONCE 4
#define TRIES 6 /* rounds in which a container fails before its failure is the answer */

static void inspect(struct seat *seat);
static void run_round(struct overlay_call *call);

void reconnect_clear(struct restore *r) {
	for (size_t i = 0; i < r->n_seats; i++)
		engine_call_free(r->seats[i].asked);
	free(r->seats);
	r->seats = NULL;
	r->n_seats = 0;
	json_decref(r->containers);
	json_decref(r->held);
	r->containers = r->held = NULL;
	free(TAKE_PTR(r->used));
}

/* The end. An engine that leaves may fail to close its gossip port (26.1: "timeout waiting for leave broadcast"). It then joins, is
 * Ready, attaches containers, and hears nothing of where the others are: no traffic passes, and only its restart helps. It shows in
 * the network's list of peers, where the engine is missing itself. */

static void see_gossip(struct overlay_call *call);

static void on_peers(struct overlay_call *call, const struct engine_result *result) {
	struct restore *r = (struct restore *)call;

	if (overlay_is_yes(result) && result->network->n_peers > 0)
		restore_close(r);
	else if (!overlay_is_yes(result) && !overlay_is_gone(result))
		restore_again(r, result->err.msg);
	else if (++r->deaf < DEAF_LOOKS)
		overlay_later(call, span_ms(500), see_gossip);
	else
		overlay_fail(
			call, OVERLAY_NOT_DONE,
			"%s is a member again, but its engine takes no part in the gossip of network %s and has to be restarted "
			"(its port 7946 was probably not let go when it left)",
			r->node, r->used);
}

static struct engine_call *send_network(struct overlay_call *call, struct engine *e, struct engine_cb cb) {
	return engine_inspect_network(e, ((struct restore *)call)->used, cb);
}

static void see_gossip(struct overlay_call *call) {
	overlay_ask(call, ((struct restore *)call)->engine, span_sec(INSPECT_SECONDS), send_network, on_peers);
}

static void finish(struct restore *r) {
	for (size_t i = 0; i < r->n_seats; i++) {
		if (!r->seats[i].done) {
			overlay_fail(&r->call, OVERLAY_NOT_DONE, "%s", r->seats[i].err.msg);
			return;
		}
	}
	if (r->used)
		see_gossip(&r->call);
	else
		restore_close(r);
}

static bool is_hopeless(const struct restore *r) {
	for (size_t i = 0; i < r->n_seats; i++) {
		if (!r->seats[i].done && r->seats[i].tries < TRIES)
			return false;
	}
	return true;
}

static void start_seats(struct restore *r) {
	for (size_t i = 0; i < r->n_seats && r->running < AT_ONCE; i++) {
		if (!r->seats[i].done && !r->seats[i].asked && r->seats[i].err.code == 0) {
			r->running++;
			inspect(&r->seats[i]);
		}
	}
}

/* The seat has nothing under way: another takes its turn, and the last one ends the round. */
static void seat_ended(struct seat *seat) {
	struct restore *r = seat->of;

	r->running--;
	start_seats(r);
	if (r->running > 0)
		return;
	if (r->open && !restore_is_active(r))
		restore_again(r, "the node is not active, nothing can be attached to it");
	else if (is_hopeless(r) || overlay_is_late(&r->call))
		finish(r);
	else
		overlay_later(&r->call, span_sec(1), run_round);
}

static void seat_done(struct seat *seat) {
	seat->done = true;
	seat_ended(seat);
}

static void seat_failed(struct seat *seat, const struct err *err) {
	seat->tries++;
	seat->err = *err;
	seat_ended(seat);
}

static void run_round(struct overlay_call *call) {
	struct restore *r = (struct restore *)call;

	for (size_t i = 0; i < r->n_seats; i++)
		r->seats[i].err = (struct err){0}, r->seats[i].changes = 0;
	start_seats(r);
}

/* What is to be done about one network of a container. */

enum act { ACT_NONE, ACT_DISCONNECT, ACT_CONNECT };

static const char *want_of(const json_t *network, const char *key) { return json_str_or(network, key, ""); }

static bool holds(const json_t *attachment, const char *ip) {
	size_t i, n = strlen(ip);
	json_t *value;

	json_array_foreach (json_object_get(attachment, "addresses"), i, value) {
		const char *text = json_string_value(value);
		if (text && n > 0 && strncmp(text, ip, n) == 0 && (text[n] == '/' || text[n] == '\0'))
			return true;
	}
	return false;
}

/* Another container that has the address now; borrowed. */
static const char *taken_by(const struct seat *seat, const char *name, const json_t *network) {
	const char *ip = want_of(network, "ip"), *ip6 = want_of(network, "ip6");
	json_t *a;
	size_t i;

	json_array_foreach (seat->of->held, i, a) {
		if (strcmp(json_str_or(a, "network", ""), name) != 0 || strcmp(json_str_or(a, "container", ""), seat->id) == 0)
			continue;
		if (holds(a, ip) || holds(a, ip6))
			return json_str_or(a, "container", "");
	}
	return NULL;
}

static bool is_same_or_any(const char *wanted, const char *actual) { return *wanted == '\0' || strcmp(wanted, actual) == 0; }

static enum act judge_running(const struct engine_endpoint *e) {
	if (!e)
		return ACT_CONNECT;
	return *e->endpoint_id ? ACT_NONE : ACT_DISCONNECT; /* connected in name only */
}

static enum act judge_stopped(const struct engine_endpoint *e, const json_t *network) {
	return e && is_same_or_any(want_of(network, "ip"), e->ipam_ip) ? ACT_NONE : ACT_CONNECT; /* replaces its settings */
}

static void note(struct restore *r, char *text) {
	strs_add_new(&r->notes, text);
	free(text);
}

static enum act judge(struct seat *seat, const struct engine_container *c, const char *name, const json_t *network) {
	const struct engine_endpoint *e = engine_container_endpoint(c, name);
	const char *ip = want_of(network, "ip");
	enum act act = c->running ? judge_running(e) : judge_stopped(e, network);

	if (act == ACT_NONE && c->running && !is_same_or_any(ip, e->ip))
		note(seat->of, xasprintf("%s is on %s with %s already, instead of %s", seat->name, name, e->ip, ip));
	if (act == ACT_NONE && c->running)
		xstr_replace(&seat->of->used, name);
	if (act == ACT_NONE)
		return act;
	const char *other = taken_by(seat, name, network);
	if (!other)
		return act;
	note(seat->of, xasprintf("%s stays off %s: %s is held by %.12s", seat->name, name, *ip ? ip : "its address", other));
	return ACT_NONE;
}

/* Without the inspection before the leave it is not known what a stopped container had, or whether it is a copy put away. */
static bool is_ours(const struct restore *r, const struct engine_container *c) {
	return c->running || record_is_enriched(r->record);
}

static void on_connected(void *ctx, const struct engine_result *result) {
	struct seat *seat = ctx;

	seat->asked = NULL;
	if (result->outcome != ENGINE_OK) {
		seat_failed(seat, &result->err);
		return;
	}
	seat->of->connected++;
	inspect(seat);
}

static void on_disconnected(void *ctx, const struct engine_result *result) {
	struct seat *seat = ctx;

	seat->asked = NULL;
	if (result->outcome != ENGINE_OK)
		seat_failed(seat, &result->err);
	else
		inspect(seat);
}

static void perform(struct seat *seat, enum act act, const char *name, const json_t *network) {
	struct restore *r = seat->of;
	CLEANUP_JSON json_t *endpoint = record_endpoint(network);
	struct engine_cb cb = {act == ACT_CONNECT ? on_connected : on_disconnected, seat,
			       overlay_at_most(&r->call, span_sec(CONNECT_SECONDS))};

	if (act == ACT_CONNECT)
		seat->asked = engine_connect_network(r->engine, name, seat->id, endpoint, cb);
	else
		seat->asked = engine_disconnect_network(r->engine, name, seat->id, true, cb);
}

/* An engine that says yes to a change and shows the same as before would be asked for ever. */
static void change(struct seat *seat, enum act act, const char *name, const json_t *network) {
	struct err err;

	if (!restore_is_active(seat->of)) {
		seat->of->open = true;
		err_set(&err, -EAGAIN, "%s: %s has to be connected to %s first", seat->of->node, seat->name, name);
	} else if (seat->changes++ > 2 * json_object_size(seat->networks)) {
		err_set(&err, -EIO, "%s: %s does not show what was changed about network %s", seat->of->node, seat->name, name);
	} else {
		perform(seat, act, name, network);
		return;
	}
	seat_failed(seat, &err);
}

static void on_inspected(void *ctx, const struct engine_result *result) {
	struct seat *seat = ctx;
	const char *name;
	json_t *network;

	seat->asked = NULL;
	if (!overlay_is_yes(result) && !overlay_is_gone(result)) {
		seat_failed(seat, &result->err);
		return;
	}
	if (!result->container || !is_ours(seat->of, result->container)) {
		seat_done(seat);
		return;
	}
	json_object_foreach (seat->networks, name, network) {
		enum act act = judge(seat, result->container, name, network);
		if (act != ACT_NONE) {
			change(seat, act, name, network);
			return;
		}
	}
	seat_done(seat);
}

static void inspect(struct seat *seat) {
	struct restore *r = seat->of;
	struct engine_cb cb = {on_inspected, seat, overlay_at_most(&r->call, span_sec(INSPECT_SECONDS))};

	seat->asked = engine_inspect_container(r->engine, seat->id, cb);
}

/* The beginning. */

static json_t *held_now(const struct engine_result *result) {
	json_t *list = json_array();

	for (size_t i = 0; i < result->n; i++) {
		const struct engine_task *t = &result->tasks[i];
		for (size_t k = 0; strcmp(t->state, "running") == 0 && k < t->n_attachments; k++)
			json_array_append_new(list, record_attachment(t->container_id, &t->attachments[k]));
	}
	return list;
}

static void make_seats(struct restore *r) {
	const char *id;
	json_t *c;

	if (record_is_enriched(r->record))
		r->containers = json_incref(json_object_get(r->record, "containers"));
	else
		r->containers = record_containers_of_attachments(r->record);
	r->seats = xnew_n(struct seat, json_object_size(r->containers) + 1);
	json_object_foreach (r->containers, id, c)
		r->seats[r->n_seats++] = (struct seat){
			.of = r, .id = id, .name = json_str_or(c, "name", id), .networks = json_object_get(c, "networks")};
}

static void on_tasks(struct overlay_call *call, const struct engine_result *result) {
	struct restore *r = (struct restore *)call;

	if (!overlay_is_yes(result)) {
		restore_again(r, result->err.msg);
		return;
	}
	reconnect_clear(r);
	r->held = held_now(result);
	make_seats(r);
	if (r->n_seats == 0)
		finish(r);
	else
		start_seats(r);
}

static struct engine_call *send_list_tasks(struct overlay_call *call, struct engine *e, struct engine_cb cb) {
	(void)call;
	return engine_list_attachments(e, cb);
}

void reconnect_begin(struct restore *r) { overlay_ask_managers(&r->call, send_list_tasks, on_tasks); }
