/* Strict reading of JSON from outside (jansson). A getter says what was wrong and where ("State.Running: expected boolean, got
 * string"); absent and null are the same thing. Nothing here takes references unless it says so. */
#ifndef BASE_JSON_H
#define BASE_JSON_H

#include "base/err.h"
#include "base/strs.h"

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

static inline void cleanup_json(json_t **j) { json_decref(*j); }
#define CLEANUP_JSON __attribute__((cleanup(cleanup_json)))

/* Parses exactly one value; duplicate keys are refused where strict. `what` names the source in the error. New reference in ret. */
int json_parse(const char *text, size_t len, const char *what, json_t **ret, struct err *err);

/* Borrowed; NULL when absent or null or when a parent on the dotted path is not an object.
 * Keys that contain dots cannot be reached this way: use json_object_get. */
json_t *json_at(const json_t *obj, const char *path);

/* Lenient getters for a dotted path: `missing` when absent or of another type. */
const char *json_str_or(const json_t *obj, const char *path, const char *missing);
int64_t json_int_or(const json_t *obj, const char *path, int64_t missing);
bool json_bool_or(const json_t *obj, const char *path, bool missing);

/* Strict getters: 0 and the value (default when absent), or -EINVAL with path and types. */
int json_get_str(const json_t *obj, const char *path, const char **ret, struct err *err);  /* NULL when absent; borrowed */
int json_get_int(const json_t *obj, const char *path, int64_t *ret, struct err *err);      /* 0 when absent */
int json_get_bool(const json_t *obj, const char *path, bool *ret, struct err *err);        /* false when absent */
int json_get_object(const json_t *obj, const char *path, json_t **ret, struct err *err);   /* NULL when absent; borrowed */
int json_get_array(const json_t *obj, const char *path, json_t **ret, struct err *err);    /* NULL when absent; borrowed */
int json_get_strs(const json_t *obj, const char *path, struct strs *ret, struct err *err); /* appended */

/* Text from outside may be no UTF-8, which JSON cannot hold: each byte of the kind becomes "?", so that the rest is still said.
 * All of these give new references. */
json_t *json_from_str(const char *text); /* NULL: null */
json_t *json_text_or_replaced(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
json_t *json_from_strs(const struct strs *s);
/* Sets key to a string, or to null when value is NULL. */
void json_set_str(json_t *obj, const char *key, const char *value);

/* Compact text, keys sorted (so that equal values give equal text). Free it. */
char *json_text(const json_t *j);

#endif
