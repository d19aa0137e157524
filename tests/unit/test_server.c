/* The API server over a real unix socket, with clients that behave and clients that do not. */
#include "http/server.h"

#include "base/alloc.h"
#include "base/buf.h"
#include "base/json.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

struct fixture {
	uv_loop_t loop;
	struct http_server *server;
	char dir[64], path[96], url[112];
	struct http_call *held;
	struct http_stream *stream;
	unsigned calls, closed;
};

static void on_echo(struct http_call *c, void *user) {
	struct fixture *f = user;
	json_t *j = json_object();
	f->calls++;
	json_set_str(j, "name", http_call_param(c, "name"));
	json_set_str(j, "q", http_call_query(c, "q"));
	json_object_set(j, "body", (json_t *)(uintptr_t)http_call_body(c));
	http_call_answer_json(c, 200, j);
	json_decref(j);
}

static void on_hold(struct http_call *c, void *user) { ((struct fixture *)user)->held = c; }
static void on_fail(struct http_call *c, void *user) {
	(void)user;
	http_call_fail(c, 500, "broken \"thing\" \xff");
}

static void on_closed(void *user) {
	struct fixture *f = user;
	f->closed++;
	f->stream = NULL;
}

static void on_follow(struct http_call *c, void *user) {
	struct fixture *f = user;
	f->stream = http_call_stream(c, on_closed, f);
}

static const struct http_route routes[] = {
	{HTTP_METHOD_GET, "/v1/echo/{name}", on_echo}, {HTTP_METHOD_POST, "/v1/echo/{name}", on_echo},
	{HTTP_METHOD_GET, "/v1/hold", on_hold},        {HTTP_METHOD_GET, "/v1/fail", on_fail},
	{HTTP_METHOD_GET, "/v1/follow", on_follow},
};

static int server_start(struct fixture *f, const char *url, struct http_server **ret, struct err *err) {
	struct http_server_settings s = {
		.listen = url, .routes = routes, .n_routes = sizeof(routes) / sizeof(routes[0]), .user = f};
	s.stream_buffer = 256 * 1024;
	return http_server_new(&f->loop, &s, ret, err);
}

static int setup(void **state) {
	struct fixture *f = xnew(struct fixture);
	struct err err;
	uv_loop_init(&f->loop);
	strcpy(f->dir, "/tmp/heir-test-XXXXXX");
	assert_non_null(mkdtemp(f->dir));
	snprintf(f->path, sizeof(f->path), "%s/api.sock", f->dir);
	snprintf(f->url, sizeof(f->url), "unix://%s", f->path);
	if (server_start(f, f->url, &f->server, &err) < 0)
		fail_msg("%s", err.msg);
	*state = f;
	return 0;
}

static int teardown(void **state) {
	struct fixture *f = *state;
	http_server_free(f->server);
	uv_run(&f->loop, UV_RUN_DEFAULT);
	assert_int_equal(uv_loop_close(&f->loop), 0);
	assert_int_equal(access(f->path, F_OK), -1);
	rmdir(f->dir);
	free(f);
	return 0;
}

/* Turns the loop until the condition holds; gives up after about ten seconds. */
#define TURN_UNTIL(f, condition) \
	do { \
		int turns_ = 0; \
		while (!(condition)) { \
			uv_run(&(f)->loop, UV_RUN_NOWAIT); \
			nanosleep(&(struct timespec){.tv_nsec = 500000}, NULL); \
			if (++turns_ > 20000) \
				fail_msg("never came: %s", #condition); \
		} \
	} while (0)

static int client_connect(const char *path) {
	struct sockaddr_un a = {.sun_family = AF_UNIX};
	strcpy(a.sun_path, path);
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_int_equal(connect(fd, (struct sockaddr *)&a, sizeof(a)), 0);
	return fd;
}

/* Reads what is there; true at the end of the stream. */
static bool client_read(int fd, struct buf *b) {
	char chunk[65536];
	ssize_t n = recv(fd, chunk, sizeof(chunk), MSG_DONTWAIT);
	if (n > 0)
		buf_append(b, chunk, (size_t)n);
	return n == 0 || (n < 0 && errno != EAGAIN);
}

static void client_send(int fd, const char *text) {
	assert_int_equal(send(fd, text, strlen(text), MSG_NOSIGNAL), (ssize_t)strlen(text));
}

/* One request on a connection of its own; the answer with its head. Free it. */
static char *exchange(struct fixture *f, const char *request) {
	struct buf b = {0};
	int fd = client_connect(f->path);
	client_send(fd, request);
	TURN_UNTIL(f, client_read(fd, &b));
	close(fd);
	return buf_take(&b);
}

#define CLOSE "Host: x\r\nConnection: close\r\n\r\n"

static void requests_are_answered_or_refused_in_json(void **state) {
	struct fixture *f = *state;
	static const struct {
		const char *what, *request, *status, *body;
	} cases[] = {
		{"params", "GET /v1/echo/a%2Fb?q=1%202 HTTP/1.1\r\n" CLOSE, "200", "{\"name\":\"a/b\",\"q\":\"1 2\"}"},
		{"body", "POST /v1/echo/x HTTP/1.1\r\nContent-Length: 7\r\n" CLOSE "{\"a\":1}", "200",
		 "{\"body\":{\"a\":1},\"name\":\"x\",\"q\":null}"},
		{"bad body", "POST /v1/echo/x HTTP/1.1\r\nContent-Length: 2\r\n" CLOSE "{]", "400", "{\"error\":\"request body"},
		{"bad escape", "GET /v1/echo/%zz HTTP/1.1\r\n" CLOSE, "400", "{\"error\":\"bad % escape"},
		{"unknown path", "GET /v1/nothing HTTP/1.1\r\n" CLOSE, "404", "{\"error\":"},
		{"wrong method", "DELETE /v1/echo/x HTTP/1.1\r\n" CLOSE, "405", "Allow: GET, POST"},
		{"unknown method", "BREW /v1/echo/x HTTP/1.1\r\n" CLOSE, "405", "{\"error\":"},
		{"announced too large", "POST /v1/echo/x HTTP/1.1\r\nContent-Length: 70000\r\n" CLOSE, "413", "{\"error\":"},
		{"failing handler", "GET /v1/fail HTTP/1.1\r\n" CLOSE, "500", "{\"error\":\"broken \\\"thing\\\" ?\"}"},
	};
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		char *answer = exchange(f, cases[i].request);
		bool fits = strncmp(answer, "HTTP/1.1 ", 9) == 0 && strncmp(answer + 9, cases[i].status, 3) == 0 &&
			    strstr(answer, cases[i].body) && strstr(answer, "application/json");
		if (!fits)
			fail_msg("%s: expected %s and %s, got:\n%s", cases[i].what, cases[i].status, cases[i].body, answer);
		free(answer);
	}
	assert_int_equal(f->calls, 2);
}

static void a_chunked_body_that_grows_too_large_is_refused(void **state) {
	struct fixture *f = *state;
	struct buf request = {0};
	buf_puts(&request, "POST /v1/echo/x HTTP/1.1\r\nTransfer-Encoding: chunked\r\n" CLOSE);
	for (int i = 0; i < 70; i++)
		buf_printf(&request, "400\r\n%01024d\r\n", 0);
	buf_puts(&request, "0\r\n\r\n");
	char *answer = exchange(f, request.data);
	assert_true(strncmp(answer, "HTTP/1.1 413", 12) == 0);
	assert_int_equal(f->calls, 0);
	free(answer);
	buf_clear(&request);
}

static void headers_without_end_are_cut_off(void **state) {
	struct fixture *f = *state;
	struct buf request = {0}, answer = {0};
	buf_puts(&request, "GET /v1/echo/x HTTP/1.1\r\n");
	for (int i = 0; i < 2000; i++)
		buf_printf(&request, "X-%d: %040d\r\n", i, i);
	int fd = client_connect(f->path);
	client_send(fd, request.data);
	TURN_UNTIL(f, client_read(fd, &answer));
	close(fd);
	assert_int_equal(f->calls, 0);
	buf_clear(&request);
	buf_clear(&answer);
}

static void an_answer_may_come_later(void **state) {
	struct fixture *f = *state;
	struct buf b = {0};
	int fd = client_connect(f->path);
	client_send(fd, "GET /v1/hold HTTP/1.1\r\n" CLOSE);
	TURN_UNTIL(f, f->held);
	/* Others are served meanwhile. */
	char *other = exchange(f, "GET /v1/echo/x HTTP/1.1\r\n" CLOSE);
	assert_non_null(strstr(other, "200 OK"));
	free(other);
	assert_false(client_read(fd, &b));
	assert_int_equal(b.len, 0);
	http_call_answer(f->held, 202, "{\"ok\":true}");
	TURN_UNTIL(f, client_read(fd, &b));
	assert_non_null(strstr(b.data, "HTTP/1.1 202"));
	assert_non_null(strstr(b.data, "{\"ok\":true}"));
	buf_clear(&b);
	close(fd);
}

static void an_answer_to_nobody_is_dropped(void **state) {
	struct fixture *f = *state;
	int fd = client_connect(f->path);
	client_send(fd, "GET /v1/hold HTTP/1.1\r\n" CLOSE);
	TURN_UNTIL(f, f->held);
	close(fd);
	http_call_answer(f->held, 200, "{}");
	char *other = exchange(f, "GET /v1/echo/x HTTP/1.1\r\n" CLOSE);
	assert_non_null(strstr(other, "200 OK"));
	free(other);
}

static void a_call_outlives_its_server(void **state) {
	struct fixture *f = *state;
	int fd = client_connect(f->path);
	client_send(fd, "GET /v1/hold HTTP/1.1\r\n" CLOSE);
	TURN_UNTIL(f, f->held);
	http_server_free(f->server);
	f->server = NULL;
	http_call_answer(f->held, 200, "{}");
	close(fd);
}

static void one_connection_serves_many_requests(void **state) {
	struct fixture *f = *state;
	int fd = client_connect(f->path);
	for (int i = 0; i < 3; i++) {
		struct buf b = {0};
		client_send(fd, "GET /v1/echo/x HTTP/1.1\r\nHost: x\r\n\r\n");
		TURN_UNTIL(f, client_read(fd, &b) || (b.data && strchr(b.data, '}')));
		assert_non_null(strstr(b.data, "200 OK"));
		buf_clear(&b);
	}
	close(fd);
}

static int follow(struct fixture *f) {
	int fd = client_connect(f->path);
	client_send(fd, "GET /v1/follow HTTP/1.1\r\nHost: x\r\n\r\n");
	TURN_UNTIL(f, f->stream);
	return fd;
}

static void a_stream_delivers_lines_as_they_are_written(void **state) {
	struct fixture *f = *state;
	struct buf b = {0};
	int fd = follow(f);
	assert_int_equal(http_stream_write(f->stream, "{\"n\":1}\n", 8), 0);
	TURN_UNTIL(f, client_read(fd, &b) || (b.data && strstr(b.data, "{\"n\":1}\n")));
	assert_non_null(strstr(b.data, "application/jsonl"));
	assert_int_equal(http_stream_write(f->stream, "{\"n\":2}\n", 8), 0);
	assert_int_equal(http_stream_write(f->stream, "{\"n\":3}\n", 8), 0);
	http_stream_end(f->stream);
	TURN_UNTIL(f, client_read(fd, &b) || strstr(b.data, "0\r\n\r\n"));
	assert_non_null(strstr(b.data, "{\"n\":2}\n{\"n\":3}\n"));
	assert_int_equal(f->closed, 0);
	close(fd);
	buf_clear(&b);
}

static void the_end_of_a_quiet_reader_is_noticed(void **state) {
	struct fixture *f = *state;
	int fd = follow(f);
	for (int i = 0; i < 20; i++) /* the stream falls asleep */
		uv_run(&f->loop, UV_RUN_NOWAIT);
	close(fd);
	TURN_UNTIL(f, f->closed);
	assert_int_equal(f->closed, 1);
}

static void a_slow_reader_is_dropped(void **state) {
	struct fixture *f = *state;
	char block[32768];
	int fd = follow(f), r = 0;
	memset(block, 'x', sizeof(block));
	for (int i = 0; i < 10000 && r == 0; i++) {
		r = http_stream_write(f->stream, block, sizeof(block));
		uv_run(&f->loop, UV_RUN_NOWAIT);
	}
	assert_int_equal(r, -ENOBUFS);
	TURN_UNTIL(f, f->closed);
	assert_int_equal(f->closed, 1);
	close(fd);
}

static void on_stop(uv_timer_t *h) { (void)h; }

static void a_quiet_stream_does_not_keep_the_loop_busy(void **state) {
	struct fixture *f = *state;
	int fd = follow(f);
	for (int i = 0; i < 20; i++)
		uv_run(&f->loop, UV_RUN_NOWAIT);
	uv_timer_t stop;
	int turns = 0;
	uv_timer_init(&f->loop, &stop);
	uv_timer_start(&stop, on_stop, 300, 0);
	for (; uv_is_active((uv_handle_t *)&stop); turns++)
		uv_run(&f->loop, UV_RUN_ONCE);
	assert_in_range(turns, 1, 50);
	uv_close((uv_handle_t *)&stop, NULL);
	close(fd);
	TURN_UNTIL(f, f->closed);
}

static void the_socket_has_its_mode_and_a_second_server_is_refused(void **state) {
	struct fixture *f = *state;
	struct http_server *second = NULL;
	struct err err;
	struct stat st;
	assert_int_equal(stat(f->path, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0660);
	assert_int_equal(server_start(f, f->url, &second, &err), -EADDRINUSE);
	assert_non_null(strstr(err.msg, "another process listens"));
	/* That attempt took nothing away. */
	char *answer = exchange(f, "GET /v1/echo/x HTTP/1.1\r\n" CLOSE);
	assert_non_null(strstr(answer, "200 OK"));
	free(answer);
}

static void a_stale_socket_is_replaced_and_a_file_is_not(void **state) {
	struct fixture *f = *state;
	struct http_server *s = NULL;
	struct err err;
	char path[96], url[112];
	snprintf(path, sizeof(path), "%s/stale.sock", f->dir);
	snprintf(url, sizeof(url), "unix://%s", path);
	struct sockaddr_un a = {.sun_family = AF_UNIX};
	strcpy(a.sun_path, path);
	int fd = socket(AF_UNIX, SOCK_STREAM, 0);
	assert_int_equal(bind(fd, (struct sockaddr *)&a, sizeof(a)), 0);
	close(fd);
	assert_int_equal(server_start(f, url, &s, &err), 0);
	http_server_free(s);
	assert_int_equal(access(path, F_OK), -1);
	fd = open(path, O_CREAT | O_WRONLY, 0600);
	close(fd);
	assert_int_equal(server_start(f, url, &s, &err), -EEXIST);
	assert_int_equal(unlink(path), 0);
}

static void bad_addresses_are_refused(void **state) {
	struct fixture *f = *state;
	static const char *const bad[] = {"",
					  "/run/x",
					  "unix://rel",
					  "unix://",
					  "tcp://",
					  "tcp://1.2.3.4",
					  "tcp://host.example:80",
					  "tcp://127.0.0.1:x",
					  "unix:///nonexistent/dir/x.sock",
					  "http://127.0.0.1:1"};
	struct http_server *s = NULL;
	struct err err;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		if (server_start(f, bad[i], &s, &err) >= 0)
			fail_msg("%s was accepted", bad[i]);
	char longer[256];
	snprintf(longer, sizeof(longer), "unix:///%0200d", 0);
	assert_int_equal(server_start(f, longer, &s, &err), -EINVAL);
}

static void tcp_works_too(void **state) {
	struct fixture *f = *state;
	struct http_server *s = NULL;
	struct err err;
	assert_int_equal(server_start(f, "tcp://127.0.0.1:0", &s, &err), 0);
	assert_int_not_equal(http_server_port(s), 0);
	http_server_free(s);
	assert_int_equal(http_server_port(f->server), 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void) {
	const struct CMUnitTest tests[] = {
		TEST(requests_are_answered_or_refused_in_json),
		TEST(a_chunked_body_that_grows_too_large_is_refused),
		TEST(headers_without_end_are_cut_off),
		TEST(an_answer_may_come_later),
		TEST(an_answer_to_nobody_is_dropped),
		TEST(a_call_outlives_its_server),
		TEST(one_connection_serves_many_requests),
		TEST(a_stream_delivers_lines_as_they_are_written),
		TEST(the_end_of_a_quiet_reader_is_noticed),
		TEST(a_slow_reader_is_dropped),
		TEST(a_quiet_stream_does_not_keep_the_loop_busy),
		TEST(the_socket_has_its_mode_and_a_second_server_is_refused),
		TEST(a_stale_socket_is_replaced_and_a_file_is_not),
		TEST(bad_addresses_are_refused),
		TEST(tcp_works_too),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
