/* Where a workload goes, and why not elsewhere. */
#include "resched/plan.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/alloc.h"

/* Four nodes: h1 has failed, h2 to h4 serve. */
struct rig {
	struct world world;
	struct world_container *subject;
	struct plan_ask ask;
};

static void add_image(struct world_node *n, const char *name, const char *id) {
	n->facts.images = xreallocarray(n->facts.images, n->facts.n_images + 1, sizeof(*n->facts.images));
	n->facts.images[n->facts.n_images] = (struct world_image){.id = xstrdup(id)};
	strs_add(&n->facts.images[n->facts.n_images++].names, name);
}

static struct world_node *add_node(struct rig *rig, const char *name, enum node_verdict verdict) {
	struct world_node *n = world_node_add(&rig->world, name, true);

	n->verdict = verdict;
	n->listed = true;
	n->facts.version = xstrdup("20.10.24");
	n->facts.swarm_node = xstrdup(name);
	n->facts.swarm_cluster = xstrdup("c1");
	n->facts.memory = INT64_C(1) << 30;
	n->facts.ncpu = 2;
	strs_add(&n->facts.local_networks, "bridge");
	strs_add(&n->facts.runtimes, "runc");
	strs_add(&n->facts.volume_drivers, "local");
	strs_add(&n->facts.log_drivers, "json-file");
	add_image(n, "web:1", "sha256:aaa");
	return n;
}

static struct world_container *add_container(struct rig *rig, const char *node, const char *id, const char *name) {
	struct world_container *c = world_container_new(node, id);

	c->name = xstrdup(name);
	c->image = xstrdup("web:1");
	c->image_id = xstrdup("sha256:aaa");
	c->running = c->started = true;
	world_container_put(&rig->world, c);
	return c;
}

static void add_net(struct world_container *c, const char *name, enum net_kind kind) {
	c->nets = xreallocarray(c->nets, c->n_nets + 1, sizeof(*c->nets));
	c->nets[c->n_nets++] = (struct world_net){.name = xstrdup(name), .kind = kind};
}

static void add_port(struct world_container *c, const char *host_ip, uint16_t port, const char *proto) {
	c->ports = xreallocarray(c->ports, c->n_ports + 1, sizeof(*c->ports));
	c->ports[c->n_ports] = (struct world_port){.host_ip = xstrdup(host_ip), .port = port};
	memcpy(c->ports[c->n_ports++].proto, proto, strlen(proto) + 1);
}

static int set_up(void **state) {
	struct rig *rig = xnew(struct rig);

	add_node(rig, "h1", NODE_DEAD);
	add_node(rig, "h2", NODE_ALIVE);
	add_node(rig, "h3", NODE_ALIVE);
	add_node(rig, "h4", NODE_ALIVE);
	rig->subject = add_container(rig, "h1", "web", "web");
	add_net(rig->subject, "ov", NET_SWARM);
	rig->ask = (struct plan_ask){.world = &rig->world, .subject = rig->subject, .name = "web", .from = "h1", .now = {1}};
	*state = rig;
	return 0;
}

static int tear_down(void **state) {
	struct rig *rig = *state;
	world_clear(&rig->world);
	free(rig);
	return 0;
}

static struct world_node *node(struct rig *rig, const char *name) { return world_node(&rig->world, name); }

static void expect_reject(struct rig *rig, const char *name, const char *says) {
	char *reason = plan_reject(&rig->ask, node(rig, name));

	if (!reason || !strstr(reason, says))
		fail_msg("%s: \"%s\", expected \"%s\"", name, reason ? reason : "(could take it)", says);
	free(reason);
}

static void expect_target(struct rig *rig, const char *name) {
	struct plan_choice c;

	plan_choose(&rig->ask, &c);
	if (!c.target || strcmp(c.target, name) != 0)
		fail_msg("%s, expected %s", c.target ? c.target : "nobody", name);
	plan_choice_clear(&c);
}

/* ---- each filter ---- */

static void the_failed_node_is_no_target(void **state) { expect_reject(*state, "h1", "is the node it leaves"); }

static void only_a_pinned_node_is_a_target(void **state) {
	struct rig *rig = *state;
	rig->ask.pinned = "h3";
	expect_reject(rig, "h2", "is not h3, where it is to return to");
	expect_target(rig, "h3");
}

static void a_node_that_does_not_serve_is_no_target(void **state) {
	struct rig *rig = *state;

	for (int v = 0; v < NODE_VERDICT_MAX; v++) {
		node(rig, "h2")->verdict = (enum node_verdict)v;
		if (v != NODE_ALIVE)
			expect_reject(rig, "h2", node_verdict_name((enum node_verdict)v));
	}
	node(rig, "h2")->verdict = NODE_ALIVE;
	node(rig, "h2")->returning = true;
	expect_reject(rig, "h2", "has just returned");
	node(rig, "h3")->listed = false;
	expect_reject(rig, "h3", "has not told its containers");
	node(rig, "h4")->deaths = 3;
	node(rig, "h4")->held_until = mono_add(rig->ask.now, span_sec(20));
	expect_reject(rig, "h4", "died 3 times lately and is held down for 20 s");
	rig->ask.now = node(rig, "h4")->held_until;
	expect_target(rig, "h4");
	node(rig, "h4")->hold = xstrdup("new disks");
	expect_reject(rig, "h4", "is held by an operator: new disks");
}

static void an_overlay_must_be_in_reach(void **state) {
	struct rig *rig = *state;

	xstr_replace(&node(rig, "h2")->facts.swarm_node, NULL);
	expect_reject(rig, "h2", "is in no swarm, network \"ov\"");
	xstr_replace(&node(rig, "h3")->facts.swarm_cluster, "c2");
	expect_reject(rig, "h3", "is in another swarm");
}

static void a_swarm_attaches_nothing_to_a_paused_or_drained_node(void **state) {
	struct rig *rig = *state;

	node(rig, "h2")->availability = xstrdup("pause");
	expect_reject(rig, "h2", "its availability in the swarm is \"pause\": network \"ov\"");
	xstr_replace(&node(rig, "h2")->availability, "drain");
	expect_reject(rig, "h2", "\"drain\"");
	xstr_replace(&node(rig, "h2")->availability, "active");
	node(rig, "h3")->verdict = node(rig, "h4")->verdict = NODE_DEAD;
	expect_target(rig, "h2");
}

static void availability_in_a_swarm_is_nothing_to_a_container_on_no_overlay(void **state) {
	struct rig *rig = *state;

	rig->subject->nets[0].kind = NET_LOCAL;
	xstr_replace(&rig->subject->nets[0].name, "bridge");
	node(rig, "h2")->availability = xstrdup("drain");
	node(rig, "h3")->verdict = node(rig, "h4")->verdict = NODE_DEAD;
	expect_target(rig, "h2");
}

static void a_local_network_must_exist(void **state) {
	struct rig *rig = *state;

	add_net(rig->subject, "lan", NET_LOCAL);
	expect_reject(rig, "h2", "has no network \"lan\"");
	strs_add(&node(rig, "h2")->facts.local_networks, "lan");
	expect_target(rig, "h2");
}

static void a_taken_name_is_a_reason_unless_it_is_its_own(void **state) {
	struct rig *rig = *state;
	struct strs copies = {0};

	add_container(rig, "h2", "other", "web")->running = false;
	expect_reject(rig, "h2", "has another container named \"web\"");
	strs_add(&copies, "h2/other");
	rig->ask.copies = &copies;
	assert_null(plan_reject(&rig->ask, node(rig, "h2")));
	strs_clear(&copies);
}

static void a_promised_name_is_a_reason(void **state) {
	struct rig *rig = *state;
	const struct plan_claim claim = {.node = "h2", .like = rig->subject};

	rig->ask.claims = &claim;
	rig->ask.n_claims = 1;
	expect_reject(rig, "h2", "is promised there already");
}

static void ports_clash_where_addresses_meet(void **state) {
	static const struct {
		const char *what, *want, *has;
		uint16_t port;
		const char *proto;
		bool running, clash;
	} cases[] = {
		{"both on all addresses", "", "", 80, "tcp", true, true},
		{"one on all, one on one", "0.0.0.0", "10.0.0.1", 80, "tcp", true, true},
		{"IPv6's all", "10.0.0.1", "::", 80, "tcp", true, true},
		{"two addresses", "10.0.0.1", "10.0.0.2", 80, "tcp", true, false},
		{"another port", "", "", 81, "tcp", true, false},
		{"another protocol", "", "", 80, "udp", true, false},
		{"one that does not run", "", "", 80, "tcp", false, false},
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		void *fresh;
		(void)set_up(&fresh);
		struct rig *rig = fresh;
		add_port(rig->subject, cases[i].want, 80, "tcp");
		struct world_container *c = add_container(rig, "h2", "proxy", "proxy");
		add_port(c, cases[i].has, cases[i].port, cases[i].proto);
		c->running = cases[i].running;
		char *reason = plan_reject(&rig->ask, node(rig, "h2"));
		if ((reason != NULL) != cases[i].clash || (reason && strcmp(reason, "port 80/tcp is taken by \"proxy\"") != 0))
			fail_msg("%s: %s", cases[i].what, reason ? reason : "no clash");
		free(reason);
		(void)tear_down(&fresh);
	}
	(void)state;
}

static void a_promised_port_is_a_reason(void **state) {
	struct rig *rig = *state;
	struct world_container *other = add_container(rig, "h1", "two", "two");
	const struct plan_claim claim = {.node = "h2", .like = other};

	add_port(rig->subject, "", 80, "tcp");
	add_port(other, "", 80, "tcp");
	rig->ask.claims = &claim;
	rig->ask.n_claims = 1;
	expect_reject(rig, "h2", "port 80/tcp is promised to \"two\"");
	assert_null(plan_reject(&rig->ask, node(rig, "h3")));
}

static void drivers_must_be_known(void **state) {
	struct rig *rig = *state;

	rig->subject->runtime = xstrdup("kata");
	expect_reject(rig, "h2", "runtime \"kata\"");
	strs_add(&node(rig, "h2")->facts.runtimes, "kata");
	rig->subject->log_driver = xstrdup("fluentd");
	expect_reject(rig, "h2", "log driver \"fluentd\"");
	strs_add(&node(rig, "h2")->facts.log_drivers, "fluentd");
	strs_add(&rig->subject->volume_drivers, "nfs");
	expect_reject(rig, "h2", "volume driver \"nfs\"");
	/* What a node did not tell is no reason against it. */
	strs_clear(&node(rig, "h2")->facts.volume_drivers);
	expect_target(rig, "h2");
}

static void an_image_that_can_come_from_nowhere_is_a_reason(void **state) {
	struct rig *rig = *state;

	xstr_replace(&rig->subject->image, "sha256:bbb");
	xstr_replace(&rig->subject->image_id, "sha256:bbb");
	expect_reject(rig, "h2", "no live node has it");
	add_image(node(rig, "h3"), "none", "sha256:bbb");
	assert_null(plan_reject(&rig->ask, node(rig, "h2")));
	expect_target(rig, "h3");
}

static void reservations_must_fit_with_what_is_promised(void **state) {
	struct rig *rig = *state;
	struct world_container *two = add_container(rig, "h1", "two", "two");
	const struct plan_claim claim = {.node = "h3", .like = two};

	rig->subject->memory = 600 << 20;
	add_container(rig, "h2", "db", "db")->memory = 600 << 20;
	expect_reject(rig, "h2", "memory: 1200 MiB would be reserved of 1024 MiB");
	two->memory = 600 << 20;
	rig->ask.claims = &claim;
	rig->ask.n_claims = 1;
	expect_reject(rig, "h3", "memory");
	expect_target(rig, "h4");
	rig->subject->nano_cpus = INT64_C(2500000000);
	expect_reject(rig, "h4", "CPU: 2.5 would be reserved of 2");
	node(rig, "h4")->facts.ncpu = 0; /* not known */
	expect_target(rig, "h4");
}

/* ---- the choice ---- */

static void every_rejected_node_is_listed_with_its_reason(void **state) {
	struct rig *rig = *state;
	struct plan_choice c;

	node(rig, "h2")->verdict = NODE_SUSPECT;
	add_container(rig, "h3", "other", "web");
	plan_choose(&rig->ask, &c);
	assert_string_equal(c.target, "h4");
	assert_int_equal(c.rejected.n, 3);
	assert_true(strs_has(&c.rejected, "h1: is the node it leaves"));
	assert_true(strs_has(&c.rejected, "h2: is suspect"));
	assert_true(strs_has(&c.rejected, "h3: has another container named \"web\""));
	plan_choice_clear(&c);
}

static void a_node_that_has_the_network_joined_is_preferred_to_an_empty_one(void **state) {
	struct rig *rig = *state;
	struct plan_choice c;

	add_net(add_container(rig, "h4", "client", "client"), "ov", NET_SWARM);
	add_container(rig, "h4", "more", "more");
	plan_choose(&rig->ask, &c);
	assert_string_equal(c.target, "h4");
	assert_false(c.cold);
	plan_choice_clear(&c);
	node(rig, "h4")->verdict = NODE_DEAD;
	plan_choose(&rig->ask, &c);
	assert_true(c.cold);
	plan_choice_clear(&c);
}

static void the_image_weighs_less_than_the_network(void **state) {
	struct rig *rig = *state;
	struct plan_choice c;

	node_facts_clear(&node(rig, "h4")->facts);
	node(rig, "h4")->facts.version = xstrdup("20.10.24");
	node(rig, "h4")->facts.swarm_node = xstrdup("h4");
	expect_target(rig, "h2");
	add_net(add_container(rig, "h4", "client", "client"), "ov", NET_SWARM);
	plan_choose(&rig->ask, &c);
	assert_string_equal(c.target, "h4");
	assert_true(c.image_missing);
	plan_choice_clear(&c);
}

static void strategies_differ_among_equals_only(void **state) {
	struct rig *rig = *state;

	add_container(rig, "h2", "a", "a");
	add_container(rig, "h3", "b", "b");
	add_container(rig, "h3", "c", "c");
	rig->ask.strategy = STRATEGY_SPREAD;
	expect_target(rig, "h4");
	rig->ask.strategy = STRATEGY_BINPACK;
	expect_target(rig, "h3");
	add_container(rig, "h3", "stopped", "stopped")->running = false;
	add_container(rig, "h2", "d", "d");
	add_container(rig, "h2", "e", "e");
	expect_target(rig, "h2");
}

static void spreading_counts_what_is_promised(void **state) {
	struct rig *rig = *state;
	struct world_container *two = add_container(rig, "h1", "two", "two");
	const struct plan_claim claims[] = {{.node = "h2", .like = two}, {.node = "h3", .like = two}};

	rig->ask.claims = claims;
	rig->ask.n_claims = 2;
	expect_target(rig, "h4");
}

static void a_random_choice_is_the_same_for_a_seed_and_reaches_every_node(void **state) {
	struct rig *rig = *state;
	bool seen[5] = {false};

	rig->ask.strategy = STRATEGY_RANDOM;
	for (rig->ask.seed = 0; rig->ask.seed < 100; rig->ask.seed++) {
		struct plan_choice a, b;
		plan_choose(&rig->ask, &a);
		plan_choose(&rig->ask, &b);
		assert_ptr_equal(a.target, b.target);
		seen[a.target[1] - '0'] = true;
		plan_choice_clear(&a);
		plan_choice_clear(&b);
	}
	assert_true(seen[2] && seen[3] && seen[4] && !seen[1]);
}

static void a_busy_node_is_passed_over_and_full_says_so(void **state) {
	struct rig *rig = *state;
	struct world_container *two = add_container(rig, "h1", "two", "two");
	struct plan_claim claims[] = {{.node = "h2", .like = two}, {.node = "h3", .like = two}, {.node = "h4", .like = two}};
	struct plan_choice c;

	rig->ask.per_target = 1;
	rig->ask.claims = claims;
	rig->ask.n_claims = 2;
	expect_target(rig, "h4");
	rig->ask.n_claims = 3;
	plan_choose(&rig->ask, &c);
	assert_null(c.target);
	assert_true(c.full);
	plan_choice_clear(&c);
	claims[1].idle = true; /* it waits for something, and leaves its place */
	expect_target(rig, "h3");
}

static void nodes_where_it_failed_are_taken_last_but_taken(void **state) {
	struct rig *rig = *state;
	struct strs avoid = {0};

	add_net(add_container(rig, "h2", "client", "client"), "ov", NET_SWARM);
	strs_add(&avoid, "h2");
	rig->ask.avoid = &avoid;
	expect_target(rig, "h3");
	node(rig, "h3")->verdict = node(rig, "h4")->verdict = NODE_DEAD;
	expect_target(rig, "h2");
	strs_clear(&avoid);
}

static void nobody_is_chosen_when_nobody_can(void **state) {
	struct rig *rig = *state;
	struct plan_choice c;

	node(rig, "h2")->verdict = node(rig, "h3")->verdict = node(rig, "h4")->verdict = NODE_DEAD;
	plan_choose(&rig->ask, &c);
	assert_null(c.target);
	assert_false(c.full);
	assert_int_equal(c.rejected.n, 4);
	plan_choice_clear(&c);
}

#define T(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

int main(void) {
	const struct CMUnitTest tests[] = {
		T(the_failed_node_is_no_target),
		T(only_a_pinned_node_is_a_target),
		T(a_node_that_does_not_serve_is_no_target),
		T(an_overlay_must_be_in_reach),
		T(a_swarm_attaches_nothing_to_a_paused_or_drained_node),
		T(availability_in_a_swarm_is_nothing_to_a_container_on_no_overlay),
		T(a_local_network_must_exist),
		T(a_taken_name_is_a_reason_unless_it_is_its_own),
		T(a_promised_name_is_a_reason),
		T(ports_clash_where_addresses_meet),
		T(a_promised_port_is_a_reason),
		T(drivers_must_be_known),
		T(an_image_that_can_come_from_nowhere_is_a_reason),
		T(reservations_must_fit_with_what_is_promised),
		T(every_rejected_node_is_listed_with_its_reason),
		T(a_node_that_has_the_network_joined_is_preferred_to_an_empty_one),
		T(the_image_weighs_less_than_the_network),
		T(strategies_differ_among_equals_only),
		T(spreading_counts_what_is_promised),
		T(a_random_choice_is_the_same_for_a_seed_and_reaches_every_node),
		T(a_busy_node_is_passed_over_and_full_says_so),
		T(nodes_where_it_failed_are_taken_last_but_taken),
		T(nobody_is_chosen_when_nobody_can),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
