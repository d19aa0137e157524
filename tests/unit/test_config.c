/* The configuration: what is good is read whole, what is bad is refused with its line and the reason. */
#include "config/config.h"

#include "base/alloc.h"
#include "base/buf.h"
#include "base/cleanup.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))
#define ENGINE "engines: [{name: h1, url: \"tcp://10.0.0.1:2375\"}]\n"
#define GOOD "cluster: c\n" ENGINE

static char dir[] = "/tmp/heir-config-XXXXXX";

static void put(const char *name, const char *text, mode_t mode) {
	char *path CLEANUP_FREE = xasprintf("%s/%s", dir, name);
	int fd CLEANUP_FD = open(path, O_CREAT | O_WRONLY | O_TRUNC | O_CLOEXEC, mode);
	assert_true(fd >= 0);
	assert_int_equal(write(fd, text, strlen(text)), strlen(text));
}

static int parse(const char *text, struct config **ret, struct err *err) {
	return config_parse(text, strlen(text), "heird.yaml", dir, ret, err);
}

static void what_is_written_in_the_design_is_read(void **state) {
	(void)state;
	struct config *c CLEANUP(cleanup_config) = NULL;
	struct err err = {0};
	const char *text = "cluster: prod\n"
			   "state: /var/lib/heir/heir.db\n"
			   "api: unix:///run/heir/heir.sock\n"
			   "heartbeat: {interval: 300ms, timeout: 1s, failures: 4}\n"
			   "engines:\n"
			   "  - {name: h1, url: \"tcp://10.99.0.11:2375\", labels: {zone: a, rack: 7}, local: true}\n"
			   "  - {name: h2, url: \"tcp://10.99.0.12:2376\", tls: {ca: ca.pem, cert: cert.pem, key: key.pem}, agent: "
			   "{url: \"http://10.99.0.12:4460\"}}\n"
			   "swarm: {control: \"unix:///var/run/docker/swarm/control.sock\", remove_node: false}\n"
			   "placement: {strategy: binpack}          # spread, binpack, random\n"
			   "takeover: {fence: stopped, parallel: 30, per_target: 15, attempts: 2, engine_only: move, backoff: "
			   "{initial: 3s, cap: 2h}, stop_timeout: 5s, delay: 20s, per_minute: 100}\n"
			   "return: {keep: oldest, stale: keep, hold_down: {initial: 1m, cap: 1h, window: 30m}}\n"
			   "brake: {max_lost: 40%, zone: {label: zone, max_lost: 2}, witness: [\"tcp://10.99.0.1:22\", "
			   "\"tcp://[fd00::1]:22\"]}\n"
			   "log: {level: debug}\n";
	put("ca.pem", "ca", 0600);
	put("cert.pem", "cert", 0600);
	put("key.pem", "key", 0600);

	if (parse(text, &c, &err) < 0)
		fail_msg("%s", err.msg);
	assert_string_equal(c->cluster, "prod");
	assert_int_equal(span_to_ms(c->heartbeat.interval), 300);
	assert_int_equal(span_to_ms(c->heartbeat.timeout), 1000);
	assert_int_equal(c->heartbeat.failures, 4);
	assert_int_equal(c->engine_count, 2);
	assert_string_equal(c->engines[0].labels[1].key, "rack");
	assert_string_equal(c->engines[0].labels[1].value, "7");
	assert_int_equal(c->engines[0].local, CONFIG_LOCAL_YES);
	assert_int_equal(c->engines[1].local, CONFIG_LOCAL_UNKNOWN);
	assert_int_equal(c->engines[1].line, 7);
	assert_string_equal(c->engines[1].agent_url, "http://10.99.0.12:4460");
	assert_true(!strncmp(c->engines[1].tls_key, dir, strlen(dir)));
	assert_string_equal(c->swarm.control.v[0], "unix:///var/run/docker/swarm/control.sock");
	assert_int_equal(c->placement.strategy, CONFIG_STRATEGY_BINPACK);
	assert_int_equal(c->takeover.fence, CONFIG_FENCE_STOPPED);
	assert_int_equal(c->takeover.engine_only, CONFIG_ENGINE_ONLY_MOVE);
	assert_int_equal(span_to_ms(c->takeover.backoff_cap), 7200000);
	assert_int_equal(c->on_return.keep, CONFIG_KEEP_OLDEST);
	assert_int_equal(c->on_return.stale, CONFIG_STALE_KEEP);
	assert_true(c->brake.max_lost.percent && c->brake.max_lost.value == 40);
	assert_int_equal(c->brake.witness.n, 2);
	assert_int_equal(span_to_ms(c->takeover.delay), 20000);
	assert_int_equal(c->takeover.per_minute, 100);
	assert_int_equal(span_to_ms(c->on_return.hold_down.initial), 60000);
	assert_int_equal(span_to_ms(c->on_return.hold_down.cap), 3600000);
	assert_int_equal(span_to_ms(c->on_return.hold_down.window), 1800000);
	assert_string_equal(c->brake.zone.label, "zone");
	assert_true(!c->brake.zone.max_lost.percent && c->brake.zone.max_lost.value == 2);
	assert_string_equal(config_engine_label(&c->engines[0], "zone"), "a");
	assert_null(config_engine_label(&c->engines[1], "zone"));
	assert_int_equal(c->log.level, LOG_LEVEL_DEBUG);
}

static void what_is_left_out_has_the_defaults_of_the_design(void **state) {
	(void)state;
	struct config *c CLEANUP(cleanup_config) = NULL;
	struct err err = {0};

	if (parse(GOOD, &c, &err) < 0)
		fail_msg("%s", err.msg);
	assert_string_equal(c->state, "/var/lib/heir/heir.db");
	assert_string_equal(c->api, "unix:///run/heir/heir.sock");
	assert_int_equal(span_to_ms(c->heartbeat.interval), 1000);
	assert_int_equal(span_to_ms(c->heartbeat.timeout), 1000);
	assert_int_equal(c->heartbeat.failures, 3);
	assert_int_equal(c->heartbeat.recover, 2);
	assert_int_equal(c->swarm.control.n, 0);
	assert_false(c->swarm.remove_node);
	assert_int_equal(c->placement.strategy, CONFIG_STRATEGY_SPREAD);
	assert_int_equal(c->takeover.fence, CONFIG_FENCE_AUTO);
	assert_int_equal(c->takeover.parallel, 32);
	assert_int_equal(c->takeover.per_target, 16);
	assert_int_equal(c->takeover.attempts, 3);
	assert_int_equal(c->takeover.engine_only, CONFIG_ENGINE_ONLY_WAIT);
	assert_int_equal(span_to_ms(c->takeover.backoff_initial), 2000);
	assert_int_equal(span_to_ms(c->takeover.backoff_cap), 300000);
	assert_int_equal(span_to_ms(c->takeover.stop_timeout), 10000);
	assert_int_equal(c->on_return.keep, CONFIG_KEEP_NEWEST);
	assert_int_equal(c->on_return.stale, CONFIG_STALE_REMOVE);
	assert_true(c->brake.max_lost.percent && c->brake.max_lost.value == 50);
	assert_null(c->brake.zone.label);
	assert_int_equal(c->takeover.delay.ns, 0);
	assert_int_equal(c->takeover.per_minute, 0);
	assert_int_equal(span_to_ms(c->on_return.hold_down.initial), 10000);
	assert_int_equal(span_to_ms(c->on_return.hold_down.cap), 300000);
	assert_int_equal(span_to_ms(c->on_return.hold_down.window), 600000);
	assert_int_equal(c->log.level, LOG_LEVEL_INFO);
}

static void an_agent_by_https_and_an_underlay_address_are_read(void **state) {
	(void)state;
	struct config *c CLEANUP(cleanup_config) = NULL;
	struct err err = {0};
	char *ca CLEANUP_FREE = xasprintf("%s/ca.pem", dir), *cert CLEANUP_FREE = xasprintf("%s/cert.pem", dir),
		 *key CLEANUP_FREE = xasprintf("%s/key.pem", dir);
	const char *text =
		"cluster: c\n"
		"engines:\n"
		"- {name: a, url: \"tcp://a:1\", vtep: 10.99.0.11, agent: {url: \"https://a:4460\", tls: {ca: ca.pem, cert: "
		"cert.pem, key: key.pem}}}\n"
		"- {name: b, url: \"tcp://b:1\", vtep: \"fd00::12\"}\n";

	put("ca.pem", "ca", 0600);
	put("cert.pem", "cert", 0600);
	put("key.pem", "key", 0600);
	if (parse(text, &c, &err) < 0)
		fail_msg("%s", err.msg);
	assert_string_equal(c->engines[0].agent_url, "https://a:4460");
	assert_string_equal(c->engines[0].agent_ca, ca);
	assert_string_equal(c->engines[0].agent_cert, cert);
	assert_string_equal(c->engines[0].agent_key, key);
	assert_null(c->engines[0].tls_ca); /* the engine's own, which was not given */
	assert_string_equal(c->engines[0].vtep, "10.99.0.11");
	assert_string_equal(c->engines[1].vtep, "fd00::12");
	assert_null(c->engines[1].agent_url);
}

static const struct {
	const char *what, *text;
	unsigned line;
	const char *reason;
} bad[] = {
	{"nothing at all", "", 1, "cluster is missing"},
	{"only a comment", "# nothing\n", 2, "cluster is missing"},
	{"a word instead of a mapping", "hello\n", 1, "expected a mapping, got text"},
	{"no engines", "cluster: c\n", 1, "engines is missing"},
	{"an empty list of engines", "cluster: c\nengines: []\n", 2, "the list is empty"},
	{"an unknown key", GOOD "hartbeat: {}\n", 3, "unknown key 'hartbeat'"},
	{"an unknown key inside", GOOD "heartbeat:\n  interval: 1s\n  failure: 3\n", 5, "unknown key 'failure'"},
	{"an unknown key of an engine", "cluster: c\nengines:\n  - name: a\n    url: tcp://a:1\n    port: 3\n", 5,
	 "unknown key 'port'"},
	{"terminal control in a key", GOOD "\"\\e[31mred\": 1\n", 3, "control characters"},
	{"a wrong unit", GOOD "heartbeat: {interval: 1sec}\n", 3, "interval: expected a duration"},
	{"no unit", GOOD "heartbeat: {interval: 1}\n", 3, "interval: expected a duration"},
	{"a fraction", GOOD "heartbeat: {interval: 1.5s}\n", 3, "got '1.5s'"},
	{"a negative duration", GOOD "heartbeat: {interval: -1s}\n", 3, "interval: expected a duration"},
	{"a duration of nothing", GOOD "heartbeat: {interval: 0s}\n", 3, "interval: must be 100ms to 1h, got 0s"},
	{"a duration beyond all numbers", GOOD "heartbeat: {interval: 99999999999999999999h}\n", 3,
	 "interval: expected a duration"},
	{"a duration that is long", GOOD "heartbeat: {interval: 999999999999h}\n", 3, "interval: must be"},
	{"a space before the unit", GOOD "heartbeat: {interval: 1 s}\n", 3, "interval: expected a duration"},
	{"a number with a letter", GOOD "heartbeat: {failures: 80a}\n", 3, "failures: expected a number, got '80a'"},
	{"an octal number", GOOD "heartbeat: {failures: 010}\n", 3, "failures: expected a number"},
	{"a number in quotes", GOOD "heartbeat: {failures: \"3\"}\n", 3, "failures: expected a number"},
	{"no failure at all", GOOD "heartbeat: {failures: 0}\n", 3, "failures: must be 1 to 100, got 0"},
	{"a timeout far beyond the interval", GOOD "heartbeat: {interval: 1s, timeout: 30s}\n", 3,
	 "more than ten times the interval"},
	{"a cap below the start", GOOD "takeover:\n  backoff: {initial: 10s, cap: 5s}\n", 4, "cap is below initial"},
	{"a section without content", GOOD "takeover:\n", 3, "takeover: expected a mapping, got nothing"},
	{"a list for a mapping", GOOD "takeover: [1]\n", 3, "takeover: expected a mapping, got a list"},
	{"a yes for a true", GOOD "swarm: {remove_node: yes}\n", 3, "remove_node: expected true or false, got 'yes'"},
	{"a key given twice", GOOD "cluster: d\n", 3, "'cluster' is given twice (first in line 1)"},
	{"control given twice", GOOD "swarm:\n  control: unix:///a\n  control: unix:///b\n", 5,
	 "'control' is given twice (first in line 4)"},
	{"the same control socket twice", GOOD "swarm:\n  control:\n    - unix:///a\n    - unix:///a\n", 6,
	 "unix:///a is given twice"},
	{"a control socket by tcp", GOOD "swarm: {control: \"tcp://a:1\"}\n", 3, "control: expected unix:///path"},
	{"an engine name given twice",
	 "cluster: c\nengines:\n- {name: a, url: tcp://a:1}\n- {name: b, url: tcp://b:1}\n- {name: a, url: tcp://c:1}\n", 5,
	 "engine a is given twice (first in line 3)"},
	{"a url given twice", "cluster: c\nengines:\n- {name: a, url: tcp://a:1}\n- {name: b, url: tcp://A:1}\n", 4,
	 "engine b has the same url as engine a"},
	{"an engine without a name", "cluster: c\nengines:\n- {url: tcp://a:1}\n", 3, "name is missing"},
	{"an engine without a url", "cluster: c\nengines:\n- {name: a}\n", 3, "engine a: url is missing"},
	{"an engine that is a word", "cluster: c\nengines:\n- a\n", 3, "expected a mapping with name and url"},
	{"a url without a port", "cluster: c\nengines:\n- {name: a, url: tcp://a}\n", 3, "url: expected tcp://host:port"},
	{"a port beyond 65535", "cluster: c\nengines:\n- {name: a, url: \"tcp://a:65536\"}\n", 3, "url: expected tcp://host:port"},
	{"a url with a path", "cluster: c\nengines:\n- {name: a, url: \"tcp://a:1/x\"}\n", 3, "url: expected tcp://host:port"},
	{"a url with a password", "cluster: c\nengines:\n- {name: a, url: \"tcp://u:geheim@a:1\"}\n", 3,
	 "url: expected tcp://host:port"},
	{"a url of another kind", "cluster: c\nengines:\n- {name: a, url: \"ssh://a:22\"}\n", 3,
	 "url: expected tcp://host:port or unix:///path"},
	{"a relative socket", "cluster: c\nengines:\n- {name: a, url: \"unix://docker.sock\"}\n", 3, "url: expected unix:///path"},
	{"a name with a slash", "cluster: c\nengines:\n- {name: a/b, url: \"tcp://a:1\"}\n", 3, "name: expected a name of 1 to 63"},
	{"a cluster with a space", "cluster: c d\n" ENGINE, 1, "cluster: expected a name"},
	{"tls with a socket", "cluster: c\nengines:\n- name: a\n  url: unix:///a\n  tls: {ca: ca.pem}\n", 5, "tls makes no sense"},
	{"a key without its certificate", "cluster: c\nengines:\n- name: a\n  url: tcp://a:1\n  tls: {ca: ca.pem, key: key.pem}\n",
	 5, "cert and key go together"},
	{"tls without a ca", "cluster: c\nengines:\n- name: a\n  url: tcp://a:1\n  tls: {}\n", 5, "ca is missing"},
	{"a ca that is not there", "cluster: c\nengines:\n- name: a\n  url: tcp://a:1\n  tls:\n    ca: none.pem\n", 6,
	 "none.pem: No such file"},
	{"a ca that is a directory", "cluster: c\nengines:\n- name: a\n  url: tcp://a:1\n  tls:\n    ca: /tmp\n", 6,
	 "/tmp: Is a directory"},
	{"a ca that is empty", "cluster: c\nengines:\n- name: a\n  url: tcp://a:1\n  tls:\n    ca: empty.pem\n", 6,
	 "empty.pem is empty"},
	{"an agent without a url", "cluster: c\nengines:\n- name: a\n  url: tcp://a:1\n  agent: {}\n", 5, "agent: url is missing"},
	{"an agent's url of another kind", "cluster: c\nengines:\n- name: a\n  url: tcp://a:1\n  agent: {url: \"tcp://a:4460\"}\n",
	 5, "url: expected http://host:port or https://host:port"},
	{"an agent's url without a port", "cluster: c\nengines:\n- name: a\n  url: tcp://a:1\n  agent:\n    url: http://a\n", 6,
	 "url: expected http://host:port or https://host:port"},
	{"an agent by https without tls", "cluster: c\nengines:\n- name: a\n  url: tcp://a:1\n  agent: {url: \"https://a:4460\"}\n",
	 5, "engine a: agent: an https url needs tls with ca, cert and key"},
	{"an agent by https without a certificate of ours",
	 "cluster: c\nengines:\n- name: a\n  url: tcp://a:1\n  agent: {url: \"https://a:4460\", tls: {ca: ca.pem}}\n", 5,
	 "engine a: agent: an https url needs tls with ca, cert and key"},
	{"an agent by https that nobody vouches for",
	 "cluster: c\nengines:\n- name: a\n  url: tcp://a:1\n  agent: {url: \"https://a:4460\", tls: {cert: ca.pem, key: "
	 "key.pem}}\n",
	 5, "engine a: agent: an https url needs tls with ca, cert and key"},
	{"an agent by https with a key without its certificate",
	 "cluster: c\nengines:\n- name: a\n  url: tcp://a:1\n  agent: {url: \"https://a:4460\", tls: {ca: ca.pem, key: key.pem}}\n",
	 5, "engine a: agent: an https url needs tls with ca, cert and key"},
	{"an agent by http with tls",
	 "cluster: c\nengines:\n- name: a\n  url: tcp://a:1\n  agent: {url: \"http://a:4460\", tls: {ca: ca.pem}}\n", 5,
	 "engine a: agent: tls makes no sense with an http:// url"},
	{"an agent's key that is not there",
	 "cluster: c\nengines:\n- name: a\n  url: tcp://a:1\n  agent:\n    url: https://a:4460\n    tls:\n      key: none.pem\n", 8,
	 "none.pem: No such file"},
	{"an unknown key of an agent",
	 "cluster: c\nengines:\n- name: a\n  url: tcp://a:1\n  agent:\n    url: http://a:1\n    port: 1\n", 7,
	 "unknown key 'port'"},
	{"a vtep that is a name", "cluster: c\nengines:\n- name: a\n  url: tcp://a:1\n  vtep: h1.example.com\n", 5,
	 "vtep: expected a numeric address, got 'h1.example.com'"},
	{"a vtep with a port", "cluster: c\nengines:\n- name: a\n  url: tcp://a:1\n  vtep: \"10.0.0.1:4789\"\n", 5,
	 "vtep: expected a numeric address"},
	{"a vtep with a prefix length", "cluster: c\nengines:\n- name: a\n  url: tcp://a:1\n  vtep: 10.0.0.1/24\n", 5,
	 "vtep: expected a numeric address"},
	{"two vteps", "cluster: c\nengines:\n- name: a\n  url: tcp://a:1\n  vtep: [10.0.0.1]\n", 5,
	 "vtep: expected a numeric address, got a list"},
	{"a label that is a list", "cluster: c\nengines:\n- name: a\n  url: tcp://a:1\n  labels: {zone: [a]}\n", 5,
	 "a label is a key and a text"},
	{"an unknown strategy", GOOD "placement: {strategy: best}\n", 3,
	 "strategy: expected one of spread, binpack, random, got 'best'"},
	{"an unknown fence", GOOD "takeover: {fence: shot}\n", 3, "fence: expected one of auto, presumed, quarantined, stopped"},
	{"a brake of nothing", GOOD "brake: {max_lost: 0}\n", 3, "max_lost: must be 1 to"},
	{"a brake beyond all", GOOD "brake: {max_lost: 101%}\n", 3, "max_lost: must be 1 to 100, got 101"},
	{"a brake of only a sign", GOOD "brake: {max_lost: \"%\"}\n", 3, "max_lost: expected a number"},
	{"a zone without a limit", GOOD "brake: {zone: {label: rack}}\n", 3, "brake: zone: label and max_lost go together"},
	{"a limit without a zone", GOOD "brake: {zone: {max_lost: 2}}\n", 3, "brake: zone: label and max_lost go together"},
	{"a zone that nobody is in", GOOD "brake: {zone: {label: rack, max_lost: 2}}\n", 3, "no engine has a label \"rack\""},
	{"a zone's label that is a list", GOOD "brake: {zone: {label: [rack]}}\n", 3, "label: expected a text, got a list"},
	{"a hold-down with its cap below its begin", GOOD "return: {hold_down: {initial: 10m, cap: 1m}}\n", 3,
	 "return: hold_down: cap is below initial"},
	{"a delay of a week and a second", GOOD "takeover: {delay: 604801s}\n", 3, "delay: must be 0s to 168h, got 604801s"},
	{"no takeovers a minute", GOOD "takeover: {per_minute: 0}\n", 3, "per_minute: must be 1 to"},
	{"an api by tcp", GOOD "api: tcp://0.0.0.0:80\n", 3, "api: expected unix:///path"},
	{"an alias", "cluster: &a c\n" ENGINE "state: *a\n", 1, "anchors are not supported"},
	{"an alias to nothing", GOOD "state: *a\n", 3, "aliases are not supported"},
	{"a merge key", GOOD "<<: {a: b}\n", 3, "unknown key '<<'"},
	{"a tag", GOOD "state: !!str x\n", 3, "tags are not supported"},
	{"a mapping as a key", GOOD "{a: b}: c\n", 3, "a key must be text, not a mapping"},
	{"a second document", GOOD "---\ncluster: d\n", 3, "a second document"},
	{"a tab for indentation", "cluster: c\nengines:\n\t- name: a\n", 3, "cannot start any token"},
	{"a bracket left open", "cluster: c\nengines: [\n", 3, "did not find expected node content"},
	{"a text over several lines", GOOD "state: |\n  a\n  b\n", 3, "several lines"},
	{"nesting", GOOD "log: [[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[\n", 3, "nested too deeply"},
};

static void bad_input_is_refused_with_line_and_reason(void **state) {
	(void)state;
	int failed = 0;
	put("ca.pem", "ca", 0600);
	put("key.pem", "key", 0600);
	put("empty.pem", "", 0600);
	for (size_t i = 0; i < COUNT(bad); i++) {
		struct config *c CLEANUP(cleanup_config) = NULL;
		struct err err = {0};
		char *place CLEANUP_FREE = xasprintf("heird.yaml:%u: ", bad[i].line);

		int r = parse(bad[i].text, &c, &err);
		bool same = r == -EINVAL && !c && !strncmp(err.msg, place, strlen(place)) && strstr(err.msg, bad[i].reason);
		if (!same)
			print_error("%s: expected %s...%s, got %d %s\n", bad[i].what, place, bad[i].reason, r, err.msg);
		failed += !same;
		assert_null(strstr(err.msg, "geheim"));
	}
	assert_int_equal(failed, 0);
}

static void a_megabyte_of_garbage_is_refused_and_the_error_stays_short(void **state) {
	(void)state;
	unsigned seed = 1;
	for (int round = 0; round < 4; round++) {
		struct buf text CLEANUP_BUF = {0};
		struct config *c CLEANUP(cleanup_config) = NULL;
		struct err err = {0};
		for (size_t i = 0; i < 1u << 20; i++) {
			seed = seed * 1103515245u + 12345u;
			const char shapes[] = {(char)(seed >> 16), 'x', '[', " -:a,\n{"[(seed >> 16) % 7]};
			buf_append(&text, &shapes[round], 1);
		}
		assert_int_equal(config_parse(text.data, text.len, "heird.yaml", dir, &c, &err), -EINVAL);
		assert_true(!strncmp(err.msg, "heird.yaml:", 11) && strlen(err.msg) < 200);
	}
}

static void bytes_that_are_no_text_are_refused_with_their_line(void **state) {
	(void)state;
	struct config *c CLEANUP(cleanup_config) = NULL;
	struct err err = {0};
	assert_int_equal(parse(GOOD "state: \"a\x01\"\n", &c, &err), -EINVAL);
	assert_true(!strncmp(err.msg, "heird.yaml:3: ", 14));
	static const char nul[] = GOOD "state: \"a\0b\"\n";
	assert_int_equal(config_parse(nul, sizeof(nul) - 1, "heird.yaml", dir, &c, &err), -EINVAL);
	assert_true(!strncmp(err.msg, "heird.yaml:3: ", 14));
}

static void a_file_beyond_the_limit_is_refused(void **state) {
	(void)state;
	struct config *c CLEANUP(cleanup_config) = NULL;
	struct err err = {0};
	assert_int_equal(config_load("/dev/zero", &c, &err), -EINVAL);
	assert_string_equal(err.msg, "/dev/zero:1: larger than 2097152 bytes");
}

static void thousands_of_engines_are_read(void **state) {
	(void)state;
	struct config *c CLEANUP(cleanup_config) = NULL;
	struct err err = {0};
	struct buf text CLEANUP_BUF = {0};
	buf_puts(&text, "cluster: c\nengines:\n");
	for (int i = 0; i < 5000; i++)
		buf_printf(&text, "- {name: n%d, url: \"tcp://10.0.%d.%d:2375\"}\n", i, i / 250, i % 250);
	if (config_parse(text.data, text.len, "heird.yaml", dir, &c, &err) < 0)
		fail_msg("%s", err.msg);
	assert_int_equal(c->engine_count, 5000);
	assert_int_equal(c->engines[4999].line, 5002);
}

static void relative_paths_start_at_the_file(void **state) {
	(void)state;
	struct config *c CLEANUP(cleanup_config) = NULL;
	struct err err = {0};
	put("heird.yaml", GOOD "state: db/heir.db\n", 0600);
	char *path CLEANUP_FREE = xasprintf("%s/heird.yaml", dir);
	char *expected CLEANUP_FREE = xasprintf("%s/db/heir.db", dir);
	if (config_load(path, &c, &err) < 0)
		fail_msg("%s", err.msg);
	assert_string_equal(c->state, expected);
	assert_string_equal(c->path, path);
}

static void a_file_that_is_not_there_is_named(void **state) {
	(void)state;
	struct config *c = NULL;
	struct err err = {0};
	assert_int_equal(config_load("/nonexistent/heird.yaml", &c, &err), -ENOENT);
	assert_string_equal(err.msg, "/nonexistent/heird.yaml: cannot open: No such file or directory");
	assert_int_equal(config_load("/tmp", &c, &err), -EISDIR);
}

static int make_dir(void **state) {
	(void)state;
	return mkdtemp(dir) ? 0 : -1;
}

static int remove_dir(void **state) {
	(void)state;
	static const char *const names[] = {"ca.pem", "cert.pem", "key.pem", "empty.pem", "heird.yaml"};
	for (size_t i = 0; i < COUNT(names); i++) {
		char *path CLEANUP_FREE = xasprintf("%s/%s", dir, names[i]);
		(void)unlink(path); /* not every test makes every file */
	}
	return rmdir(dir);
}

int main(void) {
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_is_written_in_the_design_is_read),
		cmocka_unit_test(what_is_left_out_has_the_defaults_of_the_design),
		cmocka_unit_test(an_agent_by_https_and_an_underlay_address_are_read),
		cmocka_unit_test(bad_input_is_refused_with_line_and_reason),
		cmocka_unit_test(a_megabyte_of_garbage_is_refused_and_the_error_stays_short),
		cmocka_unit_test(bytes_that_are_no_text_are_refused_with_their_line),
		cmocka_unit_test(a_file_beyond_the_limit_is_refused),
		cmocka_unit_test(thousands_of_engines_are_read),
		cmocka_unit_test(relative_paths_start_at_the_file),
		cmocka_unit_test(a_file_that_is_not_there_is_named),
	};
	return cmocka_run_group_tests(tests, make_dir, remove_dir);
}
