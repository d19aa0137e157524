/* The manager dies in the middle, at a known step, and its successor finishes what was begun: once. */
#include "harness.h"

#include <string.h>
#include <unistd.h>

static void crash_and_go_on(const char *crash_at) {
	client_run("h3", "--network ov", "10.20.200.50");
	prefer_target("h2", "h3");
	const struct web web = web_run("h1", "web", OPT_IN "--network ov --ip 10.20.200.50");

	heird_start(&(struct heird_options){.crash_at = crash_at});
	wait_ready(&web);
	cut("h1");
	heird_wait_crash();
	heird_start(NULL);
	const struct web moved = expect_moved(&web);
	assert_int_equal(takeover_count(), 1);
	json_t *t CLEANUP_JSON = takeover_newest("web");
	assert_int_equal(json_int_or(t, "generation", 0), 2);
	assert_int_equal(count_running("web"), 2); /* the cut host's is not off, it is off the network */
	char *staged CLEANUP_FREE =
		lab("docker h2 ps -aq --filter name='^/heir-'; tests/netns/lab docker h3 ps -aq --filter name='^/heir-'");
	assert_string_equal(staged, "");
	heal("h1");
	expect_returned(&web, &moved);
}

static void killed_after_the_replacement_was_created_it_makes_no_second_one(void) { crash_and_go_on("stage-create:after"); }
static void killed_before_the_release_it_releases(void) { crash_and_go_on("release:before"); }
static void killed_after_the_release_it_goes_on(void) { crash_and_go_on("release:after"); }
static void killed_after_the_claim_it_goes_on(void) { crash_and_go_on("claim:after"); }
static void killed_before_the_start_it_starts(void) { crash_and_go_on("start:before"); }
static void killed_after_the_start_it_does_not_start_again(void) { crash_and_go_on("start:after"); }

int main(int argc, char **argv) {
	static const struct scenario scenarios[] = {
		SCENARIO(killed_after_the_replacement_was_created_it_makes_no_second_one),
		SCENARIO(killed_before_the_release_it_releases),
		SCENARIO(killed_after_the_release_it_goes_on),
		SCENARIO(killed_after_the_claim_it_goes_on),
		SCENARIO(killed_before_the_start_it_starts),
		SCENARIO(killed_after_the_start_it_does_not_start_again),
	};
	return SCENARIOS_RUN(argc, argv, scenarios, "26.1", NULL);
}
