/* Where a container goes when not every host will do, and what others have to suffer for it: nothing. */
#include "harness.h"

#include "base/alloc.h"
#include "base/buf.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

static bool was_rejected(const char *container, const char *node, const char *part) {
	json_t *t CLEANUP_JSON = takeover_newest(container), *list = json_object_get(t, "rejected"), *j;
	size_t i;

	json_array_foreach (list, i, j)
		if (strncmp(json_string_value(j), node, strlen(node)) == 0 && strstr(json_string_value(j), part))
			return true;
	return false;
}

static void published_port_taken_on_the_preferred_target_sends_it_elsewhere(void) {
	client_run("h3", "--network ov", "10.20.200.50");
	prefer_target("h2", "h3");
	lab_do("docker h2 run -d --name proxy --stop-signal KILL -p 8080:80 heir-lab/busybox:1 sleep 100000");
	const struct web web = web_run("h1", "web", OPT_IN "--network ov --ip 10.20.200.50 -p 8080:80");

	heird_start(NULL);
	wait_ready(&web);
	cut("h1");
	const struct web moved = expect_moved(&web);
	assert_string_equal(moved.host, "h3");
	assert_true(was_rejected("web", "h2", "8080"));
	assert_int_equal(count_running("proxy"), 1);
	char *port CLEANUP_FREE = lab("docker h3 port web 80/tcp | head -n 1");
	assert_string_equal(port, "0.0.0.0:8080");
	heal("h1");
	expect_returned(&web, &moved);
}

/* Nobody knows of a port that no container holds: engines find out at the start, and it costs one attempt. */
static void port_found_taken_at_the_start_costs_one_attempt(void) {
	client_run("h3", "--network ov", "10.20.200.50");
	prefer_target("h2", "h3");
	lab_do("exec h2 busybox httpd -p 0.0.0.0:8080 -h /run");
	const struct web web = web_run("h1", "web", OPT_IN "--network ov --ip 10.20.200.50 -p 8080:80");

	heird_start(NULL);
	wait_ready(&web);
	cut("h1");
	wait_until("a second attempt is made", takeover_count() == 2);
	const struct web moved = expect_moved(&web);
	assert_string_equal(moved.host, "h3");
	json_t *t CLEANUP_JSON = takeover_newest("web");
	assert_int_equal(json_int_or(t, "generation", 0), 3);
	heal("h1");
	expect_returned(&web, &moved);
}

static void name_taken_on_the_preferred_target_sends_it_elsewhere(void) {
	client_run("h3", "--network ov", "10.20.200.50");
	prefer_target("h2", "h3");
	lab_do("docker h2 run -d --name web --stop-signal KILL heir-lab/busybox:1 sleep 100000");
	const struct web web = web_run("h1", "web", OPT_IN "--network ov --ip 10.20.200.50");

	heird_start(NULL);
	wait_ready(&web);
	cut("h1");
	const struct web moved = expect_moved(&web);
	assert_string_equal(moved.host, "h3");
	assert_true(was_rejected("web", "h2", "named"));
	struct web foreign;
	assert_true(web_find("h2", "web", &foreign));
	lab_do("docker h2 rm -f web");
	heal("h1");
	expect_returned(&web, &moved);
}

static bool has_availability(const char *node, const char *availability) {
	json_t *j CLEANUP_JSON = heir("node inspect %s", node);
	return strcmp(json_str_or(json_at(j, "swarm"), "availability", ""), availability) == 0;
}

static void a_node_that_its_swarm_has_paused_is_no_target(void) {
	client_run("h3", "--network ov", "10.20.200.50");
	prefer_target("h2", "h3");
	const struct web web = web_run("h1", "web", OPT_IN "--network ov --ip 10.20.200.50");

	heird_start(NULL);
	wait_ready(&web);
	wait_until("heir knows that h2 takes part", has_availability("h2", "active"));
	lab_do("docker h2 node update --availability pause h2");
	wait_until("heir knows that h2 is paused", has_availability("h2", "pause"));
	cut("h1");
	const struct web moved = expect_moved(&web);
	assert_string_equal(moved.host, "h3");
	assert_int_equal(takeover_count(), 1);
	assert_true(was_rejected("web", "h2", "pause"));
	lab_do("docker h2 node update --availability active h2");
	heal("h1");
	expect_returned(&web, &moved);
}

static bool has_image(const char *host, const char *id) { return lab_try("docker %s image inspect %s", host, id) == 0; }

/* h2 has the image but not the port, h3 has the port but not the image. */
static void target_without_the_image_gets_it_from_another_host(void) {
	client_run("h3", "--network ov", "10.20.200.50");
	char *made CLEANUP_FREE = lab("docker h1 run -d heir-lab/busybox:1 sh -c 'head -c 3000000 /dev/urandom >/mark'");
	lab_do("docker h1 wait %s", made);
	char *id CLEANUP_FREE = lab("docker h1 commit %s heir-lab/other:7", made);
	lab_do("docker h1 rm %s", made);
	lab_do("docker h1 save heir-lab/other:7 | tests/netns/lab docker h2 load -q");
	assert_true(has_image("h2", id));
	assert_false(has_image("h3", id));
	lab_do("docker h2 run -d --name proxy --stop-signal KILL -p 8080:80 heir-lab/busybox:1 sleep 100000");
	lab_do("docker h1 run -d --name web --stop-signal KILL " OPT_IN
	       "--network ov --ip 10.20.200.50 -p 8080:80 heir-lab/other:7 "
	       "sh -c 'mkdir -p /www; hostname >/www/index.html; exec httpd -f -p 80 -h /www'");
	struct web web;
	assert_true(web_find("h1", "web", &web));
	heird_start(NULL);
	wait_ready(&web);
	cut("h1");
	const struct web moved = expect_moved(&web);
	assert_string_equal(moved.host, "h3");
	assert_true(has_image("h3", id));
	char *image CLEANUP_FREE = lab("docker h3 inspect --format '{{.Image}} {{.Config.Image}}' web");
	char *want CLEANUP_FREE = xasprintf("%s heir-lab/other:7", id);
	assert_string_equal(image, want);
	heal("h1");
	expect_returned(&web, &moved);
}

static void without_a_target_it_waits_and_goes_on_when_one_appears(void) {
	client_run("h3", "--network ov", "10.20.200.50");
	lab_do("docker h2 run -d --name web --stop-signal KILL heir-lab/busybox:1 sleep 100000");
	lab_do("docker h3 run -d --name web --stop-signal KILL heir-lab/busybox:1 sleep 100000");
	const struct web web = web_run("h1", "web", OPT_IN "--network ov --ip 10.20.200.50");

	heird_start(NULL);
	wait_ready(&web);
	cut("h1");
	wait_until("it waits", takeover_is("web", "waiting") && takeover_says("web", "no node"));
	keeps_holding(3, "it waits", takeover_is("web", "waiting"));
	lab_do("docker h3 rm -f web");
	const struct web moved = expect_moved(&web);
	assert_string_equal(moved.host, "h3");
	lab_do("docker h2 rm -f web");
	heal("h1");
	expect_returned(&web, &moved);
}

enum { MANY = 10 };

static void ten_containers_move_at_once_and_a_bystander_stays(void) {
	struct web webs[MANY], moved[MANY];
	struct buf ips CLEANUP_BUF = {0};

	for (int i = 0; i < MANY; i++)
		buf_printf(&ips, "10.20.200.%d ", 100 + i);
	buf_puts(&ips, "10.20.200.99");
	client_run("h3", "--network ov", ips.data);
	lab_do("docker h2 run -d --name warm --network ov --stop-signal KILL heir-lab/busybox:1 sleep 100000");
	const struct web bystander = web_run("h1", "bystander", "--network ov --ip 10.20.200.99");
	for (int i = 0; i < MANY; i++) {
		char name[16], arguments[96];
		(void)snprintf(name, sizeof name, "web%d", i);
		(void)snprintf(arguments, sizeof arguments, OPT_IN "--network ov --ip 10.20.200.%d", 100 + i);
		webs[i] = web_run("h1", name, arguments);
	}
	heird_start(NULL);
	for (int i = 0; i < MANY; i++)
		wait_ready(&webs[i]);
	wait_ready(&bystander);
	cut("h1");
	for (int i = 0; i < MANY; i++)
		moved[i] = expect_moved(&webs[i]);
	assert_int_equal(takeover_count(), MANY);
	heal("h1");
	for (int i = 0; i < MANY; i++)
		expect_returned(&webs[i], &moved[i]);
	assert_true(web_exists("h1", bystander.id));
	assert_int_equal(count_running("bystander"), 1);
	expect_in_kernel(&bystander);
	wait_until("the client hears the bystander again", client_hears("10.20.200.99", &bystander));
	note("the bystander answers again");
	for (int i = 0; i < MANY; i++)
		wait_until("the client hears the replacements", client_hears(moved[i].nets[0].ip, &moved[i]));
}

int main(int argc, char **argv) {
	static const struct scenario scenarios[] = {
		SCENARIO(published_port_taken_on_the_preferred_target_sends_it_elsewhere),
		SCENARIO(port_found_taken_at_the_start_costs_one_attempt),
		SCENARIO(name_taken_on_the_preferred_target_sends_it_elsewhere),
		SCENARIO(a_node_that_its_swarm_has_paused_is_no_target),
		SCENARIO(target_without_the_image_gets_it_from_another_host),
		SCENARIO(without_a_target_it_waits_and_goes_on_when_one_appears),
		SCENARIO(ten_containers_move_at_once_and_a_bystander_stays),
	};
	return SCENARIOS_RUN(argc, argv, scenarios, "20.10", NULL);
}
