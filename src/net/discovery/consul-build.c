/* What Consul is told. What is ours is marked in the meta of the service instance:
 *
 *   heir=1 heir-cluster=prod heir-workload=… heir-generation=2 heir-node=h2 heir-container=web heir-host=1 heir-address6=…
 *
 * A second address is in the meta because transactions of Consul 1.8 drop TaggedAddresses; these are set all the same, for later
 * versions and for agents, which keep them. */
#include "net/discovery/consul-internal.h"

#include "base/alloc.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>

/* Limits of Consul's, over which it refuses a service. */
#define META_PAIRS_MAX 64
#define META_VALUE_MAX 512

char *consul_check_notes(const char *cluster) { return xasprintf("heir %s", cluster); }

bool consul_is_mark(const char *key, size_t n) { return (n == 4 || (n > 4 && key[4] == '-')) && memcmp(key, "heir", 4) == 0; }

static void put_number(json_t *meta, const char *key, unsigned value) {
	char *text CLEANUP_FREE = xasprintf("%u", value);
	json_set_str(meta, key, text);
}

static json_t *build_meta(const struct discovery_entry *e, const char *cluster) {
	json_t *meta = json_object();

	for (size_t i = 0; i < e->meta.n; i++) {
		size_t n = strcspn(e->meta.v[i], "=");
		json_object_setn_new(meta, e->meta.v[i], n, json_string(e->meta.v[i] + n + 1));
	}
	json_set_str(meta, "heir", "1");
	json_set_str(meta, "heir-cluster", cluster);
	json_set_str(meta, "heir-workload", e->workload);
	put_number(meta, "heir-generation", e->generation);
	if (e->node)
		json_set_str(meta, "heir-node", e->node);
	if (e->container)
		json_set_str(meta, "heir-container", e->container);
	if (e->host)
		json_set_str(meta, "heir-host", "1");
	if (e->address && e->address6)
		json_set_str(meta, "heir-address6", e->address6);
	return meta;
}

/* All but the name, whose key differs between catalog and agent. */
static json_t *build_service(const struct discovery_entry *e, const char *cluster) {
	json_t *s = json_object();

	json_set_str(s, "ID", e->key);
	json_set_str(s, "Address", e->address ? e->address : e->address6);
	json_object_set_new(s, "Port", json_integer(e->port));
	json_object_set_new(s, "Tags", json_from_strs(&e->tags));
	json_object_set_new(s, "Meta", build_meta(e, cluster));
	if (e->address && e->address6)
		json_object_set_new(s, "TaggedAddresses",
				    json_pack("{s:{s:s,s:i},s:{s:s,s:i}}", "lan_ipv4", "Address", e->address, "Port", (int)e->port,
					      "lan_ipv6", "Address", e->address6, "Port", (int)e->port));
	return s;
}

json_t *consul_catalog_service(const struct discovery_entry *e, const char *cluster, int64_t index) {
	json_t *s = build_service(e, cluster);

	json_set_str(s, "Service", e->service);
	json_object_set_new(s, "ModifyIndex", json_integer(index));
	return s;
}

char *consul_agent_service(const struct discovery_entry *e, const char *cluster, struct span ttl) {
	json_t *s CLEANUP_JSON = build_service(e, cluster);
	char *time CLEANUP_FREE = xasprintf("%" PRId64 "ms", span_to_ms(ttl));
	char *notes CLEANUP_FREE = consul_check_notes(cluster);

	json_set_str(s, "Name", e->service);
	json_object_set_new(s, "Check", json_pack("{s:s,s:s,s:s}", "TTL", time, "Status", "passing", "Notes", notes));
	return json_text(s);
}

/* ---- what cannot be built ---- */

static int check_meta(const struct discovery_entry *e, struct err *err) {
	size_t before = 0;

	for (size_t i = 0; i < e->meta.n; i++) {
		const char *text = e->meta.v[i];
		size_t n = strcspn(text, "=");
		if (consul_is_mark(text, n))
			return err_set(err, -EINVAL, "service %s: meta %.*s is heir's own", e->service, (int)n, text);
		if (i > 0 && n == before && memcmp(text, e->meta.v[i - 1], n) == 0)
			return err_set(err, -EINVAL, "service %s: meta %.*s twice", e->service, (int)n, text);
		before = n;
	}
	return 0;
}

static int check_tags(const struct discovery_entry *e, struct err *err) {
	for (size_t i = 0; i < e->tags.n; i++) {
		json_t *tag CLEANUP_JSON = json_string(e->tags.v[i]);
		if (!tag)
			return err_set(err, -EINVAL, "service %s: a tag is not UTF-8", e->service);
	}
	return 0;
}

/* What is no UTF-8 did not get into it. */
static int check_built(const struct discovery_entry *e, json_t *meta, struct err *err) {
	size_t own = 4U + (e->node != NULL) + (e->container != NULL) + e->host + (e->address && e->address6);
	const char *key;
	json_t *value;

	if (json_object_size(meta) != own + e->meta.n)
		return err_set(err, -EINVAL, "service %s: a text in its meta is not UTF-8", e->service);
	if (json_object_size(meta) > META_PAIRS_MAX)
		return err_set(err, -EINVAL, "service %s: %zu of meta and heir's own %zu, of which Consul takes %d", e->service,
			       e->meta.n, own, META_PAIRS_MAX);
	json_object_foreach (meta, key, value) {
		if (json_string_length(value) > META_VALUE_MAX)
			return err_set(err, -EINVAL, "service %s: meta %s is longer than Consul's %d bytes", e->service, key,
				       META_VALUE_MAX);
	}
	return 0;
}

int consul_check_entry(const struct discovery_entry *e, const char *cluster, struct err *err) {
	int r = discovery_entry_check(e, err);

	if (r == 0)
		r = check_meta(e, err);
	if (r == 0)
		r = check_tags(e, err);
	if (r < 0)
		return r;
	json_t *meta CLEANUP_JSON = build_meta(e, cluster);
	return check_built(e, meta, err);
}
