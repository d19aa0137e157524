/* The shape of `discovery` in heird's file: for each kind of system a table of the keys that it has, the rules between keys, and
 * what can only be checked when all of the file is read. */
#include "config/config-internal.h"

#include "base/alloc.h"
#include "base/cleanup.h"

#include <assert.h>
#include <string.h>

static const char *const kind_words[] = {"docker", "consul", "skydns", "dns", NULL};
static const char *const publish_words[] = {"labelled", "opted-in", "all", NULL};
static const char *const address_words[] = {"overlay", "host", NULL};
static const char *const unhealthy_words[] = {"keep", "withdraw", NULL};
static const char *const algorithm_words[] = {"hmac-sha256", "hmac-sha512", NULL};
#define COUNT(list) (sizeof(list) / sizeof((list)[0]))
#define WORDS(list) (COUNT(list) - 1)
static_assert(WORDS(kind_words) == CONFIG_DISCOVERY_MAX, "a word for each");
static_assert(WORDS(publish_words) == CONFIG_PUBLISH_MAX, "a word for each");
static_assert(WORDS(address_words) == CONFIG_SERVICE_ADDRESS_MAX, "a word for each");
static_assert(WORDS(unhealthy_words) == CONFIG_UNHEALTHY_MAX, "a word for each");
static_assert(WORDS(algorithm_words) == CONFIG_TSIG_MAX, "a word for each");

static field_read_fn read_systems, read_urls, read_agents, read_adopt, read_prefix, read_reverse_zones, read_algorithm;

#define AT(member) .offset = offsetof(struct config, member)

const struct field config_discovery_fields[] = {
	{"publish", read_word, AT(discovery.publish), .words = publish_words},
	{"address", read_word, AT(discovery.address), .words = address_words},
	{"unhealthy", read_word, AT(discovery.unhealthy), .words = unhealthy_words},
	{"interval", read_duration, AT(discovery.interval), .low = 5000, .high = 24 * HOUR},
	{"systems", read_systems, .offset = 0},
	{0},
};

#undef AT
#define AT(member) .offset = offsetof(struct config_discovery, member)

static const struct field tls_fields[] = {
	{"ca", read_file, AT(tls_ca)},
	{"cert", read_file, AT(tls_cert)},
	{"key", read_file, AT(tls_key)},
	{0},
};

#define OF_ALL \
	{"kind", read_word, AT(kind), .words = kind_words}, {"name", read_name, AT(name)}, {"required", read_bool, AT(required)}, \
		{"deadline", read_duration, AT(deadline), .low = 100, .high = 10 * MINUTE}, { \
		"timeout", read_duration, AT(timeout), .low = 100, .high = MINUTE \
	}
#define OF_HTTP \
	{"url", read_urls, AT(urls)}, { "tls", read_mapping, .sub = tls_fields }
#define ADOPT \
	{ "adopt", read_adopt, AT(adopt) }
#define TTL \
	{ "ttl", read_int, AT(ttl), .low = 1, .high = 86400 }

static const struct field docker_fields[] = {OF_ALL, {0}};
static const struct field consul_fields[] = {
	OF_ALL,
	OF_HTTP,
	ADOPT,
	{"token_file", read_file, AT(token_file)},
	{"datacenter", read_name, AT(datacenter)},
	{"namespace", read_name, AT(consul_namespace)},
	{"node", read_name, AT(node)},
	{"node_address", read_ip, AT(node_address)},
	{"agents", read_agents, .offset = 0},
	{"check_ttl", read_duration, AT(check_ttl), .low = 1000, .high = 24 * HOUR},
	{0},
};
static const struct field skydns_fields[] = {
	OF_ALL,
	OF_HTTP,
	ADOPT,
	TTL,
	{"prefix", read_prefix, AT(prefix)},
	{"domain", read_domain, AT(domain)},
	{"user", read_text, AT(user)},
	{"password_file", read_file, AT(password_file)},
	{"reverse", read_bool, AT(reverse)},
	{0},
};
static const struct field dns_fields[] = {
	OF_ALL,
	ADOPT,
	TTL,
	{"server", read_host_and_port, AT(server)},
	{"zone", read_zone, AT(zone)},
	{"reverse", read_reverse_zones, AT(reverse_zones)},
	{"key_name", read_zone, AT(key_name)},
	{"key_file", read_file, AT(key_file)},
	{"algorithm", read_algorithm, AT(algorithm)},
	{0},
};
static const struct field *const fields_of[CONFIG_DISCOVERY_MAX] = {
	[CONFIG_DISCOVERY_DOCKER] = docker_fields,
	[CONFIG_DISCOVERY_CONSUL] = consul_fields,
	[CONFIG_DISCOVERY_SKYDNS] = skydns_fields,
	[CONFIG_DISCOVERY_DNS] = dns_fields,
};

/* ---- one value ---- */

static int read_urls(const struct reader *r, const struct field *f, const struct node *n, void *to) {
	if (n->kind == NODE_LIST && n->n == 0)
		return reader_refuse(r, n, "%s: the list is empty", f->key);
	return reader_each(r, f, n, read_http_url, to);
}

static int read_adopt(const struct reader *r, const struct field *f, const struct node *n, void *to) {
	return reader_each(r, f, n, read_label, to);
}

/* to is the system. */
static int read_agents(const struct reader *r, const struct field *f, const struct node *n, void *to) {
	struct config_discovery *s = to;

	if (n->kind != NODE_MAPPING)
		return reader_expected(r, f, n, "a mapping of engines' names to URLs");
	s->agents = xnew_n(struct config_label, n->n);
	for (size_t i = 0; i < n->n; i++) {
		struct config_label *agent = &s->agents[s->n_agents++];
		agent->key = xstrdup(n->keys[i]->text);
		int status = read_http_url(r, f, n->items[i], &agent->value);
		if (status < 0)
			return status;
	}
	return 0;
}

static int read_prefix(const struct reader *r, const struct field *f, const struct node *n, void *to) {
	size_t len = n->kind == NODE_SCALAR ? strlen(n->text) : 0;
	if (len > CONFIG_DISCOVERY_PREFIX_MAX)
		return reader_refuse(r, n, "%s: longer than %d bytes", f->key, CONFIG_DISCOVERY_PREFIX_MAX);
	bool good = len > 1 && n->text[0] == '/' && n->text[len - 1] != '/' && !strstr(n->text, "//") &&
		    strspn(n->text, READER_LETTERS READER_DIGITS "_.-/") == len;

	if (!good)
		return reader_expected(r, f, n, "a path of keys like /skydns");
	xstr_replace(to, n->text);
	return 0;
}

static bool is_reverse(const char *zone) {
	static const char *const roots[] = {".in-addr.arpa.", ".ip6.arpa."};
	size_t len = strlen(zone);

	for (size_t i = 0; i < COUNT(roots); i++)
		if (len > strlen(roots[i]) && !strcmp(zone + len - strlen(roots[i]), roots[i]))
			return true;
	return false;
}

static int read_reverse_zone(const struct reader *r, const struct field *f, const struct node *n, void *to) {
	int status = read_zone(r, f, n, to);
	if (status < 0)
		return status;
	return is_reverse(*(char **)to) ? 0 : reader_expected(r, f, n, "a zone below in-addr.arpa or ip6.arpa");
}

static int read_reverse_zones(const struct reader *r, const struct field *f, const struct node *n, void *to) {
	return reader_each(r, f, n, read_reverse_zone, to);
}

/* ldns 1.8 knows it as "hmac-shac384." only: what it signs so, no server takes. */
static int read_algorithm(const struct reader *r, const struct field *f, const struct node *n, void *to) {
	const struct field words = {.key = f->key, .words = algorithm_words};

	if (n->kind == NODE_SCALAR && !strcmp(n->text, "hmac-sha384"))
		return reader_refuse(r, n, "%s: ldns cannot sign with hmac-sha384: use hmac-sha256 or hmac-sha512", f->key);
	return read_word(r, &words, n, to);
}

/* ---- one system ---- */

/* Of one system's keys. */
static const struct {
	enum config_discovery_kind kind;
	const char *key;
} needed[] = {
	{CONFIG_DISCOVERY_CONSUL, "url"},   {CONFIG_DISCOVERY_SKYDNS, "url"}, {CONFIG_DISCOVERY_SKYDNS, "domain"},
	{CONFIG_DISCOVERY_DNS, "server"},   {CONFIG_DISCOVERY_DNS, "zone"},   {CONFIG_DISCOVERY_DNS, "key_name"},
	{CONFIG_DISCOVERY_DNS, "key_file"},
};
static const struct { const char *a, *b; } together[] = {{"user", "password_file"}};
static const struct { const char *key, *of; /* says nothing without it */ } parts[] = {{"check_ttl", "agents"}};

static bool has_key(const struct field *fields, const char *key) {
	for (; fields->key; fields++)
		if (!strcmp(fields->key, key))
			return true;
	return false;
}

/* A key that no kind has is left for read_fields to refuse. */
static int check_kind_of_keys(const struct reader *r, const struct node *n, enum config_discovery_kind kind) {
	for (size_t i = 0; i < n->n; i++) {
		const char *key = n->keys[i]->text;
		for (size_t other = 0; !has_key(fields_of[kind], key) && other < CONFIG_DISCOVERY_MAX; other++)
			if (has_key(fields_of[other], key))
				return reader_refuse(r, n->keys[i], "'%s' is a key of kind %s, not of %s", key, kind_words[other],
						     kind_words[kind]);
	}
	return 0;
}

static int check_keys(const struct reader *r, const struct node *n, const struct config_discovery *s) {
	for (size_t i = 0; i < COUNT(needed); i++)
		if (needed[i].kind == s->kind && !node_at(n, needed[i].key))
			return reader_refuse(r, n, "system %s: %s is missing", s->name, needed[i].key);
	for (size_t i = 0; i < COUNT(together); i++)
		if (!node_at(n, together[i].a) != !node_at(n, together[i].b))
			return reader_refuse(r, n, "system %s: %s and %s go together", s->name, together[i].a, together[i].b);
	for (size_t i = 0; i < COUNT(parts); i++)
		if (node_at(n, parts[i].key) && !node_at(n, parts[i].of))
			return reader_refuse(r, node_at(n, parts[i].key), "system %s: %s makes no sense without %s", s->name,
					     parts[i].key, parts[i].of);
	return 0;
}

static bool is_http(const char *url) { return !strncmp(url, "http:", 5); }

static bool has_http(const struct config_discovery *s) {
	for (size_t i = 0; i < s->urls.n; i++)
		if (is_http(s->urls.v[i]))
			return true;
	for (size_t i = 0; i < s->n_agents; i++)
		if (is_http(s->agents[i].value))
			return true;
	return false;
}

/* https without tls is fine: the system's CAs vouch for it. */
static int check_tls(const struct reader *r, const struct node *n, const struct config_discovery *s) {
	const struct node *tls = node_at(n, "tls");

	if (!tls)
		return 0;
	if (!s->tls_cert != !s->tls_key)
		return reader_refuse(r, tls, "system %s: tls: cert and key go together", s->name);
	if (!s->tls_ca && !s->tls_cert)
		return reader_refuse(r, tls, "system %s: tls: neither ca nor cert and key are given", s->name);
	if (has_http(s))
		return reader_refuse(r, tls, "system %s: tls makes no sense with an http:// url", s->name);
	return 0;
}

static int check_name(const struct reader *r, const struct node *n, const struct config *c) {
	const struct config_discovery *systems = c->discovery.systems, *s = &systems[c->discovery.n_systems - 1];

	for (const struct config_discovery *other = systems; other < s; other++)
		if (!strcmp(other->name, s->name))
			return reader_refuse(r, n, "system %s is given twice (first in line %u): a name tells them apart", s->name,
					     other->line);
	return 0;
}

static void set_defaults(struct config_discovery *s) {
	s->name = xstrdup(kind_words[s->kind]);
	s->required = true;
	s->deadline = span_sec(2);
	s->timeout = span_sec(5);
	if (s->kind == CONFIG_DISCOVERY_CONSUL)
		s->check_ttl = span_sec(30);
	if (s->kind == CONFIG_DISCOVERY_SKYDNS || s->kind == CONFIG_DISCOVERY_DNS)
		s->ttl = 10;
}

/* The kind first, wherever it stands: it says which keys there are and what they are by default. */
static int read_system(const struct reader *r, const struct node *n, struct config_discovery *s) {
	const struct field kind = {.key = "kind", .words = kind_words};

	s->line = n->line;
	if (n->kind != NODE_MAPPING || !node_at(n, "kind"))
		return reader_refuse(r, n, "systems: expected a mapping with kind, got %s",
				     n->kind == NODE_MAPPING ? "none" : node_describe(n));
	int status = read_word(r, &kind, node_at(n, "kind"), &s->kind);
	if (status < 0)
		return status;
	set_defaults(s);
	status = check_kind_of_keys(r, n, s->kind);
	if (status == 0)
		status = read_fields(r, fields_of[s->kind], n, s);
	if (status == 0)
		status = check_keys(r, n, s);
	return status == 0 ? check_tls(r, n, s) : status;
}

/* to is the whole configuration. */
static int read_systems(const struct reader *r, const struct field *f, const struct node *n, void *to) {
	struct config *c = to;

	if (n->kind != NODE_LIST)
		return reader_expected(r, f, n, "a list");
	if (n->n > CONFIG_DISCOVERY_SYSTEMS_MAX)
		return reader_refuse(r, n, "%s: more than %d", f->key, CONFIG_DISCOVERY_SYSTEMS_MAX);
	c->discovery.systems = xnew_n(struct config_discovery, n->n);
	for (size_t i = 0; i < n->n; i++) {
		int status = read_system(r, n->items[i], &c->discovery.systems[c->discovery.n_systems++]);
		if (status == 0)
			status = check_name(r, n->items[i], c);
		if (status < 0)
			return status;
	}
	return 0;
}

/* ---- the whole file ---- */

static bool has_engine(const struct config *c, const char *name) {
	for (size_t i = 0; i < c->engine_count; i++)
		if (!strcmp(c->engines[i].name, name))
			return true;
	return false;
}

static int check_agents(const struct reader *r, const struct node *n, const struct config *c, const struct config_discovery *s) {
	char quoted[DOCUMENT_QUOTED_MAX];

	for (size_t i = 0; i < s->n_agents; i++)
		if (!has_engine(c, s->agents[i].key))
			return reader_refuse(r, node_at(n, "agents")->keys[i], "system %s: agents: no engine has the name '%s'",
					     s->name, document_quote(s->agents[i].key, quoted));
	return 0;
}

int config_check_discovery(const struct reader *r, const struct node *root, const struct config *c) {
	const struct node *discovery = node_at(root, "discovery");

	if (!discovery)
		return 0;
	const struct node *systems = node_at(discovery, "systems");
	if (!systems)
		return reader_refuse(r, discovery, "discovery: systems is missing");
	for (size_t i = 0; i < c->discovery.n_systems; i++) {
		int status = check_agents(r, systems->items[i], c, &c->discovery.systems[i]);
		if (status < 0)
			return status;
	}
	return 0;
}

static void free_system(struct config_discovery *s) {
	char *texts[] = {s->name, s->tls_ca,       s->tls_cert, s->tls_key, s->token_file, s->datacenter,    s->consul_namespace,
			 s->node, s->node_address, s->prefix,   s->domain,  s->user,       s->password_file, s->server,
			 s->zone, s->key_name,     s->key_file};

	for (size_t i = 0; i < COUNT(texts); i++)
		free(texts[i]);
	config_free_labels(s->agents, s->n_agents);
	strs_clear(&s->adopt);
	strs_clear(&s->urls);
	strs_clear(&s->reverse_zones);
}

void config_free_discovery(struct config *c) {
	for (size_t i = 0; i < c->discovery.n_systems; i++)
		free_system(&c->discovery.systems[i]);
	free(c->discovery.systems);
}
