/* Many small waits at once, each in a thread of its own, for what blocks until a peer answers or a timeout. */
#ifndef AGENT_PARALLEL_H
#define AGENT_PARALLEL_H

#include <stddef.h>

#define PARALLEL_WIDTH 64

/* Calls fn for 0 … n-1, up to PARALLEL_WIDTH at a time, and returns when all have returned. */
void parallel_for(size_t n, void (*fn)(void *arg, size_t i), void *arg);

#endif
