/* The engine's answers as structs: what is read, and that wrong types are errors which name their path. */
#include "engine/parse.h"

#include "base/alloc.h"
#include "engine/container.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static json_t *read_json(const char *text) {
	json_t *j = NULL;
	struct err err;
	if (json_parse(text, strlen(text), "fixture", &j, &err) < 0)
		fail_msg("%s", err.msg);
	return j;
}

#define HEX64 "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
static const char web[] =
	"{\"Id\":\"c1\",\"Name\":\"/web\",\"Created\":\"2026-01-02T03:04:05Z\",\"Image\":\"sha256:ab\",\"Unknown\":{\"x\":1},"
	"\"State\":{\"Status\":\"exited\",\"Running\":false,\"Paused\":false,\"Restarting\":false,\"ExitCode\":137,"
	"\"StartedAt\":\"2026-01-02T03:04:06Z\",\"FinishedAt\":\"2026-01-02T03:05:05Z\",\"Health\":{\"Status\":\"unhealthy\"}},"
	"\"Config\":{\"Hostname\":\"c1\",\"Image\":\"bb:1\",\"Env\":[\"A=1\",\"reschedule:on-node-failure\"],\"Labels\":{\"a\":"
	"\"b\"},\"StopTimeout\":3},"
	"\"HostConfig\":{\"NetworkMode\":\"ov\",\"PidMode\":\"container:abc\",\"IpcMode\":\"private\",\"AutoRemove\":true,"
	"\"Privileged\":true,"
	"\"RestartPolicy\":{\"Name\":\"always\",\"MaximumRetryCount\":0},\"VolumesFrom\":[\"d\"],\"Links\":null,"
	"\"PortBindings\":{\"80/tcp\":[{\"HostIp\":\"\",\"HostPort\":\"8080\"},{\"HostIp\":\"10.0.0.1\",\"HostPort\":\"\"}],"
	"\"53/udp\":[{\"HostIp\":\"0.0.0.0\",\"HostPort\":\"5000-5010\"}],\"443/tcp\":null},"
	"\"Memory\":1048576,\"MemoryReservation\":4096,\"NanoCpus\":0,\"CpuQuota\":50000,\"CpuPeriod\":0,\"Runtime\":\"runc\","
	"\"LogConfig\":{\"Type\":\"json-file\",\"Config\":{}},\"DeviceRequests\":[{\"Driver\":\"nvidia\"}],\"Devices\":[{},{}]},"
	"\"Mounts\":[{\"Type\":\"volume\",\"Name\":\"" HEX64 "\",\"Source\":\"/v\",\"Destination\":\"/data\",\"Driver\":\"local\"},"
	"{\"Type\":\"bind\",\"Source\":\"/etc\",\"Destination\":\"/x\"}],"
	"\"NetworkSettings\":{\"Ports\":{\"80/tcp\":[{\"HostIp\":\"0.0.0.0\",\"HostPort\":\"8080\"}],\"443/tcp\":null},"
	"\"Networks\":{\"zz\":{\"NetworkID\":\"n2\",\"IPAMConfig\":null,\"Aliases\":null,\"IPAddress\":\"\"},"
	"\"ov\":{\"IPAMConfig\":{\"IPv4Address\":\"10.0.1.5\",\"IPv6Address\":\"fd00::5\",\"LinkLocalIPs\":[\"169.254.1.1\"]},"
	"\"Links\":[\"a:b\"],"
	"\"Aliases\":[\"www\",\"c1\"],\"DNSNames\":[\"web\"],\"NetworkID\":\"n1\",\"EndpointID\":\"e1\",\"Gateway\":\"10.0.1.1\","
	"\"IPAddress\":\"10.0.1.5\","
	"\"IPPrefixLen\":24,\"GlobalIPv6Address\":\"fd00::5\",\"GlobalIPv6PrefixLen\":64,\"MacAddress\":\"02:42:0a:00:01:05\","
	"\"DriverOpts\":{\"k\":\"v\"}}}}}";

static void an_inspected_container_is_read_whole(void **state) {
	(void)state;
	CLEANUP_JSON json_t *j = read_json(web);
	struct engine_container c;
	struct err err = {0};
	engine_container_parse(j, &c, &err);
	assert_string_equal(err.msg, "");
	assert_string_equal(c.name, "web");
	assert_string_equal(c.image, "bb:1");
	assert_string_equal(c.image_id, "sha256:ab");
	assert_string_equal(c.status, "exited");
	assert_int_equal(c.exit_code, 137);
	assert_string_equal(c.health, "unhealthy");
	assert_string_equal(c.env.v[1], "reschedule:on-node-failure");
	assert_string_equal(engine_container_label(&c, "a"), "b");
	assert_null(engine_container_label(&c, "b"));
	assert_string_equal(c.restart_policy, "always");
	assert_string_equal(engine_mode_container(c.pid_mode), "abc");
	assert_null(engine_mode_container(c.ipc_mode));
	assert_true(c.auto_remove && c.privileged);
	assert_int_equal(c.stop_timeout, 3);
	assert_int_equal(c.n_ports, 3);
	assert_int_equal(c.ports[0].port, 80);
	assert_int_equal(c.ports[0].host_port, 8080);
	assert_int_equal(c.ports[0].host_port_end, 8080);
	assert_int_equal(c.ports[1].host_port, 0);
	assert_string_equal(c.ports[1].host_ip, "10.0.0.1");
	assert_string_equal(c.ports[2].proto, "udp");
	assert_int_equal(c.ports[2].host_port_end, 5010);
	assert_int_equal(c.n_bound, 1);
	assert_int_equal(c.nano_cpus, 500000000);
	assert_int_equal(c.n_device_requests, 1);
	assert_int_equal(c.n_devices, 2);
	assert_int_equal(c.n_mounts, 2);
	assert_true(c.mounts[0].anonymous);
	assert_false(c.mounts[1].anonymous);
	assert_int_equal(c.n_networks, 2);
	const struct engine_endpoint *ov = engine_container_endpoint(&c, "n1");
	assert_ptr_equal(ov, &c.networks[0]);
	assert_ptr_equal(ov, engine_container_endpoint(&c, "ov"));
	assert_string_equal(ov->ip, "10.0.1.5");
	assert_int_equal(ov->prefix, 24);
	assert_string_equal(ov->ip6, "fd00::5");
	assert_string_equal(ov->ipam_ip6, "fd00::5");
	assert_string_equal(ov->mac, "02:42:0a:00:01:05");
	assert_string_equal(ov->aliases.v[0], "www");
	assert_string_equal(ov->link_local.v[0], "169.254.1.1");
	assert_string_equal(json_str_or(ov->driver_opts, "k", ""), "v");
	assert_string_equal(c.networks[1].ip, "");
	assert_null(c.networks[1].driver_opts);
	engine_container_clear(&c);
}

/* Every member of the fixture in turn becomes a value of another type: it is an error, or it does not matter; never a crash. */
static size_t spoil(json_t *root, json_t *obj) {
	static const char *const wrong[] = {"7", "\"text\"", "[[]]", "{\"k\":[7]}", "true", "null"};
	const char *key;
	json_t *value;
	void *next;
	size_t refused = 0;
	json_object_foreach_safe (obj, next, key, value) {
		json_incref(value);
		for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
			struct engine_container c;
			struct err err = {0};
			json_object_set_new(obj, key, json_loads(wrong[i], JSON_DECODE_ANY, NULL));
			if (engine_container_parse(root, &c, &err) < 0) {
				refused++;
				if (!strstr(err.msg, key))
					fail_msg("%s is wrong, and the error says \"%s\"", key, err.msg);
			} else {
				engine_container_clear(&c);
			}
		}
		json_object_set(obj, key, value);
		json_decref(value);
		if (json_is_object(value))
			refused += spoil(root, value);
	}
	return refused;
}

static void a_wrong_type_anywhere_is_an_error_that_names_it(void **state) {
	(void)state;
	CLEANUP_JSON json_t *j = read_json(web);
	assert_true(spoil(j, j) > 150);
}

static void broken_containers_are_refused_with_the_path(void **state) {
	(void)state;
	const struct {
		const char *json, *text;
	} cases[] = {
		{"[]", "expected an object"},
		{"{}", "Id: missing"},
		{"{\"Id\":\"c\"}", "Name: missing"},
		{"{\"Id\":\"c\",\"Name\":\"/n\",\"State\":{\"Running\":\"yes\"}}", "State.Running: expected boolean, got string"},
		{"{\"Id\":\"c\",\"Name\":\"/n\",\"State\":[]}", "State"},
		{"{\"Id\":\"c\",\"Name\":\"/n\",\"Config\":{\"Env\":[1]}}", "Config.Env"},
		{"{\"Id\":\"c\",\"Name\":\"/n\",\"Config\":{\"Labels\":{\"a\":1}}}", "Config.Labels"},
		{"{\"Id\":\"c\",\"Name\":\"/n\",\"Mounts\":[{},{\"Type\":1}]}", "Mounts[1]: Type: expected string"},
		{"{\"Id\":\"c\",\"Name\":\"/n\",\"HostConfig\":{\"PortBindings\":{\"http\":[]}}}",
		 "HostConfig.PortBindings: \"http\" is not a port"},
		{"{\"Id\":\"c\",\"Name\":\"/n\",\"HostConfig\":{\"PortBindings\":{\"80/tcp\":[{\"HostPort\":\"99999\"}]}}}",
		 "HostPort: not a port"},
		{"{\"Id\":\"c\",\"Name\":\"/n\",\"NetworkSettings\":{\"Networks\":{\"ov\":{\"IPPrefixLen\":\"24\"}}}}",
		 "NetworkSettings.Networks.ov: IPPrefixLen"},
	};
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		CLEANUP_JSON json_t *j = read_json(cases[i].json);
		struct engine_container c;
		struct err err = {0};
		if (engine_container_parse(j, &c, &err) == 0 || !strstr(err.msg, cases[i].text))
			fail_msg("%s: \"%s\", expected \"%s\"", cases[i].json, err.msg, cases[i].text);
	}
}

static void info_tells_the_key_value_overlay_and_the_swarm(void **state) {
	(void)state;
	CLEANUP_JSON json_t *j =
		read_json("{\"Info\":{\"ID\":\"I\",\"Name\":\"h1\",\"NCPU\":2,\"MemTotal\":1000,\"Runtimes\":{\"runc\":{\"path\":"
			  "\"runc\"},\"gvisor\":{}},"
			  "\"DefaultRuntime\":\"runc\",\"Plugins\":{\"Volume\":[\"local\"],\"Network\":[\"bridge\",\"overlay\"],"
			  "\"Authorization\":null,\"Log\":[\"syslog\"]},"
			  "\"ClusterStore\":\"etcd://"
			  "10.0.0.1:2379\",\"Labels\":[\"zone=a\"],\"Swarm\":{\"NodeID\":\"N\",\"NodeAddr\":\"10.0.0.2\","
			  "\"LocalNodeState\":\"active\","
			  "\"ControlAvailable\":true,\"RemoteManagers\":[{\"NodeID\":\"N\",\"Addr\":\"10.0.0.2:2377\"}],\"Nodes\":"
			  "3,\"Managers\":1,\"Cluster\":{\"ID\":\"K\"}}},"
			  "\"Version\":{\"Version\":\"20.10.24\",\"ApiVersion\":\"1.41\",\"MinAPIVersion\":\"1.12\"}}");
	struct engine_info i;
	struct err err = {0};
	engine_info_parse(j, &i, &err);
	assert_string_equal(err.msg, "");
	assert_string_equal(i.cluster_store, "etcd://10.0.0.1:2379");
	assert_int_equal(i.api, 41);
	assert_int_equal(i.min_api, 12);
	assert_int_equal(i.runtimes.n, 2);
	assert_true(i.swarm.control_available);
	assert_int_equal(i.swarm.nodes, 3);
	assert_string_equal(i.swarm.remotes[0].addr, "10.0.0.2:2377");
	assert_string_equal(i.swarm.cluster_id, "K");
	engine_info_clear(&i);
}

static void networks_tell_their_subnets_vni_peers_and_users(void **state) {
	(void)state;
	CLEANUP_JSON json_t *j = read_json("{\"Id\":\"n1\",\"Name\":\"ov\",\"Driver\":\"overlay\",\"Scope\":\"swarm\","
					   "\"Attachable\":true,\"EnableIPv6\":false,"
					   "\"IPAM\":{\"Driver\":\"default\",\"Options\":null,\"Config\":[{\"Subnet\":\"10.0.1.0/"
					   "24\",\"Gateway\":\"10.0.1.1\"}]},"
					   "\"Options\":{\"com.docker.network.driver.overlay.vxlanid_list\":\"4097\"},\"Labels\":"
					   "null,\"Peers\":[{\"Name\":\"p\",\"IP\":\"10.99.0.11\"}],"
					   "\"Containers\":{\"c1\":{\"Name\":\"web\",\"EndpointID\":\"e1\",\"MacAddress\":\"02:42:"
					   "0a:00:01:05\",\"IPv4Address\":\"10.0.1.5/24\",\"IPv6Address\":\"\"},"
					   "\"ep-x\":{\"Name\":\"ov-endpoint\"}}}");
	struct engine_network n;
	struct err err = {0};
	engine_network_parse(j, &n, &err);
	assert_string_equal(err.msg, "");
	assert_true(n.attachable);
	assert_string_equal(n.vni, "4097");
	assert_string_equal(n.subnets[0].gateway, "10.0.1.1");
	assert_string_equal(n.peers[0].ip, "10.99.0.11");
	assert_int_equal(n.n_users, 2);
	assert_string_equal(n.users[0].key, "c1");
	assert_string_equal(n.users[0].ip, "10.0.1.5");
	engine_network_clear(&n);
}

static void attachment_tasks_tell_who_holds_which_address(void **state) {
	(void)state;
	CLEANUP_JSON json_t *j =
		read_json("[{\"ID\":\"t1\",\"NodeID\":\"N\",\"DesiredState\":\"running\",\"Status\":{\"State\":\"running\"},"
			  "\"Spec\":{\"NetworkAttachmentSpec\":{\"ContainerID\":\"c1\"},\"Runtime\":\"attachment\"},"
			  "\"NetworksAttachments\":[{\"Network\":{\"ID\":\"n1\",\"Spec\":{\"Name\":\"ov\"}},\"Addresses\":[\"10.0."
			  "1.5/24\"]}]},{\"ID\":\"t2\"}]");
	struct engine_task *tasks;
	size_t n;
	assert_int_equal(engine_tasks_parse(j, &tasks, &n, NULL), 0);
	assert_int_equal(n, 2);
	assert_string_equal(tasks[0].container_id, "c1");
	assert_string_equal(tasks[0].attachments[0].addresses.v[0], "10.0.1.5/24");
	assert_string_equal(tasks[0].attachments[0].network_name, "ov");
	assert_string_equal(tasks[1].container_id, "");
	engine_tasks_free(tasks, n);
}

static void lists_and_events_are_read(void **state) {
	(void)state;
	struct engine_entry *entries;
	struct engine_swarm_node node;
	struct engine_image *images;
	struct engine_event event;
	size_t n;
	CLEANUP_JSON json_t *list = read_json(
		"[{\"Id\":\"c1\",\"Names\":[\"/other/web\",\"/db\"],\"Image\":\"bb\",\"State\":\"running\",\"Labels\":null}]");
	assert_int_equal(engine_entries_parse(list, &entries, &n, NULL), 0);
	assert_string_equal(entries[0].name, "db");
	engine_entries_free(entries, n);
	CLEANUP_JSON json_t *nodes = read_json(
		"{\"ID\":\"N\",\"Version\":{\"Index\":7},\"Spec\":{\"Role\":\"manager\",\"Availability\":\"active\",\"Labels\":{}},"
		"\"Status\":{\"State\":\"ready\",\"Addr\":\"10.0.0.2\"},\"ManagerStatus\":{\"Leader\":true}}");
	assert_int_equal(engine_swarm_node_parse(nodes, &node, NULL), 0);
	assert_int_equal(node.version, 7);
	assert_true(node.leader);
	assert_string_equal(json_str_or(node.spec, "Role", ""), "manager");
	engine_swarm_node_clear(&node);
	CLEANUP_JSON json_t *image =
		read_json("[{\"Id\":\"sha256:a\",\"RepoTags\":[\"<none>:<none>\",\"bb:1\"],\"RepoDigests\":null,\"Size\":5}]");
	assert_int_equal(engine_images_parse(image, &images, &n, NULL), 0);
	assert_int_equal(images[0].tags.n, 1);
	assert_string_equal(images[0].tags.v[0], "bb:1");
	engine_images_free(images, n);
	CLEANUP_JSON json_t *connect = read_json(
		"{\"Type\":\"network\",\"Action\":\"connect\",\"Actor\":{\"ID\":\"n1\",\"Attributes\":{\"container\":\"c1\","
		"\"name\":\"ov\"}},\"scope\":\"local\",\"time\":1,\"timeNano\":1700000000000000001}");
	assert_int_equal(engine_event_parse(connect, &event, NULL), 0);
	assert_string_equal(event.container, "c1");
	assert_int_equal(event.time_nano, 1700000000000000001);
	engine_event_clear(&event);
}

static void api_versions_are_read_strictly(void **state) {
	(void)state;
	static const struct {
		const char *text;
		int minor;
	} cases[] = {{"1.41", 41}, {"1.9", 9},   {"1.100", 100}, {"2.0", -1}, {"1.", -1},     {"1.41x", -1},
		     {"1. 4", -1}, {"1.-4", -1}, {"1.+4", -1},   {"", -1},    {"1.4000", -1}, {"1.4.1", -1}};
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		int minor = -1;
		if (engine_api_parse(cases[i].text, &minor, NULL) == 0 ? minor != cases[i].minor : cases[i].minor != -1)
			fail_msg("%s: %d, expected %d", cases[i].text, minor, cases[i].minor);
	}
}

int main(void) {
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_inspected_container_is_read_whole),
		cmocka_unit_test(a_wrong_type_anywhere_is_an_error_that_names_it),
		cmocka_unit_test(broken_containers_are_refused_with_the_path),
		cmocka_unit_test(info_tells_the_key_value_overlay_and_the_swarm),
		cmocka_unit_test(networks_tell_their_subnets_vni_peers_and_users),
		cmocka_unit_test(attachment_tasks_tell_who_holds_which_address),
		cmocka_unit_test(lists_and_events_are_read),
		cmocka_unit_test(api_versions_are_read_strictly),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
