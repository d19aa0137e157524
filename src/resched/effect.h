/* What the machine asks for and what it hears back. The daemon performs effects; the machine never does anything itself.
 *
 * Every effect has a number, unique within one run of the machine, and is answered exactly once by a result of that number. */
#ifndef RESCHED_EFFECT_H
#define RESCHED_EFFECT_H

#include "base/id.h"
#include "base/mono.h"
#include "resched/world.h"

#include <stdbool.h>
#include <stdint.h>

enum effect_kind {
	EFFECT_INSPECT,    /* look for `container` (ID or name) on `node` */
	EFFECT_IMAGE,      /* `image`/`image_id` onto `node`, from one of `sources`, else pulled; result: image_ref */
	EFFECT_CREATE,     /* on `node`, as `name`, from the remembered spec_node/spec_id, `image`, `nets`, labels; not started,
			      restart policy "no"; further networks connected; result: container */
	EFFECT_START,      /* `container` on `node` */
	EFFECT_RENAME,     /* `container` on `node` to `name` */
	EFFECT_POLICY,     /* restart policy of `container` on `node` := `name` ("unless-stopped", "on-failure:5") */
	EFFECT_DISCONNECT, /* `container` on `node` from networks `nets`, forced; one that is not connected counts as done */
	EFFECT_STOP,       /* `container` on `node` */
	EFFECT_REMOVE,     /* `container` on `node`: never forced, never its volumes */
	EFFECT_READY,   /* can the networks in `nets` let go of what `copies` on swarm node `swarm_node` hold? nothing is changed */
	EFFECT_RELEASE, /* the networks let go of it */
	EFFECT_HOLDERS, /* who holds the addresses in `nets`? */
	/* Asked of the agent on `node`; its kernel's word. */
	EFFECT_QUARANTINE, /* drop what comes from and goes to `vteps`, and nothing else; result: vteps */
	EFFECT_REPAIR,  /* make its rows for `nets` point to `container` on `host`, whose underlay address is `vtep`; watch them */
	EFFECT_PROVE,   /* are they right, is the address where it should be, does it answer? nothing is changed */
	EFFECT_FORGET,  /* take back what was set for `nets` */
	EFFECT_ISOLATE, /* cut the stale `container` off `nets` in the kernel */
	EFFECT_PUBLISH, /* service discovery is to say exactly `entries` (and `names`) of `workload`, from now on; what comes of it
			   is told by resched_published. `stamp` names this state */
	EFFECT_RESTORE, /* give a node that was removed from the swarm its membership and its attachments back */
	EFFECT_KIND_MAX,
};

const char *effect_kind_name(enum effect_kind kind); /* "inspect", "image", … */

enum effect_outcome {
	EFFECT_OK,
	EFFECT_REFUSED,  /* a definite no; nothing changed */
	EFFECT_NOT_DONE, /* it did not get there; nothing changed */
	EFFECT_UNKNOWN,  /* it may have taken effect, now or later: look before doing it again */
};

/* Why it was refused, where that matters. */
enum refusal {
	REFUSAL_OTHER,
	REFUSAL_NO_SUCH, /* container, network or image is not there */
	REFUSAL_NAME_TAKEN,
	REFUSAL_PORT_TAKEN,
	REFUSAL_ADDRESS_TAKEN, /* also: the network could not be attached in time */
	REFUSAL_NO_IMAGE,
	REFUSAL_RUNNING, /* cannot remove what runs */
	REFUSAL_PASSING, /* known to go away by itself: a worker that just dropped the network refuses a start now and then */
	REFUSAL_MISSING, /* nobody to ask: no control socket, no agents; an operator must help */
	REFUSAL_MAX,
};

/* Where a service is reached. */
struct service_entry {
	unsigned number; /* of the service, from 1 */
	char *service;
	char *address, *address6; /* one of them may be NULL */
	uint16_t port;            /* 0: not known */
	struct strs tags, meta;
	char *node, *container; /* where it runs; its name */
	unsigned generation;
	bool host; /* the address is the host's */
};

struct effect {
	uint64_t id;
	enum effect_kind kind;
	struct span deadline;
	char takeover[ID_TEXT_MAX]; /* for labels and logs; "" of a clean-up */
	char *node, *container, *name;
	char *image, *image_id;
	struct strs sources; /* nodes */
	char *spec_node, *spec_id;
	char *workload;
	unsigned generation;
	struct world_net *nets; /* overlay networks for READY, RELEASE, HOLDERS, DISCONNECT; all for CREATE */
	size_t n_nets;
	char *swarm_node;
	struct strs copies;   /* IDs of this workload's containers */
	bool by_node_removal; /* RELEASE: the node may be taken out of its swarm for it; else REFUSAL_MISSING where only that would
				 do */
	char *host, *vtep;
	struct strs vteps;
	bool watch;                    /* REPAIR: until it is told to forget */
	struct strs names;             /* of the copies: READY, RELEASE, HOLDERS */
	struct service_entry *entries; /* PUBLISH */
	size_t n_entries;
	bool check_names; /* PUBLISH: the engines' own DNS is to be asked for the names of `container` on `node` */
	uint64_t stamp;
	char *own_node; /* where `own` is */
	char *own;      /* HOLDERS: the container that may hold them (the new one); NULL */
};

void effect_free(struct effect *e);

/* What is seen, and what may not be known. UNKNOWN waits, it never counts as NO. */
enum answer { ANSWER_NO, ANSWER_YES, ANSWER_UNKNOWN };

enum holder { HOLDER_UNKNOWN, HOLDER_NONE, HOLDER_COPY, HOLDER_OWN, HOLDER_OTHER };

/* Borrowed by the machine during resched_result only. */
struct effect_result {
	enum effect_outcome outcome;
	enum refusal refusal;
	const char *detail; /* for people; may be NULL */

	/* INSPECT (OK; found or not), CREATE (container only) */
	bool found, running, started;
	const char *container, *name, *workload, *takeover;
	unsigned generation;
	const struct world_net *nets;
	size_t n_nets;

	const char *image_ref;    /* IMAGE */
	enum holder holder;       /* HOLDERS: the worst over all addresses, in the order of the enum */
	const struct strs *vteps; /* QUARANTINE, OK: what its kernel drops now */
	bool right;               /* REPAIR, PROVE: every row is as it must be (or the network is not joined there) */
	enum answer here;         /* PROVE at the host: the address is in the container, and in no other on that node */
	enum answer answered; /* PROVE: a probe from a container on that node was answered; UNKNOWN: there is none to probe from */
	bool by_node_removal; /* READY: only by taking the whole node out of the swarm */
};

#endif
