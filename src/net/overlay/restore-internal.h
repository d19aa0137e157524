/* Inside src/net/overlay: giving a returned node its place back, shared by restore.c (membership) and reconnect.c (attachments). */
#ifndef NET_OVERLAY_RESTORE_INTERNAL_H
#define NET_OVERLAY_RESTORE_INTERNAL_H

#include "net/overlay/overlay-internal.h"
#include "net/overlay/record.h"

struct restore;

struct seat { /* one container of the node */
	struct restore *of;
	const char *id, *name; /* borrowed from `containers` */
	json_t *networks;      /* too */
	struct engine_call *asked;
	bool done;
	size_t tries, changes; /* changes: in this round */
	struct err err;        /* why it is not done */
};

struct restore {
	struct overlay_call call;
	char *node;
	struct engine *engine;
	json_t *record;
	struct err bad; /* of the record */
	char *last;     /* why it is not finished */

	/* as the node's engine says */
	char *state, *node_id, *addr;
	bool control;

	/* enriching */
	struct strs networks; /* names of the swarm's */
	struct strs ids;      /* containers of the engine */
	size_t next;

	/* joining */
	char *token;
	struct strs remotes;

	/* settling */
	json_t *spec; /* as it is now */
	int64_t version;
	bool open; /* has to be active meanwhile: the swarm attaches nothing to a node that is paused or drained */

	/* reconnecting */
	json_t *containers; /* of the record */
	json_t *held;       /* [{"network_id", "container", "addresses"}] */
	struct seat *seats;
	size_t n_seats, running, connected;
	char *used; /* a network that a running container is on now */
	int deaf;   /* how often the engine took no part in its gossip */
	struct strs notes;
};

/* Tries the whole again from the first look, or gives up when it is late. */
void restore_again(struct restore *r, const char *why);

/* The last step: the availability of the record, and the end. */
void restore_close(struct restore *r);
bool restore_is_active(const struct restore *r);

/* reconnect.c. Gives the containers their networks back; then restore_close or restore_again. */
void reconnect_begin(struct restore *r);
void reconnect_clear(struct restore *r);

struct overlay_call *restore_begin(struct overlay_cluster *c, const char *node, const char *record, overlay_done_fn *done,
				   void *ctx);

#endif
