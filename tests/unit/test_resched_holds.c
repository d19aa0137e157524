/* The machine when it holds still: after a restart it looks before it does anything, and there are times when it does nothing. */
#include "resched-rig.h"

#include <errno.h>

/* ---- restarts ---- */

static void h1_is_dead_and_the_others_answer(struct rig *rig) {
	die(rig, "h1");
	comes_up(rig, "h2");
	comes_up(rig, "h3");
}

static void a_restart_looks_before_it_does(void **state) {
	static const struct {
		const char *what;
		unsigned answered; /* of the way, before the crash */
		enum effect_kind under_way, first;
	} cases[] = {
		{"create", 0, EFFECT_CREATE, EFFECT_INSPECT},   {"ready", 1, EFFECT_READY, EFFECT_READY},
		{"release", 2, EFFECT_RELEASE, EFFECT_HOLDERS}, {"claim", 3, EFFECT_HOLDERS, EFFECT_HOLDERS},
		{"rename", 4, EFFECT_RENAME, EFFECT_INSPECT},   {"start", 5, EFFECT_START, EFFECT_INSPECT},
		{"policy", 6, EFFECT_POLICY, EFFECT_POLICY},    {"verify", 7, EFFECT_INSPECT, EFFECT_INSPECT},
	};
	static const enum effect_kind way[] = {EFFECT_CREATE, EFFECT_READY, EFFECT_RELEASE, EFFECT_HOLDERS,
					       EFFECT_RENAME, EFFECT_START, EFFECT_POLICY};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		void *fresh;
		(void)set_up(&fresh);
		struct rig *rig = begin(&fresh);
		die(rig, "h1");
		for (unsigned k = 0; k < cases[i].answered; k++)
			ok(rig, way[k], NULL);
		assert_int_equal(rig->asked[0]->kind, cases[i].under_way);
		restart(rig);
		h1_is_dead_and_the_others_answer(rig);
		if (rig->n_asked != 1 || rig->asked[0]->kind != cases[i].first)
			fail_asked(rig, cases[i].what);
		(void)tear_down(&fresh);
	}
	(void)state;
}

static void a_restart_in_the_middle_ends_with_one_owner(void **state) {
	struct rig *rig = begin(state);

	die(rig, "h1");
	until_released(rig);
	until_started(rig);
	restart(rig); /* the start was under way, and came through */
	h1_is_dead_and_the_others_answer(rig);
	seen(rig, "h2", true, IP);
	ok(rig, EFFECT_POLICY, "h2");
	seen(rig, "h2", true, IP);
	expect_state(rig, TAKEOVER_DONE, NULL);
	assert_int_equal(web(rig)->generation, 2);
}

/* The manager that did it did not live to say so. */
static void what_was_done_before_a_restart_is_in_the_log(void **state) {
	struct rig *rig = begin(state);

	die(rig, "h1");
	until_released(rig);
	assert_string_equal(rig->logged, "plan begun, fence ok, ");
	restart(rig); /* the release was under way, and came through */
	h1_is_dead_and_the_others_answer(rig);
	holders(rig, HOLDER_NONE);
	holders(rig, HOLDER_NONE);
	ok(rig, EFFECT_RENAME, "h2");
	assert_string_equal(rig->logged, "plan begun, fence ok, release ok, ");
	restart(rig); /* the start too */
	h1_is_dead_and_the_others_answer(rig);
	seen(rig, "h2", true, IP);
	assert_string_equal(rig->logged, "plan begun, fence ok, release ok, start ok, ");
}

/* What its engine shows of a replacement that this ledger has never heard of. */
static void see_of_a_later_ledger(struct rig *rig, const char *node, unsigned generation) {
	char *id CLEANUP_FREE = xasprintf("later%u", generation);
	struct world_container *c = container(node, id, "web");

	c->workload = xstrdup("prod/" WEB);
	c->takeover = xstrdup("feedfeedfeedfeed");
	c->generation = generation;
	add_overlay(rig, c);
	see(rig, c);
}

static void expect_only_owner(const struct rig *rig, const char *node, unsigned generation) {
	const struct workload *w = web(rig);

	assert_null(w->hh.next);
	assert_string_equal(w->id, "prod/" WEB);
	assert_string_equal(w->node, node);
	assert_int_equal(w->generation, generation);
	assert_int_equal(w->last_generation, generation);
}

static void an_old_ledger_gives_way_to_the_newer_generation_that_runs(void **state) {
	struct rig *rig = begin(state);

	see_of_a_later_ledger(rig, "h2", 3);
	expect_only_owner(rig, "h2", 3);
	turn(rig); /* the one that the old ledger believed in */
	ok(rig, EFFECT_DISCONNECT, "h1");
	ok(rig, EFFECT_STOP, "h1");
	assert_int_equal(web(rig)->n_copies, 1);
	die(rig, "h2"); /* it is the owner for good */
	assert_int_equal(last(rig)->generation, 4);
	assert_string_equal(last(rig)->old_id, "later3");
}

/* A copy of the state from before its last takeover was put back, and since then somebody gave the workload up. */
static void what_was_given_up_is_not_when_a_newer_generation_runs(void **state) {
	struct rig *rig = begin(state);
	struct err err;

	die(rig, "h1");
	until_released(rig);
	ok(rig, EFFECT_RELEASE, NULL);
	holders(rig, HOLDER_OTHER);
	assert_int_equal(resched_abandon(rig->r, last(rig)->id, &err), 0);
	turn(rig);
	ok(rig, EFFECT_REMOVE, "h2");
	assert_true(web(rig)->abandoned);
	see_of_a_later_ledger(rig, "h3", 5);
	expect_only_owner(rig, "h3", 5);
	assert_false(web(rig)->abandoned);
	turn(rig);
	die(rig, "h3");
	assert_int_equal(last(rig)->generation, 6);
}

/* Labels can be copied; numbers that the ledger has given out itself prove nothing. */
static void a_copied_label_is_no_newer_generation(void **state) {
	struct rig *rig = begin(state);

	die(rig, "h1");
	until_released(rig);
	until_started(rig);
	until_done(rig);
	see_of_a_later_ledger(rig, "h3", 2);
	assert_string_equal(web(rig)->node, "h2");
	assert_int_equal(web(rig)->generation, 2);
	assert_int_equal(web(rig)->n_copies, 1);
}

static void what_is_under_way_takes_nothing_from_a_newer_generation(void **state) {
	struct rig *rig = begin(state);

	die(rig, "h1");
	until_released(rig);
	see_of_a_later_ledger(rig, "h3", 3);
	ok(rig, EFFECT_RELEASE, NULL);
	holders(rig, HOLDER_OTHER);
	expect_state(rig, TAKEOVER_WAITING, "address is taken");
}

static void nothing_goes_on_after_a_restart_until_the_node_is_known_to_be_dead(void **state) {
	struct rig *rig = begin(state);

	die(rig, "h1");
	ok(rig, EFFECT_CREATE, "h2");
	restart(rig);
	comes_up(rig, "h2");
	comes_up(rig, "h3");
	expect_nothing(rig);
	expect_state(rig, TAKEOVER_WAITING, "h1 is unknown");
	die(rig, "h1");
	ok(rig, EFFECT_READY, NULL);
}

/* Takeovers come back in the order of the wall clock: one that was set back puts a closed one behind the open one. */
static void an_open_takeover_stays_the_only_one_when_the_clock_was_set_back(void **state) {
	struct rig *rig = begin(state);
	unsigned open = 0;

	die(rig, "h1");
	ok(rig, EFFECT_CREATE, "h2");
	restart(rig);
	struct takeover *closed = takeover_new(web(rig)->id, "web");
	memcpy(closed->id, "ffffffffffffffff", sizeof(closed->id));
	closed->from = xstrdup("h1");
	closed->state = TAKEOVER_FAILED;
	resched_restore_takeover(rig->r, closed);
	h1_is_dead_and_the_others_answer(rig);
	for (const struct takeover *t = resched_takeovers(rig->r); t; t = t->hh.next)
		open += !takeover_is_over(t->state);
	assert_int_equal(open, 1);
	assert_int_equal(rig->n_asked, 1);
	assert_int_equal(rig->asked[0]->kind, EFFECT_READY);
}

static void a_node_that_died_while_the_manager_was_stopped_is_taken_over(void **state) {
	struct rig *rig = begin(state);

	restart(rig);
	comes_up(rig, "h2");
	comes_up(rig, "h3");
	expect_nothing(rig);
	verdict(rig, "h1", NODE_DEAD);
	turn(rig);
	ok(rig, EFFECT_CREATE, "h2");
}

/* ---- when not ---- */

static void the_brake_holds_what_has_not_begun_and_what_is_not_released(void **state) {
	struct rig *rig = begin(state);

	resched_brake(rig->r, true, "3 of 4 nodes are lost");
	die(rig, "h1");
	expect_nothing(rig);
	assert_null(resched_takeovers(rig->r));
	resched_brake(rig->r, false, "");
	turn(rig);
	ok(rig, EFFECT_CREATE, "h2");
	resched_brake(rig->r, true, "3 of 4 nodes are lost");
	ok(rig, EFFECT_READY, NULL);
	expect_nothing(rig);
	expect_state(rig, TAKEOVER_WAITING, "the storm brake holds: 3 of 4");
	resched_brake(rig->r, false, "");
	turn(rig);
	resched_brake(rig->r, true, "again");
	until_started(rig); /* past the point of no return it goes on */
	until_done(rig);
}

static void a_store_that_cannot_be_written_stops_everything(void **state) {
	struct rig *rig = begin(state);

	resched_store(rig->r, false, "disk full");
	die(rig, "h1");
	expect_nothing(rig);
	resched_store(rig->r, true, NULL);
	turn(rig);
	ok(rig, EFFECT_CREATE, "h2");
}

static void a_key_value_overlay_needs_agents(void **state) {
	struct rig *rig = *state;

	rig->kv = true;
	(void)begin(state);
	die(rig, "h1");
	expect_nothing(rig);
	expect_state(rig, TAKEOVER_NEEDS_OPERATOR, "no agents");
}

static void what_was_stopped_on_purpose_stays_stopped(void **state) {
	struct rig *rig = begin(state);
	struct world_container *c = container("h1", WEB, "web");

	c->running = false;
	add_overlay(rig, c);
	see(rig, c);
	turn(rig);
	pass_time(rig, 31000);
	assert_false(web(rig)->must_run);
	die(rig, "h1");
	expect_nothing(rig);
}

static void what_stopped_with_its_host_counts_as_running(void **state) {
	struct rig *rig = begin(state);
	struct world_container *c = container("h1", WEB, "web");

	c->running = false;
	add_overlay(rig, c);
	see(rig, c);
	turn(rig);
	pass_time(rig, 5000);
	die(rig, "h1");
	struct effect *e = take(rig, EFFECT_CREATE, "h2", NULL);
	assert_string_equal(e->nets[0].ip, IP); /* as it had it when it ran */
	effect_free(e);
}

static void what_its_user_removed_is_forgotten(void **state) {
	struct rig *rig = begin(state);
	struct resched_output out;

	resched_container_gone(rig->r, "h1", WEB);
	assert_null(resched_workloads(rig->r));
	resched_take_output(rig->r, &out);
	assert_true(strs_has(&out.forgotten, "prod/" WEB));
	resched_output_clear(&out);
	die(rig, "h1");
	expect_nothing(rig);
}

static void an_engine_that_is_silent_alone_is_waited_for(void **state) {
	struct rig *rig = begin(state);

	verdict(rig, "h1", NODE_SUSPECT);
	verdict(rig, "h1", NODE_ENGINE_ONLY);
	expect_nothing(rig);
	assert_null(resched_takeovers(rig->r));
}

static void demanded_evidence_waits_for_confirm_dead(void **state) {
	struct rig *rig = *state;
	struct world_container *c = container("h1", WEB, "web");
	struct err err;

	c->policy.fence = EVIDENCE_STOPPED;
	add_overlay(rig, c);
	see(rig, c);
	comes_up(rig, "h1");
	comes_up(rig, "h2");
	comes_up(rig, "h3");
	assert_int_equal(resched_confirm_dead(rig->r, "h1", &err), -EBUSY);
	assert_int_equal(resched_confirm_dead(rig->r, "h9", &err), -ENOENT);
	die(rig, "h1");
	ok(rig, EFFECT_CREATE, "h2");
	ok(rig, EFFECT_READY, NULL);
	expect_nothing(rig);
	expect_state(rig, TAKEOVER_NEEDS_OPERATOR, "confirm-dead h1");
	assert_int_equal(resched_confirm_dead(rig->r, "h1", &err), 0);
	turn(rig);
	assert_int_equal(last(rig)->evidence, EVIDENCE_STOPPED);
	until_started(rig);
}

/* The crash came after its removal was on disk, and before that its memory is needed no more. */
static void memory_of_a_removed_copy_makes_no_workload(void **state) {
	static const struct {
		const char *what;
		bool remembered;
		unsigned workloads;
	} cases[] = {{"remembered", true, 1}, {"seen: somebody copied the labels", false, 2}};

	for (size_t i = 0; i < 2; i++) {
		struct rig *rig = begin(state);
		die(rig, "h1");
		until_released(rig);
		until_started(rig);
		until_done(rig);
		restart(rig);
		struct world_container *c = container("h3", "dddddddddddd", "web");
		c->workload = xstrdup(web(rig)->id);
		c->takeover = xstrdup("00000000000000ff");
		c->generation = 1;
		c->remembered = cases[i].remembered;
		see(rig, c);
		if (HASH_COUNT(resched_workloads(rig->r)) != cases[i].workloads)
			fail_msg("%s: %u workloads", cases[i].what, (unsigned)HASH_COUNT(resched_workloads(rig->r)));
		clear_asked(rig);
		renew(rig);
	}
}

static void confirm_dead_passes_the_brake_and_engine_only(void **state) {
	struct rig *rig = begin(state);
	struct err err;

	resched_brake(rig->r, true, "2 of 3 nodes are lost");
	verdict(rig, "h1", NODE_ENGINE_ONLY);
	expect_nothing(rig);
	assert_int_equal(resched_confirm_dead(rig->r, "h1", &err), 0);
	turn(rig);
	ok(rig, EFFECT_CREATE, "h2");
	assert_int_equal(rig->asked[0]->kind, EFFECT_READY);
}

static void without_a_target_it_waits_and_goes_on_when_one_appears(void **state) {
	struct rig *rig = *state;

	see_web(rig);
	comes_up(rig, "h1");
	die(rig, "h2");
	die(rig, "h3");
	die(rig, "h1");
	expect_nothing(rig);
	expect_state(rig, TAKEOVER_WAITING, "no node can take it");
	assert_true(strs_has(&last(rig)->rejected, "h2: is dead"));
	comes_up(rig, "h3");
	ok(rig, EFFECT_CREATE, "h3");
}

static void a_result_that_nobody_waits_for_is_ignored(void **state) {
	struct rig *rig = begin(state);
	const struct effect_result r = {.outcome = EFFECT_OK};

	resched_result(rig->r, rig->now, 4711, &r);
	expect_nothing(rig);
}

static void a_drill_tells_and_changes_nothing(void **state) {
	struct rig *rig = begin(state);
	struct resched_forecast f;

	resched_forecast(rig->r, rig->now, world_container(resched_world(rig->r), "h1", WEB), NULL, 0, &f);
	assert_null(f.blocked);
	assert_string_equal(f.choice.target, "h2");
	resched_forecast_clear(&f);
	expect_nothing(rig);
	assert_null(resched_takeovers(rig->r));
}

int main(void) {
	const struct CMUnitTest tests[] = {
		T(a_restart_looks_before_it_does),
		T(a_restart_in_the_middle_ends_with_one_owner),
		T(what_was_done_before_a_restart_is_in_the_log),
		T(an_old_ledger_gives_way_to_the_newer_generation_that_runs),
		T(what_was_given_up_is_not_when_a_newer_generation_runs),
		T(a_copied_label_is_no_newer_generation),
		T(what_is_under_way_takes_nothing_from_a_newer_generation),
		T(nothing_goes_on_after_a_restart_until_the_node_is_known_to_be_dead),
		T(an_open_takeover_stays_the_only_one_when_the_clock_was_set_back),
		T(a_node_that_died_while_the_manager_was_stopped_is_taken_over),
		T(the_brake_holds_what_has_not_begun_and_what_is_not_released),
		T(a_store_that_cannot_be_written_stops_everything),
		T(a_key_value_overlay_needs_agents),
		T(what_was_stopped_on_purpose_stays_stopped),
		T(what_stopped_with_its_host_counts_as_running),
		T(what_its_user_removed_is_forgotten),
		T(an_engine_that_is_silent_alone_is_waited_for),
		T(demanded_evidence_waits_for_confirm_dead),
		T(memory_of_a_removed_copy_makes_no_workload),
		T(confirm_dead_passes_the_brake_and_engine_only),
		T(without_a_target_it_waits_and_goes_on_when_one_appears),
		T(a_result_that_nobody_waits_for_is_ignored),
		T(a_drill_tells_and_changes_nothing),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
