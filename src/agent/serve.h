/* The agent as a whole, on a loop. */
#ifndef AGENT_SERVE_H
#define AGENT_SERVE_H

#include "agent/service.h"

/* Begins to listen. config is borrowed. *service is to be stopped whatever comes back. */
int service_start(struct service *service, uv_loop_t *loop, const struct agent_config *config, struct err *err);
/* The loop must run until it is empty afterwards, then service_clear. What is in the kernel stays there. */
void service_stop(struct service *service);
void service_clear(struct service *service);

#endif
