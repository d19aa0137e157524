/* Inside the agent: what its parts share. The loop's thread owns everything but the two kernels, each of which belongs to the jobs
 * of one queue. */
#ifndef AGENT_SERVICE_H
#define AGENT_SERVICE_H

#include "agent/host.h"
#include "agent/queue.h"
#include "agent/scene.h"
#include "agent/sequence.h"
#include "base/id.h"
#include "base/strs.h"
#include "config/agent.h"
#include "http/client.h"
#include "http/server.h"
#include "net/wire/message.h"

#include <stdbool.h>
#include <uv.h>

#define AGENT_HOSTNAME_MAX 256

/* The engine and its overlays, as a queue's jobs know them. */
struct kernel {
	const struct host_settings *settings;
	struct host host;
	struct scene scene;
};

/* Looks again, and for the engine anew where it is not where it was. After an error what was known still is: the namespaces of an
 * engine that died live on. Blocks. */
int kernel_refresh(struct kernel *k, struct err *err);
void kernel_clear(struct kernel *k);

struct service {
	uv_loop_t *loop;
	const struct agent_config *config;
	struct host_settings host_settings;
	struct http_client *http;
	struct http_server *server;
	struct queue *changes; /* what changes the kernel, one order after the other; change_kernel is theirs */
	struct queue *looks;   /* what only looks and may wait for peers; look_kernel is theirs */
	struct queue *asks;    /* what asks the network */
	struct queue *reads;   /* for status, which waits for nobody */
	struct kernel change_kernel, look_kernel;
	struct keeper *keeper;
	struct wire_envelope identity; /* manager NULL: nobody yet */
	unsigned reign;                /* counts who was obeyed: another manager, or the same one started again */
	struct sequence sequence;      /* of the orders obeyed */
	struct admission *admission;   /* the write under way, or NULL */
	struct order *tasks;           /* that the swarm manager was asked to remove */
	bool stopping;
	char instance[ID_TEXT_MAX], hostname[AGENT_HOSTNAME_MAX];

	/* as the last scan found it */
	pid_t engine_pid;
	char *control;    /* path of the swarm control socket; NULL: not known */
	char *host_error; /* NULL: none */
	struct strs networks;
	struct wire_quarantine quarantine; /* as it was read last */
};

#endif
