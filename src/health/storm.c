/* See storm.h. */
#include "health/storm.h"

static void count_node(const struct storm_node *n, struct brake_counts *c) {
	switch (n->verdict) {
	case HEALTH_ALIVE:
		c->alive_remote += n->remote;
		c->alive_local += !n->remote;
		return;
	case HEALTH_RECOVERING:
		return;
	default:
		c->lost++;
	}
}

struct brake_counts storm_count(const struct storm_view *view) {
	struct brake_counts c = {.total = (unsigned)view->n, .witness = view->witness, .max_lost = view->max_lost};

	for (size_t i = 0; i < view->n; i++) {
		count_node(&view->nodes[i], &c);
		if (view->nodes[i].remote && view->nodes[i].agent)
			c.witness = BRAKE_WITNESS_ANSWERS;
	}
	return c;
}

static bool any_known_lost(const struct storm_view *view) {
	for (size_t i = 0; i < view->n; i++) {
		enum health_verdict v = view->nodes[i].verdict;
		if (v == HEALTH_DEAD || v == HEALTH_SUSPECT || v == HEALTH_ENGINE_ONLY)
			return true;
	}
	return false;
}

struct span storm_settling_time(const struct detector_settings *beat) {
	return (struct span){beat->interval.ns * beat->failures + beat->timeout.ns};
}

struct brake_verdict storm_update(struct storm *s, const struct storm_view *view, struct mono now) {
	struct brake_counts c = storm_count(view);
	struct brake_verdict v = brake_decide(&c);

	if (s->operator_go) {
		s->operator_go = v.hold;
		s->brake = (struct brake_storm){0};
		c.operator_go = true;
		return brake_decide(&c);
	}
	if (brake_lingers(&s->brake, v.hold, any_known_lost(view), now, storm_settling_time(&view->beat)))
		return (struct brake_verdict){.hold = true,
					      .reason = "the storm is over: waiting for nodes that are about to come back"};
	return v;
}
