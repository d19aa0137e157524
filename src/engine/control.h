/* The swarm manager's local control socket: gRPC over HTTP/2 over TLS on a unix socket (root's; its permissions are the
 * authentication, so the certificate is not verified). One method is wanted: RemoveTask, which frees the address of an attachment
 * whose node is dead. */
#ifndef ENGINE_CONTROL_H
#define ENGINE_CONTROL_H

#include "engine/engine.h"

struct control_call;

/* socket: "unix:///var/run/docker/swarm/control.sock" or a path. Result: OK removed, or there was none (status 404);
 * REFUSED the manager said no (no leader, permission, bad ID; status is then the gRPC code); NOT_SENT no socket, no permission to
 * it, nobody listening; UNKNOWN and BAD as everywhere. body is NULL. cb.deadline 0: 30 s. Ownership as of an engine_call. */
struct control_call *control_remove_task(struct http_client *client, const char *socket, const char *task_id, struct engine_cb cb);
void control_call_free(struct control_call *call);
CLEANUP_DEFINE(control_call, struct control_call, control_call_free)

#endif
