/* What a node that is taken out of its swarm needs to get its place back. Written before it is removed, and enriched before the
 * returned node leaves the swarm that no longer knows it, since leaving wipes the networks of every running container from its
 * engine. Pure JSON. Holds no secret.
 *
 *   {"version": 1, "node": "h1", "swarm_node": "<ID>",
 *    "spec": {"Name", "Labels", "Role", "Availability"},              as it was before heir touched it
 *    "attachments": [{"container", "network_id", "network", "addresses": ["10.20.0.5/24"]}],
 *    "addr": "10.99.0.11",                                            from here on: only when enriched
 *    "containers": {"<ID>": {"name", "networks": {"ov": {"network_id", "ip", "ip6", "mac", "aliases", "links", "driver_opts"}}}}}
 */
#ifndef NET_OVERLAY_RECORD_H
#define NET_OVERLAY_RECORD_H

#include "base/json.h"
#include "engine/container.h"
#include "engine/parse.h"

/* A manager is demoted before it is removed. This label keeps the role in the swarm meanwhile, so that a removal that is
 * interrupted between the two and begun again does not record a worker. */
#define RECORD_ROLE_LABEL "heir.role"

/* attachments: of record_attachment. New reference. */
json_t *record_new(const char *node, const char *swarm_node, const json_t *spec, const json_t *attachments);
json_t *record_attachment(const char *container, const struct engine_attachment *a);

/* Strict about what is used. New reference in ret. */
int record_parse(const char *text, json_t **ret, struct err *err);

bool record_is_enriched(const json_t *record);
/* Adds the container as far as it is on one of the networks (by name); what is there already stays. Enriches the record even when
 * it is on none. addr: the node's address in the swarm; "" when not known. */
void record_enrich(json_t *record, const char *addr);
void record_add_container(json_t *record, const struct engine_container *c, const struct strs *networks);
/* What a record that was never enriched knows of containers: network and addresses. In the form of "containers". New reference. */
json_t *record_containers_of_attachments(const json_t *record);

/* The spec with role, labels and availability of the record. New reference. */
json_t *record_wanted_spec(const json_t *record, const json_t *spec);
/* EndpointSettings for a network of a container. New reference. */
json_t *record_endpoint(const json_t *network);

#endif
