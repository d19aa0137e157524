/* See records.h. */
#include "daemon/records.h"

#include "base/alloc.h"
#include "base/mutant.h"

#include <assert.h>
#include <errno.h>
#include <string.h>

char *record_text(const json_t *j) {
	char *text = json_dumps(j, JSON_COMPACT);

	assert(text); /* every string in it has been through jansson before */
	return text;
}

static const char *const kind_names[] = {[NET_LOCAL] = "local", [NET_SWARM] = "swarm", [NET_KV] = "kv"};

/* What is not known is left out: records are written often, and most of a young takeover is not known yet. */
static void set_text(json_t *j, const char *key, const char *text) {
	if (text)
		json_set_str(j, key, text);
}

/* ---- networks ---- */

static json_t *from_net(const struct world_net *n) {
	json_t *j = json_object();
	set_text(j, "name", n->name);
	set_text(j, "id", n->id);
	set_text(j, "ip", n->ip);
	set_text(j, "ip6", n->ip6);
	set_text(j, "mac", n->mac);
	json_object_set_new(j, "kind", json_string(kind_names[n->kind]));
	if (n->aliases.n)
		json_object_set_new(j, "aliases", json_from_strs(&n->aliases));
	return j;
}

json_t *record_from_nets(const struct world_net *nets, size_t n) {
	json_t *list = json_array();
	for (size_t i = 0; i < n; i++)
		json_array_append_new(list, from_net(&nets[i]));
	return list;
}

/* A required string: absent is an error. */
static int must_str(const json_t *j, const char *path, char **ret, struct err *err) {
	const char *s;
	int r = json_get_str(j, path, &s, err);
	if (r < 0)
		return r;
	if (!s)
		return err_set(err, -EINVAL, "%s: missing", path);
	xstr_replace(ret, s);
	return 0;
}

static int may_str(const json_t *j, const char *path, char **ret, struct err *err) {
	const char *s;
	int r = json_get_str(j, path, &s, err);
	if (r == 0)
		xstr_replace(ret, s);
	return r;
}

static int to_kind(const json_t *j, enum net_kind *ret, struct err *err) {
	const char *s = json_str_or(j, "kind", "");
	for (int k = NET_LOCAL; k <= NET_KV; k++)
		if (strcmp(kind_names[k], s) == 0) {
			*ret = (enum net_kind)k;
			return 0;
		}
	return err_set(err, -EINVAL, "kind: unknown \"%.20s\"", s);
}

static int to_net(const json_t *j, struct world_net *ret, struct err *err) {
	int r = must_str(j, "name", &ret->name, err);
	if (r == 0)
		r = may_str(j, "id", &ret->id, err);
	if (r == 0)
		r = may_str(j, "ip", &ret->ip, err);
	if (r == 0)
		r = may_str(j, "ip6", &ret->ip6, err);
	if (r == 0)
		r = may_str(j, "mac", &ret->mac, err);
	if (r == 0)
		r = json_get_strs(j, "aliases", &ret->aliases, err);
	return r == 0 ? to_kind(j, &ret->kind, err) : r;
}

int record_to_nets(const json_t *list, struct world_net **ret, size_t *ret_n, struct err *err) {
	size_t n = json_array_size(list);
	struct world_net *nets = xnew_n(struct world_net, n);

	for (size_t i = 0; i < n; i++) {
		int r = to_net(json_array_get(list, i), &nets[i], err);
		if (r < 0) {
			world_nets_free(nets, n);
			return err_wrap(err, "networks[%zu]", i);
		}
	}
	*ret = nets;
	*ret_n = n;
	return 0;
}

/* ---- takeovers ---- */

static const char *const abort_names[] = {[ABORT_NO] = "no", [ABORT_ROLL_BACK] = "roll-back", [ABORT_FAIL] = "fail"};

static json_t *from_steps(const struct takeover *t) {
	json_t *list = json_array();
	for (int s = 0; s < STEP_MAX; s++) {
		bool begun = t->steps[s].outcome != STEP_OUTCOME_NONE || t->steps[s].took.ns || t->steps[s].detail;
		json_t *j = begun ? json_object() : json_null();
		json_array_append_new(list, j);
		if (!begun)
			continue;
		set_text(j, "outcome", step_outcome_name(t->steps[s].outcome));
		json_object_set_new(j, "ns", json_integer(t->steps[s].took.ns));
		set_text(j, "detail", t->steps[s].detail);
	}
	return list;
}

json_t *record_from_takeover(const struct takeover *t) {
	json_t *j = json_object(), *nets = json_array();

	json_object_set_new(j, "id", json_string(t->id));
	set_text(j, "workload", t->workload);
	set_text(j, "container", t->container);
	json_object_set_new(j, "generation", json_integer(t->generation));
	set_text(j, "from", t->from);
	set_text(j, "to", t->to);
	set_text(j, "old_id", t->old_id);
	set_text(j, "new_id", t->new_id);
	set_text(j, "staged_name", t->staged_name);
	set_text(j, "image_ref", t->image_ref);
	set_text(j, "pinned", t->pinned);
	set_text(j, "restart_policy", t->restart_policy);
	json_object_set_new(j, "planned", json_boolean(t->planned));
	json_object_set_new(j, "state", json_string(takeover_state_name(t->state)));
	json_object_set_new(j, "row", json_string(takeover_row_name(t->row)));
	json_object_set_new(j, "abort", json_string(abort_names[t->abort]));
	json_object_set_new(j, "released", json_boolean(t->released && !MUTANT(RELEASE_NOT_RECORDED)));
	json_object_set_new(j, "fenced", json_boolean(t->fenced));
	json_object_set_new(j, "claimed", json_boolean(t->claimed));
	json_object_set_new(j, "staged", json_boolean(t->staged));
	json_object_set_new(j, "rounds", json_integer(t->rounds));
	json_object_set_new(j, "by_node_removal", json_boolean(t->by_node_removal));
	json_object_set_new(j, "effect_out", json_boolean(t->effect_out));
	set_text(j, "reason", t->reason);
	json_object_set_new(j, "warnings", json_from_strs(&t->warnings));
	json_object_set_new(j, "rejected", json_from_strs(&t->rejected));
	set_text(j, "evidence", evidence_name(t->evidence));
	if (t->published != PUBLISHED_NOTHING)
		json_object_set_new(j, "published", json_boolean(t->published == PUBLISHED_YES));
	json_object_set_new(j, "started_ms", json_integer(t->started.ms));
	json_object_set_new(j, "finished_ms", json_integer(t->finished.ms));
	for (size_t i = 0; i < t->n_nets; i++) {
		json_t *net = from_net(&t->nets[i].net);
		json_object_set_new(net, "kept", json_boolean(t->nets[i].kept));
		json_array_append_new(nets, net);
	}
	json_object_set_new(j, "networks", nets);
	json_object_set_new(j, "steps", from_steps(t));
	return j;
}

static int to_takeover_nets(const json_t *j, struct takeover *t, struct err *err) {
	struct world_net *nets = NULL;
	size_t n = 0;
	const json_t *list = json_at(j, "networks");

	int r = record_to_nets(list, &nets, &n, err);
	if (r < 0)
		return r;
	t->nets = xnew_n(struct takeover_net, n);
	t->n_nets = n;
	for (size_t i = 0; i < n; i++) {
		t->nets[i].net = nets[i]; /* the strings move over */
		t->nets[i].kept = json_bool_or(json_array_get(list, i), "kept", false);
	}
	free(nets);
	return 0;
}

static void to_steps(const json_t *j, struct takeover *t) {
	const json_t *list = json_at(j, "steps");
	for (size_t s = 0; s < STEP_MAX; s++) {
		const json_t *step = json_array_get(list, s);
		t->steps[s].outcome = step_outcome_parse(json_str_or(step, "outcome", ""));
		t->steps[s].took.ns = json_int_or(step, "ns", 0);
		t->steps[s].detail = xstrdup_null(json_str_or(step, "detail", NULL));
	}
}

static int to_takeover_names(const json_t *j, struct takeover *t, struct err *err) {
	const struct {
		const char *key;
		char **to;
	} texts[] = {
		{"from", &t->from},           {"to", &t->to},         {"old_id", &t->old_id},
		{"new_id", &t->new_id},       {"pinned", &t->pinned}, {"staged_name", &t->staged_name},
		{"image_ref", &t->image_ref}, {"reason", &t->reason}, {"restart_policy", &t->restart_policy},
	};
	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		int r = may_str(j, texts[i].key, texts[i].to, err);
		if (r < 0)
			return r;
	}
	if (!t->from)
		return err_set(err, -EINVAL, "from: missing");
	return 0;
}

static int to_takeover_state(const json_t *j, struct takeover *t, struct err *err) {
	const char *abort_name = json_str_or(j, "abort", "no"), *evidence = json_str_or(j, "evidence", NULL);

	t->state = takeover_state_parse(json_str_or(j, "state", ""));
	t->row = takeover_row_parse(json_str_or(j, "row", ""));
	t->evidence = evidence ? evidence_parse(evidence) : EVIDENCE_NONE;
	if (t->state == TAKEOVER_STATE_MAX || t->row == ROW_MAX || t->evidence == EVIDENCE_MAX)
		return err_set(err, -EINVAL, "unknown state, row or evidence");
	for (int a = ABORT_NO; a <= ABORT_FAIL; a++)
		if (strcmp(abort_name, abort_names[a]) == 0) {
			t->abort = (enum takeover_abort)a;
			return 0;
		}
	return err_set(err, -EINVAL, "abort: unknown \"%.20s\"", abort_name);
}

static int to_takeover(const json_t *j, struct takeover *t, struct err *err) {
	const char *id;

	int r = json_get_str(j, "id", &id, err);
	if (r < 0 || !id || !*id || strlen(id) >= sizeof(t->id))
		return r < 0 ? r : err_set(err, -EINVAL, "id: missing or too long");
	memcpy(t->id, id, strlen(id) + 1);
	r = to_takeover_names(j, t, err);
	if (r == 0)
		r = to_takeover_state(j, t, err);
	if (r == 0)
		r = to_takeover_nets(j, t, err);
	if (r == 0)
		r = json_get_strs(j, "warnings", &t->warnings, err);
	if (r == 0)
		r = json_get_strs(j, "rejected", &t->rejected, err);
	if (r < 0)
		return r;
	to_steps(j, t);
	t->generation = (unsigned)json_int_or(j, "generation", 0);
	t->planned = json_bool_or(j, "planned", false);
	t->released = json_bool_or(j, "released", false);
	t->fenced = json_bool_or(j, "fenced", false);
	t->claimed = json_bool_or(j, "claimed", false);
	t->staged = json_bool_or(j, "staged", false);
	t->rounds = (unsigned)json_int_or(j, "rounds", 0);
	t->by_node_removal = json_bool_or(j, "by_node_removal", false);
	t->effect_out = json_bool_or(j, "effect_out", false);
	t->started.ms = json_int_or(j, "started_ms", 0);
	t->finished.ms = json_int_or(j, "finished_ms", 0);
	if (json_is_boolean(json_at(j, "published")))
		t->published = json_bool_or(j, "published", false) ? PUBLISHED_YES : PUBLISHED_NO;
	return 0;
}

int record_to_takeover(const json_t *j, struct takeover **ret, struct err *err) {
	const char *workload = json_str_or(j, "workload", NULL), *container = json_str_or(j, "container", NULL);

	if (!workload || !container)
		return err_set(err, -EINVAL, "workload or container: missing");
	struct takeover *t = takeover_new(workload, container);
	int r = to_takeover(j, t, err);
	if (r < 0) {
		takeover_free(t);
		return r;
	}
	*ret = t;
	return 0;
}

/* ---- workloads ---- */

static json_t *from_copies(const struct workload *w) {
	json_t *list = json_array();
	for (size_t i = 0; i < w->n_copies; i++) {
		const struct workload_copy *c = &w->copies[i];
		json_t *j = json_object();
		json_object_set_new(j, "generation", json_integer(c->generation));
		set_text(j, "node", c->node);
		set_text(j, "id", c->id);
		set_text(j, "name", c->name);
		json_object_set_new(j, "staged", json_boolean(c->staged));
		json_object_set_new(j, "row", json_string(clean_row_name(c->row)));
		json_array_append_new(list, j);
	}
	return list;
}

json_t *record_from_workload(const struct workload *w) {
	json_t *j = json_object();

	set_text(j, "id", w->id);
	set_text(j, "name", w->name);
	json_object_set_new(j, "generation", json_integer(w->generation));
	json_object_set_new(j, "last_generation", json_integer(w->last_generation));
	set_text(j, "node", w->node);
	set_text(j, "container", w->container);
	set_text(j, "origin", w->origin);
	set_text(j, "served_node", w->served.node);
	set_text(j, "served_container", w->served.container);
	if (w->served.node)
		json_object_set_new(j, "served_generation", json_integer(w->served.generation));
	set_text(j, "spec_node", w->spec_node);
	set_text(j, "spec_id", w->spec_id);
	set_text(j, "restart_policy", w->restart_policy);
	json_object_set_new(j, "verified", json_boolean(w->verified));
	json_object_set_new(j, "must_run", json_boolean(w->must_run));
	json_object_set_new(j, "gone", json_boolean(w->gone));
	json_object_set_new(j, "orphan", json_boolean(w->orphan));
	json_object_set_new(j, "abandoned", json_boolean(w->abandoned));
	json_object_set_new(j, "ghosts", json_from_strs(&w->ghosts));
	json_object_set_new(j, "avoid", json_from_strs(&w->avoid));
	json_object_set_new(j, "attempts", json_integer(w->attempts));
	json_object_set_new(j, "exhausted", json_boolean(w->exhausted));
	json_object_set_new(j, "copies", from_copies(w));
	return j;
}

static int to_copy(const json_t *j, struct workload *w, struct err *err) {
	const char *node = json_str_or(j, "node", NULL), *id = json_str_or(j, "id", NULL), *name = json_str_or(j, "name", NULL);
	enum clean_row row = clean_row_parse(json_str_or(j, "row", ""));

	if (!node || !id || !name || row == CLEAN_MAX)
		return err_set(err, -EINVAL, "copies: incomplete");
	struct workload_copy *c = workload_copy_add(w, node, id, name, (unsigned)json_int_or(j, "generation", 0));
	c->staged = json_bool_or(j, "staged", false);
	c->row = row;
	return 0;
}

static int to_workload(const json_t *j, struct workload *w, struct err *err) {
	const struct {
		const char *key;
		char **to;
	} texts[] = {
		{"node", &w->node},
		{"container", &w->container},
		{"origin", &w->origin},
		{"spec_node", &w->spec_node},
		{"spec_id", &w->spec_id},
		{"restart_policy", &w->restart_policy},
		{"served_node", &w->served.node},
		{"served_container", &w->served.container},
	};
	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		int r = may_str(j, texts[i].key, texts[i].to, err);
		if (r < 0)
			return r;
	}
	int r = json_get_strs(j, "ghosts", &w->ghosts, err);
	if (r == 0)
		r = json_get_strs(j, "avoid", &w->avoid, err);
	w->attempts = (unsigned)json_int_or(j, "attempts", 0);
	w->exhausted = json_bool_or(j, "exhausted", false);
	const json_t *list = json_at(j, "copies");
	for (size_t i = 0; r == 0 && i < json_array_size(list); i++)
		r = to_copy(json_array_get(list, i), w, err);
	w->generation = (unsigned)json_int_or(j, "generation", 0);
	w->last_generation = (unsigned)json_int_or(j, "last_generation", 0);
	w->served.generation = (unsigned)json_int_or(j, "served_generation", w->generation);
	w->verified = json_bool_or(j, "verified", false);
	if (!w->served.node) { /* written before there was service discovery */
		w->served.node = xstrdup_null(w->node);
		w->served.container = xstrdup_null(w->container);
	}
	w->must_run = json_bool_or(j, "must_run", false);
	w->gone = json_bool_or(j, "gone", false);
	w->orphan = json_bool_or(j, "orphan", false);
	w->abandoned = json_bool_or(j, "abandoned", false);
	if (r == 0 && (!w->node || w->generation == 0 || w->last_generation < w->generation))
		return err_set(err, -EINVAL, "node or generation: missing or contradictory");
	return r;
}

int record_to_workload(const json_t *j, struct workload **ret, struct err *err) {
	const char *id = json_str_or(j, "id", NULL), *name = json_str_or(j, "name", NULL);

	if (!id || !name)
		return err_set(err, -EINVAL, "id or name: missing");
	struct workload *w = workload_new(id, name);
	int r = to_workload(j, w, err);
	if (r < 0) {
		workload_free(w);
		return r;
	}
	*ret = w;
	return 0;
}
