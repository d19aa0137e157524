/* Changes of a namespace's neighbours, FDB rows and links, as the kernel tells them (RTNLGRP_NEIGH, RTNLGRP_LINK). Opening blocks,
 * reading never does: the descriptor belongs to an event loop.
 *
 * What the kernel could not deliver is lost, and it says only that something was: then the tables are to be dumped again, after
 * everything that waits has been read. */
#ifndef NETLINK_WATCH_H
#define NETLINK_WATCH_H

#include "base/cleanup.h"
#include "base/err.h"
#include "net/netlink/fdb.h"
#include "net/netlink/link.h"
#include "net/netlink/neigh.h"

#include <stdbool.h>
#include <stddef.h>

enum watch_kind {
	WATCH_FDB,
	WATCH_NEIGH,
	WATCH_LINK,
	WATCH_OVERRUN, /* events were lost, or one could not be understood: dump again */
	WATCH_KIND_MAX,
};

struct watch_event {
	enum watch_kind kind;
	bool gone; /* the row or link was deleted; what it was is below */
	union {
		struct fdb_row fdb;
		struct neigh_row neigh;
		struct link_row link;
	};
};

struct watch;

/* buffer: bytes of events that may wait, 0 for the system's default. */
int watch_open(int ns_fd, size_t buffer, struct watch **ret, struct err *err);
void watch_free(struct watch *w); /* NULL is fine */
CLEANUP_DEFINE(watch, struct watch, watch_free)
#define CLEANUP_WATCH CLEANUP(cleanup_watch)

/* Readable when events wait; the watch's own. */
int watch_fd(const struct watch *w);

/* Calls fn for what waits, in order. Returns 0 when all of it was read, 1 when more waits (a flood must not hold the loop: the
 * descriptor stays readable), or an error of the socket itself. fn may not free the watch. */
typedef void watch_fn(void *arg, const struct watch_event *event);
int watch_read(struct watch *w, watch_fn *fn, void *arg, struct err *err);

#endif
