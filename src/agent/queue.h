/* Blocking work off the loop, one job after the other: each is run by a thread of libuv's pool, its end comes back on the loop.
 * Jobs of one queue never run at the same time, so what only they touch needs no lock. */
#ifndef AGENT_QUEUE_H
#define AGENT_QUEUE_H

#include <stdbool.h>
#include <stddef.h>
#include <uv.h>

struct queue;

/* On the pool. */
typedef void queue_work_fn(void *job);
/* On the loop; owns the job from here on. ran is false when the queue was closed before the job's turn came. */
typedef void queue_done_fn(void *job, bool ran);

struct queue *queue_new(uv_loop_t *loop);
void queue_push(struct queue *q, queue_work_fn *work, queue_done_fn *done, void *job);
size_t queue_length(const struct queue *q); /* waiting or running */

/* What waits is given back at once; what runs ends when it ends, and frees the queue then. NULL is fine. */
void queue_close(struct queue *q);

#endif
