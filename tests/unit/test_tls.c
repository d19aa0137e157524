/* The server's TLS: who has a certificate of the right CA, made for clients, is served; everybody else does not get through the
 * handshake. */
#include "base/alloc.h"
#include "certs.h"
#include "http/client.h"
#include "http/server.h"
#include "standin.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

struct bed {
	uv_loop_t loop;
	struct http_client *client;
	struct http_server *server;
	char *ca, *cert, *key; /* the client's */
	int done;
	struct http_result result;
	char body[64];
	unsigned calls;
};

static char dir[] = CERTS_DIR;

static int make_all(void **state) {
	(void)state;
	certs_make(dir);
	return 0;
}

static int remove_all(void **state) {
	(void)state;
	certs_remove(dir);
	return 0;
}

static char *file(const char *name) { return xasprintf("%s/%s", dir, name); }

static void on_hello(struct http_call *call, void *user) {
	((struct bed *)user)->calls++;
	http_call_answer(call, 200, "{\"hello\":true}");
}

static void on_size(struct http_call *call, void *user) {
	(void)user;
	http_call_answer(call, 200, "{\"taken\":true}");
}

static const struct http_route routes[] = {
	{HTTP_METHOD_GET, "/hello", on_hello},
	{HTTP_METHOD_POST, "/size", on_size},
};

static int start_server(struct bed *t, const char *ca_name, const char *cert_name, const char *key_name, struct err *err) {
	CLEANUP_FREE char *ca = file(ca_name), *cert = file(cert_name), *key = file(key_name);
	struct http_server_settings s = {
		.listen = "tcp://127.0.0.1:0",
		.routes = routes,
		.n_routes = 2,
		.user = t,
		.body_limit = 1 << 20,
		.idle_timeout = span_sec(1),
		.tls = {.ca = ca, .cert = cert, .key = key},
	};
	return http_server_new(&t->loop, &s, &t->server, err);
}

static int set_up(void **state) {
	struct bed *t = xnew(struct bed);
	struct err err;

	alarm(60);
	uv_loop_init(&t->loop);
	assert_int_equal(http_client_new(&t->loop, &t->client, &err), 0);
	if (start_server(t, "ca.pem", "server.pem", "server.key", &err) < 0)
		fail_msg("%s", err.msg);
	*state = t;
	return 0;
}

static int tear_down(void **state) {
	struct bed *t = *state;

	http_client_free(t->client);
	http_server_free(t->server);
	uv_run(&t->loop, UV_RUN_DEFAULT);
	assert_int_equal(uv_loop_close(&t->loop), 0);
	free(t);
	return 0;
}

static void on_done(void *ctx, const struct http_result *r) {
	struct bed *t = ctx;

	t->done++;
	t->result = *r;
	snprintf(t->body, sizeof(t->body), "%s", r->body);
}

/* name: of the client's certificate; NULL: none. */
static void ask(struct bed *t, const char *scheme, const char *path, const char *name, const char *body, size_t n) {
	CLEANUP_FREE char *url = xasprintf("%s://127.0.0.1:%u%s", scheme, http_server_port(t->server), path);
	CLEANUP_FREE char *ca = file("ca.pem"), *cert = name ? xasprintf("%s/%s.pem", dir, name) : NULL,
			  *key = name ? xasprintf("%s/%s.key", dir, name) : NULL;
	struct http_tls tls = {.ca = ca, .cert = cert, .key = key};
	struct http_options o = {.method = body ? "POST" : "GET",
				 .url = url,
				 .tls = &tls,
				 .body = body,
				 .body_len = n,
				 .on_done = on_done,
				 .ctx = t};
	CLEANUP(cleanup_http_request) struct http_request *req = http_request_new(t->client, &o);

	t->done = 0;
	http_request_start(req);
	RUN_UNTIL(&t->loop, t->done == 1);
}

static void a_client_of_the_right_ca_is_served(void **state) {
	struct bed *t = *state;

	ask(t, "https", "/hello", "client", NULL, 0);
	if (t->result.outcome != HTTP_ANSWERED)
		fail_msg("%s", t->result.err.msg);
	assert_int_equal(t->result.status, 200);
	assert_string_equal(t->body, "{\"hello\":true}");
}

static void everybody_else_does_not_get_through_the_handshake(void **state) {
	static const char *const names[] = {NULL, "stranger", "wrong"};
	struct bed *t = *state;

	for (size_t i = 0; i < 3; i++) {
		ask(t, "https", "/hello", names[i], NULL, 0);
		if (t->result.outcome == HTTP_ANSWERED)
			fail_msg("%s was answered %d", names[i] ? names[i] : "no certificate", t->result.status);
	}
	ask(t, "http", "/hello", NULL, NULL, 0);
	assert_int_not_equal(t->result.outcome, HTTP_ANSWERED);
	assert_int_equal(t->calls, 0);
	ask(t, "https", "/hello", "client", NULL, 0); /* and the server lives */
	assert_int_equal(t->result.outcome, HTTP_ANSWERED);
}

/* As a scanner does, or a cut cable. */
static void a_client_that_says_nothing_is_in_nobodys_way(void **state) {
	struct bed *t = *state;
	struct sockaddr_in a = {.sin_family = AF_INET,
				.sin_addr.s_addr = htonl(INADDR_LOOPBACK),
				.sin_port = htons((uint16_t)http_server_port(t->server))};
	CLEANUP_FD int fd = socket(AF_INET, SOCK_STREAM, 0);
	char byte;

	assert_int_equal(connect(fd, (struct sockaddr *)&a, sizeof(a)), 0);
	ask(t, "https", "/hello", "client", NULL, 0);
	assert_int_equal(t->result.outcome, HTTP_ANSWERED);
	RUN_UNTIL(&t->loop, recv(fd, &byte, 1, MSG_DONTWAIT) == 0); /* and is sent away */
}

static void a_body_may_be_as_large_as_the_settings_say(void **state) {
	struct bed *t = *state;
	size_t n = 1 << 20;
	char *body = xmalloc(n);

	memset(body, ' ', n);
	memcpy(body, "{}", 2);
	ask(t, "https", "/size", "client", body, n);
	free(body);
	if (t->result.outcome != HTTP_ANSWERED)
		fail_msg("%s", t->result.err.msg);
	assert_int_equal(t->result.status, 200);
}

static void files_that_do_not_fit_are_named(void **state) {
	static const char *const files[][4] = {
		{"rubbish.pem", "server.pem", "server.key", "rubbish.pem: expected a PEM file"},
		{"ca.pem", "server.pem", "client.key", "client.key: "},
		{"ca.pem", "none.pem", "server.key", "none.pem: No such file or directory"},
	};
	struct bed *t = *state;
	struct err err;

	for (size_t i = 0; i < 3; i++) {
		assert_true(start_server(t, files[i][0], files[i][1], files[i][2], &err) < 0);
		if (!strstr(err.msg, files[i][3]))
			fail_msg("expected \"%s\" in \"%s\"", files[i][3], err.msg);
	}
}

int main(void) {
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(a_client_of_the_right_ca_is_served, set_up, tear_down),
		cmocka_unit_test_setup_teardown(everybody_else_does_not_get_through_the_handshake, set_up, tear_down),
		cmocka_unit_test_setup_teardown(a_client_that_says_nothing_is_in_nobodys_way, set_up, tear_down),
		cmocka_unit_test_setup_teardown(a_body_may_be_as_large_as_the_settings_say, set_up, tear_down),
		cmocka_unit_test_setup_teardown(files_that_do_not_fit_are_named, set_up, tear_down),
	};
	return cmocka_run_group_tests(tests, make_all, remove_all);
}
