/* From a request's raw target to a route: the parser of what strangers send, without any I/O, so that it can be fuzzed.
 *
 * The path is split at '/' before it is decoded, so that "%2F" is part of a segment and never a separator. Decoded text must be
 * UTF-8 without control characters. A plus sign is itself, never a space (RFC 3986; times hold plus signs). */
#ifndef HTTP_ROUTE_H
#define HTTP_ROUTE_H

#include "base/err.h"

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

#define HTTP_TARGET_MAX 4096
#define HTTP_PARAMS_MAX 16
#define HTTP_SEGMENTS_MAX 12
#define HTTP_BODY_MAX (64 * 1024)

enum http_method { HTTP_METHOD_GET, HTTP_METHOD_POST, HTTP_METHOD_PUT, HTTP_METHOD_DELETE, HTTP_METHOD_MAX };

const char *http_method_name(enum http_method m);
/* HTTP_METHOD_MAX when it is none of them. */
enum http_method http_method_parse(const char *name);

struct http_call;
typedef void http_handler_fn(struct http_call *call, void *user);

/* Pattern: "/v1/nodes/{name}/confirm-dead"; {name} matches one non-empty segment. First match in the table wins. */
struct http_route {
	enum http_method method;
	const char *pattern;
	http_handler_fn *handler;
};

struct http_params {
	size_t n;
	struct {
		char *name, *value;
	} v[HTTP_PARAMS_MAX];
};

struct http_target {
	size_t n_segments;
	char *segments[HTTP_SEGMENTS_MAX]; /* decoded; "/" has none */
	struct http_params query;          /* decoded; "?a" has the value "" */
};

/* -EINVAL with the reason. A parameter given twice is refused. ret is to be cleared only after success. */
int http_target_parse(const char *raw, struct http_target *ret, struct err *err);
void http_target_clear(struct http_target *t);

/* NULL when absent; borrowed. */
const char *http_params_get(const struct http_params *p, const char *name);
void http_params_add(struct http_params *p, const char *name, const char *value);
void http_params_clear(struct http_params *p);

struct http_match {
	const struct http_route *route; /* NULL: no such path, or not with this method */
	bool allowed[HTTP_METHOD_MAX];  /* the methods that the path has */
	struct http_params params;      /* what the {names} matched; clear it */
};
void http_route_match(const struct http_route *routes, size_t n, enum http_method method, const struct http_target *target,
		      struct http_match *ret);

/* An empty body gives NULL. -EINVAL unless it is one JSON object. */
int http_body_parse(const char *text, size_t len, json_t **ret, struct err *err);

#endif
