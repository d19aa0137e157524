/* See takeover.h. */
#include "resched/takeover.h"

#include "base/alloc.h"
#include "base/mutant.h"

#include <assert.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <utlist.h>

static const char *const step_names[] = {
	[STEP_PLAN] = "plan",       [STEP_STAGE] = "stage", [STEP_FENCE] = "fence",   [STEP_RELEASE] = "release",
	[STEP_CLAIM] = "claim",     [STEP_START] = "start", [STEP_REPAIR] = "repair", [STEP_VERIFY] = "verify",
	[STEP_PUBLISH] = "publish", [STEP_DONE] = "done",
};
static_assert(sizeof(step_names) / sizeof(step_names[0]) == STEP_MAX, "a name for every step");

static const char *const state_names[] = {
	[TAKEOVER_WAITING] = "waiting",         [TAKEOVER_RUNNING] = "running", [TAKEOVER_DONE] = "done",
	[TAKEOVER_ROLLED_BACK] = "rolled-back", [TAKEOVER_FAILED] = "failed",   [TAKEOVER_NEEDS_OPERATOR] = "needs-operator",
};
static_assert(sizeof(state_names) / sizeof(state_names[0]) == TAKEOVER_STATE_MAX, "a name for every state");

static const char *const outcome_names[] = {
	[STEP_OUTCOME_NONE] = NULL, [STEP_OK] = "ok",         [STEP_RETRIED] = "retried",
	[STEP_SKIPPED] = "skipped", [STEP_FAILED] = "failed", [STEP_UNKNOWN] = "unknown",
};
static_assert(sizeof(outcome_names) / sizeof(outcome_names[0]) == STEP_OUTCOME_MAX, "a name for every outcome");

static const char *const effect_names[] = {
	[EFFECT_INSPECT] = "inspect",       [EFFECT_IMAGE] = "image",     [EFFECT_CREATE] = "create",
	[EFFECT_START] = "start",           [EFFECT_RENAME] = "rename",   [EFFECT_POLICY] = "restart-policy",
	[EFFECT_DISCONNECT] = "disconnect", [EFFECT_STOP] = "stop",       [EFFECT_REMOVE] = "remove",
	[EFFECT_READY] = "ready",           [EFFECT_RELEASE] = "release", [EFFECT_HOLDERS] = "holders",
	[EFFECT_QUARANTINE] = "quarantine", [EFFECT_REPAIR] = "repair",   [EFFECT_PROVE] = "prove",
	[EFFECT_FORGET] = "forget",         [EFFECT_ISOLATE] = "isolate", [EFFECT_RESTORE] = "restore-node",
	[EFFECT_PUBLISH] = "publish",
};
static_assert(sizeof(effect_names) / sizeof(effect_names[0]) == EFFECT_KIND_MAX, "a name for every effect");

const char *takeover_step_name(enum takeover_step s) { return step_names[s]; }
const char *takeover_state_name(enum takeover_state s) { return state_names[s]; }
const char *step_outcome_name(enum step_outcome o) { return outcome_names[o]; }
const char *effect_kind_name(enum effect_kind kind) { return effect_names[kind]; }

enum takeover_state takeover_state_parse(const char *text) {
	int s = 0;
	while (s < TAKEOVER_STATE_MAX && strcmp(state_names[s], text) != 0)
		s++;
	return (enum takeover_state)s;
}

enum step_outcome step_outcome_parse(const char *text) {
	for (int o = STEP_OK; o < STEP_OUTCOME_MAX; o++)
		if (strcmp(outcome_names[o], text) == 0)
			return (enum step_outcome)o;
	return STEP_OUTCOME_NONE;
}

/* ---- what counts as done ---- */

/* A container counts only when its labels are ours: this takeover's, or (where an earlier one is finished) this generation's. */
static bool is_ours(const struct takeover *t, const struct effect_result *seen) {
	if (!seen->found || seen->generation != t->generation)
		return false;
	if (takeover_is_resumed(t) && seen->container && t->new_id)
		return strcmp(seen->container, t->new_id) == 0;
	return seen->takeover && strcmp(seen->takeover, t->id) == 0;
}

static const struct world_net *seen_net(const struct effect_result *seen, const char *name) {
	for (size_t i = 0; i < seen->n_nets; i++)
		if (strcmp(seen->nets[i].name, name) == 0)
			return &seen->nets[i];
	return NULL;
}

/* Made, and with all its networks: below API 1.44 those are connected one by one after the create. */
static enum answer see_created(const struct takeover *t, const struct effect_result *seen) {
	for (size_t k = 0; k < t->n_nets; k++)
		if (!seen_net(seen, t->nets[k].net.name))
			return ANSWER_NO;
	return is_ours(t, seen) ? ANSWER_YES : ANSWER_NO;
}

/* Of what our start has brought to life and ended since, a second start would be a second run. */
static enum answer see_started(const struct takeover *t, const struct effect_result *seen) {
	return is_ours(t, seen) && (seen->running || (seen->started && !MUTANT(STARTED_TWICE))) ? ANSWER_YES : ANSWER_NO;
}

static bool is_running(const struct takeover *t, const struct effect_result *seen) { return is_ours(t, seen) && seen->running; }

static enum answer see_renamed(const struct takeover *t, const struct effect_result *seen) {
	return is_ours(t, seen) && seen->name && strcmp(seen->name, t->container) == 0 ? ANSWER_YES : ANSWER_NO;
}

static enum answer see_stopped(const struct takeover *t, const struct effect_result *seen) {
	(void)t;
	return !seen->found || !seen->running ? ANSWER_YES : ANSWER_NO;
}

static enum answer see_disconnected(const struct takeover *t, const struct effect_result *seen) {
	for (size_t i = 0; seen->found && i < seen->n_nets; i++)
		for (size_t k = 0; k < t->n_nets; k++)
			if (t->nets[k].net.kind != NET_LOCAL && strcmp(seen->nets[i].name, t->nets[k].net.name) == 0)
				return ANSWER_NO;
	return ANSWER_YES;
}

/* Nobody but ourselves may hold the address; while an old copy does, the release has not happened. */
static enum answer see_released(const struct takeover *t, const struct effect_result *seen) {
	(void)t;
	switch (seen->holder) {
	case HOLDER_NONE:
	case HOLDER_OWN:
	case HOLDER_OTHER: /* let go by the old owner all the same: what a foreign container took is claim's matter */
		return ANSWER_YES;
	case HOLDER_COPY:
		return ANSWER_NO;
	case HOLDER_UNKNOWN:
		break;
	}
	return ANSWER_UNKNOWN;
}

static enum answer see_free(const struct takeover *t, const struct effect_result *seen) {
	(void)t;
	switch (seen->holder) {
	case HOLDER_NONE:
	case HOLDER_OWN:
		return ANSWER_YES;
	case HOLDER_COPY:
	case HOLDER_OTHER:
		return ANSWER_NO;
	case HOLDER_UNKNOWN:
		break;
	}
	return ANSWER_UNKNOWN;
}

static bool same_or_unasked(const char *wanted, const char *got) { return !wanted || (got && strcmp(wanted, got) == 0); }

/* Every overlay address and MAC of the owner is the replacement's. An IPv6 address or MAC that the owner did not have is not asked.
 */
static enum answer see_verified(const struct takeover *t, const struct effect_result *seen) {
	if (!is_running(t, seen))
		return ANSWER_NO;
	for (size_t k = 0; k < t->n_nets; k++) {
		const struct world_net *want = &t->nets[k].net, *got = NULL;
		for (size_t i = 0; i < seen->n_nets; i++)
			if (strcmp(seen->nets[i].name, want->name) == 0)
				got = &seen->nets[i];
		if (!got)
			return ANSWER_NO;
		if (want->kind == NET_LOCAL)
			continue;
		if (!same_or_unasked(want->ip, got->ip) || !same_or_unasked(want->ip6, got->ip6) ||
		    !same_or_unasked(want->mac, got->mac))
			return ANSWER_NO;
	}
	return ANSWER_YES;
}

static enum answer see_any(const struct takeover *t, const struct effect_result *seen) {
	(void)t;
	(void)seen;
	return ANSWER_NO; /* cheap to do again: the effect itself looks first */
}

#define SECONDS(n) \
	{ (n) * INT64_C(1000000000) }

static const struct takeover_rule rules[] = {
	/* name, step, has_do, act, look, see, needs_overlay, deadline, tries */
	[ROW_PLAN] = {"plan", STEP_PLAN, false, 0, 0, NULL, false, SECONDS(0), 0},
	[ROW_IMAGE] = {"stage-image", STEP_STAGE, true, EFFECT_IMAGE, EFFECT_IMAGE, see_any, false, SECONDS(900), 3},
	[ROW_CREATE] = {"stage-create", STEP_STAGE, true, EFFECT_CREATE, EFFECT_INSPECT, see_created, false, SECONDS(30), 4},
	[ROW_READY] = {"stage-ready", STEP_STAGE, true, EFFECT_READY, EFFECT_READY, see_any, true, SECONDS(10), 0},
	[ROW_FENCE_DISCONNECT] = {"fence-disconnect", STEP_FENCE, true, EFFECT_DISCONNECT, EFFECT_INSPECT, see_disconnected, true,
				  SECONDS(10), 5},
	[ROW_FENCE_STOP] = {"fence-stop", STEP_FENCE, true, EFFECT_STOP, EFFECT_INSPECT, see_stopped, false, SECONDS(60), 5},
	[ROW_EVIDENCE] = {"fence-evidence", STEP_FENCE, false, 0, 0, NULL, false, SECONDS(0), 0},
	[ROW_WITHDRAW] = {"withdraw", STEP_RELEASE, false, 0, 0, NULL, false, SECONDS(0), 0},
	[ROW_RELEASE] = {"release", STEP_RELEASE, true, EFFECT_RELEASE, EFFECT_HOLDERS, see_released, true, SECONDS(20), 0},
	[ROW_CLAIM] = {"claim", STEP_CLAIM, true, EFFECT_HOLDERS, EFFECT_HOLDERS, see_free, true, SECONDS(10), 0},
	[ROW_RENAME] = {"start-rename", STEP_START, true, EFFECT_RENAME, EFFECT_INSPECT, see_renamed, false, SECONDS(10), 5},
	[ROW_START] = {"start", STEP_START, true, EFFECT_START, EFFECT_INSPECT, see_started, false, SECONDS(60), 6},
	[ROW_POLICY] = {"start-policy", STEP_START, true, EFFECT_POLICY, EFFECT_POLICY, see_any, false, SECONDS(10), 5},
	[ROW_REPAIR] = {"repair", STEP_REPAIR, false, 0, 0, NULL, true, SECONDS(0), 0},
	[ROW_VERIFY] = {"verify", STEP_VERIFY, true, EFFECT_INSPECT, EFFECT_INSPECT, see_verified, false, SECONDS(10), 10},
	[ROW_PROVE] = {"verify-kernel", STEP_VERIFY, false, 0, 0, NULL, true, SECONDS(3), 8},
	[ROW_PUBLISH] = {"publish", STEP_PUBLISH, false, 0, 0, NULL, false, SECONDS(0), 0},
	[ROW_DONE] = {"done", STEP_DONE, false, 0, 0, NULL, false, SECONDS(0), 0},
};
static_assert(sizeof(rules) / sizeof(rules[0]) == ROW_MAX, "a rule for every row");

const struct takeover_rule *takeover_rule(enum takeover_row row) { return &rules[row]; }

const char *takeover_row_name(enum takeover_row r) { return rules[r].name; }

enum takeover_row takeover_row_parse(const char *text) {
	int r = 0;
	while (r < ROW_MAX && strcmp(rules[r].name, text) != 0)
		r++;
	return (enum takeover_row)r;
}

struct takeover *takeover_new(const char *workload, const char *container) {
	struct takeover *t = xnew(struct takeover);

	t->workload = xstrdup(workload);
	t->container = xstrdup(container);
	t->dirty = true;
	return t;
}

void takeover_asks_clear(struct takeover *t) {
	struct takeover_ask *a, *next;

	LL_FOREACH_SAFE(t->asks, a, next) {
		free(a->node);
		free(a->detail);
		free(a);
	}
	t->asks = NULL;
}

void takeover_free(struct takeover *t) {
	if (!t)
		return;
	char *owned[] = {t->workload,    t->container, t->from,   t->to,     t->old_id,         t->new_id,
			 t->staged_name, t->image_ref, t->pinned, t->reason, t->restart_policy, t->asked};
	for (size_t i = 0; i < sizeof(owned) / sizeof(owned[0]); i++)
		free(owned[i]);
	takeover_asks_clear(t);
	strs_clear(&t->warnings);
	strs_clear(&t->rejected);
	for (size_t i = 0; i < t->n_nets; i++) {
		free(t->nets[i].net.name);
		free(t->nets[i].net.id);
		free(t->nets[i].net.ip);
		free(t->nets[i].net.ip6);
		free(t->nets[i].net.mac);
		strs_clear(&t->nets[i].net.aliases);
	}
	free(t->nets);
	for (size_t i = 0; i < STEP_MAX; i++)
		free(t->steps[i].detail);
	free(t);
}

void takeover_warn(struct takeover *t, const char *fmt, ...) {
	char text[256];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	strs_add_new(&t->warnings, text);
	t->dirty = true;
}

void takeover_reason(struct takeover *t, const char *fmt, ...) {
	char text[512];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	if (t->reason && strcmp(t->reason, text) == 0)
		return;
	xstr_replace(&t->reason, text);
	t->dirty = true;
}

static void service_entry_clear(struct service_entry *s) {
	char *owned[] = {s->service, s->address, s->address6, s->node, s->container};

	for (size_t i = 0; i < sizeof(owned) / sizeof(owned[0]); i++)
		free(owned[i]);
	strs_clear(&s->tags);
	strs_clear(&s->meta);
}

void effect_free(struct effect *e) {
	if (!e)
		return;
	char *owned[] = {e->node,    e->container, e->name,       e->image, e->image_id, e->spec_node,
			 e->spec_id, e->workload,  e->swarm_node, e->own,   e->host,     e->vtep};
	for (size_t i = 0; i < sizeof(owned) / sizeof(owned[0]); i++)
		free(owned[i]);
	strs_clear(&e->sources);
	strs_clear(&e->copies);
	strs_clear(&e->vteps);
	strs_clear(&e->names);
	free(e->own_node);
	for (size_t i = 0; i < e->n_entries; i++)
		service_entry_clear(&e->entries[i]);
	free(e->entries);
	world_nets_free(e->nets, e->n_nets);
	free(e);
}
