/* Delays, attempts and rates: what a container's labels say goes before the configuration, and what is too often waits. */
#include "resched-rig.h"

static struct rig *with_web(void **state, struct policy policy) {
	struct rig *rig = *state;
	struct world_container *c = container("h1", WEB, "web");

	policy.move = true;
	c->policy = policy;
	add_overlay(rig, c);
	see(rig, c);
	comes_up(rig, "h1");
	comes_up(rig, "h2");
	comes_up(rig, "h3");
	expect_nothing(rig);
	return rig;
}

static size_t takeovers(const struct rig *rig) { return HASH_COUNT((struct takeover *)(uintptr_t)resched_takeovers(rig->r)); }

static void nothing_begins_before_the_delay_is_over(void **state) {
	struct rig *rig = *state;

	rig->settings.delay = span_sec(20);
	renew(rig);
	rig = with_web(state, (struct policy){0});
	die(rig, "h1");
	pass_time(rig, 19000);
	assert_int_equal(takeovers(rig), 0);
	assert_int_equal(resched_deadline(rig->r).ns, mono_add(rig->now, span_sec(1)).ns); /* it wakes by itself */
	pass_time(rig, 1000);
	ok(rig, EFFECT_CREATE, "h2");
}

static void a_node_that_is_back_within_the_delay_keeps_everything(void **state) {
	struct rig *rig = with_web(state, (struct policy){.has_delay = true, .delay = span_sec(20)});

	die(rig, "h1");
	pass_time(rig, 15000);
	comes_up(rig, "h1");
	pass_time(rig, 20000);
	assert_int_equal(takeovers(rig), 0);
	die(rig, "h1"); /* the delay begins anew */
	pass_time(rig, 15000);
	assert_int_equal(takeovers(rig), 0);
	pass_time(rig, 5000);
	assert_int_equal(takeovers(rig), 1);
}

static void a_label_of_no_delay_goes_before_the_configuration(void **state) {
	struct rig *rig = *state;

	rig->settings.delay = span_sec(20);
	renew(rig);
	rig = with_web(state, (struct policy){.has_delay = true});
	die(rig, "h1");
	assert_int_equal(takeovers(rig), 1);
}

static void an_operator_who_knows_it_dead_ends_the_delay(void **state) {
	struct rig *rig = with_web(state, (struct policy){.has_delay = true, .delay = span_sec(3600)});
	struct err err;

	die(rig, "h1");
	assert_int_equal(takeovers(rig), 0);
	assert_int_equal(resched_confirm_dead(rig->r, "h1", &err), 0);
	turn(rig);
	assert_int_equal(takeovers(rig), 1);
}

static void a_label_says_how_often_it_is_tried(void **state) {
	struct rig *rig = with_web(state, (struct policy){.attempts = 1});

	die(rig, "h1");
	refuse(rig, EFFECT_CREATE, "h2", REFUSAL_OTHER, "no space left on device");
	ok(rig, EFFECT_INSPECT, "h2");
	expect_state(rig, TAKEOVER_NEEDS_OPERATOR, "1 attempts failed; the last: h2: stage-create: no space left on device");
}

static void put_stale_copy_away(struct rig *rig) {
	while (rig->n_asked)
		ok(rig, rig->asked[0]->kind, NULL);
}

static void a_label_says_who_keeps_the_address(void **state) {
	static const struct {
		enum keep keep;
		bool configured_oldest, moves_back;
	} cases[] = {
		{KEEP_UNSAID, false, false}, {KEEP_UNSAID, true, true}, {KEEP_OLDEST, false, true}, {KEEP_NEWEST, true, false}};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		void *fresh;
		(void)set_up(&fresh);
		struct rig *rig = fresh;
		rig->settings.keep_oldest = cases[i].configured_oldest;
		renew(rig);
		rig = with_web(&fresh, (struct policy){.keep = cases[i].keep});
		die(rig, "h1");
		until_released(rig);
		until_started(rig);
		until_done(rig);
		struct world_container *c = container("h2", NEW, "web");
		c->policy.keep = cases[i].keep;
		c->workload = xstrdup(web(rig)->id);
		c->takeover = xstrdup(last(rig)->id);
		c->generation = 2;
		add_overlay(rig, c);
		see(rig, c);
		comes_up(rig, "h1");
		put_stale_copy_away(rig);
		resched_container_gone(rig->r, "h1", WEB);
		turn(rig);
		if (last(rig)->planned != cases[i].moves_back)
			fail_msg("case %zu: it %s", i, last(rig)->planned ? "moves back" : "stays");
		(void)tear_down(&fresh);
	}
	(void)state;
}

/* ---- rates ---- */

static void see_many(struct rig *rig, unsigned n) {
	for (unsigned i = 0; i < n; i++) {
		char id[16], name[16];
		snprintf(id, sizeof(id), "cccccccccc%02u", i);
		snprintf(name, sizeof(name), "web%u", i);
		see(rig, container("h1", id, name));
	}
}

static unsigned count_with_target(const struct rig *rig) {
	unsigned n = 0;
	for (const struct takeover *t = resched_takeovers(rig->r); t; t = t->hh.next)
		n += t->to != NULL;
	return n;
}

static struct rig *three_a_minute(void **state) {
	struct rig *rig = *state;

	rig->settings.per_minute = 3;
	renew(rig);
	see_many(rig, 5);
	comes_up(rig, "h1");
	comes_up(rig, "h2");
	comes_up(rig, "h3");
	die(rig, "h1");
	return rig;
}

static void more_than_so_many_a_minute_wait_for_the_next(void **state) {
	struct rig *rig = three_a_minute(state);

	assert_int_equal(count_with_target(rig), 3);
	expect_state(rig, TAKEOVER_WAITING, "3 begun within the last minute, and no more are allowed (per_minute)");
	pass_time(rig, 59000);
	assert_int_equal(count_with_target(rig), 3);
	pass_time(rig, 1000);
	assert_int_equal(count_with_target(rig), 5);
}

static void a_restart_is_no_new_minute(void **state) {
	struct rig *rig = three_a_minute(state);

	restart(rig);
	see_many(rig, 5);
	comes_up(rig, "h2");
	comes_up(rig, "h3");
	die(rig, "h1");
	assert_int_equal(count_with_target(rig), 3);
}

int main(void) {
	const struct CMUnitTest tests[] = {
		T(nothing_begins_before_the_delay_is_over),
		T(a_node_that_is_back_within_the_delay_keeps_everything),
		T(a_label_of_no_delay_goes_before_the_configuration),
		T(an_operator_who_knows_it_dead_ends_the_delay),
		T(a_label_says_how_often_it_is_tried),
		T(a_label_says_who_keeps_the_address),
		T(more_than_so_many_a_minute_wait_for_the_next),
		T(a_restart_is_no_new_minute),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
