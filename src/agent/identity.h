/* Whom the agent obeys: one manager of one cluster, and no epoch older than it has seen. It is kept in a file, since a manager that
 * was given up must not be obeyed again because the agent was restarted meanwhile. */
#ifndef AGENT_IDENTITY_H
#define AGENT_IDENTITY_H

#include "base/err.h"
#include "net/wire/message.h"

enum identity_verdict {
	IDENTITY_OBEY,  /* as before */
	IDENTITY_ADOPT, /* obey, and keep it first: a new epoch, or the first manager */
	IDENTITY_STALE, /* an older epoch */
	IDENTITY_OTHER, /* another manager or cluster */
	IDENTITY_VERDICT_MAX,
};

/* Pure. seen->manager NULL: nobody yet. */
enum identity_verdict identity_judge(const struct wire_envelope *seen, const struct wire_envelope *given);

/* A file that is not there is nobody; one that cannot be read is an error, never nobody. ret is cleared by wire_clear. */
int identity_load(const char *path, struct wire_envelope *ret, struct err *err);

/* Blocks until it is on disk. */
int identity_save(const char *path, const struct wire_envelope *identity, struct err *err);

#endif
