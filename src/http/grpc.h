/* One gRPC call to a server on a unix socket, over HTTP/2 and TLS that is not verified: the socket's permissions are the
 * authentication. Made for the swarm manager's control socket, which is called from the manager and from agents.
 *
 * The call's object lives until its callback has returned, which runs later on the loop, exactly once; grpc_call_free before that
 * cancels it and no callback follows (inside its own callback it does nothing). */
#ifndef HTTP_GRPC_H
#define HTTP_GRPC_H

#include "base/cleanup.h"
#include "base/err.h"
#include "http/client.h"

#define GRPC_TEXT_MAX 127

enum grpc_code {
	GRPC_OK = 0,
	GRPC_CANCELLED = 1,
	GRPC_UNKNOWN = 2,
	GRPC_DEADLINE = 4,
	GRPC_NOT_FOUND = 5,
	GRPC_ABORTED = 10,
	GRPC_INTERNAL = 13,
	GRPC_UNAVAILABLE = 14,
	GRPC_NONE = -1, /* the answer has none */
};

enum grpc_outcome {
	GRPC_DONE,
	GRPC_GONE,    /* what was to be removed is not there */
	GRPC_REFUSED, /* the server said no */
	GRPC_NOT_SENT,
	GRPC_OPEN, /* it may have taken effect */
	GRPC_BAD,  /* the answer is unusable; as open */
	GRPC_OUTCOME_MAX,
};

struct grpc_result {
	enum grpc_outcome outcome;
	int http_status; /* 0: none came */
	int code;        /* grpc-status */
	struct err err;  /* unless DONE or GONE: "/run/…/control.sock: gRPC error 9: …" */
};

typedef void grpc_done_fn(void *ctx, const struct grpc_result *result);

struct grpc_call;

/* Calls a method with a message whose only field is number 1, a string. socket: "unix:///path" or a path; method:
 * "/package.Service/Method". A text that is empty or longer than GRPC_TEXT_MAX ends NOT_SENT. deadline 0: 30 s. */
struct grpc_call *grpc_call_text(struct http_client *client, const char *socket, const char *method, const char *text,
				 struct span deadline, grpc_done_fn *fn, void *ctx);
void grpc_call_free(struct grpc_call *call);
CLEANUP_DEFINE(grpc_call, struct grpc_call, grpc_call_free)

/* The one method that heir wants of a swarm manager: frees the address of an attachment whose node is dead. */
#define GRPC_REMOVE_TASK "/docker.swarmkit.v1.Control/RemoveTask"

#endif
