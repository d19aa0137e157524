/* The room that every other room stands on. */
#include "base/alloc.h"
#include "base/buf.h"
#include "base/cleanup.h"
#include "base/err.h"
#include "base/id.h"
#include "base/json.h"
#include "base/log.h"
#include "base/strs.h"
#include "base/utf8.h"
#include "base/wall.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static void an_error_is_wrapped_from_inside_out(void **state) {
	(void)state;
	struct err err = {0};
	assert_int_equal(err_set(&err, -EBUSY, "port %d is taken", 80), -EBUSY);
	assert_int_equal(err_wrap(&err, "create %s", "web"), -EBUSY);
	assert_int_equal(err_wrap(&err, "h2"), -EBUSY);
	assert_string_equal(err.msg, "h2: create web: port 80 is taken");
}

static void an_error_is_never_cut_inside_a_character(void **state) {
	(void)state;
	static const char *const characters[] = {"\xc3\xbc", "\xe2\x82\xac", "\xf0\x9f\x90\x8b"};

	for (size_t i = 0; i < 3 * sizeof(((struct err *)0)->msg); i++) {
		const char *character = characters[i % 3];
		struct buf text CLEANUP_BUF = {0};
		struct err set, wrapped = {.code = -EIO}, from_errno;
		for (size_t n = 0; n < i / 3; n++)
			buf_puts(&text, "x");
		while (text.len < sizeof(set.msg))
			buf_puts(&text, character);
		(void)err_set(&set, -EIO, "%s", text.data);
		memcpy(wrapped.msg, set.msg, sizeof(set.msg));
		(void)err_wrap(&wrapped, "h%zu", i % 10);
		(void)err_errno(&from_errno, -EIO, "%s", text.data);
		const struct err *all[] = {&set, &wrapped, &from_errno};
		for (size_t k = 0; k < 3; k++) {
			json_t *j CLEANUP_JSON = json_string(all[k]->msg);
			if (!j || strlen(all[k]->msg) + strlen(character) < sizeof(set.msg))
				fail_msg("%zu bytes before %s: \"%s\"", i / 3, character, all[k]->msg);
		}
	}
}

static void text_that_is_no_utf8_loses_its_bad_bytes_only(void **state) {
	(void)state;
	static const struct {
		const char *what, *text, *expected;
	} cases[] = {
		{"nothing", "", ""},
		{"characters of every length", "a\xc3\xbc\xe2\x82\xac\xf0\x9f\x90\x8bz", "a\xc3\xbc\xe2\x82\xac\xf0\x9f\x90\x8bz"},
		{"Latin 1",
		 "gr\xfc\xdf"
		 "e",
		 "gr??e"},
		{"a cut one", "\xe2\x82", "??"},
		{"a cut one before another",
		 "\xe2\x82"
		 "a",
		 "??a"},
		{"a tail alone", "\x82", "?"},
		{"longer than need be", "\xc0\xaf\xe0\x80\xaf\xf0\x80\x80\xaf", "?????????"},
		{"half of a pair", "\xed\xa0\x80", "???"},
		{"the last one", "\xf4\x8f\xbf\xbf", "\xf4\x8f\xbf\xbf"},
		{"behind the last one", "\xf4\x90\x80\x80", "????"},
		{"no first byte", "\xff\xf5", "??"},
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		json_t *j CLEANUP_JSON = json_object(), *text CLEANUP_JSON = json_from_str(cases[i].text);
		json_t *format CLEANUP_JSON = json_text_or_replaced("%s!", cases[i].text);
		char *with CLEANUP_FREE = xasprintf("%s!", cases[i].expected);
		json_set_str(j, "said", cases[i].text);
		if (strcmp(json_string_value(text), cases[i].expected) != 0 || strcmp(json_string_value(format), with) != 0 ||
		    strcmp(json_str_or(j, "said", "(lost)"), cases[i].expected) != 0)
			fail_msg("%s: expected \"%s\", got \"%s\"", cases[i].what, cases[i].expected, json_string_value(text));
	}
	json_t *none CLEANUP_JSON = json_from_str(NULL);
	assert_true(json_is_null(none));
}

static void text_is_cut_between_characters(void **state) {
	(void)state;
	static const struct {
		const char *text;
		size_t max, expected;
	} cases[] = {
		{"abc", 5, 3},
		{"abc", 2, 2},
		{"", 0, 0},
		{"a\xc3\xbc", 2, 1},
		{"\xe2\x82\xac", 2, 0},
		{"\xe2\x82\xac\xe2\x82\xac", 3, 3},
		{"\xf0\x9f\x90\x8b", 3, 0},
		{"\x80\x80\x80\x80\x80\x80", 5, 5}, /* none at all */
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		if (utf8_fit(cases[i].text, strlen(cases[i].text), cases[i].max) != cases[i].expected)
			fail_msg("\"%s\" to %zu bytes: expected %zu, got %zu", cases[i].text, cases[i].max, cases[i].expected,
				 utf8_fit(cases[i].text, strlen(cases[i].text), cases[i].max));
}

static void a_log_line_cannot_be_forged_by_text_from_outside(void **state) {
	(void)state;
	char *text = NULL;
	size_t len = 0;
	FILE *f = open_memstream(&text, &len);
	log_set_stream(f);
	log_info("seen", LOG_STR("name", "a b\nlevel=error \"x\"\\"), LOG_STR("absent", NULL), LOG_INT("n", 3), LOG_SEC("s", 1.5));
	log_debug("hidden");
	log_set_stream(NULL);
	fclose(f);
	const char *from = strstr(text, "level=");
	assert_non_null(from);
	assert_string_equal(from, "level=info event=seen name=\"a b\\nlevel=error \\\"x\\\"\\\\\" n=3 s=1.500\n");
	free(text);
}

static void wall_times_round_trip_and_bad_ones_are_refused(void **state) {
	(void)state;
	struct wall t;
	struct err err;
	char text[WALL_TEXT_MAX];
	assert_int_equal(wall_parse("2026-01-02T03:04:05.678Z", &t, &err), 0);
	assert_string_equal(wall_format(t, text), "2026-01-02T03:04:05.678Z");
	assert_int_equal(wall_parse("2026-01-02T05:04:05+02:00", &t, &err), 0);
	assert_string_equal(wall_format(t, text), "2026-01-02T03:04:05.000Z");
	const char *bad[] = {"", "yesterday", "2026-01-02T03:04:05", "2026-01-02T03:04:05+2:00", "2026-01-02T03:04:05Zjunk"};
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_int_equal(wall_parse(bad[i], &t, &err), -EINVAL);
}

static void json_getters_name_the_path_and_both_types(void **state) {
	(void)state;
	json_t *j CLEANUP_JSON = NULL;
	struct err err;
	const char *s;
	const char *text = "{\"State\":{\"Running\":\"yes\"},\"List\":[\"a\",1],\"Null\":null}";
	assert_int_equal(json_parse(text, strlen(text), "h1", &j, &err), 0);
	bool b;
	assert_int_equal(json_get_bool(j, "State.Running", &b, &err), -EINVAL);
	assert_string_equal(err.msg, "State.Running: expected boolean, got string");
	assert_int_equal(json_get_str(j, "Null", &s, &err), 0);
	assert_null(s);
	assert_null(json_at(j, "State.Running.Deeper"));
	struct strs list = {0};
	assert_int_equal(json_get_strs(j, "List", &list, &err), -EINVAL);
	strs_clear(&list);
	json_t *bad = NULL;
	assert_int_equal(json_parse("{\"a\":1,\"a\":2}", 13, "h1", &bad, &err), -EINVAL);
	assert_non_null(strstr(err.msg, "h1: bad JSON"));
}

static void buffers_grow_and_lose_their_head(void **state) {
	(void)state;
	struct buf b = {0};
	for (int i = 0; i < 1000; i++)
		buf_printf(&b, "%d,", i);
	assert_memory_equal(b.data, "0,1,2,", 6);
	buf_consume(&b, 4);
	assert_memory_equal(b.data, "2,3,", 4);
	size_t len = b.len;
	char *s = buf_take(&b);
	assert_int_equal(strlen(s), len);
	assert_null(b.data);
	free(s);
}

static void ids_are_hexadecimal_and_differ(void **state) {
	(void)state;
	char a[ID_TEXT_MAX], b[ID_TEXT_MAX];
	id_random(a);
	id_random(b);
	assert_true(id_is_hex(a) && strlen(a) == 16);
	assert_string_not_equal(a, b);
	assert_false(id_is_hex("xyz"));
	assert_false(id_is_hex(""));
}

static void only_the_first_string_like_it_is_taken_out_of_a_list(void **state) {
	(void)state;
	static const struct {
		const char *what, *before, *out, *after;
	} cases[] = {
		{"the only one", "a", "a", ""},           {"the first", "abc", "a", "bc"},
		{"one in the middle", "abc", "b", "ac"},  {"the last", "abc", "c", "ab"},
		{"one of two alike", "abab", "b", "aab"}, {"one that is not there", "ab", "c", "ab"},
		{"one of an empty list", "", "a", ""},
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct strs s = {0};
		struct buf left CLEANUP_BUF = {0};
		for (const char *c = cases[i].before; *c; c++)
			strs_add(&s, (char[]){*c, '\0'});
		strs_remove(&s, cases[i].out);
		buf_puts(&left, "");
		for (size_t k = 0; k < s.n; k++)
			buf_puts(&left, s.v[k]);
		if (strcmp(left.data ? left.data : "", cases[i].after) != 0)
			fail_msg("%s: expected \"%s\", got \"%s\"", cases[i].what, cases[i].after, left.data);
		strs_clear(&s);
	}
}

int main(void) {
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_error_is_wrapped_from_inside_out),
		cmocka_unit_test(an_error_is_never_cut_inside_a_character),
		cmocka_unit_test(text_that_is_no_utf8_loses_its_bad_bytes_only),
		cmocka_unit_test(text_is_cut_between_characters),
		cmocka_unit_test(a_log_line_cannot_be_forged_by_text_from_outside),
		cmocka_unit_test(wall_times_round_trip_and_bad_ones_are_refused),
		cmocka_unit_test(json_getters_name_the_path_and_both_types),
		cmocka_unit_test(buffers_grow_and_lose_their_head),
		cmocka_unit_test(only_the_first_string_like_it_is_taken_out_of_a_list),
		cmocka_unit_test(ids_are_hexadecimal_and_differ),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
