/* Where this node's engine keeps its things: its process leads to its mount namespace (the folder of network namespaces, the swarm
 * manager's control socket) and to its network namespace, which is the host's. Everything here may block. */
#ifndef AGENT_HOST_H
#define AGENT_HOST_H

#include "base/err.h"

#include <sys/types.h>

/* How the engine is found; all borrowed. */
struct host_settings {
	const char *engine;        /* "unix:///path" */
	pid_t engine_pid;          /* 0: whoever listens there */
	const char *netns_dir;     /* NULL: the engine's */
	const char *swarm_control; /* "unix:///path"; NULL: the engine's */
};

struct host {
	pid_t pid;       /* of the engine; 0: not known */
	char *netns_dir; /* in a form that any process of ours can open; NULL: not known */
	char *net;       /* "/proc/PID/ns/net" */
	char *control;   /* the control socket's path; NULL: not known */
};

/* ret is to be cleared after success only. */
int host_find(const struct host_settings *settings, struct host *ret, struct err *err);
void host_clear(struct host *host);

#endif
