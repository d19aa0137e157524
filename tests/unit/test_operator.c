/* What an operator says: holds, another try, giving up; and what may not be said. */
#include "resched-rig.h"

#include <errno.h>

static void expect_refused(int r, int code, const struct err *err, const char *says) {
	if (r != code || !strstr(err->msg, says))
		fail_msg("%d \"%s\"; expected %d \"%s\"", r, err->msg, code, says);
}

/* ---- hold ---- */

static void nothing_is_taken_over_from_a_held_node_until_it_is_released(void **state) {
	struct rig *rig = begin(state);
	struct err err;

	assert_int_equal(resched_hold(rig->r, "h1", "new disks", &err), 0);
	die(rig, "h1");
	expect_nothing(rig);
	assert_null(resched_takeovers(rig->r));
	expect_refused(resched_confirm_dead(rig->r, "h1", &err), -EBUSY, &err, "`heir node release h1` first");
	assert_int_equal(resched_release_hold(rig->r, "h1", &err), 0);
	turn(rig);
	ok(rig, EFFECT_CREATE, "h2");
}

static void a_hold_stops_what_was_begun_before_its_point_of_no_return(void **state) {
	struct rig *rig = begin(state);
	struct err err;

	die(rig, "h1");
	assert_int_equal(resched_hold(rig->r, "h1", "it is only being restarted", &err), 0);
	ok(rig, EFFECT_CREATE, "h2");
	expect_nothing(rig);
	expect_state(rig, TAKEOVER_WAITING, "h1 is held by an operator: it is only being restarted");
	comes_up(rig, "h1");
	ok(rig, EFFECT_REMOVE, "h2");
	expect_state(rig, TAKEOVER_ROLLED_BACK, "h1 answers again");
}

static void a_hold_does_not_stop_what_is_past_it(void **state) {
	struct rig *rig = begin(state);
	struct err err;

	die(rig, "h1");
	until_released(rig);
	assert_int_equal(resched_hold(rig->r, "h1", "too late", &err), 0);
	until_started(rig);
	until_done(rig);
}

static void a_held_node_is_no_target(void **state) {
	struct rig *rig = begin(state);
	struct err err;

	assert_int_equal(resched_hold(rig->r, "h2", "new disks", &err), 0);
	die(rig, "h1");
	ok(rig, EFFECT_CREATE, "h3");
	assert_true(strs_has(&last(rig)->rejected, "h2: is held by an operator: new disks"));
}

static void a_release_ends_a_flapping_nodes_hold_down_too(void **state) {
	struct rig *rig = begin(state);
	struct err err;

	expect_refused(resched_release_hold(rig->r, "h3", &err), -EBUSY, &err, "h3 is not held");
	expect_refused(resched_release_hold(rig->r, "h9", &err), -ENOENT, &err, "no node \"h9\"");
	assert_int_equal(resched_hold(rig->r, "h2", "off for good", &err), 0);
	die(rig, "h3");
	resched_verdict(rig->r, rig->now, "h3", NODE_ALIVE, "heartbeats", (struct flapping){3, span_sec(40)});
	comes_up(rig, "h3");
	die(rig, "h1");
	expect_state(rig, TAKEOVER_WAITING, "no node can take it");
	assert_true(strs_has(&last(rig)->rejected, "h3: died 3 times lately and is held down for 40 s more"));
	assert_int_equal(resched_release_hold(rig->r, "h3", &err), 0);
	turn(rig);
	ok(rig, EFFECT_CREATE, "h3");
}

static void a_hold_down_that_ends_is_noticed_without_any_news(void **state) {
	struct rig *rig = begin(state);
	struct err err;

	assert_int_equal(resched_hold(rig->r, "h2", "off for good", &err), 0);
	die(rig, "h3");
	resched_verdict(rig->r, rig->now, "h3", NODE_ALIVE, "heartbeats", (struct flapping){3, span_sec(40)});
	comes_up(rig, "h3");
	die(rig, "h1");
	expect_nothing(rig);
	assert_true(mono_reached(resched_deadline(rig->r), mono_add(rig->now, span_sec(40))));
	pass_time(rig, 40000);
	ok(rig, EFFECT_CREATE, "h3");
}

/* ---- zones ---- */

static void a_zone_that_lost_too_many_keeps_its_own(void **state) {
	struct rig *rig = begin(state);

	resched_zone_brake(rig->r, "h1", "2 of 3 nodes of zone a are lost");
	die(rig, "h1");
	expect_nothing(rig);
	assert_null(resched_takeovers(rig->r));
	resched_zone_brake(rig->r, "h1", NULL);
	turn(rig);
	ok(rig, EFFECT_CREATE, "h2");
	resched_zone_brake(rig->r, "h1", "2 of 3 nodes of zone a are lost");
	ok(rig, EFFECT_READY, NULL);
	expect_nothing(rig);
	expect_state(rig, TAKEOVER_WAITING, "the storm brake holds: 2 of 3 nodes of zone a are lost");
}

static void an_operators_word_goes_before_a_zones_brake(void **state) {
	struct rig *rig = begin(state);
	struct err err;

	resched_zone_brake(rig->r, "h1", "2 of 3 nodes of zone a are lost");
	die(rig, "h1");
	assert_int_equal(resched_confirm_dead(rig->r, "h1", &err), 0);
	turn(rig);
	ok(rig, EFFECT_CREATE, "h2");
}

/* ---- retry ---- */

static void fail_create(struct rig *rig, const char *node) {
	refuse(rig, EFFECT_CREATE, node, REFUSAL_OTHER, "no space left on device");
	ok(rig, EFFECT_INSPECT, node);
}

static void until_exhausted(struct rig *rig) {
	die(rig, "h1");
	fail_create(rig, "h2");
	fail_create(rig, "h3");
	pass_time(rig, 60000);
	fail_create(rig, last(rig)->to);
	expect_state(rig, TAKEOVER_NEEDS_OPERATOR, "3 attempts failed");
}

static void neither_brake_nor_hold_hides_that_an_operator_is_needed(void **state) {
	struct rig *rig = begin(state);
	struct err err;

	until_exhausted(rig);
	resched_brake(rig->r, true, "3 of 4 nodes are lost");
	turn(rig);
	resched_brake(rig->r, false, "");
	turn(rig);
	expect_state(rig, TAKEOVER_NEEDS_OPERATOR, "3 attempts failed");
	assert_int_equal(resched_hold(rig->r, "h1", "new memory", &err), 0);
	turn(rig);
	assert_int_equal(resched_release_hold(rig->r, "h1", &err), 0);
	turn(rig);
	expect_state(rig, TAKEOVER_NEEDS_OPERATOR, "3 attempts failed");
}

static void a_retry_begins_with_all_attempts_again(void **state) {
	struct rig *rig = begin(state);
	struct err err;

	until_exhausted(rig);
	assert_int_equal(resched_retry(rig->r, last(rig)->id, &err), 0);
	turn(rig);
	expect_state(rig, TAKEOVER_RUNNING, NULL);
	fail_create(rig, "h2");
	ok(rig, EFFECT_CREATE, "h3"); /* not the last attempt */
}

static void a_retry_does_not_wait_for_the_delay_between_attempts(void **state) {
	struct rig *rig = begin(state);
	struct err err;

	die(rig, "h1");
	fail_create(rig, "h2");
	fail_create(rig, "h3");
	expect_nothing(rig);
	expect_state(rig, TAKEOVER_FAILED, NULL);
	assert_int_equal(resched_retry(rig->r, last(rig)->id, &err), 0);
	turn(rig);
	expect_state(rig, TAKEOVER_RUNNING, NULL);
}

static void what_is_over_is_not_retried(void **state) {
	struct rig *rig = begin(state);
	struct err err;

	expect_refused(resched_retry(rig->r, "0123", &err), -ENOENT, &err, "no takeover \"0123\"");
	die(rig, "h1");
	until_released(rig);
	until_started(rig);
	until_done(rig);
	expect_refused(resched_retry(rig->r, last(rig)->id, &err), -EBUSY, &err, "is over: done");
	expect_refused(resched_abandon(rig->r, last(rig)->id, &err), -EBUSY, &err, "is over: done");
}

/* ---- abandon ---- */

static void before_the_release_it_is_rolled_back_and_not_tried_again(void **state) {
	struct rig *rig = begin(state);
	struct err err;

	die(rig, "h1");
	ok(rig, EFFECT_CREATE, "h2");
	assert_int_equal(resched_abandon(rig->r, last(rig)->id, &err), 0);
	ok(rig, EFFECT_READY, NULL);
	ok(rig, EFFECT_REMOVE, "h2");
	expect_state(rig, TAKEOVER_ROLLED_BACK, "abandoned by an operator");
	pass_time(rig, 600000);
	expect_state(rig, TAKEOVER_ROLLED_BACK, NULL);
	restart(rig);
	comes_up(rig, "h2");
	comes_up(rig, "h3");
	die(rig, "h1");
	pass_time(rig, 600000);
	expect_nothing(rig);
	assert_int_equal(resched_retry(rig->r, last(rig)->id, &err), 0);
	turn(rig);
	ok(rig, EFFECT_CREATE, "h2");
}

static void a_node_that_answers_ends_what_was_abandoned_there(void **state) {
	struct rig *rig = begin(state);
	struct err err;

	die(rig, "h1");
	ok(rig, EFFECT_CREATE, "h2");
	assert_int_equal(resched_abandon(rig->r, last(rig)->id, &err), 0);
	ok(rig, EFFECT_READY, NULL);
	ok(rig, EFFECT_REMOVE, "h2");
	comes_up(rig, "h1");
	assert_false(web(rig)->abandoned);
	die(rig, "h1");
	ok(rig, EFFECT_CREATE, "h2");
}

/* A foreign container has the address, and an operator leaves it there. */
static struct rig *abandoned_orphan(void **state) {
	struct rig *rig = begin(state);
	struct err err;

	die(rig, "h1");
	until_released(rig);
	ok(rig, EFFECT_RELEASE, NULL);
	holders(rig, HOLDER_OTHER);
	assert_int_equal(resched_abandon(rig->r, last(rig)->id, &err), 0);
	turn(rig);
	ok(rig, EFFECT_REMOVE, "h2");
	expect_state(rig, TAKEOVER_FAILED, "after its address was released: nobody has it now");
	return rig;
}

static void past_the_release_nobody_tries_again_even_when_the_node_is_back(void **state) {
	struct rig *rig = abandoned_orphan(state);
	struct err err;

	pass_time(rig, 600000);
	expect_nothing(rig);
	comes_up(rig, "h1");
	ok(rig, EFFECT_DISCONNECT, "h1"); /* the old copy is put away all the same */
	assert_true(web(rig)->abandoned && web(rig)->orphan);
	assert_int_equal(resched_retry(rig->r, last(rig)->id, &err), 0);
	turn(rig);
	expect_state(rig, TAKEOVER_RUNNING, NULL);
}

static void a_copy_that_is_started_by_hand_is_the_owner_again(void **state) {
	struct rig *rig = abandoned_orphan(state);

	comes_up(rig, "h1");
	ok(rig, EFFECT_DISCONNECT, "h1");
	ok(rig, EFFECT_STOP, "h1");
	ok(rig, EFFECT_POLICY, "h1");
	ok(rig, EFFECT_RENAME, "h1");
	expect_nothing(rig); /* kept: there is no owner */
	see_web(rig);
	turn(rig);
	expect_nothing(rig);
	assert_string_equal(web(rig)->container, WEB);
	assert_true(web(rig)->verified && !web(rig)->orphan && !web(rig)->abandoned);
	assert_int_equal(web(rig)->n_copies, 0);
	const char *last_line = "stale ok, ";
	assert_true(strlen(rig->logged) > strlen(last_line));
	assert_string_equal(rig->logged + strlen(rig->logged) - strlen(last_line), last_line);
}

static void what_may_run_is_not_abandoned(void **state) {
	struct rig *rig = begin(state);
	struct err err;

	die(rig, "h1");
	until_released(rig);
	until_started(rig);
	ok(rig, EFFECT_START, "h2");
	expect_refused(resched_abandon(rig->r, last(rig)->id, &err), -EBUSY, &err, "its replacement is on h2, owns the address");
	assert_false(resched_can_abandon(rig->r, last(rig)));
}

static void what_was_started_after_all_is_not_given_up(void **state) {
	struct rig *rig = begin(state);
	struct err err;

	die(rig, "h1");
	until_released(rig);
	until_started(rig);
	unknown(rig, EFFECT_START, "h2");
	assert_int_equal(resched_abandon(rig->r, last(rig)->id, &err), 0);
	turn(rig);
	refuse(rig, EFFECT_REMOVE, "h2", REFUSAL_RUNNING, "it runs");
	assert_false(web(rig)->abandoned);
	seen(rig, "h2", true, IP);
	ok(rig, EFFECT_POLICY, "h2");
	seen(rig, "h2", true, IP);
	expect_state(rig, TAKEOVER_DONE, NULL);
}

static void a_replacement_that_was_removed_by_hand_is_made_anew(void **state) {
	struct rig *rig = begin(state);
	const struct effect_result absent = {.outcome = EFFECT_OK};

	die(rig, "h1");
	until_released(rig);
	until_started(rig);
	ok(rig, EFFECT_START, "h2");
	ok(rig, EFFECT_POLICY, "h2");
	for (int i = 0; i < 10; i++) {
		pass_time(rig, 10000);
		answer(rig, EFFECT_INSPECT, "h2", &absent);
	}
	turn(rig);
	expect_state(rig, TAKEOVER_RUNNING, NULL);
	assert_int_equal(last(rig)->generation, 3);
	ok(rig, EFFECT_CREATE, "h3");
	ok(rig, EFFECT_READY, NULL);
	struct effect *e = take(rig, EFFECT_HOLDERS, NULL, NULL); /* seen before it is done: the address is nobody's already */
	assert_non_null(e);
	assert_true(strs_has(&e->copies, NEW)); /* what the removed one may have left is let go with it */
	effect_free(e);
}

int main(void) {
	const struct CMUnitTest tests[] = {
		T(nothing_is_taken_over_from_a_held_node_until_it_is_released),
		T(a_hold_stops_what_was_begun_before_its_point_of_no_return),
		T(a_hold_does_not_stop_what_is_past_it),
		T(a_held_node_is_no_target),
		T(a_release_ends_a_flapping_nodes_hold_down_too),
		T(a_hold_down_that_ends_is_noticed_without_any_news),
		T(a_zone_that_lost_too_many_keeps_its_own),
		T(an_operators_word_goes_before_a_zones_brake),
		T(neither_brake_nor_hold_hides_that_an_operator_is_needed),
		T(a_retry_begins_with_all_attempts_again),
		T(a_retry_does_not_wait_for_the_delay_between_attempts),
		T(what_is_over_is_not_retried),
		T(before_the_release_it_is_rolled_back_and_not_tried_again),
		T(a_node_that_answers_ends_what_was_abandoned_there),
		T(past_the_release_nobody_tries_again_even_when_the_node_is_back),
		T(a_copy_that_is_started_by_hand_is_the_owner_again),
		T(what_may_run_is_not_abandoned),
		T(what_was_started_after_all_is_not_given_up),
		T(a_replacement_that_was_removed_by_hand_is_made_anew),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
