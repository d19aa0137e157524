/* The client of etcd's JSON gateway against a stand-in member, and its parsers against what no etcd should say. */
#include "net/discovery/etcd.h"

#include "etcd-standin.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <unistd.h>

#include <cmocka.h>

struct bed {
	uv_loop_t loop;
	struct http_client *http;
	struct etcd_standin a, b;
	struct etcd *etcd;
	char password[64];
	int done;
	int result;
	struct etcd_kvs kvs;
	int64_t revision;
	struct err err;
	bool free_etcd;
	size_t pages, given;
};

static void write_password(struct bed *t, const char *text) {
	int fd = open(t->password, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, text, strlen(text)), (ssize_t)strlen(text));
	close(fd);
}

static int set_up(void **state) {
	struct bed *t = xnew(struct bed);
	struct err err;

	alarm(60);
	uv_loop_init(&t->loop);
	assert_int_equal(http_client_new(&t->loop, &t->http, &err), 0);
	etcd_standin_start(&t->a, &t->loop);
	etcd_standin_start(&t->b, &t->loop);
	snprintf(t->password, sizeof(t->password), "/tmp/heir-test-etcd-%d", getpid());
	write_password(t, "s3cret\n");
	*state = t;
	return 0;
}

static int tear_down(void **state) {
	struct bed *t = *state;

	etcd_free(t->etcd);
	http_client_free(t->http);
	etcd_standin_end(&t->a);
	etcd_standin_end(&t->b);
	uv_run(&t->loop, UV_RUN_DEFAULT);
	assert_int_equal(uv_loop_close(&t->loop), 0);
	etcd_kvs_clear(&t->kvs);
	unlink(t->password);
	free(t);
	return 0;
}

static void add_url(struct strs *urls, int port) {
	CLEANUP_FREE char *url = xasprintf("http://127.0.0.1:%d/", port);
	strs_add(urls, url);
}

/* first, second: ports; 0: none. */
static void connect_to(struct bed *t, int first, int second, const char *user) {
	struct etcd_options o = {.user = user, .password_file = user ? t->password : NULL};
	struct err err;

	add_url(&o.urls, first);
	if (second)
		add_url(&o.urls, second);
	assert_int_equal(etcd_new(t->http, &o, &t->etcd, &err), 0);
	strs_clear(&o.urls);
}

static void on_done(void *ctx, struct etcd_answer *answer) {
	struct bed *t = ctx;

	t->done++;
	t->result = answer->result;
	t->err = answer->err;
	t->revision = answer->revision;
	etcd_kvs_clear(&t->kvs);
	etcd_kvs_move(&t->kvs, &answer->kvs);
	if (t->free_etcd)
		etcd_free(TAKE_PTR(t->etcd));
}

static struct etcd_cb within(struct bed *t, struct span time) {
	return (struct etcd_cb){.fn = on_done, .ctx = t, .deadline = mono_add(mono_now(), time)};
}

static struct etcd_cb cb_of(struct bed *t) { return within(t, span_sec(20)); }

static void wait_for(struct bed *t, int done) {
	assert_int_equal(t->done, 0); /* never inside the call */
	RUN_UNTIL(&t->loop, t->done >= done);
	assert_int_equal(t->done, done);
	t->done = 0;
}

static int range(struct bed *t, size_t page) {
	etcd_range(t->etcd, "/k/", "/k0", page, cb_of(t));
	wait_for(t, 1);
	return t->result;
}

static int write_once(struct bed *t, int64_t revision) {
	const struct etcd_compare compares[] = {{"/k/a", revision}};
	const struct etcd_write writes[] = {{"/k/a", "new"}, {"/k/b", NULL}};
	const struct etcd_txn txn = {.compares = compares, .n_compares = 1, .writes = writes, .n_writes = 2};

	etcd_txn(t->etcd, &txn, cb_of(t));
	wait_for(t, 1);
	return t->result;
}

static void fill(struct etcd_standin *s, size_t n) {
	for (size_t i = 0; i < n; i++) {
		CLEANUP_FREE char *key = xasprintf("/k/%03zu", i);
		etcd_standin_put(s, key, "v");
	}
}

/* ---- asking ---- */

static void a_range_is_read_page_by_page(void **state) {
	struct bed *t = *state;

	connect_to(t, t->a.server.port, 0, NULL);
	fill(&t->a, 25);
	etcd_standin_put(&t->a, "/k", "before");
	etcd_standin_put(&t->a, "/k0", "behind");
	assert_int_equal(range(t, 10), 0);
	assert_int_equal(t->kvs.n, 25);
	assert_int_equal(t->a.ranges, 3);
	assert_string_equal(t->kvs.v[0].key, "/k/000");
	assert_string_equal(t->kvs.v[24].key, "/k/024");
	assert_string_equal(t->kvs.v[24].value, "v");
	assert_int_equal(t->kvs.v[0].mod_revision, 2);
	assert_int_equal(t->revision, t->a.revision);
}

static void a_range_that_is_compacted_under_it_begins_again(void **state) {
	struct bed *t = *state;

	connect_to(t, t->a.server.port, 0, NULL);
	fill(&t->a, 15);
	etcd_range(t->etcd, "/k/", "/k0", 10, cb_of(t));
	RUN_UNTIL(&t->loop, t->a.ranges == 1);
	t->a.revision = t->a.compacted = 100;
	wait_for(t, 1);
	assert_int_equal(t->result, 0);
	assert_int_equal(t->kvs.n, 15);
	assert_int_equal(t->revision, 100);
}

static void on_page(void *ctx, struct etcd_kvs *kvs) {
	struct bed *t = ctx;

	t->pages++;
	if (kvs)
		t->given += kvs->n;
	else
		t->given = 0;
}

static void pages_may_be_had_one_by_one(void **state) {
	struct bed *t = *state;
	struct etcd_cb cb = cb_of(t);

	cb.page = on_page;
	connect_to(t, t->a.server.port, 0, NULL);
	fill(&t->a, 15);
	etcd_range(t->etcd, "/k/", "/k0", 10, cb);
	RUN_UNTIL(&t->loop, t->a.ranges == 1);
	t->a.revision = t->a.compacted = 100;
	wait_for(t, 1);
	assert_int_equal(t->result, 0);
	assert_int_equal(t->kvs.n, 0);
	assert_int_equal(t->pages, 4); /* one, that it counts no more, two */
	assert_int_equal(t->given, 15);
}

static void several_keys_are_got_as_far_as_they_are_there(void **state) {
	struct bed *t = *state;
	struct strs keys = {0};

	connect_to(t, t->a.server.port, 0, NULL);
	etcd_standin_put(&t->a, "/k/b", "");
	strs_add(&keys, "/k/a");
	strs_add(&keys, "/k/b");
	etcd_get(t->etcd, &keys, cb_of(t));
	wait_for(t, 1);
	assert_int_equal(t->result, 0);
	assert_int_equal(t->kvs.n, 1);
	assert_string_equal(t->kvs.v[0].key, "/k/b");
	assert_int_equal(t->kvs.v[0].value_len, 0);
	strs_clear(&keys);
}

static void a_transaction_is_done_whole_or_not_at_all(void **state) {
	struct bed *t = *state;

	connect_to(t, t->a.server.port, 0, NULL);
	etcd_standin_put(&t->a, "/k/b", "old");
	assert_int_equal(write_once(t, 7), -ESTALE);
	assert_string_equal(etcd_standin_get(&t->a, "/k/b"), "old");
	assert_int_equal(write_once(t, 0), 0);
	assert_string_equal(etcd_standin_get(&t->a, "/k/a"), "new");
	assert_null(etcd_standin_get(&t->a, "/k/b"));
	assert_int_equal(t->revision, t->a.revision);
}

/* ---- members ---- */

static void a_dead_first_member_is_left_for_the_next_which_is_kept(void **state) {
	struct bed *t = *state;

	connect_to(t, 1, t->b.server.port, NULL);
	assert_int_equal(range(t, 0), 0);
	assert_int_equal(write_once(t, 0), 0);
	assert_int_equal(t->b.server.requests, 2);
}

static void a_member_without_leader_is_left_for_the_next_by_a_transaction_too(void **state) {
	struct bed *t = *state;

	connect_to(t, t->a.server.port, t->b.server.port, NULL);
	etcd_standin_lie(&t->a, 1, NULL, 503, ETCD_STANDIN_ERROR("etcdserver: no leader", "14"));
	assert_int_equal(write_once(t, 0), 0);
	assert_int_equal(t->a.server.requests, 1);
	assert_int_equal(t->b.txns, 1);
}

static void a_silent_member_costs_a_question_its_share_of_the_time(void **state) {
	struct bed *t = *state;

	connect_to(t, t->a.server.port, t->b.server.port, NULL);
	etcd_standin_lie(&t->a, 1, NULL, 0, NULL);
	etcd_range(t->etcd, "/k/", "/k0", 0, within(t, span_ms(1000)));
	wait_for(t, 1);
	assert_int_equal(t->result, 0);
	assert_int_equal(t->b.ranges, 1);
}

static void a_transaction_that_is_not_answered_is_not_sent_again(void **state) {
	struct bed *t = *state;
	const struct etcd_write write = {"/k/a", "x"};
	const struct etcd_txn txn = {.writes = &write, .n_writes = 1};

	connect_to(t, t->a.server.port, t->b.server.port, NULL);
	etcd_standin_lie(&t->a, 1, NULL, 0, NULL);
	etcd_txn(t->etcd, &txn, within(t, span_ms(200)));
	wait_for(t, 1);
	assert_int_equal(t->result, -ETIMEDOUT);
	assert_int_equal(t->err.code, -ETIMEDOUT);
	assert_int_equal(t->a.server.requests, 1);
	assert_int_equal(t->b.server.requests, 0);
}

static void nobody_there_means_that_nothing_was_changed(void **state) {
	struct bed *t = *state;

	connect_to(t, 1, 2, NULL);
	assert_int_equal(write_once(t, 0), -ENOTCONN);
	assert_string_equal(t->err.msg, "127.0.0.1:2: Connection refused");
}

/* ---- tokens ---- */

static void a_token_is_got_once_for_all_calls_and_again_when_it_is_lost(void **state) {
	struct bed *t = *state;

	connect_to(t, t->a.server.port, 0, "heir");
	t->a.password = "s3cret";
	for (int i = 0; i < 5; i++)
		etcd_range(t->etcd, "/k/", "/k0", 0, cb_of(t));
	wait_for(t, 5);
	assert_int_equal(t->result, 0);
	assert_int_equal(t->a.logins, 1);
	t->a.tokens++; /* it ran out */
	for (int i = 0; i < 5; i++)
		etcd_range(t->etcd, "/k/", "/k0", 0, cb_of(t));
	wait_for(t, 5);
	assert_int_equal(t->result, 0);
	assert_int_equal(t->a.logins, 2);
	t->a.tokens++;
	assert_int_equal(write_once(t, 0), 0);
	assert_int_equal(t->a.txns, 1);
}

static void a_token_that_is_refused_again_ends_the_call(void **state) {
	struct bed *t = *state;

	connect_to(t, t->a.server.port, 0, "heir");
	t->a.password = "s3cret";
	etcd_standin_lie(&t->a, 9, "range", 401, ETCD_STANDIN_ERROR("etcdserver: invalid auth token", "16"));
	assert_int_equal(range(t, 0), -EACCES);
	assert_int_equal(t->a.logins, 2);
}

static void a_wrong_password_is_refused_and_a_new_one_read_from_the_file(void **state) {
	struct bed *t = *state;

	connect_to(t, t->a.server.port, 0, "heir");
	t->a.password = "0ther-one";
	assert_int_equal(range(t, 0), -EACCES);
	assert_non_null(strstr(t->err.msg, "user heir: 127.0.0.1:"));
	assert_non_null(strstr(t->err.msg, "400: etcdserver: authentication failed, invalid user ID or password"));
	assert_null(strstr(t->err.msg, "s3cret"));
	write_password(t, "0ther-one\n");
	assert_int_equal(range(t, 0), 0);
	t->a.password = "a-third";
	t->a.tokens++;
	assert_int_equal(write_once(t, 0), -EACCES);
	write_password(t, "a-third");
	assert_int_equal(write_once(t, 0), 0);
}

/* As a proxy may, that says what it was asked with. */
static void what_it_was_asked_with_is_not_quoted(void **state) {
	static const struct {
		const char *what, *to, *words;
		int status, result;
	} cases[] = {
		{"the password", "authenticate",
		 ETCD_STANDIN_ERROR("bad: {\\\"name\\\":\\\"heir\\\",\\\"password\\\":\\\"s3cret\\\"}", "2"), 500, -EIO},
		{"base64 of user and password", "authenticate", ETCD_STANDIN_ERROR("Basic aGVpcjpzM2NyZXQ=", "7"), 403, -EACCES},
		{"the token", "range", ETCD_STANDIN_ERROR("bad header: Authorization: tok.1", "2"), 500, -EIO},
		{"the token, and that it is not good", "range", ETCD_STANDIN_ERROR("permission denied to tok.1", "7"), 403,
		 -EACCES},
	};
	struct bed *t = *state;

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		t->a.password = "s3cret";
		t->a.tokens = 0;
		connect_to(t, t->a.server.port, 0, "heir");
		etcd_standin_lie(&t->a, 9, cases[i].to, cases[i].status, cases[i].words);
		CLEANUP_FREE char *says = xasprintf("%d: (not shown)", cases[i].status);
		if (range(t, 0) != cases[i].result || !strstr(t->err.msg, says))
			fail_msg("%s: expected %d and \"%s\", got %d: %s", cases[i].what, cases[i].result, says, t->result,
				 t->err.msg);
		etcd_free(TAKE_PTR(t->etcd));
	}
}

static void a_password_that_cannot_be_had_is_said_later(void **state) {
	struct bed *t = *state;

	connect_to(t, t->a.server.port, 0, "heir");
	unlink(t->password);
	etcd_range(t->etcd, "/k/", "/k0", 0, cb_of(t));
	etcd_range(t->etcd, "/k/", "/k0", 0, cb_of(t));
	wait_for(t, 2);
	assert_int_equal(t->result, -EACCES);
	assert_int_equal(t->a.server.requests, 0);
	write_password(t, "p\xff");
	assert_int_equal(range(t, 0), -EACCES);
}

static void where_authentication_is_not_enabled_none_is_needed_until_it_is(void **state) {
	struct bed *t = *state;

	connect_to(t, t->a.server.port, 0, "heir");
	assert_int_equal(range(t, 0), 0);
	assert_int_equal(range(t, 0), 0);
	assert_int_equal(t->a.logins, 1);
	t->a.password = "s3cret";
	assert_int_equal(write_once(t, 0), 0);
	assert_int_equal(t->a.logins, 2);
}

static void without_a_user_a_locked_etcd_is_closed(void **state) {
	struct bed *t = *state;

	connect_to(t, t->a.server.port, 0, NULL);
	t->a.password = "s3cret";
	assert_int_equal(range(t, 0), -EACCES);
	assert_int_equal(t->a.logins, 0);
}

/* ---- bad answers ---- */

#define HEAD "\"header\":{\"revision\":\"7\"}"
#define KV(key, more) "{\"key\":\"" key "\",\"mod_revision\":\"3\"" more "}"

static const struct {
	const char *what;
	int status;
	const char *body;
	int range, txn;
	const char *says; /* of a range; NULL: anything */
} answers[] = {
	{"no permission", 403, ETCD_STANDIN_ERROR("etcdserver: permission denied", "7"), -EACCES, -EACCES,
	 "403: etcdserver: permission denied"},
	{"a refusal", 400, ETCD_STANDIN_ERROR("etcdserver: duplicate key given in txn request", "3"), -EREMOTEIO, -EREMOTEIO, NULL},
	{"no space", 429, ETCD_STANDIN_ERROR("etcdserver: mvcc: database space exceeded", "8"), -EREMOTEIO, -EREMOTEIO, NULL},
	{"an outcome that etcd does not know", 503, ETCD_STANDIN_ERROR("etcdserver: request timed out", "14"), -ETIMEDOUT,
	 -ETIMEDOUT, NULL},
	{"a deadline", 500, ETCD_STANDIN_ERROR("context deadline exceeded", "2"), -EIO, -EIO, NULL},
	{"no leader anywhere", 503, ETCD_STANDIN_ERROR("etcdserver: no leader", "14"), -ENOTCONN, -ENOTCONN, NULL},
	{"compacted for ever", 400, ETCD_STANDIN_ERROR("etcdserver: mvcc: required revision has been compacted", "11"), -EREMOTEIO,
	 -EREMOTEIO, NULL},
	{"another server", 404, "Not Found\n", -EPROTO, -EPROTO, "answered 404: and not as etcd does"},
	{"an error without words", 500, "{\"code\":2}", -EPROTO, -EPROTO, NULL},
	{"an error with a code of text", 500, "{\"error\":\"x\",\"code\":\"2\"}", -EPROTO, -EPROTO, NULL},
	{"a web page", 200, "<html>", -EPROTO, -EPROTO, NULL},
	{"nothing", 200, "", -EPROTO, -EPROTO, NULL},
	{"a truncated answer", 200, "{" HEAD ",\"kvs\":[{\"key\":\"L2sv", -EPROTO, -EPROTO, NULL},
	{"a list", 200, "[]", -EPROTO, -EPROTO, "answer: expected an object"},
	{"no header", 200, "{}", -EPROTO, -EPROTO, "header: no revision"},
	{"a header of text", 200, "{\"header\":\"x\"}", -EPROTO, -EPROTO, NULL},
	{"a revision that is a number", 200, "{\"header\":{\"revision\":7}}", -EPROTO, -EPROTO,
	 "header: revision: expected string, got integer"},
	{"a revision that is none", 200, "{\"header\":{\"revision\":\"7x\"}}", -EPROTO, -EPROTO, NULL},
	{"a revision below zero", 200, "{\"header\":{\"revision\":\"-7\"}}", -EPROTO, -EPROTO, NULL},
	{"a revision that is too large", 200, "{\"header\":{\"revision\":\"9223372036854775808\"}}", -EPROTO, -EPROTO, NULL},
	{"keys that are none", 200, "{" HEAD ",\"kvs\":{},\"succeeded\":1}", -EPROTO, -EPROTO, "kvs: expected array, got object"},
	{"a key that is none", 200, "{" HEAD ",\"kvs\":[7],\"succeeded\":true}", -EPROTO, 0, NULL},
	{"a key that is no base64", 200, "{" HEAD ",\"kvs\":[" KV("L2s", "") "]}", -EPROTO, -ESTALE, "key: expected base64"},
	{"a value that is no base64", 200, "{" HEAD ",\"kvs\":[" KV("L2svYQ==", ",\"value\":\"!\"") "]}", -EPROTO, -ESTALE, NULL},
	{"no key", 200, "{" HEAD ",\"kvs\":[{\"mod_revision\":\"3\"}]}", -EPROTO, -ESTALE, NULL},
	{"no revision of a key", 200, "{" HEAD ",\"kvs\":[{\"key\":\"L2svYQ==\"}]}", -EPROTO, -ESTALE, NULL},
	{"a key twice", 200, "{" HEAD ",\"kvs\":[" KV("L2svYQ==", "") "," KV("L2svYQ==", "") "]}", -EPROTO, -ESTALE, NULL},
	{"another's key", 200, "{" HEAD ",\"kvs\":[" KV("L3gvYQ==", "") "]}", -EPROTO, -ESTALE,
	 "kvs: not in order, or not what was asked for"},
	{"more of nothing", 200, "{" HEAD ",\"more\":true}", -EPROTO, -ESTALE, NULL},
	{"the same page for ever", 200, "{" HEAD ",\"more\":true,\"kvs\":[" KV("L2svYQ==", "") "]}", -EPROTO, -ESTALE, NULL},
};

static void every_answer_has_its_result(void **state) {
	struct bed *t = *state;

	connect_to(t, t->a.server.port, 0, NULL);
	for (size_t i = 0; i < sizeof(answers) / sizeof(answers[0]); i++) {
		etcd_standin_lie(&t->a, SIZE_MAX, NULL, answers[i].status, answers[i].body);
		if (range(t, 0) != answers[i].range)
			fail_msg("%s: range: expected %d, got %d (%s)", answers[i].what, answers[i].range, t->result, t->err.msg);
		CLEANUP_FREE char *sender = xasprintf("127.0.0.1:%d: ", t->a.server.port);
		if (t->result < 0 && strncmp(t->err.msg, sender, strlen(sender)) != 0)
			fail_msg("%s: \"%s\" does not name its sender", answers[i].what, t->err.msg);
		if (answers[i].says && !strstr(t->err.msg, answers[i].says))
			fail_msg("%s: expected \"%s\", got \"%s\"", answers[i].what, answers[i].says, t->err.msg);
		if (write_once(t, 0) != answers[i].txn)
			fail_msg("%s: txn: expected %d, got %d (%s)", answers[i].what, answers[i].txn, t->result, t->err.msg);
	}
}

static void etcds_words_are_cut_between_characters(void **state) {
	char words[ETCD_SAID_MAX + 3] = {0};
	struct err err;

	(void)state;
	memset(words, 'x', ETCD_SAID_MAX - 1);
	memcpy(words + ETCD_SAID_MAX - 1, "\xc3\xbc", 2);
	CLEANUP_FREE char *body = xasprintf("{\"error\":\"%s\",\"code\":2}", words);
	assert_int_equal(etcd_error_parse(500, body, strlen(body), NULL, &err), ETCD_ERROR_OTHER);
	assert_int_equal(strlen(err.msg), strlen("500: ") + ETCD_SAID_MAX - 1);
}

static const struct {
	const char *what, *body;
	int result;
} gots[] = {
	{"one there", "{" HEAD ",\"responses\":[{\"response_range\":{\"kvs\":[" KV("L2svYQ==", "") "]}}]}", 0},
	{"none there", "{" HEAD ",\"responses\":[{\"response_range\":{}}]}", 0},
	{"another", "{" HEAD ",\"responses\":[{\"response_range\":{\"kvs\":[" KV("L2svYg==", "") "]}}]}", -EPROTO},
	{"two", "{" HEAD ",\"responses\":[{\"response_range\":{\"kvs\":[" KV("L2svYQ==", "") "," KV("L2svYg==", "") "]}}]}",
	 -EPROTO},
	{"no range", "{" HEAD ",\"responses\":[{\"response_put\":{}}]}", -EPROTO},
	{"no object", "{" HEAD ",\"responses\":[7]}", -EPROTO},
	{"a range of text", "{" HEAD ",\"responses\":[{\"response_range\":\"x\"}]}", -EPROTO},
	{"too few", "{" HEAD ",\"responses\":[]}", -EPROTO},
	{"none at all", "{" HEAD "}", -EPROTO},
};

static void what_was_not_asked_for_is_not_taken(void **state) {
	struct bed *t = *state;
	struct strs keys = {0};

	connect_to(t, t->a.server.port, 0, NULL);
	strs_add(&keys, "/k/a");
	for (size_t i = 0; i < sizeof(gots) / sizeof(gots[0]); i++) {
		etcd_standin_lie(&t->a, 1, NULL, 200, gots[i].body);
		etcd_get(t->etcd, &keys, cb_of(t));
		wait_for(t, 1);
		if (t->result != gots[i].result)
			fail_msg("%s: expected %d, got %d (%s)", gots[i].what, gots[i].result, t->result, t->err.msg);
	}
	strs_clear(&keys);
}

static void a_token_that_is_none_is_not_sent(void **state) {
	static const char *const tokens[] = {"{}", "{\"token\":7}", "{\"token\":\"\"}", "{\"token\":\"a\\r\\nX: y\"}",
					     "{\"token\":\"a b\"}"};
	struct bed *t = *state;

	connect_to(t, t->a.server.port, 0, "heir");
	for (size_t i = 0; i < sizeof(tokens) / sizeof(tokens[0]); i++) {
		etcd_standin_lie(&t->a, 1, "auth", 200, tokens[i]);
		if (range(t, 0) != -EPROTO)
			fail_msg("%s was taken", tokens[i]);
	}
	assert_int_equal(t->a.ranges, 0);
}

static void a_huge_answer_is_cut_off(void **state) {
	struct bed *t = *state;
	size_t n = (size_t)33 << 20;
	char *body = xmalloc(n + 1);

	memset(body, ' ', n);
	body[n] = '\0';
	connect_to(t, t->a.server.port, 0, NULL);
	etcd_standin_lie(&t->a, 1, NULL, 200, body);
	assert_int_equal(range(t, 0), -EPROTO);
	assert_non_null(strstr(t->err.msg, "answer larger than 33554432 bytes"));
	free(body);
}

static void garbage_from_the_first_member_is_left_for_the_next(void **state) {
	struct bed *t = *state;

	connect_to(t, t->a.server.port, t->b.server.port, NULL);
	etcd_standin_lie(&t->a, SIZE_MAX, NULL, 502, "<html>bad gateway</html>");
	assert_int_equal(range(t, 0), 0);
	assert_int_equal(t->b.ranges, 1);
}

/* ---- ends ---- */

static void a_cancelled_call_is_never_heard_of(void **state) {
	struct bed *t = *state;

	connect_to(t, t->a.server.port, 0, "heir");
	etcd_standin_lie(&t->a, SIZE_MAX, NULL, 0, NULL);
	struct etcd_call *call = etcd_range(t->etcd, "/k/", "/k0", 0, cb_of(t));
	RUN_UNTIL(&t->loop, t->a.server.requests == 1);
	etcd_call_free(call);
	etcd_range(t->etcd, "/k/", "/k0", 0, cb_of(t));
	etcd_free(TAKE_PTR(t->etcd)); /* cancels the second, and the login that both waited for */
	standin_drop_all(&t->a.server);
	for (int i = 0; i < 20; i++)
		standin_turn(&t->loop);
	assert_int_equal(t->done, 0);
}

static void the_client_may_be_freed_in_a_callback(void **state) {
	struct bed *t = *state;

	connect_to(t, t->a.server.port, 0, "heir");
	t->a.password = "0ther";
	t->free_etcd = true;
	etcd_range(t->etcd, "/k/", "/k0", 0, cb_of(t));
	etcd_range(t->etcd, "/k/", "/k0", 0, cb_of(t));
	wait_for(t, 1);
	assert_null(t->etcd);
	for (int i = 0; i < 20; i++)
		standin_turn(&t->loop);
	assert_int_equal(t->done, 0);
}

static void a_call_without_time_is_not_sent(void **state) {
	struct bed *t = *state;

	connect_to(t, t->a.server.port, 0, NULL);
	etcd_range(t->etcd, "/k/", "/k0", 0, within(t, span_ms(0)));
	wait_for(t, 1);
	assert_int_equal(t->result, -ENOTCONN);
	assert_int_equal(t->a.server.requests, 0);
}

static void what_cannot_be_asked_fails_later(void **state) {
	struct bed *t = *state;
	struct err err;

	connect_to(t, t->a.server.port, 0, NULL);
	err_set(&err, -EINVAL, "no such thing");
	etcd_fail(t->etcd, &err, cb_of(t));
	wait_for(t, 1);
	assert_int_equal(t->result, -EINVAL);
	assert_string_equal(t->err.msg, "no such thing");
}

static void options_that_cannot_be_are_refused(void **state) {
	static const char *const urls[] = {"tcp://a:1",    "http://",      "http://a", "http://a:1/x",
					   "http://u@a:1", "http://a b:1", "",         NULL};
	struct bed *t = *state;
	struct err err;

	for (size_t i = 0; i < sizeof(urls) / sizeof(urls[0]); i++) {
		struct etcd_options o = {0};
		struct etcd *e = NULL;
		if (urls[i])
			strs_add(&o.urls, urls[i]);
		if (etcd_new(t->http, &o, &e, &err) != -EINVAL)
			fail_msg("%s was taken", urls[i] ? urls[i] : "no URL");
		strs_clear(&o.urls);
	}
	struct etcd_options o = {.user = "heir"};
	struct etcd *e = NULL;
	add_url(&o.urls, 1);
	assert_int_equal(etcd_new(t->http, &o, &e, &err), -EINVAL);
	strs_clear(&o.urls);
}

int main(void) {
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		TEST(a_range_is_read_page_by_page),
		TEST(a_range_that_is_compacted_under_it_begins_again),
		TEST(pages_may_be_had_one_by_one),
		TEST(several_keys_are_got_as_far_as_they_are_there),
		TEST(a_transaction_is_done_whole_or_not_at_all),
		TEST(a_dead_first_member_is_left_for_the_next_which_is_kept),
		TEST(a_member_without_leader_is_left_for_the_next_by_a_transaction_too),
		TEST(a_silent_member_costs_a_question_its_share_of_the_time),
		TEST(a_transaction_that_is_not_answered_is_not_sent_again),
		TEST(nobody_there_means_that_nothing_was_changed),
		TEST(a_token_is_got_once_for_all_calls_and_again_when_it_is_lost),
		TEST(a_token_that_is_refused_again_ends_the_call),
		TEST(a_wrong_password_is_refused_and_a_new_one_read_from_the_file),
		TEST(what_it_was_asked_with_is_not_quoted),
		TEST(a_password_that_cannot_be_had_is_said_later),
		TEST(where_authentication_is_not_enabled_none_is_needed_until_it_is),
		TEST(without_a_user_a_locked_etcd_is_closed),
		TEST(every_answer_has_its_result),
		TEST(etcds_words_are_cut_between_characters),
		TEST(what_was_not_asked_for_is_not_taken),
		TEST(a_token_that_is_none_is_not_sent),
		TEST(a_huge_answer_is_cut_off),
		TEST(garbage_from_the_first_member_is_left_for_the_next),
		TEST(a_cancelled_call_is_never_heard_of),
		TEST(the_client_may_be_freed_in_a_callback),
		TEST(a_call_without_time_is_not_sent),
		TEST(what_cannot_be_asked_fails_later),
		TEST(options_that_cannot_be_are_refused),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
