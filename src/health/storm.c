/* See storm.h. */
#include "health/storm.h"

#include <string.h>

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

static bool is_known_lost(const struct storm_node *n) {
	return n->verdict == HEALTH_DEAD || n->verdict == HEALTH_SUSPECT || n->verdict == HEALTH_ENGINE_ONLY;
}

struct span storm_settling_time(const struct detector_settings *beat) {
	return (struct span){beat->interval.ns * beat->failures + beat->timeout.ns};
}

/* What is decided now, after the storm that was and what an operator said. go: what would be decided on an operator's word. */
static struct brake_verdict remember(struct storm *s, struct brake_verdict v, struct brake_verdict go, bool any_lost,
				     struct mono now, struct span settle) {
	if (s->operator_go) {
		s->operator_go = v.hold;
		s->brake = (struct brake_storm){0};
		return go;
	}
	if (brake_lingers(&s->brake, v.hold, any_lost, now, settle))
		return (struct brake_verdict){.hold = true,
					      .reason = "the storm is over: waiting for nodes that are about to come back"};
	return v;
}

struct brake_verdict storm_update(struct storm *s, const struct storm_view *view, struct mono now) {
	struct brake_counts c = storm_count(view), word = c;
	bool any = false;

	for (size_t i = 0; i < view->n; i++)
		any |= is_known_lost(&view->nodes[i]);
	word.operator_go = true;
	return remember(s, brake_decide(&c), brake_decide(&word), any, now, storm_settling_time(&view->beat));
}

struct brake_verdict storm_update_zone(struct storm *s, const struct storm_view *view, const char *zone, struct mono now) {
	struct brake_counts c = {.max_lost = view->zone_max_lost}, word;
	bool any = false;

	for (size_t i = 0; i < view->n; i++) {
		const struct storm_node *n = &view->nodes[i];
		if (!n->zone || strcmp(n->zone, zone) != 0)
			continue;
		c.total++;
		count_node(n, &c);
		any |= is_known_lost(n);
	}
	word = c;
	word.operator_go = true;
	return remember(s, brake_decide_zone(&c, zone), brake_decide_zone(&word, zone), any, now, storm_settling_time(&view->beat));
}
