/* Network namespaces: naming one, working in one. setns(2) concerns a thread for good, so work is done by a fresh thread that
 * enters, works and ends; a socket stays in the namespace it was opened in, whoever uses it afterwards.
 *
 * Everything here blocks. The caller needs CAP_SYS_ADMIN. */
#ifndef NETLINK_NETNS_H
#define NETLINK_NETNS_H

#include "base/cleanup.h"
#include "base/err.h"

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

/* A handle keeps the namespace alive, whatever becomes of its path and its processes. */
struct netns {
	int fd; /* owned; -1: none */
	dev_t device;
	ino_t inode; /* with device: which namespace it is */
};

#define NETNS_NONE ((struct netns){.fd = -1})

/* -ENOENT: no such path. -EINVAL: it is no network namespace (engines leave plain files behind). */
int netns_open(const char *path, struct netns *ret, struct err *err);
void netns_close(struct netns *ns); /* leaves NETNS_NONE, of which it takes nothing */
bool netns_same(const struct netns *a, const struct netns *b);

#define CLEANUP_NETNS CLEANUP(netns_close)

/* Runs fn in the namespace, with all signals blocked, and returns what it returns. */
typedef int netns_fn(void *arg, struct err *err);
int netns_call(int ns_fd, netns_fn *fn, void *arg, struct err *err);

/* socket(2) in the namespace, close-on-exec. Returns the descriptor. */
int netns_socket(int ns_fd, int domain, int type, int protocol, struct err *err);

enum netns_kind {
	NETNS_OVERLAY,  /* bridge, VXLAN device and ports of an overlay network */
	NETNS_BALANCER, /* of a network's load balancer */
	NETNS_SANDBOX,  /* a container's, and those with a name of their own: "default", "ingress_sbox" */
	NETNS_KIND_MAX,
};

/* One file of an engine's folder; valid during the callback. */
struct netns_entry {
	enum netns_kind kind;
	const char *name, *path;
	char network[11]; /* how the network's ID begins, 6 to 10 characters; "" for sandboxes */
};

bool netns_entry_is_of(const struct netns_entry *e, const char *network_id);

/* Calls fn for every file of an engine's folder (/proc/PID/root/run/docker/netns) in no order; a negative answer ends the scan and
 * is returned. Nothing is opened: what it names may be gone, or no namespace any more. */
typedef int netns_entry_fn(void *arg, const struct netns_entry *entry, struct err *err);
int netns_scan_dir(const char *dir, netns_entry_fn *fn, void *arg, struct err *err);

#endif
