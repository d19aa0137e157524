/* See translate.h. */
#include "daemon/translate.h"

#include "base/alloc.h"
#include "base/id.h"
#include "engine/spec.h"

#include <stdio.h>
#include <string.h>

enum net_kind translate_network_kind(const struct engine_network *n) {
	if (strcmp(n->driver, "overlay") != 0)
		return NET_LOCAL;
	return strcmp(n->scope, "swarm") == 0 ? NET_SWARM : NET_KV;
}

static char *text_or_null(const char *s) { return s && *s ? xstrdup(s) : NULL; }

/* Engines list it among the aliases, up to 20.10 at least. */
static bool is_short_id(const struct engine_container *c, const char *alias) {
	return strlen(alias) >= 12 && strncmp(c->id, alias, strlen(alias)) == 0;
}

struct world_net *translate_endpoints(const struct engine_container *c, translate_kind_fn *kind, void *ctx) {
	struct world_net *nets = xnew_n(struct world_net, c->n_networks);

	for (size_t i = 0; i < c->n_networks; i++) {
		const struct engine_endpoint *e = &c->networks[i];
		nets[i] = (struct world_net){
			.name = xstrdup(e->name),
			.id = text_or_null(e->network_id),
			.ip = text_or_null(e->ip),
			.ip6 = text_or_null(e->ip6),
			.mac = text_or_null(e->mac),
			.kind = kind(ctx, e->network_id, e->name),
		};
		for (size_t k = 0; k < e->aliases.n; k++)
			if (!is_short_id(c, e->aliases.v[k]))
				strs_add_new(&nets[i].aliases, e->aliases.v[k]);
	}
	return nets;
}

/* Published ports that are known beforehand: a range or "any port" is the engine's to choose. */
static void take_ports(struct world_container *w, const struct engine_container *c) {
	w->ports = xnew_n(struct world_port, c->n_ports);
	for (size_t i = 0; i < c->n_ports; i++) {
		const struct engine_port *p = &c->ports[i];
		if (p->host_port == 0 || p->host_port != p->host_port_end)
			continue;
		struct world_port *to = &w->ports[w->n_ports++];
		*to = (struct world_port){.host_ip = xstrdup(p->host_ip), .port = p->host_port};
		snprintf(to->proto, sizeof(to->proto), "%s", p->proto);
	}
}

static void take_bound(struct world_container *w, const struct engine_container *c) {
	w->bound = xnew_n(struct world_bound, c->n_bound);
	for (size_t i = 0; i < c->n_bound; i++) {
		const struct engine_port *p = &c->bound[i];
		if (p->host_port == 0)
			continue;
		struct world_bound *to = &w->bound[w->n_bound++];
		*to = (struct world_bound){.host_ip = xstrdup(p->host_ip), .port = p->port, .host_port = p->host_port};
		snprintf(to->proto, sizeof(to->proto), "%s", p->proto);
	}
}

static void take_policy(struct world_container *w, const struct engine_container *c) {
	size_t n = 0;
	struct policy_label *labels = xnew_n(struct policy_label, json_object_size(c->labels));
	const char *key;
	json_t *value;

	json_object_foreach (c->labels, key, value) {
		if (json_is_string(value))
			labels[n++] = (struct policy_label){key, json_string_value(value)};
	}
	w->policy = policy_read(c->env.v, c->env.n, labels, n);
	services_read(labels, n, &w->services);
	free(labels);
}

static void take_volume_drivers(struct world_container *w, const struct engine_container *c) {
	for (size_t i = 0; i < c->n_mounts; i++)
		if (*c->mounts[i].driver && strcmp(c->mounts[i].driver, "local") != 0)
			strs_add_new(&w->volume_drivers, c->mounts[i].driver);
}

static char *restart_policy(const struct engine_container *c, const json_t *inspect) {
	int64_t most = json_int_or(inspect, "HostConfig.RestartPolicy.MaximumRetryCount", 0);

	if (strcmp(c->restart_policy, "on-failure") == 0 && most > 0)
		return xasprintf("on-failure:%lld", (long long)most);
	return xstrdup(c->restart_policy);
}

/* "<cluster>/<64 hexadecimal digits>", a takeover's ID, and a generation that leaves room to count on. */
static bool labels_are_sound(const char *cluster, const char *workload, const char *takeover, const char *generation) {
	size_t n = strlen(cluster);

	if (!workload || !takeover || !generation || strncmp(workload, cluster, n) != 0 || workload[n] != '/')
		return false;
	if (!id_is_hex(workload + n + 1) || !id_is_hex(takeover) || strlen(takeover) >= ID_TEXT_MAX)
		return false;
	return *generation >= '1' && *generation <= '9' && strspn(generation, "0123456789") == strlen(generation) &&
	       strlen(generation) < 9;
}

static void take_labels(struct world_container *w, const struct engine_container *c, const char *cluster) {
	const char *workload = engine_container_label(c, SPEC_LABEL_WORKLOAD),
		   *takeover = engine_container_label(c, SPEC_LABEL_TAKEOVER);
	const char *generation = engine_container_label(c, SPEC_LABEL_GENERATION);

	if (!labels_are_sound(cluster, workload, takeover, generation))
		return;
	w->workload = xstrdup(workload);
	w->takeover = xstrdup(takeover);
	w->generation = (unsigned)strtoul(generation, NULL, 10);
}

char *translate_sandbox(const json_t *inspect) {
	const char *key = json_str_or(inspect, "NetworkSettings.SandboxKey", "");
	const char *slash = strrchr(key, '/');

	return slash && slash[1] ? xstrdup(slash + 1) : NULL;
}

struct world_container *translate_container(const char *cluster, const char *node, const struct engine_container *c,
					    const json_t *inspect, translate_kind_fn *kind, void *ctx) {
	struct world_container *w = world_container_new(node, c->id);
	const char *image = engine_container_label(c, SPEC_LABEL_IMAGE);

	w->name = xstrdup(c->name);
	w->image = xstrdup(image ? image : c->image);
	w->image_id = text_or_null(c->image_id);
	w->runtime = text_or_null(c->runtime);
	w->log_driver = text_or_null(c->log_driver);
	w->restart_policy = restart_policy(c, inspect);
	take_labels(w, c, cluster);
	take_policy(w, c);
	take_ports(w, c);
	take_bound(w, c);
	take_volume_drivers(w, c);
	if (w->policy.move)
		spec_check(inspect, w->policy.volumes_empty, &w->blockers, NULL);
	w->nets = translate_endpoints(c, kind, ctx);
	w->n_nets = c->n_networks;
	w->memory = c->memory_reservation ? c->memory_reservation : c->memory;
	w->nano_cpus = c->nano_cpus;
	w->running = c->running || c->paused || c->restarting;
	w->started = w->running || strcmp(c->status, "created") != 0;
	w->sandbox = translate_sandbox(inspect);
	w->unhealthy = strcmp(c->health, "unhealthy") == 0;
	return w;
}

/* "10.99.0.11:2375", "[fd00::11]:2375" */
static void take_advertised(const char *advertise, struct node_facts *f) {
	const char *from = advertise + (*advertise == '['), *end = strrchr(advertise, *advertise == '[' ? ']' : ':');
	char *host CLEANUP_FREE = end ? xstrndup(from, (size_t)(end - from)) : NULL;

	xstr_replace(&f->vtep, host);
}

static const char *const builtin_log_drivers[] = {"none", "local", "json-file"};

void translate_info(const struct engine_info *info, struct node_facts *f) {
	xstr_replace(&f->version, info->version);
	xstr_replace(&f->engine_id, info->id);
	f->api = info->api;
	f->ncpu = info->ncpu;
	f->memory = info->mem_total;
	strs_copy(&f->runtimes, &info->runtimes);
	strs_copy(&f->volume_drivers, &info->volume_plugins);
	strs_copy(&f->log_drivers, &info->log_plugins);
	for (size_t i = 0; f->log_drivers.n && i < sizeof(builtin_log_drivers) / sizeof(builtin_log_drivers[0]); i++)
		strs_add_new(&f->log_drivers, builtin_log_drivers[i]);
	bool active = strcmp(info->swarm.state, "active") == 0;
	xstr_replace(&f->swarm_node, active && *info->swarm.node_id ? info->swarm.node_id : NULL);
	xstr_replace(&f->swarm_cluster, active && *info->swarm.cluster_id ? info->swarm.cluster_id : NULL);
	f->data_path_port =
		active && info->swarm.data_path_port > 0 && info->swarm.data_path_port < 65536 ? info->swarm.data_path_port : 0;
	f->swarm_manager = active && info->swarm.control_available;
	f->kv = *info->cluster_store != '\0';
	if (f->kv)
		take_advertised(info->cluster_advertise, f);
	else
		xstr_replace(&f->vtep, active && *info->swarm.node_addr ? info->swarm.node_addr : NULL);
}

void translate_images(const struct engine_image *images, size_t n, struct node_facts *f) {
	for (size_t i = 0; i < f->n_images; i++) {
		free(f->images[i].id);
		strs_clear(&f->images[i].names);
	}
	free(f->images);
	f->images = xnew_n(struct world_image, n);
	f->n_images = n;
	for (size_t i = 0; i < n; i++) {
		f->images[i].id = xstrdup(images[i].id);
		strs_copy(&f->images[i].names, &images[i].tags);
		for (size_t k = 0; k < images[i].digests.n; k++)
			strs_add(&f->images[i].names, images[i].digests.v[k]);
		/* "busybox" means "busybox:latest" */
		for (size_t k = 0; k < images[i].tags.n; k++) {
			const char *tag = images[i].tags.v[k], *latest = strstr(tag, ":latest");
			if (latest && latest[7] == '\0') {
				char *bare = xstrndup(tag, (size_t)(latest - tag));
				strs_add(&f->images[i].names, bare);
				free(bare);
			}
		}
	}
}
