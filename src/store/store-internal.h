/* What the kinds of store share: the operations in a batch. */
#ifndef STORE_STORE_INTERNAL_H
#define STORE_STORE_INTERNAL_H

#include "store/store.h"

enum store_op_kind { STORE_OP_PUT, STORE_OP_PUT_TAKEOVER, STORE_OP_DELETE, STORE_OP_LOG, STORE_OP_TRIM, STORE_OP_MAX };

/* The text columns of the log, in this order everywhere. */
#define STORE_LOG_TEXTS 11

struct store_op {
	struct store_op *next;
	enum store_op_kind kind;
	enum store_table table;
	char *key, *doc, *state;     /* put, delete */
	bool closed;                 /* takeover */
	unsigned keep;               /* trim: takeovers */
	struct wall time;            /* takeover: start; log: of the line; trim: log_before */
	double seconds;              /* log */
	char *text[STORE_LOG_TEXTS]; /* log */
};

struct store_batch {
	struct store_op *first, **last;
};

/* Borrowed texts of the row in column order. */
void store_log_row_texts(const struct store_log_row *row, const char *ret_texts[STORE_LOG_TEXTS]);
/* The other way: the row's text fields point to texts. */
void store_log_row_set_texts(struct store_log_row *row, char *const texts[STORE_LOG_TEXTS]);

#endif
