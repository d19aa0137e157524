/* The messages between manager and agent: what is written is read again as it was, and what is not meant so is refused with its
 * place. */
#include "base/alloc.h"
#include "base/json.h"
#include "net/wire/message.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define ENVELOPE "\"manager\":\"m1\",\"cluster\":\"prod\",\"epoch\":3"
#define OWNER "{\"network_id\":\"9kbo1k4mvx\",\"mac\":\"02:42:0a:14:00:32\",\"vtep\":\"10.99.0.12\"}"

#define RESOLVE(questions) "{" ENVELOPE ",\"sandbox\":\"a\",\"timeout_ms\":1,\"questions\":[" questions "]}"

struct sample {
	const char *what;
	const struct wire_shape *shape;
	const char *text; /* in canonical form: complete, keys sorted */
};

static const struct sample samples[] = {
	{"confirm", &wire_confirm_order_shape, "{\"cluster\":\"prod\",\"epoch\":3,\"manager\":\"m1\"}"},
	{"quarantine", &wire_quarantine_order_shape,
	 "{\"cluster\":\"prod\",\"epoch\":3,\"manager\":\"m1\",\"order\":7,\"ports\":[4789,4790],\"vteps\":[\"10.99.0.11\",\"fd00::"
	 "1\"]}"},
	{"owners", &wire_owners_order_shape,
	 "{\"cluster\":\"prod\",\"epoch\":3,\"forget\":[{\"mac\":\"02:42:0a:14:00:33\",\"network_id\":\"abc\"}],\"manager\":\"m1\","
	 "\"order\":8,"
	 "\"owners\":[{\"ip\":\"10.20.0.50\",\"ip6\":\"fd00::5\",\"local\":\"0123456789ab\",\"mac\":\"02:42:0a:14:00:32\","
	 "\"network_id\":\"9kbo\",\"vtep\":\"10.99.0.12\",\"watch\":true}]}"},
	{"verify", &wire_verify_order_shape,
	 "{\"cluster\":\"prod\",\"epoch\":3,\"manager\":\"m1\",\"owners\":[],\"probe\":{\"tcp_port\":80,\"timeout_ms\":500}}"},
	{"isolate", &wire_isolate_order_shape,
	 "{\"cluster\":\"prod\",\"containers\":[{\"ip\":null,\"mac\":\"02:42:0a:14:00:32\",\"network_id\":\"a\",\"sandbox\":null}],"
	 "\"epoch\":3,\"manager\":\"m1\"}"},
	{"witness", &wire_witness_order_shape,
	 "{\"targets\":[{\"addr\":\"10.99.0.11\",\"name\":\"h1\",\"ports\":[2375,7946]}],\"timeout_ms\":400}"},
	{"resolve", &wire_resolve_order_shape,
	 "{\"cluster\":\"prod\",\"epoch\":3,\"manager\":\"m1\",\"questions\":[{\"address\":null,\"name\":\"web.1_x\"},{\"address\":"
	 "\"10.20.0.50\",\"name\":null}],\"sandbox\":\"0123456789ab\",\"server\":null,\"timeout_ms\":500}"},
	{"remove-task", &wire_remove_task_order_shape, "{\"cluster\":\"prod\",\"epoch\":3,\"manager\":\"m1\",\"task\":\"t1\"}"},
	{"refusal", &wire_refusal_shape, "{\"code\":\"stale-epoch\",\"epoch\":9,\"error\":\"no\",\"manager\":null}"},
	{"status", &wire_status_shape,
	 "{\"cluster\":null,\"contested\":[{\"flips\":11,\"ip\":\"10.20.0.50\",\"mac\":\"02:42:0a:14:00:32\",\"network_id\":\"a\"}]"
	 ","
	 "\"engine_pid\":7,\"epoch\":0,\"errors\":[\"x\"],\"flips\":2,"
	 "\"former\":[{\"mac\":\"02:42:0a:14:00:33\",\"network_id\":\"a\"}],\"hostname\":\"h1\",\"instance\":\"i\",\"manager\":"
	 "null,"
	 "\"networks\":[\"9kbo1k4mvx\"],\"owners\":1,\"quarantine\":{\"ports\":[4789],\"vteps\":[]},\"repaired\":3,"
	 "\"swarm_control\":true,\"version\":\"0.1.0\"}"},
	{"owner states", &wire_owner_states_shape,
	 "{\"owners\":[{\"after\":[\"b\"],\"before\":[\"a\"],\"changed\":1,\"contested\":false,\"error\":null,\"joined\":true,"
	 "\"mac\":\"02:42:0a:14:00:32\",\"network_id\":\"a\",\"right\":true}]}"},
	{"verified", &wire_verified_shape,
	 "{\"owners\":[{\"address\":\"elsewhere\",\"after\":[],\"answered_from\":\"local\",\"before\":[\"a\"],\"changed\":0,"
	 "\"contested\":false,\"error\":\"e\",\"icmp\":\"answered\",\"joined\":true,\"mac\":\"02:42:0a:14:00:32\","
	 "\"network_id\":\"a\",\"right\":false,\"strays\":[\"0123456789ab\"],\"tcp\":null}]}"},
	{"cuts", &wire_cuts_shape, "{\"containers\":[{\"cut\":2,\"error\":null}]}"},
	{"reached", &wire_reached_shape, "{\"targets\":[{\"how\":\"port 2375 refuses\",\"name\":\"h1\",\"reached\":true}]}"},
	{"answers", &wire_answers_shape,
	 "{\"answers\":[{\"addresses\":[\"10.20.0.50\",\"fd00::5\"],\"error\":null,\"names\":[]},{\"addresses\":[],\"error\":"
	 "\"silent\","
	 "\"names\":[\"web.ov\"]}],\"heard\":true}"},
};

static json_t *parsed(const char *text) {
	struct err err;
	json_t *j = NULL;

	if (json_parse(text, strlen(text), "test", &j, &err) < 0)
		fail_msg("%s: %s", text, err.msg);
	return j;
}

static void every_message_is_read_and_written_as_it_was(void **state) {
	(void)state;
	for (size_t i = 0; i < sizeof(samples) / sizeof(samples[0]); i++) {
		CLEANUP_JSON json_t *j = parsed(samples[i].text);
		void *message = xcalloc(1, samples[i].shape->size);
		struct err err;

		if (wire_decode(samples[i].shape, j, true, message, &err) < 0)
			fail_msg("%s: %s", samples[i].what, err.msg);
		CLEANUP_JSON json_t *again = wire_encode(samples[i].shape, message);
		char *text = json_text(again);
		assert_string_equal(text, samples[i].text);
		free(text);
		wire_clear(samples[i].shape, message);
		free(message);
	}
}

static const struct {
	const char *what;
	const struct wire_shape *shape;
	const char *text, *error;
} refused[] = {
	{"no object", &wire_confirm_order_shape, "[]", "the message: expected an object"},
	{"no manager", &wire_confirm_order_shape, "{\"cluster\":\"c\",\"epoch\":1}", "manager: expected a value"},
	{"a null manager", &wire_confirm_order_shape, "{\"manager\":null,\"cluster\":\"c\",\"epoch\":1}",
	 "manager: expected a value"},
	{"a negative epoch", &wire_confirm_order_shape, "{\"manager\":\"m\",\"cluster\":\"c\",\"epoch\":-1}",
	 "epoch: expected a number from 0 to 9223372036854775807"},
	{"an epoch as text", &wire_confirm_order_shape, "{\"manager\":\"m\",\"cluster\":\"c\",\"epoch\":\"1\"}",
	 "epoch: expected an integer"},
	{"a real epoch", &wire_confirm_order_shape, "{\"manager\":\"m\",\"cluster\":\"c\",\"epoch\":1.0}",
	 "epoch: expected an integer"},
	{"a path as manager", &wire_confirm_order_shape, "{\"manager\":\"../m\",\"cluster\":\"c\",\"epoch\":1}",
	 "manager: expected an ID"},
	{"two lines", &wire_confirm_order_shape, "{\"manager\":\"m\",\"cluster\":\"c\\nd\",\"epoch\":1}",
	 "cluster: expected a line of text"},
	{"an unknown key", &wire_confirm_order_shape, "{" ENVELOPE ",\"force\":true}", "force: expected no such key"},
	{"a VTEP that is none", &wire_quarantine_order_shape, "{" ENVELOPE ",\"vteps\":[\"10.99.0.11\",\"10.99.0\"]}",
	 "vteps[1]: expected an IP address"},
	{"one VTEP", &wire_quarantine_order_shape, "{" ENVELOPE ",\"vteps\":\"10.99.0.11\"}", "vteps: expected a list"},
	{"port 0", &wire_quarantine_order_shape, "{" ENVELOPE ",\"vteps\":[],\"ports\":[4789,0]}",
	 "ports[1]: expected a number from 1 to 65535"},
	{"an owner that is none", &wire_owners_order_shape, "{" ENVELOPE ",\"owners\":[" OWNER ",7]}",
	 "owners[1]: expected an object"},
	{"an unknown key in an owner", &wire_owners_order_shape,
	 "{" ENVELOPE ",\"owners\":[{\"mac\":\"02:42:0a:14:00:32\",\"port\":1}]}", "owners[0].port: expected no such key"},
	{"a short MAC", &wire_owners_order_shape,
	 "{" ENVELOPE ",\"owners\":[" OWNER ",{\"network_id\":\"a\",\"mac\":\"02:42:0a:14:00\",\"vtep\":\"10.99.0.12\"}]}",
	 "owners[1].mac: expected a MAC address"},
	{"a sandbox that leads elsewhere", &wire_owners_order_shape,
	 "{" ENVELOPE
	 ",\"owners\":[{\"network_id\":\"a\",\"mac\":\"02:42:0a:14:00:32\",\"vtep\":\"10.99.0.12\",\"local\":\"../x\"}]}",
	 "owners[0].local: expected an ID"},
	{"watch as a number", &wire_owners_order_shape,
	 "{" ENVELOPE ",\"owners\":[{\"network_id\":\"a\",\"mac\":\"02:42:0a:14:00:32\",\"vtep\":\"10.99.0.12\",\"watch\":1}]}",
	 "owners[0].watch: expected true or false"},
	{"an empty ID", &wire_remove_task_order_shape, "{" ENVELOPE ",\"task\":\"\"}", "task: expected an ID"},
	{"a probe that waits too long", &wire_verify_order_shape, "{" ENVELOPE ",\"owners\":[],\"probe\":{\"timeout_ms\":60001}}",
	 "probe.timeout_ms: expected a number from 0 to 60000"},
	{"a name that nobody can ask for", &wire_resolve_order_shape, RESOLVE("{\"name\":\"web\"},{\"name\":\"a..b\"}"),
	 "questions[1].name: expected a name of the DNS"},
	{"a name with a space", &wire_resolve_order_shape, RESOLVE("{\"name\":\"a b\"}"),
	 "questions[0].name: expected a name of the DNS"},
	{"a question for an address that is none", &wire_resolve_order_shape, RESOLVE("{\"address\":\"web\"}"),
	 "questions[0].address: expected an IP address"},
	{"answers without a word on the server", &wire_answers_shape, "{\"answers\":[]}", "heard: expected a value"},
	{"an unknown word", &wire_verified_shape,
	 "{\"owners\":[{\"network_id\":\"a\",\"mac\":\"02:42:0a:14:00:32\",\"joined\":true,\"right\":true,\"icmp\":\"maybe\"}]}",
	 "owners[0].icmp: expected one of the words it may have"},
};

static void what_is_not_meant_so_is_refused_with_its_place(void **state) {
	(void)state;
	for (size_t i = 0; i < sizeof(refused) / sizeof(refused[0]); i++) {
		CLEANUP_JSON json_t *j = parsed(refused[i].text);
		void *message = xcalloc(1, refused[i].shape->size);
		struct err err = {0};

		if (wire_decode(refused[i].shape, j, true, message, &err) == 0)
			fail_msg("%s: was taken", refused[i].what);
		assert_string_equal(err.msg, refused[i].error);
		free(message);
	}
}

static void an_answer_may_hold_more_than_is_known(void **state) {
	CLEANUP_JSON json_t *j = parsed("{\"vteps\":[],\"ports\":[],\"since\":\"yesterday\"}");
	struct wire_quarantine q;
	struct err err;

	(void)state;
	assert_int_equal(wire_decode(&wire_quarantine_shape, j, false, &q, &err), 0);
	wire_clear(&wire_quarantine_shape, &q);
	assert_int_equal(wire_decode(&wire_quarantine_shape, j, true, &q, &err), -22);
}

static void control_characters_of_an_answer_do_not_reach_the_log(void **state) {
	CLEANUP_JSON json_t *j = parsed("{\"error\":\"a\\nb\\u007f\"}");
	struct wire_refusal r;
	struct err err;

	(void)state;
	assert_int_equal(wire_decode(&wire_refusal_shape, j, false, &r, &err), 0);
	assert_string_equal(r.error, "a?b?");
	wire_clear(&wire_refusal_shape, &r);
}

static void addresses_are_read_into_their_one_form(void **state) {
	CLEANUP_JSON json_t *j = parsed("{" ENVELOPE ",\"owners\":[{\"network_id\":\"a\",\"mac\":\"02:42:0A:14:00:32\","
					"\"vtep\":\"10.99.0.12\",\"ip6\":\"FD00:0::0005\"}]}");
	struct wire_owners_order o;
	struct err err;

	(void)state;
	assert_int_equal(wire_decode(&wire_owners_order_shape, j, true, &o, &err), 0);
	assert_string_equal(o.owners.v[0].mac, "02:42:0a:14:00:32");
	assert_string_equal(o.owners.v[0].ip6, "fd00::5");
	assert_null(o.owners.v[0].ip);
	wire_clear(&wire_owners_order_shape, &o);
}

static void a_list_beyond_the_bound_is_refused(void **state) {
	CLEANUP_JSON json_t *j = parsed("{" ENVELOPE "}"), *ports = json_array();
	struct wire_quarantine_order o;
	struct err err;

	(void)state;
	for (size_t i = 0; i < WIRE_LIST_MAX; i++)
		json_array_append_new(ports, json_integer(4789));
	json_object_set_new(j, "vteps", json_array());
	json_object_set(j, "ports", ports);
	assert_int_equal(wire_decode(&wire_quarantine_order_shape, j, true, &o, &err), 0);
	assert_int_equal(o.wanted.ports.n, WIRE_LIST_MAX);
	wire_clear(&wire_quarantine_order_shape, &o);
	json_array_append_new(ports, json_integer(4789));
	assert_int_equal(wire_decode(&wire_quarantine_order_shape, j, true, &o, &err), -22);
	assert_string_equal(err.msg, "ports: expected a shorter list");
}

static void a_list_with_a_bound_of_its_own_has_that(void **state) {
	CLEANUP_JSON json_t *j = parsed(RESOLVE(""));
	json_t *questions = json_at(j, "questions");
	struct wire_resolve_order o;
	struct err err;

	(void)state;
	for (size_t i = 0; i < WIRE_QUESTIONS_MAX; i++)
		json_array_append_new(questions, json_pack("{s:s}", "name", "web"));
	assert_int_equal(wire_decode(&wire_resolve_order_shape, j, true, &o, &err), 0);
	wire_clear(&wire_resolve_order_shape, &o);
	json_array_append_new(questions, json_pack("{s:s}", "name", "web"));
	assert_int_equal(wire_decode(&wire_resolve_order_shape, j, true, &o, &err), -22);
	assert_string_equal(err.msg, "questions: expected a shorter list");
}

static void what_can_be_asked_for_in_the_dns_is_told(void **state) {
	static const struct {
		const char *name;
		bool is;
	} cases[] = {
		{"web", true},   {"a", true},    {"web.1.x-Y_z", true}, {"3aa5e42a7095", true},
		{"", false},     {".", false},   {"web.", false},       {".web", false},
		{"a..b", false}, {"a b", false}, {"a\\b", false},       {"\xc3\xbc", false},
	};
	char label[65] = "", name[300] = "";

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		if (wire_is_name(cases[i].name) != cases[i].is)
			fail_msg("\"%s\"", cases[i].name);
	memset(label, 'x', 63);
	assert_true(wire_is_name(label));
	snprintf(name, sizeof(name), "%s.%s.%s.%.61s", label, label, label, label);
	assert_true(wire_is_name(name));
	strcat(name, "x");
	assert_false(wire_is_name(name));
	strcat(label, "x");
	assert_false(wire_is_name(label));
}

int main(void) {
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_message_is_read_and_written_as_it_was),
		cmocka_unit_test(what_is_not_meant_so_is_refused_with_its_place),
		cmocka_unit_test(an_answer_may_hold_more_than_is_known),
		cmocka_unit_test(control_characters_of_an_answer_do_not_reach_the_log),
		cmocka_unit_test(addresses_are_read_into_their_one_form),
		cmocka_unit_test(a_list_beyond_the_bound_is_refused),
		cmocka_unit_test(a_list_with_a_bound_of_its_own_has_that),
		cmocka_unit_test(what_can_be_asked_for_in_the_dns_is_told),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
