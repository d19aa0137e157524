/* See control.h: RemoveTask in the words of engine calls. */
#include "engine/control.h"

#include "base/alloc.h"
#include "http/grpc.h"

struct control_call {
	struct grpc_call *grpc;
	struct engine_cb cb;
	bool finishing;
};

static const enum engine_outcome outcomes[] = {
	[GRPC_DONE] = ENGINE_OK,           [GRPC_GONE] = ENGINE_OK,      [GRPC_REFUSED] = ENGINE_REFUSED,
	[GRPC_NOT_SENT] = ENGINE_NOT_SENT, [GRPC_OPEN] = ENGINE_UNKNOWN, [GRPC_BAD] = ENGINE_BAD,
};

static int status_of(const struct grpc_result *grpc) {
	if (grpc->outcome == GRPC_GONE)
		return 404;
	return grpc->http_status == 200 && grpc->code > 0 ? grpc->code : grpc->http_status;
}

static void on_done(void *ctx, const struct grpc_result *grpc) {
	struct control_call *call = ctx;
	struct engine_result result = {.outcome = outcomes[grpc->outcome], .status = status_of(grpc), .err = grpc->err};

	if (result.outcome != ENGINE_OK)
		err_wrap(&result.err, "swarm control: RemoveTask");
	call->finishing = true;
	if (call->cb.fn)
		call->cb.fn(call->cb.ctx, &result);
	free(call);
}

void control_call_free(struct control_call *call) {
	if (!call || call->finishing)
		return;
	grpc_call_free(call->grpc);
	free(call);
}

struct control_call *control_remove_task(struct http_client *client, const char *socket, const char *task_id, struct engine_cb cb) {
	struct control_call *call = xnew(struct control_call);

	call->cb = cb;
	call->grpc = grpc_call_text(client, socket, GRPC_REMOVE_TASK, task_id, cb.deadline, on_done, call);
	return call;
}
