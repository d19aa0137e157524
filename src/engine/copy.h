/* An image from one engine to another without a registry: what `from` saves is streamed into what `to` loads. A bounded buffer lies
 * between them; whichever is faster waits. */
#ifndef ENGINE_COPY_H
#define ENGINE_COPY_H

#include "engine/engine.h"

struct engine_copy;

/* ref: "name:tag" keeps the tag at the target; an ID arrives untagged. The result is the target's, unless the source failed: its
 * error says which. A source that refuses (404) or cannot be reached ends it before the target hears of it. cb.deadline 0: 15 min.
 * Ownership as of an engine_call: gone after its callback, cancelled by free; free it before either engine. */
struct engine_copy *engine_copy_image(struct engine *from, struct engine *to, const char *ref, struct engine_cb cb);
void engine_copy_free(struct engine_copy *copy);

#endif
