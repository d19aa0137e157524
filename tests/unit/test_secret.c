/* Secrets in files: trimmed, read again when they change, never in an error. */
#include "net/discovery/secret.h"

#include "base/alloc.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

static char path[] = "/tmp/heir-secret-XXXXXX";

static void put(const char *text, size_t n) {
	int fd = open(path, O_WRONLY | O_TRUNC | O_CREAT | O_CLOEXEC, 0600);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, text, n), n);
	close(fd);
}

static void a_secret_is_trimmed_and_read_again_when_its_file_changes(void **state) {
	struct secret *s = secret_new(path);
	const char *text;
	struct err err;

	(void)state;
	put(" token-1\n", 9);
	assert_int_equal(secret_get(s, &text, &err), 0);
	assert_string_equal(text, "token-1");
	put("another token\n\n", 15);
	assert_int_equal(secret_get(s, &text, &err), 0);
	assert_string_equal(text, "another token");
	assert_int_equal(unlink(path), 0);
	assert_int_equal(secret_get(s, &text, &err), -ENOENT);
	assert_null(text);
	put("back", 4);
	assert_int_equal(secret_get(s, &text, &err), 0);
	assert_string_equal(text, "back");
	secret_free(s);
}

static void what_is_no_secret_is_refused_and_not_quoted(void **state) {
	static char huge[SECRET_MAX + 16];
	static const struct {
		const char *what, *text;
		size_t n;
	} cases[] = {{"empty", "", 0},
		     {"white space", " \n\t", 3},
		     {"two lines", "sesame\nopen", 11},
		     {"a NUL", "sesame\0open", 11},
		     {"a control character", "ses\033ame", 7},
		     {"too long", huge, sizeof(huge)}};
	const char *text;

	(void)state;
	memset(huge, 'x', sizeof(huge));
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct secret *s = secret_new(path);
		struct err err = {0};
		put(cases[i].text, cases[i].n);
		if (secret_get(s, &text, &err) != -EINVAL || text || strstr(err.msg, "ses") || !strstr(err.msg, path))
			fail_msg("%s: %s", cases[i].what, err.msg);
		secret_free(s);
	}
}

static void where_no_file_is_named_there_is_no_secret(void **state) {
	const char *text = "?";
	struct err err;

	(void)state;
	assert_null(secret_new(NULL));
	assert_int_equal(secret_get(NULL, &text, &err), 0);
	assert_null(text);
	secret_free(NULL);
}

static void words_that_tell_a_secret_are_known(void **state) {
	static const struct {
		const char *what, *secret, *words;
		bool told;
	} cases[] = {
		{"nothing of it", "sesame", "permission denied", false},
		{"no secret", NULL, "sesame", false},
		{"no words", "sesame", "", false},
		{"as it is", "sesame", "you said sesame, and no", true},
		{"a part of it", "sesame", "you said sesam", false},
		{"as JSON escapes it", "a\"b\\c", "{\"password\":\"a\\\"b\\\\c\"}", true},
		{"base64 of it alone", "sesame", "token c2VzYW1l", true},
		{"base64 of it with padding", "sesames", "c2VzYW1lcw==", true},
		{"base64 behind a user of one byte", "sesame", "Basic dTpzZXNhbWU=", true},        /* u:sesame */
		{"base64 behind a user of two bytes", "sesame", "Basic dXU6c2VzYW1l", true},       /* uu:sesame */
		{"base64 behind a user of three bytes", "sesame", "Basic dXV1OnNlc2FtZQ==", true}, /* uuu:sesame */
		{"base64 of another", "sesame", "c2V2ZW4=", false},
		{"base64 of what is too short to be told from anything", "a", "YQ is YW or bh", false},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		if (secret_is_told(cases[i].secret, cases[i].words, strlen(cases[i].words)) != cases[i].told)
			fail_msg("%s: expected %d", cases[i].what, cases[i].told);
}

int main(void) {
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_secret_is_trimmed_and_read_again_when_its_file_changes),
		cmocka_unit_test(what_is_no_secret_is_refused_and_not_quoted),
		cmocka_unit_test(words_that_tell_a_secret_are_known),
		cmocka_unit_test(where_no_file_is_named_there_is_no_secret),
	};

	close(mkstemp(path));
	int failed = cmocka_run_group_tests(tests, NULL, NULL);
	unlink(path);
	return failed;
}
