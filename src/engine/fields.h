/* Reading JSON into a struct by a table: path, kind, place. What every parser of the engine's answers is made of.
 * Strings are never NULL afterwards ("" when absent); what a table reads, fields_clear with the same table frees. */
#ifndef ENGINE_FIELDS_H
#define ENGINE_FIELDS_H

#include "base/err.h"
#include "base/json.h"

#include <stddef.h>

enum field_kind {
	FIELD_STR,    /* char * */
	FIELD_ID,     /* char *; absent or empty is an error */
	FIELD_INT,    /* int64_t */
	FIELD_BOOL,   /* bool */
	FIELD_STRS,   /* struct strs */
	FIELD_OBJECT, /* json_t *, a new reference; {} when absent */
	FIELD_LABELS, /* the same, and every value is a string */
	FIELD_MAX,
};

struct field {
	const char *path; /* dotted */
	enum field_kind kind;
	size_t offset;
};

#define FIELD(type, member, kind_, path_) \
	{ .path = (path_), .kind = (kind_), .offset = offsetof(type, member) }
#define FIELD_COUNT(table) (sizeof(table) / sizeof((table)[0]))

/* Into a zeroed struct. On failure what was read so far is there, for fields_clear. */
int fields_read(const json_t *obj, const struct field *table, size_t n, void *out, struct err *err);
void fields_clear(const struct field *table, size_t n, void *out);

/* json_at takes a parent that is no object for an absent one; here that is an error: every parent on the path is an object or
 * absent. */
int field_check_parents(const json_t *obj, const char *path, struct err *err);

/* A list. Each element is `size` bytes, zeroed, filled by `read`. On failure nothing is left behind.
 * `path` is for errors: "Mounts[2].Type: expected string, got integer". NULL list: none. */
typedef int field_item_fn(const json_t *j, void *out, struct err *err);
struct field_list {
	size_t size;
	const struct field *table; /* an item that is no more than its table; else NULL, and these read and clear it: */
	size_t n;
	field_item_fn *read; /* clears what it had when it fails */
	void (*clear)(void *item);
};
#define FIELD_LIST(type, table_) \
	{ .size = sizeof(type), .table = (table_), .n = FIELD_COUNT(table_) }
int field_list_read(const json_t *list, const char *path, const struct field_list *how, void **ret, size_t *ret_n, struct err *err);
void field_list_free(const struct field_list *how, void *list, size_t n);

#endif
