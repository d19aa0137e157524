/* What the store keeps must come back as it was: a crash is a restart from these documents. */
#include "daemon/records.h"

#include "base/alloc.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static struct takeover *example(void) {
	struct takeover *t = takeover_new("prod/abc", "web");

	strcpy(t->id, "0123456789abcdef");
	t->generation = 3;
	t->from = xstrdup("h1");
	t->to = xstrdup("h2");
	t->old_id = xstrdup("old");
	t->new_id = xstrdup("new");
	t->staged_name = xstrdup("heir-abc-g3");
	t->image_ref = xstrdup("web:1");
	t->state = TAKEOVER_RUNNING;
	t->row = ROW_CLAIM;
	t->abort = ABORT_FAIL;
	t->released = t->claimed = t->staged = t->effect_out = t->fenced = t->by_node_removal = t->planned = true;
	t->restart_policy = xstrdup("on-failure:5");
	t->reason = xstrdup("because");
	t->evidence = EVIDENCE_STOPPED;
	t->started.ms = 1234;
	takeover_warn(t, "careful");
	strs_add(&t->rejected, "h3: is dead");
	t->nets = xnew_n(struct takeover_net, 2);
	t->n_nets = 2;
	t->nets[0] = (struct takeover_net){
		.net = {xstrdup("ov"), xstrdup("n1"), xstrdup("10.20.0.50"), xstrdup("fd00::5"), xstrdup("02:42:0a:14:00:32"),
			NET_SWARM},
		.kept = true,
	};
	t->nets[1].net.name = xstrdup("bridge");
	t->steps[STEP_STAGE] = (struct takeover_step_record){STEP_RETRIED, {5000000}, xstrdup("slow")};
	return t;
}

static char *text_of(json_t *j) {
	char *s = json_text(j);
	json_decref(j);
	return s;
}

static void a_takeover_comes_back_as_it_was_written(void **state) {
	(void)state;
	struct err err;
	struct takeover *t = example(), *back;
	json_t *j = record_from_takeover(t);
	assert_int_equal(record_to_takeover(j, &back, &err), 0);
	char *a = text_of(j), *b = text_of(record_from_takeover(back));
	assert_string_equal(a, b);
	assert_int_equal(back->row, ROW_CLAIM);
	assert_int_equal(back->abort, ABORT_FAIL);
	assert_true(back->released && back->claimed && back->staged && back->fenced);
	assert_true(back->nets[0].kept);
	assert_string_equal(back->restart_policy, "on-failure:5");
	assert_int_equal(back->nets[0].net.kind, NET_SWARM);
	assert_null(back->nets[1].net.ip);
	free(a);
	free(b);
	takeover_free(t);
	takeover_free(back);
}

static void every_state_and_row_has_a_name_that_is_read_back(void **state) {
	(void)state;
	for (int s = 0; s < TAKEOVER_STATE_MAX; s++)
		assert_int_equal(takeover_state_parse(takeover_state_name((enum takeover_state)s)), s);
	for (int r = 0; r < ROW_MAX; r++)
		assert_int_equal(takeover_row_parse(takeover_row_name((enum takeover_row)r)), r);
	for (int c = 0; c < CLEAN_MAX; c++)
		assert_int_equal(clean_row_parse(clean_row_name((enum clean_row)c)), c);
}

static void a_damaged_takeover_is_refused_with_its_field(void **state) {
	(void)state;
	static const struct {
		const char *what, *key, *value, *expect;
	} cases[] = {
		{"no id", "id", "null", "id"},
		{"a long id", "id", "\"0123456789abcdef0\"", "id"},
		{"an unknown row", "row", "\"leap\"", "row"},
		{"an unknown state", "state", "\"happy\"", "state"},
		{"an unknown abort", "abort", "\"perhaps\"", "abort"},
		{"an unknown evidence", "evidence", "\"rumour\"", "evidence"},
		{"no origin", "from", "null", "from"},
		{"a number for a name", "to", "5", "to"},
		{"no workload", "workload", "null", "workload"},
		{"a network without a name", "networks", "[{\"kind\":\"swarm\"}]", "networks[0]"},
		{"a network of an unknown kind", "networks", "[{\"name\":\"x\",\"kind\":\"odd\"}]", "kind"},
	};
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct takeover *t = example(), *back = NULL;
		json_t *j = record_from_takeover(t), *value;
		struct err err = {0};
		assert_int_equal(json_parse(cases[i].value, strlen(cases[i].value), "value", &value, &err), 0);
		json_object_set_new(j, cases[i].key, value);
		if (record_to_takeover(j, &back, &err) == 0)
			fail_msg("%s was accepted", cases[i].what);
		if (!strstr(err.msg, cases[i].expect))
			fail_msg("%s: \"%s\" does not name %s", cases[i].what, err.msg, cases[i].expect);
		json_decref(j);
		takeover_free(t);
	}
}

static void a_workload_comes_back_with_its_copies(void **state) {
	(void)state;
	struct err err;
	struct workload *w = workload_new("prod/abc", "web"), *back;
	w->generation = 3;
	w->last_generation = 5;
	w->node = xstrdup("h2");
	w->container = xstrdup("new");
	w->origin = xstrdup("h1");
	w->served.generation = 2;
	w->served.node = xstrdup("h1");
	w->served.container = xstrdup("old");
	w->spec_node = xstrdup("h1");
	w->spec_id = xstrdup("old");
	w->verified = w->must_run = w->orphan = true;
	strs_add(&w->ghosts, "gone");
	workload_copy_add(w, "h1", "old", "web", 2)->row = CLEAN_WAIT;
	workload_copy_add(w, "h3", "half", "heir-abc-g4", 4)->staged = true;
	json_t *j = record_from_workload(w);
	assert_int_equal(record_to_workload(j, &back, &err), 0);
	char *a = text_of(j), *b = text_of(record_from_workload(back));
	assert_string_equal(a, b);
	assert_int_equal(back->n_copies, 2);
	assert_int_equal(back->copies[0].row, CLEAN_WAIT);
	assert_true(back->copies[1].staged && back->orphan);
	free(a);
	free(b);
	workload_free(w);
	workload_free(back);
}

static void a_ledger_that_contradicts_itself_is_refused(void **state) {
	(void)state;
	static const char *const bad[] = {
		"{\"name\":\"web\"}",
		"{\"id\":\"p/a\",\"name\":\"web\",\"generation\":1,\"last_generation\":1}",
		"{\"id\":\"p/a\",\"name\":\"web\",\"node\":\"h1\",\"generation\":0,\"last_generation\":0}",
		"{\"id\":\"p/a\",\"name\":\"web\",\"node\":\"h1\",\"generation\":4,\"last_generation\":3}",
		"{\"id\":\"p/a\",\"name\":\"web\",\"node\":\"h1\",\"generation\":1,\"last_generation\":1,\"copies\":[{}]}",
	};
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		struct err err = {0};
		struct workload *w = NULL;
		json_t *j = NULL;
		assert_int_equal(json_parse(bad[i], strlen(bad[i]), "ledger", &j, &err), 0);
		if (record_to_workload(j, &w, &err) == 0)
			fail_msg("accepted: %s", bad[i]);
		json_decref(j);
	}
}

int main(void) {
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_takeover_comes_back_as_it_was_written),
		cmocka_unit_test(every_state_and_row_has_a_name_that_is_read_back),
		cmocka_unit_test(a_damaged_takeover_is_refused_with_its_field),
		cmocka_unit_test(a_workload_comes_back_with_its_copies),
		cmocka_unit_test(a_ledger_that_contradicts_itself_is_refused),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
