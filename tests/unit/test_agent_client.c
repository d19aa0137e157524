/* The manager's agent client against a stand-in agent. */
#include "net/wire/agent-client.h"

#include "base/json.h"
#include "standin.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <unistd.h>

#include <cmocka.h>

#define STATES(n) "{\"owners\":[" n "]}"
#define STATE "{\"network_id\":\"a\",\"mac\":\"02:42:0a:14:00:32\",\"joined\":true,\"right\":true,\"changed\":2}"

struct bed {
	uv_loop_t loop;
	struct http_client *client;
	struct standin server;
	struct agent *agent;
	int status;
	const char *body;
	bool silent;
	char *path;
	json_t *order;
	int done;
	struct agent_result result;
	char *manager, *name; /* name: the second answer's of the DNS */
	size_t states;
	int64_t changed;
	bool free_agent;
};

static void serve(void *ctx, struct standin_conn *conn, const struct standin_request *r) {
	struct bed *t = ctx;
	struct err err;

	free(t->path);
	t->path = xasprintf("%s %s", r->method, r->path);
	json_decref(t->order);
	t->order = NULL;
	if (r->body_len > 0)
		assert_int_equal(json_parse(r->body, r->body_len, "order", &t->order, &err), 0);
	if (!t->silent)
		standin_answer(conn, t->status, t->body);
}

static int set_up(void **state) {
	struct bed *t = xnew(struct bed);
	struct wire_envelope identity = {.manager = (char[]){"m1"}, .cluster = (char[]){"prod"}, .epoch = 7};
	struct err err;
	char url[64];

	alarm(60);
	uv_loop_init(&t->loop);
	assert_int_equal(http_client_new(&t->loop, &t->client, &err), 0);
	standin_listen(&t->server, &t->loop, NULL, serve, t);
	snprintf(url, sizeof(url), "http://127.0.0.1:%d", t->server.port);
	assert_int_equal(agent_new(t->client, "h2", url, NULL, &t->agent, &err), 0);
	agent_set_identity(t->agent, &identity);
	t->status = 200;
	t->body = "{}";
	*state = t;
	return 0;
}

static int tear_down(void **state) {
	struct bed *t = *state;

	agent_free(t->agent);
	http_client_free(t->client);
	standin_stop(&t->server);
	uv_run(&t->loop, UV_RUN_DEFAULT);
	assert_int_equal(uv_loop_close(&t->loop), 0);
	json_decref(t->order);
	free(t->path);
	free(t->manager);
	free(t->name);
	free(t);
	return 0;
}

static void on_done(void *ctx, const struct agent_result *result) {
	struct bed *t = ctx;

	t->done++;
	t->result = *result;
	xstr_replace(&t->manager, result->manager);
	xstr_replace(&t->name, result->resolved ? result->resolved->answers.v[1].names.v[0] : NULL);
	t->states = result->states ? result->states->owners.n : 0;
	t->changed = t->states > 0 ? result->states->owners.v[0].changed : -1;
	if (t->free_agent)
		agent_free(TAKE_PTR(t->agent));
}

static struct agent_cb cb_of(struct bed *t) { return (struct agent_cb){.fn = on_done, .ctx = t}; }

static void ask_for_owners(struct bed *t, size_t n) {
	struct wire_owners_order order = {0};

	wire_list_alloc(&order.owners, n);
	for (size_t i = 0; i < n; i++)
		order.owners.v[i] = (struct wire_owner){
			.network_id = xstrdup("a"), .mac = xstrdup("02:42:0a:14:00:32"), .vtep = xstrdup("10.99.0.12")};
	t->done = 0;
	agent_owners(t->agent, &order, cb_of(t));
	wire_clear(&wire_owners_order_shape, &order);
	assert_int_equal(t->done, 0); /* never inside the call */
}

static void an_order_carries_the_identity_and_its_answer_is_read(void **state) {
	struct bed *t = *state;

	t->body = STATES(STATE "," STATE);
	ask_for_owners(t, 2);
	RUN_UNTIL(&t->loop, t->done == 1);
	assert_int_equal(t->result.outcome, AGENT_OK);
	assert_string_equal(t->path, "POST /v1/owners");
	assert_string_equal(json_str_or(t->order, "manager", ""), "m1");
	assert_string_equal(json_str_or(t->order, "cluster", ""), "prod");
	assert_int_equal(json_int_or(t->order, "epoch", 0), 7);
	assert_int_equal(json_array_size(json_at(t->order, "owners")), 2);
	assert_int_equal(t->states, 2);
	assert_int_equal(t->changed, 2);
}

static void an_answer_to_fewer_than_were_asked_is_bad(void **state) {
	struct bed *t = *state;

	t->body = STATES(STATE);
	ask_for_owners(t, 2);
	RUN_UNTIL(&t->loop, t->done == 1);
	assert_int_equal(t->result.outcome, AGENT_BAD);
	assert_null(t->result.states);
	assert_string_equal(t->result.err.msg, "h2's agent: /v1/owners: answered 200: not as many answers as questions");
}

static void what_the_dns_answers_is_given_with_as_many_answers_as_questions(void **state) {
	struct bed *t = *state;
	struct wire_resolve_order order = {.sandbox = xstrdup("0123456789ab"), .timeout_ms = 500};

	wire_list_alloc(&order.questions, 2);
	order.questions.v[0].name = xstrdup("web");
	order.questions.v[1].address = xstrdup("10.20.0.50");
	t->body = "{\"heard\":true,\"answers\":[{\"addresses\":[\"10.20.0.50\"],\"names\":[]},{\"addresses\":[],\"names\":[\"web."
		  "ov\"]}]}";
	agent_resolve(t->agent, &order, cb_of(t));
	RUN_UNTIL(&t->loop, t->done == 1);
	assert_int_equal(t->result.outcome, AGENT_OK);
	assert_string_equal(t->path, "POST /v1/resolve");
	assert_string_equal(json_str_or(t->order, "manager", ""), "m1");
	assert_int_equal(json_int_or(t->order, "timeout_ms", 0), 500);
	assert_string_equal(t->name, "web.ov");
	t->body = "{\"heard\":true,\"answers\":[{\"addresses\":[],\"names\":[]}]}";
	agent_resolve(t->agent, &order, cb_of(t));
	RUN_UNTIL(&t->loop, t->done == 2);
	assert_int_equal(t->result.outcome, AGENT_BAD);
	wire_clear(&wire_resolve_order_shape, &order);
}

static const struct {
	const char *what;
	int status;
	const char *body;
	enum agent_outcome outcome;
	const char *error; /* after "h2's agent: /v1/remove-task: " */
} answers[] = {
	{"done", 200, "{}", AGENT_OK, NULL},
	{"gone", 404, "{\"error\":\"no such task\",\"code\":\"gone\"}", AGENT_OK, NULL},
	{"an agent without this order", 404, "{\"error\":\"there is nothing of this name\"}", AGENT_REFUSED,
	 "404: there is nothing of this name"},
	{"refused", 409, "{\"error\":\"no leader\"}", AGENT_REFUSED, "409: no leader"},
	{"no socket", 503, "{\"error\":\"no control socket\",\"code\":\"no-socket\"}", AGENT_NOT_SENT, "503: no control socket"},
	{"open", 502, "{\"error\":\"timed out\",\"code\":\"open\"}", AGENT_UNKNOWN, "502: timed out"},
	{"stale", 409, "{\"error\":\"old\",\"code\":\"stale-epoch\",\"epoch\":12}", AGENT_STALE_EPOCH, "409: old"},
	{"another's", 409, "{\"error\":\"m9's\",\"code\":\"other-manager\",\"manager\":\"m9\"}", AGENT_OTHER_MANAGER, "409: m9's"},
	{"a web page", 200, "<html>", AGENT_BAD, NULL},
	{"another's error", 500, "{\"message\":\"x\"}", AGENT_BAD, "answered 500: and not as an agent does"},
};

static void every_answer_has_its_outcome(void **state) {
	struct bed *t = *state;

	for (size_t i = 0; i < sizeof(answers) / sizeof(answers[0]); i++) {
		t->status = answers[i].status;
		t->body = answers[i].body;
		t->done = 0;
		agent_remove_task(t->agent, "t1", cb_of(t));
		RUN_UNTIL(&t->loop, t->done == 1);
		if (t->result.outcome != answers[i].outcome)
			fail_msg("%s: expected %s, got %s", answers[i].what, agent_outcome_name(answers[i].outcome),
				 agent_outcome_name(t->result.outcome));
		if (answers[i].error) {
			CLEANUP_FREE char *error = xasprintf("h2's agent: /v1/remove-task: %s", answers[i].error);
			assert_string_equal(t->result.err.msg, error);
		}
		assert_int_equal(t->result.epoch, answers[i].outcome == AGENT_STALE_EPOCH ? 12 : 0);
		assert_true((answers[i].outcome == AGENT_OTHER_MANAGER) == (t->manager != NULL));
	}
}

static void an_agent_that_is_not_there_was_not_sent_anything(void **state) {
	struct bed *t = *state;
	struct err err;

	agent_free(t->agent);
	assert_int_equal(agent_new(t->client, "h2", "http://127.0.0.1:1", NULL, &t->agent, &err), 0);
	agent_status(t->agent, cb_of(t));
	RUN_UNTIL(&t->loop, t->done == 1);
	assert_int_equal(t->result.outcome, AGENT_NOT_SENT);
}

static void an_agent_that_does_not_answer_leaves_it_open(void **state) {
	struct bed *t = *state;
	struct agent_cb cb = cb_of(t);

	t->silent = true;
	cb.deadline = span_ms(50);
	agent_confirm(t->agent, cb);
	RUN_UNTIL(&t->loop, t->done == 1);
	assert_int_equal(t->result.outcome, AGENT_UNKNOWN);
	assert_true(agent_outcome_is_open(t->result.outcome));
}

static void an_order_without_identity_does_not_leave(void **state) {
	struct bed *t = *state;
	CLEANUP_FREE char *url = xstrdup(agent_url(t->agent));
	struct err err;

	agent_free(t->agent);
	assert_int_equal(agent_new(t->client, "h2", url, NULL, &t->agent, &err), 0);
	agent_confirm(t->agent, cb_of(t));
	RUN_UNTIL(&t->loop, t->done == 1);
	assert_int_equal(t->result.outcome, AGENT_NOT_SENT);
	assert_int_equal(t->server.requests, 0);
}

static void a_cancelled_call_is_never_heard_of(void **state) {
	struct bed *t = *state;

	t->silent = true;
	struct agent_call *call = agent_status(t->agent, cb_of(t));
	RUN_UNTIL(&t->loop, t->server.requests == 1);
	agent_call_free(call);
	agent_status(t->agent, cb_of(t));
	agent_free(TAKE_PTR(t->agent)); /* cancels the second */
	standin_drop_all(&t->server);
	for (int i = 0; i < 20; i++)
		standin_turn(&t->loop);
	assert_int_equal(t->done, 0);
}

static void the_agent_may_be_freed_in_a_callback(void **state) {
	struct bed *t = *state;

	t->free_agent = true;
	t->body = STATES(STATE);
	ask_for_owners(t, 1);
	RUN_UNTIL(&t->loop, t->done == 1);
	assert_int_equal(t->result.outcome, AGENT_OK);
	assert_null(t->agent);
}

static void a_url_that_is_none_is_refused(void **state) {
	static const char *const urls[] = {"tcp://10.0.0.1:4460", "http://", "http://10.0.0.1", "http://a:1/x", "http://a b:1", ""};
	struct bed *t = *state;
	struct agent *a = NULL;
	struct err err;

	for (size_t i = 0; i < sizeof(urls) / sizeof(urls[0]); i++)
		if (agent_new(t->client, "h2", urls[i], NULL, &a, &err) != -EINVAL)
			fail_msg("%s was taken", urls[i]);
	const struct http_tls tls = {.ca = "ca.pem"};
	assert_int_equal(agent_new(t->client, "h2", "http://10.0.0.1:4460", &tls, &a, &err), -EINVAL);
}

int main(void) {
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(an_order_carries_the_identity_and_its_answer_is_read, set_up, tear_down),
		cmocka_unit_test_setup_teardown(an_answer_to_fewer_than_were_asked_is_bad, set_up, tear_down),
		cmocka_unit_test_setup_teardown(what_the_dns_answers_is_given_with_as_many_answers_as_questions, set_up, tear_down),
		cmocka_unit_test_setup_teardown(every_answer_has_its_outcome, set_up, tear_down),
		cmocka_unit_test_setup_teardown(an_agent_that_is_not_there_was_not_sent_anything, set_up, tear_down),
		cmocka_unit_test_setup_teardown(an_agent_that_does_not_answer_leaves_it_open, set_up, tear_down),
		cmocka_unit_test_setup_teardown(an_order_without_identity_does_not_leave, set_up, tear_down),
		cmocka_unit_test_setup_teardown(a_cancelled_call_is_never_heard_of, set_up, tear_down),
		cmocka_unit_test_setup_teardown(the_agent_may_be_freed_in_a_callback, set_up, tear_down),
		cmocka_unit_test_setup_teardown(a_url_that_is_none_is_refused, set_up, tear_down),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
