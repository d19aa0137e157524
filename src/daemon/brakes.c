/* The storm brakes, of the whole cluster and of each zone: what the nodes look like now goes in, what may not be begun goes to the
 * machine. What counts is health/storm.c's. */
#include "daemon/daemon.h"

#include "base/alloc.h"
#include "base/log.h"

#include <string.h>
#include <utlist.h>

struct detector_settings brakes_beat(const struct config *c) {
	return (struct detector_settings){
		.interval = c->heartbeat.interval,
		.timeout = c->heartbeat.timeout,
		.failures = (unsigned)c->heartbeat.failures,
		.recover = (unsigned)c->heartbeat.recover,
		.hold_initial = c->on_return.hold_down.initial,
		.hold_cap = c->on_return.hold_down.cap,
		.flap_window = c->on_return.hold_down.window,
	};
}

static struct brake_limit limit_of(const struct config_share *share) {
	return (struct brake_limit){.value = (unsigned)share->value, .percent = share->percent};
}

/* Free the nodes. */
static struct storm_view look(const struct daemon *d, struct storm_node **ret_nodes) {
	struct storm_node *nodes = xnew_n(struct storm_node, d->n_nodes);

	for (size_t i = 0; i < d->n_nodes; i++) {
		const struct daemon_node *n = &d->nodes[i];
		const struct world_node *known = world_node(resched_world(d->machine), n->config->name);
		nodes[i] = (struct storm_node){
			.verdict = probe_verdict(n->probe),
			.remote = n->remote,
			.agent = known->agent.state == NODE_AGENT_OK,
			.zone = n->zone ? n->zone->name : NULL,
		};
	}
	*ret_nodes = nodes;
	return (struct storm_view){
		.nodes = nodes,
		.n = d->n_nodes,
		.witness = prober_witness(d->prober),
		.max_lost = limit_of(&d->config->brake.max_lost),
		.zone_max_lost = limit_of(&d->config->brake.zone.max_lost),
		.beat = brakes_beat(d->config),
	};
}

/* ---- zones ---- */

static struct zone *zone_get(struct daemon *d, const char *name) {
	struct zone *z;

	LL_FOREACH (d->zones, z) {
		if (strcmp(z->name, name) == 0)
			return z;
	}
	z = xnew(struct zone);
	z->name = xstrdup(name);
	LL_PREPEND(d->zones, z);
	return z;
}

void brakes_add_node(struct daemon_node *n) {
	const char *label = n->daemon->config->brake.zone.label, *zone = label ? config_engine_label(n->config, label) : NULL;

	n->zone = zone ? zone_get(n->daemon, zone) : NULL;
}

/* At the start nobody has answered yet: nothing to be warned of. */
static enum log_level level_of(const struct daemon *d, const struct storm_view *view, bool holds) {
	bool starting = !mono_reached(mono_add(d->started, storm_settling_time(&view->beat)), mono_now());

	return holds && !starting ? LOG_LEVEL_WARNING : LOG_LEVEL_INFO;
}

static void update_zone(struct daemon *d, struct zone *z, const struct storm_view *view) {
	struct brake_verdict v = storm_update_zone(&z->storm, view, z->name, mono_now());

	if (v.hold != z->held) {
		log_at(level_of(d, view, v.hold), v.hold ? "zone-brake-holds" : "zone-brake-released", LOG_STR("zone", z->name),
		       LOG_STR("reason", v.reason));
		turn_wake(d);
	}
	z->held = v.hold;
	for (size_t i = 0; i < d->n_nodes; i++)
		if (d->nodes[i].zone == z)
			resched_zone_brake(d->machine, d->nodes[i].config->name, v.hold ? v.reason : NULL);
}

/* ---- all ---- */

static void log_brake(const struct daemon *d, const struct storm_view *view, const struct brake_verdict *v) {
	log_at(level_of(d, view, v->hold), v->hold ? "brake-holds" : "brake-released", LOG_STR("reason", v->reason),
	       LOG_INT("lost", storm_count(view).lost), LOG_INT("of", view->n));
}

void brakes_update(struct daemon *d) {
	struct storm_node *nodes CLEANUP_FREE = NULL;
	const struct storm_view view = look(d, &nodes);
	struct zone *z;
	const char *before;

	struct brake_verdict v = storm_update(&d->storm, &view, mono_now());
	bool changed = v.hold != resched_brake_holds(d->machine, &before);
	if (changed)
		log_brake(d, &view, &v);
	resched_brake(d->machine, v.hold, v.reason);
	LL_FOREACH (d->zones, z) {
		update_zone(d, z, &view);
	}
	if (changed)
		turn_wake(d);
}

bool brakes_go(struct daemon *d) {
	const char *reason = NULL;
	bool held = resched_brake_holds(d->machine, &reason);
	struct zone *z;

	if (held)
		log_warning("brake-overruled", LOG_STR("by", "operator"), LOG_STR("held", reason));
	d->storm.operator_go |= held;
	LL_FOREACH (d->zones, z) {
		if (z->held)
			log_warning("zone-brake-overruled", LOG_STR("by", "operator"), LOG_STR("zone", z->name));
		z->storm.operator_go |= z->held;
		held |= z->held;
	}
	if (held)
		brakes_update(d);
	return held;
}

/* On copies of the storms: what is only imagined is not remembered. */
struct brake_verdict brakes_if_lost(const struct daemon *d, const struct daemon_node *n) {
	struct storm_node *nodes CLEANUP_FREE = NULL;
	const struct storm_view view = look(d, &nodes);
	struct storm all = d->storm;

	nodes[n - d->nodes].verdict = HEALTH_DEAD;
	nodes[n - d->nodes].agent = false;
	struct brake_verdict v = storm_update(&all, &view, mono_now());
	if (v.hold || !n->zone)
		return v;
	struct storm zone = n->zone->storm;
	struct brake_verdict of_zone = storm_update_zone(&zone, &view, n->zone->name, mono_now());
	return of_zone.hold ? of_zone : v;
}

void brakes_clear(struct daemon *d) {
	struct zone *z, *next;

	LL_FOREACH_SAFE(d->zones, z, next) {
		free(z->name);
		free(z);
	}
}
