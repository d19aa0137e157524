/* The facts: who is found under which name, and what a node is known to have. */
#include "resched/world.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/alloc.h"

static struct world_container *put(struct world *w, const char *node, const char *id, const char *name) {
	struct world_container *c = world_container_new(node, id);

	if (!world_node(w, node))
		world_node_add(w, node, true);

	c->name = xstrdup(name);
	world_container_put(w, c);
	return c;
}

static void add_net(struct world_container *c, const char *name, enum net_kind kind) {
	c->nets = xreallocarray(c->nets, c->n_nets + 1, sizeof(*c->nets));
	c->nets[c->n_nets++] = (struct world_net){.name = xstrdup(name), .ip = xstrdup("10.20.0.50"), .kind = kind};
}

static void the_same_id_on_two_nodes_is_two_containers(void **state) {
	struct world w = {0};

	(void)state;
	put(&w, "h1", "aaa", "web");
	put(&w, "h2", "aaa", "web");
	assert_string_equal(world_container(&w, "h1", "aaa")->node, "h1");
	assert_string_equal(world_container(&w, "h2", "aaa")->node, "h2");
	assert_string_equal(world_container_named(&w, "h2", "web")->node, "h2");
	assert_null(world_container(&w, "h3", "aaa"));
	assert_null(world_container(&w, NULL, "aaa"));
	assert_null(world_container(&w, "h1", NULL));
	world_clear(&w);
}

static void what_is_put_again_replaces(void **state) {
	struct world w = {0};

	(void)state;
	put(&w, "h1", "aaa", "web");
	put(&w, "h1", "aaa", "renamed");
	assert_string_equal(world_container(&w, "h1", "aaa")->name, "renamed");
	assert_int_equal(HASH_COUNT(w.containers), 1);
	world_container_remove(&w, world_container(&w, "h1", "aaa"));
	assert_null(w.containers);
	world_clear(&w);
}

static void a_network_is_joined_where_something_runs_in_it(void **state) {
	struct world w = {0};

	(void)state;
	struct world_container *c = put(&w, "h1", "aaa", "web");
	add_net(c, "ov", NET_SWARM);
	assert_false(world_node_has_net(&w, "h1", "ov"));
	c->running = true;
	assert_true(world_node_has_net(&w, "h1", "ov"));
	assert_false(world_node_has_net(&w, "h2", "ov"));
	assert_false(world_node_has_net(&w, "h1", "back"));
	assert_true(world_container_has_overlay(c));
	world_clear(&w);
}

static void a_local_network_is_no_overlay(void **state) {
	struct world w = {0};

	(void)state;
	struct world_container *c = put(&w, "h1", "aaa", "web");
	add_net(c, "bridge", NET_LOCAL);
	assert_false(world_container_has_overlay(c));
	assert_non_null(world_container_net(c, "bridge"));
	assert_null(world_container_net(c, "ov"));
	world_clear(&w);
}

static void an_image_is_named_only_where_the_name_means_the_same(void **state) {
	struct world w = {0};
	struct world_node *n = world_node_add(&w, "h1", true);

	(void)state;
	n->facts.images = xnew_n(struct world_image, 2);
	n->facts.n_images = 2;
	n->facts.images[0].id = xstrdup("sha256:old");
	n->facts.images[1].id = xstrdup("sha256:new");
	strs_add(&n->facts.images[1].names, "web:1");
	assert_string_equal(world_node_image(n, "web:1", "sha256:new"), "web:1");
	/* The tag has moved on there: only the ID is exact. */
	assert_string_equal(world_node_image(n, "web:1", "sha256:old"), "sha256:old");
	assert_null(world_node_image(n, "web:1", "sha256:other"));
	assert_null(world_node_image(n, "web:1", NULL));
	world_clear(&w);
}

static void a_node_serves_only_when_all_is_known(void **state) {
	struct world w = {0};
	struct world_node *n = world_node_add(&w, "h1", true);

	(void)state;
	n->verdict = NODE_ALIVE;
	n->listed = true;
	n->facts.version = xstrdup("20.10.24");
	assert_true(world_node_serves(n));
	n->returning = true;
	assert_false(world_node_serves(n));
	n->returning = false;
	n->listed = false;
	assert_false(world_node_serves(n));
	n->listed = true;
	n->verdict = NODE_SUSPECT;
	assert_false(world_node_serves(n));
	assert_null(world_node(&w, "h2"));
	assert_null(world_node(&w, NULL));
	world_clear(&w);
}

static void every_verdict_has_a_name(void **state) {
	(void)state;
	for (int v = 0; v < NODE_VERDICT_MAX; v++)
		assert_true(strlen(node_verdict_name((enum node_verdict)v)) > 0);
}

int main(void) {
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_same_id_on_two_nodes_is_two_containers),
		cmocka_unit_test(what_is_put_again_replaces),
		cmocka_unit_test(a_network_is_joined_where_something_runs_in_it),
		cmocka_unit_test(a_local_network_is_no_overlay),
		cmocka_unit_test(an_image_is_named_only_where_the_name_means_the_same),
		cmocka_unit_test(a_node_serves_only_when_all_is_known),
		cmocka_unit_test(every_verdict_has_a_name),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
