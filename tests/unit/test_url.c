/* Where an engine is. */
#include "daemon/url.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

static void hosts_and_ports_are_read_from_urls(void **state) {
	(void)state;
	char host[64];
	unsigned port;
	assert_true(url_host_port("tcp://10.99.0.11:2375", host, sizeof(host), &port));
	assert_string_equal(host, "10.99.0.11");
	assert_int_equal(port, 2375);
	assert_true(url_host_port("tcp://[fd00::1]:2376", host, sizeof(host), &port));
	assert_string_equal(host, "fd00::1");
	assert_int_equal(port, 2376);
	const char *bad[] = {"unix:///run/docker.sock", "tcp://host", "tcp://:2375", "host:2375", "tcp://h:0", "tcp://h:70000"};
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		if (url_host_port(bad[i], host, sizeof(host), &port))
			fail_msg("accepted: %s", bad[i]);
}

static void loopback_is_ours_and_a_stranger_is_not(void **state) {
	(void)state;
	assert_true(url_host_is_ours("127.0.0.1"));
	assert_true(url_host_is_ours("localhost"));
	assert_true(url_host_is_ours("::1"));
	assert_false(url_host_is_ours("192.0.2.77")); /* TEST-NET-1 */
	assert_false(url_host_is_ours("engine.example"));
}

int main(void) {
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(hosts_and_ports_are_read_from_urls),
		cmocka_unit_test(loopback_is_ours_and_a_stranger_is_not),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
