/* What an inspected container says, read strictly: the fields that decide where and how it can live elsewhere. Pure.
 * A field of the wrong type is an error that names its path; fields that are not known here are ignored (the whole JSON is what
 * a container is made again from; this is the reading of it). */
#ifndef ENGINE_CONTAINER_H
#define ENGINE_CONTAINER_H

#include "base/err.h"
#include "base/json.h"
#include "base/strs.h"

#include <stdbool.h>
#include <stdint.h>

struct engine_port {
	char *host_ip;          /* "" when not given */
	char proto[8];          /* "tcp", "udp", "sctp" */
	uint16_t port;          /* in the container */
	uint16_t host_port;     /* 0: the engine chooses */
	uint16_t host_port_end; /* of a range the engine chooses from; else equal to host_port */
};

struct engine_mount {
	char *type;                                 /* "bind", "volume", "tmpfs", ... */
	char *name, *driver, *source, *destination; /* "" when absent */
	bool anonymous;                             /* a volume whose name the engine made up (64 hexadecimal digits) */
};

/* One entry of NetworkSettings.Networks. Strings are "" when absent: an endpoint that is not up has no addresses. */
struct engine_endpoint {
	char *name; /* of the network */
	char *network_id, *endpoint_id;
	char *ip, *ip6, *mac; /* assigned, without prefix length */
	int64_t prefix, prefix6;
	char *gateway;
	struct strs aliases;
	struct strs dns_names;    /* API 1.44 and later */
	char *ipam_ip, *ipam_ip6; /* configured; on swarm networks filled for dynamic ones too */
	struct strs link_local, links;
	json_t *driver_opts; /* owned, NULL when none */
};

struct engine_container {
	char *id, *name;        /* without its slash */
	char *image, *image_id; /* Config.Image as the user gave it; ID "sha256:..." */
	char *created, *hostname;
	json_t *labels; /* object of strings, owned, never NULL */
	struct strs env;

	char *status; /* "created", "running", "paused", "restarting", "removing", "exited", "dead" */
	bool running, paused, restarting;
	int64_t exit_code;
	char *started_at, *finished_at; /* RFC 3339; "" when absent */
	char *health;                   /* "", "starting", "healthy", "unhealthy", "none" */

	char *restart_policy;
	bool auto_remove, privileged, publish_all;
	char *network_mode, *pid_mode, *ipc_mode, *uts_mode; /* as given, "container:<id>" among them */
	struct strs volumes_from, links;

	struct engine_port *ports; /* asked for (HostConfig.PortBindings) */
	size_t n_ports;
	struct engine_port *bound; /* held now (NetworkSettings.Ports) */
	size_t n_bound;
	struct engine_mount *mounts;
	size_t n_mounts;
	struct engine_endpoint *networks; /* sorted by name */
	size_t n_networks;

	int64_t memory, memory_reservation; /* bytes; 0: none */
	int64_t nano_cpus;                  /* 10^-9 CPUs; from CpuQuota/CpuPeriod when only those are set; 0: none */
	char *runtime, *log_driver;         /* "": the engine's default */
	size_t n_device_requests, n_devices;
	int64_t stop_timeout; /* seconds, -1: the engine's default */
};

/* On failure *ret is cleared. */
int engine_container_parse(const json_t *inspect, struct engine_container *ret, struct err *err);
void engine_container_clear(struct engine_container *c);
#define CLEANUP_ENGINE_CONTAINER CLEANUP(engine_container_clear)

/* Borrowed; NULL when there is none. By network ID or by name. */
const struct engine_endpoint *engine_container_endpoint(const struct engine_container *c, const char *network);
/* Borrowed; NULL when absent. */
const char *engine_container_label(const struct engine_container *c, const char *key);
/* The container another one's namespace is borrowed from: "container:abc" gives "abc"; NULL for every other mode. */
const char *engine_mode_container(const char *mode);

#endif
