/* The HTTP client against a stand-in server. */
#include "http/client.h"
#include "standin.h"

#include <errno.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include <cmocka.h>

struct seen {
	struct standin server;
	uv_loop_t loop;
	struct http_client *client;
	/* what the server does */
	const char *raw; /* written as it is */
	bool then_close, endless;
	char *last_body, *last_headers;
	size_t last_body_len;
	/* what the client was told */
	int done;
	struct http_result result;
	char *body;
	struct buf streamed;
	struct buf headers;
	int response;
	struct http_request *req;
	bool free_in_data, pause_in_data, free_in_done, restart_in_done;
	size_t to_send, given;
	int later;
	char url[64];
};

static void serve(void *ctx, struct standin_conn *conn, const struct standin_request *r) {
	struct seen *s = ctx;
	free(s->last_body);
	free(s->last_headers);
	s->last_body = xstrndup(r->body, r->body_len);
	s->last_body_len = r->body_len;
	s->last_headers = xasprintf("%s %s\n%s", r->method, r->path, r->headers);
	if (!s->raw)
		return;
	standin_write_n(conn, s->raw, strlen(s->raw), s->then_close);
	if (!s->endless)
		return;
	char *block = xcalloc(1, 1 << 20);
	memset(block, 'x', 1 << 20);
	for (int i = 0; i < 4; i++)
		standin_write_n(conn, block, 1 << 20, false);
	free(block);
}

static int set_up(void **state) {
	struct seen *s = xnew(struct seen);
	struct err err;
	alarm(60);
	assert_int_equal(uv_loop_init(&s->loop), 0);
	assert_int_equal(http_client_new(&s->loop, &s->client, &err), 0);
	standin_listen(&s->server, &s->loop, NULL, serve, s);
	snprintf(s->url, sizeof(s->url), "http://127.0.0.1:%d/x", s->server.port);
	*state = s;
	return 0;
}

static int tear_down(void **state) {
	struct seen *s = *state;
	http_request_free(s->req);
	http_client_free(s->client);
	standin_stop(&s->server);
	uv_run(&s->loop, UV_RUN_DEFAULT);
	assert_int_equal(uv_loop_close(&s->loop), 0);
	free(s->last_body);
	free(s->last_headers);
	free(s->body);
	buf_clear(&s->streamed);
	buf_clear(&s->headers);
	free(s);
	return 0;
}

static void on_done(void *ctx, const struct http_result *r) {
	struct seen *s = ctx;
	s->done++;
	s->result = *r;
	free(s->body);
	s->body = xstrndup(r->body, r->body_len);
	if (s->free_in_done)
		http_request_free(TAKE_PTR(s->req));
	else if (s->restart_in_done && s->done < 50)
		http_request_start(s->req);
}

static void on_data(void *ctx, const char *data, size_t n) {
	struct seen *s = ctx;
	buf_append(&s->streamed, data, n);
	if (s->free_in_data)
		http_request_free(TAKE_PTR(s->req));
	else if (s->pause_in_data)
		http_request_pause(s->req);
}

static void on_header(void *ctx, const char *name, const char *value) {
	struct seen *s = ctx;
	buf_printf(&s->headers, "%s=%s\n", name, value);
}

static void on_response(void *ctx, int status) { ((struct seen *)ctx)->response = status; }

static void begin(struct seen *s, struct http_options o) {
	if (!o.url)
		o.url = s->url;
	o.on_done = on_done;
	o.ctx = s;
	http_request_free(s->req);
	s->done = 0;
	s->req = http_request_new(s->client, &o);
	http_request_start(s->req);
	assert_int_equal(s->done, 0);
}

static void finish(struct seen *s, struct http_options o) {
	begin(s, o);
	RUN_UNTIL(&s->loop, s->done);
}

#define OK_HELLO "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello"

static void an_answer_is_collected_with_its_status_and_headers(void **state) {
	struct seen *s = *state;
	s->raw = "HTTP/1.1 404 No\r\nX-One: 1\r\nContent-Length: 5\r\n\r\nnothi";
	finish(s, (struct http_options){.on_header = on_header, .on_response = on_response});
	assert_int_equal(s->result.outcome, HTTP_ANSWERED);
	assert_int_equal(s->result.status, 404);
	assert_int_equal(s->response, 404);
	assert_string_equal(s->body, "nothi");
	assert_non_null(strstr(s->headers.data, "X-One=1\n"));
}

static void a_body_is_sent_with_its_headers(void **state) {
	struct seen *s = *state;
	const char *headers[] = {"Content-Type: application/json", NULL};
	s->raw = OK_HELLO;
	finish(s, (struct http_options){.method = "POST", .body = "{\"a\":1}", .body_len = 7, .headers = headers});
	assert_string_equal(s->last_body, "{\"a\":1}");
	assert_non_null(strstr(s->last_headers, "POST /x"));
	assert_non_null(strstr(s->last_headers, "Content-Type: application/json"));
	assert_null(strcasestr(s->last_headers, "Expect"));
	finish(s, (struct http_options){.method = "DELETE"});
	assert_non_null(strstr(s->last_headers, "DELETE /x"));
	assert_string_equal(s->last_body, "");
}

static void a_restarted_request_keeps_its_connection_and_a_changing_one_takes_its_own(void **state) {
	struct seen *s = *state;
	s->raw = OK_HELLO;
	s->restart_in_done = true;
	begin(s, (struct http_options){0});
	RUN_UNTIL(&s->loop, s->done == 50);
	assert_int_equal(s->server.connections, 1);
	s->restart_in_done = false;
	finish(s, (struct http_options){.method = "POST", .changes = true});
	finish(s, (struct http_options){.method = "POST", .changes = true});
	assert_int_equal(s->server.connections, 3);
}

static void what_went_wrong_says_whether_it_may_have_had_an_effect(void **state) {
	struct seen *s = *state;
	char refused[64];
	struct standin gone;
	standin_listen(&gone, &s->loop, NULL, serve, s);
	snprintf(refused, sizeof(refused), "http://127.0.0.1:%d/", gone.port);
	standin_stop(&gone);
	const struct {
		const char *what, *raw;
		bool close;
		struct http_options o;
		enum http_outcome outcome;
		const char *text;
	} cases[] = {
		{"nobody listens", NULL, false, {.url = refused}, HTTP_NOT_SENT, "127.0.0.1:"},
		{"nobody listens, reason", NULL, false, {.url = refused}, HTTP_NOT_SENT, "Connection refused"},
		{"no socket", NULL, false, {.unix_socket = "/nonexistent/s"}, HTTP_NOT_SENT, "/nonexistent/s: No such file"},
		{"no URL", NULL, false, {.url = "http://"}, HTTP_NOT_SENT, ""},
		{"another protocol", NULL, false, {.url = "ftp://127.0.0.1/"}, HTTP_NOT_SENT, ""},
		{"TLS to a plain server", NULL, false, {.url = "https"}, HTTP_NOT_SENT, "127.0.0.1:"},
		{"no client key",
		 NULL,
		 false,
		 {.url = "https", .tls = &(struct http_tls){.cert = "/nope", .key = "/nope"}},
		 HTTP_NOT_SENT,
		 ""},
		{"says nothing", NULL, false, {.deadline = {100000000}}, HTTP_UNKNOWN, "no complete answer within 0.1 s"},
		{"closes", "", true, {.changes = true, .method = "POST"}, HTTP_UNKNOWN, "closed without an answer"},
		{"closes in the middle", "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nabc", true, {0}, HTTP_UNKNOWN, "middle"},
		{"cut header", "HTTP/1.1 200 O", true, {0}, HTTP_UNKNOWN, ""},
		{"no HTTP", "hello there\r\n\r\n", true, {0}, HTTP_BAD, ""},
		{"too large", OK_HELLO, false, {.body_limit = 4}, HTTP_BAD, "larger than 4 bytes"},
	};
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct http_options o = cases[i].o;
		char https[64];
		snprintf(https, sizeof(https), "https://127.0.0.1:%d/", s->server.port);
		if (o.url && strcmp(o.url, "https") == 0)
			o.url = https;
		s->server.blurt = o.url == https ? "HTTP/1.1 400 Bad\r\n\r\n" : NULL;
		s->raw = cases[i].raw;
		s->then_close = cases[i].close;
		finish(s, o);
		if (s->result.outcome != cases[i].outcome || !strstr(s->result.err.msg, cases[i].text))
			fail_msg("%s: outcome %d, expected %d; \"%s\", expected \"%s\"", cases[i].what, (int)s->result.outcome,
				 (int)cases[i].outcome, s->result.err.msg, cases[i].text);
	}
}

static void a_deaf_tls_server_is_not_sent_to(void **state) {
	struct seen *s = *state;
	char url[64];
	s->server.deaf = true;
	snprintf(url, sizeof(url), "https://127.0.0.1:%d/", s->server.port);
	finish(s, (struct http_options){.url = url, .connect_timeout = span_ms(100)});
	assert_int_equal(s->result.outcome, HTTP_NOT_SENT);
	assert_non_null(strstr(s->result.err.msg, "no connection within 0.1 s"));
}

static void an_endless_error_is_cut_and_still_an_answer(void **state) {
	struct seen *s = *state;
	s->raw = "HTTP/1.1 500 Oh\r\n\r\n";
	s->endless = true;
	finish(s, (struct http_options){0});
	assert_int_equal(s->result.outcome, HTTP_ANSWERED);
	assert_int_equal(s->result.status, 500);
	assert_int_equal(s->result.body_len, HTTP_ERROR_BODY_MAX);
}

static void endless_headers_are_refused(void **state) {
	struct seen *s = *state;
	struct buf b = {0};
	buf_puts(&b, "HTTP/1.1 200 OK\r\n");
	for (int i = 0; i < 3000; i++)
		buf_printf(&b, "X-%d: aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\r\n", i);
	s->raw = b.data;
	finish(s, (struct http_options){0});
	assert_int_equal(s->result.outcome, HTTP_BAD);
	buf_clear(&b);
}

static void a_unix_socket_is_spoken_to(void **state) {
	struct seen *s = *state;
	struct standin u;
	char path[64];
	snprintf(path, sizeof(path), "/tmp/heir-test-client-%d", (int)getpid());
	standin_listen(&u, &s->loop, path, serve, s);
	s->raw = OK_HELLO;
	finish(s, (struct http_options){.url = "http://localhost/y", .unix_socket = path});
	assert_int_equal(s->result.status, 200);
	assert_non_null(strstr(s->last_headers, "GET /y"));
	standin_stop(&u);
}

static void freeing_cancels_wherever_it_happens(void **state) {
	struct seen *s = *state;
	s->raw = OK_HELLO;
	begin(s, (struct http_options){0});
	http_request_free(TAKE_PTR(s->req));
	s->free_in_data = true;
	begin(s, (struct http_options){.on_data = on_data});
	RUN_UNTIL(&s->loop, !s->req);
	s->free_in_data = false;
	s->free_in_done = true;
	begin(s, (struct http_options){0});
	RUN_UNTIL(&s->loop, s->done);
	assert_null(s->req);
	s->free_in_done = false;
	finish(s, (struct http_options){0});
	assert_int_equal(s->done, 1);
}

static void a_paused_stream_holds_the_server_back_until_it_is_resumed(void **state) {
	struct seen *s = *state;
	s->raw = "HTTP/1.1 200 OK\r\nContent-Length: 4194304\r\n\r\n";
	s->endless = s->pause_in_data = true;
	begin(s, (struct http_options){.on_data = on_data});
	RUN_UNTIL(&s->loop, s->streamed.len > 0);
	size_t before = s->streamed.len;
	for (int i = 0; i < 20; i++)
		uv_run(&s->loop, UV_RUN_NOWAIT);
	assert_int_equal(s->streamed.len, before);
	s->pause_in_data = false;
	http_request_resume(s->req);
	RUN_UNTIL(&s->loop, s->done);
	assert_int_equal(s->streamed.len, 4194304);
	assert_int_equal(s->result.outcome, HTTP_ANSWERED);
}

static ssize_t source(void *ctx, char *data, size_t n) {
	struct seen *s = ctx;
	if (s->later-- > 0)
		return HTTP_SOURCE_LATER;
	s->later = 3;
	if (n > s->to_send - s->given)
		n = s->to_send - s->given;
	memset(data, 'u', n);
	s->given += n;
	return (ssize_t)n;
}

static void an_upload_comes_from_its_source_in_pieces(void **state) {
	struct seen *s = *state;
	s->raw = OK_HELLO;
	s->to_send = 300000;
	begin(s, (struct http_options){.method = "POST", .source = source});
	while (!s->done) {
		http_request_resume(s->req);
		standin_turn(&s->loop);
	}
	assert_int_equal(s->result.outcome, HTTP_ANSWERED);
	assert_int_equal(s->last_body_len, 300000);
}

static void trailers_reach_the_header_callback(void **state) {
	struct seen *s = *state;
	s->raw = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTrailer: x-end\r\n\r\n3\r\nabc\r\n0\r\nx-end: 7\r\n\r\n";
	finish(s, (struct http_options){.on_header = on_header});
	assert_string_equal(s->body, "abc");
	assert_non_null(strstr(s->headers.data, "x-end=7\n"));
}

static void nothing_runs_inside_start_even_when_it_must_fail(void **state) {
	struct seen *s = *state;
	begin(s, (struct http_options){.url = "no://such/protocol"});
	RUN_UNTIL(&s->loop, s->done);
	assert_int_equal(s->result.outcome, HTTP_NOT_SENT);
}

/* TLS with a client certificate, against openssl's own server. */

static int run(const char *command) {
	int status = system(command);
	return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static void make_certificates(const char *dir) {
	CLEANUP_FREE char *command = xasprintf("set -e; cd %s; exec 2>/dev/null; "
					       "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout "
					       "ca.key -out ca.pem -subj /CN=ca -days 2; "
					       "for n in server client; do openssl req -newkey ec -pkeyopt ec_paramgen_curve:P-256 "
					       "-nodes -keyout $n.key -out $n.csr -subj /CN=$n; "
					       "printf 'subjectAltName=IP:127.0.0.1\\n' >ext; openssl x509 -req -in $n.csr -CA "
					       "ca.pem -CAkey ca.key -CAcreateserial -days 2 -extfile ext "
					       "-out $n.pem; done",
					       dir);
	assert_int_equal(run(command), 0);
}

static pid_t start_tls_server(const char *dir, int port) {
	pid_t pid = fork();
	if (pid != 0)
		return pid;
	CLEANUP_FREE char *number = xasprintf("%d", port);
	if (chdir(dir) < 0 || !freopen("/dev/null", "w", stdout) || !freopen("/dev/null", "w", stderr))
		_exit(126);
	execlp("openssl", "openssl", "s_server", "-accept", number, "-cert", "server.pem", "-key", "server.key", "-CAfile",
	       "ca.pem", "-Verify", "1", "-verify_return_error", "-www", (char *)NULL);
	_exit(127);
}

static void client_certificates_are_shown_and_servers_verified(void **state) {
	struct seen *s = *state;
	char dir[] = "/tmp/heir-test-tls-XXXXXX";
	assert_non_null(mkdtemp(dir));
	make_certificates(dir);
	int port = s->server.port; /* free once the stand-in is gone */
	standin_stop(&s->server);
	pid_t pid = start_tls_server(dir, port);
	CLEANUP_FREE char *url = xasprintf("https://127.0.0.1:%d/", port);
	CLEANUP_FREE char *ca = xasprintf("%s/ca.pem", dir), *cert = xasprintf("%s/client.pem", dir),
			  *key = xasprintf("%s/client.key", dir);
	struct http_tls good = {.ca = ca, .cert = cert, .key = key}, no_ca = {.cert = cert, .key = key}, no_cert = {.ca = ca};
	do
		finish(s, (struct http_options){.url = url, .tls = &good});
	while (s->result.outcome == HTTP_NOT_SENT && strstr(s->result.err.msg, "refused"));
	assert_string_equal(s->result.err.msg, "");
	assert_int_equal(s->result.status, 200);
	finish(s, (struct http_options){.url = url, .tls = &no_ca});
	assert_int_equal(s->result.outcome, HTTP_NOT_SENT);
	assert_non_null(strstr(s->result.err.msg, "certificate"));
	finish(s, (struct http_options){.url = url, .tls = &no_cert, .changes = true, .method = "POST"});
	assert_int_not_equal(s->result.outcome, HTTP_ANSWERED);
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
	CLEANUP_FREE char *remove = xasprintf("rm -rf %s", dir);
	assert_int_equal(run(remove), 0);
	standin_listen(&s->server, &s->loop, NULL, serve, s);
}

int main(void) {
#define T(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		T(an_answer_is_collected_with_its_status_and_headers),
		T(a_body_is_sent_with_its_headers),
		T(a_restarted_request_keeps_its_connection_and_a_changing_one_takes_its_own),
		T(what_went_wrong_says_whether_it_may_have_had_an_effect),
		T(a_deaf_tls_server_is_not_sent_to),
		T(an_endless_error_is_cut_and_still_an_answer),
		T(endless_headers_are_refused),
		T(a_unix_socket_is_spoken_to),
		T(freeing_cancels_wherever_it_happens),
		T(a_paused_stream_holds_the_server_back_until_it_is_resumed),
		T(an_upload_comes_from_its_source_in_pieces),
		T(trailers_reach_the_header_callback),
		T(nothing_runs_inside_start_even_when_it_must_fail),
		T(client_certificates_are_shown_and_servers_verified),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
