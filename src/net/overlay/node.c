/* Taking a dead node out of its swarm: the blunt way to free the addresses of its containers, all of them, used only where no
 * control socket can be reached and the configuration allows it. What the node needs to come back is on disk before anything
 * changes.
 *
 *   inspect ─▶ record ─▶ (a manager: quorum? ─▶ demote) ─▶ remove ─▶ see ─▶ done
 *      ▲                                       │             │
 *      └──────────── out of date ──────────────┴── not yet ──┘
 *
 * Done is when the swarm's list says that the copies hold nothing any more.
 *
 * Every step may be repeated: what a crash or a lost answer left behind is seen by the inspection. */
#include "net/overlay/swarm-internal.h"

#include "base/alloc.h"
#include "net/overlay/record.h"

#include <string.h>

static void inspect(struct overlay_call *call);

/* Quorum. */

struct quorum {
	size_t managers, others; /* others: reachable and not the node */
};

static struct quorum count_managers(const struct engine_result *result, const char *swarm_node) {
	struct quorum q = {0};

	for (size_t i = 0; i < result->n; i++) {
		const struct engine_swarm_node *n = &result->nodes[i];
		if (*n->reachability == '\0')
			continue;
		q.managers++;
		if (strcmp(n->id, swarm_node) != 0 && strcmp(n->reachability, "reachable") == 0)
			q.others++;
	}
	return q;
}

/* The demotion itself is agreed on by those who are managers now, the node included. */
static bool survives(struct quorum q) { return 2 * q.others > q.managers; }

static struct engine_call *send_list_nodes(struct overlay_call *call, struct engine *e, struct engine_cb cb) {
	(void)call;
	return engine_list_nodes(e, cb);
}

static bool is_manager(const json_t *spec) { return strcmp(json_str_or(spec, "Role", ""), "manager") == 0; }

/* The check. */

static void on_check_nodes(struct overlay_call *call, const struct engine_result *result) {
	struct swarm_call *s = (struct swarm_call *)call;

	if (!overlay_is_yes(result)) {
		overlay_fail(call, OVERLAY_NOT_DONE, "%s", result->err.msg);
		return;
	}
	struct quorum q = count_managers(result, s->swarm_node);
	if (!survives(q)) {
		overlay_fail(call, OVERLAY_MISSING,
			     "%s, and %s cannot be removed from the swarm: with it, %zu of %zu managers are left, no quorum",
			     s->last, s->node ? s->node : s->swarm_node, q.others, q.managers);
		return;
	}
	overlay_finish(call, (struct overlay_result){.outcome = OVERLAY_OK, .by_node_removal = true});
}

void node_removal_check(struct swarm_call *s, const char *why_not) {
	if (!s->call.cluster->remove_node) {
		overlay_fail(&s->call, OVERLAY_MISSING, "%s and swarm.remove_node is off", why_not);
		return;
	}
	if (!s->swarm_node) {
		overlay_fail(&s->call, OVERLAY_MISSING, "%s and it is not known which swarm node %s is", why_not,
			     s->node ? s->node : "it");
		return;
	}
	if (!is_manager(s->spec)) {
		overlay_finish(&s->call, (struct overlay_result){.outcome = OVERLAY_OK, .by_node_removal = true});
		return;
	}
	xstr_replace(&s->last, why_not);
	overlay_ask_managers(&s->call, send_list_nodes, on_check_nodes);
}

/* The removal. */

/* Only the DELETE frees addresses: unless one may have worked, nothing has changed that matters. */
static void give_up(struct swarm_call *s) {
	overlay_fail(&s->call, s->removal_sent ? OVERLAY_UNKNOWN : OVERLAY_NOT_DONE, "%s", s->last ? s->last : "no time left");
}

static void again(struct swarm_call *s, const char *why) {
	xstr_replace(&s->last, why);
	if (overlay_is_late(&s->call))
		give_up(s);
	else
		overlay_later(&s->call, span_ms(300), inspect);
}

static void finish_removed(struct swarm_call *s) {
	overlay_say(&s->call, "swarm node %.64s of %s removed in %.2f s, %zu attachments recorded", s->swarm_node,
		    s->node ? s->node : "the old host", span_to_sec(mono_since(s->call.started, mono_now())),
		    json_array_size(s->attachments));
	overlay_finish(&s->call, (struct overlay_result){.outcome = OVERLAY_OK});
}

/* Its tasks become orphans at once, and their addresses are free when these are swept away, a moment later. */

static void see_freed(struct overlay_call *call);

static bool is_ours(const struct swarm_call *s, const struct engine_task *task) {
	for (size_t i = 0; i < s->n_removals; i++) {
		if (strcmp(s->removals[i].task, task->id) == 0)
			return true;
	}
	return false;
}

static void on_tasks(struct overlay_call *call, const struct engine_result *result) {
	struct swarm_call *s = (struct swarm_call *)call;
	size_t left = 0;

	for (size_t i = 0; overlay_is_yes(result) && i < result->n; i++)
		left += swarm_task_is_live(&result->tasks[i]) && is_ours(s, &result->tasks[i]) ? 1 : 0;
	if (overlay_is_yes(result) && left == 0)
		finish_removed(s);
	else if (overlay_is_late(call))
		overlay_fail(call, OVERLAY_UNKNOWN, "the swarm has not let go of the addresses of the removed node yet");
	else
		overlay_later(call, span_ms(50), see_freed);
}

static struct engine_call *send_list_tasks(struct overlay_call *call, struct engine *e, struct engine_cb cb) {
	(void)call;
	return engine_list_attachments(e, cb);
}

static void see_freed(struct overlay_call *call) { overlay_ask_managers(call, send_list_tasks, on_tasks); }

/* A node that is still "ready" is refused by some versions in spite of force; a demotion takes a moment to reach raft. */
static bool is_not_yet(const struct engine_result *result) {
	return overlay_refused_with(result, "is not down") || overlay_refused_with(result, "demoted") ||
	       overlay_refused_with(result, "raft cluster") || overlay_refused_with(result, "out of sequence");
}

static void on_removed(struct overlay_call *call, const struct engine_result *result) {
	struct swarm_call *s = (struct swarm_call *)call;

	s->removal_sent = s->removal_sent || result->outcome == ENGINE_UNKNOWN;
	if (overlay_is_yes(result) || overlay_is_gone(result))
		see_freed(call);
	else if (result->outcome != ENGINE_REFUSED || is_not_yet(result))
		again(s, result->err.msg);
	else
		overlay_fail(call, s->removal_sent ? OVERLAY_UNKNOWN : OVERLAY_REFUSED, "%s", result->err.msg);
}

static struct engine_call *send_remove(struct overlay_call *call, struct engine *e, struct engine_cb cb) {
	return engine_remove_node(e, ((struct swarm_call *)call)->swarm_node, true, cb);
}

static void on_demoted(struct overlay_call *call, const struct engine_result *result) {
	struct swarm_call *s = (struct swarm_call *)call;

	if (overlay_is_yes(result))
		overlay_ask_managers(call, send_remove, on_removed);
	else if (result->outcome != ENGINE_REFUSED || is_not_yet(result))
		again(s, result->err.msg);
	else
		overlay_fail(call, OVERLAY_REFUSED, "%s", result->err.msg);
}

static json_t *demoted_spec(const json_t *spec) {
	json_t *j = json_deep_copy(spec), *labels = json_object_get(j, "Labels");

	if (!json_is_object(labels)) {
		labels = json_object();
		json_object_set_new(j, "Labels", labels);
	}
	json_set_str(labels, RECORD_ROLE_LABEL, "manager");
	json_set_str(j, "Role", "worker");
	return j;
}

static struct engine_call *send_demote(struct overlay_call *call, struct engine *e, struct engine_cb cb) {
	const struct swarm_call *s = (struct swarm_call *)call;
	CLEANUP_JSON json_t *spec = demoted_spec(s->spec);

	return engine_update_node(e, s->swarm_node, s->version, spec, cb);
}

static void on_quorum(struct overlay_call *call, const struct engine_result *result) {
	struct swarm_call *s = (struct swarm_call *)call;

	if (!overlay_is_yes(result)) {
		again(s, result->err.msg);
		return;
	}
	struct quorum q = count_managers(result, s->swarm_node);
	if (!survives(q))
		overlay_fail(call, OVERLAY_REFUSED,
			     "%s cannot be removed from the swarm: with it, %zu of %zu managers are left, no quorum",
			     s->node ? s->node : s->swarm_node, q.others, q.managers);
	else
		overlay_ask_managers(call, send_demote, on_demoted);
}

static void demote_or_remove(struct swarm_call *s) {
	if (is_manager(s->spec))
		overlay_ask_managers(&s->call, send_list_nodes, on_quorum);
	else
		overlay_ask_managers(&s->call, send_remove, on_removed);
}

static void on_recorded(struct overlay_call *call, int result) {
	struct swarm_call *s = (struct swarm_call *)call;

	if (result < 0) {
		overlay_fail(call, OVERLAY_NOT_DONE, "what %s needs to come back could not be written: %s", s->node,
			     strerror(-result));
		return;
	}
	s->remembered = true;
	demote_or_remove(s);
}

static void on_node(struct overlay_call *call, const struct engine_result *result) {
	struct swarm_call *s = (struct swarm_call *)call;

	if (overlay_is_gone(result)) {
		see_freed(call);
		return;
	}
	if (!overlay_is_yes(result)) {
		again(s, result->err.msg);
		return;
	}
	json_decref(s->spec);
	s->spec = json_incref(result->node->spec);
	s->version = result->node->version;
	if (s->remembered) {
		demote_or_remove(s);
		return;
	}
	CLEANUP_JSON json_t *record = record_new(s->node, s->swarm_node, s->spec, s->attachments);
	overlay_remember(call, s->node, record, on_recorded);
}

static struct engine_call *send_inspect(struct overlay_call *call, struct engine *e, struct engine_cb cb) {
	return engine_inspect_node(e, ((struct swarm_call *)call)->swarm_node, cb);
}

static void inspect(struct overlay_call *call) { overlay_ask_managers(call, send_inspect, on_node); }

void node_removal_begin(struct swarm_call *s) {
	if (!s->node) {
		overlay_fail(&s->call, OVERLAY_MISSING, "it is not known which node the copies are on");
		return;
	}
	inspect(&s->call);
}
