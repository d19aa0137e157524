/* Engines that fail without their hosts, and a manager that is alone: nobody may get a second owner. */
#include "harness.h"

#include <string.h>
#include <unistd.h>

/* In swarm mode the peers of a silent engine give it up in their gossip and drop their rows to its containers within 6 s: these run
 * on and keep their addresses, but only their own host reaches them until the engine is back. */

/* No container of that name, and no replacement in the making, anywhere but on its host. */
static bool has_one_owner(const struct web *w) {
	for (int i = 2; i <= 3; i++) {
		char *ids CLEANUP_FREE = lab("docker h%d ps -aq --filter name='^/%s$' --filter name='^/heir-'", i, w->name);
		if (*ids)
			return false;
	}
	return takeover_count() == 0;
}

static void hung_engine_is_no_dead_host(void) {
	client_run("h3", "--network ov", "10.20.200.50");
	const struct web web = web_run("h1", "web", OPT_IN "--network ov --ip 10.20.200.50");

	heird_start(NULL);
	wait_ready(&web);
	lab_do("hang h1");
	wait_until("h1 is engine-only", node_is("h1", "engine-only"));
	keeps_holding(8, "one owner", has_one_owner(&web));
	lab_do("cont h1");
	wait_until("h1 is alive again", node_is("h1", "alive"));
	assert_true(has_one_owner(&web));
	assert_true(web_exists("h1", web.id));
	expect_in_kernel(&web);
	wait_until("the client hears web again", client_hears("10.20.200.50", &web));
}

static void killed_engine_is_no_dead_host(void) {
	client_run("h3", "--network ov", "10.20.200.50");
	const struct web web = web_run("h1", "web", OPT_IN "--restart always --network ov --ip 10.20.200.50");

	heird_start(NULL);
	wait_ready(&web);
	lab_do("kill h1");
	wait_until("h1 is engine-only", node_is("h1", "engine-only"));
	keeps_holding(8, "one owner", has_one_owner(&web));
	lab_do("start h1"); /* an engine that starts stops what it finds, and its restart policy starts it again */
	wait_until("h1 is alive again", node_is("h1", "alive"));
	wait_until("web runs again", heir_knows("h1", "web"));
	wait_until("the client hears web again", client_hears("10.20.200.50", &web));
	assert_true(has_one_owner(&web));
}

static bool brake_holds(void) {
	json_t *status CLEANUP_JSON = heir("status");
	return json_bool_or(status, "brake.held", false);
}

static void when_all_engines_are_unreachable_nothing_happens(void) {
	client_run("h3", "--network ov", "10.20.200.50");
	const struct web web = web_run("h1", "web", OPT_IN "--network ov --ip 10.20.200.50");

	heird_start(NULL);
	wait_ready(&web);
	cut("h1");
	lab_do("cut h2");
	lab_do("cut h3");
	wait_until("all are given up", node_is("h1", "dead") && node_is("h2", "dead") && node_is("h3", "dead"));
	assert_true(brake_holds());
	keeps_holding(6, "nothing happens", brake_holds() && has_one_owner(&web));
	heal("h1");
	lab_do("heal h2");
	lab_do("heal h3");
	wait_until("all are back", node_is("h1", "alive") && node_is("h2", "alive") && node_is("h3", "alive"));
	wait_until("the brake lets go", !brake_holds());
	assert_true(has_one_owner(&web));
	wait_until("the client hears web again", client_hears("10.20.200.50", &web));
	keeps_holding(4, "nothing happens afterwards", has_one_owner(&web) && web_exists("h1", web.id));
	expect_in_kernel(&web);
}

int main(int argc, char **argv) {
	static const struct scenario scenarios[] = {
		SCENARIO(hung_engine_is_no_dead_host),
		SCENARIO(killed_engine_is_no_dead_host),
		SCENARIO(when_all_engines_are_unreachable_nothing_happens),
	};
	return SCENARIOS_RUN(argc, argv, scenarios, "26.1", NULL);
}
