/* See crashes.h. */
#include "crashes.h"

#include "agents.h"
#include "endstate.h"

#include "base/alloc.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define WEB "10.20.200.50"
#define STAYS "10.20.200.91"
#define OTHER_IMAGE "heir-lab/other:7"

/* How an uninterrupted run of a course ended, kept for all its points. */
static struct recorded { json_t *moved, *returned; } recorded[COURSE_MAX];

struct scene {
	enum course course;
	struct web web;
	double began;
};

static const char *const more[COURSE_MAX] = {
	[COURSE_KEEP] = "return: {stale: keep}\n",
	[COURSE_OLDEST] = "return: {keep: oldest}\n",
	[COURSE_REMOVAL] = "swarm: {remove_node: true}\n",
};

/* ---- the scene ---- */

/* On h1 and h3, not on the target. */
static void make_image(void) {
	char *made CLEANUP_FREE = lab("docker h1 create heir-lab/busybox:1 true");

	lab_do("docker h1 commit %s " OTHER_IMAGE, made);
	lab_do("docker h1 rm %s", made);
	lab_do("docker h1 save " OTHER_IMAGE " | tests/netns/lab docker h3 load -q");
}

/* The port is taken on h3, so that only h2 will do, which has joined the network. Where it is to come back it publishes none, and
 * h3 has more containers: on a key/value overlay an engine may keep the port of a copy that others took off the network. */
static void set_up(struct scene *s) {
	bool other = s->course == COURSE_IMAGE, back = s->course == COURSE_OLDEST;

	if (other)
		make_image();
	for (int i = 0; i < 3 && back; i++)
		lab_do("docker h3 run -d --name filler%d --network none --stop-signal KILL heir-lab/busybox:1 sleep 100000", i);
	client_run("h3", "--network ov --ip 10.20.200.30 -p 8080:80", WEB " " STAYS);
	lab_do("docker h2 run -d --name warm --stop-signal KILL --network ov --ip 10.20.200.20 heir-lab/busybox:1 sleep 100000");
	(void)web_run("h1", "stays", "--network ov --ip " STAYS);
	char *arguments CLEANUP_FREE = xasprintf(OPT_IN "--restart unless-stopped --label tier=front --network-alias www "
							"--network ov --ip " WEB " %s",
						 back ? "" : "-p 8080:80");
	s->web = web_run_image("h1", "web", arguments, other ? OTHER_IMAGE : "heir-lab/busybox:1");
}

/* An agent on the manager's host would pass the control socket on, and no node would have to be removed. */
static bool has_agents(const struct scene *s) { return s->course != COURSE_REMOVAL; }

static void run_heird(const struct scene *s, const char *crash_at) {
	heird_start(&(struct heird_options){
		.agents = has_agents(s), .more = more[s->course], .no_control = s->course == COURSE_REMOVAL, .crash_at = crash_at});
}

/* ---- when it is over ---- */

static bool all_alive(void) { return node_is("h1", "alive") && node_is("h2", "alive") && node_is("h3", "alive"); }

/* The stale copy's, which is the first one but where it was moved back. */
static bool is_put_away(const struct scene *s) {
	if (s->course == COURSE_KEEP)
		return lab_try("docker h1 inspect --format '{{.State.Running}}' web-stale-g1 | grep -qx false") == 0;
	if (s->course == COURSE_OLDEST && (takeover_count() != 2 || !takeover_is("web", "done")))
		return false;
	return !web_exists("h1", s->web.id) && (s->course != COURSE_OLDEST || lab_try("docker h2 inspect web") != 0);
}

/* What is recorded must be what stays: the same three times, a while apart. */
static json_t *settled(const struct scene *s) {
	struct wait w = wait_begin("nothing changes any more", PATIENCE);
	json_t *last = endstate_read(&s->web, s->began);

	for (int same = 0; same < 2;) {
		(void)usleep(1000000);
		json_t *now = endstate_read(&s->web, s->began);
		same = json_equal(last, now) ? same + 1 : 0;
		json_decref(last);
		last = now;
		wait_pause(&w);
	}
	return last;
}

/* Waits until it is as recorded; says what is not when that does not come. */
static void expect_as_recorded(const struct scene *s, const char *what, const json_t *wanted) {
	double from = clock_now(), until = from + PATIENCE;
	char *difference = NULL;

	do {
		free(difference);
		json_t *now CLEANUP_JSON = endstate_read(&s->web, s->began);
		difference = endstate_difference(wanted, now);
	} while (difference && clock_now() < until);
	if (!difference) {
		note("%s: as without the crash, %.1f s later", what, clock_now() - from);
		return;
	}
	char *text CLEANUP_FREE = difference;
	printf("--- %s, it is not as without the crash:\n%s", what, text);
	failed("%s, it is not as without the crash", what);
}

/* ---- the run ---- */

static void crash_and_restart(const struct scene *s) {
	heird_wait_crash();
	run_heird(s, NULL);
}

static void move(const struct scene *s, const char *crash_at) {
	cut("h1");
	if (crash_at)
		crash_and_restart(s);
	double from = clock_now();
	wait_until("the takeover is done", takeover_is("web", "done"));
	note("done, %.2f s after %s", clock_now() - from, crash_at ? "heird was there again" : "the cut");
}

static void come_back(const struct scene *s, const char *crash_at) {
	/* There is a takeover of each kind here: the one that is meant is the second. */
	if (s->course == COURSE_OLDEST) {
		heird_kill();
		run_heird(s, crash_at);
	}
	heal("h1");
	if (crash_at)
		crash_and_restart(s);
}

static void begin(struct scene *s, const char *crash_at) {
	s->began = clock_now();
	set_up(s);
	run_heird(s, crash_at);
	wait_ready(&s->web);
	if (has_agents(s))
		agents_ready();
}

static void record(enum course course) {
	struct scene s = {.course = course};

	begin(&s, NULL);
	move(&s, NULL);
	recorded[course].moved = settled(&s);
	come_back(&s, NULL);
	wait_until("the stale copy is put away", is_put_away(&s));
	wait_until("all nodes are alive", all_alive());
	expect_no_quarantine();
	recorded[course].returned = settled(&s);
	note("recorded how it ends uninterrupted");
}

static void run_one(const void *argument) {
	const struct crash *c = argument;
	struct scene s = {.course = c->course};
	bool early = !c->later, anew = c->course == COURSE_OLDEST;

	if (!recorded[c->course].returned) {
		record(c->course);
		scenario_anew();
	}
	begin(&s, early || !anew ? c->at : NULL);
	move(&s, early ? c->at : NULL);
	if (early)
		expect_as_recorded(&s, "moved", recorded[c->course].moved);
	come_back(&s, early ? NULL : c->at);
	expect_as_recorded(&s, "returned", recorded[c->course].returned);
}

size_t crash_add(struct crash *crashes, size_t n, const char *point, enum course course, bool later) {
	static const char *const when[] = {"before", "after"};

	for (size_t i = 0; i < 2; i++, n++) {
		struct crash *c = &crashes[n];
		*c = (struct crash){.course = course, .later = later};
		(void)snprintf(c->at, sizeof c->at, "%s:%s", point, when[i]);
		(void)snprintf(c->name, sizeof c->name, "killed_%s_%s", when[i], point);
	}
	return n;
}

int crashes_run(int argc, char **argv, const struct crash *crashes, size_t n) {
	struct scenario *scenarios = xnew_n(struct scenario, n);

	for (size_t i = 0; i < n; i++)
		scenarios[i] = (struct scenario){.name = crashes[i].name, .run_with = run_one, .argument = &crashes[i]};
	int r = scenarios_run(argc, argv, scenarios, n, "26.1", "--agents");
	free(scenarios);
	return r;
}
