/* The progress an engine streams while it pulls or loads an image. The status was 200 before it began, so a failure is in the
 * stream:
 * {"errorDetail": {"message": "…"}, "error": "…"}. */
#ifndef ENGINE_PROGRESS_H
#define ENGINE_PROGRESS_H

#include "engine/lines.h"

struct progress {
	struct lines lines;
	char *error;    /* the engine's; NULL: none so far */
	struct err bad; /* code not 0: the stream is none */
	size_t n_lines;
};

void progress_push(struct progress *p, const char *data, size_t n);
/* 0: it succeeded. -EREMOTEIO: the engine's error. -EBADMSG: unusable. */
int progress_end(struct progress *p, struct err *err);
void progress_clear(struct progress *p);

#endif
