/* What is asked of the engine that makes a container again. */
#include "daemon/create.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static struct world_net nets[] = {
	{.name = (char *)"bridge", .ip = (char *)"172.17.0.2", .kind = NET_LOCAL},
	{.name = (char *)"ov", .ip = (char *)"10.20.0.50", .mac = (char *)"02:42:0a:14:00:32", .kind = NET_SWARM},
	{.name = (char *)"back", .ip = (char *)"10.21.0.50", .mac = (char *)"02:42:0a:15:00:32", .kind = NET_SWARM},
};

static const struct effect effect = {
	.kind = EFFECT_CREATE,
	.takeover = "0123456789abcdef",
	.workload = (char *)"lab/aabb",
	.generation = 3,
	.image = (char *)"web:1",
	.nets = nets,
	.n_nets = 3,
};

static json_t *inspect(void) {
	return json_pack("{s:s, s:s, s:{s:s, s:[s]}, s:{s:s, s:{s:s}}, s:{s:{s:{}, s:{}}}}", "Id", "aabbccddeeff", "Name", "/web",
			 "Config", "Image", "web:1", "Env", "SECRET=x", "HostConfig", "NetworkMode", "ov", "RestartPolicy", "Name",
			 "always", "NetworkSettings", "Networks", "ov", "back");
}

static void overlay_addresses_are_asked_for_and_the_container_is_labelled(void **state) {
	json_t *remembered CLEANUP_JSON = inspect();
	struct spec spec CLEANUP_SPEC = {0};
	struct err err;

	(void)state;
	assert_int_equal(create_spec(&effect, remembered, 45, "lab", &spec, &err), 0);
	json_t *endpoints = json_at(spec.body, "NetworkingConfig.EndpointsConfig");
	assert_int_equal(json_object_size(endpoints), 2); /* a local network's address is the engine's to choose */
	assert_string_equal(json_str_or(endpoints, "ov.IPAMConfig.IPv4Address", ""), "10.20.0.50");
	assert_string_equal(json_str_or(endpoints, "back.MacAddress", ""), "02:42:0a:15:00:32");
	assert_string_equal(json_string_value(json_object_get(json_at(spec.body, "Labels"), SPEC_LABEL_GENERATION)), "3");
	assert_string_equal(json_string_value(json_object_get(json_at(spec.body, "Labels"), SPEC_LABEL_CLUSTER)), "lab");
	assert_string_equal(json_str_or(spec.body, "HostConfig.RestartPolicy.Name", ""), "no");
}

static void older_engines_are_given_one_network_and_the_others_afterwards(void **state) {
	json_t *remembered CLEANUP_JSON = inspect();
	struct spec spec CLEANUP_SPEC = {0};
	struct err err;

	(void)state;
	assert_int_equal(create_spec(&effect, remembered, 41, "lab", &spec, &err), 0);
	assert_int_equal(json_object_size(json_at(spec.body, "NetworkingConfig.EndpointsConfig")), 1);
	assert_int_equal(spec.connect_count, 1);
	assert_string_equal(spec.connect[0].network, "back");
}

static void what_nobody_remembers_cannot_be_made(void **state) {
	struct spec spec = {0};
	struct err err;

	(void)state;
	assert_true(create_spec(&effect, NULL, 45, "lab", &spec, &err) < 0);
	assert_string_equal(err.msg, "nothing is remembered of it");
	assert_null(spec.body);
}

int main(void) {
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(overlay_addresses_are_asked_for_and_the_container_is_labelled),
		cmocka_unit_test(older_engines_are_given_one_network_and_the_others_afterwards),
		cmocka_unit_test(what_nobody_remembers_cannot_be_made),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
