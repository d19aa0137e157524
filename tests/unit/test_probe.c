/* Heartbeats against a stand-in engine on loopback, with short intervals; only conditions are waited for, no time is asserted. */
#include "health/probe.h"

#include "base/alloc.h"
#include "engine/engine.h"
#include "http/client.h"
#include "http/server.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define MANY 100

struct fixture {
	uv_loop_t loop;
	struct http_client *client;
	struct prober *prober;
	struct http_server *server;
	struct engine *engine;
	unsigned port, pings;
	bool hang, broken, remove_on_change;
	struct http_call *held[64];
	size_t n_held;
	char verdicts[256]; /* "alive;suspect;" */
	char reason[256];
};

static void on_ping(struct http_call *c, void *user) {
	struct fixture *f = user;
	f->pings++;
	if (f->hang && f->n_held < 64)
		f->held[f->n_held++] = c;
	else if (f->broken)
		http_call_fail(c, 500, "no");
	else
		http_call_answer(c, 200, "OK");
}

static const struct http_route routes[] = {{HTTP_METHOD_GET, "/_ping", on_ping}};

static void on_change(void *user, struct probe *p, const struct probe_change *change) {
	struct fixture *f = user;
	size_t n = strlen(f->verdicts);
	assert_ptr_equal(probe_user(p), f);
	snprintf(f->verdicts + n, sizeof(f->verdicts) - n, "%s;", health_verdict_name(change->to));
	snprintf(f->reason, sizeof(f->reason), "%s", change->reason);
	if (f->remove_on_change)
		probe_remove(p);
}

static int setup(void **state) {
	struct fixture *f = xnew(struct fixture);
	struct detector_settings settings = {.interval = span_ms(40), .timeout = span_ms(40), .failures = 3, .recover = 2};
	struct http_server_settings http = {
		.listen = "tcp://127.0.0.1:0", .routes = routes, .n_routes = 1, .user = f, .max_connections = 256};
	struct err err;
	uv_loop_init(&f->loop);
	if (http_client_new(&f->loop, &f->client, &err) < 0 || http_server_new(&f->loop, &http, &f->server, &err) < 0)
		fail_msg("%s", err.msg);
	f->port = http_server_port(f->server);
	f->prober = prober_new(&f->loop, &settings, on_change, f);
	*state = f;
	return 0;
}

static void release_held(struct fixture *f) {
	for (size_t i = 0; i < f->n_held; i++)
		http_call_answer(f->held[i], 200, "OK");
	f->n_held = 0;
}

static int teardown(void **state) {
	struct fixture *f = *state;
	prober_free(f->prober);
	release_held(f);
	http_server_free(f->server);
	engine_free(f->engine);
	http_client_free(f->client);
	uv_run(&f->loop, UV_RUN_DEFAULT);
	int r = uv_loop_close(&f->loop);
	free(f);
	return r;
}

static struct engine *engine_at(struct fixture *f, const char *host, unsigned port) {
	struct engine *e = NULL;
	struct err err;
	CLEANUP_FREE char *url = xasprintf("tcp://%s:%u", host, port);
	if (engine_new(f->client, "h1", url, NULL, &e, &err) < 0)
		fail_msg("%s", err.msg);
	return e;
}

static void probe_local(struct fixture *f) {
	f->engine = engine_at(f, "127.0.0.1", f->port);
	(void)prober_add(f->prober, f->engine, "127.0.0.1", f->port, f);
}

/* A busy machine may miss heartbeats in between: what counts is that the verdict comes. */
static void wait_for(struct fixture *f, const char *verdict) {
	f->verdicts[0] = '\0';
	for (int i = 0; i < 20000 && !strstr(f->verdicts, verdict); i++) {
		uv_run(&f->loop, UV_RUN_ONCE);
		if (strlen(f->verdicts) > 200)
			f->verdicts[0] = '\0';
	}
	if (!strstr(f->verdicts, verdict))
		fail_msg("%s never came", verdict);
}

static void an_answering_engine_is_alive_and_a_hung_one_is_engine_only(void **state) {
	struct fixture *f = *state;
	probe_local(f);
	wait_for(f, "alive");
	f->hang = true;
	wait_for(f, "engine-only");
	assert_non_null(strstr(f->reason, "heartbeats missed in a row, port"));
	assert_non_null(strstr(f->reason, "accepts connections"));
	f->hang = false;
	release_held(f);
	wait_for(f, "alive");
	assert_non_null(strstr(f->reason, "answered in a row"));
}

static void an_engine_that_answers_nonsense_is_engine_only(void **state) {
	struct fixture *f = *state;
	f->broken = true;
	probe_local(f);
	wait_for(f, "engine-only");
	assert_non_null(strstr(f->reason, "without a proper answer"));
}

static void a_killed_engine_is_engine_only_as_its_port_refuses(void **state) {
	struct fixture *f = *state;
	probe_local(f);
	wait_for(f, "alive");
	http_server_free(f->server);
	f->server = NULL;
	wait_for(f, "engine-only");
	assert_non_null(strstr(f->reason, "refuses connections"));
}

static void a_host_that_nothing_reaches_is_dead(void **state) {
	struct fixture *f = *state;
	f->engine = engine_at(f, "[100::1]", 2375); /* the discard-only prefix: nothing leaves for it */
	(void)prober_add(f->prober, f->engine, "100::1", 2375, f);
	wait_for(f, "dead");
	assert_non_null(strstr(f->reason, "heartbeats missed in a row, port 2375 does not answer"));
}

static void an_engine_of_this_host_is_never_dead(void **state) {
	struct fixture *f = *state;
	struct err err;
	if (engine_new(f->client, "h1", "unix:///nonexistent/docker.sock", NULL, &f->engine, &err) < 0)
		fail_msg("%s", err.msg);
	(void)prober_add(f->prober, f->engine, NULL, 0, f);
	wait_for(f, "engine-only");
	assert_non_null(strstr(f->reason, "its host is this one"));
}

static void a_probe_may_be_removed_by_its_own_callback(void **state) {
	struct fixture *f = *state;
	f->remove_on_change = true;
	probe_local(f);
	wait_for(f, "alive");
	for (int i = 0; i < 10; i++)
		uv_run(&f->loop, UV_RUN_NOWAIT);
	assert_string_equal(f->verdicts, "alive;");
}

static void many_engines_are_all_asked(void **state) {
	struct fixture *f = *state;
	struct engine *engines[MANY];
	for (int i = 0; i < MANY; i++) {
		engines[i] = engine_at(f, "127.0.0.1", f->port);
		(void)prober_add(f->prober, engines[i], "127.0.0.1", f->port, f);
	}
	while (prober_stats(f->prober)->answered < 3 * MANY)
		uv_run(&f->loop, UV_RUN_ONCE);
	assert_true(prober_stats(f->prober)->sent >= prober_stats(f->prober)->answered);
	prober_free(f->prober);
	f->prober = NULL;
	for (int i = 0; i < MANY; i++)
		engine_free(engines[i]);
}

static void a_witness_answers_or_is_silent(void **state) {
	struct fixture *f = *state;
	struct strs addresses = {0};
	struct err err;
	CLEANUP_FREE char *here = xasprintf("127.0.0.1:%u", f->port);
	assert_int_equal(prober_witness(f->prober), BRAKE_WITNESS_NONE);
	strs_add(&addresses, "not numeric:1");
	assert_int_not_equal(prober_set_witnesses(f->prober, &addresses, &err), 0);
	strs_clear(&addresses);
	strs_add(&addresses, "[100::1]:9");
	assert_int_equal(prober_set_witnesses(f->prober, &addresses, &err), 0);
	assert_int_equal(prober_witness(f->prober), BRAKE_WITNESS_SILENT);
	strs_add(&addresses, here);
	assert_int_equal(prober_set_witnesses(f->prober, &addresses, &err), 0);
	while (prober_witness(f->prober) != BRAKE_WITNESS_ANSWERS)
		uv_run(&f->loop, UV_RUN_ONCE);
	strs_clear(&addresses);
}

static void a_timeout_noticed_late_is_no_miss(void **state) {
	struct fixture *f = *state;
	probe_local(f);
	wait_for(f, "alive");
	f->hang = true;
	while (f->n_held == 0)
		uv_run(&f->loop, UV_RUN_ONCE);
	const struct prober_stats before = *prober_stats(f->prober);
	uv_sleep(200); /* the loop is held up while an answer is due */
	f->hang = false;
	release_held(f);
	while (prober_stats(f->prober)->dropped == before.dropped && prober_stats(f->prober)->missed == before.missed)
		uv_run(&f->loop, UV_RUN_ONCE);
	assert_int_equal(prober_stats(f->prober)->missed, before.missed);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void) {
	const struct CMUnitTest tests[] = {
		TEST(an_answering_engine_is_alive_and_a_hung_one_is_engine_only),
		TEST(an_engine_that_answers_nonsense_is_engine_only),
		TEST(a_killed_engine_is_engine_only_as_its_port_refuses),
		TEST(a_host_that_nothing_reaches_is_dead),
		TEST(an_engine_of_this_host_is_never_dead),
		TEST(a_probe_may_be_removed_by_its_own_callback),
		TEST(many_engines_are_all_asked),
		TEST(a_timeout_noticed_late_is_no_miss),
		TEST(a_witness_answers_or_is_silent),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
