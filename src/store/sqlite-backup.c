/* A copy of the state file. SQLite's own copy, since a file and its WAL belong together and each alone is worth nothing; to a new
 * file only, checked before it is said to be one. */
#include "store/sqlite.h"

#include "base/alloc.h"
#include "base/cleanup.h"
#include "store/sqlite-internal.h"

#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <unistd.h>

/* Only for its owner from its first moment: it holds secrets. */
static int target_make(const char *to, struct err *err) {
	CLEANUP_FD int fd = open(to, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);

	if (fd < 0 && errno == EEXIST)
		return err_set(err, -EEXIST, "%s is there already: a copy is always a new file", to);
	return fd < 0 ? err_errno(err, -errno, "create %s", to) : 0;
}

static int target_sync(const char *to, struct err *err) {
	CLEANUP_FREE char *copy = xstrdup(to);
	CLEANUP_FD int dir = open(dirname(copy), O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	return dir < 0 || fsync(dir) < 0 ? err_errno(err, -errno, "%s", to) : 0;
}

static int db_copy(sqlite3 *from, sqlite3 *to, const char *name, struct err *err) {
	sqlite3_backup *copying = sqlite3_backup_init(to, "main", from, "main");

	if (!copying)
		return sqlite_failed(to, sqlite3_extended_errcode(to), name, err);
	(void)sqlite3_backup_step(copying, -1); /* what goes wrong is told at the end */
	int rc = sqlite3_backup_finish(copying);
	if (rc != SQLITE_OK)
		return sqlite_failed(to, rc, name, err);
	return sqlite_check_sound(to, err) < 0 ? err_wrap(err, "%s", name) : 0;
}

static int target_fill(sqlite3 *from, const char *to, struct err *err) {
	sqlite3 *db = NULL;

	int rc = sqlite3_open_v2(to, &db, SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_PRIVATECACHE, NULL);
	int r = rc == SQLITE_OK ? db_copy(from, db, to, err) : sqlite_failed(db, rc, to, err);
	(void)sqlite3_close(db); /* nothing of ours is open in it */
	return r < 0 ? r : target_sync(to, err);
}

int sqlite_store_backup(const char *path, const char *cluster, const char *to, struct err *err) {
	CLEANUP(sqlite_file_close) struct sqlite_file f = {.lock = -1};
	int r;

	if ((r = sqlite_file_look(path, cluster, &f, err)) < 0 || (r = target_make(to, err)) < 0)
		return r;
	r = target_fill(f.db, to, err);
	if (r < 0)
		(void)unlink(to); /* half a copy is none */
	return r;
}
