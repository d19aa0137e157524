/* What can go wrong, and when. A seed's faults are a list: the time and the kind of each, and all that is drawn for it, come from a
 * stream of its own, so that some can be left out and the others stay as they are. Here are those of the manager, its disk and its
 * clock, and of the swarm; the others are in faults-nodes.c and faults-people.c. */
#include "faults.h"

#include <string.h>

/* ---- the manager, its disk, its clock, the swarm ---- */

static void fault_crash(struct sim *s) {
	if (s->machine)
		manager_crash(s);
}

static void fault_pause(struct sim *s) { old_pause(s); }

static void fault_sleep(struct sim *s) {
	s->sleeps = mono_add(s->now, sim_ms(s, 2000, 40000));
	sim_say(s, "FAULT the manager's machine sleeps for %.1f s", span_to_sec(mono_since(s->now, s->sleeps)));
}

static void fault_clock(struct sim *s) {
	s->wall_jump_ms += 1000 * (int64_t)rng_range(&s->rng, -7200, 7200);
	sim_say(s, "FAULT the manager's clock is wrong by %lld s", (long long)s->wall_jump_ms / 1000);
}

static void fault_disk(struct sim *s) { s->commits_to_fail = rng_range(&s->rng, 1, 4); }

static void control_back(struct sim *s, const struct event *e) {
	(void)e;
	sim_say(s, "FAULT the control socket is back");
	s->control_up = true;
}

static void fault_control(struct sim *s) {
	s->control_up = false;
	s->control_missing = rng_permille(&s->rng, 700);
	sim_say(s, "FAULT the control socket is %s", s->control_missing ? "missing" : "silent");
	sim_at(s, sim_ms(s, 1000, 40000), 0, control_back, 0, 0, NULL);
}

static void fault_leader(struct sim *s) {
	s->control_hangs = mono_add(s->now, sim_ms(s, 3000, 25000));
	sim_say(s, "FAULT the swarm has no leader for %.1f s", span_to_sec(mono_since(s->now, s->control_hangs)));
}

/* ---- agents ---- */

static void fault_agent(struct sim *s) {
	static void (*const how[])(struct sim *, int) = {agents_fault_down, agents_fault_down, agents_fault_lag, agents_fault_lie};
	int node = sim_any_node(s), which = rng_below(&s->rng, 4);

	if (s->agents[node].there)
		how[which](s, node);
}

/* ---- when ---- */

struct fault {
	const char *name;
	void (*fn)(struct sim *s);
	int weight;
};

static const struct fault faults[] = {
	{"cut", fault_cut, 30},
	{"half a cut", fault_half_cut, 12},
	{"flap", fault_flap, 8},
	{"storm", fault_storm, 4},
	{"power off", fault_power, 14},
	{"rack", fault_rack, 4},
	{"engine", fault_engine, 10},
	{"slow", fault_slow, 6},
	{"targets", fault_targets, 6},
	{"crash", fault_crash, 14},
	{"manager paused", fault_pause, 6},
	{"sleep", fault_sleep, 4},
	{"clock", fault_clock, 4},
	{"disk", fault_disk, 5},
	{"control socket", fault_control, 7},
	{"leader", fault_leader, 4},
	{"user stops", fault_user_stop, 4},
	{"user starts", fault_user_start, 4},
	{"user removes", fault_user_remove, 3},
	{"user renames", fault_user_rename, 3},
	{"confirm dead", fault_confirm, 8},
	{"thief", fault_thief, 6},
	{"squatter", fault_squatter, 6},
	{"double", fault_double, 4},
	{"image", fault_image, 4},
	{"agent", fault_agent, 14},
};

/* Where there is service discovery; in a list of their own, so that they change none of the others. */
static const struct fault discovery_faults[] = {
	{"registry down", registry_fault_down, 20},  {"registry silent", registry_fault_silent, 14},
	{"registry slow", registry_fault_slow, 12},  {"registry refuses", registry_fault_refuses, 6},
	{"registry loses", registry_fault_loses, 6}, {"registry reverts", registry_fault_reverts, 6},
	{"entry spoilt", registry_fault_spoilt, 6},  {"entry foreign", registry_fault_foreign, 10},
	{"unhealthy", fault_unhealthy, 8},
};
#define N_OF(list) ((int)(sizeof(list) / sizeof((list)[0])))

static const struct fault *draw_kind(struct rng *r, const struct fault *list, int n) {
	int total = 0;

	for (int k = 0; k < n; k++)
		total += list[k].weight;
	for (int at = rng_below(r, total); at >= list->weight; list++)
		at -= list->weight;
	return list;
}

static void strike(struct sim *s, const struct event *e) {
	struct rng r = rng_stream(s->seed, STREAM_FAULT, (uint64_t)e->a, 1), mine = s->rng;

	if (s->healed)
		return;
	const struct fault *kind =
		e->b ? draw_kind(&r, discovery_faults, N_OF(discovery_faults)) : draw_kind(&r, faults, N_OF(faults));
	sim_say(s, "---- fault %d: %s", e->a, kind->name);
	coverage_fault(kind->name);
	s->rng = r;
	kind->fn(s);
	s->rng = mine;
}

static void schedule(struct sim *s, bool discovery) {
	int64_t ms = 0;

	for (bool first = true; s->n_faults < FAULTS_MAX && ms < FAULTS_SEC * INT64_C(1000); first = false) {
		struct rng r = rng_stream(s->seed, STREAM_FAULT, (uint64_t)s->n_faults, 0);
		ms += first ? rng_range(&r, 2000, 8000) : rng_range(&r, 100, rng_permille(&r, 500) ? 4000 : 15000);
		if (!s->variant->fault[s->n_faults])
			sim_at(s, span_ms(ms), 0, strike, s->n_faults, discovery, NULL);
		s->n_faults++;
	}
}

void faults_start(struct sim *s) {
	schedule(s, false);
	if (s->settings.discovery.any)
		schedule(s, true);
}

void faults_heal(struct sim *s) {
	old_free(s);
	agents_heal(s);
	registry_heal(s);
	s->commits_to_fail = 0;
	s->control_up = true;
	s->control_hangs = s->now; /* a machine that sleeps wakes in its own time */
	for (int i = 0; i < s->fake.n_nodes; i++)
		faults_heal_node(s, i);
	for (int i = 0; i < s->fake.n_containers; i++) {
		const struct event e = {.a = i};
		if (s->fake.containers[i]->foreign)
			faults_foreign_leaves(s, &e);
	}
}
