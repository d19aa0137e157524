/* One call of an overlay at a time, its result, and what stand-in engines were asked to change. Included by the tests of overlays.
 */
#ifndef TESTS_OVERLAY_RIG_H
#define TESTS_OVERLAY_RIG_H

#include "base/json.h"
#include "net/overlay/overlay.h"
#include "standin.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <unistd.h>

#include <cmocka.h>

#define WEB "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
#define BY "bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb"
#define NEW "cccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccc"
#define THIEF "dddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddd"

static struct rig {
	uv_loop_t loop;
	struct http_client *http;
	struct overlay_cluster cluster;
	json_t *log;       /* "METHOD path" of what changes something, in order */
	size_t free_after; /* the call is freed at so many requests; 0: never */

	int done;
	struct overlay_result result;
	char *detail;
	struct overlay_call *call;
} rig;

static inline void rig_open(void) {
	alarm(60);
	memset(&rig, 0, sizeof(rig));
	assert_int_equal(uv_loop_init(&rig.loop), 0);
	assert_int_equal(http_client_new(&rig.loop, &rig.http, NULL), 0);
	rig.log = json_array();
}

/* When the engines and their stand-ins are gone. */
static inline void rig_close(void) {
	http_client_free(rig.http);
	uv_run(&rig.loop, UV_RUN_DEFAULT);
	assert_int_equal(uv_loop_close(&rig.loop), 0);
	strs_clear(&rig.cluster.control);
	json_decref(rig.log);
	free(rig.detail);
}

static inline void log_line(char *line) {
	json_array_append_new(rig.log, json_string(line));
	free(line);
}

static inline void answer_json(struct standin_conn *conn, const json_t *j) {
	char *text = json_text(j);
	standin_answer(conn, 200, text);
	free(text);
}

static inline void refuse(struct standin_conn *conn, int status, const char *message) {
	char *text = xasprintf("{\"message\":\"%s\"}", message);
	standin_answer(conn, status, text);
	free(text);
}

static inline const char *path_of(const struct standin_request *r) {
	const char *rest = strncmp(r->path, "/v1.", 4) == 0 ? strchr(r->path + 1, '/') : r->path;

	if (strcmp(r->method, "GET") != 0)
		log_line(xasprintf("%s %.*s", r->method, (int)strcspn(rest, "?"), rest));
	return rest;
}

/* True when the call was cancelled by the test at this request. */
static inline bool count_request(void) {
	if (rig.free_after > 0 && --rig.free_after == 0) {
		overlay_call_free(rig.call);
		rig.call = NULL;
		return true;
	}
	return false;
}

static inline bool serve_version(struct standin_conn *conn, const char *path) {
	if (strcmp(path, "/version") == 0)
		standin_answer(conn, 200, "{\"ApiVersion\":\"1.45\",\"MinAPIVersion\":\"1.24\",\"Version\":\"26.1.5\"}");
	return strcmp(path, "/version") == 0;
}

static inline struct engine *new_engine(const char *name, int port) {
	struct engine *e = NULL;
	char url[64];
	snprintf(url, sizeof(url), "tcp://127.0.0.1:%d", port);
	assert_int_equal(engine_new(rig.http, name, url, NULL, &e, NULL), 0);
	return e;
}

static inline void on_done(void *ctx, const struct overlay_result *result) {
	(void)ctx;
	rig.done++;
	rig.result = *result;
	free(rig.detail);
	rig.detail = xstrdup(result->detail ? result->detail : "");
	overlay_call_free(rig.call); /* does nothing here */
	rig.call = NULL;
}

typedef struct overlay_call *op_fn(struct overlay_cluster *, const struct overlay_ask *, overlay_done_fn *, void *);

static inline void finish(void) {
	RUN_UNTIL(&rig.loop, rig.done > 0);
	assert_int_equal(rig.done, 1);
}

static inline void expect_outcome(enum overlay_outcome outcome) {
	if (rig.result.outcome != outcome)
		fail_msg("expected outcome %d, got %d: %s", (int)outcome, (int)rig.result.outcome, rig.detail);
}

static inline void expect_detail(const char *part) {
	if (!strstr(rig.detail, part))
		fail_msg("expected a detail with \"%s\", got \"%s\"", part, rig.detail);
}

static inline void expect_log(const char *expected) {
	struct buf b = {0};
	size_t i;
	json_t *line;
	json_array_foreach (rig.log, i, line)
		buf_printf(&b, "%s%s", i > 0 ? ", " : "", json_string_value(line));
	assert_string_equal(b.data ? b.data : "", expected);
	buf_clear(&b);
}

#define T(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

#endif
