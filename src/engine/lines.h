/* A stream cut into lines, as event and progress streams are written: "…\n" or "…\r\n". A line is bounded. */
#ifndef ENGINE_LINES_H
#define ENGINE_LINES_H

#include "base/buf.h"
#include "base/err.h"

#include <stddef.h>

/* line is not NUL-terminated, has no line end and is never empty. Not 0: stop; lines_push returns it. */
typedef int lines_fn(void *ctx, const char *line, size_t n, struct err *err);

struct lines {
	struct buf rest;
	size_t limit; /* of one line */
};

/* 0; what fn stopped with; or -EMSGSIZE for a line over the limit. */
int lines_push(struct lines *l, const char *data, size_t n, lines_fn *fn, void *ctx, struct err *err);
/* The last line, when no line end came after it. */
int lines_end(struct lines *l, lines_fn *fn, void *ctx, struct err *err);
void lines_clear(struct lines *l);

#endif
