/* The machine with agents, behind the point of no return: whose rows are told to whom and when again, what is proven, and what
 * becomes of a node that returns. */
#include "agents-rig.h"

/* ---- rows ---- */

static void expect_told(struct rig *rig, const char *node, const char *host, const char *vtep, unsigned generation) {
	const struct effect *e = asked(rig, EFFECT_REPAIR, node);

	assert_string_equal(e->host, host);
	assert_string_equal(e->vtep, vtep);
	assert_string_equal(e->workload, web(rig)->id);
	assert_string_equal(e->container, web(rig)->container);
	assert_int_equal(e->generation, generation);
	assert_true(e->watch);
	assert_int_equal(e->n_nets, 1);
	assert_string_equal(e->nets[0].ip, IP);
	assert_string_equal(e->nets[0].mac, MAC);
}

static struct rig *begin_up(void **state) {
	struct rig *rig = begin_with_agents(state);

	die_whole(rig, "h1");
	until_quarantined(rig);
	until_up(rig);
	return rig;
}

static void the_host_and_every_observer_are_told_the_owners_rows_once_it_runs(void **state) {
	struct rig *rig = begin_with_agents(state);

	die_whole(rig, "h1");
	until_quarantined(rig);
	until_started(rig);
	ok(rig, EFFECT_START, "h2");
	assert_false(is_asked(rig, EFFECT_REPAIR, NULL));
	ok(rig, EFFECT_POLICY, "h2");
	expect_told(rig, "h2", "h2", "10.99.0.12", 2);
	expect_told(rig, "h3", "h2", "10.99.0.12", 2);
	assert_int_equal(rig->n_asked, 2);
	repaired(rig, "h2");
	assert_int_equal(last(rig)->row, ROW_REPAIR);
	repaired(rig, "h3");
	assert_int_equal(last(rig)->row, ROW_VERIFY);
	assert_string_equal(last(rig)->steps[STEP_REPAIR].detail, "rows right on h2, h3");
}

static void a_node_without_the_network_is_not_told(void **state) {
	struct rig *rig = begin(state);

	agent(rig, "h2", "one", NULL);
	agent(rig, "h3", "one", NULL);
	die(rig, "h1");
	obey(rig, "h2");
	obey(rig, "h3"); /* which it may join at any time */
	until_released(rig);
	until_up(rig);
	expect_told(rig, "h2", "h2", "10.99.0.12", 2);
	assert_false(is_asked(rig, EFFECT_REPAIR, "h3"));
	repaired(rig, "h2");
	seen(rig, "h2", true, IP);
	proven(rig, "h2");
	expect_state(rig, TAKEOVER_DONE, NULL);
	see_replacement(rig, "h2", "s1");
	repaired(rig, "h2"); /* with the namespace that was not known before */
	see_bystander(rig, "h3", NET_SWARM);
	turn(rig);
	expect_told(rig, "h3", "h2", "10.99.0.12", 2);
}

static void an_agent_started_anew_is_told_again(void **state) {
	struct rig *rig = begin_moved(state);

	agent(rig, "h3", "one", OLD_VTEP);
	expect_nothing(rig);
	agent(rig, "h3", "two", OLD_VTEP);
	expect_told(rig, "h3", "h2", "10.99.0.12", 2);
	assert_int_equal(rig->n_asked, 1);
	repaired(rig, "h3");
	expect_nothing(rig);
}

static void an_owner_started_anew_is_told_again_to_all(void **state) {
	struct rig *rig = begin_moved(state);

	see_replacement(rig, "h2", "s1");
	expect_nothing(rig);
	see_replacement(rig, "h2", "s2");
	expect_told(rig, "h2", "h2", "10.99.0.12", 2);
	expect_told(rig, "h3", "h2", "10.99.0.12", 2);
	repaired(rig, "h2");
	repaired(rig, "h3");
	expect_nothing(rig);
}

static void an_owner_that_moves_on_is_told_again_to_all_that_are_left(void **state) {
	struct rig *rig = begin_moved(state);

	die_whole(rig, "h2");
	assert_int_equal(asked(rig, EFFECT_QUARANTINE, "h3")->vteps.n, 2);
	obey(rig, "h3");
	answer(rig, EFFECT_CREATE, "h3", &(struct effect_result){.outcome = EFFECT_OK, .container = "cccccccccccc"});
	ok(rig, EFFECT_READY, NULL);
	until_up(rig);
	expect_told(rig, "h3", "h3", "10.99.0.13", 3);
	assert_int_equal(rig->n_asked, 1);
}

static void what_an_agent_could_not_do_is_told_again_long_after_the_takeover(void **state) {
	struct rig *rig = begin_up(state);

	repaired(rig, "h2");
	for (int i = 0; i < 2; i++) {
		refuse(rig, EFFECT_REPAIR, "h3", REFUSAL_OTHER, "netlink: no buffer space");
		pass_time(rig, 4000);
	}
	seen(rig, "h2", true, IP);
	until_proven(rig);
	expect_warning(rig, "rows not repaired on h3: netlink: no buffer space");
	repaired(rig, "h3"); /* it was on its way meanwhile */
	expect_nothing(rig);
}

static void a_silent_agent_costs_two_tries_and_a_warning(void **state) {
	struct rig *rig = begin_up(state);

	repaired(rig, "h2");
	unknown(rig, EFFECT_REPAIR, "h3");
	assert_int_equal(last(rig)->row, ROW_REPAIR);
	pass_time(rig, 4000);
	unknown(rig, EFFECT_REPAIR, "h3");
	seen(rig, "h2", true, IP);
	proven(rig, "h2");
	unknown(rig, EFFECT_PROVE, "h3");
	expect_state(rig, TAKEOVER_RUNNING, NULL);
	pass_time(rig, 1000);
	unknown(rig, EFFECT_PROVE, "h3");
	expect_state(rig, TAKEOVER_DONE, NULL);
	expect_warning(rig, "rows not repaired on h3: no answer");
	expect_warning(rig, "unproven on h3: no answer");
	assert_int_equal(last(rig)->warnings.n, 2);
}

static void where_no_agent_answers_neither_rows_nor_proof_are_called_good(void **state) {
	struct rig *rig = begin_up(state);

	for (int i = 0; i < 2; i++) {
		unknown(rig, EFFECT_REPAIR, "h2");
		unknown(rig, EFFECT_REPAIR, "h3");
		pass_time(rig, i == 0 ? 4000 : 0);
	}
	assert_int_equal(last(rig)->steps[STEP_REPAIR].outcome, STEP_FAILED);
	seen(rig, "h2", true, IP);
	for (int i = 0; i < 2; i++) {
		unknown(rig, EFFECT_PROVE, "h2");
		unknown(rig, EFFECT_PROVE, "h3");
		pass_time(rig, 1000);
	}
	expect_state(rig, TAKEOVER_DONE, NULL); /* the address is up, and nobody would gain by taking it away again */
	assert_int_equal(last(rig)->steps[STEP_VERIFY].outcome, STEP_UNKNOWN);
}

static void an_owner_that_its_user_ends_is_forgotten_by_every_agent(void **state) {
	for (int removed = 0; removed < 2; removed++) {
		void *fresh;
		(void)set_up(&fresh);
		struct rig *rig = begin_moved(&fresh);
		if (removed) {
			resched_container_gone(rig->r, "h2", NEW);
		} else {
			struct world_container *c = container("h2", NEW, "web");
			c->workload = xstrdup(web(rig)->id);
			c->generation = 2;
			c->running = false;
			add_overlay(rig, c);
			see(rig, c);
			turn(rig);
			assert_false(is_asked(rig, EFFECT_FORGET, NULL)); /* it may be about to be started again */
			pass_time(rig, 31000);
		}
		turn(rig);
		ok(rig, EFFECT_FORGET, "h2");
		refuse(rig, EFFECT_FORGET, "h3", REFUSAL_OTHER, "not now");
		expect_nothing(rig);
		pass_time(rig, 10000);
		assert_string_equal(asked(rig, EFFECT_FORGET, "h3")->workload, "prod/" WEB);
		ok(rig, EFFECT_FORGET, "h3");
		pass_time(rig, 10000);
		expect_nothing(rig);
		(void)tear_down(&fresh);
	}
	(void)state;
}

/* ---- proof ---- */

static struct rig *begin_proof(void **state) {
	struct rig *rig = begin_up(state);
	until_repaired(rig);
	return rig;
}

static void rows_that_are_seen_to_be_wrong_are_told_again(void **state) {
	struct rig *rig = begin_proof(state);

	answer(rig, EFFECT_PROVE, "h3",
	       &(struct effect_result){.outcome = EFFECT_OK, .right = false, .answered = ANSWER_YES, .detail = "fdb: h1"});
	proven(rig, "h2");
	expect_state(rig, TAKEOVER_RUNNING, NULL);
	expect_told(rig, "h3", "h2", "10.99.0.12", 2);
	assert_false(is_asked(rig, EFFECT_REPAIR, "h2"));
	repaired(rig, "h3");
	pass_time(rig, 1000);
	proven(rig, "h3");
	expect_state(rig, TAKEOVER_DONE, NULL);
	assert_int_equal(last(rig)->warnings.n, 0);
}

static void a_probe_that_is_never_answered_is_said_and_holds_nothing_up_for_ever(void **state) {
	struct rig *rig = begin_proof(state);

	proven(rig, "h2");
	for (int i = 0; i < 8; i++) {
		expect_state(rig, TAKEOVER_RUNNING, NULL);
		answer(rig, EFFECT_PROVE, "h3",
		       &(struct effect_result){
			       .outcome = EFFECT_OK, .right = true, .answered = ANSWER_NO, .detail = "no echo in 1 s"});
		pass_time(rig, 1000);
	}
	expect_state(rig, TAKEOVER_DONE, NULL);
	expect_warning(rig, "unproven on h3: no echo in 1 s");
}

static void an_address_that_is_not_in_the_replacement_needs_an_operator(void **state) {
	struct rig *rig = begin_proof(state);

	proven(rig, "h3");
	for (int i = 0; i < 8; i++) {
		expect_state(rig, TAKEOVER_RUNNING, NULL);
		answer(rig, EFFECT_PROVE, "h2",
		       &(struct effect_result){.outcome = EFFECT_OK,
					       .right = true,
					       .here = ANSWER_NO,
					       .answered = ANSWER_UNKNOWN,
					       .detail = IP " is not in the container"});
		pass_time(rig, 1000);
	}
	expect_state(rig, TAKEOVER_NEEDS_OPERATOR, "h2: " IP " is not in the container");
	assert_false(web(rig)->verified);
	pass_time(rig, 31000);
	until_proven(rig); /* somebody has made it right */
}

/* ---- the return ---- */

/* h1 and its agent answer again; its copy of `web` is still there. */
static void return_with_agent(struct rig *rig) {
	see_bystander(rig, "h1", NET_SWARM);
	agent(rig, "h1", "two", NULL);
	comes_up(rig, "h1");
}

static void until_clean(struct rig *rig) {
	ok(rig, EFFECT_DISCONNECT, "h1");
	ok(rig, EFFECT_STOP, "h1");
	ok(rig, EFFECT_POLICY, "h1");
	ok(rig, EFFECT_REMOVE, "h1");
}

static void isolating_in_the_kernel_comes_first(void **state) {
	struct rig *rig = begin_moved(state);

	return_with_agent(rig);
	const struct effect *e = asked(rig, EFFECT_ISOLATE, "h1");
	assert_string_equal(e->container, WEB);
	assert_int_equal(e->n_nets, 1);
	assert_string_equal(e->nets[0].mac, MAC);
	assert_int_equal(rig->n_asked, 1);
	ok(rig, EFFECT_ISOLATE, "h1");
	until_clean(rig);
}

static void an_agent_that_does_not_isolate_is_asked_once_and_its_engine_at_once(void **state) {
	struct rig *rig = begin_moved(state);

	return_with_agent(rig);
	unknown(rig, EFFECT_ISOLATE, "h1");
	assert_true(is_asked(rig, EFFECT_DISCONNECT, "h1")); /* without a pause */
	pass_time(rig, 1000);
	assert_false(is_asked(rig, EFFECT_ISOLATE, "h1"));
	until_clean(rig);
}

static void an_agent_later_than_its_engine_is_waited_for_a_moment_while_nobody_hears_the_copy(void **state) {
	struct rig *rig = begin_moved(state);

	comes_up(rig, "h1");
	expect_nothing(rig);
	pass_time(rig, 2000);
	expect_nothing(rig);
	agent(rig, "h1", "two", NULL);
	ok(rig, EFFECT_ISOLATE, "h1");
	assert_true(is_asked(rig, EFFECT_DISCONNECT, "h1"));
}

static void an_agent_that_stays_away_does_not_keep_its_engine_from_cutting_the_copy_off(void **state) {
	struct rig *rig = begin_moved(state);

	comes_up(rig, "h1");
	expect_nothing(rig);
	assert_true(resched_deadline(rig->r).ns <= mono_add(rig->now, span_sec(3)).ns);
	pass_time(rig, 3000);
	until_clean(rig);
}

static void without_a_quarantine_no_agent_is_waited_for(void **state) {
	struct rig *rig = begin_observed(state);
	struct node_facts no_vtep = {.version = xstrdup("20.10.24")};

	resched_node_facts(rig->r, "h1", &no_vtep); /* nobody can be told what to drop */
	die_whole(rig, "h1");
	until_released(rig);
	until_started(rig);
	comes_up(rig, "h1");
	assert_true(is_asked(rig, EFFECT_DISCONNECT, "h1"));
}

static void quarantine_is_lifted_only_when_the_node_is_clean_and_was_told(void **state) {
	struct rig *rig = begin_moved(state);

	return_with_agent(rig);
	ok(rig, EFFECT_ISOLATE, "h1");
	assert_false(is_asked(rig, EFFECT_REPAIR, "h1")); /* its own copy is there yet */
	until_clean(rig);
	assert_false(is_asked(rig, EFFECT_QUARANTINE, NULL));
	expect_told(rig, "h1", "h2", "10.99.0.12", 2);
	repaired(rig, "h1");
	assert_int_equal(asked(rig, EFFECT_QUARANTINE, "h2")->vteps.n, 0);
	assert_int_equal(asked(rig, EFFECT_QUARANTINE, "h3")->vteps.n, 0);
	assert_false(is_asked(rig, EFFECT_QUARANTINE, "h1"));
}

static void a_returned_node_whose_agent_cannot_be_told_is_let_in_after_two_tries(void **state) {
	struct rig *rig = begin_moved(state);

	return_with_agent(rig);
	ok(rig, EFFECT_ISOLATE, "h1");
	until_clean(rig);
	refuse(rig, EFFECT_REPAIR, "h1", REFUSAL_OTHER, "netlink: no buffer space");
	assert_false(is_asked(rig, EFFECT_QUARANTINE, NULL));
	pass_time(rig, 4000);
	refuse(rig, EFFECT_REPAIR, "h1", REFUSAL_OTHER, "netlink: no buffer space");
	assert_true(is_asked(rig, EFFECT_QUARANTINE, "h2"));
}

/* ---- the sweep ---- */

static struct effect *take_sweep(struct rig *rig, const char *at, const char *host) {
	for (size_t i = 0; i < rig->n_swept; i++) {
		struct effect *e = rig->swept[i];
		if (strcmp(e->node, at) != 0 || strcmp(e->host, host) != 0)
			continue;
		rig->swept[i] = rig->swept[--rig->n_swept];
		return e;
	}
	fail_msg("%s is not told of %s", at, host);
	return NULL;
}

static void expect_swept(struct rig *rig, const char *at, const char *host, const char *vtep, const char *ip) {
	struct effect *e = take_sweep(rig, at, host);

	assert_string_equal(e->vtep, vtep);
	assert_false(e->watch);
	assert_null(e->workload);
	assert_int_equal(e->n_nets, 1); /* not the owner's address, which is kept right already */
	assert_string_equal(e->nets[0].ip, ip);
	effect_free(e);
}

static struct rig *begin_returned(void **state) {
	struct rig *rig = begin_moved(state);

	return_with_agent(rig);
	ok(rig, EFFECT_ISOLATE, "h1");
	until_clean(rig);
	repaired(rig, "h1");
	return rig;
}

static void expect_sweep(struct rig *rig) {
	expect_swept(rig, "h2", "h1", OLD_VTEP, "10.20.0.61");
	expect_swept(rig, "h3", "h1", OLD_VTEP, "10.20.0.61");
	expect_swept(rig, "h1", "h2", "10.99.0.12", "10.20.0.62");
	expect_swept(rig, "h1", "h3", "10.99.0.13", "10.20.0.63");
	assert_int_equal(rig->n_swept, 0);
}

/* Engines were seen to forget rows again for as long as their gossip takes to agree. */
static void after_a_return_the_agents_are_told_where_the_other_containers_are_both_ways_a_few_times(void **state) {
	static const int64_t pauses_ms[] = {0, 2000, 4000, 8000, 16000, 16000};
	struct rig *rig = begin_returned(state);

	obey(rig, "h2");
	obey(rig, "h3");
	for (size_t i = 0; i < sizeof(pauses_ms) / sizeof(pauses_ms[0]); i++) {
		pass_time(rig, pauses_ms[i]);
		expect_sweep(rig);
	}
	pass_time(rig, 120000);
	assert_int_equal(rig->n_swept, 0);
}

/* Somebody has started it again. Whoever was told where it is would send to it. */
static void a_stale_copy_that_runs_is_not_swept_for(void **state) {
	struct rig *rig = begin_returned(state);

	obey(rig, "h2");
	obey(rig, "h3");
	expect_sweep(rig);
	see_web(rig);
	pass_time(rig, 2000);
	expect_sweep(rig);
}

static void nodes_that_are_heard_of_for_the_first_time_are_not_swept(void **state) {
	struct rig *rig = begin_with_agents(state);

	assert_int_equal(rig->n_swept, 0);
}

static void a_key_value_overlay_is_not_swept(void **state) {
	struct rig *rig = *state;

	rig->kv = true;
	(void)begin_with_agents(state);
	verdict(rig, "h1", NODE_SUSPECT);
	see_bystander(rig, "h1", NET_KV);
	die(rig, "h1");
	until_quarantined(rig);
	resched_container_gone(rig->r, "h1", WEB);
	comes_up(rig, "h1");
	assert_int_equal(rig->n_swept, 0);
}

int main(void) {
	const struct CMUnitTest tests[] = {
		T(the_host_and_every_observer_are_told_the_owners_rows_once_it_runs),
		T(a_node_without_the_network_is_not_told),
		T(an_agent_started_anew_is_told_again),
		T(an_owner_started_anew_is_told_again_to_all),
		T(an_owner_that_moves_on_is_told_again_to_all_that_are_left),
		T(what_an_agent_could_not_do_is_told_again_long_after_the_takeover),
		T(a_silent_agent_costs_two_tries_and_a_warning),
		T(where_no_agent_answers_neither_rows_nor_proof_are_called_good),
		T(an_owner_that_its_user_ends_is_forgotten_by_every_agent),
		T(rows_that_are_seen_to_be_wrong_are_told_again),
		T(a_probe_that_is_never_answered_is_said_and_holds_nothing_up_for_ever),
		T(an_address_that_is_not_in_the_replacement_needs_an_operator),
		T(isolating_in_the_kernel_comes_first),
		T(an_agent_that_does_not_isolate_is_asked_once_and_its_engine_at_once),
		T(an_agent_later_than_its_engine_is_waited_for_a_moment_while_nobody_hears_the_copy),
		T(an_agent_that_stays_away_does_not_keep_its_engine_from_cutting_the_copy_off),
		T(without_a_quarantine_no_agent_is_waited_for),
		T(quarantine_is_lifted_only_when_the_node_is_clean_and_was_told),
		T(a_returned_node_whose_agent_cannot_be_told_is_let_in_after_two_tries),
		T(after_a_return_the_agents_are_told_where_the_other_containers_are_both_ways_a_few_times),
		T(a_stale_copy_that_runs_is_not_swept_for),
		T(nodes_that_are_heard_of_for_the_first_time_are_not_swept),
		T(a_key_value_overlay_is_not_swept),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
