/* Between sqlite.c (work), sqlite-open.c (the file: whose it is, whether it is sound, who holds it) and sqlite-backup.c. */
#ifndef STORE_SQLITE_INTERNAL_H
#define STORE_SQLITE_INTERNAL_H

#include "base/err.h"

#include <sqlite3.h>
#include <stdint.h>

struct sqlite_file {
	sqlite3 *db;
	int lock;      /* FILE.lock, held by flock(2) */
	int64_t epoch; /* counted up already */
};

/* As sqlite_store_open, without the loop. Opened: sqlite_file_close it. */
int sqlite_file_open(const char *path, const char *cluster, struct sqlite_file *ret, struct err *err);
/* What was opened is kept: until then it is one open transaction, and closing it leaves the file as it was. */
int sqlite_file_begin(struct sqlite_file *f, struct err *err);
/* Only locked, and known to be whole and ours: nothing is written, not even when it is closed. It must exist. */
int sqlite_file_look(const char *path, const char *cluster, struct sqlite_file *ret, struct err *err);
void sqlite_file_close(struct sqlite_file *f);

/* SQLite's word on a whole file. */
int sqlite_check_sound(sqlite3 *db, struct err *err);

/* Fills err with what was done and why it failed, never with values; returns its code. rc is SQLite's. */
int sqlite_failed(sqlite3 *db, int rc, const char *what, struct err *err);

#endif
