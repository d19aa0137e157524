/* See brake.h. */
#include "health/brake.h"

#include "base/mutant.h"

#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>

static struct brake_verdict verdict(bool hold, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
static struct brake_verdict verdict(bool hold, const char *fmt, ...) {
	struct brake_verdict v = {.hold = hold};
	va_list ap;
	va_start(ap, fmt);
	vsnprintf(v.reason, sizeof(v.reason), fmt, ap);
	va_end(ap);
	return v;
}

static bool is_storm(const struct brake_counts *c) {
	if (c->max_lost.percent)
		return (uint64_t)c->lost * 100 > (uint64_t)c->max_lost.value * c->total + (MUTANT(BRAKE_ONE_TOO_LATE) ? 100 : 0);
	return c->lost > c->max_lost.value;
}

/* Two engines, one of them here: each of the two hosts sees the same, so neither may judge the other alone. */
static bool is_half_of_two(const struct brake_counts *c) { return c->total == 2 && c->lost == 1 && c->alive_local == 1; }

static struct brake_verdict cut_off(const struct brake_counts *c) {
	const char *witness = c->witness == BRAKE_WITNESS_NONE ? "no witness is configured" : "no witness answers";

	if (is_half_of_two(c))
		return verdict(true,
			       "of two nodes only the manager's own is left, which cannot know who is cut off, and %s: "
			       "confirm-dead the other, or wait",
			       witness);
	return verdict(true, "no remote engine answers and %s: the manager is probably the one cut off", witness);
}

struct brake_verdict brake_decide(const struct brake_counts *c) {
	if (c->operator_go)
		return verdict(false, "an operator said so");
	if (c->alive_remote == 0 && c->witness != BRAKE_WITNESS_ANSWERS && !MUTANT(CUT_OFF_MANAGER_ACTS))
		return cut_off(c);
	if (is_storm(c))
		return verdict(true,
			       "%u of %u nodes are lost, more than %u%s at once: waiting until fewer are or an operator says go",
			       c->lost, c->total, c->max_lost.value, c->max_lost.percent ? "%" : "");
	if (c->alive_remote == 0)
		return verdict(false, "no remote engine answers, but a witness does");
	return verdict(false, "%u remote engine%s, %u of %u nodes lost", c->alive_remote,
		       c->alive_remote == 1 ? " answers" : "s answer", c->lost, c->total);
}

struct brake_verdict brake_decide_zone(const struct brake_counts *c, const char *zone) {
	if (c->operator_go)
		return verdict(false, "an operator said so");
	if (!is_storm(c))
		return verdict(false, "%u of %u nodes of zone \"%.60s\" lost", c->lost, c->total, zone);
	return verdict(
		true,
		"%u of %u nodes of zone \"%.60s\" are lost, more than %u%s at once: waiting until fewer are or an operator says "
		"go",
		c->lost, c->total, zone, c->max_lost.value, c->max_lost.percent ? "%" : "");
}

bool brake_lingers(struct brake_storm *s, bool hold, bool lost_known, struct mono now, struct span settle) {
	if (hold) {
		s->over_nodes = s->over_nodes || lost_known;
		s->since = (struct mono){0};
		return false;
	}
	if (!s->over_nodes || MUTANT(BRAKE_DOES_NOT_LINGER))
		return false;
	if (s->since.ns == 0)
		s->since = now;
	if (!mono_reached(mono_add(s->since, settle), now))
		return true;
	*s = (struct brake_storm){0};
	return false;
}
