/* See json.h. */
#include "base/json.h"

#include "base/alloc.h"
#include "base/cleanup.h"
#include "base/utf8.h"

#include <errno.h>
#include <stdarg.h>
#include <string.h>

static const char *type_name(const json_t *j) {
	switch (json_typeof(j)) {
	case JSON_OBJECT:
		return "object";
	case JSON_ARRAY:
		return "array";
	case JSON_STRING:
		return "string";
	case JSON_INTEGER:
		return "integer";
	case JSON_REAL:
		return "real";
	case JSON_TRUE:
	case JSON_FALSE:
		return "boolean";
	case JSON_NULL:
		return "null";
	}
	return "unknown";
}

int json_parse(const char *text, size_t len, const char *what, json_t **ret, struct err *err) {
	json_error_t e;

	json_t *j = json_loadb(text, len, JSON_DECODE_ANY | JSON_REJECT_DUPLICATES, &e);
	if (!j) {
		/* "… near 'token'": what it quotes may be a secret. */
		char *near = strstr(e.text, " near '");
		if (near)
			*near = '\0';
		return err_set(err, -EINVAL, "%s: bad JSON at line %d column %d: %s", what, e.line, e.column, e.text);
	}
	*ret = j;
	return 0;
}

json_t *json_at(const json_t *obj, const char *path) {
	const json_t *j = obj;

	while (j && *path) {
		size_t n = strcspn(path, ".");
		j = json_is_object(j) ? json_object_getn(j, path, n) : NULL;
		path += n + (path[n] == '.');
	}
	return j && !json_is_null(j) ? (json_t *)(uintptr_t)j : NULL;
}

const char *json_str_or(const json_t *obj, const char *path, const char *missing) {
	const json_t *j = json_at(obj, path);
	return json_is_string(j) ? json_string_value(j) : missing;
}

int64_t json_int_or(const json_t *obj, const char *path, int64_t missing) {
	const json_t *j = json_at(obj, path);
	return json_is_integer(j) ? json_integer_value(j) : missing;
}

bool json_bool_or(const json_t *obj, const char *path, bool missing) {
	const json_t *j = json_at(obj, path);
	return json_is_boolean(j) ? json_is_true(j) : missing;
}

static int wrong_type(const json_t *j, const char *path, const char *expected, struct err *err) {
	return err_set(err, -EINVAL, "%s: expected %s, got %s", path, expected, type_name(j));
}

int json_get_str(const json_t *obj, const char *path, const char **ret, struct err *err) {
	const json_t *j = json_at(obj, path);
	if (j && !json_is_string(j))
		return wrong_type(j, path, "string", err);
	*ret = json_string_value(j);
	return 0;
}

int json_get_int(const json_t *obj, const char *path, int64_t *ret, struct err *err) {
	const json_t *j = json_at(obj, path);
	if (j && !json_is_integer(j))
		return wrong_type(j, path, "integer", err);
	*ret = json_integer_value(j);
	return 0;
}

int json_get_bool(const json_t *obj, const char *path, bool *ret, struct err *err) {
	const json_t *j = json_at(obj, path);
	if (j && !json_is_boolean(j))
		return wrong_type(j, path, "boolean", err);
	*ret = json_is_true(j);
	return 0;
}

int json_get_object(const json_t *obj, const char *path, json_t **ret, struct err *err) {
	json_t *j = json_at(obj, path);
	if (j && !json_is_object(j))
		return wrong_type(j, path, "object", err);
	*ret = j;
	return 0;
}

int json_get_array(const json_t *obj, const char *path, json_t **ret, struct err *err) {
	json_t *j = json_at(obj, path);
	if (j && !json_is_array(j))
		return wrong_type(j, path, "array", err);
	*ret = j;
	return 0;
}

int json_get_strs(const json_t *obj, const char *path, struct strs *ret, struct err *err) {
	json_t *list = NULL, *item;
	size_t i;

	int r = json_get_array(obj, path, &list, err);
	if (r < 0)
		return r;
	json_array_foreach (list, i, item) {
		if (!json_is_string(item))
			return wrong_type(item, path, "array of strings", err);
		strs_add(ret, json_string_value(item));
	}
	return 0;
}

json_t *json_from_str(const char *text) {
	if (!text)
		return json_null();
	json_t *j = json_string(text);
	if (j)
		return j;
	CLEANUP_FREE char *repaired = utf8_repair(text);
	return json_string(repaired);
}

json_t *json_text_or_replaced(const char *fmt, ...) {
	va_list ap;

	va_start(ap, fmt);
	CLEANUP_FREE char *text = xvasprintf(fmt, ap);
	va_end(ap);
	return json_from_str(text);
}

void json_set_str(json_t *obj, const char *key, const char *value) { json_object_set_new(obj, key, json_from_str(value)); }

json_t *json_from_strs(const struct strs *s) {
	json_t *list = json_array();
	for (size_t i = 0; i < s->n; i++)
		json_array_append_new(list, json_from_str(s->v[i]));
	return list;
}

char *json_text(const json_t *j) {
	char *s = json_dumps(j, JSON_COMPACT | JSON_SORT_KEYS | JSON_ENCODE_ANY);
	return s ? s : xstrdup("null");
}
