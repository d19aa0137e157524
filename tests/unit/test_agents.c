/* The machine with agents: what they are ordered to drop, what that proves, and whom a witness keeps from being taken for dead. */
#include "agents-rig.h"

/* ---- evidence ---- */

static void a_takeover_waits_until_every_observers_kernel_drops_the_old_host(void **state) {
	struct rig *rig = begin_with_agents(state);

	die_whole(rig, "h1");
	for (const char *const *n = (const char *const[]){"h2", "h3", NULL}; *n; n++) {
		const struct effect *order = asked(rig, EFFECT_QUARANTINE, *n);
		assert_int_equal(order->vteps.n, 1);
		assert_string_equal(order->vteps.v[0], OLD_VTEP);
	}
	assert_false(is_asked(rig, EFFECT_QUARANTINE, "h1"));
	until_released(rig);
	assert_false(last(rig)->released);
	expect_state(rig, TAKEOVER_RUNNING, "waiting until every host on its networks drops what comes from h1");
	obey(rig, "h2");
	assert_false(last(rig)->released);
	obey(rig, "h3");
	assert_true(last(rig)->released);
	assert_int_equal(last(rig)->evidence, EVIDENCE_QUARANTINED);
	assert_int_equal(last(rig)->warnings.n, 0);
	until_up(rig);
	until_repaired(rig);
	until_proven(rig);
	assert_int_equal(last(rig)->warnings.n, 0);
	assert_int_equal(last(rig)->steps[STEP_REPAIR].outcome, STEP_OK);
	assert_int_equal(last(rig)->steps[STEP_VERIFY].outcome, STEP_OK);
}

static void an_observer_that_cannot_be_told_degrades_it_to_presumed_and_is_named(void **state) {
	static const struct {
		enum node_agent_state state;
		const char *rows, *proof;
	} cases[] = {
		{NODE_AGENT_NONE, "rows not repaired on h3: no agent", "unproven on h3: no agent"},
		{NODE_AGENT_UNREACHABLE, "rows not repaired on h3: its agent does not answer",
		 "unproven on h3: its agent does not answer"},
		{NODE_AGENT_STALE_EPOCH, "rows not repaired on h3: its agent obeys another epoch",
		 "unproven on h3: its agent does not answer"},
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		void *fresh;
		(void)set_up(&fresh);
		struct rig *rig = begin_with_agents(&fresh);
		agent_is(rig, "h3", cases[i].state);
		die_whole(rig, "h1");
		until_released(rig);
		assert_true(last(rig)->released);
		assert_int_equal(last(rig)->evidence, EVIDENCE_PRESUMED);
		obey(rig, "h2");
		until_up(rig);
		repaired(rig, "h2");
		seen(rig, "h2", true, IP);
		proven(rig, "h2");
		expect_state(rig, TAKEOVER_DONE, NULL);
		expect_warning(rig, cases[i].rows);
		expect_warning(rig, cases[i].proof);
		(void)tear_down(&fresh);
	}
	(void)state;
}

static void a_node_without_the_network_need_not_have_an_agent(void **state) {
	struct rig *rig = begin(state);

	agent(rig, "h2", "one", NULL);
	die(rig, "h1");
	until_released(rig);
	assert_false(last(rig)->released);
	obey(rig, "h2");
	assert_int_equal(last(rig)->evidence, EVIDENCE_QUARANTINED);
}

static void demanded_quarantine_needs_an_operator_who_is_told_which_host_lacks_an_agent(void **state) {
	struct rig *rig = *state;

	rig->settings.fence = EVIDENCE_QUARANTINED;
	renew(rig);
	(void)begin_observed(state);
	agent(rig, "h2", "one", NULL);
	die(rig, "h1");
	obey(rig, "h2");
	until_released(rig);
	expect_state(rig, TAKEOVER_NEEDS_OPERATOR, "(h3 has no agent that answers): make sure that h1 is off");
	assert_false(last(rig)->released);
	agent(rig, "h3", "one", NULL);
	expect_state(rig, TAKEOVER_RUNNING, "waiting until every host");
	obey(rig, "h3");
	assert_int_equal(last(rig)->evidence, EVIDENCE_QUARANTINED);
}

/* ---- orders ---- */

static void an_order_that_was_not_answered_is_repeated(void **state) {
	struct rig *rig = begin_with_agents(state);

	die_whole(rig, "h1");
	obey(rig, "h2");
	until_released(rig);
	unknown(rig, EFFECT_QUARANTINE, "h3");
	assert_false(is_asked(rig, EFFECT_QUARANTINE, "h3"));
	agent(rig, "h3", "one", OLD_VTEP); /* it says what was ordered; but an order of a manager before this one may still come */
	assert_false(last(rig)->released);
	pass_time(rig, 1000);
	obey(rig, "h3"); /* what it obeyed makes all before it older */
	assert_true(last(rig)->released);
	assert_false(is_asked(rig, EFFECT_QUARANTINE, "h3"));
	pass_time(rig, 10000);
	assert_false(is_asked(rig, EFFECT_QUARANTINE, "h3"));
}

static void what_an_open_order_may_yet_take_away_does_not_count_as_kept(void **state) {
	struct rig *rig = begin_with_agents(state);

	agent(rig, "h3", "one", OLD_VTEP); /* from a time before: h1 serves */
	assert_int_equal(asked(rig, EFFECT_QUARANTINE, "h3")->vteps.n, 0);
	unknown(rig, EFFECT_QUARANTINE, "h3");
	die_whole(rig, "h1");
	obey(rig, "h2");
	until_released(rig);
	assert_false(last(rig)->released); /* h3 drops it, and may be about to let it through */
	pass_time(rig, 1000);
	assert_string_equal(asked(rig, EFFECT_QUARANTINE, "h3")->vteps.v[0], OLD_VTEP);
	obey(rig, "h3");
	assert_true(last(rig)->released);
	assert_int_equal(last(rig)->evidence, EVIDENCE_QUARANTINED);
}

static void an_agent_that_does_not_do_as_it_is_told_is_ordered_again_and_at_last_left_out(void **state) {
	struct rig *rig = begin_with_agents(state);

	die_whole(rig, "h1");
	obey(rig, "h2");
	until_released(rig);
	for (int i = 0; i < 3; i++) {
		assert_false(last(rig)->released);
		refuse(rig, EFFECT_QUARANTINE, "h3", REFUSAL_OTHER, "nft: out of memory");
		if (i < 2)
			pass_time(rig, 10000);
	}
	assert_true(last(rig)->released);
	assert_int_equal(last(rig)->evidence, EVIDENCE_PRESUMED);
	pass_time(rig, 10000);
	obey(rig, "h3"); /* it is told for as long as it does not say so */
}

static void what_the_kernel_does_not_say_it_drops_is_ordered_again(void **state) {
	struct rig *rig = begin_with_agents(state);

	die_whole(rig, "h1");
	obey(rig, "h2");
	obey(rig, "h3");
	agent(rig, "h3", "two", NULL); /* its host was started anew */
	pass_time(rig, 1000);
	assert_string_equal(asked(rig, EFFECT_QUARANTINE, "h3")->vteps.v[0], OLD_VTEP);
	assert_false(is_asked(rig, EFFECT_QUARANTINE, "h2"));
}

static void a_second_death_a_moment_after_the_first_is_ordered_at_once(void **state) {
	struct rig *rig = begin_with_agents(state);

	die_whole(rig, "h1");
	obey(rig, "h2");
	obey(rig, "h3");
	until_released(rig);
	until_started(rig);
	die_whole(rig, "h2");
	const struct effect *order = asked(rig, EFFECT_QUARANTINE, "h3");
	assert_true(order->vteps.n == 2 && strs_has(&order->vteps, OLD_VTEP) && strs_has(&order->vteps, "10.99.0.12"));
}

static void a_kernel_that_drops_something_else_than_ordered_is_ordered_again_after_a_moment(void **state) {
	struct rig *rig = begin_with_agents(state);

	die_whole(rig, "h1");
	ok(rig, EFFECT_CREATE, "h2");
	const struct strs nothing = {0};
	answer(rig, EFFECT_QUARANTINE, "h2", &(struct effect_result){.outcome = EFFECT_OK, .vteps = &nothing});
	assert_false(is_asked(rig, EFFECT_QUARANTINE, "h2"));
	pass_time(rig, 1000);
	obey(rig, "h2");
	pass_time(rig, 1000);
	assert_false(is_asked(rig, EFFECT_QUARANTINE, "h2"));
}

static void a_quarantine_outlives_the_manager(void **state) {
	struct rig *rig = begin_with_agents(state);

	die_whole(rig, "h1");
	until_quarantined(rig);
	restart(rig);
	agent(rig, "h2", "one", OLD_VTEP);
	agent(rig, "h3", "one", OLD_VTEP);
	assert_true(world_node(resched_world(rig->r), "h1")->quarantined);
	obey(rig, "h2"); /* told again, so that nothing from before the restart counts as newer */
	obey(rig, "h3");
	pass_time(rig, 10000);
	assert_false(is_asked(rig, EFFECT_QUARANTINE, NULL));
}

static void expect_agents(struct rig *rig) {
	resched_expect_agent(rig->r, "h1");
	resched_expect_agent(rig->r, "h2");
	resched_expect_agent(rig->r, "h3");
}

/* Up, and the manager dies before a row was repaired; its successor hears of the target first. */
static struct rig *begin_restarted_when_up(void **state) {
	struct rig *rig = begin_with_agents(state);

	die_whole(rig, "h1");
	until_quarantined(rig);
	until_started(rig);
	ok(rig, EFFECT_START, "h2");
	see_replacement(rig, "h2", "s1");
	restart(rig);
	expect_agents(rig);
	see_bystander(rig, "h2", NET_SWARM);
	see_bystander(rig, "h3", NET_SWARM);
	see_replacement(rig, "h2", "s1");
	comes_up(rig, "h2");
	ok(rig, EFFECT_POLICY, "h2");
	return rig;
}

static void a_restarted_manager_awaits_the_agents_before_it_goes_without_them(void **state) {
	struct rig *rig = begin_restarted_when_up(state);

	assert_int_equal(last(rig)->row, ROW_REPAIR);
	agent(rig, "h2", "one", OLD_VTEP);
	comes_up(rig, "h3");
	assert_int_equal(last(rig)->row, ROW_REPAIR);
	agent(rig, "h3", "one", OLD_VTEP);
	obey(rig, "h2");
	obey(rig, "h3");
	until_repaired(rig);
	until_proven(rig);
	assert_int_equal(last(rig)->warnings.n, 0);
}

static void a_restarted_manager_awaits_no_agent_for_ever(void **state) {
	struct rig *rig = begin_restarted_when_up(state);

	pass_time(rig, 4000);
	assert_int_equal(last(rig)->row, ROW_REPAIR);
	pass_time(rig, 2000);
	seen(rig, "h2", true, IP);
	expect_state(rig, TAKEOVER_DONE, NULL);
	assert_int_equal(last(rig)->steps[STEP_REPAIR].outcome, STEP_SKIPPED);
}

static void what_may_belong_to_a_node_not_heard_of_yet_stays_dropped(void **state) {
	struct rig *rig = *state;
	struct node_facts nothing = {0};

	(void)begin_with_agents(state);
	resched_node_facts(rig->r, "h1", &nothing);
	agent(rig, "h2", "one", "10.99.0.77");
	assert_true(strs_has(&asked(rig, EFFECT_QUARANTINE, "h2")->vteps, "10.99.0.77"));
	const struct strs kept = {.v = (char *[]){(char *)(uintptr_t) "10.99.0.77"}, .n = 1};
	answer(rig, EFFECT_QUARANTINE, "h2", &(struct effect_result){.outcome = EFFECT_OK, .vteps = &kept});
	expect_nothing(rig);
	resched_node_vtep(rig->r, "h1", OLD_VTEP);
	turn(rig);
	assert_int_equal(asked(rig, EFFECT_QUARANTINE, "h2")->vteps.n, 0);
}

/* Its first host is still away, where the first copy runs on; now the second dies. */
static void a_copy_on_a_host_that_died_before_must_be_dropped_as_well(void **state) {
	struct rig *rig = begin_moved(state);
	struct strs only_h2 = {0};

	strs_add(&only_h2, "10.99.0.12");
	die_whole(rig, "h2");
	ok(rig, EFFECT_CREATE, "h3");
	ok(rig, EFFECT_READY, NULL);
	const struct effect *order = asked(rig, EFFECT_QUARANTINE, "h3");
	assert_true(strs_has(&order->vteps, OLD_VTEP) && strs_has(&order->vteps, "10.99.0.12"));
	answer(rig, EFFECT_QUARANTINE, "h3", &(struct effect_result){.outcome = EFFECT_OK, .vteps = &only_h2});
	assert_false(last(rig)->released);
	pass_time(rig, 1000);
	obey(rig, "h3");
	assert_true(last(rig)->released);
	assert_int_equal(last(rig)->evidence, EVIDENCE_QUARANTINED);
	strs_clear(&only_h2);
}

static void an_open_order_that_says_otherwise_is_no_quarantine(void **state) {
	struct rig *rig = begin_with_agents(state);

	die_whole(rig, "h1");
	obey(rig, "h2");
	obey(rig, "h3");
	comes_up(rig, "h1"); /* back before anything was taken from it */
	refuse(rig, EFFECT_CREATE, "h2", REFUSAL_OTHER, "server error");
	ok(rig, EFFECT_INSPECT, "h2");
	expect_state(rig, TAKEOVER_ROLLED_BACK, NULL);
	obey(rig, "h2");
	unknown(rig, EFFECT_QUARANTINE, "h3"); /* the lift: it may come at any time */
	die_whole(rig, "h1");
	ok(rig, EFFECT_CREATE, last(rig)->to);
	ok(rig, EFFECT_READY, NULL);
	obey(rig, "h2");
	pass_time(rig, 1000);
	refuse(rig, EFFECT_QUARANTINE, "h3", REFUSAL_OTHER, "server error");
	agent(rig, "h3", "one", OLD_VTEP); /* still as it was before the lift */
	assert_false(last(rig)->released);
	pass_time(rig, 4000);
	obey(rig, "h3");
	assert_true(last(rig)->released);
}

/* ---- witnesses ---- */

static void witness(struct rig *rig, const char *by, bool reached) {
	resched_witness(rig->r, "h1", by, reached, "port 2375 accepts");
	turn(rig);
}

static void what_a_witness_reaches_is_not_taken_over_until_no_witness_does(void **state) {
	struct rig *rig = begin(state);

	agent(rig, "h2", "one", NULL);
	agent(rig, "h3", "one", NULL);
	verdict(rig, "h1", NODE_SUSPECT);
	witness(rig, "h2", true);
	witness(rig, "h3", true);
	verdict(rig, "h1", NODE_DEAD);
	expect_nothing(rig);
	assert_null(resched_takeovers(rig->r));
	witness(rig, "h2", false);
	assert_null(resched_takeovers(rig->r));
	witness(rig, "h3", false);
	ok(rig, EFFECT_CREATE, "h2");
}

static void what_a_silent_agent_saw_is_no_news(void **state) {
	struct rig *rig = begin(state);

	agent(rig, "h3", "one", NULL);
	verdict(rig, "h1", NODE_SUSPECT);
	witness(rig, "h3", true);
	verdict(rig, "h1", NODE_DEAD);
	expect_nothing(rig);
	resched_agent(rig->r, "h3", &(struct agent_report){.state = NODE_AGENT_UNREACHABLE});
	turn(rig);
	ok(rig, EFFECT_CREATE, "h2");
	witness(rig, "h3", true); /* it was on its way */
	ok(rig, EFFECT_READY, NULL);
	assert_true(last(rig)->released);
}

static void a_witness_keeps_a_takeover_from_passing_its_point_of_no_return(void **state) {
	struct rig *rig = begin(state);

	agent(rig, "h3", "one", NULL);
	die(rig, "h1");
	obey(rig, "h3");
	ok(rig, EFFECT_CREATE, "h2");
	witness(rig, "h3", true);
	ok(rig, EFFECT_READY, NULL);
	expect_nothing(rig);
	assert_false(last(rig)->released);
	expect_state(rig, TAKEOVER_WAITING, "h1 is reached by h3 (port 2375 accepts)");
	witness(rig, "h3", false);
	assert_true(last(rig)->released);
	witness(rig, "h3", true); /* too late */
	until_started(rig);
	until_done(rig);
}

/* ---- the key/value kind ---- */

static struct rig *begin_kv(void **state) {
	struct rig *rig = *state;

	rig->kv = true;
	return begin_observed(state);
}

static void a_key_value_overlay_goes_on_when_every_observer_has_an_agent(void **state) {
	struct rig *rig = begin_kv(state);

	agent(rig, "h2", "one", NULL);
	die(rig, "h1");
	obey(rig, "h2");
	expect_nothing(rig);
	expect_state(rig, TAKEOVER_NEEDS_OPERATOR, "only agents repair: no agents on h3");
	agent(rig, "h3", "one", NULL);
	obey(rig, "h3");
	until_released(rig);
	until_up(rig);
	until_repaired(rig);
	until_proven(rig);
}

static void an_owner_on_a_key_value_overlay_that_nobody_reaches_needs_an_operator(void **state) {
	struct rig *rig = begin_kv(state);

	agent(rig, "h2", "one", NULL);
	agent(rig, "h3", "one", NULL);
	die(rig, "h1");
	until_quarantined(rig);
	until_up(rig);
	until_repaired(rig);
	for (int i = 0; i < 2; i++) {
		unknown(rig, EFFECT_PROVE, "h2");
		unknown(rig, EFFECT_PROVE, "h3");
		pass_time(rig, 1000);
	}
	expect_state(rig, TAKEOVER_NEEDS_OPERATOR, "no agent could show that it is reached: no answer");
	assert_false(web(rig)->verified);
	pass_time(rig, 31000);
	until_proven(rig);
	assert_true(web(rig)->verified);
}

/* The last agent is gone while an operator is asked: the row is skipped, and nothing is left of the question. */
static void an_owner_that_nobody_can_be_asked_about_any_more_is_published(void **state) {
	struct rig *rig = *state;

	rig->settings.discovery.any = rig->settings.discovery.names = true;
	rig->settings.discovery.patience = span_sec(3);
	renew(rig);
	rig = begin_kv(state);
	agent(rig, "h2", "one", NULL);
	agent(rig, "h3", "one", NULL);
	die(rig, "h1");
	until_quarantined(rig);
	until_up(rig);
	until_repaired(rig);
	for (int i = 0; i < 2; i++) {
		unknown(rig, EFFECT_PROVE, "h2");
		unknown(rig, EFFECT_PROVE, "h3");
		pass_time(rig, 1000);
	}
	expect_state(rig, TAKEOVER_NEEDS_OPERATOR, "no agent could show that it is reached: no answer");
	agent_is(rig, "h2", NODE_AGENT_UNREACHABLE);
	agent_is(rig, "h3", NODE_AGENT_UNREACHABLE);
	while (last(rig)->row < ROW_PUBLISH)
		pass_time(rig, 1000);
	assert_int_equal(last(rig)->row, ROW_PUBLISH);
	expect_state(rig, TAKEOVER_RUNNING, NULL);
}

/* ---- the drill ---- */

static void a_drill_says_what_the_agents_would_prove(void **state) {
	static const struct {
		const char *what;
		bool kv, agent_on_h3;
		enum evidence demanded, evidence;
		const char *blocked;
	} cases[] = {
		{"all agents", false, true, EVIDENCE_NONE, EVIDENCE_QUARANTINED, NULL},
		{"one missing", false, false, EVIDENCE_NONE, EVIDENCE_PRESUMED, NULL},
		{"quarantine demanded, all agents", false, true, EVIDENCE_QUARANTINED, EVIDENCE_QUARANTINED, NULL},
		{"quarantine demanded, one missing", false, false, EVIDENCE_QUARANTINED, EVIDENCE_PRESUMED,
		 "not every host on its networks has an agent that answers"},
		{"stopped demanded", false, true, EVIDENCE_STOPPED, EVIDENCE_QUARANTINED, "which only an operator can give"},
		{"key/value, all agents", true, true, EVIDENCE_NONE, EVIDENCE_QUARANTINED, NULL},
		{"key/value, one missing", true, false, EVIDENCE_NONE, EVIDENCE_PRESUMED,
		 "whose rows only agents repair: no agents on h3"},
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		void *fresh;
		struct resched_forecast f;
		(void)set_up(&fresh);
		struct rig *rig = fresh;
		rig->kv = cases[i].kv;
		rig->settings.fence = cases[i].demanded;
		renew(rig);
		(void)begin_with_agents(&fresh);
		if (!cases[i].agent_on_h3)
			agent_is(rig, "h3", NODE_AGENT_UNREACHABLE);
		resched_forecast(rig->r, rig->now, world_container(resched_world(rig->r), "h1", WEB), NULL, 0, &f);
		if (f.evidence != cases[i].evidence || !f.blocked != !cases[i].blocked ||
		    (f.blocked && !strstr(f.blocked, cases[i].blocked)))
			fail_msg("%s: %s, \"%s\"", cases[i].what, evidence_name(f.evidence), f.blocked ? f.blocked : "");
		resched_forecast_clear(&f);
		expect_nothing(rig);
		(void)tear_down(&fresh);
	}
	(void)state;
}

int main(void) {
	const struct CMUnitTest tests[] = {
		T(a_takeover_waits_until_every_observers_kernel_drops_the_old_host),
		T(an_observer_that_cannot_be_told_degrades_it_to_presumed_and_is_named),
		T(a_node_without_the_network_need_not_have_an_agent),
		T(demanded_quarantine_needs_an_operator_who_is_told_which_host_lacks_an_agent),
		T(an_order_that_was_not_answered_is_repeated),
		T(what_an_open_order_may_yet_take_away_does_not_count_as_kept),
		T(an_agent_that_does_not_do_as_it_is_told_is_ordered_again_and_at_last_left_out),
		T(what_the_kernel_does_not_say_it_drops_is_ordered_again),
		T(a_second_death_a_moment_after_the_first_is_ordered_at_once),
		T(a_kernel_that_drops_something_else_than_ordered_is_ordered_again_after_a_moment),
		T(a_quarantine_outlives_the_manager),
		T(a_restarted_manager_awaits_the_agents_before_it_goes_without_them),
		T(a_restarted_manager_awaits_no_agent_for_ever),
		T(a_copy_on_a_host_that_died_before_must_be_dropped_as_well),
		T(an_open_order_that_says_otherwise_is_no_quarantine),
		T(what_may_belong_to_a_node_not_heard_of_yet_stays_dropped),
		T(what_a_witness_reaches_is_not_taken_over_until_no_witness_does),
		T(what_a_silent_agent_saw_is_no_news),
		T(a_witness_keeps_a_takeover_from_passing_its_point_of_no_return),
		T(a_key_value_overlay_goes_on_when_every_observer_has_an_agent),
		T(an_owner_on_a_key_value_overlay_that_nobody_reaches_needs_an_operator),
		T(an_owner_that_nobody_can_be_asked_about_any_more_is_published),
		T(a_drill_says_what_the_agents_would_prove),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
