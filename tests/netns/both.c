/* See both.h. */
#include "both.h"

#include "agents.h"

#include "base/alloc.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define WEB "10.20.200.50"
#define STAYS_ON_H1 "10.20.200.91"
#define STAYS_ON_H3 "10.20.200.93"

static const struct heird_options with_agents = {.agents = true};

static void begin(const struct web *web) {
	heird_start(&with_agents);
	wait_ready(web);
	agents_ready();
}

/* --- a stale one that keeps sending --- */

/* The manager is away meanwhile: what the kernels drop needs nobody. */
void stale_container_that_keeps_sending_is_heard_by_nobody(void) {
	struct capture on_h2, on_h3, on_h1;

	client_run("h3", "--network ov", WEB);
	prefer_target("h2", "h3");
	struct web client, ear = web_run("h2", "ear", "--network ov");
	assert_true(web_find("h3", "client", &client));
	const struct web voice = voice_run("h1", OPT_IN "--network ov --ip " WEB, client.nets[0].ip, ear.nets[0].ip);
	capture_begin(&on_h1, &voice);
	capture_begin(&on_h2, &ear);
	capture_begin(&on_h3, &client);
	wait_until("the voice is heard on h2 and h3", capture_count(&on_h2, &voice) && capture_count(&on_h3, &voice));
	begin(&voice);
	cut("h1");
	const struct web moved = expect_moved(&voice);
	expect_proven("voice");
	size_t sent = capture_count(&on_h1, &voice), h2 = capture_count(&on_h2, &voice), h3 = capture_count(&on_h3, &voice);
	wait_until("the replacement is heard", capture_count(&on_h2, &moved) && capture_count(&on_h3, &moved));
	heird_kill();
	heal("h1");
	keeps_holding(6, "nobody hears the stale one", capture_count(&on_h2, &voice) == h2 && capture_count(&on_h3, &voice) == h3);
	wait_until("it does send", capture_count(&on_h1, &voice) > sent + 20);
	heird_start(&with_agents);
	expect_returned(&voice, &moved);
	expect_no_quarantine();
	keeps_holding(3, "nobody hears the stale one", capture_count(&on_h2, &voice) == h2 && capture_count(&on_h3, &voice) == h3);
	note("of the stale one %zu frames were sent and none was received after the cut", capture_count(&on_h1, &voice) - sent);
	capture_end(&on_h1);
	capture_end(&on_h2);
	capture_end(&on_h3);
}

/* --- to and fro --- */

static bool may_be_target(const char *node) {
	json_t *j CLEANUP_JSON = heir("node inspect %s", node);
	return j && json_is_null(json_object_get(j, "held_down_seconds"));
}

/* Of all containers on all hosts, whoever set the rows. */
static void expect_all_rows(const struct web *webs, size_t n) {
	static const char *const hosts[] = {"h1", "h2", "h3"};

	for (size_t i = 0; i < n; i++) {
		for (size_t k = 0; k < sizeof hosts / sizeof hosts[0]; k++)
			expect_rows(hosts[k], &webs[i]);
		wait_until("the client hears it", client_hears(webs[i].nets[0].ip, &webs[i]));
	}
}

static bool all_verified(void) {
	json_t *j CLEANUP_JSON = heir("verify");
	return j != NULL;
}

static struct web move_on(const struct web *owner, size_t round) {
	const char *other = strcmp(owner->host, "h1") == 0 ? "h3" : "h1";

	wait_until("the other host may be a target", may_be_target(other));
	cut(owner->host);
	wait_until("the takeover begins", takeover_count() == round);
	const struct web moved = expect_moved(owner);
	assert_string_equal(moved.host, other);
	expect_proven("web");
	heal(owner->host);
	expect_returned(owner, &moved);
	expect_no_quarantine();
	return moved;
}

/* $HEIR_ROUNDS, else three. */
static size_t count_rounds(void) {
	const char *rounds = getenv("HEIR_ROUNDS");
	size_t n = rounds ? strtoul(rounds, NULL, 10) : 3;

	if (n < 1)
		failed("HEIR_ROUNDS is not a number of rounds: %s", rounds);
	return n;
}

/* h2 stays: a swarm's only manager. */
void address_moves_to_and_fro_and_all_rows_follow(void) {
	struct web webs[3];

	client_run("h2", "--network ov", WEB " " STAYS_ON_H1 " " STAYS_ON_H3);
	prefer_target("h3", "h2");
	webs[0] = web_run("h1", "web", OPT_IN "--network ov --ip " WEB);
	webs[1] = web_run("h1", "stays1", "--network ov --ip " STAYS_ON_H1);
	webs[2] = web_run("h3", "stays3", "--network ov --ip " STAYS_ON_H3);
	begin(&webs[0]);
	wait_ready(&webs[1]);
	wait_ready(&webs[2]);
	for (size_t round = 1, rounds = count_rounds(); round <= rounds; round++) {
		webs[0] = move_on(&webs[0], round);
		expect_all_rows(webs, 3);
		wait_until("heird finds ledger, engines and kernels in agreement", all_verified());
		note("round %zu: web is on %s", round, webs[0].host);
	}
}
