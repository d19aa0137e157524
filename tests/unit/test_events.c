/* The event stream against a stand-in engine. */
#include "engine/events.h"
#include "standin.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#define EVENT(action, time) \
	"{\"Type\":\"container\",\"Action\":\"" action \
	"\",\"Actor\":{\"ID\":\"c1\",\"Attributes\":{\"name\":\"web\"}},\"timeNano\":" time "}\n"

struct bed {
	uv_loop_t loop;
	struct http_client *client;
	struct standin server;
	struct engine *e;
	struct engine_events *ev;
	struct standin_conn *stream;
	const char *answer; /* to /events instead of a stream */
	const char *first;  /* said at once */
	char *path;
	size_t opened;
	int connected, lost, events;
	struct buf seen;
	struct err reason;
	bool free_at_connected, free_at_event, free_at_lost, reopen_at_event;
};

static void serve(void *ctx, struct standin_conn *conn, const struct standin_request *r) {
	struct bed *t = ctx;

	if (strcmp(r->path, "/version") == 0) {
		standin_answer(conn, 200, "{\"ApiVersion\":\"1.51\"}");
		return;
	}
	free(t->path);
	t->path = xstrdup(r->path);
	t->opened++;
	t->stream = conn;
	standin_write(conn, t->answer ? t->answer : "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n\r\n");
	if (t->first)
		standin_write(conn, t->first);
}

static void on_connected(void *ctx) {
	struct bed *t = ctx;
	t->connected++;
	if (t->free_at_connected)
		engine_events_free(TAKE_PTR(t->ev));
}

static void on_event(void *ctx, const struct engine_event *event) {
	struct bed *t = ctx;
	t->events++;
	buf_printf(&t->seen, "%s ", event->action);
	if (t->free_at_event)
		engine_events_free(TAKE_PTR(t->ev));
	else if (t->reopen_at_event) {
		t->reopen_at_event = false;
		engine_events_reopen(t->ev);
	}
}

static void on_lost(void *ctx, const struct err *reason) {
	struct bed *t = ctx;
	t->lost++;
	t->reason = *reason;
	if (t->free_at_lost)
		engine_events_free(TAKE_PTR(t->ev));
}

static void watch(struct bed *t) {
	struct engine_events_handler h = {.on_connected = on_connected, .on_event = on_event, .on_lost = on_lost, .ctx = t};
	t->ev = engine_events_new(t->e, &h);
}

static int set_up(void **state) {
	struct bed *t = xnew(struct bed);
	alarm(60);
	assert_int_equal(uv_loop_init(&t->loop), 0);
	assert_int_equal(http_client_new(&t->loop, &t->client, NULL), 0);
	standin_listen(&t->server, &t->loop, NULL, serve, t);
	CLEANUP_FREE char *url = xasprintf("tcp://127.0.0.1:%d", t->server.port);
	assert_int_equal(engine_new(t->client, "h1", url, NULL, &t->e, NULL), 0);
	*state = t;
	return 0;
}

static int tear_down(void **state) {
	struct bed *t = *state;
	engine_events_free(t->ev);
	engine_free(t->e);
	http_client_free(t->client);
	standin_stop(&t->server);
	uv_run(&t->loop, UV_RUN_DEFAULT);
	assert_int_equal(uv_loop_close(&t->loop), 0);
	free(t->path);
	buf_clear(&t->seen);
	free(t);
	return 0;
}

static void events_come_in_whatever_pieces_they_are_sent(void **state) {
	struct bed *t = *state;
	watch(t);
	RUN_UNTIL(&t->loop, t->connected);
	assert_true(engine_events_connected(t->ev));
	assert_non_null(strstr(t->path, "/v1.51/events?filters=%7B%22type%22"));
	assert_null(strstr(t->path, "since"));
	standin_write(t->stream, EVENT("create", "1") EVENT("start", "2") "{\"Type\":\"contai");
	RUN_UNTIL(&t->loop, t->events == 2);
	standin_write(t->stream, "ner\",\"Action\":\"die\",\"Actor\":{},\"timeNano\":3}\r\n\r\n");
	RUN_UNTIL(&t->loop, t->events == 3);
	assert_string_equal(t->seen.data, "create start die ");
	assert_int_equal(t->lost, 0);
}

static void a_closed_stream_is_opened_again_since_the_last_event(void **state) {
	struct bed *t = *state;
	t->first = EVENT("start", "1700000005000000007");
	watch(t);
	RUN_UNTIL(&t->loop, t->events == 1);
	standin_drop_all(&t->server);
	RUN_UNTIL(&t->loop, t->connected == 2);
	assert_int_equal(t->lost, 1);
	assert_non_null(strstr(t->reason.msg, "h1: GET /events: "));
	assert_non_null(strstr(t->path, "&since=1700000004.000000007"));
	RUN_UNTIL(&t->loop, t->events == 2); /* the overlap: it comes again */
}

static void garbage_is_reported_once_and_the_stream_opened_again(void **state) {
	struct bed *t = *state;
	const struct {
		const char *what, *first, *text;
	} cases[] = {
		{"HTML", "<html>\n<body>\nx\n", "bad JSON"},
		{"a list", "[]\n", "expected an object"},
		{"no type", "{\"Action\":\"die\"}\n{}\n", "Type: missing"},
		{"another type", "{\"Type\":\"container\",\"Action\":7}\n", "Action: expected string"},
		{"cut", "{\"Type\":\n", "bad JSON"},
	};
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		t->lost = t->connected = 0;
		t->first = cases[i].first;
		watch(t);
		RUN_UNTIL(&t->loop, t->lost == 1);
		assert_false(engine_events_connected(t->ev));
		if (strncmp(t->reason.msg, "h1: GET /events: ", 17) != 0 || !strstr(t->reason.msg, cases[i].text))
			fail_msg("%s: %s", cases[i].what, t->reason.msg);
		t->first = EVENT("start", "5");
		t->events = 0;
		engine_events_retry(t->ev);
		RUN_UNTIL(&t->loop, t->events == 1);
		assert_int_equal(t->lost, 1);
		engine_events_free(TAKE_PTR(t->ev));
	}
}

static void an_endless_line_is_given_up(void **state) {
	struct bed *t = *state;
	char *block = xmalloc(ENGINE_LINE_MAX + 4096);
	memset(block, ' ', ENGINE_LINE_MAX + 4096);
	watch(t);
	RUN_UNTIL(&t->loop, t->connected);
	standin_write_n(t->stream, block, ENGINE_LINE_MAX + 4096, false);
	RUN_UNTIL(&t->loop, t->lost == 1);
	assert_non_null(strstr(t->reason.msg, "a line longer than"));
	free(block);
}

static void a_refused_stream_says_why_and_is_tried_again(void **state) {
	struct bed *t = *state;
	t->answer = "HTTP/1.1 500 Oh\r\nContent-Length: 17\r\n\r\n{\"message\":\"oh!\"}";
	watch(t);
	RUN_UNTIL(&t->loop, t->lost == 2);
	assert_int_equal(t->connected, 0);
	assert_non_null(strstr(t->reason.msg, "h1: GET /events: 500: oh!"));
	t->answer = NULL;
	RUN_UNTIL(&t->loop, t->connected == 1);
}

static void an_engine_that_is_away_is_waited_for(void **state) {
	struct bed *t = *state;
	int port = t->server.port;
	standin_stop(&t->server);
	watch(t);
	RUN_UNTIL(&t->loop, t->lost == 1);
	assert_non_null(strstr(t->reason.msg, "Connection refused"));
	struct sockaddr_in back = {
		.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK), .sin_port = htons((uint16_t)port)};
	uv_tcp_init(&t->loop, &t->server.io.tcp);
	t->server.io.handle.data = &t->server;
	assert_int_equal(uv_tcp_bind(&t->server.io.tcp, (struct sockaddr *)&back, 0), 0);
	assert_int_equal(uv_listen(&t->server.io.stream, 16, standin_accept), 0);
	RUN_UNTIL(&t->loop, t->connected == 1);
}

static void it_may_be_freed_in_each_of_its_callbacks(void **state) {
	struct bed *t = *state;
	t->free_at_connected = true;
	watch(t);
	RUN_UNTIL(&t->loop, !t->ev);
	t->free_at_connected = false;
	t->free_at_event = true;
	t->first = EVENT("a", "1") EVENT("b", "2");
	watch(t);
	RUN_UNTIL(&t->loop, !t->ev);
	assert_int_equal(t->events, 1);
	t->free_at_event = false;
	t->free_at_lost = true;
	t->first = "garbage\n";
	watch(t);
	RUN_UNTIL(&t->loop, !t->ev);
	t->first = NULL;
	t->answer = "HTTP/1.1 500 Oh\r\n\r\n";
	t->stream = NULL;
	watch(t);
	RUN_UNTIL(&t->loop, t->stream);
	standin_drop_all(&t->server);
	RUN_UNTIL(&t->loop, !t->ev);
}

static void a_stream_that_is_reopened_forgets_what_was_half_read(void **state) {
	struct bed *t = *state;
	t->reopen_at_event = true;
	t->first = EVENT("a", "1") EVENT("b", "2") "{\"Type\":";
	watch(t);
	RUN_UNTIL(&t->loop, t->opened == 2 && t->events >= 3);
	assert_string_equal(t->seen.data, "a a b ");
	assert_int_equal(t->lost, 0);
	assert_true(engine_events_connected(t->ev));
}

int main(void) {
#define T(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		T(events_come_in_whatever_pieces_they_are_sent),
		T(a_closed_stream_is_opened_again_since_the_last_event),
		T(garbage_is_reported_once_and_the_stream_opened_again),
		T(an_endless_line_is_given_up),
		T(a_refused_stream_says_why_and_is_tried_again),
		T(an_engine_that_is_away_is_waited_for),
		T(it_may_be_freed_in_each_of_its_callbacks),
		T(a_stream_that_is_reopened_forgets_what_was_half_read),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
