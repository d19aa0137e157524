/* An order from its arrival to its answer: read strictly, held against whom the agent obeys, done by a job of one of the queues,
 * and answered on the loop. */
#ifndef AGENT_ORDER_H
#define AGENT_ORDER_H

#include "agent/owner.h"
#include "agent/rows.h"
#include "agent/service.h"
#include "http/server.h"

struct order;

enum order_queue {
	ORDER_CHANGES, /* one after the other */
	ORDER_LOOKS,
	ORDER_ASKS, /* of the network, without a kernel: never behind a slow look */
};

struct order_kind {
	const struct wire_shape *message, *answer; /* answer: &wire_nothing_shape for {} */
	bool anonymous;                            /* without an envelope; else the message's struct begins with one */
	enum order_queue queue;
	bool (*is_late)(struct order *o); /* on the loop, when it is admitted: a newer one about the same was obeyed; may be NULL */
	void (*before)(struct order *o);  /* on the loop, when it is admitted; may be NULL */
	void (*work)(struct order *o,
		     struct kernel *kernel); /* on the pool; NULL: there is nothing to wait for. kernel is NULL for ORDER_ASKS */
	void (*after)(struct order *o);      /* on the loop, before it is answered; may be NULL */
};

struct order {
	struct service *service;
	struct http_call *call;
	const struct order_kind *kind;
	union {
		struct wire_envelope *envelope; /* unless anonymous */
		struct wire_confirm_order *confirm;
		struct wire_quarantine_order *quarantine;
		struct wire_owners_order *owners;
		struct wire_verify_order *verify;
		struct wire_isolate_order *isolate;
		struct wire_witness_order *witness;
		struct wire_resolve_order *resolve;
		struct wire_remove_task_order *remove_task;
		void *message;
	};
	union {
		struct wire_quarantine quarantine;
		struct wire_owner_states states;
		struct wire_cuts cuts;
		struct wire_reached reached;
		struct wire_answers resolved;
	} answer;
	/* values of the message, made by before, for work */
	struct owner *values;
	size_t n_values;
	struct owner *forgotten;
	size_t n_forgotten;
	/* a failure: the answer is an error */
	unsigned status; /* 0: none */
	struct err err;
	/* remove-task */
	struct grpc_call *grpc;
	struct order *prev, *next; /* of the agent's tasks */
};

/* Fails the order with what is in its err. */
void order_fail(struct order *o, unsigned status);

/* Reads the call's body as the kind says, and sees to the rest. */
void order_take(struct service *service, struct http_call *call, const struct order_kind *kind);
/* The same for an order that is answered by the caller: NULL when it was refused and answered. run is called once it is admitted.
 */
void order_take_custom(struct service *service, struct http_call *call, const struct order_kind *kind,
		       void (*run)(struct order *o));
void order_free(struct order *o);

/* Answers {"error": o->err, "code": code} and frees the order. */
void order_refuse(struct order *o, unsigned status, const char *code);

extern const struct order_kind order_confirm, order_quarantine, order_owners, order_verify, order_isolate, order_witness,
	order_resolve, order_remove_task;

/* GET /v1/status, GET /v1/rows, POST /v1/remove-task. */
void status_take(struct service *service, struct http_call *call);
void rows_take(struct service *service, struct http_call *call);
void remove_task_take(struct service *service, struct http_call *call);
void remove_task_cancel_all(struct service *service);

#endif
