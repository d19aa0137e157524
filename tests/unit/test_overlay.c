/* The swarm kind of overlay against stand-in managers and control sockets: whether an address can be released, by whom, and who
 * holds it.
 */
#include "net/wire/agent-client.h"
#include "swarmlab.h"

/* ready */

static void a_socket_that_accepts_and_a_manager_that_answers_are_ready(void **state) {
	(void)state;
	perform(overlay_swarm.ready);
	expect_outcome(OVERLAY_OK);
	assert_false(rig.result.by_node_removal);
	expect_log("");
}

static void without_a_socket_ready_says_what_is_missing(void **state) {
	(void)state;
	without_socket(false);
	perform(overlay_swarm.ready);
	expect_outcome(OVERLAY_MISSING);
	assert_string_equal(rig.detail,
			    "no swarm control socket can be reached (unix:///nowhere/control.sock: No such file or directory) and "
			    "swarm.remove_node is off");
	set_control(NULL);
	perform(overlay_swarm.ready);
	expect_outcome(OVERLAY_MISSING);
	expect_detail("no swarm control socket is configured");
}

static void a_socket_nobody_listens_on_is_no_socket(void **state) {
	(void)state;
	set_control("/tmp");
	perform(overlay_swarm.ready);
	expect_outcome(OVERLAY_MISSING);
	expect_detail("/tmp: Connection refused");
}

static void a_dead_worker_may_be_removed_where_that_is_allowed(void **state) {
	(void)state;
	without_socket(true);
	perform(overlay_swarm.ready);
	expect_outcome(OVERLAY_OK);
	assert_true(rig.result.by_node_removal);
	expect_log("");
}

static void a_dead_manager_may_be_removed_only_where_a_quorum_survives(void **state) {
	static const struct {
		const char *what;
		size_t reachable, unreachable;
		enum overlay_outcome outcome;
	} cases[] = {
		{"it was the only one", 0, 0, OVERLAY_MISSING},
		{"one of two", 1, 0, OVERLAY_MISSING},
		{"one of three", 2, 0, OVERLAY_OK},
		{"two of three are lost", 1, 1, OVERLAY_MISSING},
		{"two of five are lost", 3, 1, OVERLAY_OK},
		{"three of five are lost", 2, 2, OVERLAY_MISSING},
	};
	(void)state;
	without_socket(true);
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		set_managers(cases[i].reachable, cases[i].unreachable);
		perform(overlay_swarm.ready);
		if (rig.result.outcome != cases[i].outcome)
			fail_msg("%s: expected %d, got %d: %s", cases[i].what, cases[i].outcome, rig.result.outcome, rig.detail);
	}
}

static void a_node_that_is_gone_already_holds_nothing(void **state) {
	(void)state;
	without_socket(false);
	json_array_remove(w.nodes, 0);
	perform(overlay_swarm.ready);
	expect_outcome(OVERLAY_OK);
	assert_false(rig.result.by_node_removal);
}

static void nobody_to_ask_is_not_done(void **state) {
	(void)state;
	w.n_managers = 0;
	perform(overlay_swarm.ready);
	expect_outcome(OVERLAY_NOT_DONE);
	assert_string_equal(rig.detail, "no swarm manager answers");
	perform(overlay_swarm.release);
	expect_outcome(OVERLAY_NOT_DONE);
	perform(overlay_swarm.holders);
	expect_outcome(OVERLAY_NOT_DONE);
	assert_int_equal(rig.result.holder, OVERLAY_HOLDER_UNKNOWN);
	expect_log("");
}

static void a_manager_without_a_leader_is_passed_over(void **state) {
	(void)state;
	w.n_managers = 2;
	w.leaderless[0] = true;
	perform(overlay_swarm.ready);
	expect_outcome(OVERLAY_OK);
	w.leaderless[1] = true;
	perform(overlay_swarm.ready);
	expect_outcome(OVERLAY_NOT_DONE);
	expect_detail("does not have a leader");
}

static void a_manager_that_says_nothing_gets_a_few_seconds_then_the_next_is_asked(void **state) {
	(void)state;
	w.n_managers = 2;
	w.manager[0].deaf = true;
	perform(overlay_swarm.release);
	expect_outcome(OVERLAY_OK);
	expect_log("RemoveTask t-web 0");
}

/* release */

static void release_removes_the_copies_tasks_and_no_other(void **state) {
	(void)state;
	json_t *elsewhere = task("t-web2", WEB, "node1", "10.21.0.50/24");
	json_set_str(json_object_get(json_array_get(json_object_get(elsewhere, "NetworksAttachments"), 0), "Network"), "ID", "n2");
	json_array_append_new(w.tasks, elsewhere);
	perform(overlay_swarm.release);
	expect_outcome(OVERLAY_OK);
	expect_detail("attachment task t-web removed in 0.");
	expect_log("RemoveTask t-web 0");
}

static void set_states(const char *state, const char *desired) {
	json_t *t = json_array_get(w.tasks, 0);
	json_set_str(json_object_get(t, "Status"), "State", state);
	json_set_str(t, "DesiredState", desired);
}

static void what_nobody_holds_counts_as_released(void **state) {
	(void)state;
	set_states("orphaned", "shutdown");
	perform(overlay_swarm.release);
	expect_outcome(OVERLAY_OK);
	expect_log("");
	perform(overlay_swarm.holders);
	assert_int_equal(rig.result.holder, OVERLAY_HOLDER_NONE);
	set_states("failed", "running"); /* the swarm has not let go */
	perform(overlay_swarm.holders);
	assert_int_equal(rig.result.holder, OVERLAY_HOLDER_COPY);
}

static void all_networks_of_a_container_are_released_at_once(void **state) {
	(void)state;
	const struct overlay_address addresses[] = {{"ov", "n1", "10.20.0.50", NULL}, {"ov2", "n2", "10.21.0.50", NULL}};
	json_t *second = task("t-web2", WEB, "node1", "10.21.0.50/24");
	json_set_str(json_object_get(json_array_get(json_object_get(second, "NetworksAttachments"), 0), "Network"), "ID", "n2");
	json_array_append_new(w.tasks, second);
	begin_at(overlay_swarm.release, addresses, 2);
	finish();
	expect_outcome(OVERLAY_OK);
	expect_log("RemoveTask t-web 0, RemoveTask t-web2 0");
}

static void the_next_socket_is_asked_when_one_does_not_do_it(void **state) {
	static const struct {
		const char *what;
		enum engine_outcome first, second;
		const char *error;
		enum overlay_outcome outcome;
	} cases[] = {
		{"nobody listens on the first", ENGINE_NOT_SENT, ENGINE_OK, NULL, OVERLAY_OK},
		{"the first falls silent", ENGINE_UNKNOWN, ENGINE_OK, NULL, OVERLAY_OK},
		{"the first may have done it", ENGINE_UNKNOWN, ENGINE_NOT_SENT, NULL, OVERLAY_UNKNOWN},
		{"the first may have done it, the second says no", ENGINE_UNKNOWN, ENGINE_REFUSED, NULL, OVERLAY_UNKNOWN},
		{"an answer that is none", ENGINE_BAD, ENGINE_NOT_SENT, NULL, OVERLAY_UNKNOWN},
		{"both say no", ENGINE_REFUSED, ENGINE_REFUSED, "permission denied", OVERLAY_REFUSED},
		{"neither has a leader", ENGINE_REFUSED, ENGINE_REFUSED, "The swarm does not have a leader", OVERLAY_NOT_DONE},
		{"they accept and then fail", ENGINE_NOT_SENT, ENGINE_NOT_SENT, NULL, OVERLAY_NOT_DONE},
	};
	(void)state;
	strs_add(&rig.cluster.control, "unix:///second.sock");
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		json_array_clear(w.tasks);
		json_array_append_new(w.tasks, task("t-web", WEB, "node1", "10.20.0.50/24"));
		w.control[0] = cases[i].first;
		w.control[1] = cases[i].second;
		w.control_error = cases[i].error;
		perform(overlay_swarm.release);
		if (rig.result.outcome != cases[i].outcome)
			fail_msg("%s: expected %d, got %d: %s", cases[i].what, cases[i].outcome, rig.result.outcome, rig.detail);
	}
}

static void release_without_a_socket_changes_nothing_unless_allowed(void **state) {
	(void)state;
	without_socket(false);
	perform(overlay_swarm.release);
	expect_outcome(OVERLAY_MISSING);
	expect_detail("swarm.remove_node is off");
	expect_log("RemoveTask t-web 0"); /* not sent */
	assert_int_equal(json_array_size(w.nodes), 2);
}

static void release_removes_no_node_that_it_was_not_told_to(void **state) {
	(void)state;
	without_socket(true);
	w.keep_node = true;
	perform(overlay_swarm.release);
	expect_outcome(OVERLAY_MISSING);
	expect_detail("no swarm control socket can be reached");
	expect_log("RemoveTask t-web 0"); /* not sent */
	assert_int_equal(json_array_size(w.nodes), 2);
}

/* Through an agent on a manager's host. */

static struct {
	struct standin server[2];
	struct agent *agents[2];
	struct {
		int status; /* 0: it says nothing */
		const char *body;
	} says[2];
	int asked;
} a;

static void serve_agent(void *ctx, struct standin_conn *conn, const struct standin_request *r) {
	size_t i = (size_t)((struct standin *)ctx - a.server);
	json_t *order CLEANUP_JSON = json_loads(r->body, 0, NULL);
	const char *id = json_str_or(order, "task", "");

	assert_string_equal(r->path, "/v1/remove-task");
	a.asked++;
	log_line(xasprintf("agent %zu removes %s", i, id));
	if (a.says[i].status == 200)
		drop_task(id);
	if (a.says[i].status)
		standin_answer(conn, a.says[i].status, a.says[i].body);
}

static struct agent *nth_agent(void *ctx, size_t i) {
	(void)ctx;
	return i < 2 ? a.agents[i] : NULL;
}

static int set_up_agents(void **state) {
	const struct wire_envelope identity = {.manager = (char[]){"m1"}, .cluster = (char[]){"prod"}, .epoch = 7};
	char url[64];

	set_up(state);
	memset(&a, 0, sizeof(a));
	for (size_t i = 0; i < 2; i++) {
		standin_listen(&a.server[i], &rig.loop, NULL, serve_agent, &a.server[i]);
		snprintf(url, sizeof(url), "http://127.0.0.1:%d", a.server[i].port);
		assert_int_equal(agent_new(rig.http, "h2", url, NULL, &a.agents[i], NULL), 0);
		agent_set_identity(a.agents[i], &identity);
	}
	rig.cluster.control_agent = nth_agent;
	set_control(NULL);
	return 0;
}

static int tear_down_agents(void **state) {
	overlay_call_free(rig.call);
	rig.call = NULL;
	for (size_t i = 0; i < 2; i++) {
		agent_free(a.agents[i]);
		standin_stop(&a.server[i]);
	}
	return tear_down(state);
}

static void agents_say(int first, const char *first_body, int second, const char *second_body) {
	a.says[0].status = first;
	a.says[0].body = first_body;
	a.says[1].status = second;
	a.says[1].body = second_body;
}

static void an_agent_that_has_a_socket_makes_it_ready(void **state) {
	(void)state;
	rig.cluster.remove_node = true;
	perform(overlay_swarm.ready);
	expect_outcome(OVERLAY_OK);
	assert_false(rig.result.by_node_removal);
	assert_int_equal(a.asked, 0);
}

static void an_agent_passes_the_removal_on(void **state) {
	(void)state;
	agents_say(200, "{}", 200, "{}");
	perform(overlay_swarm.release);
	expect_outcome(OVERLAY_OK);
	expect_log("agent 0 removes t-web");
	assert_int_equal(json_array_size(w.tasks), 1);
}

static void own_sockets_are_tried_before_any_agent(void **state) {
	(void)state;
	set_control("unix:///first.sock");
	agents_say(200, "{}", 200, "{}");
	perform(overlay_swarm.release);
	expect_outcome(OVERLAY_OK);
	expect_log("RemoveTask t-web 0");
	json_array_clear(rig.log);
	json_array_append_new(w.tasks, task("t-web", WEB, "node1", "10.20.0.50/24"));
	w.control[0] = ENGINE_NOT_SENT;
	perform(overlay_swarm.release);
	expect_outcome(OVERLAY_OK);
	expect_log("RemoveTask t-web 0, agent 0 removes t-web");
}

static void the_next_agent_is_asked_when_one_does_not_do_it(void **state) {
#define SAYS(code) "{\"error\":\"trouble\",\"code\":\"" code "\"}"
#define NO_CODE "{\"error\":\"trouble\"}"
	static const struct {
		const char *what;
		int first;
		const char *first_body;
		int second;
		const char *second_body;
		enum overlay_outcome outcome;
		int asked;
	} cases[] = {
		{"it is gone already", 404, SAYS("gone"), 200, "{}", OVERLAY_OK, 1},
		{"the first has no socket", 503, SAYS("no-socket"), 200, "{}", OVERLAY_OK, 2},
		{"the first is busy", 503, NO_CODE, 200, "{}", OVERLAY_OK, 2},
		{"the first obeys a newer epoch", 409, "{\"error\":\"old\",\"code\":\"stale-epoch\",\"epoch\":9}", 200, "{}",
		 OVERLAY_OK, 2},
		{"the first obeys another", 409, SAYS("other-manager"), 200, "{}", OVERLAY_OK, 2},
		{"the first says no", 409, NO_CODE, 200, "{}", OVERLAY_OK, 2},
		{"the first has no socket, the second is busy", 503, SAYS("no-socket"), 503, NO_CODE, OVERLAY_NOT_DONE, 2},
		{"the first obeys a newer epoch, the second is busy", 409, SAYS("stale-epoch"), 503, NO_CODE, OVERLAY_NOT_DONE, 2},
		{"the first obeys another, the second is busy", 409, SAYS("other-manager"), 503, NO_CODE, OVERLAY_NOT_DONE, 2},
		{"both are busy", 503, NO_CODE, 503, NO_CODE, OVERLAY_NOT_DONE, 2},
		{"the first may have done it", 502, SAYS("open"), 503, NO_CODE, OVERLAY_UNKNOWN, 2},
		{"the first may have done it, without a word", 502, NO_CODE, 503, NO_CODE, OVERLAY_UNKNOWN, 2},
		{"the first may have done it, the second says no", 502, SAYS("open"), 409, NO_CODE, OVERLAY_UNKNOWN, 2},
		{"the first is no agent", 200, "<html>", 503, NO_CODE, OVERLAY_UNKNOWN, 2},
		{"both say no", 409, NO_CODE, 409, NO_CODE, OVERLAY_REFUSED, 2},
		{"neither has a leader", 409, "{\"error\":\"the swarm does not have a leader\"}", 409,
		 "{\"error\":\"the swarm does not have a leader\"}", OVERLAY_NOT_DONE, 2},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		json_array_clear(w.tasks);
		json_array_append_new(w.tasks, task("t-web", WEB, "node1", "10.20.0.50/24"));
		a.asked = 0;
		agents_say(cases[i].first, cases[i].first_body, cases[i].second, cases[i].second_body);
		perform(overlay_swarm.release);
		if (rig.result.outcome != cases[i].outcome || a.asked != cases[i].asked)
			fail_msg("%s: expected %d of %d, got %d of %d: %s", cases[i].what, cases[i].outcome, cases[i].asked,
				 rig.result.outcome, a.asked, rig.detail);
	}
}

static void a_release_that_waits_for_an_agent_can_be_cancelled(void **state) {
	(void)state;
	begin(overlay_swarm.release);
	RUN_UNTIL(&rig.loop, a.asked > 0);
	overlay_call_free(rig.call);
	rig.call = NULL;
	standin_answer(a.server[0].conns, 200, "{}");
	agents_say(200, "{}", 200, "{}");
	perform(overlay_swarm.release); /* a later answer has come, and the earlier one was nobody's */
	expect_outcome(OVERLAY_OK);
}

/* holders */

static void the_worst_holder_is_told(void **state) {
	static const struct {
		const char *what, *container, *address;
		enum overlay_holder holder;
	} cases[] = {
		{"nobody", WEB, "10.20.0.99/24", OVERLAY_HOLDER_NONE},
		{"ourselves", NEW, "10.20.0.50/24", OVERLAY_HOLDER_OWN},
		{"the old copy", WEB, "10.20.0.50/24", OVERLAY_HOLDER_COPY},
		{"somebody else", THIEF, "10.20.0.50/24", OVERLAY_HOLDER_OTHER},
		{"an address that only begins so", THIEF, "10.20.0.5/24", OVERLAY_HOLDER_NONE},
		{"IPv6, spelt otherwise", THIEF, "fd00:0:0::5/64", OVERLAY_HOLDER_OTHER},
	};
	const struct overlay_address address = {"ov", NULL, "10.20.0.50", "fd00::5"};
	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		json_array_clear(w.tasks);
		json_array_append_new(w.tasks, task("t1", cases[i].container, "node2", cases[i].address));
		begin_at(overlay_swarm.holders, &address, 1);
		finish();
		expect_outcome(OVERLAY_OK);
		if (rig.result.holder != cases[i].holder)
			fail_msg("%s: expected %d, got %d: %s", cases[i].what, cases[i].holder, rig.result.holder, rig.detail);
	}
	json_array_append_new(w.tasks, task("t2", NEW, "node1", "10.20.0.50/24"));
	begin_at(overlay_swarm.holders, &address, 1);
	finish();
	assert_int_equal(rig.result.holder, OVERLAY_HOLDER_OTHER);
	assert_string_equal(rig.detail, "fd00::5 is held by another container " THIEF " on h2");
}

static void the_same_address_on_another_network_is_another_address(void **state) {
	(void)state;
	const struct overlay_address address = {"ov", "n9", "10.20.0.50", NULL};
	begin_at(overlay_swarm.holders, &address, 1);
	finish();
	assert_int_equal(rig.result.holder, OVERLAY_HOLDER_NONE);
}

static void a_cancelled_call_says_nothing(void **state) {
	(void)state;
	op_fn *const ops[] = {overlay_swarm.ready, overlay_swarm.release, overlay_swarm.holders};
	for (size_t i = 0; i < 3; i++) {
		begin(ops[i]);
		overlay_call_free(rig.call);
		begin(ops[i]);
		uv_run(&rig.loop, UV_RUN_ONCE);
		overlay_call_free(rig.call);
		begin(ops[i]);
		RUN_UNTIL(&rig.loop, w.calls || rig.done > 0);
		overlay_call_free(rig.call);
		rig.call = NULL;
	}
	overlay_call_free(NULL);
	assert_true(rig.done <= 1);
}

#define A(f) cmocka_unit_test_setup_teardown(f, set_up_agents, tear_down_agents)

int main(void) {
	const struct CMUnitTest tests[] = {
		T(a_socket_that_accepts_and_a_manager_that_answers_are_ready),
		T(without_a_socket_ready_says_what_is_missing),
		T(a_socket_nobody_listens_on_is_no_socket),
		T(a_dead_worker_may_be_removed_where_that_is_allowed),
		T(a_dead_manager_may_be_removed_only_where_a_quorum_survives),
		T(a_node_that_is_gone_already_holds_nothing),
		T(nobody_to_ask_is_not_done),
		T(a_manager_without_a_leader_is_passed_over),
		T(a_manager_that_says_nothing_gets_a_few_seconds_then_the_next_is_asked),
		T(release_removes_the_copies_tasks_and_no_other),
		T(what_nobody_holds_counts_as_released),
		T(all_networks_of_a_container_are_released_at_once),
		T(the_next_socket_is_asked_when_one_does_not_do_it),
		T(release_without_a_socket_changes_nothing_unless_allowed),
		T(release_removes_no_node_that_it_was_not_told_to),
		A(an_agent_that_has_a_socket_makes_it_ready),
		A(an_agent_passes_the_removal_on),
		A(own_sockets_are_tried_before_any_agent),
		A(the_next_agent_is_asked_when_one_does_not_do_it),
		A(a_release_that_waits_for_an_agent_can_be_cancelled),
		T(the_worst_holder_is_told),
		T(the_same_address_on_another_network_is_another_address),
		T(a_cancelled_call_says_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
