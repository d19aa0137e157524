/* What the machine knows of nodes and containers: facts that the daemon feeds, no decisions. Pure.
 * Strings are owned; NULL means unknown or absent where a comment says so. */
#ifndef RESCHED_WORLD_H
#define RESCHED_WORLD_H

#include "base/mono.h"
#include "base/strs.h"
#include "resched/agent.h"
#include "resched/policy.h"
#include "resched/service.h"

#include <stdbool.h>
#include <stdint.h>
#include <uthash.h>

enum net_kind {
	NET_LOCAL, /* bridge, host, macvlan, ...: no address work, the network is looked up by name */
	NET_SWARM, /* swarm-scoped overlay */
	NET_KV,    /* overlay kept in an external key/value store */
};

struct world_net {
	char *name, *id;
	char *ip, *ip6, *mac; /* NULL when none */
	enum net_kind kind;
	struct strs aliases; /* its names there beside its own, but for its short ID, which no replacement has */
};

struct world_port {
	char *host_ip; /* "" or a wildcard: all addresses */
	char proto[8];
	uint16_t port; /* the host's; 0 is never recorded */
};

/* A port of the container that its host has open. */
struct world_bound {
	char *host_ip; /* "" or a wildcard: all addresses */
	char proto[8];
	uint16_t port, host_port;
};

struct world_container {
	char *key; /* "<node>/<id>" */
	char *node, *id, *name;
	char *image, *image_id;    /* as the user gave it; "sha256:…" */
	char *runtime;             /* NULL: the engine's default */
	char *log_driver;          /* NULL: the engine's default */
	char *restart_policy;      /* "" when none */
	char *workload, *takeover; /* from the labels heir.*; NULL on a container that heir did not make */
	unsigned generation;       /* from the label; 0 without */
	struct policy policy;
	struct strs blockers;       /* why it cannot be made again elsewhere; none: it can */
	struct strs volume_drivers; /* other than local */
	struct world_net *nets;
	size_t n_nets;
	struct world_port *ports;
	size_t n_ports;
	struct world_bound *bound; /* now; empty while it does not run */
	size_t n_bound;
	struct services services;
	bool unhealthy;                      /* its own check says so */
	int64_t memory, nano_cpus;           /* reserved; 0: nothing */
	bool running;                        /* paused and restarting count */
	bool started;                        /* was ever started */
	bool remembered;                     /* not seen in this run: as the store has it */
	char *sandbox;                       /* name of its network namespace on its host; NULL: not known */
	bool settled;                        /* it is stopped and its engine kept answering long enough after: on purpose */
	struct mono stopped_at;              /* when it was seen stopped; the machine's */
	struct world_container *prev, *next; /* of the same node; the world's */
	UT_hash_handle hh, by_id;
};

struct world_container *world_container_new(const char *node, const char *id);
void world_container_free(struct world_container *c);
const struct world_net *world_container_net(const struct world_container *c, const char *name);
bool world_container_has_overlay(const struct world_container *c);
void world_net_copy(struct world_net *to, const struct world_net *from);
void world_nets_free(struct world_net *nets, size_t n);

enum node_verdict { /* as the health room's, which this room may not see */
		    NODE_UNKNOWN,
		    NODE_ALIVE,
		    NODE_SUSPECT,
		    NODE_ENGINE_ONLY,
		    NODE_DEAD,
		    NODE_RECOVERING,
		    NODE_VERDICT_MAX,
};

const char *node_verdict_name(enum node_verdict v);

struct world_image {
	char *id;
	struct strs names; /* tags and digests */
};

/* What an engine says of itself. */
struct node_facts {
	char *version;                                     /* NULL until known */
	char *engine_id;                                   /* NULL until known */
	int api;                                           /* 45 for 1.45; 0: not known */
	int64_t ncpu, memory;                              /* 0: not known */
	struct strs runtimes, volume_drivers, log_drivers; /* empty: not known */
	struct strs local_networks; /* names of networks that exist there by themselves (bridge, host, user's) */
	struct world_image *images;
	size_t n_images;
	char *swarm_node, *swarm_cluster; /* NULL: not in a swarm */
	int64_t data_path_port;           /* of the swarm's VXLAN, as a manager says; 0: not known */
	char *vtep;                       /* its underlay address on overlays; NULL: not known */
	bool swarm_manager;
	bool kv; /* has an external store for overlays */
};

void node_facts_clear(struct node_facts *f);

struct world_node {
	char *name;
	struct node_facts facts;
	enum node_verdict verdict;
	char *reason; /* of the verdict; NULL at first */
	struct mono since;
	struct mono lost_since; /* it counts as lost since then; 0: it does not */
	struct mono held_until; /* a flapping node is no target until then; 0: not held */
	unsigned deaths;        /* lately, as its hold-down counts them */
	char *address;          /* where its published ports are reached, as configured; NULL: its underlay address */
	char *hold;             /* an operator's reason: nothing goes there, and nothing is taken over from there; NULL: not held */
	char *zone_brake;       /* why nothing is taken over from its zone; NULL */
	bool remote;            /* not the manager's own host */
	bool listed;            /* its containers were listed since it last became alive */
	bool returning;         /* answers, but is not cleaned yet: no target */
	bool confirmed_dead;    /* by an operator; until it answers again */
	bool removed;           /* heir took it out of its swarm: it is to be given back its place */
	char *availability;     /* in its swarm, as a manager says: "active", "pause", "drain"; NULL: not known */
	struct node_agent agent;
	struct strs seen_by; /* nodes whose agents reach it while we do not */
	char *seen_how;      /* "port 2375 accepts"; NULL */
	struct strs unseen;  /* IDs that were in its last list and of which nothing else was known yet */
	bool was_lost;       /* it had been dead when it came back */
	bool sweep;          /* the agents are to be told (again) where its other containers are: sweep.c */
	unsigned sweeps_left;
	struct mono sweep_at;
	bool quarantined; /* its frames are to be dropped by every agent: from the failure until it is back and clean */
	struct world_container *containers; /* by next; the world's */
	uint64_t restoring;                 /* the effect under way that does so; 0: none */
	unsigned restore_tries;
	struct mono restore_not_before;
	UT_hash_handle hh;
};

struct world {
	struct world_node *nodes;           /* by name */
	struct world_container *containers; /* by key */
	struct world_container *by_id;
};

struct world_node *world_node_add(struct world *w, const char *name, bool remote);
struct world_node *world_node(const struct world *w, const char *name); /* NULL when there is none */
struct world_container *world_container(const struct world *w, const char *node, const char *id);
/* Wherever it is: engines give no ID twice. */
struct world_container *world_container_by_id(const struct world *w, const char *id);
/* The container of that name there; NULL. */
struct world_container *world_container_named(const struct world *w, const char *node, const char *name);
/* Takes c; a container of the same key is replaced and freed. */
void world_container_put(struct world *w, struct world_container *c);
void world_container_remove(struct world *w, struct world_container *c);
/* Out of the world, and the caller's. */
void world_container_take(struct world *w, struct world_container *c);
void world_clear(struct world *w);

/* Usable as a target and trusted to know its containers. */
bool world_node_serves(const struct world_node *n);
/* A running container there has that network: its host has the overlay joined. */
bool world_node_has_net(const struct world *w, const char *node, const char *network);
/* The name under which the node has exactly that image; NULL when it has none: the image's own name where it is right, else its
 * ID. */
const char *world_node_image(const struct world_node *n, const char *name, const char *image_id);

#endif
