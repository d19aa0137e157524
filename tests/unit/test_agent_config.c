/* The agent's settings: what is taken, and how what is not is refused. */
#include "config/agent.h"

#include "base/alloc.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

static int parse(const char *text, struct agent_config *ret, struct err *err) {
	return agent_config_parse(text, strlen(text), "agent.yaml", "/etc/heir", ret, err);
}

static void every_setting_is_read(void **state) {
	struct agent_config c;
	struct err err;

	(void)state;
	if (parse("listen: \"http://10.99.0.11:4460\"\nengine: \"unix:///run/docker.sock\"\nengine_pid: 812\nnetns_dir: netns\n"
		  "state: agent.json\nswarm_control: \"unix:///run/docker/swarm/control.sock\"\ncluster: prod\n",
		  &c, &err) < 0)
		fail_msg("%s", err.msg);
	assert_string_equal(c.listen, "http://10.99.0.11:4460");
	assert_string_equal(c.engine, "unix:///run/docker.sock");
	assert_int_equal(c.engine_pid, 812);
	assert_string_equal(c.netns_dir, "/etc/heir/netns");
	assert_string_equal(c.state, "/etc/heir/agent.json");
	assert_string_equal(c.cluster, "prod");
	assert_int_equal(agent_config_check(&c, &err), 0);
	agent_config_clear(&c);
}

static const struct {
	const char *text, *error;
} refused[] = {
	{"listen: tcp://10.99.0.11:4460\n", "agent.yaml:1: listen"},
	{"engine: \"unix:///x\"\nport: 1\n", "agent.yaml:2: "},
	{"engine: tcp://10.0.0.1:2375\n", "agent.yaml:1: engine"},
	{"engine_pid: 0\n", "agent.yaml:1: engine_pid"},
	{"cluster: \"a b\"\n", "agent.yaml:1: cluster"},
	{"tls: {ca: /nonexistent/ca.pem}\n", "agent.yaml:1: "},
	{"- a\n", "agent.yaml:1: expected a mapping"},
};

static void what_is_not_understood_is_refused_with_its_line(void **state) {
	struct agent_config c;
	struct err err;

	(void)state;
	for (size_t i = 0; i < sizeof(refused) / sizeof(refused[0]); i++) {
		if (parse(refused[i].text, &c, &err) == 0)
			fail_msg("was taken: %s", refused[i].text);
		if (strncmp(err.msg, refused[i].error, strlen(refused[i].error)) != 0)
			fail_msg("expected %s…, got %s", refused[i].error, err.msg);
	}
}

#define S(text) (char *)(uintptr_t)(text)
#define ENGINE S("unix:///run/docker.sock")

static const struct {
	struct agent_config config;
	const char *error;
} incomplete[] = {
	{{.engine = ENGINE}, "listen is missing"},
	{{.listen = S("http://127.0.0.1:1")}, "engine is missing"},
	{{.listen = S("127.0.0.1:1"), .engine = ENGINE}, "listen: 127.0.0.1:1: expected http://"},
	{{.listen = S("http://127.0.0.1:1"), .engine = S("/run/docker.sock")}, "engine: /run/docker.sock: expected unix:///path"},
	{{.listen = S("https://127.0.0.1:1"), .engine = ENGINE}, "listen is https://: ca, cert and key are needed"},
	{{.listen = S("http://127.0.0.1:1"), .engine = ENGINE, .tls_ca = S("/etc/hostname")},
	 "there is a certificate, and listen is http"},
	{{.listen = S("https://127.0.0.1:1"),
	  .engine = ENGINE,
	  .tls_ca = S("/etc/hostname"),
	  .tls_cert = S("/nonexistent.pem"),
	  .tls_key = S("/etc/hostname")},
	 "cert: /nonexistent.pem: No such file or directory"},
};

static void what_is_missing_or_does_not_go_together_is_said(void **state) {
	struct err err;

	(void)state;
	for (size_t i = 0; i < sizeof(incomplete) / sizeof(incomplete[0]); i++) {
		if (agent_config_check(&incomplete[i].config, &err) == 0)
			fail_msg("was taken, expected: %s", incomplete[i].error);
		if (strncmp(err.msg, incomplete[i].error, strlen(incomplete[i].error)) != 0)
			fail_msg("expected %s…, got %s", incomplete[i].error, err.msg);
	}
}

int main(void) {
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_setting_is_read),
		cmocka_unit_test(what_is_not_understood_is_refused_with_its_line),
		cmocka_unit_test(what_is_missing_or_does_not_go_together_is_said),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
