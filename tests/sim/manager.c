/* A manager: heird's own parts (detector, brake, translation, memory, journal, restore, the machine), and in between what heird
 * does with timers and sockets. One that crashes takes nothing along but what is on disk. */
#include "sim.h"

#include "base/alloc.h"
#include "base/cleanup.h"
#include "daemon/restore.h"
#include "daemon/translate.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- heartbeats ---- */

static enum node_verdict to_node_verdict(enum health_verdict v) {
	static const enum node_verdict same[] = {
		[HEALTH_UNKNOWN] = NODE_UNKNOWN,         [HEALTH_ALIVE] = NODE_ALIVE, [HEALTH_SUSPECT] = NODE_SUSPECT,
		[HEALTH_ENGINE_ONLY] = NODE_ENGINE_ONLY, [HEALTH_DEAD] = NODE_DEAD,   [HEALTH_RECOVERING] = NODE_RECOVERING,
	};
	return same[v];
}

void manager_brake(struct sim *s) {
	struct storm_node nodes[FAKE_NODES_MAX];
	const struct storm_view view = {
		.nodes = nodes,
		.n = (size_t)s->fake.n_nodes,
		.max_lost = {s->max_lost, true},
		.beat = s->detector_settings,
	};
	const char *reason;

	for (int i = 0; i < s->fake.n_nodes; i++) {
		const struct world_node *n = world_node(resched_world(s->machine), s->fake.nodes[i].name);
		nodes[i] = (struct storm_node){.verdict = detector_verdict(&s->detectors[i]),
					       .remote = n->remote,
					       .agent = n->agent.state == NODE_AGENT_OK};
	}
	struct brake_verdict v = storm_update(&s->storm, &view, s->now);
	bool changed = resched_brake_holds(s->machine, &reason) != v.hold;
	if (changed)
		sim_say(s, "brake: %s: %s", v.hold ? "holds" : "let go", v.reason);
	resched_brake(s->machine, v.hold, v.reason);
	if (changed)
		manager_wake(s);
}

static void brake_now_and_then(struct sim *s, const struct event *e) {
	(void)e;
	manager_brake(s);
	sim_at(s, s->detector_settings.interval, s->manager, brake_now_and_then, 0, 0, NULL);
}

static void verdict_changed(struct sim *s, int node, enum node_verdict was) {
	const struct detector *d = &s->detectors[node];
	enum node_verdict v = to_node_verdict(detector_verdict(d));
	bool was_down = was == NODE_UNKNOWN || was == NODE_DEAD || was == NODE_ENGINE_ONLY;

	sim_say(s, "%s is %s", s->fake.nodes[node].name, node_verdict_name(v));
	manager_brake(s); /* first: what it forbids must not begin by this verdict */
	resched_verdict(s->machine, s->now, s->fake.nodes[node].name, v, "heartbeats",
			(struct flapping){detector_deaths(d, s->now), detector_hold_down(d, s->now)});
	if (was_down && (v == NODE_ALIVE || v == NODE_RECOVERING))
		manager_refresh(s, node);
	manager_wake(s);
}

static void sample(struct sim *s, int node) {
	struct detector *d = &s->detectors[node];
	bool lost = !s->healed && rng_permille(&s->rng, 5);
	enum node_verdict was = to_node_verdict(detector_verdict(d));
	struct health_sample beat = {.at = s->now};

	beat.engine = fake_answers(&s->fake, node) && !lost ? ENGINE_SIGN_ANSWERED : ENGINE_SIGN_MISSED;
	if (fake_host_answers(&s->fake, node))
		beat.host = HOST_SIGN_ANSWERS;
	else
		beat.host = rng_permille(&s->rng, 900) ? HOST_SIGN_SILENT : HOST_SIGN_UNKNOWN;
	if (fake_host_answers(&s->fake, node) && s->fake.nodes[node].killed)
		beat.engine = ENGINE_SIGN_BAD;
	if (detector_feed(d, &beat))
		verdict_changed(s, node, was);
}

static void heartbeat(struct sim *s, const struct event *e) {
	sample(s, e->a);
	sim_at(s, sim_ms(s, 950, 1050), s->manager, heartbeat, e->a, 0, NULL);
}

/* ---- the turn and its commit ---- */

void manager_wake(struct sim *s) { s->turn_wanted = true; }

static void on_deadline(struct sim *s, const struct event *e) {
	(void)e;
	if (mono_reached(s->deadline, s->now)) {
		s->deadline = MONO_NEVER;
		manager_wake(s);
	}
}

/* Killed between two effects of one commit: the rest are never sent. */
static void perform(void *ctx, struct effect *e) {
	struct sim *s = ctx;

	if (s->dying) {
		effect_free(e);
		return;
	}
	if (s->real)
		real_performed(s, e);
	if (e->kind == EFFECT_PUBLISH)
		publishers_order(s, e);
	else
		flight_send(s, e);
	if (s->healed || !rng_permille(&s->rng, 2))
		return;
	coverage_fault("crash between effects");
	s->dying = true;
}

static void not_done(void *ctx, const struct effect *e, const char *why) {
	struct sim *s = ctx;
	const struct effect_result no = {.outcome = EFFECT_NOT_DONE, .detail = why};

	sim_say(s, "  never sent: #%llu.%u %s", (unsigned long long)e->id, s->manager, effect_kind_name(e->kind));
	coverage_effect(e->kind, EFFECT_NOT_DONE);
	resched_result(s->machine, s->now, e->id, &no);
	manager_wake(s);
}

static void wake(void *ctx) { manager_wake(ctx); }

static void takeover_written(void *ctx, const struct takeover *t) {
	(void)ctx;
	(void)t;
}

static void lines_written(void *ctx) {
	const struct sim *s = ctx;

	if (s->disk)
		sim_say(s, "%zu lines of the log are on disk", disk_lines(s->disk));
}

static void retry(struct sim *s, const struct event *e) {
	(void)e;
	journal_retry(s->journal);
}

static void failing(void *ctx, bool first, const struct err *err) {
	struct sim *s = ctx;

	sim_say(s, "the store %s: %s", first ? "fails" : "still fails", err->msg);
	sim_at(s, span_sec(2), s->manager, retry, 0, 0, NULL);
}

static void works(void *ctx) { sim_say(ctx, "the store works again"); }

static void take_output(struct sim *s, struct resched_output *out) {
	resched_take_output(s->machine, out);
	for (size_t i = 0; i < out->n_logs; i++)
		check_log(s, &out->logs[i]);
	for (size_t i = 0; i < out->n_effects; i++)
		check_effect(s, out->effects[i]);
}

static void note_deadline(struct sim *s) {
	struct mono due = resched_deadline(s->machine);

	if (due.ns == MONO_NEVER.ns || s->deadline.ns == due.ns)
		return;
	s->deadline = due;
	struct span in = mono_since(s->now, due);
	sim_at(s, in.ns > 0 ? in : span_ms(1), s->manager, on_deadline, 0, 0, NULL);
}

void manager_turn(struct sim *s) {
	const struct wall wall = sim_wall(s);
	struct resched_output out;

	if (s->dying)
		manager_crash(s);
	if (!s->machine || !s->turn_wanted || *s->failure)
		return;
	s->turn_wanted = false;
	resched_turn(s->machine, s->now, wall);
	if (!s->real) /* which has too many takeovers to look at each of them after each turn */
		check_turn(s);
	take_output(s, &out);
	note_deadline(s);
	journal_turn(s->journal, &out, wall);
	if (s->real)
		real_wait(s);
}

/* ---- the manager's life ---- */

/* Below 1.44 a MAC of its own can be asked for in one network only. */
int manager_api(const struct sim *s) {
	for (int i = 0; i < s->fake.n_containers; i++) {
		const struct fake_container *c = s->fake.containers[i];
		unsigned ip = 0, mac = 0;
		if (sscanf(c->ip[1], "10.21.0.%u", &ip) == 1 && sscanf(c->mac[1], "02:42:0a:15:00:%x", &mac) == 1 && ip != mac)
			return 45;
	}
	return 41;
}

void manager_remove_node(struct sim *s, int node) {
	const char *name = s->fake.nodes[node].name;

	disk_put(s->disk, STORE_NODE, name, "{}");
	resched_node_removed(s->machine, name, true);
}

void manager_node_restored(struct sim *s, int node) {
	const char *name = s->fake.nodes[node].name;

	journal_delete(s->journal, STORE_NODE, name);
	resched_node_removed(s->machine, name, false);
}

static bool is_configured(void *ctx, const char *node, const char **ret_vtep) {
	const struct sim *s = ctx;
	(void)ret_vtep;
	return fake_node_index(&s->fake, node) >= 0;
}

static int node_record(void *ctx, const char *key, const char *text, struct err *err) {
	struct sim *s = ctx;
	(void)text;
	(void)err;
	resched_node_removed(s->machine, key, true);
	return 0;
}

static void resumed(void *ctx, const struct takeover *t) {
	sim_say(ctx, "  takeover %s of %s goes on at %s", t->id + 12, t->container, takeover_row_name(t->row));
}

static void unused(void *ctx, const char *node, const char *container) {
	sim_fail(ctx, INV_SIMULATOR, "%s on %s is remembered, and there is no such node", container, node);
}

static void restore(struct sim *s) {
	const struct restore r = {
		.store = s->store,
		.machine = s->machine,
		.memory = s->memory,
		.cluster = FAKE_CLUSTER,
		.now = s->now,
		.node = is_configured,
		.node_record = node_record,
		.resumed = resumed,
		.unused = unused,
		.ctx = s,
	};
	struct err err;

	for (int i = 0; i < s->fake.n_nodes; i++)
		resched_add_node(s->machine, s->fake.nodes[i].name, !(i == 0 && s->first_is_local));
	if (restore_machine(&r, &err) < 0)
		sim_fail(s, INV_SIMULATOR, "what was written cannot be read back: %s", err.msg);
	for (const struct world_container *c = resched_world(s->machine)->containers; c; c = c->hh.next)
		observe_say(s, c, "remembered");
}

static void make_manager(struct sim *s) {
	const struct journal_handler handler = {.perform = perform,
						.not_done = not_done,
						.wake = wake,
						.takeover_written = takeover_written,
						.lines_written = lines_written,
						.failing = failing,
						.works = works,
						.ctx = s};

	if (!s->disk && !s->real)
		s->disk = disk_new(s);
	s->store = s->real ? real_open(s) : disk_open(s->disk);
	s->machine = resched_new(&s->settings);
	s->memory = memory_new(s->machine);
	s->journal = journal_new(s->machine, s->memory, s->store, &handler);
	s->deadline = MONO_NEVER;
	s->storm = (struct storm){0};
}

void manager_start(struct sim *s) {
	s->manager++;
	make_manager(s);
	restore(s);
	for (int i = 0; i < s->fake.n_nodes; i++)
		detector_init(&s->detectors[i], &s->detector_settings);
	brake_now_and_then(s, NULL);
	for (int i = 0; i < s->fake.n_nodes; i++)
		sim_at(s, sim_ms(s, 0, 1000), s->manager, heartbeat, i, 0, NULL);
	observe_begin(s);
	agents_start(s);
	publishers_start(s);
	manager_wake(s);
	sim_say(s, "manager %u starts", s->manager);
}

void manager_drop(struct sim *s) {
	if (!s->machine)
		return;
	for (int i = 0; i < s->fake.n_nodes; i++)
		for (int k = 0; k < s->observers[i].n_looks; k++)
			json_decref(s->observers[i].looks[k].inspect);
	memset(s->observers, 0, sizeof(s->observers));
	publishers_drop(s);
	journal_free(s->journal);
	memory_free(s->memory);
	resched_free(s->machine);
	store_close(s->store);
	s->journal = NULL;
	s->memory = NULL;
	s->machine = NULL;
	s->store = NULL;
	s->turn_wanted = s->dying = false;
}

static void start_again(struct sim *s, const struct event *e) {
	(void)e;
	if (!s->machine)
		manager_start(s);
}

void manager_crash(struct sim *s) {
	sim_say(s, "manager %u crashes", s->manager);
	manager_drop(s);
	sim_at(s, sim_ms(s, 50, rng_permille(&s->rng, 300) ? 20000 : 1000), 0, start_again, 0, 0, NULL);
}

void manager_free(struct sim *s) {
	manager_drop(s);
	disk_free(s->disk);
}
