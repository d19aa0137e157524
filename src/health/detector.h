/* From heartbeat samples to a verdict about one node. Pure: virtual time, no I/O.
 *
 *              miss                     failures misses in a row
 *   alive ─────────▶ suspect ─────────────────────────┬── host silent ──▶ dead ◀──┐ host silent `failures` times
 *     ▲ ◀── answer ────┘                              └── host answers ─▶ engine-only
 *     │                                                                    │  ▲ host answers (from dead, at once)
 *     └── recover answers in a row ── recovering ◀── answer ───────────────┘
 *                                         └── miss ──▶ back to dead or engine-only at once; never dead when its host answers
 *
 * unknown is a node that has not been heard of since the start: one answer makes it alive, `failures` misses make it dead or
 * engine-only, as above, so that nodes which are down already when the manager starts are noticed.
 *
 * A host whose state is unknown never counts as silent: the node stays suspect until the host has been asked. A host that answered
 * during the same row of misses must be silent `failures` times in a row before it is believed dead.
 * After a gap between samples much longer than the heartbeat (the manager slept) misses are counted anew and the first is ignored.
 */
#ifndef HEALTH_DETECTOR_H
#define HEALTH_DETECTOR_H

#include "base/mono.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum health_verdict {
	HEALTH_UNKNOWN,
	HEALTH_ALIVE,
	HEALTH_SUSPECT,
	HEALTH_ENGINE_ONLY, /* the engine is silent, its host is not: the containers run on */
	HEALTH_DEAD,
	HEALTH_RECOVERING, /* answers again after dead or engine-only, not yet often enough */
	HEALTH_VERDICT_MAX,
};

/* "unknown", "alive", "suspect", "engine-only", "dead", "recovering" */
const char *health_verdict_name(enum health_verdict v);

enum engine_sign {
	ENGINE_SIGN_ANSWERED,
	ENGINE_SIGN_MISSED, /* no answer in time */
	ENGINE_SIGN_BAD,    /* refused, or answered what no engine answers: a miss, but its host answers */
};

enum host_sign { HOST_SIGN_UNKNOWN, HOST_SIGN_ANSWERS, HOST_SIGN_SILENT };

struct health_sample {
	struct mono at;
	enum engine_sign engine;
	enum host_sign host; /* not looked at when the engine answered */
};

struct detector_settings {
	struct span interval, timeout;
	unsigned failures; /* at least 1 */
	unsigned recover;  /* at least 1 */
	/* How long a node is held down that died more than once within the window: initial, doubled with each further death, up to
	 * the cap. Initial 0: never. */
	struct span hold_initial, hold_cap, flap_window;
};

#define DETECTOR_DEATHS_MAX 16

/* Embedded by its owner; the fields are the detector's. */
struct detector {
	struct detector_settings settings;
	enum health_verdict verdict;
	enum health_verdict down; /* while recovering: what it goes back to */
	unsigned misses, answers; /* in a row */
	unsigned silences;        /* of the host, in a row, within this row of misses */
	bool host_answered;       /* within this row of misses */
	bool has_sample;
	struct mono last;
	struct mono deaths[DETECTOR_DEATHS_MAX]; /* a ring of the newest */
	uint64_t n_deaths;
};

void detector_init(struct detector *d, const struct detector_settings *settings);

/* True when the verdict changed. Samples are in the order of their time. */
bool detector_feed(struct detector *d, const struct health_sample *sample);

static inline enum health_verdict detector_verdict(const struct detector *d) { return d->verdict; }
static inline unsigned detector_misses(const struct detector *d) { return d->misses; }

/* Deaths (dead, not engine-only) within the window before now, as many as are remembered. */
unsigned detector_deaths(const struct detector *d, struct mono now);

/* How long a node that flaps should wait: 0 up to the first death in the window, then as the settings say. */
struct span detector_hold_down(const struct detector *d, struct mono now);

#endif
