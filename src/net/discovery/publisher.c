/* See publisher.h. A slot is one key: what is wanted there, what stands there as far as is known, and which call is under way.
 * Slots that need a call wait in a queue; those that wait for a time, in a list of their own. */
#include "net/discovery/publisher.h"

#include "base/alloc.h"
#include "base/cleanup.h"
#include "base/mutant.h"

#include <assert.h>
#include <errno.h>
#include <string.h>
#include <uthash.h>
#include <utlist.h>

#define AT_ONCE 16
#define FOREIGN_LOOK_SEC 30 /* what is in the way is looked at again this often */

static const char *const state_names[] = {
	[PUBLISHER_OK] = "ok",
	[PUBLISHER_PENDING] = "pending",
	[PUBLISHER_MISSING] = "missing",
	[PUBLISHER_STALE] = "stale",
	[PUBLISHER_ORPHANED] = "orphaned",
	[PUBLISHER_FOREIGN] = "foreign",
	[PUBLISHER_SUPERSEDED] = "superseded",
	[PUBLISHER_REFUSED] = "refused",
};
static_assert(sizeof(state_names) / sizeof(state_names[0]) == PUBLISHER_STATE_MAX, "a name for every state");

const char *publisher_state_name(enum publisher_state state) { return state_names[state]; }

enum knowledge { NOT_KNOWN, ABSENT, PRESENT };
enum place { IDLE, QUEUED, WAITING, BUSY };

struct subject {
	char *workload;
	unsigned generation;
	bool ordered; /* else it is only known from what stands there */
	uint64_t stamp;
	struct mono deadline;
	bool on_time;     /* the deadline has not passed: in the list of those, whose order is that of their deadlines */
	struct strs keys; /* wanted, or found to be its */
	struct subject *prev, *next;
	UT_hash_handle hh;
};

struct slot {
	struct publisher *publisher;
	char *key;
	bool wanting;
	struct discovery_entry wanted, sent; /* wanted: or what was last, or what was found first */
	enum knowledge known;
	struct discovery_found actual;
	enum place place;
	uint64_t changed; /* the comparison that was begun last when something became of it */
	unsigned tries;
	struct mono not_before;
	enum publisher_state state;
	struct wall since;
	char *detail, *noticed;
	struct slot *prev, *next; /* of the queue or of those that wait */
	UT_hash_handle hh;
};

struct publisher {
	struct publisher_clock clock;
	struct discovery *system;
	struct publisher_settings settings;
	struct publisher_handler handler;
	struct slot *slots;
	struct subject *subjects, *on_time;
	struct slot *queue, *waiting;
	size_t busy;
	struct mono wake; /* the first of those that wait */
	bool started, comparing, compare_again;
	uint64_t comparison; /* counted up at the begin of each */
	struct mono next_comparison;
	struct wall compared;
	int64_t requests;
	/* The system as a whole. */
	char *trouble;
	unsigned tries;
	struct mono not_before;
	bool worked;
};

static struct mono now_of(const struct publisher *p) { return p->clock.now(p->clock.ctx); }
static struct wall wall_of(const struct publisher *p) { return p->clock.wall(p->clock.ctx); }

/* ---- slots ---- */

static struct slot *slot_find(const struct publisher *p, const char *key) {
	struct slot *s = NULL;
	HASH_FIND_STR(p->slots, key, s);
	return s;
}

static struct slot *slot_get(struct publisher *p, const char *key) {
	struct slot *s = slot_find(p, key);

	if (s)
		return s;
	s = xnew(struct slot);
	s->publisher = p;
	s->key = xstrdup(key);
	s->state = PUBLISHER_PENDING;
	s->since = wall_of(p);
	HASH_ADD_KEYPTR(hh, p->slots, s->key, strlen(s->key), s);
	return s;
}

static void leave(struct slot *s) {
	struct publisher *p = s->publisher;

	if (s->place == QUEUED)
		DL_DELETE(p->queue, s);
	else if (s->place == WAITING)
		DL_DELETE(p->waiting, s);
	s->place = IDLE;
}

static void slot_free(struct slot *s) {
	assert(s->place != BUSY);
	leave(s);
	HASH_DEL(s->publisher->slots, s);
	discovery_entry_clear(&s->wanted);
	discovery_entry_clear(&s->sent);
	discovery_found_clear(&s->actual);
	free(s->key);
	free(s->detail);
	free(s->noticed);
	free(s);
}

static struct subject *subject_find(const struct publisher *p, const char *workload) {
	struct subject *s = NULL;
	HASH_FIND_STR(p->subjects, workload, s);
	return s;
}

static struct subject *subject_get(struct publisher *p, const char *workload) {
	struct subject *u = subject_find(p, workload);

	if (u)
		return u;
	u = xnew(struct subject);
	u->workload = xstrdup(workload);
	HASH_ADD_KEYPTR(hh, p->subjects, u->workload, strlen(u->workload), u);
	return u;
}

static void subject_free(struct publisher *p, struct subject *u) {
	if (u->on_time)
		DL_DELETE(p->on_time, u);
	HASH_DEL(p->subjects, u);
	strs_clear(&u->keys);
	free(u->workload);
	free(u);
}

/* Nothing of it is wanted, and nothing of it is there. */
static void forget_key(struct publisher *p, const char *workload, const char *key) {
	struct subject *u = workload ? subject_find(p, workload) : NULL;

	if (!u)
		return;
	strs_remove(&u->keys, key);
	if (u->keys.n == 0)
		subject_free(p, u);
}

static const char *workload_of(const struct slot *s) {
	return s->wanted.workload ? s->wanted.workload : s->known == PRESENT ? s->actual.entry.workload : NULL;
}

static void tell(struct slot *s) {
	const char *workload = workload_of(s);

	if (workload && subject_find(s->publisher, workload))
		s->publisher->handler.progress(s->publisher->handler.ctx, workload);
}

static void set_state(struct slot *s, enum publisher_state state, const char *detail) {
	bool same = s->state == state && !s->detail == !detail && (!detail || strcmp(s->detail, detail) == 0);

	if (s->state != state)
		s->since = wall_of(s->publisher);
	s->state = state;
	xstr_replace(&s->detail, detail);
	if (!same)
		tell(s);
}

static void notice(struct slot *s, const char *text) {
	if (text && (!s->noticed || strcmp(s->noticed, text) != 0))
		s->publisher->handler.notice(s->publisher->handler.ctx, s->publisher, s->key, text);
	xstr_replace(&s->noticed, text);
}

/* ---- what is to be done with a slot ---- */

enum action { DO_NOTHING, DO_LOOK, DO_SET, DO_UNSET, DO_DROP, DO_WATCH /* it is in the way: look again later */ };

static bool may_adopt(const struct publisher *p, const struct slot *s) {
	return s->wanting && (strs_has(&p->settings.adopt, s->wanted.service) || MUTANT(FOREIGN_OVERWRITTEN));
}

/* Of the same workload and written by somebody who knows more than we do. */
static bool is_superseded(const struct publisher *p, const struct slot *s) {
	const struct discovery_entry *actual = &s->actual.entry;
	const struct subject *subject = subject_find(p, actual->workload);

	return subject && subject->ordered && actual->generation > subject->generation && !MUTANT(LATER_MANAGER_OVERWRITTEN);
}

static bool may_unset(const struct publisher *p, const struct slot *s) {
	const struct discovery_entry *actual = &s->actual.entry;
	const struct subject *u = subject_find(p, actual->workload);

	return (u && u->ordered) || p->handler.may_withdraw(p->handler.ctx, actual->workload, actual->node);
}

static enum action decide(const struct publisher *p, const struct slot *s) {
	if (s->state == PUBLISHER_REFUSED && s->wanting)
		return DO_NOTHING;
	if (s->known == NOT_KNOWN)
		return s->wanting || s->wanted.workload ? DO_LOOK : DO_DROP;
	if (s->known == ABSENT)
		return s->wanting ? DO_SET : DO_DROP;
	if (s->actual.foreign)
		return !s->wanting ? DO_DROP : may_adopt(p, s) ? DO_SET : DO_WATCH;
	if (is_superseded(p, s))
		return DO_WATCH;
	if (s->wanting)
		return !s->actual.incomplete && discovery_entry_equal(&s->wanted, &s->actual.entry) ? DO_NOTHING : DO_SET;
	return may_unset(p, s) ? DO_UNSET : DO_NOTHING;
}

static bool is_right(const struct slot *s) {
	return s->wanting && s->known == PRESENT && !s->actual.foreign && !s->actual.incomplete &&
	       discovery_entry_equal(&s->wanted, &s->actual.entry);
}

/* The state while a call is still to be made for it. */
static enum publisher_state unsettled(const struct slot *s) {
	if (!s->wanting)
		return PUBLISHER_ORPHANED;
	if (s->tries == 0 && !s->publisher->trouble)
		return PUBLISHER_PENDING;
	return s->known == PRESENT ? PUBLISHER_STALE : PUBLISHER_MISSING;
}

/* ---- queue ---- */

static void pump(struct publisher *p);
static void set_timer(struct publisher *p);

static void enqueue(struct slot *s) {
	leave(s);
	DL_APPEND(s->publisher->queue, s);
	s->place = QUEUED;
}

static void wait_until(struct slot *s, struct mono t) {
	leave(s);
	s->not_before = t;
	s->publisher->wake = mono_min(s->publisher->wake, t);
	DL_APPEND(s->publisher->waiting, s);
	s->place = WAITING;
}

static struct span backoff(const struct publisher *p, unsigned tries) {
	struct span d = p->settings.backoff_initial;

	for (unsigned i = 1; i < tries && span_less(d, p->settings.backoff_cap); i++)
		d.ns *= 2;
	return span_less(p->settings.backoff_cap, d) ? p->settings.backoff_cap : d;
}

static void drop(struct slot *s) {
	char *workload CLEANUP_FREE = xstrdup_null(workload_of(s));

	tell(s);
	forget_key(s->publisher, workload, s->key);
	slot_free(s);
}

/* Settled: it is as it should be, or there is nothing that could be done about it. */
static void settle(struct slot *s, enum action action) {
	leave(s);
	if (action == DO_DROP) {
		drop(s);
		return;
	}
	if (action == DO_WATCH) {
		char *theirs CLEANUP_FREE =
			s->actual.foreign ? xstrdup_null(s->actual.content) : discovery_entry_text(&s->actual.entry);
		notice(s, theirs ? theirs : "something foreign is there");
		set_state(s, s->actual.foreign ? PUBLISHER_FOREIGN : PUBLISHER_SUPERSEDED, theirs);
		wait_until(s, mono_add(now_of(s->publisher), span_sec(FOREIGN_LOOK_SEC)));
		return;
	}
	if (s->state == PUBLISHER_REFUSED)
		return;
	s->tries = 0;
	set_state(s, s->wanting ? PUBLISHER_OK : PUBLISHER_ORPHANED, NULL);
}

/* Looks at it again with what is known and wanted now. */
static void consider(struct slot *s) {
	if (s->place == BUSY)
		return;
	enum action action = decide(s->publisher, s);
	if (action == DO_LOOK || action == DO_SET || action == DO_UNSET) {
		set_state(s, unsettled(s), s->publisher->trouble ? s->publisher->trouble : s->detail);
		enqueue(s);
	} else {
		settle(s, action);
	}
}

/* ---- answers ---- */

static bool is_systems(int result) { return result == -ENOTCONN || result == -ETIMEDOUT || result == -EIO || result == -EACCES; }

static void system_works(struct publisher *p) {
	p->tries = 0;
	p->not_before = (struct mono){0};
	if (p->worked && !p->trouble)
		return;
	p->worked = true;
	free(p->trouble);
	p->trouble = NULL;
	p->handler.trouble(p->handler.ctx, p, NULL);
}

/* Calls that were under way together fail together, and count once. */
static void system_fails(struct publisher *p, const struct err *err) {
	bool first = !p->trouble;

	if (first || mono_reached(p->not_before, now_of(p))) {
		p->tries++;
		p->not_before = mono_add(now_of(p), backoff(p, p->tries));
	}
	xstr_replace(&p->trouble, err && *err->msg ? err->msg : "no answer");
	if (!first)
		return;
	p->handler.trouble(p->handler.ctx, p, err);
	struct slot *s;
	DL_FOREACH (p->queue, s)
		set_state(s, unsettled(s), p->trouble);
}

/* A call is over. False: it failed, and the slot waits for its turn. */
static bool call_over(struct slot *s, int result, const struct err *err) {
	struct publisher *p = s->publisher;

	p->busy--;
	s->place = IDLE;
	s->changed = p->comparison;
	if (result >= 0) {
		system_works(p);
		return true;
	}
	if (result == -ETIMEDOUT || result == -EIO || result == -ESTALE || result == -EEXIST || result == -EPROTO)
		s->known = NOT_KNOWN;
	if (result == -EINVAL) {
		system_works(p);
		notice(s, err->msg);
		set_state(s, PUBLISHER_REFUSED, err->msg);
		return false;
	}
	if (is_systems(result)) {
		system_fails(p, err);
	} else {
		system_works(p);
		s->tries++;
	}
	/* What was changed by others is looked at again at once, the first time. */
	if (is_systems(result) || (s->tries == 1 && (result == -ESTALE || result == -EEXIST)))
		enqueue(s);
	else
		wait_until(s, mono_add(now_of(p), backoff(p, s->tries)));
	set_state(s, unsettled(s), err && *err->msg ? err->msg : NULL);
	return false;
}

static void take_found(struct slot *s, struct discovery_found *f) {
	discovery_found_clear(&s->actual);
	s->actual = *f;
	*f = (struct discovery_found){0};
	s->known = PRESENT;
	if (s->actual.foreign)
		return;
	strs_add_new(&subject_get(s->publisher, s->actual.entry.workload)->keys, s->key);
	if (!s->wanted.workload) /* whose it was is known when it is gone, too, and what to look for */
		discovery_entry_copy(&s->wanted, &s->actual.entry);
}

static void after(struct publisher *p) {
	pump(p);
	set_timer(p);
}

static void looked(void *user, int result, struct discovery_found *found, size_t n, const struct err *err) {
	struct slot *s = user;
	struct publisher *p = s->publisher;

	if (call_over(s, result, err)) {
		discovery_found_clear(&s->actual);
		s->known = ABSENT;
		for (size_t i = 0; i < n; i++)
			if (strcmp(found[i].entry.key, s->key) == 0)
				take_found(s, &found[i]);
		consider(s);
	}
	after(p);
}

static void was_set(void *user, int result, const char *version, const struct err *err) {
	struct slot *s = user;
	struct publisher *p = s->publisher;

	if (call_over(s, result, err)) {
		discovery_found_clear(&s->actual);
		s->known = PRESENT;
		s->actual.entry = s->sent;
		s->sent = (struct discovery_entry){0};
		s->actual.version = xstrdup(version ? version : "");
		notice(s, err && *err->msg ? err->msg : NULL);
		consider(s);
	}
	after(p);
}

static void was_unset(void *user, int result, const char *version, const struct err *err) {
	struct slot *s = user;
	struct publisher *p = s->publisher;
	(void)version;

	if (call_over(s, result, err)) {
		discovery_found_clear(&s->actual);
		s->known = ABSENT;
		consider(s);
	}
	after(p);
}

/* ---- calls ---- */

static void perform(struct slot *s, enum action action) {
	struct publisher *p = s->publisher;
	const struct discovery_ops *ops = p->system->ops;

	leave(s);
	s->place = BUSY;
	p->busy++;
	p->requests++;
	switch (action) {
	case DO_SET:
		discovery_entry_copy(&s->sent, &s->wanted);
		ops->set(p->system, &s->wanted, s->known == PRESENT ? &s->actual : NULL, was_set, s);
		break;
	case DO_UNSET:
		ops->unset(p->system, &s->actual, was_unset, s);
		break;
	default:
		ops->look(p->system, &s->wanted, looked, s);
		break;
	}
}

static void compare(struct publisher *p);

/* One call at a time to a system that is in trouble: the rest wait for what becomes of it. */
static bool may_call(const struct publisher *p) {
	size_t most = p->trouble || !p->worked ? 1 : AT_ONCE;
	return p->started && p->busy + p->comparing < most && mono_reached(p->not_before, now_of(p));
}

static void pump(struct publisher *p) {
	if (p->compare_again && may_call(p))
		compare(p);
	while (p->queue && may_call(p)) {
		struct slot *s = p->queue;
		enum action action = decide(p, s);
		if (action == DO_LOOK || action == DO_SET || action == DO_UNSET)
			perform(s, action);
		else
			settle(s, action);
	}
}

/* ---- comparison ---- */

/* Of those too of which there is nothing: until now nobody knew that. */
static void tell_all(const struct publisher *p) {
	for (const struct subject *u = p->subjects; u; u = u->hh.next)
		if (u->ordered)
			p->handler.progress(p->handler.ctx, u->workload);
}

static void compared(void *user, int result, struct discovery_found *found, size_t n, const struct err *err) {
	struct publisher *p = user;
	struct slot *s, *next;

	p->comparing = false;
	p->next_comparison = mono_add(now_of(p), p->settings.interval);
	if (result < 0) {
		system_fails(p, err);
		p->compare_again = true;
		p->handler.compared(p->handler.ctx, p);
		after(p);
		return;
	}
	system_works(p);
	if (err && *err->msg)
		p->handler.notice(p->handler.ctx, p, "", err->msg);
	bool first = p->compared.ms == 0;
	p->compared = wall_of(p);
	/* What was changed since this was asked is known better than by the answer. */
	HASH_ITER (hh, p->slots, s, next)
		if (s->place != BUSY && s->changed < p->comparison) {
			discovery_found_clear(&s->actual);
			s->known = ABSENT;
		}
	for (size_t i = 0; i < n; i++) {
		s = slot_get(p, found[i].entry.key);
		if (s->place != BUSY && s->changed < p->comparison)
			take_found(s, &found[i]);
	}
	HASH_ITER (hh, p->slots, s, next)
		if (!(s->place == WAITING && s->tries > 0))
			consider(s);
	if (first)
		tell_all(p);
	p->handler.compared(p->handler.ctx, p);
	after(p);
}

static void compare(struct publisher *p) {
	size_t n = 0;
	const struct discovery_entry **wanted = xnew_n(const struct discovery_entry *, HASH_COUNT(p->slots));

	for (struct slot *s = p->slots; s; s = s->hh.next)
		if (s->wanting)
			wanted[n++] = &s->wanted;
	p->compare_again = false;
	p->comparing = true;
	p->comparison++;
	p->requests++;
	p->system->ops->list(p->system, wanted, n, compared, p);
	free(wanted);
}

void publisher_sync(struct publisher *p) {
	p->compare_again = !p->comparing;
	p->not_before = (struct mono){0};
	after(p);
}

/* ---- time ---- */

static void say_late(struct publisher *p, struct mono now) {
	while (p->on_time && mono_reached(p->on_time->deadline, now)) {
		struct subject *u = p->on_time;
		DL_DELETE(p->on_time, u);
		u->on_time = false;
		p->handler.progress(p->handler.ctx, u->workload);
	}
}

/* Those whose time has come. */
static void end_waits(struct publisher *p, struct mono now) {
	struct slot *s, *next;

	p->wake = MONO_NEVER;
	DL_FOREACH_SAFE (p->waiting, s, next) {
		if (!mono_reached(s->not_before, now)) {
			p->wake = mono_min(p->wake, s->not_before);
			continue;
		}
		if (s->state == PUBLISHER_FOREIGN || s->state == PUBLISHER_SUPERSEDED)
			s->known = NOT_KNOWN;
		enqueue(s);
	}
}

void publisher_due(struct publisher *p) {
	struct mono now = now_of(p);

	if (mono_reached(p->wake, now))
		end_waits(p, now);
	if (mono_reached(p->next_comparison, now) && !p->comparing)
		p->compare_again = true;
	say_late(p, now);
	after(p);
}

static struct mono next_deadline(const struct publisher *p) {
	struct mono t = mono_min(p->wake, p->on_time ? p->on_time->deadline : MONO_NEVER);

	if (p->started && !p->comparing && !p->compare_again)
		t = mono_min(t, p->next_comparison);
	if (p->started && (p->queue || p->compare_again) && !mono_reached(p->not_before, now_of(p)))
		t = mono_min(t, p->not_before);
	return t;
}

static void set_timer(struct publisher *p) { p->clock.wake(p->clock.ctx, next_deadline(p)); }

/* ---- orders ---- */

static void want(struct publisher *p, struct subject *u, const struct discovery_entry *e) {
	bool first = !slot_find(p, e->key);
	struct slot *s = slot_get(p, e->key);

	if (!s->wanting || !discovery_entry_equal(&s->wanted, e)) {
		s->tries = 0;
		xstr_replace(&s->detail, NULL);
		if (s->state == PUBLISHER_REFUSED)
			s->state = PUBLISHER_PENDING;
		if (first && p->compared.ms)
			s->known = ABSENT; /* the comparison would have found it; if not, the system says so */
	}
	s->wanting = true;
	discovery_entry_copy(&s->wanted, e);
	strs_add_new(&u->keys, e->key);
}

static void want_no_more(struct publisher *p, struct subject *u) {
	for (size_t i = 0; i < u->keys.n; i++) {
		struct slot *s = slot_find(p, u->keys.v[i]);
		if (s)
			s->wanting = false;
	}
}

static bool has_key(const struct publisher_order *order, const char *key) {
	for (size_t i = 0; i < order->n; i++)
		if (strcmp(order->entries[i].key, key) == 0)
			return true;
	return false;
}

static void consider_key(struct publisher *p, const char *key) {
	struct slot *s = slot_find(p, key);
	if (s)
		consider(s);
}

static bool is_ordered_as(const struct publisher *p, const struct subject *u, const struct publisher_order *order) {
	const struct slot *s;

	for (size_t i = 0; i < order->n; i++)
		if (!(s = slot_find(p, order->entries[i].key)) || !s->wanting ||
		    !discovery_entry_equal(&s->wanted, &order->entries[i]))
			return false;
	for (size_t i = 0; i < u->keys.n; i++)
		if ((s = slot_find(p, u->keys.v[i])) != NULL && s->wanting && !has_key(order, u->keys.v[i]))
			return false;
	return true;
}

static void await(struct publisher *p, struct subject *u) {
	u->deadline = mono_add(now_of(p), p->settings.deadline);
	if (!p->settings.required)
		return;
	if (u->on_time)
		DL_DELETE(p->on_time, u);
	DL_APPEND(p->on_time, u);
	u->on_time = true;
}

void publisher_order(struct publisher *p, const struct publisher_order *order) {
	struct subject *u = subject_get(p, order->workload);
	bool same = is_ordered_as(p, u, order);

	u->stamp = order->stamp;
	if (u->generation < order->generation)
		u->generation = order->generation;
	u->ordered = true;
	await(p, u);
	if (!same) {
		p->not_before = (struct mono){0}; /* it may have come back, and somebody waits */
		want_no_more(p, u);
		for (size_t i = 0; i < order->n; i++)
			want(p, u, &order->entries[i]);
	}
	struct strs keys = {0};
	strs_copy(&keys, &u->keys);
	for (size_t i = 0; i < keys.n; i++)
		consider_key(p, keys.v[i]);
	strs_clear(&keys);
	p->handler.progress(p->handler.ctx, order->workload);
	after(p);
}

/* Of one key: it is as ordered; or it cannot become so for now. */
static bool is_done(const struct publisher *p, const char *key, const struct slot **ret) {
	const struct slot *s = *ret = slot_find(p, key);

	if (!s)
		return true;
	if (s->place == BUSY && !MUTANT(CALL_UNDER_WAY_IGNORED))
		return false; /* whatever is known, it is about to change */
	return s->wanting ? is_right(s) : s->known != PRESENT ? s->known == ABSENT : s->actual.foreign;
}

static bool is_hopeless(const struct slot *s) {
	return s && (s->state == PUBLISHER_FOREIGN || s->state == PUBLISHER_SUPERSEDED || s->state == PUBLISHER_REFUSED);
}

void publisher_progress(const struct publisher *p, const char *workload, struct publisher_progress *ret) {
	const struct subject *u = subject_find(p, workload);
	const struct slot *s;
	bool hope = false;

	/* Before the first comparison nobody knows what stands there. */
	*ret = (struct publisher_progress){.published = p->compared.ms != 0, .detail = p->compared.ms ? NULL : p->trouble};
	hope = p->compared.ms == 0;
	if (!u)
		return;
	ret->stamp = u->stamp;
	for (size_t i = 0; i < u->keys.n; i++) {
		if (is_done(p, u->keys.v[i], &s))
			continue;
		ret->published = false;
		hope |= !is_hopeless(s);
		if (!ret->detail)
			ret->detail = s && s->detail ? s->detail : p->trouble;
	}
	ret->awaited = !ret->published && hope && u->on_time;
}

/* ---- life ---- */

struct publisher *publisher_new_on(const struct publisher_clock *clock, struct discovery *system,
				   const struct publisher_settings *settings, const struct publisher_handler *handler) {
	struct publisher *p = xnew(struct publisher);

	p->clock = *clock;
	p->system = system;
	p->settings = *settings;
	p->settings.adopt = (struct strs){0};
	strs_copy(&p->settings.adopt, &settings->adopt);
	if (p->settings.backoff_initial.ns == 0)
		p->settings.backoff_initial = span_ms(500);
	if (p->settings.backoff_cap.ns == 0)
		p->settings.backoff_cap = span_sec(60);
	p->handler = *handler;
	p->wake = MONO_NEVER;
	return p;
}

void publisher_start(struct publisher *p) {
	p->started = true;
	p->compare_again = true;
	after(p);
}

void publisher_free(struct publisher *p) {
	struct slot *s, *next;
	struct subject *u, *next_u;

	if (!p)
		return;
	discovery_free(p->system);
	HASH_ITER (hh, p->slots, s, next) {
		if (s->place == BUSY)
			s->place = IDLE;
		slot_free(s);
	}
	HASH_ITER (hh, p->subjects, u, next_u)
		subject_free(p, u);
	p->clock.close(p->clock.ctx);
	strs_clear(&p->settings.adopt);
	free(p->trouble);
	free(p);
}

const char *publisher_name(const struct publisher *p) { return p->system->name; }
const char *publisher_kind(const struct publisher *p) { return p->system->ops->kind; }
bool publisher_is_required(const struct publisher *p) { return p->settings.required; }

void publisher_each(const struct publisher *p, void (*see)(void *ctx, const struct publisher_view *view), void *ctx) {
	for (const struct slot *s = p->slots; s; s = s->hh.next) {
		bool ours = s->known == PRESENT && !s->actual.foreign;
		const struct publisher_view view = {
			.key = s->key,
			.state = s->state,
			.wanted = s->wanting ? &s->wanted : NULL,
			.actual = ours ? &s->actual.entry : NULL,
			.detail = s->detail ? s->detail : s->noticed,
			.since = s->since,
		};
		if (view.wanted || view.actual)
			see(ctx, &view);
	}
}

void publisher_summary(const struct publisher *p, struct publisher_summary *ret) {
	*ret = (struct publisher_summary){
		.comparing = p->comparing, .trouble = p->trouble, .compared = p->compared, .requests = p->requests};
	for (const struct slot *s = p->slots; s; s = s->hh.next) {
		ret->entries += s->wanting;
		ret->differences += s->state != PUBLISHER_OK;
	}
}
