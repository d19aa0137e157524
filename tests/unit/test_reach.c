/* Asking hosts, on loopback: a port that accepts, one that refuses, an address where nobody is. */
#include "health/reach.h"

#include <arpa/inet.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

struct fixture {
	uv_loop_t loop;
	struct reach *reach;
	struct reach_answer answer;
	unsigned answers;
	int listener;
	struct reach_address open, refused;
};

static void on_answer(void *user, const struct reach_answer *answer) {
	struct fixture *f = user;
	f->answer = *answer;
	f->answers++;
}

static int bound_socket(struct reach_address *ret) {
	assert_true(reach_address_parse("127.0.0.1:0", ret));
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_int_equal(bind(fd, (struct sockaddr *)&ret->addr, ret->len), 0);
	assert_int_equal(getsockname(fd, (struct sockaddr *)&ret->addr, &ret->len), 0);
	return fd;
}

static int setup(void **state) {
	static struct fixture f;
	memset(&f, 0, sizeof(f));
	uv_loop_init(&f.loop);
	f.reach = reach_new(&f.loop);
	f.listener = bound_socket(&f.open);
	assert_int_equal(listen(f.listener, 8), 0);
	int other = bound_socket(&f.refused);
	close(other);
	*state = &f;
	return 0;
}

static int teardown(void **state) {
	struct fixture *f = *state;
	reach_free(f->reach);
	uv_run(&f->loop, UV_RUN_DEFAULT);
	close(f->listener);
	return uv_loop_close(&f->loop);
}

static void ask(struct fixture *f, const struct reach_address *to, unsigned how, struct span timeout) {
	f->answers = 0;
	(void)reach_ask(f->reach, to, how, timeout, on_answer, f);
	assert_int_equal(f->answers, 0); /* never inside the call */
	while (!f->answers)
		uv_run(&f->loop, UV_RUN_ONCE);
	assert_int_equal(f->answers, 1);
}

static void an_open_port_is_an_answer(void **state) {
	struct fixture *f = *state;
	ask(f, &f->open, REACH_TCP, span_sec(10));
	assert_int_equal(f->answer.tcp, REACH_ACCEPTED);
	assert_int_equal(f->answer.ping, REACH_SKIPPED);
	assert_true(reach_answers(&f->answer));
}

static void a_refusal_is_an_answer(void **state) {
	struct fixture *f = *state;
	ask(f, &f->refused, REACH_TCP, span_sec(10));
	assert_int_equal(f->answer.tcp, REACH_REFUSED);
	assert_true(reach_answers(&f->answer));
}

static void loopback_answers_an_echo(void **state) {
	struct fixture *f = *state;
	ask(f, &f->refused, REACH_PING, span_sec(10));
	if (f->answer.ping == REACH_SKIPPED) {
		print_message("SKIPPED: this user may not send an ICMP echo\n");
		skip();
	}
	assert_int_equal(f->answer.ping, REACH_ACCEPTED);
}

static void an_address_without_a_host_is_silent(void **state) {
	struct fixture *f = *state;
	struct reach_address nobody;
	/* The discard-only prefix of RFC 6666: nothing leaves for it. */
	assert_true(reach_address_parse("[100::1]:9", &nobody));
	ask(f, &nobody, REACH_TCP | REACH_PING, span_ms(200));
	assert_false(reach_answers(&f->answer));
}

static void a_full_backlog_is_silent_until_the_timeout(void **state) {
	struct fixture *f = *state;
	int fds[3];
	assert_int_equal(listen(f->listener, 0), 0);
	for (int i = 0; i < 3; i++) {
		fds[i] = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
		(void)connect(fds[i], (struct sockaddr *)&f->open.addr, f->open.len);
	}
	ask(f, &f->open, REACH_TCP, span_ms(200));
	assert_int_equal(f->answer.tcp, REACH_SILENT);
	assert_true(reach_is_silent(&f->answer));
	for (int i = 0; i < 3; i++)
		close(fds[i]);
}

static void a_cancelled_question_is_not_answered(void **state) {
	struct fixture *f = *state;
	struct reach_ask *a = reach_ask(f->reach, &f->open, REACH_TCP | REACH_PING, span_sec(10), on_answer, f);
	reach_cancel(a);
	ask(f, &f->refused, REACH_TCP, span_sec(10));
	assert_int_equal(f->answers, 1);
}

static void many_questions_at_once_are_all_answered(void **state) {
	struct fixture *f = *state;
	for (int i = 0; i < 200; i++)
		(void)reach_ask(f->reach, i % 2 ? &f->open : &f->refused, REACH_TCP | REACH_PING, span_sec(10), on_answer, f);
	while (f->answers < 200)
		uv_run(&f->loop, UV_RUN_ONCE);
	assert_int_equal(f->answers, 200);
}

static void addresses_are_numeric_with_a_port(void **state) {
	(void)state;
	static const char *const good[] = {"10.0.0.1:80", "[fe80::1]:80", "127.0.0.1:65535"};
	static const char *const bad[] = {"",           "10.0.0.1",   "10.0.0.1:",      "host:80",
					  "fe80::1:80", "10.0.0.1:x", "10.0.0.1:70000", "[::1]"};
	struct reach_address a;
	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++)
		if (!reach_address_parse(good[i], &a))
			fail_msg("%s was refused", good[i]);
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		if (reach_address_parse(bad[i], &a))
			fail_msg("%s was accepted", bad[i]);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void) {
	const struct CMUnitTest tests[] = {
		TEST(an_open_port_is_an_answer),
		TEST(a_refusal_is_an_answer),
		TEST(loopback_answers_an_echo),
		TEST(an_address_without_a_host_is_silent),
		TEST(a_full_backlog_is_silent_until_the_timeout),
		TEST(a_cancelled_question_is_not_answered),
		TEST(many_questions_at_once_are_all_answered),
		cmocka_unit_test(addresses_are_numeric_with_a_port),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
