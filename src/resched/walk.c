/* One takeover through its table. A row is walked the same way always:
 *
 *      ┌──────── see? (after a restart, or an outcome that is not known) ── YES ──▶ next row
 *      ▼ NO
 *     do ── OK ──▶ next row        UNKNOWN ──▶ see        NOT DONE ──▶ do again, later        REFUSED ──▶ the row's own answer
 *
 * Nothing but `see` answers what is unknown: no row is done twice, and no attempt is given up, while an effect may still come. */
#include "resched/walk-internal.h"

#include "base/alloc.h"
#include "base/mutant.h"

#include <string.h>

/* Nothing is left there that had to be observed: the attempt can be given up without asking the target. */
static bool is_exhausted(const struct takeover *t) {
	unsigned tries = takeover_rule(t->row)->tries;
	return tries && t->tries >= tries && !t->staged && t->row <= ROW_CREATE;
}

/* Not done, or not known whether it was. */
static void act_missed(struct resched *r, struct takeover *t, const struct effect_result *result) {
	const struct takeover_rule *rule = takeover_rule(t->row);

	if (result->outcome == EFFECT_UNKNOWN && !MUTANT(UNKNOWN_TAKEN_FOR_NOT_DONE))
		t->see = rule->look != rule->act;
	t->tries++;
	if (t->row == ROW_CREATE && result->outcome == EFFECT_NOT_DONE && !t->create_open)
		t->staged = false;
	if (t->row == ROW_CREATE && result->outcome == EFFECT_UNKNOWN)
		t->create_open = true;
	if (is_exhausted(t)) {
		walk_fail(r, t, result->detail);
		return;
	}
	takeover_reason(t, "%s", result->detail ? result->detail : "no answer");
	walk_retry(r, t);
}

/* While it goes back. */
static void aborted_result(struct resched *r, struct takeover *t, const struct effect_result *result) {
	if (t->pending_kind == EFFECT_REMOVE || t->pending_kind == EFFECT_INSPECT)
		walk_undo_result(r, t, result);
	else if (t->pending_kind == EFFECT_CREATE && result->outcome == EFFECT_OK)
		xstr_replace(&t->new_id, result->container); /* it came late: now it is known what to remove */
}

/* Its effect is itself a look (claim, verify). */
static bool is_look(const struct takeover_rule *rule) {
	return rule->act == rule->look && rule->see && rule->act != EFFECT_IMAGE && rule->act != EFFECT_READY &&
	       rule->act != EFFECT_POLICY;
}

void takeover_result(struct resched *r, struct takeover *t, const struct effect_result *result) {
	const struct takeover_rule *rule = takeover_rule(t->row);
	bool looked = t->see && t->pending_kind == rule->look && rule->look != rule->act;

	t->pending = 0;
	t->dirty = true;
	if (t->abort != ABORT_NO)
		aborted_result(r, t, result);
	else if (looked || (is_look(rule) && result->outcome != EFFECT_REFUSED))
		walk_seen(r, t, result);
	else if (result->outcome == EFFECT_REFUSED)
		walk_refused(r, t, result);
	else if (result->outcome == EFFECT_OK || (result->outcome == EFFECT_UNKNOWN && MUTANT(UNKNOWN_TAKEN_FOR_DONE)))
		walk_did(r, t, result);
	else
		act_missed(r, t, result);
}

/* The node that was given up answers again before anything was taken from it; or the one that was to give way died by itself. */
static bool must_roll_back(const struct resched *r, const struct takeover *t) {
	const struct world_node *from = world_node(&r->world, t->from);
	if ((takeover_is_past_return(t) && !MUTANT(ROLLED_BACK_AFTER_RELEASE)) || t->abort != ABORT_NO || !from)
		return false;
	return t->planned ? node_is_lost(r, from) || walk_workload(r, t)->gone
			  : from->verdict == NODE_ALIVE && !MUTANT(NOT_ROLLED_BACK);
}

/* Nothing begins, and no point of no return is passed, while the brake holds or the node's death is in doubt. */
static bool must_pause(struct resched *r, struct takeover *t) {
	const struct world_node *from = world_node(&r->world, t->from);

	if (takeover_is_past_return(t) || t->abort != ABORT_NO || walk_workload(r, t)->exhausted)
		return false; /* what has used up its attempts does nothing anyway, and goes on asking for an operator */
	const char *barred = from ? node_is_barred(r, from) : NULL;
	if (barred && !MUTANT(BRAKE_IGNORED_ONCE_BEGUN)) {
		if (from->hold)
			takeover_reason(t, "%s is held by an operator: %s", t->from, barred);
		else
			takeover_reason(t, "the storm brake holds: %s", barred);
		walk_set_state(r, t, TAKEOVER_WAITING);
		return true;
	}
	if (!t->planned && from && !node_is_lost(r, from)) {
		if (from->seen_by.n > 0)
			takeover_reason(t, "%s is reached by %s (%s): only the manager's own way to it is cut", t->from,
					from->seen_by.v[0], from->seen_how ? from->seen_how : "?");
		else
			takeover_reason(t, "%s is %s", t->from, node_verdict_name(from->verdict));
		walk_set_state(r, t, TAKEOVER_WAITING);
		return true;
	}
	return false;
}

/* Nothing is to be done in this row; ret_why: in words, where it needs any. */
static bool is_skipped(const struct resched *r, const struct takeover *t, const char **ret_why) {
	const struct world_node *from = world_node(&r->world, t->from);

	*ret_why = NULL;
	if (takeover_rule(t->row)->needs_overlay && !takeover_has_overlay(t)) {
		*ret_why = "on no overlay";
		return true;
	}
	switch (t->row) {
	case ROW_IMAGE:
		return t->image_ref != NULL;
	case ROW_FENCE_DISCONNECT:
	case ROW_FENCE_STOP:
		return !t->planned || !from || node_is_lost(r, from);
	case ROW_POLICY:
		return !*walk_restart_policy(r, t) || strcmp(walk_restart_policy(r, t), "no") == 0 || MUTANT(POLICY_NOT_GIVEN_BACK);
	case ROW_REPAIR:
		*ret_why = "no agents: peers follow when the engines' gossip has given the old host up";
		return !walk_has_agents(r, t);
	case ROW_PROVE:
		*ret_why = "on the engine's word: no agent looked into the kernels";
		return !walk_has_agents(r, t);
	case ROW_WITHDRAW:
		return !walk_has_host_entries(r, t) || MUTANT(NOT_WITHDRAWN);
	case ROW_PUBLISH:
		*ret_why = r->settings.discovery.any ? "nothing of it is published" : "no discovery is configured";
		return !walk_has_entries(r, t);
	default:
		return false;
	}
}

static void skip(struct resched *r, struct takeover *t, const char *why) {
	if (t->row == ROW_CLAIM)
		walk_claim(r, t); /* the ledger's part of it holds without an address too */
	walk_row_skip(r, t, why);
}

static void see_or_do(struct resched *r, struct takeover *t) {
	const struct takeover_rule *rule = takeover_rule(t->row);

	if (t->see && rule->look != rule->act) {
		walk_emit(r, t, rule->look);
		return;
	}
	if (t->row == ROW_START && !t->claimed)
		walk_claim(r, t);
	t->see = false;
	t->effect_out = true;
	t->staged |= t->row == ROW_CREATE;
	walk_emit(r, t, rule->act);
}

/* True: the row is behind us and the next one can be looked at. */
static bool step_row(struct resched *r, struct takeover *t) {
	enum takeover_row row = t->row;
	const char *why;

	if ((row == ROW_REPAIR || row == ROW_PROVE) && walk_awaits_agents(r, t))
		return false;
	if (is_skipped(r, t, &why)) {
		skip(r, t, why);
		return true;
	}
	switch (row) {
	case ROW_PLAN:
		walk_plan(r, t);
		return t->row != row;
	case ROW_EVIDENCE:
		walk_evidence(r, t);
		return t->row != row;
	case ROW_REPAIR:
		walk_repair(r, t);
		return t->row != row;
	case ROW_PROVE:
		walk_prove(r, t);
		return t->row != row;
	case ROW_WITHDRAW:
		walk_withdraw(r, t);
		return t->row != row;
	case ROW_PUBLISH:
		walk_publish(r, t);
		return t->row != row;
	case ROW_DONE:
		walk_finish(r, t);
		return false;
	case ROW_FENCE_DISCONNECT:
	case ROW_FENCE_STOP:
		if (world_node(&r->world, t->from)->verdict != NODE_ALIVE)
			return false;
		break;
	default:
		break;
	}
	see_or_do(r, t);
	return false;
}

/* After a restart the old clock means nothing: the wall's says how long ago it began, for people. */
static void begin_clock(const struct resched *r, struct takeover *t) {
	if (t->row_began.ns)
		return;
	int64_t ms = r->wall.ms - t->started.ms;
	t->row_began = r->now;
	t->began.ns = r->now.ns - (ms > 0 ? ms : 0) * 1000000;
}

void takeover_walk(struct resched *r, struct takeover *t) {
	begin_clock(r, t);
	if (must_roll_back(r, t)) {
		takeover_reason(t, t->planned ? "it does not run on %s any more" : "%s answers again", t->from);
		walk_abort(r, t, ABORT_ROLL_BACK);
	}
	if (t->to && walk_node_is_lost(r, t->to)) {
		walk_target_lost(r, t);
		return;
	}
	if ((t->pending && !MUTANT(ASKED_WHILE_PENDING)) || must_pause(r, t))
		return;
	bool decided_here = t->abort == ABORT_NO &&
			    !takeover_rule(t->row)->has_do; /* such rows look at the world: no need to wait for a time */
	if (!mono_reached(t->not_before, r->now) && !(decided_here && r->world_changed)) {
		wake_at(r, t->not_before);
		return;
	}
	if (t->abort != ABORT_NO) {
		walk_undo(r, t);
		return;
	}
	while (step_row(r, t))
		;
}
