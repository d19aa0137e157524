/* See copy.h. The target hears of it only when the source's first bytes are there. Between them lies a ring of bytes as large as
 * HIGH plus one piece: over HIGH the source is paused, under LOW it goes on; empty, the target's upload is paused. */
#include "engine/copy.h"

#include "base/alloc.h"
#include "base/buf.h"
#include "engine/call.h"

#include <errno.h>
#include <string.h>

#define HIGH ((size_t)1 << 20)
#define LOW ((size_t)256 << 10)
#define PIECE ((size_t)64 << 10)
#define DEFAULT_SECONDS 900

struct engine_copy {
	struct engine *to;
	struct engine_cb cb;
	struct mono started;
	struct engine_call *save, *load;
	struct buf between;
	size_t taken; /* bytes at the front of `between` that are gone already */
	bool saved, waiting, paused;
};

static size_t held(const struct engine_copy *c) { return c->between.len - c->taken; }

static void copy_destroy(struct engine_copy *c) {
	engine_call_free(c->save);
	engine_call_free(c->load);
	buf_clear(&c->between);
	free(c);
}

void engine_copy_free(struct engine_copy *c) {
	if (c)
		copy_destroy(c);
}

/* The calls that are still under way are cancelled first, so the callback may free the engines. */
static void copy_finish(struct engine_copy *c, const struct engine_result *result) {
	struct engine_cb cb = c->cb;

	copy_destroy(c);
	if (cb.fn)
		cb.fn(cb.ctx, result);
}

static void on_loaded(void *ctx, const struct engine_result *result) {
	struct engine_copy *c = ctx;

	c->load = NULL;
	if (result->outcome != ENGINE_OK || c->saved) {
		copy_finish(c, result);
		return;
	}
	struct engine_result early = {.outcome = ENGINE_BAD, .status = result->status};
	err_set(&early.err, -EBADMSG, "%s: POST /images/load: answered before the image was there", engine_name(c->to));
	copy_finish(c, &early);
}

/* Bytes at the front are dropped only now and then: each drop moves the rest. */
static ssize_t give(void *ctx, char *data, size_t n) {
	struct engine_copy *c = ctx;

	if (held(c) == 0) {
		c->waiting = !c->saved;
		return c->saved ? 0 : HTTP_SOURCE_LATER;
	}
	if (n > held(c))
		n = held(c);
	memcpy(data, c->between.data + c->taken, n);
	c->taken += n;
	if (c->taken >= LOW || held(c) == 0) {
		buf_consume(&c->between, c->taken);
		c->taken = 0;
	}
	if (c->paused && held(c) < LOW && c->save) {
		c->paused = false;
		engine_call_resume(c->save);
	}
	return (ssize_t)n;
}

static void start_load(struct engine_copy *c) {
	struct span left = {c->cb.deadline.ns - mono_since(c->started, mono_now()).ns};
	struct engine_request request = {
		.op = &engine_op_load,
		.path = xstrdup("/images/load?quiet=1"),
		.type = "application/x-tar",
		.stream = {.source = give, .ctx = c},
	};

	c->load = engine_call_start(c->to, request,
				    (struct engine_cb){.fn = on_loaded, .ctx = c, .deadline = left.ns > 0 ? left : span_ms(1)});
}

static void wake_target(struct engine_copy *c) {
	if (!c->waiting)
		return;
	c->waiting = false;
	engine_call_resume(c->load);
}

static void on_saved_data(void *ctx, const char *data, size_t n) {
	struct engine_copy *c = ctx;

	buf_append(&c->between, data, n);
	if (!c->load)
		start_load(c);
	if (held(c) > HIGH) {
		c->paused = true;
		engine_call_pause(c->save);
	}
	wake_target(c);
}

static void on_saved(void *ctx, const struct engine_result *result) {
	struct engine_copy *c = ctx;
	struct engine_result failed = *result;

	c->save = NULL;
	if (result->outcome == ENGINE_OK && c->load) {
		c->saved = true;
		wake_target(c);
		return;
	}
	if (result->outcome == ENGINE_OK) {
		failed.outcome = ENGINE_BAD;
		err_set(&failed.err, -EBADMSG, "an empty image");
	} else if (!c->load && engine_outcome_is_open(result->outcome)) {
		failed.outcome = ENGINE_NOT_SENT; /* reading from the source changes nothing, and the target knows of nothing */
	}
	err_wrap(&failed.err, "copy an image");
	copy_finish(c, &failed);
}

struct engine_copy *engine_copy_image(struct engine *from, struct engine *to, const char *ref, struct engine_cb cb) {
	struct engine_copy *c = xnew(struct engine_copy);
	struct buf path = {0};

	c->to = to;
	c->cb = cb;
	c->started = mono_now();
	if (cb.deadline.ns == 0)
		c->cb.deadline = span_sec(DEFAULT_SECONDS);
	buf_puts(&path, "/images/get?names=");
	engine_put_escaped(&path, ref, "");
	struct engine_request request = {
		.op = &engine_op_save,
		.path = *ref ? buf_take(&path) : NULL,
		.stream = {.on_data = on_saved_data, .ctx = c, .buffer_size = PIECE},
	};
	buf_clear(&path);
	c->save = engine_call_start(from, request, (struct engine_cb){.fn = on_saved, .ctx = c, .deadline = c->cb.deadline});
	return c;
}
