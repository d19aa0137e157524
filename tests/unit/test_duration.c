/* Durations, as people write them and as they are told. */
#include "base/duration.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static void a_number_and_its_unit_are_a_duration(void **state) {
	static const struct {
		const char *text;
		int64_t ms;
	} good[] = {
		{"0s", 0},      {"1ms", 1},      {"300ms", 300},   {"10s", 10000},
		{"5m", 300000}, {"2h", 7200000}, {"90m", 5400000}, {"999999999999ms", 999999999999},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
		struct span d = {-1};
		if (!duration_parse(good[i].text, &d) || span_to_ms(d) != good[i].ms)
			fail_msg("%s: %lld ms", good[i].text, (long long)span_to_ms(d));
	}
}

static void what_does_not_fit_is_the_longest_there_is(void **state) {
	struct span d = {0};

	(void)state;
	assert_true(duration_parse("999999999999h", &d));
	assert_int_equal(d.ns, INT64_MAX);
}

static void anything_else_is_none(void **state) {
	static const char *const bad[] = {"",     "s",    "10",  "10 s", " 10s", "10s ", "+10s",          "-10s",
					  "010s", "1.5s", "10S", "10d",  "10sm", "0x1s", "1000000000000s"};

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		struct span d = {7};
		if (duration_parse(bad[i], &d) || d.ns != 7)
			fail_msg("\"%s\" was taken for a duration", bad[i]);
	}
}

static void the_largest_unit_without_a_fraction_is_told(void **state) {
	static const struct {
		int64_t ms;
		const char *text;
	} told[] = {{0, "0s"},      {1, "1ms"},     {1500, "1500ms"}, {2000, "2s"},
		    {90000, "90s"}, {120000, "2m"}, {3600000, "1h"},  {5400000, "90m"}};

	(void)state;
	for (size_t i = 0; i < sizeof(told) / sizeof(told[0]); i++) {
		char text[DURATION_TEXT_MAX];
		struct span back = {0};
		duration_format(span_ms(told[i].ms), text);
		assert_string_equal(text, told[i].text);
		assert_true(duration_parse(text, &back));
		assert_int_equal(span_to_ms(back), told[i].ms);
	}
}

int main(void) {
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_number_and_its_unit_are_a_duration),
		cmocka_unit_test(what_does_not_fit_is_the_longest_there_is),
		cmocka_unit_test(anything_else_is_none),
		cmocka_unit_test(the_largest_unit_without_a_fraction_is_told),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
