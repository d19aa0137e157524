/* Taking a node out of its swarm and giving it back its place, against a stand-in swarm. */
#include "net/overlay/record.h"
#include "swarmlab.h"

/* Node removal. */

static void a_node_is_recorded_before_it_is_removed(void **state) {
	(void)state;
	without_socket(true);
	perform(overlay_swarm.release);
	expect_outcome(OVERLAY_OK);
	expect_log("RemoveTask t-web 0, remember h1, DELETE /nodes/node1");
	assert_string_equal(json_str_or(w.record, "swarm_node", ""), "node1");
	assert_string_equal(json_str_or(w.record, "spec.Labels.disk", ""), "ssd");
	assert_int_equal(json_array_size(json_object_get(w.record, "attachments")), 2);
	perform(overlay_swarm.release); /* the second workload of the node */
	expect_outcome(OVERLAY_OK);
}

static void a_record_that_cannot_be_written_stops_the_removal(void **state) {
	(void)state;
	without_socket(true);
	w.remember_result = -ENOSPC;
	perform(overlay_swarm.release);
	expect_outcome(OVERLAY_NOT_DONE);
	expect_detail("No space left on device");
	expect_log("RemoveTask t-web 0, remember h1");
}

static void a_node_that_is_not_down_yet_is_tried_again(void **state) {
	(void)state;
	without_socket(true);
	w.not_down = 2;
	perform(overlay_swarm.release);
	expect_outcome(OVERLAY_OK);
	expect_log("RemoveTask t-web 0, remember h1, DELETE /nodes/node1, DELETE /nodes/node1, DELETE /nodes/node1");
}

static void a_manager_is_demoted_first_and_its_role_kept(void **state) {
	(void)state;
	without_socket(true);
	set_managers(2, 0);
	perform(overlay_swarm.release);
	expect_outcome(OVERLAY_OK);
	expect_log("RemoveTask t-web 0, remember h1, POST /nodes/node1/update, DELETE /nodes/node1");
	assert_string_equal(json_str_or(w.record, "spec.Role", ""), "manager");
}

static void a_removal_interrupted_after_the_demotion_still_records_a_manager(void **state) {
	(void)state;
	without_socket(true);
	set_managers(2, 0);
	w.not_down = 1000;
	begin(overlay_swarm.release);
	RUN_UNTIL(&rig.loop, w.not_down < 1000);
	overlay_call_free(rig.call);
	json_decref(w.record);
	w.record = NULL;
	w.not_down = 0;
	perform(overlay_swarm.release);
	expect_outcome(OVERLAY_OK);
	assert_string_equal(json_str_or(w.record, "spec.Role", ""), "manager");
	assert_null(json_object_get(json_at(w.record, "spec.Labels"), RECORD_ROLE_LABEL));
	assert_string_equal(json_str_or(w.record, "spec.Labels.disk", ""), "ssd");
}

static void a_manager_whose_loss_costs_the_quorum_stays(void **state) {
	(void)state;
	without_socket(true);
	set_managers(1, 0);
	perform(overlay_swarm.release);
	expect_outcome(OVERLAY_REFUSED);
	expect_detail("no quorum");
	assert_int_equal(json_array_size(w.nodes), 2);
}

static void removing_the_node_is_no_help_for_a_copy_elsewhere(void **state) {
	(void)state;
	without_socket(true);
	json_set_str(json_array_get(w.tasks, 0), "NodeID", "node2");
	perform(overlay_swarm.release);
	expect_outcome(OVERLAY_MISSING);
	expect_detail("node2, which is not h1");
	expect_log("RemoveTask t-web 0");
}

/* Restoring. */

static const char *const bare_record =
	"{\"version\":1,\"node\":\"h1\",\"swarm_node\":\"node1\",\"spec\":{\"Labels\":{\"disk\":\"ssd\"},\"Role\":\"manager\","
	"\"Availability\":\"pause\"},\"attachments\":[{\"container\":\"" BY
	"\",\"network\":\"ov\",\"network_id\":\"n1\",\"addresses\":[\"10.20.0.51/24\"]},{\"container\":\"" WEB
	"\",\"network\":\"ov\",\"network_id\":\"n1\",\"addresses\":[\"10.20.0.50/24\"]}]}";

static void removed_node(void) {
	json_array_remove(w.nodes, 0);
	json_array_clear(w.tasks);
}

static void begin_restore(void) {
	char *text = w.record ? json_text(w.record) : xstrdup(bare_record);
	rig.done = 0;
	rig.call = overlay_swarm.restore(&rig.cluster, "h1", text, on_done, NULL);
	free(text);
}

static void restore(void) {
	begin_restore();
	finish();
}

static void expect_restored(void) {
	const json_t *node = find_node("node1again", NULL), *e = json_at(json_object_get(w.containers, BY), "Networks.ov");
	expect_outcome(OVERLAY_OK);
	assert_non_null(node);
	assert_string_equal(json_str_or(node, "Spec.Labels.disk", ""), "ssd");
	assert_string_equal(json_str_or(node, "Spec.Role", ""), "manager");
	assert_string_equal(json_str_or(node, "Spec.Availability", ""), "pause");
	assert_string_equal(json_str_or(e, "IPAMConfig.IPv4Address", ""), "10.20.0.51");
	assert_int_equal(json_array_size(json_object_get(e, "Aliases")), 1);
	assert_string_equal(json_string_value(json_array_get(json_object_get(e, "Aliases"), 0)), "friend");
}

static void a_removed_node_gets_its_place_back(void **state) {
	(void)state;
	removed_node();
	restore();
	expect_restored();
	expect_log("remember h1, POST /swarm/leave, POST /swarm/join, POST /nodes/node1again/update, POST /networks/ov/connect, "
		   "POST /nodes/node1again/update");
	expect_detail("h1 is a member again (manager, pause), 1 attachments given back");
	json_array_clear(rig.log);
	restore(); /* again: all is there */
	expect_restored();
	expect_log("");
}

static void a_stopped_container_keeps_what_the_leave_does_not_touch(void **state) {
	(void)state;
	removed_node();
	json_object_set_new(w.containers, BY, bystander(false));
	restore();
	expect_outcome(OVERLAY_OK);
	expect_log(
		"remember h1, POST /swarm/leave, POST /swarm/join, POST /nodes/node1again/update, POST /nodes/node1again/update");
}

static void restoring_survives_an_interruption_at_every_request(void **state) {
	(void)state;
	for (size_t at = 1; at < 100; at++) {
		tear_down(NULL);
		set_up(NULL);
		removed_node();
		rig.free_after = at;
		begin_restore();
		RUN_UNTIL(&rig.loop, rig.done > 0 || !rig.call);
		if (rig.done > 0) {
			assert_true(at > 10);
			return;
		}
		rig.free_after = 0;
		restore();
		expect_restored();
	}
	fail_msg("it never ended");
}

static void removing_survives_an_interruption_at_every_request(void **state) {
	(void)state;
	for (size_t at = 1; at < 100; at++) {
		tear_down(NULL);
		set_up(NULL);
		without_socket(true);
		set_managers(2, 0);
		rig.free_after = at;
		begin(overlay_swarm.release);
		RUN_UNTIL(&rig.loop, rig.done > 0 || !rig.call);
		if (rig.done > 0) {
			assert_true(at > 4);
			return;
		}
		rig.free_after = 0;
		perform(overlay_swarm.release);
		expect_outcome(OVERLAY_OK);
		assert_null(find_node("node1", NULL));
		assert_string_equal(json_str_or(w.record, "spec.Role", ""), "manager");
	}
	fail_msg("it never ended");
}

static void a_network_that_the_worker_does_not_know_yet_is_tried_again(void **state) {
	(void)state;
	removed_node();
	w.connect_refusals = 1;
	restore();
	expect_restored();
}

static void a_paused_node_is_made_active_while_something_is_attached(void **state) {
	(void)state;
	removed_node();
	restore();
	json_object_clear(json_at(json_object_get(w.containers, BY), "Networks"));
	json_array_clear(rig.log);
	restore();
	expect_restored();
	expect_log("POST /nodes/node1again/update, POST /networks/ov/connect, POST /nodes/node1again/update");
}

static void an_engine_that_does_not_gossip_is_not_done(void **state) {
	(void)state;
	removed_node();
	w.deaf = 2;
	restore();
	expect_restored();
	w.deaf = 1000;
	restore();
	expect_outcome(OVERLAY_NOT_DONE);
	expect_detail("has to be restarted");
}

static void an_attachment_that_keeps_failing_is_not_done(void **state) {
	(void)state;
	removed_node();
	w.connect_refusals = 1000;
	w.connect_words = "something is broken";
	restore();
	expect_outcome(OVERLAY_NOT_DONE);
	expect_detail("something is broken");
}

static void an_address_that_another_has_now_stays_with_it(void **state) {
	(void)state;
	removed_node();
	json_array_append_new(w.tasks, task("t-thief", THIEF, "node2", "10.20.0.51/24"));
	restore();
	expect_outcome(OVERLAY_OK);
	expect_detail("by stays off ov: 10.20.0.51 is held by dddddddddddd");
	assert_null(json_at(json_object_get(w.containers, BY), "Networks.ov"));
}

static void a_node_that_never_was_removed_only_gets_its_role_back(void **state) {
	(void)state;
	restore();
	expect_outcome(OVERLAY_OK);
	expect_log("POST /nodes/node1/update, POST /nodes/node1/update");
	assert_string_equal(json_str_or(find_node("node1", NULL), "Spec.Role", ""), "manager");
}

static void a_node_of_a_foreign_swarm_is_left_alone(void **state) {
	(void)state;
	removed_node();
	free(w.node_id);
	w.node_id = xstrdup("foreign");
	restore();
	expect_outcome(OVERLAY_REFUSED);
	expect_detail("node foreign, which the managers here do not know");
	expect_log("");
}

static void nothing_leaves_the_swarm_unrecorded(void **state) {
	(void)state;
	removed_node();
	w.remember_result = -EIO;
	restore();
	expect_outcome(OVERLAY_NOT_DONE);
	expect_log("remember h1");
}

static void a_locked_swarm_and_an_unknown_node_are_refused(void **state) {
	(void)state;
	w.state = "locked";
	restore();
	expect_outcome(OVERLAY_REFUSED);
	rig.call = overlay_swarm.restore(&rig.cluster, "h9", bare_record, on_done, NULL);
	rig.done = 0;
	finish();
	expect_outcome(OVERLAY_REFUSED);
	expect_log("");
}

static void a_node_that_does_not_answer_is_not_done(void **state) {
	(void)state;
	engine_free(w.node_engine);
	w.node_engine = new_engine("h1", 1);
	restore();
	expect_outcome(OVERLAY_NOT_DONE);
	expect_detail("Connection refused");
}

static void a_bad_record_is_refused(void **state) {
	static const char *const bad[] = {
		"",
		"[]",
		"{\"version\":2,\"swarm_node\":\"x\",\"spec\":{}}",
		"{\"version\":1,\"spec\":{}}",
		"{\"version\":1,\"swarm_node\":\"x\"}",
		"{\"version\":1,\"swarm_node\":\"x\",\"spec\":{},\"attachments\":{}}",
		"{\"version\":1,\"swarm_node\":\"x\",\"spec\":[]}",
	};
	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		rig.done = 0;
		rig.call = overlay_swarm.restore(&rig.cluster, "h1", bad[i], on_done, NULL);
		finish();
		expect_outcome(OVERLAY_REFUSED);
		expect_detail("record of a removed node");
	}
	expect_log("");
}

/* The call. */

int main(void) {
	const struct CMUnitTest tests[] = {
		T(a_node_is_recorded_before_it_is_removed),
		T(a_record_that_cannot_be_written_stops_the_removal),
		T(a_node_that_is_not_down_yet_is_tried_again),
		T(a_manager_is_demoted_first_and_its_role_kept),
		T(a_removal_interrupted_after_the_demotion_still_records_a_manager),
		T(a_manager_whose_loss_costs_the_quorum_stays),
		T(removing_the_node_is_no_help_for_a_copy_elsewhere),
		T(a_removed_node_gets_its_place_back),
		T(a_stopped_container_keeps_what_the_leave_does_not_touch),
		T(restoring_survives_an_interruption_at_every_request),
		T(removing_survives_an_interruption_at_every_request),
		T(a_network_that_the_worker_does_not_know_yet_is_tried_again),
		T(a_paused_node_is_made_active_while_something_is_attached),
		T(an_engine_that_does_not_gossip_is_not_done),
		T(an_attachment_that_keeps_failing_is_not_done),
		T(an_address_that_another_has_now_stays_with_it),
		T(a_node_that_never_was_removed_only_gets_its_role_back),
		T(a_node_of_a_foreign_swarm_is_left_alone),
		T(nothing_leaves_the_swarm_unrecorded),
		T(a_locked_swarm_and_an_unknown_node_are_refused),
		T(a_node_that_does_not_answer_is_not_done),
		T(a_bad_record_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
