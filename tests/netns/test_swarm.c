/* What the swarm has to give for an address to be let go, and what heir owes it afterwards. */
#include "harness.h"

#include "base/alloc.h"

#include <string.h>
#include <unistd.h>

static void without_a_control_socket_an_operator_is_told_what_is_missing(void) {
	client_run("h3", "--network ov", "10.20.200.50");
	prefer_target("h2", "h3");
	const struct web web = web_run("h1", "web", OPT_IN "--network ov --ip 10.20.200.50");

	heird_start(&(struct heird_options){.no_control = true});
	wait_ready(&web);
	cut("h1");
	wait_until("an operator is needed", takeover_is("web", "needs-operator"));
	assert_true(takeover_says("web", "control"));
	assert_true(takeover_says("web", "remove_node"));
	keeps_holding(3, "nothing was taken from anybody", takeover_is("web", "needs-operator"));
	heird_kill();
	heird_start(NULL); /* now it is in the configuration */
	const struct web moved = expect_moved(&web);
	heal("h1");
	expect_returned(&web, &moved);
}

static char *node_id(void) { return lab("docker h1 info --format '{{.Swarm.NodeID}}'"); }

static void removed_node_gets_its_place_and_its_addresses_back(void) {
	client_run("h3", "--network ov", "10.20.200.50 10.20.200.99");
	prefer_target("h2", "h3");
	const struct web web = web_run("h1", "web", OPT_IN "--network ov --ip 10.20.200.50");
	const struct web bystander = web_run("h1", "bystander", "--network ov --ip 10.20.200.99 --network-alias neighbour");
	char *old_node CLEANUP_FREE = node_id();

	lab_do("docker h2 node update --label-add zone=a %s", old_node);
	heird_start(&(struct heird_options){.more = "swarm: {remove_node: true}\n"});
	wait_ready(&web);
	wait_ready(&bystander);
	cut("h1");
	const struct web moved = expect_moved(&web);
	assert_int_not_equal(lab_try("docker h2 node inspect %s", old_node), 0);
	heal("h1");
	expect_returned(&web, &moved);
	char *new_node CLEANUP_FREE = node_id();
	assert_string_not_equal(new_node, old_node);
	char *label CLEANUP_FREE =
		lab("docker h2 node inspect --format '{{.Spec.Labels.zone}} {{.Spec.Role}} {{.Spec.Availability}}' %s", new_node);
	assert_string_equal(label, "a worker active");
	struct web again;
	assert_true(web_find("h1", "bystander", &again));
	assert_string_equal(again.id, bystander.id);
	assert_int_equal(again.n_nets, 1);
	assert_string_equal(again.nets[0].ip, "10.20.200.99");
	expect_in_kernel(&again);
	wait_until("the client hears the bystander again", client_hears("10.20.200.99", &bystander));
	note("the bystander answers again");
	lab_do("docker h2 node update --label-rm zone %s", new_node);
}

int main(int argc, char **argv) {
	static const struct scenario scenarios[] = {
		SCENARIO(without_a_control_socket_an_operator_is_told_what_is_missing),
		SCENARIO(removed_node_gets_its_place_and_its_addresses_back),
	};
	return SCENARIOS_RUN(argc, argv, scenarios, "20.10", NULL);
}
