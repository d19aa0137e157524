/* See sim.h: the clock, the queue, and one history from beginning to end. */
#include "sim.h"

#include "base/alloc.h"

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

void sim_fail(struct sim *s, const char *fmt, ...) {
	va_list ap;

	if (*s->failure)
		return;
	int n = snprintf(s->failure, sizeof(s->failure), "at %.3f s: ", (double)s->now.ns / 1e9);
	va_start(ap, fmt);
	vsnprintf(s->failure + n, sizeof(s->failure) - (size_t)n, fmt, ap);
	va_end(ap);
	sim_say(s, "VIOLATED: %s", s->failure);
}

struct span sim_ms(struct sim *s, int from, int to) {
	return span_ms(rng_range(&s->rng, from, to));
}

struct truth *sim_truth(struct sim *s, const struct fake_container *c) {
	for (int i = 0; i < s->n_truths && c; i++)
		if (strcmp(s->truths[i].workload, c->workload) == 0 || s->fake.containers[s->truths[i].first] == c)
			return &s->truths[i];
	return NULL;
}

/* ---- the beginning ---- */

static void make_id(void *ctx, char text[ID_TEXT_MAX]) {
	struct sim *s = ctx;
	snprintf(text, ID_TEXT_MAX, "%016x", ++s->next_takeover);
}

static void draw_settings(struct sim *s) {
	static const int troubles[] = {0, 20, 80, 200};

	s->settings = (struct resched_settings){
		.cluster = FAKE_CLUSTER,
		.engine_only_move = rng_permille(&s->rng, 200),
		.strategy = (enum strategy)rng_below(&s->rng, 3),
		.parallel = rng_permille(&s->rng, 250) ? (unsigned)rng_range(&s->rng, 1, 2) : 32,
		.per_target = rng_permille(&s->rng, 250) ? 1 : 16,
		.attempts = (unsigned)rng_range(&s->rng, 2, 4),
		.backoff_initial = span_sec(1),
		.backoff_cap = span_sec(8),
		.keep_oldest = rng_permille(&s->rng, 200),
		.stale_keep = rng_permille(&s->rng, 150),
		.seed = s->seed,
		.make_id = make_id,
		.ctx = s,
	};
	s->detector_settings = (struct detector_settings){.interval = span_sec(1),
							  .timeout = span_sec(1),
							  .failures = 3,
							  .recover = (unsigned)rng_range(&s->rng, 1, 3),
							  .hold_initial = span_sec(10),
							  .hold_cap = span_sec(300),
							  .flap_window = span_sec(600)};
	s->remove_node = rng_permille(&s->rng, 200);
	s->first_is_local = rng_permille(&s->rng, 300);
	s->trouble = troubles[rng_below(&s->rng, 4)];
	s->max_lost = rng_permille(&s->rng, 300) ? 100 : 50;
	s->control_up = true;
}

static void draw_nodes(struct sim *s) {
	s->fake.n_nodes = rng_range(&s->rng, 3, FAKE_NODES_MAX);
	for (int i = 0; i < s->fake.n_nodes; i++) {
		snprintf(s->fake.nodes[i].name, sizeof(s->fake.nodes[i].name), "h%d", i + 1);
		for (int k = 0; k < FAKE_IMAGES; k++)
			s->fake.nodes[i].image[k] = rng_permille(&s->rng, 700);
	}
}

static void draw_nets(struct sim *s, struct fake_container *c, int number) {
	int which = rng_below(&s->rng, 4); /* none, both, first, first */

	for (int k = 0; k < FAKE_NETS; k++) {
		if (which == 0 || (which > 1 && k > 0))
			continue;
		snprintf(c->ip[k], sizeof(c->ip[k]), "10.%d.0.%d", 20 + k, 10 + number);
		snprintf(c->mac[k], sizeof(c->mac[k]), "02:42:0a:%02x:00:%02x", 20 + k,
			 rng_permille(&s->rng, 800) ? 10 + number : 200 + number);
		c->connected[k] = true;
	}
}

static void draw_container(struct sim *s, int number) {
	static const char *const policies[] = {"", "no", "always", "unless-stopped", "on-failure:3"};
	char name[16];
	enum refusal why;

	snprintf(name, sizeof(name), "%s%d", number % 3 == 2 ? "plain" : "web", number);
	struct fake_container *c = fake_add(&s->fake, rng_below(&s->rng, s->fake.n_nodes), name);
	snprintf(c->policy, sizeof(c->policy), "%s", policies[rng_below(&s->rng, 5)]);
	c->opted = number % 3 != 2;
	c->fence = c->opted && rng_permille(&s->rng, 100) ? EVIDENCE_STOPPED : EVIDENCE_NONE;
	c->image = rng_below(&s->rng, FAKE_IMAGES);
	s->fake.nodes[c->node].image[c->image] = true;
	c->port = rng_permille(&s->rng, 200) ? (uint16_t)(8000 + number) : 0;
	draw_nets(s, c, number);
	if (rng_permille(&s->rng, 970))
		(void)fake_start(&s->fake, c, &why);
	if (!c->opted)
		return;
	struct truth *t = &s->truths[s->n_truths++];
	snprintf(t->workload, sizeof(t->workload), FAKE_CLUSTER "/%s", c->id);
	t->first = s->fake.n_containers - 1;
	t->overlay = fake_has_overlay(c);
	t->excused = !c->running;
	snprintf(t->policy, sizeof(t->policy), "%s", c->policy);
}

/* ---- the end ---- */

static void look_at_end(struct sim *s, const struct event *e) {
	char *missing = check_end(s);

	(void)e;
	s->good_checks = missing ? 0 : s->good_checks + 1;
	/* Twice, with time enough in between for what is slow: a stop that counts as meant, a hold-down, the next beat. */
	if (s->good_checks >= 2)
		s->ends = s->now;
	else if (mono_reached(s->ends, s->now))
		sim_fail(s, "all faults are long over, but %s", missing ? missing : "it was not quiet long enough");
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

static void step(struct sim *s, const struct event *e) {
	s->now = e->at;
	if (!e->manager || (s->machine && e->manager == s->manager))
		e->fn(s, e);
	manager_turn(s);
	check_world(s);
}

static void begin(struct sim *s) {
	draw_settings(s);
	draw_nodes(s);
	agents_draw(s);
	int n = rng_range(&s->rng, 3, 9);
	for (int i = 0; i < n; i++)
		draw_container(s, i);
	manager_start(s);
	faults_start(s);
	sim_at(s, span_sec(rng_range(&s->rng, FAULTS_MIN_SEC, FAULTS_MAX_SEC)), 0, heal, 0, 0, NULL);
}

static void end(struct sim *s) {
	manager_free(s);
	flight_free_all(s);
	fake_clear(&s->fake);
	strs_clear(&s->fenced);
	free(s->heap);
	free(s);
}

bool sim_run(uint64_t seed, bool verbose, char failure[512]) {
	struct sim *s = xnew(struct sim);
	long n = 0;

	s->seed = seed;
	s->verbose = verbose;
	s->rng.state = seed * UINT64_C(0x2545f4914f6cdd1d) + 1;
	s->now = (struct mono){span_sec(1).ns};
	s->ends = MONO_NEVER;
	begin(s);
	while (s->n_heap && !*s->failure && !(s->good_checks >= 2)) {
		struct event e = take_next(s);
		step(s, &e);
		if (++n > EVENTS_MAX)
			sim_fail(s, "%d events, and no end", EVENTS_MAX);
	}
	memcpy(failure, s->failure, sizeof(s->failure));
	end(s);
	return !*failure;
}
