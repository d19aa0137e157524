/* Service discovery as the API shows it: wanted beside actual, and how each system is. */
#include "daemon/discovery.h"

#include "base/alloc.h"
#include "base/json.h"

#include <string.h>

/* ---- entries ---- */

static json_t *side(const struct discovery_entry *e) {
	if (!e)
		return json_null();
	json_t *j = json_object();
	json_set_str(j, "address", e->address);
	json_set_str(j, "address6", e->address6);
	json_object_set_new(j, "port", e->port ? json_integer(e->port) : json_null());
	json_object_set_new(j, "generation", json_integer(e->generation));
	json_set_str(j, "node", e->node);
	json_object_set_new(j, "tags", json_from_strs(&e->tags));
	json_object_set_new(j, "host", json_boolean(e->host));
	return j;
}

static void set_time(json_t *j, const char *key, struct wall t) {
	char text[WALL_TEXT_MAX];
	json_set_str(j, key, t.ms ? wall_format(t, text) : NULL);
}

struct viewing {
	json_t *list;
	const struct publisher *publisher;
	bool problems_only, differ;
};

static void view_entry(void *ctx, const struct publisher_view *v) {
	struct viewing *to = ctx;
	const struct discovery_entry *e = v->wanted ? v->wanted : v->actual;

	to->differ |= v->state != PUBLISHER_OK;
	if (to->problems_only && v->state == PUBLISHER_OK)
		return;
	json_t *j = json_object();
	json_set_str(j, "system", publisher_name(to->publisher));
	json_set_str(j, "kind", publisher_kind(to->publisher));
	json_set_str(j, "key", v->key);
	json_set_str(j, "service", e->service);
	json_set_str(j, "workload", e->workload);
	json_set_str(j, "container", e->container);
	json_set_str(j, "node", e->node);
	json_set_str(j, "state", publisher_state_name(v->state));
	json_object_set_new(j, "wanted", side(v->wanted));
	json_object_set_new(j, "actual", side(v->actual));
	json_set_str(j, "detail", v->detail);
	set_time(j, "since", v->since);
	json_array_append_new(to->list, j);
}

json_t *discovery_view_entries(const struct daemon *d, bool problems_only, bool *ret_differ) {
	struct viewing to = {.list = json_array(), .problems_only = problems_only};

	for (size_t i = 0; (to.publisher = discovery_system(d, i)) != NULL; i++) {
		struct publisher_summary s;
		publisher_summary(to.publisher, &s);
		to.differ |= s.trouble != NULL;
		publisher_each(to.publisher, view_entry, &to);
	}
	*ret_differ = to.differ;
	return to.list;
}

/* ---- systems ---- */

static json_t *system_json(const struct publisher *p) {
	struct publisher_summary s;
	json_t *j = json_object();

	publisher_summary(p, &s);
	const char *state = s.trouble ? "unreachable" : s.compared.ms ? "ok" : "comparing";
	json_set_str(j, "name", publisher_name(p));
	json_set_str(j, "kind", publisher_kind(p));
	json_set_str(j, "state", state);
	json_object_set_new(j, "required", json_boolean(publisher_is_required(p)));
	json_object_set_new(j, "entries", json_integer((json_int_t)s.entries));
	json_object_set_new(j, "differences", json_integer((json_int_t)s.differences));
	json_object_set_new(j, "requests", json_integer(s.requests));
	set_time(j, "compared", s.compared);
	json_set_str(j, "detail", s.trouble);
	return j;
}

json_t *discovery_view_systems(const struct daemon *d, const char *name) {
	json_t *list = json_array();
	const struct publisher *p;

	for (size_t i = 0; (p = discovery_system(d, i)) != NULL; i++)
		if (!name || strcmp(publisher_name(p), name) == 0)
			json_array_append_new(list, system_json(p));
	return list;
}

void discovery_view_warnings(const struct daemon *d, json_t *list) {
	const struct publisher *p;

	for (size_t i = 0; (p = discovery_system(d, i)) != NULL; i++) {
		struct publisher_summary s;
		publisher_summary(p, &s);
		if (s.trouble)
			json_array_append_new(list, json_text_or_replaced("discovery: %s: %s", publisher_name(p), s.trouble));
		else if (s.differences)
			json_array_append_new(
				list, json_text_or_replaced("discovery: %s: %zu differences (`heir discovery ls --problems`)",
							    publisher_name(p), s.differences));
	}
}

/* ---- calls ---- */

static void answer(struct http_call *call, json_t *j) {
	http_call_answer_json(call, 200, j);
	json_decref(j);
}

void discovery_get_entries(struct http_call *call, void *user) {
	bool differ;
	answer(call, discovery_view_entries(user, false, &differ));
}

void discovery_get_systems(struct http_call *call, void *user) { answer(call, discovery_view_systems(user, NULL)); }

struct sync {
	struct daemon *daemon;
	struct http_call *call;
	char *name; /* NULL: all */
};

static void synced(void *user) {
	struct sync *s = user;

	answer(s->call, json_pack("{s:o}", "systems", discovery_view_systems(s->daemon, s->name)));
	free(s->name);
	free(s);
}

/* {"system": "consul"}; without it, or null: all of them. */
void discovery_post_sync(struct http_call *call, void *user) {
	struct daemon *d = user;
	const char *name;
	struct err err;

	if (json_get_str(http_call_body(call), "system", &name, &err) < 0) {
		http_call_fail(call, 400, "%s", err.msg);
		return;
	}
	struct sync *s = xnew(struct sync);
	*s = (struct sync){d, call, xstrdup_null(name)};
	if (discovery_sync(d, s->name, synced, s))
		return;
	http_call_fail(call, 404, "there is no system \"%s\"", s->name);
	free(s->name);
	free(s);
}
