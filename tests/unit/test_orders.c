/* What comes of an order over several systems: it is done when all of those have done it that count. Nothing moves here but by
 * hand: the clock stands, and a system answers when it is told to. */
#include "daemon/orders.h"

#include "base/alloc.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#define WEB "prod/aaaaaaaaaaaa"

/* ---- a system with one call at a time ---- */

struct still {
	struct discovery head; /* first */
	discovery_list_fn *listed;
	discovery_done_fn *done;
	void *user;
};

static void still_list(struct discovery *d, const struct discovery_entry *const *wanted, size_t n, discovery_list_fn *done,
		       void *user) {
	struct still *s = (struct still *)d;

	(void)wanted;
	(void)n;
	s->listed = done;
	s->user = user;
}

static void still_look(struct discovery *d, const struct discovery_entry *wanted, discovery_list_fn *done, void *user) {
	(void)wanted;
	still_list(d, NULL, 0, done, user);
}

static void still_change(struct discovery *d, discovery_done_fn *done, void *user) {
	struct still *s = (struct still *)d;

	assert_null(s->done);
	s->done = done;
	s->user = user;
}

static void still_set(struct discovery *d, const struct discovery_entry *wanted, const struct discovery_found *was,
		      discovery_done_fn *done, void *user) {
	(void)wanted;
	(void)was;
	still_change(d, done, user);
}

static void still_unset(struct discovery *d, const struct discovery_found *was, discovery_done_fn *done, void *user) {
	(void)was;
	still_change(d, done, user);
}

static void still_free(struct discovery *d) { free(d); }

static const struct discovery_ops still_ops = {"still", still_list, still_look, still_set, still_unset, still_free, false};

static void says_it_has_nothing(struct still *s) {
	discovery_list_fn *fn = s->listed;

	assert_non_null(fn);
	s->listed = NULL;
	fn(s->user, 0, NULL, 0, NULL);
}

static void answers(struct still *s, int result) {
	discovery_done_fn *fn = s->done;
	struct err err = {0};

	assert_non_null(fn);
	s->done = NULL;
	if (result < 0)
		err_set(&err, result, "still: no");
	if (fn)
		fn(s->user, result, "1", result < 0 ? &err : NULL);
}

/* ---- the bed ---- */

struct bed {
	struct orders *orders;
	struct still *systems[2];
	struct publisher *publishers[2];
	struct publication_report told; /* last */
	unsigned reports;
};

static void report(void *ctx, const char *workload, const struct publication_report *r) {
	struct bed *b = ctx;

	assert_string_equal(workload, WEB);
	b->told = *r;
	b->told.detail = NULL;
	b->reports++;
}

static struct mono now(void *ctx) {
	(void)ctx;
	return (struct mono){span_sec(1).ns};
}

static struct wall wall(void *ctx) {
	(void)ctx;
	return (struct wall){1};
}

static void wake(void *ctx, struct mono at) {
	(void)ctx;
	(void)at;
}

static void close_clock(void *ctx) { (void)ctx; }

static void on_progress(void *ctx, const char *workload) { orders_progress(((struct bed *)ctx)->orders, workload); }

static bool may_withdraw(void *ctx, const char *workload, const char *node, unsigned generation) {
	(void)generation;
	(void)ctx;
	(void)workload;
	(void)node;
	return false;
}

static void on_trouble(void *ctx, const struct publisher *p, const struct err *err) {
	(void)ctx;
	(void)p;
	(void)err;
}

static void on_notice(void *ctx, const struct publisher *p, const char *key, const char *text) {
	(void)ctx;
	(void)p;
	(void)key;
	(void)text;
}

static void on_compared(void *ctx, const struct publisher *p) {
	(void)ctx;
	(void)p;
}

/* Two systems, compared and empty. */
static void begin(struct bed *b, bool first_required, bool second_required) {
	static const struct publisher_clock clock = {.now = now, .wall = wall, .wake = wake, .close = close_clock};
	const struct publisher_handler handler = {.progress = on_progress,
						  .may_withdraw = may_withdraw,
						  .trouble = on_trouble,
						  .notice = on_notice,
						  .compared = on_compared,
						  .ctx = b};

	*b = (struct bed){.orders = orders_new(report, b)};
	for (int i = 0; i < 2; i++) {
		const struct publisher_settings settings = {
			.required = i ? second_required : first_required, .deadline = span_sec(5), .interval = span_sec(60)};
		b->systems[i] = xnew(struct still);
		b->systems[i]->head = (struct discovery){.ops = &still_ops, .name = (char[]){"still"}};
		b->publishers[i] = publisher_new_on(&clock, &b->systems[i]->head, &settings, &handler);
		orders_add(b->orders, b->publishers[i]);
		publisher_start(b->publishers[i]);
		says_it_has_nothing(b->systems[i]);
	}
}

static void end(struct bed *b) {
	for (int i = 0; i < 2; i++)
		publisher_free(b->publishers[i]);
	orders_free(b->orders);
}

static void give(struct bed *b, uint64_t stamp, bool something) {
	struct service_entry web = {.number = 1,
				    .service = (char[]){"web"},
				    .address = (char[]){"10.20.0.50"},
				    .node = (char[]){"h1"},
				    .container = (char[]){"web"},
				    .generation = 1};
	const struct effect e = {.kind = EFFECT_PUBLISH,
				 .workload = (char[]){WEB},
				 .generation = 1,
				 .stamp = stamp,
				 .entries = &web,
				 .n_entries = something};

	orders_give(b->orders, &e, NULL);
	assert_int_equal(b->told.stamp, stamp);
}

static void it_is_done_when_every_system_that_is_required_has_done_it(void **state) {
	static const struct {
		bool required[2];
		bool after[2]; /* done after the first system's answer, and after the second's */
	} cases[] = {
		{{true, true}, {false, true}},
		{{true, false}, {true, true}},
		{{false, true}, {false, true}},
		{{false, false}, {false, true}},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct bed b;
		begin(&b, cases[i].required[0], cases[i].required[1]);
		give(&b, 7, true);
		assert_false(b.told.published);
		for (int k = 0; k < 2; k++) {
			answers(b.systems[k], 0);
			assert_int_equal(b.told.published, cases[i].after[k]);
		}
		end(&b);
	}
}

/* The first has never taken it, and is therefore right at once when nothing is wanted any more. */
static void a_system_that_was_not_told_yet_does_not_speak_for_the_new_order(void **state) {
	struct bed b;

	(void)state;
	begin(&b, true, true);
	give(&b, 7, true);
	answers(b.systems[0], -EINVAL);
	answers(b.systems[1], 0);
	give(&b, 8, false);
	assert_false(b.told.published);
	assert_true(b.told.awaited);
	answers(b.systems[1], 0);
	assert_true(b.told.published);
	end(&b);
}

int main(void) {
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(it_is_done_when_every_system_that_is_required_has_done_it),
		cmocka_unit_test(a_system_that_was_not_told_yet_does_not_speak_for_the_new_order),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
