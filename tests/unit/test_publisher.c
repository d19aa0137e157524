/* What keeps a system true, against a system that does as it is told: answers, fails, forgets, or holds somebody else's. */
#include "net/discovery/publisher.h"

#include "base/alloc.h"
#include "base/cleanup.h"
#include "standin.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <unistd.h>

#include <cmocka.h>

#define WEB "prod/aaaaaaaaaaaa"

/* ---- a system in memory ---- */

enum { THINGS = 512 };

struct thing {
	struct discovery_entry entry;
	bool foreign, incomplete;
	unsigned version;
};

struct fake;
struct fake_call {
	struct fake *fake;
	enum { CALL_LIST, CALL_LOOK, CALL_SET, CALL_UNSET } kind;
	struct discovery_entry entry; /* wanted; of look and unset its key */
	unsigned was;                 /* 0: nothing */
	discovery_list_fn *listed;
	discovery_done_fn *done;
	void *user;
	struct fake_call *next;
};

struct fake {
	struct discovery head; /* first */
	struct thing things[THINGS];
	size_t n;
	unsigned versions;
	int fail;                 /* result of every call; 0: they work */
	int fail_list, fail_set;  /* of these only */
	const char *fail_service; /* of sets of this service only; NULL: of all */
	bool lose;                /* it takes effect, and the answer is -ETIMEDOUT */
	bool silent;              /* no answer until this ends */
	struct fake_call *calls;
	uv_check_t *check;
	unsigned asked[4], most, open;
};

static struct thing *thing_find(struct fake *f, const char *key) {
	for (size_t i = 0; i < f->n; i++)
		if (strcmp(f->things[i].entry.key, key) == 0)
			return &f->things[i];
	return NULL;
}

static struct thing *thing_put(struct fake *f, const struct discovery_entry *e) {
	struct thing *t = thing_find(f, e->key);

	if (!t) {
		assert_true(f->n < THINGS);
		t = &f->things[f->n++];
		*t = (struct thing){0};
	}
	discovery_entry_copy(&t->entry, e);
	t->foreign = t->incomplete = false;
	t->version = ++f->versions;
	return t;
}

static void thing_remove(struct fake *f, const char *key) {
	struct thing *t = thing_find(f, key);

	if (!t)
		return;
	discovery_entry_clear(&t->entry);
	*t = f->things[--f->n];
	f->things[f->n] = (struct thing){0};
}

static void find(struct fake *f, const struct thing *t, struct discovery_found *ret) {
	(void)f;
	*ret = (struct discovery_found){.foreign = t->foreign, .incomplete = t->incomplete, .version = xasprintf("%u", t->version)};
	discovery_entry_copy(&ret->entry, &t->entry);
	if (t->foreign) {
		ret->content = xstrdup("10.9.9.9");
		xstr_replace(&ret->entry.workload, NULL);
	}
}

static void give_list(struct fake_call *c, bool all) {
	struct fake *f = c->fake;
	struct discovery_found *found = xnew_n(struct discovery_found, THINGS);
	size_t n = 0;

	for (size_t i = 0; i < f->n; i++)
		if (all || strcmp(f->things[i].entry.key, c->entry.key) == 0)
			find(f, &f->things[i], &found[n++]);
	c->listed(c->user, 0, found, n, NULL);
	for (size_t i = 0; i < n; i++)
		discovery_found_clear(&found[i]);
	free(found);
}

static void change(struct fake_call *c) {
	struct fake *f = c->fake;
	struct thing *t = thing_find(f, c->entry.key);
	struct err err = {0};
	char version[16];

	if ((t ? t->version : 0) != c->was && !(c->kind == CALL_UNSET && !t)) {
		c->done(c->user, err_set(&err, -ESTALE, "fake: it has changed"), NULL, &err);
		return;
	}
	if (c->kind == CALL_SET)
		t = thing_put(f, &c->entry);
	else
		thing_remove(f, c->entry.key);
	if (f->lose) {
		c->done(c->user, err_set(&err, -ETIMEDOUT, "fake: no answer"), NULL, &err);
		return;
	}
	snprintf(version, sizeof(version), "%u", c->kind == CALL_SET ? t->version : 0);
	c->done(c->user, 0, c->kind == CALL_SET ? version : NULL, NULL);
}

static int failure(const struct fake_call *c) {
	const struct fake *f = c->fake;
	bool spared = f->fail_service && strcmp(f->fail_service, c->entry.service) != 0;

	if (f->fail)
		return f->fail;
	return c->kind == CALL_LIST ? f->fail_list : c->kind == CALL_SET && !spared ? f->fail_set : 0;
}

static void answer(struct fake_call *c) {
	int result = failure(c);
	struct err err = {0};

	if (result) {
		err_set(&err, result, "fake: refused");
		if (c->listed)
			c->listed(c->user, result, NULL, 0, &err);
		else
			c->done(c->user, result, NULL, &err);
	} else if (c->kind == CALL_LIST || c->kind == CALL_LOOK) {
		give_list(c, c->kind == CALL_LIST);
	} else {
		change(c);
	}
}

/* All that are waiting now, and none that their answers bring. */
static void answer_all(uv_check_t *check) {
	struct fake *f = check->data;
	struct fake_call *c = f->silent ? NULL : f->calls;

	if (c)
		f->calls = NULL;
	while (c) {
		struct fake_call *next = c->next;
		f->open--;
		answer(c);
		discovery_entry_clear(&c->entry);
		free(c);
		c = next;
	}
}

static void begin_call(struct discovery *d, struct fake_call call) {
	struct fake *f = (struct fake *)d;
	struct fake_call *c = xnew(struct fake_call);

	*c = call;
	c->fake = f;
	f->asked[c->kind]++;
	f->open++;
	f->most = f->open > f->most ? f->open : f->most;
	LL_APPEND(f->calls, c);
}

static void fake_list(struct discovery *d, const struct discovery_entry *const *wanted, size_t n, discovery_list_fn *done,
		      void *user) {
	(void)wanted;
	(void)n;
	begin_call(d, (struct fake_call){.kind = CALL_LIST, .listed = done, .user = user});
}

static void fake_look(struct discovery *d, const struct discovery_entry *wanted, discovery_list_fn *done, void *user) {
	struct fake_call c = {.kind = CALL_LOOK, .listed = done, .user = user};

	discovery_entry_copy(&c.entry, wanted);
	begin_call(d, c);
}

static void fake_set(struct discovery *d, const struct discovery_entry *wanted, const struct discovery_found *was,
		     discovery_done_fn *done, void *user) {
	struct fake_call c = {.kind = CALL_SET, .was = was ? (unsigned)atoi(was->version) : 0, .done = done, .user = user};

	discovery_entry_copy(&c.entry, wanted);
	begin_call(d, c);
}

static void fake_unset(struct discovery *d, const struct discovery_found *was, discovery_done_fn *done, void *user) {
	struct fake_call c = {.kind = CALL_UNSET, .was = (unsigned)atoi(was->version), .done = done, .user = user};

	discovery_entry_copy(&c.entry, &was->entry);
	begin_call(d, c);
}

static void fake_closed(uv_handle_t *h) { free(h); }

static void fake_free(struct discovery *d) {
	struct fake *f = (struct fake *)d;

	while (f->calls) {
		struct fake_call *c = f->calls;
		f->calls = c->next;
		discovery_entry_clear(&c->entry);
		free(c);
	}
	for (size_t i = 0; i < f->n; i++)
		discovery_entry_clear(&f->things[i].entry);
	uv_close((uv_handle_t *)f->check, fake_closed);
	free(f);
}

static const struct discovery_ops fake_ops = {"fake", fake_list, fake_look, fake_set, fake_unset, fake_free, false};

/* ---- the bed ---- */

struct bed {
	uv_loop_t loop;
	struct fake *fake;
	struct publisher *publisher;
	struct publisher_settings settings;
	bool may_withdraw;
	unsigned progresses, troubles, works, comparisons;
	char noticed[256];
};

static void on_progress(void *ctx, const char *workload) {
	(void)workload;
	((struct bed *)ctx)->progresses++;
}

static bool on_may_withdraw(void *ctx, const char *workload, const char *node, unsigned generation) {
	(void)workload;
	(void)node;
	(void)generation;
	return ((struct bed *)ctx)->may_withdraw;
}

static void on_trouble(void *ctx, const struct publisher *p, const struct err *err) {
	struct bed *b = ctx;
	(void)p;
	b->troubles += err != NULL;
	b->works += err == NULL;
}

static void on_notice(void *ctx, const struct publisher *p, const char *key, const char *text) {
	struct bed *b = ctx;
	(void)p;
	(void)key;
	snprintf(b->noticed, sizeof(b->noticed), "%s", text);
}

static void on_compared(void *ctx, const struct publisher *p) {
	(void)p;
	((struct bed *)ctx)->comparisons++;
}

static int set_up(void **state) {
	struct bed *b = xnew(struct bed);

	alarm(60);
	uv_loop_init(&b->loop);
	b->fake = xnew(struct fake);
	b->fake->head = (struct discovery){.ops = &fake_ops, .name = (char[]){"fake"}};
	b->fake->check = xnew(uv_check_t);
	uv_check_init(&b->loop, b->fake->check);
	b->fake->check->data = b->fake;
	uv_check_start(b->fake->check, answer_all);
	b->settings = (struct publisher_settings){.required = true,
						  .deadline = span_sec(3600),
						  .interval = span_sec(3600),
						  .backoff_initial = span_ms(5),
						  .backoff_cap = span_ms(20)};
	*state = b;
	return 0;
}

static struct bed *begin(void **state) {
	struct bed *b = *state;
	const struct publisher_handler handler = {.progress = on_progress,
						  .may_withdraw = on_may_withdraw,
						  .trouble = on_trouble,
						  .notice = on_notice,
						  .compared = on_compared,
						  .ctx = b};

	b->publisher = publisher_new(&b->loop, &b->fake->head, &b->settings, &handler);
	publisher_start(b->publisher);
	return b;
}

static int tear_down(void **state) {
	struct bed *b = *state;

	publisher_free(b->publisher);
	strs_clear(&b->settings.adopt);
	uv_run(&b->loop, UV_RUN_DEFAULT);
	assert_int_equal(uv_loop_close(&b->loop), 0);
	free(b);
	return 0;
}

static struct discovery_entry entry(unsigned generation, const char *node, const char *address) {
	char key[DISCOVERY_KEY_MAX];

	return (struct discovery_entry){
		.key = xstrdup(discovery_key(WEB, 1, key)),
		.workload = xstrdup(WEB),
		.generation = generation,
		.service = xstrdup("web"),
		.address = xstrdup(address),
		.port = 80,
		.node = xstrdup(node),
		.container = xstrdup("web"),
	};
}

static void order(struct bed *b, uint64_t stamp, unsigned generation, const char *node) {
	struct discovery_entry e = entry(generation, node ? node : "h0", "10.20.0.50");
	const struct publisher_order o = {
		.workload = WEB, .generation = generation, .stamp = stamp, .entries = &e, .n = node ? 1 : 0};

	publisher_order(b->publisher, &o);
	discovery_entry_clear(&e);
}

static struct publisher_progress progress(const struct bed *b) {
	struct publisher_progress p;
	publisher_progress(b->publisher, WEB, &p);
	return p;
}

static bool is_published(const struct bed *b, uint64_t stamp) {
	const struct publisher_progress p = progress(b);
	return p.published && p.stamp == stamp;
}

static void see_state(void *ctx, const struct publisher_view *v) { *(enum publisher_state *)ctx = v->state; }

static enum publisher_state state_of(const struct bed *b) {
	enum publisher_state s = PUBLISHER_STATE_MAX; /* there is none */
	publisher_each(b->publisher, see_state, &s);
	return s;
}

static const struct thing *there(struct bed *b) {
	char key[DISCOVERY_KEY_MAX];
	return thing_find(b->fake, discovery_key(WEB, 1, key));
}

static struct thing *put(struct bed *b, unsigned generation, const char *node, const char *address) {
	struct discovery_entry e = entry(generation, node, address);
	struct thing *t = thing_put(b->fake, &e);
	discovery_entry_clear(&e);
	return t;
}

/* ---- what is wanted comes to stand there ---- */

static void what_is_wanted_is_set_changed_and_taken_away(void **state) {
	struct bed *b = begin(state);

	order(b, 1, 1, "h1");
	assert_false(progress(b).published);
	assert_true(progress(b).awaited);
	RUN_UNTIL(&b->loop, is_published(b, 1));
	assert_string_equal(there(b)->entry.node, "h1");
	assert_int_equal(state_of(b), PUBLISHER_OK);
	order(b, 2, 2, "h2");
	assert_false(is_published(b, 2));
	RUN_UNTIL(&b->loop, is_published(b, 2));
	assert_string_equal(there(b)->entry.node, "h2");
	order(b, 3, 2, NULL);
	RUN_UNTIL(&b->loop, !there(b));
	RUN_UNTIL(&b->loop, progress(b).published);
	assert_int_equal(state_of(b), PUBLISHER_STATE_MAX);
	assert_int_equal(b->fake->asked[CALL_LOOK], 0); /* what was set is known */
}

static void what_is_so_already_is_left_alone(void **state) {
	struct bed *b = begin(state);

	(void)put(b, 1, "h1", "10.20.0.50");
	order(b, 1, 1, "h1");
	RUN_UNTIL(&b->loop, is_published(b, 1));
	assert_int_equal(b->fake->asked[CALL_SET], 0);
}

static void incomplete_entry_is_set_again(void **state) {
	struct bed *b = begin(state);

	put(b, 1, "h1", "10.20.0.50")->incomplete = true;
	order(b, 1, 1, "h1");
	RUN_UNTIL(&b->loop, is_published(b, 1));
	assert_false(there(b)->incomplete);
	assert_int_equal(b->fake->asked[CALL_SET], 1);
}

static void order_that_changes_while_a_call_is_under_way_holds(void **state) {
	struct bed *b = begin(state);

	RUN_UNTIL(&b->loop, b->comparisons > 0);
	b->fake->silent = true;
	order(b, 1, 1, "h1");
	RUN_UNTIL(&b->loop, b->fake->open == 1);
	order(b, 2, 2, "h2");
	order(b, 3, 3, "h3");
	b->fake->silent = false;
	RUN_UNTIL(&b->loop, is_published(b, 3));
	assert_string_equal(there(b)->entry.node, "h3");
	assert_int_equal(b->fake->asked[CALL_SET], 2);
}

static void nothing_is_done_while_a_call_that_changes_it_is_under_way(void **state) {
	struct bed *b = begin(state);

	RUN_UNTIL(&b->loop, b->comparisons > 0);
	b->fake->silent = true;
	order(b, 1, 1, "h1");
	RUN_UNTIL(&b->loop, b->fake->open == 1);
	order(b, 2, 1, NULL);
	assert_false(progress(b).published); /* what is under way will stand there */
	b->fake->silent = false;
	RUN_UNTIL(&b->loop, progress(b).published);
	assert_null(there(b));
	order(b, 3, 1, "h1");
	RUN_UNTIL(&b->loop, is_published(b, 3));
	b->fake->silent = true;
	order(b, 4, 1, NULL);
	RUN_UNTIL(&b->loop, b->fake->open == 1);
	order(b, 5, 1, "h1");
	assert_false(progress(b).published); /* and it will not stand there any more */
	b->fake->silent = false;
	RUN_UNTIL(&b->loop, is_published(b, 5));
	assert_non_null(there(b));
}

static void many_are_not_asked_for_all_at_once(void **state) {
	struct bed *b = begin(state);

	for (unsigned i = 0; i < 300; i++) {
		char *workload CLEANUP_FREE = xasprintf("prod/%012u", i);
		struct discovery_entry e = entry(1, "h1", "10.20.0.50");
		char key[DISCOVERY_KEY_MAX];
		xstr_replace(&e.workload, workload);
		xstr_replace(&e.key, discovery_key(workload, 1, key));
		publisher_order(b->publisher, &(struct publisher_order){
						      .workload = workload, .generation = 1, .stamp = 1, .entries = &e, .n = 1});
		discovery_entry_clear(&e);
	}
	RUN_UNTIL(&b->loop, b->fake->n == 300);
	assert_in_range(b->fake->most, 2, 16);
}

/* ---- conflicts ---- */

static void what_another_changed_is_looked_at_and_set_again(void **state) {
	struct bed *b = begin(state);

	order(b, 1, 2, "h1");
	RUN_UNTIL(&b->loop, is_published(b, 1));
	(void)put(b, 1, "h9", "10.20.0.99"); /* an older manager, behind our back */
	order(b, 2, 2, "h2");
	RUN_UNTIL(&b->loop, is_published(b, 2));
	assert_string_equal(there(b)->entry.node, "h2");
	assert_int_equal(b->fake->asked[CALL_LOOK], 1);
}

static void higher_generation_of_another_manager_is_neither_changed_nor_taken_away(void **state) {
	struct bed *b = begin(state);

	(void)put(b, 5, "h9", "10.20.0.50");
	order(b, 1, 2, "h2");
	RUN_UNTIL(&b->loop, state_of(b) == PUBLISHER_SUPERSEDED);
	assert_false(progress(b).published);
	assert_false(progress(b).awaited);
	assert_non_null(strstr(progress(b).detail, "generation 5 on h9"));
	order(b, 2, 2, NULL);
	publisher_sync(b->publisher);
	unsigned n = b->comparisons;
	RUN_UNTIL(&b->loop, b->comparisons > n);
	assert_int_equal(there(b)->entry.generation, 5);
	assert_int_equal(b->fake->asked[CALL_SET] + b->fake->asked[CALL_UNSET], 0);
}

static void older_manager_loses_the_race(void **state) {
	struct bed *b = begin(state);

	order(b, 1, 1, "h1");
	RUN_UNTIL(&b->loop, is_published(b, 1));
	(void)put(b, 3, "h3", "10.20.0.50"); /* another has moved it on */
	order(b, 2, 2, "h2");
	RUN_UNTIL(&b->loop, state_of(b) == PUBLISHER_SUPERSEDED);
	assert_string_equal(there(b)->entry.node, "h3");
}

static void foreign_value_is_reported_and_left(void **state) {
	struct bed *b = begin(state);

	put(b, 1, "h1", "10.9.9.9")->foreign = true;
	order(b, 1, 1, "h1");
	RUN_UNTIL(&b->loop, state_of(b) == PUBLISHER_FOREIGN);
	assert_false(progress(b).published);
	assert_false(progress(b).awaited);
	assert_string_equal(b->noticed, "10.9.9.9");
	order(b, 2, 1, NULL);
	RUN_UNTIL(&b->loop, progress(b).published);
	assert_true(there(b)->foreign);
	assert_int_equal(b->fake->asked[CALL_SET] + b->fake->asked[CALL_UNSET], 0);
}

/* Before the first comparison nobody knows that nothing else of it is there. */
static void foreign_value_that_is_not_in_the_way_any_more_is_no_proof(void **state) {
	struct bed *b = begin(state);

	b->fake->fail_list = -EPROTO;
	put(b, 1, "h1", "10.9.9.9")->foreign = true;
	order(b, 1, 1, "h1");
	RUN_UNTIL(&b->loop, state_of(b) == PUBLISHER_FOREIGN);
	order(b, 2, 1, NULL);
	assert_false(progress(b).published);
	assert_true(progress(b).awaited);
	unsigned n = b->progresses;
	b->fake->fail_list = 0;
	publisher_sync(b->publisher);
	RUN_UNTIL(&b->loop, progress(b).published);
	assert_true(b->progresses > n);
}

static void foreign_value_that_is_adopted_is_overwritten(void **state) {
	strs_add(&((struct bed *)*state)->settings.adopt, "web");
	struct bed *b = begin(state);

	put(b, 1, "h1", "10.9.9.9")->foreign = true;
	order(b, 1, 1, "h1");
	RUN_UNTIL(&b->loop, is_published(b, 1));
	assert_string_equal(there(b)->entry.address, "10.20.0.50");
}

static void orphan_is_taken_away_only_when_that_is_allowed(void **state) {
	struct bed *b = begin(state);

	(void)put(b, 1, "h1", "10.20.0.50");
	RUN_UNTIL(&b->loop, b->comparisons == 1);
	assert_int_equal(state_of(b), PUBLISHER_ORPHANED);
	assert_non_null(there(b));
	b->may_withdraw = true;
	publisher_sync(b->publisher);
	RUN_UNTIL(&b->loop, !there(b));
}

/* After a restart: what is there is found by the comparison, and is withdrawn though nothing was ever ordered of it. */
static void nothing_is_withdrawn_before_it_is_known_what_is_there(void **state) {
	struct bed *b = begin(state);

	(void)put(b, 1, "h1", "10.99.0.11");
	order(b, 1, 1, NULL);
	assert_false(progress(b).published);
	assert_true(progress(b).awaited);
	RUN_UNTIL(&b->loop, progress(b).published);
	assert_null(there(b));
}

/* ---- trouble ---- */

static void that_there_is_nothing_is_told_when_it_is_known(void **state) {
	struct bed *b = *state;

	b->fake->fail = -ENOTCONN;
	(void)begin(state);
	order(b, 1, 1, NULL);
	RUN_UNTIL(&b->loop, b->troubles > 0);
	assert_false(progress(b).published);
	b->progresses = 0;
	b->fake->fail = 0;
	RUN_UNTIL(&b->loop, b->progresses > 0);
	assert_true(progress(b).published);
}

/* A clock that stands, and when it was asked to wake. */
struct stopped {
	struct mono now, wake;
};

static struct mono stopped_now(void *ctx) { return ((struct stopped *)ctx)->now; }

static struct wall stopped_wall(void *ctx) {
	(void)ctx;
	return (struct wall){1};
}

static void stopped_wake(void *ctx, struct mono at) { ((struct stopped *)ctx)->wake = at; }
static void stopped_close(void *ctx) { (void)ctx; }

static void comparison_that_has_to_wait_for_a_call_does_not_keep_the_loop_busy(void **state) {
	struct bed *b = *state;
	struct stopped time = {{span_sec(1).ns}, MONO_NEVER};
	const struct publisher_clock clock = {
		.now = stopped_now, .wall = stopped_wall, .wake = stopped_wake, .close = stopped_close, .ctx = &time};
	const struct publisher_handler handler = {.progress = on_progress,
						  .may_withdraw = on_may_withdraw,
						  .trouble = on_trouble,
						  .notice = on_notice,
						  .compared = on_compared,
						  .ctx = b};

	b->publisher = publisher_new_on(&clock, &b->fake->head, &b->settings, &handler);
	publisher_start(b->publisher);
	RUN_UNTIL(&b->loop, b->comparisons > 0);
	b->fake->fail = -ENOTCONN;
	order(b, 1, 1, "h1");
	RUN_UNTIL(&b->loop, b->troubles > 0);
	time.now = time.wake;
	b->fake->silent = true;
	publisher_due(b->publisher);
	assert_int_equal(b->fake->open, 1);
	time.now = mono_add(time.now,
			    span_sec(3600)); /* the next comparison is due, and one call is under way to a system in trouble */
	publisher_due(b->publisher);
	assert_int_equal(b->fake->open, 1);
	assert_false(mono_reached(time.wake, time.now));
}

static void system_that_is_down_is_tried_until_it_works(void **state) {
	struct bed *b = begin(state);

	b->fake->fail = -ENOTCONN;
	order(b, 1, 1, "h1");
	RUN_UNTIL(&b->loop, b->fake->asked[CALL_LIST] > 3);
	assert_int_equal(b->troubles, 1);
	assert_int_equal(b->fake->most, 1);
	assert_string_equal(progress(b).detail, "fake: refused");
	b->fake->fail = 0;
	RUN_UNTIL(&b->loop, is_published(b, 1));
	RUN_UNTIL(&b->loop, b->works == 1); /* when it was compared as well */
}

static void credentials_that_never_did_are_trouble_of_the_system(void **state) {
	struct bed *b = begin(state);

	b->fake->fail = -EACCES;
	order(b, 1, 1, "h1");
	RUN_UNTIL(&b->loop, b->fake->asked[CALL_LIST] > 3);
	struct publisher_summary s;
	publisher_summary(b->publisher, &s);
	assert_string_equal(s.trouble, "fake: refused");
	assert_int_equal(s.differences, 1);
	b->fake->fail = 0;
	RUN_UNTIL(&b->loop, is_published(b, 1));
}

static void order_other(struct bed *b) {
	struct discovery_entry e = entry(1, "h1", "10.20.0.9");

	xstr_replace(&e.key, "hbbbbbbbbbbbb-1");
	xstr_replace(&e.workload, "prod/bbbbbbbbbbbb");
	xstr_replace(&e.service, "other");
	publisher_order(b->publisher,
			&(struct publisher_order){.workload = e.workload, .generation = 1, .stamp = 9, .entries = &e, .n = 1});
	discovery_entry_clear(&e);
}

/* A policy may name each service. */
static void entry_that_may_not_be_written_holds_no_other_up(void **state) {
	((struct bed *)*state)->settings.backoff_initial = ((struct bed *)*state)->settings.backoff_cap = span_sec(3600);
	struct bed *b = begin(state);

	RUN_UNTIL(&b->loop, b->comparisons == 1);
	b->fake->fail_set = -EACCES;
	b->fake->fail_service = "other";
	order_other(b);
	RUN_UNTIL(&b->loop, b->fake->asked[CALL_SET] == 1 && b->fake->open == 0);
	order(b, 1, 1, "h1");
	RUN_UNTIL(&b->loop, is_published(b, 1)); /* and not in an hour */
	assert_int_equal(b->troubles, 0);
	assert_string_equal(b->noticed, "fake: refused");
}

static void comparison_that_fails_keeps_no_entry_from_being_written(void **state) {
	struct bed *b = begin(state);

	b->fake->fail_list = -EPROTO;
	order(b, 1, 1, "h1");
	RUN_UNTIL(&b->loop, is_published(b, 1));
	assert_string_equal(there(b)->entry.node, "h1");
	order(b, 2, 2, "h2");
	RUN_UNTIL(&b->loop, is_published(b, 2));
	struct publisher_summary s;
	publisher_summary(b->publisher, &s);
	assert_string_equal(s.trouble, "fake: refused");
	assert_int_equal(b->troubles, 1);
	b->fake->fail_list = 0;
	RUN_UNTIL(&b->loop, b->works == 1);
}

/* It may never have been asked in a way that could succeed: the first call was for an entry. */
static void what_is_asked_for_is_compared_even_while_a_call_hangs(void **state) {
	struct bed *b = begin(state);

	RUN_UNTIL(&b->loop, b->comparisons == 1);
	b->fake->fail_set = -EIO;
	order(b, 1, 1, "h1");
	RUN_UNTIL(&b->loop, b->troubles == 1);
	unsigned n = b->comparisons;
	publisher_sync(b->publisher);
	RUN_UNTIL(&b->loop, b->comparisons > n);
}

static void lost_answer_is_looked_for_before_anything_is_done_again(void **state) {
	struct bed *b = begin(state);

	RUN_UNTIL(&b->loop, b->comparisons == 1);
	b->fake->lose = true;
	order(b, 1, 1, "h1");
	RUN_UNTIL(&b->loop, is_published(b, 1));
	assert_int_equal(b->fake->asked[CALL_SET], 1);
	assert_int_equal(b->fake->asked[CALL_LOOK], 1);
}

/* Found, and not ordered in this run: its withdrawal is looked for like any other, and told. */
static void withdrawal_of_what_stood_there_before_is_told(void **state) {
	for (int lost = 0; lost < 2; lost++) {
		struct bed *b = begin(state);

		(void)put(b, 1, "h1", "10.20.0.50");
		RUN_UNTIL(&b->loop, b->comparisons > 0);
		b->fake->lose = lost;
		order(b, 1, 1, NULL);
		assert_false(progress(b).published);
		b->progresses = 0;
		RUN_UNTIL(&b->loop, b->fake->asked[CALL_UNSET] == 1 && b->fake->open == 0);
		assert_int_equal(progress(b).published, !lost);
		b->fake->lose = false;
		RUN_UNTIL(&b->loop, progress(b).published);
		assert_int_equal(b->fake->asked[CALL_LOOK], lost);
		assert_true(b->progresses > 0);
		assert_null(there(b));
		if (!lost) {
			tear_down(state);
			set_up(state);
		}
	}
}

/* The first call's outcome is not known when it is wanted again, and not wanted again. */
static void what_was_not_heard_of_is_not_taken_for_absent(void **state) {
	struct bed *b = begin(state);

	order(b, 1, 1, "h1");
	RUN_UNTIL(&b->loop, is_published(b, 1));
	b->fake->lose = true;
	order(b, 2, 2, "h2");
	RUN_UNTIL(&b->loop, b->fake->asked[CALL_SET] == 2 && b->fake->open == 0);
	b->fake->silent = true;
	publisher_sync(b->publisher); /* of a system that is in trouble nothing else is asked meanwhile */
	order(b, 3, 2, NULL);
	order(b, 4, 2, "h2");
	order(b, 5, 2, NULL);
	assert_int_equal(b->fake->open, 1);
	assert_false(progress(b).published);
	b->fake->silent = b->fake->lose = false;
	RUN_UNTIL(&b->loop, progress(b).published);
	assert_null(there(b));
}

static void what_a_system_can_never_hold_is_asked_again_only_after_a_comparison(void **state) {
	struct bed *b = begin(state);

	RUN_UNTIL(&b->loop, b->comparisons == 1);
	b->fake->fail = -EINVAL;
	order(b, 1, 1, "h1");
	RUN_UNTIL(&b->loop, state_of(b) == PUBLISHER_REFUSED);
	assert_false(progress(b).awaited);
	assert_int_equal(b->fake->asked[CALL_SET], 1);
	b->fake->fail = 0;
	publisher_sync(b->publisher);
	RUN_UNTIL(&b->loop, is_published(b, 1));
	assert_int_equal(b->fake->asked[CALL_SET], 2);
}

static void what_stood_there_before_goes_also_when_the_new_cannot_be_held(void **state) {
	struct bed *b = begin(state);

	order(b, 1, 1, "h1");
	RUN_UNTIL(&b->loop, is_published(b, 1));
	b->fake->fail_set = -EINVAL;
	order(b, 2, 2, "h2");
	RUN_UNTIL(&b->loop, state_of(b) == PUBLISHER_REFUSED && !there(b));
	assert_string_equal(progress(b).detail, "fake: refused");
	b->fake->fail_set = 0;
	order(b, 3, 3, "h3"); /* another may do */
	RUN_UNTIL(&b->loop, is_published(b, 3));
}

/* As the engines' own DNS. */
static void what_can_only_be_checked_is_checked_again_and_right_until_it_is_not(void **state) {
	static const struct discovery_ops ops = {"fake", fake_list, fake_look, fake_set, fake_unset, fake_free, true};
	((struct bed *)*state)->fake->head.ops = &ops;
	struct bed *b = begin(state);

	order(b, 1, 1, "h1");
	RUN_UNTIL(&b->loop, is_published(b, 1));
	thing_remove(b->fake, there(b)->entry.key); /* it lists nothing */
	unsigned n = b->comparisons, sets = b->fake->asked[CALL_SET];
	b->fake->silent = true;
	publisher_sync(b->publisher);
	assert_true(is_published(b, 1));
	b->fake->silent = false;
	b->fake->fail_set = -ESTALE;
	RUN_UNTIL(&b->loop, b->comparisons > n);
	assert_true(b->fake->asked[CALL_SET] > sets);
	assert_false(is_published(b, 1));
	b->fake->fail_set = 0;
	RUN_UNTIL(&b->loop, is_published(b, 1));
}

static void it_is_awaited_no_longer_than_the_deadline(void **state) {
	((struct bed *)*state)->settings.deadline = span_ms(30);
	struct bed *b = begin(state);

	b->fake->silent = true;
	order(b, 1, 1, "h1");
	unsigned n = b->progresses;
	assert_true(progress(b).awaited);
	RUN_UNTIL(&b->loop, b->progresses > n);
	assert_false(progress(b).awaited);
	assert_false(progress(b).published);
	b->fake->silent = false;
	RUN_UNTIL(&b->loop, is_published(b, 1));
}

static void what_is_not_required_is_never_awaited(void **state) {
	((struct bed *)*state)->settings.required = false;
	struct bed *b = begin(state);

	b->fake->silent = true;
	order(b, 1, 1, "h1");
	assert_false(progress(b).awaited);
	b->fake->silent = false;
	RUN_UNTIL(&b->loop, is_published(b, 1));
}

static void comparison_finds_what_was_lost_or_spoilt_meanwhile(void **state) {
	struct bed *b = begin(state);

	order(b, 1, 1, "h1");
	RUN_UNTIL(&b->loop, is_published(b, 1));
	thing_remove(b->fake, there(b)->entry.key);
	publisher_sync(b->publisher);
	RUN_UNTIL(&b->loop, there(b) != NULL);
	(void)put(b, 1, "h1", "10.20.0.51");
	publisher_sync(b->publisher);
	RUN_UNTIL(&b->loop, strcmp(there(b)->entry.address, "10.20.0.50") == 0);
}

#define T(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

int main(void) {
	const struct CMUnitTest tests[] = {
		T(what_is_wanted_is_set_changed_and_taken_away),
		T(what_is_so_already_is_left_alone),
		T(incomplete_entry_is_set_again),
		T(order_that_changes_while_a_call_is_under_way_holds),
		T(nothing_is_done_while_a_call_that_changes_it_is_under_way),
		T(many_are_not_asked_for_all_at_once),
		T(what_another_changed_is_looked_at_and_set_again),
		T(higher_generation_of_another_manager_is_neither_changed_nor_taken_away),
		T(older_manager_loses_the_race),
		T(foreign_value_is_reported_and_left),
		T(foreign_value_that_is_not_in_the_way_any_more_is_no_proof),
		T(foreign_value_that_is_adopted_is_overwritten),
		T(orphan_is_taken_away_only_when_that_is_allowed),
		T(nothing_is_withdrawn_before_it_is_known_what_is_there),
		T(that_there_is_nothing_is_told_when_it_is_known),
		T(comparison_that_has_to_wait_for_a_call_does_not_keep_the_loop_busy),
		T(system_that_is_down_is_tried_until_it_works),
		T(credentials_that_never_did_are_trouble_of_the_system),
		T(entry_that_may_not_be_written_holds_no_other_up),
		T(comparison_that_fails_keeps_no_entry_from_being_written),
		T(what_is_asked_for_is_compared_even_while_a_call_hangs),
		T(lost_answer_is_looked_for_before_anything_is_done_again),
		T(withdrawal_of_what_stood_there_before_is_told),
		T(what_was_not_heard_of_is_not_taken_for_absent),
		T(what_a_system_can_never_hold_is_asked_again_only_after_a_comparison),
		T(what_stood_there_before_goes_also_when_the_new_cannot_be_held),
		T(what_can_only_be_checked_is_checked_again_and_right_until_it_is_not),
		T(it_is_awaited_no_longer_than_the_deadline),
		T(what_is_not_required_is_never_awaited),
		T(comparison_finds_what_was_lost_or_spoilt_meanwhile),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
