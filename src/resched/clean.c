/* What is left behind: stale copies on nodes that answer, and nodes that come back.
 *
 * A copy is first made harmless (off the overlays, stopped, its restart policy "no", its name out of the way), whoever the owner is
 * and however it fares; it is removed only when the owner runs and is verified, and its volumes never are. A node takes part again
 * when all copies on it are harmless. */
#include "resched/resched-internal.h"

#include "base/alloc.h"
#include "base/mutant.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

#define REFUSALS_TAKEN 3
#define AGENT_LATE_SEC 3

static bool owner_serves(const struct resched *r, const struct workload *w) {
	const struct world_node *n = world_node(&r->world, w->node);
	const struct world_container *c = world_container(&r->world, w->node, w->container);

	return (w->verified || MUTANT(REMOVED_BEFORE_VERIFIED)) && n &&
	       (n->verdict == NODE_ALIVE || MUTANT(REMOVED_WHILE_OWNER_SILENT)) && n->listed && c && c->running;
}

/* Its engine can be asked. */
static bool answers(const struct world_node *n) { return n->verdict == NODE_ALIVE || n->verdict == NODE_RECOVERING; }

static bool is_harmless(const struct workload_copy *c) { return c->row >= CLEAN_WAIT; }

static void log_copy(struct resched *r, const struct workload *w, const struct workload_copy *c, const char *outcome,
		     const char *detail) {
	struct takeover line = {.container = w->name, .from = c->node, .to = w->node};
	const struct world_container *seen = world_container(&r->world, c->node, c->id);
	const struct world_container *owner = workload_subject(r, w);
	const struct world_container *of = owner ? owner : seen;

	/* The newest takeover that left it behind gives the line its number. */
	for (const struct takeover *t = r->takeovers; t; t = t->hh.next)
		if (strcmp(t->workload, w->id) == 0 && t->old_id && strcmp(t->old_id, c->id) == 0)
			snprintf(line.id, sizeof(line.id), "%s", t->id);
	line.nets = xnew_n(struct takeover_net, of ? of->n_nets : 0);
	for (size_t i = 0; of && i < of->n_nets; i++)
		line.nets[line.n_nets++].net = of->nets[i]; /* borrowed */
	log_nets(r, &line, "stale", outcome, detail);
	free(line.nets);
}

static void next_row(struct workload *w, struct workload_copy *c, enum clean_row row) {
	c->row = row;
	c->tries = 0;
	c->not_before = (struct mono){0};
	w->dirty = true;
}

static char *parked_name(const struct workload_copy *c) { return xasprintf("%s-stale-g%u", c->name, c->generation); }

static void emit(struct resched *r, struct workload *w, struct workload_copy *c) {
	static const enum effect_kind kinds[] = {
		[CLEAN_ISOLATE] = EFFECT_ISOLATE, [CLEAN_DISCONNECT] = EFFECT_DISCONNECT, [CLEAN_STOP] = EFFECT_STOP,
		[CLEAN_PARK] = EFFECT_POLICY,     [CLEAN_RENAME] = EFFECT_RENAME,         [CLEAN_REMOVE] = EFFECT_REMOVE,
	};
	const struct world_container *seen = world_container(&r->world, c->node, c->id);
	struct effect *e = effect_new(r, kinds[c->row], c->row == CLEAN_ISOLATE ? span_sec(2) : span_sec(60));

	assert(!workload_is_owner(w, c->node, c->id));
	e->node = xstrdup(c->node);
	e->container = xstrdup(c->id);
	e->workload = xstrdup(w->id);
	e->generation = c->generation;
	if (c->row == CLEAN_PARK)
		e->name = xstrdup("no");
	if (c->row == CLEAN_RENAME)
		e->name = parked_name(c);
	if ((c->row == CLEAN_DISCONNECT || c->row == CLEAN_ISOLATE) && seen) {
		e->nets = xnew_n(struct world_net, seen->n_nets);
		for (size_t i = 0; i < seen->n_nets; i++)
			if (seen->nets[i].kind != NET_LOCAL)
				world_net_copy(&e->nets[e->n_nets++], &seen->nets[i]);
	}
	c->pending = e->id;
	w->dirty = true;
	effect_emit(r, e);
}

/* Its engine was quicker to answer than its agent. While nobody hears the copy there is time. */
static bool is_agent_late(const struct resched *r, const struct world_node *n) {
	return n && n->agent.state == NODE_AGENT_UNREACHABLE && n->quarantined &&
	       !mono_reached(mono_add(n->since, span_sec(AGENT_LATE_SEC)), r->now);
}

static bool waits_for_agent(struct resched *r, const struct world_node *n) {
	if (!is_agent_late(r, n))
		return false;
	wake_at(r, mono_add(n->since, span_sec(AGENT_LATE_SEC)));
	return true;
}

/* What needs no effect. True when the row changed. */
static bool pass(struct resched *r, struct workload *w, struct workload_copy *c) {
	const struct world_container *seen = world_container(&r->world, c->node, c->id);
	const struct world_node *n = world_node(&r->world, c->node);

	switch (c->row) {
	case CLEAN_ISOLATE:
		if (c->staged || !seen || !seen->running || !world_container_has_overlay(seen) ||
		    !(n && (n->agent.state == NODE_AGENT_OK || is_agent_late(r, n)))) {
			next_row(w, c, CLEAN_DISCONNECT);
			return true;
		}
		return false;
	case CLEAN_DISCONNECT:
		if (c->staged || (seen && !world_container_has_overlay(seen))) {
			next_row(w, c, c->staged ? CLEAN_WAIT : CLEAN_STOP);
			return true;
		}
		return false;
	case CLEAN_STOP:
		if ((seen && !seen->running) || MUTANT(COPY_NOT_STOPPED)) {
			next_row(w, c, CLEAN_PARK);
			return true;
		}
		return false;
	case CLEAN_PARK:
		if (seen && (!seen->restart_policy || !*seen->restart_policy || strcmp(seen->restart_policy, "no") == 0 ||
			     MUTANT(COPY_NOT_PARKED))) {
			next_row(w, c, CLEAN_RENAME);
			return true;
		}
		return false;
	case CLEAN_RENAME:
		/* Nothing else is wrong with its name when it is removed in a moment. */
		if ((!r->settings.stale_keep && owner_serves(r, w)) || strcmp(c->name, w->name) != 0) {
			next_row(w, c, CLEAN_WAIT);
			return true;
		}
		return false;
	case CLEAN_WAIT:
		if (c->staged || (owner_serves(r, w) && !r->settings.stale_keep)) {
			next_row(w, c, CLEAN_REMOVE);
			return true;
		}
		if (r->settings.stale_keep && owner_serves(r, w)) {
			next_row(w, c, CLEAN_KEPT);
			log_copy(r, w, c, "ok", "kept, stopped");
		}
		return false;
	case CLEAN_REMOVE:
		if (!c->staged && !owner_serves(r, w)) {
			next_row(w, c, CLEAN_WAIT);
			return false;
		}
		return false;
	default:
		return false;
	}
}

/* Nobody has the address, an operator gave the workload up, and now somebody has started a harmless copy by hand: that is the
 * owner. */
static bool is_taken_up(const struct resched *r, const struct workload *w, const struct workload_copy *c) {
	const struct world_container *seen = world_container(&r->world, c->node, c->id);

	return w->abandoned && w->orphan && !takeover_open(r, w) && is_harmless(c) && !c->staged && seen && seen->running;
}

static bool take_up(struct resched *r, struct workload *w) {
	for (size_t i = 0; i < w->n_copies; i++) {
		struct workload_copy *c = &w->copies[i];
		if (!is_taken_up(r, w, c))
			continue;
		log_copy(r, w, c, "ok", "started by hand, and the owner again");
		ledger_adopt(r, w, world_container(&r->world, c->node, c->id), c->generation);
		workload_copy_remove(w, c);
		return true;
	}
	return false;
}

void clean_walk(struct resched *r, struct workload *w) {
	if (take_up(r, w))
		return; /* what else there is of it is looked at in the next turn */
	for (size_t i = 0; i < w->n_copies; i++) {
		struct workload_copy *c = &w->copies[i];
		const struct world_node *n = world_node(&r->world, c->node);
		if (c->pending || !n || !answers(n) || !n->listed || workload_is_owner(w, c->node, c->id))
			continue;
		if (!mono_reached(c->not_before, r->now) && !MUTANT(CLEANED_WITHOUT_BACKOFF)) {
			wake_at(r, c->not_before);
			continue;
		}
		/* Started again behind our back (by its user, or a restart policy): from the beginning. */
		const struct world_container *seen = world_container(&r->world, c->node, c->id);
		if (c->row > CLEAN_STOP && seen && seen->running && !MUTANT(STARTED_COPY_IGNORED))
			next_row(w, c, CLEAN_ISOLATE);
		while (pass(r, w, c))
			;
		if (c->row == CLEAN_ISOLATE && waits_for_agent(r, n))
			continue;
		if (c->row != CLEAN_WAIT && c->row != CLEAN_KEPT)
			emit(r, w, c);
	}
}

static void cleaned(struct resched *r, struct workload *w, struct workload_copy *c) {
	struct world_container *seen = world_container(&r->world, c->node, c->id);
	enum clean_row row = c->row;

	switch (row) {
	case CLEAN_ISOLATE:
		log_copy(r, w, c, "ok", "cut off in its host's kernel");
		break;
	case CLEAN_DISCONNECT:
		log_copy(r, w, c, "ok", "disconnected");
		break;
	case CLEAN_STOP:
		if (seen)
			seen->running = false; /* its engine will tell so in a moment, too */
		log_copy(r, w, c, "ok", "stopped");
		break;
	case CLEAN_RENAME: {
		char *name = parked_name(c);
		xstr_replace(&c->name, name);
		free(name);
		break;
	}
	case CLEAN_REMOVE:
		log_copy(r, w, c, "ok", "removed");
		facts_removed(r, c->id);
		workload_copy_remove(w, c);
		return;
	default:
		break;
	}
	next_row(w, c, row + 1);
}

bool clean_result(struct resched *r, struct workload *w, uint64_t effect, const struct effect_result *result) {
	struct workload_copy *c = NULL;

	for (size_t i = 0; i < w->n_copies && !c; i++)
		if (w->copies[i].pending == effect)
			c = &w->copies[i];
	if (!c)
		return false;
	c->pending = 0;
	if (result->outcome == EFFECT_REFUSED && result->refusal == REFUSAL_NO_SUCH) {
		log_copy(r, w, c, "ok", "gone already");
		workload_copy_remove(w, c);
		return true;
	}
	if (result->outcome == EFFECT_OK) {
		cleaned(r, w, c);
		return true;
	}
	if (c->row == CLEAN_ISOLATE) {
		next_row(w, c, CLEAN_DISCONNECT); /* its engine cuts it off as well, and every moment counts */
		return true;
	}
	if (result->outcome == EFFECT_REFUSED && result->refusal == REFUSAL_RUNNING)
		next_row(w, c, CLEAN_ISOLATE);
	c->tries++;
	c->not_before = mono_add(r->now, backoff(r, c->tries));
	/* An engine that will not: what matters more comes next (stop cuts it off as well), and it is tried no further. */
	if (result->outcome == EFFECT_REFUSED && c->tries >= REFUSALS_TAKEN && c->row != CLEAN_STOP && c->row < CLEAN_WAIT) {
		char *detail = xasprintf("%s: %s", clean_row_name(c->row), result->detail ? result->detail : "refused");
		log_copy(r, w, c, "failed", detail);
		free(detail);
		next_row(w, c, c->row + 1);
	}
	return true;
}

/* ---- nodes ---- */

static bool has_work(const struct resched *r, const struct world_node *n) {
	for (const struct workload *w = r->workloads; w; w = w->hh.next) {
		for (size_t i = 0; i < w->n_copies; i++)
			if (strcmp(w->copies[i].node, n->name) == 0 && !is_harmless(&w->copies[i]))
				return true;
		const struct takeover *t = takeover_open(r, w);
		if (t && t->from && strcmp(t->from, n->name) == 0 && !t->released && !t->planned)
			return true; /* is being rolled back */
	}
	return false;
}

void clean_node(struct resched *r, struct world_node *n) {
	n->returning |= n->removed;
	if (!n->returning || n->verdict != NODE_ALIVE || !n->listed || n->restoring ||
	    (has_work(r, n) && !MUTANT(RETURNED_BEFORE_CLEAN)))
		return;
	if (!n->removed) {
		n->returning = false;
		n->sweep = n->was_lost;
		n->was_lost = false;
		r->world_changed = true;
		wake_at(r, r->now);
		return;
	}
	if (!mono_reached(n->restore_not_before, r->now)) {
		wake_at(r, n->restore_not_before);
		return;
	}
	struct effect *e = effect_new(r, EFFECT_RESTORE, span_sec(120));
	e->node = xstrdup(n->name);
	n->restoring = e->id;
	effect_emit(r, e);
}

void clean_node_result(struct resched *r, struct world_node *n, const struct effect_result *result) {
	n->restoring = 0;
	if (result->outcome == EFFECT_OK) {
		n->removed = false;
		return;
	}
	n->restore_tries++;
	n->restore_not_before = mono_add(r->now, backoff(r, n->restore_tries));
}
