/* The engines' own DNS (127.0.0.11 in every container on a user's network). Names and aliases are part of the replacement's
 * endpoints, so nothing is written: the agents of other hosts ask it, from within a container there, what it answers for each
 * name, alias and address, and `set` is done when every one gives the right answer and no other. Else it ends -ESTALE with who
 * answered what: "docker: h3 resolves web to 10.20.0.51 instead of 10.20.0.50".
 *
 * Up to DOCKER_OBSERVERS_MAX are asked about a network. One that does not answer is left out and named in the warning; with none at
 * all the warning is that there is nobody to ask. Names that nobody can ask for (no DNS names) are left out, and those beyond
 * DOCKER_NAMES_MAX. There is nothing to list, to look at or to take away. */
#ifndef DISCOVERY_DOCKER_H
#define DISCOVERY_DOCKER_H

#include "net/discovery/discovery.h"
#include "net/wire/agent-client.h"

#define DOCKER_OBSERVERS_MAX 3
#define DOCKER_NETWORKS_MAX 16 /* of one container; what is beyond is not asked for */
#define DOCKER_NAMES_MAX 62    /* on one network */

/* What is to be true of one container's endpoint on one network. */
struct docker_names {
	char *network_id;
	char *ip, *ip6;     /* ip6 may be NULL */
	struct strs names;  /* its name and its aliases there, without its short ID, which a replacement does not inherit */
	struct strs shared; /* those of names that other containers there have as well: their addresses may be answered too */
};

/* Those who can be asked about the network, and what is wanted of a key; by the daemon, which knows the world. */
struct docker_world {
	/* Fills names with one for each overlay network of the entry's container; false: it is not known (the set ends -ENOTCONN).
	 */
	bool (*names)(void *ctx, const struct discovery_entry *entry, struct docker_names **ret, size_t *ret_n);
	/* The i-th agent whose host has that network joined, with a container to ask from; its sandbox in *ret_sandbox (borrowed).
	 * NULL: no more. Agents outlive the system. */
	struct agent *(*observer)(void *ctx, const char *network_id, size_t i, const char **ret_sandbox);
	void *ctx;
};

void docker_names_free(struct docker_names *names, size_t n);

int docker_new(const struct discovery_env *env, const struct docker_world *world, struct discovery **ret, struct err *err);

#endif
