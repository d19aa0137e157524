/* See order.h. */
#include "agent/order.h"

#include "agent/admission.h"
#include "base/alloc.h"
#include "base/json.h"

#include <stdlib.h>
#include <string.h>

void order_fail(struct order *o, unsigned status) { o->status = status; }

void order_free(struct order *o) {
	wire_clear(o->kind->message, o->message);
	free(o->message);
	if (o->kind->answer)
		wire_clear(o->kind->answer, &o->answer);
	owners_free(o->values, o->n_values);
	owners_free(o->forgotten, o->n_forgotten);
	free(o);
}

void order_refuse(struct order *o, unsigned status, const char *code) {
	CLEANUP_JSON json_t *j = json_object();

	json_set_str(j, "error", o->err.msg);
	if (code)
		json_set_str(j, "code", code);
	http_call_answer_json(TAKE_PTR(o->call), status, j);
	order_free(o);
}

static void answer(struct order *o) {
	if (o->kind->after)
		o->kind->after(o);
	if (o->status) {
		order_refuse(o, o->status, NULL);
		return;
	}
	CLEANUP_JSON json_t *j = wire_encode(o->kind->answer, &o->answer);
	http_call_answer_json(TAKE_PTR(o->call), 200, j);
	order_free(o);
}

static void work_order(void *job) {
	struct order *o = job;
	struct kernel *const kernels[] = {
		[ORDER_CHANGES] = &o->service->change_kernel, [ORDER_LOOKS] = &o->service->look_kernel, [ORDER_ASKS] = NULL};

	o->kind->work(o, kernels[o->kind->queue]);
}

static void refuse_stopping(struct order *o) {
	err_set(&o->err, -1, "the agent is stopping");
	order_refuse(o, 503, NULL);
}

static void done_order(void *job, bool ran) {
	if (ran)
		answer(job);
	else
		refuse_stopping(job);
}

static void run_order(struct order *o) {
	struct queue *const queues[] = {
		[ORDER_CHANGES] = o->service->changes, [ORDER_LOOKS] = o->service->looks, [ORDER_ASKS] = o->service->asks};

	if (o->service->stopping) {
		refuse_stopping(o);
		return;
	}
	if (o->kind->is_late && o->kind->is_late(o)) {
		err_set(&o->err, -1, "a newer order about the same was obeyed");
		order_refuse(o, 409, WIRE_LATE);
		return;
	}
	if (o->kind->before)
		o->kind->before(o);
	if (o->kind->work)
		queue_push(queues[o->kind->queue], work_order, done_order, o);
	else
		answer(o);
}

static int read_order(struct order *o, struct err *err) {
	const json_t *body = http_call_body(o->call);
	void *message = xcalloc(1, o->kind->message->size);

	int r = body ? wire_decode(o->kind->message, body, true, message, err) : err_set(err, -1, "the order is missing");
	if (r == 0)
		o->message = message;
	else
		free(message);
	return r;
}

void order_take_custom(struct service *service, struct http_call *call, const struct order_kind *kind,
		       void (*run)(struct order *o)) {
	struct order *o = xnew(struct order);
	struct err err;

	o->service = service;
	o->call = call;
	o->kind = kind;
	if (read_order(o, &err) < 0) {
		http_call_fail(call, 400, "%s", err.msg);
		free(o);
		return;
	}
	if (kind->anonymous)
		run(o);
	else
		admission_ask(o, kind == &order_confirm, run);
}

void order_take(struct service *service, struct http_call *call, const struct order_kind *kind) {
	order_take_custom(service, call, kind, run_order);
}

/* ---- confirm ---- */

const struct order_kind order_confirm = {.message = &wire_confirm_order_shape, .answer = &wire_nothing_shape};
