/* The manager's side of one node's agent. Every call is asynchronous: it returns at once, and its callback runs later on the loop,
 * exactly once, never inside the call that made it. Every order carries the identity that was set last.
 *
 * A call's object lives until its callback has returned; agent_call_free before that cancels it and no callback follows (inside its
 * own callback it does nothing). agent_free cancels all that is outstanding: the calls' pointers are gone then, and no callback
 * follows. Every order says what is to be, not what is to be done: repeating one does no harm. */
#ifndef WIRE_AGENT_CLIENT_H
#define WIRE_AGENT_CLIENT_H

#include "base/cleanup.h"
#include "base/err.h"
#include "base/mono.h"
#include "http/client.h"
#include "net/wire/message.h"

enum agent_outcome {
	AGENT_OK,            /* done; of remove-task also: it was gone already (status 404) */
	AGENT_REFUSED,       /* the agent said no, or could not: status and message are in the result */
	AGENT_STALE_EPOCH,   /* it has seen a newer epoch: epoch says which */
	AGENT_OTHER_MANAGER, /* it obeys another manager: manager says which */
	AGENT_NOT_SENT,      /* no effect */
	AGENT_UNKNOWN,       /* sent, and no complete answer: it may have taken effect */
	AGENT_BAD,           /* the answer is unusable; as AGENT_UNKNOWN */
	AGENT_OUTCOME_MAX,
};

/* "ok", "refused", "stale-epoch", "other-manager", "not-sent", "unknown", "bad" */
const char *agent_outcome_name(enum agent_outcome outcome);
/* UNKNOWN and BAD: an order that ended so may have taken effect. */
bool agent_outcome_is_open(enum agent_outcome outcome);

/* Everything in it is borrowed and valid during the callback only. */
struct agent_result {
	enum agent_outcome outcome;
	int status;          /* HTTP's; 0 when there is none */
	struct err err;      /* unless OK: "h2's agent: POST /v1/owners: …" */
	int64_t epoch;       /* of AGENT_STALE_EPOCH */
	const char *manager; /* of AGENT_OTHER_MANAGER; may be NULL */

	/* Set when OK, by the call that answers with it; else NULL. */
	const struct wire_status *answered_status;
	const struct wire_quarantine *quarantine;
	const struct wire_owner_states *states; /* of owners and verify; as many as were asked for, as in what follows */
	const struct wire_cuts *cuts;
	const struct wire_reached *reached;
	const struct wire_answers *resolved;
};

typedef void agent_done_fn(void *ctx, const struct agent_result *result);

struct agent_cb {
	agent_done_fn *fn; /* NULL: nobody wants to know */
	void *ctx;
	struct span deadline; /* of everything; 0: the call's own, 5 to 30 s */
};

struct agent;
struct agent_call;

/* name is the node's, for errors and logs. url: "http://host:port" or "https://host:port". tls: for https; its strings are copied.
 * -EINVAL with the reason for an unusable URL. */
int agent_new(struct http_client *client, const char *name, const char *url, const struct http_tls *tls, struct agent **ret,
	      struct err *err);
void agent_free(struct agent *a);
CLEANUP_DEFINE(agent, struct agent, agent_free)
const char *agent_name(const struct agent *a);
const char *agent_url(const struct agent *a);

/* Copied. Calls that carry an envelope need one: before this they end AGENT_NOT_SENT. */
void agent_set_identity(struct agent *a, const struct wire_envelope *identity);

void agent_call_free(struct agent_call *call);
CLEANUP_DEFINE(agent_call, struct agent_call, agent_call_free)

/* The orders are read before these return, and stay the caller's. What their `envelope` holds is not looked at. */
struct agent_call *agent_status(struct agent *a, struct agent_cb cb);
struct agent_call *agent_confirm(struct agent *a, struct agent_cb cb);
struct agent_call *agent_quarantine(struct agent *a, const struct wire_quarantine *wanted, struct agent_cb cb);
struct agent_call *agent_owners(struct agent *a, const struct wire_owners_order *order, struct agent_cb cb);
struct agent_call *agent_verify(struct agent *a, const struct wire_verify_order *order, struct agent_cb cb);
struct agent_call *agent_isolate(struct agent *a, const struct wire_isolate_order *order, struct agent_cb cb);
struct agent_call *agent_witness(struct agent *a, const struct wire_witness_order *order, struct agent_cb cb);
struct agent_call *agent_resolve(struct agent *a, const struct wire_resolve_order *order, struct agent_cb cb);
struct agent_call *agent_remove_task(struct agent *a, const char *task, struct agent_cb cb);

#endif
