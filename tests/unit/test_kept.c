/* The owners that are kept: whom an event concerns, and when somebody is fought for too long. */
#include "agent/kept.h"

#include "base/alloc.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

static struct owner owner_of(const char *network, uint8_t last, bool watch) {
	struct owner owner = {.network_id = (char *)(uintptr_t)network, .mac = {{2, 0x42, 10, 20, 0, last}}, .watch = watch};
	owner.ip = ip_from_bytes((uint8_t[]){10, 20, 0, last}, 4);
	return owner;
}

static void an_event_matters_while_some_watched_owner_has_the_address(void **state) {
	struct owner a = owner_of("n1", 50, true), b = owner_of("n2", 50, true), unwatched = owner_of("n1", 51, false);
	struct kept_list list = {0};

	(void)state;
	kept_set(&list, &a);
	kept_set(&list, &a); /* replaced, not counted twice */
	kept_set(&list, &b); /* the same address on another network */
	kept_set(&list, &unwatched);
	assert_true(kept_interests_mac(&list, &a.mac));
	assert_true(kept_interests_ip(&list, &a.ip));
	assert_false(kept_interests_mac(&list, &unwatched.mac));
	kept_forget(&list, "n1", &a.mac);
	assert_true(kept_interests_ip(&list, &a.ip));
	kept_forget(&list, "n2", &a.mac);
	assert_false(kept_interests_mac(&list, &a.mac));
	assert_false(kept_interests_ip(&list, &a.ip));
	assert_null(list.interests);
	assert_non_null(kept_find(&list, "n1", &unwatched.mac));
	kept_clear(&list);
	assert_null(list.all);
}

/* The n-th flip comes after so many seconds. */
static bool contested_by(size_t n, int seconds_between) {
	struct owner owner = owner_of("n1", 50, true);
	struct kept_list list = {0};
	struct mono now = {1000000000};

	kept_set(&list, &owner);
	struct kept *kept = kept_find(&list, "n1", &owner.mac);
	for (size_t i = 0; i < n; i++) {
		kept_flip(kept, now);
		now = mono_add(now, span_sec(seconds_between));
	}
	bool contested = kept->contested;
	kept_clear(&list);
	return contested;
}

static void ten_flips_within_a_minute_are_too_many(void **state) {
	(void)state;
	assert_false(contested_by(9, 0));
	assert_true(contested_by(10, 0));
	assert_true(contested_by(10, 6)); /* 54 s from the first to the tenth */
	assert_false(contested_by(10, 7));
	assert_false(contested_by(100, 7)); /* slowly, for ever */
}

static void it_becomes_contested_once_and_an_order_ends_it(void **state) {
	struct owner owner = owner_of("n1", 50, true);
	struct kept_list list = {0};
	size_t times = 0;

	(void)state;
	kept_set(&list, &owner);
	for (int i = 0; i < 30; i++)
		times += kept_flip(kept_find(&list, "n1", &owner.mac), (struct mono){1});
	assert_int_equal(times, 1);
	kept_set(&list, &owner);
	assert_false(kept_find(&list, "n1", &owner.mac)->contested);
	assert_int_equal(kept_find(&list, "n1", &owner.mac)->n_flips, 0);
	kept_clear(&list);
}

int main(void) {
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_event_matters_while_some_watched_owner_has_the_address),
		cmocka_unit_test(ten_flips_within_a_minute_are_too_many),
		cmocka_unit_test(it_becomes_contested_once_and_an_order_ends_it),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
