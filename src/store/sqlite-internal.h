/* Between sqlite.c (work) and sqlite-open.c (the file: whose it is, whether it is sound, who holds it). */
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
void sqlite_file_close(struct sqlite_file *f);

/* Fills err with what was done and why it failed, never with values; returns its code. rc is SQLite's. */
int sqlite_failed(sqlite3 *db, int rc, const char *what, struct err *err);

#endif
