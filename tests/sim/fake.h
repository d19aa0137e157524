/* The world that the machine acts upon: engines with containers, and overlay networks that remember who was given which address.
 * This is the truth; the machine only sees what manager.c tells it. No time and no chance in here.
 *
 * An address belongs to an attachment task of a container (swarm mode), or to an endpoint in the key/value store: start takes it,
 * stop and disconnect give it back, but only while the host is in touch with swarm or store; else it stays until the host is back,
 * or until it is let go on its behalf. */
#ifndef SIM_FAKE_H
#define SIM_FAKE_H

#include "resched/effect.h"
#include "resched/service.h"

#include <stdbool.h>
#include <stdint.h>

#define FAKE_NODES_MAX 6
#define FAKE_NETS 2
#define FAKE_IMAGES 3
#define FAKE_SERVICES 2
#define FAKE_CLUSTER "sim"

/* What its labels say that it is to be found as. */
struct fake_service {
	char name[24]; /* "": not said */
	char tag[8];   /* "" */
	uint16_t port; /* in the container; 0: not said */
	enum service_address address;
};

struct fake_container {
	char id[16], name[80];
	int node;
	bool exists, running, started;
	char policy[24];
	bool opted;
	enum evidence fence;
	char workload[64], takeover[ID_TEXT_MAX]; /* labels; "" without */
	unsigned generation;
	int image;
	uint16_t port;  /* published for its port 80; 0: none */
	bool any_port;  /* which one is its engine's to choose */
	uint16_t bound; /* that its host has open for it while it runs; 0: none */
	bool unhealthy; /* says its own check */
	struct fake_service services[FAKE_SERVICES];
	int n_services;
	char ip[FAKE_NETS][40], mac[FAKE_NETS][48]; /* "" where it is not in that network */
	char alias[24];
	bool connected[FAKE_NETS]; /* it has an interface there, when it runs */
	bool task[FAKE_NETS];      /* as swarm or store believe: it holds the address */
	bool isolated;             /* cut off in its host's kernel, until it is started again */
	bool was_up;               /* when its host lost power */

	bool forced; /* swarm or store let its address go while it ran, and it was not started since */
	bool was_plugged[FAKE_NETS], was_endpoint[FAKE_NETS]; /* as of the kernels' last look */

	/* for the checks */
	bool foreign;  /* made in the middle, to be in the way */
	bool let_go;   /* its address was released since it last was the owner */
	bool proved;   /* was seen running with all its addresses */
	bool touched;  /* started, stopped or removed by hand */
	bool unparked; /* its engine refused to change its restart policy, or did so long after it was asked: then it has one though
			* it is stale, and is put away again if ever it comes up */
	bool given_up; /* a takeover of it came to its point of no return */
};

/* Ways between a host and others, each of which can be cut alone. */
#define PATH_MANAGER 1U /* to heir's manager: engine, ping, agent */
#define PATH_CONTROL 2U /* to the swarm's managers, or to the key/value store */
#define PATH_GOSSIP 4U  /* between engines, and what agents ask of each other's hosts */
#define PATH_DATA 8U    /* between containers */
#define PATH_ALL 15U

struct fake_node {
	char name[16];
	unsigned cut;           /* PATH_… */
	bool off, killed, hung; /* power, engine's process, engine stopped */
	bool slow;
	bool removed; /* from the swarm */
	bool image[FAKE_IMAGES];
};

struct fake {
	enum net_kind kind; /* of all overlays: engines in swarm mode know no other */
	struct fake_node nodes[FAKE_NODES_MAX];
	int n_nodes;
	struct fake_container **containers; /* by index; never freed before the end */
	int n_containers;
	unsigned next_id, next_port;
};

void fake_clear(struct fake *f);

bool fake_answers(const struct fake *f, int node);                                        /* its engine, to the manager */
bool fake_host_answers(const struct fake *f, int node);                                   /* its host, to a ping */
bool fake_in_touch(const struct fake *f, int node);                                       /* the host, with its swarm */
int fake_node_index(const struct fake *f, const char *name);                              /* -1 */
struct fake_container *fake_find(const struct fake *f, int node, const char *id_or_name); /* NULL; only what exists */
struct fake_container *fake_by_id(const struct fake *f, const char *id);                  /* NULL; also what existed once */
struct fake_container *fake_holder(const struct fake *f, int net, const char *ip);        /* NULL */
bool fake_has_overlay(const struct fake_container *c);
bool fake_is_attached(const struct fake_container *c);    /* runs, and has all its addresses */
unsigned fake_generation(const struct fake_container *c); /* 1 without a label */
/* heir.service, heir.service.2, …; field "" or ".port". Returns key. */
const char *fake_service_label(int number, const char *field, char key[40]);
const char *fake_net_name(int net);
const char *fake_net_id(int net);
int fake_net_index(const struct world_net *net); /* by ID, else by name; -1 */
const char *fake_image_name(int image);
const char *fake_image_id(int image);

struct fake_container *fake_add(struct fake *f, int node, const char *name);

/* Each: true when done, else ret_why. What is so already counts as done. */
bool fake_start(struct fake *f, struct fake_container *c, enum refusal *ret_why);
bool fake_stop(struct fake *f, struct fake_container *c);
void fake_disconnect(struct fake *f, struct fake_container *c, int net);
bool fake_remove(struct fake *f, struct fake_container *c, enum refusal *ret_why);
bool fake_rename(struct fake *f, struct fake_container *c, const char *name, enum refusal *ret_why);
void fake_release(struct fake_container *c);
void fake_let_go(struct fake_container *c, int net); /* of one network's address */
void fake_remove_node(struct fake *f, int node);
bool fake_restore_node(struct fake *f, int node);

void fake_cut(struct fake *f, int node, unsigned paths); /* those and no others are cut from now on */
void fake_power(struct fake *f, int node, bool on);
/* Without live-restore: what runs is stopped, and its restart policy may bring it up again. */
void fake_restart_engine(struct fake *f, int node);

#endif
