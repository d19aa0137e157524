/* See resched.h. Facts come in here, and the turn decides what is begun; walk.c and clean.c carry it on. */
#include "resched/resched-internal.h"

#include "base/alloc.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <utlist.h>

struct resched *resched_new(const struct resched_settings *settings) {
	struct resched *r = xnew(struct resched);

	r->settings = *settings;
	r->cluster = xstrdup(settings->cluster);
	r->settings.cluster = r->cluster;
	r->store_ok = true;
	r->deadline = MONO_NEVER;
	return r;
}

void resched_free(struct resched *r) {
	if (!r)
		return;
	struct takeover *t, *next_t;
	HASH_ITER (hh, r->takeovers, t, next_t) {
		HASH_DEL(r->takeovers, t);
		takeover_free(t);
	}
	struct workload *w, *next_w;
	HASH_ITER (hh, r->workloads, w, next_w) {
		HASH_DEL(r->workloads, w);
		workload_free(w);
	}
	world_clear(&r->world);
	resched_output_clear(&r->out);
	free(r->cluster);
	free(r->brake_reason);
	free(r->store_reason);
	free(r);
}

/* ---- finding ---- */

struct workload *workload_find(const struct resched *r, const char *id) {
	struct workload *w = NULL;
	HASH_FIND_STR(r->workloads, id, w);
	return w;
}

struct takeover *takeover_open(const struct resched *r, const struct workload *w) {
	(void)r;
	return w->newest && !takeover_is_over(w->newest->state) ? w->newest : NULL;
}

struct world_container *workload_subject(const struct resched *r, const struct workload *w) {
	struct world_container *spec = w->remembered ? w->remembered : world_container(&r->world, w->spec_node, w->spec_id);
	return spec ? spec : world_container(&r->world, w->node, w->container);
}

static bool is_spec(const struct workload *w, const char *node, const char *id) {
	return w->spec_id && strcmp(w->spec_id, id) == 0 && strcmp(w->spec_node, node) == 0;
}

static const char *policy_of(const struct world_container *c) {
	return c && c->restart_policy && strcmp(c->restart_policy, "no") != 0 ? c->restart_policy : "";
}

bool container_is_complete(const struct resched *r, const struct workload *w, const struct world_container *c) {
	for (size_t i = 0; i < c->n_nets; i++)
		if (c->nets[i].kind != NET_LOCAL && !c->nets[i].ip && !c->nets[i].ip6)
			return false;
	/* What was seen may be older than the last that heir did to it. */
	const struct world_container *subject = workload_subject(r, w);
	return c->n_nets && c->started && (is_spec(w, c->node, c->id) || strcmp(policy_of(c), policy_of(subject)) == 0);
}

bool node_is_lost(const struct resched *r, const struct world_node *n) {
	if (n->verdict == NODE_DEAD || n->confirmed_dead)
		return true;
	return n->verdict == NODE_ENGINE_ONLY && r->settings.engine_only_move;
}

void takeover_add(struct resched *r, struct takeover *t) {
	struct workload *w = workload_find(r, t->workload);

	HASH_ADD_KEYPTR(hh, r->takeovers, t->id, strlen(t->id), t);
	if (w)
		w->newest = t;
}

struct span backoff(const struct resched *r, unsigned tries) {
	struct span d = r->settings.backoff_initial;
	for (unsigned i = 1; i < tries && span_less(d, r->settings.backoff_cap); i++)
		d.ns *= 2;
	return span_less(r->settings.backoff_cap, d) ? r->settings.backoff_cap : d;
}

void wake_at(struct resched *r, struct mono t) { r->deadline = mono_min(r->deadline, t); }

/* ---- effects and logs ---- */

struct effect *effect_new(struct resched *r, enum effect_kind kind, struct span deadline) {
	struct effect *e = xnew(struct effect);
	e->id = ++r->next_effect;
	e->kind = kind;
	e->deadline = deadline;
	return e;
}

void effect_emit(struct resched *r, struct effect *e) {
	r->out.effects = xreallocarray(r->out.effects, r->out.n_effects + 1, sizeof(*r->out.effects));
	r->out.effects[r->out.n_effects++] = e;
}

static void log_one(struct resched *r, const struct takeover *t, const struct world_net *net, const char *step, const char *outcome,
		    const char *detail) {
	r->out.logs = xreallocarray(r->out.logs, r->out.n_logs + 1, sizeof(*r->out.logs));
	r->out.logs[r->out.n_logs++] = (struct resched_log){
		.takeover = xstrdup(t->id),
		.container = xstrdup_null(t->container),
		.network = xstrdup_null(net ? net->name : NULL),
		.ip = xstrdup_null(net ? (net->ip ? net->ip : net->ip6) : NULL),
		.mac = xstrdup_null(net ? net->mac : NULL),
		.from = xstrdup_null(t->from),
		.to = xstrdup_null(t->to),
		.detail = xstrdup_null(detail),
		.step = step,
		.outcome = outcome,
		.evidence = evidence_name(t->evidence),
		.seconds = t->began.ns ? span_to_sec(mono_since(t->began, r->now)) : -1,
	};
}

void log_nets(struct resched *r, const struct takeover *t, const char *step, const char *outcome, const char *detail) {
	bool any = false;

	for (size_t i = 0; i < t->n_nets; i++)
		if (t->nets[i].net.kind != NET_LOCAL) {
			log_one(r, t, &t->nets[i].net, step, outcome, detail);
			any = true;
		}
	if (!any)
		log_one(r, t, NULL, step, outcome, detail);
}

void resched_take_output(struct resched *r, struct resched_output *ret) {
	*ret = r->out;
	r->out = (struct resched_output){0};
}

void resched_output_clear(struct resched_output *o) {
	for (size_t i = 0; i < o->n_effects; i++)
		effect_free(o->effects[i]);
	free(o->effects);
	for (size_t i = 0; i < o->n_logs; i++) {
		char *owned[] = {o->logs[i].takeover, o->logs[i].container, o->logs[i].network, o->logs[i].ip,
				 o->logs[i].mac,      o->logs[i].from,      o->logs[i].to,      o->logs[i].detail};
		for (size_t k = 0; k < sizeof(owned) / sizeof(owned[0]); k++)
			free(owned[k]);
	}
	free(o->logs);
	strs_clear(&o->forgotten);
	strs_clear(&o->settled);
	*o = (struct resched_output){0};
}

void resched_each_dirty(struct resched *r, void (*takeover)(void *ctx, const struct takeover *t),
			void (*workload)(void *ctx, const struct workload *w), void *ctx) {
	for (struct takeover *t = r->takeovers; t; t = t->hh.next)
		if (t->dirty) {
			t->dirty = false;
			takeover(ctx, t);
		}
	for (struct workload *w = r->workloads; w; w = w->hh.next)
		if (w->dirty) {
			w->dirty = false;
			workload(ctx, w);
		}
}

void resched_mark_dirty(struct resched *r) {
	for (struct takeover *t = r->takeovers; t; t = t->hh.next)
		t->dirty = true;
	for (struct workload *w = r->workloads; w; w = w->hh.next)
		w->dirty = true;
}

/* ---- nodes ---- */

void resched_add_node(struct resched *r, const char *name, bool remote) { world_node_add(&r->world, name, remote); }

void resched_node_facts(struct resched *r, const char *node, struct node_facts *facts) {
	struct world_node *n = world_node(&r->world, node);

	if (n) {
		node_facts_clear(&n->facts);
		n->facts = *facts;
		*facts = (struct node_facts){0};
		r->world_changed = true;
	}
}

void resched_node_swarm(struct resched *r, const char *node, const char *id) {
	struct world_node *n = world_node(&r->world, node);
	if (n && id && !n->facts.swarm_node)
		n->facts.swarm_node = xstrdup(id);
}

void resched_node_availability(struct resched *r, const char *swarm_node, const char *availability) {
	for (struct world_node *n = r->world.nodes; n; n = n->hh.next) {
		bool same = n->facts.swarm_node && strcmp(n->facts.swarm_node, swarm_node) == 0;
		if (!same || (n->availability && availability && strcmp(n->availability, availability) == 0))
			continue;
		xstr_replace(&n->availability, availability);
		r->world_changed = true;
	}
}

void resched_node_removed(struct resched *r, const char *node, bool removed) {
	struct world_node *n = world_node(&r->world, node);
	if (n)
		n->removed = removed;
}

/* What an operator had to decide about this node is open again: it answers, or the operator has spoken. */
static void reopen_workloads(struct resched *r, const char *node) {
	for (struct workload *w = r->workloads; w; w = w->hh.next)
		if (w->node && strcmp(w->node, node) == 0) {
			w->exhausted = false;
			w->attempts = 0;
			w->not_before = (struct mono){0};
			strs_clear(&w->avoid);
		}
}

void resched_verdict(struct resched *r, struct mono now, const char *node, enum node_verdict verdict, const char *reason,
		     struct span hold) {
	struct world_node *n = world_node(&r->world, node);

	if (!n || n->verdict == verdict)
		return;
	bool was_down = n->verdict == NODE_UNKNOWN || n->verdict == NODE_ENGINE_ONLY || n->verdict == NODE_DEAD;
	n->verdict = verdict;
	n->since = now;
	xstr_replace(&n->reason, reason);
	r->world_changed = true;
	if (verdict != NODE_ALIVE && verdict != NODE_RECOVERING)
		return;
	n->confirmed_dead = false;
	if (was_down) {
		/* Until its containers were listed and its stale ones put away it is no target. That begins with its first answer:
		 * every moment of a stale copy on the network is one too many. */
		n->returning = true;
		n->listed = false;
		n->restore_tries = 0;
		n->held_until = hold.ns > 0 ? mono_add(now, hold) : (struct mono){0};
		reopen_workloads(r, node);
	}
}

int resched_confirm_dead(struct resched *r, struct mono now, const char *node, struct err *err) {
	struct world_node *n = world_node(&r->world, node);

	(void)now;
	if (!n)
		return err_set(err, -ENOENT, "there is no node \"%s\"", node);
	if (n->verdict == NODE_ALIVE || n->verdict == NODE_RECOVERING || n->verdict == NODE_SUSPECT)
		return err_set(err, -EBUSY, "%s is %s: it answers, or did a moment ago; stop it first", node,
			       node_verdict_name(n->verdict));
	n->confirmed_dead = true;
	reopen_workloads(r, node);
	for (struct takeover *t = r->takeovers; t; t = t->hh.next)
		if (!takeover_is_over(t->state) && t->from && strcmp(t->from, node) == 0)
			t->not_before = (struct mono){0};
	r->world_changed = true;
	return 0;
}

/* ---- containers ---- */

/* An engine shows no addresses for a container that does not run (or is just restarting); what it had is what a takeover needs. */
static void keep_addresses(struct world_container *c, const struct world_container *old) {
	for (size_t i = 0; i < c->n_nets && old; i++) {
		const struct world_net *was = world_container_net(old, c->nets[i].name);
		if (!was)
			continue;
		if (!c->nets[i].ip)
			c->nets[i].ip = xstrdup_null(was->ip);
		if (!c->nets[i].ip6)
			c->nets[i].ip6 = xstrdup_null(was->ip6);
		if (!c->nets[i].mac)
			c->nets[i].mac = xstrdup_null(was->mac);
		if (c->nets[i].kind == NET_LOCAL)
			c->nets[i].kind = was->kind; /* a worker forgets an overlay whose last container stopped */
	}
}

static bool takeover_owns(const struct resched *r, const struct workload *w, const struct world_container *c) {
	const struct takeover *t = takeover_open(r, w);
	return t && t->to && strcmp(t->to, c->node) == 0 &&
	       (t->new_id ? strcmp(t->new_id, c->id) == 0
			  : c->takeover && strcmp(c->takeover, t->id) == 0 && c->generation == t->generation);
}

void workload_set_spec(struct workload *w, const struct world_container *c) {
	if (is_spec(w, c->node, c->id))
		return;
	world_container_free(w->remembered);
	w->remembered = NULL;
	xstr_replace(&w->spec_node, c->node);
	xstr_replace(&w->spec_id, c->id);
	w->dirty = true;
}

static void set_owner(struct workload *w, const struct world_container *c, unsigned generation) {
	xstr_replace(&w->node, c->node);
	xstr_replace(&w->container, c->id);
	w->generation = generation;
	if (w->last_generation < generation)
		w->last_generation = generation;
	w->verified = true;
	workload_set_spec(w, c);
	w->dirty = true;
}

/* What heir made shows "no" until its own policy is given back, so there "no" says nothing. */
static void learn_restart_policy(struct workload *w, const struct world_container *c) {
	bool telling = c->restart_policy && (!c->takeover || (w->verified && strcmp(c->restart_policy, "no") != 0));

	if (telling && (!w->restart_policy || strcmp(w->restart_policy, c->restart_policy) != 0)) {
		xstr_replace(&w->restart_policy, c->restart_policy);
		w->dirty = true;
	}
}

static void owner_seen(struct resched *r, struct workload *w, const struct world_container *c) {
	/* One that is not verified is heir's own to get going: that it does not run yet says nothing of what its user wants. */
	bool must_run = c->running || (w->must_run && !c->settled && c->started) || !w->verified;

	/* On its way it still has its stage name; its own is what the takeover remembers. */
	bool staged_name = c->takeover && strncmp(c->name, "heir-", 5) == 0;
	if (w->must_run != must_run || w->gone || (!staged_name && strcmp(w->name, c->name) != 0))
		w->dirty = true;
	w->must_run = must_run;
	w->gone = false;
	learn_restart_policy(w, c);
	if (!staged_name)
		xstr_replace(&w->name, c->name);
	if (w->verified && container_is_complete(r, w, c))
		workload_set_spec(w, c);
}

static struct workload *workload_add(struct resched *r, const char *id, const struct world_container *c) {
	struct workload *w = workload_new(id, c->name);

	HASH_ADD_KEYPTR(hh, r->workloads, w->id, strlen(w->id), w);
	set_owner(w, c, c->generation && c->workload && strcmp(c->workload, id) == 0 ? c->generation : 1);
	/* Found stopped: on purpose, if its engine answers long enough from now; a memory from before says it itself. */
	w->must_run = c->running || (c->started && !c->settled);
	learn_restart_policy(w, c);
	return w;
}

/* One that is known already was perhaps started since this was seen. */
static void add_copy_seen(struct workload *w, const struct world_container *c, unsigned generation) {
	bool known = workload_copy_find(w, c->node, c->id) != NULL;
	struct workload_copy *copy = workload_copy_add(w, c->node, c->id, c->name, generation);

	copy->staged = c->takeover && !c->started && (!known || copy->staged);
}

static bool is_first_of(const struct workload *w, const char *id) {
	const char *slash = strrchr(w->id, '/');
	return slash && strcmp(slash + 1, id) == 0;
}

/* Labels can be copied (docker commit, a compose file): a container is of a workload only when the ledger knows it, or a takeover
 * that could have made it does. */
static bool belongs_to(const struct resched *r, const struct workload *w, const struct world_container *c) {
	struct workload *known = workload_find(r, w->id);
	const struct takeover *t = NULL;

	if (workload_is_owner(w, c->node, c->id) || is_first_of(w, c->id) || workload_copy_find(known, c->node, c->id) ||
	    takeover_owns(r, w, c))
		return true;
	if (c->takeover)
		HASH_FIND_STR(r->takeovers, c->takeover, t);
	if (!t || strcmp(t->workload, w->id) != 0)
		return false;
	if (c->generation == t->generation && t->to && strcmp(t->to, c->node) == 0 && t->new_id && strcmp(t->new_id, c->id) == 0)
		return true;
	/* Made by a create whose answer never came, or came too late: it still has the stage's name, which no copy of it can have.
	 */
	char *name = workload_staged_name(w, c->generation);
	bool staged = c->generation <= t->generation && strcmp(c->name, name) == 0;
	free(name);
	return staged;
}

/* The workload that a container is of, and the ID that it would have as a new one; the ledger may know neither. */
static struct workload *identify(const struct resched *r, const struct world_container *c, char **ret_id) {
	struct workload *w = c->workload ? workload_find(r, c->workload) : NULL;

	/* A ledger that knows nothing of it was lost: the label is all there is. */
	bool labelled = c->workload && (!w || belongs_to(r, w, c));
	*ret_id = labelled ? xstrdup(c->workload) : xasprintf("%s/%s", r->cluster, c->id);
	return labelled ? w : workload_find(r, *ret_id);
}

const struct workload *resched_workload_for(const struct resched *r, const struct world_container *c) {
	char *id;
	const struct workload *w = identify(r, c, &id);
	free(id);
	return w;
}

/* Which generation a container is, and whose. */
static void place(struct resched *r, const struct world_container *c) {
	char *id;
	struct workload *w = identify(r, c, &id);

	if (!w) {
		if (c->policy.move && (c->started || !c->takeover))
			workload_add(r, id, c);
	} else if (workload_is_owner(w, c->node, c->id)) {
		owner_seen(r, w, c);
	} else if (!takeover_owns(r, w, c)) {
		add_copy_seen(w, c, c->generation ? c->generation : 1);
	}
	free(id);
}

/* The workload that is made again from it and whose verified owner, left in peace, it is not; NULL. */
static struct workload *frozen_for(const struct resched *r, const char *node, const char *id) {
	struct workload *w = r->workloads;

	while (w && !is_spec(w, node, id))
		w = w->hh.next;
	if (!w)
		return NULL;
	const struct takeover *t = takeover_open(r, w);
	bool in_peace = w->verified && workload_is_owner(w, node, id) && !(t && takeover_is_past_return(t));
	return in_peace ? NULL : w;
}

/* What it was is kept when it is about to be overwritten by what it was made into, or by nothing. */
static void freeze(struct resched *r, struct world_container *c) {
	struct workload *w = frozen_for(r, c->node, c->id);

	if (!w || w->remembered)
		return;
	world_container_take(&r->world, c);
	w->remembered = c;
}

void resched_container(struct resched *r, struct mono now, struct world_container *c) {
	struct world_container *old = world_container(&r->world, c->node, c->id);

	keep_addresses(c, old);
	c->stopped_at = c->running ? (struct mono){0} : (old && !old->running ? old->stopped_at : now);
	c->started |= old && old->started; /* answers can overtake each other */
	if (old && !old->running && !c->running)
		c->settled = c->settled || old->settled;
	if (old)
		freeze(r, old);
	world_container_put(&r->world, c);
	place(r, c);
	r->world_changed = true;
}

static void forget(struct resched *r, struct workload *w) {
	strs_add(&r->out.forgotten, w->id);
	HASH_DEL(r->workloads, w);
	workload_free(w);
}

/* What a workload is made again from outlives its container. */
static void take_from_world(struct resched *r, struct world_container *c) {
	char *key = xstrdup(c->key);

	freeze(r, c);
	HASH_FIND_STR(r->world.containers, key, c);
	if (c)
		world_container_remove(&r->world, c);
	free(key);
}

/* Removed by its user; one that was never verified, by an attempt that was being undone when its node was lost. */
static void owner_gone(struct workload *w) {
	w->gone = w->verified;
	w->must_run = !w->verified;
	w->orphan = !w->verified;
	if (w->orphan)
		xstr_replace(&w->container, NULL);
	w->dirty = true;
}

void resched_container_gone(struct resched *r, const char *node, const char *id) {
	struct world_container *c = world_container(&r->world, node, id);
	struct workload *w, *next;

	if (c)
		take_from_world(r, c);
	HASH_ITER (hh, r->workloads, w, next) {
		struct workload_copy *copy = workload_copy_find(w, node, id);
		if (copy)
			workload_copy_remove(w, copy);
		const struct takeover *open = takeover_open(r, w);
		if (workload_is_owner(w, node, id) && !(open && takeover_is_past_return(open)))
			owner_gone(w);
		if (w->gone && w->n_copies == 0 && !open)
			forget(r, w);
	}
	r->world_changed = true;
}

void resched_listed(struct resched *r, struct mono now, const char *node, const struct strs *ids) {
	struct strs gone = {0};

	(void)now;
	struct world_node *n = world_node(&r->world, node);
	for (const struct world_container *c = n ? n->containers : NULL; c; c = c->next)
		if (!strs_has(ids, c->id))
			strs_add(&gone, c->id);
	/* Copies that were never seen in this run, known from the ledger only. */
	for (struct workload *w = r->workloads; w; w = w->hh.next) {
		for (size_t i = 0; i < w->n_copies; i++)
			if (strcmp(w->copies[i].node, node) == 0 && !strs_has(ids, w->copies[i].id))
				strs_add_new(&gone, w->copies[i].id);
		if (w->node && w->container && strcmp(w->node, node) == 0 && !strs_has(ids, w->container))
			strs_add_new(&gone, w->container);
	}
	for (size_t i = 0; i < gone.n; i++)
		resched_container_gone(r, node, gone.v[i]);
	strs_clear(&gone);
	if (n)
		n->listed = true;
	r->world_changed = true;
}

/* ---- brake, store, restore ---- */

void resched_brake(struct resched *r, bool hold, const char *reason) {
	if (r->brake != hold)
		r->world_changed = true;
	r->brake = hold;
	xstr_replace(&r->brake_reason, reason);
}

void resched_store(struct resched *r, bool ok, const char *reason) {
	r->store_ok = ok;
	if (!ok)
		resched_mark_dirty(r); /* no later commit may hold only a part of what belongs together */
	xstr_replace(&r->store_reason, reason);
	r->world_changed = true;
}

void resched_restore_workload(struct resched *r, struct workload *w) {
	w->dirty = false;
	HASH_ADD_KEYPTR(hh, r->workloads, w->id, strlen(w->id), w);
}

void resched_restore_takeover(struct resched *r, struct takeover *t) {
	t->dirty = false;
	t->pending = 0;
	t->see = true; /* what the last effect did is not known: look first */
	takeover_add(r, t);
}

/* ---- results ---- */

void resched_result(struct resched *r, struct mono now, uint64_t effect, const struct effect_result *result) {
	r->now = now;
	r->world_changed = true;
	for (struct takeover *t = r->takeovers; t; t = t->hh.next)
		if (t->pending == effect) {
			takeover_result(r, t, result);
			return;
		}
	for (struct world_node *n = r->world.nodes; n; n = n->hh.next)
		if (n->restoring == effect) {
			clean_node_result(r, n, result);
			return;
		}
	for (struct workload *w = r->workloads; w; w = w->hh.next)
		if (clean_result(r, w, effect, result))
			return;
}

/* ---- the turn ---- */

/* An engine that goes on answering after a container stopped: it was stopped on purpose and stays so. */
static void settle(struct resched *r) {
	for (struct world_container *c = r->world.containers; c; c = c->hh.next) {
		const struct world_node *n = world_node(&r->world, c->node);
		if (c->running || c->settled || !n || n->verdict != NODE_ALIVE || !n->listed)
			continue;
		struct mono from = c->stopped_at.ns > n->since.ns ? c->stopped_at : n->since;
		struct mono due = mono_add(from, span_sec(STOP_SETTLE_SEC));
		if (!mono_reached(due, r->now)) {
			wake_at(r, due);
			continue;
		}
		c->settled = true;
		strs_add(&r->out.settled, c->key);
		char *id;
		struct workload *w = identify(r, c, &id);
		if (w && workload_is_owner(w, c->node, c->id))
			owner_seen(r, w, c);
		free(id);
	}
}

static bool wants_takeover(const struct resched *r, const struct workload *w) {
	const struct world_node *n = world_node(&r->world, w->node);

	if (!n || (!node_is_lost(r, n) && !w->orphan) || !w->must_run || w->gone || w->exhausted)
		return false;
	const struct world_container *c = workload_subject(r, w);
	return c && c->policy.move && !takeover_open(r, w);
}

static void begin_lost(struct resched *r, struct workload *w) {
	if (!wants_takeover(r, w))
		return;
	const struct world_node *n = world_node(&r->world, w->node);
	if (r->brake && !n->confirmed_dead)
		return;
	if (!mono_reached(w->not_before, r->now)) {
		wake_at(r, w->not_before);
		return;
	}
	takeover_begin(r, w, NULL);
}

/* An attempt whose target died is the owner that nobody has seen to: when its node is back before anything was taken from it, it is
 * finished there. */
static void begin_resume(struct resched *r, struct workload *w) {
	const struct world_node *n = world_node(&r->world, w->node);

	if (w->verified || w->orphan || w->gone || !w->container || !n || n->verdict != NODE_ALIVE || !n->listed ||
	    takeover_open(r, w))
		return;
	takeover_resume(r, w);
}

/* Whether it would find its place there now: else nothing is begun. */
static bool can_return(const struct resched *r, const struct workload *w) {
	const struct world_container *c = workload_subject(r, w);
	struct plan_choice choice;
	struct plan_claim *claims;

	if (!c || !c->policy.move || c->blockers.n)
		return false;
	size_t n = open_claims(r, NULL, &claims);
	plan_for(r, w, c, w->node, w->origin, claims, n, &choice);
	bool can = choice.target != NULL;
	plan_choice_clear(&choice);
	free(claims);
	return can;
}

/* `keep: oldest`: back to where it came from, by an ordinary takeover, once everything is quiet. */
static void begin_return(struct resched *r, struct workload *w) {
	if (!r->settings.keep_oldest || w->orphan || !w->origin || !w->verified || !w->must_run || w->gone || takeover_open(r, w))
		return;
	const struct world_node *home = world_node(&r->world, w->origin), *here = world_node(&r->world, w->node);
	if (!home || !here || home == here || !world_node_serves(home) || here->verdict != NODE_ALIVE || r->brake)
		return;
	for (size_t i = 0; i < w->n_copies; i++)
		if (strcmp(w->copies[i].node, w->origin) == 0)
			return;
	if (!mono_reached(w->not_before, r->now))
		wake_at(r, w->not_before);
	else if (!w->exhausted && can_return(r, w))
		takeover_begin(r, w, w->origin);
}

static void drop_old_takeovers(struct resched *r) {
	unsigned over = 0;

	for (const struct takeover *t = r->takeovers; t; t = t->hh.next)
		over += takeover_is_over(t->state) && !t->dirty;
	struct takeover *t, *next;
	HASH_ITER (hh, r->takeovers, t, next) {
		if (over <= TAKEOVERS_KEPT)
			return;
		if (takeover_is_over(t->state) && !t->dirty) {
			struct workload *w = workload_find(r, t->workload);
			if (w && w->newest == t)
				w->newest = NULL;
			HASH_DEL(r->takeovers, t);
			takeover_free(t);
			over--;
		}
	}
}

void resched_turn(struct resched *r, struct mono now, struct wall wall) {
	r->now = now;
	r->wall = wall;
	r->deadline = MONO_NEVER;
	if (!r->store_ok)
		return; /* nothing may be begun that cannot be journalled */
	settle(r);
	struct workload *w, *next;
	HASH_ITER (hh, r->workloads, w, next) {
		begin_lost(r, w);
		begin_resume(r, w);
		begin_return(r, w);
	}
	for (struct takeover *t = r->takeovers; t; t = t->hh.next)
		if (!takeover_is_over(t->state))
			takeover_walk(r, t);
	HASH_ITER (hh, r->workloads, w, next)
		clean_walk(r, w);
	for (struct world_node *n = r->world.nodes; n; n = n->hh.next)
		clean_node(r, n);
	drop_old_takeovers(r);
	r->world_changed = false;
}

struct mono resched_deadline(const struct resched *r) {
	return r->deadline;
}

/* ---- to look at ---- */

const struct world *resched_world(const struct resched *r) { return &r->world; }
const struct workload *resched_workloads(const struct resched *r) { return r->workloads; }
const struct takeover *resched_takeovers(const struct resched *r) { return r->takeovers; }

const struct workload *resched_workload_of(const struct resched *r, const char *node, const char *id) {
	for (const struct workload *w = r->workloads; w; w = w->hh.next)
		if (workload_is_owner(w, node, id))
			return w;
	return NULL;
}

bool resched_brake_holds(const struct resched *r, const char **ret_reason) {
	*ret_reason = r->brake_reason;
	return r->brake;
}

bool resched_needs_memory(const struct resched *r, const char *node, const char *id) {
	for (const struct workload *w = r->workloads; w; w = w->hh.next)
		if (is_spec(w, node, id))
			return true;
	return false;
}

const struct world_container *resched_memory(const struct resched *r, const char *node, const char *id) {
	for (const struct workload *w = r->workloads; w; w = w->hh.next)
		if (w->remembered && is_spec(w, node, id))
			return w->remembered;
	return world_container(&r->world, node, id);
}

bool resched_memory_is_frozen(const struct resched *r, const char *node, const char *id) { return frozen_for(r, node, id) != NULL; }

size_t open_claims(const struct resched *r, const struct takeover *but, struct plan_claim **ret) {
	size_t n = 0;

	*ret = NULL;
	for (const struct takeover *t = r->takeovers; t; t = t->hh.next) {
		if (t == but || takeover_is_over(t->state) || !t->to)
			continue;
		const struct workload *w = workload_find(r, t->workload);
		const struct world_container *like = w ? workload_subject(r, w) : NULL;
		if (!like)
			continue;
		*ret = xreallocarray(*ret, n + 1, sizeof(**ret));
		(*ret)[n++] = (struct plan_claim){.node = t->to, .like = like, .idle = takeover_is_idle(t)};
	}
	return n;
}

void plan_for(const struct resched *r, const struct workload *w, const struct world_container *subject, const char *from,
	      const char *pinned, const struct plan_claim *claims, size_t n_claims, struct plan_choice *ret) {
	struct strs copies = {0};

	workload_keys(w, &copies);
	const struct plan_ask ask = {
		.world = &r->world,
		.subject = subject,
		.name = w->name ? w->name : subject->name,
		.from = from,
		.pinned = pinned,
		.copies = &copies,
		.avoid = &w->avoid,
		.claims = claims,
		.n_claims = n_claims,
		.strategy = r->settings.strategy,
		.per_target = r->settings.per_target,
		.seed = r->settings.seed + w->last_generation + (uint64_t)strlen(w->id) * 31,
		.now = r->now,
	};
	plan_choose(&ask, ret);
	strs_clear(&copies);
}

void resched_forecast(struct resched *r, struct mono now, const struct world_container *c, const struct plan_claim *claims,
		      size_t n_claims, struct resched_forecast *ret) {
	*ret = (struct resched_forecast){.evidence = EVIDENCE_PRESUMED};
	r->now = now;
	char *id;
	const struct workload *w = identify(r, c, &id);
	struct workload nobody = {.id = id};

	plan_for(r, w ? w : &nobody, c, c->node, NULL, claims, n_claims, &ret->choice);
	enum evidence demanded = c->policy.fence > r->settings.fence ? c->policy.fence : r->settings.fence;
	if (!c->policy.move)
		ret->blocked = xstrdup("it did not opt in");
	else if (c->blockers.n)
		ret->blocked = xstrdup(c->blockers.v[0]);
	else if (w && !workload_is_owner(w, c->node, c->id))
		ret->blocked = xstrdup("it is a stale copy");
	else if (!c->running && c->settled)
		ret->blocked = xstrdup("it was stopped on purpose");
	for (size_t i = 0; i < c->n_nets && !ret->blocked; i++)
		if (c->nets[i].kind == NET_KV)
			ret->blocked = xasprintf("network \"%s\" is kept in a key/value store: no agents", c->nets[i].name);
	if (!ret->blocked && demanded > ret->evidence)
		ret->blocked = xasprintf("evidence \"%s\" is demanded, and without agents only an operator can give it",
					 evidence_name(demanded));
	free(id);
}

void resched_forecast_clear(struct resched_forecast *f) {
	plan_choice_clear(&f->choice);
	free(f->blocked);
	*f = (struct resched_forecast){0};
}
