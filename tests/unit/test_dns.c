/* A DNS zone as a system of service discovery, against a stand-in primary. */
#include "net/discovery/dns.h"

#include "dns-standin.h"
#include "net/discovery/dns-internal.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <unistd.h>

#include <cmocka.h>

#define ZONE "svc.example."
#define REVERSE "20.10.in-addr.arpa."

struct bed {
	uv_loop_t loop;
	struct dns_standin server;
	struct discovery *dns;
	char key_file[32];
	struct span timeout;
	int done, result;
	struct err err;
	char *version;
	struct discovery_found found[4];
	size_t n_found;
	bool free_in_callback;
};

static struct discovery *make(struct bed *t, const char *server) {
	struct discovery_env env = {.loop = &t->loop, .cluster = "prod", .name = "zone", .timeout = t->timeout};
	struct dns_options options = {.server = server, .zone = "SVC.example", .key_name = "heir", .key_file = t->key_file};
	struct discovery *d = NULL;
	struct err err;

	strs_add(&options.reverse, REVERSE);
	if (dns_new(&env, &options, &d, &err) < 0)
		fail_msg("%s", err.msg);
	strs_clear(&options.reverse);
	return d;
}

static void write_key(struct bed *t, const char *secret) {
	int fd = open(t->key_file, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, secret, strlen(secret)), strlen(secret));
	close(fd);
}

static void make_again(struct bed *t) {
	char server[64];

	discovery_free(t->dns);
	snprintf(server, sizeof(server), "127.0.0.1:%d", t->server.port);
	t->dns = make(t, server);
}

static int set_up(void **state) {
	struct bed *t = xnew(struct bed);

	alarm(60);
	uv_loop_init(&t->loop);
	dns_standin_listen(&t->server, &t->loop);
	snprintf(t->key_file, sizeof(t->key_file), "/tmp/heir-dns-XXXXXX");
	close(mkstemp(t->key_file));
	write_key(t, STANDIN_SECRET "\n");
	make_again(t);
	*state = t;
	return 0;
}

static void forget_found(struct bed *t) {
	for (size_t i = 0; i < t->n_found; i++)
		discovery_found_clear(&t->found[i]);
	t->n_found = 0;
}

static int tear_down(void **state) {
	struct bed *t = *state;

	discovery_free(t->dns);
	dns_standin_stop(&t->server);
	uv_run(&t->loop, UV_RUN_DEFAULT);
	assert_int_equal(uv_loop_close(&t->loop), 0);
	unlink(t->key_file);
	forget_found(t);
	free(t->version);
	free(t);
	return 0;
}

static void ended(struct bed *t, int result, const struct err *err) {
	t->done++;
	t->result = result;
	t->err = err ? *err : (struct err){0};
	if (t->free_in_callback)
		discovery_free(TAKE_PTR(t->dns));
}

static void on_done(void *user, int result, const char *version, const struct err *err) {
	struct bed *t = user;

	xstr_replace(&t->version, version);
	ended(t, result, err);
}

static void on_list(void *user, int result, struct discovery_found *found, size_t n, const struct err *err) {
	struct bed *t = user;

	forget_found(t);
	assert_true(n <= 4);
	for (size_t i = 0; i < n; i++) {
		t->found[i] = found[i];
		found[i] = (struct discovery_found){0};
	}
	t->n_found = n;
	ended(t, result, err);
}

static void wait_for(struct bed *t) {
	assert_int_equal(t->done, 0); /* never inside the call */
	RUN_UNTIL(&t->loop, t->done == 1);
}

static int set(struct bed *t, const struct discovery_entry *wanted, const struct discovery_found *was) {
	t->done = 0;
	t->dns->ops->set(t->dns, wanted, was, on_done, t);
	wait_for(t);
	return t->result;
}

static int unset(struct bed *t, const struct discovery_found *was) {
	t->done = 0;
	t->dns->ops->unset(t->dns, was, on_done, t);
	wait_for(t);
	return t->result;
}

static int list(struct bed *t, const struct discovery_entry *wanted) {
	t->done = 0;
	t->dns->ops->list(t->dns, &wanted, wanted ? 1 : 0, on_list, t);
	wait_for(t);
	return t->result;
}

static int look(struct bed *t, const struct discovery_entry *wanted) {
	t->done = 0;
	t->dns->ops->look(t->dns, wanted, on_list, t);
	wait_for(t);
	return t->result;
}

static struct discovery_entry entry(const char *key, const char *address, unsigned generation) {
	return (struct discovery_entry){
		.key = xstrdup(key),
		.workload = xstrdup("prod/0123456789ab"),
		.generation = generation,
		.service = xstrdup("web"),
		.address = xstrdup(address),
		.port = 80,
		.node = xstrdup("h1"),
		.container = xstrdup("web"),
	};
}

/* The entry as it was set last. */
static struct discovery_found as_set(const struct bed *t, const struct discovery_entry *e) {
	struct discovery_found f = {.version = xstrdup(t->version)};
	discovery_entry_copy(&f.entry, e);
	return f;
}

static void stands(const struct bed *t, const char *name, enum dns_type type, const char *data) {
	if (dns_table_count(&t->server.zone, name, type, data) != 1)
		fail_msg("%s %s %s is missing", name, dns_type_name(type), data);
}

static void is_alone(const struct bed *t, const char *name, enum dns_type type, const char *data) {
	stands(t, name, type, data);
	assert_int_equal(HASH_COUNT(dns_table_find(&t->server.zone, name, type)->data), 1);
}

static void is_empty(const struct bed *t) { assert_null(t->server.zone.sets); }

static void put(struct bed *t, const char *name, enum dns_type type, const char *data) {
	dns_table_add(&t->server.zone, name, type, data);
}

static void expect_error(const struct bed *t, const char *expected) {
	char *text = xasprintf("zone: 127.0.0.1:%d: %s", t->server.port, expected);

	assert_string_equal(t->err.msg, text);
	free(text);
}

/* ---- one entry ---- */

static void an_entry_is_all_its_records_in_one_update(void **state) {
	struct bed *t = *state;
	struct discovery_entry e = entry("k1", "10.20.0.50", 1);

	e.address6 = xstrdup("2001:DB8::50");
	assert_int_equal(set(t, &e, NULL), 0);
	assert_int_equal(t->err.code, 0);
	is_alone(t, "web.svc.example.", DNS_A, "10.20.0.50");
	is_alone(t, "web.svc.example.", DNS_AAAA, "2001:db8::50");
	is_alone(t, "k1.web.svc.example.", DNS_A, "10.20.0.50");
	is_alone(t, "k1.web.svc.example.", DNS_AAAA, "2001:db8::50");
	is_alone(t, "_web._tcp.svc.example.", DNS_SRV, "0 0 80 k1.web.svc.example.");
	is_alone(t, "50.0.20.10.in-addr.arpa.", DNS_PTR, "web.svc.example.");
	assert_int_equal(t->server.updates, 2); /* the reverse zone is another */
	struct discovery_found was = as_set(t, &e);
	assert_int_equal(unset(t, &was), 0);
	is_empty(t);
	discovery_found_clear(&was);
	discovery_entry_clear(&e);
}

static void a_move_changes_the_entry_in_place(void **state) {
	struct bed *t = *state;
	struct discovery_entry one = entry("k1", "10.20.0.50", 1), two = entry("k1", "10.20.0.60", 2);

	assert_int_equal(set(t, &one, NULL), 0);
	struct discovery_found was = as_set(t, &one);
	assert_int_equal(set(t, &two, &was), 0);
	is_alone(t, "web.svc.example.", DNS_A, "10.20.0.60");
	is_alone(t, "k1.web.svc.example.", DNS_A, "10.20.0.60");
	is_alone(t, "60.0.20.10.in-addr.arpa.", DNS_PTR, "web.svc.example.");
	assert_null(dns_table_find(&t->server.zone, "50.0.20.10.in-addr.arpa.", DNS_PTR));
	assert_int_equal(set(t, &one, &was), -ESTALE); /* of an older generation */
	expect_error(t, "k1._heir.svc.example.: another entry is there now");
	assert_int_equal(unset(t, &was), -ESTALE);
	assert_int_equal(set(t, &one, NULL), -ESTALE);
	is_alone(t, "web.svc.example.", DNS_A, "10.20.0.60");
	discovery_found_clear(&was);
	discovery_entry_clear(&one);
	discovery_entry_clear(&two);
}

static void another_service_takes_the_old_ones_records_away(void **state) {
	struct bed *t = *state;
	struct discovery_entry e = entry("k1", "10.20.0.50", 1);

	assert_int_equal(set(t, &e, NULL), 0);
	struct discovery_found was = as_set(t, &e);
	xstr_replace(&e.service, "www");
	e.port = 0;
	assert_int_equal(set(t, &e, &was), 0);
	assert_null(dns_table_find(&t->server.zone, "web.svc.example.", DNS_A));
	assert_null(dns_table_find(&t->server.zone, "k1.web.svc.example.", DNS_A));
	assert_null(dns_table_find(&t->server.zone, "_web._tcp.svc.example.", DNS_SRV));
	is_alone(t, "www.svc.example.", DNS_A, "10.20.0.50");
	is_alone(t, "50.0.20.10.in-addr.arpa.", DNS_PTR, "www.svc.example.");
	discovery_found_clear(&was);
	discovery_entry_clear(&e);
}

static void a_repeat_is_harmless_and_mends(void **state) {
	struct bed *t = *state;
	struct discovery_entry e = entry("k1", "10.20.0.50", 1);

	assert_int_equal(set(t, &e, NULL), 0);
	dns_table_remove(&t->server.zone, "web.svc.example.", DNS_A, "10.20.0.50");
	dns_table_remove(&t->server.zone, "50.0.20.10.in-addr.arpa.", DNS_PTR, "web.svc.example.");
	assert_int_equal(list(t, &e), 0);
	assert_int_equal(t->n_found, 1);
	assert_true(t->found[0].incomplete);
	assert_string_equal(t->found[0].content,
			    "missing: 50.0.20.10.in-addr.arpa. PTR web.svc.example.; web.svc.example. A 10.20.0.50");
	assert_int_equal(set(t, &e, NULL), 0); /* as if its first answer had been lost */
	is_alone(t, "web.svc.example.", DNS_A, "10.20.0.50");
	is_alone(t, "50.0.20.10.in-addr.arpa.", DNS_PTR, "web.svc.example.");
	assert_int_equal(list(t, &e), 0);
	assert_false(t->found[0].incomplete);
	assert_true(discovery_entry_equal(&t->found[0].entry, &e));
	discovery_entry_clear(&e);
}

static void what_is_not_there_any_more_is_taken_away_already(void **state) {
	struct bed *t = *state;
	struct discovery_entry e = entry("k1", "10.20.0.50", 1);

	assert_int_equal(set(t, &e, NULL), 0);
	struct discovery_found was = as_set(t, &e);
	assert_int_equal(unset(t, &was), 0);
	assert_int_equal(unset(t, &was), 0);
	discovery_found_clear(&was);
	discovery_entry_clear(&e);
}

static void an_entry_that_dns_cannot_hold_is_refused(void **state) {
	struct bed *t = *state;
	struct discovery_entry e = entry("k1", "10.20.0.50", 1);

	free(e.service);
	e.service = xcalloc(1, 64);
	memset(e.service, 'a', 63); /* "_" before it makes 64 */
	assert_int_equal(set(t, &e, NULL), -EINVAL);
	assert_int_equal(t->server.updates, 0);
	discovery_entry_clear(&e);
}

/* ---- several of one service ---- */

static void entries_of_one_service_share_its_name(void **state) {
	struct bed *t = *state;
	struct discovery_entry one = entry("k1", "10.20.0.50", 1), two = entry("k2", "10.20.0.50", 1);
	struct discovery_found was[2];

	assert_int_equal(set(t, &one, NULL), 0);
	was[0] = as_set(t, &one);
	assert_int_equal(set(t, &two, NULL), 0);
	was[1] = as_set(t, &two);
	assert_int_equal(HASH_COUNT(dns_table_find(&t->server.zone, "_web._tcp.svc.example.", DNS_SRV)->data), 2);
	assert_int_equal(unset(t, &was[0]), 0);
	is_alone(t, "web.svc.example.", DNS_A, "10.20.0.50"); /* the other has the same */
	is_alone(t, "50.0.20.10.in-addr.arpa.", DNS_PTR, "web.svc.example.");
	is_alone(t, "_web._tcp.svc.example.", DNS_SRV, "0 0 80 k2.web.svc.example.");
	assert_int_equal(unset(t, &was[1]), 0);
	is_empty(t);
	discovery_found_clear(&was[0]);
	discovery_found_clear(&was[1]);
	discovery_entry_clear(&one);
	discovery_entry_clear(&two);
}

static void many_at_once_of_one_service_wait_for_each_other(void **state) {
	struct bed *t = *state;
	struct discovery_entry e[5];

	for (size_t i = 0; i < 5; i++) {
		char key[8], address[16];
		snprintf(key, sizeof(key), "k%zu", i);
		snprintf(address, sizeof(address), "10.20.0.%zu", 10 + i);
		e[i] = entry(key, address, 1);
		t->dns->ops->set(t->dns, &e[i], NULL, on_done, t);
	}
	RUN_UNTIL(&t->loop, t->done == 5);
	assert_int_equal(t->result, 0);
	assert_int_equal(HASH_COUNT(dns_table_find(&t->server.zone, "web.svc.example.", DNS_A)->data), 5);
	assert_int_equal(t->server.updates, 10); /* none had to be sent again */
	for (size_t i = 0; i < 5; i++)
		discovery_entry_clear(&e[i]);
}

static void one_that_got_no_turn_changed_nothing_and_is_no_trouble_of_the_server(void **state) {
	struct bed *t = *state, second = {0};
	struct discovery_entry one = entry("k1", "10.20.0.50", 1), two = entry("k2", "10.20.0.51", 1);

	t->timeout = span_ms(60);
	make_again(t);
	t->server.spoil = SPOIL_SILENCE;
	t->server.spoilt = SPOILT_ALL;
	t->server.times = 1;
	t->dns->ops->set(t->dns, &one, NULL, on_done, t);
	RUN_UNTIL(&t->loop, t->server.times == 0);
	t->dns->ops->set(t->dns, &two, NULL, on_done, &second);
	struct mono deadline = mono_add(mono_now(), t->timeout);
	while (!mono_reached(deadline, mono_now()))
		;
	RUN_UNTIL(&t->loop, t->done == 1 && second.done == 1);
	assert_int_equal(t->result, -ETIMEDOUT);
	assert_int_equal(second.result, -ESTALE);
	second.server.port = t->server.port;
	expect_error(&second, "other changes of the service took all the time");
	discovery_entry_clear(&one);
	discovery_entry_clear(&two);
}

static void another_managers_entry_beside_ours_is_not_foreign(void **state) {
	struct bed *t = *state;
	struct discovery_entry one = entry("k1", "10.20.0.50", 1), two = entry("k2", "10.20.0.51", 1);

	assert_int_equal(set(t, &one, NULL), 0);
	struct discovery *first = t->dns;
	t->dns = NULL;
	make_again(t); /* this one knows nothing of k1 */
	assert_int_equal(set(t, &two, NULL), 0);
	assert_int_equal(HASH_COUNT(dns_table_find(&t->server.zone, "web.svc.example.", DNS_A)->data), 2);
	discovery_free(t->dns);
	t->dns = first; /* and this one nothing of k2 */
	assert_int_equal(look(t, &one), 0);
	assert_int_equal(t->n_found, 1);
	assert_false(t->found[0].incomplete);
	discovery_entry_clear(&one);
	discovery_entry_clear(&two);
}

static void someone_quicker(struct dns_standin *s) { dns_table_add(&s->zone, "web.svc.example.", DNS_A, "10.9.9.9"); }

static void somebody_quicker_is_not_overwritten(void **state) {
	struct bed *t = *state;
	struct discovery_entry e = entry("k1", "10.20.0.50", 1);

	t->server.before_update = someone_quicker;
	assert_int_equal(set(t, &e, NULL), -EEXIST);
	expect_error(t, "foreign records are there: \"web.svc.example. A 10.9.9.9\"");
	assert_null(dns_table_find(&t->server.zone, "k1._heir.svc.example.", DNS_TXT));
	discovery_entry_clear(&e);
}

/* ---- what is foreign ---- */

static const struct {
	const char *what, *name;
	enum dns_type type;
	const char *data;
} foreign[] = {
	{"an address of the service's name", "web.svc.example.", DNS_A, "10.9.9.9"},
	{"the very same address", "web.svc.example.", DNS_A, "10.20.0.50"},
	{"an address of the other kind", "web.svc.example.", DNS_AAAA, "2001:db8::9"},
	{"an alias", "web.svc.example.", DNS_CNAME, "elsewhere.example."},
	{"a service record", "_web._tcp.svc.example.", DNS_SRV, "0 0 80 x.example."},
	{"an address of the instance's name", "k1.web.svc.example.", DNS_A, "10.9.9.9"},
	{"a text", "k1._heir.svc.example.", DNS_TXT, "\"hello; \\\"you\\\"\""},
	{"another cluster's mark", "k1._heir.svc.example.", DNS_TXT,
	 "\"heir=1 cluster=test workload=a/b generation=1 service=web address=10.20.0.50\""},
	{"a damaged mark", "k1._heir.svc.example.", DNS_TXT, "\"heir=1 cluster=prod workload=%\""},
	{"a mark in other pieces", "k1._heir.svc.example.", DNS_TXT,
	 "\"heir=1 cluster=prod workload=a/b \" \"service=web address=10.20.0.50\""},
	{"a mark whose address is none", "k1._heir.svc.example.", DNS_TXT,
	 "\"heir=1 cluster=prod workload=a/b service=web address=10.20.0\""},
};

static void what_is_foreign_is_told_and_left_and_overwritten_when_it_is_adopted(void **state) {
	struct bed *t = *state;

	for (size_t i = 0; i < sizeof(foreign) / sizeof(foreign[0]); i++) {
		struct discovery_entry e = entry("k1", "10.20.0.50", 1);
		char *content = xasprintf("%s %s %s", foreign[i].name, dns_type_name(foreign[i].type), foreign[i].data);
		put(t, foreign[i].name, foreign[i].type, foreign[i].data);
		if (set(t, &e, NULL) != -EEXIST || !strstr(t->err.msg, content))
			fail_msg("%s: %d %s", foreign[i].what, t->result, t->err.msg);
		stands(t, foreign[i].name, foreign[i].type, foreign[i].data);
		for (int listed = 0; listed < 2; listed++) {
			assert_int_equal(listed ? list(t, &e) : look(t, &e), 0);
			if (t->n_found != 1 || !t->found[0].foreign || strcmp(t->found[0].content, content) != 0)
				fail_msg("%s: it was not found", foreign[i].what);
		}
		assert_string_equal(t->found[0].entry.key, "k1");
		assert_int_equal(unset(t, &t->found[0]), -EEXIST);
		assert_int_equal(set(t, &e, &t->found[0]), 0);
		is_alone(t, "web.svc.example.", DNS_A, "10.20.0.50");
		assert_int_equal(list(t, &e), 0);
		if (t->n_found != 1 || t->found[0].foreign || t->found[0].incomplete)
			fail_msg("%s: not adopted: %s", foreign[i].what, t->found[0].content);
		assert_int_equal(unset(t, &t->found[0]), 0);
		is_empty(t);
		free(content);
		discovery_entry_clear(&e);
	}
}

static void what_is_foreign_costs_one_transfer_and_not_one_for_each_look(void **state) {
	struct bed *t = *state;
	struct discovery_entry e = entry("k1", "10.20.0.50", 1);

	put(t, "web.svc.example.", DNS_A, "10.9.9.9");
	for (int i = 0; i < 3; i++) {
		assert_int_equal(look(t, &e), 0);
		assert_int_equal(t->n_found, 1);
		assert_true(t->found[0].foreign);
		assert_int_equal(set(t, &e, NULL), -EEXIST);
	}
	assert_int_equal(t->server.transfers, 1);
	put(t, "web.svc.example.", DNS_A, "10.9.9.8");
	assert_int_equal(look(t, &e), 0);
	assert_string_equal(t->found[0].content, "web.svc.example. A 10.9.9.8; web.svc.example. A 10.9.9.9");
	assert_int_equal(t->server.transfers, 2); /* that one may have been ours */
	discovery_entry_clear(&e);
}

static void a_transfer_that_was_not_answered_is_made_again_for_what_is_foreign(void **state) {
	struct bed *t = *state;
	struct discovery_entry e = entry("k1", "10.20.0.50", 1);

	put(t, "web.svc.example.", DNS_A, "10.9.9.9");
	t->server.spoil = SPOIL_END;
	t->server.spoilt = SPOILT_TRANSFER;
	t->server.times = 1;
	for (int i = 0; i < 3; i++) {
		assert_int_equal(look(t, &e), 0);
		assert_true(t->found[0].foreign);
	}
	assert_int_equal(t->server.transfers, 2);
	discovery_entry_clear(&e);
}

static void calls_that_wonder_at_the_same_time_share_a_transfer(void **state) {
	struct bed *t = *state, setting = {0};
	struct discovery_entry e[4];

	for (size_t i = 0; i < 4; i++) {
		char key[8], address[16];
		snprintf(key, sizeof(key), "k%zu", i);
		snprintf(address, sizeof(address), "10.20.0.%zu", 10 + i);
		e[i] = entry(key, address, 1);
		if (i > 0)
			assert_int_equal(set(t, &e[i], NULL), 0);
	}
	make_again(t); /* as another manager, that is asked about all but k3 */
	t->done = 0;
	t->server.transfers = 0;
	t->dns->ops->look(t->dns, &e[1], on_list, t);
	t->dns->ops->look(t->dns, &e[2], on_list, t);
	t->dns->ops->set(t->dns, &e[0], NULL, on_done, &setting);
	RUN_UNTIL(&t->loop, t->done == 2 && setting.done == 1);
	if (setting.result != 0)
		fail_msg("%s", setting.err.msg);
	assert_int_equal(t->result, 0);
	assert_int_equal(t->n_found, 1);
	assert_false(t->found[0].incomplete);
	assert_int_equal(t->server.transfers, 1);
	assert_int_equal(HASH_COUNT(dns_table_find(&t->server.zone, "web.svc.example.", DNS_A)->data), 4);
	free(setting.version);
	for (size_t i = 0; i < 4; i++)
		discovery_entry_clear(&e[i]);
}

static void what_became_of_something_foreign_is_not_overwritten(void **state) {
	struct bed *t = *state;
	struct discovery_entry e = entry("k1", "10.20.0.50", 1);

	put(t, "web.svc.example.", DNS_A, "10.9.9.9");
	assert_int_equal(look(t, &e), 0);
	put(t, "web.svc.example.", DNS_A, "10.9.9.8");
	assert_int_equal(set(t, &e, &t->found[0]), -ESTALE);
	stands(t, "web.svc.example.", DNS_A, "10.9.9.8");
	discovery_entry_clear(&e);
}

static void a_foreign_record_beside_ours_is_told(void **state) {
	struct bed *t = *state;
	struct discovery_entry e = entry("k1", "10.20.0.50", 1);

	assert_int_equal(set(t, &e, NULL), 0);
	struct discovery_found was = as_set(t, &e);
	put(t, "web.svc.example.", DNS_A, "10.9.9.9");
	assert_int_equal(look(t, &e), 0);
	assert_true(t->found[0].incomplete);
	assert_string_equal(t->found[0].content, "foreign: web.svc.example. A 10.9.9.9");
	assert_int_equal(set(t, &e, &was), -EEXIST);
	assert_int_equal(unset(t, &was), 0); /* what is ours goes, and nothing else */
	is_alone(t, "web.svc.example.", DNS_A, "10.9.9.9");
	discovery_found_clear(&was);
	discovery_entry_clear(&e);
}

static void a_foreign_reverse_record_is_left_and_warned_about(void **state) {
	struct bed *t = *state;
	struct discovery_entry e = entry("k1", "10.20.0.50", 1);

	put(t, "50.0.20.10.in-addr.arpa.", DNS_PTR, "elsewhere.example.");
	assert_int_equal(set(t, &e, NULL), 0);
	expect_error(t, "its reverse record 50.0.20.10.in-addr.arpa.: is foreign and was left: "
			"\"50.0.20.10.in-addr.arpa. PTR elsewhere.example.\"");
	struct discovery_found was = as_set(t, &e);
	assert_int_equal(unset(t, &was), 0);
	is_alone(t, "50.0.20.10.in-addr.arpa.", DNS_PTR, "elsewhere.example.");
	discovery_found_clear(&was);
	discovery_entry_clear(&e);
}

/* ---- reverse records that an entry leaves ---- */

static const char web_at_50[] = "50.0.20.10.in-addr.arpa.";

static const struct {
	const char *what;
	enum spoil spoil;
	unsigned rcode;
	int result;
	const char *error;
} left[] = {
	{"failed", SPOIL_RCODE, LDNS_RCODE_SERVFAIL, -EIO, "20.10.in-addr.arpa.: it failed (SERVFAIL)"},
	{"silence", SPOIL_SILENCE, 0, -ETIMEDOUT, "no answer in time"},
	{"done, and the answer lost", SPOIL_LOST, 0, -ETIMEDOUT, "no answer in time"},
	{"refused", SPOIL_RCODE, LDNS_RCODE_REFUSED, 0, "20.10.in-addr.arpa.: it refuses (REFUSED)"},
	{"another's zone", SPOIL_RCODE, LDNS_RCODE_NOTAUTH, 0, "20.10.in-addr.arpa.: it is not the zone's server (NOTAUTH)"},
};

/* The next update is that of the reverse zone. One that is not answered is sent again, as often as there is time. */
static void spoil_update(struct bed *t, size_t i) {
	t->server.spoil = left[i].spoil;
	t->server.spoilt = SPOILT_UPDATE;
	t->server.rcode = left[i].rcode;
	t->server.times = left[i].spoil == SPOIL_RCODE ? 1 : 1000;
}

static void expect_left(struct bed *t, size_t i) {
	t->server.times = 0;
	char *error = xasprintf("its reverse record %s: %s", web_at_50, left[i].error);

	if (t->result != left[i].result)
		fail_msg("%s: expected %d, got %d: %s", left[i].what, left[i].result, t->result, t->err.msg);
	expect_error(t, error);
	free(error);
}

static void an_entry_goes_after_its_reverse_record_so_that_what_failed_is_found_and_repeated(void **state) {
	struct bed *t = *state;
	struct discovery_entry e = entry("k1", "10.20.0.50", 1);

	t->timeout = span_ms(300);
	make_again(t);
	for (size_t i = 0; i < sizeof(left) / sizeof(left[0]); i++) {
		assert_int_equal(set(t, &e, NULL), 0);
		struct discovery_found was = as_set(t, &e);
		spoil_update(t, i);
		unset(t, &was);
		expect_left(t, i);
		if (left[i].result == 0) {
			is_alone(t, web_at_50, DNS_PTR, "web.svc.example.");
			assert_null(dns_table_find(&t->server.zone, "k1._heir.svc.example.", DNS_TXT));
			assert_null(dns_table_find(&t->server.zone, "web.svc.example.", DNS_A));
		} else {
			is_alone(t, "web.svc.example.", DNS_A, "10.20.0.50");
			make_again(t); /* whoever lists next */
			assert_int_equal(list(t, NULL), 0);
			assert_int_equal(t->n_found, 1);
			assert_int_equal(unset(t, &t->found[0]), 0);
			assert_int_equal(t->err.code, 0);
			is_empty(t);
		}
		dns_table_clear(&t->server.zone);
		discovery_found_clear(&was);
	}
	discovery_entry_clear(&e);
}

static void an_entry_moves_after_its_reverse_record_has_gone(void **state) {
	struct bed *t = *state;
	struct discovery_entry one = entry("k1", "10.20.0.50", 1), two = entry("k1", "10.20.0.60", 2);

	t->timeout = span_ms(300);
	make_again(t);
	for (size_t i = 0; i < sizeof(left) / sizeof(left[0]); i++) {
		assert_int_equal(set(t, &one, NULL), 0);
		struct discovery_found was = as_set(t, &one);
		spoil_update(t, i);
		set(t, &two, &was);
		expect_left(t, i);
		is_alone(t, "web.svc.example.", DNS_A, left[i].result == 0 ? "10.20.0.60" : "10.20.0.50");
		if (left[i].result < 0) {
			assert_int_equal(set(t, &two, &was), 0);
			assert_int_equal(t->err.code, 0);
			assert_null(dns_table_find(&t->server.zone, web_at_50, DNS_PTR));
		}
		is_alone(t, "web.svc.example.", DNS_A, "10.20.0.60");
		is_alone(t, "60.0.20.10.in-addr.arpa.", DNS_PTR, "web.svc.example.");
		discovery_found_clear(&was);
		dns_table_clear(&t->server.zone);
		make_again(t);
	}
	discovery_entry_clear(&one);
	discovery_entry_clear(&two);
}

static void a_killed_heird_leaves_nothing_that_the_next_cannot_take_away(void **state) {
	struct bed *t = *state;
	struct discovery_entry one = entry("k1", "10.20.0.50", 1), two = entry("k1", "10.20.0.50", 2);

	xstr_replace(&two.service, "www"); /* at the same address */
	assert_int_equal(set(t, &one, NULL), 0);
	t->server.spoil = SPOIL_SILENCE;
	t->server.spoilt = SPOILT_UPDATE;
	struct discovery_found was = as_set(t, &one);
	for (unsigned before = 0; before < 3; before++) {
		t->server.updates = 0;
		t->dns->ops->set(t->dns, &two, &was, on_done, t);
		t->server.times = before == 0 ? 1 : 0;
		RUN_UNTIL(&t->loop, before == 0 ? t->server.times == 0 : t->server.updates == before);
		make_again(t);
		t->server.times = 0;
		assert_int_equal(list(t, NULL), 0);
		assert_int_equal(t->n_found, 1);
		assert_int_equal(unset(t, &t->found[0]), 0);
		assert_int_equal(t->err.code, 0);
		is_empty(t);
		assert_int_equal(set(t, &one, NULL), 0);
		t->done = 0;
	}
	discovery_found_clear(&was);
	discovery_entry_clear(&one);
	discovery_entry_clear(&two);
}

static void who_is_late_takes_no_reverse_record_of_what_is_there_now(void **state) {
	struct bed *t = *state;
	struct discovery_entry one = entry("k1", "10.20.0.50", 1), two = entry("k1", "10.20.0.50", 2);
	struct discovery_entry elsewhere = entry("k1", "10.20.0.60", 1);

	assert_int_equal(set(t, &one, NULL), 0);
	struct discovery_found was = as_set(t, &one);
	assert_int_equal(set(t, &two, &was), 0);
	assert_int_equal(unset(t, &was), -ESTALE);
	assert_int_equal(set(t, &elsewhere, &was), -ESTALE);
	is_alone(t, web_at_50, DNS_PTR, "web.svc.example.");
	discovery_found_clear(&was);
	discovery_entry_clear(&one);
	discovery_entry_clear(&two);
	discovery_entry_clear(&elsewhere);
}

/* ---- lists ---- */

static void entries_that_nobody_wants_are_found_in_the_transfer(void **state) {
	struct bed *t = *state;
	struct discovery_entry one = entry("k1", "10.20.0.50", 1), two = entry("k2", "10.20.0.51", 1);

	assert_int_equal(set(t, &one, NULL), 0);
	assert_int_equal(set(t, &two, NULL), 0);
	put(t, "x._heir.svc.example.", DNS_TXT, "\"foreign, and nobody wants that name\"");
	make_again(t);
	assert_int_equal(list(t, &one), 0); /* in several messages */
	assert_int_equal(t->n_found, 2);
	assert_false(t->found[0].incomplete || t->found[1].incomplete);
	assert_int_equal(unset(t, &t->found[strcmp(t->found[0].entry.key, "k2") == 0 ? 0 : 1]), 0);
	assert_null(dns_table_find(&t->server.zone, "k2.web.svc.example.", DNS_A));
	is_alone(t, "web.svc.example.", DNS_A, "10.20.0.50");
	discovery_entry_clear(&one);
	discovery_entry_clear(&two);
}

#define UNTRANSFERRED "the zone cannot be transferred, so that entries of heir's that nobody wants are not found: "

static void where_transfers_are_refused_the_wanted_ones_are_asked_for(void **state) {
	struct bed *t = *state;
	struct discovery_entry one = entry("k1", "10.20.0.50", 1), two = entry("k2", "10.20.0.51", 1);

	assert_int_equal(set(t, &one, NULL), 0);
	make_again(t);
	t->server.refused_zone = ZONE;
	assert_int_equal(list(t, &one), 0);
	expect_error(t, UNTRANSFERRED "svc.example.: it refuses (REFUSED)");
	assert_int_equal(t->n_found, 1);
	assert_false(t->found[0].incomplete);
	assert_int_equal(list(t, &two), 0);
	assert_int_equal(t->err.code, 0); /* that was said */
	assert_int_equal(t->n_found, 0);  /* k1 is known, and not in its way */
	assert_int_equal(list(t, NULL), 0);
	assert_int_equal(t->n_found, 0);
	discovery_entry_clear(&one);
	discovery_entry_clear(&two);
}

static void entries_that_are_gone_are_forgotten_though_the_zone_cannot_be_transferred(void **state) {
	struct bed *t = *state;

	t->server.refused_zone = ZONE;
	for (unsigned i = 0; i < 5; i++) {
		char key[8];
		snprintf(key, sizeof(key), "k%u", i);
		struct discovery_entry e = entry(key, "10.20.0.50", 1);
		assert_int_equal(set(t, &e, NULL), 0);
		struct discovery_found was = as_set(t, &e);
		assert_int_equal(unset(t, &was), 0);
		discovery_found_clear(&was);
		discovery_entry_clear(&e);
	}
	assert_int_equal(list(t, NULL), 0);
	assert_null(((struct dns *)t->dns)->book.known);
}

static void a_reverse_zone_that_cannot_be_transferred_is_a_warning(void **state) {
	struct bed *t = *state;
	struct discovery_entry e = entry("k1", "10.20.0.50", 1);

	assert_int_equal(set(t, &e, NULL), 0);
	t->server.refused_zone = REVERSE;
	assert_int_equal(list(t, &e), 0);
	expect_error(t, "reverse records are not looked at: 20.10.in-addr.arpa.: it refuses (REFUSED)");
	assert_int_equal(t->n_found, 1);
	assert_false(t->found[0].incomplete);
	discovery_entry_clear(&e);
}

static void nothing_is_found_in_an_empty_zone(void **state) {
	struct bed *t = *state;
	struct discovery_entry e = entry("k1", "10.20.0.50", 1);

	assert_int_equal(list(t, &e), 0);
	assert_int_equal(t->n_found, 0);
	assert_int_equal(look(t, &e), 0);
	assert_int_equal(t->n_found, 0);
	discovery_entry_clear(&e);
}

/* ---- bad answers ---- */

static const struct {
	const char *what;
	enum spoil spoil;
	unsigned code; /* rcode, or the TSIG's error */
	int result;
	const char *error; /* the end of it, or NULL */
} update_answers[] = {
	{"refused", SPOIL_RCODE, LDNS_RCODE_REFUSED, -EACCES, "svc.example.: it refuses (REFUSED)"},
	{"failed", SPOIL_RCODE, LDNS_RCODE_SERVFAIL, -EIO, "svc.example.: it failed (SERVFAIL)"},
	{"not the primary", SPOIL_RCODE, LDNS_RCODE_NOTAUTH, -EPROTO, "svc.example.: it is not the zone's server (NOTAUTH)"},
	{"no updates", SPOIL_RCODE, LDNS_RCODE_NOTIMPL, -EPROTO, "svc.example.: it cannot do that (NOTIMP)"},
	{"another zone", SPOIL_RCODE, LDNS_RCODE_NOTZONE, -EPROTO, "svc.example.: that is not in this zone (NOTZONE)"},
	{"another secret", SPOIL_TSIG, 16, -EACCES, "it has another secret for key heir. (BADSIG)"},
	{"an unknown key", SPOIL_TSIG, 17, -EACCES, "it does not know key heir. with this algorithm (BADKEY)"},
	{"garbage", SPOIL_GARBAGE, 0, -ETIMEDOUT, "no answer in time (an answer that is no DNS message)"},
	{"another ID", SPOIL_ID, 0, -ETIMEDOUT, "no answer in time (an answer to something else)"},
	{"another question", SPOIL_QUESTION, 0, -ETIMEDOUT, "no answer in time (an answer to another question)"},
	{"another sender", SPOIL_SENDER, 0, -ETIMEDOUT, "no answer in time"},
	{"unsigned", SPOIL_UNSIGNED, 0, -ETIMEDOUT, "no answer in time (its answer is not signed)"},
	{"wrongly signed", SPOIL_SIGNATURE, 0, -ETIMEDOUT, "no answer in time (its answer's signature is wrong)"},
	{"silence", SPOIL_SILENCE, 0, -ETIMEDOUT, "no answer in time"},
	{"done, and the answer lost", SPOIL_LOST, 0, -ETIMEDOUT, "no answer in time"},
};

static void every_answer_to_an_update_has_its_result(void **state) {
	struct bed *t = *state;

	t->timeout = span_ms(60);
	make_again(t);
	for (size_t i = 0; i < sizeof(update_answers) / sizeof(update_answers[0]); i++) {
		struct discovery_entry e = entry("k1", "10.20.0.50", 1);
		t->server.spoil = update_answers[i].spoil;
		t->server.spoilt = SPOILT_ALL;
		t->server.rcode = t->server.tsig_error = update_answers[i].code;
		t->server.times = UINT32_MAX;
		if (set(t, &e, NULL) != update_answers[i].result)
			fail_msg("%s: expected %d, got %d: %s", update_answers[i].what, update_answers[i].result, t->result,
				 t->err.msg);
		expect_error(t, update_answers[i].error);
		assert_null(strstr(t->err.msg, STANDIN_SECRET));
		t->server.times = 0;
		dns_table_clear(&t->server.zone);
		discovery_entry_clear(&e);
	}
}

static void a_clock_that_is_too_far_off_is_told(void **state) {
	struct bed *t = *state;
	struct discovery_entry e = entry("k1", "10.20.0.50", 1);

	t->server.spoil = SPOIL_TSIG;
	t->server.spoilt = SPOILT_ALL;
	t->server.tsig_error = TSIG_BADTIME;
	t->server.times = 1;
	assert_int_equal(set(t, &e, NULL), -EACCES);
	assert_non_null(strstr(t->err.msg, " s ahead of ours, which is too much for signatures (BADTIME)"));
	discovery_entry_clear(&e);
}

static void an_answer_that_is_lost_is_found_to_be_done_when_it_is_repeated(void **state) {
	struct bed *t = *state;
	struct discovery_entry e = entry("k1", "10.20.0.50", 1);

	t->server.spoil = SPOIL_LOST;
	t->server.spoilt = SPOILT_UPDATE;
	t->server.times = 1;
	assert_int_equal(set(t, &e, NULL), 0); /* the same datagram again finds its own work */
	is_alone(t, "web.svc.example.", DNS_A, "10.20.0.50");
	is_alone(t, "50.0.20.10.in-addr.arpa.", DNS_PTR, "web.svc.example.");
	discovery_entry_clear(&e);
}

static void what_does_not_count_is_waited_past(void **state) {
	static const enum spoil spoils[] = {SPOIL_GARBAGE, SPOIL_ID, SPOIL_QUESTION, SPOIL_SENDER, SPOIL_UNSIGNED, SPOIL_SIGNATURE};
	struct bed *t = *state;
	struct discovery_entry e = entry("k1", "10.20.0.50", 1);

	t->server.spoilt = SPOILT_QUERY;
	t->server.and_good = true;
	put(t, "web.svc.example.", DNS_A, "10.9.9.9");
	for (size_t i = 0; i < sizeof(spoils) / sizeof(spoils[0]); i++) {
		t->server.spoil = spoils[i];
		t->server.times = UINT32_MAX;
		assert_int_equal(look(t, &e), 0);
		assert_int_equal(t->n_found, 1);
		assert_string_equal(t->found[0].content, "web.svc.example. A 10.9.9.9");
	}
	discovery_entry_clear(&e);
}

static void a_question_is_asked_again_when_nothing_comes(void **state) {
	struct bed *t = *state;
	struct discovery_entry e = entry("k1", "10.20.0.50", 1);

	t->server.spoil = SPOIL_SILENCE;
	t->server.spoilt = SPOILT_QUERY;
	t->server.times = 1;
	assert_int_equal(look(t, &e), 0);
	discovery_entry_clear(&e);
}

static void an_answer_that_is_cut_off_is_asked_for_over_tcp(void **state) {
	struct bed *t = *state;
	struct discovery_entry e = entry("k1", "10.20.0.50", 1);

	put(t, "web.svc.example.", DNS_A, "10.9.9.9");
	t->server.spoil = SPOIL_TRUNCATED;
	t->server.spoilt = SPOILT_QUERY;
	t->server.times = UINT32_MAX;
	assert_int_equal(look(t, &e), 0);
	assert_int_equal(t->n_found, 1);
	assert_true(t->server.over_tcp > 0);
	t->server.spoil = SPOIL_CUT; /* and there it is closed in the middle */
	t->server.spoilt = SPOILT_TRANSFER;
	assert_int_equal(list(t, &e), 0);
	expect_error(t, UNTRANSFERRED "the connection was closed in the middle");
	assert_int_equal(t->n_found, 1);
	discovery_entry_clear(&e);
}

static void an_update_that_is_too_long_for_udp_goes_over_tcp(void **state) {
	struct bed *t = *state;
	struct discovery_entry e = entry("k1", "10.20.0.50", 1);

	for (unsigned i = 0; i < 60; i++) {
		char *tag = xasprintf("a-tag-that-is-long-enough-to-matter-%u", i);
		strs_add(&e.tags, tag);
		free(tag);
	}
	t->server.over_tcp = 0;
	assert_int_equal(set(t, &e, NULL), 0);
	assert_int_equal(t->server.over_tcp, 1);
	assert_int_equal(list(t, &e), 0);
	assert_true(discovery_entry_equal(&t->found[0].entry, &e)); /* in several pieces, and back */
	t->server.spoil = SPOIL_CUT;
	t->server.spoilt = SPOILT_UPDATE;
	t->server.times = 1;
	struct discovery_found was = as_set(t, &e);
	e.generation = 2;
	assert_int_equal(set(t, &e, &was), -EIO); /* it may be done */
	assert_int_equal(set(t, &e, &was), 0);    /* and it was */
	t->server.spoil = SPOIL_UNSIGNED;
	t->server.times = 1;
	assert_int_equal(set(t, &e, &was), -EIO);
	expect_error(t, "no answer that counts (its answer is not signed)");
	discovery_found_clear(&was);
	discovery_entry_clear(&e);
}

static const struct {
	const char *what;
	enum spoil spoil;
	unsigned code;
	const char *error;
	int without; /* the result when questions are answered so too */
} transfers[] = {
	{"cut off", SPOIL_CUT, 0, "the connection was closed in the middle", 0},
	{"without its end", SPOIL_END, 0, "the connection was closed in the middle", 0},
	{"its end unsigned", SPOIL_UNSIGNED_END, 0, "svc.example.: a transfer whose end is not signed", 0},
	{"unsigned", SPOIL_UNSIGNED, 0, "no answer that counts (its answer is not signed)", -ETIMEDOUT},
	{"wrongly signed", SPOIL_SIGNATURE, 0, "no answer that counts (its answer's signature is wrong)", -ETIMEDOUT},
	{"garbage", SPOIL_GARBAGE, 0, "no answer that counts (an answer that is no DNS message)", -ETIMEDOUT},
	{"refused", SPOIL_RCODE, LDNS_RCODE_REFUSED, "svc.example.: it refuses (REFUSED)", -EACCES},
	{"no transfers", SPOIL_RCODE, LDNS_RCODE_NOTIMPL, "svc.example.: it cannot do that (NOTIMP)", -EPROTO},
	{"not for this key", SPOIL_RCODE, LDNS_RCODE_NOTAUTH, "svc.example.: it is not the zone's server (NOTAUTH)", -EPROTO},
	{"failed", SPOIL_RCODE, LDNS_RCODE_SERVFAIL, "svc.example.: it failed (SERVFAIL)", -EIO},
	{"silence", SPOIL_SILENCE, 0, "no answer in time", -ETIMEDOUT},
};

static void a_transfer_that_fails_is_a_warning_and_what_is_wanted_is_asked_for(void **state) {
	struct bed *t = *state;
	struct discovery_entry e = entry("k1", "10.20.0.50", 1);

	assert_int_equal(set(t, &e, NULL), 0);
	t->timeout = span_ms(600);
	for (size_t i = 0; i < sizeof(transfers) / sizeof(transfers[0]); i++) {
		char *warning = xasprintf(UNTRANSFERRED "%s", transfers[i].error);
		make_again(t);
		t->server.spoil = transfers[i].spoil;
		t->server.spoilt = SPOILT_TRANSFER;
		t->server.rcode = transfers[i].code;
		t->server.times = 1;
		if (list(t, &e) != 0 || t->n_found != 1)
			fail_msg("%s: got %d: %s", transfers[i].what, t->result, t->err.msg);
		expect_error(t, warning);
		assert_false(t->found[0].incomplete);
		assert_int_equal(list(t, &e), 0); /* whole again: when it is not the next time, that is news */
		assert_int_equal(t->err.code, 0);
		t->server.times = 1;
		assert_int_equal(list(t, &e), 0);
		expect_error(t, warning);
		free(warning);
	}
	discovery_entry_clear(&e);
}

static void a_list_fails_where_nothing_is_answered(void **state) {
	struct bed *t = *state;
	struct discovery_entry e = entry("k1", "10.20.0.50", 1);

	t->timeout = span_ms(150);
	t->server.spoilt = SPOILT_ALL;
	for (size_t i = 0; i < sizeof(transfers) / sizeof(transfers[0]); i++) {
		if (!transfers[i].without)
			continue;
		make_again(t);
		t->server.spoil = transfers[i].spoil;
		t->server.rcode = transfers[i].code;
		t->server.times = UINT32_MAX;
		for (int wanted = 0; wanted < 2; wanted++)
			if (list(t, wanted ? &e : NULL) != transfers[i].without)
				fail_msg("%s: expected %d, got %d: %s", transfers[i].what, transfers[i].without, t->result,
					 t->err.msg);
	}
	t->server.spoil = SPOIL_RCODE;
	t->server.rcode = LDNS_RCODE_REFUSED;
	t->server.spoilt = SPOILT_TRANSFER;
	assert_int_equal(list(t, &e), 0); /* and was not said yet */
	expect_error(t, UNTRANSFERRED "svc.example.: it refuses (REFUSED)");
	discovery_entry_clear(&e);
}

static void a_server_without_tcp_is_asked(void **state) {
	struct bed *t = *state;
	struct discovery_entry e = entry("k1", "10.20.0.50", 1), never = entry("k2", "10.20.0.51", 1);
	const struct discovery_entry *both[] = {&e, &never};

	free(never.service);
	never.service = xcalloc(1, 64);
	memset(never.service, 'a', 63); /* DNS can never hold this one: it is in nobody's way */
	assert_int_equal(set(t, &e, NULL), 0);
	dns_standin_close_tcp(&t->server);
	t->done = 0;
	t->dns->ops->list(t->dns, both, 2, on_list, t);
	wait_for(t);
	assert_int_equal(t->result, 0);
	expect_error(t, UNTRANSFERRED "connection refused");
	assert_int_equal(t->n_found, 1);
	assert_false(t->found[0].incomplete);
	discovery_entry_clear(&e);
	discovery_entry_clear(&never);
}

static void a_cache_is_no_server_of_the_zone(void **state) {
	struct bed *t = *state;
	struct discovery_entry e = entry("k1", "10.20.0.50", 1);

	t->server.spoil = SPOIL_AUTHORITY;
	t->server.spoilt = SPOILT_QUERY;
	t->server.times = UINT32_MAX;
	assert_int_equal(look(t, &e), -EPROTO);
	expect_error(t, "k1._heir.svc.example.: it is not the server of that name's zone");
	discovery_entry_clear(&e);
}

/* ---- server and key ---- */

static void a_server_that_is_not_there_was_not_told_anything(void **state) {
	struct bed *t = *state;
	struct discovery_entry e = entry("k1", "10.20.0.50", 1);

	discovery_free(t->dns);
	t->dns = make(t, "127.0.0.1:1");
	assert_int_equal(set(t, &e, NULL), -ENOTCONN);
	assert_string_equal(t->err.msg, "zone: 127.0.0.1:1: connection refused");
	assert_int_equal(list(t, &e), -ENOTCONN);
	discovery_entry_clear(&e);
}

static void a_server_with_a_name_is_found(void **state) {
	struct bed *t = *state;
	struct discovery_entry e = entry("k1", "10.20.0.50", 1);
	char server[64];

	discovery_free(t->dns);
	snprintf(server, sizeof(server), "localhost:%d", t->server.port);
	t->dns = make(t, server);
	assert_int_equal(set(t, &e, NULL), 0);
	is_alone(t, "web.svc.example.", DNS_A, "10.20.0.50");
	discovery_entry_clear(&e);
}

static void a_key_file_is_read_when_it_is_needed(void **state) {
	struct bed *t = *state;
	struct discovery_entry e = entry("k1", "10.20.0.50", 1);

	write_key(t, "no base64 at all!");
	assert_int_equal(set(t, &e, NULL), -EACCES);
	assert_null(strstr(t->err.msg, "base64 at all"));
	unlink(t->key_file);
	assert_int_equal(set(t, &e, NULL), -EACCES);
	write_key(t, STANDIN_SECRET);
	assert_int_equal(set(t, &e, NULL), 0);
	discovery_entry_clear(&e);
}

static void options_that_are_none_are_refused(void **state) {
	static const struct {
		const char *server, *zone, *key;
	} bad[] = {
		{"127.0.0.1", "a.", "k"},      {":53", "a.", "k"},     {"a:0", "a.", "k"},   {"a:65536", "a.", "k"},
		{"2001:db8::1:53", "a.", "k"}, {"a:53x", "a.", "k"},   {"a:53", "", "k"},    {"a:53", "a..b", "k"},
		{"a:53", NULL, "k"},           {"a:53", "a.", "k..k"}, {"a:53", "a.", NULL}, {NULL, "a.", "k"},
	};
	struct bed *t = *state;
	struct discovery_env env = {.loop = &t->loop, .cluster = "prod", .name = "zone"};
	struct discovery *d;
	struct err err;

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		struct dns_options options = {
			.server = bad[i].server, .zone = bad[i].zone, .key_name = bad[i].key, .key_file = t->key_file};
		if (dns_new(&env, &options, &d, &err) != -EINVAL)
			fail_msg("case %zu was taken", i);
	}
}

/* ---- cancelling ---- */

static void freeing_it_cancels_everything(void **state) {
	struct bed *t = *state;
	struct discovery_entry e = entry("k1", "10.20.0.50", 1);
	const struct discovery_entry *wanted = &e;

	t->server.spoil = SPOIL_SILENCE;
	t->server.spoilt = SPOILT_ALL;
	t->server.times = UINT32_MAX;
	t->dns->ops->set(t->dns, &e, NULL, on_done, t);
	t->dns->ops->set(t->dns, &e, NULL, on_done, t); /* waits for the first */
	t->dns->ops->look(t->dns, &e, on_list, t);
	t->dns->ops->list(t->dns, &wanted, 1, on_list, t);
	RUN_UNTIL(&t->loop, t->server.times < UINT32_MAX - 2);
	discovery_free(TAKE_PTR(t->dns));
	for (int i = 0; i < 20; i++)
		standin_turn(&t->loop);
	assert_int_equal(t->done, 0);
	discovery_entry_clear(&e);
}

static void freeing_it_while_it_learns_cancels_that(void **state) {
	struct bed *t = *state;
	struct discovery_entry e = entry("k1", "10.20.0.50", 1);

	put(t, "web.svc.example.", DNS_A, "10.9.9.9");
	t->server.spoil = SPOIL_SILENCE;
	t->server.spoilt = SPOILT_TRANSFER;
	t->server.times = 1;
	t->dns->ops->look(t->dns, &e, on_list, t);
	RUN_UNTIL(&t->loop, t->server.times == 0);
	discovery_free(TAKE_PTR(t->dns));
	for (int i = 0; i < 20; i++)
		standin_turn(&t->loop);
	assert_int_equal(t->done, 0);
	discovery_entry_clear(&e);
}

static void freeing_it_while_its_name_is_looked_up_cancels_that(void **state) {
	struct bed *t = *state;
	struct discovery_entry e = entry("k1", "10.20.0.50", 1);

	discovery_free(t->dns);
	t->dns = make(t, "localhost:53");
	t->dns->ops->set(t->dns, &e, NULL, on_done, t);
	uv_run(&t->loop, UV_RUN_NOWAIT);
	discovery_free(TAKE_PTR(t->dns));
	assert_int_equal(t->done, 0);
	discovery_entry_clear(&e);
}

static void it_may_be_freed_in_a_callback(void **state) {
	struct bed *t = *state;
	struct discovery_entry e = entry("k1", "10.20.0.50", 1);

	t->free_in_callback = true;
	t->dns->ops->set(t->dns, &e, NULL, on_done, t);
	t->dns->ops->set(t->dns, &e, NULL, on_done, t);
	RUN_UNTIL(&t->loop, t->done == 1);
	for (int i = 0; i < 20; i++)
		standin_turn(&t->loop);
	assert_int_equal(t->done, 1);
	discovery_entry_clear(&e);
}

int main(void) {
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		TEST(an_entry_is_all_its_records_in_one_update),
		TEST(a_move_changes_the_entry_in_place),
		TEST(another_service_takes_the_old_ones_records_away),
		TEST(a_repeat_is_harmless_and_mends),
		TEST(what_is_not_there_any_more_is_taken_away_already),
		TEST(an_entry_that_dns_cannot_hold_is_refused),
		TEST(entries_of_one_service_share_its_name),
		TEST(many_at_once_of_one_service_wait_for_each_other),
		TEST(one_that_got_no_turn_changed_nothing_and_is_no_trouble_of_the_server),
		TEST(another_managers_entry_beside_ours_is_not_foreign),
		TEST(somebody_quicker_is_not_overwritten),
		TEST(what_is_foreign_is_told_and_left_and_overwritten_when_it_is_adopted),
		TEST(what_is_foreign_costs_one_transfer_and_not_one_for_each_look),
		TEST(a_transfer_that_was_not_answered_is_made_again_for_what_is_foreign),
		TEST(calls_that_wonder_at_the_same_time_share_a_transfer),
		TEST(what_became_of_something_foreign_is_not_overwritten),
		TEST(a_foreign_record_beside_ours_is_told),
		TEST(a_foreign_reverse_record_is_left_and_warned_about),
		TEST(an_entry_goes_after_its_reverse_record_so_that_what_failed_is_found_and_repeated),
		TEST(an_entry_moves_after_its_reverse_record_has_gone),
		TEST(a_killed_heird_leaves_nothing_that_the_next_cannot_take_away),
		TEST(who_is_late_takes_no_reverse_record_of_what_is_there_now),
		TEST(entries_that_nobody_wants_are_found_in_the_transfer),
		TEST(where_transfers_are_refused_the_wanted_ones_are_asked_for),
		TEST(entries_that_are_gone_are_forgotten_though_the_zone_cannot_be_transferred),
		TEST(a_reverse_zone_that_cannot_be_transferred_is_a_warning),
		TEST(nothing_is_found_in_an_empty_zone),
		TEST(every_answer_to_an_update_has_its_result),
		TEST(a_clock_that_is_too_far_off_is_told),
		TEST(an_answer_that_is_lost_is_found_to_be_done_when_it_is_repeated),
		TEST(what_does_not_count_is_waited_past),
		TEST(a_question_is_asked_again_when_nothing_comes),
		TEST(an_answer_that_is_cut_off_is_asked_for_over_tcp),
		TEST(an_update_that_is_too_long_for_udp_goes_over_tcp),
		TEST(a_transfer_that_fails_is_a_warning_and_what_is_wanted_is_asked_for),
		TEST(a_list_fails_where_nothing_is_answered),
		TEST(a_server_without_tcp_is_asked),
		TEST(a_cache_is_no_server_of_the_zone),
		TEST(a_server_that_is_not_there_was_not_told_anything),
		TEST(a_server_with_a_name_is_found),
		TEST(a_key_file_is_read_when_it_is_needed),
		TEST(options_that_are_none_are_refused),
		TEST(freeing_it_cancels_everything),
		TEST(freeing_it_while_it_learns_cancels_that),
		TEST(freeing_it_while_its_name_is_looked_up_cancels_that),
		TEST(it_may_be_freed_in_a_callback),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
