/* Service discovery in heird: the configured systems, each kept true by a publisher of its own; what the machine orders goes to all
 * of them, and what comes of it goes back to the machine. */
#ifndef DAEMON_DISCOVERY_H
#define DAEMON_DISCOVERY_H

#include "daemon/daemon.h"

#include "net/discovery/docker.h"
#include "net/discovery/publisher.h"

struct daemon_discovery;

/* The machine's settings for it. */
void discovery_settings(const struct config *c, struct resched_settings *ret);
/* After the engines and agents were made. Nothing where none is configured. */
int discovery_start(struct daemon *d, struct err *err);
/* The first comparison; when everything was restored. */
void discovery_begin(struct daemon *d);
void discovery_close(struct daemon *d); /* before the agents and the HTTP client are freed */

/* Why a container, or a service of it, is not published though it was meant to be; NULL. Borrowed. */
const char *discovery_complaint(const struct daemon *d, const struct world_container *c);

/* Of EFFECT_PUBLISH. */
void discovery_order(struct daemon *d, const struct effect *e);

/* Compares one system, or all (NULL), with what is wanted. done is called once: when each has answered or is in trouble, and by
 * discovery_close at the latest. False: there is no such system. */
typedef void discovery_synced_fn(void *user);
bool discovery_sync(struct daemon *d, const char *name, discovery_synced_fn *done, void *user);

/* discovery-view.c: as the API has them. New references. */
json_t *discovery_view_entries(const struct daemon *d, bool problems_only, bool *ret_differ);
json_t *discovery_view_systems(const struct daemon *d, const char *name); /* NULL: all */
void discovery_view_warnings(const struct daemon *d, json_t *list);       /* of heir status: texts are appended */
void discovery_get_entries(struct http_call *call, void *user);
void discovery_get_systems(struct http_call *call, void *user);
void discovery_post_sync(struct http_call *call, void *user);

/* discovery-names.c: whom the engines' own DNS has to name, and who can be asked; ctx is the daemon. */
extern const struct docker_world discovery_docker_world;
/* What the docker system is to check for that effect; false: nothing. */
bool discovery_names_entry(const struct daemon *d, const struct effect *e, struct discovery_entry *ret);

/* For the view: the i-th system; NULL: no more. */
const struct publisher *discovery_system(const struct daemon *d, size_t i);

#endif
