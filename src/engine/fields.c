/* See fields.h. */
#include "engine/fields.h"

#include "base/alloc.h"

#include <assert.h>
#include <errno.h>
#include <string.h>

static int read_str(const json_t *obj, const char *path, void *to, struct err *err) {
	const char *s;

	int r = json_get_str(obj, path, &s, err);
	*(char **)to = xstrdup(r == 0 && s ? s : "");
	return r;
}

static int read_id(const json_t *obj, const char *path, void *to, struct err *err) {
	int r = read_str(obj, path, to, err);

	if (r == 0 && **(char **)to == '\0')
		return err_set(err, -EINVAL, "%s: missing", path);
	return r;
}

static int read_int(const json_t *obj, const char *path, void *to, struct err *err) { return json_get_int(obj, path, to, err); }

static int read_bool(const json_t *obj, const char *path, void *to, struct err *err) { return json_get_bool(obj, path, to, err); }

static int read_strs(const json_t *obj, const char *path, void *to, struct err *err) { return json_get_strs(obj, path, to, err); }

static int read_object(const json_t *obj, const char *path, void *to, struct err *err) {
	json_t *j = NULL;

	int r = json_get_object(obj, path, &j, err);
	*(json_t **)to = r == 0 && j ? json_incref(j) : json_object();
	return r;
}

static int read_labels(const json_t *obj, const char *path, void *to, struct err *err) {
	const char *key;
	json_t *value;

	int r = read_object(obj, path, to, err);
	if (r < 0)
		return r;
	json_object_foreach (*(json_t **)to, key, value) {
		if (!json_is_string(value))
			return err_set(err, -EINVAL, "%s: expected an object of strings", path);
	}
	return 0;
}

static int (*const readers[])(const json_t *, const char *, void *, struct err *) = {
	[FIELD_STR] = read_str,   [FIELD_ID] = read_id,         [FIELD_INT] = read_int,       [FIELD_BOOL] = read_bool,
	[FIELD_STRS] = read_strs, [FIELD_OBJECT] = read_object, [FIELD_LABELS] = read_labels,
};
static_assert(sizeof(readers) / sizeof(readers[0]) == FIELD_MAX, "a reader for each kind");

int field_check_parents(const json_t *obj, const char *path, struct err *err) {
	const json_t *j = obj;

	for (const char *at = path, *dot; (dot = strchr(at, '.')); at = dot + 1) {
		j = json_object_getn(j, at, (size_t)(dot - at));
		if (!j || json_is_null(j))
			return 0;
		if (!json_is_object(j))
			return err_set(err, -EINVAL, "%.*s: expected an object", (int)(dot - path), path);
	}
	return 0;
}

int fields_read(const json_t *obj, const struct field *table, size_t n, void *out, struct err *err) {
	if (!json_is_object(obj))
		return err_set(err, -EINVAL, "expected an object");
	for (size_t i = 0; i < n; i++) {
		int r = field_check_parents(obj, table[i].path, err);
		r = r < 0 ? r : readers[table[i].kind](obj, table[i].path, (char *)out + table[i].offset, err);
		if (r < 0)
			return r;
	}
	return 0;
}

void fields_clear(const struct field *table, size_t n, void *out) {
	assert(out);
	for (size_t i = 0; i < n; i++) {
		void *p = (char *)out + table[i].offset;
		switch (table[i].kind) {
		case FIELD_STR:
		case FIELD_ID:
			free(*(char **)p);
			*(char **)p = NULL;
			break;
		case FIELD_STRS:
			strs_clear(p);
			break;
		case FIELD_OBJECT:
		case FIELD_LABELS:
			json_decref(*(json_t **)p);
			*(json_t **)p = NULL;
			break;
		case FIELD_INT:
		case FIELD_BOOL:
		case FIELD_MAX:
			break;
		}
	}
}

static void item_clear(const struct field_list *how, void *item) {
	if (how->table)
		fields_clear(how->table, how->n, item);
	else
		how->clear(item);
}

static int item_read(const struct field_list *how, const json_t *j, void *item, struct err *err) {
	if (!how->table)
		return how->read(j, item, err);
	int r = fields_read(j, how->table, how->n, item, err);
	if (r < 0)
		fields_clear(how->table, how->n, item);
	return r;
}

int field_list_read(const json_t *list, const char *path, const struct field_list *how, void **ret, size_t *ret_n,
		    struct err *err) {
	json_t *item;
	size_t i;

	if (list && !json_is_array(list))
		return err_set(err, -EINVAL, "%s: expected an array", path);
	size_t n = json_array_size(list);
	char *items = n > 0 ? xcalloc(n, how->size) : NULL;
	json_array_foreach (list, i, item) {
		if (item_read(how, item, items + i * how->size, err) < 0) {
			field_list_free(how, items, i);
			return err_wrap(err, "%s[%zu]", path, i);
		}
	}
	*ret = items;
	*ret_n = n;
	return 0;
}

void field_list_free(const struct field_list *how, void *list, size_t n) {
	for (size_t i = 0; i < n; i++)
		item_clear(how, (char *)list + i * how->size);
	free(list);
}
