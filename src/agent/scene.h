/* What an engine has in the kernel: the namespaces of its overlays, with their bridge, VXLAN devices and ports, and the sandboxes
 * of its containers. A scene is used by one thread at a time; everything here blocks. */
#ifndef AGENT_SCENE_H
#define AGENT_SCENE_H

#include "base/err.h"
#include "base/ip.h"
#include "base/mac.h"
#include "net/netlink/addr.h"
#include "net/netlink/link.h"
#include "net/netlink/netns.h"
#include "net/netlink/nlsock.h"

#include <stdbool.h>
#include <stddef.h>

#define SANDBOX_NAME_MAX 129

/* The links and addresses of a namespace, as they were when they were read. */
struct inventory {
	struct link_row *links;
	size_t n_links;
	struct addr_row *addrs;
	size_t n_addrs;
};

int inventory_read(struct nlsock *sock, struct inventory *ret, struct err *err); /* replaces what ret held */
void inventory_clear(struct inventory *inv);
const struct link_row *inventory_link(const struct inventory *inv, unsigned ifindex); /* NULL: none */
bool inventory_has_addr(const struct inventory *inv, unsigned ifindex, const struct ip *ip);
/* An address of the link in whose subnet ip is, or NULL. */
const struct addr_row *inventory_subnet(const struct inventory *inv, unsigned ifindex, const struct ip *ip);

struct overlay {
	char network[11]; /* how the network's ID begins */
	struct netns ns;
	struct nlsock *sock;
	struct inventory inv; /* of the last overlay_read */
	bool seen;            /* by the last refresh */
	bool watched;         /* whoever watches it says so */
};

struct scene {
	struct overlay **overlays;
	size_t n;
};

/* Finds what came and what went. A namespace that was there keeps its socket. An error leaves the scene as it was, or in part. */
int scene_refresh(struct scene *scene, const char *netns_dir, struct err *err);
void scene_clear(struct scene *scene);
struct overlay *scene_overlay(const struct scene *scene, const char *network_id); /* NULL: not joined */

int overlay_read(struct overlay *o, struct err *err);
/* The VXLAN device whose bridge has that subnet; with one only, that one. NULL: none. */
const struct link_row *overlay_vxlan(const struct overlay *o, const struct ip *ip);
/* The bridge port that is the other end of a container's link, or NULL. */
const struct link_row *overlay_port_of(const struct overlay *o, const struct link_row *inside);

struct sandbox {
	char name[SANDBOX_NAME_MAX];
	struct netns ns;
	struct nlsock *sock;
	struct inventory inv;
};

/* -ENOENT: there is none (any more). ret is to be cleared after success only. */
int sandbox_open(const char *netns_dir, const char *name, struct sandbox *ret, struct err *err);
void sandbox_clear(struct sandbox *s);
const struct link_row *sandbox_link(const struct sandbox *s, const struct mac *mac); /* NULL: none has it */

/* Calls fn for every sandbox; those that disappear meanwhile are left out. A negative answer ends it and is returned. */
typedef int sandbox_fn(void *arg, struct sandbox *s, struct err *err);
int sandbox_each(const char *netns_dir, sandbox_fn *fn, void *arg, struct err *err);

#endif
