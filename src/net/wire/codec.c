/* See codec.h. */
#include "net/wire/codec.h"

#include "base/alloc.h"
#include "base/buf.h"
#include "base/cleanup.h"
#include "base/ip.h"
#include "base/json.h"
#include "base/mac.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* What a struct { T *v; size_t n; } looks like whatever T is; reached by memcpy only. */
struct any_list {
	void *v;
	size_t n;
};

/* Where the decoder stands, for errors. */
struct place {
	const struct place *up;
	const char *key; /* NULL: an element of a list */
	size_t index;
	bool strict;
};

static int decode_object(const struct place *at, const struct wire_shape *shape, const json_t *j, char *to, struct err *err);

static const struct wire_field *end_of(const struct wire_shape *shape) {
	const struct wire_field *f = shape->fields;
	while (f->kind != WIRE_KIND_MAX)
		f++;
	return f;
}

#define FOR_FIELDS(f, shape) for (const struct wire_field *f = (shape)->fields, *end_##f = end_of(shape); f < end_##f; f++)

static void put_place(struct buf *b, const struct place *at) {
	if (!at->up)
		return;
	put_place(b, at->up);
	if (at->key)
		buf_printf(b, "%s%.64s", b->len ? "." : "", at->key);
	else
		buf_printf(b, "[%zu]", at->index);
}

static int refuse(const struct place *at, const char *expected, struct err *err) {
	CLEANUP_BUF struct buf path = {0};

	put_place(&path, at);
	return err_set(err, -EINVAL, "%s: expected %s", path.len ? path.data : "the message", expected);
}

/* ---- single values ---- */

static bool is_text(const char *s, size_t n) {
	if (n > WIRE_TEXT_MAX)
		return false;
	for (size_t i = 0; i < n; i++)
		if ((unsigned char)s[i] < 0x20 || s[i] == 0x7f)
			return false;
	return true;
}

/* An answer is not lost for the looks of a text in it: it is cut between two characters, and has no control characters. */
static char *make_text(const char *s, size_t n) {
	size_t end = n < WIRE_TEXT_MAX ? n : WIRE_TEXT_MAX;

	while (end > 0 && end < n && ((unsigned char)s[end] & 0xc0) == 0x80)
		end--;
	char *text = xstrndup(s, end);
	for (char *c = text; *c; c++)
		if ((unsigned char)*c < 0x20 || *c == 0x7f)
			*c = '?';
	return text;
}

static bool is_id(const char *s, size_t n) {
	static const char allowed[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-";
	return n >= 1 && n <= WIRE_ID_MAX && strspn(s, allowed) == n;
}

bool wire_is_name(const char *text) {
	static const char allowed[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-";

	if (strlen(text) > WIRE_NAME_MAX)
		return false;
	for (;; text++) {
		size_t n = strspn(text, allowed);
		if (n < 1 || n > WIRE_LABEL_MAX)
			return false;
		text += n;
		if (*text != '.')
			return *text == '\0';
	}
}

static int decode_mac(const struct place *at, const char *text, char **ret, struct err *err) {
	char out[MAC_TEXT_MAX];
	struct mac mac;

	if (mac_parse(text, &mac, NULL) < 0)
		return refuse(at, "a MAC address", err);
	*ret = xstrdup(mac_format(&mac, out));
	return 0;
}

static int decode_ip(const struct place *at, const char *text, char **ret, struct err *err) {
	char out[IP_TEXT_MAX];
	struct ip ip;

	if (ip_parse(text, &ip, NULL) < 0)
		return refuse(at, "an IP address", err);
	*ret = xstrdup(ip_format(&ip, out));
	return 0;
}

/* Text of any of the kinds that are text. */
static int decode_text(const struct place *at, enum wire_kind kind, const json_t *j, char **ret, struct err *err) {
	if (!json_is_string(j))
		return refuse(at, "a string", err);
	const char *text = json_string_value(j);
	size_t n = json_string_length(j);
	if (kind == WIRE_MAC)
		return decode_mac(at, text, ret, err);
	if (kind == WIRE_IP)
		return decode_ip(at, text, ret, err);
	if (kind == WIRE_ID && !is_id(text, n))
		return refuse(at, "an ID", err);
	if (kind == WIRE_NAME && !wire_is_name(text))
		return refuse(at, "a name of the DNS", err);
	if (at->strict && !is_text(text, n))
		return refuse(at, "a line of text", err);
	*ret = make_text(text, n);
	return 0;
}

static int decode_int(const struct place *at, const struct wire_field *f, const json_t *j, int64_t *ret, struct err *err) {
	if (!json_is_integer(j))
		return refuse(at, "an integer", err);
	int64_t n = json_integer_value(j);
	if ((f->low || f->high) && (n < f->low || n > f->high)) {
		char range[96];
		snprintf(range, sizeof(range), "a number from %lld to %lld", (long long)f->low, (long long)f->high);
		return refuse(at, range, err);
	}
	*ret = n;
	return 0;
}

static int decode_word(const struct place *at, const struct wire_field *f, const json_t *j, int *ret, struct err *err) {
	for (int i = 1; json_is_string(j) && f->words[i]; i++)
		if (strcmp(f->words[i], json_string_value(j)) == 0) {
			*ret = i;
			return 0;
		}
	return refuse(at, "one of the words it may have", err);
}

/* ---- lists ---- */

static int check_list(const struct place *at, const json_t *j, size_t max, struct err *err) {
	if (!json_is_array(j))
		return refuse(at, "a list", err);
	return json_array_size(j) > max ? refuse(at, "a shorter list", err) : 0;
}

static int decode_texts(const struct place *at, enum wire_kind kind, const json_t *j, struct strs *ret, struct err *err) {
	int r = check_list(at, j, WIRE_LIST_MAX, err);
	if (r < 0)
		return r;
	ret->v = xcalloc(json_array_size(j), sizeof(*ret->v));
	for (; ret->n < json_array_size(j); ret->n++) {
		struct place here = {.up = at, .index = ret->n, .strict = at->strict};
		if ((r = decode_text(&here, kind, json_array_get(j, ret->n), &ret->v[ret->n], err)) < 0)
			return r;
	}
	return 0;
}

static int decode_numbers(const struct place *at, const struct wire_field *f, const json_t *j, struct wire_numbers *ret,
			  struct err *err) {
	int r = check_list(at, j, WIRE_LIST_MAX, err);
	if (r < 0)
		return r;
	ret->v = xcalloc(json_array_size(j), sizeof(*ret->v));
	for (; ret->n < json_array_size(j); ret->n++) {
		struct place here = {.up = at, .index = ret->n, .strict = at->strict};
		if ((r = decode_int(&here, f, json_array_get(j, ret->n), &ret->v[ret->n], err)) < 0)
			return r;
	}
	return 0;
}

static int decode_list(const struct place *at, const struct wire_field *f, const json_t *j, void *to, struct err *err) {
	const struct wire_shape *shape = f->shape;
	int r = check_list(at, j, f->high > 0 ? (size_t)f->high : WIRE_LIST_MAX, err);
	if (r < 0)
		return r;
	size_t n = json_array_size(j);
	struct any_list list = {.v = xcalloc(n, shape->size), .n = n};
	memcpy(to, &list, sizeof(list));
	for (size_t i = 0; i < n; i++) {
		struct place here = {.up = at, .index = i, .strict = at->strict};
		if ((r = decode_object(&here, shape, json_array_get(j, i), (char *)list.v + i * shape->size, err)) < 0)
			return r;
	}
	return 0;
}

/* ---- objects ---- */

static int decode_present(const struct place *at, const struct wire_field *f, const json_t *j, void *to, struct err *err) {
	switch (f->kind) {
	case WIRE_TEXT:
	case WIRE_ID:
	case WIRE_NAME:
	case WIRE_MAC:
	case WIRE_IP:
		return decode_text(at, f->kind, j, to, err);
	case WIRE_INT:
		return decode_int(at, f, j, to, err);
	case WIRE_BOOL:
		if (!json_is_boolean(j))
			return refuse(at, "true or false", err);
		*(bool *)to = json_is_true(j);
		return 0;
	case WIRE_WORD:
		return decode_word(at, f, j, to, err);
	case WIRE_TEXTS:
		return decode_texts(at, WIRE_TEXT, j, to, err);
	case WIRE_IDS:
		return decode_texts(at, WIRE_ID, j, to, err);
	case WIRE_IPS:
		return decode_texts(at, WIRE_IP, j, to, err);
	case WIRE_NUMBERS:
		return decode_numbers(at, f, j, to, err);
	case WIRE_OBJECT:
		return decode_object(at, f->shape, j, to, err);
	case WIRE_LIST:
		return decode_list(at, f, j, to, err);
	case WIRE_INLINE:
	case WIRE_KIND_MAX:
		break;
	}
	return refuse(at, "another shape", err);
}

static int decode_fields(const struct place *at, const struct wire_shape *shape, const json_t *j, char *to, struct err *err) {
	FOR_FIELDS(f, shape) {
		if (f->kind == WIRE_INLINE) {
			int r = decode_fields(at, f->shape, j, to + f->offset, err);
			if (r < 0)
				return r;
			continue;
		}
		struct place here = {.up = at, .key = f->key, .strict = at->strict};
		const json_t *value = json_object_get(j, f->key);
		bool absent = !value || json_is_null(value);
		if (absent && f->required)
			return refuse(&here, "a value", err);
		int r = absent ? 0 : decode_present(&here, f, value, to + f->offset, err);
		if (r < 0)
			return r;
	}
	return 0;
}

static bool knows(const struct wire_shape *shape, const char *key) {
	FOR_FIELDS(f, shape)
	if (f->kind == WIRE_INLINE ? knows(f->shape, key) : strcmp(f->key, key) == 0)
		return true;
	return false;
}

static int refuse_unknown(const struct place *at, const struct wire_shape *shape, const json_t *j, struct err *err) {
	const char *key;
	json_t *value;

	json_object_foreach ((json_t *)(uintptr_t)j, key, value) {
		struct place here = {.up = at, .key = is_id(key, strlen(key)) ? key : "a key"};
		if (!knows(shape, key))
			return refuse(&here, "no such key", err);
	}
	return 0;
}

static int decode_object(const struct place *at, const struct wire_shape *shape, const json_t *j, char *to, struct err *err) {
	if (!json_is_object(j))
		return refuse(at, "an object", err);
	int r = at->strict ? refuse_unknown(at, shape, j, err) : 0;
	return r < 0 ? r : decode_fields(at, shape, j, to, err);
}

int wire_decode(const struct wire_shape *shape, const json_t *j, bool strict, void *ret, struct err *err) {
	struct place root = {.strict = strict};

	memset(ret, 0, shape->size);
	int r = decode_object(&root, shape, j, ret, err);
	if (r < 0)
		wire_clear(shape, ret);
	return r;
}

/* ---- writing ---- */

static json_t *encode_numbers(const struct wire_numbers *numbers) {
	json_t *list = json_array();
	for (size_t i = 0; i < numbers->n; i++)
		json_array_append_new(list, json_integer(numbers->v[i]));
	return list;
}

static json_t *encode_list(const struct wire_shape *shape, const void *from) {
	json_t *array = json_array();
	struct any_list list;

	memcpy(&list, from, sizeof(list));
	for (size_t i = 0; i < list.n; i++)
		json_array_append_new(array, wire_encode(shape, (const char *)list.v + i * shape->size));
	return array;
}

/* Text of the kernel's or of engines may be no UTF-8: a null is better than a lost field. */
static json_t *encode_text(const char *text) {
	json_t *j = text ? json_string(text) : NULL;
	return j ? j : json_null();
}

static json_t *encode_field(const struct wire_field *f, const void *from) {
	switch (f->kind) {
	case WIRE_TEXT:
	case WIRE_ID:
	case WIRE_NAME:
	case WIRE_MAC:
	case WIRE_IP:
		return encode_text(*(char *const *)from);
	case WIRE_INT:
		return json_integer(*(const int64_t *)from);
	case WIRE_BOOL:
		return json_boolean(*(const bool *)from);
	case WIRE_WORD:
		return encode_text(f->words[*(const int *)from]);
	case WIRE_TEXTS:
	case WIRE_IDS:
	case WIRE_IPS:
		return json_from_strs(from);
	case WIRE_NUMBERS:
		return encode_numbers(from);
	case WIRE_OBJECT:
		return wire_encode(f->shape, from);
	case WIRE_LIST:
		return encode_list(f->shape, from);
	case WIRE_INLINE:
	case WIRE_KIND_MAX:
		break;
	}
	return json_null();
}

static void encode_into(json_t *obj, const struct wire_shape *shape, const char *from) {
	FOR_FIELDS(f, shape) {
		if (f->kind == WIRE_INLINE)
			encode_into(obj, f->shape, from + f->offset);
		else
			json_object_set_new(obj, f->key, encode_field(f, from + f->offset));
	}
}

json_t *wire_encode(const struct wire_shape *shape, const void *from) {
	json_t *obj = json_object();
	encode_into(obj, shape, from);
	return obj;
}

/* ---- the end ---- */

static void clear_fields(const struct wire_shape *shape, void *what);

static void clear_list(const struct wire_shape *shape, void *what) {
	struct any_list list;

	memcpy(&list, what, sizeof(list));
	for (size_t i = 0; i < list.n; i++)
		wire_clear(shape, (char *)list.v + i * shape->size);
	free(list.v);
}

static void clear_field(const struct wire_field *f, void *what) {
	switch (f->kind) {
	case WIRE_TEXT:
	case WIRE_ID:
	case WIRE_NAME:
	case WIRE_MAC:
	case WIRE_IP:
		free(*(char **)what);
		break;
	case WIRE_TEXTS:
	case WIRE_IDS:
	case WIRE_IPS:
		strs_clear(what);
		break;
	case WIRE_NUMBERS:
		free(((struct wire_numbers *)what)->v);
		break;
	case WIRE_OBJECT:
	case WIRE_INLINE: /* which may share its struct with others */
		clear_fields(f->shape, what);
		break;
	case WIRE_LIST:
		clear_list(f->shape, what);
		break;
	case WIRE_INT:
	case WIRE_BOOL:
	case WIRE_WORD:
	case WIRE_KIND_MAX:
		break;
	}
}

static void clear_fields(const struct wire_shape *shape, void *what) {
	FOR_FIELDS(f, shape)
	clear_field(f, (char *)what + f->offset);
}

void wire_clear(const struct wire_shape *shape, void *what) {
	clear_fields(shape, what);
	memset(what, 0, shape->size);
}

void wire_numbers_add(struct wire_numbers *list, int64_t n) {
	list->v = xreallocarray(list->v, list->n + 1, sizeof(*list->v));
	list->v[list->n++] = n;
}
