/* What must change at the network API for one address to move to another host. One vtable, a file for each kind of overlay: swarm.c
 * (swarm-scoped, attachable) and kv.c (kept in an external key/value store).
 *
 * Every call is asynchronous as an engine's: its callback runs later on the loop, exactly once; overlay_call_free before that
 * cancels it and no callback follows (what was already sent may still take effect). Everything in an ask is copied. The loop must
 * turn once more after the end of a call for its timer to close. */
#ifndef NET_OVERLAY_OVERLAY_H
#define NET_OVERLAY_OVERLAY_H

#include "base/cleanup.h"
#include "base/strs.h"
#include "engine/engine.h"

#include <stdbool.h>
#include <stddef.h>

struct http_client;
struct agent;

/* What an overlay may use. Owned by the caller, lives longer than every call, and so do its engines. */
struct overlay_cluster {
	struct http_client *http;
	struct strs control; /* control sockets of swarm managers, in the order to try */
	/* The i-th agent, from 0, on the host of a swarm manager whose control socket it passes a removal on to; NULL after the
	 * last. They are tried after `control`. */
	struct agent *(*control_agent)(void *ctx, size_t i);
	bool remove_node; /* a dead node may be taken out of the swarm where no control socket can be reached */
	/* The i-th engine, from 0, that answers now and is a swarm manager; NULL after the last. They are tried in this order. */
	struct engine *(*manager)(void *ctx, size_t i);
	/* The engine of that node (by its name in the configuration), whatever its state. NULL: there is none. */
	struct engine *(*engine)(void *ctx, const char *node);
	/* The i-th engine, from 0, that answers now, shares the key/value store and has no container of that name (NULL: any name
	 * will do); NULL after the last. */
	struct engine *(*kv_engine)(void *ctx, size_t i, const char *without);
	/* A container of that name that is none of `ours` (IDs) has the address on an engine that answers now. NULL: not known. */
	bool (*kv_foreign)(void *ctx, const char *name, const char *ip, const struct strs *ours);
	/* Must be on disk before the node is removed: what is needed to give it its place back (JSON text; what it holds of join
	 * tokens is nothing). written(…, 0 or negative) follows, once, later. */
	void (*remember)(void *ctx, const char *node, const char *json_text, void (*written)(void *user, int result), void *user);
	void *ctx;
};

struct overlay_address {
	const char *network, *network_id; /* id may be NULL */
	const char *ip, *ip6;             /* without prefix length; NULL when none */
};

struct overlay_ask {
	const struct overlay_address *addresses;
	size_t n;
	const struct strs *copies; /* IDs of the workload's other containers: they may lose the addresses */
	const char *own;           /* ID of the new container; NULL */
	const char *own_node;      /* where that is; NULL */
	const struct strs *names;  /* of the copies: where an overlay knows a container by its name only; NULL */
	const char *node;          /* the old node, its name here */
	const char *swarm_node;    /* and in the swarm; NULL when not known */
	bool by_node_removal; /* release: the node may be taken out of its swarm for it; else MISSING where only that would do */
	struct span deadline; /* of the whole call; 0: 60 s */
};

enum overlay_outcome {
	OVERLAY_OK,
	OVERLAY_REFUSED,  /* a definite no; nothing changed */
	OVERLAY_MISSING,  /* nobody who could do it can be reached by configuration: an operator must help; nothing changed */
	OVERLAY_NOT_DONE, /* nobody answered; nothing changed: again, later */
	OVERLAY_UNKNOWN,  /* it may have taken effect: look */
};

enum overlay_holder { OVERLAY_HOLDER_UNKNOWN, OVERLAY_HOLDER_NONE, OVERLAY_HOLDER_COPY, OVERLAY_HOLDER_OWN, OVERLAY_HOLDER_OTHER };

struct overlay_result {
	enum overlay_outcome outcome;
	enum overlay_holder holder; /* holders: the worst of all addresses, OTHER worst, then COPY, OWN, NONE */
	bool by_node_removal;       /* ready */
	const char *detail;         /* for people; NULL when there is nothing to say; valid during the callback */
};

typedef void overlay_done_fn(void *ctx, const struct overlay_result *result);

struct overlay_call;

struct overlay_ops {
	const char *name; /* "swarm" */
	/* Could the addresses be released now? Nothing is changed. MISSING says what is missing. */
	struct overlay_call *(*ready)(struct overlay_cluster *c, const struct overlay_ask *ask, overlay_done_fn *done, void *ctx);
	/* The network lets go of what the copies hold on these networks. What nobody holds any more counts as done. */
	struct overlay_call *(*release)(struct overlay_cluster *c, const struct overlay_ask *ask, overlay_done_fn *done, void *ctx);
	/* Who holds the addresses? */
	struct overlay_call *(*holders)(struct overlay_cluster *c, const struct overlay_ask *ask, overlay_done_fn *done, void *ctx);
	/* NULL: nothing is ever to be restored. The node answers again and its stale copies are put away: membership, labels, role,
	 * availability and the attachments of its other containers are given back as `record` says (what remember got last). It may
	 * call remember again, and may be called again with either record, whatever interrupted it. NOT_DONE: a part is missing,
	 * again. */
	struct overlay_call *(*restore)(struct overlay_cluster *c, const char *node, const char *record, overlay_done_fn *done,
					void *ctx);
};

extern const struct overlay_ops overlay_swarm, overlay_kv;

/* NULL is fine; inside the call's own callback it does nothing. */
void overlay_call_free(struct overlay_call *call);
CLEANUP_DEFINE(overlay_call, struct overlay_call, overlay_call_free)

#endif
