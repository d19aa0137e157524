/* The store fails: nothing is done that is not on disk, what cannot be read is refused and left as it is, and an old copy that is
 * put back does no harm. */
#include "agents.h"
#include "disk.h"
#include "harness-internal.h"

#include "base/alloc.h"

#include <fcntl.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define WEB "10.20.200.50"

static const struct heird_options with_agents = {.agents = true};
static const struct heird_options on_disk = {.agents = true, .state = DISK_STATE};

/* h3 is where it goes, so that the swarm's manager can stay where it is. */
static struct web set_up(void) {
	client_run("h2", "--network ov", WEB);
	prefer_target("h3", "h2");
	return web_run("h1", "web", OPT_IN "--network ov --ip " WEB);
}

static void begin(const struct web *web, const struct heird_options *options) {
	heird_start(options);
	wait_ready(web);
	agents_ready();
}

/* ---- what was done, asked of the engines and the kernels ---- */

/* Everything that heir made, and every container there is. */
static char *containers(void) {
	return lab("docker h1 ps -a --no-trunc --format 'h1 {{.ID}} {{.Names}} {{.State}}'; for h in h2 h3; do tests/netns/lab "
		   "docker $h "
		   "ps -a --no-trunc --format \"$h {{.ID}} {{.Names}} {{.State}}\"; done | sort");
}

static char *attachments(void) {
	if (overlay_is_kv())
		return lab("docker h2 network inspect ov | grep -o '" WEB "' || true");
	return lab("manager curl -fsS --unix-socket \"$(tests/netns/lab sock h2)\" -G http://localhost/tasks "
		   "--data-urlencode 'filters={\"runtime\":[\"attachment\"],\"desired-state\":[\"running\"]}' | "
		   "grep -o '\"ID\":\"[^\"]*\"\\|" WEB "' | sort");
}

struct engines {
	char *containers, *attachments;
};

static struct engines engines_now(void) { return (struct engines){containers(), attachments()}; }

static void engines_clear(struct engines *e) {
	free(e->containers);
	free(e->attachments);
}

#define CLEANUP_ENGINES CLEANUP(engines_clear)

static bool is_untouched(const struct engines *before) {
	struct engines now CLEANUP_ENGINES = engines_now();

	return strcmp(now.containers, before->containers) == 0 && strcmp(now.attachments, before->attachments) == 0;
}

static int count_events(const char *action) {
	char *text CLEANUP_FREE = lab(
		"docker h2 events --since %.3f --until %.3f --filter type=container --filter label=heir.takeover --filter "
		"event=%s; "
		"tests/netns/lab docker h3 events --since %.3f --until %.3f --filter type=container --filter label=heir.takeover "
		"--filter event=%s",
		scenario_began(), clock_now(), action, scenario_began(), clock_now(), action);
	int lines = *text != '\0';

	for (const char *p = text; *p; p++)
		lines += *p == '\n';
	return lines;
}

static bool drops_nothing(void) { return !drops("h2", "h1") && !drops("h3", "h1"); }

static bool store_is(const char *begins, const char *contains) {
	json_t *j CLEANUP_JSON = heir("status");
	const char *store = json_str_or(j, "store", "");

	return strncmp(store, begins, strlen(begins)) == 0 && strstr(store, contains);
}

/* ---- it cannot be written ---- */

static void expect_once(void) {
	assert_int_equal(takeover_count(), 1);
	assert_int_equal(count_events("create"), 1);
	assert_int_equal(count_events("start"), 1);
}

static void expect_nothing_done(const struct engines *before, const char *why) {
	wait_until("heird says that the store is failing", store_is("failing: ", why));
	wait_until("h1 is dead", node_is("h1", "dead"));
	keeps_holding(6, "nothing is done", is_untouched(before) && drops_nothing() && store_is("failing: ", why));
	assert_int_equal(count_events("create"), 0);
}

static void full_disk_lets_nothing_begin_until_there_is_room(void) {
	const struct web web = set_up();

	disk_make();
	begin(&web, &on_disk);
	struct engines before CLEANUP_ENGINES = engines_now();
	disk_fill();
	cut("h1");
	expect_nothing_done(&before, "full");
	disk_make_room();
	wait_until("the store is well", store_is("ok", ""));
	const struct web moved = expect_moved(&web);
	expect_once();
	heal("h1");
	expect_returned(&web, &moved);
}

static void file_that_cannot_be_written_lets_nothing_begin(void) {
	const struct web web = set_up();

	disk_make();
	begin(&web, &on_disk);
	struct engines before CLEANUP_ENGINES = engines_now();
	disk_freeze_file("-wal");
	cut("h1");
	expect_nothing_done(&before, "");
	disk_thaw_file("-wal");
	wait_until("the store is well", store_is("ok", ""));
	const struct web moved = expect_moved(&web);
	expect_once();
	heal("h1");
	expect_returned(&web, &moved);
}

static void disk_that_becomes_read_only_lets_nothing_begin(void) {
	const struct web web = set_up();

	disk_make();
	begin(&web, &on_disk);
	struct engines before CLEANUP_ENGINES = engines_now();
	disk_break();
	cut("h1");
	expect_nothing_done(&before, "");
	char *said CLEANUP_FREE = NULL;
	heird_kill();
	assert_int_equal(heird_refuses(&on_disk, &said), 1);
	assert_non_null(strstr(said, "heir.db"));
	assert_true(is_untouched(&before));
	disk_mend();
	heird_start(&on_disk);
	const struct web moved = expect_moved(&web);
	expect_once();
	heal("h1");
	expect_returned(&web, &moved);
}

/* What had been journalled is done; what comes after it is not. */
struct moment {
	const char *at;
	int starts; /* then */
};

static void disk_fills_in_the_middle(const void *argument) {
	const struct moment *m = argument;
	const struct web web = set_up();
	struct heird_options stops = on_disk;

	stops.stop_at = m->at;
	disk_make();
	begin(&web, &stops);
	cut("h1");
	heird_wait_stop();
	disk_fill();
	heird_go_on();
	wait_until("heird says that the store is failing", store_is("failing: ", "full"));
	wait_until("what was journalled is done", count_events("start") == m->starts);
	struct engines then CLEANUP_ENGINES = engines_now();
	keeps_holding(6, "nothing more is done", is_untouched(&then) && store_is("failing: ", "full"));
	assert_int_equal(count_events("start"), m->starts);
	assert_false(takeover_is("web", "done"));
	disk_make_room();
	wait_until("the store is well", store_is("ok", ""));
	const struct web moved = expect_moved(&web);
	expect_once();
	heal("h1");
	expect_returned(&web, &moved);
}

/* ---- it cannot be read ---- */

static char *configuration(void) { return state_path("heird.yaml"); }

static void command(const char *what, char *line) {
	char *text CLEANUP_FREE = line;
	int status;

	char *out CLEANUP_FREE = capture(text, &status);
	if (status != 0)
		failed("%s: exit status %d: %s\n%s", what, status, text, out);
}

static void back_up(const char *name) {
	char *program CLEANUP_FREE = state_path("heird"), *yaml CLEANUP_FREE = configuration(), *to CLEANUP_FREE = state_path(name);

	command("back up", xasprintf("'%s' --config '%s' --backup '%s'", program, yaml, to));
	note("backed up");
}

/* As the manual has it: without what belonged to the file that was there. */
static void put_back(const char *name) {
	char *from CLEANUP_FREE = state_path(name), *to CLEANUP_FREE = state_path("heir.db");

	command("put back", xasprintf("rm -f '%s' '%s-wal' && cp -p '%s' '%s'", to, to, from, to));
}

static void overwrite(const char *path, off_t at, size_t n) {
	CLEANUP_FD int fd = open(path, O_RDWR | O_CLOEXEC);
	char *junk CLEANUP_FREE = xmalloc(n);

	assert_int_equal(pread(fd, junk, n, at), (ssize_t)n);
	for (size_t i = 0; i < n; i++)
		junk[i] = (char)(junk[i] ^ 0x5a);
	assert_int_equal(pwrite(fd, junk, n, at), (ssize_t)n);
}

static void sql(const char *path, const char *text) {
	sqlite3 *db = NULL;

	assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
	if (sqlite3_exec(db, text, NULL, NULL, NULL) != SQLITE_OK)
		failed("%s: %s", text, sqlite3_errmsg(db));
	assert_int_equal(sqlite3_close(db), SQLITE_OK);
}

static void bad_header(const char *path) { overwrite(path, 0, 100); }
static void flipped_byte(const char *path) { overwrite(path, 4096, 1); } /* the kind of the second page */
static void truncated(const char *path) { assert_int_equal(truncate(path, 3 * 4096), 0); }
static void wrong_cluster(const char *path) { sql(path, "UPDATE meta SET value = 'other' WHERE key = 'cluster'"); }
static void future(const char *path) { sql(path, "PRAGMA user_version = 99"); }
static void garbage(const char *path) { sql(path, "UPDATE ledger SET doc = '{\"id\": \"half'"); }
static void no_ledger(const char *path) { sql(path, "DELETE FROM ledger"); }

static void foreign(const char *path) {
	assert_int_equal(unlink(path), 0);
	sql(path, "CREATE TABLE accounts (name)");
	assert_int_equal(chmod(path, 0600), 0);
}

static const struct damage {
	const char *what;
	void (*do_it)(const char *path);
	const char *says;
} damages[] = {
	{"bad header", bad_header, "damaged"},
	{"flipped byte", flipped_byte, "damaged"},
	{"truncated", truncated, "damaged"},
	{"file of another program", foreign, "another application"},
	{"another cluster's", wrong_cluster, "belongs to cluster \\\"other\\\", not \\\"lab\\\""},
	{"schema of the future", future, "newer heird"},
	{"garbage in the ledger", garbage, "ledger of"},
	{"open takeover without a ledger entry", no_ledger, "the ledger does not know"},
};

/* Of the file and of what is in its WAL, which may have come to be, empty. */
static char *checksum(void) {
	char *path CLEANUP_FREE = state_path("heir.db");
	char *line CLEANUP_FREE = xasprintf("sha256sum '%s'; cat '%s-wal' 2>/dev/null | sha256sum", path, path);
	int status;

	return capture(line, &status);
}

static void expect_refused(const struct damage *d, const struct engines *before) {
	char *path CLEANUP_FREE = state_path("heir.db"), *said CLEANUP_FREE = NULL;

	put_back("good.db");
	d->do_it(path);
	char *sum CLEANUP_FREE = checksum();
	assert_int_equal(heird_refuses(&with_agents, &said), 1);
	char *after CLEANUP_FREE = checksum();
	if (!strstr(said, d->says) || !strstr(said, "heir.db") || !strstr(said, "heird(8)"))
		failed("%s: expected \"%s\", the file and where to look it up, got:\n%s", d->what, d->says, said);
	assert_string_equal(after, sum);
	assert_true(is_untouched(before));
	note("refused: %s", d->what);
}

static void file_that_cannot_be_understood_is_refused_and_left_as_it_is(void) {
	const struct web web = set_up();

	begin(&web, &(struct heird_options){.agents = true, .crash_at = "release:before"});
	cut("h1");
	heird_wait_crash();
	back_up("good.db");
	struct engines before CLEANUP_ENGINES = engines_now();
	for (size_t i = 0; i < sizeof damages / sizeof damages[0]; i++)
		expect_refused(&damages[i], &before);
	put_back("good.db");
	heird_start(&with_agents);
	const struct web moved = expect_moved(&web);
	expect_once();
	heal("h1");
	expect_returned(&web, &moved);
}

/* ---- an old copy is put back ---- */

/* The copy is from before the takeover, and knows nothing of it. */
static struct web move_after_backup(const struct web *web) {
	begin(web, &with_agents);
	heird_kill();
	back_up("old.db");
	heird_start(&with_agents);
	wait_ready(web);
	agents_ready();
	cut("h1");
	return expect_moved(web);
}

/* One owner in the ledger, of the newer generation, whose workload is the first's; what else it knows is stale. */
static bool ledger_is(const struct web *first, const struct web *owner, int generation) {
	json_t *list CLEANUP_JSON = heir("container ls"), *j;
	char *workload CLEANUP_FREE = xasprintf("lab/%s", first->id);
	size_t i, n = 0;
	bool right = true;

	json_array_foreach (list, i, j) {
		if (!json_str_or(j, "workload", NULL) || strcmp(json_str_or(j, "state", ""), "stale") == 0)
			continue;
		n++;
		right = right && strcmp(json_str_or(j, "id", ""), owner->id) == 0 &&
			json_int_or(j, "generation", 0) == generation && strcmp(json_str_or(j, "workload", ""), workload) == 0 &&
			strcmp(json_str_or(j, "node", ""), owner->host) == 0;
	}
	return right && n == 1;
}

static bool still_serves(const struct web *moved) {
	return client_hears(WEB, moved) && web_exists(moved->host, moved->id) && count_events("create") == 1;
}

/* An agent that took it for the run that it knows would refuse what looks older than what it was told then. */
static void expect_obeyed(void) {
	char *log CLEANUP_FREE = state_path("heird.log");
	char *line CLEANUP_FREE = xasprintf("grep -c 'a newer order about the same' '%s' || true", log);
	int status;

	assert_true(agent_is("h2", "ok") && agent_is("h3", "ok"));
	char *refused CLEANUP_FREE = capture(line, &status);
	assert_string_equal(refused, "0");
}

static void expect_no_harm(const struct web *first, const struct web *moved) {
	wait_until("the ledger knows the newer generation", ledger_is(first, moved, 2));
	keeps_holding(8, "the newer generation serves, alone", still_serves(moved));
	expect_obeyed();
	expect_rows("h2", moved);
}

/* It is no ledger of names only: the next failure is survived as well. */
static void expect_next_takeover(const struct web *moved) {
	lab_do("docker h1 run -d --name warm1 --stop-signal KILL --network ov heir-lab/busybox:1 sleep 100000");
	cut("h3");
	wait_until("the next takeover begins", takeover_count() == 1);
	const struct web third = expect_moved(moved);
	assert_string_equal(third.host, "h1");
	json_t *t CLEANUP_JSON = takeover_newest("web");
	assert_int_equal(json_int_or(t, "generation", 0), 3);
	heal("h3");
	expect_returned(moved, &third);
}

static void old_copy_put_back_finds_the_newer_generation(void) {
	const struct web web = set_up();
	const struct web moved = move_after_backup(&web);

	heal("h1");
	expect_returned(&web, &moved);
	heird_kill();
	put_back("old.db");
	heird_start(&with_agents);
	agents_ready();
	expect_no_harm(&web, &moved);
	assert_int_equal(count_running("web"), 1);
	expect_next_takeover(&moved);
}

static void old_copy_put_back_while_the_node_is_away_moves_nothing_again(void) {
	const struct web web = set_up();
	const struct web moved = move_after_backup(&web);

	heird_kill();
	put_back("old.db");
	heird_start(&with_agents);
	wait_until("h1 is dead", node_is("h1", "dead"));
	expect_no_harm(&web, &moved);
	heal("h1");
	expect_returned(&web, &moved);
	expect_no_harm(&web, &moved);
}

static void old_copy_put_back_when_the_stale_one_is_back_puts_that_one_away(void) {
	const struct web web = set_up();
	const struct web moved = move_after_backup(&web);

	heird_kill();
	heal("h1");
	put_back("old.db");
	heird_start(&with_agents);
	expect_returned(&web, &moved);
	expect_no_harm(&web, &moved);
}

int main(int argc, char **argv) {
	static const struct moment released = {"release:before", 0}, started = {"start:before", 1};
	static const struct scenario scenarios[] = {
		SCENARIO(full_disk_lets_nothing_begin_until_there_is_room),
		{.name = "disk_that_is_full_after_the_release_holds_the_rest",
		 .run_with = disk_fills_in_the_middle,
		 .argument = &released},
		{.name = "disk_that_is_full_after_the_start_holds_the_rest",
		 .run_with = disk_fills_in_the_middle,
		 .argument = &started},
		SCENARIO(file_that_cannot_be_written_lets_nothing_begin),
		SCENARIO(disk_that_becomes_read_only_lets_nothing_begin),
		SCENARIO(file_that_cannot_be_understood_is_refused_and_left_as_it_is),
		SCENARIO(old_copy_put_back_finds_the_newer_generation),
		SCENARIO(old_copy_put_back_while_the_node_is_away_moves_nothing_again),
		SCENARIO(old_copy_put_back_when_the_stale_one_is_back_puts_that_one_away),
	};
	return SCENARIOS_RUN(argc, argv, scenarios, "20.10", "--agents");
}
