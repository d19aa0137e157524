/* What observers' agents say of the engines' DNS, held against what is wanted; the agents are stand-ins. */
#include "net/discovery/docker.h"

#include "base/json.h"
#include "standin.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <unistd.h>

#include <cmocka.h>

#define HOSTS 4

struct bed;

struct host {
	struct bed *bed;
	struct standin server;
	struct agent *agent;
	const char *addresses, *names, *error; /* what its resolver answers to each: JSON lists; error may be NULL */
	const char *other;                     /* addresses of names that begin with "o" */
	const char *body;                      /* or this, whatever was asked */
	int status;
	bool silent, deaf_resolver;
	json_t *order;
	unsigned asked;
};

struct bed {
	uv_loop_t loop;
	struct http_client *http;
	struct host hosts[HOSTS];
	size_t observers; /* the first of the hosts */
	struct discovery *d;
	struct discovery_entry entry;
	bool unknown;
	struct docker_names *names; /* handed out by the world */
	size_t n_names;
	int done, result;
	bool said, free_it;
	char *version, *text;
};

/* ---- the stand-in agents ---- */

static json_t *answer_to(const struct host *h, const json_t *question) {
	const char *name = json_str_or(question, "name", NULL);
	const char *addresses = name && name[0] == 'o' && h->other ? h->other : h->addresses;
	struct err err;
	json_t *list = NULL, *answer = json_object();

	const char *text = name ? addresses : h->names;
	assert_int_equal(json_parse(text, strlen(text), "test", &list, &err), 0);
	json_object_set_new(answer, name ? "addresses" : "names", list);
	json_object_set_new(answer, name ? "names" : "addresses", json_array());
	json_set_str(answer, "error", h->error);
	return answer;
}

static char *answers_of(const struct host *h) {
	CLEANUP_JSON json_t *body = json_object();
	json_t *answers = json_array(), *question;
	size_t i;

	json_array_foreach (json_at(h->order, "questions"), i, question)
		json_array_append_new(answers, answer_to(h, question));
	json_object_set_new(body, "heard", json_boolean(!h->deaf_resolver));
	json_object_set_new(body, "answers", answers);
	return json_text(body);
}

static void serve(void *ctx, struct standin_conn *conn, const struct standin_request *r) {
	struct host *h = ctx;
	struct err err;

	h->asked++;
	assert_string_equal(r->path, "/v1/resolve");
	json_decref(h->order);
	h->order = NULL;
	assert_int_equal(json_parse(r->body, r->body_len, "order", &h->order, &err), 0);
	if (h->silent)
		return;
	CLEANUP_FREE char *body = h->body ? xstrdup(h->body) : answers_of(h);
	standin_answer(conn, h->status, body);
}

static void host_start(struct bed *b, size_t i) {
	struct wire_envelope identity = {.manager = (char[]){"m1"}, .cluster = (char[]){"prod"}, .epoch = 7};
	struct host *h = &b->hosts[i];
	char url[64], name[8];
	struct err err;

	*h = (struct host){.bed = b, .status = 200, .addresses = "[\"10.20.0.50\"]", .names = "[\"web.ov\"]"};
	standin_listen(&h->server, &b->loop, NULL, serve, h);
	snprintf(url, sizeof(url), "http://127.0.0.1:%d", h->server.port);
	snprintf(name, sizeof(name), "h%zu", i + 1);
	assert_int_equal(agent_new(b->http, name, url, NULL, &h->agent, &err), 0);
	agent_set_identity(h->agent, &identity);
}

/* ---- the world ---- */

static struct docker_names *network(struct bed *b, const char *id, const char *ip, const char *ip6, const char *names) {
	b->names = xreallocarray(b->names, b->n_names + 1, sizeof(*b->names));
	struct docker_names *n = &b->names[b->n_names++];
	*n = (struct docker_names){.network_id = xstrdup(id), .ip = xstrdup_null(ip), .ip6 = xstrdup_null(ip6)};
	CLEANUP_FREE char *copy = xstrdup(names);
	char *save = NULL;
	for (char *name = strtok_r(copy, " ", &save); name; name = strtok_r(NULL, " ", &save))
		strs_add(&n->names, name);
	return n;
}

static bool give_names(void *ctx, const struct discovery_entry *entry, struct docker_names **ret, size_t *ret_n) {
	struct bed *b = ctx;

	assert_ptr_equal(entry, &b->entry);
	if (b->unknown)
		return false;
	*ret_n = b->n_names;
	*ret = TAKE_PTR(b->names);
	b->n_names = 0;
	return true;
}

static struct agent *give_observer(void *ctx, const char *network_id, size_t i, const char **ret_sandbox) {
	struct bed *b = ctx;

	(void)network_id;
	*ret_sandbox = "0123456789ab";
	return i < b->observers ? b->hosts[i].agent : NULL;
}

static int set_up(void **state) {
	struct bed *b = xnew(struct bed);
	struct docker_world world = {.names = give_names, .observer = give_observer, .ctx = b};
	struct err err;

	alarm(60);
	*state = b;
	uv_loop_init(&b->loop);
	assert_int_equal(http_client_new(&b->loop, &b->http, &err), 0);
	for (size_t i = 0; i < HOSTS; i++)
		host_start(b, i);
	b->observers = 2;
	b->entry = (struct discovery_entry){.key = xstrdup("h0123456789ab-1"), .container = xstrdup("web")};
	struct discovery_env env = {.loop = &b->loop, .http = b->http, .cluster = "prod", .name = "names"};
	assert_int_equal(docker_new(&env, &world, &b->d, &err), 0);
	return 0;
}

static int tear_down(void **state) {
	struct bed *b = *state;

	discovery_free(b->d);
	for (size_t i = 0; i < HOSTS; i++) {
		agent_free(b->hosts[i].agent);
		standin_stop(&b->hosts[i].server);
		json_decref(b->hosts[i].order);
	}
	http_client_free(b->http);
	uv_run(&b->loop, UV_RUN_DEFAULT);
	assert_int_equal(uv_loop_close(&b->loop), 0);
	docker_names_free(b->names, b->n_names);
	discovery_entry_clear(&b->entry);
	free(b->version);
	free(b->text);
	free(b);
	return 0;
}

/* ---- asking ---- */

static void on_done(void *user, int result, const char *version, const struct err *err) {
	struct bed *b = user;

	b->done++;
	b->result = result;
	b->said = err != NULL;
	xstr_replace(&b->version, version);
	xstr_replace(&b->text, err ? err->msg : NULL);
	if (b->free_it)
		discovery_free(TAKE_PTR(b->d));
}

static void start_set(struct bed *b) {
	b->done = 0;
	b->d->ops->set(b->d, &b->entry, NULL, on_done, b);
	assert_int_equal(b->done, 0); /* never inside the call */
}

static void set(struct bed *b) {
	start_set(b);
	RUN_UNTIL(&b->loop, b->done == 1);
}

#define expect(b, expected_result, expected_text) \
	do { \
		const char *text_ = (expected_text); \
		if ((b)->result != (expected_result) || (b)->said != (text_ != NULL)) \
			fail_msg("expected %d, got %d: %s", (expected_result), (b)->result, (b)->text); \
		if (text_) \
			assert_string_equal((b)->text, text_); \
	} while (0)

static void right_answers_of_every_observer_are_enough(void **state) {
	struct bed *b = *state;

	network(b, "n1", "10.20.0.50", NULL, "web www");
	set(b);
	expect(b, 0, NULL);
	assert_string_equal(b->version, "");
	assert_int_equal(b->hosts[0].asked, 1);
	assert_int_equal(b->hosts[1].asked, 1);
	CLEANUP_JSON json_t *questions = json_pack("[{s:s,s:n},{s:s,s:n},{s:n,s:s}]", "name", "web", "address", "name", "www",
						   "address", "name", "address", "10.20.0.50");
	assert_true(json_equal(json_at(b->hosts[1].order, "questions"), questions));
	assert_string_equal(json_str_or(b->hosts[1].order, "sandbox", ""), "0123456789ab");
	assert_int_equal(json_int_or(b->hosts[1].order, "timeout_ms", 0), 1000);
}

static const struct {
	const char *what, *names, *shared, *ip6;
	const char *addresses, *reverse, *error; /* of the resolver */
	const char *complaint;                   /* after "names: h1 resolves "; NULL: right */
} answers[] = {
	{"another address", "web", "", NULL, "[\"10.20.0.51\"]", "[\"web.ov\"]", NULL, "web to 10.20.0.51 instead of 10.20.0.50"},
	{"one more address", "web", "", NULL, "[\"10.20.0.51\",\"10.20.0.50\"]", "[\"web.ov\"]", NULL,
	 "web to 10.20.0.51 and 10.20.0.50 instead of 10.20.0.50"},
	{"many", "web", "", NULL, "[\"10.20.0.1\",\"10.20.0.2\",\"10.20.0.3\",\"10.20.0.4\"]", "[\"web.ov\"]", NULL,
	 "web to 10.20.0.1, 10.20.0.2 and 2 others instead of 10.20.0.50"},
	{"one more of a name that others have", "web", "web", NULL, "[\"10.20.0.51\",\"10.20.0.50\"]", "[\"web.ov\"]", NULL, NULL},
	{"only others' of a name that others have", "web", "web", NULL, "[\"10.20.0.51\"]", "[\"web.ov\"]", NULL,
	 "web to 10.20.0.51 instead of 10.20.0.50"},
	{"nothing", "web", "", NULL, "[]", "[\"web.ov\"]", NULL, "web to nothing instead of 10.20.0.50"},
	{"nothing, for a reason", "web", "", NULL, "[]", "[\"web.ov\"]", "silent", "web to nothing (silent) instead of 10.20.0.50"},
	{"right, but half of it is silent", "web", "", NULL, "[\"10.20.0.50\"]", "[\"web.ov\"]", "silent", NULL},
	{"IPv6 as well", "web", "", "fd00::5", "[\"fd00:0::5\",\"10.20.0.50\"]", "[\"web.ov\"]", NULL, NULL},
	{"no IPv6", "web", "", "fd00::5", "[\"10.20.0.50\"]", "[\"web.ov\"]", NULL,
	 "web to 10.20.0.50 instead of 10.20.0.50 and fd00::5"},
	{"IPv6 that is not wanted", "web", "", NULL, "[\"10.20.0.50\",\"fd00::5\"]", "[\"web.ov\"]", NULL,
	 "web to 10.20.0.50 and fd00::5 instead of 10.20.0.50"},
	{"another's name", "web", "", NULL, "[\"10.20.0.50\"]", "[\"db.ov\"]", NULL, "10.20.0.50 to db.ov instead of web"},
	{"another's name beside", "web", "", NULL, "[\"10.20.0.50\"]", "[\"web.ov\",\"db.ov\"]", NULL,
	 "10.20.0.50 to web.ov and db.ov instead of web"},
	{"a longer name", "web", "", NULL, "[\"10.20.0.50\"]", "[\"web2.ov\"]", NULL, "10.20.0.50 to web2.ov instead of web"},
	{"no name", "web", "", NULL, "[\"10.20.0.50\"]", "[]", NULL, "10.20.0.50 to nothing instead of web"},
	{"a bare name in capitals", "web", "", NULL, "[\"10.20.0.50\"]", "[\"WEB\"]", NULL, NULL},
	{"a name with dots", "web.1.x", "", NULL, "[\"10.20.0.50\"]", "[\"web.1.x.ov\"]", NULL, NULL},
};

static void an_answer_that_is_not_the_wanted_one_is_told(void **state) {
	struct bed *b = *state;

	for (size_t i = 0; i < sizeof(answers) / sizeof(answers[0]); i++) {
		struct docker_names *n = network(b, "n1", "10.20.0.50", answers[i].ip6, answers[i].names);
		if (*answers[i].shared)
			strs_add(&n->shared, answers[i].shared);
		b->observers = 1;
		b->hosts[0].addresses = answers[i].addresses;
		b->hosts[0].names = answers[i].reverse;
		b->hosts[0].error = answers[i].error;
		set(b);
		CLEANUP_FREE char *text = answers[i].complaint ? xasprintf("names: h1 resolves %s", answers[i].complaint) : NULL;
		if (b->result != (text ? -ESTALE : 0) || strcmp(b->text ? b->text : "", text ? text : "") != 0)
			fail_msg("%s: expected %s, got %d: %s", answers[i].what, text, b->result, b->text);
		assert_true((b->version != NULL) == (text == NULL));
	}
}

static void the_first_complaints_are_told_and_the_rest_counted(void **state) {
	struct bed *b = *state;

	network(b, "n1", "10.20.0.50", NULL, "a b c d");
	b->hosts[1].addresses = "[\"10.20.0.9\"]";
	b->hosts[1].names = "[\"a\"]";
	b->hosts[0].names = "[\"a.ov\"]";
	set(b);
	expect(b, -ESTALE,
	       "names: h2 resolves a to 10.20.0.9 instead of 10.20.0.50; h2 resolves b to 10.20.0.9 instead of 10.20.0.50; h2 "
	       "resolves c to 10.20.0.9 instead of 10.20.0.50; and 1 more");
}

static void no_more_than_three_observers_are_asked(void **state) {
	struct bed *b = *state;

	b->observers = HOSTS;
	network(b, "n1", "10.20.0.50", NULL, "web");
	b->hosts[3].addresses = "[]";
	set(b);
	expect(b, 0, NULL);
	for (size_t i = 0; i < HOSTS; i++)
		assert_int_equal(b->hosts[i].asked, i < DOCKER_OBSERVERS_MAX ? 1 : 0);
}

static void who_does_not_answer_is_left_out_with_a_warning(void **state) {
	struct bed *b = *state;

	b->observers = 3;
	network(b, "n1", "10.20.0.50", NULL, "web");
	b->hosts[0].status = 404;
	b->hosts[0].body = "{\"error\":\"open namespace x: No such file or directory\"}";
	b->hosts[1].deaf_resolver = true;
	b->hosts[1].addresses = b->hosts[1].names = "[]";
	set(b);
	assert_int_equal(b->result, 0);
	assert_non_null(strstr(b->text, "h1's agent: /v1/resolve: 404: open namespace x: No such file or directory"));
	assert_non_null(strstr(b->text, "h2: its DNS is silent"));
	assert_null(strstr(b->text, "nobody"));
}

static void a_complaint_counts_more_than_a_warning(void **state) {
	struct bed *b = *state;

	network(b, "n1", "10.20.0.50", NULL, "web");
	b->hosts[0].body = "<html>";
	b->hosts[1].addresses = "[]";
	set(b);
	expect(b, -ESTALE, "names: h2 resolves web to nothing instead of 10.20.0.50");
}

static void with_nobody_to_ask_it_is_done_with_a_warning(void **state) {
	struct bed *b = *state;

	b->observers = 0;
	network(b, "n1", "10.20.0.50", NULL, "web");
	set(b);
	expect(b, 0, "names: nobody to ask");
	b->observers = 1;
	network(b, "n1", "10.20.0.50", NULL, "web");
	b->hosts[0].body = "[]";
	set(b);
	assert_int_equal(b->result, 0);
	assert_non_null(strstr(b->text, "h1's agent"));
	assert_non_null(strstr(b->text, "; nobody to ask"));
}

static void a_container_without_networks_needs_no_asking(void **state) {
	struct bed *b = *state;

	set(b);
	expect(b, 0, NULL);
	b->unknown = true;
	set(b);
	expect(b, -ENOTCONN, "names: the networks of web are not known");
}

/* Whoever has joined both networks is told the address on the first that has the name. */
static void an_observer_of_two_networks_may_name_either_address(void **state) {
	struct bed *b = *state;

	b->observers = 1;
	network(b, "n1", "10.20.0.50", NULL, "web only");
	network(b, "n2", "10.21.0.50", NULL, "web");
	b->hosts[0].other = "[\"10.21.0.50\"]";
	set(b);
	expect(b, -ESTALE, "names: h1 resolves only to 10.21.0.50 instead of 10.20.0.50");
	assert_int_equal(b->hosts[0].asked, 2);
}

static void names_that_nobody_can_ask_for_are_left_out(void **state) {
	struct bed *b = *state;
	struct docker_names *n = network(b, "n1", "10.20.0.50", NULL, "web a..b über");
	char text[80];

	b->observers = 1;
	memset(text, 'x', 64);
	text[64] = '\0';
	strs_add(&n->names, text);
	for (int i = 0; i < 2 * DOCKER_NAMES_MAX; i++) {
		snprintf(text, sizeof(text), "name-%d", i);
		strs_add(&n->names, text);
	}
	set(b);
	expect(b, 0, NULL);
	assert_int_equal(json_array_size(json_at(b->hosts[0].order, "questions")), DOCKER_NAMES_MAX + 1);
	assert_string_equal(json_str_or(json_array_get(json_at(b->hosts[0].order, "questions"), 1), "name", ""), "name-0");
}

static void on_list(void *user, int result, struct discovery_found *found, size_t n, const struct err *err) {
	struct bed *b = user;

	(void)found;
	b->done++;
	b->result = result;
	assert_int_equal(n, 0);
	assert_null(err);
}

static void there_is_nothing_to_list_or_to_take_away(void **state) {
	struct bed *b = *state;
	struct discovery_found was = {0};

	b->result = -1;
	b->d->ops->list(b->d, NULL, 0, on_list, b);
	b->d->ops->look(b->d, &b->entry, on_list, b);
	b->d->ops->unset(b->d, &was, on_done, b);
	assert_int_equal(b->done, 0);
	RUN_UNTIL(&b->loop, b->done == 3);
	expect(b, 0, NULL);
	assert_null(b->version);
}

static void freeing_it_cancels_everything(void **state) {
	struct bed *b = *state;

	network(b, "n1", "10.20.0.50", NULL, "web");
	b->hosts[0].silent = true;
	start_set(b);
	b->d->ops->list(b->d, NULL, 0, on_list, b);
	RUN_UNTIL(&b->loop, b->hosts[0].asked == 1 && b->hosts[1].asked == 1);
	b->done = 0;
	start_set(b);
	discovery_free(TAKE_PTR(b->d));
	standin_drop_all(&b->hosts[0].server);
	for (int i = 0; i < 20; i++)
		standin_turn(&b->loop);
	assert_int_equal(b->done, 0);
}

static void it_may_be_freed_in_a_callback(void **state) {
	struct bed *b = *state;

	b->free_it = true;
	b->d->ops->unset(b->d, &(struct discovery_found){0}, on_done, b);
	b->d->ops->unset(b->d, &(struct discovery_found){0}, on_done, b);
	RUN_UNTIL(&b->loop, b->done == 1);
	for (int i = 0; i < 20; i++)
		standin_turn(&b->loop);
	assert_int_equal(b->done, 1);
	assert_null(b->d);
}

static void an_agent_that_hangs_does_not_hold_it_up_longer_than_the_timeout(void **state) {
	struct bed *b = *state;
	struct docker_world world = {.names = give_names, .observer = give_observer, .ctx = b};
	struct discovery_env env = {.loop = &b->loop, .http = b->http, .cluster = "prod", .name = "names", .timeout = span_ms(50)};
	struct err err;

	discovery_free(TAKE_PTR(b->d));
	assert_int_equal(docker_new(&env, &world, &b->d, &err), 0);
	b->observers = 1;
	b->hosts[0].silent = true;
	network(b, "n1", "10.20.0.50", NULL, "web");
	set(b);
	assert_int_equal(b->result, 0);
	assert_non_null(strstr(b->text, "nobody to ask"));
	assert_int_equal(json_int_or(b->hosts[0].order, "timeout_ms", 0), 25);
}

int main(void) {
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(right_answers_of_every_observer_are_enough, set_up, tear_down),
		cmocka_unit_test_setup_teardown(an_answer_that_is_not_the_wanted_one_is_told, set_up, tear_down),
		cmocka_unit_test_setup_teardown(the_first_complaints_are_told_and_the_rest_counted, set_up, tear_down),
		cmocka_unit_test_setup_teardown(no_more_than_three_observers_are_asked, set_up, tear_down),
		cmocka_unit_test_setup_teardown(who_does_not_answer_is_left_out_with_a_warning, set_up, tear_down),
		cmocka_unit_test_setup_teardown(a_complaint_counts_more_than_a_warning, set_up, tear_down),
		cmocka_unit_test_setup_teardown(with_nobody_to_ask_it_is_done_with_a_warning, set_up, tear_down),
		cmocka_unit_test_setup_teardown(a_container_without_networks_needs_no_asking, set_up, tear_down),
		cmocka_unit_test_setup_teardown(an_observer_of_two_networks_may_name_either_address, set_up, tear_down),
		cmocka_unit_test_setup_teardown(names_that_nobody_can_ask_for_are_left_out, set_up, tear_down),
		cmocka_unit_test_setup_teardown(there_is_nothing_to_list_or_to_take_away, set_up, tear_down),
		cmocka_unit_test_setup_teardown(freeing_it_cancels_everything, set_up, tear_down),
		cmocka_unit_test_setup_teardown(it_may_be_freed_in_a_callback, set_up, tear_down),
		cmocka_unit_test_setup_teardown(an_agent_that_hangs_does_not_hold_it_up_longer_than_the_timeout, set_up, tear_down),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
