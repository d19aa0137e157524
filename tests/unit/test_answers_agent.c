/* What agents say of their kernels, and what that means for the effect that asked. */
#include "daemon/answers-agent.h"

#include "base/cleanup.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#define MAC "02:42:0a:14:00:32"

static char mac[] = MAC, error[] = "no such device", stray[] = "other", from[] = "10.99.0.12";
static char *strays[] = {stray};

static void an_outcome_is_what_is_known_of_the_order(void **state) {
	static const struct {
		enum agent_outcome said;
		enum effect_outcome means;
	} cases[] = {
		{AGENT_OK, EFFECT_OK},
		{AGENT_REFUSED, EFFECT_REFUSED},
		{AGENT_STALE_EPOCH, EFFECT_REFUSED},
		{AGENT_NOT_SENT, EFFECT_NOT_DONE},
		{AGENT_OTHER_MANAGER, EFFECT_REFUSED},
		{AGENT_UNKNOWN, EFFECT_UNKNOWN},
		{AGENT_BAD, EFFECT_UNKNOWN},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		const struct agent_result said = {.outcome = cases[i].said, .err = {-1, "h2's agent: no"}};
		struct effect_result r = answer_agent(&said);
		assert_int_equal(r.outcome, cases[i].means);
		assert_int_equal(r.detail != NULL, cases[i].said != AGENT_OK);
	}
}

static void a_repair_is_right_when_every_row_is_and_stays(void **state) {
	static const struct {
		const char *what;
		struct wire_owner_state of[2];
		bool right;
		const char *detail;
	} cases[] = {
		{"all right",
		 {{.mac = mac, .right = true, .changed = 2}, {.mac = mac, .right = true, .changed = 1}},
		 true,
		 "3 rows changed"},
		{"one wrong", {{.mac = mac, .right = true}, {.mac = mac}}, false, MAC ": its rows are not right"},
		{"an error", {{.mac = mac, .error = error}, {.mac = mac, .right = true}}, false, MAC ": no such device"},
		{"contested",
		 {{.mac = mac, .right = true, .contested = true}, {.mac = mac, .right = true}},
		 false,
		 MAC ": others keep changing its rows"},
		{"both",
		 {{.mac = mac}, {.mac = mac, .error = error}},
		 false,
		 MAC ": its rows are not right; " MAC ": no such device"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		const struct wire_owner_states states = {.owners = {(struct wire_owner_state *)(uintptr_t)cases[i].of, 2}};
		struct effect_result r = {0};
		struct buf detail CLEANUP_BUF = {0};
		answer_repaired(&states, &r, &detail);
		if (r.right != cases[i].right || strcmp(r.detail, cases[i].detail) != 0)
			fail_msg("%s: %d \"%s\"", cases[i].what, r.right, r.detail);
	}
}

static const struct {
	const char *what;
	struct wire_owner_state of;
	bool right;
	enum answer here, answered;
	const char *detail; /* a piece of it */
} proofs[] = {
	{"an observer whose probe was answered",
	 {.joined = true, .right = true, .icmp = WIRE_ECHO_ANSWERED, .answered_from = from},
	 true,
	 ANSWER_UNKNOWN,
	 ANSWER_YES,
	 "rows right, answered from 10.99.0.12"},
	{"an observer with nobody to probe from",
	 {.joined = true, .right = true},
	 true,
	 ANSWER_UNKNOWN,
	 ANSWER_UNKNOWN,
	 "rows right"},
	{"no answer to a ping",
	 {.joined = true, .right = true, .icmp = WIRE_ECHO_SILENT},
	 true,
	 ANSWER_UNKNOWN,
	 ANSWER_NO,
	 "no answer to a ping"},
	{"a closed port is an answer too",
	 {.joined = true, .right = true, .icmp = WIRE_ECHO_SILENT, .tcp = WIRE_ECHO_REFUSED},
	 true,
	 ANSWER_UNKNOWN,
	 ANSWER_YES,
	 "rows right"},
	{"not joined", {.right = true}, true, ANSWER_UNKNOWN, ANSWER_UNKNOWN, "network not joined"},
	{"wrong rows", {.joined = true}, false, ANSWER_UNKNOWN, ANSWER_UNKNOWN, "rows not right"},
	{"contested rows", {.joined = true, .right = true, .contested = true}, false, ANSWER_UNKNOWN, ANSWER_UNKNOWN, ""},
	{"an error", {.joined = true, .error = error}, false, ANSWER_UNKNOWN, ANSWER_UNKNOWN, "no such device"},
	{"the host has it",
	 {.joined = true, .right = true, .address = WIRE_ADDRESS_HERE},
	 true,
	 ANSWER_YES,
	 ANSWER_UNKNOWN,
	 "rows right"},
	{"the host lacks it",
	 {.joined = true, .right = true, .address = WIRE_ADDRESS_MISSING},
	 true,
	 ANSWER_NO,
	 ANSWER_UNKNOWN,
	 "the replacement has not the address"},
	{"another has it",
	 {.joined = true, .right = true, .address = WIRE_ADDRESS_ELSEWHERE},
	 true,
	 ANSWER_NO,
	 ANSWER_UNKNOWN,
	 "another has the address"},
	{"the host has it twice",
	 {.joined = true, .right = true, .address = WIRE_ADDRESS_HERE, .strays = {.v = strays, .n = 1}},
	 true,
	 ANSWER_NO,
	 ANSWER_UNKNOWN,
	 "other has it too"},
};
#define PROOFS (sizeof(proofs) / sizeof(proofs[0]))

static void a_proof_is_what_the_kernel_says(void **state) {
	(void)state;
	for (size_t i = 0; i < PROOFS; i++) {
		const struct wire_owner_states states = {.owners = {(struct wire_owner_state *)(uintptr_t)&proofs[i].of, 1}};
		struct effect_result r = {0};
		struct buf detail CLEANUP_BUF = {0};
		answer_proved(&states, &r, &detail);
		if (r.right != proofs[i].right || r.here != proofs[i].here || r.answered != proofs[i].answered ||
		    !strstr(r.detail, proofs[i].detail))
			fail_msg("%s: right %d, here %d, answered %d, \"%s\"", proofs[i].what, r.right, (int)r.here,
				 (int)r.answered, r.detail);
	}
}

/* Whatever else is said, and in whatever order. */
static void one_address_that_says_no_decides(void **state) {
	(void)state;
	for (size_t i = 0; i < PROOFS; i++)
		for (size_t k = 0; k < PROOFS; k++) {
			struct wire_owner_state of[2] = {proofs[i].of, proofs[k].of};
			const struct wire_owner_states states = {.owners = {of, 2}};
			struct effect_result r = {0};
			struct buf detail CLEANUP_BUF = {0};
			answer_proved(&states, &r, &detail);
			bool here_no = proofs[i].here == ANSWER_NO || proofs[k].here == ANSWER_NO;
			bool silent = proofs[i].answered == ANSWER_NO || proofs[k].answered == ANSWER_NO;
			if (r.right != (proofs[i].right && proofs[k].right) || (r.here == ANSWER_NO) != here_no ||
			    (r.answered == ANSWER_NO) != silent)
				fail_msg("%s, then %s: right %d, here %d, answered %d", proofs[i].what, proofs[k].what, r.right,
					 (int)r.here, (int)r.answered);
		}
}

int main(void) {
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_outcome_is_what_is_known_of_the_order),
		cmocka_unit_test(a_repair_is_right_when_every_row_is_and_stays),
		cmocka_unit_test(a_proof_is_what_the_kernel_says),
		cmocka_unit_test(one_address_that_says_no_decides),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
