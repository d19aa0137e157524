/* The overlay that engines keep in a key/value store: what moves an address there is the agents' rows, and nothing else. */
#include "agents.h"
#include "both.h"
#include "voices.h"

#include <string.h>
#include <unistd.h>

#define WEB "10.20.200.50"

static void without_agents_it_is_refused_and_nothing_is_taken_away(void) {
	client_run("h3", "--network ov", WEB);
	prefer_target("h2", "h3");
	const struct web web = web_run("h1", "web", OPT_IN "--network ov --ip " WEB);

	heird_start(NULL);
	wait_ready(&web);
	cut("h1");
	wait_until("an operator is asked", takeover_is("web", "needs-operator"));
	assert_true(takeover_says("web", "no agents"));
	heal("h1");
	wait_until("h1 is alive again", node_is("h1", "alive"));
	wait_until("the client hears web again", client_hears(WEB, &web));
	assert_true(web_exists("h1", web.id));
	assert_int_equal(count_running("web"), 1);
}

int main(int argc, char **argv) {
	static const struct scenario scenarios[] = {
		SCENARIO(address_moves_to_and_fro_and_all_rows_follow),
		SCENARIO(stale_container_that_keeps_sending_is_heard_by_nobody),
		SCENARIO(one_that_hears_nobody_is_heard_by_nobody),
		SCENARIO(frozen_host_that_thaws_after_the_takeover_is_not_heard),
		SCENARIO(without_agents_it_is_refused_and_nothing_is_taken_away),
	};
	return SCENARIOS_RUN(argc, argv, scenarios, "20.10", "--overlay kv --agents");
}
