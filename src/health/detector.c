/* See detector.h. */
#include "health/detector.h"

#include "base/mutant.h"

#include <assert.h>
#include <string.h>

/* A gap of more than this many full rounds (interval and timeout) was not lost heartbeats: they would have been samples. */
#define JUMP_ROUNDS 3

static const char *const verdict_names[] = {
	[HEALTH_UNKNOWN] = "unknown",         [HEALTH_ALIVE] = "alive", [HEALTH_SUSPECT] = "suspect",
	[HEALTH_ENGINE_ONLY] = "engine-only", [HEALTH_DEAD] = "dead",   [HEALTH_RECOVERING] = "recovering",
};
static_assert(sizeof(verdict_names) / sizeof(verdict_names[0]) == HEALTH_VERDICT_MAX, "every verdict has a name");

const char *health_verdict_name(enum health_verdict v) {
	assert(v < HEALTH_VERDICT_MAX);
	return verdict_names[v];
}

void detector_init(struct detector *d, const struct detector_settings *settings) {
	assert(settings->failures >= 1 && settings->recover >= 1);
	*d = (struct detector){.settings = *settings, .verdict = HEALTH_UNKNOWN, .down = HEALTH_DEAD};
}

static bool is_down(enum health_verdict v) { return v == HEALTH_DEAD || v == HEALTH_ENGINE_ONLY; }

static void forget_misses(struct detector *d) {
	d->misses = d->silences = 0;
	d->host_answered = false;
}

/* Every change passes here. */
static bool change(struct detector *d, enum health_verdict to, struct mono at) {
	if (d->verdict == to)
		return false;
	if (to == HEALTH_DEAD && d->verdict != HEALTH_RECOVERING)
		d->deaths[d->n_deaths++ % DETECTOR_DEATHS_MAX] = at;
	d->verdict = to;
	return true;
}

static bool is_jump(const struct detector *d, struct mono at) {
	int64_t round = d->settings.interval.ns + d->settings.timeout.ns;
	return d->has_sample && mono_since(d->last, at).ns > JUMP_ROUNDS * round;
}

static bool feed_answer(struct detector *d, struct mono at) {
	forget_misses(d);
	d->answers++;
	switch (d->verdict) {
	case HEALTH_DEAD:
	case HEALTH_ENGINE_ONLY:
		d->down = d->verdict;
		return change(d, d->answers >= d->settings.recover ? HEALTH_ALIVE : HEALTH_RECOVERING, at);
	case HEALTH_RECOVERING:
		return d->answers >= d->settings.recover && change(d, HEALTH_ALIVE, at);
	default:
		return change(d, HEALTH_ALIVE, at);
	}
}

static void note_host(struct detector *d, const struct health_sample *s) {
	if (s->engine == ENGINE_SIGN_BAD || s->host == HOST_SIGN_ANSWERS) {
		d->host_answered = true;
		d->silences = 0;
	} else if (s->host == HOST_SIGN_SILENT) {
		d->silences++;
	}
}

/* What this row of misses says of the host. A host that was heard during it must be silent as often as an engine to be believed
 * dead. */
static enum health_verdict judge_host(const struct detector *d) {
	if (d->host_answered)
		return d->silences >= d->settings.failures ? HEALTH_DEAD : HEALTH_ENGINE_ONLY;
	return d->silences > 0 ? HEALTH_DEAD : HEALTH_SUSPECT;
}

/* A node that is down already changes sides as its host is heard or not; an unknown host changes nothing. */
static bool feed_miss_down(struct detector *d, struct mono at) {
	if (d->host_answered && d->silences < d->settings.failures)
		return change(d, HEALTH_ENGINE_ONLY, at);
	if (d->silences >= d->settings.failures)
		return change(d, HEALTH_DEAD, at);
	return false;
}

static bool feed_miss(struct detector *d, const struct health_sample *s) {
	d->answers = 0;
	d->misses++;
	note_host(d, s);
	if (d->verdict == HEALTH_RECOVERING)
		return change(d, d->host_answered ? HEALTH_ENGINE_ONLY : d->down, s->at);
	if (is_down(d->verdict))
		return feed_miss_down(d, s->at);
	if (d->misses >= d->settings.failures && judge_host(d) != HEALTH_SUSPECT)
		return change(d, judge_host(d), s->at);
	/* A node never heard of stays unknown: it was not alive before, and suspect would say so. */
	return d->verdict == HEALTH_ALIVE && change(d, HEALTH_SUSPECT, s->at);
}

bool detector_feed(struct detector *d, const struct health_sample *sample) {
	bool jump = is_jump(d, sample->at);

	d->has_sample = true;
	d->last = sample->at;
	if (jump) {
		forget_misses(d);
		d->answers = 0;
	}
	if (sample->engine == ENGINE_SIGN_ANSWERED)
		return feed_answer(d, sample->at);
	return !jump && feed_miss(d, sample);
}

unsigned detector_deaths(const struct detector *d, struct mono now) {
	uint64_t kept = d->n_deaths < DETECTOR_DEATHS_MAX ? d->n_deaths : DETECTOR_DEATHS_MAX;
	unsigned n = 0;

	for (uint64_t i = 0; i < kept; i++)
		n += mono_since(d->deaths[i], now).ns <= d->settings.flap_window.ns;
	return n;
}

struct span detector_hold_down(const struct detector *d, struct mono now) {
	unsigned deaths = detector_deaths(d, now);
	struct span hold = d->settings.hold_initial, cap = d->settings.hold_cap;

	if (deaths < 2U + MUTANT(SECOND_DEATH_FORGIVEN))
		return span_ms(0);
	for (unsigned i = 2; i < deaths && span_less(hold, cap); i++)
		hold.ns *= 2;
	return span_less(hold, cap) ? hold : cap;
}
