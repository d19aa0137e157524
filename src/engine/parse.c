/* See parse.h. One table for each struct, and below it what a table cannot say. */
#include "engine/parse.h"

#include "base/alloc.h"
#include "engine/fields.h"

#include <errno.h>
#include <string.h>

#define READ(table, j, out, err) fields_read((j), (table), FIELD_COUNT(table), (out), (err))
#define CLEAR(table, out) fields_clear((table), FIELD_COUNT(table), (out))

/* A list at a path into (pointer, count). */
#define READ_LIST(j, path, how, to, n, err) \
	({ \
		void *list_ = NULL; \
		int r_ = field_check_parents((j), (path), (err)); \
		r_ = r_ < 0 ? r_ : field_list_read(json_at((j), (path)), (path), (how), &list_, (n), (err)); \
		*(to) = list_; \
		r_; \
	})

/* Info. */

#define R(member, path) FIELD(struct engine_manager, member, FIELD_STR, path)
static const struct field manager_fields[] = {R(node_id, "NodeID"), R(addr, "Addr")};

static const struct field_list manager_list = FIELD_LIST(struct engine_manager, manager_fields);

#define I(member, kind, path) FIELD(struct engine_info, member, kind, path)
static const struct field info_fields[] = {
	I(id, FIELD_ID, "Info.ID"),
	I(name, FIELD_STR, "Info.Name"),
	I(version, FIELD_STR, "Version.Version"),
	I(os, FIELD_STR, "Info.OSType"),
	I(arch, FIELD_STR, "Info.Architecture"),
	I(kernel, FIELD_STR, "Info.KernelVersion"),
	I(ncpu, FIELD_INT, "Info.NCPU"),
	I(mem_total, FIELD_INT, "Info.MemTotal"),
	I(default_runtime, FIELD_STR, "Info.DefaultRuntime"),
	I(volume_plugins, FIELD_STRS, "Info.Plugins.Volume"),
	I(network_plugins, FIELD_STRS, "Info.Plugins.Network"),
	I(log_plugins, FIELD_STRS, "Info.Plugins.Log"),
	I(cluster_store, FIELD_STR, "Info.ClusterStore"),
	I(cluster_advertise, FIELD_STR, "Info.ClusterAdvertise"),
	I(labels, FIELD_STRS, "Info.Labels"),
	I(driver, FIELD_STR, "Info.Driver"),
	I(cgroup_driver, FIELD_STR, "Info.CgroupDriver"),
	I(cgroup_version, FIELD_STR, "Info.CgroupVersion"),
	I(live_restore, FIELD_BOOL, "Info.LiveRestoreEnabled"),
	I(swarm.state, FIELD_STR, "Info.Swarm.LocalNodeState"),
	I(swarm.node_id, FIELD_STR, "Info.Swarm.NodeID"),
	I(swarm.node_addr, FIELD_STR, "Info.Swarm.NodeAddr"),
	I(swarm.cluster_id, FIELD_STR, "Info.Swarm.Cluster.ID"),
	I(swarm.control_available, FIELD_BOOL, "Info.Swarm.ControlAvailable"),
	I(swarm.data_path_port, FIELD_INT, "Info.Swarm.Cluster.DataPathPort"),
	I(swarm.managers, FIELD_INT, "Info.Swarm.Managers"),
	I(swarm.nodes, FIELD_INT, "Info.Swarm.Nodes"),
};

int engine_api_parse(const char *text, int *ret_minor, struct err *err) {
	int minor = 0, used = 0;

	if (sscanf(text, "1.%3d%n", &minor, &used) != 1 || text[used] != '\0' || text[2] < '0' || text[2] > '9')
		return err_set(err, -EINVAL, "\"%.32s\" is not an API version", text);
	*ret_minor = minor;
	return 0;
}

static int read_api(const json_t *j, const char *path, int *ret_minor, struct err *err) {
	const char *text;

	int r = json_get_str(j, path, &text, err);
	if (r < 0 || !text)
		return r;
	r = engine_api_parse(text, ret_minor, err);
	return r < 0 ? err_wrap(err, "%s", path) : r;
}

static int read_runtimes(const json_t *j, struct strs *ret, struct err *err) {
	json_t *runtimes, *value;
	const char *name;

	int r = json_get_object(j, "Info.Runtimes", &runtimes, err);
	if (r < 0)
		return r;
	json_object_foreach (runtimes, name, value)
		strs_add(ret, name);
	return 0;
}

int engine_info_parse(const json_t *j, struct engine_info *ret, struct err *err) {
	*ret = (struct engine_info){0};
	int r = READ(info_fields, j, ret, err);
	r = r < 0 ? r : read_api(j, "Version.ApiVersion", &ret->api, err);
	r = r < 0 ? r : read_api(j, "Version.MinAPIVersion", &ret->min_api, err);
	r = r < 0 ? r : read_runtimes(j, &ret->runtimes, err);
	r = r < 0 ? r : READ_LIST(j, "Info.Swarm.RemoteManagers", &manager_list, &ret->swarm.remotes, &ret->swarm.n_remotes, err);
	if (r < 0)
		engine_info_clear(ret);
	return r;
}

void engine_info_clear(struct engine_info *info) {
	CLEAR(info_fields, info);
	strs_clear(&info->runtimes);
	field_list_free(&manager_list, info->swarm.remotes, info->swarm.n_remotes);
	*info = (struct engine_info){0};
}

/* The container list. */

static const struct field entry_fields[] = {
	FIELD(struct engine_entry, id, FIELD_ID, "Id"),
	FIELD(struct engine_entry, image, FIELD_STR, "Image"),
	FIELD(struct engine_entry, image_id, FIELD_STR, "ImageID"),
	FIELD(struct engine_entry, state, FIELD_STR, "State"),
	FIELD(struct engine_entry, labels, FIELD_LABELS, "Labels"),
};

/* Links give a container more names, "/other/alias": its own has one slash. */
static const char *own_name(const struct strs *names) {
	for (size_t i = 0; i < names->n; i++) {
		if (names->v[i][0] == '/' && !strchr(names->v[i] + 1, '/'))
			return names->v[i] + 1;
	}
	return "";
}

int engine_entry_parse(const json_t *j, struct engine_entry *ret, struct err *err) {
	struct strs names = {0};

	*ret = (struct engine_entry){0};
	int r = READ(entry_fields, j, ret, err);
	r = r < 0 ? r : json_get_strs(j, "Names", &names, err);
	ret->name = xstrdup(own_name(&names));
	strs_clear(&names);
	if (r < 0)
		engine_entry_clear(ret);
	return r;
}

void engine_entry_clear(struct engine_entry *e) {
	CLEAR(entry_fields, e);
	free(e->name);
	*e = (struct engine_entry){0};
}

/* Networks. */

#define S(member, path) FIELD(struct engine_subnet, member, FIELD_STR, path)
static const struct field subnet_fields[] = {S(subnet, "Subnet"), S(gateway, "Gateway"), S(range, "IPRange")};
#define P(member, path) FIELD(struct engine_peer, member, FIELD_STR, path)
static const struct field peer_fields[] = {P(name, "Name"), P(ip, "IP")};

static const struct field_list subnet_list = FIELD_LIST(struct engine_subnet, subnet_fields);
static const struct field_list peer_list = FIELD_LIST(struct engine_peer, peer_fields);

#define U(member, path) FIELD(struct engine_network_user, member, FIELD_STR, path)
static const struct field user_fields[] = {
	U(name, "Name"), U(endpoint_id, "EndpointID"), U(mac, "MacAddress"), U(ip, "IPv4Address"), U(ip6, "IPv6Address"),
};

static void user_clear(struct engine_network_user *u) {
	CLEAR(user_fields, u);
	free(u->key);
}

static void cut_prefix(char *address) { address[strcspn(address, "/")] = '\0'; }

static int read_users(const json_t *j, struct engine_network *n, struct err *err) {
	json_t *map, *value;
	const char *key;

	int r = json_get_object(j, "Containers", &map, err);
	if (r < 0 || json_object_size(map) == 0)
		return r;
	n->users = xnew_n(struct engine_network_user, json_object_size(map));
	json_object_foreach (map, key, value) {
		struct engine_network_user *u = &n->users[n->n_users++];
		u->key = xstrdup(key);
		if (READ(user_fields, value, u, err) < 0)
			return err_wrap(err, "Containers.%.128s", key);
		cut_prefix(u->ip);
		cut_prefix(u->ip6);
	}
	return 0;
}

#define N(member, kind, path) FIELD(struct engine_network, member, kind, path)
static const struct field network_fields[] = {
	N(id, FIELD_ID, "Id"),
	N(name, FIELD_ID, "Name"),
	N(driver, FIELD_STR, "Driver"),
	N(scope, FIELD_STR, "Scope"),
	N(attachable, FIELD_BOOL, "Attachable"),
	N(ingress, FIELD_BOOL, "Ingress"),
	N(internal, FIELD_BOOL, "Internal"),
	N(enable_ipv6, FIELD_BOOL, "EnableIPv6"),
	N(options, FIELD_LABELS, "Options"),
	N(labels, FIELD_LABELS, "Labels"),
};

int engine_network_parse(const json_t *j, struct engine_network *ret, struct err *err) {
	*ret = (struct engine_network){0};
	int r = READ(network_fields, j, ret, err);
	r = r < 0 ? r : READ_LIST(j, "IPAM.Config", &subnet_list, &ret->subnets, &ret->n_subnets, err);
	r = r < 0 ? r : READ_LIST(j, "Peers", &peer_list, &ret->peers, &ret->n_peers, err);
	r = r < 0 ? r : read_users(j, ret, err);
	if (r < 0) {
		engine_network_clear(ret);
		return r;
	}
	const char *vni = json_string_value(json_object_get(ret->options, "com.docker.network.driver.overlay.vxlanid_list"));
	ret->vni = xstrdup(vni ? vni : "");
	return 0;
}

void engine_network_clear(struct engine_network *n) {
	CLEAR(network_fields, n);
	field_list_free(&subnet_list, n->subnets, n->n_subnets);
	field_list_free(&peer_list, n->peers, n->n_peers);
	for (size_t i = 0; i < n->n_users; i++)
		user_clear(&n->users[i]);
	free(n->users);
	free(n->vni);
	*n = (struct engine_network){0};
}

/* Attachment tasks. */

#define A(member, kind, path) FIELD(struct engine_attachment, member, kind, path)
static const struct field attachment_fields[] = {
	A(network_id, FIELD_STR, "Network.ID"),
	A(network_name, FIELD_STR, "Network.Spec.Name"),
	A(addresses, FIELD_STRS, "Addresses"),
};

static const struct field_list attachment_list = FIELD_LIST(struct engine_attachment, attachment_fields);

#define T(member, kind, path) FIELD(struct engine_task, member, kind, path)
static const struct field task_fields[] = {
	T(id, FIELD_ID, "ID"),
	T(node_id, FIELD_STR, "NodeID"),
	T(container_id, FIELD_STR, "Spec.NetworkAttachmentSpec.ContainerID"),
	T(state, FIELD_STR, "Status.State"),
	T(desired, FIELD_STR, "DesiredState"),
};

int engine_task_parse(const json_t *j, struct engine_task *ret, struct err *err) {
	*ret = (struct engine_task){0};
	int r = READ(task_fields, j, ret, err);
	r = r < 0 ? r : READ_LIST(j, "NetworksAttachments", &attachment_list, &ret->attachments, &ret->n_attachments, err);
	if (r < 0)
		engine_task_clear(ret);
	return r;
}

void engine_task_clear(struct engine_task *t) {
	CLEAR(task_fields, t);
	field_list_free(&attachment_list, t->attachments, t->n_attachments);
	*t = (struct engine_task){0};
}

/* What a table says completely. */

#define W(member, kind, path) FIELD(struct engine_swarm_node, member, kind, path)
static const struct field swarm_node_fields[] = {
	W(id, FIELD_ID, "ID"),
	W(hostname, FIELD_STR, "Description.Hostname"),
	W(addr, FIELD_STR, "Status.Addr"),
	W(engine_version, FIELD_STR, "Description.Engine.EngineVersion"),
	W(version, FIELD_INT, "Version.Index"),
	W(role, FIELD_STR, "Spec.Role"),
	W(availability, FIELD_STR, "Spec.Availability"),
	W(state, FIELD_STR, "Status.State"),
	W(leader, FIELD_BOOL, "ManagerStatus.Leader"),
	W(reachability, FIELD_STR, "ManagerStatus.Reachability"),
	W(manager_addr, FIELD_STR, "ManagerStatus.Addr"),
	W(spec, FIELD_OBJECT, "Spec"),
};

#define V(member, kind, path) FIELD(struct engine_event, member, kind, path)
static const struct field event_fields[] = {
	V(type, FIELD_ID, "Type"),
	V(action, FIELD_ID, "Action"),
	V(id, FIELD_STR, "Actor.ID"),
	V(name, FIELD_STR, "Actor.Attributes.name"),
	V(container, FIELD_STR, "Actor.Attributes.container"),
	V(attributes, FIELD_OBJECT, "Actor.Attributes"),
	V(time_nano, FIELD_INT, "timeNano"),
};

static const struct field swarm_fields[] = {
	FIELD(struct engine_swarm, id, FIELD_ID, "ID"),
	FIELD(struct engine_swarm, version, FIELD_INT, "Version.Index"),
	FIELD(struct engine_swarm, worker_token, FIELD_STR, "JoinTokens.Worker"),
	FIELD(struct engine_swarm, manager_token, FIELD_STR, "JoinTokens.Manager"),
};

#define G(member, kind, path) FIELD(struct engine_image, member, kind, path)
static const struct field image_fields[] = {
	G(id, FIELD_ID, "Id"),  G(tags, FIELD_STRS, "RepoTags"),    G(digests, FIELD_STRS, "RepoDigests"),
	G(os, FIELD_STR, "Os"), G(arch, FIELD_STR, "Architecture"), G(size, FIELD_INT, "Size"),
};

#define DEFINE_PARSER(name, table) \
	int engine_##name##_parse(const json_t *j, struct engine_##name *ret, struct err *err) { \
		*ret = (struct engine_##name){0}; \
		int r = READ(table, j, ret, err); \
		if (r < 0) \
			engine_##name##_clear(ret); \
		return r; \
	} \
	void engine_##name##_clear(struct engine_##name *it) { \
		CLEAR(table, it); \
		*it = (struct engine_##name){0}; \
	}

DEFINE_PARSER(swarm_node, swarm_node_fields)
DEFINE_PARSER(event, event_fields)
DEFINE_PARSER(swarm, swarm_fields)

/* Up to 20.10 an image without a tag is listed as "<none>:<none>". */
static void drop_none(struct strs *names) {
	struct strs kept = {0};

	for (size_t i = 0; i < names->n; i++) {
		if (names->v[i][0] != '<')
			strs_add(&kept, names->v[i]);
	}
	strs_clear(names);
	*names = kept;
}

int engine_image_parse(const json_t *j, struct engine_image *ret, struct err *err) {
	*ret = (struct engine_image){0};
	int r = READ(image_fields, j, ret, err);
	if (r < 0) {
		engine_image_clear(ret);
		return r;
	}
	drop_none(&ret->tags);
	drop_none(&ret->digests);
	return 0;
}

void engine_image_clear(struct engine_image *i) {
	CLEAR(image_fields, i);
	*i = (struct engine_image){0};
}

/* Lists of these. */

#define DEFINE_LIST(plural, name) \
	static int name##_item_read(const json_t *j, void *item, struct err *err) { return engine_##name##_parse(j, item, err); } \
	static void name##_item_clear(void *item) { engine_##name##_clear(item); } \
	static const struct field_list name##_list = { \
		.size = sizeof(struct engine_##name), .read = name##_item_read, .clear = name##_item_clear}; \
	int engine_##plural##_parse(const json_t *j, struct engine_##name **ret, size_t *ret_n, struct err *err) { \
		void *list = NULL; \
		int r = j ? field_list_read(j, "", &name##_list, &list, ret_n, err) : err_set(err, -EINVAL, "expected an array"); \
		if (r == 0) \
			*ret = list; \
		return r; \
	} \
	void engine_##plural##_free(struct engine_##name *list, size_t n) { field_list_free(&name##_list, list, n); }

DEFINE_LIST(entries, entry)
DEFINE_LIST(networks, network)
DEFINE_LIST(tasks, task)
DEFINE_LIST(swarm_nodes, swarm_node)
DEFINE_LIST(images, image)
