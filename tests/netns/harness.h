/*
 * What the scenarios share: real engines, a real heird, a client, and questions to the kernel.
 *
 * A program is a list of scenarios that use one laboratory (see `lab help`): three hosts h1, h2 (swarm manager), h3 and the
 * overlays ov (10.20.0.0/16) and ov2 (10.21.0.0/16), where the program wants it with an agent on each host. It is reset between
 * scenarios and removed at the end, however that comes. The laboratory's name is $HEIR_LAB, else the program's name and the
 * engine's version; $HEIR_ENGINE says which engine, $HEIR_OVERLAY=kv asks for the other kind of overlay where the program has no
 * opinion; with $HEIR_KEEP the laboratory is left up. The first argument is a pattern of scenarios to run.
 *
 * Nothing here sleeps and hopes: wait_until() polls until its condition holds, and fails the scenario with what was waited
 * for when it does not within a deadline far beyond what an engine needs. Only what must *not* happen is watched for a time.
 *
 * Any failure ends the scenario and is followed by heird's last words and its takeovers. Text that functions return is the
 * caller's to free, unless const.
 */
#ifndef TESTS_NETNS_HARNESS_H
#define TESTS_NETNS_HARNESS_H

#include "base/cleanup.h"
#include "base/json.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

/* --- programs --- */

struct scenario {
	const char *name; /* a sentence */
	void (*run)(void);
	/* Or, for those that are made from a table: */
	void (*run_with)(const void *argument);
	const void *argument;
	const char *not_on; /* "20.10": an engine on which it cannot be played, and is none; NULL: on all of them */
};

#define SCENARIO(function) \
	{ .name = #function, .run = function }
#define SCENARIO_NOT_ON(engine, function) \
	{ .name = #function, .run = function, .not_on = engine }

/* What main returns. lab_options are further ones for `lab up`. */
int scenarios_run(int argc, char **argv, const struct scenario *scenarios, size_t n, const char *default_engine,
		  const char *lab_options);

#define SCENARIOS_RUN(argc, argv, scenarios, default_engine, lab_options) \
	scenarios_run(argc, argv, scenarios, sizeof(scenarios) / sizeof((scenarios)[0]), default_engine, lab_options)

bool overlay_is_kv(void); /* else a swarm's */

/* The laboratory and the manager as at the beginning of a scenario, for one that needs them twice. */
void scenario_anew(void);

/* Ends the scenario. */
_Noreturn void failed(const char *format, ...) __attribute__((format(printf, 1, 2)));
/* A line in the test's output, for people. */
void note(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* --- waiting --- */

enum { PATIENCE = 150 }; /* s */

double clock_now(void); /* s since 1970: what engines put into their logs */

struct wait {
	const char *what;
	double until;
};

struct wait wait_begin(const char *what, double seconds);
void wait_pause(const struct wait *w); /* fails the scenario when it took too long */

#define wait_for(seconds, what, condition) \
	for (struct wait wait_ = wait_begin(what, seconds); !(condition);) \
	wait_pause(&wait_)
#define wait_until(what, condition) wait_for(PATIENCE, what, condition)

/* For things that must not happen: the condition holds, and goes on holding. */
#define keeps_holding(seconds, what, condition) \
	for (double end_ = clock_now() + (seconds); clock_now() < end_; (void)usleep(200000)) \
		if (!(condition)) \
	failed("did not stay so: %s", what)

/* --- the laboratory --- */

/* `tests/netns/lab` with these arguments (a shell's words). lab() fails the scenario when the command does and returns what
 * it printed, without the last newline; lab_do() forgets that; lab_try() returns the exit status. */
char *lab(const char *format, ...) __attribute__((format(printf, 1, 2)));
void lab_do(const char *format, ...) __attribute__((format(printf, 1, 2)));
int lab_try(const char *format, ...) __attribute__((format(printf, 1, 2)));

const char *host_ip(const char *host); /* "10.99.0.11"; valid until the next call but three */

/* Pulls the cable or the power, and remembers when: outages count from here. */
void cut(const char *host);
void power_off(const char *host);
void heal(const char *host);
double time_of_cut(void);

/* --- heird --- */

struct heird_options {
	const char *more;      /* lines added to the configuration; NULL */
	const char *discovery; /* that section, see disco_configuration (disco.h); NULL: none */
	const char *crash_at;  /* HEIR_CRASH_AT, of a test build; NULL */
	const char *stop_at;   /* HEIR_STOP_AT, of a test build; NULL */
	const char *state;     /* the path of the state file; NULL: the usual one */
	bool slow;             /* the defaults' heartbeat, else one that is twice as fast */
	bool no_control;       /* no control socket */
	bool agents;           /* the hosts' agents, which the laboratory was to start */
	bool ipv6;             /* ports that containers publish are reached at fd00:99::1N */
	const char *agentless; /* this host's is not named; NULL */
};

/* Starts it, on the state it left if it ran before in this scenario, and waits until it answers. NULL: no options. */
void heird_start(const struct heird_options *options);
void heird_kill(void); /* SIGKILL */
/* Waits until it has ended itself at its crash point. */
void heird_wait_crash(void);
/* Waits until it stands still at its point; lets it run on. */
void heird_wait_stop(void);
void heird_go_on(void);
/* Starts it and waits until it has ended by itself. Returns its exit status, and what it said. */
int heird_refuses(const struct heird_options *options, char **ret_said);

/* What `build/heir --format json` with these arguments prints; new reference. NULL when it fails. */
json_t *heir(const char *format, ...) __attribute__((format(printf, 1, 2)));
/* The same of a command that ends with 2: differences, or changes pending. */
json_t *heir_differs(const char *format, ...) __attribute__((format(printf, 1, 2)));

bool node_is(const char *node, const char *state);
/* heird has seen a running container of that name there, with all its addresses, and the node is alive. */
bool heir_knows(const char *node, const char *name);
/* The newest takeover of the container of that name, new reference; NULL when there is none. */
json_t *takeover_newest(const char *container);
bool takeover_is(const char *container, const char *state);
/* Its reason contains this. */
bool takeover_says(const char *container, const char *part);
size_t takeover_count(void);

/* --- containers --- */

enum { WEB_NETWORKS_MAX = 2 };

/* One container that answers HTTP requests with its own short ID, so that one can tell who answers, and where it is. */
struct web {
	char host[8], name[64], id[65], page[13];
	struct {
		char name[16], ip[46], mac[18];
	} nets[WEB_NETWORKS_MAX];
	size_t n_nets;
};

#define OPT_IN "-e reschedule:on-node-failure "

/* Runs it with these `docker run` arguments besides. */
struct web web_run(const char *host, const char *name, const char *arguments);
struct web web_run_image(const char *host, const char *name, const char *arguments, const char *image);
/* Starts what was created there. 26.1 refuses that now and then for a network that a host has just dropped. */
void start(const char *host, const char *name);
/* Waits until heird knows it and the client, where there is one, hears it. */
void wait_ready(const struct web *w);
/* The container of that name as it is there now; false when there is none or it does not run. */
bool web_find(const char *host, const char *name, struct web *ret);
bool web_exists(const char *host, const char *id);
/* How many containers of that name run on all hosts. */
unsigned count_running(const char *name);

/* Makes `spread` choose this host rather than the other: it has joined ov, and the other has more containers. */
void prefer_target(const char *host, const char *other);

/* Is there a row of that name with that outcome among its steps? */
bool step_is(const char *container, const char *step, const char *outcome);

/* A container named "client" that asks every address again and again, until the laboratory is reset. */
void client_run(const char *host, const char *networks, const char *addresses);

/* The last answer for that address came from w. */
bool client_hears(const char *ip, const struct web *w);
/* The last attempt got no answer. */
bool client_hears_nothing(const char *ip);
/* When w answered first or last; 0: never. */
double client_first(const char *ip, const struct web *w);
double client_last(const char *ip, const struct web *w);

/* --- the promise --- */

/* Waits until the takeover of `old` is done, and holds it against the kernel: the replacement's namespace has the addresses
 * and MACs, the forwarding rows of the client's host come to point to the new host, and the client is answered by the
 * replacement. Prints when each came true. */
struct web expect_moved(const struct web *old);
/* The same after the takeover was seen to be done. */
struct web expect_served(const struct web *old, const char *to);
/* Waits until the node is alive again and the stale copy is gone; exactly one of that name runs; nobody was answered by the
 * stale one since the replacement answered first. */
void expect_returned(const struct web *stale, const struct web *owner);
/* The address and MAC are in its namespace, and rows of `observer` point to its host. */
void expect_in_kernel(const struct web *w);
void expect_rows(const char *observer, const struct web *w);
/* They do now. A host that has not joined the network has none. */
bool rows_right(const char *observer, const struct web *w);

#endif
