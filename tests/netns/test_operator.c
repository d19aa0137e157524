/* What operators say, and what containers demand by their labels: holds, delays, giving up, and a drill that is held against what
 * then happens. */
#include "harness.h"

#include <string.h>
#include <unistd.h>

static bool is_held(const char *node, const char *why) {
	json_t *list CLEANUP_JSON = heir("node ls"), *j;
	size_t i;

	json_array_foreach (list, i, j)
		if (strcmp(json_str_or(j, "name", ""), node) == 0)
			return strcmp(json_str_or(j, "hold", ""), why) == 0;
	return false;
}

static struct web scene(const char *arguments) {
	client_run("h3", "--network ov", "10.20.200.50");
	prefer_target("h2", "h3");
	return web_run("h1", "web", arguments);
}

static void held_node_keeps_its_containers_until_it_is_released(void) {
	const struct web web = scene(OPT_IN "--network ov --ip 10.20.200.50");

	heird_start(NULL);
	wait_ready(&web);
	json_t *held CLEANUP_JSON = heir("node hold h1 --yes --reason 'new disks'");
	assert_non_null(held);
	assert_true(is_held("h1", "by an operator: new disks"));
	heird_kill(); /* what an operator said outlives the manager */
	heird_start(NULL);
	wait_until("the manager knows h1 again", heir_knows("h1", "web"));
	assert_true(is_held("h1", "by an operator: new disks"));
	power_off("h1");
	wait_until("h1 is dead", node_is("h1", "dead"));
	keeps_holding(5, "nothing is taken over from a held node", takeover_count() == 0);
	json_t *released CLEANUP_JSON = heir("node release h1 --yes");
	assert_non_null(released);
	const struct web moved = expect_moved(&web);
	lab_do("poweron h1");
	expect_returned(&web, &moved);
}

static void held_node_is_no_target(void) {
	const struct web web = scene(OPT_IN "--network ov --ip 10.20.200.50");

	heird_start(NULL);
	wait_ready(&web);
	json_t *held CLEANUP_JSON = heir("node hold h2 --yes"); /* else the best one */
	assert_non_null(held);
	cut("h1");
	const struct web moved = expect_moved(&web);
	assert_string_equal(moved.host, "h3");
	heal("h1");
	expect_returned(&web, &moved);
}

static void host_that_is_back_within_the_delay_keeps_its_container(void) {
	const struct web web = scene(OPT_IN "--label heir.delay=60s --network ov --ip 10.20.200.50");

	heird_start(NULL);
	wait_ready(&web);
	cut("h1");
	wait_until("h1 is dead", node_is("h1", "dead"));
	heal("h1");
	wait_until("h1 takes part again", node_is("h1", "alive"));
	wait_until("the client hears web again", client_hears("10.20.200.50", &web));
	assert_int_equal(takeover_count(), 0);
	assert_true(web_exists("h1", web.id));
	assert_int_equal(count_running("web"), 1);
}

static void abandoned_takeover_leaves_everything_as_it_was(void) {
	const struct web web = scene(OPT_IN "--label heir.fence=stopped --network ov --ip 10.20.200.50");

	heird_start(NULL);
	wait_ready(&web);
	cut("h1");
	wait_until("an operator is asked for evidence", takeover_is("web", "needs-operator"));
	json_t *abandoned CLEANUP_JSON = heir("takeover abandon web --yes");
	assert_non_null(abandoned);
	wait_until("it is rolled back", takeover_is("web", "rolled-back"));
	assert_true(takeover_says("web", "abandoned by an operator"));
	assert_int_equal(count_running("web"), 1); /* on h1, where nobody can look; and nothing staged is left: */
	for (int i = 2; i <= 3; i++) {
		char *staged CLEANUP_FREE = lab("docker h%d ps -aq --filter name=heir-", i);
		assert_string_equal(staged, "");
	}
	keeps_holding(5, "it is not tried again", takeover_count() == 1);
	heal("h1");
	wait_until("h1 takes part again", node_is("h1", "alive"));
	wait_until("the client hears web again", client_hears("10.20.200.50", &web));
	assert_true(web_exists("h1", web.id));
}

/* And what was said is on disk when it is answered. */
static void abandoned_takeover_is_taken_up_by_a_retry(void) {
	const struct web web = scene(OPT_IN "--label heir.fence=stopped --network ov --ip 10.20.200.50");

	heird_start(NULL);
	wait_ready(&web);
	power_off("h1");
	wait_until("an operator is asked for evidence", takeover_is("web", "needs-operator"));
	json_t *abandoned CLEANUP_JSON = heir("takeover abandon web --yes");
	assert_non_null(abandoned);
	heird_kill();
	heird_start(NULL);
	wait_until("it is rolled back", takeover_is("web", "rolled-back"));
	wait_until("h1 is dead", node_is("h1", "dead"));
	keeps_holding(5, "it is not tried again", takeover_count() == 1);
	json_t *retried CLEANUP_JSON = heir("takeover retry web --yes");
	assert_non_null(retried);
	wait_until("it is tried again", takeover_count() == 2 && takeover_is("web", "needs-operator"));
	json_t *confirmed CLEANUP_JSON = heir("node confirm-dead h1 --yes");
	assert_non_null(confirmed);
	(void)expect_moved(&web);
}

static bool brake_holds(void) {
	json_t *status CLEANUP_JSON = heir("status");
	return json_bool_or(status, "brake.held", true);
}

static void zone_is_held_until_an_operator_says_go(void) {
	const struct web web = scene(OPT_IN "--network ov --ip 10.20.200.50");

	heird_start(&(struct heird_options){.more = "brake: {zone: {label: rack, max_lost: 40%}}\n"}); /* h1 is half of r1 */
	wait_ready(&web);
	cut("h1");
	wait_until("its zone is held",
		   is_held("h1", "nothing is taken over from it: 1 of 2 nodes of zone \"r1\" are lost, more than 40% at once: "
				 "waiting until fewer are or an operator says go"));
	keeps_holding(5, "nothing is taken over, and the rest is not held", takeover_count() == 0 && !brake_holds());
	json_t *go CLEANUP_JSON = heir("go --yes");
	assert_non_null(go);
	const struct web moved = expect_moved(&web);
	heal("h1");
	expect_returned(&web, &moved);
}

static void more_than_the_rate_allows_wait_for_their_minute(void) {
	const struct web web = scene(OPT_IN "--network ov --ip 10.20.200.50");
	const struct web other = web_run("h1", "other", OPT_IN "--network ov");

	heird_start(&(struct heird_options){.more = "takeover: {per_minute: 1}\n"});
	wait_ready(&web);
	wait_until("heird knows the other", heir_knows("h1", "other"));
	cut("h1");
	wait_until("one of them is moved", takeover_is("web", "done") || takeover_is("other", "done"));
	const char *late = takeover_is("web", "done") ? "other" : "web";
	assert_true(takeover_says(late, "1 begun within the last minute, and no more are allowed (per_minute)"));
	wait_for(120, "the minute of the other one is over", takeover_is(late, "done"));
	(void)expect_moved(&web);
	assert_int_equal(count_running(other.name), 2); /* the old one is cut off, and runs */
}

static void word_that_is_not_typed_changes_nothing(void) {
	const struct web web = scene(OPT_IN "--label heir.fence=stopped --network ov --ip 10.20.200.50");

	heird_start(NULL);
	wait_ready(&web);
	power_off("h1");
	wait_until("an operator is asked for evidence", takeover_is("web", "needs-operator"));
	json_t *nothing CLEANUP_JSON = heir("node confirm-dead h1 </dev/null");
	json_t *wrong CLEANUP_JSON = heir("node confirm-dead h1 </proc/version");
	assert_null(nothing);
	assert_null(wrong);
	assert_true(takeover_is("web", "needs-operator"));
	char file[] = "/tmp/heir-word-XXXXXX";
	int fd CLEANUP_FD = mkstemp(file);
	assert_int_equal(write(fd, "h1\n", 3), 3);
	json_t *typed CLEANUP_JSON = heir("node confirm-dead h1 <%s", file);
	(void)unlink(file);
	assert_non_null(typed);
	(void)expect_moved(&web);
}

/* ---- the drill ---- */

static json_t *drilled(const json_t *drill, const char *container) {
	json_t *j;
	size_t i;

	json_array_foreach (json_at(drill, "containers"), i, j)
		if (strcmp(json_str_or(j, "container", ""), container) == 0)
			return j;
	failed("the drill does not tell of %s", container);
}

static void what_a_drill_says_is_what_happens(void) {
	client_run("h3", "--network ov", "10.20.200.50");
	prefer_target("h2", "h3");
	const struct web web = web_run("h1", "web", OPT_IN "--network ov --ip 10.20.200.50");
	const struct web bystander = web_run("h1", "bystander", "--network ov");

	heird_start(NULL);
	wait_ready(&web);
	wait_until("heird knows the bystander", heir_knows("h1", "bystander"));
	json_t *drill CLEANUP_JSON = heir_differs("drill h1"), *said = drilled(drill, "web");
	assert_string_equal(json_str_or(said, "state", ""), "would-move");
	assert_string_equal(json_str_or(drilled(drill, "bystander"), "state", ""), "not-opted-in");
	assert_string_equal(json_string_value(json_array_get(json_at(drill, "bystanders"), 0)), bystander.name);
	assert_false(json_bool_or(drill, "brake.held", true));
	assert_int_equal(takeover_count(), 0);
	cut("h1");
	const struct web moved = expect_moved(&web);
	json_t *t CLEANUP_JSON = takeover_newest("web");
	assert_string_equal(json_str_or(said, "target", ""), moved.host);
	assert_string_equal(json_str_or(said, "evidence", ""), json_str_or(t, "evidence", "?"));
}

static void drill_says_beforehand_what_would_be_missing(void) {
	const struct web web = scene(OPT_IN "--network ov --ip 10.20.200.50");

	heird_start(&(struct heird_options){.no_control = true});
	wait_ready(&web);
	json_t *drill CLEANUP_JSON = heir_differs("drill h1"), *said = drilled(drill, "web");
	assert_string_equal(json_str_or(said, "state", ""), "blocked");
	assert_non_null(strstr(json_str_or(said, "reason", ""), "no swarm control socket is configured"));
	cut("h1");
	wait_until("it is what then is missing", takeover_is("web", "needs-operator"));
	assert_true(takeover_says("web", "no swarm control socket is configured"));
}

int main(int argc, char **argv) {
	static const struct scenario scenarios[] = {
		SCENARIO(held_node_keeps_its_containers_until_it_is_released),
		SCENARIO(held_node_is_no_target),
		SCENARIO(host_that_is_back_within_the_delay_keeps_its_container),
		SCENARIO(abandoned_takeover_leaves_everything_as_it_was),
		SCENARIO(abandoned_takeover_is_taken_up_by_a_retry),
		SCENARIO(zone_is_held_until_an_operator_says_go),
		SCENARIO(more_than_the_rate_allows_wait_for_their_minute),
		SCENARIO(word_that_is_not_typed_changes_nothing),
		SCENARIO(what_a_drill_says_is_what_happens),
		SCENARIO(drill_says_beforehand_what_would_be_missing),
	};
	return SCENARIOS_RUN(argc, argv, scenarios, "26.1", NULL);
}
