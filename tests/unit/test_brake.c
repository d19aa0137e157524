/* When takeovers are held, and exactly where the line is. */
#include "health/brake.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#define HALF \
	{ .value = 50, .percent = true }
#define NO_WITNESS BRAKE_WITNESS_NONE

static const struct {
	const char *what;
	struct brake_counts counts;
	bool hold;
	const char *says; /* a piece of the reason */
} cases[] = {
	{"one of three lost", {3, 1, 2, 0, NO_WITNESS, HALF, false}, false, "2 remote engines answer, 1 of 3"},
	{"two of three lost", {3, 2, 1, 0, NO_WITNESS, HALF, false}, true, "2 of 3 nodes are lost"},
	{"exactly half is not a storm", {4, 2, 2, 0, NO_WITNESS, HALF, false}, false, ""},
	{"one more than half is", {4, 3, 1, 0, NO_WITNESS, HALF, false}, true, "more than 50%"},
	{"just under the line of an odd number", {5, 2, 3, 0, NO_WITNESS, HALF, false}, false, ""},
	{"just over it", {5, 3, 2, 0, NO_WITNESS, HALF, false}, true, ""},
	{"500 of 1000", {1000, 500, 500, 0, NO_WITNESS, HALF, false}, false, ""},
	{"501 of 1000", {1000, 501, 499, 0, NO_WITNESS, HALF, false}, true, ""},
	{"a number instead of percent, reached", {10, 3, 7, 0, NO_WITNESS, {.value = 3}, false}, false, ""},
	{"a number instead of percent, passed", {10, 4, 6, 0, NO_WITNESS, {.value = 3}, false}, true, "more than 3 at once"},
	{"0 % holds at the first loss", {10, 1, 9, 0, NO_WITNESS, {.percent = true}, false}, true, ""},
	{"100 % never holds for numbers", {3, 2, 1, 0, NO_WITNESS, {.value = 100, .percent = true}, false}, false, ""},
	{"all lost", {3, 3, 0, 0, NO_WITNESS, HALF, false}, true, "the manager is probably the one cut off"},
	{"all but the manager's own host lost", {3, 2, 0, 1, NO_WITNESS, HALF, false}, true, "no remote engine answers"},
	{"all remote lost, and the witness is silent", {2, 1, 0, 0, BRAKE_WITNESS_SILENT, HALF, false}, true, "no witness answers"},
	{"a witness proves that we are not cut off", {2, 1, 0, 1, BRAKE_WITNESS_ANSWERS, HALF, false}, false, "a witness does"},
	{"a witness does not lift the storm", {3, 2, 0, 1, BRAKE_WITNESS_ANSWERS, HALF, false}, true, "2 of 3"},
	{"a silent witness does no harm while an engine answers", {3, 1, 2, 0, BRAKE_WITNESS_SILENT, HALF, false}, false, ""},
	{"two nodes, the manager on the survivor",
	 {2, 1, 0, 1, NO_WITNESS, HALF, false},
	 true,
	 "of two nodes only the manager's own is left"},
	{"two nodes, the manager on neither", {2, 1, 1, 0, NO_WITNESS, HALF, false}, false, "1 remote engine answers"},
	{"an operator lifts the storm", {4, 3, 1, 0, NO_WITNESS, HALF, true}, false, "operator"},
	{"an operator lifts the two-node rule", {2, 1, 0, 1, NO_WITNESS, HALF, true}, false, "operator"},
};

static void every_case_is_decided_as_written(void **state) {
	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct brake_verdict v = brake_decide(&cases[i].counts);
		if (v.hold != cases[i].hold || !strstr(v.reason, cases[i].says) || !*v.reason)
			fail_msg("%s: hold=%d (%s), expected hold=%d and \"%s\"", cases[i].what, v.hold, v.reason, cases[i].hold,
				 cases[i].says);
	}
}

static struct mono at(int64_t s) { return (struct mono){s * 1000000000}; }

static void after_a_storm_it_lingers_until_a_node_could_have_been_found_dead(void **state) {
	(void)state;
	struct brake_storm s = {0};

	assert_false(brake_lingers(&s, true, true, at(10), span_sec(4)));
	assert_true(brake_lingers(&s, false, true, at(12), span_sec(4)));
	assert_true(brake_lingers(&s, false, true, at(15), span_sec(4)));
	assert_false(brake_lingers(&s, false, true, at(16), span_sec(4)));
	assert_false(brake_lingers(&s, false, true, at(17), span_sec(4)));
}

static void storm_that_returns_begins_anew(void **state) {
	(void)state;
	struct brake_storm s = {0};

	assert_false(brake_lingers(&s, true, true, at(10), span_sec(4)));
	assert_true(brake_lingers(&s, false, true, at(12), span_sec(4)));
	assert_false(brake_lingers(&s, true, false, at(13), span_sec(4)));
	assert_true(brake_lingers(&s, false, true, at(16), span_sec(4)));
	assert_true(brake_lingers(&s, false, true, at(19), span_sec(4)));
	assert_false(brake_lingers(&s, false, true, at(20), span_sec(4)));
}

/* All are unknown, none is lost: whoever is found dead then was asked often enough. */
static void start_of_the_manager_is_no_storm(void **state) {
	(void)state;
	struct brake_storm s = {0};

	assert_false(brake_lingers(&s, true, false, at(10), span_sec(4)));
	assert_false(brake_lingers(&s, false, false, at(11), span_sec(4)));
	assert_false(brake_lingers(&s, false, true, at(12), span_sec(4)));
}

int main(void) {
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_case_is_decided_as_written),
		cmocka_unit_test(after_a_storm_it_lingers_until_a_node_could_have_been_found_dead),
		cmocka_unit_test(storm_that_returns_begins_anew),
		cmocka_unit_test(start_of_the_manager_is_no_storm),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
