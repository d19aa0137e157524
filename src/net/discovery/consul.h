/* Consul (HTTP API of 1.8 and later). An entry is a service instance in the catalog, its ID the entry's key.
 *
 * In the catalog the instances stand on a node of our own ("heir-<cluster>", address 127.0.0.1 unless configured), since a live
 * agent's anti-entropy deletes what it does not know from its own node. Moves are PUT /v1/txn with check-and-set on ModifyIndex.
 *
 * Where `agents` names the Consul agent of a container's host, the instance is registered there instead, with a TTL check that is
 * passed again and again for as long as the entry is wanted: when heird and its successor are gone, Consul itself says critical.
 * The agent API has no check-and-set: it is looked at before it is written, and what it moved away from is taken from the catalog
 * by a transaction when its agent does not answer, and from that agent when it does again. A set there is done when the catalog has
 * it too, and only then what it moved away from is taken away.
 *
 * What is ours has meta heir=1 and heir-cluster=<cluster>; meta named "heir" or "heir-…" is refused from others. `node` must not be
 * that of a live agent. Everything that heir reads needs node:read, service:read and agent:read: to a token without them Consul
 * says that nothing is there. */
#ifndef DISCOVERY_CONSUL_H
#define DISCOVERY_CONSUL_H

#include "net/discovery/discovery.h"

struct consul_agent {
	const char *node, *url; /* heir's name of the host; "http://10.0.0.1:8500" */
};

struct consul_options {
	struct strs urls; /* of servers or agents, in the order to try: "http://host:port", "https://host:port" */
	const char *token_file, *datacenter, *consul_namespace; /* NULL: none */
	const char *node;                                       /* NULL: "heir-<cluster>" */
	const char *node_address;                               /* NULL: "127.0.0.1" */
	struct http_tls tls;                                    /* of https URLs */
	const struct consul_agent *agents;
	size_t n_agents;
	struct span ttl; /* of the check at an agent; 0: 30 s */
};

/* Everything is copied. */
int consul_new(const struct discovery_env *env, const struct consul_options *options, struct discovery **ret, struct err *err);

#endif
