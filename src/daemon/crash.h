/* Named points at which a test build of heird ends itself as if killed, or stops, so that tests can show that nothing is lost
 * there:
 *
 *   HEIR_CRASH_AT=release:before   the intent is on disk, and nothing of it is performed
 *   HEIR_CRASH_AT=release:after    its result has come, and nothing of that is on disk
 *   HEIR_STOP_AT=…                 the same, but it only stops (SIGSTOP), once, and can be let run on
 *
 * Names are the rows of the takeover table; where the machine decides a row without any effect, the points are right before and
 * right after the commit that moves past it. What belongs to no takeover has names of its own: clean-isolate, clean-disconnect, …
 * (the rows of the clean-up), restore-node, quarantine, tell (owners, to an agent).
 *
 * The product is built without HEIR_CRASH_POINTS: there these do nothing, and nothing is read from the environment. */
#ifndef DAEMON_CRASH_H
#define DAEMON_CRASH_H

#include <stddef.h>

struct daemon;
struct effect;

/* Around every commit of a turn, in pairs and in order: right before it is given to the store, and when it is on disk (or failed,
 * with no effects) and none of its effects is performed. */
void crash_commit_begins(const struct daemon *d);
void crash_commit_ended(const struct daemon *d, struct effect *const *effects, size_t n);
/* An effect's result has come, and the machine has not heard of it. */
void crash_answered(const struct daemon *d, const struct effect *e);

#endif
