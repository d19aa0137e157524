/* The machine and service discovery: what is to be said of whom and when, and how long a takeover waits for it. */
#include "resched-rig.h"

#define LONER "cccccccccccc"

static void with_service(struct world_container *c, const char *address, const char *host_port) {
	struct policy_label labels[] = {{"heir.service", "web"},
					{"heir.service.port", "80"},
					{"heir.service.tags", "b,a"},
					{"heir.service.address", address}};

	services_read(labels, 4, &c->services);
	assert_null(c->services.warning);
	if (!host_port)
		return;
	c->bound = xnew_n(struct world_bound, 1);
	c->n_bound = 1;
	c->bound[0] = (struct world_bound){
		.host_ip = xstrdup("0.0.0.0"), .proto = "tcp", .port = 80, .host_port = (uint16_t)atoi(host_port)};
}

/* What the systems are to say of the subject, as it was ordered last; taken and acknowledged. */
struct said {
	char text[512]; /* "web@10.20.0.50:80 g1 h1, " */
	uint64_t stamp;
	unsigned generation;
	bool names;
};

static bool ordered(struct rig *rig, struct said *ret) {
	struct effect *e = take(rig, EFFECT_PUBLISH, NULL, NULL);

	if (!e)
		return false;
	*ret = (struct said){.stamp = e->stamp, .generation = e->generation, .names = e->check_names};
	for (size_t i = 0; i < e->n_entries; i++) {
		const struct service_entry *s = &e->entries[i];
		size_t n = strlen(ret->text);
		snprintf(ret->text + n, sizeof(ret->text) - n, "%s%s@%s:%u g%u %s", i ? ", " : "", s->service,
			 s->address ? s->address : s->address6, s->port, s->generation, s->node);
	}
	resched_result(rig->r, rig->now, e->id, &(struct effect_result){.outcome = EFFECT_OK});
	effect_free(e);
	turn(rig);
	return true;
}

static struct said expect_ordered(struct rig *rig, const char *text) {
	struct said s;

	turn(rig);
	if (!ordered(rig, &s))
		fail_asked(rig, text);
	assert_string_equal(s.text, text);
	return s;
}

static void report(struct rig *rig, const struct said *s, bool published, bool awaited, const char *detail) {
	const struct publication_report r = {.stamp = s->stamp, .published = published, .awaited = awaited, .detail = detail};

	resched_published(rig->r, web(rig)->id, &r);
	turn(rig);
}

static void expect_published(struct rig *rig, const char *text) {
	const struct said s = expect_ordered(rig, text);
	report(rig, &s, true, false, NULL);
}

static void see_web_with_service(struct rig *rig) {
	struct world_container *c = container("h1", WEB, "web");

	add_overlay(rig, c);
	with_service(c, "overlay", NULL);
	see(rig, c);
}

/* web with a service on h1; all three answer. */
static struct rig *begin_with(void **state, const char *address, const char *host_port) {
	struct rig *rig = *state;

	rig->settings.discovery.any = true;
	rig->settings.discovery.patience = span_sec(3);
	renew(rig);
	struct world_container *c = container("h1", WEB, "web");
	add_overlay(rig, c);
	with_service(c, address, host_port);
	see(rig, c);
	comes_up(rig, "h1");
	comes_up(rig, "h2");
	comes_up(rig, "h3");
	return rig;
}

static void replacement_runs(struct rig *rig, const char *address, const char *host_port) {
	struct world_container *c = container(last(rig)->to, NEW, "web");

	c->workload = xstrdup(web(rig)->id);
	c->takeover = xstrdup(last(rig)->id);
	c->generation = last(rig)->generation;
	add_overlay(rig, c);
	with_service(c, address, host_port);
	see(rig, c);
	turn(rig);
}

static void until_publish(struct rig *rig) {
	ok(rig, EFFECT_START, last(rig)->to);
	ok(rig, EFFECT_POLICY, last(rig)->to);
	seen(rig, last(rig)->to, true, IP);
	assert_int_equal(last(rig)->row, ROW_PUBLISH);
}

/* ---- normal life ---- */

static void nothing_is_ordered_where_no_system_is_configured(void **state) {
	struct rig *rig = *state;
	struct world_container *c = container("h1", WEB, "web");

	add_overlay(rig, c);
	with_service(c, "overlay", NULL);
	see(rig, c);
	comes_up(rig, "h1");
	expect_nothing(rig);
}

static void running_container_is_published_and_a_stopped_one_is_not(void **state) {
	struct rig *rig = begin_with(state, "overlay", NULL);

	expect_published(rig, "web@10.20.0.50:80 g1 h1");
	expect_nothing(rig);
	struct world_container *c = container("h1", WEB, "web");
	c->running = false;
	add_overlay(rig, c);
	with_service(c, "overlay", NULL);
	see(rig, c);
	expect_published(rig, "");
	see_web_with_service(rig);
	expect_published(rig, "web@10.20.0.50:80 g1 h1");
}

static struct world_container *loner(struct rig *rig) {
	struct world_container *c = container("h2", LONER, "loner");

	c->policy.move = false;
	add_overlay(rig, c);
	with_service(c, "overlay", NULL);
	return c;
}

static void report_loner(struct rig *rig, const struct said *s) {
	const struct publication_report r = {.stamp = s->stamp, .published = true};

	resched_published(rig->r, "prod/" LONER, &r);
	turn(rig);
}

static void container_that_did_not_opt_in_is_published_until_its_node_is_given_up(void **state) {
	struct rig *rig = begin_with(state, "overlay", NULL);

	expect_published(rig, "web@10.20.0.50:80 g1 h1");
	see(rig, loner(rig));
	struct said s = expect_ordered(rig, "web@10.20.0.50:80 g1 h2");
	report_loner(rig, &s);
	verdict(rig, "h2", NODE_SUSPECT);
	expect_nothing(rig);
	resched_brake(rig->r, true, "too many are lost");
	verdict(rig, "h2", NODE_DEAD);
	expect_nothing(rig); /* perhaps it is we who are cut off */
	resched_brake(rig->r, false, NULL);
	s = expect_ordered(rig, "");
	report_loner(rig, &s);
	verdict(rig, "h2", NODE_ALIVE);
	(void)expect_ordered(rig, "web@10.20.0.50:80 g1 h2");
}

static void unhealthy_container_is_withdrawn_where_that_is_configured(void **state) {
	for (int withdraw = 0; withdraw < 2; withdraw++) {
		struct rig *rig = *state;
		rig->settings.discovery.withdraw_unhealthy = withdraw;
		rig = begin_with(state, "overlay", NULL);
		expect_published(rig, "web@10.20.0.50:80 g1 h1");
		struct world_container *c = container("h1", WEB, "web");
		c->unhealthy = true;
		add_overlay(rig, c);
		with_service(c, "overlay", NULL);
		see(rig, c);
		if (withdraw)
			expect_published(rig, "");
		else
			expect_nothing(rig);
	}
}

static void what_is_unlabelled_is_published_as_the_configuration_says(void **state) {
	static const struct {
		enum publish_scope scope;
		const char *expected;
	} cases[] = {
		{PUBLISH_LABELLED, NULL}, {PUBLISH_OPTED_IN, "web@10.20.0.50:0 g1 h1"}, {PUBLISH_ALL, "web@10.20.0.50:0 g1 h1"}};

	for (size_t i = 0; i < 3; i++) {
		struct rig *rig = *state;
		rig->settings.discovery.any = true;
		rig->settings.discovery.scope = cases[i].scope;
		renew(rig);
		see_web(rig);
		comes_up(rig, "h1");
		if (cases[i].expected)
			expect_published(rig, cases[i].expected);
		expect_nothing(rig);
	}
}

static void an_order_that_was_not_performed_is_given_again(void **state) {
	struct rig *rig = begin_with(state, "overlay", NULL);
	struct effect *e = take(rig, EFFECT_PUBLISH, NULL, NULL);

	assert_non_null(e);
	resched_result(rig->r, rig->now, e->id, &(struct effect_result){.outcome = EFFECT_NOT_DONE});
	effect_free(e);
	expect_nothing(rig);
	pass_time(rig, 1000);
	expect_published(rig, "web@10.20.0.50:80 g1 h1");
}

/* ---- takeovers ---- */

static void overlay_entry_changes_in_place_when_the_new_owner_is_verified(void **state) {
	struct rig *rig = begin_with(state, "overlay", NULL);

	expect_published(rig, "web@10.20.0.50:80 g1 h1");
	die(rig, "h1");
	until_released(rig);
	until_started(rig);
	assert_null(take(rig, EFFECT_PUBLISH, NULL, NULL));
	until_publish(rig);
	const struct said s = expect_ordered(rig, "web@10.20.0.50:80 g2 h2");
	expect_state(rig, TAKEOVER_RUNNING, NULL);
	report(rig, &s, false, true, "consul: no answer yet");
	expect_state(rig, TAKEOVER_RUNNING, NULL);
	report(rig, &s, true, false, NULL);
	expect_state(rig, TAKEOVER_DONE, NULL);
	assert_int_equal(last(rig)->published, PUBLISHED_YES);
	assert_int_equal(last(rig)->steps[STEP_PUBLISH].outcome, STEP_OK);
}

static void report_of_an_older_state_is_none_of_the_new_owner(void **state) {
	struct rig *rig = begin_with(state, "overlay", NULL);
	const struct said old = expect_ordered(rig, "web@10.20.0.50:80 g1 h1");

	report(rig, &old, true, false, NULL);
	die(rig, "h1");
	until_released(rig);
	until_started(rig);
	until_publish(rig);
	report(rig, &old, true, false, NULL);
	expect_state(rig, TAKEOVER_RUNNING, NULL);
	expect_published(rig, "web@10.20.0.50:80 g2 h2");
	report(rig, &old, false, false, "late");
	expect_state(rig, TAKEOVER_DONE, NULL);
	assert_int_equal(last(rig)->published, PUBLISHED_YES);
}

static void system_that_is_down_is_waited_for_no_longer_than_its_deadline(void **state) {
	struct rig *rig = begin_with(state, "overlay", NULL);

	expect_published(rig, "web@10.20.0.50:80 g1 h1");
	die(rig, "h1");
	until_released(rig);
	until_started(rig);
	until_publish(rig);
	const struct said s = expect_ordered(rig, "web@10.20.0.50:80 g2 h2");
	report(rig, &s, false, true, "consul: Connection refused");
	pass_time(rig, 2000);
	expect_state(rig, TAKEOVER_RUNNING, NULL);
	report(rig, &s, false, false, "consul: Connection refused");
	expect_state(rig, TAKEOVER_DONE, NULL);
	assert_int_equal(last(rig)->published, PUBLISHED_NO);
	assert_int_equal(last(rig)->steps[STEP_PUBLISH].outcome, STEP_FAILED);
	assert_true(strs_has(&last(rig)->warnings, "unpublished: consul: Connection refused"));
	assert_non_null(strstr(rig->logged, "publish unpublished"));
	rig->logged[0] = '\0';
	report(rig, &s, true, false, NULL);
	assert_int_equal(last(rig)->published, PUBLISHED_YES);
	assert_non_null(strstr(rig->logged, "publish ok"));
}

static void nobody_who_reports_nothing_holds_a_takeover_up(void **state) {
	struct rig *rig = begin_with(state, "overlay", NULL);

	expect_published(rig, "web@10.20.0.50:80 g1 h1");
	die(rig, "h1");
	until_released(rig);
	until_started(rig);
	until_publish(rig);
	(void)expect_ordered(rig, "web@10.20.0.50:80 g2 h2");
	pass_time(rig, 3000);
	expect_state(rig, TAKEOVER_DONE, NULL);
	assert_int_equal(last(rig)->published, PUBLISHED_NO);
}

static void host_entry_is_withdrawn_before_the_release_and_comes_back_with_the_new_host(void **state) {
	struct rig *rig = begin_with(state, "host", "8080");

	expect_published(rig, "web@10.99.0.11:8080 g1 h1");
	die(rig, "h1");
	const struct said s = expect_ordered(rig, "");
	until_released(rig);
	assert_int_equal(last(rig)->row, ROW_WITHDRAW);
	report(rig, &s, false, true, "consul: no answer yet");
	assert_null(take(rig, EFFECT_RELEASE, NULL, NULL));
	report(rig, &s, true, false, NULL);
	until_started(rig);
	until_publish(rig);
	turn(rig);
	assert_null(take(rig, EFFECT_PUBLISH, NULL, NULL)); /* its port is not known yet */
	expect_state(rig, TAKEOVER_RUNNING, NULL);
	replacement_runs(rig, "host", "8081");
	expect_published(rig, "web@10.99.0.12:8081 g2 h2");
	expect_state(rig, TAKEOVER_DONE, NULL);
	assert_int_equal(last(rig)->published, PUBLISHED_YES);
}

static void withdrawal_that_does_not_come_is_waited_for_to_the_deadline_and_said(void **state) {
	struct rig *rig = begin_with(state, "host", "8080");

	expect_published(rig, "web@10.99.0.11:8080 g1 h1");
	die(rig, "h1");
	(void)expect_ordered(rig, "");
	until_released(rig);
	assert_null(take(rig, EFFECT_RELEASE, NULL, NULL));
	pass_time(rig, 3000);
	until_started(rig);
	assert_true(strs_has(&last(rig)->warnings, "not withdrawn: no answer yet"));
}

static void node_that_returns_while_its_entry_is_withdrawn_is_not_removed_from_its_swarm(void **state) {
	for (int back = 0; back < 2; back++) {
		struct rig *rig = begin_with(state, "host", "8080");
		expect_published(rig, "web@10.99.0.11:8080 g1 h1");
		die(rig, "h1");
		const struct said s = expect_ordered(rig, "");
		ok(rig, EFFECT_CREATE, "h2");
		answer(rig, EFFECT_READY, NULL, &(struct effect_result){.outcome = EFFECT_OK, .by_node_removal = true});
		assert_int_equal(last(rig)->row, ROW_WITHDRAW);
		if (back)
			comes_up(rig, "h1");
		report(rig, &s, true, false, NULL);
		struct effect *e = take(rig, EFFECT_RELEASE, NULL, NULL);
		assert_non_null(e);
		assert_int_equal(e->by_node_removal, !back);
		effect_free(e);
		clear_asked(rig);
	}
}

static void node_that_returns_before_the_release_has_its_host_entry_again(void **state) {
	struct rig *rig = begin_with(state, "host", "8080");

	expect_published(rig, "web@10.99.0.11:8080 g1 h1");
	die(rig, "h1");
	expect_published(rig, "");
	comes_up(rig, "h1");
	expect_published(rig, "web@10.99.0.11:8080 g1 h1");
}

static void what_keeps_a_container_out_is_told(void **state) {
	struct rig *rig = begin_with(state, "overlay", NULL);
	struct world_container port = {.name = "web", .running = true}, name = {.name = "my_web", .running = true};
	struct policy_label unnamed[] = {{"heir.service.port", "80"}}, named[] = {{"heir.service", "web"}};

	with_service(&port, "host", NULL);
	assert_non_null(strstr(resched_publish_complaint(rig->r, &port), "publishes no such port"));
	services_clear(&port.services);
	with_service(&port, "host", "8080");
	assert_null(resched_publish_complaint(rig->r, &port));
	assert_null(resched_publish_complaint(rig->r, &name)); /* nobody asked for it */
	services_read(unnamed, 1, &name.services);
	assert_non_null(strstr(resched_publish_complaint(rig->r, &name), "no DNS label"));
	services_clear(&name.services);
	services_read(named, 1, &name.services);
	assert_null(resched_publish_complaint(rig->r, &name));
	services_clear(&name.services);
	services_clear(&port.services);
	free((char *)port.bound[0].host_ip);
	free(port.bound);
}

static void takeover_that_stops_for_an_operator_withdraws(void **state) {
	struct rig *rig = begin_with(state, "overlay", NULL);

	expect_published(rig, "web@10.20.0.50:80 g1 h1");
	die(rig, "h1");
	until_released(rig);
	ok(rig, EFFECT_RELEASE, NULL);
	while (last(rig)->state != TAKEOVER_NEEDS_OPERATOR) {
		const struct effect_result r = {.outcome = EFFECT_OK, .holder = HOLDER_OTHER, .detail = "by \"thief\""};
		struct effect *e = take(rig, EFFECT_HOLDERS, NULL, NULL);
		if (e)
			resched_result(rig->r, rig->now, e->id, &r);
		effect_free(e);
		pass_time(rig, 1000);
	}
	expect_published(rig, "");
	pass_time(rig, 30000);
	holders(rig, HOLDER_NONE); /* and when it goes on, nothing is said before it is over */
	assert_null(take(rig, EFFECT_START, NULL, NULL));
}

static void names_are_asked_for_when_the_new_owner_is_verified(void **state) {
	struct rig *rig = *state;

	rig->settings.discovery.names = true;
	rig = begin_with(state, "overlay", NULL);
	assert_false(expect_ordered(rig, "web@10.20.0.50:80 g1 h1").names);
	die(rig, "h1");
	until_released(rig);
	until_started(rig);
	until_publish(rig);
	assert_true(expect_ordered(rig, "web@10.20.0.50:80 g2 h2").names);
}

/* ---- what is not known yet ---- */

static struct world_container *web_with_host_service(struct rig *rig) {
	struct world_container *c = container("h1", WEB, "web");

	add_overlay(rig, c);
	with_service(c, "host", "8080");
	return c;
}

static void service_of_a_host_that_no_port_leads_to_is_not_waited_for(void **state) {
	struct rig *rig = begin_with(state, "host", NULL);

	expect_nothing(rig);
	die(rig, "h1");
	until_released(rig);
	struct said s = expect_ordered(rig, "");
	report(rig, &s, true, false, NULL);
	until_started(rig);
	until_publish(rig);
	expect_state(rig, TAKEOVER_RUNNING, NULL); /* until it was seen to run, nobody knows */
	replacement_runs(rig, "host", NULL);
	s = expect_ordered(rig, "");
	report(rig, &s, true, false, NULL);
	expect_state(rig, TAKEOVER_DONE, NULL);
	assert_int_equal(last(rig)->published, PUBLISHED_YES);
}

static void what_is_said_stays_until_its_hosts_address_is_known(void **state) {
	struct rig *rig = *state;

	rig->settings.discovery.any = true;
	resched_free(rig->r);
	rig->r = resched_new(&rig->settings);
	resched_add_node(rig->r, "h1", true);
	see(rig, web_with_host_service(rig));
	verdict(rig, "h1", NODE_ALIVE);
	list(rig, "h1");
	turn(rig);
	expect_nothing(rig);
	assert_false(resched_may_withdraw(rig->r, web(rig)->id, "h1", 1));
	comes_up(rig, "h1");
	expect_published(rig, "web@10.99.0.11:8080 g1 h1");
	struct node_facts none = {.version = xstrdup("20.10.24")}; /* which has none */
	resched_node_facts(rig->r, "h1", &none);
	expect_published(rig, "");
	assert_true(resched_may_withdraw(rig->r, web(rig)->id, "h1", 1));
}

static void container_that_was_listed_and_not_inspected_keeps_its_entry(void **state) {
	struct rig *rig = begin_with(state, "overlay", NULL);
	struct strs ids = {0};

	expect_published(rig, "web@10.20.0.50:80 g1 h1");
	strs_add(&ids, LONER);
	resched_listed(rig->r, rig->now, "h2", &ids);
	assert_false(resched_may_withdraw(rig->r, "prod/" LONER, "h2", 1));
	struct world_container *c = loner(rig);
	c->running = false;
	see(rig, c);
	assert_true(resched_may_withdraw(rig->r, "prod/" LONER, "h2", 1));
	strs_clear(&ids);
}

/* It was withdrawn by the manager before this one, or should have been. */
static void unhealthy_containers_entry_from_before_a_start_may_be_withdrawn(void **state) {
	struct rig *rig = *state;

	rig->settings.discovery.withdraw_unhealthy = true;
	rig = begin_with(state, "overlay", NULL);
	assert_false(resched_may_withdraw(rig->r, web(rig)->id, "h1", 1));
	clear_asked(rig);
	renew(rig);
	struct world_container *c = container("h1", WEB, "web");
	c->unhealthy = true;
	add_overlay(rig, c);
	with_service(c, "overlay", NULL);
	see(rig, c);
	assert_false(resched_may_withdraw(rig->r, web(rig)->id, "h1", 1));
	comes_up(rig, "h1");
	expect_nothing(rig);
	assert_true(resched_may_withdraw(rig->r, web(rig)->id, "h1", 1));
}

/* ---- two managers ---- */

static void manager_that_cannot_write_withdraws_nothing(void **state) {
	struct rig *rig = begin_with(state, "overlay", NULL);

	assert_true(resched_may_withdraw(rig->r, "prod/" LONER, "h2", 1));
	resched_store(rig->r, false, "another manager has it");
	assert_false(resched_may_withdraw(rig->r, "prod/" LONER, "h2", 1));
	resched_store(rig->r, true, NULL);
	assert_true(resched_may_withdraw(rig->r, "prod/" LONER, "h2", 1));
}

/* A manager that has followed may have finished what is under way here, and published it. */
static void generation_that_is_under_way_is_not_claimed_to_be_known(void **state) {
	struct rig *rig = begin_with(state, "host", "8080");

	struct said s = expect_ordered(rig, "web@10.99.0.11:8080 g1 h1");
	assert_int_equal(s.generation, 1);
	die(rig, "h1");
	s = expect_ordered(rig, "");
	assert_int_equal(web(rig)->last_generation, 2);
	assert_int_equal(s.generation, 1);
	until_released(rig);
	report(rig, &s, true, false, NULL);
	until_started(rig);
	until_publish(rig);
	replacement_runs(rig, "host", "8081");
	assert_int_equal(expect_ordered(rig, "web@10.99.0.12:8081 g2 h2").generation, 2);
}

static void forgotten_containers_entry_is_withdrawn_as_what_it_was(void **state) {
	struct rig *rig = begin_with(state, "overlay", NULL);

	expect_published(rig, "web@10.20.0.50:80 g1 h1");
	resched_container_gone(rig->r, "h1", WEB);
	assert_int_equal(expect_ordered(rig, "").generation, 1);
}

/* ---- restarts ---- */

static void after_a_restart_everything_is_ordered_again(void **state) {
	struct rig *rig = begin_with(state, "overlay", NULL);

	rig->see = see_web_with_service;

	expect_published(rig, "web@10.20.0.50:80 g1 h1");
	die(rig, "h1");
	until_released(rig);
	until_started(rig);
	until_publish(rig);
	struct said s = expect_ordered(rig, "web@10.20.0.50:80 g2 h2");
	report(rig, &s, false, false, "consul: Connection refused");
	assert_int_equal(last(rig)->published, PUBLISHED_NO);
	restart(rig);
	assert_int_equal(last(rig)->published, PUBLISHED_NO);
	s = expect_ordered(rig, "web@10.20.0.50:80 g2 h2");
	report(rig, &s, true, false, NULL);
	assert_int_equal(last(rig)->published, PUBLISHED_YES);
}

static void see_web_with_unpublished_service(struct rig *rig) {
	struct world_container *c = container("h1", WEB, "web");

	add_overlay(rig, c);
	with_service(c, "host", NULL);
	see(rig, c);
}

static void takeover_that_ended_unpublished_learns_after_a_restart_that_nothing_is_wanted(void **state) {
	struct rig *rig = begin_with(state, "host", NULL);

	rig->see = see_web_with_unpublished_service;
	die(rig, "h1");
	until_released(rig);
	struct said s = expect_ordered(rig, "");
	report(rig, &s, true, false, NULL);
	until_started(rig);
	until_publish(rig);
	replacement_runs(rig, "host", NULL);
	pass_time(rig, 3000);
	expect_state(rig, TAKEOVER_DONE, NULL);
	restart(rig);
	((struct takeover *)last(rig))->published = PUBLISHED_NO; /* as where the system was down then */
	replacement_runs(rig, "host", NULL);
	s = expect_ordered(rig, "");
	report(rig, &s, true, false, NULL);
	assert_int_equal(last(rig)->published, PUBLISHED_YES);
}

static void what_nobody_wants_is_withdrawn_only_when_that_is_known(void **state) {
	struct rig *rig = begin_with(state, "overlay", NULL);
	struct world_container *c;

	expect_published(rig, "web@10.20.0.50:80 g1 h1");
	assert_false(resched_may_withdraw(rig->r, web(rig)->id, "h1", 1));
	assert_true(resched_may_withdraw(rig->r, "prod/" LONER, "h2", 1));  /* h2 was listed, and has none */
	assert_true(resched_may_withdraw(rig->r, "prod/" LONER, "h99", 1)); /* no node of ours */
	c = container("h1", WEB, "web");
	c->running = false;
	add_overlay(rig, c);
	with_service(c, "overlay", NULL);
	see(rig, c);
	expect_published(rig, "");
	assert_true(resched_may_withdraw(rig->r, web(rig)->id, "h1", 1));
	assert_false(resched_may_withdraw(rig->r, web(rig)->id, "h3", 2)); /* this ledger gave out none of that number */
	renew(rig);
	assert_false(resched_may_withdraw(rig->r, "prod/" LONER, "h2", 1));
	verdict(rig, "h2", NODE_DEAD);
	resched_brake(rig->r, true, "cut off");
	assert_false(resched_may_withdraw(rig->r, "prod/" LONER, "h2", 1));
	resched_brake(rig->r, false, NULL);
	assert_true(resched_may_withdraw(rig->r, "prod/" LONER, "h2", 1));
}

int main(void) {
	const struct CMUnitTest tests[] = {
		T(nothing_is_ordered_where_no_system_is_configured),
		T(running_container_is_published_and_a_stopped_one_is_not),
		T(container_that_did_not_opt_in_is_published_until_its_node_is_given_up),
		T(unhealthy_container_is_withdrawn_where_that_is_configured),
		T(what_is_unlabelled_is_published_as_the_configuration_says),
		T(an_order_that_was_not_performed_is_given_again),
		T(overlay_entry_changes_in_place_when_the_new_owner_is_verified),
		T(report_of_an_older_state_is_none_of_the_new_owner),
		T(system_that_is_down_is_waited_for_no_longer_than_its_deadline),
		T(nobody_who_reports_nothing_holds_a_takeover_up),
		T(host_entry_is_withdrawn_before_the_release_and_comes_back_with_the_new_host),
		T(withdrawal_that_does_not_come_is_waited_for_to_the_deadline_and_said),
		T(node_that_returns_while_its_entry_is_withdrawn_is_not_removed_from_its_swarm),
		T(node_that_returns_before_the_release_has_its_host_entry_again),
		T(what_keeps_a_container_out_is_told),
		T(takeover_that_stops_for_an_operator_withdraws),
		T(names_are_asked_for_when_the_new_owner_is_verified),
		T(service_of_a_host_that_no_port_leads_to_is_not_waited_for),
		T(what_is_said_stays_until_its_hosts_address_is_known),
		T(container_that_was_listed_and_not_inspected_keeps_its_entry),
		T(unhealthy_containers_entry_from_before_a_start_may_be_withdrawn),
		T(manager_that_cannot_write_withdraws_nothing),
		T(generation_that_is_under_way_is_not_claimed_to_be_known),
		T(forgotten_containers_entry_is_withdrawn_as_what_it_was),
		T(after_a_restart_everything_is_ordered_again),
		T(takeover_that_ended_unpublished_learns_after_a_restart_that_nothing_is_wanted),
		T(what_nobody_wants_is_withdrawn_only_when_that_is_known),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
