/* Agents where the swarm's VXLAN does not use the usual port, and where a container is on two overlays: each has its own VNI, its
 * own namespace on every host, and its own rows. */
#include "agents.h"
#include "both.h"

static const struct heird_options with_agents = {.agents = true};

static void rows_of_two_overlays_follow_one_container(void) {
	client_run("h3", "--network ov", "10.20.200.60 10.21.200.60");
	lab_do("docker h3 network connect ov2 client");
	prefer_target("h2", "h3");
	lab_do("docker h1 create --name web --stop-signal KILL " OPT_IN "--network ov --ip 10.20.200.60 "
	       "heir-lab/busybox:1 sh -c 'mkdir -p /www; hostname >/www/index.html; exec httpd -f -p 80 -h /www'");
	lab_do("docker h2 network connect ov2 warm");
	lab_do("docker h1 network connect --ip 10.21.200.60 ov2 web");
	start("h1", "web");
	struct web web;
	assert_true(web_find("h1", "web", &web));
	assert_int_equal(web.n_nets, 2);
	heird_start(&with_agents);
	wait_ready(&web);
	agents_ready();
	cut("h1");
	wait_until("the takeover is done", takeover_is("web", "done"));
	expect_proven("web");
	struct web moved;
	assert_true(web_find("h2", "web", &moved));
	assert_true(rows_right("h2", &moved)); /* of both */
	assert_true(rows_right("h3", &moved));
	(void)expect_moved(&web);
	heal("h1");
	expect_returned(&web, &moved);
	expect_no_quarantine();
}

int main(int argc, char **argv) {
	static const struct scenario scenarios[] = {
		SCENARIO(stale_container_that_keeps_sending_is_heard_by_nobody),
		SCENARIO(rows_of_two_overlays_follow_one_container),
	};
	return SCENARIOS_RUN(argc, argv, scenarios, "26.1", "--agents --data-path-port 5789");
}
