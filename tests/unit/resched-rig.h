/* The machine in a test's hands: three nodes, what it was told, what it has asked for and not been answered. Included by the tests
 * that tell it histories. */
#ifndef TESTS_RESCHED_RIG_H
#define TESTS_RESCHED_RIG_H

#include "resched/resched.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/alloc.h"
#include "base/cleanup.h"
#include "daemon/records.h"

#define IP "10.20.0.50"
#define MAC "02:42:0a:14:00:32"
#define WEB "aaaaaaaaaaaa"
#define NEW "bbbbbbbbbbbb"

/* The machine and what it has asked for and not been answered. */
struct rig {
	struct resched_settings settings;
	struct resched *r;
	struct mono now;
	struct effect *asked[32];
	size_t n_asked;
	struct effect *swept[64]; /* what nobody answers: rows of other containers, told after a return */
	size_t n_swept;
	unsigned ids;
	bool kv;
	void (*see)(struct rig *rig); /* what is remembered of `web` after a restart */
	char logged[4096];            /* "step outcome, step outcome, …" of the IP log */
};

static inline void make_id(void *ctx, char text[ID_TEXT_MAX]) {
	struct rig *rig = ctx;
	snprintf(text, ID_TEXT_MAX, "%016x", ++rig->ids);
}

/* ---- telling ---- */

static inline void one_turn(struct rig *rig) {
	struct resched_output out;

	resched_turn(rig->r, rig->now, (struct wall){1});
	resched_take_output(rig->r, &out);
	for (size_t i = 0; i < out.n_effects; i++) {
		bool sweep = out.effects[i]->kind == EFFECT_REPAIR && !out.effects[i]->workload;
		assert_true(rig->n_asked < sizeof(rig->asked) / sizeof(rig->asked[0]));
		assert_true(rig->n_swept < sizeof(rig->swept) / sizeof(rig->swept[0]));
		if (sweep)
			rig->swept[rig->n_swept++] = out.effects[i];
		else
			rig->asked[rig->n_asked++] = out.effects[i];
	}
	for (size_t i = 0; i < out.n_logs; i++) {
		size_t n = strlen(rig->logged);
		snprintf(rig->logged + n, sizeof(rig->logged) - n, "%s %s, ", out.logs[i].step, out.logs[i].outcome);
	}
	out.n_effects = 0;
	resched_output_clear(&out);
}

/* As often as the machine wants one at once. */
static inline void turn(struct rig *rig) {
	int n = 0;
	do {
		one_turn(rig);
		assert_true(n++ < 10);
	} while (mono_reached(resched_deadline(rig->r), rig->now));
}

static inline void pass_time(struct rig *rig, int64_t ms) {
	rig->now = mono_add(rig->now, span_ms(ms));
	turn(rig);
}

static inline void verdict(struct rig *rig, const char *node, enum node_verdict v) {
	resched_verdict(rig->r, rig->now, node, v, "heartbeats", (struct flapping){0});
}

static inline void list(struct rig *rig, const char *node) {
	struct strs ids = {0};

	for (const struct world_container *c = resched_world(rig->r)->containers; c; c = c->hh.next)
		if (strcmp(c->node, node) == 0)
			strs_add(&ids, c->id);
	resched_listed(rig->r, rig->now, node, &ids);
	strs_clear(&ids);
}

/* h1's is 10.99.0.11. */
static inline char *vtep_of(const char *node) { return xasprintf("10.99.0.1%s", node + 1); }

static inline void comes_up(struct rig *rig, const char *node) {
	struct node_facts f = {.version = xstrdup("20.10.24"),
			       .swarm_node = xstrdup(node),
			       .swarm_cluster = xstrdup("c1"),
			       .vtep = vtep_of(node),
			       .kv = rig->kv};

	strs_add(&f.local_networks, "bridge");
	f.images = xnew(struct world_image);
	f.n_images = 1;
	f.images[0].id = xstrdup("sha256:aaa");
	strs_add(&f.images[0].names, "web:1");
	verdict(rig, node, NODE_ALIVE);
	resched_node_facts(rig->r, node, &f);
	list(rig, node);
	turn(rig);
}

static inline struct world_container *container(const char *node, const char *id, const char *name) {
	struct world_container *c = world_container_new(node, id);

	c->name = xstrdup(name);
	c->image = xstrdup("web:1");
	c->image_id = xstrdup("sha256:aaa");
	c->restart_policy = xstrdup("always");
	c->running = c->started = true;
	c->policy.move = true;
	return c;
}

static inline void add_overlay(const struct rig *rig, struct world_container *c) {
	c->nets = xreallocarray(c->nets, c->n_nets + 1, sizeof(*c->nets));
	c->nets[c->n_nets++] = (struct world_net){.name = xstrdup("ov"),
						  .id = xstrdup("n1"),
						  .ip = c->running ? xstrdup(IP) : NULL,
						  .mac = c->running ? xstrdup(MAC) : NULL,
						  .kind = rig->kv ? NET_KV : NET_SWARM};
}

static inline void see(struct rig *rig, struct world_container *c) { resched_container(rig->r, rig->now, c); }

/* `web` on h1, with its overlay address. */
static inline void see_web(struct rig *rig) {
	struct world_container *c = container("h1", WEB, "web");
	add_overlay(rig, c);
	see(rig, c);
}

/* ---- asking ---- */

static inline const struct takeover *last(const struct rig *rig) {
	const struct takeover *found = NULL;
	for (const struct takeover *t = resched_takeovers(rig->r); t; t = t->hh.next)
		found = t;
	assert_non_null(found);
	return found;
}

static inline const struct workload *web(const struct rig *rig) {
	assert_non_null(resched_workloads(rig->r));
	return resched_workloads(rig->r);
}

static inline struct effect *take(struct rig *rig, enum effect_kind kind, const char *node, const char *container) {
	for (size_t i = 0; i < rig->n_asked; i++) {
		struct effect *e = rig->asked[i];
		if (e->kind != kind || (node && (!e->node || strcmp(e->node, node) != 0)) ||
		    (container && (!e->container || strcmp(e->container, container) != 0)))
			continue;
		rig->asked[i] = rig->asked[--rig->n_asked];
		return e;
	}
	return NULL;
}

static inline void fail_asked(const struct rig *rig, const char *expected) {
	char text[512] = "";

	for (size_t i = 0; i < rig->n_asked; i++) {
		size_t n = strlen(text);
		snprintf(text + n, sizeof(text) - n, " %s %s/%s", effect_kind_name(rig->asked[i]->kind), rig->asked[i]->node,
			 rig->asked[i]->container ? rig->asked[i]->container : "-");
	}
	const struct takeover *t = resched_takeovers(rig->r);
	fail_msg("asked for:%s; expected %s (%s)", *text ? text : " nothing", expected, t && t->reason ? t->reason : "no reason");
}

static inline void expect_nothing(struct rig *rig) {
	turn(rig);
	if (rig->n_asked)
		fail_asked(rig, "nothing");
}

static inline void answer(struct rig *rig, enum effect_kind kind, const char *node, const struct effect_result *result) {
	struct effect *e = take(rig, kind, node, NULL);

	if (!e)
		fail_asked(rig, effect_kind_name(kind));
	resched_result(rig->r, rig->now, e->id, result);
	effect_free(e);
	turn(rig);
}

static inline void ok(struct rig *rig, enum effect_kind kind, const char *node) {
	const struct effect_result r = {.outcome = EFFECT_OK, .container = NEW, .image_ref = "web:1", .holder = HOLDER_NONE};
	answer(rig, kind, node, &r);
}

static inline void refuse(struct rig *rig, enum effect_kind kind, const char *node, enum refusal why, const char *detail) {
	const struct effect_result r = {.outcome = EFFECT_REFUSED, .refusal = why, .detail = detail};
	answer(rig, kind, node, &r);
}

static inline void unknown(struct rig *rig, enum effect_kind kind, const char *node) {
	const struct effect_result r = {.outcome = EFFECT_UNKNOWN, .detail = "no answer"};
	answer(rig, kind, node, &r);
}

static inline void holders(struct rig *rig, enum holder holder) {
	const struct effect_result r = {.outcome = EFFECT_OK, .holder = holder, .detail = "by \"thief\""};
	answer(rig, EFFECT_HOLDERS, NULL, &r);
}

/* What the target says of the replacement. */
static inline void seen(struct rig *rig, const char *node, bool running, const char *ip) {
	char net[] = "ov", mac[] = MAC, address[32];
	struct world_net nets[] = {{.name = net, .ip = address, .mac = mac}};

	snprintf(address, sizeof(address), "%s", ip);
	const struct effect_result r = {.outcome = EFFECT_OK,
					.found = true,
					.running = running,
					.container = NEW,
					.name = "web",
					.takeover = last(rig)->id,
					.generation = last(rig)->generation,
					.nets = nets,
					.n_nets = 1};
	answer(rig, EFFECT_INSPECT, node, &r);
}

static inline void expect_state(const struct rig *rig, enum takeover_state state, const char *says) {
	const struct takeover *t = last(rig);

	if (t->state != state || (says && (!t->reason || !strstr(t->reason, says))))
		fail_msg("%s at %s: \"%s\"; expected %s \"%s\"", takeover_state_name(t->state), takeover_row_name(t->row),
			 t->reason ? t->reason : "", takeover_state_name(state), says ? says : "");
}

/* ---- the rig ---- */

static inline void clear_asked(struct rig *rig) {
	while (rig->n_swept)
		effect_free(rig->swept[--rig->n_swept]);
	while (rig->n_asked)
		effect_free(rig->asked[--rig->n_asked]);
}

/* A new machine, with the settings as they are now. */
static inline void renew(struct rig *rig) {
	static const char *const nodes[] = {"h1", "h2", "h3"};

	resched_free(rig->r);
	rig->r = resched_new(&rig->settings);
	for (size_t i = 0; i < 3; i++) {
		char *vtep CLEANUP_FREE = vtep_of(nodes[i]);
		resched_add_node(rig->r, nodes[i], true);
		resched_node_vtep(rig->r, nodes[i], vtep);
	}
}

static inline int set_up(void **state) {
	struct rig *rig = xnew(struct rig);

	rig->see = see_web;
	rig->now.ns = span_sec(100).ns;
	rig->settings = (struct resched_settings){.cluster = "prod",
						  .parallel = 32,
						  .per_target = 16,
						  .attempts = 3,
						  .backoff_initial = span_sec(1),
						  .backoff_cap = span_sec(8),
						  .make_id = make_id,
						  .ctx = rig};
	renew(rig);
	*state = rig;
	return 0;
}

static inline int tear_down(void **state) {
	struct rig *rig = *state;
	clear_asked(rig);
	resched_free(rig->r);
	free(rig);
	return 0;
}

/* All three answer and `web` runs on h1. */
static inline struct rig *begin(void **state) {
	struct rig *rig = *state;
	see_web(rig);
	comes_up(rig, "h1");
	comes_up(rig, "h2");
	comes_up(rig, "h3");
	expect_nothing(rig);
	return rig;
}

static inline void die(struct rig *rig, const char *node) {
	verdict(rig, node, NODE_SUSPECT);
	verdict(rig, node, NODE_DEAD);
	turn(rig);
}

static inline void until_released(struct rig *rig) {
	ok(rig, EFFECT_CREATE, last(rig)->to);
	ok(rig, EFFECT_READY, NULL);
}

static inline void until_started(struct rig *rig) {
	ok(rig, EFFECT_RELEASE, NULL);
	holders(rig, HOLDER_NONE);
	ok(rig, EFFECT_RENAME, last(rig)->to);
}

static inline void until_done(struct rig *rig) {
	ok(rig, EFFECT_START, last(rig)->to);
	ok(rig, EFFECT_POLICY, last(rig)->to);
	seen(rig, last(rig)->to, true, IP);
	expect_state(rig, TAKEOVER_DONE, NULL);
}

/* The replacement as its engine shows it, once it runs on `node`. */
static inline void see_replacement(struct rig *rig, const char *node, const char *sandbox) {
	struct world_container *c = container(node, web(rig)->container, "web");

	c->workload = xstrdup(web(rig)->id);
	c->takeover = xstrdup(last(rig)->id);
	c->generation = web(rig)->generation;
	c->sandbox = xstrdup_null(sandbox);
	add_overlay(rig, c);
	see(rig, c);
	turn(rig);
}

/* A new machine from what the old one had written. */
static struct workload *stored_workloads[8];
static struct takeover *stored_takeovers[8];
static size_t n_stored_workloads, n_stored_takeovers;

static inline void store_takeover(void *ctx, const struct takeover *t) {
	json_t *j CLEANUP_JSON = record_from_takeover(t);
	struct err err;
	(void)ctx;
	assert_int_equal(record_to_takeover(j, &stored_takeovers[n_stored_takeovers++], &err), 0);
}

static inline void store_workload(void *ctx, const struct workload *w) {
	json_t *j CLEANUP_JSON = record_from_workload(w);
	struct err err;
	(void)ctx;
	assert_int_equal(record_to_workload(j, &stored_workloads[n_stored_workloads++], &err), 0);
}

static inline void restart(struct rig *rig) {
	n_stored_workloads = n_stored_takeovers = 0;
	resched_mark_dirty(rig->r);
	resched_each_dirty(rig->r, store_takeover, store_workload, NULL);
	clear_asked(rig);
	renew(rig);
	for (size_t i = 0; i < n_stored_workloads; i++)
		resched_restore_workload(rig->r, stored_workloads[i]);
	for (size_t i = 0; i < n_stored_takeovers; i++)
		resched_restore_takeover(rig->r, stored_takeovers[i]);
	rig->see(rig);
	turn(rig);
}

#define T(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

#endif
