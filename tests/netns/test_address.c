/* The promise itself: a container outlives its host and keeps what it is known by. */
#include "harness.h"

#include "base/alloc.h"

#include <string.h>
#include <unistd.h>

static const struct heird_options defaults = {.slow = true};

static void static_address_is_kept_on_another_host(void) {
	client_run("h3", "--network ov", "10.20.200.50");
	prefer_target("h2", "h3");
	const struct web web = web_run("h1", "web", OPT_IN "--network ov --ip 10.20.200.50");

	heird_start(&defaults);
	wait_ready(&web);
	cut("h1");
	const struct web moved = expect_moved(&web);
	assert_string_equal(moved.host, "h2");
	assert_string_equal(moved.nets[0].ip, "10.20.200.50");
	heal("h1");
	expect_returned(&web, &moved);
	assert_int_equal(takeover_count(), 1);
}

static void dynamic_address_is_kept_on_another_host(void) {
	const struct web web = web_run("h1", "web", OPT_IN "--network ov");

	client_run("h3", "--network ov", web.nets[0].ip);
	prefer_target("h2", "h3");
	heird_start(NULL);
	wait_ready(&web);
	cut("h1");
	const struct web moved = expect_moved(&web);
	heal("h1");
	expect_returned(&web, &moved);
}

static bool resolves(const char *name, const char *ip) {
	return lab_try("docker h3 exec client nslookup -type=a %s 127.0.0.11 | grep -qw 'Address: %s'", name, ip) == 0;
}

static void two_networks_and_their_aliases_are_kept(void) {
	client_run("h3", "--network ov", "10.20.200.60 10.21.200.60");
	lab_do("docker h3 network connect ov2 client");
	prefer_target("h2", "h3");
	lab_do("docker h1 create --name web --stop-signal KILL " OPT_IN "--network ov --ip 10.20.200.60 --network-alias front "
	       "heir-lab/busybox:1 sh -c 'mkdir -p /www; hostname >/www/index.html; exec httpd -f -p 80 -h /www'");
	lab_do("docker h2 network connect ov2 warm");
	lab_do("docker h1 network connect --ip 10.21.200.60 --alias back --alias rear ov2 web");
	start("h1", "web");
	struct web web;
	assert_true(web_find("h1", "web", &web));
	assert_int_equal(web.n_nets, 2);
	wait_until("front is resolved", resolves("front", "10.20.200.60"));
	heird_start(NULL);
	wait_ready(&web);
	cut("h1");
	const struct web moved = expect_moved(&web);
	static const struct {
		const char *name, *ip;
	} names[] = {{"web", "10.20.200.60"}, {"front", "10.20.200.60"}, {"back", "10.21.200.60"}, {"rear", "10.21.200.60"}};
	for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
		wait_until(names[i].name, resolves(names[i].name, names[i].ip));
	heal("h1");
	expect_returned(&web, &moved);
	for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
		wait_until(names[i].name, resolves(names[i].name, names[i].ip));
}

/* The task of an attachment is removed as heir would, while its container lives on: the address is free for anyone. */
static void free_address_behind_heirs_back(const char *container_id) {
	char *task CLEANUP_FREE =
		lab("manager curl -s --unix-socket \"$(tests/netns/lab sock h2)\" "
		    "'http://localhost/tasks?filters=%%7B%%22runtime%%22%%3A%%7B%%22attachment%%22%%3Atrue%%7D%%7D'");
	json_t *list CLEANUP_JSON = NULL, *j;
	struct err err = {0};
	const char *id = NULL;
	size_t i;

	if (json_parse(task, strlen(task), "tasks", &list, &err) < 0)
		failed("%s", err.msg);
	json_array_foreach (list, i, j)
		if (strcmp(json_str_or(j, "Spec.NetworkAttachmentSpec.ContainerID", ""), container_id) == 0)
			id = json_str_or(j, "ID", NULL);
	assert_non_null(id);
	assert_int_equal(strlen(id), 25);
	lab_do("manager sh -c '{ printf \"\\000\\000\\000\\000\\033\\012\\031\"; printf %%s %s; } | curl -sk --http2 --unix-socket "
	       "\"$0\" --data-binary @- -H \"content-type: application/grpc\" -H \"te: trailers\" "
	       "https://localhost/docker.swarmkit.v1.Control/RemoveTask' \"$(tests/netns/lab control h2)\"",
	       id);
}

static void stolen_address_is_waited_for_and_nobody_is_evicted(void) {
	client_run("h3", "--network ov", "10.20.200.50");
	prefer_target("h2", "h3");
	const struct web web = web_run("h1", "web", OPT_IN "--network ov --ip 10.20.200.50");

	heird_start(NULL);
	wait_ready(&web);
	heird_kill(); /* or it would be faster than the thief */
	cut("h1");
	free_address_behind_heirs_back(web.id);
	const struct web thief = web_run("h3", "thief", "--network ov --ip 10.20.200.50");
	heird_start(NULL);
	wait_until("the takeover says that the address is taken", takeover_says("web", "taken"));
	wait_until("an operator is told", takeover_is("web", "needs-operator"));
	keeps_holding(5, "the thief keeps the address and web waits",
		      web_exists("h3", thief.id) && count_running("thief") == 1 && takeover_is("web", "needs-operator"));
	expect_in_kernel(&thief);
	lab_do("docker h3 rm -f thief");
	const struct web moved = expect_moved(&web);
	heal("h1");
	expect_returned(&web, &moved);
}

int main(int argc, char **argv) {
	static const struct scenario scenarios[] = {
		SCENARIO(static_address_is_kept_on_another_host),
		SCENARIO(dynamic_address_is_kept_on_another_host),
		SCENARIO(two_networks_and_their_aliases_are_kept),
		SCENARIO(stolen_address_is_waited_for_and_nobody_is_evicted),
	};
	return SCENARIOS_RUN(argc, argv, scenarios, "26.1", NULL);
}
