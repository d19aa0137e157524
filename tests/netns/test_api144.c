/* Engines that speak nothing below API 1.44, as the newest do. */
#include "harness.h"

#include <string.h>
#include <unistd.h>

static void engine_with_1_44_as_its_minimum_is_served(void) {
	client_run("h3", "--network ov", "10.20.200.60 10.21.200.60");
	lab_do("docker h3 network connect ov2 client");
	prefer_target("h2", "h3");
	lab_do("docker h1 create --name web --stop-signal KILL " OPT_IN "--network ov --ip 10.20.200.60 "
	       "heir-lab/busybox:1 sh -c 'mkdir -p /www; hostname >/www/index.html; exec httpd -f -p 80 -h /www'");
	lab_do("docker h1 network connect --ip 10.21.200.60 ov2 web");
	start("h1", "web");
	struct web web;
	assert_true(web_find("h1", "web", &web));
	assert_int_not_equal(lab_try("exec h1 curl -fs http://10.99.0.11:2375/v1.43/info"), 0);
	heird_start(NULL);
	wait_ready(&web);
	cut("h1");
	const struct web moved = expect_moved(&web);
	heal("h1");
	expect_returned(&web, &moved);
}

int main(int argc, char **argv) {
	static const struct scenario scenarios[] = {SCENARIO(engine_with_1_44_as_its_minimum_is_served)};

	return SCENARIOS_RUN(argc, argv, scenarios, "26.1", "--min-api 1.44");
}
