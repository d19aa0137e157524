/* See parallel.h. */
#include "agent/parallel.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>

struct share {
	atomic_size_t next;
	size_t n;
	void (*fn)(void *arg, size_t i);
	void *arg;
};

static void *take_turns(void *data) {
	struct share *s = data;

	for (size_t i; (i = atomic_fetch_add(&s->next, 1)) < s->n;)
		s->fn(s->arg, i);
	return NULL;
}

void parallel_for(size_t n, void (*fn)(void *arg, size_t i), void *arg) {
	struct share s = {.n = n, .fn = fn, .arg = arg};
	pthread_t threads[PARALLEL_WIDTH];
	size_t started = 0;

	while (started + 1 < n && started < PARALLEL_WIDTH && pthread_create(&threads[started], NULL, take_turns, &s) == 0)
		started++;
	take_turns(&s); /* with no thread to be had it is only slower */
	for (size_t i = 0; i < started; i++)
		(void)pthread_join(threads[i], NULL); /* fails for no thread only */
}
