/* See events.h. Idle, opening, open, waiting: `call` says whether a stream is wanted or there, `connected` that it is there, the
 * timer that the next try is waited for. */
#include "engine/events.h"

#include "base/alloc.h"
#include "base/buf.h"
#include "base/cleanup.h"
#include "engine/call.h"
#include "engine/lines.h"

#include <errno.h>
#include <string.h>
#include <uv.h>

#define BUFFER 2048   /* there is one for each engine, for ever */
#define OPEN_MS 20000 /* until the stream must be there */
#define BACKOFF_MIN_MS 250
#define BACKOFF_MAX_MS 15000
#define STABLE_SECONDS 5 /* a stream that lived so long starts over with the shortest backoff */
#define OVERLAP_NS INT64_C(1000000000)

static const char filters[] = "{\"type\":[\"container\",\"network\",\"node\"],"
			      "\"event\":[\"create\",\"start\",\"restart\",\"stop\",\"die\",\"kill\",\"oom\",\"pause\",\"unpause\","
			      "\"rename\",\"update\",\"destroy\",\"remove\","
			      "\"health_status\",\"connect\",\"disconnect\"]}";

struct engine_events {
	struct engine *engine;
	struct engine_events_handler handler;
	struct engine_call *call;
	uv_timer_t *timer;
	struct lines lines;
	unsigned opening, feeding; /* number of the stream that is there, and of the one whose bytes are being read */
	int64_t last;              /* time_nano of the newest event; 0: none yet */
	struct mono opened;
	int64_t backoff_ms;
	bool connected, in_callback, freed;
};

static void on_time(uv_timer_t *timer);

static void timer_closed(uv_handle_t *timer) { free(timer); }

static void events_destroy(struct engine_events *ev) {
	engine_call_free(ev->call);
	lines_clear(&ev->lines);
	uv_close((uv_handle_t *)ev->timer, timer_closed);
	free(ev);
}

/* In its own callbacks the object must outlive the code that runs them. */
void engine_events_free(struct engine_events *ev) {
	if (!ev)
		return;
	ev->freed = true;
	if (!ev->in_callback)
		events_destroy(ev);
}

/* Returns false when the callback freed the object. */
static bool left_callback(struct engine_events *ev) {
	ev->in_callback = false;
	if (!ev->freed)
		return true;
	events_destroy(ev);
	return false;
}

/* Many streams are lost at once when a manager or a switch restarts: they do not come back at once. */
static uint64_t with_jitter(const struct engine_events *ev) {
	uint64_t ms = (uint64_t)ev->backoff_ms;

	return ms + (uv_hrtime() / 1000 + (uint64_t)(uintptr_t)ev / 64) % (ms / 4 + 1);
}

static void wait_for_retry(struct engine_events *ev) {
	uv_timer_start(ev->timer, on_time, with_jitter(ev), 0);
	ev->backoff_ms = ev->backoff_ms * 2 > BACKOFF_MAX_MS ? BACKOFF_MAX_MS : ev->backoff_ms * 2;
}

static void lose(struct engine_events *ev, const struct err *reason) {
	if (ev->connected && mono_since(ev->opened, mono_now()).ns > span_sec(STABLE_SECONDS).ns)
		ev->backoff_ms = BACKOFF_MIN_MS;
	ev->connected = false;
	lines_clear(&ev->lines);
	engine_forget_api(ev->engine);
	wait_for_retry(ev);
	ev->in_callback = true;
	if (ev->handler.on_lost)
		ev->handler.on_lost(ev->handler.ctx, reason);
	(void)left_callback(ev); /* nothing follows */
}

static void on_end(void *ctx, const struct engine_result *result) {
	struct engine_events *ev = ctx;
	struct err reason = result->err;

	ev->call = NULL;
	if (result->outcome == ENGINE_OK)
		err_set(&reason, -ECONNRESET, "%s: GET /events: the engine closed the stream", engine_name(ev->engine));
	lose(ev, &reason);
}

static void on_open(void *ctx, int status) {
	struct engine_events *ev = ctx;

	(void)status;
	uv_timer_stop(ev->timer);
	ev->connected = true;
	ev->opened = mono_now();
	ev->in_callback = true;
	if (ev->handler.on_connected)
		ev->handler.on_connected(ev->handler.ctx);
	(void)left_callback(ev); /* nothing follows */
}

/* Not 0 stops the lines: the object is going, or the line is none. */
static int on_line(void *ctx, const char *line, size_t n, struct err *err) {
	struct engine_events *ev = ctx;
	CLEANUP_JSON json_t *j = NULL;
	struct engine_event event;

	if (engine_parse_json(line, n, &j, err) < 0 || engine_event_parse(j, &event, err) < 0)
		return -EBADMSG;
	if (event.time_nano > ev->last)
		ev->last = event.time_nano;
	if (ev->handler.on_event)
		ev->handler.on_event(ev->handler.ctx, &event);
	engine_event_clear(&event);
	return ev->freed || ev->opening != ev->feeding ? 1 : 0;
}

/* A stream of garbage is reported once, by on_lost, and opened again after the backoff. */
static void give_up(struct engine_events *ev, const struct err *why) {
	struct err reason;
	CLEANUP_FREE char *quoted = engine_quote(why->msg);

	engine_call_free(TAKE_PTR(ev->call));
	err_set(&reason, -EBADMSG, "%s: GET /events: %s", engine_name(ev->engine), quoted);
	lose(ev, &reason);
}

static void on_data(void *ctx, const char *data, size_t n) {
	struct engine_events *ev = ctx;
	struct err why;

	ev->in_callback = true;
	ev->feeding = ev->opening;
	int r = lines_push(&ev->lines, data, n, on_line, ev, &why);
	if (left_callback(ev) && r < 0)
		give_up(ev, &why);
}

static char *stream_path(const struct engine_events *ev) {
	struct buf b = {0};
	int64_t since = ev->last - OVERLAP_NS;

	buf_puts(&b, "/events?filters=");
	engine_put_escaped(&b, filters, "");
	if (ev->last > OVERLAP_NS)
		buf_printf(&b, "&since=%lld.%09lld", (long long)(since / 1000000000), (long long)(since % 1000000000));
	return buf_take(&b);
}

static void open_stream(struct engine_events *ev) {
	struct engine_request request = {
		.op = &engine_op_events,
		.path = stream_path(ev),
		.stream = {.on_response = on_open, .on_data = on_data, .ctx = ev, .buffer_size = BUFFER, .keepalive = true},
	};

	uv_timer_start(ev->timer, on_time, OPEN_MS, 0);
	ev->opening++;
	ev->call = engine_call_start(ev->engine, request, (struct engine_cb){.fn = on_end, .ctx = ev});
}

static void on_time(uv_timer_t *timer) {
	struct engine_events *ev = timer->data;
	struct err late;

	if (!ev->call) {
		open_stream(ev);
		return;
	}
	err_set(&late, -ETIMEDOUT, "no answer within %d s", OPEN_MS / 1000);
	give_up(ev, &late);
}

struct engine_events *engine_events_new(struct engine *e, const struct engine_events_handler *handler) {
	struct engine_events *ev = xnew(struct engine_events);

	ev->engine = e;
	ev->handler = *handler;
	ev->backoff_ms = BACKOFF_MIN_MS;
	ev->lines.limit = ENGINE_LINE_MAX;
	ev->timer = xnew(uv_timer_t);
	uv_timer_init(http_client_loop(e->client), ev->timer);
	ev->timer->data = ev;
	open_stream(ev);
	return ev;
}

bool engine_events_connected(const struct engine_events *ev) { return ev->connected; }

void engine_events_retry(struct engine_events *ev) {
	ev->backoff_ms = BACKOFF_MIN_MS;
	if (!ev->call)
		open_stream(ev);
}

void engine_events_reopen(struct engine_events *ev) {
	engine_call_free(TAKE_PTR(ev->call));
	lines_clear(&ev->lines);
	ev->connected = false;
	engine_events_retry(ev);
}
