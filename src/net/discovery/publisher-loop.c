/* A publisher on a loop: its clock is the machine's, and it is woken by a timer. */
#include "net/discovery/publisher.h"

#include "base/alloc.h"

struct loop_clock {
	uv_timer_t timer; /* first */
	struct publisher *publisher;
};

static struct mono now(void *ctx) {
	(void)ctx;
	return mono_now();
}

static struct wall wall(void *ctx) {
	(void)ctx;
	return wall_now();
}

static void on_timer(uv_timer_t *timer) { publisher_due(((struct loop_clock *)timer)->publisher); }

static void wake(void *ctx, struct mono at) {
	struct loop_clock *c = ctx;
	int64_t ns = mono_since(mono_now(), at).ns;

	if (at.ns == MONO_NEVER.ns)
		uv_timer_stop(&c->timer);
	else
		uv_timer_start(&c->timer, on_timer, ns <= 0 ? 0 : (uint64_t)(ns / 1000000 + 1), 0);
}

static void closed(uv_handle_t *h) { free(h); }
static void close_clock(void *ctx) { uv_close(ctx, closed); }

struct publisher *publisher_new(uv_loop_t *loop, struct discovery *system, const struct publisher_settings *settings,
				const struct publisher_handler *handler) {
	struct loop_clock *c = xnew(struct loop_clock);
	const struct publisher_clock clock = {.now = now, .wall = wall, .wake = wake, .close = close_clock, .ctx = c};

	uv_timer_init(loop, &c->timer);
	c->publisher = publisher_new_on(&clock, system, settings, handler);
	return c->publisher;
}
