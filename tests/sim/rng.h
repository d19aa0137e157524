/* Repeatable chance: SplitMix64, so that a seed means the same history on every machine. */
#ifndef SIM_RNG_H
#define SIM_RNG_H

#include <stdbool.h>
#include <stdint.h>

struct rng {
	uint64_t state;
};

static inline uint64_t rng_next(struct rng *r) {
	uint64_t z = r->state += UINT64_C(0x9e3779b97f4a7c15);
	z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
	z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
	return z ^ (z >> 31);
}

/* A stream of its own for each thing of a history. */
enum stream { STREAM_SETTINGS = 1, STREAM_NODE, STREAM_CONTAINER, STREAM_FAULT, STREAM_EVENT, STREAM_DISCOVERY };

static inline struct rng rng_stream(uint64_t seed, enum stream stream, uint64_t a, uint64_t b) {
	struct rng r = {seed * UINT64_C(0x2545f4914f6cdd1d) + (uint64_t)stream};

	r.state = rng_next(&r) ^ a;
	r.state = rng_next(&r) ^ b;
	(void)rng_next(&r);
	return r;
}

/* 0 to n - 1; n at least 1. */
static inline int rng_below(struct rng *r, int n) { return (int)(rng_next(r) % (uint64_t)n); }
/* From..to, both included. */
static inline int rng_range(struct rng *r, int from, int to) { return from + rng_below(r, to - from + 1); }
static inline bool rng_permille(struct rng *r, int chance) { return rng_below(r, 1000) < chance; }

#endif
