/* The blocking client against a server that answers what the case says. */
#include "http/request.h"

#include "base/alloc.h"
#include "base/cleanup.h"

#include <errno.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cmocka.h>

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

static char dir[] = "/tmp/heir-request-XXXXXX";
static char *socket_path, *host;

struct server {
	int fd;
	const char *answer;
	const char *until; /* of what is asked */
	char asked[4096];
	pthread_t thread;
};

static void *serve(void *user) {
	struct server *s = user;
	size_t len = 0;
	int fd CLEANUP_FD = accept4(s->fd, NULL, NULL, SOCK_CLOEXEC);

	while (fd >= 0 && len + 1 < sizeof(s->asked) && !strstr(s->asked, s->until)) {
		ssize_t n = read(fd, s->asked + len, sizeof(s->asked) - 1 - len);
		if (n <= 0)
			break;
		len += (size_t)n;
	}
	if (fd >= 0)
		(void)send(fd, s->answer, strlen(s->answer), MSG_NOSIGNAL); /* the client may have left */
	return NULL;
}

static void server_start_reading(struct server *s, const char *until, const char *answer) {
	struct sockaddr_un address = {.sun_family = AF_UNIX};

	*s = (struct server){.answer = answer, .until = until};
	snprintf(address.sun_path, sizeof(address.sun_path), "%s", socket_path);
	(void)unlink(socket_path); /* of the case before */
	s->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_int_equal(bind(s->fd, (struct sockaddr *)&address, sizeof(address)), 0);
	assert_int_equal(listen(s->fd, 1), 0);
	assert_int_equal(pthread_create(&s->thread, NULL, serve, s), 0);
}

static void server_start(struct server *s, const char *answer) { server_start_reading(s, "\r\n\r\n", answer); }

static void server_end(struct server *s) {
	pthread_join(s->thread, NULL);
	close(s->fd);
}

struct lines {
	struct buf text;
	size_t most, n;
};

static bool collect(void *user, const char *line, size_t len) {
	struct lines *l = user;
	buf_printf(&l->text, "<%.*s>", (int)len, line);
	return ++l->n != l->most;
}

static const struct {
	const char *what, *answer;
	int result;
	long status;
	const char *body;
} answers[] = {
	{"a good answer", "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}", 0, 200, "{}"},
	{"an error of the manager", "HTTP/1.1 404 Not Found\r\nContent-Length: 13\r\n\r\n{\"error\":\"x\"}", 0, 404,
	 "{\"error\":\"x\"}"},
	{"an empty answer", "HTTP/1.1 204 No Content\r\n\r\n", 0, 204, ""},
	{"a redirect, which is not followed", "HTTP/1.1 302 Found\r\nLocation: http://example.org/\r\nContent-Length: 0\r\n\r\n", 0,
	 302, ""},
	{"no answer", "", -ENOTCONN, 0, ""},
	{"no HTTP", "SSH-2.0-x\r\n", -ENOTCONN, 0, ""},
	{"a cut answer", "HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n{", -EIO, 0, "{"},
	{"a large answer",
	 "HTTP/1.1 200 OK\r\nContent-Length: 65\r\n\r\n0123456789012345678901234567890123456789012345678901234567890123\n",
	 -EMSGSIZE, 0, ""},
};

static void each_answer_is_told_apart(void **state) {
	(void)state;
	for (size_t i = 0; i < COUNT(answers); i++) {
		struct buf body CLEANUP_BUF = {0};
		struct err err = {0};
		struct server server;
		long status = 0;

		server_start(&server, answers[i].answer);
		struct request r = {.host = host, .method = "GET", .path = "/v1/status", .timeout = span_sec(20), .body_max = 64};
		int result = request_perform(&r, &status, &body, &err);
		server_end(&server);
		if (result != answers[i].result || status != answers[i].status ||
		    strcmp(body.data ? body.data : "", answers[i].body) != 0)
			fail_msg("%s: expected %d, %ld, %s; got %d, %ld, %s (%s)", answers[i].what, answers[i].result,
				 answers[i].status, answers[i].body, result, status, body.data ? body.data : "", err.msg);
		assert_true(!strncmp(server.asked, "GET /v1/status HTTP/1.1\r\n", 25));
	}
}

static void a_post_has_no_body_unless_one_is_given(void **state) {
	(void)state;
	struct buf body CLEANUP_BUF = {0};
	struct server server;
	long status = 0;

	server_start(&server, answers[0].answer);
	struct request r = {.host = host, .method = "POST", .path = "/v1/go", .timeout = span_sec(20)};
	assert_int_equal(request_perform(&r, &status, &body, NULL), 0);
	server_end(&server);
	assert_true(!strncmp(server.asked, "POST /v1/go HTTP/1.1\r\n", 22));
	assert_non_null(strstr(server.asked, "Content-Length: 0\r\n"));
}

static void a_body_is_sent_as_json(void **state) {
	(void)state;
	struct buf body CLEANUP_BUF = {0};
	struct server server;
	long status = 0;

	server_start_reading(&server, "}", answers[0].answer);
	struct request r = {.host = host, .method = "POST", .path = "/v1/x", .body = "{\"a\":1}", .timeout = span_sec(20)};
	assert_int_equal(request_perform(&r, &status, &body, NULL), 0);
	server_end(&server);
	assert_non_null(strstr(server.asked, "Content-Length: 7\r\n"));
	assert_non_null(strstr(server.asked, "Content-Type: application/json\r\n"));
	assert_non_null(strstr(server.asked, "\r\n\r\n{\"a\":1}"));
}

static void lines_come_one_by_one_and_the_reader_can_stop(void **state) {
	(void)state;
	static const struct {
		const char *answer;
		size_t most;
		const char *lines, *body;
	} cases[] = {
		{"HTTP/1.1 200 OK\r\n\r\n{1}\n{2}\n\n{3}", 0, "<{1}><{2}><><{3}>", ""},
		{"HTTP/1.1 200 OK\r\n\r\n{1}\n{2}\n{3}\n", 2, "<{1}><{2}>", ""},
		{"HTTP/1.1 200 OK\r\n\r\n", 0, "", ""},
		{"HTTP/1.1 500 Oh\r\n\r\n{1}\n", 0, "", "{1}\n"},
	};
	for (size_t i = 0; i < COUNT(cases); i++) {
		struct lines lines = {.most = cases[i].most};
		struct buf body CLEANUP_BUF = {0};
		struct server server;
		long status = 0;

		server_start(&server, cases[i].answer);
		struct request r = {.host = host,
				    .method = "GET",
				    .path = "/v1/log",
				    .timeout = span_sec(20),
				    .on_line = collect,
				    .user = &lines};
		assert_int_equal(request_perform(&r, &status, &body, NULL), 0);
		server_end(&server);
		assert_string_equal(lines.text.data ? lines.text.data : "", cases[i].lines);
		assert_string_equal(body.data ? body.data : "", cases[i].body);
		buf_clear(&lines.text);
	}
}

static void an_unreachable_host_is_named_with_the_reason(void **state) {
	(void)state;
	struct request r = {.host = "unix:///nonexistent/heir.sock", .method = "GET", .path = "/", .timeout = span_sec(20)};
	struct buf body CLEANUP_BUF = {0};
	struct err err = {0};
	long status;
	assert_int_equal(request_perform(&r, &status, &body, &err), -ENOTCONN);
	assert_string_equal(err.msg, "cannot reach unix:///nonexistent/heir.sock: No such file or directory");
}

static void a_malformed_host_is_refused(void **state) {
	(void)state;
	static const char *const hosts[] = {
		"", "heir.sock", "unix://heir.sock", "tcp://", "tcp://a:1/x", "tcp://u@a:1", "https://a:1", "file:///etc"};
	for (size_t i = 0; i < COUNT(hosts); i++) {
		struct request r = {.host = hosts[i], .method = "GET", .path = "/"};
		struct buf body CLEANUP_BUF = {0};
		long status;
		assert_int_equal(request_perform(&r, &status, &body, NULL), -EINVAL);
	}
}

static void a_name_cannot_leave_its_path_segment(void **state) {
	(void)state;
	char *escaped CLEANUP_FREE = request_escape("../a b?c=d&\xc3\xa4%\n");
	assert_string_equal(escaped, "..%2Fa%20b%3Fc%3Dd%26%C3%A4%25%0A");
}

static int make_dir(void **state) {
	(void)state;
	if (!mkdtemp(dir))
		return -1;
	socket_path = xasprintf("%s/s", dir);
	host = xasprintf("unix://%s", socket_path);
	return 0;
}

static int remove_dir(void **state) {
	(void)state;
	(void)unlink(socket_path);
	free(socket_path);
	free(host);
	return rmdir(dir);
}

int main(void) {
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_answer_is_told_apart),
		cmocka_unit_test(a_post_has_no_body_unless_one_is_given),
		cmocka_unit_test(a_body_is_sent_as_json),
		cmocka_unit_test(lines_come_one_by_one_and_the_reader_can_stop),
		cmocka_unit_test(an_unreachable_host_is_named_with_the_reason),
		cmocka_unit_test(a_malformed_host_is_refused),
		cmocka_unit_test(a_name_cannot_leave_its_path_segment),
	};
	return cmocka_run_group_tests(tests, make_dir, remove_dir);
}
