/* The machine as JSON for people and tools: the forms of the API. Pure: it only reads. New references. No Env, token or key is in
 * any of them. */
#ifndef DAEMON_VIEW_H
#define DAEMON_VIEW_H

#include "daemon/daemon.h"

json_t *view_status(const struct daemon *d);
json_t *view_nodes(const struct daemon *d);
json_t *view_node(const struct daemon *d, const struct daemon_node *n); /* with everything that inspect shows */
json_t *view_containers(const struct daemon *d);
json_t *view_takeovers(const struct daemon *d);
json_t *view_takeover(const struct daemon *d, const struct takeover *t);
json_t *view_container(const struct daemon *d, const struct world_container *c);
json_t *view_explain(struct daemon *d, const struct world_container *c); /* explain.c */
json_t *view_rejected(const struct strs *lines);                         /* "h2: is dead" as {node, reason} */
json_t *view_log_row(const struct store_log_row *row);

/* By name, the one that owns its workload first; or by ID or its beginning (12 characters or more). NULL. */
const struct world_container *view_find_container(const struct daemon *d, const char *name);

#endif
