/* What an operator says, and what may be said when. Nothing is done here: the next turn does what follows from it. */
#include "resched/walk-internal.h"

#include "base/alloc.h"

#include <errno.h>
#include <string.h>

/* ---- nodes ---- */

static struct world_node *find_node(const struct resched *r, const char *name, struct err *err) {
	struct world_node *n = world_node(&r->world, name);

	if (!n)
		(void)err_set(err, -ENOENT, "there is no node \"%s\"", name); /* NULL says it */
	return n;
}

int resched_confirm_dead(struct resched *r, const char *node, struct err *err) {
	struct world_node *n = find_node(r, node, err);

	if (!n)
		return -ENOENT;
	if (n->verdict == NODE_ALIVE || n->verdict == NODE_RECOVERING || n->verdict == NODE_SUSPECT)
		return err_set(err, -EBUSY, "%s is %s: it answers, or did a moment ago; stop it first", node,
			       node_verdict_name(n->verdict));
	if (n->hold)
		return err_set(err, -EBUSY, "%s is held (%s): nothing is taken over from it; `heir node release %s` first", node,
			       n->hold, node);
	n->confirmed_dead = true;
	reopen_workloads(r, node);
	for (struct takeover *t = r->takeovers; t; t = t->hh.next)
		if (!takeover_is_over(t->state) && t->from && strcmp(t->from, node) == 0)
			t->not_before = (struct mono){0};
	r->world_changed = true;
	return 0;
}

int resched_hold(struct resched *r, const char *node, const char *reason, struct err *err) {
	struct world_node *n = find_node(r, node, err);

	if (!n)
		return -ENOENT;
	xstr_replace(&n->hold, reason);
	r->world_changed = true;
	return 0;
}

int resched_release_hold(struct resched *r, const char *node, struct err *err) {
	struct world_node *n = find_node(r, node, err);

	if (!n)
		return -ENOENT;
	if (!n->hold && mono_reached(n->held_until, r->now))
		return err_set(err, -EBUSY, "%s is not held", node);
	xstr_replace(&n->hold, NULL);
	n->held_until = (struct mono){0};
	r->world_changed = true;
	return 0;
}

/* ---- takeovers ---- */

static struct takeover *find_takeover(const struct resched *r, const char *id, struct err *err) {
	struct takeover *t = NULL;

	HASH_FIND_STR(r->takeovers, id, t);
	if (!t)
		(void)err_set(err, -ENOENT, "there is no takeover \"%s\"", id); /* NULL says it */
	return t;
}

const struct takeover *resched_takeover(const struct resched *r, const char *id) { return find_takeover(r, id, NULL); }

/* Another attempt is to follow it. */
static bool is_to_be_continued(const struct resched *r, const struct takeover *t) {
	const struct workload *w = workload_find(r, t->workload);
	const struct world_node *n = w ? world_node(&r->world, w->node) : NULL;

	return w && w->newest == t && t->state == TAKEOVER_FAILED && n && (w->orphan || node_is_lost(r, n));
}

static int over(const struct takeover *t, struct err *err) {
	return err_set(err, -EBUSY, "takeover %s is over: %s", t->id, takeover_state_name(t->state));
}

int resched_retry(struct resched *r, const char *takeover, struct err *err) {
	struct takeover *t = find_takeover(r, takeover, err);

	if (!t)
		return -ENOENT;
	struct workload *w = workload_find(r, t->workload);
	bool open = !takeover_is_over(t->state);
	if (!w || w->newest != t || (!open && !is_to_be_continued(r, t) && !w->abandoned))
		return over(t, err);
	w->exhausted = w->abandoned = false;
	w->attempts = 0;
	w->not_before = (struct mono){0};
	strs_clear(&w->avoid);
	w->dirty = true;
	if (open) {
		t->tries = t->rounds = 0;
		t->not_before = (struct mono){0};
		t->dirty = true;
	}
	r->world_changed = true;
	return 0;
}

/* From its start on the replacement owns the address, and may run. */
bool resched_can_abandon(const struct resched *r, const struct takeover *t) {
	if (takeover_is_over(t->state))
		return is_to_be_continued(r, t);
	return !takeover_is_resumed(t) && t->row <= ROW_START;
}

static void abandon(struct resched *r, struct takeover *t, struct workload *w) {
	bool back = !takeover_is_past_return(t);

	if (t->planned && back)
		xstr_replace(&w->origin, NULL); /* it runs where it is, and stays there */
	else
		w->abandoned = true;
	w->dirty = true;
	takeover_reason(t, "abandoned by an operator%s", back ? "" : " after its address was released: nobody has it now");
	if (t->abort == ABORT_NO)
		walk_abort(r, t, back ? ABORT_ROLL_BACK : ABORT_FAIL);
}

int resched_abandon(struct resched *r, const char *takeover, struct err *err) {
	struct takeover *t = find_takeover(r, takeover, err);

	if (!t)
		return -ENOENT;
	struct workload *w = workload_find(r, t->workload);
	if (w && resched_can_abandon(r, t)) {
		if (takeover_is_over(t->state))
			w->abandoned = w->dirty = true;
		else
			abandon(r, t, w);
		r->world_changed = true;
		return 0;
	}
	if (takeover_is_over(t->state))
		return over(t, err);
	return err_set(
		err, -EBUSY,
		"its replacement is on %s, owns the address and may run: retry, or remove it there by hand to have it made anew",
		t->to ? t->to : "?");
}
