/* See queue.h. */
#include "agent/queue.h"

#include "base/alloc.h"

#include <assert.h>
#include <stdlib.h>
#include <utlist.h>

struct item {
	queue_work_fn *work;
	queue_done_fn *done;
	void *job;
	struct item *next;
};

struct queue {
	uv_loop_t *loop;
	uv_work_t request;
	struct item *items; /* the first one runs while running */
	size_t length;
	bool running, closed;
};

static void run_next(struct queue *q);

struct queue *queue_new(uv_loop_t *loop) {
	struct queue *q = xnew(struct queue);
	q->loop = loop;
	q->request.data = q;
	return q;
}

size_t queue_length(const struct queue *q) { return q->length; }

static void give_back(struct queue *q, bool ran) {
	struct item *item = q->items;

	LL_DELETE(q->items, item);
	q->length--;
	item->done(item->job, ran);
	free(item);
}

static void on_work(uv_work_t *request) {
	struct queue *q = request->data;
	q->items->work(q->items->job);
}

static void on_done(uv_work_t *request, int status) {
	struct queue *q = request->data;

	(void)status; /* nobody cancels it */
	q->running = false;
	give_back(q, true);
	if (q->closed)
		free(q);
	else
		run_next(q);
}

static void run_next(struct queue *q) {
	if (q->running || !q->items)
		return;
	q->running = true;
	int r = uv_queue_work(q->loop, &q->request, on_work, on_done);
	assert(r == 0); /* fails without a function only */
	(void)r;
}

void queue_push(struct queue *q, queue_work_fn *work, queue_done_fn *done, void *job) {
	struct item *item = xnew(struct item);

	assert(!q->closed);
	*item = (struct item){.work = work, .done = done, .job = job};
	LL_APPEND(q->items, item);
	q->length++;
	run_next(q);
}

void queue_close(struct queue *q) {
	if (!q)
		return;
	q->closed = true;
	struct item *running = q->running ? q->items : NULL;
	if (running)
		q->items = running->next;
	while (q->items)
		give_back(q, false);
	q->items = running;
	if (running)
		running->next = NULL;
	else
		free(q);
}
