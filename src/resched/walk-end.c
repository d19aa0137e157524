/* How an attempt ends: done, rolled back, failed, or handed to an operator.
 *
 * One that goes back is over only when its staged container was seen absent, or when its target is given up like the first node:
 * else the next attempt could meet it. */
#include "resched/walk-internal.h"

#include "base/alloc.h"
#include "base/mutant.h"

#include <assert.h>
#include <string.h>

#define LOOKS_UNTIL_LEFT 4 /* of a staged container that nobody needs, and that can be put away later */

static void close_takeover(struct resched *r, struct takeover *t, enum takeover_state state) {
	walk_set_state(r, t, state);
	t->row_began = r->now;
	r->world_changed = true;
	wake_at(r, r->now); /* what waited for its place, or the next attempt, goes on */
}

void walk_finish(struct resched *r, struct takeover *t) {
	struct workload *w = walk_workload(r, t);

	const struct world_container *c = world_container(&r->world, t->to, t->new_id);

	w->verified = true;
	w->must_run = true;
	if (c && container_is_complete(r, w, c))
		workload_set_spec(r, w, c);
	w->attempts = 0;
	w->exhausted = w->abandoned = false;
	strs_clear(&w->avoid);
	strs_clear(&w->ghosts);
	if (!w->origin)
		w->origin = xstrdup(t->from);
	if (w->origin && strcmp(w->origin, t->to) == 0)
		xstr_replace(&w->origin, NULL);
	w->dirty = true;
	walk_record(r, t, STEP_OK, NULL);
	close_takeover(r, t, TAKEOVER_DONE);
	log_nets(r, t, "done", "ok", NULL);
}

/* Past the release and without an owner: the old copy is stale wherever it is, and whoever tries next goes on from here. */
static void orphan(struct workload *w, const struct takeover *t) {
	if (t->old_id)
		workload_copy_add(w, t->from, t->old_id, t->container, w->generation);
	xstr_replace(&w->node, t->from);
	xstr_replace(&w->container, NULL);
	w->orphan = true;
	w->verified = false;
	w->must_run = true;
	w->gone = false;
	w->dirty = true;
}

/* The replacement may run on a target that cannot be asked: it stays the owner, and is fenced like any other. */
static bool may_run(const struct takeover *t) { return t->claimed && t->new_id && !MUTANT(RUNNING_TARGET_DISOWNED); }

/* All attempts are used up: the same takeover waits for an operator, and would begin anew from where the workload is now. */
static void await_operator(struct resched *r, struct workload *w, struct takeover *t) {
	w->exhausted = true;
	char *why = xasprintf("%u attempts failed; the last: %s", w->attempts, t->reason ? t->reason : "?");
	takeover_reason(t, "%s", why);
	free(why);
	xstr_replace(&t->from, w->node);
	xstr_replace(&t->old_id, w->container);
	t->released = w->orphan;
	t->abort = ABORT_NO;
	t->planned = t->fenced = t->claimed = t->staged = t->by_node_removal = false;
	xstr_replace(&t->pinned, NULL);
	xstr_replace(&t->to, NULL);
	xstr_replace(&t->new_id, NULL);
	walk_set_row(r, t, ROW_PLAN);
	walk_set_state(r, t, TAKEOVER_NEEDS_OPERATOR);
}

/* It runs where it is: moving it back is given up rather than anybody troubled. */
static void stay(struct resched *r, struct workload *w, struct takeover *t) {
	xstr_replace(&w->origin, NULL);
	w->attempts = 0;
	strs_clear(&w->avoid);
	close_takeover(r, t, TAKEOVER_FAILED);
}

/* What a create of this attempt made whose answer came too late to be told which it was. */
static void leave_strays(const struct resched *r, struct workload *w, const struct takeover *t) {
	const struct world_node *to = world_node(&r->world, t->to);

	for (const struct world_container *c = to ? to->containers : NULL; c; c = c->next) {
		bool ours = c->takeover && strcmp(c->takeover, t->id) == 0 && c->generation == t->generation &&
			    strncmp(c->name, "heir-", 5) == 0;
		if (ours && !c->started && !(t->new_id && strcmp(t->new_id, c->id) == 0) && !workload_copy_find(w, c->node, c->id))
			workload_copy_add(w, c->node, c->id, c->name, c->generation)->staged = true;
	}
}

/* This attempt is over: either it is rolled back, or the next one follows. */
static void give_up(struct resched *r, struct takeover *t) {
	struct workload *w = walk_workload(r, t);
	bool back = t->abort == ABORT_ROLL_BACK;

	leave_strays(r, w, t);
	if (takeover_is_past_return(t) && !may_run(t) && !MUTANT(ORPHAN_FORGOTTEN))
		orphan(w, t);
	walk_record(r, t, back ? STEP_OUTCOME_NONE : STEP_FAILED, t->reason);
	log_nets(r, t, back ? "rolled-back" : "failed", back ? "ok" : "failed", t->reason);
	if (back) {
		close_takeover(r, t, TAKEOVER_ROLLED_BACK);
		return;
	}
	w->attempts++;
	w->dirty = true;
	/* Moving it back cost it an interruption, for nothing: once is enough, or it would go to and fro for ever. */
	if (t->planned && takeover_is_past_return(t))
		xstr_replace(&w->origin, NULL);
	if (w->abandoned) {
		close_takeover(r, t, TAKEOVER_FAILED);
		return;
	}
	if (t->to)
		strs_add_new(&w->avoid, t->to);
	if (w->attempts >= limit_attempts(r, w) && !MUTANT(ATTEMPTS_NEVER_USED_UP)) {
		if (t->planned && !takeover_is_past_return(t))
			stay(r, w, t);
		else
			await_operator(r, w, t);
		return;
	}
	/* The second attempt follows at once: another node may well do. */
	w->not_before =
		w->attempts > 1 && !MUTANT(ATTEMPTED_WITHOUT_BACKOFF) ? mono_add(r->now, backoff(r, w->attempts - 1)) : r->now;
	close_takeover(r, t, TAKEOVER_FAILED);
}

void walk_abort(struct resched *r, struct takeover *t, enum takeover_abort how) {
	if (!MUTANT(ROLLED_BACK_AFTER_RELEASE))
		assert(how != ABORT_ROLL_BACK || !t->released); /* the point of no return */
	t->abort = how;
	t->tries = 0;
	t->see = false;
	t->not_before = (struct mono){0};
	t->dirty = true;
	walk_set_state(r, t, TAKEOVER_RUNNING);
}

void walk_fail(struct resched *r, struct takeover *t, const char *detail) {
	takeover_reason(t, "%s: %s: %s", t->to ? t->to : "?", takeover_row_name(t->row), detail ? detail : "failed");
	walk_abort(r, t, ABORT_FAIL);
}

/* Whatever was staged on a node that cannot be asked now is put away when it returns. */
static void leave_copy(struct resched *r, struct takeover *t) {
	struct workload *w = walk_workload(r, t);

	if (t->to && t->new_id && !may_run(t))
		workload_copy_add(w, t->to, t->new_id, t->staged_name, t->generation)->staged = true;
}

/* The target died in the middle. What it may hold is known to the ledger (it is the owner once it claimed), so that a new takeover,
 * from there, fences and releases it like any other. */
void walk_target_lost(struct resched *r, struct takeover *t) {
	leave_copy(r, t);
	takeover_reason(t, "%s died during the takeover", t->to);
	t->abort = t->abort == ABORT_NO ? ABORT_FAIL : t->abort;
	t->pending = 0;
	give_up(r, t);
}

void walk_undo(struct resched *r, struct takeover *t) {
	if (!t->to || (!t->new_id && !t->staged)) {
		give_up(r, t);
		return;
	}
	struct effect *e = walk_begin_effect(r, t, t->new_id ? EFFECT_REMOVE : EFFECT_INSPECT, span_sec(20));
	e->node = xstrdup(t->to);
	e->container = xstrdup(t->new_id ? t->new_id : t->staged_name);
	effect_emit(r, e);
}

/* The start came through after all: so this is no failure. */
static void go_on_from_start(struct resched *r, struct takeover *t) {
	t->abort = ABORT_NO;
	walk_workload(r, t)->abandoned = false;
	walk_set_row(r, t, ROW_START);
	t->see = true;
}

static void nothing_staged(struct resched *r, struct takeover *t) {
	if (t->new_id)
		resched_container_gone(r, t->to, t->new_id); /* its event comes later */
	xstr_replace(&t->new_id, NULL);
	t->staged = false;
	give_up(r, t);
}

/* What was to be removed runs. False: that says nothing to go by. */
static bool undo_met_running(struct resched *r, struct takeover *t) {
	if (t->claimed) {
		if (t->abort != ABORT_FAIL)
			return false;
		go_on_from_start(r, t);
		return true;
	}
	/* Started by its user, who has no use for it: a stale copy like any other. */
	workload_copy_add(walk_workload(r, t), t->to, t->new_id, t->staged_name, t->generation);
	xstr_replace(&t->new_id, NULL);
	t->staged = false;
	give_up(r, t);
	return true;
}

static bool is_absent(const struct takeover *t, const struct effect_result *result, bool ours) {
	if (result->outcome == EFFECT_REFUSED)
		return result->refusal == REFUSAL_NO_SUCH;
	return result->outcome == EFFECT_OK && (t->pending_kind == EFFECT_REMOVE || !ours);
}

void walk_undo_result(struct resched *r, struct takeover *t, const struct effect_result *result) {
	bool ours = result->found && result->takeover && strcmp(result->takeover, t->id) == 0;
	bool runs = t->pending_kind == EFFECT_REMOVE && result->outcome == EFFECT_REFUSED && result->refusal == REFUSAL_RUNNING;

	if (runs && undo_met_running(r, t))
		return;
	if (result->outcome == EFFECT_OK && t->pending_kind == EFFECT_INSPECT && ours) {
		xstr_replace(&t->new_id, result->container); /* now it is known what to remove */
		return;
	}
	if (is_absent(t, result, ours) || (result->outcome == EFFECT_UNKNOWN && MUTANT(UNKNOWN_TAKEN_FOR_ABSENT))) {
		if (t->claimed && t->new_id && takeover_has_overlay(t))
			strs_add_new(&walk_workload(r, t)->ghosts, t->new_id);
		if (t->new_id && result->outcome == EFFECT_OK)
			facts_removed(r, t->new_id);
		nothing_staged(r, t);
		return;
	}
	if (!t->claimed && t->tries + 1 >= LOOKS_UNTIL_LEFT) {
		leave_copy(r, t); /* never started, and its restart policy is "no": it harms nobody until its node answers */
		give_up(r, t);
		return;
	}
	walk_look_again(r, t, result);
}
