/* See record.h. */
#include "net/overlay/record.h"

#include "base/alloc.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#define VERSION 1
#define SHORT_ID 12

/* The spec, with the role it had before a demotion of ours. */
static json_t *own_spec(const json_t *spec) {
	json_t *copy = json_object();
	const char *const keys[] = {"Name", "Labels", "Role", "Availability"};

	for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++) {
		json_t *value = json_object_get(spec, keys[i]);
		if (value)
			json_object_set_new(copy, keys[i], json_deep_copy(value));
	}
	json_t *labels = json_object_get(copy, "Labels");
	const char *role = json_string_value(json_object_get(labels, RECORD_ROLE_LABEL));
	if (role)
		json_set_str(copy, "Role", role);
	json_object_del(labels, RECORD_ROLE_LABEL);
	return copy;
}

json_t *record_new(const char *node, const char *swarm_node, const json_t *spec, const json_t *attachments) {
	json_t *record = json_object();

	json_object_set_new(record, "version", json_integer(VERSION));
	json_set_str(record, "node", node);
	json_set_str(record, "swarm_node", swarm_node);
	json_object_set_new(record, "spec", own_spec(spec));
	json_object_set_new(record, "attachments", attachments ? json_deep_copy(attachments) : json_array());
	return record;
}

json_t *record_attachment(const char *container, const struct engine_attachment *a) {
	json_t *j = json_object();

	json_set_str(j, "container", container);
	json_set_str(j, "network_id", a->network_id);
	json_set_str(j, "network", a->network_name);
	json_object_set_new(j, "addresses", json_from_strs(&a->addresses));
	return j;
}

int record_parse(const char *text, json_t **ret, struct err *err) {
	CLEANUP_JSON json_t *j = NULL;
	const char *id = NULL;
	json_t *spec = NULL, *list = NULL, *containers = NULL;
	int64_t version = 0;

	int r = json_parse(text, strlen(text), "record", &j, err);
	r = r < 0 ? r : json_get_int(j, "version", &version, err);
	if (r == 0 && version != VERSION)
		r = err_set(err, -EINVAL, "version %lld is not known here", (long long)version);
	r = r < 0 ? r : json_get_str(j, "swarm_node", &id, err);
	r = r < 0 ? r : json_get_object(j, "spec", &spec, err);
	r = r < 0 ? r : json_get_array(j, "attachments", &list, err);
	r = r < 0 ? r : json_get_object(j, "containers", &containers, err);
	if (r == 0 && (!id || !spec))
		r = err_set(err, -EINVAL, "%s: missing", id ? "spec" : "swarm_node");
	if (r < 0)
		return err_wrap(err, "record of a removed node");
	*ret = TAKE_PTR(j);
	return 0;
}

bool record_is_enriched(const json_t *record) { return json_object_get(record, "containers") != NULL; }

void record_enrich(json_t *record, const char *addr) {
	if (!record_is_enriched(record))
		json_object_set_new(record, "containers", json_object());
	if (*addr)
		json_set_str(record, "addr", addr);
}

/* The addresses that the swarm had given, without prefix length; the container may be down and not know them any more. */
static void add_attached(json_t *network, const json_t *attachment) {
	size_t i;
	json_t *value;

	json_array_foreach (json_object_get(attachment, "addresses"), i, value) {
		const char *text = json_string_value(value);
		CLEANUP_FREE char *ip = text ? xstrndup(text, strcspn(text, "/")) : NULL;
		if (ip)
			json_set_str(network, strchr(ip, ':') ? "ip6" : "ip", ip);
	}
}

static void add_attachments(const json_t *record, const char *container, const char *name, json_t *network) {
	size_t i;
	json_t *a;

	json_array_foreach (json_object_get(record, "attachments"), i, a) {
		if (strcmp(json_str_or(a, "container", ""), container) == 0 && strcmp(json_str_or(a, "network", ""), name) == 0)
			add_attached(network, a);
	}
}

/* 02:42 and the IPv4 address is what an overlay gives by itself. */
static bool is_derived_mac(const char *mac, const char *ip) {
	struct in_addr a;
	char text[18];

	if (inet_pton(AF_INET, ip, &a) != 1)
		return false;
	uint32_t h = ntohl(a.s_addr);
	snprintf(text, sizeof(text), "02:42:%02x:%02x:%02x:%02x", h >> 24, (h >> 16) & 255, (h >> 8) & 255, h & 255);
	return strcasecmp(mac, text) == 0;
}

/* Engines up to 28 add the container's short ID by themselves. */
static json_t *own_aliases(const struct engine_endpoint *e, const char *id) {
	json_t *list = json_array();

	for (size_t i = 0; i < e->aliases.n; i++) {
		if (strncmp(e->aliases.v[i], id, SHORT_ID) != 0 || strlen(e->aliases.v[i]) != SHORT_ID)
			json_array_append_new(list, json_string(e->aliases.v[i]));
	}
	return list;
}

static json_t *network_of(const json_t *record, const struct engine_container *c, const struct engine_endpoint *e) {
	json_t *j = json_object();
	const char *ip = *e->ip ? e->ip : e->ipam_ip, *ip6 = *e->ip6 ? e->ip6 : e->ipam_ip6;

	json_set_str(j, "network_id", e->network_id);
	json_set_str(j, "ip", *ip ? ip : NULL);
	json_set_str(j, "ip6", *ip6 ? ip6 : NULL);
	json_set_str(j, "mac", *e->mac && !is_derived_mac(e->mac, ip) ? e->mac : NULL);
	json_object_set_new(j, "aliases", own_aliases(e, c->id));
	json_object_set_new(j, "links", json_from_strs(&e->links));
	if (e->driver_opts)
		json_object_set(j, "driver_opts", e->driver_opts);
	add_attachments(record, c->id, e->name, j);
	return j;
}

void record_add_container(json_t *record, const struct engine_container *c, const struct strs *networks) {
	json_t *containers = json_object_get(record, "containers"), *known = json_object_get(containers, c->id);
	CLEANUP_JSON json_t *list = json_object();

	for (size_t i = 0; i < c->n_networks; i++) {
		if (strs_has(networks, c->networks[i].name))
			json_object_set_new(list, c->networks[i].name, network_of(record, c, &c->networks[i]));
	}
	if (json_object_size(list) == 0)
		return;
	if (known) {
		json_object_update_missing(json_object_get(known, "networks"), list);
		return;
	}
	json_object_set_new(containers, c->id, json_pack("{s:s, s:O}", "name", c->name, "networks", list));
}

json_t *record_containers_of_attachments(const json_t *record) {
	json_t *containers = json_object(), *a;
	size_t i;

	json_array_foreach (json_object_get(record, "attachments"), i, a) {
		const char *id = json_str_or(a, "container", ""), *name = json_str_or(a, "network", "");
		json_t *c = json_object_get(containers, id);
		if (!c) {
			c = json_pack("{s:s%, s:{}}", "name", id, strnlen(id, SHORT_ID), "networks");
			json_object_set_new(containers, id, c);
		}
		json_t *network = json_object();
		json_set_str(network, "network_id", json_str_or(a, "network_id", ""));
		add_attached(network, a);
		json_object_set_new(json_object_get(c, "networks"), name, network);
	}
	return containers;
}

json_t *record_wanted_spec(const json_t *record, const json_t *spec) {
	json_t *wanted = json_deep_copy(spec), *value;
	const char *key;

	json_object_foreach (json_object_get(record, "spec"), key, value)
		json_object_set_new(wanted, key, json_deep_copy(value));
	return wanted;
}

static void set_unless_empty(json_t *to, const char *key, const json_t *value) {
	if (json_array_size(value) > 0 || json_object_size(value) > 0 || (json_is_string(value) && *json_string_value(value)))
		json_object_set_new(to, key, json_deep_copy(value));
}

json_t *record_endpoint(const json_t *network) {
	json_t *j = json_object();
	CLEANUP_JSON json_t *ipam = json_object();

	set_unless_empty(ipam, "IPv4Address", json_object_get(network, "ip"));
	set_unless_empty(ipam, "IPv6Address", json_object_get(network, "ip6"));
	set_unless_empty(j, "IPAMConfig", ipam);
	set_unless_empty(j, "Aliases", json_object_get(network, "aliases"));
	set_unless_empty(j, "Links", json_object_get(network, "links"));
	set_unless_empty(j, "DriverOpts", json_object_get(network, "driver_opts"));
	set_unless_empty(j, "MacAddress", json_object_get(network, "mac"));
	return j;
}
