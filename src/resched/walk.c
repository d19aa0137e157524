/* One takeover through its table. A row is walked the same way always:
 *
 *      ┌──────── see? (after a restart, or an outcome that is not known) ── YES ──▶ next row
 *      ▼ NO
 *     do ── OK ──▶ next row        UNKNOWN ──▶ see        NOT DONE ──▶ do again, later        REFUSED ──▶ the row's own answer
 *
 * Nothing but `see` answers what is unknown: no row is done twice, and no attempt is given up, while an effect may still come. */
#include "resched/resched-internal.h"

#include "base/alloc.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

#define ADDRESS_ROUNDS 3       /* starts refused for an address that is seen to be free: it is the target that cannot get it */
#define LOOKS_UNTIL_OPERATOR 9 /* about a minute of silence */
#define LOOKS_UNTIL_LEFT 4     /* of a staged container that nobody needs, and that can be put away later */
#define RETRY_MS 250           /* before a row's second try; doubled up to the settings' cap */

static struct workload *workload_of(const struct resched *r, const struct takeover *t) {
	struct workload *w = workload_find(r, t->workload);
	assert(w); /* a workload is forgotten only when no takeover of it is open */
	return w;
}

static bool has_overlay(const struct takeover *t) {
	for (size_t i = 0; i < t->n_nets; i++)
		if (t->nets[i].net.kind != NET_LOCAL)
			return true;
	return false;
}

/* ---- states ---- */

static void set_state(struct resched *r, struct takeover *t, enum takeover_state state) {
	if (t->state == state)
		return;
	t->state = state;
	t->dirty = true;
	if (takeover_is_over(state))
		t->finished = r->wall;
}

static void set_row(struct resched *r, struct takeover *t, enum takeover_row row) {
	t->row = row;
	t->tries = 0;
	/* An earlier attempt may have come past it. */
	t->see = takeover_is_resumed(t) || (row == ROW_RELEASE && workload_of(r, t)->orphan);
	t->effect_out = false;
	t->not_before = (struct mono){0};
	t->row_began = r->now;
	t->dirty = true;
}

static void record(struct resched *r, struct takeover *t, enum step_outcome outcome, const char *detail) {
	struct takeover_step_record *s = &t->steps[takeover_rule(t->row)->step];

	s->took.ns += mono_since(t->row_began, r->now).ns;
	/* Of several rows of one step the worst outcome counts. */
	if (outcome > s->outcome || (s->outcome == STEP_SKIPPED && outcome == STEP_OK))
		s->outcome = outcome;
	if (detail)
		xstr_replace(&s->detail, detail);
	t->row_began = r->now;
	t->dirty = true;
}

static void row_done(struct resched *r, struct takeover *t, const char *detail) {
	record(r, t, t->tries > 0 ? STEP_RETRIED : STEP_OK, detail);
	if (t->state == TAKEOVER_WAITING || t->state == TAKEOVER_NEEDS_OPERATOR)
		set_state(r, t, TAKEOVER_RUNNING);
	xstr_replace(&t->reason, NULL);
	set_row(r, t, t->row + 1);
}

static void row_skip(struct resched *r, struct takeover *t, const char *detail) {
	if (t->steps[takeover_rule(t->row)->step].outcome == STEP_OUTCOME_NONE)
		record(r, t, STEP_SKIPPED, detail);
	set_row(r, t, t->row + 1);
}

/* Again, later. */
static void delay(struct resched *r, struct takeover *t, struct span d) {
	t->not_before = mono_add(r->now, d);
	wake_at(r, t->not_before);
}

static struct span retry_delay(const struct resched *r, const struct takeover *t) {
	struct span d = span_ms(RETRY_MS);
	for (unsigned i = 1; i < t->tries && span_less(d, r->settings.backoff_cap); i++)
		d.ns *= 2;
	return span_less(r->settings.backoff_cap, d) ? r->settings.backoff_cap : d;
}

static void ask_operator(struct resched *r, struct takeover *t) {
	set_state(r, t, TAKEOVER_NEEDS_OPERATOR);
	delay(r, t, span_sec(OPERATOR_POLL_SEC));
}

/* Waits, and after as many looks as there are attempts an operator is told; it goes on looking all the same. */
static void wait_or_ask(struct resched *r, struct takeover *t) {
	t->tries++;
	if (t->tries >= r->settings.attempts + 2) {
		ask_operator(r, t);
		return;
	}
	set_state(r, t, TAKEOVER_WAITING);
	delay(r, t, retry_delay(r, t));
}

/* ---- the end ---- */

static void close_takeover(struct resched *r, struct takeover *t, enum takeover_state state) {
	set_state(r, t, state);
	t->row_began = r->now;
	r->world_changed = true;
	wake_at(r, r->now); /* what waited for its place, or the next attempt, goes on */
}

static const char *restart_policy(const struct resched *r, const struct takeover *t) {
	const struct world_container *c = workload_subject(r, workload_of(r, t));
	if (t->restart_policy)
		return t->restart_policy;
	return c && c->restart_policy ? c->restart_policy : "";
}

static void finish(struct resched *r, struct takeover *t) {
	struct workload *w = workload_of(r, t);

	const struct world_container *c = world_container(&r->world, t->to, t->new_id);

	w->verified = true;
	w->must_run = true;
	if (c && container_is_complete(r, w, c))
		workload_set_spec(w, c);
	w->attempts = 0;
	w->exhausted = false;
	strs_clear(&w->avoid);
	strs_clear(&w->ghosts);
	if (!w->origin)
		w->origin = xstrdup(t->from);
	if (w->origin && strcmp(w->origin, t->to) == 0)
		xstr_replace(&w->origin, NULL);
	w->dirty = true;
	record(r, t, STEP_OK, NULL);
	close_takeover(r, t, TAKEOVER_DONE);
	log_nets(r, t, "done", "ok", NULL);
}

bool takeover_is_past_return(const struct takeover *t) { return t->released || takeover_has_fenced(t); }

bool takeover_has_fenced(const struct takeover *t) {
	if (!t->planned || t->row < ROW_FENCE_DISCONNECT)
		return false;
	return t->effect_out || t->row > ROW_FENCE_STOP || (t->row == ROW_FENCE_STOP && has_overlay(t));
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
static bool may_run(const struct takeover *t) { return t->claimed && t->new_id; }

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
	set_row(r, t, ROW_PLAN);
	set_state(r, t, TAKEOVER_NEEDS_OPERATOR);
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
	struct workload *w = workload_of(r, t);
	bool back = t->abort == ABORT_ROLL_BACK;

	leave_strays(r, w, t);
	if (takeover_is_past_return(t) && !may_run(t))
		orphan(w, t);
	record(r, t, back ? STEP_OUTCOME_NONE : STEP_FAILED, t->reason);
	log_nets(r, t, back ? "rolled-back" : "failed", back ? "ok" : "failed", t->reason);
	if (back) {
		close_takeover(r, t, TAKEOVER_ROLLED_BACK);
		return;
	}
	w->attempts++;
	w->dirty = true;
	if (t->to)
		strs_add_new(&w->avoid, t->to);
	if (w->attempts >= r->settings.attempts) {
		if (t->planned && !takeover_is_past_return(t))
			stay(r, w, t);
		else
			await_operator(r, w, t);
		return;
	}
	/* The second attempt follows at once: another node may well do. */
	w->not_before = w->attempts > 1 ? mono_add(r->now, backoff(r, w->attempts - 1)) : r->now;
	close_takeover(r, t, TAKEOVER_FAILED);
}

static void abort_takeover(struct resched *r, struct takeover *t, enum takeover_abort how) {
	assert(how != ABORT_ROLL_BACK || !t->released); /* the point of no return */
	t->abort = how;
	t->tries = 0;
	t->see = false;
	t->not_before = (struct mono){0};
	t->dirty = true;
	set_state(r, t, TAKEOVER_RUNNING);
}

static void fail(struct resched *r, struct takeover *t, const char *detail) {
	takeover_reason(t, "%s: %s: %s", t->to ? t->to : "?", takeover_row_name(t->row), detail ? detail : "failed");
	abort_takeover(r, t, ABORT_FAIL);
}

/* Whatever was staged on a node that cannot be asked now is put away when it returns. */
static void leave_copy(struct resched *r, struct takeover *t) {
	struct workload *w = workload_of(r, t);

	if (t->to && t->new_id && !may_run(t))
		workload_copy_add(w, t->to, t->new_id, t->staged_name, t->generation)->staged = true;
}

/* ---- effects of the rows ---- */

static void add_nets(const struct takeover *t, struct effect *e, bool overlays_only) {
	e->nets = xnew_n(struct world_net, t->n_nets);
	for (size_t i = 0; i < t->n_nets; i++)
		if (!overlays_only || t->nets[i].net.kind != NET_LOCAL)
			world_net_copy(&e->nets[e->n_nets++], &t->nets[i].net);
}

static void add_copies(const struct workload *w, const struct takeover *t, struct effect *e) {
	if (t->old_id)
		strs_add_new(&e->copies, t->old_id);
	if (w->container && !(t->new_id && strcmp(w->container, t->new_id) == 0))
		strs_add_new(&e->copies, w->container);
	for (size_t i = 0; i < w->n_copies; i++)
		strs_add_new(&e->copies, w->copies[i].id);
	for (size_t i = 0; i < w->ghosts.n; i++)
		strs_add_new(&e->copies, w->ghosts.v[i]);
}

static void add_image(struct resched *r, const struct workload *w, struct effect *e) {
	const struct world_container *c = workload_subject(r, w);

	e->image = xstrdup_null(c ? c->image : NULL);
	e->image_id = xstrdup_null(c ? c->image_id : NULL);
	for (const struct world_node *n = r->world.nodes; n && c; n = n->hh.next)
		if (n->verdict == NODE_ALIVE && strcmp(n->name, e->node) != 0 && world_node_image(n, c->image, c->image_id))
			strs_add(&e->sources, n->name);
}

static struct effect *begin_effect(struct resched *r, struct takeover *t, enum effect_kind kind, struct span deadline) {
	struct effect *e = effect_new(r, kind, deadline);

	snprintf(e->takeover, sizeof(e->takeover), "%s", t->id);
	e->workload = xstrdup(t->workload);
	e->generation = t->generation;
	t->pending = e->id;
	t->pending_kind = kind;
	t->dirty = true;
	return e;
}

static void emit(struct resched *r, struct takeover *t, enum effect_kind kind) {
	const struct takeover_rule *rule = takeover_rule(t->row);
	struct workload *w = workload_of(r, t);
	bool fence = rule->step == STEP_FENCE;
	struct effect *e = begin_effect(r, t, kind, rule->deadline);

	e->node = xstrdup_null(fence ? t->from : t->to);
	e->container = xstrdup_null(fence ? t->old_id : (t->new_id ? t->new_id : t->staged_name));
	switch (kind) {
	case EFFECT_IMAGE:
		add_image(r, w, e);
		break;
	case EFFECT_CREATE:
		e->name = xstrdup(t->staged_name);
		e->spec_node = xstrdup_null(w->spec_node);
		e->spec_id = xstrdup_null(w->spec_id);
		e->image = xstrdup_null(t->image_ref);
		add_nets(t, e, false);
		break;
	case EFFECT_RENAME:
		e->name = xstrdup(t->container);
		break;
	case EFFECT_POLICY:
		e->name = xstrdup(restart_policy(r, t));
		break;
	case EFFECT_START:
		t->start_sent = r->now;
		break;
	case EFFECT_DISCONNECT:
		add_nets(t, e, true);
		break;
	case EFFECT_READY:
	case EFFECT_RELEASE:
	case EFFECT_HOLDERS: {
		e->by_node_removal = kind == EFFECT_RELEASE && t->by_node_removal;
		const struct world_node *from = world_node(&r->world, t->from);
		e->swarm_node = xstrdup_null(from ? from->facts.swarm_node : NULL);
		xstr_replace(&e->node, t->from);
		e->own = xstrdup_null(t->new_id);
		add_nets(t, e, true);
		add_copies(w, t, e);
		break;
	}
	default:
		break;
	}
	effect_emit(r, e);
}

/* ---- rows that the machine decides ---- */

static void adopt_subject(struct takeover *t, const struct world_container *c) {
	t->n_nets = c->n_nets;
	t->nets = xnew_n(struct takeover_net, c->n_nets);
	for (size_t i = 0; i < c->n_nets; i++)
		world_net_copy(&t->nets[i].net, &c->nets[i]);
	t->restart_policy = xstrdup_null(c->restart_policy);
}

/* What the attempt before had to carry over: its old copies may have been cut off and parked since, and show nothing of it any
 * more. */
static void inherit(struct takeover *t, const struct takeover *before) {
	t->n_nets = before->n_nets;
	t->nets = xnew_n(struct takeover_net, before->n_nets);
	for (size_t i = 0; i < before->n_nets; i++)
		world_net_copy(&t->nets[i].net, &before->nets[i].net);
	t->restart_policy = xstrdup_null(before->restart_policy);
	t->evidence = before->evidence;
}

/* What it is made from is the owner itself, not one before it that may have been cut off and parked. */
static bool is_well_known(const struct resched *r, const struct workload *w) {
	const struct world_container *c = workload_subject(r, w);
	return w->verified && c && workload_is_owner(w, c->node, c->id) && container_is_complete(r, w, c);
}

static struct takeover *add_takeover(struct resched *r, struct workload *w) {
	const struct takeover *before = is_well_known(r, w) ? NULL : w->newest;
	struct takeover *t = takeover_new(w->id, w->name);

	if (before)
		inherit(t, before);
	else
		adopt_subject(t, workload_subject(r, w));
	if (w->restart_policy)
		xstr_replace(&t->restart_policy, w->restart_policy);
	r->settings.make_id(r->settings.ctx, t->id);
	takeover_add(r, t);
	t->started = r->wall;
	t->began = t->row_began = r->now;
	return t;
}

void takeover_begin(struct resched *r, struct workload *w, const char *pinned) {
	struct takeover *t = add_takeover(r, w);

	t->from = xstrdup(w->node);
	t->old_id = xstrdup_null(w->container);
	t->pinned = xstrdup_null(pinned);
	t->planned = pinned != NULL;
	t->state = TAKEOVER_WAITING;
	t->evidence = EVIDENCE_NONE;
	t->released = w->orphan;
	const struct world_node *from = world_node(&r->world, w->node);
	log_nets(r, t, "plan", "begun", t->planned ? "the node it came from is back" : w->orphan ? "again" : from->reason);
}

/* 8 characters of the workload's own ID: behind the cluster's name. */
char *workload_staged_name(const struct workload *w, unsigned generation) {
	const char *slash = strrchr(w->id, '/');
	return xasprintf("heir-%.8s-g%u", slash ? slash + 1 : w->id, generation);
}

void takeover_resume(struct resched *r, struct workload *w) {
	struct takeover *t = add_takeover(r, w);

	t->from = xstrdup(w->node);
	t->to = xstrdup(w->node);
	t->new_id = xstrdup(w->container);
	t->staged_name = workload_staged_name(w, w->generation);
	t->generation = w->generation;
	t->state = TAKEOVER_RUNNING;
	t->staged = t->released = t->claimed = true;
	log_nets(r, t, "plan", "begun", "its target is back: going on there");
	set_row(r, t, ROW_CLAIM);
}

/* Why no plan can ever be made as things are; NULL when one can. Owned. */
static char *impossible(const struct takeover *t, const struct world_container *c) {
	for (size_t i = 0; i < t->n_nets; i++)
		if (t->nets[i].net.kind == NET_KV)
			return xasprintf("network \"%s\" is an overlay kept in a key/value store: no agents", t->nets[i].net.name);
	if (c->blockers.n)
		return xstrdup(c->blockers.v[0]);
	/* An overlay address that was never learnt cannot be kept, and dropping it silently is out of the question. */
	for (size_t i = 0; i < t->n_nets; i++)
		if (t->nets[i].net.kind != NET_LOCAL && !t->nets[i].net.ip && !t->nets[i].net.ip6)
			return xasprintf("its address on network \"%s\" is not known", t->nets[i].net.name);
	return NULL;
}

/* What waits for evidence, or for others at the same point, leaves its place to them. */
bool takeover_is_idle(const struct takeover *t) {
	return t->state == TAKEOVER_NEEDS_OPERATOR || (t->state == TAKEOVER_WAITING && t->row == ROW_EVIDENCE);
}

static unsigned count_running(const struct resched *r) {
	unsigned n = 0;
	for (const struct takeover *t = r->takeovers; t; t = t->hh.next)
		n += !takeover_is_over(t->state) && t->to != NULL && !takeover_is_idle(t);
	return n;
}

static void choose(struct resched *r, struct takeover *t, struct workload *w, const struct world_container *c,
		   const struct plan_choice *choice) {
	struct world_node *n = world_node(&r->world, choice->target);
	char text[160];

	xstr_replace(&t->to, choice->target);
	t->generation = ++w->last_generation;
	w->dirty = true;
	free(t->staged_name);
	t->staged_name = workload_staged_name(w, t->generation);
	xstr_replace(&t->image_ref, world_node_image(n, c->image, c->image_id));
	snprintf(text, sizeof(text), "%s%s%s", t->to, choice->cold && has_overlay(t) ? ", network not joined yet" : "",
		 choice->image_missing ? ", image not there yet" : "");
	row_done(r, t, text);
	set_state(r, t, TAKEOVER_RUNNING);
}

static void plan(struct resched *r, struct takeover *t) {
	struct workload *w = workload_of(r, t);
	const struct world_container *c = workload_subject(r, w);
	struct plan_choice choice;
	struct plan_claim *claims;

	if (w->exhausted)
		return;
	if (!c) {
		takeover_reason(t, "its container was removed, and nothing is remembered of it");
		if (t->released)
			set_state(r, t, TAKEOVER_NEEDS_OPERATOR);
		else
			abort_takeover(r, t, ABORT_ROLL_BACK);
		return;
	}
	char *why = impossible(t, c);
	if (why) {
		takeover_reason(t, "%s", why);
		free(why);
		set_state(r, t, TAKEOVER_NEEDS_OPERATOR);
		return;
	}
	if (r->settings.parallel && count_running(r) >= r->settings.parallel) {
		takeover_reason(t, "%u takeovers are running already", r->settings.parallel);
		return;
	}
	size_t n = open_claims(r, t, &claims);
	struct world_net *nets = xnew_n(struct world_net, t->n_nets);
	struct world_container like = *c; /* with the networks that it is to have, which the subject may have lost since */
	for (size_t i = 0; i < t->n_nets; i++)
		nets[i] = t->nets[i].net;
	like.nets = nets;
	like.n_nets = t->n_nets;
	plan_for(r, w, &like, w->orphan ? NULL : t->from, t->pinned, claims, n, &choice);
	free(claims);
	free(nets);
	if (!strs_equal(&t->rejected, &choice.rejected)) {
		strs_copy(&t->rejected, &choice.rejected);
		t->dirty = true;
	}
	if (choice.target) {
		choose(r, t, w, c, &choice);
	} else if (t->planned && !choice.full) {
		takeover_reason(t, "%s cannot take it any more", t->pinned);
		abort_takeover(r, t, ABORT_ROLL_BACK);
	} else {
		set_state(r, t, TAKEOVER_WAITING);
		takeover_reason(t, "%s",
				choice.full ? "every possible target is busy with other takeovers" : "no node can take it");
	}
	plan_choice_clear(&choice);
}

static enum evidence evidence_of_node(const struct resched *r, const char *name) {
	const struct world_node *n = world_node(&r->world, name);

	if (n && n->confirmed_dead)
		return EVIDENCE_STOPPED;
	return n && node_is_lost(r, n) ? EVIDENCE_PRESUMED : EVIDENCE_NONE;
}

/* The weakest over all copies that ran: each was put away on its own engine, or its node is given up. */
static enum evidence evidence_of_copies(const struct resched *r, const struct workload *w) {
	enum evidence least = EVIDENCE_STOPPED;

	for (size_t i = 0; i < w->n_copies; i++) {
		const struct workload_copy *c = &w->copies[i];
		enum evidence e = c->staged || c->row >= CLEAN_WAIT ? EVIDENCE_STOPPED : evidence_of_node(r, c->node);
		least = e < least ? e : least;
	}
	return least;
}

static enum evidence evidence_at_hand(const struct resched *r, const struct takeover *t) {
	const struct workload *w = workload_of(r, t);

	if (w->orphan || t->released)
		return evidence_of_copies(r, w);
	return t->fenced ? EVIDENCE_STOPPED : evidence_of_node(r, t->from);
}

static enum evidence evidence_demanded(const struct resched *r, const struct takeover *t) {
	const struct world_container *c = workload_subject(r, workload_of(r, t));
	enum evidence demanded = r->settings.fence;

	if (c && c->policy.fence > demanded)
		demanded = c->policy.fence;
	return demanded == EVIDENCE_NONE ? EVIDENCE_PRESUMED : demanded; /* auto: without agents there is nothing better */
}

/* By node removal every address of the node is freed, so all that is to move from there must have come as far as this. */
static const struct workload *awaited_sibling(const struct resched *r, const struct takeover *t) {
	const struct world_node *from = world_node(&r->world, t->from);
	bool waits = t->by_node_removal && from && node_is_lost(r, from);

	for (const struct workload *w = r->workloads; w && waits; w = w->hh.next) {
		const struct takeover *other = takeover_open(r, w);
		if (!w->node || strcmp(w->node, t->from) != 0 || !w->must_run || w->gone || other == t)
			continue;
		if (!other || other->row < ROW_EVIDENCE ||
		    (other->row == ROW_EVIDENCE && evidence_at_hand(r, other) < evidence_demanded(r, other)))
			return w;
	}
	return NULL;
}

/* From here on the old copy is stale, whatever becomes of this attempt: if its node answers, it is put away. */
static void disown(struct workload *w, const struct takeover *t) {
	if (t->old_id)
		workload_copy_add(w, t->from, t->old_id, t->container, w->generation);
	xstr_replace(&w->container, NULL);
	w->dirty = true;
}

static void evidence(struct resched *r, struct takeover *t) {
	enum evidence demanded = evidence_demanded(r, t), have = evidence_at_hand(r, t);
	const struct world_node *from = world_node(&r->world, t->from);

	if (t->planned && !t->fenced && !workload_of(r, t)->orphan && from && from->verdict == NODE_ALIVE) {
		set_row(r, t, ROW_FENCE_DISCONNECT); /* it was away when this was due */
		return;
	}
	if (have == EVIDENCE_NONE) {
		takeover_reason(t, "%s answers again: waiting until the old copy is stopped there", t->from);
		set_state(r, t, TAKEOVER_WAITING);
		return;
	}
	if (have < demanded) {
		takeover_reason(t,
				"evidence \"%s\" is demanded, \"%s\" is what there is: make sure that %s is off, then `heir node "
				"confirm-dead %s`",
				evidence_name(demanded), evidence_name(have), t->from, t->from);
		set_state(r, t, TAKEOVER_NEEDS_OPERATOR);
		return;
	}
	const struct workload *sibling = awaited_sibling(r, t);
	if (sibling) {
		const struct takeover *other = takeover_open(r, sibling);
		takeover_reason(t, "%s is to be removed from the swarm, which frees all its addresses: waiting for \"%s\"", t->from,
				sibling->name);
		set_state(r, t, other && other->state == TAKEOVER_NEEDS_OPERATOR ? TAKEOVER_NEEDS_OPERATOR : TAKEOVER_WAITING);
		return;
	}
	t->evidence = have;
	row_done(r, t, evidence_name(have));
	if (!t->released)
		disown(workload_of(r, t), t); /* once: on a second way through here the owner may be the new one */
	t->released = true;
	log_nets(r, t, "fence", "ok", NULL);
}

/* The ledger names the new owner. */
static void claim(struct resched *r, struct takeover *t) {
	struct workload *w = workload_of(r, t);

	if (t->claimed)
		return;
	if (w->node && w->container)
		workload_copy_add(w, w->node, w->container, w->name, w->generation);
	if (!w->origin)
		w->origin = xstrdup(t->from);
	xstr_replace(&w->node, t->to);
	xstr_replace(&w->container, t->new_id);
	w->generation = t->generation;
	w->verified = false;
	w->must_run = true;
	w->gone = false;
	w->orphan = false;
	w->dirty = true;
	t->claimed = true;
	t->dirty = true;
}

/* ---- what a row answers to a refusal, and to what was seen ---- */

static void refused(struct resched *r, struct takeover *t, const struct effect_result *result) {
	const char *detail = result->detail ? result->detail : "refused";

	switch (t->row) {
	case ROW_CREATE:
		if (result->refusal == REFUSAL_NAME_TAKEN && !t->name_looked) {
			t->name_looked = t->see = true; /* by an earlier try of our own? */
			return;
		}
		if (result->refusal == REFUSAL_NO_IMAGE && t->image_ref) {
			xstr_replace(&t->image_ref, NULL);
			set_row(r, t, ROW_IMAGE);
			return;
		}
		fail(r, t, detail);
		return;
	case ROW_READY:
	case ROW_RELEASE:
		takeover_reason(t, "%s", detail);
		if (t->row == ROW_RELEASE && result->refusal == REFUSAL_MISSING) {
			set_row(r, t, ROW_READY); /* how else it can be done is found out there */
			delay(r, t, span_ms(RETRY_MS));
			return;
		}
		if (result->refusal == REFUSAL_MISSING)
			ask_operator(r, t);
		else
			wait_or_ask(r, t);
		return;
	case ROW_CLAIM:
	case ROW_VERIFY: /* an engine that cannot look now says nothing of what is there */
		takeover_reason(t, "%s", detail);
		wait_or_ask(r, t);
		return;
	case ROW_START:
		if (result->refusal == REFUSAL_ADDRESS_TAKEN && ++t->rounds < ADDRESS_ROUNDS) {
			takeover_reason(t, "%s", detail);
			set_row(r, t, ROW_CLAIM);
			t->tries = 1;
			delay(r, t, retry_delay(r, t));
			return;
		}
		if (result->refusal == REFUSAL_PASSING && ++t->tries < takeover_rule(t->row)->tries) {
			takeover_reason(t, "%s", detail);
			delay(r, t, retry_delay(r, t));
			return;
		}
		fail(r, t, detail);
		return;
	case ROW_FENCE_DISCONNECT:
	case ROW_FENCE_STOP:
		if (result->refusal == REFUSAL_NO_SUCH) {
			t->fenced |= t->row == ROW_FENCE_STOP;
			row_done(r, t, "the old container is gone");
			return;
		}
		takeover_reason(t, "%s", detail);
		wait_or_ask(r, t);
		return;
	case ROW_POLICY:
		takeover_warn(t, "its restart policy could not be set, it is \"no\": %s", detail);
		row_done(r, t, NULL);
		return;
	default:
		fail(r, t, detail);
		return;
	}
}

static void note_seen(struct takeover *t, const struct effect_result *seen) {
	if (t->row >= ROW_CREATE && t->row != ROW_FENCE_DISCONNECT && t->row != ROW_FENCE_STOP && seen->found && seen->container &&
	    seen->takeover && strcmp(seen->takeover, t->id) == 0) {
		xstr_replace(&t->new_id, seen->container);
		t->dirty = true;
	}
	for (size_t k = 0; k < t->n_nets && t->row == ROW_VERIFY; k++)
		for (size_t i = 0; i < seen->n_nets; i++)
			if (strcmp(seen->nets[i].name, t->nets[k].net.name) == 0)
				t->nets[k].kept = t->nets[k].net.ip
							  ? seen->nets[i].ip && strcmp(seen->nets[i].ip, t->nets[k].net.ip) == 0
							  : seen->nets[i].ip6 != NULL;
}

static char *verify_complaint(const struct takeover *t, const struct effect_result *seen) {
	if (!seen->found)
		return xasprintf("the replacement is not on %s any more", t->to);
	if (!seen->running)
		return xasprintf("the replacement does not run on %s", t->to);
	for (size_t k = 0; k < t->n_nets; k++)
		if (t->nets[k].net.kind != NET_LOCAL && !t->nets[k].kept)
			return xasprintf("the replacement has not %s on network \"%s\"",
					 t->nets[k].net.ip ? t->nets[k].net.ip : "the old address", t->nets[k].net.name);
	return xstrdup("the replacement's networks are not those of the old container");
}

static void seen_no(struct resched *r, struct takeover *t, const struct effect_result *seen) {
	switch (t->row) {
	case ROW_CLAIM:
		if (seen->holder == HOLDER_COPY) {
			set_row(r, t, ROW_RELEASE);
			delay(r, t, span_ms(RETRY_MS));
			return;
		}
		takeover_reason(t, "the address is taken: %s", seen->detail ? seen->detail : "by a foreign container");
		wait_or_ask(r, t);
		return;
	case ROW_VERIFY: {
		char *complaint = verify_complaint(t, seen);
		takeover_reason(t, "%s", complaint);
		free(complaint);
		if (++t->tries >= takeover_rule(t->row)->tries)
			ask_operator(r, t);
		else
			delay(r, t, retry_delay(r, t));
		return;
	}
	case ROW_CREATE:
		if (seen->found) {
			fail(r, t,
			     seen->takeover && strcmp(seen->takeover, t->id) == 0
				     ? "the replacement was made only by half"
				     : "the name of the replacement is taken by a container that is not ours");
			return;
		}
		t->see = false;
		return;
	case ROW_START:
		if (!seen->found) {
			fail(r, t, "the staged container was removed");
			return;
		}
		t->see = false;
		return;
	default:
		t->see = false;
		return;
	}
}

/* ---- results ---- */

/* It goes on looking, but somebody should know: only this node can say what became of what was sent to it. */
static void look_again(struct resched *r, struct takeover *t, const struct effect_result *result) {
	const char *detail = result->detail ? result->detail : "no answer";

	t->tries++;
	if (t->tries < LOOKS_UNTIL_OPERATOR) {
		takeover_reason(t, "%s", detail);
	} else {
		takeover_reason(t,
				"%s does not say what became of %s (%s): bring it back, or make sure that it is off and `heir node "
				"confirm-dead %s`",
				t->to, takeover_row_name(t->row), detail, t->to);
		set_state(r, t, TAKEOVER_NEEDS_OPERATOR);
	}
	delay(r, t, retry_delay(r, t));
}

/* While going back: the staged container must be seen absent before the attempt is over. */
static void undo_result(struct resched *r, struct takeover *t, const struct effect_result *result) {
	if (t->pending_kind == EFFECT_REMOVE && result->outcome == EFFECT_REFUSED && result->refusal == REFUSAL_RUNNING) {
		/* The start came through after all: so this is no failure. */
		if (t->abort == ABORT_FAIL && t->claimed) {
			t->abort = ABORT_NO;
			set_row(r, t, ROW_START);
			t->see = true;
			return;
		}
	}
	if (t->pending_kind == EFFECT_REMOVE && result->outcome == EFFECT_REFUSED && result->refusal == REFUSAL_RUNNING &&
	    !t->claimed) {
		/* Started by its user, who has no use for it: a stale copy like any other. */
		workload_copy_add(workload_of(r, t), t->to, t->new_id, t->staged_name, t->generation);
		xstr_replace(&t->new_id, NULL);
		t->staged = false;
		give_up(r, t);
		return;
	}
	bool ours = result->found && result->takeover && strcmp(result->takeover, t->id) == 0;
	if (result->outcome == EFFECT_OK && t->pending_kind == EFFECT_INSPECT && ours) {
		xstr_replace(&t->new_id, result->container); /* now it is known what to remove */
		return;
	}
	bool absent = result->outcome == EFFECT_OK && (t->pending_kind == EFFECT_REMOVE || !ours);
	if (absent || (result->outcome == EFFECT_REFUSED && result->refusal == REFUSAL_NO_SUCH)) {
		if (t->claimed && t->new_id && has_overlay(t))
			strs_add_new(&workload_of(r, t)->ghosts, t->new_id);
		xstr_replace(&t->new_id, NULL);
		t->staged = false;
		give_up(r, t);
		return;
	}
	if (!t->claimed && t->tries + 1 >= LOOKS_UNTIL_LEFT) {
		leave_copy(r, t); /* never started, and its restart policy is "no": it harms nobody until its node answers */
		give_up(r, t);
		return;
	}
	look_again(r, t, result);
}

/* Nothing is left there that had to be observed: the attempt can be given up without asking the target. */
static bool is_exhausted(const struct takeover *t) {
	unsigned tries = takeover_rule(t->row)->tries;
	return tries && t->tries >= tries && !t->staged && t->row <= ROW_CREATE;
}

static void look_result(struct resched *r, struct takeover *t, const struct effect_result *result) {
	const struct takeover_rule *rule = takeover_rule(t->row);

	if (result->outcome != EFFECT_OK) {
		look_again(r, t, result);
		return;
	}
	note_seen(t, result);
	switch (rule->see(t, result)) {
	case ANSWER_YES:
		if (t->row == ROW_CLAIM)
			claim(r, t);
		t->fenced |= t->row == ROW_FENCE_STOP;
		row_done(r, t, t->row == ROW_VERIFY ? "on the engine's word: no agent looked into the kernels" : NULL);
		return;
	case ANSWER_NO:
		seen_no(r, t, result);
		return;
	case ANSWER_UNKNOWN:
		t->tries++;
		delay(r, t, retry_delay(r, t));
		return;
	}
}

static bool from_is_lost(const struct resched *r, const struct takeover *t) {
	const struct world_node *from = world_node(&r->world, t->from);
	return from && node_is_lost(r, from);
}

/* Not from a node that works: everybody on it would lose his address. */
static void refuse_node_removal(struct resched *r, struct takeover *t) {
	static const char why[] = "only by taking a node that works out of its swarm";

	if (t->planned && !t->released) {
		fail(r, t, why);
		return;
	}
	takeover_reason(t, "%s", why);
	ask_operator(r, t);
}

static void act_done(struct resched *r, struct takeover *t, const struct effect_result *result) {
	switch (t->row) {
	case ROW_IMAGE:
		xstr_replace(&t->image_ref, result->image_ref);
		break;
	case ROW_CREATE:
		xstr_replace(&t->new_id, result->container);
		break;
	case ROW_READY:
		t->by_node_removal = result->by_node_removal;
		if (t->by_node_removal && !from_is_lost(r, t)) {
			refuse_node_removal(r, t);
			return;
		}
		break;
	case ROW_RELEASE:
		log_nets(r, t, "release", "ok", result->detail);
		break;
	case ROW_START:
		log_nets(r, t, "start", "ok", NULL);
		break;
	case ROW_FENCE_STOP:
		t->fenced = true;
		break;
	default:
		break;
	}
	row_done(r, t, result->detail);
}

void takeover_result(struct resched *r, struct takeover *t, const struct effect_result *result) {
	const struct takeover_rule *rule = takeover_rule(t->row);
	enum effect_kind kind = t->pending_kind;

	t->pending = 0;
	t->dirty = true;
	if (t->abort != ABORT_NO) {
		if (kind == EFFECT_REMOVE || kind == EFFECT_INSPECT)
			undo_result(r, t, result);
		else if (kind == EFFECT_CREATE && result->outcome == EFFECT_OK)
			xstr_replace(&t->new_id, result->container); /* it came late: now it is known what to remove */
		return;
	}
	/* Rows whose effect is itself a look (claim, verify), and looks after an unknown outcome. */
	if (rule->act == rule->look && rule->see && rule->act != EFFECT_IMAGE && rule->act != EFFECT_READY &&
	    rule->act != EFFECT_POLICY) {
		if (result->outcome == EFFECT_REFUSED)
			refused(r, t, result);
		else
			look_result(r, t, result);
		return;
	}
	if (t->see && kind == rule->look && rule->look != rule->act) {
		look_result(r, t, result);
		return;
	}
	switch (result->outcome) {
	case EFFECT_OK:
		act_done(r, t, result);
		return;
	case EFFECT_REFUSED:
		refused(r, t, result);
		return;
	case EFFECT_UNKNOWN:
		t->see = rule->look != rule->act;
		break;
	case EFFECT_NOT_DONE:
		break;
	}
	t->tries++;
	if (t->row == ROW_CREATE && result->outcome == EFFECT_NOT_DONE && !t->create_open)
		t->staged = false;
	if (t->row == ROW_CREATE && result->outcome == EFFECT_UNKNOWN)
		t->create_open = true;
	if (is_exhausted(t)) {
		fail(r, t, result->detail);
		return;
	}
	takeover_reason(t, "%s", result->detail ? result->detail : "no answer");
	delay(r, t, retry_delay(r, t));
}

/* ---- the walk ---- */

/* The node that was given up answers again before anything was taken from it; or the one that was to give way died by itself. */
static bool must_roll_back(const struct resched *r, const struct takeover *t) {
	const struct world_node *from = world_node(&r->world, t->from);
	if (takeover_is_past_return(t) || t->abort != ABORT_NO || !from)
		return false;
	return t->planned ? node_is_lost(r, from) || workload_of(r, t)->gone : from->verdict == NODE_ALIVE;
}

static bool target_is_lost(const struct resched *r, const struct takeover *t) {
	const struct world_node *to = world_node(&r->world, t->to);
	return to && node_is_lost(r, to);
}

/* The target died in the middle. What it may hold is known to the ledger (it is the owner once it claimed), so that a new takeover,
 * from there, fences and releases it like any other. */
static void target_lost(struct resched *r, struct takeover *t) {
	leave_copy(r, t);
	takeover_reason(t, "%s died during the takeover", t->to);
	t->abort = t->abort == ABORT_NO ? ABORT_FAIL : t->abort;
	t->pending = 0;
	give_up(r, t);
}

static void undo(struct resched *r, struct takeover *t) {
	if (!t->to || (!t->new_id && !t->staged)) {
		give_up(r, t);
		return;
	}
	struct effect *e = begin_effect(r, t, t->new_id ? EFFECT_REMOVE : EFFECT_INSPECT, span_sec(20));
	e->node = xstrdup(t->to);
	e->container = xstrdup(t->new_id ? t->new_id : t->staged_name);
	effect_emit(r, e);
}

/* Nothing begins, and no point of no return is passed, while the brake holds or the node's death is in doubt. */
static bool must_pause(struct resched *r, struct takeover *t) {
	const struct world_node *from = world_node(&r->world, t->from);

	if (takeover_is_past_return(t) || t->abort != ABORT_NO)
		return false;
	if (r->brake && !(from && from->confirmed_dead)) {
		takeover_reason(t, "the storm brake holds: %s", r->brake_reason ? r->brake_reason : "?");
		set_state(r, t, TAKEOVER_WAITING);
		return true;
	}
	if (!t->planned && from && !node_is_lost(r, from)) {
		takeover_reason(t, "%s is %s", t->from, node_verdict_name(from->verdict));
		set_state(r, t, TAKEOVER_WAITING);
		return true;
	}
	return false;
}

/* True: the row is behind us and the next one can be looked at. */
static bool step_row(struct resched *r, struct takeover *t) {
	const struct takeover_rule *rule = takeover_rule(t->row);
	enum takeover_row row = t->row;
	const struct world_node *from = world_node(&r->world, t->from);

	if (rule->needs_overlay && !has_overlay(t)) {
		if (row == ROW_CLAIM)
			claim(r, t);
		row_skip(r, t, "on no overlay");
		return true;
	}
	switch (row) {
	case ROW_PLAN:
		plan(r, t);
		return t->row != row;
	case ROW_IMAGE:
		if (t->image_ref) {
			row_skip(r, t, NULL);
			return true;
		}
		break;
	case ROW_FENCE_DISCONNECT:
	case ROW_FENCE_STOP:
		if (!t->planned || !from || node_is_lost(r, from)) {
			row_skip(r, t, NULL);
			return true;
		}
		if (from->verdict != NODE_ALIVE)
			return false;
		break;
	case ROW_EVIDENCE:
		evidence(r, t);
		return t->row != row;
	case ROW_POLICY:
		if (!*restart_policy(r, t) || strcmp(restart_policy(r, t), "no") == 0) {
			row_skip(r, t, NULL);
			return true;
		}
		break;
	case ROW_REPAIR:
		row_skip(r, t, "no agents: peers follow when the engines' gossip has given the old host up");
		return true;
	case ROW_PUBLISH:
		row_skip(r, t, "no discovery is configured");
		return true;
	case ROW_DONE:
		finish(r, t);
		return false;
	default:
		break;
	}
	if (t->see && rule->look != rule->act) {
		emit(r, t, rule->look);
		return false;
	}
	if (row == ROW_START && !t->claimed)
		claim(r, t);
	t->see = false;
	t->effect_out = true;
	t->staged |= row == ROW_CREATE;
	emit(r, t, rule->act);
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
		abort_takeover(r, t, ABORT_ROLL_BACK);
	}
	if (t->to && target_is_lost(r, t)) {
		target_lost(r, t);
		return;
	}
	if (t->pending || must_pause(r, t))
		return;
	bool decided_here = t->abort == ABORT_NO &&
			    !takeover_rule(t->row)->has_do; /* such rows look at the world: no need to wait for a time */
	if (!mono_reached(t->not_before, r->now) && !(decided_here && r->world_changed)) {
		wake_at(r, t->not_before);
		return;
	}
	if (t->abort != ABORT_NO) {
		undo(r, t);
		return;
	}
	while (step_row(r, t))
		;
}
