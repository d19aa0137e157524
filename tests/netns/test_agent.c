/* With an agent on every host: the fence is proven, rows need no gossip, and what fails of it is said and harmless. */
#include "agents.h"
#include "both.h"

#include "base/alloc.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define WEB "10.20.200.50"
#define BYSTANDER "10.20.200.99"

static const struct heird_options with_agents = {.agents = true};

static struct web web_on_h1(void) {
	prefer_target("h2", "h3");
	return web_run("h1", "web", OPT_IN "--network ov --ip " WEB);
}

static void begin(const struct web *web, const struct heird_options *options) {
	heird_start(options);
	wait_ready(web);
	agents_ready();
}

/* Nothing is waited for: when the takeover is done, this has been proven. */
static void expect_right_at_once(const struct web *old) {
	struct web moved;

	wait_until("the takeover is done", takeover_is(old->name, "done"));
	expect_proven(old->name);
	assert_true(web_find("h2", old->name, &moved));
	assert_true(rows_right("h2", &moved));
	assert_true(rows_right("h3", &moved));
	assert_true(drops("h2", "h1"));
	assert_true(drops("h3", "h1"));
}

static bool runs(const struct web *w) {
	return lab_try("docker %s container inspect --format '{{.State.Running}}' %s | grep -q true", w->host, w->id) == 0;
}

/* Whoever sees the quarantine gone finds the stale copy put away. */
static void expect_lifted_last(const struct web *stale) {
	wait_until("the quarantine of h1 is lifted on h2", !drops("h2", "h1"));
	assert_false(runs(stale));
	expect_no_quarantine();
}

static bool log_tells_in_order(const char *first, const char *second) {
	json_t *list CLEANUP_JSON = heir("log"), *j;
	size_t i, at_first = 0, at_second = 0;

	json_array_foreach (list, i, j) {
		const char *detail = json_str_or(j, "detail", "");
		at_first = !at_first && strcmp(detail, first) == 0 ? i + 1 : at_first;
		at_second = !at_second && strcmp(detail, second) == 0 ? i + 1 : at_second;
	}
	return at_first && at_second && at_first < at_second;
}

static void takeover_is_proven_by_every_kernel_and_the_return_undoes_it(void) {
	client_run("h3", "--network ov", WEB " " BYSTANDER);
	const struct web web = web_on_h1(), bystander = web_run("h1", "bystander", "--network ov --ip " BYSTANDER);

	begin(&web, &with_agents);
	wait_ready(&bystander);
	cut("h1");
	expect_right_at_once(&web);
	const struct web moved = expect_moved(&web);
	heal("h1");
	expect_lifted_last(&web);
	expect_returned(&web, &moved);
	wait_until("the log tells both", log_tells_in_order("cut off in its host's kernel", "removed"));
	expect_rows("h1", &moved);
	expect_rows("h2", &moved);
	expect_rows("h3", &moved);
	wait_until("the client hears the bystander again", client_hears(BYSTANDER, &bystander));
	expect_rows("h3", &bystander);
	assert_int_equal(takeover_count(), 1);
}

static int64_t repairs_of(const char *host) {
	json_t *status CLEANUP_JSON = status_of_agent(host);
	return json_int_or(status, "repaired", -1);
}

/* 100,000 changes in the namespace of ov, and a poisoned row amidst them. */
static void flood(const char *observer, const struct web *w, const char *wrong) {
	static const char events[] =
		"sh -c \"awk 'BEGIN { for (i = 0; i < 25000; i++) { a = sprintf(\\\"10.20.%d.%d\\\", 100 + i / 250, "
		"i % 250 + 1); printf \\\"neigh replace %s lladdr 02:00:00:00:00:01 dev vxlan0 nud "
		"permanent\\\\nneigh del %s dev vxlan0\\\\n\\\", a, a } }' | ip -force -batch - >/dev/null\"";

	in_overlay(observer, events);
	poison(observer, w, wrong);
	in_overlay(observer, events);
}

static void poisoned_row_is_repaired_also_amidst_a_flood_of_events(void) {
	client_run("h3", "--network ov", WEB);
	const struct web web = web_on_h1(), bystander = web_run("h1", "bystander", "--network ov --ip " BYSTANDER);

	begin(&web, &with_agents);
	wait_until("the client's engine knows where the bystander is", rows_right("h3", &bystander));
	cut("h1");
	const struct web moved = expect_moved(&web);
	/* The engine then takes back h1's rows and sets its own: from here on nobody but the agent mends any. */
	wait_until("gossip has given h1 up", !rows_right("h3", &bystander));
	int64_t before = repairs_of("h3");
	poison("h3", &moved, "h1");
	wait_for(20, "the row is right again", rows_right("h3", &moved));
	wait_until("the repair is counted", repairs_of("h3") > before);
	heird_kill(); /* the agent alone */
	before = repairs_of("h3");
	flood("h3", &moved, "h1");
	wait_for(20, "the row is right again", rows_right("h3", &moved));
	assert_true(repairs_of("h3") > before);
	lab_do("agent h3 hang"); /* more than its socket holds */
	flood("h3", &moved, "h1");
	assert_false(rows_right("h3", &moved));
	lab_do("agent h3 wake");
	wait_for(20, "the row is right again", rows_right("h3", &moved));
}

static bool verifies(const char *how) {
	json_t *j CLEANUP_JSON = heir("verify%s", how);
	return j != NULL; /* exit 0: nothing differs */
}

/* Nobody watches an address that was never moved: what is wrong there stays until somebody asks. */
static void verify_finds_a_wrong_row_of_what_was_never_moved_and_mends_it(void) {
	client_run("h3", "--network ov", WEB);
	const struct web web = web_on_h1();

	begin(&web, &with_agents);
	wait_until("nothing differs", verifies(""));
	poison("h3", &web, "h2");
	assert_false(rows_right("h3", &web));
	assert_false(verifies(""));
	assert_false(rows_right("h3", &web)); /* it only looked */
	assert_true(verifies(" --repair"));
	assert_true(rows_right("h3", &web));
	assert_true(verifies(""));
	wait_until("the client hears web again", client_hears(WEB, &web));
}

static void without_an_agent_on_one_host_the_takeover_is_done_and_says_so(void) {
	client_run("h3", "--network ov", WEB);
	const struct web web = web_on_h1();

	heird_start(&(struct heird_options){.agents = true, .agentless = "h3"});
	wait_ready(&web);
	wait_until("the other agents are ok", agent_is("h1", "ok") && agent_is("h2", "ok") && agent_is("h3", "none"));
	cut("h1");
	const struct web moved = expect_moved(&web);
	assert_true(evidence_is("web", "presumed"));
	assert_true(takeover_warns("web", "h3"));
	heal("h1");
	expect_returned(&web, &moved);
	expect_no_quarantine();
}

static void hung_agent_holds_nothing_up_and_catches_up_when_it_wakes(void) {
	client_run("h3", "--network ov", WEB);
	const struct web web = web_on_h1();

	begin(&web, &with_agents);
	lab_do("agent h3 hang");
	wait_until("it is known to be silent", agent_is("h3", "unreachable"));
	cut("h1");
	const struct web moved = expect_moved(&web);
	assert_true(evidence_is("web", "presumed"));
	assert_true(takeover_warns("web", "h3"));
	assert_false(drops("h3", "h1"));
	lab_do("agent h3 wake");
	wait_until("h3 drops what comes from h1", drops("h3", "h1"));
	heal("h1");
	expect_returned(&web, &moved);
	expect_no_quarantine();
}

static bool agent_reports_quarantine(const char *host, const char *of) {
	json_t *status CLEANUP_JSON = status_of_agent(host), *list = json_at(status, "quarantine.vteps"), *j;
	size_t i;

	json_array_foreach (list, i, j)
		if (strcmp(json_string_value(j), host_ip(of)) == 0)
			return true;
	return false;
}

static void confirm_another_manager(const char *host) {
	lab_do("manager curl -fsS -X POST -d '{\"manager\":\"another\",\"cluster\":\"lab\",\"epoch\":99}' "
	       "http://%s:4460/v1/confirm",
	       host_ip(host));
}

static void quarantine_outlives_its_agent_and_another_manager_is_noticed(void) {
	client_run("h3", "--network ov", WEB);
	const struct web web = web_on_h1();

	begin(&web, &with_agents);
	cut("h1");
	const struct web moved = expect_moved(&web);
	lab_do("agent h3 kill");
	assert_true(drops("h3", "h1"));
	wait_until("h3's agent is missed", agent_is("h3", "unreachable"));
	lab_do("agent h3 up");
	assert_true(drops("h3", "h1"));
	assert_true(agent_reports_quarantine("h3", "h1"));
	wait_until("h3's agent is back", agent_is("h3", "ok"));
	confirm_another_manager("h3");
	wait_until("h3's agent obeys another", agent_is("h3", "stale-epoch"));
	json_t *said CLEANUP_JSON = heir("node confirm-manager --yes h3");
	assert_non_null(said);
	wait_until("h3's agent obeys again", agent_is("h3", "ok"));
	heal("h1");
	expect_returned(&web, &moved);
	expect_no_quarantine();
}

static void manager_killed_between_quarantine_and_release_finishes_both(void) {
	client_run("h3", "--network ov", WEB);
	const struct web web = web_on_h1();

	begin(&web, &(struct heird_options){.agents = true, .crash_at = "release:before"});
	cut("h1");
	heird_wait_crash();
	assert_true(drops("h2", "h1"));
	assert_true(drops("h3", "h1"));
	heird_start(&with_agents);
	const struct web moved = expect_moved(&web);
	expect_proven("web");
	assert_int_equal(takeover_count(), 1);
	heal("h1");
	expect_returned(&web, &moved);
	expect_no_quarantine();
}

static bool status_warns(const char *part) {
	json_t *status CLEANUP_JSON = heir("status"), *list = json_object_get(status, "warnings"), *j;
	size_t i;

	json_array_foreach (list, i, j)
		if (strstr(json_string_value(j), part))
			return true;
	return false;
}

static void host_that_only_the_manager_does_not_reach_is_left_alone(void) {
	client_run("h3", "--network ov", WEB);
	const struct web web = web_on_h1();

	begin(&web, &with_agents);
	lab_do("manager nft 'add table inet cutoff; add chain inet cutoff in { type filter hook input priority 0; }; "
	       "add chain inet cutoff out { type filter hook output priority 0; }; "
	       "add rule inet cutoff in ip saddr 10.99.0.11 drop; add rule inet cutoff out ip daddr 10.99.0.11 drop'");
	note("h1 is out of the manager's reach");
	wait_until("heird says that others reach it", status_warns("h1: only we do not reach it"));
	keeps_holding(8, "nothing is taken over", takeover_count() == 0 && client_hears(WEB, &web));
	assert_false(drops("h2", "h1") || drops("h3", "h1"));
	lab_do("manager nft delete table inet cutoff");
	wait_until("h1 is alive again", node_is("h1", "alive"));
	assert_int_equal(takeover_count(), 0);
}

int main(int argc, char **argv) {
	static const struct scenario scenarios[] = {
		SCENARIO(takeover_is_proven_by_every_kernel_and_the_return_undoes_it),
		SCENARIO(address_moves_to_and_fro_and_all_rows_follow),
		SCENARIO(stale_container_that_keeps_sending_is_heard_by_nobody),
		SCENARIO(poisoned_row_is_repaired_also_amidst_a_flood_of_events),
		SCENARIO(verify_finds_a_wrong_row_of_what_was_never_moved_and_mends_it),
		SCENARIO(without_an_agent_on_one_host_the_takeover_is_done_and_says_so),
		SCENARIO(hung_agent_holds_nothing_up_and_catches_up_when_it_wakes),
		SCENARIO(quarantine_outlives_its_agent_and_another_manager_is_noticed),
		SCENARIO(manager_killed_between_quarantine_and_release_finishes_both),
		SCENARIO(host_that_only_the_manager_does_not_reach_is_left_alone),
	};
	return SCENARIOS_RUN(argc, argv, scenarios, "26.1", "--agents");
}
