/*
 * A history of faults, drawn from a seed before it begins: what fails, when, for how long. The same seed is the same history, but
 * for what the machine's own load makes of it.
 *
 * At most two hosts are ill at a time, and each of one thing. Everything is healed at the end, whatever was drawn.
 */
#ifndef TESTS_NETNS_CHAOS_H
#define TESTS_NETNS_CHAOS_H

#include "harness.h"

#include <stdint.h>

enum { CHAOS_DEEDS_MAX = 256 };

struct chaos_deed {
	double at;     /* s after the beginning */
	char what[96]; /* `lab` with these words; "" for what is done to heird */
	int heird;     /* +1: start it, -1: kill it */
	int host;      /* 0: heird */
	bool begins;   /* a fault; else it ends one */
	double done;   /* s of uptime when it was done; 0: not yet */
};

struct chaos {
	uint64_t seed;
	int hosts;
	double seconds;
	struct chaos_deed deeds[CHAOS_DEEDS_MAX]; /* in the order of time */
	size_t n;
	bool restarts[16]; /* of each host: its containers were ended by a fault, and started again */
};

/* Draws it. */
void chaos_draw(struct chaos *c, uint64_t seed, int hosts, double seconds);
void chaos_print(const struct chaos *c);
/* Lives through it. meanwhile is called all the time. */
void chaos_live(struct chaos *c, const struct heird_options *options, void (*meanwhile)(void));
/* A fault of that host was in force at that uptime, or had ended so shortly before that heird may not have heard of the host again.
 */
bool chaos_was_ill(const struct chaos *c, int host, double uptime);

#endif
