/* Jobs of a queue: one after the other, in order, and all given back at the end. */
#include "agent/queue.h"

#include "base/alloc.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>

struct bed {
	uv_loop_t loop;
	struct queue *queue;
	atomic_int running, most;
	atomic_size_t worked;
	size_t done, given_back;
	bool in_order;
};

struct job {
	struct bed *bed;
	size_t number;
	uv_sem_t *wait; /* NULL: it does not */
};

static void work(void *data) {
	struct job *j = data;
	int now = atomic_fetch_add(&j->bed->running, 1) + 1;

	if (now > atomic_load(&j->bed->most))
		atomic_store(&j->bed->most, now);
	if (j->wait)
		uv_sem_wait(j->wait);
	if (atomic_fetch_add(&j->bed->worked, 1) != j->number)
		j->bed->in_order = false;
	atomic_fetch_sub(&j->bed->running, 1);
}

static void done(void *data, bool ran) {
	struct job *j = data;

	j->bed->done += ran;
	j->bed->given_back += !ran;
	free(j);
}

static void push(struct bed *b, size_t number, uv_sem_t *wait) {
	struct job *j = xnew(struct job);
	*j = (struct job){.bed = b, .number = number, .wait = wait};
	queue_push(b->queue, work, done, j);
}

static struct bed *open_bed(void) {
	struct bed *b = xnew(struct bed);
	uv_loop_init(&b->loop);
	b->queue = queue_new(&b->loop);
	b->in_order = true;
	return b;
}

static void close_bed(struct bed *b) {
	uv_run(&b->loop, UV_RUN_DEFAULT);
	assert_int_equal(uv_loop_close(&b->loop), 0);
	free(b);
}

static void jobs_run_one_after_the_other(void **state) {
	struct bed *b = open_bed();

	(void)state;
	for (size_t i = 0; i < 200; i++)
		push(b, i, NULL);
	assert_int_equal(queue_length(b->queue), 200);
	uv_run(&b->loop, UV_RUN_DEFAULT);
	assert_int_equal(b->done, 200);
	assert_int_equal(b->most, 1);
	assert_true(b->in_order);
	queue_close(b->queue);
	close_bed(b);
}

static void what_waits_is_given_back_when_the_queue_is_closed(void **state) {
	struct bed *b = open_bed();
	uv_sem_t wait;

	(void)state;
	uv_sem_init(&wait, 0);
	push(b, 0, &wait);
	push(b, 1, NULL);
	push(b, 2, NULL);
	queue_close(b->queue);
	assert_int_equal(b->given_back, 2);
	assert_int_equal(b->done, 0);
	uv_sem_post(&wait);
	uv_run(&b->loop, UV_RUN_DEFAULT);
	assert_int_equal(b->done, 1); /* it had begun, and ends */
	assert_int_equal(b->worked, 1);
	uv_sem_destroy(&wait);
	close_bed(b);
}

int main(void) {
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(jobs_run_one_after_the_other),
		cmocka_unit_test(what_waits_is_given_back_when_the_queue_is_closed),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
