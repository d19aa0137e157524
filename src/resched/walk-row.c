/* Where a takeover stands: its row, its state, and when it is looked at again. Every move goes through here. */
#include "resched/walk-internal.h"

#include "base/alloc.h"
#include "base/mutant.h"

#include <assert.h>

#define LOOKS_UNTIL_OPERATOR 9 /* about a minute of silence */

struct workload *walk_workload(const struct resched *r, const struct takeover *t) {
	struct workload *w = workload_find(r, t->workload);
	assert(w); /* a workload is forgotten only when no takeover of it is open */
	return w;
}

bool takeover_has_overlay(const struct takeover *t) {
	for (size_t i = 0; i < t->n_nets; i++)
		if (t->nets[i].net.kind != NET_LOCAL)
			return true;
	return false;
}

bool takeover_has_fenced(const struct takeover *t) {
	if (!t->planned || t->row < ROW_FENCE_DISCONNECT)
		return false;
	return t->effect_out || t->row > ROW_FENCE_STOP || (t->row == ROW_FENCE_STOP && takeover_has_overlay(t));
}

bool takeover_is_past_return(const struct takeover *t) { return t->released || takeover_has_fenced(t); }

/* What waits for evidence, or for others at the same point, leaves its place to them. */
bool takeover_is_idle(const struct takeover *t) {
	return t->state == TAKEOVER_NEEDS_OPERATOR || (t->state == TAKEOVER_WAITING && t->row == ROW_EVIDENCE);
}

bool walk_node_is_lost(const struct resched *r, const char *name) {
	const struct world_node *n = world_node(&r->world, name);
	return n && node_is_lost(r, n);
}

void walk_set_state(struct resched *r, struct takeover *t, enum takeover_state state) {
	if (t->state == state)
		return;
	t->state = state;
	t->dirty = true;
	if (takeover_is_over(state))
		t->finished = r->wall;
}

void walk_set_row(struct resched *r, struct takeover *t, enum takeover_row row) {
	takeover_asks_clear(t);
	t->row = row;
	t->tries = 0;
	/* An earlier attempt may have come past it, or this one before. */
	bool again = t->released && (row == ROW_FENCE_DISCONNECT || row == ROW_FENCE_STOP);
	t->see = again || takeover_is_resumed(t) || (row == ROW_RELEASE && walk_workload(r, t)->orphan);
	t->effect_out = false;
	t->not_before = (struct mono){0};
	t->row_began = r->now;
	t->dirty = true;
}

void walk_record(struct resched *r, struct takeover *t, enum step_outcome outcome, const char *detail) {
	struct takeover_step_record *s = &t->steps[takeover_rule(t->row)->step];

	s->took.ns += mono_since(t->row_began, r->now).ns;
	/* Of several rows of one step the worst outcome counts; that one of them was skipped says nothing of the others. */
	if (outcome > s->outcome || (s->outcome == STEP_SKIPPED && outcome != STEP_OUTCOME_NONE))
		s->outcome = outcome;
	if (detail)
		xstr_replace(&s->detail, detail);
	t->row_began = r->now;
	t->dirty = true;
}

static enum takeover_row next_row(const struct takeover *t) {
	if (t->row == ROW_READY && MUTANT(PUBLISHED_BEFORE_FENCE))
		return ROW_PUBLISH;
	if (t->row == ROW_POLICY && MUTANT(PUBLISHED_BEFORE_VERIFIED))
		return ROW_PUBLISH;
	return t->row + 1;
}

/* What it waited for, or an operator was asked for, is behind it. */
static void leave_row(struct resched *r, struct takeover *t, enum takeover_row next) {
	if (t->state == TAKEOVER_WAITING || t->state == TAKEOVER_NEEDS_OPERATOR)
		walk_set_state(r, t, TAKEOVER_RUNNING);
	xstr_replace(&t->reason, NULL);
	walk_set_row(r, t, next);
}

void walk_row_done(struct resched *r, struct takeover *t, const char *detail) {
	walk_record(r, t, t->tries > 0 ? STEP_RETRIED : STEP_OK, detail);
	leave_row(r, t, next_row(t));
}

void walk_row_skip(struct resched *r, struct takeover *t, const char *detail) {
	if (t->steps[takeover_rule(t->row)->step].outcome == STEP_OUTCOME_NONE)
		walk_record(r, t, STEP_SKIPPED, detail);
	leave_row(r, t, t->row + 1);
}

void walk_delay(struct resched *r, struct takeover *t, struct span d) {
	t->not_before = mono_add(r->now, d);
	wake_at(r, t->not_before);
}

static struct span retry_delay(const struct resched *r, const struct takeover *t) {
	struct span d = span_ms(RETRY_MS);
	for (unsigned i = 1; i < t->tries && span_less(d, r->settings.backoff_cap); i++)
		d.ns *= 2;
	return span_less(r->settings.backoff_cap, d) ? r->settings.backoff_cap : d;
}

void walk_retry(struct resched *r, struct takeover *t) {
	walk_delay(r, t, MUTANT(RETRIED_WITHOUT_BACKOFF) ? span_ms(RETRY_MS) : retry_delay(r, t));
}

void walk_ask_operator(struct resched *r, struct takeover *t) {
	if (MUTANT(OPERATOR_NOT_TOLD_WHY))
		xstr_replace(&t->reason, NULL);
	walk_set_state(r, t, TAKEOVER_NEEDS_OPERATOR);
	walk_delay(r, t, span_sec(OPERATOR_POLL_SEC));
}

void walk_wait_or_ask(struct resched *r, struct takeover *t) {
	t->tries++;
	if (t->tries >= limit_attempts(r, walk_workload(r, t)) + 2) {
		walk_ask_operator(r, t);
		return;
	}
	walk_set_state(r, t, TAKEOVER_WAITING);
	walk_retry(r, t);
}

/* Only this node can say what became of what was sent to it. */
void walk_look_again(struct resched *r, struct takeover *t, const struct effect_result *result) {
	const char *detail = result->detail ? result->detail : "no answer";

	t->tries++;
	if (t->tries < LOOKS_UNTIL_OPERATOR) {
		takeover_reason(t, "%s", detail);
	} else {
		takeover_reason(t,
				"%s does not say what became of %s (%s): bring it back, or make sure that it is off and `heir node "
				"confirm-dead %s`",
				t->to, takeover_row_name(t->row), detail, t->to);
		walk_set_state(r, t, TAKEOVER_NEEDS_OPERATOR);
	}
	walk_retry(r, t);
}
