/* See container.h. */
#include "engine/container.h"

#include "base/alloc.h"
#include "base/cleanup.h"
#include "base/id.h"
#include "engine/fields.h"

#include <errno.h>
#include <string.h>

#define C(member, kind, path) FIELD(struct engine_container, member, kind, path)
static const struct field container_fields[] = {
	C(id, FIELD_ID, "Id"),
	C(name, FIELD_ID, "Name"),
	C(image, FIELD_STR, "Config.Image"),
	C(image_id, FIELD_STR, "Image"),
	C(created, FIELD_STR, "Created"),
	C(hostname, FIELD_STR, "Config.Hostname"),
	C(labels, FIELD_LABELS, "Config.Labels"),
	C(env, FIELD_STRS, "Config.Env"),
	C(status, FIELD_STR, "State.Status"),
	C(running, FIELD_BOOL, "State.Running"),
	C(paused, FIELD_BOOL, "State.Paused"),
	C(restarting, FIELD_BOOL, "State.Restarting"),
	C(exit_code, FIELD_INT, "State.ExitCode"),
	C(started_at, FIELD_STR, "State.StartedAt"),
	C(finished_at, FIELD_STR, "State.FinishedAt"),
	C(health, FIELD_STR, "State.Health.Status"),
	C(restart_policy, FIELD_STR, "HostConfig.RestartPolicy.Name"),
	C(auto_remove, FIELD_BOOL, "HostConfig.AutoRemove"),
	C(privileged, FIELD_BOOL, "HostConfig.Privileged"),
	C(publish_all, FIELD_BOOL, "HostConfig.PublishAllPorts"),
	C(network_mode, FIELD_STR, "HostConfig.NetworkMode"),
	C(pid_mode, FIELD_STR, "HostConfig.PidMode"),
	C(ipc_mode, FIELD_STR, "HostConfig.IpcMode"),
	C(uts_mode, FIELD_STR, "HostConfig.UTSMode"),
	C(volumes_from, FIELD_STRS, "HostConfig.VolumesFrom"),
	C(links, FIELD_STRS, "HostConfig.Links"),
	C(memory, FIELD_INT, "HostConfig.Memory"),
	C(memory_reservation, FIELD_INT, "HostConfig.MemoryReservation"),
	C(nano_cpus, FIELD_INT, "HostConfig.NanoCpus"),
	C(runtime, FIELD_STR, "HostConfig.Runtime"),
	C(log_driver, FIELD_STR, "HostConfig.LogConfig.Type"),
};

#define M(member, path) FIELD(struct engine_mount, member, FIELD_STR, path)
static const struct field mount_fields[] = {
	M(type, "Type"), M(name, "Name"), M(driver, "Driver"), M(source, "Source"), M(destination, "Destination"),
};

#define E(member, kind, path) FIELD(struct engine_endpoint, member, kind, path)
static const struct field endpoint_fields[] = {
	E(network_id, FIELD_STR, "NetworkID"),
	E(endpoint_id, FIELD_STR, "EndpointID"),
	E(ip, FIELD_STR, "IPAddress"),
	E(ip6, FIELD_STR, "GlobalIPv6Address"),
	E(mac, FIELD_STR, "MacAddress"),
	E(prefix, FIELD_INT, "IPPrefixLen"),
	E(prefix6, FIELD_INT, "GlobalIPv6PrefixLen"),
	E(gateway, FIELD_STR, "Gateway"),
	E(aliases, FIELD_STRS, "Aliases"),
	E(dns_names, FIELD_STRS, "DNSNames"),
	E(ipam_ip, FIELD_STR, "IPAMConfig.IPv4Address"),
	E(ipam_ip6, FIELD_STR, "IPAMConfig.IPv6Address"),
	E(link_local, FIELD_STRS, "IPAMConfig.LinkLocalIPs"),
	E(links, FIELD_STRS, "Links"),
};

/* Ports: {"80/tcp": [{"HostIp": "", "HostPort": "8080"}]} */

static int parse_port(const char *text, size_t n, uint16_t *ret) {
	unsigned long value = 0;

	if (n == 0 || n > 5)
		return -EINVAL;
	for (size_t i = 0; i < n; i++) {
		if (text[i] < '0' || text[i] > '9')
			return -EINVAL;
		value = value * 10 + (unsigned long)(text[i] - '0');
	}
	if (value > 65535)
		return -EINVAL;
	*ret = (uint16_t)value;
	return 0;
}

static int parse_port_key(const char *key, struct engine_port *p) {
	size_t n = strcspn(key, "/");
	const char *proto = key[n] == '/' ? key + n + 1 : "tcp";

	if (strlen(proto) >= sizeof(p->proto) || *proto == '\0')
		return -EINVAL;
	strcpy(p->proto, proto);
	return parse_port(key, n, &p->port);
}

static int parse_host_port(const char *text, struct engine_port *p) {
	size_t n = strcspn(text, "-");

	if (*text == '\0')
		return 0;
	if (parse_port(text, n, &p->host_port) < 0)
		return -EINVAL;
	p->host_port_end = p->host_port;
	return text[n] == '-' ? parse_port(text + n + 1, strlen(text + n + 1), &p->host_port_end) : 0;
}

static void port_clear(void *item) { free(((struct engine_port *)item)->host_ip); }

static int port_read(const json_t *j, void *item, struct err *err) {
	struct engine_port *p = item;
	const char *ip, *host_port;

	if (!json_is_object(j))
		return err_set(err, -EINVAL, "expected an object");
	if (json_get_str(j, "HostIp", &ip, err) < 0 || json_get_str(j, "HostPort", &host_port, err) < 0)
		return -EINVAL;
	if (parse_host_port(host_port ? host_port : "", p) < 0)
		return err_set(err, -EINVAL, "HostPort: not a port");
	p->host_ip = xstrdup(ip ? ip : "");
	return 0;
}

static const struct field_list port_list = {.size = sizeof(struct engine_port), .read = port_read, .clear = port_clear};

static int add_ports(const char *key, const json_t *list, struct engine_port **ports, size_t *n_ports, struct err *err) {
	struct engine_port of = {0};
	void *more;
	size_t n;

	if (parse_port_key(key, &of) < 0)
		return err_set(err, -EINVAL, "\"%.20s\" is not a port", key);
	if (field_list_read(json_is_null(list) ? NULL : list, key, &port_list, &more, &n, err) < 0)
		return -EINVAL;
	if (n == 0)
		return 0;
	struct engine_port *added = more;
	*ports = xreallocarray(*ports, *n_ports + n, sizeof(**ports));
	for (size_t i = 0; i < n; i++) {
		memcpy(added[i].proto, of.proto, sizeof(of.proto));
		added[i].port = of.port;
		(*ports)[(*n_ports)++] = added[i];
	}
	free(added);
	return 0;
}

static int read_ports(const json_t *inspect, const char *path, struct engine_port **ports, size_t *n, struct err *err) {
	json_t *map, *list;
	const char *key;

	if (field_check_parents(inspect, path, err) < 0 || json_get_object(inspect, path, &map, err) < 0)
		return -EINVAL;
	json_object_foreach (map, key, list) {
		if (add_ports(key, list, ports, n, err) < 0)
			return err_wrap(err, "%s", path);
	}
	return 0;
}

/* Mounts and endpoints. */

static void mount_clear(void *item) { fields_clear(mount_fields, FIELD_COUNT(mount_fields), item); }

static int mount_read(const json_t *j, void *item, struct err *err) {
	struct engine_mount *m = item;

	if (fields_read(j, mount_fields, FIELD_COUNT(mount_fields), m, err) < 0) {
		mount_clear(m);
		return -EINVAL;
	}
	m->anonymous = strcmp(m->type, "volume") == 0 && strlen(m->name) == 64 && id_is_hex(m->name);
	return 0;
}

static const struct field_list mount_list = {.size = sizeof(struct engine_mount), .read = mount_read, .clear = mount_clear};

static int read_mounts(const json_t *inspect, struct engine_container *c, struct err *err) {
	void *list;

	if (field_list_read(json_at(inspect, "Mounts"), "Mounts", &mount_list, &list, &c->n_mounts, err) < 0)
		return -EINVAL;
	c->mounts = list;
	return 0;
}

static void endpoint_clear(struct engine_endpoint *e) {
	fields_clear(endpoint_fields, FIELD_COUNT(endpoint_fields), e);
	json_decref(e->driver_opts);
	free(e->name);
}

static int endpoint_read(const char *name, const json_t *j, struct engine_endpoint *e, struct err *err) {
	json_t *options = NULL;

	e->name = xstrdup(name);
	if (fields_read(j, endpoint_fields, FIELD_COUNT(endpoint_fields), e, err) < 0 ||
	    json_get_object(j, "DriverOpts", &options, err) < 0)
		return -EINVAL;
	e->driver_opts = options ? json_incref(options) : NULL;
	return 0;
}

static int by_name(const void *a, const void *b) {
	return strcmp(((const struct engine_endpoint *)a)->name, ((const struct engine_endpoint *)b)->name);
}

static int read_networks(const json_t *inspect, struct engine_container *c, struct err *err) {
	json_t *map, *settings;
	const char *name;

	if (json_get_object(inspect, "NetworkSettings.Networks", &map, err) < 0)
		return -EINVAL;
	if (json_object_size(map) == 0)
		return 0;
	c->networks = xnew_n(struct engine_endpoint, json_object_size(map));
	json_object_foreach (map, name, settings) {
		struct engine_endpoint *e = &c->networks[c->n_networks++];
		if (json_is_null(settings))
			settings = NULL;
		CLEANUP_JSON json_t *empty = settings ? NULL : json_object(); /* a network given without settings */
		if (endpoint_read(name, settings ? settings : empty, e, err) < 0)
			return err_wrap(err, "NetworkSettings.Networks.%.128s", name);
	}
	qsort(c->networks, c->n_networks, sizeof(c->networks[0]), by_name);
	return 0;
}

/* The container. */

static int count_list(const json_t *inspect, const char *path, size_t *ret, struct err *err) {
	json_t *list;

	if (json_get_array(inspect, path, &list, err) < 0)
		return -EINVAL;
	*ret = json_array_size(list);
	return 0;
}

static int read_cpus(const json_t *inspect, struct engine_container *c, struct err *err) {
	int64_t quota, period;

	if (json_get_int(inspect, "HostConfig.CpuQuota", &quota, err) < 0 ||
	    json_get_int(inspect, "HostConfig.CpuPeriod", &period, err) < 0)
		return -EINVAL;
	if (period <= 0)
		period = 100000; /* the kernel's default */
	double cpus = (double)quota / (double)period;
	if (c->nano_cpus == 0 && quota > 0)
		c->nano_cpus = cpus < 1e9 ? (int64_t)(cpus * 1e9) : INT64_MAX;
	return 0;
}

static int read_stop_timeout(const json_t *inspect, struct engine_container *c, struct err *err) {
	c->stop_timeout = -1;
	return json_at(inspect, "Config.StopTimeout") ? json_get_int(inspect, "Config.StopTimeout", &c->stop_timeout, err) : 0;
}

static int read_all(const json_t *j, struct engine_container *c, struct err *err) {
	int r = fields_read(j, container_fields, FIELD_COUNT(container_fields), c, err);

	r = r < 0 ? r : read_ports(j, "HostConfig.PortBindings", &c->ports, &c->n_ports, err);
	r = r < 0 ? r : read_ports(j, "NetworkSettings.Ports", &c->bound, &c->n_bound, err);
	r = r < 0 ? r : read_mounts(j, c, err);
	r = r < 0 ? r : read_networks(j, c, err);
	r = r < 0 ? r : read_cpus(j, c, err);
	r = r < 0 ? r : read_stop_timeout(j, c, err);
	r = r < 0 ? r : count_list(j, "HostConfig.DeviceRequests", &c->n_device_requests, err);
	return r < 0 ? r : count_list(j, "HostConfig.Devices", &c->n_devices, err);
}

int engine_container_parse(const json_t *inspect, struct engine_container *ret, struct err *err) {
	*ret = (struct engine_container){0};
	int r = read_all(inspect, ret, err);
	if (r < 0) {
		engine_container_clear(ret);
		return r;
	}
	if (ret->name[0] == '/')
		memmove(ret->name, ret->name + 1, strlen(ret->name));
	return 0;
}

void engine_container_clear(struct engine_container *c) {
	fields_clear(container_fields, FIELD_COUNT(container_fields), c);
	field_list_free(&port_list, c->ports, c->n_ports);
	field_list_free(&port_list, c->bound, c->n_bound);
	field_list_free(&mount_list, c->mounts, c->n_mounts);
	for (size_t i = 0; i < c->n_networks; i++)
		endpoint_clear(&c->networks[i]);
	free(c->networks);
	*c = (struct engine_container){0};
}

const struct engine_endpoint *engine_container_endpoint(const struct engine_container *c, const char *network) {
	for (size_t i = 0; i < c->n_networks; i++) {
		if (strcmp(c->networks[i].name, network) == 0 || strcmp(c->networks[i].network_id, network) == 0)
			return &c->networks[i];
	}
	return NULL;
}

const char *engine_container_label(const struct engine_container *c, const char *key) {
	return json_string_value(json_object_get(c->labels, key));
}

const char *engine_mode_container(const char *mode) {
	static const char prefix[] = "container:";

	return strncmp(mode, prefix, sizeof(prefix) - 1) == 0 ? mode + sizeof(prefix) - 1 : NULL;
}
