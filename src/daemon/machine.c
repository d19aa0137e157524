/* The machine as heird's configuration wants it. */
#include "daemon/daemon.h"
#include "daemon/discovery.h"

static void make_id(void *ctx, char text[ID_TEXT_MAX]) {
	(void)ctx;
	id_random(text);
}

struct resched *machine_new(const struct config *c) {
	static const enum evidence fences[] = {
		[CONFIG_FENCE_AUTO] = EVIDENCE_NONE,
		[CONFIG_FENCE_PRESUMED] = EVIDENCE_PRESUMED,
		[CONFIG_FENCE_QUARANTINED] = EVIDENCE_QUARANTINED,
		[CONFIG_FENCE_STOPPED] = EVIDENCE_STOPPED,
	};
	static const enum strategy strategies[] = {
		[CONFIG_STRATEGY_SPREAD] = STRATEGY_SPREAD,
		[CONFIG_STRATEGY_BINPACK] = STRATEGY_BINPACK,
		[CONFIG_STRATEGY_RANDOM] = STRATEGY_RANDOM,
	};
	struct resched_settings settings = {
		.cluster = c->cluster,
		.fence = fences[c->takeover.fence],
		.engine_only_move = c->takeover.engine_only == CONFIG_ENGINE_ONLY_MOVE,
		.strategy = strategies[c->placement.strategy],
		.parallel = (unsigned)c->takeover.parallel,
		.per_target = (unsigned)c->takeover.per_target,
		.per_minute = (unsigned)c->takeover.per_minute,
		.attempts = (unsigned)c->takeover.attempts,
		.delay = c->takeover.delay,
		.backoff_initial = c->takeover.backoff_initial,
		.backoff_cap = c->takeover.backoff_cap,
		.keep_oldest = c->on_return.keep == CONFIG_KEEP_OLDEST,
		.stale_keep = c->on_return.stale == CONFIG_STALE_KEEP,
		.seed = (uint64_t)mono_now().ns,
		.make_id = make_id,
	};

	discovery_settings(c, &settings);
	return resched_new(&settings);
}
