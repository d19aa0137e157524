/* Who opted in, in all the forms that people write, and what is made of what nobody understands. */
#include "resched/policy.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define LIST "com.docker.swarm.reschedule-policies"
#define ONE "com.docker.swarm.reschedule-policy"

static const struct {
	const char *what;
	const char *env[3];
	struct policy_label labels[3];
	bool move;
	const char *warning; /* a piece of it; NULL: none */
} cases[] = {
	{"nothing at all", {0}, {{0}}, false, NULL},
	{"env", {"reschedule:on-node-failure"}, {{0}}, true, NULL},
	{"env among others", {"PATH=/bin", "reschedule:on-node-failure"}, {{0}}, true, NULL},
	{"env no", {"reschedule:no"}, {{0}}, false, NULL},
	{"env with an equals sign is another variable", {"reschedule=on-node-failure"}, {{0}}, false, NULL},
	{"env of another case is another variable", {"Reschedule:on-node-failure"}, {{0}}, false, NULL},
	{"env unknown", {"reschedule:always"}, {{0}}, false, "unknown policy \"always\""},
	{"env empty", {"reschedule:"}, {{0}}, false, "unknown policy \"\""},
	{"env longer than the word", {"reschedule:on-node-failures"}, {{0}}, false, "unknown"},
	{"env shorter than the word", {"reschedule:on-node"}, {{0}}, false, "unknown"},
	{"list label", {0}, {{LIST, "[\"on-node-failure\"]"}}, true, NULL},
	{"list label with space", {0}, {{LIST, " [ \"on-node-failure\" ] "}}, true, NULL},
	{"empty list", {0}, {{LIST, "[]"}}, false, NULL},
	{"list with no", {0}, {{LIST, "[\"on-node-failure\",\"no\"]"}}, false, NULL},
	{"list with no first", {0}, {{LIST, "[\"no\", \"on-node-failure\"]"}}, false, NULL},
	{"list with an unknown word", {0}, {{LIST, "[\"on-node-failure\",\"sometimes\"]"}}, false, "sometimes"},
	{"list that is a bare word", {0}, {{LIST, "on-node-failure"}}, true, NULL},
	{"list that is no JSON", {0}, {{LIST, "[on-node-failure]"}}, false, "unknown"},
	{"list that is not closed", {0}, {{LIST, "[\"on-node-failure\""}}, false, "unknown"},
	{"list with an open quote", {0}, {{LIST, "[\"on-node-failure]"}}, false, "unknown"},
	{"list without commas", {0}, {{LIST, "[\"on-node-failure\" \"on-node-failure\"]"}}, false, "unknown"},
	{"list of an object", {0}, {{LIST, "[{\"on-node-failure\":1}]"}}, false, "unknown"},
	{"list of a number", {0}, {{LIST, "[1]"}}, false, "unknown"},
	{"list that is empty text", {0}, {{LIST, ""}}, false, "unknown"},
	{"list of brackets", {0}, {{LIST, "[[[[[["}}, false, "unknown"},
	{"one label", {0}, {{ONE, "on-node-failure"}}, true, NULL},
	{"one label no", {0}, {{ONE, "no"}}, false, NULL},
	{"one label empty", {0}, {{ONE, ""}}, false, "unknown"},
	{"no in env wins over a label", {"reschedule:no"}, {{ONE, "on-node-failure"}}, false, NULL},
	{"no in a label wins over env", {"reschedule:on-node-failure"}, {{ONE, "no"}}, false, NULL},
	{"no wins whatever comes after", {"reschedule:no", "reschedule:on-node-failure"}, {{0}}, false, NULL},
	{"unknown wins like no", {"reschedule:on-node-failure"}, {{ONE, "maybe"}}, false, "maybe"},
	{"all three forms",
	 {"reschedule:on-node-failure"},
	 {{LIST, "[\"on-node-failure\"]"}, {ONE, "on-node-failure"}},
	 true,
	 NULL},
	{"a long word, cut between characters",
	 {"reschedule:123456789-123456789-123456789-123456789-123456789-123456789\xc3\xbc"},
	 {{0}},
	 false,
	 "-123456789\", taken"},
	{"a long demand, cut between characters",
	 {"reschedule:on-node-failure"},
	 {{"heir.keep", "123456789-123456789-123456789-123456789\xc3\xbc"}},
	 true,
	 "-123456789\" is neither"},
	{"labels of others", {0}, {{"com.docker.swarm.reschedule", "on-node-failure"}}, false, NULL},
};

static void every_form_is_read_as_written(void **state) {
	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		size_t n_env = 0, n_labels = 0;
		while (n_env < 3 && cases[i].env[n_env])
			n_env++;
		while (n_labels < 3 && cases[i].labels[n_labels].key)
			n_labels++;
		struct policy p = policy_read((char *const *)(uintptr_t)cases[i].env, n_env, cases[i].labels, n_labels);
		bool warned = cases[i].warning ? strstr(p.warning, cases[i].warning) != NULL : !*p.warning;
		if (p.move != cases[i].move || !warned)
			fail_msg("%s: move=%d warning=\"%s\", expected move=%d and \"%s\"", cases[i].what, p.move, p.warning,
				 cases[i].move, cases[i].warning ? cases[i].warning : "");
	}
}

static void the_source_says_what_decided(void **state) {
	char *env[] = {"reschedule:on-node-failure"};
	const struct policy_label label = {ONE, "no"};

	(void)state;
	assert_string_equal(policy_read(NULL, 0, NULL, 0).source, "none");
	assert_string_equal(policy_read(env, 1, NULL, 0).source, "env on-node-failure");
	assert_string_equal(policy_read(env, 1, &label, 1).source, "label " ONE " no");
}

static void long_text_from_outside_is_cut(void **state) {
	char text[4096] = "reschedule:";
	char *env[] = {text};

	(void)state;
	memset(text + strlen("reschedule:"), 'x', sizeof(text) - strlen("reschedule:") - 1);
	struct policy p = policy_read(env, 1, NULL, 0);
	assert_false(p.move);
	assert_true(strlen(p.warning) > 0 && strlen(p.warning) < sizeof(p.warning));
}

static void a_fence_demand_is_read_and_an_unknown_one_is_the_strictest(void **state) {
	static const struct {
		const char *value;
		enum evidence fence;
		bool warned;
	} fences[] = {
		{"presumed", EVIDENCE_PRESUMED, false}, {"quarantined", EVIDENCE_QUARANTINED, false},
		{"stopped", EVIDENCE_STOPPED, false},   {"Stopped", EVIDENCE_STOPPED, true},
		{"", EVIDENCE_STOPPED, true},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(fences) / sizeof(fences[0]); i++) {
		const struct policy_label label = {"heir.fence", fences[i].value};
		struct policy p = policy_read(NULL, 0, &label, 1);
		assert_int_equal(p.fence, fences[i].fence);
		assert_int_equal(*p.warning != 0, fences[i].warned);
		assert_false(p.move);
	}
}

static void what_a_container_demands_is_read_and_what_is_not_understood_is_said(void **state) {
	static const struct {
		const char *key, *value;
		int64_t delay; /* s; -1: not said */
		unsigned attempts;
		enum keep keep;
		bool volumes_empty;
		const char *warning; /* a piece of it; NULL: none */
	} demands[] = {
		{"heir.delay", "30s", 30, 0, KEEP_UNSAID, false, NULL},
		{"heir.delay", "0s", 0, 0, KEEP_UNSAID, false, NULL},
		{"heir.delay", "168h", 604800, 0, KEEP_UNSAID, false, NULL},
		{"heir.delay", "169h", -1, 0, KEEP_UNSAID, false, "no duration up to 168h"},
		{"heir.delay", "30", -1, 0, KEEP_UNSAID, false, "\"30\" is no duration"},
		{"heir.delay", "", -1, 0, KEEP_UNSAID, false, "is no duration"},
		{"heir.attempts", "1", -1, 1, KEEP_UNSAID, false, NULL},
		{"heir.attempts", "1000", -1, 1000, KEEP_UNSAID, false, NULL},
		{"heir.attempts", "0", -1, 0, KEEP_UNSAID, false, "no number from 1 to 1000"},
		{"heir.attempts", "-1", -1, 0, KEEP_UNSAID, false, "no number"},
		{"heir.attempts", "2x", -1, 0, KEEP_UNSAID, false, "no number"},
		{"heir.keep", "newest", -1, 0, KEEP_NEWEST, false, NULL},
		{"heir.keep", "oldest", -1, 0, KEEP_OLDEST, false, NULL},
		{"heir.keep", "both", -1, 0, KEEP_UNSAID, false, "neither newest nor oldest"},
		{"heir.volumes", "empty", -1, 0, KEEP_UNSAID, true, NULL},
		{"heir.volumes", "keep", -1, 0, KEEP_UNSAID, false, "unknown value \"keep\""},
		{"heir.sleep", "yes", -1, 0, KEEP_UNSAID, false, NULL},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(demands) / sizeof(demands[0]); i++) {
		const struct policy_label label = {demands[i].key, demands[i].value};
		struct policy p = policy_read(NULL, 0, &label, 1);
		int64_t delay = p.has_delay ? p.delay.ns / 1000000000 : -1;
		const char *warning = demands[i].warning;
		if (delay != demands[i].delay || p.attempts != demands[i].attempts || p.keep != demands[i].keep ||
		    p.volumes_empty != demands[i].volumes_empty || (warning ? !strstr(p.warning, warning) : *p.warning != '\0'))
			fail_msg("%s=%s: delay %lld, attempts %u, keep %d, volumes %d, \"%s\"", label.key, label.value,
				 (long long)delay, p.attempts, (int)p.keep, p.volumes_empty, p.warning);
	}
}

static void the_first_warning_is_kept(void **state) {
	const struct policy_label labels[] = {{"heir.keep", "both"}, {"heir.delay", "soon"}};

	(void)state;
	assert_non_null(strstr(policy_read(NULL, 0, labels, 2).warning, "heir.keep"));
}

static void evidence_names_are_read_back(void **state) {
	(void)state;
	for (int e = EVIDENCE_PRESUMED; e < EVIDENCE_MAX; e++)
		assert_int_equal(evidence_parse(evidence_name((enum evidence)e)), e);
	assert_null(evidence_name(EVIDENCE_NONE));
	assert_int_equal(evidence_parse("certain"), EVIDENCE_MAX);
}

int main(void) {
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_form_is_read_as_written),
		cmocka_unit_test(the_source_says_what_decided),
		cmocka_unit_test(long_text_from_outside_is_cut),
		cmocka_unit_test(a_fence_demand_is_read_and_an_unknown_one_is_the_strictest),
		cmocka_unit_test(what_a_container_demands_is_read_and_what_is_not_understood_is_said),
		cmocka_unit_test(the_first_warning_is_kept),
		cmocka_unit_test(evidence_names_are_read_back),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
