/* Engine calls against a stand-in engine: negotiation, every operation's request, good and bad answers, cancelling, images between
 * engines, and the control socket's failures. */
#include "base/json.h"
#include "engine/control.h"
#include "engine/copy.h"
#include "engine/engine.h"
#include "standin.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <sys/stat.h>

#include <cmocka.h>

#define VERSION_1_51 "{\"Version\":\"28.5.2\",\"ApiVersion\":\"1.51\",\"MinAPIVersion\":\"1.24\"}"

struct bed {
	uv_loop_t loop;
	struct http_client *client;
	struct standin server;
	struct engine *e;
	/* the stand-in engine */
	const char *version;
	int status;
	const char *body; /* of everything but /version; NULL: raw */
	const char *raw;
	bool raw_closes, raw_for_version, too_new_once, silent;
	size_t stream_chunks; /* of /images/get, 64 KiB each; then cut when cut_stream */
	bool cut_stream;
	size_t in_flight_max;
	char *paths; /* "GET /version\n…" */
	char *last, *last_body;
	size_t last_body_len;
	/* the caller */
	int done;
	struct engine_result result;
	char *id;
	json_t *json;
	size_t n;
	bool free_engine;
};

static void note_request(struct bed *t, const struct standin_request *r) {
	char *paths = xasprintf("%s%s %s\n", t->paths ? t->paths : "", r->method, r->path);
	free(t->paths);
	t->paths = paths;
	free(t->last);
	free(t->last_body);
	t->last = xasprintf("%s %s", r->method, r->path);
	t->last_body = xcalloc(r->body_len + 1, 1);
	memcpy(t->last_body, r->body, r->body_len);
	t->last_body_len = r->body_len;
}

static void stream_image(struct bed *t, struct standin_conn *conn) {
	char *block = xcalloc(1, 65536);
	char head[32];

	memset(block, 'i', 65536);
	standin_write(conn, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n");
	for (size_t i = 0; i < t->stream_chunks; i++) {
		snprintf(head, sizeof(head), "%x\r\n", 65536);
		standin_write(conn, head);
		standin_write_n(conn, block, 65536, false);
		standin_write(conn, "\r\n");
	}
	standin_write_n(conn, t->cut_stream ? "5\r\nab" : "0\r\n\r\n", 5, t->cut_stream);
	free(block);
}

static void serve(void *ctx, struct standin_conn *conn, const struct standin_request *r) {
	struct bed *t = ctx;
	bool is_version = strcmp(r->path, "/version") == 0;

	note_request(t, r);
	if (t->silent)
		return;
	if (is_version && !t->raw_for_version)
		standin_answer(conn, 200, t->version);
	else if (t->too_new_once && !is_version) {
		t->too_new_once = false;
		t->version = "{\"ApiVersion\":\"1.45\",\"MinAPIVersion\":\"1.24\"}";
		standin_answer(conn, 400,
			       "{\"message\":\"client version 1.51 is too new. Maximum supported API version is 1.45\"}");
	} else if (t->stream_chunks && strstr(r->path, "/images/get"))
		stream_image(t, conn);
	else if (t->raw)
		standin_write_n(conn, t->raw, strlen(t->raw), t->raw_closes);
	else
		standin_answer(conn, t->status, t->body);
}

static char *url_of(const struct standin *s) { return xasprintf("tcp://127.0.0.1:%d", s->port); }

static int set_up(void **state) {
	struct bed *t = xnew(struct bed);
	alarm(60);
	assert_int_equal(uv_loop_init(&t->loop), 0);
	assert_int_equal(http_client_new(&t->loop, &t->client, NULL), 0);
	standin_listen(&t->server, &t->loop, NULL, serve, t);
	CLEANUP_FREE char *url = url_of(&t->server);
	assert_int_equal(engine_new(t->client, "h2", url, NULL, &t->e, NULL), 0);
	t->version = VERSION_1_51;
	t->status = 200;
	t->body = "{}";
	*state = t;
	return 0;
}

static int tear_down(void **state) {
	struct bed *t = *state;
	engine_free(t->e);
	http_client_free(t->client);
	standin_stop(&t->server);
	uv_run(&t->loop, UV_RUN_DEFAULT);
	assert_int_equal(uv_loop_close(&t->loop), 0);
	free(t->paths);
	free(t->last);
	free(t->last_body);
	free(t->id);
	json_decref(t->json);
	free(t);
	return 0;
}

static void on_done(void *ctx, const struct engine_result *r) {
	struct bed *t = ctx;
	t->done++;
	t->result = *r;
	free(t->id);
	t->id = xstrdup_null(r->id);
	json_decref(t->json);
	t->json = json_incref(r->body);
	t->n = r->n;
	if (t->free_engine)
		engine_free(TAKE_PTR(t->e));
}

static struct engine_cb cb(struct bed *t) { return (struct engine_cb){.fn = on_done, .ctx = t}; }

static void wait_done(struct bed *t) {
	assert_int_equal(t->done, 0);
	RUN_UNTIL(&t->loop, t->done);
	assert_int_equal(t->done, 1);
	t->done = 0;
}

static void urls_are_read_strictly(void **state) {
	struct bed *t = *state;
	static const struct http_tls tls = {.ca = "/ca.pem"};
	const struct {
		const char *url;
		const struct http_tls *tls;
		bool good;
	} cases[] = {
		{"tcp://10.0.0.1:2375", NULL, true},
		{"tcp://10.0.0.1:2376", &tls, true},
		{"tcp://h1.example:2375/", NULL, true},
		{"tcp://[fd00::1]:2375", NULL, true},
		{"tcp://h1", NULL, true},
		{"unix:///var/run/docker.sock", NULL, true},
		{"http://10.0.0.1:2375", NULL, true},
		{"https://10.0.0.1:2376", NULL, true},
		{"", NULL, false},
		{"tcp://", NULL, false},
		{"tcp://:2375", NULL, false},
		{"tcp://h1:0", NULL, false},
		{"tcp://h1:65536", NULL, false},
		{"tcp://h1:23a", NULL, false},
		{"tcp://h1:", NULL, false},
		{"tcp://h1:1:2", NULL, false},
		{"tcp://h1:2375/x", NULL, false},
		{"tcp://user@h1:2375", NULL, false},
		{"tcp://h 1:2375", NULL, false},
		{"tcp://[::1:2375", NULL, false},
		{"http://h1:2376", &tls, false},
		{"unix://run/docker.sock", NULL, false},
		{"unix:///run/docker.sock", &tls, false},
		{"ssh://h1", NULL, false},
		{"10.0.0.1:2375", NULL, false},
	};
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct engine *e = NULL;
		struct err err = {0};
		int r = engine_new(t->client, "h1", cases[i].url, cases[i].tls, &e, &err);
		if ((r == 0) != cases[i].good)
			fail_msg("%s: %d %s", cases[i].url, r, err.msg);
		if (r < 0)
			assert_non_null(strstr(err.msg, "h1: "));
		engine_free(e);
	}
}

static void the_version_is_negotiated_before_the_first_call(void **state) {
	struct bed *t = *state;
	const struct {
		const char *what, *version, *request, *error;
	} cases[] = {
		{"20.10", "{\"ApiVersion\":\"1.41\",\"MinAPIVersion\":\"1.12\"}", "GET /v1.41/networks", NULL},
		{"28.5", VERSION_1_51, "GET /v1.51/networks", NULL},
		{"minimum 1.44", "{\"ApiVersion\":\"1.51\",\"MinAPIVersion\":\"1.44\"}", "GET /v1.51/networks", NULL},
		{"newer than we", "{\"ApiVersion\":\"1.52\",\"MinAPIVersion\":\"1.44\"}", "GET /v1.51/networks", NULL},
		{"no minimum", "{\"ApiVersion\":\"1.45\"}", "GET /v1.45/networks", NULL},
		{"too old", "{\"ApiVersion\":\"1.39\",\"MinAPIVersion\":\"1.12\"}", NULL,
		 "h2: GET /version: the engine speaks API 1.39 at most"},
		{"too new", "{\"ApiVersion\":\"1.60\",\"MinAPIVersion\":\"1.52\"}", NULL,
		 "h2: GET /version: the engine wants API 1.52 at least"},
		{"no version", "{}", NULL, "ApiVersion: \"\" is not an API version"},
		{"another type", "{\"ApiVersion\":141}", NULL, "ApiVersion"},
		{"another major", "{\"ApiVersion\":\"2.0\"}", NULL, "\"2.0\" is not an API version"},
		{"a list", "[]", NULL, "ApiVersion"},
		{"HTML", "<html>", NULL, "h2: GET /version: answered 200, "},
		{"empty", "", NULL, "h2: GET /version: answered 200, with an empty body"},
	};
	t->body = "[]";
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		t->version = cases[i].version;
		engine_forget_api(t->e);
		engine_list_networks(t->e, cb(t));
		wait_done(t);
		if (cases[i].request)
			assert_string_equal(t->last, cases[i].request);
		enum engine_outcome expected = cases[i].request ? ENGINE_OK : ENGINE_NOT_SENT;
		if (t->result.outcome != expected || (cases[i].error && !strstr(t->result.err.msg, cases[i].error)))
			fail_msg("%s: %s: %s", cases[i].what, engine_outcome_name(t->result.outcome), t->result.err.msg);
	}
}

static void a_known_version_is_not_asked_for_again(void **state) {
	struct bed *t = *state;
	t->body = "[]";
	for (int i = 0; i < 3; i++) {
		engine_list_networks(t->e, cb(t));
		wait_done(t);
	}
	assert_string_equal(t->paths, "GET /version\nGET /v1.51/networks\nGET /v1.51/networks\nGET /v1.51/networks\n");
	assert_int_equal(engine_api(t->e), 51);
}

static void an_engine_that_was_replaced_by_an_older_one_is_negotiated_with_again(void **state) {
	struct bed *t = *state;
	t->body = "[]";
	t->too_new_once = true;
	engine_list_networks(t->e, cb(t));
	wait_done(t);
	assert_int_equal(t->result.outcome, ENGINE_OK);
	assert_string_equal(t->last, "GET /v1.45/networks");
	/* A ping tells too. */
	assert_int_equal(engine_ping(t->e, cb(t), NULL), 0);
	t->raw = "HTTP/1.1 200 OK\r\nApi-Version: 1.47\r\nContent-Length: 2\r\n\r\nOK";
	wait_done(t);
	assert_int_equal(t->result.outcome, ENGINE_OK);
	assert_int_equal(engine_api(t->e), 0);
}

/* Every operation's request. */

static struct engine_call *ask_stop(struct engine *e, struct engine_cb c) { return engine_stop_container(e, "web", 7, c); }
static struct engine_call *ask_stop_default(struct engine *e, struct engine_cb c) { return engine_stop_container(e, "web", -1, c); }
static struct engine_call *ask_start(struct engine *e, struct engine_cb c) { return engine_start_container(e, "web", c); }
static struct engine_call *ask_kill(struct engine *e, struct engine_cb c) { return engine_kill_container(e, "web", c); }
static struct engine_call *ask_remove(struct engine *e, struct engine_cb c) { return engine_remove_container(e, "web", true, c); }
static struct engine_call *ask_remove_gently(struct engine *e, struct engine_cb c) {
	return engine_remove_container(e, "web", false, c);
}
static struct engine_call *ask_odd_name(struct engine *e, struct engine_cb c) { return engine_start_container(e, "a/b?c d%é", c); }
static struct engine_call *ask_rename(struct engine *e, struct engine_cb c) {
	return engine_rename_container(e, "abc", "web&x=1", c);
}
static struct engine_call *ask_restart(struct engine *e, struct engine_cb c) {
	return engine_update_restart_policy(e, "web", "no", c);
}
static struct engine_call *ask_connect(struct engine *e, struct engine_cb c) {
	CLEANUP_JSON json_t *settings = json_pack("{s:{s:s}}", "IPAMConfig", "IPv4Address", "10.0.0.5");
	return engine_connect_network(e, "ov", "web", settings, c);
}
static struct engine_call *ask_disconnect(struct engine *e, struct engine_cb c) {
	return engine_disconnect_network(e, "ov", "web", true, c);
}
static struct engine_call *ask_tag(struct engine *e, struct engine_cb c) {
	return engine_tag_image(e, "sha256:ab", "reg:5000/a/b", "1.0", c);
}
static struct engine_call *ask_remove_node(struct engine *e, struct engine_cb c) { return engine_remove_node(e, "n1", true, c); }
static struct engine_call *ask_update_node(struct engine *e, struct engine_cb c) {
	CLEANUP_JSON json_t *spec = json_pack("{s:s}", "Role", "worker");
	return engine_update_node(e, "n1", 42, spec, c);
}
static struct engine_call *ask_leave(struct engine *e, struct engine_cb c) { return engine_leave_swarm(e, true, c); }
static struct engine_call *ask_join(struct engine *e, struct engine_cb c) {
	CLEANUP_JSON json_t *body = json_pack("{s:s}", "JoinToken", "T");
	return engine_join_swarm(e, body, c);
}
static struct engine_call *ask_pull(struct engine *e, struct engine_cb c) { return engine_pull_image(e, "reg:5000/a/b", NULL, c); }
static struct engine_call *ask_pull_tag(struct engine *e, struct engine_cb c) { return engine_pull_image(e, "a/b:1", NULL, c); }

static void each_operation_asks_as_the_engine_expects(void **state) {
	struct bed *t = *state;
	const struct {
		struct engine_call *(*ask)(struct engine *e, struct engine_cb cb);
		const char *request, *body;
	} cases[] = {
		{ask_stop, "POST /v1.51/containers/web/stop?t=7", ""},
		{ask_stop_default, "POST /v1.51/containers/web/stop", ""},
		{ask_start, "POST /v1.51/containers/web/start", ""},
		{ask_kill, "POST /v1.51/containers/web/kill", ""},
		{ask_remove, "DELETE /v1.51/containers/web?force=1", ""},
		{ask_remove_gently, "DELETE /v1.51/containers/web", ""},
		{ask_odd_name, "POST /v1.51/containers/a%2Fb%3Fc%20d%25%C3%A9/start", ""},
		{ask_rename, "POST /v1.51/containers/abc/rename?name=web%26x%3D1", ""},
		{ask_restart, "POST /v1.51/containers/web/update", "{\"RestartPolicy\":{\"MaximumRetryCount\":0,\"Name\":\"no\"}}"},
		{ask_connect, "POST /v1.51/networks/ov/connect",
		 "{\"Container\":\"web\",\"EndpointConfig\":{\"IPAMConfig\":{\"IPv4Address\":\"10.0.0.5\"}}}"},
		{ask_disconnect, "POST /v1.51/networks/ov/disconnect", "{\"Container\":\"web\",\"Force\":true}"},
		{ask_tag, "POST /v1.51/images/sha256:ab/tag?repo=reg%3A5000%2Fa%2Fb&tag=1.0", ""},
		{ask_remove_node, "DELETE /v1.51/nodes/n1?force=1", ""},
		{ask_update_node, "POST /v1.51/nodes/n1/update?version=42", "{\"Role\":\"worker\"}"},
		{ask_leave, "POST /v1.51/swarm/leave?force=1", ""},
		{ask_join, "POST /v1.51/swarm/join", "{\"JoinToken\":\"T\"}"},
		{ask_pull, "POST /v1.51/images/create?fromImage=reg%3A5000%2Fa%2Fb%3Alatest", ""},
		{ask_pull_tag, "POST /v1.51/images/create?fromImage=a%2Fb%3A1", ""},
	};
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		cases[i].ask(t->e, cb(t));
		wait_done(t);
		assert_string_equal(t->last, cases[i].request);
		assert_string_equal(t->last_body, cases[i].body);
		if (t->result.outcome != ENGINE_OK)
			fail_msg("%s: %s", cases[i].request, t->result.err.msg);
	}
}

static void an_impossible_name_is_not_sent(void **state) {
	struct bed *t = *state;
	engine_start_container(t->e, "", cb(t));
	wait_done(t);
	assert_int_equal(t->result.outcome, ENGINE_NOT_SENT);
	assert_non_null(strstr(t->result.err.msg, "h2: POST"));
	engine_remove_container(t->e, "..", true, cb(t));
	wait_done(t);
	assert_int_equal(t->result.outcome, ENGINE_NOT_SENT);
	assert_null(t->paths);
}

static void answers_mean_what_they_say(void **state) {
	struct bed *t = *state;
	const struct {
		const char *what;
		int status;
		const char *body;
		enum engine_outcome outcome;
		const char *text;
	} cases[] = {
		{"done", 204, "", ENGINE_OK, ""},
		{"was so already", 304, "", ENGINE_OK, ""},
		{"none such", 404, "{\"message\":\"No such container: web\"}", ENGINE_REFUSED,
		 "h2: POST /containers/web/start: 404: No such container: web"},
		{"conflict", 409, "{\"message\":\"in use\"}", ENGINE_REFUSED, "409: in use"},
		{"server error", 500, "{\"message\":\"driver failed\\n\\u001b[1mprogramming\"}", ENGINE_REFUSED,
		 "500: driver failed\\x0a\\x1b[1mprog"},
		{"proxy error", 502, "<html>Bad gateway</html>", ENGINE_BAD, "h2: POST /containers/web/start: answered 502"},
		{"empty error", 500, "", ENGINE_BAD, "answered 500"},
		{"message of another type", 500, "{\"message\":5}", ENGINE_BAD, "answered 500"},
		{"redirect", 301, "", ENGINE_BAD, "answered 301"},
		{"HTML says yes", 200, "<html>Welcome</html>", ENGINE_BAD, "answered 200"},
	};
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		t->status = cases[i].status;
		t->body = cases[i].body;
		engine_start_container(t->e, "web", cb(t));
		wait_done(t);
		if (t->result.outcome != cases[i].outcome || !strstr(t->result.err.msg, cases[i].text) ||
		    t->result.status != cases[i].status)
			fail_msg("%s: %s %d: %s", cases[i].what, engine_outcome_name(t->result.outcome), t->result.status,
				 t->result.err.msg);
	}
}

static void a_long_message_is_cut_between_characters(void **state) {
	struct bed *t = *state;
	struct buf b = {0};
	buf_puts(&b, "{\"message\":\"x");
	for (int i = 0; i < 1000; i++)
		buf_puts(&b, "é");
	buf_puts(&b, "\"}");
	t->status = 500;
	t->body = b.data;
	engine_start_container(t->e, "web", cb(t));
	wait_done(t);
	assert_in_range(strlen(t->result.err.msg), 300, 400);
	CLEANUP_JSON json_t *utf8 = json_string(t->result.err.msg);
	assert_non_null(utf8);
	buf_clear(&b);
}

/* Engines that answer nonsense: an error that names engine and path, nothing else. */

static void a_bad_engine_gives_an_error_that_names_it(void **state) {
	struct bed *t = *state;
	const struct {
		const char *what, *raw;
		bool closes;
		enum engine_outcome outcome;
		const char *text;
	} cases[] = {
		{"HTML", "HTTP/1.1 200 OK\r\nContent-Length: 14\r\n\r\n<html>a</html>", false, ENGINE_BAD, "bad JSON"},
		{"cut JSON", "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n[{\"Id\":\"a", false, ENGINE_BAD, "bad JSON"},
		{"cut body", "HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n[{\"Id\":\"a", true, ENGINE_UNKNOWN, "middle"},
		{"an object for a list", "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}", false, ENGINE_BAD, "expected an array"},
		{"numbers for names", "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n[{\"Id\":7}]", false, ENGINE_BAD,
		 "[0]: Id: expected string"},
		{"no ID", "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\n[{}]", false, ENGINE_BAD, "[0]: Id: missing"},
		{"a number", "HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\n7", false, ENGINE_BAD, "expected an array"},
		{"null", "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nnull", false, ENGINE_BAD, "expected an array"},
		{"empty", "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", false, ENGINE_BAD, "empty body"},
		{"500", "HTTP/1.1 500 Oh\r\nContent-Length: 0\r\n\r\n", false, ENGINE_BAD, "answered 500"},
		{"500 as an engine", "HTTP/1.1 500 Oh\r\nContent-Length: 17\r\n\r\n{\"message\":\"oh!\"}", false, ENGINE_REFUSED,
		 "500: oh!"},
		{"two values", "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\n[][]", false, ENGINE_BAD, "bad JSON"},
		{"no UTF-8", "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n[\"\xff\"]", false, ENGINE_BAD, "bad JSON"},
		{"no HTTP", "SSH-2.0-OpenSSH_9.2\r\n\r\n", false, ENGINE_BAD, "127.0.0.1:"},
		{"nothing, and closes", "", true, ENGINE_UNKNOWN, "closed without an answer"},
	};
	engine_list_networks(t->e, (struct engine_cb){0}); /* negotiates; nobody wants to know */
	RUN_UNTIL(&t->loop, engine_api(t->e) == 51);
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		t->raw = cases[i].raw;
		t->raw_closes = cases[i].closes;
		engine_list_containers(t->e, cb(t));
		wait_done(t);
		if (t->result.outcome != cases[i].outcome || !strstr(t->result.err.msg, cases[i].text) ||
		    strncmp(t->result.err.msg, "h2: GET /containers/json: ", 26) != 0 || t->result.body)
			fail_msg("%s: %s: %s", cases[i].what, engine_outcome_name(t->result.outcome), t->result.err.msg);
		/* And its ping: never alive. */
		assert_int_equal(engine_ping(t->e, cb(t), NULL), 0);
		wait_done(t);
		if (t->result.outcome == ENGINE_OK || strncmp(t->result.err.msg, "h2: GET /_ping: ", 16) != 0)
			fail_msg("%s: ping: %s: %s", cases[i].what, engine_outcome_name(t->result.outcome), t->result.err.msg);
	}
}

static void an_error_never_quotes_the_json_it_could_not_read(void **state) {
	struct bed *t = *state;
	t->body = "{\"Id\":\"x\",\"Config\":{\"Env\":[\"PASSWORD=hunter2\" \"B\"]}}";
	engine_inspect_container(t->e, "web", cb(t));
	wait_done(t);
	assert_int_equal(t->result.outcome, ENGINE_BAD);
	assert_null(strstr(t->result.err.msg, "hunter2"));
	assert_null(strstr(t->result.err.msg, "near"));
}

static void an_engine_that_says_nothing_runs_into_the_deadline(void **state) {
	struct bed *t = *state;
	t->silent = true;
	struct engine_cb c = cb(t);
	c.deadline = span_ms(50);
	engine_start_container(t->e, "web", c);
	wait_done(t);
	assert_int_equal(t->result.outcome, ENGINE_NOT_SENT); /* only the version was asked for */
	assert_non_null(strstr(t->result.err.msg, "h2: GET /version: 127.0.0.1:"));
	t->silent = false;
	engine_start_container(t->e, "web", cb(t));
	wait_done(t);
	t->silent = true;
	engine_start_container(t->e, "web", c);
	wait_done(t);
	assert_int_equal(t->result.outcome, ENGINE_UNKNOWN);
	assert_true(engine_outcome_is_open(t->result.outcome));
	assert_int_equal(engine_ping(t->e, c, NULL), 0);
	wait_done(t);
	assert_int_equal(t->result.outcome, ENGINE_UNKNOWN);
}

static void pings_keep_their_connection_and_come_one_at_a_time(void **state) {
	struct bed *t = *state;
	struct err err;
	t->body = "OK";
	for (int i = 0; i < 20; i++) {
		assert_int_equal(engine_ping(t->e, cb(t), NULL), 0);
		assert_int_equal(engine_ping(t->e, cb(t), &err), -EBUSY);
		wait_done(t);
		assert_int_equal(t->result.outcome, ENGINE_OK);
	}
	assert_int_equal(t->server.connections, 1);
	assert_int_equal(engine_ping(t->e, cb(t), NULL), 0);
	engine_ping_cancel(t->e);
	assert_int_equal(engine_ping(t->e, cb(t), NULL), 0);
	wait_done(t);
	assert_int_equal(t->result.outcome, ENGINE_OK);
}

static void a_refused_connection_is_not_sent(void **state) {
	struct bed *t = *state;
	engine_list_networks(t->e, (struct engine_cb){0});
	RUN_UNTIL(&t->loop, engine_api(t->e) == 51);
	standin_stop(&t->server);
	engine_start_container(t->e, "web", cb(t));
	wait_done(t);
	assert_int_equal(t->result.outcome, ENGINE_NOT_SENT);
	assert_non_null(strstr(t->result.err.msg, "Connection refused"));
	standin_listen(&t->server, &t->loop, NULL, serve, t);
}

static void a_unix_socket_works_like_tcp(void **state) {
	struct bed *t = *state;
	struct standin u;
	struct engine *e;
	CLEANUP_FREE char *path = xasprintf("/tmp/heir-test-engine-%d", (int)getpid());
	CLEANUP_FREE char *url = xasprintf("unix://%s", path);
	standin_listen(&u, &t->loop, path, serve, t);
	assert_int_equal(engine_new(t->client, "local", url, NULL, &e, NULL), 0);
	t->body = "[]";
	engine_list_networks(e, cb(t));
	wait_done(t);
	assert_int_equal(t->result.outcome, ENGINE_OK);
	engine_free(e);
	standin_stop(&u);
}

static void cancelled_calls_are_never_heard_of(void **state) {
	struct bed *t = *state;
	engine_call_free(engine_start_container(t->e, "a", cb(t)));
	struct engine_call *c = engine_start_container(t->e, "b", cb(t));
	RUN_UNTIL(&t->loop, t->paths); /* in the middle */
	engine_call_free(c);
	engine_start_container(t->e, "c", cb(t));
	engine_free(TAKE_PTR(t->e)); /* cancels the last one */
	for (int i = 0; i < 20; i++)
		standin_turn(&t->loop);
	assert_int_equal(t->done, 0);
}

static void an_engine_may_be_freed_in_a_callback(void **state) {
	struct bed *t = *state;
	t->free_engine = true;
	engine_start_container(t->e, "a", cb(t));
	engine_start_container(t->e, "b", cb(t));
	wait_done(t);
	for (int i = 0; i < 20; i++)
		standin_turn(&t->loop);
	assert_int_equal(t->done, 0);
}

static void create_answers_with_the_id(void **state) {
	struct bed *t = *state;
	CLEANUP_JSON json_t *body = json_pack("{s:s}", "Image", "bb");
	t->status = 201;
	t->body = "{\"Id\":\"abc\",\"Warnings\":[\"w\"]}";
	engine_create_container(t->e, "heir-1 g2", body, cb(t));
	wait_done(t);
	assert_string_equal(t->last, "POST /v1.51/containers/create?name=heir-1%20g2");
	assert_string_equal(t->last_body, "{\"Image\":\"bb\"}");
	assert_string_equal(t->id, "abc");
	t->body = "{\"Warnings\":[]}";
	engine_create_container(t->e, "x", body, cb(t));
	wait_done(t);
	assert_int_equal(t->result.outcome, ENGINE_BAD);
	assert_non_null(strstr(t->result.err.msg, "Id: missing"));
}

static void join_tokens_stay_out_of_the_json(void **state) {
	struct bed *t = *state;
	t->body = "{\"ID\":\"c\",\"Version\":{\"Index\":9},\"JoinTokens\":{\"Worker\":\"SWMTKN-w\",\"Manager\":\"SWMTKN-m\"}}";
	engine_inspect_swarm(t->e, cb(t));
	wait_done(t);
	assert_int_equal(t->result.outcome, ENGINE_OK);
	assert_null(t->json);
}

static void lists_are_counted_and_filters_escaped(void **state) {
	struct bed *t = *state;
	t->body = "[{\"ID\":\"t1\",\"Spec\":{\"NetworkAttachmentSpec\":{\"ContainerID\":\"c1\"}}},{\"ID\":\"t2\"}]";
	engine_list_attachments(t->e, cb(t));
	wait_done(t);
	assert_int_equal(t->n, 2);
	assert_string_equal(t->last, "GET /v1.51/tasks?filters=%7B%22runtime%22%3A%5B%22attachment%22%5D%7D");
}

static void a_failed_pull_is_found_at_the_end_of_its_progress(void **state) {
	struct bed *t = *state;
	const struct {
		const char *what, *body;
		enum engine_outcome outcome;
		const char *text;
	} cases[] = {
		{"good", "{\"status\":\"Pulling\"}\r\n{\"status\":\"Done\"}\r\n", ENGINE_OK, ""},
		{"bad at the end",
		 "{\"status\":\"Pulling\"}\r\n{\"errorDetail\":{\"message\":\"manifest unknown\"},\"error\":\"manifest unknown\"}",
		 ENGINE_REFUSED, "h2: POST /images/create: manifest unknown"},
		{"old form", "{\"error\":\"no space\"}\n{\"status\":\"x\"}\n", ENGINE_REFUSED, "no space"},
		{"cut", "{\"status\":\"Pulling\"}\r\n{\"stat", ENGINE_BAD, "bad JSON"},
		{"HTML", "<html>", ENGINE_BAD, "bad JSON"},
	};
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		t->body = cases[i].body;
		engine_pull_image(t->e, "a:1", "e30=", cb(t));
		wait_done(t);
		if (t->result.outcome != cases[i].outcome || !strstr(t->result.err.msg, cases[i].text))
			fail_msg("%s: %s: %s", cases[i].what, engine_outcome_name(t->result.outcome), t->result.err.msg);
	}
}

/* Images from engine to engine. */

static void an_image_is_streamed_from_one_engine_into_another(void **state) {
	struct bed *t = *state;
	t->stream_chunks = 100;
	t->body = "{\"stream\":\"Loaded image: a:1\"}";
	CLEANUP_FREE char *url = url_of(&t->server);
	struct engine *target;
	assert_int_equal(engine_new(t->client, "h3", url, NULL, &target, NULL), 0);
	engine_copy_image(t->e, target, "reg/a:1", cb(t));
	wait_done(t);
	assert_string_equal(t->result.err.msg, "");
	assert_int_equal(t->result.outcome, ENGINE_OK);
	assert_string_equal(t->last, "POST /v1.51/images/load?quiet=1");
	assert_int_equal(t->last_body_len, 100 * 65536);
	assert_non_null(strstr(t->paths, "GET /v1.51/images/get?names=reg%2Fa%3A1\n"));
	t->body = "{\"errorDetail\":{\"message\":\"no space left\"},\"error\":\"no space left\"}";
	engine_copy_image(t->e, target, "a:1", cb(t));
	wait_done(t);
	assert_int_equal(t->result.outcome, ENGINE_REFUSED);
	assert_non_null(strstr(t->result.err.msg, "h3: POST /images/load: no space left"));
	engine_free(target);
}

static void a_source_that_fails_ends_the_copy_and_names_itself(void **state) {
	struct bed *t = *state;
	struct engine *target;
	CLEANUP_FREE char *url = url_of(&t->server);
	assert_int_equal(engine_new(t->client, "h3", url, NULL, &target, NULL), 0);
	t->status = 404;
	t->body = "{\"message\":\"No such image\"}";
	engine_copy_image(t->e, target, "a:1", cb(t));
	wait_done(t);
	assert_int_equal(t->result.outcome, ENGINE_REFUSED);
	assert_non_null(strstr(t->result.err.msg, "h2: GET /images/get: 404: No such image"));
	assert_null(strstr(t->paths, "/images/load"));
	t->status = 200;
	t->stream_chunks = 3;
	t->cut_stream = true;
	engine_copy_image(t->e, target, "a:1", cb(t));
	wait_done(t);
	assert_int_equal(t->result.outcome, ENGINE_UNKNOWN);
	assert_non_null(strstr(t->result.err.msg, "h2: GET /images/get"));
	/* cancelled in the middle */
	t->cut_stream = false;
	t->stream_chunks = 200;
	struct engine_copy *copy = engine_copy_image(t->e, target, "a:1", cb(t));
	size_t got = t->server.got;
	RUN_UNTIL(&t->loop, t->server.got > got + 1000000);
	engine_copy_free(copy);
	engine_free(target);
	for (int i = 0; i < 20; i++)
		standin_turn(&t->loop);
	assert_int_equal(t->done, 0);
}

/* The control socket. Its success needs a real manager: tests/netns. */

static void control_failures_say_that_nothing_was_sent(void **state) {
	struct bed *t = *state;
	struct standin plain;
	CLEANUP_FREE char *path = xasprintf("/tmp/heir-test-control-%d", (int)getpid());
	control_remove_task(t->client, "unix:///nonexistent/control.sock", "t1", cb(t));
	wait_done(t);
	assert_int_equal(t->result.outcome, ENGINE_NOT_SENT);
	assert_non_null(strstr(t->result.err.msg, "/nonexistent/control.sock: No such file or directory"));
	standin_listen(&plain, &t->loop, path, serve, t);
	plain.blurt = "HTTP/1.1 400 Bad Request\r\n\r\n";
	control_remove_task(t->client, path, "t1", cb(t));
	wait_done(t);
	assert_int_equal(t->result.outcome, ENGINE_NOT_SENT);
	control_remove_task(t->client, path, "", cb(t));
	wait_done(t);
	assert_int_equal(t->result.outcome, ENGINE_NOT_SENT);
	control_call_free(control_remove_task(t->client, path, "t1", cb(t)));
	standin_stop(&plain);
	assert_int_equal(t->done, 0);
}

int main(void) {
#define T(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		T(urls_are_read_strictly),
		T(the_version_is_negotiated_before_the_first_call),
		T(a_known_version_is_not_asked_for_again),
		T(an_engine_that_was_replaced_by_an_older_one_is_negotiated_with_again),
		T(each_operation_asks_as_the_engine_expects),
		T(an_impossible_name_is_not_sent),
		T(answers_mean_what_they_say),
		T(a_long_message_is_cut_between_characters),
		T(a_bad_engine_gives_an_error_that_names_it),
		T(an_error_never_quotes_the_json_it_could_not_read),
		T(an_engine_that_says_nothing_runs_into_the_deadline),
		T(pings_keep_their_connection_and_come_one_at_a_time),
		T(a_refused_connection_is_not_sent),
		T(a_unix_socket_works_like_tcp),
		T(cancelled_calls_are_never_heard_of),
		T(an_engine_may_be_freed_in_a_callback),
		T(create_answers_with_the_id),
		T(join_tokens_stay_out_of_the_json),
		T(lists_are_counted_and_filters_escaped),
		T(a_failed_pull_is_found_at_the_end_of_its_progress),
		T(an_image_is_streamed_from_one_engine_into_another),
		T(a_source_that_fails_ends_the_copy_and_names_itself),
		T(control_failures_say_that_nothing_was_sent),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
