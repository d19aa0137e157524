/* The engines' own DNS (127.0.0.11 in every container on a user's network). Names and aliases are part of the replacement's
 * endpoints, so nothing is written: the agents of other hosts ask it, from within a container there, what it answers for each
 * name, alias and address, and `set` is done when every one gives the right answer and no other. */
#ifndef DISCOVERY_DOCKER_H
#define DISCOVERY_DOCKER_H

#include "net/discovery/discovery.h"
#include "net/wire/agent-client.h"

/* What is to be true of one container's endpoint on one network. */
struct docker_names {
	char *network_id;
	char *ip, *ip6;    /* ip6 may be NULL */
	struct strs names; /* its name and its aliases there */
};

/* Those who can be asked about the network, and what is wanted of a key; by the daemon, which knows the world. */
struct docker_world {
	/* Fills names with one for each overlay network of the entry's container; false: it is not known. */
	bool (*names)(void *ctx, const struct discovery_entry *entry, struct docker_names **ret, size_t *ret_n);
	/* The i-th agent whose host has that network joined, with a container to ask from; its sandbox in *ret_sandbox (borrowed).
	 * NULL: no more. */
	struct agent *(*observer)(void *ctx, const char *network_id, size_t i, const char **ret_sandbox);
	void *ctx;
};

void docker_names_free(struct docker_names *names, size_t n);

int docker_new(const struct discovery_env *env, const struct docker_world *world, struct discovery **ret, struct err *err);

#endif
