/* Nodes that come back, at every moment at which that matters. */
#include "harness.h"

#include "base/alloc.h"

#include <string.h>
#include <unistd.h>

static bool is_staged(const char *host) {
	char *ids CLEANUP_FREE = lab("docker %s ps -aq --filter name='^/heir-'", host);
	return *ids != '\0';
}

static void node_back_before_the_release_keeps_its_container(void) {
	client_run("h3", "--network ov", "10.20.200.50");
	prefer_target("h2", "h3");
	const struct web web = web_run("h1", "web", OPT_IN "--label heir.fence=stopped --network ov --ip 10.20.200.50");

	heird_start(NULL);
	wait_ready(&web);
	cut("h1");
	wait_until("an operator is asked for evidence", takeover_is("web", "needs-operator"));
	assert_true(takeover_says("web", "confirm-dead"));
	assert_true(step_is("web", "stage", "ok"));
	assert_true(is_staged("h2") || is_staged("h3"));
	heal("h1");
	wait_until("it is rolled back", takeover_is("web", "rolled-back"));
	wait_until("h1 is alive", node_is("h1", "alive"));
	assert_false(is_staged("h2") || is_staged("h3"));
	assert_true(web_exists("h1", web.id));
	assert_int_equal(count_running("web"), 1);
	expect_in_kernel(&web);
	wait_until("the client hears web again", client_hears("10.20.200.50", &web));
	assert_true(heir_knows("h1", "web"));
}

static void operators_word_is_evidence_enough(void) {
	client_run("h3", "--network ov", "10.20.200.50");
	prefer_target("h2", "h3");
	const struct web web = web_run("h1", "web", OPT_IN "--label heir.fence=stopped --network ov --ip 10.20.200.50");

	heird_start(NULL);
	wait_ready(&web);
	power_off("h1");
	wait_until("an operator is asked for evidence", takeover_is("web", "needs-operator"));
	json_t *said CLEANUP_JSON = heir("node confirm-dead --yes h1");
	assert_non_null(said);
	const struct web moved = expect_moved(&web);
	json_t *t CLEANUP_JSON = takeover_newest("web");
	assert_string_equal(json_str_or(t, "evidence", ""), "stopped");
	lab_do("poweron h1");
	expect_returned(&web, &moved);
}

static void node_back_after_the_release_finds_its_copy_stale(void) {
	client_run("h3", "--network ov", "10.20.200.50");
	prefer_target("h2", "h3");
	const struct web web = web_run("h1", "web", OPT_IN "--network ov --ip 10.20.200.50");

	heird_start(&(struct heird_options){.crash_at = "release:after"});
	wait_ready(&web);
	cut("h1");
	heird_wait_crash();
	heal("h1");
	wait_until("h1 is Ready again",
		   lab_try("docker h2 node ls --format '{{.Hostname}} {{.Status}}' | grep -qx 'h1 Ready'") == 0);
	assert_true(web_exists("h1", web.id));
	heird_start(NULL);
	const struct web moved = expect_moved(&web);
	expect_returned(&web, &moved);
	assert_int_equal(takeover_count(), 1);
}

/* h1 is the best target when h3 dies: it has the fewest containers. */
static void node_back_later_takes_part_again(void) {
	client_run("h2", "--network ov", "10.20.200.50");
	prefer_target("h3", "h2");
	const struct web web = web_run("h1", "web", OPT_IN "--network ov --ip 10.20.200.50");

	heird_start(NULL);
	wait_ready(&web);
	cut("h1");
	const struct web second = expect_moved(&web);
	assert_string_equal(second.host, "h3");
	heal("h1");
	expect_returned(&web, &second);
	lab_do("docker h1 run -d --name warm --stop-signal KILL --network ov heir-lab/busybox:1 sleep 100000");
	cut("h3");
	wait_until("the second takeover begins", takeover_count() == 2);
	const struct web third = expect_moved(&second);
	assert_string_equal(third.host, "h1");
	json_t *t CLEANUP_JSON = takeover_newest("web");
	assert_int_equal(json_int_or(t, "generation", 0), 3);
	heal("h3");
	expect_returned(&second, &third);
}

static void node_that_died_while_heird_was_stopped_is_taken_over(void) {
	client_run("h3", "--network ov", "10.20.200.50");
	prefer_target("h2", "h3");
	const struct web web = web_run("h1", "web", OPT_IN "--network ov --ip 10.20.200.50");

	heird_start(NULL);
	wait_ready(&web);
	heird_kill();
	cut("h1");
	heird_start(NULL);
	const struct web moved = expect_moved(&web);
	heal("h1");
	expect_returned(&web, &moved);
}

static void oldest_is_kept_where_that_is_wanted(void) {
	client_run("h3", "--network ov", "10.20.200.50");
	prefer_target("h2", "h3");
	const struct web web = web_run("h1", "web", OPT_IN "--network ov --ip 10.20.200.50");

	heird_start(&(struct heird_options){.more = "return: {keep: oldest}\n"});
	wait_ready(&web);
	cut("h1");
	const struct web moved = expect_moved(&web);
	heal("h1");
	wait_until("it moves back", takeover_count() == 2);
	const struct web home = expect_moved(&moved);
	assert_string_equal(home.host, "h1");
	wait_until("the copy that gave way is removed", !web_exists(moved.host, moved.id));
	assert_int_equal(count_running("web"), 1);
}

int main(int argc, char **argv) {
	static const struct scenario scenarios[] = {
		SCENARIO(node_back_before_the_release_keeps_its_container),     SCENARIO(operators_word_is_evidence_enough),
		SCENARIO(node_back_after_the_release_finds_its_copy_stale),     SCENARIO(node_back_later_takes_part_again),
		SCENARIO(node_that_died_while_heird_was_stopped_is_taken_over), SCENARIO(oldest_is_kept_where_that_is_wanted),
	};
	return SCENARIOS_RUN(argc, argv, scenarios, "20.10", NULL);
}
