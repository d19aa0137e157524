/* The embedded store: one SQLite file, one connection, one process. */
#ifndef STORE_SQLITE_H
#define STORE_SQLITE_H

#include "store/store.h"

#include <uv.h>

/* Opens or creates the file (0600; its directory must exist) and counts the epoch up, which store_begin makes so: until then an
 * existing file is as it was, whatever is found in it. Blocks: for start-up only.
 * Refused, with a message that names the file and the reason: -ENOENT no directory, -EBUSY held by another process (its pid is
 * named), -EACCES not writable for us or readable for others, -EROFS, -EUCLEAN damaged, -EINVAL not heir's, of another cluster, or
 * written by a newer version. Beside it live FILE.lock (stays) and FILE-wal (belongs to the file: never delete or copy one alone).
 */
int sqlite_store_open(uv_loop_t *loop, const char *path, const char *cluster, struct store **ret, struct err *err);

/* A copy of the file that nobody holds, whole and with what is still in its WAL, as a new file (0600). Refused like an opening, and
 * -EEXIST where something is there already; nothing is left behind then. The file itself is not touched. Blocks. */
int sqlite_store_backup(const char *path, const char *cluster, const char *to, struct err *err);

#endif
