/* The rows' own answers: to an effect that was done, to one that was refused, and to what was seen. */
#include "resched/walk-internal.h"

#include "base/alloc.h"
#include "base/mutant.h"

#include <string.h>

#define ADDRESS_ROUNDS 3 /* starts refused for an address that is seen to be free: it is the target that cannot get it */

static void refused_create(struct resched *r, struct takeover *t, const struct effect_result *result, const char *detail) {
	if (result->refusal == REFUSAL_NAME_TAKEN && !t->name_looked) {
		t->name_looked = t->see = true; /* by an earlier try of our own? */
		return;
	}
	if (result->refusal == REFUSAL_NO_IMAGE && t->image_ref) {
		xstr_replace(&t->image_ref, NULL);
		walk_set_row(r, t, ROW_IMAGE);
		return;
	}
	walk_fail(r, t, detail);
}

static void refused_ready(struct resched *r, struct takeover *t, const struct effect_result *result, const char *detail) {
	takeover_reason(t, "%s", detail);
	if (result->refusal == REFUSAL_MISSING)
		walk_ask_operator(r, t);
	else
		walk_wait_or_ask(r, t);
}

static void refused_release(struct resched *r, struct takeover *t, const struct effect_result *result, const char *detail) {
	takeover_reason(t, "%s", detail);
	if (result->refusal != REFUSAL_MISSING) {
		walk_wait_or_ask(r, t);
		return;
	}
	walk_set_row(r, t, ROW_READY); /* how else it can be done is found out there */
	walk_delay(r, t, span_ms(RETRY_MS));
}

/* An engine that cannot look now says nothing of what is there. */
static void refused_look(struct resched *r, struct takeover *t, const struct effect_result *result, const char *detail) {
	(void)result;
	takeover_reason(t, "%s", detail);
	walk_wait_or_ask(r, t);
}

static void refused_start(struct resched *r, struct takeover *t, const struct effect_result *result, const char *detail) {
	if (result->refusal == REFUSAL_ADDRESS_TAKEN && ++t->rounds < ADDRESS_ROUNDS) {
		takeover_reason(t, "%s", detail);
		walk_set_row(r, t, ROW_CLAIM);
		t->tries = 1;
		walk_retry(r, t);
		return;
	}
	if (result->refusal == REFUSAL_PASSING && ++t->tries < takeover_rule(t->row)->tries) {
		takeover_reason(t, "%s", detail);
		walk_retry(r, t);
		return;
	}
	walk_fail(r, t, detail);
}

static void refused_fence(struct resched *r, struct takeover *t, const struct effect_result *result, const char *detail) {
	if (result->refusal == REFUSAL_NO_SUCH || MUTANT(REFUSED_STOP_TAKEN_FOR_STOPPED)) {
		t->fenced |= t->row == ROW_FENCE_STOP;
		walk_row_done(r, t, "the old container is gone");
		return;
	}
	takeover_reason(t, "%s", detail);
	walk_wait_or_ask(r, t);
}

static void refused_policy(struct resched *r, struct takeover *t, const struct effect_result *result, const char *detail) {
	(void)result;
	takeover_warn(t, "its restart policy could not be set, it is \"no\": %s", detail);
	walk_row_done(r, t, NULL);
}

void walk_refused(struct resched *r, struct takeover *t, const struct effect_result *result) {
	static void (*const answers[ROW_MAX])(struct resched *, struct takeover *, const struct effect_result *, const char *) = {
		[ROW_CREATE] = refused_create,    [ROW_READY] = refused_ready,     [ROW_FENCE_DISCONNECT] = refused_fence,
		[ROW_FENCE_STOP] = refused_fence, [ROW_RELEASE] = refused_release, [ROW_CLAIM] = refused_look,
		[ROW_START] = refused_start,      [ROW_POLICY] = refused_policy,   [ROW_VERIFY] = refused_look,
	};
	const char *detail = result->detail ? result->detail : "refused";

	if (answers[t->row])
		answers[t->row](r, t, result, detail);
	else
		walk_fail(r, t, detail);
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

static void not_free(struct resched *r, struct takeover *t, const struct effect_result *seen) {
	if (seen->holder == HOLDER_COPY) {
		walk_set_row(r, t, ROW_RELEASE);
		walk_delay(r, t, span_ms(RETRY_MS));
		return;
	}
	takeover_reason(t, "the address is taken: %s", seen->detail ? seen->detail : "by a foreign container");
	walk_wait_or_ask(r, t);
}

/* Somebody removed it. That is no owner, and another is made; what it may have left of its address is released with it. */
static void replacement_gone(struct resched *r, struct takeover *t) {
	if (t->new_id && takeover_has_overlay(t))
		strs_add_new(&walk_workload(r, t)->ghosts, t->new_id);
	xstr_replace(&t->new_id, NULL);
	t->staged = false;
	walk_fail(r, t, "the replacement was removed");
}

static void not_verified(struct resched *r, struct takeover *t, const struct effect_result *seen) {
	char *complaint = verify_complaint(t, seen);

	takeover_reason(t, "%s", complaint);
	free(complaint);
	if (++t->tries < takeover_rule(t->row)->tries)
		walk_retry(r, t);
	else if (seen->found)
		walk_ask_operator(r, t);
	else
		replacement_gone(r, t);
}

static void not_created(struct resched *r, struct takeover *t, const struct effect_result *seen) {
	if (!seen->found)
		t->see = false;
	else if (seen->takeover && strcmp(seen->takeover, t->id) == 0)
		walk_fail(r, t, "the replacement was made only by half");
	else
		walk_fail(r, t, "the name of the replacement is taken by a container that is not ours");
}

static void not_started(struct resched *r, struct takeover *t, const struct effect_result *seen) {
	if (seen->found)
		t->see = false;
	else
		walk_fail(r, t, "the staged container was removed");
}

static void seen_no(struct resched *r, struct takeover *t, const struct effect_result *seen) {
	static void (*const answers[ROW_MAX])(struct resched *, struct takeover *, const struct effect_result *) = {
		[ROW_CREATE] = not_created,
		[ROW_CLAIM] = not_free,
		[ROW_START] = not_started,
		[ROW_VERIFY] = not_verified,
	};

	if (answers[t->row])
		answers[t->row](r, t, seen);
	else
		t->see = false; /* now it is done */
}

/* Also what a manager did that did not live to hear of it. */
static void log_done(struct resched *r, const struct takeover *t, const char *detail) {
	if (t->row == ROW_RELEASE && !MUTANT(RELEASE_NOT_LOGGED))
		log_nets(r, t, "release", "ok", detail);
	if (t->row == ROW_START)
		log_nets(r, t, "start", "ok", NULL);
}

void walk_seen(struct resched *r, struct takeover *t, const struct effect_result *result) {
	const struct takeover_rule *rule = takeover_rule(t->row);

	if (result->outcome != EFFECT_OK) {
		walk_look_again(r, t, result);
		return;
	}
	note_seen(t, result);
	switch (rule->see(t, result)) {
	case ANSWER_YES:
		if (t->row == ROW_CLAIM)
			walk_claim(r, t);
		t->fenced |= t->row == ROW_FENCE_STOP;
		if (t->effect_out)
			log_done(r, t, NULL);
		walk_row_done(r, t, NULL);
		return;
	case ANSWER_NO:
		seen_no(r, t, result);
		return;
	case ANSWER_UNKNOWN:
		t->tries++;
		walk_retry(r, t);
		return;
	}
}

/* Not from a node that works: everybody on it would lose his address. */
static void refuse_node_removal(struct resched *r, struct takeover *t) {
	static const char why[] = "only by taking a node that works out of its swarm";

	if (t->planned && !t->released) {
		walk_fail(r, t, why);
		return;
	}
	takeover_reason(t, "%s", why);
	walk_ask_operator(r, t);
}

void walk_did(struct resched *r, struct takeover *t, const struct effect_result *result) {
	switch (t->row) {
	case ROW_IMAGE:
		xstr_replace(&t->image_ref, result->image_ref);
		break;
	case ROW_CREATE:
		xstr_replace(&t->new_id, result->container);
		break;
	case ROW_READY:
		t->by_node_removal = result->by_node_removal;
		if (t->by_node_removal && !walk_node_is_lost(r, t->from) && !MUTANT(LIVE_NODE_REMOVED)) {
			refuse_node_removal(r, t);
			return;
		}
		break;
	case ROW_FENCE_STOP:
		t->fenced = true;
		break;
	default:
		break;
	}
	log_done(r, t, result->detail);
	walk_row_done(r, t, result->detail);
}
