/* The state file: what is written is there again, what is not ours is refused, and a commit that fails leaves nothing behind. */
#include "store/sqlite.h"

#include "base/alloc.h"
#include "base/buf.h"
#include "base/cleanup.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <sqlite3.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

struct fixture {
	uv_loop_t loop;
	char dir[64], path[96];
	unsigned called;
	int result;
	struct err err;
	struct buf seen; /* by rows and callbacks */
};

static int setup(void **state) {
	struct fixture *f = xnew(struct fixture);
	uv_loop_init(&f->loop);
	strcpy(f->dir, "/tmp/heir-test-XXXXXX");
	assert_non_null(mkdtemp(f->dir));
	snprintf(f->path, sizeof(f->path), "%s/heir.db", f->dir);
	*state = f;
	return 0;
}

static void remove_with(const char *path, const char *suffix) {
	CLEANUP_FREE char *name = xasprintf("%s%s", path, suffix);
	(void)unlink(name);
}

static int teardown(void **state) {
	struct fixture *f = *state;
	uv_run(&f->loop, UV_RUN_DEFAULT);
	assert_int_equal(uv_loop_close(&f->loop), 0);
	remove_with(f->path, "");
	remove_with(f->path, "-wal");
	remove_with(f->path, ".lock");
	assert_int_equal(rmdir(f->dir), 0);
	buf_clear(&f->seen);
	free(f);
	return 0;
}

static struct store *open_as(struct fixture *f, const char *cluster) {
	struct store *s = NULL;
	if (sqlite_store_open(&f->loop, f->path, cluster, &s, &f->err) < 0)
		fail_msg("%s", f->err.msg);
	if (store_begin(s, &f->err) < 0)
		fail_msg("%s", f->err.msg);
	return s;
}

static struct store *open_ok(struct fixture *f) { return open_as(f, "prod"); }

static void expect_refused(struct fixture *f, const char *cluster, int code, const char *says) {
	struct store *s = NULL;
	int r = sqlite_store_open(&f->loop, f->path, cluster, &s, &f->err);
	if (r != code || !strstr(f->err.msg, says) || !strstr(f->err.msg, f->dir))
		fail_msg("got %d (%s), expected %d and \"%s\"", r, r < 0 ? f->err.msg : "opened", code, says);
}

static void close_and_wait(struct fixture *f, struct store *s) {
	store_close(s);
	uv_run(&f->loop, UV_RUN_DEFAULT);
}

static void on_done(void *user, int result, const struct err *err) {
	struct fixture *f = user;
	assert_int_equal(result < 0, err != NULL);
	f->called++;
	f->result = result;
	if (err)
		f->err = *err;
}

static int commit(struct fixture *f, struct store *s, struct store_batch *b) {
	unsigned before = f->called;
	store_commit(s, b, on_done, f);
	assert_int_equal(f->called, before); /* never inside the call */
	while (f->called == before)
		uv_run(&f->loop, UV_RUN_ONCE);
	return f->result;
}

static struct store_batch *one_put(enum store_table table, const char *key, const char *doc) {
	struct store_batch *b = store_batch_new();
	store_batch_put(b, table, key, doc);
	return b;
}

static int on_row(void *user, const char *key, const char *json_text, struct err *err) {
	struct fixture *f = user;
	(void)err;
	buf_printf(&f->seen, "%s=%.40s;", key, json_text);
	return 0;
}

static const char *table_text(struct fixture *f, struct store *s, enum store_table table) {
	buf_clear(&f->seen);
	buf_puts(&f->seen, "");
	if (store_load(s, table, on_row, f, &f->err) < 0)
		fail_msg("%s", f->err.msg);
	return f->seen.data;
}

static void on_log(void *user, int result, const struct store_log_row *rows, size_t n, const struct err *err) {
	struct fixture *f = user;
	(void)err;
	assert_int_equal(result, 0);
	buf_clear(&f->seen);
	buf_puts(&f->seen, "");
	for (size_t i = 0; i < n; i++)
		buf_printf(&f->seen, "%d:%s/%s;", (int)rows[i].seq, rows[i].ip ? rows[i].ip : "-",
			   rows[i].step ? rows[i].step : "-");
	f->called++;
}

static const char *log_text(struct fixture *f, struct store *s, struct store_log_filter filter) {
	unsigned before = f->called;
	store_read_log(s, &filter, on_log, f);
	while (f->called == before)
		uv_run(&f->loop, UV_RUN_ONCE);
	return f->seen.data;
}

static void what_was_committed_is_there_after_reopening(void **state) {
	struct fixture *f = *state;
	struct store *s = open_ok(f);
	struct store_batch *b = store_batch_new();
	store_batch_put(b, STORE_MEMORY, "h1/a", "{\"a\":\"it's\"}");
	store_batch_put(b, STORE_MEMORY, "h1/b", "{}");
	store_batch_put(b, STORE_MEMORY, "h1/a", "{\"a\":2}");
	store_batch_delete(b, STORE_MEMORY, "h1/b");
	store_batch_put(b, STORE_LEDGER, "prod/x", "{\"ip\":1}");
	store_batch_put(b, STORE_NODE, "h1", "{\"stale\":[]}");
	store_batch_put_takeover(b, &(struct store_takeover){"t2", "running", "{}", {2000}, false});
	store_batch_put_takeover(b, &(struct store_takeover){"t3", "done", "{}", {1000}, true});
	assert_int_equal(commit(f, s, b), 0);
	assert_int_equal(store_epoch(s), 1);
	close_and_wait(f, s);

	s = open_ok(f);
	assert_int_equal(store_epoch(s), 2);
	assert_string_equal(table_text(f, s, STORE_MEMORY), "h1/a={\"a\":2};");
	assert_string_equal(table_text(f, s, STORE_LEDGER), "prod/x={\"ip\":1};");
	assert_string_equal(table_text(f, s, STORE_NODE), "h1={\"stale\":[]};");
	assert_string_equal(table_text(f, s, STORE_TAKEOVER), "t3={};t2={};"); /* by start */
	close_and_wait(f, s);
}

static void an_epoch_is_only_raised_and_only_until_the_file_is_closed(void **state) {
	struct fixture *f = *state;
	struct store *s = open_ok(f);

	store_raise_epoch(s, 7);
	assert_int_equal(store_epoch(s), 7);
	store_raise_epoch(s, 3);
	assert_int_equal(store_epoch(s), 7);
	close_and_wait(f, s);
	s = open_ok(f);
	assert_int_equal(store_epoch(s), 2);
	close_and_wait(f, s);
}

static int refuse_row(void *user, const char *key, const char *json_text, struct err *err) {
	(void)user;
	(void)json_text;
	return err_set(err, -EINVAL, "%s is odd", key);
}

static void a_row_that_is_refused_stops_the_loading(void **state) {
	struct fixture *f = *state;
	struct store *s = open_ok(f);
	assert_int_equal(commit(f, s, one_put(STORE_NODE, "h1", "{}")), 0);
	assert_int_equal(store_load(s, STORE_NODE, refuse_row, f, &f->err), -EINVAL);
	assert_string_equal(f->err.msg, "h1 is odd");
	close_and_wait(f, s);
}

static struct store_log_row log_row(int64_t ms, const char *ip, const char *container, const char *step) {
	return (struct store_log_row){.time = {ms}, .ip = ip, .container = container, .step = step, .seconds = -1};
}

static void the_log_is_read_by_ip_container_time_and_number(void **state) {
	struct fixture *f = *state;
	struct store *s = open_ok(f);
	struct store_batch *b = store_batch_new();
	struct store_log_row rows[] = {log_row(100, "10.0.0.1", "web", "plan"), log_row(200, "10.0.0.2", "db", "plan"),
				       log_row(300, "10.0.0.1", "web", "start"), log_row(400, NULL, "web", NULL)};
	for (size_t i = 0; i < 4; i++)
		store_batch_log(b, &rows[i]);
	assert_int_equal(commit(f, s, b), 0);
	static const struct {
		struct store_log_filter filter;
		const char *rows;
	} cases[] = {
		{{0}, "1:10.0.0.1/plan;2:10.0.0.2/plan;3:10.0.0.1/start;4:-/-;"},
		{{.ip = "10.0.0.1"}, "1:10.0.0.1/plan;3:10.0.0.1/start;"},
		{{.container = "web", .newest_first = true, .limit = 2}, "4:-/-;3:10.0.0.1/start;"},
		{{.since = {200}, .limit = 1}, "2:10.0.0.2/plan;"},
		{{.after_seq = 3}, "4:-/-;"},
		{{.ip = "10.0.0.1' OR 1"}, ""},
	};
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		assert_string_equal(log_text(f, s, cases[i].filter), cases[i].rows);
	close_and_wait(f, s);
}

static void on_full_row(void *user, int result, const struct store_log_row *rows, size_t n, const struct err *err) {
	struct fixture *f = user;
	(void)err;
	assert_int_equal(result, 0);
	assert_int_equal(n, 1);
	assert_string_equal(rows->takeover, "t");
	assert_string_equal(rows->container, "web");
	assert_string_equal(rows->network, "ov");
	assert_string_equal(rows->ip, "10.0.0.1");
	assert_string_equal(rows->mac, "02:42");
	assert_string_equal(rows->from_node, "h1");
	assert_string_equal(rows->to_node, "h2");
	assert_string_equal(rows->step, "verify");
	assert_string_equal(rows->outcome, "ok");
	assert_string_equal(rows->evidence, "presumed");
	assert_string_equal(rows->detail, "d");
	assert_true(rows->seconds == 1.5);
	f->called++;
}

static void a_log_line_keeps_every_column(void **state) {
	struct fixture *f = *state;
	struct store *s = open_ok(f);
	struct store_batch *b = store_batch_new();
	store_batch_log(b, &(struct store_log_row){.takeover = "t",
						   .container = "web",
						   .network = "ov",
						   .ip = "10.0.0.1",
						   .mac = "02:42",
						   .from_node = "h1",
						   .to_node = "h2",
						   .step = "verify",
						   .outcome = "ok",
						   .evidence = "presumed",
						   .detail = "d",
						   .seconds = 1.5});
	store_commit(s, b, on_done, f);
	store_read_log(s, &(struct store_log_filter){0}, on_full_row, f); /* after the commit, as it was asked after it */
	while (f->called < 2)
		uv_run(&f->loop, UV_RUN_ONCE);
	close_and_wait(f, s);
}

static void retention_keeps_open_takeovers_and_the_newest_closed_ones(void **state) {
	struct fixture *f = *state;
	struct store *s = open_ok(f);
	struct store_batch *b = store_batch_new();
	store_batch_put_takeover(b, &(struct store_takeover){"old-open", "running", "{}", {1}, false});
	store_batch_put_takeover(b, &(struct store_takeover){"old", "done", "{}", {2}, true});
	store_batch_put_takeover(b, &(struct store_takeover){"new", "done", "{}", {3}, true});
	for (int64_t i = 1; i <= 3; i++) {
		struct store_log_row row = log_row(i * 100, "10.0.0.1", "web", "plan");
		store_batch_log(b, &row);
	}
	store_batch_trim(b, (struct wall){300}, 1);
	assert_int_equal(commit(f, s, b), 0);
	assert_string_equal(table_text(f, s, STORE_TAKEOVER), "old-open={};new={};");
	assert_string_equal(log_text(f, s, (struct store_log_filter){0}), "3:10.0.0.1/plan;");
	/* Numbers are not used again, even when all lines are gone. */
	b = store_batch_new();
	store_batch_trim(b, (struct wall){1000}, 1);
	struct store_log_row row = log_row(2000, "10.0.0.1", "web", "start");
	store_batch_log(b, &row);
	assert_int_equal(commit(f, s, b), 0);
	assert_string_equal(log_text(f, s, (struct store_log_filter){0}), "4:10.0.0.1/start;");
	close_and_wait(f, s);
}

struct order {
	struct fixture *f;
	int number;
};

static void on_ordered(void *user, int result, const struct err *err) {
	struct order *o = user;
	(void)err;
	assert_int_equal(result, 0);
	buf_printf(&o->f->seen, "%d,", o->number);
	o->f->called++;
}

static void batches_that_wait_together_are_each_called_back_in_order(void **state) {
	struct fixture *f = *state;
	struct store *s = open_ok(f);
	struct order orders[100];
	char key[16];
	for (int i = 0; i < 100; i++) {
		orders[i] = (struct order){f, i};
		snprintf(key, sizeof(key), "%03d", i);
		store_commit(s, i % 10 ? one_put(STORE_NODE, key, "{}") : store_batch_new(), on_ordered, &orders[i]);
		if (i == 50)
			uv_run(&f->loop, UV_RUN_NOWAIT);
	}
	while (f->called < 100)
		uv_run(&f->loop, UV_RUN_ONCE);
	assert_int_equal(store_pending(s), 0);
	assert_true(strncmp(f->seen.data, "0,1,2,3,4,", 10) == 0);
	assert_non_null(strstr(f->seen.data, ",97,98,99,"));
	close_and_wait(f, s);
}

static void on_never(void *user, int result, const struct err *err) {
	(void)user;
	(void)result;
	(void)err;
	fail_msg("called back after the store was closed");
}

/* Keeps the pool's only thread from anything else until it is let go. */
struct blocker {
	uv_work_t work;
	uv_sem_t sem;
};

static void on_block(uv_work_t *work) { uv_sem_wait(&((struct blocker *)work->data)->sem); }

static void on_unblocked(uv_work_t *work, int status) {
	(void)work;
	assert_int_equal(status, 0);
}

static void block(struct fixture *f, struct blocker *b) {
	b->work.data = b;
	assert_int_equal(uv_sem_init(&b->sem, 0), 0);
	assert_int_equal(uv_queue_work(&f->loop, &b->work, on_block, on_unblocked), 0);
}

static void closing_drops_what_waits_and_calls_nobody(void **state) {
	struct fixture *f = *state;
	struct store *s = open_ok(f);
	struct blocker b;

	block(f, &b);
	store_commit(s, one_put(STORE_NODE, "h1", "{}"), on_never, f);
	uv_run(&f->loop, UV_RUN_NOWAIT); /* it is begun, and cannot end yet */
	store_commit(s, one_put(STORE_NODE, "h2", "{}"), on_never, f);
	assert_int_equal(store_pending(s), 2);
	store_close(s);
	uv_sem_post(&b.sem);
	uv_run(&f->loop, UV_RUN_DEFAULT);
	uv_sem_destroy(&b.sem);
	s = open_ok(f);                                              /* unlocked */
	assert_string_equal(table_text(f, s, STORE_NODE), "h1={};"); /* what was begun is done, what waited is not */
	close_and_wait(f, s);
}

static void the_file_is_only_for_its_owner(void **state) {
	struct fixture *f = *state;
	struct stat st;
	mode_t old = umask(0);
	struct store *s = open_ok(f);
	assert_int_equal(commit(f, s, one_put(STORE_NODE, "h1", "{}")), 0);
	umask(old);
	static const char *const files[] = {"", "-wal", ".lock"};
	for (size_t i = 0; i < 3; i++) {
		CLEANUP_FREE char *path = xasprintf("%s%s", f->path, files[i]);
		assert_int_equal(stat(path, &st), 0);
		assert_int_equal(st.st_mode & 07777, 0600);
	}
	close_and_wait(f, s);
	chmod(f->path, 0640);
	expect_refused(f, "prod", -EACCES, "others may use it");
	chmod(f->path, 0400);
	expect_refused(f, "prod", -EACCES, "read-only");
}

static void a_second_process_is_refused_and_told_who_holds_it(void **state) {
	struct fixture *f = *state;
	struct store *s = open_ok(f);
	char pid[48];
	snprintf(pid, sizeof(pid), "in use by another process, pid %ld", (long)getpid());
	expect_refused(f, "prod", -EBUSY, pid); /* a second descriptor of this process is as good as another process to flock */
	assert_int_equal(commit(f, s, one_put(STORE_NODE, "h1", "{}")), 0);
	close_and_wait(f, s);
}

static void another_cluster_is_refused(void **state) {
	struct fixture *f = *state;
	close_and_wait(f, open_as(f, "it's"));
	expect_refused(f, "prod", -EINVAL, "belongs to cluster \"it's\", not \"prod\"");
	close_and_wait(f, open_as(f, "it's"));
}

static void exec_sql(const char *path, const char *sql) {
	sqlite3 *db = NULL;
	assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
	assert_int_equal(sqlite3_exec(db, sql, NULL, NULL, NULL), SQLITE_OK);
	sqlite3_close(db);
	chmod(path, 0600);
}

static void files_of_others_and_of_newer_versions_are_refused(void **state) {
	struct fixture *f = *state;
	exec_sql(f->path, "CREATE TABLE x (y)");
	expect_refused(f, "prod", -EINVAL, "another application");
	unlink(f->path);
	close_and_wait(f, open_ok(f));
	exec_sql(f->path, "PRAGMA user_version = 2");
	expect_refused(f, "prod", -EINVAL, "newer heird");
	exec_sql(f->path, "PRAGMA user_version = 1; ALTER TABLE ledger RENAME TO lodger");
	expect_refused(f, "prod", -EUCLEAN, "lacks a table");
	exec_sql(f->path, "ALTER TABLE lodger RENAME TO ledger; DELETE FROM meta");
	expect_refused(f, "prod", -EUCLEAN, "lacks a record");
}

static void overwrite(const char *path, off_t at, size_t n) {
	int fd = open(path, O_WRONLY);
	CLEANUP_FREE char *junk = xmalloc(n);
	memset(junk, 0xa5, n);
	assert_int_equal(pwrite(fd, junk, n, at), (ssize_t)n);
	close(fd);
}

static void a_damaged_file_is_refused(void **state) {
	struct fixture *f = *state;
	struct store *s = open_ok(f);
	struct store_batch *b = store_batch_new();
	char key[32];
	for (int i = 0; i < 2000; i++) {
		snprintf(key, sizeof(key), "h1/%d", i);
		store_batch_put(b, STORE_MEMORY, key, "{\"Config\":{\"Image\":\"busybox\"}}");
	}
	assert_int_equal(commit(f, s, b), 0);
	close_and_wait(f, s);
	struct stat st;
	assert_int_equal(stat(f->path, &st), 0);
	overwrite(f->path, st.st_size / 2, 8192);
	expect_refused(f, "prod", -EUCLEAN, "damaged");
	overwrite(f->path, 0, 100);
	expect_refused(f, "prod", -EUCLEAN, "damaged");
	assert_int_equal(truncate(f->path, 0), 0);
	overwrite(f->path, 0, 10);
	expect_refused(f, "prod", -EUCLEAN, "damaged");
}

/* All of it, and of its WAL: NULL where there is none. */
static char *bytes_of(const char *path, const char *suffix, size_t *ret_n) {
	CLEANUP_FREE char *name = xasprintf("%s%s", path, suffix);
	CLEANUP_FD int fd = open(name, O_RDONLY | O_CLOEXEC);
	struct stat st;

	if (fd < 0 || fstat(fd, &st) < 0)
		return NULL;
	char *bytes = xmalloc((size_t)st.st_size + 1);
	*ret_n = (size_t)st.st_size;
	assert_int_equal(read(fd, bytes, *ret_n), (ssize_t)*ret_n);
	return bytes;
}

struct bytes {
	char *file, *wal;
	size_t file_n, wal_n;
};

static struct bytes bytes_both(const char *path) {
	struct bytes b = {0};
	b.file = bytes_of(path, "", &b.file_n);
	b.wal = bytes_of(path, "-wal", &b.wal_n);
	return b;
}

static void expect_same_bytes(struct bytes before, const char *path) {
	struct bytes now = bytes_both(path);

	assert_int_equal(now.file_n, before.file_n);
	assert_memory_equal(now.file, before.file, before.file_n);
	assert_int_equal(now.wal_n, before.wal_n);
	if (before.wal_n)
		assert_memory_equal(now.wal, before.wal, before.wal_n);
	free(now.file);
	free(now.wal);
	free(before.file);
	free(before.wal);
}

/* As a manager leaves it that was killed: what was committed is still in the WAL. */
static void leave_killed(struct fixture *f) {
	int status = 0;
	pid_t child = fork();

	if (child == 0) {
		struct store *s = NULL;
		uv_loop_init(&f->loop); /* the parent's is not ours */
		if (sqlite_store_open(&f->loop, f->path, "prod", &s, &f->err) < 0 || store_begin(s, &f->err) < 0 ||
		    commit(f, s, one_put(STORE_NODE, "h1", "{}")) < 0)
			_exit(1);
		_exit(0);
	}
	waitpid(child, &status, 0);
	assert_int_equal(WEXITSTATUS(status), 0);
}

static void what_is_refused_or_not_begun_is_left_as_it_was(void **state) {
	struct fixture *f = *state;
	struct store *s = NULL;

	leave_killed(f);
	struct bytes before = bytes_both(f->path);
	assert_true(before.wal_n > 0);
	expect_refused(f, "test", -EINVAL, "belongs to cluster");
	assert_int_equal(sqlite_store_open(&f->loop, f->path, "prod", &s, &f->err), 0);
	assert_string_equal(table_text(f, s, STORE_NODE), "h1={};");
	close_and_wait(f, s);
	expect_same_bytes(before, f->path);
	s = open_ok(f);
	assert_int_equal(store_epoch(s), 2); /* the killed one's was the first */
	close_and_wait(f, s);
}

static void a_backup_is_the_whole_file_and_its_wal(void **state) {
	struct fixture *f = *state;
	CLEANUP_FREE char *to = xasprintf("%s/copy", f->dir), *from = xstrdup(f->path);
	struct stat st;

	leave_killed(f);
	struct bytes before = bytes_both(f->path);
	assert_int_equal(sqlite_store_backup(f->path, "prod", to, &f->err), 0);
	expect_same_bytes(before, f->path);
	assert_int_equal(stat(to, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0600);
	assert_int_equal(sqlite_store_backup(f->path, "prod", to, &f->err), -EEXIST); /* never over another */
	strcpy(f->path, to);
	struct store *s = open_ok(f);
	assert_string_equal(table_text(f, s, STORE_NODE), "h1={};");
	assert_int_equal(store_epoch(s), 2);
	close_and_wait(f, s);
	remove_with(to, "");
	remove_with(to, ".lock");
	strcpy(f->path, from);
}

static void what_cannot_be_opened_cannot_be_backed_up(void **state) {
	struct fixture *f = *state;
	CLEANUP_FREE char *to = xasprintf("%s/copy", f->dir);

	assert_int_equal(sqlite_store_backup(f->path, "prod", to, &f->err), -ENOENT);
	struct store *s = open_ok(f);
	assert_int_equal(sqlite_store_backup(f->path, "prod", to, &f->err), -EBUSY);
	close_and_wait(f, s);
	assert_int_equal(sqlite_store_backup(f->path, "test", to, &f->err), -EINVAL);
	assert_int_equal(sqlite_store_backup(f->path, "prod", "/no/such/place", &f->err), -ENOENT);
	overwrite(f->path, 0, 100);
	assert_int_equal(sqlite_store_backup(f->path, "prod", to, &f->err), -EUCLEAN);
	assert_int_equal(access(to, F_OK), -1);
}

static void paths_that_cannot_be_are_refused(void **state) {
	struct fixture *f = *state;
	char *dir = f->path + strlen(f->dir);
	strcpy(dir, "/no/heir.db");
	expect_refused(f, "prod", -ENOENT, "directory of the state file");
	strcpy(dir, "/heir.db");
	assert_int_equal(mkdir(f->path, 0700), 0);
	expect_refused(f, "prod", -EISDIR, "");
	rmdir(f->path);
	assert_int_equal(mkfifo(f->path, 0600), 0);
	expect_refused(f, "prod", -EINVAL, "not a regular file");
}

static void a_commit_that_cannot_be_written_leaves_nothing_and_the_next_is_tried_again(void **state) {
	struct fixture *f = *state;
	struct store *s = open_ok(f);
	struct rlimit old, small = {.rlim_cur = 256 * 1024};
	CLEANUP_FREE char *big = xmalloc(1024 * 1024 + 1);
	memset(big, 'x', 1024 * 1024);
	big[1024 * 1024] = '\0';
	assert_int_equal(commit(f, s, one_put(STORE_NODE, "before", "{}")), 0);
	signal(SIGXFSZ, SIG_IGN);
	getrlimit(RLIMIT_FSIZE, &old);
	small.rlim_max = old.rlim_max;
	setrlimit(RLIMIT_FSIZE, &small);
	struct store_batch *b = one_put(STORE_NODE, "small", "{}");
	store_batch_put(b, STORE_NODE, "big", big);
	int r = commit(f, s, b);
	int r2 = commit(f, s, one_put(STORE_NODE, "still-fits", "{}"));
	setrlimit(RLIMIT_FSIZE, &old);
	assert_in_range(-r, 1, 4095);
	assert_null(strstr(f->err.msg, "xxx"));
	assert_int_equal(r2, 0);
	assert_int_equal(commit(f, s, one_put(STORE_NODE, "after", big)), 0);
	assert_string_equal(table_text(f, s, STORE_NODE),
			    "after=xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx;before={};still-fits={};");
	close_and_wait(f, s);
}

/* In a process and a mount namespace of its own: the mount must not be seen by anybody. */
static int on_full_disk(struct fixture *f) {
	if (unshare(CLONE_NEWNS) < 0 || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0 ||
	    mount("none", f->dir, "tmpfs", 0, "size=512k,mode=0700") < 0)
		return 77;
	struct store *s = open_ok(f);
	char key[32];
	CLEANUP_FREE char *doc = xmalloc(16385);
	memset(doc, 'x', 16384);
	doc[16384] = '\0';
	int r = 0, n = 0;
	for (; n < 100 && r == 0; n++) {
		snprintf(key, sizeof(key), "%03d", n);
		r = commit(f, s, one_put(STORE_NODE, key, doc));
	}
	if (r != -ENOSPC || n < 3 || !strstr(f->err.msg, "full"))
		return 1;
	/* A larger disk: the next commit is written. */
	if (mount("none", f->dir, "tmpfs", MS_REMOUNT, "size=4m,mode=0700") < 0 ||
	    commit(f, s, one_put(STORE_NODE, "z", "{}")) != 0)
		return 2;
	/* Read-only from now on, as after an error of the disk. */
	close_and_wait(f, s);
	s = open_ok(f);
	if (strstr(table_text(f, s, STORE_NODE), key) || !strstr(f->seen.data, "z={}"))
		return 3;
	close_and_wait(f, s);
	if (mount("none", f->dir, NULL, MS_REMOUNT | MS_RDONLY, NULL) < 0)
		return 4;
	return sqlite_store_open(&f->loop, f->path, "prod", &s, &f->err) == -EROFS ? 0 : 5;
}

static void a_full_disk_fails_the_commit_until_there_is_room(void **state) {
	struct fixture *f = *state;
	int status = 0;
	pid_t child = fork();
	if (child == 0) {
		uv_loop_init(&f->loop); /* the parent's is not ours */
		_exit(on_full_disk(f));
	}
	waitpid(child, &status, 0);
	if (WIFEXITED(status) && WEXITSTATUS(status) == 77) {
		print_message("SKIPPED: only root can make a small disk\n");
		skip();
	}
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 0);
}

static void a_crash_between_commits_loses_only_what_was_not_committed(void **state) {
	struct fixture *f = *state;
	int status = 0;
	pid_t child = fork();
	if (child == 0) {
		struct store *s = NULL;
		uv_loop_init(&f->loop); /* the parent's is not ours */
		if (sqlite_store_open(&f->loop, f->path, "prod", &s, &f->err) < 0 || store_begin(s, &f->err) < 0 ||
		    commit(f, s, one_put(STORE_NODE, "h1", "{}")) < 0)
			_exit(1);
		store_commit(s, one_put(STORE_NODE, "h2", "{}"), on_done, f); /* given, but never called back */
		_exit(0);
	}
	waitpid(child, &status, 0);
	assert_int_equal(WEXITSTATUS(status), 0);
	struct store *s = open_ok(f);
	assert_int_equal(store_epoch(s), 2);
	assert_string_equal(table_text(f, s, STORE_NODE), "h1={};");
	close_and_wait(f, s);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void) {
	(void)setenv("UV_THREADPOOL_SIZE", "1", 1); /* so that a test can hold the pool up; before libuv makes it */
	const struct CMUnitTest tests[] = {
		/* First: those that fork, before libuv has made threads. */
		TEST(a_full_disk_fails_the_commit_until_there_is_room),
		TEST(a_crash_between_commits_loses_only_what_was_not_committed),
		TEST(what_is_refused_or_not_begun_is_left_as_it_was),
		TEST(a_backup_is_the_whole_file_and_its_wal),
		TEST(what_was_committed_is_there_after_reopening),
		TEST(an_epoch_is_only_raised_and_only_until_the_file_is_closed),
		TEST(a_row_that_is_refused_stops_the_loading),
		TEST(the_log_is_read_by_ip_container_time_and_number),
		TEST(a_log_line_keeps_every_column),
		TEST(retention_keeps_open_takeovers_and_the_newest_closed_ones),
		TEST(batches_that_wait_together_are_each_called_back_in_order),
		TEST(closing_drops_what_waits_and_calls_nobody),
		TEST(the_file_is_only_for_its_owner),
		TEST(a_second_process_is_refused_and_told_who_holds_it),
		TEST(another_cluster_is_refused),
		TEST(files_of_others_and_of_newer_versions_are_refused),
		TEST(a_damaged_file_is_refused),
		TEST(what_cannot_be_opened_cannot_be_backed_up),
		TEST(paths_that_cannot_be_are_refused),
		TEST(a_commit_that_cannot_be_written_leaves_nothing_and_the_next_is_tried_again),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
