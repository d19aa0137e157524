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

/* 0 to n - 1; n at least 1. */
static inline int rng_below(struct rng *r, int n) { return (int)(rng_next(r) % (uint64_t)n); }
/* From..to, both included. */
static inline int rng_range(struct rng *r, int from, int to) { return from + rng_below(r, to - from + 1); }
static inline bool rng_permille(struct rng *r, int chance) { return rng_below(r, 1000) < chance; }

#endif
