/* Entries of service discovery: as one text and back, what they may be, and their keys. */
#include "net/discovery/entry.h"

#include "base/alloc.h"
#include "base/cleanup.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static struct discovery_entry web(void) {
	struct discovery_entry e = {
		.key = xstrdup("h0123456789ab-1"),
		.workload = xstrdup("prod/0123456789abcdef"),
		.generation = 2,
		.service = xstrdup("web"),
		.address = xstrdup("10.20.0.50"),
		.address6 = xstrdup("fd00::50"),
		.port = 80,
		.node = xstrdup("h2"),
		.container = xstrdup("web"),
	};
	strs_add(&e.tags, "a b");
	strs_add(&e.tags, "c%=d");
	strs_add(&e.meta, "team=core=x");
	return e;
}

static void an_entry_is_the_same_after_being_written_and_read(void **state) {
	struct discovery_entry e = web(), back;
	struct err err;

	(void)state;
	for (int host = 0; host < 2; host++) {
		e.host = host;
		char *text CLEANUP_FREE = discovery_entry_encode(&e, "prod");
		assert_int_equal(strcspn(text, "\n\"\\"), strlen(text));
		assert_int_equal(discovery_entry_decode(text, "prod", &back, &err), 0);
		back.key = xstrdup(e.key);
		assert_true(discovery_entry_equal(&e, &back));
		assert_int_equal(discovery_entry_check(&back, &err), 0);
		discovery_entry_clear(&back);
	}
	discovery_entry_clear(&e);
}

static void marks_are_ours_foreign_or_damaged(void **state) {
	static const struct {
		const char *what, *text;
		int expected;
	} cases[] = {
		{"ours", "heir=1 cluster=prod workload=prod/a generation=2 service=web address=10.0.0.1", 0},
		{"a field of a later heir", "heir=1 cluster=prod workload=prod/a service=web address=10.0.0.1 weight=3", 0},
		{"another cluster's", "heir=1 cluster=test workload=test/a service=web address=10.0.0.1", 1},
		{"somebody's text", "v=spf1 -all", 1},
		{"nothing", "", 1},
		{"no cluster", "heir=1 workload=prod/a service=web address=10.0.0.1", -EINVAL},
		{"a later format", "heir=2 cluster=prod workload=prod/a service=web address=10.0.0.1", -EINVAL},
		{"no address", "heir=1 cluster=prod workload=prod/a service=web", -EINVAL},
		{"twice", "heir=1 cluster=prod workload=prod/a workload=prod/b service=web address=10.0.0.1", -EINVAL},
		{"half an escape", "heir=1 cluster=prod workload=prod/a service=web address=10.0.0.1 tag=a%2", -EINVAL},
		{"no escape", "heir=1 cluster=prod workload=prod/a service=web address=10.0.0.1 tag=a%zz", -EINVAL},
		{"a NUL", "heir=1 cluster=prod workload=prod/a service=web address=10.0.0.1 tag=a%00b", -EINVAL},
		{"a port too large", "heir=1 cluster=prod workload=prod/a service=web address=10.0.0.1 port=65536", -EINVAL},
		{"a number that is none", "heir=1 cluster=prod workload=prod/a service=web address=10.0.0.1 generation=-1",
		 -EINVAL},
		{"no value", "heir=1 cluster=prod workload=prod/a service=web address=10.0.0.1 x", -EINVAL},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct discovery_entry e = {0};
		struct err err;
		int r = discovery_entry_decode(cases[i].text, "prod", &e, &err);
		if (r != cases[i].expected)
			fail_msg("%s: %d, expected %d", cases[i].what, r, cases[i].expected);
		discovery_entry_clear(&e);
	}
}

static void what_no_system_should_hold_is_refused(void **state) {
	static const struct {
		const char *what, *service, *address, *address6, *tag, *meta;
		bool good;
	} cases[] = {
		{"good", "web", "10.0.0.1", NULL, "a", "k=v", true},
		{"IPv6 alone", "web", NULL, "fd00::1", "a", "k=v", true},
		{"no address", "web", NULL, NULL, "a", "k=v", false},
		{"a name", "Web", "10.0.0.1", NULL, "a", "k=v", false},
		{"a hyphen at the end", "web-", "10.0.0.1", NULL, "a", "k=v", false},
		{"two labels", "a.b", "10.0.0.1", NULL, "a", "k=v", false},
		{"no number", "web", "10.0.0", NULL, "a", "k=v", false},
		{"the other family", "web", "fd00::1", NULL, "a", "k=v", false},
		{"the other family again", "web", NULL, "10.0.0.1", "a", "k=v", false},
		{"a control character", "web", "10.0.0.1", NULL, "a\n", "k=v", false},
		{"an empty tag", "web", "10.0.0.1", NULL, "", "k=v", false},
		{"a key that is none", "web", "10.0.0.1", NULL, "a", "k k=v", false},
		{"no value", "web", "10.0.0.1", NULL, "a", "k", false},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct discovery_entry e = {.key = xstrdup("h1-1"), .workload = xstrdup("prod/a")};
		struct err err = {0};
		e.service = xstrdup(cases[i].service);
		e.address = xstrdup_null(cases[i].address);
		e.address6 = xstrdup_null(cases[i].address6);
		strs_add(&e.tags, cases[i].tag);
		strs_add(&e.meta, cases[i].meta);
		int r = discovery_entry_check(&e, &err);
		if ((r == 0) != cases[i].good || (r < 0 && !*err.msg))
			fail_msg("%s: %d %s", cases[i].what, r, err.msg);
		discovery_entry_clear(&e);
	}
}

static void keys_are_labels_and_tell_services_apart(void **state) {
	char a[DISCOVERY_KEY_MAX], b[DISCOVERY_KEY_MAX];

	(void)state;
	assert_string_equal(discovery_key("prod/0123456789abcdef0123", 1, a), "h0123456789ab-1");
	assert_string_equal(discovery_key("prod/0123456789abcdef0123", 2, b), "h0123456789ab-2");
	assert_string_equal(discovery_key("a/b/Odd_Id", 1, a), "h-dd--d-1");
	assert_true(discovery_is_label(a) && discovery_is_label(b));
}

int main(void) {
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_entry_is_the_same_after_being_written_and_read),
		cmocka_unit_test(marks_are_ours_foreign_or_damaged),
		cmocka_unit_test(what_no_system_should_hold_is_refused),
		cmocka_unit_test(keys_are_labels_and_tell_services_apart),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
