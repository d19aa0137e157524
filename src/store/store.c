/* See store.h: batches, which are the same for every kind of store, and the calls through the vtable. */
#include "store/store.h"

#include "base/alloc.h"
#include "store/store-internal.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

static const char *const table_names[] = {
	[STORE_MEMORY] = "memory",
	[STORE_LEDGER] = "ledger",
	[STORE_TAKEOVER] = "takeover",
	[STORE_NODE] = "node",
};
static_assert(sizeof(table_names) / sizeof(table_names[0]) == STORE_TABLE_MAX, "every table has a name");

const char *store_table_name(enum store_table table) {
	assert(table < STORE_TABLE_MAX);
	return table_names[table];
}

void store_log_row_texts(const struct store_log_row *row, const char *ret_texts[STORE_LOG_TEXTS]) {
	const char *texts[STORE_LOG_TEXTS] = {row->takeover, row->container, row->network, row->ip,
					      row->mac,      row->from_node, row->to_node, row->step,
					      row->outcome,  row->evidence,  row->detail};
	memcpy(ret_texts, texts, sizeof(texts));
}

void store_log_row_set_texts(struct store_log_row *row, char *const texts[STORE_LOG_TEXTS]) {
	const char **fields[STORE_LOG_TEXTS] = {&row->takeover, &row->container, &row->network, &row->ip,
						&row->mac,      &row->from_node, &row->to_node, &row->step,
						&row->outcome,  &row->evidence,  &row->detail};
	for (size_t i = 0; i < STORE_LOG_TEXTS; i++)
		*fields[i] = texts[i];
}

struct store_batch *store_batch_new(void) {
	struct store_batch *b = xnew(struct store_batch);
	b->last = &b->first;
	return b;
}

static void op_free(struct store_op *op) {
	free(op->key);
	free(op->doc);
	free(op->state);
	for (size_t i = 0; i < STORE_LOG_TEXTS; i++)
		free(op->text[i]);
	free(op);
}

void store_batch_free(struct store_batch *b) {
	if (!b)
		return;
	for (struct store_op *op = b->first, *next; op; op = next) {
		next = op->next;
		op_free(op);
	}
	free(b);
}

bool store_batch_is_empty(const struct store_batch *b) { return !b->first; }

static struct store_op *op_add(struct store_batch *b, enum store_op_kind kind) {
	struct store_op *op = xnew(struct store_op);
	op->kind = kind;
	*b->last = op;
	b->last = &op->next;
	return op;
}

static struct store_op *op_add_keyed(struct store_batch *b, enum store_op_kind kind, enum store_table table, const char *key) {
	assert(table < STORE_TABLE_MAX);
	assert(key && *key && strlen(key) <= STORE_KEY_MAX);
	struct store_op *op = op_add(b, kind);
	op->table = table;
	op->key = xstrdup(key);
	return op;
}

static char *doc_copy(const char *json_text) {
	assert(json_text && strlen(json_text) <= STORE_DOC_MAX);
	return xstrdup(json_text);
}

void store_batch_put(struct store_batch *b, enum store_table table, const char *key, const char *json_text) {
	assert(table != STORE_TAKEOVER);
	op_add_keyed(b, STORE_OP_PUT, table, key)->doc = doc_copy(json_text);
}

void store_batch_put_takeover(struct store_batch *b, const struct store_takeover *t) {
	assert(t->state);
	struct store_op *op = op_add_keyed(b, STORE_OP_PUT_TAKEOVER, STORE_TAKEOVER, t->id);
	op->doc = doc_copy(t->json_text);
	op->state = xstrdup(t->state);
	op->time = t->started;
	op->closed = t->closed;
}

void store_batch_delete(struct store_batch *b, enum store_table table, const char *key) {
	(void)op_add_keyed(b, STORE_OP_DELETE, table, key); /* complete as it is */
}

void store_batch_log(struct store_batch *b, const struct store_log_row *row) {
	struct store_op *op = op_add(b, STORE_OP_LOG);
	const char *texts[STORE_LOG_TEXTS];

	store_log_row_texts(row, texts);
	for (size_t i = 0; i < STORE_LOG_TEXTS; i++)
		op->text[i] = xstrdup_null(texts[i]);
	op->time = row->time;
	op->seconds = row->seconds;
}

void store_batch_trim(struct store_batch *b, struct wall log_before, unsigned takeovers_keep) {
	struct store_op *op = op_add(b, STORE_OP_TRIM);
	op->time = log_before;
	op->keep = takeovers_keep;
}

int store_begin(struct store *s, struct err *err) { return s->ops->begin(s, err); }

int store_load(struct store *s, enum store_table table, store_row_fn *row, void *user, struct err *err) {
	return s->ops->load(s, table, row, user, err);
}

void store_commit(struct store *s, struct store_batch *batch, store_done_fn *done, void *user) {
	s->ops->commit(s, batch, done, user);
}

void store_read_log(struct store *s, const struct store_log_filter *filter, store_log_fn *done, void *user) {
	s->ops->read_log(s, filter, done, user);
}

size_t store_pending(const struct store *s) { return s->ops->pending(s); }

void store_close(struct store *s) {
	if (s)
		s->ops->close(s);
}
