/* The manager's settings, read strictly from YAML: what is not understood is refused with "FILE:LINE: reason", so that a typing
 * error is found by `heird --check` and not in the night a host dies. Defaults are filled in; durations are spans; relative paths
 * are made absolute, from the directory of the file. */
#ifndef CONFIG_CONFIG_H
#define CONFIG_CONFIG_H

#include "base/err.h"
#include "base/log.h"
#include "base/mono.h"
#include "base/strs.h"

#include <stdbool.h>
#include <stddef.h>

#define CONFIG_DEFAULT_STATE "/var/lib/heir/heir.db"
#define CONFIG_DEFAULT_API "unix:///run/heir/heir.sock"
#define CONFIG_DISCOVERY_SYSTEMS_MAX 16
#define CONFIG_DISCOVERY_PREFIX_MAX 128 /* bytes of a skydns' prefix */

enum config_local { CONFIG_LOCAL_UNKNOWN, CONFIG_LOCAL_YES, CONFIG_LOCAL_NO, CONFIG_LOCAL_MAX };
enum config_strategy { CONFIG_STRATEGY_SPREAD, CONFIG_STRATEGY_BINPACK, CONFIG_STRATEGY_RANDOM, CONFIG_STRATEGY_MAX };
enum config_fence { CONFIG_FENCE_AUTO, CONFIG_FENCE_PRESUMED, CONFIG_FENCE_QUARANTINED, CONFIG_FENCE_STOPPED, CONFIG_FENCE_MAX };
enum config_engine_only { CONFIG_ENGINE_ONLY_WAIT, CONFIG_ENGINE_ONLY_MOVE, CONFIG_ENGINE_ONLY_MAX };
enum config_keep { CONFIG_KEEP_NEWEST, CONFIG_KEEP_OLDEST, CONFIG_KEEP_MAX };
enum config_stale { CONFIG_STALE_REMOVE, CONFIG_STALE_KEEP, CONFIG_STALE_MAX };

enum config_discovery_kind {
	CONFIG_DISCOVERY_DOCKER,
	CONFIG_DISCOVERY_CONSUL,
	CONFIG_DISCOVERY_SKYDNS,
	CONFIG_DISCOVERY_DNS,
	CONFIG_DISCOVERY_MAX,
};
enum config_publish { CONFIG_PUBLISH_LABELLED, CONFIG_PUBLISH_OPTED_IN, CONFIG_PUBLISH_ALL, CONFIG_PUBLISH_MAX };
enum config_service_address { CONFIG_SERVICE_OVERLAY, CONFIG_SERVICE_HOST, CONFIG_SERVICE_ADDRESS_MAX };
enum config_unhealthy { CONFIG_UNHEALTHY_KEEP, CONFIG_UNHEALTHY_WITHDRAW, CONFIG_UNHEALTHY_MAX };
enum config_tsig { CONFIG_TSIG_SHA256, CONFIG_TSIG_SHA512, CONFIG_TSIG_MAX };

struct config_label {
	char *key, *value;
};

/* How many of a set of nodes. */
struct config_share {
	int value; /* per cent of them, or a number of nodes; 0: not given */
	bool percent;
};

struct config_engine {
	char *name;                        /* unique, [a-zA-Z0-9_.-]{1,63} */
	char *url;                         /* unique, "tcp://host:port" or "unix:///path" */
	char *tls_ca, *tls_cert, *tls_key; /* paths of readable files; tls_ca NULL: no TLS; tls_cert and tls_key: both or none */
	struct config_label *labels;       /* in the order of the file, keys unique */
	size_t label_count;
	char *agent_url;                         /* NULL: none */
	char *agent_ca, *agent_cert, *agent_key; /* for https; files, as above. agent_ca NULL: plain HTTP */
	char *address; /* where its published ports are reached; NULL: its URL's host, if numeric, else its underlay address */
	char *vtep;    /* its underlay address on overlays; NULL: as its engine says */
	enum config_local local; /* is it the manager's own host? */
	unsigned line;           /* where it stands in the file */
};

/* One system of service discovery. What is not of its kind is NULL, 0 or empty. */
struct config_discovery {
	enum config_discovery_kind kind;
	char *name;           /* unique, as an engine's; default: its kind */
	bool required;        /* a takeover waits for it, up to its deadline */
	struct span deadline; /* of that waiting */
	struct span timeout;  /* of one call */
	struct strs adopt;    /* services whose foreign entries may be overwritten */
	struct strs urls;     /* consul, skydns: "http://host:port" or "https://host:port" */
	char *tls_ca, *tls_cert, *tls_key;
	/* consul */
	char *token_file, *datacenter, *consul_namespace, *node, *node_address;
	struct config_label *agents; /* a configured engine's name, the URL of its host's Consul agent */
	size_t n_agents;
	struct span check_ttl;
	/* skydns */
	char *prefix, *domain, *user, *password_file;
	bool reverse;
	/* dns */
	char *server, *zone, *key_name, *key_file; /* "host:port"; names end with a dot */
	struct strs reverse_zones;
	enum config_tsig algorithm;
	int ttl;       /* s; skydns too */
	unsigned line; /* where it stands in the file */
};

struct config {
	char *path;    /* the file, as it was named */
	char *cluster; /* [a-zA-Z0-9_.-]{1,63} */
	char *state;   /* path of the database */
	char *api;     /* "unix:///path" */
	struct {
		struct span interval, timeout;
		int failures; /* misses in a row until dead */
		int recover;  /* answers in a row until alive again */
	} heartbeat;
	struct config_engine *engines; /* at least one */
	size_t engine_count;
	struct {
		struct strs control; /* "unix:///path" of managers' control sockets, in the order to try; may be empty */
		bool remove_node;
	} swarm;
	struct {
		enum config_strategy strategy;
	} placement;
	struct {
		enum config_fence fence;
		int parallel, per_target, attempts;
		int per_minute; /* 0: no limit */
		struct span delay;
		enum config_engine_only engine_only;
		struct span backoff_initial, backoff_cap;
		struct span stop_timeout;
	} takeover;
	struct {
		enum config_keep keep;
		enum config_stale stale;
		struct {
			struct span initial, cap, window;
		} hold_down;
	} on_return;
	struct {
		struct config_share max_lost;
		struct strs witness; /* "tcp://host:port" */
		struct {
			char *label; /* of an engine: which zone it is in; NULL: zones are not looked at */
			struct config_share max_lost;
		} zone;
	} brake;
	struct {
		enum config_publish publish;         /* what is published that has no label heir.service */
		enum config_service_address address; /* where no label heir.service.address says it */
		enum config_unhealthy unhealthy;
		struct span interval; /* of a full comparison with every system */
		struct config_discovery *systems;
		size_t n_systems;
	} discovery;
	struct {
		enum log_level level;
	} log;
};

/* Reads and checks the file and the files it names. The error begins with "FILE:LINE: " ("FILE: " when it cannot be read at all).
 */
int config_load(const char *path, struct config **ret, struct err *err);

/* The same from memory; `name` stands for the file in errors, base_dir is where relative paths start. */
int config_parse(const char *text, size_t len, const char *name, const char *base_dir, struct config **ret, struct err *err);

void config_free(struct config *c); /* NULL is fine */
static inline void cleanup_config(struct config **c) { config_free(*c); }

/* The value of that label; NULL. */
const char *config_engine_label(const struct config_engine *e, const char *key);

/* The words used in the file, for logs and the API. */
const char *config_strategy_name(enum config_strategy s);
const char *config_fence_name(enum config_fence f);

#endif
