/* Addresses as text and as bytes. */
#include "base/ip.h"

#include <arpa/inet.h>
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

static struct ip parsed(const char *text) {
	struct ip ip;
	struct err err;
	if (ip_parse(text, &ip, &err) < 0)
		fail_msg("%s", err.msg);
	return ip;
}

static void addresses_come_back_in_their_shortest_form(void **state) {
	(void)state;
	static const char *const cases[][2] = {
		{"10.20.0.50", "10.20.0.50"},
		{"255.255.255.255", "255.255.255.255"},
		{"FD00:0:0::1", "fd00::1"},
		{"::", "::"},
		{"::ffff:10.0.0.1", "::ffff:10.0.0.1"},
	};
	char text[IP_TEXT_MAX];
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct ip ip = parsed(cases[i][0]);
		assert_string_equal(ip_format(&ip, text), cases[i][1]);
	}
}

static void what_is_no_address_is_refused(void **state) {
	(void)state;
	static const char *const cases[] = {"",          "10.0.0",    "10.0.0.256",  "10.0.0.1 ",
					    " 10.0.0.1", "010.0.0.1", "10.0.0.1/24", "fe80::1%eth0",
					    "1::2::3",   "[fd00::1]", "localhost",   "0x0a000001"};
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct ip ip = {.family = 77};
		struct err err = {0};
		if (ip_parse(cases[i], &ip, &err) != -EINVAL || ip.family != 77 || !strstr(err.msg, "is not an IP address"))
			fail_msg("\"%s\" was taken: %s", cases[i], err.msg);
	}
}

static void addresses_have_an_order_and_none_is_the_first(void **state) {
	(void)state;
	struct ip order[] = {{0},           parsed("9.255.255.255"), parsed("10.0.0.1"), parsed("10.0.0.2"),
			     parsed("::1"), parsed("fd00::1")};
	for (size_t i = 0; i < sizeof(order) / sizeof(order[0]); i++)
		for (size_t j = 0; j < sizeof(order) / sizeof(order[0]); j++) {
			int c = ip_compare(&order[i], &order[j]);
			if ((c > 0) - (c < 0) != (i > j) - (i < j))
				fail_msg("%zu and %zu compare as %d", i, j, c);
		}
}

static void bytes_of_no_known_length_are_no_address(void **state) {
	(void)state;
	uint8_t bytes[17] = {10, 20, 0, 50, 7};
	char text[IP_TEXT_MAX];
	for (size_t n = 0; n <= sizeof(bytes); n++) {
		struct ip ip = ip_from_bytes(bytes, n);
		assert_int_equal(ip_is_set(&ip), n == 4 || n == 16);
		assert_int_equal(ip_size(&ip), n == 4 || n == 16 ? n : 0);
	}
	struct ip v4 = ip_from_bytes(bytes, 4), none = {0}, same = parsed("10.20.0.50");
	assert_true(ip_equal(&v4, &same));
	assert_memory_equal(&v4, &same, sizeof(v4));
	assert_string_equal(ip_format(&none, text), "");
}

static void socket_addresses_hold_address_and_port(void **state) {
	(void)state;
	struct sockaddr_storage addr;
	struct ip v4 = parsed("10.20.0.50"), v6 = parsed("fd00::7"), none = {0};
	assert_int_equal(ip_to_sockaddr(&v4, 80, &addr), sizeof(struct sockaddr_in));
	assert_int_equal(((struct sockaddr_in *)&addr)->sin_port, htons(80));
	assert_int_equal(((struct sockaddr_in *)&addr)->sin_addr.s_addr, inet_addr("10.20.0.50"));
	assert_int_equal(ip_to_sockaddr(&v6, 80, &addr), sizeof(struct sockaddr_in6));
	assert_int_equal(((struct sockaddr_in6 *)&addr)->sin6_port, htons(80));
	assert_memory_equal(&((struct sockaddr_in6 *)&addr)->sin6_addr, v6.bytes, 16);
	assert_int_equal(ip_to_sockaddr(&none, 80, &addr), 0);
}

int main(void) {
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(addresses_come_back_in_their_shortest_form),
		cmocka_unit_test(what_is_no_address_is_refused),
		cmocka_unit_test(addresses_have_an_order_and_none_is_the_first),
		cmocka_unit_test(bytes_of_no_known_length_are_no_address),
		cmocka_unit_test(socket_addresses_hold_address_and_port),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
