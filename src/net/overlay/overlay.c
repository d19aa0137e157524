/* See overlay-internal.h: the call that every operation is built on. */
#include "net/overlay/overlay-internal.h"

#include "base/alloc.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#define DEFAULT_SECONDS 60
#define TRY_SECONDS 4            /* a manager while others are left to ask */
#define HUNG "deadline exceeded" /* a manager's words when its leader did not answer it: done or not */
#define LAST_SECONDS 30          /* the only or last one; an election and its aftermath take 25 s */

/* Outlives the call: the store calls back whether or not anybody still wants to know. */
struct overlay_note {
	struct overlay_call *call;
};

/* The end. */

static void on_closed(uv_handle_t *handle) { free(handle->data); }

static void destroy(struct overlay_call *call) {
	call->finishing = true;
	engine_call_free(call->asked);
	if (call->note)
		call->note->call = NULL;
	call->clear(call);
	strs_clear(&call->tried);
	buf_clear(&call->detail);
	uv_close((uv_handle_t *)&call->timer, on_closed);
}

void overlay_call_free(struct overlay_call *call) {
	if (call && !call->finishing)
		destroy(call);
}

void overlay_finish(struct overlay_call *call, struct overlay_result result) {
	call->finishing = true;
	result.detail = call->detail.len > 0 ? call->detail.data : NULL;
	call->done(call->ctx, &result);
	destroy(call);
}

static void say(struct overlay_call *call, const char *fmt, va_list args) {
	char text[768];

	vsnprintf(text, sizeof(text), fmt, args);
	buf_printf(&call->detail, "%s%s", call->detail.len > 0 ? "; " : "", text);
}

void overlay_say(struct overlay_call *call, const char *fmt, ...) {
	va_list args;

	va_start(args, fmt);
	say(call, fmt, args);
	va_end(args);
}

void overlay_fail(struct overlay_call *call, enum overlay_outcome outcome, const char *fmt, ...) {
	va_list args;

	va_start(args, fmt);
	say(call, fmt, args);
	va_end(args);
	overlay_finish(call, (struct overlay_result){.outcome = outcome});
}

/* Time. */

struct span overlay_time_left(const struct overlay_call *call) {
	struct span left = mono_since(mono_now(), call->deadline);

	return span_less(left, span_ms(1)) ? span_ms(1) : left;
}

bool overlay_is_late(const struct overlay_call *call) { return mono_reached(call->deadline, mono_now()); }

struct span overlay_at_most(const struct overlay_call *call, struct span bound) {
	struct span left = overlay_time_left(call);

	return span_less(left, bound) ? left : bound;
}

static void on_timer(uv_timer_t *timer) {
	struct overlay_call *call = timer->data;

	call->on_timer(call);
}

void overlay_later(struct overlay_call *call, struct span delay, overlay_step_fn *step) {
	call->on_timer = step;
	uv_update_time(call->timer.loop);
	(void)uv_timer_start(&call->timer, on_timer, (uint64_t)span_to_ms(delay), 0); /* fails only when it is closing */
}

void *overlay_call_new(size_t size, struct overlay_cluster *c, struct span deadline, overlay_done_fn *done, void *ctx,
		       overlay_step_fn *clear, overlay_step_fn *first) {
	struct overlay_call *call = xcalloc(1, size);

	call->cluster = c;
	call->done = done;
	call->ctx = ctx;
	call->clear = clear;
	call->started = mono_now();
	call->deadline = mono_add(call->started, deadline.ns > 0 ? deadline : span_sec(DEFAULT_SECONDS));
	(void)uv_timer_init(http_client_loop(c->http), &call->timer); /* cannot fail */
	call->timer.data = call;
	overlay_later(call, span_ms(0), first);
	return call;
}

/* Questions. */

static void on_answer(void *ctx, const struct engine_result *result) {
	struct overlay_call *call = ctx;

	call->asked = NULL;
	call->on_answer(call, result);
}

void overlay_ask(struct overlay_call *call, struct engine *engine, struct span bound, overlay_send_fn *send,
		 overlay_answer_fn *answer) {
	call->on_answer = answer;
	call->asked = send(call, engine, (struct engine_cb){on_answer, call, overlay_at_most(call, bound)});
}

/* The first manager that has not been tried; the list may change between two looks. */
static struct engine *untried(struct overlay_call *call, bool *ret_more) {
	struct engine *first = NULL, *e;

	*ret_more = false;
	for (size_t i = 0; (e = call->cluster->manager(call->cluster->ctx, i)) != NULL; i++) {
		if (strs_has(&call->tried, engine_name(e)))
			continue;
		if (first) {
			*ret_more = true;
			break;
		}
		first = e;
	}
	return first;
}

/* A no that says something about this manager only. */
static bool is_its_own_trouble(const struct engine_result *result) {
	static const char *const words[] = {"have a leader", "not a swarm manager", HUNG, "Unavailable"};

	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
		if (result->status >= 500 && overlay_refused_with(result, words[i]))
			return true;
	}
	return false;
}

static void ask_next_manager(struct overlay_call *call, const struct engine_result *last);

static void on_manager_answer(void *ctx, const struct engine_result *result) {
	struct overlay_call *call = ctx;

	call->asked = NULL;
	if (overlay_is_yes(result) || (result->outcome == ENGINE_REFUSED && !is_its_own_trouble(result))) {
		call->on_answer(call, result);
		return;
	}
	if (engine_outcome_is_open(result->outcome) || overlay_refused_with(result, HUNG))
		call->open = true;
	ask_next_manager(call, result);
}

static void ask_next_manager(struct overlay_call *call, const struct engine_result *last) {
	bool more;
	struct engine *e = untried(call, &more);

	if (e) {
		strs_add(&call->tried, engine_name(e));
		struct span bound = overlay_at_most(call, span_sec(more ? TRY_SECONDS : LAST_SECONDS));
		call->asked = call->send(call, e, (struct engine_cb){on_manager_answer, call, bound});
		return;
	}
	struct engine_result none = {.outcome = call->open ? ENGINE_UNKNOWN : ENGINE_NOT_SENT};
	if (last)
		none.err = last->err;
	else
		err_set(&none.err, -1, "no swarm manager answers");
	call->on_answer(call, &none);
}

void overlay_ask_managers(struct overlay_call *call, overlay_send_fn *send, overlay_answer_fn *answer) {
	call->send = send;
	call->on_answer = answer;
	call->open = false;
	strs_clear(&call->tried);
	ask_next_manager(call, NULL);
}

struct overlay_address *overlay_addresses_copy(const struct overlay_ask *ask) {
	struct overlay_address *list = xnew_n(struct overlay_address, ask->n > 0 ? ask->n : 1);

	for (size_t i = 0; i < ask->n; i++) {
		const struct overlay_address *a = &ask->addresses[i];
		list[i] = (struct overlay_address){xstrdup_null(a->network), xstrdup_null(a->network_id), xstrdup_null(a->ip),
						   xstrdup_null(a->ip6)};
	}
	return list;
}

void overlay_addresses_free(struct overlay_address *list, size_t n) {
	for (size_t i = 0; i < n; i++) {
		const char *owned[] = {list[i].network, list[i].network_id, list[i].ip, list[i].ip6};
		for (size_t k = 0; k < sizeof(owned) / sizeof(owned[0]); k++)
			free((char *)(uintptr_t)owned[k]);
	}
	free(list);
}

bool overlay_holder_is_worse(enum overlay_holder a, enum overlay_holder b) {
	static const int badness[] = {
		[OVERLAY_HOLDER_UNKNOWN] = 0, [OVERLAY_HOLDER_NONE] = 0,  [OVERLAY_HOLDER_OWN] = 1,
		[OVERLAY_HOLDER_COPY] = 2,    [OVERLAY_HOLDER_OTHER] = 3,
	};

	return badness[a] > badness[b];
}

bool overlay_is_yes(const struct engine_result *result) { return result->outcome == ENGINE_OK; }

bool overlay_is_gone(const struct engine_result *result) { return result->outcome == ENGINE_REFUSED && result->status == 404; }

bool overlay_refused_with(const struct engine_result *result, const char *words) {
	return result->outcome == ENGINE_REFUSED && strcasestr(result->err.msg, words);
}

/* The record. */

static void on_written(void *user, int result) {
	struct overlay_note *note = user;
	struct overlay_call *call = note->call;

	free(note);
	if (!call)
		return;
	call->note = NULL;
	call->on_written(call, result);
}

void overlay_remember(struct overlay_call *call, const char *node, const json_t *record,
		      void (*written)(struct overlay_call *call, int result)) {
	CLEANUP_FREE char *text = json_text(record);
	struct overlay_note *note = xnew(struct overlay_note);

	note->call = call;
	call->note = note;
	call->on_written = written;
	call->cluster->remember(call->cluster->ctx, node, text, on_written, note);
}
