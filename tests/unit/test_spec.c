/* How a container is made again: what survives, what is patched, what is refused. The fixtures in data/ are what engines 20.10
 * and 26.1 answer to an inspect. */
#include "engine/spec.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))
#define DIR "tests/unit/data/"
#define NEW_IMAGE "sha256:aaaa"

static const struct spec_address web_addresses[] = {
	{"front", "10.20.0.50", NULL, "02:42:0a:14:00:32"},
	{"back", "10.30.0.7", "fd00::7", "02:42:0a:1e:00:07"},
};

static struct spec_options options(int api) {
	return (struct spec_options){.api = api,
				     .workload = "prod/4fa6",
				     .takeover = "fedcba9876543210",
				     .cluster = "prod",
				     .generation = 2,
				     .image = NEW_IMAGE,
				     .addresses = web_addresses,
				     .address_count = COUNT(web_addresses)};
}

static json_t *load(const char *name) {
	json_error_t e;
	json_t *j = json_load_file(name, 0, &e);
	if (!j)
		fail_msg("%s: %s", name, e.text);
	return j;
}

static struct spec make(const json_t *inspect, const struct spec_options *o) {
	struct spec s = {0};
	struct err err = {0};
	if (spec_make(inspect, o, &s, &err) < 0)
		fail_msg("%s", err.msg);
	return s;
}

static void assert_text(const json_t *j, const char *path, const char *expected) {
	const char *text = json_str_or(j, path, "(absent)");
	if (strcmp(text, expected) != 0)
		fail_msg("%s: expected %s, got %s", path, expected, text);
}

static void assert_json(const json_t *j, const char *expected) {
	char *text CLEANUP_FREE = json_text(j);
	assert_string_equal(text, expected);
}

static void what_is_configured_survives(void **state) {
	(void)state;
	json_t *inspect CLEANUP_JSON = load(DIR "inspect-20.10.json");
	struct spec_options o = options(51);
	struct spec s CLEANUP_SPEC = make(inspect, &o);
	static const char *const kept[] = {
		"HostConfig.Binds",      "HostConfig.PortBindings",   "HostConfig.RestartPolicy", "HostConfig.LogConfig",
		"HostConfig.CapAdd",     "HostConfig.Memory",         "HostConfig.NanoCpus",      "HostConfig.Dns",
		"HostConfig.ExtraHosts", "HostConfig.ReadonlyRootfs", "HostConfig.CgroupnsMode",  "HostConfig.MaskedPaths",
	};
	for (size_t i = 0; i < COUNT(kept); i++)
		assert_true(json_equal(json_at(inspect, kept[i]), json_at(s.body, kept[i])));
	assert_true(json_equal(json_at(inspect, "Config.Env"), json_at(s.body, "Env")));
	assert_true(json_equal(json_at(inspect, "Config.Cmd"), json_at(s.body, "Cmd")));
	assert_true(json_equal(json_at(inspect, "Config.ExposedPorts"), json_at(s.body, "ExposedPorts")));
	assert_text(s.body, "WorkingDir", "/srv");
	assert_null(json_object_get(s.body, "State"));
	assert_null(json_object_get(s.body, "Path"));
	assert_null(json_object_get(json_at(s.body, "HostConfig"), "ContainerIDFile"));
}

static void the_image_is_pinned_and_its_name_is_remembered(void **state) {
	(void)state;
	json_t *inspect CLEANUP_JSON = load(DIR "inspect-20.10.json"), *again CLEANUP_JSON = load(DIR "inspect-26.1.json");
	struct spec_options o = options(41);
	struct spec s CLEANUP_SPEC = make(inspect, &o), t CLEANUP_SPEC = make(again, &o);
	assert_text(s.body, "Image", NEW_IMAGE);
	assert_string_equal(json_string_value(json_object_get(json_at(s.body, "Labels"), "heir.image")),
			    "registry.example/web:1.4");
	assert_string_equal(json_string_value(json_object_get(json_at(t.body, "Labels"), "heir.image")), "registry.example/api:2");
}

static void labels_name_the_new_generation_instead_of_the_old(void **state) {
	(void)state;
	json_t *inspect CLEANUP_JSON = load(DIR "inspect-20.10.json");
	struct spec_options o = options(41);
	struct spec s CLEANUP_SPEC = make(inspect, &o);
	assert_json(json_at(s.body, "Labels"),
		    "{\"heir.cluster\":\"prod\",\"heir.generation\":\"2\",\"heir.image\":\"registry.example/web:1.4\","
		    "\"heir.takeover\":\"fedcba9876543210\",\"heir.workload\":\"prod/4fa6\",\"team\":\"shop\"}");
	assert_string_equal(json_string_value(json_object_get(json_at(inspect, "Config.Labels"), "heir.generation")), "1");
}

static void below_api_44_one_network_is_created_and_the_others_are_connected(void **state) {
	(void)state;
	json_t *inspect CLEANUP_JSON = load(DIR "inspect-20.10.json");
	struct spec_options o = options(41);
	struct spec s CLEANUP_SPEC = make(inspect, &o);
	assert_text(s.body, "HostConfig.NetworkMode", "front");
	assert_json(json_at(s.body, "NetworkingConfig"),
		    "{\"EndpointsConfig\":{\"front\":{\"Aliases\":[\"shop\"],\"DriverOpts\":null,"
		    "\"IPAMConfig\":{\"IPv4Address\":\"10.20.0.50\"},\"Links\":null}}}");
	assert_int_equal(s.connect_count, 1);
	assert_string_equal(s.connect[0].network, "back");
	assert_json(
		s.connect[0].endpoint,
		"{\"Aliases\":[\"shop-back\"],\"DriverOpts\":{\"com.example.mtu\":\"1400\"},"
		"\"IPAMConfig\":{\"IPv4Address\":\"10.30.0.7\",\"IPv6Address\":\"fd00::7\",\"LinkLocalIPs\":[\"169.254.34.68\"]},"
		"\"Links\":[\"db:database\"]}");
	assert_null(json_object_get(s.body, "MacAddress"));
	assert_int_equal(s.warnings.n, 0);
}

static void from_api_44_create_takes_all_networks_with_their_mac_addresses(void **state) {
	(void)state;
	json_t *inspect CLEANUP_JSON = load(DIR "inspect-20.10.json");
	struct spec_options o = options(44);
	struct spec s CLEANUP_SPEC = make(inspect, &o);
	assert_int_equal(s.connect_count, 0);
	assert_text(s.body, "NetworkingConfig.EndpointsConfig.front.MacAddress", "02:42:0a:14:00:32");
	assert_text(s.body, "NetworkingConfig.EndpointsConfig.back.MacAddress", "02:42:0a:1e:00:07");
	assert_text(s.body, "NetworkingConfig.EndpointsConfig.back.IPAMConfig.IPv4Address", "10.30.0.7");
}

static void an_automatic_hostname_is_dropped_and_a_given_one_is_kept(void **state) {
	(void)state;
	json_t *inspect CLEANUP_JSON = load(DIR "inspect-20.10.json"), *named CLEANUP_JSON = load(DIR "inspect-26.1.json");
	struct spec_options o = options(45);
	struct spec s CLEANUP_SPEC = make(inspect, &o), t CLEANUP_SPEC = make(named, &o);
	assert_null(json_object_get(s.body, "Hostname"));
	assert_text(t.body, "Hostname", "api");
	assert_json(json_at(t.body, "NetworkingConfig.EndpointsConfig.front.Aliases"), "[\"api-v2\"]");
}

static void a_dynamic_address_is_asked_for_when_it_was_assigned(void **state) {
	(void)state;
	json_t *inspect CLEANUP_JSON = load(DIR "inspect-26.1.json");
	const struct spec_address a = {"front", "10.20.0.3", NULL, "02:42:0a:14:00:03"};
	struct spec_options o = options(45);
	o.addresses = &a;
	o.address_count = 1;
	struct spec s CLEANUP_SPEC = make(inspect, &o);
	assert_json(json_at(s.body, "NetworkingConfig.EndpointsConfig"),
		    "{\"bridge\":{\"DriverOpts\":null,\"Links\":null},\"front\":{\"Aliases\":[\"api-v2\"],\"DriverOpts\":{\"a\":"
		    "\"b\"},\"GwPriority\":5,"
		    "\"IPAMConfig\":{\"IPv4Address\":\"10.20.0.3\"},\"Links\":null,\"MacAddress\":\"02:42:0a:14:00:03\"}}");
	assert_text(s.body, "HostConfig.NetworkMode", "front"); /* it was given by a part of the network's ID */
	assert_null(json_object_get(s.body, "MacAddress"));
}

static void a_configured_mac_address_follows_the_api(void **state) {
	(void)state;
	json_t *inspect CLEANUP_JSON = load(DIR "inspect-26.1.json");
	struct spec_options old = options(41), new = options(45);
	old.address_count = new.address_count = 0;
	struct spec s CLEANUP_SPEC = make(inspect, &old), t CLEANUP_SPEC = make(inspect, &new);
	assert_text(s.body, "MacAddress", "02:de:ad:be:ef:01");
	assert_null(json_at(s.body, "NetworkingConfig.EndpointsConfig.front.MacAddress"));
	assert_null(json_object_get(t.body, "MacAddress"));
	assert_text(t.body, "NetworkingConfig.EndpointsConfig.front.MacAddress", "02:de:ad:be:ef:01");
	assert_null(json_at(t.body, "NetworkingConfig.EndpointsConfig.bridge.MacAddress"));
}

static void a_mac_address_the_api_cannot_carry_is_a_warning(void **state) {
	(void)state;
	json_t *inspect CLEANUP_JSON = load(DIR "inspect-20.10.json");
	const struct spec_address a[] = {{"front", "10.20.0.50", NULL, "02:00:00:00:00:01"},
					 {"back", "10.30.0.7", NULL, "02:00:00:00:00:02"}};
	struct spec_options o = options(43);
	o.addresses = a;
	struct spec s CLEANUP_SPEC = make(inspect, &o);
	assert_text(s.body, "MacAddress", "02:00:00:00:00:01");
	assert_int_equal(s.warnings.n, 1);
	assert_string_equal(s.warnings.v[0], "network back: MAC address 02:00:00:00:00:02 cannot be asked for with API 1.43");
}

static void an_address_that_was_configured_is_kept_when_none_is_known_to_be_assigned(void **state) {
	(void)state;
	json_t *inspect CLEANUP_JSON = load(DIR "inspect-20.10.json");
	const struct spec_address a = {"front", NULL, "", NULL};
	struct spec_options o = options(44);
	o.addresses = &a;
	o.address_count = 1;
	struct spec s CLEANUP_SPEC = make(inspect, &o);
	assert_text(s.body, "NetworkingConfig.EndpointsConfig.front.IPAMConfig.IPv4Address", "10.20.0.50");
	assert_text(s.body, "NetworkingConfig.EndpointsConfig.back.IPAMConfig.IPv4Address", "10.30.0.7");
}

static void an_assigned_network_that_the_inspect_has_lost_comes_back(void **state) {
	(void)state;
	json_t *inspect CLEANUP_JSON = load(DIR "inspect-20.10.json");
	json_object_clear(json_at(inspect, "NetworkSettings.Networks"));
	struct spec_options o = options(44);
	struct spec s CLEANUP_SPEC = make(inspect, &o);
	assert_json(json_at(s.body, "NetworkingConfig.EndpointsConfig.front"),
		    "{\"IPAMConfig\":{\"IPv4Address\":\"10.20.0.50\"},\"MacAddress\":\"02:42:0a:14:00:32\"}");
	assert_text(s.body, "HostConfig.NetworkMode", "front");
}

static void fields_nobody_knows_survive(void **state) {
	(void)state;
	json_t *inspect CLEANUP_JSON = load(DIR "inspect-26.1.json");
	json_object_set_new(json_at(inspect, "Config"), "Unheard", json_pack("[i, n, {s:s}]", 1, "a", "b"));
	struct spec_options o = options(41);
	struct spec s CLEANUP_SPEC = make(inspect, &o);
	assert_true(json_equal(json_at(inspect, "HostConfig.FieldOfTheFuture"), json_at(s.body, "HostConfig.FieldOfTheFuture")));
	assert_true(json_equal(json_at(inspect, "HostConfig.Annotations"), json_at(s.body, "HostConfig.Annotations")));
	assert_true(json_equal(json_at(inspect, "HostConfig.Mounts"), json_at(s.body, "HostConfig.Mounts")));
	assert_true(json_equal(json_at(inspect, "Config.Unheard"), json_at(s.body, "Unheard")));
	assert_true(json_equal(json_at(inspect, "Config.Healthcheck"), json_at(s.body, "Healthcheck")));
	assert_true(json_bool_or(s.body, "HostConfig.AutoRemove", false));
}

static void the_inspected_json_is_left_alone(void **state) {
	(void)state;
	json_t *inspect CLEANUP_JSON = load(DIR "inspect-20.10.json"), *copy CLEANUP_JSON = json_deep_copy(inspect);
	struct spec_options o = options(41);
	struct spec s CLEANUP_SPEC = make(inspect, &o);
	assert_true(json_equal(inspect, copy));
}

static void restarts_can_be_held_back(void **state) {
	(void)state;
	json_t *inspect CLEANUP_JSON = load(DIR "inspect-20.10.json");
	struct spec_options o = options(41);
	o.no_restart = true;
	struct spec s CLEANUP_SPEC = make(inspect, &o);
	assert_text(s.body, "HostConfig.RestartPolicy.Name", "no");
}

static void network_modes_are_kept_or_named(void **state) {
	(void)state;
	static const struct {
		const char *mode, *networks, *expected_mode, *expected_endpoints;
		bool hostname;
	} cases[] = {
		{"host", "{\"host\":{\"NetworkID\":\"1\"}}", "host", "(none)", false},
		{"none", "{\"none\":{\"NetworkID\":\"1\"}}", "none", "(none)", true},
		{"default", "{\"bridge\":{\"IPAMConfig\":null,\"IPAddress\":\"172.17.0.2\",\"Aliases\":null}}", "bridge",
		 "{\"bridge\":{}}", true},
		{"bridge", "{\"bridge\":{\"IPAddress\":\"172.17.0.2\"}}", "bridge", "{\"bridge\":{}}", true},
		{"default", "{\"lan\":{\"IPAMConfig\":{\"IPv4Address\":\"10.1.0.2\"}}}", "lan",
		 "{\"lan\":{\"IPAMConfig\":{\"IPv4Address\":\"10.1.0.2\"}}}", true},
		{"lan", "{}", "lan", "(none)", true},
		{"gone", "{\"lan\":{},\"wan\":{}}", "lan", "{\"lan\":{}}", true},
	};
	for (size_t i = 0; i < COUNT(cases); i++) {
		json_t *inspect CLEANUP_JSON = load(DIR "inspect-20.10.json");
		json_set_str(json_at(inspect, "Config"), "Hostname", "web");
		json_set_str(json_at(inspect, "HostConfig"), "NetworkMode", cases[i].mode);
		json_object_set_new(json_at(inspect, "NetworkSettings"), "Networks", json_loads(cases[i].networks, 0, NULL));
		struct spec_options o = options(41);
		o.address_count = 0;
		struct spec s CLEANUP_SPEC = make(inspect, &o);
		const json_t *endpoints = json_at(s.body, "NetworkingConfig.EndpointsConfig");
		char *text CLEANUP_FREE = endpoints ? json_text(endpoints) : strdup("(none)");
		assert_text(s.body, "HostConfig.NetworkMode", cases[i].expected_mode);
		assert_string_equal(text, cases[i].expected_endpoints);
		assert_int_equal(json_object_get(s.body, "Hostname") != NULL, cases[i].hostname);
	}
}

static const struct {
	const char *what, *path, *key, *json, *reason;
} unmovable[] = {
	{"another's network", "HostConfig", "NetworkMode", "\"container:abc\"", "shares the network namespace"},
	{"another's processes", "HostConfig", "PidMode", "\"container:abc\"", "shares the PID namespace"},
	{"another's memory", "HostConfig", "IpcMode", "\"container:abc\"", "shares the IPC namespace"},
	{"another's volumes", "HostConfig", "VolumesFrom", "[\"data\"]", "volumes of another container"},
	{"a link", "HostConfig", "Links", "[\"/db:/web/db\"]", "--link"},
	{"a named volume", "", "Mounts", "[{\"Type\":\"volume\",\"Name\":\"data\",\"Destination\":\"/data\",\"Driver\":\"local\"}]",
	 "volume data at /data"},
	{"an anonymous volume", "", "Mounts",
	 "[{\"Type\":\"volume\",\"Name\":\"4fa6e0f0c6786287e131c3852c58a2e01cc697a68231826813597e4994f1d6e2\",\"Destination\":\"/"
	 "data\",\"Driver\":\"local\"}]",
	 "an anonymous volume at /data"},
	{"a service's task", "Config", "Labels", "{\"com.docker.swarm.service.id\":\"x\"}", "swarm service"},
	{"a list for Config", "", "Config", "[]", "Config: expected object, got array"},
	{"no HostConfig", "", "HostConfig", "null", "HostConfig is missing"},
	{"a number for the ID", "", "Id", "5", "Id: expected string"},
	{"an ID that is cut", "", "Id", "\"4fa6\"", "Id, Config or HostConfig is missing"},
	{"a text for Networks", "NetworkSettings", "Networks", "\"x\"", "NetworkSettings.Networks: expected object"},
};

static json_t *changed(const char *path, const char *key, const char *json) {
	json_t *inspect = load(DIR "inspect-20.10.json");
	json_t *value = json_loads(json, JSON_DECODE_ANY, NULL);
	assert_non_null(value);
	json_object_set_new(*path ? json_at(inspect, path) : inspect, key, value);
	return inspect;
}

static void what_hangs_on_the_host_is_refused_with_the_reason(void **state) {
	(void)state;
	for (size_t i = 0; i < COUNT(unmovable); i++) {
		json_t *inspect CLEANUP_JSON = changed(unmovable[i].path, unmovable[i].key, unmovable[i].json);
		struct strs reasons CLEANUP(strs_clear) = {0};
		struct spec s = {0};
		struct err err = {0};
		struct spec_options o = options(41);

		spec_check(inspect, false, &reasons, NULL);
		if (reasons.n != 1 || !strstr(reasons.v[0], unmovable[i].reason))
			fail_msg("%s: expected %s, got %s", unmovable[i].what, unmovable[i].reason,
				 reasons.n ? reasons.v[0] : "nothing");
		assert_true(spec_make(inspect, &o, &s, &err) < 0);
		assert_non_null(strstr(err.msg, unmovable[i].reason));
		assert_null(strstr(err.msg, "geheim"));
		assert_null(s.body);
	}
}

static void empty_volumes_can_be_allowed_by_label_or_by_the_caller(void **state) {
	(void)state;
	const char *mounts = "[{\"Type\":\"volume\",\"Name\":\"data\",\"Destination\":\"/data\",\"Driver\":\"local\"}]";
	json_t *inspect CLEANUP_JSON = changed("", "Mounts", mounts);
	struct strs reasons CLEANUP(strs_clear) = {0};
	spec_check(inspect, true, &reasons, NULL);
	assert_int_equal(reasons.n, 0);
	json_set_str(json_at(inspect, "Config.Labels"), SPEC_LABEL_VOLUMES, "empty");
	spec_check(inspect, false, &reasons, NULL);
	assert_int_equal(reasons.n, 0);
}

static void volumes_that_are_not_on_the_host_do_not_hinder(void **state) {
	(void)state;
	json_t *nfs CLEANUP_JSON = load(DIR "inspect-26.1.json"); /* by the local driver, from a file server */
	json_t *plugin CLEANUP_JSON =
		changed("", "Mounts", "[{\"Type\":\"volume\",\"Name\":\"d\",\"Destination\":\"/d\",\"Driver\":\"rexray\"}]");
	struct strs reasons CLEANUP(strs_clear) = {0};
	spec_check(nfs, false, &reasons, NULL);
	spec_check(plugin, false, &reasons, NULL);
	assert_int_equal(reasons.n, 0);
}

static void what_the_target_must_have_is_noted(void **state) {
	(void)state;
	json_t *bind CLEANUP_JSON = load(DIR "inspect-20.10.json"), *devices CLEANUP_JSON = load(DIR "inspect-26.1.json");
	struct strs notes CLEANUP(strs_clear) = {0};
	spec_check(bind, false, NULL, &notes);
	spec_check(devices, false, NULL, &notes);
	assert_int_equal(notes.n, 3);
	assert_string_equal(notes.v[0], "/etc/web.conf is the target's own: bind mount");
	assert_string_equal(notes.v[1], "/dev/fuse is the target's own: device");
	assert_string_equal(notes.v[2], "the target must have devices of driver nvidia");
}

static void bad_options_are_refused(void **state) {
	(void)state;
	json_t *inspect CLEANUP_JSON = load(DIR "inspect-20.10.json");
	const struct spec_address addresses[] = {{"front", "10.20.0.50/24", NULL, NULL},
						 {"front", NULL, "10.20.0.50", NULL},
						 {"front", NULL, NULL, "02:42"},
						 {"", "10.20.0.50", NULL, NULL}};
	for (size_t i = 0; i <= COUNT(addresses); i++) {
		struct spec_options o = options(41);
		struct spec s = {0};
		struct err err = {0};
		o.addresses = &addresses[i];
		o.address_count = i < COUNT(addresses);
		if (i == COUNT(addresses))
			o.image = "";
		assert_int_equal(spec_make(inspect, &o, &s, &err), -EINVAL);
	}
}

int main(void) {
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_is_configured_survives),
		cmocka_unit_test(the_image_is_pinned_and_its_name_is_remembered),
		cmocka_unit_test(labels_name_the_new_generation_instead_of_the_old),
		cmocka_unit_test(below_api_44_one_network_is_created_and_the_others_are_connected),
		cmocka_unit_test(from_api_44_create_takes_all_networks_with_their_mac_addresses),
		cmocka_unit_test(an_automatic_hostname_is_dropped_and_a_given_one_is_kept),
		cmocka_unit_test(a_dynamic_address_is_asked_for_when_it_was_assigned),
		cmocka_unit_test(a_configured_mac_address_follows_the_api),
		cmocka_unit_test(a_mac_address_the_api_cannot_carry_is_a_warning),
		cmocka_unit_test(an_address_that_was_configured_is_kept_when_none_is_known_to_be_assigned),
		cmocka_unit_test(an_assigned_network_that_the_inspect_has_lost_comes_back),
		cmocka_unit_test(fields_nobody_knows_survive),
		cmocka_unit_test(the_inspected_json_is_left_alone),
		cmocka_unit_test(restarts_can_be_held_back),
		cmocka_unit_test(network_modes_are_kept_or_named),
		cmocka_unit_test(what_hangs_on_the_host_is_refused_with_the_reason),
		cmocka_unit_test(empty_volumes_can_be_allowed_by_label_or_by_the_caller),
		cmocka_unit_test(volumes_that_are_not_on_the_host_do_not_hinder),
		cmocka_unit_test(what_the_target_must_have_is_noted),
		cmocka_unit_test(bad_options_are_refused),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
