/* Orders that arrive after newer ones. */
#include "agent/sequence.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

static void an_order_is_late_when_a_newer_one_about_the_same_was_seen(void **state) {
	struct sequence s = {0};

	(void)state;
	assert_false(sequence_is_late(&s, 1, "a", 5));
	sequence_note(&s, 1, "a", 5);
	assert_true(sequence_is_late(&s, 1, "a", 4));
	assert_false(sequence_is_late(&s, 1, "a", 5)); /* sent again */
	assert_false(sequence_is_late(&s, 1, "a", 6));
	sequence_clear(&s);
}

static void another_subject_is_another_matter(void **state) {
	struct sequence s = {0};

	(void)state;
	sequence_note(&s, 1, "a", 9);
	assert_false(sequence_is_late(&s, 1, "b", 2));
	sequence_note(&s, 1, "b", 2);
	assert_true(sequence_is_late(&s, 1, "a", 8));
	assert_true(sequence_is_late(&s, 1, "b", 1));
	sequence_clear(&s);
}

static void numbers_begin_anew_with_an_epoch(void **state) {
	struct sequence s = {0};

	(void)state;
	sequence_note(&s, 1, "a", 100);
	assert_false(sequence_is_late(&s, 2, "a", 1));
	sequence_note(&s, 2, "a", 2);
	assert_true(sequence_is_late(&s, 2, "a", 1));
	sequence_clear(&s);
}

static void what_has_no_number_is_never_late(void **state) {
	struct sequence s = {0};

	(void)state;
	sequence_note(&s, 1, "a", 7);
	assert_false(sequence_is_late(&s, 1, "a", 0));
	sequence_clear(&s);
}

int main(void) {
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_order_is_late_when_a_newer_one_about_the_same_was_seen),
		cmocka_unit_test(another_subject_is_another_matter),
		cmocka_unit_test(numbers_begin_anew_with_an_epoch),
		cmocka_unit_test(what_has_no_number_is_never_late),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
