/* The table: its names, its order, and what counts as done. */
#include "resched/takeover.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/alloc.h"

static void names_are_read_back(void **state) {
	(void)state;
	for (int r = 0; r < ROW_MAX; r++)
		assert_int_equal(takeover_row_parse(takeover_row_name((enum takeover_row)r)), r);
	for (int s = 0; s < TAKEOVER_STATE_MAX; s++)
		assert_int_equal(takeover_state_parse(takeover_state_name((enum takeover_state)s)), s);
	for (int o = STEP_OK; o < STEP_OUTCOME_MAX; o++)
		assert_int_equal(step_outcome_parse(step_outcome_name((enum step_outcome)o)), o);
	assert_int_equal(takeover_row_parse("nap"), ROW_MAX);
	assert_int_equal(takeover_state_parse("asleep"), TAKEOVER_STATE_MAX);
	assert_int_equal(step_outcome_parse("?"), STEP_OUTCOME_NONE);
	assert_null(step_outcome_name(STEP_OUTCOME_NONE));
	for (int k = 0; k < EFFECT_KIND_MAX; k++)
		assert_true(strlen(effect_kind_name((enum effect_kind)k)) > 0);
}

static void rows_follow_the_steps_and_nothing_is_started_before_the_claim(void **state) {
	(void)state;
	for (int r = 1; r < ROW_MAX; r++)
		assert_true(takeover_rule((enum takeover_row)r)->step >= takeover_rule((enum takeover_row)(r - 1))->step);
	assert_true(ROW_EVIDENCE < ROW_RELEASE && ROW_RELEASE < ROW_CLAIM && ROW_CLAIM < ROW_START && ROW_START < ROW_VERIFY);
	/* Everything that can be refused for good is tried before anything is taken away. */
	assert_true(ROW_CREATE < ROW_RELEASE && ROW_READY < ROW_FENCE_DISCONNECT);
}

static void every_row_that_does_something_has_a_deadline_and_an_answer(void **state) {
	(void)state;
	for (int r = 0; r < ROW_MAX; r++) {
		const struct takeover_rule *rule = takeover_rule((enum takeover_row)r);
		if (!rule->has_do)
			continue;
		assert_true(rule->deadline.ns > 0);
		assert_non_null(rule->see);
	}
}

/* ---- what counts ---- */

static struct takeover *verifying(void) {
	struct takeover *t = takeover_new("prod/aaa", "web");

	snprintf(t->id, sizeof(t->id), "t1");
	t->generation = 2;
	t->new_id = xstrdup("bbb");
	t->nets = xnew_n(struct takeover_net, 2);
	t->n_nets = 2;
	t->nets[0].net = (struct world_net){
		.name = xstrdup("ov"), .ip = xstrdup("10.20.0.50"), .mac = xstrdup("02:42:0a:14:00:32"), .kind = NET_SWARM};
	t->nets[1].net = (struct world_net){.name = xstrdup("bridge"), .ip = xstrdup("172.17.0.2"), .kind = NET_LOCAL};
	return t;
}

static void verified_means_running_with_the_same_addresses(void **state) {
	char ip[] = "10.20.0.50", other_ip[] = "10.20.0.51", mac[] = "02:42:0a:14:00:32", other_mac[] = "02:42:0a:14:00:33";
	char ov[] = "ov", bridge[] = "bridge", local_ip[] = "172.17.0.9";
	struct world_net good[] = {{.name = ov, .ip = ip, .mac = mac}, {.name = bridge, .ip = local_ip}};
	struct world_net wrong_ip[] = {{.name = ov, .ip = other_ip, .mac = mac}, {.name = bridge}};
	struct world_net wrong_mac[] = {{.name = ov, .ip = ip, .mac = other_mac}, {.name = bridge}};
	struct world_net no_ip[] = {{.name = ov, .mac = mac}, {.name = bridge}};
	struct world_net missing[] = {{.name = bridge, .ip = local_ip}};
	const struct {
		const char *what;
		struct effect_result seen;
		enum answer answer;
	} cases[] = {
		{"as it was",
		 {.found = true, .running = true, .takeover = "t1", .generation = 2, .nets = good, .n_nets = 2},
		 ANSWER_YES},
		{"another address",
		 {.found = true, .running = true, .takeover = "t1", .generation = 2, .nets = wrong_ip, .n_nets = 2},
		 ANSWER_NO},
		{"another MAC",
		 {.found = true, .running = true, .takeover = "t1", .generation = 2, .nets = wrong_mac, .n_nets = 2},
		 ANSWER_NO},
		{"no address",
		 {.found = true, .running = true, .takeover = "t1", .generation = 2, .nets = no_ip, .n_nets = 2},
		 ANSWER_NO},
		{"a network is missing",
		 {.found = true, .running = true, .takeover = "t1", .generation = 2, .nets = missing, .n_nets = 1},
		 ANSWER_NO},
		{"it does not run", {.found = true, .takeover = "t1", .generation = 2, .nets = good, .n_nets = 2}, ANSWER_NO},
		{"it is not there", {0}, ANSWER_NO},
		{"of another takeover",
		 {.found = true, .running = true, .takeover = "t2", .generation = 2, .nets = good, .n_nets = 2},
		 ANSWER_NO},
		{"of another generation",
		 {.found = true, .running = true, .takeover = "t1", .generation = 3, .nets = good, .n_nets = 2},
		 ANSWER_NO},
		{"of nobody", {.found = true, .running = true, .nets = good, .n_nets = 2}, ANSWER_NO},
	};
	struct takeover *t = verifying();

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		if (takeover_rule(ROW_VERIFY)->see(t, &cases[i].seen) != cases[i].answer)
			fail_msg("%s: expected %d", cases[i].what, cases[i].answer);
	takeover_free(t);
}

static void what_is_not_known_of_an_address_is_not_a_no(void **state) {
	static const struct {
		enum holder holder;
		enum answer released, free;
	} cases[] = {
		{HOLDER_UNKNOWN, ANSWER_UNKNOWN, ANSWER_UNKNOWN},
		{HOLDER_NONE, ANSWER_YES, ANSWER_YES},
		{HOLDER_OWN, ANSWER_YES, ANSWER_YES},
		{HOLDER_COPY, ANSWER_NO, ANSWER_NO},
		{HOLDER_OTHER, ANSWER_YES, ANSWER_NO},
	};
	struct takeover *t = verifying();

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		const struct effect_result seen = {.holder = cases[i].holder};
		assert_int_equal(takeover_rule(ROW_RELEASE)->see(t, &seen), cases[i].released);
		assert_int_equal(takeover_rule(ROW_CLAIM)->see(t, &seen), cases[i].free);
	}
	takeover_free(t);
}

static void a_finished_attempt_is_known_by_its_container(void **state) {
	struct takeover *t = verifying();
	const struct effect_result seen = {
		.found = true, .running = true, .container = "bbb", .takeover = "earlier", .generation = 2};

	(void)state;
	assert_int_equal(takeover_rule(ROW_START)->see(t, &seen), ANSWER_NO);
	t->from = xstrdup("h2");
	t->to = xstrdup("h2");
	assert_int_equal(takeover_rule(ROW_START)->see(t, &seen), ANSWER_YES);
	takeover_free(t);
}

static void a_disconnected_container_has_none_of_the_overlays(void **state) {
	char ov[] = "ov", bridge[] = "bridge";
	struct world_net both[] = {{.name = ov}, {.name = bridge}}, local[] = {{.name = bridge}};
	const struct effect_result still = {.found = true, .nets = both, .n_nets = 2},
				   off = {.found = true, .nets = local, .n_nets = 1}, gone = {0};
	struct takeover *t = verifying();

	(void)state;
	assert_int_equal(takeover_rule(ROW_FENCE_DISCONNECT)->see(t, &still), ANSWER_NO);
	assert_int_equal(takeover_rule(ROW_FENCE_DISCONNECT)->see(t, &off), ANSWER_YES);
	assert_int_equal(takeover_rule(ROW_FENCE_DISCONNECT)->see(t, &gone), ANSWER_YES);
	takeover_free(t);
}

static void a_reason_that_did_not_change_is_not_written_again(void **state) {
	struct takeover *t = takeover_new("prod/aaa", "web");

	(void)state;
	takeover_reason(t, "%s", "no node can take it");
	t->dirty = false;
	takeover_reason(t, "%s", "no node can take it");
	assert_false(t->dirty);
	takeover_warn(t, "it runs as \"%s\"", "heir-aaa-g2");
	takeover_warn(t, "it runs as \"%s\"", "heir-aaa-g2");
	assert_int_equal(t->warnings.n, 1);
	assert_true(t->dirty);
	takeover_free(t);
	takeover_free(NULL);
	effect_free(NULL);
}

int main(void) {
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(names_are_read_back),
		cmocka_unit_test(rows_follow_the_steps_and_nothing_is_started_before_the_claim),
		cmocka_unit_test(every_row_that_does_something_has_a_deadline_and_an_answer),
		cmocka_unit_test(verified_means_running_with_the_same_addresses),
		cmocka_unit_test(what_is_not_known_of_an_address_is_not_a_no),
		cmocka_unit_test(a_finished_attempt_is_known_by_its_container),
		cmocka_unit_test(a_disconnected_container_has_none_of_the_overlays),
		cmocka_unit_test(a_reason_that_did_not_change_is_not_written_again),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
