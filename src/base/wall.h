/* Wall-clock time, only ever for people to read: no decision is made on it. */
#ifndef BASE_WALL_H
#define BASE_WALL_H

#include "base/err.h"

#include <stdint.h>

struct wall {
	int64_t ms; /* since 1970-01-01T00:00:00Z; 0 means absent */
};

#define WALL_TEXT_MAX 32

struct wall wall_now(void);

/* "2026-01-02T03:04:05.678Z" (RFC 3339, UTC) into text; returns text. */
const char *wall_format(struct wall t, char text[WALL_TEXT_MAX]);

/* RFC 3339 with Z or an offset, fraction optional. -EINVAL with the reason otherwise. */
int wall_parse(const char *text, struct wall *ret_t, struct err *err);

#endif
