/* What an engine answers, read strictly: JSON in, structs out. Pure. A field of the wrong type or a missing identity is an error
 * that names its path; fields that are not known here are ignored. Each parser clears what it was given when it fails; each struct
 * has its clear. Strings are owned and never NULL ("" when absent) unless said otherwise. */
#ifndef ENGINE_PARSE_H
#define ENGINE_PARSE_H

#include "base/cleanup.h"
#include "base/err.h"
#include "base/json.h"
#include "base/strs.h"

#include <stdbool.h>
#include <stdint.h>

struct engine_manager {
	char *node_id, *addr; /* "10.0.0.1:2377" */
};

struct engine_info {
	char *id, *name, *version; /* the engine's identity, host name, and "20.10.24" */
	int api, min_api;          /* 41 for "1.41" */
	char *os, *arch, *kernel;
	int64_t ncpu, mem_total;
	struct strs runtimes;
	char *default_runtime;
	struct strs volume_plugins, network_plugins, log_plugins;
	char *cluster_store;     /* not "": this engine's overlays are kept in an external key/value store (up to 20.10) */
	char *cluster_advertise; /* "10.99.0.11:2375", of such an engine; else "" */
	struct strs labels;      /* "key=value" */
	char *driver, *cgroup_driver, *cgroup_version;
	bool live_restore;
	struct {
		char *state; /* LocalNodeState: "inactive", "pending", "active", "error", "locked" */
		char *node_id, *node_addr, *cluster_id;
		bool control_available; /* a manager that can be asked */
		int64_t data_path_port; /* of VXLAN; 0: not told (workers, and the usual one) */
		int64_t managers, nodes;
		struct engine_manager *remotes;
		size_t n_remotes;
	} swarm;
};

/* {"Info": <GET /info>, "Version": <GET /version>} */
int engine_info_parse(const json_t *j, struct engine_info *ret, struct err *err);
void engine_info_clear(struct engine_info *info);

/* "1.41" gives 41; -EINVAL for anything else ("2.0" too). */
int engine_api_parse(const char *text, int *ret_minor, struct err *err);

struct engine_entry { /* of the container list */
	char *id, *name, *image, *image_id;
	char *state;    /* "running", ... */
	json_t *labels; /* owned, never NULL */
};

struct engine_subnet {
	char *subnet, *gateway, *range;
};

struct engine_peer {
	char *name, *ip;
};

struct engine_network_user {                       /* Containers of a network inspect */
	char *key;                                 /* container ID, or "ep-<endpoint>" for one on another host */
	char *name, *endpoint_id, *mac, *ip, *ip6; /* without prefix length */
};

struct engine_network {
	char *id, *name, *driver, *scope; /* scope: "local", "swarm", "global" */
	bool attachable, ingress, internal, enable_ipv6;
	struct engine_subnet *subnets;
	size_t n_subnets;
	char *vni;                 /* overlay: vxlanid_list, as text */
	json_t *options;           /* owned, never NULL */
	json_t *labels;            /* owned, never NULL */
	struct engine_peer *peers; /* inspect of a joined overlay only */
	size_t n_peers;
	struct engine_network_user *users; /* inspect only */
	size_t n_users;
};

int engine_network_parse(const json_t *j, struct engine_network *ret, struct err *err);
void engine_network_clear(struct engine_network *n);

struct engine_attachment {
	char *network_id, *network_name;
	struct strs addresses; /* with prefix length: "10.0.1.5/24" */
};

struct engine_task { /* swarm; here those of runtime "attachment" */
	char *id, *node_id, *container_id;
	char *state, *desired; /* "running", "shutdown", ... */
	struct engine_attachment *attachments;
	size_t n_attachments;
};

struct engine_swarm_node {
	char *id, *hostname, *addr, *engine_version;
	int64_t version;           /* Version.Index: needed to update it */
	char *role, *availability; /* "worker", "manager"; "active", "pause", "drain" */
	char *state;               /* "ready", "down", "unknown", "disconnected" */
	bool leader;
	char *reachability, *manager_addr; /* managers only */
	json_t *spec;                      /* owned, never NULL: to be changed and given back to the update */
};

struct engine_image {
	char *id; /* "sha256:..." */
	struct strs tags, digests;
	char *os, *arch; /* inspect only */
	int64_t size;
};

struct engine_event {
	char *type, *action; /* "container", "die"; action of health_status: "health_status: healthy" */
	char *id;            /* of the actor */
	char *name;          /* Attributes.name */
	char *container;     /* Attributes.container: network events */
	json_t *attributes;  /* owned, never NULL */
	int64_t time_nano;   /* the engine's clock */
};

int engine_event_parse(const json_t *j, struct engine_event *ret, struct err *err);
void engine_event_clear(struct engine_event *e);

struct engine_swarm { /* GET /swarm. The tokens are secrets: never in a log, an error or a file. */
	char *id;
	int64_t version;
	char *worker_token, *manager_token;
};

int engine_swarm_parse(const json_t *j, struct engine_swarm *ret, struct err *err);
void engine_swarm_clear(struct engine_swarm *s);

int engine_entry_parse(const json_t *j, struct engine_entry *ret, struct err *err);
void engine_entry_clear(struct engine_entry *e);
int engine_task_parse(const json_t *j, struct engine_task *ret, struct err *err);
void engine_task_clear(struct engine_task *t);
int engine_swarm_node_parse(const json_t *j, struct engine_swarm_node *ret, struct err *err);
void engine_swarm_node_clear(struct engine_swarm_node *n);
int engine_image_parse(const json_t *j, struct engine_image *ret, struct err *err);
void engine_image_clear(struct engine_image *i);

/* Lists: a new array (NULL when empty) of *ret_n. A bad element names its index: "[3].Id: ...". */
int engine_entries_parse(const json_t *j, struct engine_entry **ret, size_t *ret_n, struct err *err);
void engine_entries_free(struct engine_entry *list, size_t n);
int engine_networks_parse(const json_t *j, struct engine_network **ret, size_t *ret_n, struct err *err);
void engine_networks_free(struct engine_network *list, size_t n);
int engine_tasks_parse(const json_t *j, struct engine_task **ret, size_t *ret_n, struct err *err);
void engine_tasks_free(struct engine_task *list, size_t n);
int engine_swarm_nodes_parse(const json_t *j, struct engine_swarm_node **ret, size_t *ret_n, struct err *err);
void engine_swarm_nodes_free(struct engine_swarm_node *list, size_t n);
int engine_images_parse(const json_t *j, struct engine_image **ret, size_t *ret_n, struct err *err);
void engine_images_free(struct engine_image *list, size_t n);

#endif
