/* The ledger's records. */
#include "resched/workload.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/alloc.h"

static void a_copy_is_added_once_and_keeps_its_place_in_the_clean_up(void **state) {
	struct workload *w = workload_new("prod/aaa", "web");

	(void)state;
	workload_copy_add(w, "h1", "aaa", "web", 1)->row = CLEAN_STOP;
	w->dirty = false;
	assert_int_equal(workload_copy_add(w, "h1", "aaa", "web", 1)->row, CLEAN_STOP);
	assert_false(w->dirty);
	assert_int_equal(w->n_copies, 1);
	workload_copy_add(w, "h2", "aaa", "web", 2);
	assert_true(w->dirty);
	assert_int_equal(w->n_copies, 2);
	workload_free(w);
}

static void a_removed_copy_leaves_the_others(void **state) {
	struct workload *w = workload_new("prod/aaa", "web");

	(void)state;
	workload_copy_add(w, "h1", "aaa", "web", 1);
	workload_copy_add(w, "h2", "bbb", "web", 2);
	workload_copy_add(w, "h3", "ccc", "web", 3);
	workload_copy_remove(w, workload_copy_find(w, "h2", "bbb"));
	assert_null(workload_copy_find(w, "h2", "bbb"));
	assert_int_equal(workload_copy_find(w, "h1", "aaa")->generation, 1);
	assert_int_equal(workload_copy_find(w, "h3", "ccc")->generation, 3);
	workload_free(w);
}

static void an_owner_that_is_not_known_yet_is_nobody(void **state) {
	struct workload *w = workload_new("prod/aaa", "web");

	(void)state;
	w->node = xstrdup("h1");
	assert_false(workload_is_owner(w, "h1", "aaa"));
	w->container = xstrdup("aaa");
	assert_true(workload_is_owner(w, "h1", "aaa"));
	assert_false(workload_is_owner(w, "h2", "aaa"));
	workload_free(w);
}

static void the_keys_are_those_of_owner_and_copies(void **state) {
	struct workload *w = workload_new("prod/aaa", "web");
	struct strs keys = {0};

	(void)state;
	w->node = xstrdup("h2");
	w->container = xstrdup("bbb");
	workload_copy_add(w, "h1", "aaa", "web", 1);
	workload_keys(w, &keys);
	assert_int_equal(keys.n, 2);
	assert_true(strs_has(&keys, "h2/bbb") && strs_has(&keys, "h1/aaa"));
	strs_clear(&keys);
	workload_free(w);
}

static void names_of_rows_are_read_back(void **state) {
	(void)state;
	for (int r = 0; r < CLEAN_MAX; r++)
		assert_int_equal(clean_row_parse(clean_row_name((enum clean_row)r)), r);
	assert_int_equal(clean_row_parse("polish"), CLEAN_MAX);
}

static void freeing_nothing_is_fine(void **state) {
	(void)state;
	workload_free(NULL);
}

int main(void) {
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_copy_is_added_once_and_keeps_its_place_in_the_clean_up),
		cmocka_unit_test(a_removed_copy_leaves_the_others),
		cmocka_unit_test(an_owner_that_is_not_known_yet_is_nobody),
		cmocka_unit_test(the_keys_are_those_of_owner_and_copies),
		cmocka_unit_test(names_of_rows_are_read_back),
		cmocka_unit_test(freeing_nothing_is_fine),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
