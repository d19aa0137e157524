/* The world that the machine acts upon: engines with containers, and a swarm network that remembers who was given which address.
 * This is the truth; the machine only sees what run.c tells it. No time and no chance in here.
 *
 * An address belongs to an attachment task of a container, as in swarm mode: start takes it, stop and disconnect give it back, but
 * only while the host is in touch with the swarm; else the task stays until the host is back, or until it is removed. */
#ifndef SIM_FAKE_H
#define SIM_FAKE_H

#include "resched/effect.h"

#include <stdbool.h>
#include <stdint.h>

#define FAKE_NODES_MAX 6
#define FAKE_NETS 2
#define FAKE_IMAGES 3
#define FAKE_CLUSTER "sim"

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
	uint16_t port;                              /* 0: none */
	char ip[FAKE_NETS][40], mac[FAKE_NETS][48]; /* "" where it is not in that network */
	bool connected[FAKE_NETS];                  /* as its own engine believes */
	bool task[FAKE_NETS];                       /* as the swarm believes: it holds the address */
	bool isolated;                              /* cut off in its host's kernel, until it is started again */
	bool was_up;                                /* when its host lost power */

	/* for the checks */
	bool foreign;  /* made in the middle, to be in the way */
	bool let_go;   /* its address was released since it last was the owner */
	bool proved;   /* was seen running with all its addresses */
	bool touched;  /* started, stopped or removed by hand */
	bool given_up; /* a takeover of it came to its point of no return */
};

struct fake_node {
	char name[16];
	bool cut, off, killed, hung; /* network, power, engine's process, engine stopped */
	bool removed;                /* from the swarm */
	bool image[FAKE_IMAGES];
};

struct fake {
	struct fake_node nodes[FAKE_NODES_MAX];
	int n_nodes;
	struct fake_container **containers; /* by index; never freed before the end */
	int n_containers;
	unsigned next_id;
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
bool fake_is_attached(const struct fake_container *c); /* runs, and has all its addresses */
const char *fake_net_name(int net);
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
void fake_remove_node(struct fake *f, int node);
bool fake_restore_node(struct fake *f, int node);

void fake_cut(struct fake *f, int node, bool cut);
void fake_power(struct fake *f, int node, bool on);

#endif
