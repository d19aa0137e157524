/* An entry as records, whose they are, and what an update makes of them. */
#include "net/discovery/dns-plan.h"

#include "base/alloc.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

static struct dns_zones zones(void) {
	struct dns_zones z = {.zone = xstrdup("svc.example.")};

	strs_add(&z.reverse, "10.in-addr.arpa.");
	strs_add(&z.reverse, "20.10.in-addr.arpa.");
	strs_add(&z.reverse, "8.b.d.0.1.0.0.2.ip6.arpa.");
	return z;
}

static void names_are_absolute_and_in_lower_case(void **state) {
	static const struct {
		const char *text, *name;
	} names[] = {{"SVC.Example", "svc.example."}, {"a.", "a."}, {".", "."}, {"", NULL}, {"a..b", NULL}, {NULL, NULL}};

	(void)state;
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		char *name = dns_name(names[i].text);
		if (names[i].name && name)
			assert_string_equal(name, names[i].name);
		else
			assert_true(name == names[i].name);
		free(name);
	}
}

static void a_texts_pieces_come_back_as_the_text(void **state) {
	static const size_t lengths[] = {0, 1, 254, 255, 256, 510, 511, 5000};

	(void)state;
	for (size_t i = 0; i < sizeof(lengths) / sizeof(lengths[0]); i++) {
		char *text = xcalloc(1, lengths[i] + 1);
		memset(text, 'x', lengths[i]);
		char *data = dns_txt_data(text), *back = dns_txt_text(data);
		assert_non_null(back);
		assert_string_equal(back, text);
		free(text);
		free(data);
		free(back);
	}
}

static void what_others_wrote_is_no_text_of_ours(void **state) {
	static const char *const others[] = {"\"a\" \"b\"", "\"a\\\"\"", "\"\\007\"", "a", "\"a", "\"a\"  \"b\"", ""};

	(void)state;
	for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++)
		if (dns_txt_text(others[i]))
			fail_msg("%s was taken", others[i]);
}

static void keys_and_reverse_zones_are_found_by_their_names(void **state) {
	struct dns_zones z = zones();
	char *key = dns_key_of(&z, "k1._heir.svc.example.");

	(void)state;
	assert_string_equal(key, "k1");
	free(key);
	assert_null(dns_key_of(&z, "k1.web.svc.example."));
	assert_null(dns_key_of(&z, "a.k1._heir.svc.example."));
	assert_null(dns_key_of(&z, "_x._heir.svc.example."));
	assert_null(dns_key_of(&z, "_heir.svc.example."));
	assert_null(dns_key_of(&z, ""));
	assert_string_equal(dns_reverse_zone(&z, "1.0.20.10.in-addr.arpa."), "20.10.in-addr.arpa.");
	assert_string_equal(dns_reverse_zone(&z, "1.0.21.10.in-addr.arpa."), "10.in-addr.arpa.");
	assert_null(dns_reverse_zone(&z, "1.0.0.110.in-addr.arpa."));
	dns_zones_clear(&z);
}

static void an_entrys_records_are_listed(void **state) {
	struct dns_zones z = zones();
	const struct discovery_entry e = {.key = (char[]){"k1"},
					  .service = (char[]){"web"},
					  .address = (char[]){"10.20.0.50"},
					  .address6 = (char[]){"2001:db8:0::50"},
					  .port = 80};
	struct dns_records r = {0};

	(void)state;
	dns_records_of(&z, &e, "heir=1", &r);
	assert_int_equal(r.n, 8);
	assert_true(dns_records_has(&r, "k1._heir.svc.example.", DNS_TXT, "\"heir=1\""));
	assert_true(dns_records_has(&r, "web.svc.example.", DNS_AAAA, "2001:db8::50"));
	assert_true(dns_records_has(&r, "_web._tcp.svc.example.", DNS_SRV, "0 0 80 k1.web.svc.example."));
	assert_true(dns_records_has(&r, "50.0.20.10.in-addr.arpa.", DNS_PTR, "web.svc.example."));
	assert_true(dns_records_has(&r, "0.5.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.8.b.d.0.1.0.0.2.ip6.arpa.", DNS_PTR,
				    "web.svc.example."));
	dns_records_clear(&r);
	dns_zones_clear(&z);
}

/* ---- whose ---- */

static struct dns_records one(const char *address) {
	struct dns_records r = {0};

	dns_records_add(&r, "web.svc.example.", DNS_A, address);
	return r;
}

static bool is_claimed(const struct dns_book *b, const char *address) {
	return dns_table_count(&b->claims, "web.svc.example.", DNS_A, address) > 0;
}

static void a_record_is_ours_for_as_long_as_an_entry_may_have_it(void **state) {
	struct dns_records a = one("10.0.0.1"), b = one("10.0.0.2");
	struct dns_book book = {0};

	(void)state;
	dns_book_put(&book, "k1", &a);
	dns_book_put(&book, "k2", &a);
	assert_true(dns_book_others(&book, "k1", &a.v[0]));
	dns_book_expect(&book, "k1", &b); /* on its way, or nobody knows */
	dns_book_expect(&book, "k1", &b);
	assert_true(is_claimed(&book, "10.0.0.2"));
	assert_false(dns_book_others(&book, "k1", &b.v[0]));
	dns_book_settle(&book, "k1");
	assert_false(is_claimed(&book, "10.0.0.2"));
	dns_book_put(&book, "k1", &b);
	assert_true(is_claimed(&book, "10.0.0.1"));
	dns_book_put(&book, "k2", &(struct dns_records){0});
	assert_false(is_claimed(&book, "10.0.0.1"));
	dns_book_clear(&book);
	dns_records_clear(&a);
	dns_records_clear(&b);
}

static void an_old_list_does_not_undo_what_came_after_it(void **state) {
	struct dns_records a = one("10.0.0.1"), b = one("10.0.0.2");
	struct dns_book book = {0};
	struct dns_table none = {0};

	(void)state;
	dns_book_put(&book, "k1", &a);
	uint64_t turn = book.turn; /* here the list begins */
	dns_book_put(&book, "k2", &b);
	dns_book_retain(&book, &none, turn);
	assert_false(is_claimed(&book, "10.0.0.1"));
	assert_true(is_claimed(&book, "10.0.0.2"));
	assert_true(dns_book_has_since(&book, "k2", turn));
	dns_book_clear(&book);
	dns_records_clear(&a);
	dns_records_clear(&b);
}

static void what_is_not_there_is_forgotten_when_no_older_call_may_see_it(void **state) {
	struct dns_records a = one("10.0.0.1"), none = {0};
	struct dns_book book = {0};

	(void)state;
	dns_book_put(&book, "there", &a);
	dns_book_expect(&book, "perhaps", &a);
	dns_book_put(&book, "gone", &none);
	uint64_t turn = book.turn; /* here the oldest call begins */
	dns_book_put(&book, "just gone", &none);
	dns_book_prune(&book, turn);
	assert_true(dns_book_has_since(&book, "there", 0));
	assert_true(dns_book_has_since(&book, "perhaps", 0));
	assert_false(dns_book_has_since(&book, "gone", 0));
	assert_true(dns_book_has_since(&book, "just gone", 0));
	dns_book_clear(&book);
	dns_records_clear(&a);
}

/* ---- reverse records ---- */

static const struct {
	const char *what, *seen, *old, *wanted, *others;
	enum dns_reverse is;
} reverses[] = {
	{"nothing, and nothing is wanted", NULL, NULL, NULL, NULL, DNS_REVERSE_RIGHT},
	{"missing", NULL, NULL, "web.", NULL, DNS_REVERSE_CHANGE},
	{"right", "web.", NULL, "web.", NULL, DNS_REVERSE_RIGHT},
	{"of the other service with that address", "www.", NULL, "web.", "www.", DNS_REVERSE_RIGHT},
	{"of the service that it was", "old.", "old.", "web.", NULL, DNS_REVERSE_CHANGE},
	{"left behind", "old.", "old.", NULL, NULL, DNS_REVERSE_CHANGE},
	{"left behind, but another has it", "old.", "old.", NULL, "old.", DNS_REVERSE_RIGHT},
	{"foreign", "x.", NULL, "web.", NULL, DNS_REVERSE_FOREIGN},
	{"foreign where none is wanted", "x.", "old.", NULL, NULL, DNS_REVERSE_RIGHT},
};

static void a_reverse_record_is_any_of_ours_and_never_somebody_elses(void **state) {
	static const char name[] = "1.0.0.10.in-addr.arpa.";

	(void)state;
	for (size_t i = 0; i < sizeof(reverses) / sizeof(reverses[0]); i++) {
		struct dns_records old = {0}, wanted = {0}, others = {0};
		struct dns_book book = {0};
		struct dns_table seen = {0};
		const struct dns_change c = {.book = &book, .key = "k1", .old = &old, .wanted = &wanted};
		if (reverses[i].seen)
			dns_table_add(&seen, name, DNS_PTR, reverses[i].seen);
		if (reverses[i].old)
			dns_records_add(&old, name, DNS_PTR, reverses[i].old);
		if (reverses[i].wanted)
			dns_records_add(&wanted, name, DNS_PTR, reverses[i].wanted);
		if (reverses[i].others)
			dns_records_add(&others, name, DNS_PTR, reverses[i].others);
		dns_book_put(&book, "k1", &old); /* it still stands */
		dns_book_put(&book, "k2", &others);
		enum dns_reverse is = dns_plan_reverse(&c, name, dns_table_find(&seen, name, DNS_PTR), NULL);
		if (is != reverses[i].is)
			fail_msg("%s: expected %d, got %d", reverses[i].what, reverses[i].is, is);
		dns_book_clear(&book);
		dns_table_clear(&seen);
		dns_records_clear(&old);
		dns_records_clear(&wanted);
		dns_records_clear(&others);
	}
}

int main(void) {
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(names_are_absolute_and_in_lower_case),
		cmocka_unit_test(a_texts_pieces_come_back_as_the_text),
		cmocka_unit_test(what_others_wrote_is_no_text_of_ours),
		cmocka_unit_test(keys_and_reverse_zones_are_found_by_their_names),
		cmocka_unit_test(an_entrys_records_are_listed),
		cmocka_unit_test(a_record_is_ours_for_as_long_as_an_entry_may_have_it),
		cmocka_unit_test(an_old_list_does_not_undo_what_came_after_it),
		cmocka_unit_test(what_is_not_there_is_forgotten_when_no_older_call_may_see_it),
		cmocka_unit_test(a_reverse_record_is_any_of_ours_and_never_somebody_elses),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
