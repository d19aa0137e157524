/* A manager that was paused (its machine suspended, its process stopped) and that another one has followed meanwhile: when it goes
 * on it does not know that it is not the manager any more.
 *
 * What is promised: nothing of it takes effect on the store, which is another's by now (every commit fails), nor on agents, which
 * obey no older epoch. As it does nothing that is not written, it does nothing new at all. What it had sent, or was about to send,
 * when it was paused may still arrive at engines, which know no epochs, as may any call that was under way when its manager died:
 * the next one sees before it does, and never takes an attempt for over while that may come. */
#include "sim.h"

#include "base/alloc.h"

#include <stdlib.h>
#include <string.h>

/* All that is a manager's own. */
struct life {
	struct resched *machine;
	unsigned manager;
	struct detector detectors[FAKE_NODES_MAX];
	struct storm storm;
	struct observer observers[FAKE_NODES_MAX];
	bool turn_wanted, dying;
	struct mono deadline;
	struct store *store;
	struct memory *memory;
	struct journal *journal;
	struct publishers *publishers;
	struct mono goes_on;
};

#define SWAP(a, b) \
	do { \
		__typeof__(a) other_ = (a); \
		(a) = (b); \
		(b) = other_; \
	} while (0)

static void swap_lives(struct sim *s, struct life *l) {
	SWAP(s->machine, l->machine);
	SWAP(s->manager, l->manager);
	SWAP(s->storm, l->storm);
	SWAP(s->turn_wanted, l->turn_wanted);
	SWAP(s->dying, l->dying);
	SWAP(s->deadline, l->deadline);
	SWAP(s->store, l->store);
	SWAP(s->memory, l->memory);
	SWAP(s->journal, l->journal);
	SWAP(s->publishers, l->publishers);
	for (int i = 0; i < FAKE_NODES_MAX; i++) {
		SWAP(s->detectors[i], l->detectors[i]);
		SWAP(s->observers[i], l->observers[i]);
	}
}

static void follow(struct sim *s, const struct event *e) {
	(void)e;
	if (!s->machine)
		manager_start(s);
}

void old_pause(struct sim *s) {
	if (!s->machine || s->old)
		return;
	struct life *l = xnew(struct life);
	unsigned manager = s->manager;

	sim_say(s, "FAULT manager %u is paused, and another one follows", manager);
	disk_fence(s->disk);
	swap_lives(s, l);
	s->manager = manager; /* the next one counts on from here */
	s->old = l;
	l->goes_on = mono_add(s->now, sim_ms(s, 500, rng_permille(&s->rng, 300) ? 60000 : 8000));
	sim_at(s, sim_ms(s, 50, 2000), 0, follow, 0, 0, NULL);
}

bool old_is_alive(const struct sim *s, unsigned manager) {
	return (s->machine && s->manager == manager) || (s->old && s->old->machine && s->old->manager == manager);
}

/* Sent, or about to be, when it was paused: it goes out when that is over. */
bool old_holds(const struct sim *s, unsigned manager, struct span *ret) {
	const struct life *l = s->old;

	if (!l || s->acting_old || l->manager != manager || mono_reached(l->goes_on, s->now))
		return false;
	*ret = mono_since(s->now, l->goes_on);
	return true;
}

bool old_happens(struct sim *s, const struct event *e) {
	struct life *l = s->old;

	if (!l || !e->manager || e->manager != l->manager)
		return false;
	if (!mono_reached(l->goes_on, s->now)) {
		sim_at(s, mono_since(s->now, l->goes_on), e->manager, e->fn, e->a, e->b, e->data);
		return true;
	}
	swap_lives(s, l);
	s->acting_old = true;
	if (s->machine) {
		e->fn(s, e);
		manager_turn(s);
	}
	s->acting_old = false;
	swap_lives(s, l);
	return true;
}

void old_free(struct sim *s) {
	struct life *l = s->old;

	if (!l)
		return;
	swap_lives(s, l);
	manager_drop(s);
	swap_lives(s, l);
	s->old = NULL;
	free(l);
}
