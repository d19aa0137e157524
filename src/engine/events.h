/* An engine's events as they happen. The stream is opened again when it ends, with exponential backoff (0.25 s to 15 s) and `since`
 * the last event less one second of overlap: an event may come twice, and its time_nano (with actor and action) tells. The engine
 * keeps only 256 of them, so the consumer lists again at every on_connected. An idle stream is normal.
 *
 * Only what can change the world is asked for: container and network events, without exec's. */
#ifndef ENGINE_EVENTS_H
#define ENGINE_EVENTS_H

#include "engine/engine.h"

struct engine_events;

struct engine_events_handler {
	void (*on_connected)(void *ctx);                               /* what happens from now on is reported: list again */
	void (*on_event)(void *ctx, const struct engine_event *event); /* borrowed */
	/* Once for every stream that ended or could not be opened; it will be tried again by itself. */
	void (*on_lost)(void *ctx, const struct err *reason);
	void *ctx;
};

/* Starts at once. Free it before the engine. Freeing is allowed in its own callbacks; none follows. */
struct engine_events *engine_events_new(struct engine *e, const struct engine_events_handler *handler);
void engine_events_free(struct engine_events *ev);
CLEANUP_DEFINE(engine_events, struct engine_events, engine_events_free)

bool engine_events_connected(const struct engine_events *ev);
/* Opens again now what waits for its backoff: a heartbeat says that the engine is back. Does nothing to an open stream. */
void engine_events_retry(struct engine_events *ev);
/* Drops an open stream and opens it again: the engine was lost and answers again, what this stream says can no longer be trusted.
 */
void engine_events_reopen(struct engine_events *ev);

#endif
