/* What is remembered of containers, what is not, and that it comes back as it was: memory.c and restore.c. */
#include "daemon/restore.h"

#include "base/alloc.h"
#include "base/cleanup.h"
#include "store/store-internal.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

struct rig {
	struct resched *machine;
	struct memory *memory;
};

static int set_up(void **state) {
	struct rig *rig = xnew(struct rig);
	const struct resched_settings settings = {.cluster = "lab", .parallel = 8, .per_target = 8, .attempts = 3};

	rig->machine = resched_new(&settings);
	resched_add_node(rig->machine, "h1", true);
	resched_add_node(rig->machine, "h2", true);
	rig->memory = memory_new(rig->machine);
	*state = rig;
	return 0;
}

static int tear_down(void **state) {
	struct rig *rig = *state;

	memory_free(rig->memory);
	resched_free(rig->machine);
	free(rig);
	return 0;
}

#define ID "aabbccddeeff"

static json_t *inspect(const char *mark) {
	return json_pack("{s:s, s:s, s:s, s:{s:s, s:b}, s:{s:s, s:[s], s:{s:s}}, s:{}, s:{s:{s:{s:s}}}}", "Id", ID, "Name", "/web",
			 "Image", "sha256:1", "State", "Status", "running", "Running", 1, "Config", "Image", "web:1", "Env",
			 "reschedule:on-node-failure", "Labels", "mark", mark, "HostConfig", "NetworkSettings", "Networks", "ov",
			 "IPAddress", "10.20.0.50");
}

static struct world_container *container(const char *node, bool moves) {
	struct world_container *c = world_container_new(node, ID);

	c->name = xstrdup("web");
	c->running = c->started = true;
	c->policy.move = moves;
	c->nets = xnew(struct world_net);
	c->nets[c->n_nets++] = (struct world_net){.name = xstrdup("ov"), .ip = xstrdup("10.20.0.50"), .kind = NET_SWARM};
	return c;
}

/* It is seen on the node, and kept. */
static void see(struct rig *rig, const char *node, bool moves, const char *mark) {
	json_t *j CLEANUP_JSON = inspect(mark);

	resched_container(rig->machine, (struct mono){1}, container(node, moves));
	memory_keep(rig->memory, world_container(resched_world(rig->machine), node, ID), j);
}

static char *mark_of(const struct rig *rig, const char *node) {
	json_t *j CLEANUP_JSON = memory_spec(rig->memory, node, ID);
	return xstrdup(json_str_or(j, "Config.Labels.mark", "none"));
}

static void expect_mark(const struct rig *rig, const char *node, const char *expected) {
	char *mark CLEANUP_FREE = mark_of(rig, node);
	assert_string_equal(mark, expected);
}

/* How many documents are written; the text of the last one. */
static unsigned written(struct rig *rig, char **ret_text) {
	struct store_batch *batch CLEANUP_STORE_BATCH = store_batch_new();
	unsigned n = 0;

	memory_write(rig->memory, batch);
	for (const struct store_op *op = batch->first; op; op = op->next) {
		n++;
		assert_int_equal(op->kind, STORE_OP_PUT);
		assert_int_equal(op->table, STORE_MEMORY);
		if (ret_text)
			xstr_replace(ret_text, op->doc);
	}
	return n;
}

static size_t forgotten(struct rig *rig) {
	struct strs keys;

	memory_take_forgotten(rig->memory, &keys);
	size_t n = keys.n;
	if (n)
		assert_string_equal(keys.v[0], "h1/" ID);
	strs_clear(&keys);
	return n;
}

/* ---- keeping ---- */

static void only_what_may_be_moved_is_kept(void **state) {
	struct rig *rig = *state;

	see(rig, "h1", false, "a");
	assert_int_equal(memory_count(rig->memory), 0);
	see(rig, "h1", true, "a");
	assert_int_equal(memory_count(rig->memory), 1);
	expect_mark(rig, "h1", "a");
	expect_mark(rig, "h2", "none");
}

static void what_is_as_it_was_is_not_written_again(void **state) {
	struct rig *rig = *state;

	see(rig, "h1", true, "a");
	assert_int_equal(written(rig, NULL), 1);
	see(rig, "h1", true, "a");
	assert_int_equal(written(rig, NULL), 0);
	see(rig, "h1", true, "b");
	assert_int_equal(written(rig, NULL), 1);
	assert_int_equal(written(rig, NULL), 0);
	memory_mark(rig->memory);
	assert_int_equal(written(rig, NULL), 1);
}

/* Its owner runs elsewhere: what is seen of this one now is a copy that heir has put away. */
static void what_a_workload_is_made_again_from_stays_as_it_was(void **state) {
	struct rig *rig = *state;
	struct workload *w = workload_new("lab/" ID, "web");

	w->generation = w->last_generation = 2;
	w->node = xstrdup("h2");
	w->spec_node = xstrdup("h1");
	w->spec_id = xstrdup(ID);
	resched_restore_workload(rig->machine, w);
	see(rig, "h1", true, "before");
	see(rig, "h1", true, "after");
	expect_mark(rig, "h1", "before");
	memory_gone(rig->memory, "h1", ID); /* and it is not forgotten */
	assert_int_equal(forgotten(rig), 0);
	expect_mark(rig, "h1", "before");
}

/* ---- forgetting ---- */

static void what_is_gone_is_forgotten_unless_it_is_needed(void **state) {
	struct rig *rig = *state;

	see(rig, "h1", true, "a");
	memory_gone(rig->memory, "h1", ID); /* the machine does not say so yet: the workload is made again from it */
	assert_int_equal(memory_count(rig->memory), 1);
	resched_container_gone(rig->machine, "h1", ID);
	memory_gone(rig->memory, "h1", ID);
	assert_int_equal(memory_count(rig->memory), 0);
	assert_int_equal(forgotten(rig), 1);
	assert_int_equal(forgotten(rig), 0);
	memory_gone(rig->memory, "h1", ID);
	assert_int_equal(forgotten(rig), 0);
}

static void what_no_workload_needs_is_kept_while_it_is_there(void **state) {
	struct rig *rig = *state;

	see(rig, "h1", true, "a");
	memory_unneeded(rig->memory, "h1/" ID);
	memory_unneeded(rig->memory, "h9/unheard-of");
	assert_int_equal(forgotten(rig), 0);
	resched_container_gone(rig->machine, "h1", ID);
	memory_unneeded(rig->memory, "h1/" ID);
	assert_int_equal(forgotten(rig), 1);
}

static void what_is_seen_again_before_it_was_forgotten_on_disk_stays(void **state) {
	struct rig *rig = *state;

	see(rig, "h1", true, "a");
	resched_container_gone(rig->machine, "h1", ID);
	memory_gone(rig->memory, "h1", ID);
	see(rig, "h1", true, "a");
	assert_int_equal(forgotten(rig), 0);
	assert_int_equal(written(rig, NULL), 1);
}

/* ---- coming back ---- */

/* A store of a few documents. */
struct shelf {
	struct store store; /* first */
	struct {
		enum store_table table;
		const char *key, *text;
	} v[4];
	size_t n;
	char called[256];
};

static int load(struct store *store, enum store_table table, store_row_fn *row, void *user, struct err *err) {
	struct shelf *shelf = (struct shelf *)store;
	size_t len = strlen(shelf->called);

	snprintf(shelf->called + len, sizeof(shelf->called) - len, "%s ", store_table_name(table));
	for (size_t i = 0; i < shelf->n; i++)
		if (shelf->v[i].table == table && row(user, shelf->v[i].key, shelf->v[i].text, err) < 0)
			return -1;
	return 0;
}

static int begin(struct store *store, struct err *err) {
	struct shelf *shelf = (struct shelf *)store;
	size_t n = strlen(shelf->called);

	(void)err;
	snprintf(shelf->called + n, sizeof(shelf->called) - n, "begin");
	return 0;
}

static const struct store_ops shelf_ops = {.begin = begin, .load = load};

static bool is_configured(void *ctx, const char *node, const char **ret_vtep) {
	(void)ctx;
	if (strcmp(node, "h2") == 0)
		*ret_vtep = "10.99.0.12";
	return strcmp(node, "h1") == 0 || strcmp(node, "h2") == 0;
}

static void note(struct shelf *shelf, const char *what, const char *of) {
	size_t n = strlen(shelf->called);
	snprintf(shelf->called + n, sizeof(shelf->called) - n, "%s(%s) ", what, of);
}

static int node_record(void *ctx, const char *key, const char *text, struct err *err) {
	(void)text;
	(void)err;
	note(ctx, "record", key);
	return 0;
}

static void resumed(void *ctx, const struct takeover *t) { note(ctx, "resumed", t->id); }
static void unused(void *ctx, const char *node, const char *name) {
	(void)name;
	note(ctx, "unused", node);
}

static int restore(struct rig *rig, struct shelf *shelf, struct err *err) {
	const struct restore r = {.store = &shelf->store,
				  .machine = rig->machine,
				  .memory = rig->memory,
				  .cluster = "lab",
				  .now = {1},
				  .node = is_configured,
				  .node_record = node_record,
				  .resumed = resumed,
				  .unused = unused,
				  .ctx = shelf};

	shelf->store.ops = &shelf_ops;
	return restore_machine(&r, err);
}

static void a_container_comes_back_as_it_was_and_is_not_written_again(void **state) {
	struct rig *rig = *state, *again = NULL;
	char *text CLEANUP_FREE = NULL;
	struct err err = {0};

	see(rig, "h2", true, "a");
	assert_int_equal(written(rig, &text), 1);
	assert_int_equal(set_up((void **)&again), 0);
	struct shelf shelf = {.v = {{STORE_MEMORY, "h2/" ID, text}}, .n = 1};
	if (restore(again, &shelf, &err) < 0)
		fail_msg("%s", err.msg);
	const struct world_container *c = world_container(resched_world(again->machine), "h2", ID);
	assert_non_null(c);
	assert_true(c->running && c->policy.move);
	assert_int_equal(c->n_nets, 1);
	assert_string_equal(c->nets[0].ip, "10.20.0.50");
	assert_int_equal(c->nets[0].kind, NET_SWARM);
	assert_string_equal(world_node(resched_world(again->machine), "h2")->facts.vtep, "10.99.0.12");
	expect_mark(again, "h2", "a");
	assert_int_equal(written(again, NULL), 0);
	(void)tear_down((void **)&again);
}

static void the_ledger_comes_back_before_what_refers_to_it(void **state) {
	struct shelf shelf = {.v = {{STORE_NODE, "h1", "{}"}}, .n = 1};
	struct err err = {0};

	assert_int_equal(restore(*state, &shelf, &err), 0);
	assert_string_equal(shelf.called, "ledger takeover node record(h1) memory begin");
}

static void memory_of_a_node_that_is_not_configured_is_left_alone(void **state) {
	struct rig *rig = *state;
	json_t *j CLEANUP_JSON = inspect("a");
	json_t *doc CLEANUP_JSON = json_pack("{s:s, s:O, s:[]}", "node", "h9", "inspect", j, "networks");
	char *text CLEANUP_FREE = json_text(doc);
	struct shelf shelf = {.v = {{STORE_MEMORY, "h9/" ID, text}}, .n = 1};
	struct err err = {0};

	assert_int_equal(restore(rig, &shelf, &err), 0);
	assert_non_null(strstr(shelf.called, "unused(h9)"));
	assert_int_equal(memory_count(rig->memory), 0);
	assert_null(resched_world(rig->machine)->containers);
}

static void a_document_that_is_not_understood_is_named(void **state) {
	static const struct {
		enum store_table table;
		const char *key, *text, *says;
	} cases[] = {
		{STORE_LEDGER, "lab/x", "{\"id\":\"lab/x\"}", "ledger of lab/x: id or name: missing"},
		{STORE_LEDGER, "lab/x", "nonsense", "ledger of lab/x"},
		{STORE_TAKEOVER, "0123", "{}", "takeover 0123"},
		{STORE_MEMORY, "h1/x", "{\"node\":\"h1\"}", "memory of h1/x: memory: node or inspect is missing"},
		{STORE_MEMORY, "h1/x", "{\"node\":\"h1\",\"inspect\":{\"Id\":5}}", "memory of h1/x"},
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct shelf shelf = {.v = {{cases[i].table, cases[i].key, cases[i].text}}, .n = 1};
		struct err err = {0};
		if (restore(*state, &shelf, &err) >= 0 || !strstr(err.msg, cases[i].says) || strstr(shelf.called, "begin"))
			fail_msg("%s: \"%s\"", cases[i].text, err.msg);
	}
}

static void an_open_takeover_without_its_workload_is_refused(void **state) {
	struct shelf shelf = {.v = {{STORE_TAKEOVER, "0123",
				     "{\"id\":\"0123\",\"workload\":\"lab/x\",\"container\":\"web\",\"from\":\"h1\",\"state\":"
				     "\"running\",\"row\":\"start\",\"networks\":[]}"}},
			      .n = 1};
	struct err err = {0};

	assert_true(restore(*state, &shelf, &err) < 0);
	assert_non_null(strstr(err.msg, "takeover 0123 is open, but the ledger does not know its workload lab/x"));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void) {
	const struct CMUnitTest tests[] = {
		TEST(only_what_may_be_moved_is_kept),
		TEST(what_is_as_it_was_is_not_written_again),
		TEST(what_a_workload_is_made_again_from_stays_as_it_was),
		TEST(what_is_gone_is_forgotten_unless_it_is_needed),
		TEST(what_no_workload_needs_is_kept_while_it_is_there),
		TEST(what_is_seen_again_before_it_was_forgotten_on_disk_stays),
		TEST(a_container_comes_back_as_it_was_and_is_not_written_again),
		TEST(the_ledger_comes_back_before_what_refers_to_it),
		TEST(memory_of_a_node_that_is_not_configured_is_left_alone),
		TEST(a_document_that_is_not_understood_is_named),
		TEST(an_open_takeover_without_its_workload_is_refused),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
