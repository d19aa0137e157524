/* Nothing is done that is not on disk, and what could not be written is not lost. Against a store that commits when it is told to.
 */
#include "daemon/journal.h"

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
	struct store store; /* first */
	struct store_batch *batch;
	store_done_fn *done;
	void *user;
	unsigned commits;
	struct resched *machine;
	struct memory *memory;
	struct journal *journal;
	char told[512]; /* what the journal called, in order */
};

/* ---- the store ---- */

static void commit(struct store *store, struct store_batch *batch, store_done_fn *done, void *user) {
	struct rig *rig = (struct rig *)store;

	assert_null(rig->batch); /* one at a time */
	rig->batch = batch;
	rig->done = done;
	rig->user = user;
	rig->commits++;
}

static const struct store_ops ops = {.commit = commit};

static void finish(struct rig *rig, int result) {
	struct store_batch *batch CLEANUP_STORE_BATCH = TAKE_PTR(rig->batch);
	struct err err;

	assert_non_null(batch);
	if (result < 0)
		(void)err_set(&err, result, "disk full");
	rig->done(rig->user, result, result < 0 ? &err : NULL);
}

/* "put ledger lab/x, delete memory h1/a, log begin 5" of the batch under way. */
static char *content(const struct rig *rig) {
	static const char *const kinds[] = {"put", "put", "delete", "log", "trim"};
	char *text = xstrdup("");

	for (const struct store_op *op = rig->batch ? rig->batch->first : NULL; op; op = op->next) {
		char *before = text;
		if (op->kind == STORE_OP_LOG)
			text = xasprintf("%s%slog %s at %lld", before, *before ? ", " : "", op->text[7], (long long)op->time.ms);
		else
			text = xasprintf("%s%s%s %s %s", before, *before ? ", " : "", kinds[op->kind],
					 op->kind == STORE_OP_TRIM ? "all" : store_table_name(op->table), op->key ? op->key : "");
		free(before);
	}
	return text;
}

static void expect_content(const struct rig *rig, const char *expected) {
	char *got CLEANUP_FREE = content(rig);

	if (strcmp(got, expected) != 0)
		fail_msg("written: %s\nexpected: %s", got, expected);
}

/* ---- what the journal calls ---- */

static void tell(struct rig *rig, const char *what, uint64_t number) {
	size_t n = strlen(rig->told);

	snprintf(rig->told + n, sizeof(rig->told) - n, "%s%s", n ? " " : "", what);
	n = strlen(rig->told);
	if (number)
		snprintf(rig->told + n, sizeof(rig->told) - n, "%llu", (unsigned long long)number);
}

static void perform(void *ctx, struct effect *e) {
	tell(ctx, "do", e->id);
	effect_free(e);
}

static void not_done(void *ctx, const struct effect *e, const char *why) {
	assert_string_equal(why, "disk full");
	tell(ctx, "not", e->id);
}

static void wake(void *ctx) { tell(ctx, "wake", 0); }
static void takeover_written(void *ctx, const struct takeover *t) {
	(void)t;
	tell(ctx, "takeover", 0);
}
static void lines_written(void *ctx) { tell(ctx, "lines", 0); }
static void failing(void *ctx, bool first, const struct err *err) {
	assert_string_equal(err->msg, "disk full");
	tell(ctx, first ? "failing" : "still-failing", 0);
}
static void works(void *ctx) { tell(ctx, "works", 0); }

static void expect_told(struct rig *rig, const char *expected) {
	assert_string_equal(rig->told, expected);
	rig->told[0] = '\0';
}

/* ---- the rig ---- */

static int set_up(void **state) {
	struct rig *rig = xnew(struct rig);
	const struct resched_settings settings = {.cluster = "lab", .parallel = 8, .per_target = 8, .attempts = 3};
	const struct journal_handler handler = {.perform = perform,
						.not_done = not_done,
						.wake = wake,
						.takeover_written = takeover_written,
						.lines_written = lines_written,
						.failing = failing,
						.works = works,
						.ctx = rig};

	rig->store.ops = &ops;
	rig->machine = resched_new(&settings);
	resched_add_node(rig->machine, "h1", true);
	rig->memory = memory_new(rig->machine);
	rig->journal = journal_new(rig->machine, rig->memory, &rig->store, &handler);
	*state = rig;
	return 0;
}

static int tear_down(void **state) {
	struct rig *rig = *state;

	journal_free(rig->journal);
	memory_free(rig->memory);
	resched_free(rig->machine);
	store_batch_free(rig->batch);
	free(rig);
	return 0;
}

/* A workload, whose ledger entry is to be written. */
static void see(struct rig *rig, const char *id) {
	struct world_container *c = world_container_new("h1", id);

	c->name = xstrdup(id);
	c->running = c->started = c->policy.move = true;
	resched_container(rig->machine, (struct mono){1}, c);
}

static void add_effect(struct resched_output *out, uint64_t id) {
	struct effect *e = xnew(struct effect);

	e->id = id;
	out->effects = xreallocarray(out->effects, out->n_effects + 1, sizeof(*out->effects));
	out->effects[out->n_effects++] = e;
}

static void add_line(struct resched_output *out, const char *step) {
	out->logs = xreallocarray(out->logs, out->n_logs + 1, sizeof(*out->logs));
	out->logs[out->n_logs++] = (struct resched_log){.takeover = xstrdup("t"), .container = xstrdup("web"), .step = step};
}

/* A turn at which the machine puts out this. effect: 0 for none. */
static void turn(struct rig *rig, uint64_t effect, const char *line, const char *forgotten, int64_t ms) {
	struct resched_output out = {0};

	if (effect)
		add_effect(&out, effect);
	if (line)
		add_line(&out, line);
	if (forgotten)
		strs_add(&out.forgotten, forgotten);
	journal_turn(rig->journal, &out, (struct wall){ms});
}

/* ---- tests ---- */

static void effects_wait_until_their_intent_is_on_disk(void **state) {
	struct rig *rig = *state;

	see(rig, "aa");
	turn(rig, 1, "begin", NULL, 5);
	expect_content(rig, "log begin at 5, put ledger lab/aa");
	expect_told(rig, "");
	finish(rig, 0);
	expect_told(rig, "lines do1");
	assert_null(journal_trouble(rig->journal));
}

static void an_effect_without_any_record_waits_as_well(void **state) {
	struct rig *rig = *state;

	turn(rig, 1, NULL, NULL, 5);
	expect_told(rig, "");
	finish(rig, 0);
	expect_told(rig, "do1");
}

static void nothing_to_write_is_no_commit(void **state) {
	struct rig *rig = *state;

	turn(rig, 0, NULL, NULL, 5);
	assert_int_equal(rig->commits, 0);
}

static void a_later_turn_is_not_on_disk_before_an_earlier_one(void **state) {
	struct rig *rig = *state;

	see(rig, "aa");
	turn(rig, 1, NULL, NULL, 5);
	see(rig, "bb");
	turn(rig, 2, "end", NULL, 6);
	assert_int_equal(rig->commits, 1);
	finish(rig, 0);
	expect_told(rig, "do1 wake");
	turn(rig, 3, NULL, NULL, 7);
	expect_content(rig, "log end at 6, put ledger lab/bb");
	finish(rig, 0);
	expect_told(rig, "lines do2 do3");
}

static void a_deletion_comes_before_what_is_there_again(void **state) {
	struct rig *rig = *state;

	see(rig, "aa");
	turn(rig, 0, NULL, "lab/aa", 5);
	expect_content(rig, "delete ledger lab/aa, put ledger lab/aa");
	finish(rig, 0);
}

static void a_failed_commit_does_nothing_and_loses_nothing(void **state) {
	struct rig *rig = *state;

	see(rig, "aa");
	turn(rig, 1, "one", "lab/old", 5);
	turn(rig, 2, "two", NULL, 6); /* it goes by what the first one wrote */
	finish(rig, -ENOSPC);
	expect_told(rig, "not1 not2 failing");
	assert_string_equal(journal_trouble(rig->journal), "disk full");
	turn(rig, 0, "three", "lab/older", 7);
	assert_int_equal(rig->commits, 1);
	journal_retry(rig->journal);
	expect_content(rig,
		       "delete ledger lab/old, delete ledger lab/older, log one at 5, log two at 6, log three at 7, put ledger "
		       "lab/aa");
	finish(rig, 0);
	expect_told(rig, "works wake lines");
	assert_null(journal_trouble(rig->journal));
}

static void what_fails_again_is_kept_again(void **state) {
	struct rig *rig = *state;

	see(rig, "aa");
	turn(rig, 1, "one", NULL, 5);
	finish(rig, -ENOSPC);
	journal_retry(rig->journal);
	turn(rig, 0, "two", NULL, 6);
	finish(rig, -ENOSPC);
	expect_told(rig, "not1 failing still-failing");
	journal_retry(rig->journal);
	expect_content(rig, "log one at 5, log two at 6, put ledger lab/aa");
	finish(rig, 0);
	expect_told(rig, "works wake lines");
}

static void a_store_that_works_again_is_found_out_without_anything_to_write(void **state) {
	struct rig *rig = *state;

	turn(rig, 1, NULL, NULL, 5);
	finish(rig, -ENOSPC);
	journal_retry(rig->journal);
	finish(rig, 0);
	expect_told(rig, "not1 failing works wake");
	assert_null(journal_trouble(rig->journal));
}

static void an_effect_that_is_asked_for_while_the_store_fails_is_answered(void **state) {
	struct rig *rig = *state;

	turn(rig, 1, NULL, NULL, 5);
	finish(rig, -ENOSPC);
	turn(rig, 2, NULL, NULL, 6);
	expect_told(rig, "not1 failing not2");
}

static void a_deletion_of_the_daemon_s_goes_with_the_next_commit(void **state) {
	struct rig *rig = *state;

	journal_delete(rig->journal, STORE_NODE, "h1");
	journal_trim(rig->journal, (struct wall){1}, 10);
	assert_int_equal(rig->commits, 0);
	expect_told(rig, "wake wake");
	turn(rig, 0, NULL, NULL, 5);
	expect_content(rig, "delete node h1, trim all ");
	finish(rig, 0);
}

static void heard(void *user, const char *why_not) {
	assert_true(!why_not || strcmp(why_not, "disk full") == 0);
	tell(user, why_not ? "unwritten" : "written", 0);
}

static void who_waits_hears_when_its_change_is_on_disk(void **state) {
	struct rig *rig = *state;

	turn(rig, 1, NULL, NULL, 5);
	see(rig, "aa"); /* too late for the commit under way */
	journal_when_written(rig->journal, heard, rig);
	expect_told(rig, "wake");
	turn(rig, 0, NULL, NULL, 6);
	finish(rig, 0);
	expect_told(rig, "do1 wake");
	turn(rig, 0, NULL, NULL, 7);
	expect_content(rig, "put ledger lab/aa");
	expect_told(rig, "");
	finish(rig, 0);
	expect_told(rig, "written");
}

static void who_waits_for_nothing_hears_it_after_what_is_under_way(void **state) {
	struct rig *rig = *state;

	journal_when_written(rig->journal, heard, rig);
	turn(rig, 0, NULL, NULL, 5);
	finish(rig, 0);
	expect_told(rig, "wake written");
}

static void who_waits_hears_why_it_is_not_written(void **state) {
	struct rig *rig = *state;

	journal_when_written(rig->journal, heard, rig);
	turn(rig, 1, NULL, NULL, 5);
	journal_when_written(rig->journal, heard, rig);
	finish(rig, -ENOSPC);
	expect_told(rig, "wake wake not1 unwritten unwritten failing");
	journal_when_written(rig->journal, heard, rig);
	turn(rig, 0, NULL, NULL, 6);
	expect_told(rig, "wake unwritten");
}

static void a_retry_is_not_begun_twice(void **state) {
	struct rig *rig = *state;

	journal_retry(rig->journal); /* nothing failed */
	turn(rig, 1, NULL, NULL, 5);
	finish(rig, -ENOSPC);
	journal_retry(rig->journal);
	journal_retry(rig->journal);
	assert_int_equal(rig->commits, 2);
	finish(rig, 0);
}

/* As in a crash; the leak checker says whether all is freed. */
static void what_is_not_on_disk_is_forgotten_with_the_journal(void **state) {
	struct rig *rig = *state;

	see(rig, "aa");
	turn(rig, 1, "one", "lab/old", 5);
	turn(rig, 2, "two", "lab/older", 6);
	journal_delete(rig->journal, STORE_NODE, "h1");
	journal_when_written(rig->journal, heard, rig);
	rig->told[0] = '\0';
	journal_free(TAKE_PTR(rig->journal));
	expect_told(rig, "");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void) {
	const struct CMUnitTest tests[] = {
		TEST(effects_wait_until_their_intent_is_on_disk),
		TEST(an_effect_without_any_record_waits_as_well),
		TEST(nothing_to_write_is_no_commit),
		TEST(a_later_turn_is_not_on_disk_before_an_earlier_one),
		TEST(a_deletion_comes_before_what_is_there_again),
		TEST(a_failed_commit_does_nothing_and_loses_nothing),
		TEST(what_fails_again_is_kept_again),
		TEST(a_store_that_works_again_is_found_out_without_anything_to_write),
		TEST(an_effect_that_is_asked_for_while_the_store_fails_is_answered),
		TEST(a_deletion_of_the_daemon_s_goes_with_the_next_commit),
		TEST(who_waits_hears_when_its_change_is_on_disk),
		TEST(who_waits_for_nothing_hears_it_after_what_is_under_way),
		TEST(who_waits_hears_why_it_is_not_written),
		TEST(a_retry_is_not_begun_twice),
		TEST(what_is_not_on_disk_is_forgotten_with_the_journal),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
