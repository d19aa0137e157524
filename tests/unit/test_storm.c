/* What of the nodes counts for the brake, and how long it remembers. */
#include "health/storm.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#define NODES 4

/* settling: 3 * 1 s + 1 s */
static const struct detector_settings beat = {.interval = {1000000000}, .timeout = {1000000000}, .failures = 3, .recover = 1};

static struct storm_view view_of(const struct storm_node nodes[NODES]) {
	return (struct storm_view){.nodes = nodes, .n = NODES, .max_lost = {.value = 50, .percent = true}, .beat = beat};
}

static struct brake_verdict update(struct storm *s, const struct storm_node nodes[NODES], int64_t sec) {
	const struct storm_view view = view_of(nodes);
	return storm_update(s, &view, (struct mono){sec * 1000000000});
}

#define A \
	{ HEALTH_ALIVE, true, false, NULL }
#define L \
	{ HEALTH_ALIVE, false, true, NULL }
#define D \
	{ HEALTH_DEAD, true, false, NULL }
#define S \
	{ HEALTH_SUSPECT, true, false, NULL }
#define U \
	{ HEALTH_UNKNOWN, true, false, NULL }
#define E \
	{ HEALTH_ENGINE_ONLY, true, false, NULL }
#define R \
	{ HEALTH_RECOVERING, true, false, NULL }
#define W /* its engine is dead, and its agent answers */ \
	{ HEALTH_DEAD, true, true, NULL }

static void every_verdict_counts_as_written(void **state) {
	static const struct {
		const char *what;
		struct storm_node nodes[NODES];
		unsigned lost, alive_remote, alive_local;
		enum brake_witness witness;
	} cases[] = {
		{"all is well, one is here", {A, A, A, L}, 0, 3, 1, BRAKE_WITNESS_NONE},
		{"dead, in doubt, not heard of, engine only: all lost", {D, S, U, E}, 4, 0, 0, BRAKE_WITNESS_NONE},
		{"one that comes back is neither", {R, R, A, A}, 0, 2, 0, BRAKE_WITNESS_NONE},
		{"a remote agent is a witness", {W, D, D, L}, 3, 0, 1, BRAKE_WITNESS_ANSWERS},
		{"our own host's is none", {D, D, D, L}, 3, 0, 1, BRAKE_WITNESS_NONE},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		const struct storm_view view = view_of(cases[i].nodes);
		struct brake_counts c = storm_count(&view);
		if (c.total != NODES || c.lost != cases[i].lost || c.alive_remote != cases[i].alive_remote ||
		    c.alive_local != cases[i].alive_local || c.witness != cases[i].witness)
			fail_msg("%s: lost %u, remote %u, local %u, witness %d", cases[i].what, c.lost, c.alive_remote,
				 c.alive_local, (int)c.witness);
	}
}

static const struct storm_node well[NODES] = {A, A, A, A}, one[NODES] = {D, A, A, A}, three[NODES] = {D, D, D, A},
			       none_known[NODES] = {U, U, U, U};

static struct brake_verdict update_zone(struct storm *s, const struct storm_node nodes[NODES], int64_t sec) {
	struct storm_view view = view_of(nodes);
	view.zone_max_lost = (struct brake_limit){.value = 1};
	return storm_update_zone(s, &view, "a", (struct mono){sec * 1000000000});
}

static void a_zone_counts_its_own_nodes_only(void **state) {
	static const struct {
		const char *what;
		enum health_verdict verdicts[NODES];
		bool hold;
	} cases[] = {
		{"all is well", {HEALTH_ALIVE, HEALTH_ALIVE, HEALTH_ALIVE, HEALTH_ALIVE}, false},
		{"as many as are allowed", {HEALTH_DEAD, HEALTH_ALIVE, HEALTH_ALIVE, HEALTH_ALIVE}, false},
		{"one more", {HEALTH_DEAD, HEALTH_SUSPECT, HEALTH_ALIVE, HEALTH_ALIVE}, true},
		{"others' are not counted", {HEALTH_DEAD, HEALTH_ALIVE, HEALTH_DEAD, HEALTH_DEAD}, false},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		static const char *const zones[NODES] = {"a", "a", "b", NULL};
		struct storm_node nodes[NODES];
		struct storm s = {0};
		for (int k = 0; k < NODES; k++)
			nodes[k] = (struct storm_node){cases[i].verdicts[k], true, false, zones[k]};
		struct brake_verdict v = update_zone(&s, nodes, 1);
		if (v.hold != cases[i].hold ||
		    (v.hold && !strstr(v.reason, "2 of 2 nodes of zone \"a\" are lost, more than 1 at once")))
			fail_msg("%s: %s: %s", cases[i].what, v.hold ? "holds" : "lets go", v.reason);
	}
}

static void a_zone_lingers_and_obeys_an_operator_by_itself(void **state) {
	static const struct storm_node both[NODES] = {{HEALTH_DEAD, true, false, "a"}, {HEALTH_DEAD, true, false, "a"}, A, A},
				       first[NODES] = {{HEALTH_DEAD, true, false, "a"}, {HEALTH_ALIVE, true, false, "a"}, A, A};
	struct storm s = {0};

	(void)state;
	assert_true(update_zone(&s, both, 1).hold);
	assert_true(update_zone(&s, first, 2).hold);
	assert_true(update_zone(&s, first, 5).hold);
	assert_false(update_zone(&s, first, 6).hold);
	assert_true(update_zone(&s, both, 10).hold);
	s.operator_go = true;
	assert_false(update_zone(&s, both, 11).hold);
	assert_false(update_zone(&s, first, 12).hold);
	assert_true(update_zone(&s, both, 20).hold); /* another storm, another word */
}

static void a_storm_lingers_as_long_as_a_death_takes_to_find(void **state) {
	struct storm s = {0};

	(void)state;
	assert_int_equal(storm_settling_time(&beat).ns, span_sec(4).ns);
	assert_false(update(&s, well, 1).hold);
	assert_true(update(&s, three, 10).hold);
	assert_non_null(strstr(update(&s, one, 11).reason, "about to come back"));
	assert_true(update(&s, one, 14).hold);
	assert_false(update(&s, one, 15).hold);
}

static void a_start_does_not_linger(void **state) {
	struct storm s = {0};

	(void)state;
	assert_true(update(&s, none_known, 1).hold);
	assert_false(update(&s, one, 5).hold);
}

static void an_operator_s_word_holds_for_this_storm_only(void **state) {
	struct storm s = {0};

	(void)state;
	assert_true(update(&s, three, 10).hold);
	s.operator_go = true;
	assert_false(update(&s, three, 11).hold);
	assert_false(update(&s, three, 20).hold);
	assert_true(s.operator_go);
	assert_false(update(&s, one, 30).hold); /* and nothing lingers */
	assert_false(s.operator_go);
	assert_true(update(&s, three, 40).hold);
}

int main(void) {
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_verdict_counts_as_written),
		cmocka_unit_test(a_zone_counts_its_own_nodes_only),
		cmocka_unit_test(a_zone_lingers_and_obeys_an_operator_by_itself),
		cmocka_unit_test(a_storm_lingers_as_long_as_a_death_takes_to_find),
		cmocka_unit_test(a_start_does_not_linger),
		cmocka_unit_test(an_operator_s_word_holds_for_this_storm_only),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
