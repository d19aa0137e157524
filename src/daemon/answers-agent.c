/* See answers-agent.h. */
#include "daemon/answers-agent.h"

#include <assert.h>

struct effect_result answer_agent(const struct agent_result *result) {
	static const enum effect_outcome outcomes[] = {
		[AGENT_OK] = EFFECT_OK,
		[AGENT_REFUSED] = EFFECT_REFUSED,
		[AGENT_STALE_EPOCH] = EFFECT_REFUSED,
		[AGENT_NOT_SENT] = EFFECT_NOT_DONE,
		[AGENT_OTHER_MANAGER] = EFFECT_REFUSED,
		[AGENT_UNKNOWN] = EFFECT_UNKNOWN,
		[AGENT_BAD] = EFFECT_UNKNOWN,
	};
	static_assert(sizeof(outcomes) / sizeof(outcomes[0]) == AGENT_OUTCOME_MAX, "every outcome is translated");
	struct effect_result r = {.outcome = outcomes[result->outcome]};

	if (result->outcome != AGENT_OK)
		r.detail = result->err.msg;
	return r;
}

/* ---- repair ---- */

void answer_repaired(const struct wire_owner_states *states, struct effect_result *ret, struct buf *detail) {
	int64_t changed = 0;

	ret->right = true;
	for (size_t i = 0; i < states->owners.n; i++) {
		const struct wire_owner_state *s = &states->owners.v[i];
		changed += s->changed;
		ret->right = ret->right && s->right && !s->contested;
		if (s->error || s->contested || !s->right)
			buf_printf(detail, "%s%s: %s", detail->len ? "; " : "", s->mac,
				   s->contested ? "others keep changing its rows"
				   : s->error   ? s->error
						: "its rows are not right");
	}
	if (detail->len == 0)
		buf_printf(detail, "%lld rows changed", (long long)changed);
	ret->detail = detail->data;
}

/* ---- prove ---- */

static void judge_address(const struct wire_owner_state *s, struct effect_result *answer, struct buf *detail) {
	if (s->address == WIRE_ADDRESS_NONE)
		return;
	if (s->address == WIRE_ADDRESS_HERE && s->strays.n == 0) {
		if (answer->here == ANSWER_UNKNOWN)
			answer->here = ANSWER_YES;
		return;
	}
	answer->here = ANSWER_NO;
	if (s->address == WIRE_ADDRESS_HERE)
		buf_printf(detail, ", %s has it too", s->strays.v[0]);
	else
		buf_puts(detail, s->address == WIRE_ADDRESS_MISSING ? ", the replacement has not the address"
								    : ", another has the address");
}

static void judge_probe(const struct wire_owner_state *s, struct effect_result *answer, struct buf *detail) {
	bool answered = s->icmp == WIRE_ECHO_ANSWERED || s->tcp == WIRE_ECHO_ANSWERED || s->tcp == WIRE_ECHO_REFUSED;

	if (answered) {
		if (answer->answered == ANSWER_UNKNOWN)
			answer->answered = ANSWER_YES;
		if (s->answered_from)
			buf_printf(detail, ", answered from %s", s->answered_from);
	} else if (s->icmp == WIRE_ECHO_SILENT) {
		answer->answered = ANSWER_NO;
		buf_puts(detail, ", no answer to a ping");
	}
}

static void judge(const struct wire_owner_state *s, struct effect_result *answer, struct buf *detail) {
	answer->right = answer->right && s->right && !s->contested;
	buf_printf(detail, "%s%s", detail->len ? "; " : "",
		   !s->joined ? "network not joined"
		   : s->error ? s->error
		   : s->right ? "rows right"
			      : "rows not right");
	judge_address(s, answer, detail);
	judge_probe(s, answer, detail);
}

void answer_proved(const struct wire_owner_states *states, struct effect_result *ret, struct buf *detail) {
	ret->right = true;
	ret->here = ret->answered = ANSWER_UNKNOWN;
	for (size_t i = 0; i < states->owners.n; i++)
		judge(&states->owners.v[i], ret, detail);
	ret->detail = detail->data;
}
