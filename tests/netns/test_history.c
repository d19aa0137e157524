/* Histories of faults that nobody thought of, on real engines: at no time do two owners answer one observer, and when the faults
 * are over everything is as it should be, however it came to be so.
 *
 * $HEIR_SEED begins with a known history, $HEIR_HISTORIES says how many there are (each has the seed after the last one's), and
 * $HEIR_HISTORY_SECONDS how long faults go on in each. */
#include "agents.h"
#include "asker.h"
#include "chaos.h"
#include "judge.h"

#include "base/alloc.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { HOSTS = 4, WEBS = 3, QUIET = 300 /* s until all is done after the last fault */ };

static const struct heird_options with_agents = {.agents = true};
static uint64_t next_seed;

static unsigned long from_environment(const char *name, unsigned long otherwise) {
	const char *text = getenv(name);
	char *rest;

	if (!text || !*text)
		return otherwise;
	unsigned long n = strtoul(text, &rest, 10);
	if (*rest)
		failed("%s is not a number: %s", name, text);
	return n;
}

/* --- the stage --- */

static const struct {
	const char *host, *name, *ip, *opt;
} cast[WEBS + 1] = {
	{"h1", "web1", "10.20.200.51", OPT_IN},
	{"h3", "web2", "10.20.200.52", OPT_IN},
	{"h4", "web3", "10.20.200.53", OPT_IN},
	{"h1", "stays", "10.20.200.91", ""},
};

static struct web webs[WEBS + 1];
static char *started_at[WEBS + 1];

static char *state_of(const struct web *w) {
	return lab("docker %s inspect --format '{{.Id}} {{.Created}} {{.State.StartedAt}}' %s", w->host, w->id);
}

static bool agents_are_ok(void) {
	bool ok = true;
	char host[16];

	for (int i = 1; i <= HOSTS; i++) {
		(void)snprintf(host, sizeof host, "h%d", i);
		ok = ok && agent_is(host, "ok") && node_is(host, "alive");
	}
	return ok;
}

static void set_stage(void) {
	askers_run(HOSTS, "10.20.200.51 10.20.200.52 10.20.200.53 10.20.200.91");
	for (size_t i = 0; i < WEBS + 1; i++) {
		char *arguments CLEANUP_FREE = xasprintf("%s--restart always --network ov --ip %s", cast[i].opt, cast[i].ip);
		webs[i] = web_run(cast[i].host, cast[i].name, arguments);
		free(started_at[i]);
		started_at[i] = state_of(&webs[i]);
	}
	heird_start(&with_agents);
	for (size_t i = 0; i < WEBS + 1; i++)
		wait_ready(&webs[i]);
	wait_until("all agents are ok", agents_are_ok());
	for (size_t i = 0; i < WEBS + 1; i++)
		expect_heard_everywhere(&webs[i]);
	judge_forget();
	judge_learn();
}

/* --- when it is over --- */

static bool is_over(const json_t *takeover) {
	static const char *const ends[] = {"done", "rolled-back", "failed", "needs-operator"};
	const char *state = json_str_or(takeover, "state", "");

	for (size_t i = 0; i < sizeof ends / sizeof ends[0]; i++)
		if (strcmp(state, ends[i]) == 0)
			return true;
	return false;
}

static bool takeovers_are_over(void) {
	json_t *list CLEANUP_JSON = heir("takeover ls"), *j;
	size_t i;

	json_array_foreach (list, i, j)
		if (!is_over(j))
			return false;
	return list != NULL;
}

static bool no_host_drops(void) {
	for (int i = 1; i <= HOSTS; i++)
		if (lab_try("exec h%d nft list table inet heir >/dev/null", i) == 0)
			return false;
	return true;
}

/* "h2" where the one of that name runs, "" where none or several do. */
static void find_owner(const char *name, char host[static 8]) {
	char at[16];
	struct web w;
	int n = 0;

	for (int i = 1; i <= HOSTS; i++) {
		(void)snprintf(at, sizeof at, "h%d", i);
		if (web_find(at, name, &w)) {
			memcpy(host, w.host, sizeof w.host);
			n++;
		}
	}
	if (n != 1)
		host[0] = '\0';
}

/* Containers of any state whose name is not one of the cast's: what was staged, or put away. */
static bool only_the_cast(void) {
	for (int i = 1; i <= HOSTS; i++) {
		char *names CLEANUP_FREE = lab("docker h%d ps -a --format '{{.Names}}' | grep -vx "
					       "'asker-h.\\|heir-lab-probe-h.\\|web[123]\\|stays' || true",
					       i);
		if (*names)
			return false;
	}
	return true;
}

static bool one_of_each(void) {
	char host[8];

	for (size_t i = 0; i < WEBS + 1; i++) {
		char *all CLEANUP_FREE = NULL, *ids = NULL;
		size_t n = 0;
		for (int k = 1; k <= HOSTS; k++) {
			ids = lab("docker h%d ps -aq --filter name='^/%s$'", k, cast[i].name);
			n += *ids != '\0';
			free(ids);
		}
		find_owner(cast[i].name, host);
		if (n != 1 || !*host)
			return false;
	}
	return true;
}

static void wait_quiet(void) {
	wait_for(QUIET, "all engines and agents are back", agents_are_ok());
	wait_for(QUIET, "all takeovers are over", takeovers_are_over());
	wait_for(QUIET, "every container is there once and runs", one_of_each());
	wait_for(QUIET, "nothing that was staged or is stale is left", only_the_cast());
	wait_for(QUIET, "no quarantine is left", no_host_drops());
	wait_for(QUIET, "all takeovers are over", takeovers_are_over());
	note("all is quiet");
}

static void expect_reasons(void) {
	json_t *list CLEANUP_JSON = heir("takeover ls"), *j;
	size_t i;

	json_array_foreach (list, i, j) {
		const char *state = json_str_or(j, "state", ""), *reason = json_str_or(j, "reason", "");
		note("%s of %s from %s to %s, generation %d: %s%s%s, evidence %s", json_str_or(j, "id", "?"),
		     json_str_or(j, "container", "?"), json_str_or(j, "from", "?"), json_str_or(j, "to", "nowhere"),
		     (int)json_int_or(j, "generation", 0), state, *reason ? ": " : "", reason, json_str_or(j, "evidence", "none"));
		if (strcmp(json_str_or(j, "container", ""), "stays") == 0)
			failed("a container that did not opt in was taken over");
		if (strcmp(state, "done") != 0 && !*reason)
			failed("takeover %s is %s without a reason", json_str_or(j, "id", "?"), state);
	}
}

static void expect_as_before(const struct web *was, struct web *ret) {
	char host[8];

	find_owner(was->name, host);
	if (!*host || !web_find(host, was->name, ret))
		failed("%s does not run, or twice", was->name);
	assert_string_equal(ret->nets[0].ip, was->nets[0].ip);
	assert_string_equal(ret->nets[0].mac, was->nets[0].mac);
	expect_in_kernel(ret);
}

/* A fault may have ended and started it, but it is the same one. */
static void expect_untouched(const struct chaos *c, const struct web *stays, const char *state) {
	char *now CLEANUP_FREE = state_of(stays);
	size_t same = c->restarts[atoi(stays->host + 1)] ? (size_t)(strrchr(state, ' ') - state) : strlen(state);

	if (strncmp(now, state, same) != 0)
		failed("the bystander was touched: expected %.*s, got %s", (int)same, state, now);
}

static void judge(const struct chaos *c) {
	struct web now;

	expect_reasons();
	for (size_t i = 0; i < WEBS + 1; i++) {
		expect_as_before(&webs[i], &now);
		expect_heard_everywhere(&now);
	}
	expect_untouched(c, &webs[WEBS], started_at[WEBS]);
	char *tables CLEANUP_FREE = lab("manager nft list tables");
	assert_string_equal(tables, "");
	judge_learn();
	for (size_t i = 0; i < WEBS + 1; i++)
		judge_answers(&webs[i], c);
}

static void history(void) {
	static struct chaos c;

	chaos_draw(&c, next_seed++, HOSTS, (double)from_environment("HEIR_HISTORY_SECONDS", 120));
	chaos_print(&c);
	set_stage();
	chaos_live(&c, &with_agents, judge_learn);
	note("the faults are over");
	wait_for(QUIET, "all engines and agents are back", agents_are_ok());
	askers_revive();
	wait_quiet();
	judge(&c);
}

int main(int argc, char **argv) {
	unsigned long n = from_environment("HEIR_HISTORIES", 1);
	struct scenario *scenarios = xnew_n(struct scenario, n);

	next_seed = from_environment("HEIR_SEED", (unsigned long)clock_now() % 1000000);
	for (unsigned long i = 0; i < n; i++)
		scenarios[i] = (struct scenario){.name = xasprintf("history_%lu", (unsigned long)next_seed + i), .run = history};
	return scenarios_run(argc, argv, scenarios, n, "26.1", "--agents --hosts 4");
}
