/* Heartbeats: asks every engine once an interval and tells when the verdict about its node changes.
 *
 * A thousand engines are spread over the interval in a fixed order. Each heartbeat has a fixed slot; one that is still under way at
 * its next slot is followed by the next as soon as it ends. When a heartbeat is overdue (half of its timeout) or the one before was
 * missed, the host is asked as well (reach.h), so that both facts are known at the last miss and nothing is decided later than
 * that. */
#ifndef HEALTH_PROBE_H
#define HEALTH_PROBE_H

#include "base/err.h"
#include "base/mono.h"
#include "base/strs.h"
#include "health/brake.h"
#include "health/detector.h"

#include <stdint.h>
#include <uv.h>

struct engine;
struct prober;
struct probe;

struct probe_change {
	enum health_verdict from, to;
	const char *reason; /* "3 heartbeats missed in a row, port 2375 does not answer, no ping"; valid during the call */
	struct mono at;
};

/* May remove probes, also this one. */
typedef void probe_change_fn(void *user, struct probe *p, const struct probe_change *change);

struct prober_stats {
	uint64_t sent, answered, missed;
	uint64_t dropped;       /* timed out while the loop was held up: no sample, neither answered nor missed */
	struct mono dropped_at; /* the last of them; 0: none */
	uint64_t late;          /* started more than a quarter of the interval after their slot */
	struct span latest;     /* the worst of them */
};

/* timeout and failures as in the configuration. */
struct prober *prober_new(uv_loop_t *loop, const struct detector_settings *settings, probe_change_fn *changed, void *user);
/* Removes all probes. The loop must run on until the handles are closed. NULL is fine. */
void prober_free(struct prober *p);
const struct prober_stats *prober_stats(const struct prober *p);

/* engine is borrowed and must outlive the probe. host and port are where its host is asked: a name is resolved in the background
 * and again now and then while the node is alive; host NULL means the engine is on the manager's own host (unix://), which answers
 * as long as we live to ask. The first heartbeat follows within one interval. */
struct probe *prober_add(struct prober *p, struct engine *engine, const char *host, unsigned port, void *engine_user);
void probe_remove(struct probe *p);

void *probe_user(const struct probe *p); /* engine_user */
enum health_verdict probe_verdict(const struct probe *p);
const struct detector *probe_detector(const struct probe *p); /* for misses, hold-down */
const char *probe_reason(const struct probe *p);              /* of the last change; "" before the first */

/* "address:port" each (numeric), asked by TCP once an interval. */
int prober_set_witnesses(struct prober *p, const struct strs *addresses, struct err *err);
/* Whether one answered lately. */
enum brake_witness prober_witness(const struct prober *p);

#endif
