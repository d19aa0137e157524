/* Base64: RFC 4648's own examples, all bytes there and back, and what is none. */
#include "base/base64.h"

#include "base/cleanup.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static void bytes_are_written_as_the_rfc_does(void **state) {
	static const struct {
		const char *plain, *text;
	} cases[] = {{"", ""},
		     {"f", "Zg=="},
		     {"fo", "Zm8="},
		     {"foo", "Zm9v"},
		     {"foob", "Zm9vYg=="},
		     {"fooba", "Zm9vYmE="},
		     {"foobar", "Zm9vYmFy"}};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct buf b CLEANUP_BUF = {0};
		char *back CLEANUP_FREE = NULL;
		size_t n = 0;
		base64_append(&b, cases[i].plain, strlen(cases[i].plain));
		assert_string_equal(b.data ? b.data : "", cases[i].text);
		assert_int_equal(base64_decode(cases[i].text, strlen(cases[i].text), &back, &n), 0);
		assert_int_equal(n, strlen(cases[i].plain));
		assert_string_equal(back, cases[i].plain);
	}
}

static void every_byte_comes_back(void **state) {
	unsigned char all[256];
	struct buf b CLEANUP_BUF = {0};
	char *back CLEANUP_FREE = NULL;
	size_t n = 0;

	(void)state;
	for (size_t i = 0; i < sizeof(all); i++)
		all[i] = (unsigned char)i;
	base64_append(&b, all, sizeof(all));
	assert_int_equal(base64_decode(b.data, b.len, &back, &n), 0);
	assert_int_equal(n, sizeof(all));
	assert_memory_equal(back, all, sizeof(all));
}

static void what_is_no_base64_is_refused(void **state) {
	static const struct {
		const char *what, *text;
	} cases[] = {
		{"no whole quadruple", "Zm9"}, {"no digit", "Zm9!"},          {"URL's digits", "Zm-_"},
		{"padding alone", "===="},     {"three of padding", "Z==="},  {"padding inside", "Zg==Zg=="},
		{"stray bits", "Zh=="},        {"stray bits of two", "Zm9="}, {"a line's end", "Zm9v\n"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		char *out = NULL;
		size_t n = 0;
		if (base64_decode(cases[i].text, strlen(cases[i].text), &out, &n) != -EINVAL || out)
			fail_msg("%s: \"%s\" was taken", cases[i].what, cases[i].text);
	}
}

int main(void) {
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(bytes_are_written_as_the_rfc_does),
		cmocka_unit_test(every_byte_comes_back),
		cmocka_unit_test(what_is_no_base64_is_refused),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
