/* Named points at which heird ends itself as if killed, so that tests can show that nothing is lost there:
 *
 *   HEIR_CRASH_AT=release:before   the intent is on disk, the effect is not sent
 *   HEIR_CRASH_AT=release:after    the effect's result has come, nothing of it is on disk
 *
 * Names are the rows of the takeover table. Without the variable it costs one comparison. */
#ifndef DAEMON_CRASH_H
#define DAEMON_CRASH_H

struct daemon;

void crash_point(const struct daemon *d, const char *takeover, const char *when);

#endif
