/* `heir explain`: whether one container would be moved, where to and why not elsewhere, and by which rules: its own labels', or
 * else the configuration's. */
#include "daemon/discovery.h"
#include "daemon/view.h"

#include "base/alloc.h"
#include "base/duration.h"

#include <stdio.h>
#include <string.h>

static json_t *duration(struct span d) {
	char text[DURATION_TEXT_MAX];

	duration_format(d, text);
	return json_string(text);
}

/* {"what": …, "value": …, "from": "label heir.delay" or "configuration"} */
static void add_rule(json_t *rules, const char *what, json_t *value, const char *label, const char *meaning) {
	json_t *j = json_object();

	json_set_str(j, "what", what);
	json_object_set_new(j, "value", value);
	json_object_set_new(j, "from", label ? json_text_or_replaced("label %s", label) : json_string("configuration"));
	json_set_str(j, "meaning", meaning);
	json_array_append_new(rules, j);
}

static void add_own_rules(json_t *rules, const struct world_container *c, const struct resched_forecast *f) {
	const struct policy *p = &c->policy;

	add_rule(rules, "fence", json_string(evidence_name(f->demanded)), p->fence ? "heir.fence" : NULL,
		 "the evidence that is demanded before its address is released");
	add_rule(rules, "delay", duration(f->delay), p->has_delay ? "heir.delay" : NULL,
		 "how long its node is lost before it is moved");
	add_rule(rules, "attempts", json_integer(f->attempts), p->attempts ? "heir.attempts" : NULL,
		 "how often it is tried until an operator is asked");
	add_rule(rules, "keep", json_string(f->keeps_oldest ? "oldest" : "newest"), p->keep ? "heir.keep" : NULL,
		 "who has the address when its node is back");
	if (p->volumes_empty)
		add_rule(rules, "volumes", json_string("empty"), "heir.volumes", "it may start elsewhere with empty volumes");
}

/* What it is published as, where discovery is configured. */
static void add_services(json_t *rules, const struct config *c, const struct world_container *of) {
	for (size_t i = 0; i < of->services.n && c->discovery.n_systems; i++) {
		const struct service *s = &of->services.v[i];
		bool host = s->address == SERVICE_UNSAID ? c->discovery.address == CONFIG_SERVICE_HOST : s->address == SERVICE_HOST;
		char label[40];
		snprintf(label, sizeof(label), s->number == 1 ? "heir.service" : "heir.service.%u", s->number);
		add_rule(rules, "service",
			 s->port ? json_text_or_replaced("%s, port %u", s->name ? s->name : of->name, s->port)
				 : json_from_str(s->name ? s->name : of->name),
			 label,
			 host ? "published with its host's address: withdrawn before it is moved, and back with the new host's"
			      : "published with its own address, which stays");
	}
}

static json_t *share(const struct config_share *s) { return json_text_or_replaced("%d%s", s->value, s->percent ? "%" : ""); }

static void add_common_rules(json_t *rules, const struct config *c) {
	char initial[DURATION_TEXT_MAX], cap[DURATION_TEXT_MAX];

	duration_format(c->takeover.backoff_initial, initial);
	duration_format(c->takeover.backoff_cap, cap);
	add_rule(rules, "backoff", json_text_or_replaced("%s to %s", initial, cap), NULL,
		 "between attempts from the third on, doubled each time");
	duration_format(c->on_return.hold_down.initial, initial);
	duration_format(c->on_return.hold_down.cap, cap);
	add_rule(rules, "hold-down", json_text_or_replaced("%s to %s", initial, cap), NULL,
		 "how long a node that died more than once is no target, doubled each time");
	add_rule(rules, "rate",
		 c->takeover.per_minute ? json_text_or_replaced("%d a minute", c->takeover.per_minute) : json_string("any"), NULL,
		 "how many takeovers may find a target");
	add_rule(rules, "parallel", json_text_or_replaced("%d, %d on one node", c->takeover.parallel, c->takeover.per_target), NULL,
		 "how many are under way at once");
	add_rule(rules, "max_lost", share(&c->brake.max_lost), NULL, "nothing is moved while more of the nodes are lost");
	if (c->brake.zone.label)
		add_rule(rules, "max_lost of a zone", share(&c->brake.zone.max_lost), NULL,
			 "nothing is moved from a zone while more of its nodes are lost");
}

static json_t *reasons(const struct daemon *d, const struct world_container *c, const struct resched_forecast *f) {
	json_t *list = json_array();
	const char *unpublished = discovery_complaint(d, c);

	for (size_t i = 0; i < c->blockers.n; i++)
		json_array_append_new(list, json_from_str(c->blockers.v[i]));
	if (f->blocked && c->blockers.n == 0)
		json_array_append_new(list, json_from_str(f->blocked));
	if (f->waits)
		json_array_append_new(list, json_from_str(f->waits));
	if (*c->policy.warning)
		json_array_append_new(list, json_from_str(c->policy.warning));
	if (unpublished)
		json_array_append_new(list, json_from_str(unpublished));
	return list;
}

/* What holds it up at this moment, with its node lost already; NULL. */
static json_t *now(const struct daemon *d, const struct world_container *c, const struct resched_forecast *f) {
	const struct world_node *n = world_node(resched_world(d->machine), c->node);

	if (!n || n->lost_since.ns == 0 || f->delay.ns == 0 || f->blocked || n->confirmed_dead)
		return json_null();
	double left = span_to_sec(f->delay) - span_to_sec(mono_since(n->lost_since, mono_now()));
	return left > 0 ? json_text_or_replaced("%s is lost; it is moved in %.0f s unless it answers before (delay)", n->name, left)
			: json_null();
}

static json_t *takeovers(const struct daemon *d, const struct workload *w) {
	json_t *list = json_array();

	for (const struct takeover *t = resched_takeovers(d->machine); t && w; t = t->hh.next)
		if (strcmp(t->workload, w->id) == 0)
			json_array_append_new(list, view_takeover(d, t));
	return list;
}

json_t *view_explain(struct daemon *d, const struct world_container *c) {
	const struct workload *w = resched_workload_for(d->machine, c);
	struct resched_forecast f;
	json_t *j = json_object(), *rules = json_array();

	resched_forecast(d->machine, mono_now(), c, NULL, 0, &f);
	if (c->policy.move && w) {
		add_own_rules(rules, c, &f);
		add_common_rules(rules, d->config);
	}
	add_services(rules, d->config, c);
	json_set_str(j, "container", c->name);
	json_set_str(j, "workload", w ? w->id : NULL);
	json_set_str(j, "policy", c->policy.move ? "on-node-failure" : "no");
	json_set_str(j, "policy_source", c->policy.source);
	json_object_set_new(j, "movable", json_boolean(!f.blocked));
	json_object_set_new(j, "reasons", reasons(d, c, &f));
	json_object_set_new(j, "now", now(d, c, &f));
	json_object_set_new(j, "rules", rules);
	json_set_str(j, "node", c->node);
	json_object_set_new(j, "generation", w ? json_integer(w->generation) : json_null());
	json_object_set_new(j, "would",
			    json_pack("{s:s?, s:o}", "target", f.choice.target, "rejected", view_rejected(&f.choice.rejected)));
	json_object_set_new(j, "takeovers", takeovers(d, w));
	resched_forecast_clear(&f);
	return j;
}
