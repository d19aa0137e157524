/* Ethernet addresses as text. */
#include "base/mac.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

static void a_mac_is_read_in_either_case_and_written_in_lower_case(void **state) {
	(void)state;
	static const struct mac expected = {{0x02, 0x42, 0x0a, 0x14, 0x00, 0xff}};
	struct mac mac = {{0}};
	char text[MAC_TEXT_MAX];
	assert_int_equal(mac_parse("02:42:0A:14:00:fF", &mac, NULL), 0);
	assert_true(mac_equal(&mac, &expected));
	assert_string_equal(mac_format(&mac, text), "02:42:0a:14:00:ff");
}

static void what_is_no_mac_is_refused(void **state) {
	(void)state;
	static const char *const cases[] = {"",
					    "02:42:0a:14:00",
					    "02:42:0a:14:00:",
					    "02:42:0a:14:00:3",
					    "02:42:0a:14:00:032",
					    "02:42:0a:14:00:32:01",
					    "02:42:0a:14:00:3g",
					    "02-42-0a-14-00-32",
					    "0242.0a14.0032",
					    " 02:42:0a:14:00:32",
					    "2:42:a:14:0:32",
					    "+2:42:0a:14:00:32"};
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct mac mac = {{7}};
		struct err err = {0};
		if (mac_parse(cases[i], &mac, &err) != -EINVAL || mac.bytes[0] != 7 || !strstr(err.msg, "is not a MAC address"))
			fail_msg("\"%s\" was taken", cases[i]);
	}
}

int main(void) {
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_mac_is_read_in_either_case_and_written_in_lower_case),
		cmocka_unit_test(what_is_no_mac_is_refused),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
