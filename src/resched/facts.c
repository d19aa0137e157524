/* What comes in: nodes, containers, the brake and the store, and what was written before a restart. Nothing is begun here; the next
 * turn looks at what has changed. */
#include "resched/resched-internal.h"

#include "base/alloc.h"
#include "base/mutant.h"

#include <errno.h>
#include <string.h>

void resched_add_node(struct resched *r, const char *name, bool remote) { world_node_add(&r->world, name, remote); }

static bool is_same(const char *a, const char *b) { return a == b || (a && b && strcmp(a, b) == 0); }

/* An engine that has told of itself and has none is as good as one that has told it. */
static void note_vtep(struct resched *r, const struct world_node *n, const struct node_facts *facts) {
	r->vteps_changed |= !is_same(n->facts.vtep, facts->vtep) || !n->facts.version;
}

void resched_node_facts(struct resched *r, const char *node, struct node_facts *facts) {
	struct world_node *n = world_node(&r->world, node);

	if (n) {
		note_vtep(r, n, facts);
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

void resched_node_address(struct resched *r, const char *node, const char *address) {
	struct world_node *n = world_node(&r->world, node);
	if (n)
		xstr_replace(&n->address, address);
}

void resched_node_removed(struct resched *r, const char *node, bool removed) {
	struct world_node *n = world_node(&r->world, node);
	if (n)
		n->removed = removed;
}

/* What an operator had to decide about this node is open again: it answers, or the operator has spoken. */
void reopen_workloads(struct resched *r, const char *node) {
	for (struct workload *w = r->workloads; w; w = w->hh.next)
		if (w->node && strcmp(w->node, node) == 0) {
			w->exhausted = false;
			w->abandoned &= w->orphan; /* what was given up without its address is nobody's but the operator's */
			w->attempts = 0;
			w->not_before = (struct mono){0};
			strs_clear(&w->avoid);
		}
}

static bool counts_as_lost(const struct resched *r, enum node_verdict v) {
	return v == NODE_DEAD || (v == NODE_ENGINE_ONLY && r->settings.engine_only_move);
}

void resched_verdict(struct resched *r, struct mono now, const char *node, enum node_verdict verdict, const char *reason,
		     struct flapping flapping) {
	struct world_node *n = world_node(&r->world, node);

	if (!n || n->verdict == verdict)
		return;
	if (!counts_as_lost(r, verdict))
		n->lost_since = (struct mono){0};
	else if (!counts_as_lost(r, n->verdict))
		n->lost_since = now;
	bool was_down = n->verdict == NODE_UNKNOWN || n->verdict == NODE_ENGINE_ONLY || n->verdict == NODE_DEAD;
	n->was_lost |= n->verdict == NODE_DEAD || n->verdict == NODE_ENGINE_ONLY;
	n->verdict = verdict;
	n->since = now;
	xstr_replace(&n->reason, reason);
	r->world_changed = true;
	if (verdict != NODE_ALIVE && verdict != NODE_RECOVERING)
		return;
	n->confirmed_dead &= MUTANT(CONFIRMED_DEAD_FOR_EVER);
	strs_clear(&n->seen_by);
	if (was_down) {
		/* Until its containers were listed and its stale ones put away it is no target. That begins with its first answer:
		 * every moment of a stale copy on the network is one too many. */
		n->returning = true;
		n->listed = false;
		n->restore_tries = 0;
		n->deaths = flapping.deaths;
		n->held_until = flapping.hold.ns > 0 ? mono_add(now, flapping.hold) : (struct mono){0};
		reopen_workloads(r, node);
	}
}

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

void facts_removed(struct resched *r, const char *id) { xstr_replace(&r->removed[r->n_removed++ % REMOVED_KEPT], id); }

static bool was_removed(const struct resched *r, const char *id) {
	for (unsigned i = 0; i < REMOVED_KEPT; i++)
		if (r->removed[i] && strcmp(r->removed[i], id) == 0)
			return true;
	return false;
}

void resched_container(struct resched *r, struct mono now, struct world_container *c) {
	if (was_removed(r, c->id)) {
		world_container_free(c); /* an answer from before that; engines give no ID twice */
		return;
	}
	struct world_container *old = world_container(&r->world, c->node, c->id);
	struct world_node *n = world_node(&r->world, c->node);

	if (n)
		n->agent.due = true; /* it may have joined a network */
	keep_addresses(c, old);
	c->stopped_at = c->running ? (struct mono){0} : (old && !old->running ? old->stopped_at : now);
	c->started |= old && old->started; /* answers can overtake each other */
	if (old && !old->running && !c->running)
		c->settled = c->settled || old->settled;
	if (old)
		ledger_freeze(r, old);
	world_container_put(&r->world, c);
	ledger_place(r, c);
	r->world_changed = true;
}

/* What a workload is made again from outlives its container. */
static void take_from_world(struct resched *r, struct world_container *c) {
	char *key = xstrdup(c->key);

	ledger_freeze(r, c);
	HASH_FIND_STR(r->world.containers, key, c);
	if (c)
		world_container_remove(&r->world, c);
	free(key);
}

void resched_container_gone(struct resched *r, const char *node, const char *id) {
	struct world_container *c = world_container(&r->world, node, id);

	if (c)
		take_from_world(r, c);
	ledger_container_gone(r, node, id);
	r->world_changed = true;
}

/* What is known to be on the node and is not in its list; copies that were never seen in this run too, from the ledger. */
static void find_missing(const struct resched *r, const struct world_node *n, const char *node, const struct strs *ids,
			 struct strs *ret) {
	for (const struct world_container *c = n ? n->containers : NULL; c; c = c->next)
		if (!strs_has(ids, c->id))
			strs_add(ret, c->id);
	for (const struct workload *w = r->workloads; w; w = w->hh.next) {
		for (size_t i = 0; i < w->n_copies; i++)
			if (strcmp(w->copies[i].node, node) == 0 && !strs_has(ids, w->copies[i].id))
				strs_add_new(ret, w->copies[i].id);
		if (w->node && w->container && strcmp(w->node, node) == 0 && !strs_has(ids, w->container))
			strs_add_new(ret, w->container);
	}
}

/* Whoever was asked about it did not answer. */
static void note_unseen(const struct resched *r, struct world_node *n, const struct strs *ids) {
	strs_clear(&n->unseen);
	for (size_t i = 0; i < ids->n; i++)
		if (!world_container(&r->world, n->name, ids->v[i]))
			strs_add(&n->unseen, ids->v[i]);
}

void resched_listed(struct resched *r, struct mono now, const char *node, const struct strs *ids) {
	struct world_node *n = world_node(&r->world, node);
	struct strs gone = {0};

	(void)now;
	find_missing(r, n, node, ids, &gone);
	for (size_t i = 0; i < gone.n; i++)
		resched_container_gone(r, node, gone.v[i]);
	strs_clear(&gone);
	if (n) {
		note_unseen(r, n, ids);
		n->listed = true;
	}
	r->world_changed = true;
}

/* An engine that goes on answering after a container stopped: it was stopped on purpose and stays so. */
void facts_settle(struct resched *r) {
	for (struct world_container *c = r->world.containers; c; c = c->hh.next) {
		const struct world_node *n = world_node(&r->world, c->node);
		if (c->takeover && !c->started)
			continue; /* staged: it is stopped because heir has yet to start it */
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
		ledger_settled(r, c);
	}
}

void resched_brake(struct resched *r, bool hold, const char *reason) {
	if (r->brake != hold)
		r->world_changed = true;
	r->brake = hold;
	xstr_replace(&r->brake_reason, reason);
}

void resched_zone_brake(struct resched *r, const char *node, const char *reason) {
	struct world_node *n = world_node(&r->world, node);

	if (!n)
		return;
	r->world_changed |= !n->zone_brake != !reason;
	xstr_replace(&n->zone_brake, reason);
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
	t->see = !MUTANT(NOT_SEEN_AFTER_RESTART); /* what the last effect did is not known: look first */
	takeover_add(r, t);
}
