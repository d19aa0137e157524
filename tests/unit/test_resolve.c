/* What a DNS server answers, and what is taken for its answer: the messages alone, and a small server in a namespace. */
#include "net/netlink/resolve.h"

#include "net/netlink/netns.h"
#include "net/netlink/resolve-internal.h"
#include "netlab.h"
#include "responder.h"

#include <errno.h>

#define PATIENCE span_sec(60)
#define BRIEF span_ms(300)

/* ---- messages ---- */

#define WEB "\3web\0\0\1\0\1" /* a question: A, IN */

static const struct resolve_query web = {.id = 0x1234, .type = LDNS_RR_TYPE_A, .name = "web", .open = true};

#define HEAD(flags, questions, records) "\x12\x34" flags "\0" questions "\0" records "\0\0\0\0"
#define MESSAGE(text) text, sizeof(text) - 1

static const struct {
	const char *what, *data;
	size_t n;
	const char *addresses; /* NULL: it is not taken for the answer */
	const char *why;       /* NULL: none */
} messages[] = {
	{"an address", MESSAGE(HEAD("\x81\x80", "\1", "\1") WEB A("\x32")), "10.20.0.50 ", NULL},
	{"two addresses", MESSAGE(HEAD("\x81\x80", "\1", "\2") WEB A("\x32") A("\x33")), "10.20.0.50 10.20.0.51 ", NULL},
	{"the same address twice", MESSAGE(HEAD("\x81\x80", "\1", "\2") WEB A("\x32") A("\x32")), "10.20.0.50 ", NULL},
	{"nothing", MESSAGE(HEAD("\x81\x80", "\1", "\0") WEB), "", NULL},
	{"no such name", MESSAGE(HEAD("\x81\x83", "\1", "\0") WEB), "", NULL},
	{"a failure", MESSAGE(HEAD("\x81\x82", "\1", "\0") WEB), "", "SERVFAIL"},
	{"refused", MESSAGE(HEAD("\x81\x85", "\1", "\0") WEB), "", "REFUSED"},
	{"cut off", MESSAGE(HEAD("\x83\x80", "\1", "\1") WEB A("\x32")), "10.20.0.50 ", "cut off"},
	{"the name in capitals", MESSAGE(HEAD("\x81\x80", "\1", "\1") "\3WEB\0\0\1\0\1" A("\x32")), "10.20.0.50 ", NULL},
	{"an alias and what it leads to",
	 MESSAGE(HEAD("\x81\x80", "\1", "\2") WEB POINT "\0\5\0\1\0\0\2\x58\0\4\1a\xc0\x0c"
							"\1a\0\0\1\0\1\0\0\2\x58\0\4\x0a\x14\0\x33"),
	 "10.20.0.51 ", NULL},
	{"an IPv6 address beside",
	 MESSAGE(HEAD("\x81\x80", "\1", "\1") WEB POINT "\0\x1c\0\1\0\0\2\x58\0\x10"
							"0123456789abcdef"),
	 "", NULL},
	{"empty", MESSAGE(""), NULL, NULL},
	{"half a head", MESSAGE("\x12\x34\x81\x80\0\1"), NULL, NULL},
	{"another ID", MESSAGE("\x12\x35\x81\x80\0\1\0\1\0\0\0\0" WEB A("\x32")), NULL, NULL},
	{"a question", MESSAGE(HEAD("\x01\x00", "\1", "\0") WEB), NULL, NULL},
	{"another operation", MESSAGE(HEAD("\xa9\x80", "\1", "\0") WEB), NULL, NULL},
	{"no question", MESSAGE(HEAD("\x81\x80", "\0", "\0")), NULL, NULL},
	{"two questions", MESSAGE(HEAD("\x81\x80", "\2", "\0") WEB WEB), NULL, NULL},
	{"another name", MESSAGE(HEAD("\x81\x80", "\1", "\1") "\3wex\0\0\1\0\1" A("\x32")), NULL, NULL},
	{"another type", MESSAGE(HEAD("\x81\x80", "\1", "\0") "\3web\0\0\x1c\0\1"), NULL, NULL},
	{"another class", MESSAGE(HEAD("\x81\x80", "\1", "\0") "\3web\0\0\1\0\3"), NULL, NULL},
	{"a record that is missing", MESSAGE(HEAD("\x81\x80", "\1", "\2") WEB A("\x32")), NULL, NULL},
	{"a record that is cut", MESSAGE(HEAD("\x81\x80", "\1", "\1") WEB POINT "\0\1\0\1\0\0\2\x58\0\4\x0a\x14"), NULL, NULL},
	{"an address of three bytes", MESSAGE(HEAD("\x81\x80", "\1", "\1") WEB POINT "\0\1\0\1\0\0\2\x58\0\3\x0a\x14\0"), NULL,
	 NULL},
	{"a name that points to itself", MESSAGE(HEAD("\x81\x80", "\1", "\0") "\xc0\x0c\0\1\0\1"), NULL, NULL},
};

static void an_answer_is_held_against_its_question(void **state) {
	(void)state;
	for (size_t i = 0; i < sizeof(messages) / sizeof(messages[0]); i++) {
		struct resolve_answer *answer = xnew(struct resolve_answer);
		struct buf text = {0};
		int r = resolve_answer_read(&web, (const uint8_t *)messages[i].data, messages[i].n, answer);

		for (size_t k = 0; k < answer->addresses.n; k++)
			buf_printf(&text, "%s ", answer->addresses.v[k]);
		const char *got = text.data ? text.data : "", *wanted = messages[i].addresses;
		if (r != (wanted ? 0 : -EBADMSG) || strcmp(got, wanted ? wanted : "") != 0)
			fail_msg("%s: %d \"%s\"", messages[i].what, r, got);
		if (strcmp(answer->why ? answer->why : "", messages[i].why ? messages[i].why : "") != 0)
			fail_msg("%s: expected %s, got %s", messages[i].what, messages[i].why, answer->why);
		buf_clear(&text);
		resolve_answers_free(answer, 1);
	}
}

static void a_name_of_an_answer_has_no_control_characters(void **state) {
	static const uint8_t data[] =
		HEAD("\x81\x80", "\1", "\1") "\1"
					     "5\7in-addr\4arpa\0\0\x0c\0\1" POINT "\0\x0c\0\1\0\0\2\x58\0\x0a\5w\x1b\x0a\xff"
					     "b\2ov\0\0";
	struct resolve_query query = {.id = 0x1234, .type = LDNS_RR_TYPE_PTR, .name = "5.in-addr.arpa"};
	struct resolve_answer *answer = xnew(struct resolve_answer);

	(void)state;
	int r = resolve_answer_read(&query, data, sizeof(data) - 2, answer);
	assert_int_equal(r, 0);
	assert_int_equal(answer->names.n, 1);
	for (const char *c = answer->names.v[0]; *c; c++)
		assert_true(*c >= 0x20 && *c <= 0x7e);
	assert_string_equal(strrchr(answer->names.v[0], '.'), ".ov");
	resolve_answers_free(answer, 1);
}

static void addresses_are_asked_for_backwards(void **state) {
	static const char *const cases[][2] = {
		{"10.20.0.50", "50.0.20.10.in-addr.arpa"},
		{"fd00:20::a5", "5.a.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.2.0.0.0.0.d.f.ip6.arpa"},
	};
	char name[DNS_NAME_MAX + 1];

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct ip ip = netlab_ip(cases[i][0]);
		resolve_reverse_name(&ip, name);
		assert_string_equal(name, cases[i][1]);
	}
}

static void a_query_is_what_rfc_1035_says(void **state) {
	static const uint8_t expected[] = "\x12\x34\1\0\0\1\0\0\0\0\0\0" WEB;
	uint8_t *data = NULL;
	size_t n = 0;
	struct err err;

	(void)state;
	assert_int_equal(resolve_query_write(&web, &data, &n, &err), 0);
	assert_int_equal(n, sizeof(expected) - 1);
	assert_memory_equal(data, expected, n);
	free(data);
	struct resolve_query bad = {.name = "a..b", .type = LDNS_RR_TYPE_A};
	assert_int_equal(resolve_query_write(&bad, &data, &n, &err), -EINVAL);
}

/* ---- a server ---- */

static bool ask(int ns, const struct resolve_question *questions, size_t n, struct span timeout, struct resolve_answer **ret) {
	struct ip server = netlab_ip(SERVER);
	bool heard = false;
	struct err err;

	if (resolve(ns, &server, questions, n, timeout, ret, &heard, &err) < 0)
		fail_msg("%s", err.msg);
	return heard;
}

static void every_question_has_its_answer(void **state) {
	struct responder r = {RESPONDER_SAYS(A("\x32"))};
	const struct resolve_question questions[] = {{.name = "web"}, {.address = netlab_ip("10.20.0.50")}, {.name = "www.ov"}};
	CLEANUP_FD int ns = netlab_new();
	struct resolve_answer *answers;

	(void)state;
	responder_start(&r, ns);
	assert_true(ask(ns, questions, 3, PATIENCE, &answers));
	responder_stop(&r, ns);
	for (size_t i = 0; i < 3; i++) {
		assert_int_equal(answers[i].addresses.n, i == 1 ? 0 : 1);
		assert_null(answers[i].why);
	}
	assert_string_equal(answers[2].addresses.v[0], "10.20.0.50");
	resolve_answers_free(answers, 3);
}

static void what_does_not_answer_the_question_is_passed_over(void **state) {
	struct responder r = {.forges = true, RESPONDER_SAYS(A("\x32"))};
	const struct resolve_question question = {.name = "web"};
	CLEANUP_FD int ns = netlab_new();
	struct resolve_answer *answers;

	(void)state;
	responder_start(&r, ns);
	assert_true(ask(ns, &question, 1, PATIENCE, &answers));
	responder_stop(&r, ns);
	assert_int_equal(answers[0].addresses.n, 1);
	assert_null(answers[0].why);
	resolve_answers_free(answers, 1);
}

static void a_server_that_does_not_know_a_name_is_heard_all_the_same(void **state) {
	struct responder r = {.mute = true};
	const struct resolve_question question = {.name = "web"};
	CLEANUP_FD int ns = netlab_new();
	struct resolve_answer *answers;

	(void)state;
	responder_start(&r, ns);
	assert_true(ask(ns, &question, 1, BRIEF, &answers));
	responder_stop(&r, ns);
	assert_string_equal(answers[0].why, "silent");
	resolve_answers_free(answers, 1);
}

static void where_no_server_is_nobody_is_heard(void **state) {
	const struct resolve_question question = {.name = "web"};
	CLEANUP_FD int ns = netlab_new();
	struct resolve_answer *answers;

	(void)state;
	netlab_do(ns, "ip link set lo up");
	assert_false(ask(ns, &question, 1, PATIENCE, &answers));
	assert_string_equal(answers[0].why, "refused");
	resolve_answers_free(answers, 1);
	netlab_do(ns,
		  "nft 'add table inet t; add chain inet t c { type filter hook input priority 0; }; add rule inet t c udp dport "
		  "53 drop'");
	assert_false(ask(ns, &question, 1, BRIEF, &answers));
	assert_string_equal(answers[0].why, "silent");
	resolve_answers_free(answers, 1);
}

static void what_cannot_be_asked_is_an_error(void **state) {
	const struct resolve_question question = {.name = "web"}, bad = {.name = "a..b"};
	CLEANUP_FD int ns = netlab_new(), null = open("/dev/null", O_RDONLY | O_CLOEXEC);
	struct ip server = netlab_ip(SERVER);
	struct resolve_answer *answers;
	struct err err;
	bool heard;

	(void)state;
	assert_true(resolve(null, &server, &question, 1, BRIEF, &answers, &heard, &err) < 0);
	assert_int_equal(resolve(ns, &server, &question, 1, BRIEF, &answers, &heard, &err), -ENETUNREACH); /* lo is down */
	netlab_do(ns, "ip link set lo up");
	assert_int_equal(resolve(ns, &server, &bad, 1, BRIEF, &answers, &heard, &err), -EINVAL);
}

static void no_questions_have_no_answers(void **state) {
	CLEANUP_FD int ns = netlab_new();
	struct resolve_answer *answers;

	(void)state;
	netlab_do(ns, "ip link set lo up");
	assert_false(ask(ns, NULL, 0, PATIENCE, &answers));
	resolve_answers_free(answers, 0);
}

int main(void) {
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_answer_is_held_against_its_question),
		cmocka_unit_test(a_name_of_an_answer_has_no_control_characters),
		cmocka_unit_test(addresses_are_asked_for_backwards),
		cmocka_unit_test(a_query_is_what_rfc_1035_says),
		cmocka_unit_test(every_question_has_its_answer),
		cmocka_unit_test(what_does_not_answer_the_question_is_passed_over),
		cmocka_unit_test(a_server_that_does_not_know_a_name_is_heard_all_the_same),
		cmocka_unit_test(where_no_server_is_nobody_is_heard),
		cmocka_unit_test(what_cannot_be_asked_is_an_error),
		cmocka_unit_test(no_questions_have_no_answers),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
