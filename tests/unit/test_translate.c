/* What engines say, as the machine is told. */
#include "daemon/translate.h"

#include "base/alloc.h"
#include "base/cleanup.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static enum net_kind kind(void *ctx, const char *id, const char *name) {
	(void)ctx;
	(void)id;
	return strcmp(name, "ov") == 0 ? NET_SWARM : NET_LOCAL;
}

static struct world_container *translate(const char *text) {
	struct engine_container c;
	struct err err;
	json_t *j;

	assert_int_equal(json_parse(text, strlen(text), "inspect", &j, &err), 0);
	if (engine_container_parse(j, &c, &err) < 0)
		fail_msg("%s", err.msg);
	struct world_container *w = translate_container("lab", "h1", &c, j, kind, NULL);
	engine_container_clear(&c);
	json_decref(j);
	return w;
}

#define HEAD \
	"{\"Id\":\"b2135e81a7dbb2135e81a7dbb2135e81a7dbb2135e81a7dbb2135e81a7dbb213\",\"Name\":\"/web\",\"Image\":\"sha256:11\","

static void an_opted_in_container_carries_all_that_a_takeover_needs(void **state) {
	(void)state;
	struct world_container *w = translate(
		HEAD
		"\"State\":{\"Status\":\"running\",\"Running\":true},"
		"\"Config\":{\"Image\":\"web:1\",\"Env\":[\"SECRET=x\",\"reschedule:on-node-failure\"],\"Labels\":{\"heir.fence\":"
		"\"stopped\"}},"
		"\"HostConfig\":{\"RestartPolicy\":{\"Name\":\"on-failure\",\"MaximumRetryCount\":5},\"MemoryReservation\":1048576,"
		"\"PortBindings\":{\"80/tcp\":[{\"HostIp\":\"\",\"HostPort\":\"8080\"}],\"81/"
		"tcp\":[{\"HostIp\":\"\",\"HostPort\":\"\"}]}},"
		"\"NetworkSettings\":{\"Networks\":{\"ov\":{\"NetworkID\":\"n1\",\"IPAddress\":\"10.20.0.50\",\"MacAddress\":\"02:"
		"42:0a:14:00:32\"}}}}");
	assert_true(w->policy.move && w->running && w->started);
	assert_int_equal(w->policy.fence, EVIDENCE_STOPPED);
	assert_string_equal(w->restart_policy, "on-failure:5");
	assert_int_equal(w->memory, 1048576);
	assert_int_equal(w->n_ports, 1); /* the other one is the engine's to choose */
	assert_int_equal(w->ports[0].port, 8080);
	assert_int_equal(w->n_nets, 1);
	assert_int_equal(w->nets[0].kind, NET_SWARM);
	assert_string_equal(w->nets[0].ip, "10.20.0.50");
	assert_null(w->nets[0].ip6);
	assert_null(w->workload);
	world_container_free(w);
}

static void a_replacement_is_known_by_its_labels(void **state) {
	(void)state;
	struct world_container *w =
		translate(HEAD "\"State\":{\"Status\":\"created\",\"Running\":false},"
			       "\"Config\":{\"Image\":\"sha256:11\",\"Labels\":{\"heir.workload\":\"lab/"
			       "ab12\",\"heir.generation\":\"4\",\"heir.takeover\":\"0123456789abcdef\","
			       "\"heir.image\":\"web:1\"}},\"HostConfig\":{},\"NetworkSettings\":{\"Networks\":{}}}");
	assert_string_equal(w->workload, "lab/ab12");
	assert_string_equal(w->takeover, "0123456789abcdef");
	assert_int_equal(w->generation, 4);
	assert_string_equal(w->image, "web:1");
	assert_false(w->started);
	assert_false(w->running);
	world_container_free(w);
}

static void labels_that_heir_did_not_write_are_not_believed(void **state) {
	(void)state;
	static const char *const labels[] = {
		"\"heir.workload\":\"\",\"heir.generation\":\"4\",\"heir.takeover\":\"0123456789abcdef\"",
		"\"heir.workload\":\"other/ab12\",\"heir.generation\":\"4\",\"heir.takeover\":\"0123456789abcdef\"",
		"\"heir.workload\":\"lab/web\",\"heir.generation\":\"4\",\"heir.takeover\":\"0123456789abcdef\"",
		"\"heir.workload\":\"lab/ab12\",\"heir.generation\":\"4294967295\",\"heir.takeover\":\"0123456789abcdef\"",
		"\"heir.workload\":\"lab/ab12\",\"heir.generation\":\"-1\",\"heir.takeover\":\"0123456789abcdef\"",
		"\"heir.workload\":\"lab/ab12\",\"heir.generation\":\"4\"",
		"\"heir.workload\":\"lab/ab12\",\"heir.generation\":\"4\",\"heir.takeover\":\"not hex\"",
	};
	for (size_t i = 0; i < sizeof(labels) / sizeof(labels[0]); i++) {
		char text[1024];
		snprintf(text, sizeof(text),
			 HEAD "\"State\":{\"Status\":\"running\",\"Running\":true},\"Config\":{\"Image\":\"x\",\"Labels\":{%s}},"
			      "\"HostConfig\":{},\"NetworkSettings\":{\"Networks\":{}}}",
			 labels[i]);
		struct world_container *w = translate(text);
		if (w->workload || w->takeover || w->generation)
			fail_msg("believed: %s", labels[i]);
		world_container_free(w);
	}
}

static void a_sandbox_is_the_last_part_of_its_key(void **state) {
	(void)state;
	static const struct {
		const char *key, *sandbox;
	} cases[] = {
		{"\"/var/run/docker/netns/0a1b2c3d4e5f\"", "0a1b2c3d4e5f"},
		{"\"/run/docker/netns/default\"", "default"},
		{"\"\"", NULL},
		{"\"/var/run/docker/netns/\"", NULL},
		{"\"nowhere\"", NULL},
		{"5", NULL},
		{"null", NULL},
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		char text[256];
		struct err err;
		json_t *j CLEANUP_JSON = NULL;
		snprintf(text, sizeof(text), "{\"NetworkSettings\":{\"SandboxKey\":%s}}", cases[i].key);
		assert_int_equal(json_parse(text, strlen(text), "inspect", &j, &err), 0);
		char *sandbox CLEANUP_FREE = translate_sandbox(j);
		if (!sandbox != !cases[i].sandbox || (sandbox && strcmp(sandbox, cases[i].sandbox) != 0))
			fail_msg("%s: got %s", cases[i].key, sandbox ? sandbox : "none");
	}
	struct world_container *w =
		translate(HEAD "\"State\":{\"Status\":\"running\",\"Running\":true},\"Config\":{\"Image\":\"x\"},"
			       "\"HostConfig\":{},\"NetworkSettings\":{\"SandboxKey\":\"/run/docker/netns/5e\","
			       "\"Networks\":{}}}");
	assert_string_equal(w->sandbox, "5e");
	world_container_free(w);
}

static void the_underlay_address_is_what_the_overlay_in_use_says(void **state) {
	(void)state;
	static const struct {
		const char *what;
		const char *state, *node_addr, *store, *advertise, *vtep;
	} cases[] = {
		{"in a swarm", "active", "10.99.0.11", "", "", "10.99.0.11"},
		{"in none any more", "inactive", "10.99.0.11", "", "", NULL},
		{"joining", "active", "", "", "", NULL},
		{"with a key/value store", "inactive", "", "consul://10.99.0.1:8500", "10.99.0.11:2375", "10.99.0.11"},
		{"that advertises IPv6", "inactive", "", "consul://10.99.0.1:8500", "[fd00::11]:2375", "fd00::11"},
		{"that advertises nothing", "inactive", "", "consul://10.99.0.1:8500", "", NULL},
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct engine_info info;
		struct err err;
		struct node_facts f = {.vtep = xstrdup("10.0.0.1")}; /* as it was before */
		json_t *j CLEANUP_JSON = json_pack("{s:{s:s,s:s,s:s,s:{s:s,s:s,s:s}},s:{s:s,s:s}}", "Info", "ID", "e",
						   "ClusterStore", cases[i].store, "ClusterAdvertise", cases[i].advertise, "Swarm",
						   "LocalNodeState", cases[i].state, "NodeID", "n", "NodeAddr", cases[i].node_addr,
						   "Version", "ApiVersion", "1.41", "MinAPIVersion", "1.12");
		if (engine_info_parse(j, &info, &err) < 0)
			fail_msg("%s", err.msg);
		translate_info(&info, &f);
		if (!f.vtep != !cases[i].vtep || (f.vtep && strcmp(f.vtep, cases[i].vtep) != 0) ||
		    f.kv != (*cases[i].store != '\0'))
			fail_msg("%s: got %s", cases[i].what, f.vtep ? f.vtep : "none");
		engine_info_clear(&info);
		node_facts_clear(&f);
	}
}

static void overlays_are_told_apart_by_driver_and_scope(void **state) {
	(void)state;
	static const struct {
		char *driver, *scope;
		enum net_kind expect;
	} cases[] = {
		{(char *)"overlay", (char *)"swarm", NET_SWARM},
		{(char *)"overlay", (char *)"global", NET_KV},
		{(char *)"bridge", (char *)"local", NET_LOCAL},
		{(char *)"macvlan", (char *)"swarm", NET_LOCAL},
	};
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		assert_int_equal(
			translate_network_kind(&(struct engine_network){.driver = cases[i].driver, .scope = cases[i].scope}),
			cases[i].expect);
}

int main(void) {
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_opted_in_container_carries_all_that_a_takeover_needs),
		cmocka_unit_test(a_replacement_is_known_by_its_labels),
		cmocka_unit_test(labels_that_heir_did_not_write_are_not_believed),
		cmocka_unit_test(a_sandbox_is_the_last_part_of_its_key),
		cmocka_unit_test(the_underlay_address_is_what_the_overlay_in_use_says),
		cmocka_unit_test(overlays_are_told_apart_by_driver_and_scope),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
