/* See spec.h. Three things are patched: Config (identity, image, labels), HostConfig (what named the old host), and the endpoints
 * (assigned addresses become asked-for ones; what the old engine reported is dropped). */
#include "engine/spec.h"

#include "base/alloc.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#define API_ALL_NETWORKS_AT_CREATE 44 /* below it, create refuses more than one, and MAC addresses belong to the container */
#define SHORT_ID 12
#define DEFAULT_BRIDGE "bridge"

static bool present(const char *text) { return text && *text; }

static bool is_default_mode(const char *mode) { return !*mode || !strcmp(mode, "default") || !strcmp(mode, DEFAULT_BRIDGE); }

/* A mode without endpoints of its own. */
static bool is_closed_mode(const char *mode) {
	return !strcmp(mode, "host") || !strcmp(mode, "none") || !strncmp(mode, "container:", 10);
}

/* Whether the parts that are patched have the types they should have. */
static int check_shape(const json_t *inspect, struct err *err) {
	static const char *const objects[] = {"Config", "HostConfig", "NetworkSettings", "NetworkSettings.Networks",
					      "Config.Labels"};
	static const char *const arrays[] = {"Mounts",
					     "HostConfig.VolumesFrom",
					     "HostConfig.Links",
					     "HostConfig.Binds",
					     "HostConfig.Mounts",
					     "HostConfig.Devices",
					     "HostConfig.DeviceRequests"};
	static const char *const strings[] = {"Id",
					      "Config.Image",
					      "Config.Hostname",
					      "Config.MacAddress",
					      "HostConfig.NetworkMode",
					      "HostConfig.PidMode",
					      "HostConfig.IpcMode",
					      "HostConfig.UTSMode"};
	json_t *value;
	const char *text;
	int r = 0;

	for (size_t i = 0; r == 0 && i < sizeof(objects) / sizeof(objects[0]); i++)
		r = json_get_object(inspect, objects[i], &value, err);
	for (size_t i = 0; r == 0 && i < sizeof(arrays) / sizeof(arrays[0]); i++)
		r = json_get_array(inspect, arrays[i], &value, err);
	for (size_t i = 0; r == 0 && i < sizeof(strings) / sizeof(strings[0]); i++)
		r = json_get_str(inspect, strings[i], &text, err);
	if (r < 0)
		return err_wrap(err, "inspected container");
	if (!json_at(inspect, "Config") || !json_at(inspect, "HostConfig") || strlen(json_str_or(inspect, "Id", "")) < SHORT_ID)
		return err_set(err, -EINVAL, "inspected container: Id, Config or HostConfig is missing");
	return 0;
}

/* ---- what cannot be moved ---- */

static void add(struct strs *list, char *text) {
	if (list)
		strs_add(list, text);
	free(text);
}

static void check_modes(const json_t *inspect, struct strs *reasons) {
	static const struct {
		const char *path, *what;
	} modes[] = {{"HostConfig.NetworkMode", "network"}, {"HostConfig.PidMode", "PID"}, {"HostConfig.IpcMode", "IPC"}};

	for (size_t i = 0; i < sizeof(modes) / sizeof(modes[0]); i++)
		if (!strncmp(json_str_or(inspect, modes[i].path, ""), "container:", 10))
			add(reasons, xasprintf("it shares the %s namespace of another container", modes[i].what));
	if (json_array_size(json_at(inspect, "HostConfig.VolumesFrom")) > 0)
		add(reasons, xstrdup("it uses the volumes of another container (--volumes-from)"));
	if (json_array_size(json_at(inspect, "HostConfig.Links")) > 0)
		add(reasons, xstrdup("it is linked to another container of its host (--link)"));
	if (json_object_get(json_at(inspect, "Config.Labels"), "com.docker.swarm.service.id"))
		add(reasons, xstrdup("it belongs to a swarm service, which swarm reschedules itself"));
}

/* The `local` driver mounts network file systems too: then the data is not on the dead host. */
static bool is_network_volume(const json_t *inspect, const char *destination) {
	static const char *const types[] = {"nfs", "nfs4", "cifs", "smb3", "glusterfs", "ceph"};
	json_t *mount;
	size_t i;

	json_array_foreach (json_at(inspect, "HostConfig.Mounts"), i, mount) {
		const char *type = json_str_or(mount, "VolumeOptions.DriverConfig.Options.type", "");
		for (size_t k = 0; k < sizeof(types) / sizeof(types[0]); k++)
			if (!strcmp(json_str_or(mount, "Target", ""), destination) && !strcmp(type, types[k]))
				return true;
	}
	return false;
}

static void check_volumes(const json_t *inspect, struct strs *reasons) {
	json_t *mount;
	size_t i;

	json_array_foreach (json_at(inspect, "Mounts"), i, mount) {
		const char *driver = json_str_or(mount, "Driver", "local"), *name = json_str_or(mount, "Name", "");
		const char *destination = json_str_or(mount, "Destination", "");
		if (strcmp(json_str_or(mount, "Type", ""), "volume") != 0 || (*driver && strcmp(driver, "local") != 0) ||
		    is_network_volume(inspect, destination))
			continue;
		bool anonymous = strlen(name) == 64 && strspn(name, "0123456789abcdef") == 64;
		add(reasons, xasprintf("%s%.64s at %.100s is on the disk of its host (label " SPEC_LABEL_VOLUMES
				       "=empty allows an empty start)",
				       anonymous ? "an anonymous volume" : "volume ", anonymous ? "" : name, destination));
	}
}

static void note_needs(const json_t *inspect, struct strs *notes) {
	json_t *item;
	size_t i;

	json_array_foreach (json_at(inspect, "Mounts"), i, item) {
		if (!strcmp(json_str_or(item, "Type", ""), "bind"))
			add(notes, xasprintf("%.100s is the target's own: bind mount", json_str_or(item, "Source", "?")));
	}
	json_array_foreach (json_at(inspect, "HostConfig.Devices"), i, item)
		add(notes, xasprintf("%.100s is the target's own: device", json_str_or(item, "PathOnHost", "?")));
	json_array_foreach (json_at(inspect, "HostConfig.DeviceRequests"), i, item) {
		const char *driver = json_str_or(item, "Driver", "");
		add(notes, xasprintf("the target must have devices of driver %.64s", *driver ? driver : "(any)"));
	}
}

void spec_check(const json_t *inspect, bool allow_empty_volumes, struct strs *ret_reasons, struct strs *ret_notes) {
	struct err err = {0};

	if (check_shape(inspect, &err) < 0) {
		add(ret_reasons, xstrdup(err.msg));
		return;
	}
	check_modes(inspect, ret_reasons);
	const char *wanted = json_string_value(json_object_get(json_at(inspect, "Config.Labels"), SPEC_LABEL_VOLUMES));
	if (!allow_empty_volumes && strcmp(wanted ? wanted : "", "empty") != 0)
		check_volumes(inspect, ret_reasons);
	note_needs(inspect, ret_notes);
}

/* ---- options ---- */

static bool is_mac(const char *text) {
	unsigned char m[6];
	int end = 0;
	return strlen(text) == 17 &&
	       sscanf(text, "%2hhx:%2hhx:%2hhx:%2hhx:%2hhx:%2hhx%n", m, m + 1, m + 2, m + 3, m + 4, m + 5, &end) == 6 && end == 17;
}

static int check_address(const struct spec_address *a, struct err *err) {
	struct in6_addr bytes;

	if (!present(a->network))
		return err_set(err, -EINVAL, "an address without a network");
	if (present(a->ip) && inet_pton(AF_INET, a->ip, &bytes) != 1)
		return err_set(err, -EINVAL, "network %s: '%.40s' is no IPv4 address", a->network, a->ip);
	if (present(a->ip6) && inet_pton(AF_INET6, a->ip6, &bytes) != 1)
		return err_set(err, -EINVAL, "network %s: '%.40s' is no IPv6 address", a->network, a->ip6);
	if (present(a->mac) && !is_mac(a->mac))
		return err_set(err, -EINVAL, "network %s: '%.40s' is no MAC address", a->network, a->mac);
	return 0;
}

static int check_options(const struct spec_options *o, struct err *err) {
	if (!present(o->workload) || !present(o->takeover) || !present(o->cluster) || !present(o->image) || o->generation < 0)
		return err_set(err, -EINVAL, "workload, takeover, cluster, image or generation is missing");
	for (size_t i = 0; i < o->address_count; i++) {
		int r = check_address(&o->addresses[i], err);
		if (r < 0)
			return r;
	}
	return 0;
}

static const struct spec_address *find_address(const struct spec_options *o, const char *network) {
	for (size_t i = 0; i < o->address_count; i++)
		if (!strcmp(o->addresses[i].network, network))
			return &o->addresses[i];
	return NULL;
}

/* ---- endpoints ---- */

/* Without what the engine adds by itself: the short ID and the hostname. They would name the old container for ever. */
static json_t *own_aliases(const json_t *inspect, const json_t *aliases) {
	const char *id = json_str_or(inspect, "Id", ""), *hostname = json_str_or(inspect, "Config.Hostname", "");
	json_t *kept = json_array(), *item;
	size_t i;

	json_array_foreach (aliases, i, item) {
		const char *alias = json_string_value(item);
		if (alias && strcmp(alias, hostname) != 0 && !(strlen(alias) == SHORT_ID && !strncmp(alias, id, SHORT_ID)))
			json_array_append(kept, item);
	}
	return kept;
}

/* Sets obj[key] to an array or an object, or removes the key when that is empty. Takes value over. */
static void set_unless_empty(json_t *obj, const char *key, json_t *value) {
	if (json_array_size(value) + json_object_size(value) > 0)
		json_object_set(obj, key, value);
	else
		json_object_del(obj, key);
	json_decref(value);
}

/* What was assigned is asked for; where nothing is known to be assigned, what was configured stays. LinkLocalIPs stay too. */
static json_t *ipam_config(const json_t *endpoint, const struct spec_address *a) {
	json_t *old = json_at(endpoint, "IPAMConfig");
	json_t *ipam = json_is_object(old) ? json_deep_copy(old) : json_object();

	if (a && present(a->ip))
		json_set_str(ipam, "IPv4Address", a->ip);
	if (a && present(a->ip6))
		json_set_str(ipam, "IPv6Address", a->ip6);
	return ipam;
}

/* New reference: what to ask the target for on this network. endpoint is the inspected one, NULL when there is none. */
static json_t *make_endpoint(const json_t *inspect, const char *network, const json_t *endpoint, const struct spec_address *a) {
	static const char *const reported[] = {"EndpointID",  "NetworkID",   "Gateway",           "IPAddress",
					       "IPPrefixLen", "IPv6Gateway", "GlobalIPv6Address", "GlobalIPv6PrefixLen",
					       "DNSNames",    "MacAddress"};
	json_t *made = json_is_object(endpoint) ? json_deep_copy(endpoint) : json_object();

	for (size_t i = 0; i < sizeof(reported) / sizeof(reported[0]); i++)
		json_object_del(made, reported[i]);
	/* The default bridge takes neither aliases nor addresses: the engine refuses both. */
	bool bridge = !strcmp(network, DEFAULT_BRIDGE);
	set_unless_empty(made, "Aliases", bridge ? json_array() : own_aliases(inspect, json_at(endpoint, "Aliases")));
	set_unless_empty(made, "IPAMConfig", bridge ? json_object() : ipam_config(endpoint, a));
	return made;
}

/* New reference: network name → endpoint settings, those with assigned addresses and all that the container had. */
static json_t *make_endpoints(const json_t *inspect, const struct spec_options *o) {
	json_t *endpoints = json_object(), *networks = json_at(inspect, "NetworkSettings.Networks"), *endpoint;
	const char *network;

	json_object_foreach (networks, network, endpoint)
		json_object_set_new(endpoints, network, make_endpoint(inspect, network, endpoint, find_address(o, network)));
	for (size_t i = 0; i < o->address_count; i++) {
		network = o->addresses[i].network;
		if (!json_object_get(endpoints, network))
			json_object_set_new(endpoints, network, make_endpoint(inspect, network, NULL, &o->addresses[i]));
	}
	return endpoints;
}

/* The name of the network that NetworkMode means. A mode may be a network's ID, in full or cut. When the container was disconnected
 * from that network since, another one of its networks takes the place. NULL when it has none. */
static const char *primary_network(const json_t *inspect, const json_t *endpoints, const char *mode) {
	json_t *networks = json_at(inspect, "NetworkSettings.Networks"), *endpoint;
	const char *name = is_default_mode(mode) ? DEFAULT_BRIDGE : mode, *network;

	if (json_object_get(endpoints, name))
		return json_object_iter_key(json_object_iter_at((json_t *)(uintptr_t)endpoints, name));
	json_object_foreach (networks, network, endpoint) {
		if (!is_default_mode(mode) && !strncmp(json_str_or(endpoint, "NetworkID", ""), mode, strlen(mode)))
			return network;
	}
	void *first = json_object_iter((json_t *)(uintptr_t)endpoints);
	return first ? json_object_iter_key(first) : NULL;
}

/* ---- MAC addresses ---- */

/* On an overlay the engine derives the MAC from the IPv4 address, so there it needs not be asked for. */
static bool is_derived_mac(const struct spec_address *a) {
	unsigned char ip[4];
	char derived[18];

	if (!present(a->ip) || inet_pton(AF_INET, a->ip, ip) != 1)
		return false;
	snprintf(derived, sizeof(derived), "02:42:%02x:%02x:%02x:%02x", ip[0], ip[1], ip[2], ip[3]);
	return !strcasecmp(derived, a->mac);
}

/* From 1.44: each endpoint has its own; one of the container would have to agree with that of its main network. */
static void set_endpoint_macs(json_t *config, json_t *endpoints, const char *primary, const struct spec_options *o) {
	const char *configured = json_str_or(config, "MacAddress", ""), *network;
	json_t *endpoint;

	json_object_foreach (endpoints, network, endpoint) {
		const struct spec_address *a = strcmp(network, DEFAULT_BRIDGE) ? find_address(o, network) : NULL;
		if (a && present(a->mac))
			json_set_str(endpoint, "MacAddress", a->mac);
		else if (*configured && !strcmp(network, primary))
			json_set_str(endpoint, "MacAddress", configured);
	}
	json_object_del(config, "MacAddress");
}

/* Below 1.44: the container's MAC address is that of its main network; the others' cannot be asked for. */
static void set_container_mac(json_t *config, const char *primary, const struct spec_options *o, struct strs *warnings) {
	for (size_t i = 0; i < o->address_count; i++) {
		const struct spec_address *a = &o->addresses[i];
		if (!present(a->mac) || is_derived_mac(a) || !strcmp(a->network, DEFAULT_BRIDGE))
			continue;
		if (!strcmp(a->network, primary))
			json_set_str(config, "MacAddress", a->mac);
		else
			add(warnings,
			    xasprintf("network %s: MAC address %s cannot be asked for with API 1.%d", a->network, a->mac, o->api));
	}
	if (!*json_str_or(config, "MacAddress", ""))
		json_object_del(config, "MacAddress");
}

/* ---- the body ---- */

static void label_int(json_t *labels, const char *key, int64_t value) {
	char text[24];
	snprintf(text, sizeof(text), "%lld", (long long)value);
	json_set_str(labels, key, text);
}

static void patch_labels(json_t *config, const struct spec_options *o) {
	const char *image = json_str_or(config, "Image", "");
	json_t *labels = json_object_get(config, "Labels");

	if (!json_is_object(labels)) {
		labels = json_object();
		json_object_set_new(config, "Labels", labels);
	}
	json_set_str(labels, SPEC_LABEL_WORKLOAD, o->workload);
	label_int(labels, SPEC_LABEL_GENERATION, o->generation);
	json_set_str(labels, SPEC_LABEL_TAKEOVER, o->takeover);
	json_set_str(labels, SPEC_LABEL_CLUSTER, o->cluster);
	if (!json_object_get(labels, SPEC_LABEL_IMAGE) && *image && strncmp(image, "sha256:", 7) != 0)
		json_set_str(labels, SPEC_LABEL_IMAGE, image);
}

/* A hostname that the engine made from the old ID is made anew; with another's UTS namespace none may be given. */
static bool drops_hostname(const json_t *inspect, const char *mode) {
	const char *hostname = json_str_or(inspect, "Config.Hostname", "");
	bool automatic = strlen(hostname) == SHORT_ID && !strncmp(hostname, json_str_or(inspect, "Id", ""), SHORT_ID);
	return automatic || !strcmp(mode, "host") || !strcmp(json_str_or(inspect, "HostConfig.UTSMode", ""), "host");
}

static json_t *make_config(const json_t *inspect, const char *mode, const struct spec_options *o) {
	json_t *config = json_deep_copy(json_at(inspect, "Config"));

	if (drops_hostname(inspect, mode))
		json_object_del(config, "Hostname");
	patch_labels(config, o);
	json_set_str(config, "Image", o->image);
	return config;
}

static json_t *make_host_config(const json_t *inspect, const char *primary, const struct spec_options *o) {
	json_t *host = json_deep_copy(json_at(inspect, "HostConfig"));

	json_object_del(host, "ContainerIDFile");
	if (primary)
		json_set_str(host, "NetworkMode", primary);
	if (o->no_restart)
		json_object_set_new(host, "RestartPolicy", json_pack("{s:s, s:i}", "Name", "no", "MaximumRetryCount", 0));
	return host;
}

static void add_connect(struct spec *s, const char *network, json_t *endpoint) {
	s->connect = xreallocarray(s->connect, s->connect_count + 1, sizeof(*s->connect));
	s->connect[s->connect_count++] = (struct spec_connect){xstrdup(network), json_incref(endpoint)};
}

/* Which endpoints go into create, which are connected afterwards. */
static void place_endpoints(struct spec *s, json_t *endpoints, const char *primary, int api) {
	json_t *at_create = json_object(), *endpoint;
	const char *network;

	json_object_foreach (endpoints, network, endpoint) {
		if (api >= API_ALL_NETWORKS_AT_CREATE || !strcmp(network, primary))
			json_object_set(at_create, network, endpoint);
		else
			add_connect(s, network, endpoint);
	}
	json_object_set_new(s->body, "NetworkingConfig", json_pack("{s:o}", "EndpointsConfig", at_create));
}

static void build(const json_t *inspect, const struct spec_options *o, struct spec *s) {
	const char *mode = json_str_or(inspect, "HostConfig.NetworkMode", "");
	json_t *endpoints CLEANUP_JSON = is_closed_mode(mode) ? json_object() : make_endpoints(inspect, o);
	const char *primary = is_closed_mode(mode) ? NULL : primary_network(inspect, endpoints, mode);

	s->body = make_config(inspect, mode, o);
	if (primary && o->api >= API_ALL_NETWORKS_AT_CREATE)
		set_endpoint_macs(s->body, endpoints, primary, o);
	else if (primary)
		set_container_mac(s->body, primary, o, &s->warnings);
	json_object_set_new(s->body, "HostConfig", make_host_config(inspect, primary, o));
	if (primary)
		place_endpoints(s, endpoints, primary, o->api);
}

int spec_make(const json_t *inspect, const struct spec_options *options, struct spec *ret, struct err *err) {
	struct strs reasons CLEANUP(strs_clear) = {0};

	int r = check_shape(inspect, err);
	if (r == 0)
		r = check_options(options, err);
	if (r < 0)
		return r;
	spec_check(inspect, options->allow_empty_volumes, &reasons, NULL);
	if (reasons.n > 0)
		return err_set(err, -EPERM, "%s", reasons.v[0]);
	struct spec s = {0};
	build(inspect, options, &s);
	*ret = s;
	return 0;
}

void spec_clear(struct spec *s) {
	json_decref(s->body);
	for (size_t i = 0; i < s->connect_count; i++) {
		free(s->connect[i].network);
		json_decref(s->connect[i].endpoint);
	}
	free(s->connect);
	strs_clear(&s->warnings);
	*s = (struct spec){0};
}
