/* Which order about a subject is the newest. An order whose manager has long given it up may still arrive, after one that was given
 * later: by its number it is known, and not obeyed. Pure; numbers count up within one epoch of one manager, and are forgotten with
 * the process. */
#ifndef AGENT_SEQUENCE_H
#define AGENT_SEQUENCE_H

#include <stdbool.h>
#include <stdint.h>
#include <uthash.h>

struct sequence_entry;

struct sequence {
	int64_t epoch;
	struct sequence_entry *newest; /* by subject */
};

/* Whether a newer order about it was seen. Nothing is noted. order 0: not numbered, never late. */
bool sequence_is_late(const struct sequence *s, int64_t epoch, const char *subject, int64_t order);
void sequence_note(struct sequence *s, int64_t epoch, const char *subject, int64_t order);
void sequence_clear(struct sequence *s);

#endif
