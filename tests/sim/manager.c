/* The daemon's part, as src/daemon does it: heartbeats to verdicts, events and lists to the machine, its turn, one commit for it,
 * and only then its effects. A manager that crashes takes nothing along but what is on disk. */
#include "sim.h"

#include "base/alloc.h"
#include "base/cleanup.h"

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

/* ---- looking at containers ---- */

static void add_world_nets(const struct sim *s, struct world_container *w, const struct fake_container *c) {
	w->nets = xnew_n(struct world_net, FAKE_NETS + 1);
	for (int k = 0; k < FAKE_NETS; k++) {
		if (!*c->ip[k] || !c->connected[k])
			continue;
		w->nets[w->n_nets++] = (struct world_net){
			.name = xstrdup(fake_net_name(k)),
			.id = xstrdup(fake_net_id(k)),
			.ip = c->running ? xstrdup(c->ip[k]) : NULL,
			.mac = c->running ? xstrdup(c->mac[k]) : NULL,
			.kind = s->fake.kind,
		};
	}
	if (!fake_has_overlay(c))
		w->nets[w->n_nets++] = (struct world_net){.name = xstrdup("bridge"), .kind = NET_LOCAL};
}

static struct world_container *translate(const struct sim *s, const struct fake_container *c) {
	struct world_container *w = world_container_new(s->fake.nodes[c->node].name, c->id);

	w->name = xstrdup(c->name);
	w->image = xstrdup(fake_image_name(c->image));
	w->image_id = xstrdup(fake_image_id(c->image));
	w->restart_policy = xstrdup(c->policy);
	w->workload = *c->workload ? xstrdup(c->workload) : NULL;
	w->takeover = *c->takeover ? xstrdup(c->takeover) : NULL;
	w->generation = c->generation;
	w->policy.move = c->opted;
	w->policy.fence = c->fence;
	w->running = c->running;
	w->started = c->started;
	add_world_nets(s, w, c);
	if (c->port) {
		w->ports = xnew(struct world_port);
		w->ports[w->n_ports++] = (struct world_port){.host_ip = xstrdup(""), .proto = "tcp", .port = c->port};
	}
	return w;
}

static void say_seen(const struct sim *s, const struct world_container *w, const char *how) {
	sim_say(s, "  %s %s \"%s\" (%s)%s%s%s%s", how, w->key, w->name, w->restart_policy, w->running ? " runs" : "",
		w->n_nets ? " " : "", w->n_nets ? w->nets[0].name : "", w->n_nets && w->nets[0].ip ? w->nets[0].ip : "");
}

static void container_seen(struct sim *s, struct world_container *w) {
	say_seen(s, w, "seen");
	bool kept = w->policy.move || w->workload;
	char *key = xstrdup(w->key);

	resched_container(s->machine, s->now, w);
	if (kept)
		strs_add_new(&s->memory_dirty, key);
	free(key);
	manager_wake(s);
}

static void container_gone(struct sim *s, const struct fake_container *c) {
	const char *node = s->fake.nodes[c->node].name;

	sim_say(s, "  seen %s/%s is gone", node, c->id);
	resched_container_gone(s->machine, node, c->id);
	if (!resched_needs_memory(s->machine, node, c->id)) {
		char *key = xasprintf("%s/%s", node, c->id);
		strs_add_new(&s->memory_gone, key);
		free(key);
	}
	manager_wake(s);
}

static void listing_done(struct sim *s, int node) {
	struct observer *o = &s->observers[node];
	struct strs present = {0};

	o->listed = o->refreshing = false;
	for (int i = 0; i < s->fake.n_containers; i++)
		if (s->fake.containers[i]->exists && s->fake.containers[i]->node == node)
			strs_add(&present, s->fake.containers[i]->id);
	for (const struct world_container *c = resched_world(s->machine)->containers; c; c = c->hh.next)
		if (strcmp(c->node, s->fake.nodes[node].name) == 0)
			strs_add_new(&present, c->id);
	resched_listed(s->machine, s->now, s->fake.nodes[node].name, &present);
	strs_clear(&present);
	manager_wake(s);
	if (o->again) {
		o->again = false;
		manager_refresh(s, node);
	}
}

static struct look *look_find(struct observer *o, int container) {
	for (int i = 0; i < o->n_looks; i++)
		if (o->looks[i].container == container)
			return &o->looks[i];
	return NULL;
}

static void look(struct sim *s, int container);

/* The answer arrives: what it says is as old as it was under way. */
static void looked(struct sim *s, const struct event *e) {
	const struct fake_container *c = s->fake.containers[e->a];
	struct observer *o = &s->observers[c->node];
	struct look *l = look_find(o, e->a), was;

	assert(l);
	was = *l;
	*l = o->looks[--o->n_looks];
	if (was.seen)
		container_seen(s, was.seen);
	else if (was.gone)
		container_gone(s, c);
	if (was.again)
		look(s, e->a);
	if (o->listed && !o->n_looks)
		listing_done(s, c->node);
}

static void engine_looks(struct sim *s, const struct event *e) {
	const struct fake_container *c = s->fake.containers[e->a];
	struct look *l = look_find(&s->observers[c->node], e->a);
	bool answers = fake_answers(&s->fake, c->node);

	assert(l);
	l->taken = true;
	l->seen = answers && c->exists ? translate(s, c) : NULL;
	l->gone = answers && !c->exists;
	sim_at(s, sim_ms(s, 1, rng_permille(&s->rng, 30) ? 1000 : 30), s->manager, looked, e->a, 0, NULL);
}

static void look(struct sim *s, int container) {
	struct observer *o = &s->observers[s->fake.containers[container]->node];
	struct look *l = look_find(o, container);

	if (l) {
		l->again |= l->taken;
		return;
	}
	if (o->n_looks == (int)(sizeof(o->looks) / sizeof(o->looks[0])))
		return;
	o->looks[o->n_looks++] = (struct look){.container = container};
	sim_at(s, sim_ms(s, 2, rng_permille(&s->rng, 50) ? 3000 : 60), s->manager, engine_looks, container, 0, NULL);
}

void manager_notice(struct sim *s, int container) {
	if (s->machine && fake_answers(&s->fake, s->fake.containers[container]->node))
		look(s, container);
}

static void listed(struct sim *s, const struct event *e) {
	struct observer *o = &s->observers[e->a];
	const char *name = s->fake.nodes[e->a].name;

	if (!fake_answers(&s->fake, e->a)) {
		o->refreshing = o->listed = false;
		const struct world_node *n = world_node(resched_world(s->machine), name);
		if (n && n->verdict == NODE_ALIVE)
			manager_refresh(s, e->a);
		return;
	}
	struct node_facts f = {.version = xstrdup("20.10.24"), .engine_id = xasprintf("id-%s", name), .api = 41};
	char vtep[16];
	agents_vtep(e->a, vtep);
	f.vtep = xstrdup(vtep);
	f.kv = s->fake.kind == NET_KV;
	if (!f.kv && !s->fake.nodes[e->a].removed) {
		f.swarm_node = xasprintf("sn-%s", name);
		f.swarm_cluster = xstrdup("swarm");
	}
	strs_add(&f.local_networks, "bridge");
	f.images = xnew_n(struct world_image, FAKE_IMAGES);
	for (int k = 0; k < FAKE_IMAGES; k++)
		if (s->fake.nodes[e->a].image[k]) {
			f.images[f.n_images].id = xstrdup(fake_image_id(k));
			strs_add(&f.images[f.n_images++].names, fake_image_name(k));
		}
	resched_node_facts(s->machine, name, &f);
	for (int i = 0; i < s->fake.n_containers; i++)
		if (s->fake.containers[i]->node == e->a &&
		    (s->fake.containers[i]->exists || world_container(resched_world(s->machine), name, s->fake.containers[i]->id)))
			look(s, i);
	o->listed = true;
	if (!o->n_looks)
		listing_done(s, e->a);
}

void manager_refresh(struct sim *s, int node) {
	struct observer *o = &s->observers[node];

	if (o->refreshing) {
		o->again = true;
		return;
	}
	o->refreshing = true;
	sim_at(s, sim_ms(s, 5, rng_permille(&s->rng, 100) ? 3000 : 200), s->manager, listed, node, 0, NULL);
}

static void refresh_now_and_then(struct sim *s, const struct event *e) {
	const struct world_node *n = world_node(resched_world(s->machine), s->fake.nodes[e->a].name);

	if (n->verdict == NODE_ALIVE)
		manager_refresh(s, e->a);
	sim_at(s, span_sec(60), s->manager, refresh_now_and_then, e->a, 0, NULL);
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

static void write_takeover(void *ctx, const struct takeover *t) {
	struct sim *s = ctx;
	disk_put_takeover(&s->batch, disk_copy_takeover(t));
}

static void write_workload(void *ctx, const struct workload *w) {
	struct sim *s = ctx;
	disk_put_workload(&s->batch, disk_copy_workload(w));
}

static void write_memory(struct sim *s) {
	for (const struct world_container *c = resched_world(s->machine)->containers; c; c = c->hh.next)
		if (strs_has(&s->memory_dirty, c->key))
			disk_put_memory(&s->batch, disk_copy_container(resched_memory(s->machine, c->node, c->id)));
	strs_clear(&s->memory_dirty);
}

static void store_again(struct sim *s, const struct event *e) {
	(void)e;
	s->store_bad = false;
	resched_store(s->machine, true, NULL);
	resched_mark_dirty(s->machine);
	manager_wake(s);
}

static void commit_failed(struct sim *s) {
	check_log_written(s, false);
	s->commits_to_fail--;
	sim_say(s, "commit failed");
	for (size_t i = 0; i < s->batch.n_memory; i++)
		strs_add_new(&s->memory_dirty, s->batch.memory[i]->key);
	disk_clear(&s->batch);
	for (size_t i = 0; i < s->n_batch_effects; i++) {
		const struct effect_result no = {.outcome = EFFECT_NOT_DONE, .detail = "the store cannot be written"};
		resched_result(s->machine, s->now, s->batch_effects[i]->id, &no);
		effect_free(s->batch_effects[i]);
	}
	s->n_batch_effects = 0;
	s->store_bad = true;
	resched_store(s->machine, false, "disk full");
	manager_wake(s);
	sim_at(s, sim_ms(s, 200, 3000), s->manager, store_again, 0, 0, NULL);
}

static void committed(struct sim *s, const struct event *e) {
	(void)e;
	s->committing = false;
	manager_wake(s);
	if (s->commits_to_fail > 0) {
		commit_failed(s);
		return;
	}
	check_commit(s);
	check_log_written(s, true);
	disk_apply(&s->disk, &s->batch);
	for (size_t i = 0; i < s->batch_forgotten.n; i++)
		disk_forget_workload(&s->disk, s->batch_forgotten.v[i]);
	strs_clear(&s->batch_forgotten);
	for (size_t i = 0; i < s->memory_gone.n; i++)
		disk_forget_memory(&s->disk, s->memory_gone.v[i]);
	strs_clear(&s->memory_gone);
	size_t n = s->n_batch_effects;
	s->n_batch_effects = 0;
	for (size_t i = 0; i < n; i++)
		flight_send(s, s->batch_effects[i]);
}

/* As heird does: what no workload needs any more is deleted, unless the container is there. */
static void drop_memory(struct sim *s, const char *key) {
	const char *id = strchr(key, '/') + 1;
	char *node = xstrndup(key, (size_t)(id - 1 - key));

	if (!world_container(resched_world(s->machine), node, id) && !resched_needs_memory(s->machine, node, id))
		strs_add_new(&s->memory_gone, key);
	free(node);
}

static void take_output(struct sim *s) {
	struct resched_output out;

	resched_take_output(s->machine, &out);
	for (size_t i = 0; i < out.n_logs; i++)
		check_log(s, &out.logs[i]);
	for (size_t i = 0; i < out.forgotten.n; i++)
		strs_add_new(&s->batch_forgotten, out.forgotten.v[i]);
	for (size_t i = 0; i < out.unneeded.n; i++)
		drop_memory(s, out.unneeded.v[i]);
	for (size_t i = 0; i < out.settled.n; i++)
		strs_add_new(&s->memory_dirty, out.settled.v[i]);
	free(s->batch_effects);
	s->batch_effects = TAKE_PTR(out.effects);
	s->n_batch_effects = out.n_effects;
	out.n_effects = 0;
	for (size_t i = 0; i < s->n_batch_effects; i++)
		check_effect(s, s->batch_effects[i]);
	resched_output_clear(&out);
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
	if (!s->machine || !s->turn_wanted || s->committing || *s->failure)
		return;
	s->turn_wanted = false;
	resched_turn(s->machine, s->now, sim_wall(s));
	check_turn(s);
	take_output(s);
	write_memory(s);
	resched_each_dirty(s->machine, write_takeover, write_workload, s);
	note_deadline(s);
	if (!s->n_batch_effects && !s->batch.n_takeovers && !s->batch.n_workloads && !s->batch.n_memory && !s->batch_forgotten.n &&
	    !s->memory_gone.n)
		return;
	s->committing = true;
	sim_at(s, sim_ms(s, 1, rng_permille(&s->rng, 30) ? 400 : 5), s->manager, committed, 0, 0, NULL);
	if (!s->healed && rng_permille(&s->rng, 4)) {
		coverage_fault("crash at a commit");
		if (rng_permille(&s->rng, 500)) { /* it was written, and nothing of it was done */
			struct event e = {0};
			size_t n = s->n_batch_effects;
			s->n_batch_effects = 0;
			for (size_t i = 0; i < n; i++)
				effect_free(s->batch_effects[i]);
			committed(s, &e);
		}
		manager_crash(s);
	}
}

/* ---- the manager's life ---- */

static void restore(struct sim *s) {
	for (int i = 0; i < s->fake.n_nodes; i++) {
		resched_add_node(s->machine, s->fake.nodes[i].name, !(i == 0 && s->first_is_local));
		if (s->removed_on_disk[i])
			resched_node_removed(s->machine, s->fake.nodes[i].name, true);
	}
	for (size_t i = 0; i < s->disk.n_memory; i++) {
		char vtep[16];
		agents_vtep(fake_node_index(&s->fake, s->disk.memory[i]->node), vtep);
		resched_node_vtep(s->machine, s->disk.memory[i]->node, vtep);
	}
	for (size_t i = 0; i < s->disk.n_workloads; i++)
		resched_restore_workload(s->machine, disk_copy_workload(s->disk.workloads[i]));
	for (size_t i = 0; i < s->disk.n_takeovers; i++)
		resched_restore_takeover(s->machine, disk_copy_takeover(s->disk.takeovers[i]));
	for (size_t i = 0; i < s->disk.n_memory; i++)
		say_seen(s, s->disk.memory[i], "remembered");
	for (size_t i = 0; i < s->disk.n_memory; i++)
		resched_container(s->machine, s->now, disk_copy_container(s->disk.memory[i]));
}

void manager_start(struct sim *s) {
	s->manager++;
	s->machine = resched_new(&s->settings);
	s->deadline = MONO_NEVER;
	s->storm = (struct storm){0};
	restore(s);
	for (int i = 0; i < s->fake.n_nodes; i++)
		detector_init(&s->detectors[i], &s->detector_settings);
	brake_now_and_then(s, NULL);
	for (int i = 0; i < s->fake.n_nodes; i++) {
		sim_at(s, sim_ms(s, 0, 1000), s->manager, heartbeat, i, 0, NULL);
		sim_at(s, span_sec(60), s->manager, refresh_now_and_then, i, 0, NULL);
	}
	agents_start(s);
	manager_wake(s);
	sim_say(s, "manager %u starts", s->manager);
}

static void drop_batch(struct sim *s) {
	disk_clear(&s->batch);
	for (size_t i = 0; i < s->n_batch_effects; i++)
		effect_free(s->batch_effects[i]);
	s->n_batch_effects = 0;
	strs_clear(&s->batch_forgotten);
	strs_clear(&s->memory_dirty);
	strs_clear(&s->memory_gone);
	for (int i = 0; i < s->fake.n_nodes; i++)
		for (int k = 0; k < s->observers[i].n_looks; k++)
			world_container_free(s->observers[i].looks[k].seen);
	memset(s->observers, 0, sizeof(s->observers));
}

static void start_again(struct sim *s, const struct event *e) {
	(void)e;
	if (!s->machine)
		manager_start(s);
}

void manager_crash(struct sim *s) {
	sim_say(s, "manager %u crashes", s->manager);
	check_log_lost(s);
	drop_batch(s);
	resched_free(s->machine);
	s->machine = NULL;
	s->committing = s->store_bad = s->turn_wanted = false;
	sim_at(s, sim_ms(s, 50, rng_permille(&s->rng, 300) ? 20000 : 1000), 0, start_again, 0, 0, NULL);
}

void manager_drop(struct sim *s) {
	drop_batch(s);
	free(s->batch_effects);
	s->batch_effects = NULL;
	resched_free(s->machine);
	s->machine = NULL;
}

void manager_free(struct sim *s) {
	manager_drop(s);
	disk_clear(&s->disk);
}
