/* See sim.h: the clock, the queue, and one history from beginning to end. */
#include "sim.h"

#include "base/alloc.h"

#include <assert.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define FAULTS_MIN_SEC 30
#define FAULTS_MAX_SEC 100
#define HEALED_MAX_SEC 1200
#define EVENTS_MAX 400000

/* ---- the queue: a binary heap, by time and then by the order of entry ---- */

static bool is_before(const struct event *a, const struct event *b) {
	return a->at.ns < b->at.ns || (a->at.ns == b->at.ns && a->seq < b->seq);
}

static void swap(struct event *a, struct event *b) {
	struct event t = *a;
	*a = *b;
	*b = t;
}

void sim_at(struct sim *s, struct span in, unsigned manager, void (*fn)(struct sim *s, const struct event *e), int a, int b,
	    void *data) {
	if (s->n_heap == s->cap_heap) {
		s->cap_heap = s->cap_heap ? s->cap_heap * 2 : 256;
		s->heap = xreallocarray(s->heap, s->cap_heap, sizeof(*s->heap));
	}
	size_t i = s->n_heap++;
	s->heap[i] = (struct event){mono_add(s->now, in), s->seq++, fn, manager, a, b, data};
	for (; i > 0 && is_before(&s->heap[i], &s->heap[(i - 1) / 2]); i = (i - 1) / 2)
		swap(&s->heap[i], &s->heap[(i - 1) / 2]);
}

static struct event take_next(struct sim *s) {
	struct event first = s->heap[0];

	s->heap[0] = s->heap[--s->n_heap];
	for (size_t i = 0;;) {
		size_t least = i;
		for (size_t k = 2 * i + 1; k <= 2 * i + 2 && k < s->n_heap; k++)
			if (is_before(&s->heap[k], &s->heap[least]))
				least = k;
		if (least == i)
			return first;
		swap(&s->heap[i], &s->heap[least]);
		i = least;
	}
}

/* ---- telling ---- */

void sim_say(const struct sim *s, const char *fmt, ...) {
	va_list ap;

	if (!s->verbose)
		return;
	printf("%9.3f  ", (double)s->now.ns / 1e9);
	va_start(ap, fmt);
	vprintf(fmt, ap);
	va_end(ap);
	putchar('\n');
}

const char *invariant_name(enum invariant i) {
	static const char *const names[] = {
		[INV_NONE] = "none",         [INV_PACKETS] = "packets", [INV_TOUCHED] = "touched", [INV_ADDRESS] = "address",
		[INV_EVIDENCE] = "evidence", [INV_REMOVED] = "removed", [INV_EPOCH] = "epoch",     [INV_ENDS] = "ends",
		[INV_LOG] = "log",           [INV_LIMITS] = "limits",   [INV_BRAKE] = "brake",     [INV_HELD] = "held",
		[INV_OWNER] = "owner",       [INV_SEE] = "see",         [INV_FOUND] = "found",     [INV_SIMULATOR] = "simulator",
	};
	static_assert(sizeof(names) / sizeof(names[0]) == INV_MAX, "every invariant has a name");
	return names[i];
}

void sim_fail(struct sim *s, enum invariant i, const char *fmt, ...) {
	va_list ap;

	bool looked_at = !s->variant || !s->variant->only || i == INV_SIMULATOR || s->variant->only & (1U << i);
	if (*s->failure || !looked_at)
		return;
	s->broken = i;
	int n = snprintf(s->failure, sizeof(s->failure), "(%d) %s, at %.3f s: ", i, invariant_name(i), (double)s->now.ns / 1e9);
	va_start(ap, fmt);
	vsnprintf(s->failure + n, sizeof(s->failure) - (size_t)n, fmt, ap);
	va_end(ap);
	sim_say(s, "VIOLATED: %s", s->failure);
}

struct span sim_ms(struct sim *s, int from, int to) {
	return span_ms(rng_range(&s->rng, from, to));
}

struct truth *sim_truth(const struct sim *s, const struct fake_container *c) {
	for (int i = 0; i < s->n_truths && c; i++)
		if (strcmp(s->truths[i].workload, c->workload) == 0 || s->fake.containers[s->truths[i].first] == c)
			return (struct truth *)&s->truths[i];
	return NULL;
}

struct truth *sim_truth_named(const struct sim *s, const char *workload) {
	for (int i = 0; i < s->n_truths && workload; i++)
		if (strcmp(s->truths[i].workload, workload) == 0)
			return (struct truth *)&s->truths[i];
	return NULL;
}

/* The same one also where others were left out. */
int sim_any_node(struct sim *s) { return rng_below(&s->rng, FAKE_NODES_MAX) % s->fake.n_nodes; }

struct wall sim_wall(const struct sim *s) {
	return (struct wall){s->now.ns / 1000000 + s->wall_jump_ms};
}

/* ---- from beginning to end ---- */

static void look_at_end(struct sim *s, const struct event *e) {
	char *missing = check_end(s);

	(void)e;
	s->good_checks = missing ? 0 : s->good_checks + 1;
	/* Twice, with time enough in between for what is slow: a stop that counts as meant, a hold-down, the next beat. */
	if (s->good_checks >= 2)
		s->ends = s->now;
	else if (mono_reached(s->ends, s->now))
		sim_fail(s, INV_ENDS, "all faults are long over, but %s", missing ? missing : "it was not quiet long enough");
	else
		sim_at(s, span_sec(missing ? 5 : 40), 0, look_at_end, 0, 0, NULL);
	free(missing);
}

static void heal(struct sim *s, const struct event *e) {
	(void)e;
	sim_say(s, "---- all faults are over ----");
	s->healed = true;
	faults_heal(s);
	s->ends = mono_add(s->now, span_sec(HEALED_MAX_SEC));
	sim_at(s, span_sec(15), 0, look_at_end, 0, 0, NULL);
}

/* While its machine sleeps nothing happens to a manager; then all of it does. */
static bool is_asleep(struct sim *s, const struct event *e) {
	if (!e->manager || e->manager != s->manager || mono_reached(s->sleeps, s->now))
		return false;
	sim_at(s, mono_since(s->now, s->sleeps), e->manager, e->fn, e->a, e->b, e->data);
	return true;
}

static void step(struct sim *s, const struct event *e) {
	s->same_time = e->at.ns == s->now.ns ? s->same_time + 1 : 0;
	s->now = e->at;
	s->rng = rng_stream(s->seed, STREAM_EVENT, (uint64_t)e->at.ns, (uint64_t)s->same_time);
	if (old_happens(s, e) || is_asleep(s, e))
		return;
	if (!e->manager || (s->machine && e->manager == s->manager))
		e->fn(s, e);
	if (mono_reached(s->sleeps, s->now))
		manager_turn(s);
	if (!s->real) /* where containers that are gone are cleared away, which kernels count by */
		kernel_sync(s);
	check_world(s);
}

void sim_until(struct sim *s, struct mono until) {
	while (s->n_heap && mono_reached(s->heap[0].at, until) && !*s->failure) {
		struct event e = take_next(s);
		step(s, &e);
	}
	s->now = until;
}

static void begin(struct sim *s) {
	check_begin(s);
	draw_history(s);
	manager_start(s);
	faults_start(s);
	sim_at(s, span_sec(rng_range(&s->rng, FAULTS_MIN_SEC, FAULTS_MAX_SEC)), 0, heal, 0, 0, NULL);
}

static void end(struct sim *s) {
	old_free(s);
	manager_free(s);
	inspect_free(s);
	flight_free_all(s);
	registry_clear(s);
	agents_end(s);
	fake_clear(&s->fake);
	check_clear(s);
	free(s->heap);
	free(s);
}

static void tell_verdict(const struct sim *s, struct verdict *ret) {
	*ret = (struct verdict){
		.invariant = s->broken, .n_faults = s->n_faults, .n_containers = s->n_drawn, .n_nodes = s->fake.n_nodes};
	memcpy(ret->failure, s->failure, sizeof(ret->failure));
}

void sim_run(uint64_t seed, const struct variant *variant, bool verbose, struct verdict *ret) {
	struct sim *s = xnew(struct sim);
	long n = 0;

	s->seed = seed;
	s->variant = variant;
	s->verbose = verbose;
	s->rng = rng_stream(seed, STREAM_SETTINGS, 0, 0);
	s->now = (struct mono){span_sec(1).ns};
	s->ends = MONO_NEVER;
	begin(s);
	while (s->n_heap && !*s->failure && !(s->good_checks >= 2)) {
		struct event e = take_next(s);
		step(s, &e);
		if (++n > EVENTS_MAX)
			sim_fail(s, INV_SIMULATOR, "%d events, and no end", EVENTS_MAX);
	}
	tell_verdict(s, ret);
	end(s);
}
