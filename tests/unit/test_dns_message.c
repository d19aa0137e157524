/* DNS messages: what is sent, which answers count, and what they say. */
#include "net/discovery/dns-message.h"

#include "base/alloc.h"
#include "base/buf.h"

#include <errno.h>
#include <gnutls/crypto.h>
#include <gnutls/gnutls.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
#include <sys/time.h>
#include <time.h>

#include <cmocka.h>

#define SECRET "c2VjcmV0IHNlY3JldCBzZWNyZXQgc2VjcmV0IHNlYzE="
#define OTHER "b3RoZXIgb3RoZXIgb3RoZXIgb3RoZXIgb3RoZXIgb3Q="

/* ldns signs by this clock, and heir checks by time(2): so answers can come from another time. */
static time_t clock_off;

int gettimeofday(struct timeval *ret, void *zone) {
	struct timespec now;

	(void)zone;
	clock_gettime(CLOCK_REALTIME, &now);
	*ret = (struct timeval){.tv_sec = now.tv_sec + clock_off, .tv_usec = now.tv_nsec / 1000};
	return 0;
}

static struct dns_key key(void) {
	struct dns_key k;
	struct err err;

	assert_int_equal(dns_key_make("heir", SECRET, DNS_HMAC_SHA256, &k, &err), 0);
	return k;
}

static struct dns_request question(const char *name, enum dns_type type) {
	struct dns_key k = key();
	struct dns_request q;
	struct err err;

	assert_int_equal(dns_request_query(&k, name, type, &q, &err), 0);
	dns_key_clear(&k);
	return q;
}

static ldns_rr *rr(const char *text) {
	ldns_rr *ret = NULL;
	assert_int_equal(ldns_rr_new_frm_str(&ret, text, 0, NULL, NULL), LDNS_STATUS_OK);
	return ret;
}

/* ---- what is sent ---- */

static void expect_rr(const ldns_rr_list *list, size_t at, const char *expected) {
	char *text = ldns_rr2str(ldns_rr_list_rr(list, at));

	for (char *p = text; *p; p++)
		if (*p == '\t' || *p == '\n')
			*p = p[1] ? ' ' : '\0';
	assert_string_equal(text, expected);
	free(text);
}

static void an_update_says_what_must_be_and_what_changes_as_rfc_2136_has_it(void **state) {
	struct dns_table t = {0};
	struct dns_update u;
	struct dns_key k = key();
	struct dns_request q;
	ldns_pkt *p = NULL;
	struct err err;

	(void)state;
	dns_table_add(&t, "web.svc.example.", DNS_A, "10.0.0.1");
	dns_table_add(&t, "web.svc.example.", DNS_A, "10.0.0.2");
	dns_update_init(&u);
	dns_update_require(&u, "web.svc.example.", DNS_A, dns_table_find(&t, "web.svc.example.", DNS_A));
	dns_update_require(&u, "k._heir.svc.example.", DNS_TXT, NULL);
	dns_update_delete(&u, "web.svc.example.", DNS_A, "10.0.0.1");
	dns_update_add(&u, "k._heir.svc.example.", DNS_TXT, 10, "\"heir=1\"");
	assert_int_equal(dns_request_update(&k, "svc.example.", &u, &q, &err), 0);
	assert_int_equal(ldns_wire2pkt(&p, q.wire, q.n), LDNS_STATUS_OK);
	assert_int_equal(ldns_pkt_get_opcode(p), LDNS_PACKET_UPDATE);
	assert_true(dns_request_changes(&q));
	assert_true(ldns_pkt_tsig_verify(p, q.wire, q.n, "heir.", SECRET, NULL));
	expect_rr(ldns_pkt_answer(p), 0, "web.svc.example. 0 IN A 10.0.0.1");
	expect_rr(ldns_pkt_answer(p), 1, "web.svc.example. 0 IN A 10.0.0.2");
	expect_rr(ldns_pkt_answer(p), 2, "k._heir.svc.example. 0 NONE TXT \\# 0");
	expect_rr(ldns_pkt_authority(p), 0, "web.svc.example. 0 NONE A 10.0.0.1");
	expect_rr(ldns_pkt_authority(p), 1, "k._heir.svc.example. 10 IN TXT \"heir=1\"");
	ldns_pkt_free(p);
	dns_request_clear(&q);
	dns_update_clear(&u);
	dns_table_clear(&t);
	dns_key_clear(&k);
}

/* Nothing of it is the entry's fault for ever: -EINVAL would never be tried again. */
static void an_update_that_no_message_can_hold_now_may_be_tried_again(void **state) {
	struct dns_key k = key();
	struct dns_update u;
	struct dns_request q;
	struct err err;

	(void)state;
	dns_update_init(&u);
	for (unsigned i = 0; i < 5000; i++) {
		char address[32];
		snprintf(address, sizeof(address), "10.0.%u.%u", i / 250, i % 250);
		dns_update_add(&u, "web.svc.example.", DNS_A, 10, address);
	}
	assert_int_equal(dns_request_update(&k, "svc.example.", &u, &q, &err), -EPROTO);
	dns_update_add(&u, "web.svc.example.", DNS_A, 10, "no address");
	assert_int_equal(dns_request_update(&k, "svc.example.", &u, &q, &err), -EPROTO);
	assert_string_equal(err.msg, "a record for svc.example. cannot be made");
	dns_update_clear(&u);
	dns_key_clear(&k);
}

static void a_key_that_is_none_is_refused_and_never_told(void **state) {
	static const char *const secrets[] = {"", "geheim!", "====", "key \"heir\" { secret \"geheim\"; };"};
	struct dns_key k;
	struct err err;

	(void)state;
	for (size_t i = 0; i < sizeof(secrets) / sizeof(secrets[0]); i++) {
		if (dns_key_make("heir", secrets[i], DNS_HMAC_SHA256, &k, &err) != -EINVAL)
			fail_msg("%s was taken", secrets[i]);
		assert_null(strstr(err.msg, "geheim"));
	}
	assert_int_equal(dns_key_make("a..b", SECRET, DNS_HMAC_SHA256, &k, &err), -EINVAL);
}

/* ---- which answers count ---- */

static ldns_pkt *answer_to(const struct dns_request *q, const char *record) {
	ldns_pkt *p = ldns_pkt_new();
	ldns_rr *ask = ldns_rr_new();

	ldns_pkt_set_id(p, q->id);
	ldns_pkt_set_qr(p, true);
	ldns_pkt_set_aa(p, true);
	ldns_rr_set_owner(ask, ldns_dname_new_frm_str(q->name));
	ldns_rr_set_type(ask, (ldns_rr_type)q->type);
	ldns_rr_set_class(ask, LDNS_RR_CLASS_IN);
	ldns_rr_set_question(ask, true);
	ldns_pkt_push_rr(p, LDNS_SECTION_QUESTION, ask);
	if (record)
		ldns_pkt_push_rr(p, LDNS_SECTION_ANSWER, rr(record));
	return p;
}

enum { BY_KEY = 0, BY_OTHER_SECRET = 1, BY_OTHER_NAME = 2, BY_OTHER_ALGORITHM = 3, BY_NOBODY = 4, OVER_NOTHING = 5 };

static ldns_rdf *mac_of(const struct dns_request *q) {
	ldns_pkt *p = NULL;

	assert_int_equal(ldns_wire2pkt(&p, q->wire, q->n), LDNS_STATUS_OK);
	ldns_rdf *mac = ldns_rdf_clone(ldns_rr_rdf(ldns_pkt_tsig(p), 3));
	ldns_pkt_free(p);
	return mac;
}

/* By ldns, whose TSIG is another's than ours. Takes the packet. */
static int read_signed(struct dns_request *q, ldns_pkt *p, int by, struct dns_answer *a, struct err *err) {
	ldns_rdf *mac = mac_of(q);
	uint8_t *wire = NULL;
	size_t n;

	if (by != BY_NOBODY)
		assert_int_equal(ldns_pkt_tsig_sign(p, by == BY_OTHER_NAME ? "other." : "heir.",
						    by == BY_OTHER_SECRET ? OTHER : SECRET, 300,
						    by == BY_OTHER_ALGORITHM ? "hmac-sha512." : "hmac-sha256.",
						    by == OVER_NOTHING ? NULL : mac),
				 LDNS_STATUS_OK);
	assert_int_equal(ldns_pkt2wire(&wire, p, &n), LDNS_STATUS_OK);
	int r = dns_answer_read(q, wire, n, a, err);
	ldns_rdf_deep_free(mac);
	free(wire);
	ldns_pkt_free(p);
	return r;
}

static void spoil_nothing(ldns_pkt *p) { (void)p; }
static void spoil_id(ldns_pkt *p) { ldns_pkt_set_id(p, (uint16_t)~ldns_pkt_id(p)); }
static void spoil_qr(ldns_pkt *p) { ldns_pkt_set_qr(p, false); }
static void spoil_opcode(ldns_pkt *p) { ldns_pkt_set_opcode(p, LDNS_PACKET_UPDATE); }
static void spoil_name(ldns_pkt *p) {
	ldns_rr *ask = ldns_rr_list_rr(ldns_pkt_question(p), 0);
	ldns_rdf_deep_free(ldns_rr_owner(ask));
	ldns_rr_set_owner(ask, ldns_dname_new_frm_str("other.example."));
}
static void spoil_type(ldns_pkt *p) { ldns_rr_set_type(ldns_rr_list_rr(ldns_pkt_question(p), 0), LDNS_RR_TYPE_MX); }
static void spoil_question(ldns_pkt *p) {
	ldns_rr_free(ldns_rr_list_pop_rr(ldns_pkt_question(p)));
	ldns_pkt_set_qdcount(p, 0);
}

static const struct {
	const char *what;
	void (*spoil)(ldns_pkt *p);
	int by;
	time_t off; /* s, of the server's clock */
	const char *error;
} cases[] = {
	{"good", spoil_nothing, BY_KEY, 0, NULL},
	{"a little late", spoil_nothing, BY_KEY, -290, NULL},
	{"another ID", spoil_id, BY_KEY, 0, "an answer to something else"},
	{"a question", spoil_qr, BY_KEY, 0, "an answer to something else"},
	{"of another kind", spoil_opcode, BY_KEY, 0, "an answer to something else"},
	{"another name", spoil_name, BY_KEY, 0, "an answer to another question"},
	{"another type", spoil_type, BY_KEY, 0, "an answer to another question"},
	{"no question", spoil_question, BY_KEY, 0, "an answer to another question"},
	{"unsigned", spoil_nothing, BY_NOBODY, 0, "its answer is not signed"},
	{"another secret", spoil_nothing, BY_OTHER_SECRET, 0, "its answer's signature is wrong"},
	{"another key", spoil_nothing, BY_OTHER_NAME, 0, "its answer's signature is wrong"},
	{"another algorithm", spoil_nothing, BY_OTHER_ALGORITHM, 0, "its answer's signature is wrong"},
	{"signed as if it were no answer", spoil_nothing, OVER_NOTHING, 0, "its answer's signature is wrong"},
	{"an old one", spoil_nothing, BY_KEY, -1000, "its answer is signed for another time, -"},
	{"one from the future", spoil_nothing, BY_KEY, 1000, "its answer is signed for another time, "},
};

static void only_a_signed_answer_to_this_very_request_counts(void **state) {
	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct dns_request q = question("web.svc.example.", DNS_A);
		struct dns_answer a = {0};
		struct err err = {0};
		ldns_pkt *p = answer_to(&q, "web.svc.example. 10 IN A 10.0.0.1");
		cases[i].spoil(p);
		clock_off = cases[i].off;
		int r = read_signed(&q, p, cases[i].by, &a, &err);
		clock_off = 0;
		if (r != (cases[i].error ? -EPROTO : 0))
			fail_msg("%s: %s", cases[i].what, r ? err.msg : "counted");
		if (cases[i].error && !strstr(err.msg, cases[i].error))
			fail_msg("%s: expected %s, got %s", cases[i].what, cases[i].error, err.msg);
		dns_answer_clear(&a);
		dns_request_clear(&q);
	}
}

static void bytes_that_are_no_message_do_not_count(void **state) {
	static const struct {
		const char *bytes;
		size_t n;
	} junk[] = {{"", 0}, {"\0\0", 2}, {"\377\377\200\0\377\377\377\377\377\377\377\377\300\014", 14}};
	struct dns_request q = question("web.svc.example.", DNS_A);
	struct dns_answer a;
	struct err err;

	(void)state;
	for (size_t i = 0; i < sizeof(junk) / sizeof(junk[0]); i++)
		assert_int_equal(dns_answer_read(&q, (const uint8_t *)junk[i].bytes, junk[i].n, &a, &err), -EPROTO);
	assert_string_equal(err.msg, "an answer that is no DNS message");
	dns_request_clear(&q);
}

/* ---- what they say ---- */

static const struct {
	unsigned rcode;
	bool changes;
	int result;
	const char *error;
} codes[] = {
	{LDNS_RCODE_NOERROR, false, 0, NULL},
	{LDNS_RCODE_NXDOMAIN, false, 0, NULL},
	{LDNS_RCODE_NOERROR, true, 0, NULL},
	{LDNS_RCODE_NXDOMAIN, true, -ESTALE, "svc.example.: it is not as it was (NXDOMAIN)"},
	{LDNS_RCODE_YXDOMAIN, true, -ESTALE, "svc.example.: it is not as it was (YXDOMAIN)"},
	{LDNS_RCODE_YXRRSET, true, -ESTALE, "svc.example.: it is not as it was (YXRRSET)"},
	{LDNS_RCODE_NXRRSET, true, -ESTALE, "svc.example.: it is not as it was (NXRRSET)"},
	{LDNS_RCODE_NOTZONE, true, -EPROTO, "svc.example.: that is not in this zone (NOTZONE)"},
	{LDNS_RCODE_NXRRSET, false, -EPROTO, "svc.example.: it answers with code 8"},
	{LDNS_RCODE_SERVFAIL, true, -EIO, "svc.example.: it failed (SERVFAIL)"},
	{LDNS_RCODE_REFUSED, true, -EACCES, "svc.example.: it refuses (REFUSED)"},
	{LDNS_RCODE_NOTAUTH, true, -EPROTO, "svc.example.: it is not the zone's server (NOTAUTH)"},
	{LDNS_RCODE_NOTIMPL, true, -EPROTO, "svc.example.: it cannot do that (NOTIMP)"},
	{LDNS_RCODE_FORMERR, true, -EPROTO, "svc.example.: it does not understand (FORMERR)"},
	{15, true, -EPROTO, "svc.example.: it answers with code 15"},
};

static void every_code_has_its_result(void **state) {
	(void)state;
	for (size_t i = 0; i < sizeof(codes) / sizeof(codes[0]); i++) {
		const struct dns_request q = {.name = (char[]){"svc.example."},
					      .opcode = codes[i].changes ? LDNS_PACKET_UPDATE : LDNS_PACKET_QUERY};
		const struct dns_answer a = {.rcode = codes[i].rcode};
		struct err err = {0};
		if (dns_answer_result(&q, &a, &err) != codes[i].result)
			fail_msg("%u: expected %d, got %d", codes[i].rcode, codes[i].result, err.code);
		if (codes[i].error)
			assert_string_equal(err.msg, codes[i].error);
	}
}

static void an_answers_records_are_texts_in_lower_case(void **state) {
	struct dns_request q = question("web.svc.example.", DNS_A);
	struct dns_table t = {0};
	struct dns_answer a;
	struct err err;
	ldns_pkt *p = answer_to(&q, "WEB.svc.Example. 10 IN A 10.0.0.1");

	(void)state;
	ldns_pkt_push_rr(p, LDNS_SECTION_ANSWER, rr("web.svc.example. 10 IN CNAME Other.Example."));
	ldns_pkt_push_rr(p, LDNS_SECTION_ANSWER, rr("other.example. 10 IN A 10.0.0.2"));
	ldns_pkt_push_rr(p, LDNS_SECTION_ANSWER, rr("web.svc.example. 10 IN TXT \"A \\\"b\\\"\" \"\\007\""));
	assert_int_equal(read_signed(&q, p, BY_KEY, &a, &err), 0);
	assert_int_equal(dns_answer_collect(&a, "web.svc.example.", &t, &err), 0);
	assert_int_equal(dns_table_count(&t, "web.svc.example.", DNS_A, "10.0.0.1"), 1);
	assert_int_equal(dns_table_count(&t, "web.svc.example.", DNS_CNAME, "other.example."), 1);
	assert_int_equal(dns_table_count(&t, "web.svc.example.", DNS_TXT, "\"A \\\"b\\\"\" \"\\007\""), 1);
	assert_null(dns_table_find(&t, "other.example.", DNS_A)); /* of another name */
	dns_answer_clear(&a);
	dns_request_clear(&q);
	dns_table_clear(&t);
}

static void an_answer_from_a_cache_is_not_taken(void **state) {
	struct dns_request q = question("web.svc.example.", DNS_A);
	struct dns_table t = {0};
	struct dns_answer a;
	struct err err;
	ldns_pkt *p = answer_to(&q, "web.svc.example. 10 IN A 10.0.0.1");

	(void)state;
	ldns_pkt_set_aa(p, false);
	assert_int_equal(read_signed(&q, p, BY_KEY, &a, &err), 0);
	assert_int_equal(dns_answer_collect(&a, "web.svc.example.", &t, &err), -EPROTO);
	dns_answer_clear(&a);
	dns_request_clear(&q);
	dns_table_clear(&t);
}

/* ---- transfers ---- */

#define SOA "svc.example. 10 IN SOA ns. root. 1 2 3 4 5"
#define RECORD "web.svc.example. 10 IN A 10.0.0.1"

static const struct {
	const char *what;
	const char *records[4];
	int result;
	const char *error;
} transfers[] = {
	{"whole", {SOA, RECORD, SOA}, 0, NULL},
	{"empty", {SOA, SOA}, 0, NULL},
	{"more follows", {SOA, RECORD}, 1, NULL},
	{"no SOA first", {RECORD, SOA}, -EPROTO, "svc.example.: a transfer that does not begin with the zone's SOA"},
	{"another zone's",
	 {"a.example. 10 IN SOA ns. root. 1 2 3 4 5"},
	 -EPROTO,
	 "svc.example.: a transfer that does not begin with the zone's SOA"},
	{"behind its end", {SOA, SOA, RECORD}, -EPROTO, "svc.example.: records behind a transfer's end"},
	{"nothing", {NULL}, -EPROTO, "svc.example.: a transfer's message without records"},
	{"too much",
	 {SOA, RECORD, "a.svc.example. 10 IN A 10.0.0.1", "b.svc.example. 10 IN A 10.0.0.1"},
	 -EPROTO,
	 "svc.example.: more than 3 records"},
};

static void a_transfer_is_everything_between_two_soas(void **state) {
	(void)state;
	for (size_t i = 0; i < sizeof(transfers) / sizeof(transfers[0]); i++) {
		struct dns_table t = {0};
		struct dns_transfer transfer = {.zone = "svc.example.", .to = &t, .limit = 3};
		struct dns_answer a = {.packet = ldns_pkt_new(), .tsig.is_signed = true};
		struct err err;
		for (size_t k = 0; k < 4 && transfers[i].records[k]; k++)
			ldns_pkt_push_rr(a.packet, LDNS_SECTION_ANSWER, rr(transfers[i].records[k]));
		int r = dns_transfer_push(&transfer, &a, &err);
		if (r != transfers[i].result)
			fail_msg("%s: expected %d, got %d", transfers[i].what, transfers[i].result, r);
		if (transfers[i].error)
			assert_string_equal(err.msg, transfers[i].error);
		dns_answer_clear(&a);
		dns_table_clear(&t);
	}
}

/* What ldns cannot: over messages that were not signed, too. */
static ldns_rdf *mac_over(const ldns_rdf *before, const struct buf *since, const struct buf *message, const ldns_rr *tsig) {
	uint8_t mac[34] = {0, 32};
	ldns_rdf *secret = NULL;
	gnutls_hmac_hd_t h;

	assert_int_equal(ldns_str2rdf_b64(&secret, SECRET), LDNS_STATUS_OK);
	assert_int_equal(gnutls_hmac_init(&h, GNUTLS_MAC_SHA256, ldns_rdf_data(secret), ldns_rdf_size(secret)), 0);
	gnutls_hmac(h, ldns_rdf_data(before), ldns_rdf_size(before));
	gnutls_hmac(h, since->data, since->len);
	gnutls_hmac(h, message->data, message->len);
	gnutls_hmac(h, ldns_rdf_data(ldns_rr_rdf(tsig, 1)), 6);
	gnutls_hmac(h, ldns_rdf_data(ldns_rr_rdf(tsig, 2)), 2);
	gnutls_hmac_deinit(h, mac + 2);
	ldns_rdf_deep_free(secret);
	return ldns_rdf_new_frm_data(LDNS_RDF_TYPE_INT16_DATA, sizeof(mac), mac);
}

static void sign_chained(ldns_pkt *p, ldns_rdf **mac, unsigned before, struct buf *since) {
	struct buf message = {0};

	assert_int_equal(ldns_pkt2wire((uint8_t **)&message.data, p, &message.len), LDNS_STATUS_OK);
	assert_int_equal(ldns_pkt_tsig_sign_next(p, "heir.", SECRET, 300, "hmac-sha256.", *mac, before > 0), LDNS_STATUS_OK);
	ldns_rr *tsig = ldns_pkt_tsig(p);
	if (since->len > 0 && before > 0)
		ldns_rdf_deep_free(ldns_rr_set_rdf(tsig, mac_over(*mac, since, &message, tsig), 3));
	ldns_rdf_deep_free(*mac);
	*mac = ldns_rdf_clone(ldns_rr_rdf(tsig, 3));
	buf_clear(since);
	buf_clear(&message);
}

/* RFC 8945, 5.3.1: not every message of a transfer is signed, and each signature is over all since the last. */
static void a_transfers_messages_are_checked_in_their_chain(void **state) {
	static const struct {
		const char *what;
		bool is_signed[4], in_order;
		int results[4];
	} chains[] = {
		{"each signed", {true, true, true, true}, true, {0, 0, 0, 0}},
		{"the first and the last", {true, false, false, true}, true, {0, 0, 0, 0}},
		{"not the first", {false, true, true, true}, true, {-EPROTO, 0, 0, 0}},
		{"one left out", {true, true, false, true}, false, {0, 0, 0, -EPROTO}},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(chains) / sizeof(chains[0]); i++) {
		struct dns_request q = question("svc.example.", DNS_AXFR);
		ldns_rdf *mac = mac_of(&q);
		unsigned before = 0;
		struct buf since = {0};
		for (size_t k = 0; k < 4; k++) {
			ldns_pkt *p = answer_to(&q, "web.svc.example. 10 IN A 10.0.0.1");
			struct dns_answer a = {0};
			uint8_t *wire = NULL;
			struct err err;
			size_t n;
			ldns_pkt_set_tc(p, k == 2); /* so that they differ */
			if (chains[i].is_signed[k])
				sign_chained(p, &mac, before++, &since);
			assert_int_equal(ldns_pkt2wire(&wire, p, &n), LDNS_STATUS_OK);
			if (!chains[i].is_signed[k])
				buf_append(&since, wire, n);
			int r = !chains[i].in_order && k == 2 ? 0 : dns_answer_read(&q, wire, n, &a, &err);
			if (r != chains[i].results[k])
				fail_msg("%s, message %zu: expected %d, got %d", chains[i].what, k, chains[i].results[k], r);
			dns_answer_clear(&a);
			free(wire);
			ldns_pkt_free(p);
		}
		buf_clear(&since);
		ldns_rdf_deep_free(mac);
		dns_request_clear(&q);
	}
}

/* ldns 1.8.3 ends the process at such a one. */
static void a_message_as_long_as_they_get_is_checked(void **state) {
	struct dns_request q = question("svc.example.", DNS_TXT);
	uint8_t *wire = xcalloc(1, DNS_MESSAGE_MAX);
	size_t n = 0, fill;
	struct dns_answer a;
	struct err err;
	ldns_pkt *p = answer_to(&q, NULL);
	uint8_t *small = NULL;
	ldns_rdf *mac = mac_of(&q);

	(void)state;
	assert_int_equal(ldns_pkt_tsig_sign(p, "heir.", SECRET, 300, "hmac-sha256.", mac), LDNS_STATUS_OK);
	assert_int_equal(ldns_pkt2wire(&small, p, &n), LDNS_STATUS_OK);
	size_t tsig = n - 12 - strlen("svc.example.") - 1 - 4;
	fill = DNS_MESSAGE_MAX - n;
	memcpy(wire, small, n - tsig);
	/* One record of an unknown type, put before the TSIG. */
	uint8_t *at = wire + n - tsig;
	const uint8_t head[] = {0, 0xff, 0, 0, 1, 0, 0, 0, 0, (uint8_t)((fill - 11) >> 8), (uint8_t)(fill - 11)};
	memcpy(at, head, sizeof(head));
	memcpy(at + fill, small + n - tsig, tsig);
	wire[7]++;
	assert_int_equal(dns_answer_read(&q, wire, DNS_MESSAGE_MAX, &a, &err), -EPROTO);
	assert_string_equal(err.msg, "its answer's signature is wrong");
	ldns_rdf_deep_free(mac);
	ldns_pkt_free(p);
	free(small);
	free(wire);
	dns_request_clear(&q);
}

int main(void) {
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_update_says_what_must_be_and_what_changes_as_rfc_2136_has_it),
		cmocka_unit_test(an_update_that_no_message_can_hold_now_may_be_tried_again),
		cmocka_unit_test(a_key_that_is_none_is_refused_and_never_told),
		cmocka_unit_test(only_a_signed_answer_to_this_very_request_counts),
		cmocka_unit_test(bytes_that_are_no_message_do_not_count),
		cmocka_unit_test(every_code_has_its_result),
		cmocka_unit_test(an_answers_records_are_texts_in_lower_case),
		cmocka_unit_test(an_answer_from_a_cache_is_not_taken),
		cmocka_unit_test(a_transfers_messages_are_checked_in_their_chain),
		cmocka_unit_test(a_message_as_long_as_they_get_is_checked),
		cmocka_unit_test(a_transfer_is_everything_between_two_soas),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
