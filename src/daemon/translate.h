/* From what an engine says to what the machine knows. Pure. */
#ifndef DAEMON_TRANSLATE_H
#define DAEMON_TRANSLATE_H

#include "engine/container.h"
#include "engine/parse.h"
#include "resched/world.h"

/* The kind of a network as its engine lists it. */
enum net_kind translate_network_kind(const struct engine_network *n);

/* Says which kind a network of a container is; id may be "". */
typedef enum net_kind translate_kind_fn(void *ctx, const char *id, const char *name);

/* The name of its network namespace on its host, of NetworkSettings.SandboxKey; NULL: it has none. Owned. */
char *translate_sandbox(const json_t *inspect);

/* inspect: what c was read from. New object. Labels heir.* that heir of this cluster cannot have written are as if they were not
 * there: anybody can copy a label. */
struct world_container *translate_container(const char *cluster, const char *node, const struct engine_container *c,
					    const json_t *inspect, translate_kind_fn *kind, void *ctx);

/* Endpoints as world_net; a new array. */
struct world_net *translate_endpoints(const struct engine_container *c, translate_kind_fn *kind, void *ctx);

/* Everything but images and local networks, which are lists of their own. */
void translate_info(const struct engine_info *info, struct node_facts *facts);
void translate_images(const struct engine_image *images, size_t n, struct node_facts *facts); /* replaces */

#endif
