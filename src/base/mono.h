/* Monotonic time as structs, so that instants, durations and plain numbers cannot be mixed.
 * The clock is CLOCK_BOOTTIME: a suspended host's sleep counts. Pure code never reads it; it gets `now` as a parameter. */
#ifndef BASE_MONO_H
#define BASE_MONO_H

#include <stdbool.h>
#include <stdint.h>

struct mono {
	int64_t ns; /* since boot (or a simulator's zero); MONO_NEVER.ns for "no deadline" */
};

struct span {
	int64_t ns;
};

#define MONO_NEVER ((struct mono){INT64_MAX})

struct mono mono_now(void);

static inline struct span span_ms(int64_t ms) { return (struct span){ms * 1000000}; }
static inline struct span span_sec(int64_t s) { return (struct span){s * 1000000000}; }
static inline int64_t span_to_ms(struct span s) { return s.ns / 1000000; }
static inline double span_to_sec(struct span s) { return (double)s.ns / 1e9; }
static inline bool span_less(struct span a, struct span b) { return a.ns < b.ns; }

static inline struct mono mono_add(struct mono t, struct span d) { return t.ns == INT64_MAX ? t : (struct mono){t.ns + d.ns}; }
static inline struct span mono_since(struct mono from, struct mono to) { return (struct span){to.ns - from.ns}; }
static inline bool mono_reached(struct mono deadline, struct mono now) { return now.ns >= deadline.ns; }
static inline struct mono mono_min(struct mono a, struct mono b) { return a.ns < b.ns ? a : b; }

#endif
