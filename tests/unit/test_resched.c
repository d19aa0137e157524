/* The machine, told one history after another: what it asks for, row by row, and what it never asks for. */
#include "resched-rig.h"

/* ---- the way it goes ---- */

static void a_dead_nodes_workload_is_moved_row_by_row(void **state) {
	struct rig *rig = begin(state);

	die(rig, "h1");
	struct effect *create = take(rig, EFFECT_CREATE, "h2", NULL);
	assert_non_null(create);
	assert_string_equal(create->name, "heir-aaaaaaaa-g2");
	assert_string_equal(create->spec_node, "h1");
	assert_string_equal(create->spec_id, WEB);
	assert_int_equal(create->generation, 2);
	assert_string_equal(create->nets[0].ip, IP);
	assert_string_equal(create->nets[0].mac, MAC);
	assert_int_equal(rig->n_asked, 0); /* one at a time */
	rig->asked[rig->n_asked++] = create;
	ok(rig, EFFECT_CREATE, "h2");
	ok(rig, EFFECT_READY, NULL);
	assert_true(last(rig)->released);
	assert_int_equal(last(rig)->evidence, EVIDENCE_PRESUMED);
	assert_string_equal(rig->asked[0]->copies.v[0], WEB);
	ok(rig, EFFECT_RELEASE, NULL);
	assert_string_equal(web(rig)->node, "h1");
	holders(rig, HOLDER_NONE);
	/* The ledger names the new owner before it is started. */
	assert_string_equal(web(rig)->node, "h2");
	assert_string_equal(web(rig)->container, NEW);
	assert_false(web(rig)->verified);
	assert_string_equal(rig->asked[0]->name, "web");
	ok(rig, EFFECT_RENAME, "h2");
	ok(rig, EFFECT_START, "h2");
	assert_string_equal(rig->asked[0]->name, "always");
	ok(rig, EFFECT_POLICY, "h2");
	seen(rig, "h2", true, IP);
	expect_state(rig, TAKEOVER_DONE, NULL);
	assert_true(web(rig)->verified);
	assert_int_equal(web(rig)->generation, 2);
	assert_int_equal(web(rig)->n_copies, 1);
	assert_true(last(rig)->nets[0].kept);
	assert_int_equal(last(rig)->steps[STEP_REPAIR].outcome, STEP_SKIPPED);
	expect_nothing(rig);
}

static void without_an_overlay_no_address_work_is_asked_for(void **state) {
	struct rig *rig = *state;
	struct world_container *c = container("h1", WEB, "web");

	c->nets = xnew(struct world_net);
	c->nets[c->n_nets++] = (struct world_net){.name = xstrdup("bridge"), .ip = xstrdup("172.17.0.2"), .kind = NET_LOCAL};
	see(rig, c);
	comes_up(rig, "h1");
	comes_up(rig, "h2");
	comes_up(rig, "h3");
	die(rig, "h1");
	ok(rig, EFFECT_CREATE, "h2");
	ok(rig, EFFECT_RENAME, "h2");
	ok(rig, EFFECT_START, "h2");
	assert_int_equal(last(rig)->steps[STEP_RELEASE].outcome, STEP_SKIPPED);
	assert_int_equal(last(rig)->steps[STEP_CLAIM].outcome, STEP_SKIPPED);
}

static void who_did_not_opt_in_is_left_alone(void **state) {
	struct rig *rig = *state;
	struct world_container *c = container("h1", WEB, "web");

	c->policy.move = false;
	add_overlay(rig, c);
	see(rig, c);
	comes_up(rig, "h1");
	comes_up(rig, "h2");
	comes_up(rig, "h3");
	die(rig, "h1");
	expect_nothing(rig);
	assert_null(resched_workloads(rig->r));
}

static void a_missing_image_is_fetched_first(void **state) {
	struct rig *rig = begin(state);
	struct node_facts none = {.version = xstrdup("20.10.24"), .swarm_node = xstrdup("h2"), .swarm_cluster = xstrdup("c1")};

	resched_node_facts(rig->r, "h2", &none);
	verdict(rig, "h3", NODE_DEAD);
	comes_up(rig, "h3");
	verdict(rig, "h3", NODE_SUSPECT); /* has the image, and is no target */
	die(rig, "h1");
	ok(rig, EFFECT_IMAGE, "h2");
	assert_string_equal(rig->asked[0]->image, "web:1");
	assert_int_equal(rig->asked[0]->kind, EFFECT_CREATE);
}

/* ---- coming back ---- */

static void a_node_back_before_the_release_rolls_it_back(void **state) {
	struct rig *rig = begin(state);

	die(rig, "h1");
	ok(rig, EFFECT_CREATE, "h2");
	comes_up(rig, "h1");
	ok(rig, EFFECT_READY, NULL); /* was under way */
	struct effect *e = take(rig, EFFECT_REMOVE, "h2", NEW);
	assert_non_null(e);
	rig->asked[rig->n_asked++] = e;
	assert_true(world_node(resched_world(rig->r), "h1")->returning);
	ok(rig, EFFECT_REMOVE, "h2");
	expect_state(rig, TAKEOVER_ROLLED_BACK, "h1 answers again");
	assert_string_equal(web(rig)->node, "h1");
	assert_int_equal(web(rig)->n_copies, 0);
	expect_nothing(rig);
	assert_false(world_node(resched_world(rig->r), "h1")->returning);
}

static void a_node_back_after_the_release_has_a_stale_copy(void **state) {
	struct rig *rig = begin(state);

	die(rig, "h1");
	until_released(rig);
	until_started(rig);
	comes_up(rig, "h1");
	ok(rig, EFFECT_DISCONNECT, "h1");
	ok(rig, EFFECT_STOP, "h1");
	ok(rig, EFFECT_POLICY, "h1");
	/* Its name is out of the way, but it stays: nobody has verified its successor yet. */
	ok(rig, EFFECT_RENAME, "h1");
	assert_null(take(rig, EFFECT_REMOVE, NULL, NULL));
	until_done(rig);
	see_replacement(rig, "h2", NULL);
	ok(rig, EFFECT_REMOVE, "h1");
	assert_int_equal(web(rig)->n_copies, 0);
	expect_nothing(rig);
}

static void a_kept_copy_is_parked_and_stays(void **state) {
	struct rig *rig = *state;

	rig->settings.stale_keep = true;
	renew(rig);
	(void)begin(state);
	die(rig, "h1");
	until_released(rig);
	until_started(rig);
	until_done(rig);
	see_replacement(rig, "h2", NULL);
	comes_up(rig, "h1");
	ok(rig, EFFECT_DISCONNECT, "h1");
	ok(rig, EFFECT_STOP, "h1");
	ok(rig, EFFECT_POLICY, "h1");
	struct effect *e = take(rig, EFFECT_RENAME, "h1", WEB);
	assert_string_equal(e->name, "web-stale-g1");
	rig->asked[rig->n_asked++] = e;
	ok(rig, EFFECT_RENAME, "h1");
	expect_nothing(rig);
	assert_int_equal(web(rig)->copies[0].row, CLEAN_KEPT);
}

/* To where the copy on h1 is gone, and web is asked back there. */
static struct rig *begin_moved_back(void **state) {
	struct rig *rig = *state;

	rig->settings.keep_oldest = true;
	renew(rig);
	(void)begin(state);
	die(rig, "h1");
	until_released(rig);
	until_started(rig);
	until_done(rig);
	see_replacement(rig, "h2", NULL);
	comes_up(rig, "h1");
	ok(rig, EFFECT_DISCONNECT, "h1");
	ok(rig, EFFECT_STOP, "h1");
	ok(rig, EFFECT_POLICY, "h1");
	ok(rig, EFFECT_REMOVE, "h1");
	resched_container_gone(rig->r, "h1", WEB);
	turn(rig);
	assert_true(last(rig)->planned);
	const struct effect_result created = {.outcome = EFFECT_OK, .container = "cccccccccccc"};
	answer(rig, EFFECT_CREATE, "h1", &created);
	ok(rig, EFFECT_READY, NULL);
	return rig;
}

static void the_oldest_is_kept_by_a_move_back(void **state) {
	struct rig *rig = begin_moved_back(state);

	/* The owner lives: it is fenced by its own engine, and only then its address released. */
	ok(rig, EFFECT_DISCONNECT, "h2");
	assert_false(last(rig)->released);
	ok(rig, EFFECT_STOP, "h2");
	assert_true(last(rig)->released);
	assert_int_equal(last(rig)->evidence, EVIDENCE_STOPPED);
	ok(rig, EFFECT_RELEASE, NULL);
}

static void a_move_back_that_fails_behind_the_fence_is_not_tried_again(void **state) {
	struct rig *rig = begin_moved_back(state);

	ok(rig, EFFECT_DISCONNECT, "h2");
	ok(rig, EFFECT_STOP, "h2");
	until_started(rig);
	refuse(rig, EFFECT_START, "h1", REFUSAL_PORT_TAKEN, "port is already allocated");
	ok(rig, EFFECT_REMOVE, "h1");
	assert_false(last(rig)->planned); /* it gets its place back, where that is */
	assert_string_equal(last(rig)->to, "h2");
	assert_null(web(rig)->origin);
}

/* ---- what goes wrong ---- */

static void without_a_control_socket_an_operator_is_asked_and_it_goes_on_when_there_is_one(void **state) {
	struct rig *rig = begin(state);

	die(rig, "h1");
	ok(rig, EFFECT_CREATE, "h2");
	refuse(rig, EFFECT_READY, NULL, REFUSAL_MISSING, "no control socket can be reached");
	expect_state(rig, TAKEOVER_NEEDS_OPERATOR, "no control socket");
	expect_nothing(rig);
	pass_time(rig, 31000);
	ok(rig, EFFECT_READY, NULL);
	expect_state(rig, TAKEOVER_RUNNING, NULL);
	until_started(rig);
	until_done(rig);
}

static void a_taken_port_fails_the_attempt_and_the_next_node_gets_the_same_address(void **state) {
	struct rig *rig = begin(state);

	die(rig, "h1");
	until_released(rig);
	until_started(rig);
	refuse(rig, EFFECT_START, "h2", REFUSAL_PORT_TAKEN, "port 80 is taken");
	ok(rig, EFFECT_REMOVE, "h2"); /* seen absent, before anybody else is started */
	assert_true(web(rig)->orphan);
	struct effect *e = take(rig, EFFECT_CREATE, "h3", NULL);
	assert_non_null(e);
	assert_string_equal(e->name, "heir-aaaaaaaa-g3");
	assert_string_equal(e->nets[0].ip, IP);
	assert_string_equal(e->nets[0].mac, MAC);
	rig->asked[rig->n_asked++] = e;
	ok(rig, EFFECT_CREATE, "h3");
	ok(rig, EFFECT_READY, NULL);
	holders(rig, HOLDER_NONE); /* released already */
	holders(rig, HOLDER_NONE);
	ok(rig, EFFECT_RENAME, "h3");
	until_done(rig);
	assert_string_equal(web(rig)->node, "h3");
}

static void attempts_used_up_need_an_operator(void **state) {
	struct rig *rig = begin(state);

	die(rig, "h1");
	for (int i = 0; i < 3; i++) {
		refuse(rig, EFFECT_CREATE, NULL, REFUSAL_OTHER, "disk full");
		const struct effect_result absent = {.outcome = EFFECT_OK};
		answer(rig, EFFECT_INSPECT, NULL, &absent);
		if (i < 2)
			pass_time(rig, 5000);
	}
	expect_state(rig, TAKEOVER_NEEDS_OPERATOR, "3 attempts failed; the last");
	pass_time(rig, 60000);
	expect_nothing(rig);
}

static void a_target_that_dies_after_the_start_is_where_the_next_one_starts_from(void **state) {
	struct rig *rig = begin(state);

	die(rig, "h1");
	until_released(rig);
	until_started(rig);
	ok(rig, EFFECT_START, "h2");
	die(rig, "h2");
	assert_int_equal(last(rig)->generation, 3);
	assert_string_equal(last(rig)->from, "h2");
	assert_string_equal(last(rig)->old_id, NEW);
	assert_string_equal(last(rig)->to, "h3");
	assert_false(last(rig)->released);
	struct effect *e = take(rig, EFFECT_CREATE, "h3", NULL);
	assert_string_equal(e->nets[0].ip, IP);
	rig->asked[rig->n_asked++] = e;
	const struct effect_result created = {.outcome = EFFECT_OK, .container = "cccccccccccc"};
	answer(rig, EFFECT_CREATE, "h3", &created);
	ok(rig, EFFECT_READY, NULL);
	struct effect *release = take(rig, EFFECT_RELEASE, NULL, NULL);
	assert_true(strs_has(&release->copies, NEW) && strs_has(&release->copies, WEB));
	assert_false(strs_has(&release->copies, "cccccccccccc"));
	effect_free(release);
}

static void a_target_that_dies_and_returns_before_the_next_release_is_gone_on_with(void **state) {
	struct rig *rig = begin(state);

	die(rig, "h1");
	until_released(rig);
	until_started(rig);
	unknown(rig, EFFECT_START, "h2");
	die(rig, "h2");
	const struct effect_result created = {.outcome = EFFECT_OK, .container = "cccccccccccc"};
	answer(rig, EFFECT_CREATE, "h3", &created);
	struct world_container *c = container("h2", NEW, "web");
	c->running = c->started = false;
	c->workload = xstrdup(web(rig)->id);
	c->generation = 2;
	add_overlay(rig, c);
	see(rig, c);
	comes_up(rig, "h2");
	ok(rig, EFFECT_READY, NULL);
	ok(rig, EFFECT_REMOVE, "h3");
	/* Rolled back to an owner that nobody has verified: it is looked after where it is. */
	assert_string_equal(last(rig)->to, "h2");
	holders(rig, HOLDER_OWN);
	seen(rig, "h2", true, IP); /* the name */
	seen(rig, "h2", true, IP); /* it runs: it is not started again */
	ok(rig, EFFECT_POLICY, "h2");
	seen(rig, "h2", true, IP);
	expect_state(rig, TAKEOVER_DONE, NULL);
	assert_true(web(rig)->verified);
	assert_int_equal(web(rig)->generation, 2);
}

static void a_start_of_unknown_outcome_is_looked_at_before_anything_else(void **state) {
	struct rig *rig = begin(state);

	die(rig, "h1");
	until_released(rig);
	until_started(rig);
	unknown(rig, EFFECT_START, "h2");
	assert_int_equal(rig->n_asked, 0);
	pass_time(rig, 1000);
	unknown(rig, EFFECT_INSPECT, "h2"); /* waits, and never counts as a no */
	pass_time(rig, 10000);
	seen(rig, "h2", true, IP);
	assert_null(take(rig, EFFECT_START, NULL, NULL));
	ok(rig, EFFECT_POLICY, "h2");
}

static void a_stolen_address_is_waited_for_and_nobody_evicted(void **state) {
	struct rig *rig = begin(state);

	die(rig, "h1");
	until_released(rig);
	ok(rig, EFFECT_RELEASE, NULL);
	holders(rig, HOLDER_OTHER);
	expect_state(rig, TAKEOVER_WAITING, "the address is taken: by \"thief\"");
	for (int i = 0; i < 10; i++) {
		pass_time(rig, 31000);
		assert_int_equal(rig->n_asked, 1);
		holders(rig, HOLDER_OTHER);
	}
	expect_state(rig, TAKEOVER_NEEDS_OPERATOR, "the address is taken");
	pass_time(rig, 31000);
	holders(rig, HOLDER_NONE);
	ok(rig, EFFECT_RENAME, "h2");
	until_done(rig);
}

static void an_address_taken_at_the_start_is_claimed_again(void **state) {
	struct rig *rig = begin(state);

	die(rig, "h1");
	until_released(rig);
	until_started(rig);
	refuse(rig, EFFECT_START, "h2", REFUSAL_ADDRESS_TAKEN, "Address already in use");
	pass_time(rig, 1000);
	holders(rig, HOLDER_COPY);
	pass_time(rig, 1000);
	ok(rig, EFFECT_RELEASE, NULL); /* the old one had taken it back */
	holders(rig, HOLDER_NONE);
	ok(rig, EFFECT_RENAME, "h2");
	until_done(rig);
}

static void a_container_of_the_staged_name_that_is_not_ours_is_left_alone(void **state) {
	struct rig *rig = begin(state);

	die(rig, "h1");
	refuse(rig, EFFECT_CREATE, "h2", REFUSAL_NAME_TAKEN, "the name is in use");
	const struct effect_result foreign = {
		.outcome = EFFECT_OK, .found = true, .container = "dddddddddddd", .name = "heir-aaaaaaaa-g2"};
	answer(rig, EFFECT_INSPECT, "h2", &foreign);
	answer(rig, EFFECT_INSPECT, "h2", &foreign);
	assert_null(take(rig, EFFECT_REMOVE, NULL, NULL));
	ok(rig, EFFECT_CREATE, "h3");
}

static void a_replacement_with_another_address_is_never_done(void **state) {
	struct rig *rig = begin(state);

	die(rig, "h1");
	until_released(rig);
	until_started(rig);
	ok(rig, EFFECT_START, "h2");
	ok(rig, EFFECT_POLICY, "h2");
	for (int i = 0; i < 12; i++) {
		seen(rig, "h2", true, "10.20.0.51");
		pass_time(rig, 31000);
	}
	expect_state(rig, TAKEOVER_NEEDS_OPERATOR, "has not " IP);
	assert_false(web(rig)->verified);
}

/* What came before it in the same step, and was skipped, says nothing of it. */
static void a_release_that_was_found_done_is_not_told_as_skipped(void **state) {
	struct rig *rig = begin(state);

	die(rig, "h1");
	until_released(rig);
	unknown(rig, EFFECT_RELEASE, NULL);
	pass_time(rig, 1000);
	holders(rig, HOLDER_NONE);
	assert_int_equal(last(rig)->row, ROW_CLAIM);
	assert_int_equal(last(rig)->steps[STEP_RELEASE].outcome, STEP_RETRIED);
}

int main(void) {
	const struct CMUnitTest tests[] = {
		T(a_release_that_was_found_done_is_not_told_as_skipped),
		T(a_dead_nodes_workload_is_moved_row_by_row),
		T(without_an_overlay_no_address_work_is_asked_for),
		T(who_did_not_opt_in_is_left_alone),
		T(a_missing_image_is_fetched_first),
		T(a_node_back_before_the_release_rolls_it_back),
		T(a_node_back_after_the_release_has_a_stale_copy),
		T(a_kept_copy_is_parked_and_stays),
		T(the_oldest_is_kept_by_a_move_back),
		T(a_move_back_that_fails_behind_the_fence_is_not_tried_again),
		T(without_a_control_socket_an_operator_is_asked_and_it_goes_on_when_there_is_one),
		T(a_taken_port_fails_the_attempt_and_the_next_node_gets_the_same_address),
		T(attempts_used_up_need_an_operator),
		T(a_target_that_dies_after_the_start_is_where_the_next_one_starts_from),
		T(a_target_that_dies_and_returns_before_the_next_release_is_gone_on_with),
		T(a_start_of_unknown_outcome_is_looked_at_before_anything_else),
		T(a_stolen_address_is_waited_for_and_nobody_evicted),
		T(an_address_taken_at_the_start_is_claimed_again),
		T(a_container_of_the_staged_name_that_is_not_ours_is_left_alone),
		T(a_replacement_with_another_address_is_never_done),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
