/* The kernels' part of a takeover: the observers' rows are made right, and then proven, with a probe from where the clients are.
 *
 * The telling itself is seats.c's, and goes on beyond the takeover. An agent that does not answer holds a takeover up for a moment
 * only: the address is up already, and what is not proven is said. */
#include "resched/walk-internal.h"

#include "base/alloc.h"
#include "base/buf.h"
#include "base/mutant.h"

#include <string.h>
#include <utlist.h>

#define ASKS_UNTIL_LEFT 2 /* of an agent that does not answer */
#define LOOK_AGAIN_MS 250
#define AWAITED_SEC 5 /* after the start; an agent or engine that says nothing is known to be silent before that */

bool walk_has_agents(const struct resched *r, const struct takeover *t) {
	for (const struct world_node *n = r->world.nodes; n; n = n->hh.next)
		if (n->agent.state == NODE_AGENT_OK && agents_is_observer(r, n, t))
			return true;
	return false;
}

/* It was not heard of, or not what runs there. Who is dead or silent is no longer awaited. */
static bool is_awaited(const struct world_node *n) {
	bool answers = n->verdict == NODE_ALIVE || n->verdict == NODE_RECOVERING;

	return n->agent.expected && (n->verdict == NODE_UNKNOWN || (answers && (!n->listed || n->agent.state == NODE_AGENT_NONE)));
}

bool walk_awaits_agents(struct resched *r, const struct takeover *t) {
	struct mono until = mono_add(r->began, span_sec(AWAITED_SEC));
	bool awaited = false;

	if (!takeover_has_overlay(t) || mono_reached(until, r->now))
		return false;
	for (const struct world_node *n = r->world.nodes; n; n = n->hh.next)
		awaited |= strcmp(n->name, t->from) != 0 && is_awaited(n);
	if (awaited)
		wake_at(r, until);
	return awaited;
}

static char *join(const struct strs *list) {
	struct buf b = {0};

	for (size_t i = 0; i < list->n; i++)
		buf_printf(&b, "%s%s", i ? ", " : "", list->v[i]);
	return b.data ? b.data : xstrdup("none");
}

/* Nobody to say yes is no reason to take the address away again, but it is no yes. */
static void row_over(struct resched *r, struct takeover *t, bool well, const char *detail) {
	if (!well)
		walk_record(r, t, t->row == ROW_REPAIR ? STEP_FAILED : STEP_UNKNOWN, detail);
	walk_row_done(r, t, detail);
}

/* ---- repair ---- */

void walk_repair(struct resched *r, struct takeover *t) {
	struct strs right = {0}, wrong = {0};

	if (seats_open(r, t, &right, &wrong) == 0) {
		for (size_t i = 0; i < wrong.n; i++)
			takeover_warn(t, "rows not repaired on %s", wrong.v[i]);
		char *names = join(&right), *detail = xasprintf("rows right on %s", names);
		row_over(r, t, right.n > 0, detail);
		free(detail);
		free(names);
	}
	strs_clear(&right);
	strs_clear(&wrong);
}

/* ---- prove ---- */

static void ask(struct resched *r, struct takeover *t, struct takeover_ask *a) {
	const struct world_node *to = world_node(&r->world, t->to);
	struct effect *e = effect_new(r, EFFECT_PROVE, takeover_rule(ROW_PROVE)->deadline);

	memcpy(e->takeover, t->id, sizeof(e->takeover));
	e->node = xstrdup(a->node);
	e->workload = xstrdup(t->workload);
	e->generation = t->generation;
	e->container = xstrdup_null(t->new_id);
	e->host = xstrdup(t->to);
	e->vtep = xstrdup_null(to ? to->facts.vtep : NULL);
	e->nets = xnew_n(struct world_net, t->n_nets);
	for (size_t i = 0; i < t->n_nets; i++)
		if (t->nets[i].net.kind != NET_LOCAL)
			world_net_copy(&e->nets[e->n_nets++], &t->nets[i].net);
	a->effect = e->id;
	effect_emit(r, e);
}

static void begin_asks(struct resched *r, struct takeover *t) {
	for (const struct world_node *n = r->world.nodes; n; n = n->hh.next) {
		if (n->agent.state != NODE_AGENT_OK || !agents_is_observer(r, n, t))
			continue;
		struct takeover_ask *a = xnew(struct takeover_ask);
		a->node = xstrdup(n->name);
		LL_APPEND(t->asks, a);
		ask(r, t, a);
	}
}

static void say_unproven(const struct resched *r, struct takeover *t) {
	const struct takeover_ask *a;

	LL_FOREACH (t->asks, a) {
		if (!a->proven)
			takeover_warn(t, "unproven on %s: %s", a->node, a->detail ? a->detail : "no answer");
	}
	for (const struct world_node *n = r->world.nodes; n; n = n->hh.next)
		if (n->agent.state != NODE_AGENT_OK && agents_is_observer(r, n, t))
			takeover_warn(t, "unproven on %s: %s", n->name,
				      n->agent.state == NODE_AGENT_NONE ? "no agent" : "its agent does not answer");
}

static size_t count_proven(const struct takeover *t) {
	const struct takeover_ask *a;
	size_t n = 0;

	LL_FOREACH (t->asks, a) {
		n += a->proven;
	}
	return n;
}

/* Where no engine ever corrects a row, an owner that nobody can be shown to reach is not served. */
static bool is_unreached(const struct takeover *t) {
	bool kv = false;

	for (size_t i = 0; i < t->n_nets; i++)
		kv |= t->nets[i].net.kind == NET_KV;
	return kv && count_proven(t) == 0;
}

static void conclude(struct resched *r, struct takeover *t) {
	struct buf b = {0};
	const struct takeover_ask *a;

	LL_FOREACH (t->asks, a) {
		buf_printf(&b, "%s%s: %s", b.len ? "; " : "", a->node, a->detail ? a->detail : "no answer");
	}
	say_unproven(r, t);
	row_over(r, t, count_proven(t) > 0, b.data);
	log_nets(r, t, "verify", "ok", b.data);
	buf_clear(&b);
	takeover_asks_clear(t);
}

/* The replacement itself has not what it should have: nobody can make that right from outside. */
static const struct takeover_ask *find_missing(const struct takeover *t) {
	const struct takeover_ask *a;

	LL_FOREACH (t->asks, a) {
		if (a->given_up && a->missing)
			return a;
	}
	return NULL;
}

/* True while somebody has yet to answer. */
static bool ask_again(struct resched *r, struct takeover *t) {
	bool due = mono_reached(t->not_before, r->now), open = false;
	struct takeover_ask *a;

	LL_FOREACH (t->asks, a) {
		if (!a->effect && !a->proven && !a->given_up && due)
			ask(r, t, a);
		open |= a->effect || (!a->proven && !a->given_up);
	}
	if (!due)
		wake_at(r, t->not_before);
	return open;
}

void walk_prove(struct resched *r, struct takeover *t) {
	if (!t->asks)
		begin_asks(r, t);
	if (ask_again(r, t))
		return;
	const struct takeover_ask *missing = find_missing(t);
	if (!missing && !is_unreached(t)) {
		conclude(r, t);
		return;
	}
	if (missing)
		takeover_reason(t, "%s: %s", t->to, missing->detail);
	else
		takeover_reason(t, "no agent could show that it is reached: %s",
				t->asks && t->asks->detail ? t->asks->detail : "none answered");
	takeover_asks_clear(t);
	walk_ask_operator(r, t);
}

/* An unanswered probe is no proof of anything (a container need not answer), but worth another look and a word; perhaps it is only
 * that the target's engine does not know where those are who ask. */
static void judge(struct resched *r, struct takeover *t, struct takeover_ask *a, const struct effect_result *result) {
	bool answered = result->outcome == EFFECT_OK;
	unsigned enough = answered ? takeover_rule(ROW_PROVE)->tries : ASKS_UNTIL_LEFT;

	xstr_replace(&a->detail, result->detail);
	a->missing = answered && strcmp(a->node, t->to) == 0 && result->here == ANSWER_NO;
	a->proven =
		answered && (result->right || MUTANT(WRONG_ROWS_TAKEN_FOR_PROOF)) && !a->missing && result->answered != ANSWER_NO;
	if (a->proven)
		return;
	if (answered && !result->right)
		seats_again(r, a->node, t->workload);
	else if (answered && result->answered == ANSWER_NO)
		sweep_ask(r, t->to);
	a->given_up = ++a->tries >= enough;
	walk_delay(r, t, span_ms(LOOK_AGAIN_MS));
}

bool takeover_proof(struct resched *r, struct takeover *t, uint64_t effect, const struct effect_result *result) {
	struct takeover_ask *a;

	LL_FOREACH (t->asks, a) {
		if (a->effect == effect) {
			a->effect = 0;
			judge(r, t, a, result);
			return true;
		}
	}
	return false;
}
