/* JSON to C structs and back by tables: a shape says which field stands where, so that a message is described once and read,
 * written and freed by the same description.
 *
 * Reading is strict: a field of the wrong kind, out of range or missing is refused with its path ("owners[3].mac: …"). Keys that
 * the shape does not know are refused in orders and passed over in answers, which a newer agent may have extended. Null and absent
 * are the same thing. */
#ifndef WIRE_CODEC_H
#define WIRE_CODEC_H

#include "base/err.h"
#include "base/strs.h"

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define WIRE_LIST_MAX 100000
#define WIRE_TEXT_MAX 4096
#define WIRE_ID_MAX 128
#define WIRE_NAME_MAX 253 /* of a name in the DNS */
#define WIRE_LABEL_MAX 63

struct wire_numbers {
	int64_t *v;
	size_t n;
};

enum wire_kind {
	WIRE_TEXT,  /* char *: up to WIRE_TEXT_MAX bytes without control characters (answers: made so) */
	WIRE_ID,    /* char *: [A-Za-z0-9_-]{1,128}: no path can be built from it */
	WIRE_NAME,  /* char *: that can be asked for in the DNS, see wire_is_name */
	WIRE_MAC,   /* char *: written as mac_format does */
	WIRE_IP,    /* char *: written as ip_format does */
	WIRE_INT,   /* int64_t within low and high */
	WIRE_BOOL,  /* bool */
	WIRE_WORD,  /* int (an enum): one of the words; 0 is null */
	WIRE_TEXTS, /* struct strs of WIRE_TEXT, _IDS of WIRE_ID, _IPS of WIRE_IP */
	WIRE_IDS,
	WIRE_IPS,
	WIRE_NUMBERS, /* struct wire_numbers within low and high */
	WIRE_OBJECT,  /* a struct of that shape */
	WIRE_INLINE,  /* a struct of that shape whose fields stand in the same object */
	WIRE_LIST,    /* struct { T *v; size_t n; } of that shape */
	WIRE_KIND_MAX,
};

struct wire_shape;

struct wire_field {
	const char *key;
	enum wire_kind kind;
	size_t offset;
	bool required;
	int64_t low, high;              /* low == high == 0: any int64_t. high of WIRE_LIST: its elements; 0: WIRE_LIST_MAX */
	const char *const *words;       /* of WIRE_WORD: words[0] is NULL, a second NULL ends them */
	const struct wire_shape *shape; /* of objects and lists */
};

struct wire_shape {
	size_t size;                     /* of the struct */
	const struct wire_field *fields; /* ends with WIRE_KIND_MAX */
};

/* ret is overwritten; to be cleared after success only. -EINVAL. */
int wire_decode(const struct wire_shape *shape, const json_t *j, bool strict, void *ret, struct err *err);
json_t *wire_encode(const struct wire_shape *shape, const void *from); /* new reference */
void wire_clear(const struct wire_shape *shape, void *what);           /* leaves it zeroed */

/* Labels of 1 to 63 letters, digits, - and _, with dots between, up to 253 bytes: containers' names and aliases may be others. */
bool wire_is_name(const char *text);

void wire_numbers_add(struct wire_numbers *list, int64_t n);
/* Makes room for n zeroed elements of that size in a zeroed struct { T *v; size_t n; }. */
#define wire_list_alloc(list, count) ((list)->v = xcalloc((count), sizeof(*(list)->v)), (list)->n = (count))

#endif
