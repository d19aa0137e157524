/* See route.h. */
#include "http/route.h"

#include "base/alloc.h"
#include "base/cleanup.h"
#include "base/json.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

static const char *const method_names[] = {
	[HTTP_METHOD_GET] = "GET",
	[HTTP_METHOD_POST] = "POST",
	[HTTP_METHOD_PUT] = "PUT",
	[HTTP_METHOD_DELETE] = "DELETE",
};
static_assert(sizeof(method_names) / sizeof(method_names[0]) == HTTP_METHOD_MAX, "every method has a name");

const char *http_method_name(enum http_method m) {
	assert(m < HTTP_METHOD_MAX);
	return method_names[m];
}

enum http_method http_method_parse(const char *name) {
	int m = 0;
	while (m < HTTP_METHOD_MAX && strcmp(name, method_names[m]) != 0)
		m++;
	return (enum http_method)m;
}

/* ---- parameters ---- */

const char *http_params_get(const struct http_params *p, const char *name) {
	for (size_t i = 0; i < p->n; i++)
		if (strcmp(p->v[i].name, name) == 0)
			return p->v[i].value;
	return NULL;
}

static void params_take(struct http_params *p, char *name, char *value) {
	assert(p->n < HTTP_PARAMS_MAX);
	p->v[p->n].name = name;
	p->v[p->n++].value = value;
}

void http_params_add(struct http_params *p, const char *name, const char *value) { params_take(p, xstrdup(name), xstrdup(value)); }

void http_params_clear(struct http_params *p) {
	for (size_t i = 0; i < p->n; i++) {
		free(p->v[i].name);
		free(p->v[i].value);
	}
	p->n = 0;
}

/* ---- the target ---- */

static int hex_digit(char c) {
	if (c >= '0' && c <= '9')
		return c - '0';
	c = (char)(c | 0x20);
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static bool is_text(const char *s, size_t n) {
	for (size_t i = 0; i < n; i++)
		if ((unsigned char)s[i] < 0x20 || s[i] == 0x7f)
			return false;
	CLEANUP_JSON json_t *utf8 = json_stringn(s, n);
	return utf8 != NULL;
}

static int decode(const char *raw, size_t n, char **ret, struct err *err) {
	CLEANUP_FREE char *text = xmalloc(n + 1);
	size_t len = 0;

	for (size_t i = 0; i < n; i++) {
		if (raw[i] != '%') {
			text[len++] = raw[i];
			continue;
		}
		int high = i + 2 < n ? hex_digit(raw[i + 1]) : -1, low = i + 2 < n ? hex_digit(raw[i + 2]) : -1;
		if (high < 0 || low < 0)
			return err_set(err, -EINVAL, "bad %% escape in the URL");
		text[len++] = (char)(high << 4 | low);
		i += 2;
	}
	text[len] = '\0';
	if (!is_text(text, len))
		return err_set(err, -EINVAL, "the URL holds something else than UTF-8 text");
	*ret = TAKE_PTR(text);
	return 0;
}

static int parse_path(const char *raw, size_t n, struct http_target *t, struct err *err) {
	for (size_t at = 1; at < n;) {
		const char *slash = memchr(raw + at, '/', n - at);
		size_t end = slash ? (size_t)(slash - raw) : n;
		if (end == at)
			return err_set(err, -EINVAL, "empty part in the path");
		if (t->n_segments == HTTP_SEGMENTS_MAX)
			return err_set(err, -EINVAL, "the path has too many parts");
		int r = decode(raw + at, end - at, &t->segments[t->n_segments], err);
		if (r < 0)
			return r;
		t->n_segments++;
		at = end + 1;
	}
	return 0;
}

static int parse_param(const char *raw, size_t n, struct http_params *p, struct err *err) {
	CLEANUP_FREE char *name = NULL;
	CLEANUP_FREE char *value = NULL;
	const char *equals = memchr(raw, '=', n);
	size_t name_len = equals ? (size_t)(equals - raw) : n, value_at = equals ? name_len + 1 : n;
	int r;

	if ((r = decode(raw, name_len, &name, err)) < 0 || (r = decode(raw + value_at, n - value_at, &value, err)) < 0)
		return r;
	assert(name && value);
	if (http_params_get(p, name))
		return err_set(err, -EINVAL, "%.64s is given twice", name);
	if (p->n == HTTP_PARAMS_MAX)
		return err_set(err, -EINVAL, "too many parameters");
	params_take(p, TAKE_PTR(name), TAKE_PTR(value));
	return 0;
}

static int parse_query(const char *raw, struct http_params *p, struct err *err) {
	while (*raw) {
		size_t n = strcspn(raw, "&");
		int r = n ? parse_param(raw, n, p, err) : 0;
		if (r < 0)
			return r;
		raw += n + (raw[n] == '&');
	}
	return 0;
}

static int parse(const char *raw, struct http_target *t, struct err *err) {
	if (raw[0] != '/')
		return err_set(err, -EINVAL, "the request's target must start with /");
	if (strlen(raw) > HTTP_TARGET_MAX)
		return err_set(err, -EINVAL, "the URL is longer than %d bytes", HTTP_TARGET_MAX);
	size_t path = strcspn(raw, "?");
	int r = parse_path(raw, path, t, err);
	return r < 0 || !raw[path] ? r : parse_query(raw + path + 1, &t->query, err);
}

int http_target_parse(const char *raw, struct http_target *ret, struct err *err) {
	struct http_target t = {0};
	int r = parse(raw, &t, err);
	if (r < 0) {
		http_target_clear(&t);
		return r;
	}
	*ret = t;
	return 0;
}

void http_target_clear(struct http_target *t) {
	for (size_t i = 0; i < t->n_segments; i++)
		free(t->segments[i]);
	t->n_segments = 0;
	http_params_clear(&t->query);
}

/* ---- matching ---- */

/* Fills params as far as it gets. */
static bool pattern_match(const char *pattern, const struct http_target *t, struct http_params *params) {
	size_t i = 0;

	while (*pattern++ == '/' && *pattern) {
		size_t n = strcspn(pattern, "/");
		if (i == t->n_segments)
			return false;
		const char *segment = t->segments[i++];
		if (*pattern == '{')
			params_take(params, xstrndup(pattern + 1, n - 2), xstrdup(segment));
		else if (strlen(segment) != n || memcmp(segment, pattern, n) != 0)
			return false;
		pattern += n;
	}
	return i == t->n_segments;
}

void http_route_match(const struct http_route *routes, size_t n, enum http_method method, const struct http_target *target,
		      struct http_match *ret) {
	*ret = (struct http_match){0};
	for (size_t i = 0; i < n; i++) {
		struct http_params params = {0};
		bool fits = pattern_match(routes[i].pattern, target, &params);
		if (fits)
			ret->allowed[routes[i].method] = true;
		if (fits && routes[i].method == method && !ret->route) {
			ret->route = &routes[i];
			ret->params = params;
		} else {
			http_params_clear(&params);
		}
	}
}

int http_body_parse(const char *text, size_t len, json_t **ret, struct err *err) {
	CLEANUP_JSON json_t *j = NULL;
	if (len == 0) {
		*ret = NULL;
		return 0;
	}
	int r = json_parse(text, len, "request body", &j, err);
	if (r < 0)
		return r;
	if (!json_is_object(j))
		return err_set(err, -EINVAL, "request body: expected a JSON object");
	*ret = TAKE_PTR(j);
	return 0;
}
