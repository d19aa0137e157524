/* See view.h. */
#include "daemon/view.h"

#include "base/alloc.h"
#include "daemon/discovery.h"

#include <stdio.h>
#include <string.h>

static void set_time(json_t *j, const char *key, struct wall t) {
	char text[WALL_TEXT_MAX];
	json_set_str(j, key, t.ms ? wall_format(t, text) : NULL);
}

static void set_seconds(json_t *j, const char *key, double s) {
	json_object_set_new(j, key, s < 0 ? json_null() : json_real((double)(int64_t)(s * 1000 + 0.5) / 1000));
}

static json_t *net(const struct world_net *n) {
	json_t *j = json_object();

	json_set_str(j, "name", n->name);
	json_set_str(j, "ip", n->ip);
	json_set_str(j, "ip6", n->ip6);
	json_set_str(j, "mac", n->mac);
	return j;
}

static json_t *brake(const struct daemon *d) {
	const char *reason;
	bool held = resched_brake_holds(d->machine, &reason);

	return json_pack("{s:b, s:s?}", "held", held, "reason", reason);
}

/* ---- takeovers ---- */

static json_t *takeover_nets(const struct takeover *t) {
	json_t *list = json_array();

	for (size_t i = 0; i < t->n_nets; i++) {
		json_t *j = net(&t->nets[i].net);
		/* Not an overlay: another host's bridge has other addresses, there is nothing to keep. */
		bool asked = t->nets[i].net.kind != NET_LOCAL && t->state == TAKEOVER_DONE;
		json_object_set_new(j, "kept", asked ? json_boolean(t->nets[i].kept) : json_null());
		json_array_append_new(list, j);
	}
	return list;
}

static json_t *takeover_steps(const struct takeover *t) {
	json_t *list = json_array();

	for (int s = 0; s < STEP_MAX; s++) {
		const struct takeover_step_record *step = &t->steps[s];
		if (step->outcome == STEP_OUTCOME_NONE)
			continue;
		json_t *j = json_object();
		json_set_str(j, "name", takeover_step_name((enum takeover_step)s));
		json_set_str(j, "outcome", step_outcome_name(step->outcome));
		set_seconds(j, "seconds", span_to_sec(step->took));
		json_set_str(j, "detail", step->detail);
		json_array_append_new(list, j);
	}
	return list;
}

/* What an operator can say to it. */
static json_t *commands(const struct daemon *d, const struct takeover *t) {
	json_t *list = json_array();
	const struct world_node *from = world_node(resched_world(d->machine), t->from);
	bool open = !takeover_is_over(t->state);

	if (t->state != TAKEOVER_NEEDS_OPERATOR && t->state != TAKEOVER_WAITING)
		return list;
	if (open && !t->released && from && from->verdict == NODE_DEAD && !from->confirmed_dead && !from->hold)
		json_array_append_new(list, json_text_or_replaced("heir node confirm-dead %s", t->from));
	if (from && from->hold)
		json_array_append_new(list, json_text_or_replaced("heir node release %s", t->from));
	json_array_append_new(list, json_text_or_replaced("heir takeover retry %s", t->id));
	if (resched_can_abandon(d->machine, t))
		json_array_append_new(list, json_text_or_replaced("heir takeover abandon %s", t->id));
	return list;
}

json_t *view_takeover(const struct daemon *d, const struct takeover *t) {
	json_t *j = json_object();

	json_set_str(j, "id", t->id);
	json_set_str(j, "workload", t->workload);
	json_object_set_new(j, "generation", t->generation ? json_integer(t->generation) : json_null());
	json_set_str(j, "container", t->container);
	json_set_str(j, "from", t->from);
	json_set_str(j, "to", t->to);
	json_set_str(j, "state", takeover_state_name(t->state));
	json_set_str(j, "reason", t->reason);
	json_object_set_new(j, "warnings", json_from_strs(&t->warnings));
	json_object_set_new(j, "rejected", json_from_strs(&t->rejected));
	json_set_str(j, "evidence", evidence_name(t->evidence));
	json_object_set_new(j, "published",
			    t->published == PUBLISHED_NOTHING ? json_null() : json_boolean(t->published == PUBLISHED_YES));
	set_time(j, "started", t->started);
	set_time(j, "finished", t->finished);
	set_seconds(j, "seconds", t->finished.ms ? (double)(t->finished.ms - t->started.ms) / 1000 : -1);
	json_object_set_new(j, "networks", takeover_nets(t));
	json_object_set_new(j, "steps", takeover_steps(t));
	json_object_set_new(j, "commands", commands(d, t));
	return j;
}

json_t *view_takeovers(const struct daemon *d) {
	json_t *list = json_array();
	for (const struct takeover *t = resched_takeovers(d->machine); t; t = t->hh.next)
		json_array_append_new(list, view_takeover(d, t));
	return list;
}

/* ---- containers ---- */

static const char *container_state(const struct daemon *d, const struct world_container *c, const struct workload *w) {
	if (w && !workload_is_owner(w, c->node, c->id)) {
		for (const struct takeover *t = resched_takeovers(d->machine); t; t = t->hh.next)
			if (!takeover_is_over(t->state) && t->new_id && strcmp(t->new_id, c->id) == 0)
				return "staged";
		return "stale";
	}
	const struct world_node *n = world_node(resched_world(d->machine), c->node);
	if (n && n->verdict == NODE_DEAD && c->running)
		return "lost";
	return c->running ? "running" : "stopped";
}

static json_t *container_nets(const struct world_container *c) {
	json_t *list = json_array();

	for (size_t i = 0; i < c->n_nets; i++)
		json_array_append_new(list, net(&c->nets[i]));
	return list;
}

json_t *view_container(const struct daemon *d, const struct world_container *c) {
	const struct workload *w = resched_workload_for(d->machine, c);
	json_t *j = json_object();

	json_set_str(j, "name", c->name);
	json_set_str(j, "id", c->id);
	json_set_str(j, "workload", w ? w->id : NULL);
	json_set_str(j, "node", c->node);
	json_set_str(j, "policy", c->policy.move ? "on-node-failure" : "no");
	json_object_set_new(j, "generation", w ? json_integer(c->generation ? c->generation : 1) : json_null());
	json_set_str(j, "state", container_state(d, c, w));
	json_object_set_new(j, "networks", container_nets(c));
	return j;
}

json_t *view_containers(const struct daemon *d) {
	json_t *list = json_array();
	for (const struct world_container *c = resched_world(d->machine)->containers; c; c = c->hh.next)
		json_array_append_new(list, view_container(d, c));
	return list;
}

const struct world_container *view_find_container(const struct daemon *d, const char *name) {
	const struct world_container *found = NULL;

	for (const struct world_container *c = resched_world(d->machine)->containers; c; c = c->hh.next) {
		bool by_id = strlen(name) >= 12 && strncmp(c->id, name, strlen(name)) == 0;
		if (!by_id && strcmp(c->name, name) != 0)
			continue;
		if (resched_workload_of(d->machine, c->node, c->id))
			return c;
		found = found ? found : c;
	}
	return found;
}

/* ---- nodes ---- */

static const char *node_state(const struct world_node *n) {
	switch (n->verdict) {
	case NODE_ALIVE:
		return n->returning ? "returning" : "alive";
	case NODE_RECOVERING:
		return "returning";
	case NODE_ENGINE_ONLY:
		return n->confirmed_dead ? "dead" : "engine-only";
	case NODE_DEAD:
		return n->seen_by.n && !n->confirmed_dead ? "suspect" : "dead";
	default:
		return "suspect"; /* unknown, at the start: not heard of yet */
	}
}

/* Why nothing goes there: an operator's hold goes before a hold-down. NULL: it is not held. */
static json_t *node_hold(const struct world_node *n) {
	double left = span_to_sec(mono_since(mono_now(), n->held_until));

	if (n->hold)
		return json_text_or_replaced("by an operator: %s", n->hold);
	if (left > 0)
		return json_text_or_replaced("died %u times lately: no target for %.0f s more", n->deaths, left);
	return n->zone_brake ? json_text_or_replaced("nothing is taken over from it: %s", n->zone_brake) : json_null();
}

static json_t *node_brief(const struct daemon *d, const struct daemon_node *n) {
	const struct world *world = resched_world(d->machine);
	const struct world_node *known = world_node(world, n->config->name);
	json_t *j = json_object();
	int64_t containers = 0;

	for (const struct world_container *c = known->containers; c; c = c->next)
		containers++;
	json_set_str(j, "name", known->name);
	json_set_str(j, "url", n->config->url);
	json_set_str(j, "state", node_state(known));
	json_set_str(j, "version", known->facts.version);
	json_set_str(j, "overlay", n->overlay);
	json_object_set_new(j, "containers", json_integer(containers));
	json_set_str(j, "agent", node_agent_state_name(known->agent.state));
	json_object_set_new(j, "hold", node_hold(known));
	return j;
}

json_t *view_nodes(const struct daemon *d) {
	json_t *list = json_array();
	for (size_t i = 0; i < d->n_nodes; i++)
		json_array_append_new(list, node_brief(d, &d->nodes[i]));
	return list;
}

static json_t *node_stale(const struct daemon *d, const char *node) {
	json_t *list = json_array();

	for (const struct workload *w = resched_workloads(d->machine); w; w = w->hh.next)
		for (size_t i = 0; i < w->n_copies; i++) {
			const struct workload_copy *c = &w->copies[i];
			if (strcmp(c->node, node) != 0)
				continue;
			json_t *j = json_object();
			json_set_str(j, "name", c->name);
			json_set_str(j, "id", c->id);
			json_set_str(j, "workload", w->id);
			json_object_set_new(j, "generation", json_integer(c->generation));
			json_set_str(j, "next", clean_row_name(c->row));
			json_array_append_new(list, j);
		}
	return list;
}

static json_t *node_networks(const struct world_node *n) {
	struct strs names = {0};

	for (const struct world_container *c = n->containers; c; c = c->next)
		for (size_t i = 0; i < c->n_nets && c->running; i++)
			strs_add_new(&names, c->nets[i].name);
	json_t *list = json_from_strs(&names);
	strs_clear(&names);
	return list;
}

static json_t *node_agent(const struct world_node *n) {
	json_t *j = json_object(), *wrong = json_array();

	json_set_str(j, "reason", n->agent.reason);
	json_set_str(j, "instance", n->agent.instance);
	json_object_set_new(j, "quarantine", json_from_strs(&n->agent.quarantine));
	for (const struct agent_seat *s = n->agent.seats; s; s = s->hh.next)
		if (s->problem)
			json_array_append_new(wrong, json_text_or_replaced("%s: %s", s->workload, s->problem));
	json_object_set_new(j, "wrong", wrong);
	return j;
}

json_t *view_node(const struct daemon *d, const struct daemon_node *n) {
	const struct world_node *known = world_node(resched_world(d->machine), n->config->name);
	json_t *j = node_brief(d, n), *labels = json_object();
	char api[16];

	snprintf(api, sizeof(api), "1.%d", known->facts.api);
	json_set_str(j, "engine_id", known->facts.engine_id);
	json_set_str(j, "api", known->facts.api ? api : NULL);
	json_object_set_new(j, "swarm",
			    known->facts.swarm_node ? json_pack("{s:s, s:b, s:b, s:s?}", "node", known->facts.swarm_node, "manager",
								known->facts.swarm_manager, "removed", known->removed,
								"availability", known->availability)
						    : json_null());
	for (size_t i = 0; i < n->config->label_count; i++)
		json_set_str(labels, n->config->labels[i].key, n->config->labels[i].value);
	json_set_str(j, "vtep", known->facts.vtep);
	json_object_set_new(j, "agent_detail", n->agent ? node_agent(known) : json_null());
	json_object_set_new(j, "labels", labels);
	json_object_set_new(j, "networks", node_networks(known));
	json_object_set_new(j, "stale", node_stale(d, known->name));
	json_set_str(j, "reason", known->reason);
	set_seconds(j, "since_seconds", known->since.ns ? span_to_sec(mono_since(known->since, mono_now())) : -1);
	double held = span_to_sec(mono_since(mono_now(), known->held_until));
	set_seconds(j, "held_down_seconds", held > 0 ? held : -1);
	set_time(j, "since",
		 known->since.ns ? (struct wall){wall_now().ms - span_to_ms(mono_since(known->since, mono_now()))}
				 : (struct wall){0});
	return j;
}

/* ---- status ---- */

static void count(json_t *counts, const char *key) {
	json_object_set_new(counts, key, json_integer(json_int_or(counts, key, 0) + 1));
}

static json_t *warnings(const struct daemon *d) {
	json_t *list = json_array();

	for (size_t i = 0; i < d->n_nodes; i++) {
		const struct world_node *n = world_node(resched_world(d->machine), d->nodes[i].config->name);
		if (n->verdict == NODE_ENGINE_ONLY)
			json_array_append_new(list, json_text_or_replaced("%s: its engine is silent, its host answers: %s", n->name,
									  n->reason ? n->reason : ""));
		if (d->nodes[i].warned)
			json_array_append_new(
				list, json_text_or_replaced("%s: its engine gives unusable answers (see the log)", n->name));
	}
	for (size_t i = 0; i < d->n_nodes; i++) {
		const struct world_node *n = world_node(resched_world(d->machine), d->nodes[i].config->name);
		if (d->nodes[i].agent && n->agent.state != NODE_AGENT_OK && n->verdict == NODE_ALIVE)
			json_array_append_new(list, json_text_or_replaced("%s: its agent is %s: %s", n->name,
									  node_agent_state_name(n->agent.state),
									  n->agent.reason ? n->agent.reason : "not heard of yet"));
		for (size_t k = 0; k < d->nodes[i].agent_contested.n; k++)
			json_array_append_new(
				list, json_text_or_replaced(
					      "%s: something keeps changing its kernel's rows for %s, and its agent has given up",
					      n->name, d->nodes[i].agent_contested.v[k]));
		if (n->verdict == NODE_DEAD && n->seen_by.n)
			json_array_append_new(
				list, json_text_or_replaced("%s: only we do not reach it, %s does (%s): nothing is taken over",
							    n->name, n->seen_by.v[0], n->seen_how ? n->seen_how : "?"));
	}
	for (size_t i = 0; i < d->n_nodes; i++) {
		const struct world_node *n = world_node(resched_world(d->machine), d->nodes[i].config->name);
		if (n->hold)
			json_array_append_new(
				list,
				json_text_or_replaced("%s is held by an operator (%s): nothing is moved there, and nothing is "
						      "taken over from there",
						      n->name, n->hold));
		if (n->zone_brake)
			json_array_append_new(
				list, json_text_or_replaced("%s: nothing is taken over from there: %s", n->name, n->zone_brake));
	}
	if (daemon_is_held_up(d))
		json_array_append_new(
			list, json_text_or_replaced("heird is held up on this host: %lld heartbeats so far could not be judged, so "
						    "dead nodes are found late",
						    (long long)prober_stats(d->prober)->dropped));
	discovery_view_warnings(d, list);
	return list;
}

/* Since the start; late: sent more than a quarter of the interval after their time; dropped: see prober_stats. */
static json_t *heartbeats(const struct daemon *d) {
	const struct prober_stats *stats = prober_stats(d->prober);

	return json_pack("{s:I, s:I, s:I, s:I, s:I}", "sent", (json_int_t)stats->sent, "answered", (json_int_t)stats->answered,
			 "missed", (json_int_t)stats->missed, "dropped", (json_int_t)stats->dropped, "late",
			 (json_int_t)stats->late);
}

json_t *view_status(const struct daemon *d) {
	static const char *const node_keys[] = {"alive", "suspect", "engine-only", "dead", "returning"};
	static const char *const takeover_keys[] = {"running", "waiting", "needs_operator", "done", "rolled_back", "failed"};
	json_t *j = json_object(), *nodes = json_object(), *takeovers = json_object();

	for (size_t i = 0; i < sizeof(node_keys) / sizeof(node_keys[0]); i++)
		json_object_set_new(nodes, node_keys[i], json_integer(0));
	for (size_t i = 0; i < sizeof(takeover_keys) / sizeof(takeover_keys[0]); i++)
		json_object_set_new(takeovers, takeover_keys[i], json_integer(0));
	for (size_t i = 0; i < d->n_nodes; i++)
		count(nodes, node_state(world_node(resched_world(d->machine), d->nodes[i].config->name)));
	for (const struct takeover *t = resched_takeovers(d->machine); t; t = t->hh.next)
		count(takeovers, t->state == TAKEOVER_NEEDS_OPERATOR ? "needs_operator"
				 : t->state == TAKEOVER_ROLLED_BACK  ? "rolled_back"
								     : takeover_state_name(t->state));
	json_set_str(j, "version", HEIR_VERSION);
	json_set_str(j, "cluster", d->config->cluster);
	json_object_set_new(j, "epoch", json_integer(store_epoch(d->store)));
	const char *trouble = journal_trouble(d->journal);
	json_object_set_new(j, "store", trouble ? json_text_or_replaced("failing: %s", trouble) : json_string("ok"));
	json_object_set_new(j, "brake", brake(d));
	json_object_set_new(j, "nodes", nodes);
	json_object_set_new(j, "takeovers", takeovers);
	json_object_set_new(j, "heartbeats", heartbeats(d));
	json_object_set_new(j, "warnings", warnings(d));
	return j;
}

json_t *view_rejected(const struct strs *lines) {
	json_t *list = json_array();

	for (size_t i = 0; i < lines->n; i++) {
		const char *colon = strstr(lines->v[i], ": ");
		if (colon)
			json_array_append_new(list, json_pack("{s:s%, s:s}", "node", lines->v[i], (size_t)(colon - lines->v[i]),
							      "reason", colon + 2));
	}
	return list;
}

/* ---- log ---- */

json_t *view_log_row(const struct store_log_row *row) {
	json_t *j = json_object();

	set_time(j, "time", row->time);
	json_set_str(j, "takeover", row->takeover);
	json_set_str(j, "container", row->container);
	json_set_str(j, "network", row->network);
	json_set_str(j, "ip", row->ip);
	json_set_str(j, "mac", row->mac);
	json_set_str(j, "from", row->from_node);
	json_set_str(j, "to", row->to_node);
	json_set_str(j, "step", row->step);
	json_set_str(j, "outcome", row->outcome);
	json_set_str(j, "evidence", row->evidence);
	set_seconds(j, "seconds", row->seconds);
	json_set_str(j, "detail", row->detail);
	return j;
}
