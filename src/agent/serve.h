/* The agent as a whole, on a loop. */
#ifndef AGENT_SERVE_H
#define AGENT_SERVE_H

#include "agent/agent.h"

/* Begins to listen. config is borrowed. *a is to be stopped whatever comes back. */
int agent_start(struct agent *a, uv_loop_t *loop, const struct agent_config *config, struct err *err);
/* The loop must run until it is empty afterwards, then agent_clear. What is in the kernel stays there. */
void agent_stop(struct agent *a);
void agent_clear(struct agent *a);

#endif
