/* Opening the state file. Nothing is written to it before it is known to be ours, sound, of this cluster, of a version we know, and
 * held by nobody else. What is written then, the next epoch, is not committed before all documents in it were understood: a file
 * that is refused is left as it was, byte by byte.
 *
 * WAL with synchronous=FULL: one fsync a commit where a rollback journal needs three, and takeovers wait for commits. SQLite 3.40.1
 * can lose a commit when two connections reset a WAL; there is exactly one here, and locking_mode=EXCLUSIVE keeps others out (and
 * needs no shared memory file). The flock on FILE.lock comes first, as it can tell who holds it. It is not on the file itself:
 * closing any other descriptor of that would drop SQLite's own locks. */
#include "base/alloc.h"
#include "base/cleanup.h"
#include "store/sqlite-internal.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <libgen.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#define APPLICATION_ID 0x48454952 /* "HEIR" */
#define SCHEMA_VERSION 1

/* log.seq is AUTOINCREMENT so that numbers are not used again after a trim: readers follow the log by them. */
static const char schema[] =
	"CREATE TABLE meta (key TEXT PRIMARY KEY, value ANY NOT NULL) STRICT;"
	"CREATE TABLE memory (key TEXT PRIMARY KEY, doc TEXT NOT NULL) STRICT;"
	"CREATE TABLE ledger (key TEXT PRIMARY KEY, doc TEXT NOT NULL) STRICT;"
	"CREATE TABLE node (key TEXT PRIMARY KEY, doc TEXT NOT NULL) STRICT;"
	"CREATE TABLE takeover (key TEXT PRIMARY KEY, doc TEXT NOT NULL, state TEXT NOT NULL, started_ms INTEGER NOT NULL,"
	" closed INTEGER NOT NULL CHECK (closed IN (0, 1))) STRICT;"
	"CREATE INDEX takeover_started ON takeover (started_ms);"
	"CREATE TABLE log (seq INTEGER PRIMARY KEY AUTOINCREMENT, time_ms INTEGER NOT NULL, seconds REAL, takeover TEXT, container "
	"TEXT,"
	" network TEXT, ip TEXT, mac TEXT, from_node TEXT, to_node TEXT, step TEXT, outcome TEXT, evidence TEXT, detail TEXT) "
	"STRICT;"
	"CREATE INDEX log_time ON log (time_ms);"
	"CREATE INDEX log_ip ON log (ip, seq);"
	"CREATE INDEX log_container ON log (container, seq);";

static int code_of(sqlite3 *db, int rc) {
	switch (rc & 0xff) {
	case SQLITE_FULL:
		return -ENOSPC;
	case SQLITE_READONLY:
		return -EROFS;
	case SQLITE_CORRUPT:
	case SQLITE_NOTADB:
		return -EUCLEAN;
	case SQLITE_BUSY:
	case SQLITE_LOCKED:
		return -EBUSY;
	case SQLITE_CANTOPEN:
	case SQLITE_PERM:
		return -EACCES;
	default:
		break;
	}
	int sys = db ? sqlite3_system_errno(db) : 0;
	return sys == ENOSPC || sys == EDQUOT || sys == EFBIG || sys == EROFS ? -sys : -EIO;
}

int sqlite_failed(sqlite3 *db, int rc, const char *what, struct err *err) {
	int code = code_of(db, rc);
	const char *why = sqlite3_errstr(rc);

	if (code == -EUCLEAN)
		return err_set(err, code, "%s: the file is damaged (%s)", what, why);
	if ((rc & 0xff) == SQLITE_IOERR && code != -EIO)
		return err_errno(err, code, "%s: %s (%d)", what, why, rc);
	return err_set(err, code, "%s: %s (%d)", what, why, rc);
}

/* ---- the lock ---- */

static int lock_busy(int fd, const char *path, struct err *err) {
	char pid[24] = "";
	ssize_t n = pread(fd, pid, sizeof(pid) - 1, 0);
	pid[n > 0 ? strspn(pid, "0123456789") : 0] = '\0';
	return err_set(err, -EBUSY, "%s is in use by another process%s%s", path, *pid ? ", pid " : "", pid);
}

static int lock_take(const char *path, int *ret_fd, struct err *err) {
	CLEANUP_FREE char *lock_path = xasprintf("%s.lock", path);
	CLEANUP_FD int fd = open(lock_path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (fd < 0)
		return err_errno(err, -errno, "%s", lock_path);
	if (flock(fd, LOCK_EX | LOCK_NB) < 0)
		return errno == EWOULDBLOCK ? lock_busy(fd, path, err) : err_errno(err, -errno, "lock %s", lock_path);
	/* The pid is only for the message above: without it, a full disk is found out by the first real write. */
	char pid[24];
	int n = snprintf(pid, sizeof(pid), "%ld\n", (long)getpid());
	if (ftruncate(fd, 0) == 0)
		(void)!pwrite(fd, pid, (size_t)n, 0);
	*ret_fd = take_fd(&fd);
	return 0;
}

/* ---- the file ---- */

static int directory_open(const char *path, int *ret_fd, struct err *err) {
	CLEANUP_FREE char *copy = xstrdup(path);
	const char *dir = dirname(copy);
	int fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return err_errno(err, -errno, "directory of the state file: %s", dir);
	*ret_fd = fd;
	return 0;
}

static int file_check_mode(int fd, const char *path, struct err *err) {
	struct stat st;
	if (fstat(fd, &st) < 0)
		return err_errno(err, -errno, "%s", path);
	if (!S_ISREG(st.st_mode))
		return err_set(err, -EINVAL, "%s is not a regular file", path);
	if (st.st_mode & (S_IRWXG | S_IRWXO))
		return err_set(err, -EACCES, "%s holds secrets but others may use it (mode %04o): chmod 600 it", path,
			       st.st_mode & 07777U);
	if (!(st.st_mode & S_IWUSR)) /* root could write all the same, but somebody meant something by it */
		return err_set(err, -EACCES, "%s is read-only (mode %04o)", path, st.st_mode & 07777U);
	return 0;
}

/* Creates it where it is missing, so that it has its mode from its first moment whatever the umask. Must be closed again before
 * SQLite opens the file (its locks). */
static int file_prepare(const char *path, int dir, struct err *err) {
	CLEANUP_FD int fd = open(path, O_RDWR | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
	if (fd >= 0)
		return file_check_mode(fd, path, err);
	if (errno != ENOENT)
		return err_errno(err, -errno, "%s", path);
	fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	if (fd < 0)
		return err_errno(err, -errno, "create %s", path);
	if (fsync(dir) < 0)
		return err_errno(err, -errno, "create %s", path);
	return 0;
}

/* ---- what is in it ---- */

static int db_exec(sqlite3 *db, const char *sql, struct err *err) {
	int rc = sqlite3_exec(db, sql, NULL, NULL, NULL);
	return rc == SQLITE_OK ? 0 : sqlite_failed(db, rc, "state file", err);
}

static int db_int(sqlite3 *db, const char *sql, int64_t *ret, struct err *err) {
	sqlite3_stmt *st = NULL;
	int rc = sqlite3_prepare_v2(db, sql, -1, &st, NULL);
	if (rc == SQLITE_OK)
		rc = sqlite3_step(st);
	if (rc == SQLITE_ROW)
		*ret = sqlite3_column_int64(st, 0);
	sqlite3_finalize(st);
	return rc == SQLITE_ROW    ? 0
	       : rc == SQLITE_DONE ? err_set(err, -EUCLEAN, "state file lacks a record")
				   : sqlite_failed(db, rc, "state file", err);
}

/* Free *ret. */
static int db_text(sqlite3 *db, const char *sql, char **ret, struct err *err) {
	sqlite3_stmt *st = NULL;
	int rc = sqlite3_prepare_v2(db, sql, -1, &st, NULL);
	if (rc == SQLITE_OK)
		rc = sqlite3_step(st);
	const char *text = rc == SQLITE_ROW ? (const char *)sqlite3_column_text(st, 0) : NULL;
	char *copy = xstrdup_null(text);
	sqlite3_finalize(st);
	if (!copy)
		return rc == SQLITE_ROW || rc == SQLITE_DONE ? err_set(err, -EUCLEAN, "state file lacks a record")
							     : sqlite_failed(db, rc, "state file", err);
	*ret = copy;
	return 0;
}

int sqlite_check_sound(sqlite3 *db, struct err *err) {
	CLEANUP_FREE char *verdict = NULL;
	int r = db_text(db, "PRAGMA quick_check(1)", &verdict, err);
	if (r < 0)
		return r;
	assert(verdict);
	return strcmp(verdict, "ok") == 0 ? 0 : err_set(err, -EUCLEAN, "the file is damaged: %s", verdict);
}

static int db_check_cluster(sqlite3 *db, const char *cluster, struct err *err) {
	CLEANUP_FREE char *has = NULL;
	int r = db_text(db, "SELECT value FROM meta WHERE key = 'cluster'", &has, err);
	if (r < 0)
		return r;
	assert(has);
	return strcmp(has, cluster) == 0 ? 0 : err_set(err, -EINVAL, "belongs to cluster \"%.64s\", not \"%.64s\"", has, cluster);
}

/* Whose file it is. A file without any table is a new one. */
static int db_identify(sqlite3 *db, const char *cluster, bool *ret_new, struct err *err) {
	int64_t id = 0, version = 0, tables = 0;
	int r;

	if ((r = db_int(db, "PRAGMA application_id", &id, err)) < 0 || (r = db_int(db, "PRAGMA user_version", &version, err)) < 0 ||
	    (r = db_int(db, "SELECT count(*) FROM sqlite_schema", &tables, err)) < 0)
		return r;
	*ret_new = id == 0 && version == 0 && tables == 0;
	if (*ret_new)
		return 0;
	if (id != APPLICATION_ID)
		return err_set(err, -EINVAL, "is a database of another application");
	if (version != SCHEMA_VERSION)
		return err_set(err, -EINVAL, "has schema version %" PRId64 ", this program knows %d%s", version, SCHEMA_VERSION,
			       version > SCHEMA_VERSION ? ": it was written by a newer heird" : "");
	if ((r = sqlite_check_sound(db, err)) < 0)
		return r;
	return db_check_cluster(db, cluster, err);
}

static int db_create(sqlite3 *db, const char *cluster, struct err *err) {
	char *sql = sqlite3_mprintf("%s PRAGMA application_id = %d; PRAGMA user_version = %d;"
				    "INSERT INTO meta VALUES ('cluster', %Q), ('epoch', 0);",
				    schema, APPLICATION_ID, SCHEMA_VERSION, cluster);
	int r = sql ? db_exec(db, sql, err) : err_set(err, -ENOMEM, "out of memory");
	sqlite3_free(sql);
	return r;
}

/* Not committed: that is sqlite_file_begin's. */
static int db_next_epoch(sqlite3 *db, const char *cluster, bool is_new, int64_t *ret_epoch, struct err *err) {
	int r;

	if ((r = db_exec(db, "BEGIN EXCLUSIVE", err)) < 0)
		return r;
	if (is_new && (r = db_create(db, cluster, err)) < 0)
		return r;
	if ((r = db_exec(db, "UPDATE meta SET value = value + 1 WHERE key = 'epoch'", err)) < 0)
		return r;
	return db_int(db, "SELECT value FROM meta WHERE key = 'epoch'", ret_epoch, err);
}

static int db_use_wal(sqlite3 *db, struct err *err) {
	CLEANUP_FREE char *mode = NULL;
	int r = db_text(db, "PRAGMA journal_mode = WAL", &mode, err);
	if (r < 0)
		return r;
	assert(mode);
	if (strcmp(mode, "wal") != 0)
		return err_set(err, -EIO, "cannot use a write-ahead log here");
	return db_exec(db, "PRAGMA synchronous = FULL; PRAGMA journal_size_limit = 16777216", err);
}

/* A WAL that was left behind is read, and not merged into the file until it is known that we may. */
static int db_look(sqlite3 *db, const char *cluster, bool *ret_new, struct err *err) {
	sqlite3_extended_result_codes(db, 1);
	sqlite3_busy_timeout(db, 1000);
	(void)sqlite3_db_config(db, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, NULL); /* cannot fail */
	int r = db_exec(db, "PRAGMA locking_mode = EXCLUSIVE", err);
	return r < 0 ? r : db_identify(db, cluster, ret_new, err);
}

static int db_start(sqlite3 *db, const char *cluster, int64_t *ret_epoch, struct err *err) {
	bool is_new = false;
	int r = db_look(db, cluster, &is_new, err);

	if (r < 0)
		return r;
	if (sqlite3_db_readonly(db, "main"))
		return err_set(err, -EROFS, "is read-only");
	if ((r = db_use_wal(db, err)) < 0)
		return r;
	return db_next_epoch(db, cluster, is_new, ret_epoch, err);
}

void sqlite_file_close(struct sqlite_file *f) {
	if (f->db)
		(void)sqlite3_close(
			f->db); /* our statements are gone; the WAL stays where it cannot be merged, and is at the next opening */
	f->db = NULL;
	if (f->lock >= 0)
		close(f->lock);
	f->lock = -1;
}

static int file_open_db(const char *path, struct sqlite_file *f, struct err *err) {
	int rc = sqlite3_open_v2(path, &f->db, SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_PRIVATECACHE, NULL);
	return rc == SQLITE_OK ? 0 : sqlite_failed(f->db, rc, path, err);
}

static struct sqlite_file file_take(struct sqlite_file *f) {
	return (struct sqlite_file){.db = TAKE_PTR(f->db), .lock = take_fd(&f->lock), .epoch = f->epoch};
}

int sqlite_file_open(const char *path, const char *cluster, struct sqlite_file *ret, struct err *err) {
	CLEANUP(sqlite_file_close) struct sqlite_file f = {.lock = -1};
	CLEANUP_FD int dir = -1;
	int r;

	if ((r = directory_open(path, &dir, err)) < 0 || (r = lock_take(path, &f.lock, err)) < 0 ||
	    (r = file_prepare(path, dir, err)) < 0 || (r = file_open_db(path, &f, err)) < 0)
		return r;
	if (db_start(f.db, cluster, &f.epoch, err) < 0)
		return err_wrap(err, "%s", path);
	*ret = file_take(&f);
	return 0;
}

int sqlite_file_begin(struct sqlite_file *f, struct err *err) {
	int r = db_exec(f->db, "COMMIT", err);
	if (r == 0)
		(void)sqlite3_db_config(f->db, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 0, NULL); /* cannot fail */
	return r;
}

int sqlite_file_look(const char *path, const char *cluster, struct sqlite_file *ret, struct err *err) {
	CLEANUP(sqlite_file_close) struct sqlite_file f = {.lock = -1};
	bool is_new = false;
	int r;

	if (access(path, R_OK) < 0)
		return err_errno(err, -errno, "%s", path);
	if ((r = lock_take(path, &f.lock, err)) < 0 || (r = file_open_db(path, &f, err)) < 0)
		return r;
	if (db_look(f.db, cluster, &is_new, err) < 0)
		return err_wrap(err, "%s", path);
	if (is_new)
		return err_set(err, -EINVAL, "%s is empty", path);
	*ret = file_take(&f);
	return 0;
}
