/* POST /v1/remove-task: passed on to the swarm manager's control socket on this host, this one method and nothing else. */
#include "agent/order.h"

#include "base/alloc.h"
#include "base/log.h"
#include "http/grpc.h"

#include <string.h>
#include <unistd.h>
#include <utlist.h>

static void on_done(void *ctx, const struct grpc_result *result) {
	static const struct {
		unsigned status;
		const char *code;
	} refusals[] = {
		[GRPC_GONE] = {404, WIRE_GONE}, [GRPC_REFUSED] = {409, NULL},  [GRPC_NOT_SENT] = {503, WIRE_NO_SOCKET},
		[GRPC_OPEN] = {502, WIRE_OPEN}, [GRPC_BAD] = {502, WIRE_OPEN},
	};
	struct order *o = ctx;

	DL_DELETE(o->service->tasks, o);
	log_info("remove-task", LOG_STR("task", o->remove_task->task),
		 LOG_STR("outcome", result->outcome == GRPC_DONE   ? "removed"
				    : result->outcome == GRPC_GONE ? "gone"
								   : "failed"),
		 LOG_STR("error", *result->err.msg ? result->err.msg : NULL));
	if (result->outcome == GRPC_DONE) {
		http_call_answer(TAKE_PTR(o->call), 200, "{}");
		order_free(o);
		return;
	}
	o->err = result->err;
	if (result->outcome == GRPC_GONE)
		err_set(&o->err, -1, "there is no such task");
	order_refuse(o, refusals[result->outcome].status, refusals[result->outcome].code);
}

static void run(struct order *o) {
	const char *socket = o->service->control;

	if (socket && !o->service->stopping && access(socket, F_OK) == 0) {
		DL_APPEND(o->service->tasks, o);
		o->grpc =
			grpc_call_text(o->service->http, socket, GRPC_REMOVE_TASK, o->remove_task->task, span_sec(20), on_done, o);
		return;
	}
	err_set(&o->err, -1, "there is no swarm control socket on this host");
	order_refuse(o, 503, WIRE_NO_SOCKET);
}

const struct order_kind order_remove_task = {.message = &wire_remove_task_order_shape, .answer = &wire_nothing_shape};

void remove_task_take(struct service *service, struct http_call *call) {
	order_take_custom(service, call, &order_remove_task, run);
}

void remove_task_cancel_all(struct service *service) {
	while (service->tasks) {
		struct order *o = service->tasks;
		DL_DELETE(service->tasks, o);
		grpc_call_free(o->grpc);
		err_set(&o->err, -1, "the agent is stopping");
		order_refuse(o, 502, WIRE_OPEN);
	}
}
