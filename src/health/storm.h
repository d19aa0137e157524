/* The storm brake over time: what all nodes look like now becomes one verdict, which remembers the storm that was and what an
 * operator said. Pure; heird and the simulator hold takeovers by this and nothing else. */
#ifndef HEALTH_STORM_H
#define HEALTH_STORM_H

#include "health/brake.h"
#include "health/detector.h"

/* One node, as it counts. */
struct storm_node {
	enum health_verdict verdict;
	bool remote;      /* not the manager's own host */
	bool agent;       /* its agent answers: as good as a witness, when it is remote */
	const char *zone; /* NULL: in none */
};

/* Everything that is known now. */
struct storm_view {
	const struct storm_node *nodes;
	size_t n;
	enum brake_witness witness; /* of the configured addresses */
	struct brake_limit max_lost;
	struct brake_limit zone_max_lost; /* of the nodes of one zone */
	struct detector_settings beat;
};

/* Embedded by its owner, zeroed at first. */
struct storm {
	struct brake_storm brake;
	bool operator_go; /* set by an operator; until the brake would let go by itself */
};

/* Counted as brake.h says. A suspect is lost: when several hosts go at once the first verdict must not run ahead of the others'. */
struct brake_counts storm_count(const struct storm_view *view);

/* How long it takes to find a node dead. */
struct span storm_settling_time(const struct detector_settings *beat);

/* To be called whenever a verdict changes, and once a beat: witnesses come and go, and a storm that is over lingers, without any
 * verdict changing. */
struct brake_verdict storm_update(struct storm *s, const struct storm_view *view, struct mono now);
/* The same for one zone, with a storm of its own. */
struct brake_verdict storm_update_zone(struct storm *s, const struct storm_view *view, const char *zone, struct mono now);

#endif
