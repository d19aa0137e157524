/* Agents that cannot be relied on, or are too many: whatever one says or leaves out, nothing waits for it for ever, and what the
 * others are told stays bounded. */
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

#define ROUNDS 200
#define AT_ONCE 16 /* orders about addresses that one agent is given */

/* The machine, its agents as the test wants them, and what it has asked. */
struct rig {
	struct resched_settings settings;
	struct resched *r;
	struct mono now;
	unsigned ids;
	bool deaf;                    /* agents say yes to a quarantine and drop nothing */
	size_t repairs, most_repairs; /* answered; of one turn, to one node */
	struct strs dropped;          /* what h2's agent was ordered last */
	bool ordered;
	struct strs forgotten; /* MACs that h2's agent was to forget */
};

static const char *const vteps[] = {"10.99.0.11", "10.99.0.12", "10.99.0.13"};
static const char *const names[] = {"h1", "h2", "h3"};

static void make_id(void *ctx, char text[ID_TEXT_MAX]) {
	struct rig *rig = ctx;
	snprintf(text, ID_TEXT_MAX, "%016x", ++rig->ids);
}

/* ---- telling ---- */

static void tell_facts(struct rig *rig, const char *node, const char *vtep) {
	struct node_facts f = {.version = xstrdup("28.5.2"), .api = 51, .swarm_node = xstrdup(node), .vtep = xstrdup_null(vtep)};

	f.n_images = 1;
	f.images = xnew(struct world_image);
	f.images->id = xstrdup("sha256:1");
	resched_node_facts(rig->r, node, &f);
}

static void tell_container(struct rig *rig, const char *node, const char *id, unsigned generation) {
	struct world_container *c = world_container_new(node, id);

	c->name = xasprintf("web-%s", id);
	c->image = xstrdup("busybox");
	c->image_id = xstrdup("sha256:1");
	c->restart_policy = xstrdup("");
	c->sandbox = xstrdup("0123456789ab");
	c->policy.move = c->running = c->started = true;
	if (generation > 1) {
		c->workload = xasprintf("prod/first-%s", id);
		c->takeover = xstrdup("0000000000000001");
		c->generation = generation;
	}
	c->nets = xnew(struct world_net);
	c->n_nets = 1;
	*c->nets = (struct world_net){
		.name = xstrdup("ov"),
		.id = xstrdup("ovid"),
		.ip = xasprintf("10.20.0.%s", id),
		.mac = xasprintf("02:42:0a:14:00:%s", id),
		.kind = NET_SWARM,
	};
	resched_container(rig->r, rig->now, c);
}

static void list(struct rig *rig, const char *node) {
	struct strs ids = {0};

	for (const struct world_container *c = resched_world(rig->r)->containers; c; c = c->hh.next)
		if (strcmp(c->node, node) == 0)
			strs_add(&ids, c->id);
	resched_listed(rig->r, rig->now, node, &ids);
	strs_clear(&ids);
}

static void verdict(struct rig *rig, const char *node, enum node_verdict v) {
	resched_verdict(rig->r, rig->now, node, v, "heartbeats", (struct flapping){0});
}

static void agent_says(struct rig *rig, const char *node, enum node_agent_state state, const struct strs *drops) {
	resched_agent(rig->r, node, &(struct agent_report){.state = state, .instance = "i", .quarantine = drops});
}

/* ---- answering ---- */

static void answer_holders(struct effect_result *result) { result->holder = HOLDER_NONE; }

static void answer(struct rig *rig, const struct effect *e) {
	const struct strs nothing = {0};
	struct effect_result result = {.outcome = EFFECT_OK, .container = "99", .image_ref = "busybox", .right = true};

	if (e->kind == EFFECT_HOLDERS)
		answer_holders(&result);
	if (e->kind == EFFECT_QUARANTINE)
		result.vteps = rig->deaf ? &nothing : &e->vteps;
	if (e->kind == EFFECT_QUARANTINE && strcmp(e->node, "h2") == 0) {
		strs_copy(&rig->dropped, &e->vteps);
		rig->ordered = true;
	}
	for (size_t i = 0; e->kind == EFFECT_FORGET && strcmp(e->node, "h2") == 0 && i < e->n_nets; i++)
		strs_add(&rig->forgotten, e->nets[i].mac);
	rig->repairs += e->kind == EFFECT_REPAIR && e->watch;
	resched_result(rig->r, rig->now, e->id, &result);
}

static void count_repairs(struct rig *rig, const struct resched_output *out) {
	for (size_t k = 0; k < 3; k++) {
		size_t n = 0;
		for (size_t i = 0; i < out->n_effects; i++)
			n += out->effects[i]->watch && strcmp(out->effects[i]->node, names[k]) == 0;
		rig->most_repairs = n > rig->most_repairs ? n : rig->most_repairs;
	}
}

static size_t turn(struct rig *rig) {
	struct resched_output out;

	resched_turn(rig->r, rig->now, (struct wall){1});
	resched_take_output(rig->r, &out);
	size_t n = out.n_effects;
	count_repairs(rig, &out);
	for (size_t i = 0; i < n; i++)
		answer(rig, out.effects[i]);
	resched_output_clear(&out);
	return n;
}

/* Time passes, and all that is asked is answered, until nothing is asked any more for a while. */
static void go_on(struct rig *rig) {
	int quiet = 0;

	for (int i = 0; i < ROUNDS && quiet < 20; i++) {
		quiet = turn(rig) ? 0 : quiet + 1;
		rig->now = mono_add(rig->now, span_ms(500));
	}
}

static const struct takeover *newest(const struct rig *rig) {
	const struct takeover *last = NULL;

	for (const struct takeover *t = resched_takeovers(rig->r); t; t = t->hh.next)
		last = t;
	assert_non_null(last);
	return last;
}

/* ---- the rig ---- */

static void begin_with(struct rig *rig, enum evidence fence) {
	rig->settings.fence = fence;
	rig->r = resched_new(&rig->settings);
	for (size_t i = 0; i < 3; i++)
		resched_add_node(rig->r, names[i], true);
}

static void come_up(struct rig *rig, size_t i, const char *vtep) {
	const struct strs nothing = {0};

	tell_facts(rig, names[i], vtep);
	verdict(rig, names[i], NODE_ALIVE);
	list(rig, names[i]);
	agent_says(rig, names[i], NODE_AGENT_OK, &nothing);
}

/* `web` on h1, a container of the same network on the two others. */
static struct rig *begin(void **state, enum evidence fence, const char *vtep_of_h1) {
	struct rig *rig = *state;

	begin_with(rig, fence);
	tell_container(rig, "h1", "50", 1);
	tell_container(rig, "h2", "52", 1);
	tell_container(rig, "h3", "53", 1);
	come_up(rig, 0, vtep_of_h1);
	come_up(rig, 1, vteps[1]);
	come_up(rig, 2, vteps[2]);
	go_on(rig);
	return rig;
}

static void die(struct rig *rig, const char *node) {
	verdict(rig, node, NODE_SUSPECT);
	verdict(rig, node, NODE_DEAD);
	agent_says(rig, node, NODE_AGENT_UNREACHABLE, NULL);
}

static int set_up(void **state) {
	struct rig *rig = xnew(struct rig);

	rig->now.ns = span_sec(100).ns;
	rig->settings = (struct resched_settings){.cluster = "prod",
						  .parallel = 32,
						  .per_target = 16,
						  .attempts = 3,
						  .backoff_initial = span_sec(1),
						  .backoff_cap = span_sec(8),
						  .make_id = make_id,
						  .ctx = rig};
	*state = rig;
	return 0;
}

static int tear_down(void **state) {
	struct rig *rig = *state;

	resched_free(rig->r);
	strs_clear(&rig->dropped);
	strs_clear(&rig->forgotten);
	free(rig);
	return 0;
}

/* ---- tests ---- */

static void a_node_that_is_quarantined_may_come_back_without_an_overlay(void **state) {
	struct rig *rig = begin(state, EVIDENCE_NONE, vteps[0]);

	die(rig, "h1");
	go_on(rig);
	assert_true(strs_has(&rig->dropped, vteps[0]));
	tell_facts(rig, "h1", NULL);
	verdict(rig, "h1", NODE_ALIVE);
	go_on(rig);
	assert_int_equal(rig->dropped.n, 0);
}

static void an_agent_that_says_yes_and_drops_nothing_is_not_waited_for(void **state) {
	struct rig *rig = begin(state, EVIDENCE_NONE, vteps[0]);

	rig->deaf = true;
	die(rig, "h1");
	go_on(rig);
	assert_int_equal(newest(rig)->evidence, EVIDENCE_PRESUMED);
}

static void agents_that_drop_what_they_are_told_are_evidence(void **state) {
	struct rig *rig = begin(state, EVIDENCE_NONE, vteps[0]);

	die(rig, "h1");
	go_on(rig);
	assert_int_equal(newest(rig)->evidence, EVIDENCE_QUARANTINED);
}

static void what_no_agent_can_drop_is_an_operators_to_confirm(void **state) {
	struct rig *rig = begin(state, EVIDENCE_QUARANTINED, NULL);

	die(rig, "h1");
	go_on(rig);
	assert_int_equal(newest(rig)->state, TAKEOVER_NEEDS_OPERATOR);
	assert_non_null(strstr(newest(rig)->reason, "confirm-dead h1"));
}

static void nobody_goes_on_dropping_a_node_that_is_not_configured_any_more(void **state) {
	struct rig *rig = *state;
	struct strs old = {0};

	strs_add(&old, "10.99.0.19");
	begin_with(rig, EVIDENCE_NONE);
	come_up(rig, 0, vteps[0]);
	come_up(rig, 1, vteps[1]);
	agent_says(rig, "h2", NODE_AGENT_OK, &old);
	go_on(rig);
	assert_true(strs_has(&rig->dropped, "10.99.0.19")); /* it may be h3's, which has not told */
	come_up(rig, 2, NULL);
	go_on(rig);
	assert_true(rig->ordered);
	assert_int_equal(rig->dropped.n, 0);
	strs_clear(&old);
}

static void an_agent_is_told_of_a_few_addresses_at_once_and_of_all_in_the_end(void **state) {
	struct rig *rig = *state;
	char id[8];

	begin_with(rig, EVIDENCE_NONE);
	for (unsigned i = 0; i < 40; i++) {
		snprintf(id, sizeof(id), "%u", 10 + i);
		tell_container(rig, "h1", id, 2);
	}
	tell_container(rig, "h2", "90", 1);
	for (size_t i = 0; i < 3; i++)
		come_up(rig, i, vteps[i]);
	go_on(rig);
	assert_int_equal(rig->most_repairs, AT_ONCE);
	assert_int_equal(rig->repairs, 2 * 40);
}

/* Nothing has changed but what the test says: that alone must be enough. */
static void an_agent_is_told_when_its_node_joins_or_the_owner_gets_another_namespace(void **state) {
	struct rig *rig = *state;

	begin_with(rig, EVIDENCE_NONE);
	tell_container(rig, "h1", "50", 2);
	for (size_t i = 0; i < 3; i++)
		come_up(rig, i, vteps[i]);
	go_on(rig);
	assert_int_equal(rig->repairs, 1); /* the owner's host alone has the network */
	tell_container(rig, "h2", "52", 1);
	go_on(rig);
	assert_int_equal(rig->repairs, 2);
	agent_says(rig, "h2", NODE_AGENT_UNREACHABLE, NULL);
	tell_facts(rig, "h1", "10.99.0.21");
	go_on(rig);
	assert_int_equal(rig->repairs, 2);
}

static void a_target_whose_underlay_address_is_not_known_holds_nothing_up(void **state) {
	struct rig *rig = begin(state, EVIDENCE_PRESUMED, vteps[0]);

	tell_facts(rig, "h2", NULL);
	tell_facts(rig, "h3", NULL);
	die(rig, "h1");
	go_on(rig);
	assert_true(newest(rig)->row > ROW_REPAIR);
	assert_non_null(strstr(newest(rig)->warnings.v[0], "underlay address of the new host is not known"));
}

static void a_sighting_that_arrives_after_its_witness_fell_silent_is_none(void **state) {
	struct rig *rig = begin(state, EVIDENCE_PRESUMED, vteps[0]);

	verdict(rig, "h1", NODE_SUSPECT);
	agent_says(rig, "h2", NODE_AGENT_UNREACHABLE, NULL);
	resched_witness(rig->r, "h1", "h2", true, "ping");
	die(rig, "h1");
	go_on(rig);
	assert_true(newest(rig)->released);
}

/* h2's agent was told of two addresses by a manager that ran before. */
static void say_former(struct rig *rig) {
	const struct strs nothing = {0};
	const struct agent_endpoint former[] = {{"ovid", "02:42:0a:14:00:50"}, {"ovid", "02:42:0a:14:00:60"}};

	resched_agent(rig->r, "h2",
		      &(struct agent_report){
			      .state = NODE_AGENT_OK, .instance = "i", .quarantine = &nothing, .former = former, .n_former = 2});
}

static void what_was_told_before_the_start_and_nobody_has_is_taken_back(void **state) {
	struct rig *rig = *state;

	begin_with(rig, EVIDENCE_NONE);
	tell_container(rig, "h1", "50", 2);
	tell_container(rig, "h2", "52", 1);
	come_up(rig, 0, vteps[0]);
	come_up(rig, 1, vteps[1]);
	go_on(rig);
	say_former(rig);
	go_on(rig);
	assert_int_equal(rig->forgotten.n, 0); /* h3 was not listed yet: it may have either */
	come_up(rig, 2, vteps[2]);
	say_former(rig);
	go_on(rig);
	assert_int_equal(rig->forgotten.n, 1);
	assert_string_equal(rig->forgotten.v[0], "02:42:0a:14:00:60");
}

static void an_agent_that_knows_addresses_and_not_of_the_start_is_given_an_order(void **state) {
	struct rig *rig = *state;
	const struct strs nothing = {0};

	begin_with(rig, EVIDENCE_NONE);
	for (size_t i = 0; i < 3; i++)
		come_up(rig, i, vteps[i]);
	go_on(rig);
	assert_false(rig->ordered);
	resched_agent(rig->r, "h2",
		      &(struct agent_report){.state = NODE_AGENT_OK, .instance = "i", .quarantine = &nothing, .unaware = true});
	go_on(rig);
	assert_true(rig->ordered);
}

int main(void) {
#define T(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		T(a_node_that_is_quarantined_may_come_back_without_an_overlay),
		T(an_agent_that_says_yes_and_drops_nothing_is_not_waited_for),
		T(agents_that_drop_what_they_are_told_are_evidence),
		T(what_no_agent_can_drop_is_an_operators_to_confirm),
		T(nobody_goes_on_dropping_a_node_that_is_not_configured_any_more),
		T(an_agent_is_told_of_a_few_addresses_at_once_and_of_all_in_the_end),
		T(an_agent_is_told_when_its_node_joins_or_the_owner_gets_another_namespace),
		T(a_target_whose_underlay_address_is_not_known_holds_nothing_up),
		T(what_was_told_before_the_start_and_nobody_has_is_taken_back),
		T(an_agent_that_knows_addresses_and_not_of_the_start_is_given_an_order),
		T(a_sighting_that_arrives_after_its_witness_fell_silent_is_none),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
