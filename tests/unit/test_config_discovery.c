/* The configuration's section `discovery`: what is good is read whole, what is bad is refused with its line and the reason. */
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
#define GOOD "cluster: c\nengines: [{name: h1, url: \"tcp://10.0.0.1:2375\"}]\n"
#define SYSTEMS GOOD "discovery:\n  systems:\n"
#define CONSUL SYSTEMS "  - {kind: consul, url: \"http://a:8500\", "
#define CONSUL_TLS SYSTEMS "  - {kind: consul, url: \"https://a:8501\", "
#define SKYDNS SYSTEMS "  - {kind: skydns, url: \"http://a:2379\", domain: svc.local, "
#define X64 "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"
#define DNS SYSTEMS "  - {kind: dns, server: \"a:53\", zone: svc.example, "
#define KEY ", key_name: heir, key_file: tsig"

static char dir[] = "/tmp/heir-config-discovery-XXXXXX";
static const char *const files[] = {"ca.pem", "cert.pem", "key.pem", "token", "password", "tsig"};

static int parse(const char *text, struct config **ret, struct err *err) {
	return config_parse(text, strlen(text), "heird.yaml", dir, ret, err);
}

static struct config *parse_good(const char *text) {
	struct config *c = NULL;
	struct err err = {0};

	if (parse(text, &c, &err) < 0)
		fail_msg("%s", err.msg);
	return c;
}

static void assert_in_dir(const char *path, const char *name) {
	char *expected CLEANUP_FREE = xasprintf("%s/%s", dir, name);
	assert_string_equal(path, expected);
}

/* ---- good ---- */

static void without_the_section_nothing_is_published(void **state) {
	(void)state;
	struct config *c CLEANUP(cleanup_config) = parse_good(GOOD);

	assert_int_equal(c->discovery.n_systems, 0);
	assert_int_equal(c->discovery.publish, CONFIG_PUBLISH_LABELLED);
	assert_int_equal(c->discovery.address, CONFIG_SERVICE_OVERLAY);
	assert_int_equal(c->discovery.unhealthy, CONFIG_UNHEALTHY_KEEP);
	assert_int_equal(span_to_ms(c->discovery.interval), 300000);
}

static void an_empty_list_of_systems_is_none(void **state) {
	(void)state;
	struct config *c CLEANUP(cleanup_config) = parse_good(GOOD "discovery: {systems: []}\n");

	assert_int_equal(c->discovery.n_systems, 0);
}

static void what_holds_for_all_systems_is_read(void **state) {
	(void)state;
	struct config *c CLEANUP(cleanup_config) =
		parse_good(GOOD "discovery:\n"
				"  publish: opted-in\n"
				"  address: host\n"
				"  unhealthy: withdraw\n"
				"  interval: 30s\n"
				"  systems: [{kind: docker, name: names, required: true, deadline: 500ms, timeout: 1s}]\n");
	const struct config_discovery *s = c->discovery.systems;

	assert_int_equal(c->discovery.publish, CONFIG_PUBLISH_OPTED_IN);
	assert_int_equal(c->discovery.address, CONFIG_SERVICE_HOST);
	assert_int_equal(c->discovery.unhealthy, CONFIG_UNHEALTHY_WITHDRAW);
	assert_int_equal(span_to_ms(c->discovery.interval), 30000);
	assert_int_equal(s->kind, CONFIG_DISCOVERY_DOCKER);
	assert_string_equal(s->name, "names");
	assert_true(s->required);
	assert_int_equal(span_to_ms(s->deadline), 500);
	assert_int_equal(span_to_ms(s->timeout), 1000);
	assert_int_equal(s->line, 8);
}

static void what_a_system_leaves_out_has_the_defaults_of_its_kind(void **state) {
	(void)state;
	struct config *c CLEANUP(cleanup_config) =
		parse_good(SYSTEMS "  - {kind: docker}\n"
				   "  - {url: \"http://a:8500\", kind: consul}\n"
				   "  - {kind: skydns, url: \"http://a:2379\", domain: svc.local}\n"
				   "  - {kind: dns, server: \"a:53\", zone: svc.example" KEY "}\n");
	static const struct {
		const char *name;
		bool required;
		int ttl, check_ttl;
	} expected[] = {{"docker", true, 0, 0}, {"consul", true, 0, 30}, {"skydns", true, 10, 0}, {"dns", true, 10, 0}};

	assert_int_equal(c->discovery.n_systems, COUNT(expected));
	for (size_t i = 0; i < COUNT(expected); i++) {
		const struct config_discovery *s = &c->discovery.systems[i];
		assert_int_equal(s->kind, i);
		assert_string_equal(s->name, expected[i].name);
		assert_int_equal(s->required, expected[i].required);
		assert_int_equal(span_to_ms(s->deadline), 2000);
		assert_int_equal(span_to_ms(s->timeout), 5000);
		assert_int_equal(s->ttl, expected[i].ttl);
		assert_int_equal(span_to_ms(s->check_ttl), expected[i].check_ttl * 1000);
		assert_int_equal(s->algorithm, CONFIG_TSIG_SHA256);
		assert_int_equal(s->line, 5 + i);
		assert_null(s->tls_ca);
		assert_int_equal(s->adopt.n + s->n_agents + s->reverse_zones.n, 0);
	}
}

/* The engine that `agents` names stands below. */
static void a_consul_is_read_whole(void **state) {
	(void)state;
	struct config *c CLEANUP(cleanup_config) = parse_good(
		"cluster: c\n"
		"discovery:\n"
		"  systems:\n"
		"  - {kind: consul, name: east, url: [\"https://c1:8501\", \"https://[fd00::1]:8501\"], token_file: token,\n"
		"     datacenter: dc1, namespace: ns, node: heir-prod, node_address: 10.99.0.1,\n"
		"     agents: {h1: \"https://10.99.0.11:8501\"}, check_ttl: 20s, tls: {ca: ca.pem, cert: cert.pem, key: key.pem},\n"
		"     required: false, deadline: 3s, timeout: 4s, adopt: [web, db-1]}\n"
		"engines: [{name: h1, url: \"tcp://10.0.0.1:2375\"}]\n");
	const struct config_discovery *s = c->discovery.systems;

	assert_string_equal(s->name, "east");
	assert_int_equal(s->urls.n, 2);
	assert_string_equal(s->urls.v[1], "https://[fd00::1]:8501");
	assert_in_dir(s->token_file, "token");
	assert_string_equal(s->datacenter, "dc1");
	assert_string_equal(s->consul_namespace, "ns");
	assert_string_equal(s->node, "heir-prod");
	assert_string_equal(s->node_address, "10.99.0.1");
	assert_int_equal(s->n_agents, 1);
	assert_string_equal(s->agents[0].key, "h1");
	assert_string_equal(s->agents[0].value, "https://10.99.0.11:8501");
	assert_int_equal(span_to_ms(s->check_ttl), 20000);
	assert_in_dir(s->tls_ca, "ca.pem");
	assert_in_dir(s->tls_cert, "cert.pem");
	assert_in_dir(s->tls_key, "key.pem");
	assert_false(s->required);
	assert_int_equal(s->adopt.n, 2);
	assert_string_equal(s->adopt.v[1], "db-1");
}

static void a_skydns_is_read_whole(void **state) {
	(void)state;
	struct config *c CLEANUP(cleanup_config) =
		parse_good(SYSTEMS "  - {kind: skydns, url: \"https://e1:2379\", prefix: /dns/prod, domain: SVC.Local., user: u,\n"
				   "     password_file: password, ttl: 30, reverse: true, tls: {ca: ca.pem}, adopt: web}\n");
	const struct config_discovery *s = c->discovery.systems;

	assert_string_equal(s->urls.v[0], "https://e1:2379");
	assert_string_equal(s->prefix, "/dns/prod");
	assert_string_equal(s->domain, "svc.local");
	assert_string_equal(s->user, "u");
	assert_in_dir(s->password_file, "password");
	assert_int_equal(s->ttl, 30);
	assert_true(s->reverse);
	assert_in_dir(s->tls_ca, "ca.pem");
	assert_null(s->tls_cert);
	assert_string_equal(s->adopt.v[0], "web");
}

static void a_dns_zone_is_read_whole_and_its_names_end_with_a_dot(void **state) {
	(void)state;
	struct config *c CLEANUP(cleanup_config) = parse_good(
		SYSTEMS "  - {kind: dns, server: \"[fd00::1]:53\", zone: Svc.Example, key_name: heir_key, key_file: tsig,\n"
			"     algorithm: hmac-sha512, ttl: 5, reverse: [20.10.in-addr.arpa, 0.0.d.f.ip6.arpa.], adopt: [web]}\n");
	const struct config_discovery *s = c->discovery.systems;

	assert_string_equal(s->server, "[fd00::1]:53");
	assert_string_equal(s->zone, "svc.example.");
	assert_string_equal(s->key_name, "heir_key.");
	assert_in_dir(s->key_file, "tsig");
	assert_int_equal(s->algorithm, CONFIG_TSIG_SHA512);
	assert_int_equal(s->ttl, 5);
	assert_int_equal(s->reverse_zones.n, 2);
	assert_string_equal(s->reverse_zones.v[0], "20.10.in-addr.arpa.");
	assert_string_equal(s->reverse_zones.v[1], "0.0.d.f.ip6.arpa.");
}

static void an_engines_address_of_published_ports_is_read(void **state) {
	(void)state;
	struct config *c CLEANUP(cleanup_config) = parse_good("cluster: c\n"
							      "engines:\n"
							      "- {name: a, url: tcp://a:1, address: 192.0.2.1}\n"
							      "- {name: b, url: tcp://b:1, address: \"2001:db8::1\"}\n"
							      "- {name: c, url: tcp://c:1}\n");

	assert_string_equal(c->engines[0].address, "192.0.2.1");
	assert_string_equal(c->engines[1].address, "2001:db8::1");
	assert_null(c->engines[2].address);
}

static void https_without_tls_is_left_to_the_systems_authorities(void **state) {
	(void)state;
	struct config *c CLEANUP(cleanup_config) = parse_good(SYSTEMS "  - {kind: consul, url: \"https://a:8501\"}\n");

	assert_null(c->discovery.systems[0].tls_ca);
}

static void several_systems_of_one_kind_have_names(void **state) {
	(void)state;
	struct config *c CLEANUP(cleanup_config) =
		parse_good(SYSTEMS "  - {kind: dns, server: \"a:53\", zone: a.example" KEY "}\n"
				   "  - {kind: dns, name: b, server: \"b:53\", zone: b.example" KEY "}\n");

	assert_int_equal(c->discovery.n_systems, 2);
	assert_string_equal(c->discovery.systems[1].name, "b");
}

/* ---- bad ---- */

#define LABEL_64 "a234567890123456789012345678901234567890123456789012345678901234"
#define LABEL_50 "a2345678901234567890123456789012345678901234567890"

static const struct {
	const char *what, *text;
	unsigned line;
	const char *reason;
} bad[] = {
	/* the section */
	{"a section that is a word", GOOD "discovery: consul\n", 3, "discovery: expected a mapping, got 'consul'"},
	{"a section without systems", GOOD "discovery: {publish: all}\n", 3, "discovery: systems is missing"},
	{"an unknown key of the section", GOOD "discovery:\n  publich: all\n", 4, "unknown key 'publich'"},
	{"a publish that is none", GOOD "discovery: {publish: none}\n", 3,
	 "publish: expected one of labelled, opted-in, all, got 'none'"},
	{"an address of neither", GOOD "discovery: {address: 10.0.0.1}\n", 3, "address: expected one of overlay, host"},
	{"something else to do when unhealthy", GOOD "discovery: {unhealthy: remove}\n", 3,
	 "unhealthy: expected one of keep, withdraw"},
	{"an interval without a unit", GOOD "discovery: {interval: 300}\n", 3, "interval: expected a duration"},
	{"an interval of a second", GOOD "discovery: {interval: 1s}\n", 3, "interval: must be 5s to 24h, got 1s"},
	{"an interval of more than a day", GOOD "discovery: {interval: 25h}\n", 3, "interval: must be 5s to 24h, got 25h"},
	{"systems that are a mapping", GOOD "discovery: {systems: {kind: docker}}\n", 3, "systems: expected a list, got a mapping"},
	{"a system that is a word", SYSTEMS "  - docker\n", 5, "systems: expected a mapping with kind, got text"},
	{"a system without a kind", SYSTEMS "  - {name: consul}\n", 5, "systems: expected a mapping with kind, got none"},
	{"a kind that is unknown", SYSTEMS "  - {kind: zookeeper}\n", 5,
	 "kind: expected one of docker, consul, skydns, dns, got 'zookeeper'"},
	{"a kind that is a list", SYSTEMS "  - {kind: [dns]}\n", 5,
	 "kind: expected one of docker, consul, skydns, dns, got a list"},

	/* keys of all kinds */
	{"an unknown key of a system", SYSTEMS "  - kind: docker\n    nam: d\n", 6, "unknown key 'nam'"},
	{"a name with a space", SYSTEMS "  - {kind: docker, name: \"a b\"}\n", 5, "name: expected a name of 1 to 63"},
	{"a required that is neither", SYSTEMS "  - {kind: docker, required: no}\n", 5, "required: expected true or false"},
	{"a deadline of nothing", SYSTEMS "  - {kind: docker, deadline: 0s}\n", 5, "deadline: must be 100ms to 10m, got 0s"},
	{"a deadline of an hour", SYSTEMS "  - {kind: docker, deadline: 1h}\n", 5, "deadline: must be 100ms to 10m, got 1h"},
	{"a timeout of two minutes", SYSTEMS "  - {kind: docker, timeout: 2m}\n", 5, "timeout: must be 100ms to 1m, got 2m"},
	{"two of one kind without names", SYSTEMS "  - {kind: docker}\n  - {kind: docker}\n", 6,
	 "system docker is given twice (first in line 5)"},
	{"a name that is another's kind",
	 SYSTEMS "  - {kind: docker, name: dns}\n  - {kind: dns, server: \"a:53\", zone: a.b" KEY "}\n", 6,
	 "system dns is given twice (first in line 5)"},

	/* keys of other kinds */
	{"a url of docker", SYSTEMS "  - {kind: docker, url: \"http://a:1\"}\n", 5, "'url' is a key of kind consul, not of docker"},
	{"docker adopting", SYSTEMS "  - {kind: docker, adopt: [web]}\n", 5, "'adopt' is a key of kind consul, not of docker"},
	{"a zone of consul", SYSTEMS "  - kind: consul\n    url: http://a:8500\n    zone: a.b\n", 7,
	 "'zone' is a key of kind dns, not of consul"},
	{"a ttl of consul", CONSUL "ttl: 10}\n", 5, "'ttl' is a key of kind skydns, not of consul"},
	{"a token of skydns", SKYDNS "token_file: token}\n", 5, "'token_file' is a key of kind consul, not of skydns"},
	{"a server of skydns", SKYDNS "server: \"a:53\"}\n", 5, "'server' is a key of kind dns, not of skydns"},
	{"tls of dns", DNS "tls: {ca: ca.pem}}\n", 5, "'tls' is a key of kind consul, not of dns"},

	/* consul */
	{"a consul without a url", SYSTEMS "  - {kind: consul}\n", 5, "system consul: url is missing"},
	{"a consul without a url, named", SYSTEMS "  - {kind: consul, name: east}\n", 5, "system east: url is missing"},
	{"an empty list of urls", SYSTEMS "  - {kind: consul, url: []}\n", 5, "url: the list is empty"},
	{"a url without a port", SYSTEMS "  - {kind: consul, url: \"http://a\"}\n", 5,
	 "url: expected http://host:port or https://"},
	{"a url with a password", SYSTEMS "  - {kind: consul, url: \"http://u:geheim@a:8500\"}\n", 5,
	 "url: expected http://host:port"},
	{"a url with a path", SYSTEMS "  - {kind: consul, url: \"http://a:8500/v1\"}\n", 5, "url: expected http://host:port"},
	{"a url by tcp", SYSTEMS "  - {kind: consul, url: \"tcp://a:8500\"}\n", 5, "url: expected http://host:port"},
	{"the same url twice", SYSTEMS "  - kind: consul\n    url:\n    - http://a:1\n    - http://a:1\n", 8,
	 "url: http://a:1 is given twice"},
	{"a token in the file itself", CONSUL "token: geheim}\n", 5, "unknown key 'token'"},
	{"a token file that is not there", CONSUL "token_file: none}\n", 5, "/none: No such file"},
	{"a token file that is a directory", CONSUL "token_file: /tmp}\n", 5, "/tmp: Is a directory"},
	{"a token file that is empty", CONSUL "token_file: empty}\n", 5, "empty is empty or no file"},
	{"a datacenter with a slash", CONSUL "datacenter: a/b}\n", 5, "datacenter: expected a name"},
	{"a namespace with a space", CONSUL "namespace: \"a b\"}\n", 5, "namespace: expected a name"},
	{"a node's address that is a name", CONSUL "node_address: a.example}\n", 5,
	 "node_address: expected a numeric address, got 'a.example'"},
	{"agents that are a list", CONSUL "agents: [\"http://a:8500\"]}\n", 5,
	 "agents: expected a mapping of engines' names to URLs, got a list"},
	{"an agent of no engine",
	 SYSTEMS "  - kind: consul\n    url: http://a:8500\n    agents:\n      h1: http://a:1\n      h9: http://a:2\n", 9,
	 "system consul: agents: no engine has the name 'h9'"},
	{"an agent without a port", CONSUL "agents: {h1: \"http://a\"}}\n", 5, "agents: expected http://host:port"},
	{"a check without an agent", CONSUL "check_ttl: 30s}\n", 5, "system consul: check_ttl makes no sense without agents"},
	{"a check of no time", CONSUL "agents: {h1: \"http://a:1\"}, check_ttl: 0s}\n", 5, "check_ttl: must be 1s to 24h, got 0s"},
	{"adopting a word that is no label", CONSUL "adopt: [web, Web_1]}\n", 5, "adopt: expected a DNS label (1 to 63"},
	{"adopting what begins with a hyphen", CONSUL "adopt: [-web]}\n", 5, "adopt: expected a DNS label"},
	{"adopting what ends with a hyphen", CONSUL "adopt: web-}\n", 5, "adopt: expected a DNS label"},
	{"adopting 64 letters", CONSUL "adopt: [" LABEL_64 "]}\n", 5, "adopt: expected a DNS label"},
	{"adopting a star", CONSUL "adopt: [\"*\"]}\n", 5, "adopt: expected a DNS label"},
	{"adopting twice", CONSUL "adopt: [web, web]}\n", 5, "adopt: web is given twice"},

	/* tls */
	{"tls with http", CONSUL "tls: {ca: ca.pem}}\n", 5, "system consul: tls makes no sense with an http:// url"},
	{"tls with one url by http", SYSTEMS "  - {kind: consul, url: [\"https://a:1\", \"http://b:1\"], tls: {ca: ca.pem}}\n", 5,
	 "tls makes no sense with an http:// url"},
	{"tls with an agent by http", CONSUL_TLS "agents: {h1: \"http://a:1\"}, tls: {ca: ca.pem}}\n", 5,
	 "tls makes no sense with an http:// url"},
	{"a key without its certificate", CONSUL_TLS "tls: {ca: ca.pem, key: key.pem}}\n", 5, "tls: cert and key go together"},
	{"tls of nothing", CONSUL_TLS "tls: {}}\n", 5, "system consul: tls: neither ca nor cert and key are given"},
	{"a ca that is not there", CONSUL_TLS "tls: {ca: none.pem}}\n", 5, "none.pem: No such file"},
	{"an unknown key of tls", CONSUL_TLS "tls: {insecure: true}}\n", 5, "unknown key 'insecure'"},

	/* skydns */
	{"a skydns without a url", SYSTEMS "  - {kind: skydns, domain: svc.local}\n", 5, "system skydns: url is missing"},
	{"a skydns without a domain", SYSTEMS "  - {kind: skydns, url: \"http://a:2379\"}\n", 5,
	 "system skydns: domain is missing"},
	{"a domain with an empty label", SYSTEMS "  - {kind: skydns, url: \"http://a:2379\", domain: svc..local}\n", 5,
	 "domain: expected a domain's name, got 'svc..local'"},
	{"a domain that is the root", SYSTEMS "  - {kind: skydns, url: \"http://a:2379\", domain: .}\n", 5,
	 "domain: expected a domain's name, got '.'"},
	{"a domain that begins with a dot", SYSTEMS "  - {kind: skydns, url: \"http://a:2379\", domain: .local}\n", 5,
	 "domain: expected a domain's name"},
	{"a domain with a slash", SYSTEMS "  - {kind: skydns, url: \"http://a:2379\", domain: a/b}\n", 5,
	 "domain: expected a domain's name"},
	{"a prefix that is relative", SKYDNS "prefix: skydns}\n", 5, "prefix: expected a path of keys like /skydns, got 'skydns'"},
	{"a prefix with a slash at its end", SKYDNS "prefix: /skydns/}\n", 5, "prefix: expected a path of keys"},
	{"a prefix with two slashes", SKYDNS "prefix: /a//b}\n", 5, "prefix: expected a path of keys"},
	{"a prefix of a slash alone", SKYDNS "prefix: /}\n", 5, "prefix: expected a path of keys"},
	{"a prefix that is too long", SKYDNS "prefix: /" X64 X64 "}\n", 5, "prefix: longer than 128 bytes"},
	{"a domain with an underscore", SYSTEMS "  - {kind: skydns, url: \"http://a:2379\", domain: a_b.local}\n", 5,
	 "domain: expected a domain's name without underscores"},
	{"a user without a password", SKYDNS "user: u}\n", 5, "system skydns: user and password_file go together"},
	{"a password without a user", SKYDNS "password_file: password}\n", 5, "system skydns: user and password_file go together"},
	{"a ttl with a unit", SKYDNS "ttl: 10s}\n", 5, "ttl: expected a number, got '10s'"},
	{"a ttl of nothing", SKYDNS "ttl: 0}\n", 5, "ttl: must be 1 to 86400, got 0"},
	{"zones of skydns", SKYDNS "reverse: [20.10.in-addr.arpa]}\n", 5, "reverse: expected true or false, got a list"},

	/* dns */
	{"a dns without a server", SYSTEMS "  - {kind: dns, zone: a.b}\n", 5, "system dns: server is missing"},
	{"a dns without a zone", SYSTEMS "  - {kind: dns, server: \"a:53\"}\n", 5, "system dns: zone is missing"},
	{"a server without a port", SYSTEMS "  - {kind: dns, zone: a.b, server: 10.0.0.1}\n", 5,
	 "server: expected host:port, got '10.0.0.1'"},
	{"a server of IPv6 without brackets", SYSTEMS "  - {kind: dns, zone: a.b, server: \"fd00::1\"}\n", 5,
	 "server: expected host:port"},
	{"a server with a scheme", SYSTEMS "  - {kind: dns, zone: a.b, server: \"tcp://a:53\"}\n", 5, "server: expected host:port"},
	{"a zone with a space", SYSTEMS "  - {kind: dns, server: \"a:53\", zone: \"a b\"}\n", 5, "zone: expected a domain's name"},
	{"a zone with a label of 64 letters", SYSTEMS "  - {kind: dns, server: \"a:53\", zone: " LABEL_64 ".a}\n", 5,
	 "zone: expected a domain's name"},
	{"a zone of 254 letters",
	 SYSTEMS "  - {kind: dns, server: \"a:53\", zone: " LABEL_50 "." LABEL_50 "." LABEL_50 "." LABEL_50 "." LABEL_50 "}\n", 5,
	 "zone: expected a domain's name"},
	{"two zones", SYSTEMS "  - {kind: dns, server: \"a:53\", zone: [a.b, b.b]}\n", 5,
	 "zone: expected a domain's name, got a list"},
	{"a reverse that is a yes", DNS "reverse: true}\n", 5,
	 "reverse: expected a zone below in-addr.arpa or ip6.arpa, got 'true'"},
	{"a reverse zone of names", DNS "reverse: [example.com]}\n", 5, "reverse: expected a zone below in-addr.arpa or ip6.arpa"},
	{"a reverse zone of all addresses", DNS "reverse: [in-addr.arpa]}\n", 5, "reverse: expected a zone below"},
	{"a reverse zone twice", DNS "reverse: [10.in-addr.arpa, 10.IN-ADDR.arpa.]}\n", 5, "10.in-addr.arpa. is given twice"},
	{"a key without its name", DNS "key_file: tsig}\n", 5, "system dns: key_name is missing"},
	{"a key's name alone", DNS "key_name: heir}\n", 5, "system dns: key_file is missing"},
	{"a key in the file itself", DNS "key_name: heir, key: geheim}\n", 5, "unknown key 'key'"},
	{"no key at all", DNS "algorithm: hmac-sha256}\n", 5, "system dns: key_name is missing"},
	{"an algorithm that ldns cannot do", DNS "key_name: k, key_file: tsig, algorithm: hmac-sha384}\n", 5,
	 "algorithm: ldns cannot sign with hmac-sha384: use hmac-sha256 or hmac-sha512"},
	{"an algorithm that is too old", DNS "key_name: k, key_file: tsig, algorithm: hmac-md5}\n", 5,
	 "algorithm: expected one of hmac-sha256, hmac-sha512, got 'hmac-md5'"},

	/* engines */
	{"an engine's address that is a name", "cluster: c\nengines:\n- {name: a, url: tcp://a:1, address: a.example}\n", 3,
	 "address: expected a numeric address, got 'a.example'"},
	{"an engine's address with a port", "cluster: c\nengines:\n- {name: a, url: tcp://a:1, address: \"10.0.0.1:80\"}\n", 3,
	 "address: expected a numeric address"},
};

static void bad_input_is_refused_with_line_and_reason(void **state) {
	(void)state;
	int failed = 0;

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

static void the_longest_prefix_is_taken(void **state) {
	(void)state;
	char *text CLEANUP_FREE = xasprintf(SKYDNS "prefix: /%.127s}\n", X64 X64);
	struct config *c CLEANUP(cleanup_config) = parse_good(text);

	assert_int_equal(strlen(c->discovery.systems[0].prefix), CONFIG_DISCOVERY_PREFIX_MAX);
}

static void sixteen_systems_are_read_and_one_more_is_refused(void **state) {
	(void)state;
	struct config *c CLEANUP(cleanup_config) = NULL;
	struct err err = {0};
	struct buf text CLEANUP_BUF = {0};

	buf_puts(&text, SYSTEMS);
	for (int i = 0; i < 16; i++)
		buf_printf(&text, "  - {kind: dns, name: d%d, server: \"a:53\", zone: z%d.example" KEY "}\n", i, i);
	c = parse_good(text.data);
	assert_int_equal(c->discovery.n_systems, 16);
	config_free(TAKE_PTR(c));
	buf_puts(&text, "  - {kind: docker}\n");
	assert_int_equal(parse(text.data, &c, &err), -EINVAL);
	assert_string_equal(err.msg, "heird.yaml:5: systems: more than 16");
}

static void put(const char *name, const char *text) {
	char *path CLEANUP_FREE = xasprintf("%s/%s", dir, name);
	int fd CLEANUP_FD = open(path, O_CREAT | O_WRONLY | O_TRUNC | O_CLOEXEC, 0600);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, text, strlen(text)), strlen(text));
}

static int make_dir(void **state) {
	(void)state;
	if (!mkdtemp(dir))
		return -1;
	for (size_t i = 0; i < COUNT(files); i++)
		put(files[i], "geheim");
	put("empty", "");
	return 0;
}

static int remove_dir(void **state) {
	(void)state;
	for (size_t i = 0; i <= COUNT(files); i++) {
		char *path CLEANUP_FREE = xasprintf("%s/%s", dir, i < COUNT(files) ? files[i] : "empty");
		assert_int_equal(unlink(path), 0);
	}
	return rmdir(dir);
}

int main(void) {
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(without_the_section_nothing_is_published),
		cmocka_unit_test(an_empty_list_of_systems_is_none),
		cmocka_unit_test(what_holds_for_all_systems_is_read),
		cmocka_unit_test(what_a_system_leaves_out_has_the_defaults_of_its_kind),
		cmocka_unit_test(a_consul_is_read_whole),
		cmocka_unit_test(a_skydns_is_read_whole),
		cmocka_unit_test(a_dns_zone_is_read_whole_and_its_names_end_with_a_dot),
		cmocka_unit_test(an_engines_address_of_published_ports_is_read),
		cmocka_unit_test(https_without_tls_is_left_to_the_systems_authorities),
		cmocka_unit_test(several_systems_of_one_kind_have_names),
		cmocka_unit_test(bad_input_is_refused_with_line_and_reason),
		cmocka_unit_test(the_longest_prefix_is_taken),
		cmocka_unit_test(sixteen_systems_are_read_and_one_more_is_refused),
	};
	return cmocka_run_group_tests(tests, make_dir, remove_dir);
}
