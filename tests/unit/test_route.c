/* What strangers may write into a request line and a body. */
#include "http/route.h"

#include "base/buf.h"
#include "base/json.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static void handler(struct http_call *call, void *user) {
	(void)call;
	(void)user;
}

static const struct http_route routes[] = {
	{HTTP_METHOD_GET, "/", handler},
	{HTTP_METHOD_GET, "/v1/nodes", handler},
	{HTTP_METHOD_GET, "/v1/nodes/{name}", handler},
	{HTTP_METHOD_POST, "/v1/nodes/{name}", handler},
	{HTTP_METHOD_POST, "/v1/nodes/{name}/confirm-dead", handler},
	{HTTP_METHOD_GET, "/v1/x/{a}/{b}", handler},
};
#define N_ROUTES (sizeof(routes) / sizeof(routes[0]))

static void good_targets_are_split_and_decoded(void **state) {
	(void)state;
	struct http_target t;
	struct err err;
	assert_int_equal(
		http_target_parse("/v1/a%2Fb/c%20%C3%BC?ip=10.0.0.1&since=2026-01-01T00:00:00+02:00&follow&x=a%26b%3D", &t, &err),
		0);
	assert_int_equal(t.n_segments, 3);
	assert_string_equal(t.segments[1], "a/b");
	assert_string_equal(t.segments[2], "c \xc3\xbc");
	assert_string_equal(http_params_get(&t.query, "ip"), "10.0.0.1");
	assert_string_equal(http_params_get(&t.query, "since"), "2026-01-01T00:00:00+02:00");
	assert_string_equal(http_params_get(&t.query, "follow"), "");
	assert_string_equal(http_params_get(&t.query, "x"), "a&b=");
	assert_null(http_params_get(&t.query, "absent"));
	http_target_clear(&t);
}

static void bad_targets_are_refused_with_a_reason(void **state) {
	(void)state;
	static const struct {
		const char *what, *raw, *says;
	} bad[] = {
		{"empty", "", "start with /"},
		{"absolute form", "http://h/v1", "start with /"},
		{"cut escape", "/a%2", "bad % escape"},
		{"lone percent", "/a%", "bad % escape"},
		{"no hex", "/a%zz", "bad % escape"},
		{"NUL", "/a%00b", "UTF-8"},
		{"newline", "/?a=%0a", "UTF-8"},
		{"broken UTF-8", "/%ff", "UTF-8"},
		{"overlong UTF-8", "/%c0%af", "UTF-8"},
		{"empty part", "/v1//nodes", "empty part"},
		{"twice the same", "/?a=1&a=2", "a is given twice"},
		{"too deep", "/1/2/3/4/5/6/7/8/9/10/11/12/13", "too many parts"},
		{"too many", "/?a&b&c&d&e&f&g&h&i&j&k&l&m&n&o&p&q", "too many parameters"},
	};
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		struct http_target t;
		struct err err = {0};
		int r = http_target_parse(bad[i].raw, &t, &err);
		if (r != -EINVAL || !strstr(err.msg, bad[i].says))
			fail_msg("%s: got %d (%s), expected \"%s\"", bad[i].what, r, err.msg, bad[i].says);
	}
}

static void a_target_that_is_too_long_is_refused(void **state) {
	(void)state;
	struct http_target t;
	struct err err;
	struct buf b = {0};
	buf_puts(&b, "/");
	while (b.len < HTTP_TARGET_MAX)
		buf_puts(&b, "a");
	assert_int_equal(http_target_parse(b.data, &t, &err), 0);
	http_target_clear(&t);
	buf_puts(&b, "a");
	assert_int_equal(http_target_parse(b.data, &t, &err), -EINVAL);
	buf_clear(&b);
}

static void the_table_decides(void **state) {
	(void)state;
	static const struct {
		enum http_method method;
		const char *target;
		int route; /* -1: none */
		bool known_path;
		const char *a;
	} cases[] = {
		{HTTP_METHOD_GET, "/", 0, true, NULL},
		{HTTP_METHOD_GET, "/v1/nodes", 1, true, NULL},
		{HTTP_METHOD_GET, "/v1/nodes/", 1, true, NULL},
		{HTTP_METHOD_GET, "/v1/nodes/h1", 2, true, NULL},
		{HTTP_METHOD_POST, "/v1/nodes/h1", 3, true, NULL},
		{HTTP_METHOD_POST, "/v1/nodes/h1/confirm-dead", 4, true, NULL},
		{HTTP_METHOD_GET, "/v1/nodes/h1/confirm-dead", -1, true, NULL},
		{HTTP_METHOD_DELETE, "/v1/nodes", -1, true, NULL},
		{HTTP_METHOD_MAX, "/v1/nodes", -1, true, NULL},
		{HTTP_METHOD_GET, "/v1/node", -1, false, NULL},
		{HTTP_METHOD_GET, "/v1", -1, false, NULL},
		{HTTP_METHOD_GET, "/v1/nodes/h1/x/y", -1, false, NULL},
		{HTTP_METHOD_GET, "/v1/x/1%2f2/3", 5, true, "1/2"},
	};
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct http_target t;
		struct http_match m;
		struct err err;
		assert_int_equal(http_target_parse(cases[i].target, &t, &err), 0);
		http_route_match(routes, N_ROUTES, cases[i].method, &t, &m);
		bool known = false;
		for (size_t k = 0; k < HTTP_METHOD_MAX; k++)
			known = known || m.allowed[k];
		int got = m.route ? (int)(m.route - routes) : -1;
		if (got != cases[i].route || known != cases[i].known_path)
			fail_msg("%s: route %d known %d, expected %d %d", cases[i].target, got, known, cases[i].route,
				 cases[i].known_path);
		if (cases[i].a)
			assert_string_equal(http_params_get(&m.params, "a"), cases[i].a);
		http_params_clear(&m.params);
		http_target_clear(&t);
	}
}

static void a_body_is_an_object_or_nothing(void **state) {
	(void)state;
	json_t *j = NULL;
	struct err err;
	assert_int_equal(http_body_parse("", 0, &j, &err), 0);
	assert_null(j);
	assert_int_equal(http_body_parse("{\"a\":1}", 7, &j, &err), 0);
	assert_int_equal(json_int_or(j, "a", 0), 1);
	json_decref(j);
	const char *bad[] = {"[]", "1", "{", "{}x", "{\"a\":1,\"a\":2}", " "};
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_int_equal(http_body_parse(bad[i], strlen(bad[i]), &j, &err), -EINVAL);
}

int main(void) {
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(good_targets_are_split_and_decoded),   cmocka_unit_test(bad_targets_are_refused_with_a_reason),
		cmocka_unit_test(a_target_that_is_too_long_is_refused), cmocka_unit_test(the_table_decides),
		cmocka_unit_test(a_body_is_an_object_or_nothing),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
