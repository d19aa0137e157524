/* What the files that watch one engine share. */
#ifndef DAEMON_OBSERVE_INTERNAL_H
#define DAEMON_OBSERVE_INTERNAL_H

#include "daemon/daemon.h"

/* One container that is to be inspected. */
struct look {
	char *id;
	bool running, again;
	UT_hash_handle hh;
};

struct known_net {
	char *id, *name;
	enum net_kind kind;
};

struct observer {
	struct daemon_node *node;
	uv_timer_t timer;
	bool refreshing, again; /* everything is being asked for; and is wanted once more */
	bool stale;             /* the answers under way are from before the node was lost */
	bool asked;             /* refreshing, and no longer waiting for its turn */
	bool fully;             /* every container is inspected, because events were missed; else what the list shows changed */
	bool listed;            /* the list is here, its inspects are under way */
	struct strs ids;        /* of the list */
	struct look *looks;
	unsigned looking;
	struct known_net *nets;
	size_t n_nets;
	struct node_facts facts;
	struct observer *prev, *next; /* waiting to be refreshed */
};

/* observe.c: an answer that is of no use; said once, until the engine is well again. */
void observe_trouble(struct daemon_node *n, const struct engine_result *result);

/* observe-net.c */
void observe_take_nets(struct daemon_node *n, const struct engine_result *result);
void observe_clear_nets(struct observer *o);

/* observe-list.c: everything is asked for when its turn comes. refresh: and every container is inspected, changed or not. */
void observe_list(struct daemon_node *n);
void observe_refresh(struct daemon_node *n);
void observe_networks(struct daemon_node *n);
void observe_nodes(struct daemon_node *n); /* a manager's: of its swarm */
/* The list is here, and everything in it was looked at. */
void observe_listing_done(struct daemon_node *n);
/* Done, failed or called off: the next engine's turn. */
void observe_refresh_over(struct observer *o);

#endif
