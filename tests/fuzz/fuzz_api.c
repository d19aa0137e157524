/* The manager's API as strangers see it: first line the method, second the target, the rest the body. */
#include "base/json.h"
#include "http/route.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

static void handler(struct http_call *call, void *user) {
	(void)call;
	(void)user;
}

static const struct http_route routes[] = {
	{HTTP_METHOD_GET, "/v1/nodes/{name}", handler},
	{HTTP_METHOD_POST, "/v1/nodes/{name}/confirm-dead", handler},
	{HTTP_METHOD_GET, "/v1/log", handler},
	{HTTP_METHOD_DELETE, "/v1/{a}/{b}/{c}", handler},
};

static void try_target(const char *method, const char *raw) {
	struct http_target t;
	struct http_match m;
	struct err err;

	if (http_target_parse(raw, &t, &err) < 0) {
		if (err.code == 0 || !*err.msg)
			abort();
		return;
	}
	for (size_t i = 0; i < t.n_segments; i++)
		if (!*t.segments[i])
			abort();
	http_route_match(routes, sizeof(routes) / sizeof(routes[0]), http_method_parse(method), &t, &m);
	if (m.route && !m.allowed[m.route->method])
		abort();
	http_params_clear(&m.params);
	http_target_clear(&t);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
	char *text = malloc(size + 1);
	memcpy(text, data, size);
	text[size] = '\0';
	char *target = strchr(text, '\n');
	char *body = target ? strchr(target + 1, '\n') : NULL;
	if (body) {
		json_t *j = NULL;
		struct err err;
		*target++ = *body++ = '\0';
		try_target(text, target);
		if (http_body_parse(body, size - (size_t)(body - text), &j, &err) == 0)
			json_decref(j);
	}
	free(text);
	return 0;
}
