/* SkyDNS' keys in a stand-in etcd: what is written, what is found again, and what is left alone. */
#include "net/discovery/skydns-judge.h"
#include "net/discovery/skydns-known.h"
#include "net/discovery/skydns.h"

#include "etcd-standin.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <unistd.h>

#include <cmocka.h>

#define LEAF "/skydns/local/svc/web/h1-1"
#define LEAF6 "/skydns/local/svc/web/h1-1-6"
#define REVERSE "/skydns/arpa/in-addr/10/20/0/50"
#define REVERSE6 "/skydns/arpa/ip6/f/d/0/0/0/0/2/0/0/0/0/0/0/0/0/0/0/0/0/0/0/0/0/0/0/0/0/0/0/0/5/0"
#define FOUND_MAX 8
#define X64 "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"

struct bed {
	uv_loop_t loop;
	struct http_client *http;
	struct etcd_standin etcd;
	struct discovery *d;
	char password[64];
	struct discovery_entry web;
	int done;
	int result;
	struct discovery_found found[FOUND_MAX];
	size_t n;
	char *version;
	struct err err;
	bool warned, free_it;
};

static void write_password(struct bed *t, const char *text) {
	int fd = open(t->password, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, text, strlen(text)), (ssize_t)strlen(text));
	close(fd);
}

static void make(struct bed *t, bool reverse, const char *user, struct span timeout) {
	const struct discovery_env env = {
		.loop = &t->loop, .http = t->http, .cluster = "prod", .name = "coredns", .timeout = timeout};
	struct skydns_options o = {
		.domain = "svc.local", .reverse = reverse, .user = user, .password_file = user ? t->password : NULL};
	CLEANUP_FREE char *url = xasprintf("http://127.0.0.1:%d", t->etcd.server.port);
	struct err err;

	discovery_free(t->d);
	strs_add(&o.urls, url);
	assert_int_equal(skydns_new(&env, &o, &t->d, &err), 0);
	strs_clear(&o.urls);
}

static struct discovery_entry entry_of(const char *key, const char *service, const char *address) {
	return (struct discovery_entry){
		.key = xstrdup(key),
		.workload = xasprintf("prod/%s", key),
		.generation = 1,
		.service = xstrdup(service),
		.address = xstrdup(address),
		.port = 80,
		.node = xstrdup("h1"),
		.container = xstrdup("web"),
	};
}

static int set_up(void **state) {
	struct bed *t = xnew(struct bed);
	struct err err;

	alarm(60);
	uv_loop_init(&t->loop);
	assert_int_equal(http_client_new(&t->loop, &t->http, &err), 0);
	etcd_standin_start(&t->etcd, &t->loop);
	snprintf(t->password, sizeof(t->password), "/tmp/heir-test-skydns-%d", getpid());
	t->web = entry_of("h1-1", "web", "10.20.0.50");
	make(t, true, NULL, span_sec(20));
	*state = t;
	return 0;
}

static void clear_found(struct bed *t) {
	for (size_t i = 0; i < t->n; i++)
		discovery_found_clear(&t->found[i]);
	t->n = 0;
}

static int tear_down(void **state) {
	struct bed *t = *state;

	discovery_free(t->d);
	http_client_free(t->http);
	etcd_standin_end(&t->etcd);
	uv_run(&t->loop, UV_RUN_DEFAULT);
	assert_int_equal(uv_loop_close(&t->loop), 0);
	clear_found(t);
	discovery_entry_clear(&t->web);
	free(t->version);
	unlink(t->password);
	free(t);
	return 0;
}

static void on_list(void *user, int result, struct discovery_found *found, size_t n, const struct err *err) {
	struct bed *t = user;

	t->done++;
	t->result = result;
	if (err)
		t->err = *err;
	assert_true(n <= FOUND_MAX);
	clear_found(t);
	for (size_t i = 0; i < n; i++) {
		t->found[t->n++] = found[i];
		found[i] = (struct discovery_found){0};
	}
	if (t->free_it)
		discovery_free(TAKE_PTR(t->d));
}

static void on_done(void *user, int result, const char *version, const struct err *err) {
	struct bed *t = user;

	t->done++;
	t->result = result;
	t->warned = err != NULL;
	t->err = err ? *err : (struct err){0};
	xstr_replace(&t->version, version);
	if (t->free_it)
		discovery_free(TAKE_PTR(t->d));
}

static int wait_for(struct bed *t) {
	assert_int_equal(t->done, 0); /* never inside the call */
	RUN_UNTIL(&t->loop, t->done > 0);
	assert_int_equal(t->done, 1);
	t->done = 0;
	return t->result;
}

static int list(struct bed *t, const struct discovery_entry *wanted) {
	t->d->ops->list(t->d, &wanted, wanted ? 1 : 0, on_list, t);
	return wait_for(t);
}

static int look(struct bed *t, const struct discovery_entry *wanted) {
	t->d->ops->look(t->d, wanted, on_list, t);
	return wait_for(t);
}

static int set(struct bed *t, const struct discovery_entry *wanted, const struct discovery_found *was) {
	t->d->ops->set(t->d, wanted, was, on_done, t);
	return wait_for(t);
}

static int unset(struct bed *t, const struct discovery_found *was) {
	t->d->ops->unset(t->d, was, on_done, t);
	return wait_for(t);
}

static void assert_value(const struct bed *t, const char *key, const char *field, const char *value) {
	CLEANUP_JSON json_t *j = NULL;
	const char *text = etcd_standin_get(&t->etcd, key);
	struct err err;

	assert_non_null(text);
	assert_int_equal(json_parse(text, strlen(text), key, &j, &err), 0);
	assert_string_equal(json_str_or(j, field, "none"), value);
}

static void assert_complete(const struct bed *t, const struct discovery_entry *e) {
	assert_int_equal(t->n, 1);
	if (t->found[0].foreign || t->found[0].incomplete)
		fail_msg("expected a complete entry, got %s", t->found[0].content);
	assert_true(discovery_entry_equal(&t->found[0].entry, e));
}

static void set_anew(struct bed *t, const struct discovery_entry *e) {
	if (set(t, e, NULL) != 0)
		fail_msg("set %s: %s", e->key, t->err.msg);
}

/* ---- what is written ---- */

static void an_entry_is_written_as_coredns_reads_it_and_found_again(void **state) {
	struct bed *t = *state;

	strs_add(&t->web.tags, "blue");
	strs_add(&t->web.tags, "v2");
	set_anew(t, &t->web);
	assert_false(t->warned);
	assert_string_equal(t->version, REVERSE "=2 " LEAF "=2");
	assert_string_equal(
		etcd_standin_get(&t->etcd, LEAF),
		"{\"heir\":\"heir=1 cluster=prod workload=prod/h1-1 generation=1 service=web address=10.20.0.50 port=80 "
		"node=h1 container=web tag=blue tag=v2\",\"heir_key\":\"h1-1\",\"host\":\"10.20.0.50\",\"port\":80,"
		"\"text\":\"blue,v2\",\"ttl\":10}");
	assert_value(t, REVERSE, "host", "web.svc.local");
	assert_int_equal(t->etcd.txns, 1);
	assert_int_equal(look(t, &t->web), 0);
	assert_complete(t, &t->web);
	assert_string_equal(t->found[0].version, t->version);
	assert_int_equal(list(t, &t->web), 0);
	assert_complete(t, &t->web);
	assert_string_equal(t->found[0].version, t->version);
}

static void a_second_address_is_a_leaf_of_its_own(void **state) {
	struct bed *t = *state;

	t->web.address6 = xstrdup("fd00:20::50");
	set_anew(t, &t->web);
	assert_value(t, LEAF, "host", "10.20.0.50");
	assert_value(t, LEAF6, "host", "fd00:20::50");
	assert_value(t, REVERSE6, "host", "web.svc.local");
	assert_int_equal(list(t, NULL), 0);
	assert_complete(t, &t->web);
}

static void an_address_of_ipv6_alone_is_the_leaf(void **state) {
	struct bed *t = *state;

	free(TAKE_PTR(t->web.address));
	t->web.address6 = xstrdup("fd00:20::50");
	set_anew(t, &t->web);
	assert_value(t, LEAF, "host", "fd00:20::50");
	assert_null(etcd_standin_get(&t->etcd, LEAF6));
	assert_int_equal(look(t, &t->web), 0);
	assert_complete(t, &t->web);
}

static void without_reverse_records_none_is_written_or_read(void **state) {
	struct bed *t = *state;

	make(t, false, NULL, span_sec(20));
	set_anew(t, &t->web);
	assert_int_equal(t->etcd.n, 1);
	assert_int_equal(list(t, &t->web), 0);
	assert_complete(t, &t->web);
	assert_int_equal(t->etcd.ranges, 1);
}

static void what_the_layout_cannot_hold_is_refused(void **state) {
	struct bed *t = *state;

	xstr_replace(&t->web.service, "Web");
	assert_int_equal(set(t, &t->web, NULL), -EINVAL);
	assert_non_null(strstr(t->err.msg, "coredns: "));
	assert_int_equal(look(t, &t->web), -EINVAL);
	xstr_replace(&t->web.service, "web");
	xstr_replace(&t->web.key, "k12345678901234567890123456789012345678901234567890123456789012");
	t->web.address6 = xstrdup("fd00:20::50");
	assert_int_equal(set(t, &t->web, NULL), -EINVAL);
	assert_int_equal(t->etcd.server.requests, 0);
}

/* ---- compare and set ---- */

static void a_move_changes_all_keys_in_one_transaction(void **state) {
	struct bed *t = *state;

	t->web.address6 = xstrdup("fd00:20::50");
	set_anew(t, &t->web);
	assert_int_equal(look(t, &t->web), 0);
	t->web.generation = 2;
	xstr_replace(&t->web.address, "10.20.0.51");
	free(TAKE_PTR(t->web.address6));
	assert_int_equal(set(t, &t->web, &t->found[0]), 0);
	assert_int_equal(t->etcd.txns, 2);
	assert_int_equal(t->etcd.n, 2);
	assert_value(t, LEAF, "host", "10.20.0.51");
	assert_value(t, "/skydns/arpa/in-addr/10/20/0/51", "host", "web.svc.local");
	assert_int_equal(list(t, NULL), 0);
	assert_complete(t, &t->web);
}

static void a_renamed_service_leaves_nothing_behind(void **state) {
	struct bed *t = *state;

	set_anew(t, &t->web);
	assert_int_equal(list(t, &t->web), 0);
	xstr_replace(&t->web.service, "www");
	assert_int_equal(set(t, &t->web, &t->found[0]), 0);
	assert_null(etcd_standin_get(&t->etcd, LEAF));
	assert_value(t, REVERSE, "host", "www.svc.local");
	assert_int_equal(list(t, &t->web), 0);
	assert_complete(t, &t->web);
}

static void of_two_managers_the_later_one_loses(void **state) {
	struct bed *t = *state;

	set_anew(t, &t->web);
	assert_int_equal(look(t, &t->web), 0);
	struct discovery_found seen = t->found[0];
	t->n = 0;
	t->web.generation = 3;
	assert_int_equal(set(t, &t->web, &seen), 0);
	t->web.generation = 2;
	assert_int_equal(set(t, &t->web, &seen), -ESTALE);
	assert_int_equal(set(t, &t->web, NULL), -ESTALE);
	assert_int_equal(unset(t, &seen), -ESTALE);
	assert_int_equal(look(t, &t->web), 0);
	assert_int_equal(t->found[0].entry.generation, 3);
	discovery_found_clear(&seen);
}

static void change_leaf(void *ctx) {
	struct bed *t = ctx;
	etcd_standin_put(&t->etcd, LEAF, "{\"host\":\"1.2.3.4\"}");
}

static void what_changes_between_read_and_write_is_not_overwritten(void **state) {
	struct bed *t = *state;

	t->etcd.before = change_leaf;
	t->etcd.ctx = t;
	assert_int_equal(set(t, &t->web, NULL), -ESTALE);
	assert_string_equal(etcd_standin_get(&t->etcd, LEAF), "{\"host\":\"1.2.3.4\"}");
	assert_null(etcd_standin_get(&t->etcd, REVERSE));
}

static void what_was_compared_with_must_be_a_version(void **state) {
	static const char *const versions[] = {
		"", "x", "/a", "/a=", "/a=0", "/a=-1", "/a=1x", "/a=1 b=2", "/a=99999999999999999999"};
	struct bed *t = *state;

	for (size_t i = 0; i < sizeof(versions) / sizeof(versions[0]); i++) {
		const struct discovery_found was = {.entry = t->web, .version = (char *)(uintptr_t)versions[i]};
		if (set(t, &t->web, &was) != -ESTALE)
			fail_msg("\"%s\" was taken", versions[i]);
	}
}

/* ---- away ---- */

static void an_entry_goes_with_all_its_keys(void **state) {
	struct bed *t = *state;

	t->web.address6 = xstrdup("fd00:20::50");
	set_anew(t, &t->web);
	assert_int_equal(look(t, &t->web), 0);
	assert_int_equal(unset(t, &t->found[0]), 0);
	assert_null(t->version);
	assert_int_equal(t->etcd.n, 0);
	assert_int_equal(unset(t, &t->found[0]), 0); /* it is not there any more */
	assert_int_equal(t->etcd.txns, 2);
}

static void what_is_left_of_an_entry_goes_and_what_others_put_there_stays(void **state) {
	struct bed *t = *state;

	set_anew(t, &t->web);
	assert_int_equal(look(t, &t->web), 0);
	etcd_standin_delete(&t->etcd, LEAF);
	etcd_standin_put(&t->etcd, REVERSE, "{\"host\":\"db.example\"}");
	assert_int_equal(unset(t, &t->found[0]), 0);
	assert_int_equal(t->etcd.n, 1);
	assert_string_equal(etcd_standin_get(&t->etcd, REVERSE), "{\"host\":\"db.example\"}");
}

/* ---- foreign ones ---- */

static const struct {
	const char *what, *key, *value;
} foreign[] = {
	{"another's leaf", LEAF, "{\"host\":\"1.2.3.4\"}"},
	{"a leaf of the service's own name", "/skydns/local/svc/web", "{\"host\":\"1.2.3.4\"}"},
	{"no JSON", LEAF, "hello \x01\xff"},
	{"nothing", LEAF, ""},
	{"a list", LEAF, "[]"},
	{"a mark of a number", LEAF, "{\"heir\":7,\"heir_key\":\"h1-1\"}"},
	{"another cluster's", LEAF,
	 "{\"heir\":\"heir=1 cluster=test workload=a/b service=web address=10.20.0.50\",\"heir_key\":\"h1-1\"}"},
	{"a damaged mark", LEAF, "{\"heir\":\"heir=1 cluster=prod workload=%zz\",\"heir_key\":\"h1-1\"}"},
	{"a mark without key", LEAF, "{\"heir\":\"heir=1 cluster=prod workload=a/b service=web address=10.20.0.50\"}"},
	{"a key that is none", LEAF,
	 "{\"heir\":\"heir=1 cluster=prod workload=a/b service=web address=10.20.0.50\",\"heir_key\":\"../x\"}"},
	{"an address that is none", LEAF,
	 "{\"heir\":\"heir=1 cluster=prod workload=a/b service=web address=x\",\"heir_key\":\"h1-1\"}"},
	{"a copy of another's", LEAF,
	 "{\"heir\":\"heir=1 cluster=prod workload=a/b service=web address=10.20.0.50\",\"heir_key\":\"h2-1\"}"},
	{"a copy from elsewhere", LEAF,
	 "{\"heir\":\"heir=1 cluster=prod workload=a/b service=db address=10.20.0.50\",\"heir_key\":\"h1-1\"}"},
};

static void what_is_foreign_is_said_and_left_unless_it_is_adopted(void **state) {
	struct bed *t = *state;

	for (size_t i = 0; i < sizeof(foreign) / sizeof(foreign[0]); i++) {
		etcd_standin_put(&t->etcd, foreign[i].key, foreign[i].value);
		if (list(t, &t->web) != 0 || t->n != 1 || !t->found[0].foreign || t->found[0].entry.service)
			fail_msg("%s: was not found to be foreign", foreign[i].what);
		assert_string_equal(t->found[0].entry.key, "h1-1");
		if (look(t, &t->web) != 0 || t->n != 1 || !t->found[0].foreign || !strstr(t->found[0].content, foreign[i].key))
			fail_msg("%s: was not seen to be foreign", foreign[i].what);
		for (const char *p = t->found[0].content; *p; p++)
			assert_in_range(*p, 0x20, 0x7e);
		if (set(t, &t->web, NULL) != -EEXIST || !strstr(t->err.msg, " holds \""))
			fail_msg("%s: expected -EEXIST, got %d: %s", foreign[i].what, t->result, t->err.msg);
		assert_string_equal(etcd_standin_get(&t->etcd, foreign[i].key), foreign[i].value);
		if (set(t, &t->web, &t->found[0]) != 0)
			fail_msg("%s: not adopted: %s", foreign[i].what, t->err.msg);
		assert_int_equal(look(t, &t->web), 0);
		assert_complete(t, &t->web);
		assert_int_equal(t->etcd.n, 2);
		assert_int_equal(unset(t, &t->found[0]), 0);
	}
}

static void ours_is_found_beside_what_is_in_its_way_and_moved_with_it(void **state) {
	struct bed *t = *state;

	set_anew(t, &t->web);
	t->web.address6 = xstrdup("fd00:20::50");
	etcd_standin_put(&t->etcd, LEAF6, "mine");
	assert_int_equal(list(t, &t->web), 0);
	assert_int_equal(t->n, 2);
	assert_false(t->found[0].foreign);
	assert_true(t->found[1].foreign);
	assert_int_equal(set(t, &t->web, &t->found[0]), -EEXIST);
	assert_int_equal(set(t, &t->web, &t->found[1]), 0);
	assert_int_equal(list(t, &t->web), 0);
	assert_complete(t, &t->web);
}

static void other_leaves_of_the_service_are_nobodys_business(void **state) {
	struct bed *t = *state;

	etcd_standin_put(&t->etcd, "/skydns/local/svc/web/x1", "{\"host\":\"1.2.3.4\"}");
	etcd_standin_put(&t->etcd, "/skydns/local/svc2/web", "{\"host\":\"1.2.3.4\"}");
	set_anew(t, &t->web);
	assert_int_equal(list(t, &t->web), 0);
	assert_complete(t, &t->web);
	assert_int_equal(t->etcd.n, 4);
}

static void a_foreign_reverse_record_stays_and_the_entry_goes_on_without(void **state) {
	struct bed *t = *state;

	etcd_standin_put(&t->etcd, REVERSE, "{\"host\":\"db.example\"}");
	set_anew(t, &t->web);
	assert_true(t->warned);
	assert_string_equal(t->err.msg, "coredns: " REVERSE " holds \"{\"host\":\"db.example\"}\": it stays");
	assert_int_equal(list(t, &t->web), 0);
	assert_complete(t, &t->web);
	assert_string_equal(t->found[0].content, REVERSE " holds \"{\"host\":\"db.example\"}\"");
	t->web.generation = 2;
	assert_int_equal(set(t, &t->web, &t->found[0]), 0);
	assert_string_equal(etcd_standin_get(&t->etcd, REVERSE), "{\"host\":\"db.example\"}");
	etcd_standin_delete(&t->etcd, REVERSE); /* it is free now */
	assert_int_equal(look(t, &t->web), 0);
	assert_true(t->found[0].incomplete);
	assert_string_equal(t->found[0].content, REVERSE " is missing");
}

/* ---- what is broken is mended ---- */

static void two_services_of_one_address_share_its_reverse_record(void **state) {
	struct bed *t = *state;
	struct discovery_entry api = entry_of("h1-2", "api", "10.20.0.50");

	set_anew(t, &t->web);
	set_anew(t, &api);
	assert_false(t->warned);
	assert_value(t, REVERSE, "host", "web.svc.local");
	assert_int_equal(list(t, NULL), 0);
	assert_int_equal(t->n, 2);
	assert_false(t->found[0].incomplete || t->found[1].incomplete);
	assert_int_equal(unset(t, &t->found[0]), 0);
	assert_int_equal(list(t, NULL), 0);
	assert_true(t->found[0].incomplete); /* the other one's now */
	assert_int_equal(set(t, &api, &t->found[0]), 0);
	assert_value(t, REVERSE, "host", "api.svc.local");
	discovery_entry_clear(&api);
}

static const struct {
	const char *what;
	const char *key, *value; /* NULL: deleted */
	const char *says;
} damages[] = {
	{"a reverse record is missing", REVERSE, NULL, REVERSE " is missing"},
	{"an address is missing", LEAF6, NULL, LEAF6 " is missing"},
	{"the first address is missing", LEAF, NULL, LEAF " is missing"},
	{"clients are sent elsewhere", LEAF,
	 "{\"heir\":\"heir=1 cluster=prod workload=prod/h1-1 generation=1 service=web address=10.20.0.50 address6=fd00:20::50 "
	 "port=80 node=h1 container=web\",\"heir_key\":\"h1-1\",\"host\":\"9.9.9.9\"}",
	 LEAF " is not as it should be"},
	{"a record of a former generation", LEAF6,
	 "{\"heir\":\"heir=1 cluster=prod workload=prod/h1-1 service=web address=10.20.0.50 address6=fd00:20::50 "
	 "port=80\",\"heir_key\":\"h1-1\",\"host\":\"fd00:20::50\"}",
	 LEAF6 " is not as it should be"},
	{"a record left under a former name", "/skydns/local/svc/old/h1-1",
	 "{\"heir\":\"heir=1 cluster=prod workload=prod/h1-1 service=old address=10.20.0.50\",\"heir_key\":\"h1-1\","
	 "\"host\":\"10.20.0.50\"}",
	 "/skydns/local/svc/old/h1-1 is left over"},
};

static void what_is_damaged_is_found_and_set_again(void **state) {
	struct bed *t = *state;

	t->web.address6 = xstrdup("fd00:20::50");
	set_anew(t, &t->web);
	for (size_t i = 0; i < sizeof(damages) / sizeof(damages[0]); i++) {
		if (damages[i].value)
			etcd_standin_put(&t->etcd, damages[i].key, damages[i].value);
		else
			etcd_standin_delete(&t->etcd, damages[i].key);
		assert_int_equal(list(t, &t->web), 0);
		if (t->n != 1 || t->found[0].foreign || !t->found[0].incomplete ||
		    strcmp(t->found[0].content, damages[i].says) != 0)
			fail_msg("%s: expected \"%s\", got \"%s\"", damages[i].what, damages[i].says,
				 t->n > 0 ? t->found[0].content : "none");
		assert_int_equal(t->found[0].entry.generation, 1);
		assert_int_equal(set(t, &t->web, &t->found[0]), 0);
		assert_int_equal(list(t, &t->web), 0);
		assert_complete(t, &t->web);
		assert_int_equal(t->etcd.n, 4);
	}
}

static void an_orphaned_reverse_record_is_found_and_goes(void **state) {
	struct bed *t = *state;

	set_anew(t, &t->web);
	etcd_standin_delete(&t->etcd, LEAF);
	for (int i = 0; i < 2; i++) {
		assert_int_equal(list(t, NULL), 0); /* of this one's net, and of all by one that comes anew */
		assert_int_equal(t->n, 1);
		assert_true(t->found[0].incomplete);
		assert_string_equal(t->found[0].entry.key, "h1-1");
		make(t, true, NULL, span_sec(20));
	}
	assert_int_equal(unset(t, &t->found[0]), 0);
	assert_int_equal(t->etcd.n, 0);
}

static void all_reverse_records_are_read_once_and_then_those_of_our_nets(void **state) {
	struct bed *t = *state;

	etcd_standin_put(&t->etcd, "/skydns/arpa/in-addr/192/168/0/1", "{\"host\":\"gw.example\"}");
	set_anew(t, &t->web);
	assert_int_equal(list(t, NULL), 0);
	CLEANUP_FREE char *all = xstrdup(t->etcd.last_body);
	assert_int_equal(list(t, NULL), 0);
	assert_complete(t, &t->web);
	assert_int_equal(t->etcd.ranges, 4);
	CLEANUP_FREE char *root = etcd_range_body("/skydns/arpa/", strlen("/skydns/arpa/"), "/skydns/arpa0", 512, 0);
	CLEANUP_FREE char *net = etcd_range_body("/skydns/arpa/in-addr/10/20/0/", strlen("/skydns/arpa/in-addr/10/20/0/"),
						 "/skydns/arpa/in-addr/10/20/00", 512, 0);
	assert_string_equal(all, root);
	assert_string_equal(t->etcd.last_body, net);
}

/* Keys are any label, and so one may look like another's second address. */
static void a_key_that_looks_like_a_second_address_is_another_entry(void **state) {
	struct bed *t = *state;
	struct discovery_entry six = entry_of("h1-1-6", "web", "10.20.0.66");

	set_anew(t, &t->web);
	set_anew(t, &six);
	assert_int_equal(list(t, NULL), 0);
	assert_int_equal(t->n, 2);
	assert_false(t->found[0].incomplete || t->found[1].incomplete);
	t->web.address6 = xstrdup("fd00:20::50");
	assert_int_equal(set(t, &t->web, &t->found[0]), -EEXIST);
	discovery_entry_clear(&six);
}

/* ---- etcd's own troubles ---- */

static const struct {
	const char *what;
	int status;
	const char *body;
	int result;
} troubles[] = {
	{"no permission", 403, ETCD_STANDIN_ERROR("etcdserver: permission denied", "7"), -EACCES},
	{"no leader", 503, ETCD_STANDIN_ERROR("etcdserver: no leader", "14"), -ENOTCONN},
	{"no space", 429, ETCD_STANDIN_ERROR("etcdserver: mvcc: database space exceeded", "8"), -ENOTCONN},
	{"garbage", 200, "<html>", -EPROTO},
	{"wrong types", 200, "{\"header\":{\"revision\":7},\"responses\":\"x\"}", -EPROTO},
};

static void etcds_troubles_are_told_with_the_systems_name(void **state) {
	struct bed *t = *state;

	for (size_t i = 0; i < sizeof(troubles) / sizeof(troubles[0]); i++) {
		etcd_standin_lie(&t->etcd, SIZE_MAX, NULL, troubles[i].status, troubles[i].body);
		if (set(t, &t->web, NULL) != troubles[i].result || strncmp(t->err.msg, "coredns: 127.0.0.1:", 19) != 0)
			fail_msg("%s: expected %d, got %d: %s", troubles[i].what, troubles[i].result, t->result, t->err.msg);
		assert_int_equal(t->err.code, t->result);
		if (list(t, &t->web) != troubles[i].result || t->n != 0)
			fail_msg("%s: list: expected %d, got %d: %s", troubles[i].what, troubles[i].result, t->result, t->err.msg);
		assert_int_equal(look(t, &t->web), troubles[i].result);
	}
}

static void fall_silent(void *ctx) {
	struct bed *t = ctx;
	standin_drop_all(&t->etcd.server);
}

static void whether_a_silent_server_can_have_done_it_is_told(void **state) {
	struct bed *t = *state;

	make(t, true, NULL, span_ms(100));
	etcd_standin_lie(&t->etcd, 2, NULL, 0, NULL);
	assert_int_equal(set(t, &t->web, NULL), -ENOTCONN); /* it was still being read */
	assert_int_equal(list(t, &t->web), -ETIMEDOUT);
	t->etcd.before = fall_silent;
	t->etcd.ctx = t;
	assert_int_equal(set(t, &t->web, NULL), -EIO);
	assert_int_equal(look(t, &t->web), 0);
	assert_complete(t, &t->web);
}

/* ---- what is known of an entry ---- */

/* What is compared with is another by now. */
static void refuse_and_fall_silent(void *ctx) {
	struct bed *t = ctx;
	CLEANUP_FREE char *same = xstrdup(etcd_standin_get(&t->etcd, LEAF));

	etcd_standin_put(&t->etcd, LEAF, same);
	fall_silent(ctx);
}

/* Its answer is lost: it was done or not. */
static void rename_without_answer(struct bed *t, bool done) {
	assert_int_equal(look(t, &t->web), 0);
	assert_complete(t, &t->web);
	struct discovery_found was = t->found[0];
	t->n = 0;
	make(t, true, NULL, span_sec(20)); /* which did not see it itself */
	xstr_replace(&t->web.service, "www");
	xstr_replace(&t->web.address, "10.20.0.51");
	t->etcd.before = done ? fall_silent : refuse_and_fall_silent;
	t->etcd.ctx = t;
	assert_int_equal(set(t, &t->web, &was), -EIO);
	t->etcd.before = NULL;
	discovery_found_clear(&was);
}

static void after_a_rename_without_answer_the_entry_is_found_wherever_it_is(void **state) {
	struct bed *t = *state;

	for (int done = 0; done < 2; done++) {
		discovery_entry_clear(&t->web);
		t->web = entry_of("h1-1", "web", "10.20.0.50");
		set_anew(t, &t->web);
		rename_without_answer(t, done);
		assert_int_equal(look(t, &t->web), 0);
		assert_int_equal(t->n, 1);
		assert_false(t->found[0].incomplete); /* its reverse record was asked for too */
		assert_string_equal(t->found[0].entry.service, done ? "www" : "web");
		assert_int_equal(unset(t, &t->found[0]), 0);
		assert_int_equal(t->etcd.n, 0);
	}
}

static void an_entry_is_not_set_where_it_stands_under_another_name(void **state) {
	struct bed *t = *state;

	set_anew(t, &t->web);
	xstr_replace(&t->web.service, "www");
	assert_int_equal(set(t, &t->web, NULL), -ESTALE);
	assert_string_equal(t->err.msg, "coredns: " LEAF " is there too");
	assert_int_equal(t->etcd.n, 2);
	assert_int_equal(look(t, &t->web), 0);
	assert_int_equal(set(t, &t->web, &t->found[0]), 0);
	assert_int_equal(list(t, &t->web), 0);
	assert_complete(t, &t->web);
	assert_int_equal(t->etcd.n, 2);
}

static void a_former_leaf_keeps_an_entry_from_being_gone(void **state) {
	struct bed *t = *state;

	set_anew(t, &t->web);
	CLEANUP_FREE char *former = xstrdup(etcd_standin_get(&t->etcd, LEAF));
	assert_int_equal(look(t, &t->web), 0);
	xstr_replace(&t->web.service, "www");
	assert_int_equal(set(t, &t->web, &t->found[0]), 0);
	struct discovery_found was = {.entry = t->web, .version = t->version};
	etcd_standin_put(&t->etcd, LEAF, former); /* an older manager's, that comes late */
	assert_int_equal(look(t, &(struct discovery_entry){.key = t->web.key,
							   .workload = t->web.workload,
							   .service = (char[]){"web"},
							   .address = t->web.address}),
			 0);
	assert_int_equal(t->n, 1);
	assert_true(t->found[0].incomplete);
	assert_int_equal(unset(t, &was), -ESTALE);
	assert_int_equal(unset(t, &t->found[0]), 0);
	assert_int_equal(t->etcd.n, 0);
}

static void what_another_manager_moved_is_looked_for_everywhere_once(void **state) {
	struct bed *t = *state;
	struct discovery_entry moved = entry_of("h1-1", "www", "10.20.0.60");

	set_anew(t, &t->web);
	assert_int_equal(list(t, &t->web), 0);
	struct discovery *mine = TAKE_PTR(t->d);
	make(t, true, NULL, span_sec(20));
	moved.generation = 2;
	assert_int_equal(set(t, &moved, &t->found[0]), 0);
	discovery_free(t->d);
	t->d = mine;
	size_t ranges = t->etcd.ranges;
	assert_int_equal(look(t, &t->web), 0);
	assert_complete(t, &moved);
	assert_int_equal(t->etcd.ranges, ranges + 1);
	while (t->etcd.n > 0)
		etcd_standin_delete(&t->etcd, t->etcd.keys[0].key);
	for (int i = 0; i < 2; i++) {
		assert_int_equal(look(t, &t->web), 0);
		assert_int_equal(t->n, 0);
		assert_int_equal(t->etcd.ranges, ranges + 2);
	}
	discovery_entry_clear(&moved);
}

static void where_an_entry_points_to_is_asked_for_too(void **state) {
	struct bed *t = *state;

	set_anew(t, &t->web);
	xstr_replace(&t->web.address, "10.21.0.60");
	make(t, true, NULL, span_sec(20)); /* another manager, that knows nothing of the address before */
	assert_int_equal(look(t, &t->web), 0);
	assert_int_equal(t->n, 1);
	assert_false(t->found[0].incomplete);
	assert_int_equal(unset(t, &t->found[0]), 0);
	assert_int_equal(t->etcd.n, 0);
}

static void what_a_list_did_not_see_is_forgotten(void **state) {
	struct bed *t = *state;

	set_anew(t, &t->web);
	xstr_replace(&t->web.service, "www");
	assert_int_equal(set(t, &t->web, NULL), -ESTALE);
	xstr_replace(&t->web.service, "web");
	for (int listed = 0; listed < 2; listed++) {
		struct skydns_layout l;
		struct strs keys = {0};
		if (listed)
			assert_int_equal(list(t, &t->web), 0);
		assert_int_equal(look(t, &t->web), 0);
		assert_complete(t, &t->web);
		assert_int_equal(skydns_layout_init(&l, "/skydns", "svc.local", "prod", NULL), 0);
		l.reverse = true;
		skydns_touched(&l, &t->web, NULL, &keys);
		CLEANUP_FREE char *body = etcd_get_body(&keys);
		assert_int_equal(strcmp(t->etcd.last_body, body) == 0, listed);
		strs_clear(&keys);
		skydns_layout_clear(&l);
	}
}

/* Every name that it was to have while etcd did not answer. */
static void what_is_known_of_an_entry_has_its_bounds(void **state) {
	struct bed *t = *state;

	set_anew(t, &t->web);
	for (int i = 0; i < 100; i++) {
		CLEANUP_FREE char *name = xasprintf("web-%d", i);
		xstr_replace(&t->web.service, name);
		assert_int_equal(set(t, &t->web, NULL), -ESTALE);
	}
	assert_true(strlen(t->etcd.last_body) < (size_t)(SKYDNS_KNOWN_MAX + SKYDNS_PLACES_MAX + 2) * 100);
	assert_int_equal(look(t, &t->web), 0);
	assert_int_equal(t->n, 1);
	assert_string_equal(t->found[0].entry.service, "web");
}

static void a_password_may_change_while_heird_runs(void **state) {
	struct bed *t = *state;

	write_password(t, "one");
	make(t, true, "heir", span_sec(20));
	t->etcd.password = "one";
	set_anew(t, &t->web);
	t->etcd.password = "two";
	t->etcd.tokens++; /* etcd drops a user's tokens with the old password */
	assert_int_equal(list(t, &t->web), -EACCES);
	assert_null(strstr(t->err.msg, "one"));
	write_password(t, "two");
	assert_int_equal(list(t, &t->web), 0);
	assert_complete(t, &t->web);
}

static void a_freed_system_is_never_heard_of(void **state) {
	struct bed *t = *state;

	etcd_standin_lie(&t->etcd, SIZE_MAX, NULL, 0, NULL);
	const struct discovery_entry *wanted = &t->web;
	t->d->ops->list(t->d, &wanted, 1, on_list, t);
	t->d->ops->set(t->d, wanted, NULL, on_done, t);
	RUN_UNTIL(&t->loop, t->etcd.server.requests == 2);
	discovery_free(TAKE_PTR(t->d));
	for (int i = 0; i < 20; i++)
		standin_turn(&t->loop);
	assert_int_equal(t->done, 0);
}

static void the_system_may_be_freed_in_a_callback(void **state) {
	struct bed *t = *state;
	const struct discovery_entry *wanted = &t->web;

	t->free_it = true;
	t->d->ops->list(t->d, &wanted, 1, on_list, t);
	t->d->ops->set(t->d, wanted, NULL, on_done, t);
	RUN_UNTIL(&t->loop, t->done > 0);
	for (int i = 0; i < 20; i++)
		standin_turn(&t->loop);
	assert_int_equal(t->done, 1);
}

static void a_layout_that_cannot_be_is_refused(void **state) {
	static const struct {
		const char *prefix, *domain;
	} cases[] = {{"skydns", "svc.local"}, {"/", "a"}, {"/a/", "a"}, {"/a//b", "a"}, {"/a b", "a"}, {"/a=b", "a"},
		     {"/" X64 X64, "a"},      {"/a", ""}, {"/a", "."},  {"/a", "a."},   {"/a", ".a"},  {"/a", "A"},
		     {"/a", "a..b"}};
	struct bed *t = *state;

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		const struct discovery_env env = {.loop = &t->loop, .http = t->http, .cluster = "prod", .name = "coredns"};
		struct skydns_options o = {.prefix = cases[i].prefix, .domain = cases[i].domain};
		struct discovery *d = NULL;
		struct err err;
		strs_add(&o.urls, "http://127.0.0.1:1");
		if (skydns_new(&env, &o, &d, &err) != -EINVAL)
			fail_msg("%s and %s were taken", cases[i].prefix, cases[i].domain);
		strs_clear(&o.urls);
	}
}

int main(void) {
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		TEST(an_entry_is_written_as_coredns_reads_it_and_found_again),
		TEST(a_second_address_is_a_leaf_of_its_own),
		TEST(an_address_of_ipv6_alone_is_the_leaf),
		TEST(without_reverse_records_none_is_written_or_read),
		TEST(what_the_layout_cannot_hold_is_refused),
		TEST(a_move_changes_all_keys_in_one_transaction),
		TEST(a_renamed_service_leaves_nothing_behind),
		TEST(of_two_managers_the_later_one_loses),
		TEST(what_changes_between_read_and_write_is_not_overwritten),
		TEST(what_was_compared_with_must_be_a_version),
		TEST(an_entry_goes_with_all_its_keys),
		TEST(what_is_left_of_an_entry_goes_and_what_others_put_there_stays),
		TEST(what_is_foreign_is_said_and_left_unless_it_is_adopted),
		TEST(ours_is_found_beside_what_is_in_its_way_and_moved_with_it),
		TEST(other_leaves_of_the_service_are_nobodys_business),
		TEST(a_foreign_reverse_record_stays_and_the_entry_goes_on_without),
		TEST(two_services_of_one_address_share_its_reverse_record),
		TEST(what_is_damaged_is_found_and_set_again),
		TEST(an_orphaned_reverse_record_is_found_and_goes),
		TEST(all_reverse_records_are_read_once_and_then_those_of_our_nets),
		TEST(a_key_that_looks_like_a_second_address_is_another_entry),
		TEST(etcds_troubles_are_told_with_the_systems_name),
		TEST(whether_a_silent_server_can_have_done_it_is_told),
		TEST(after_a_rename_without_answer_the_entry_is_found_wherever_it_is),
		TEST(an_entry_is_not_set_where_it_stands_under_another_name),
		TEST(a_former_leaf_keeps_an_entry_from_being_gone),
		TEST(what_another_manager_moved_is_looked_for_everywhere_once),
		TEST(where_an_entry_points_to_is_asked_for_too),
		TEST(what_a_list_did_not_see_is_forgotten),
		TEST(what_is_known_of_an_entry_has_its_bounds),
		TEST(a_password_may_change_while_heird_runs),
		TEST(a_freed_system_is_never_heard_of),
		TEST(the_system_may_be_freed_in_a_callback),
		TEST(a_layout_that_cannot_be_is_refused),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
