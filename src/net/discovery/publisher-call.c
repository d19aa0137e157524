/* Calls to the system, what comes of them, comparisons of the whole, and time. */
#include "net/discovery/publisher-internal.h"

#include "base/alloc.h"

#include <errno.h>
#include <string.h>
#include <utlist.h>

#define AT_ONCE 16

struct span publisher_backoff(const struct publisher *p, unsigned tries) {
	struct span d = p->settings.backoff_initial;

	for (unsigned i = 1; i < tries && span_less(d, p->settings.backoff_cap); i++)
		d.ns *= 2;
	return span_less(p->settings.backoff_cap, d) ? p->settings.backoff_cap : d;
}

/* ---- the system as a whole ---- */

/* People are told of the first trouble of either kind, and when there is none any more. */
static void set_trouble(struct publisher *p, char **which, const struct err *err) {
	bool was = p->trouble || p->list_trouble;

	if (err)
		xstr_replace(which, *err->msg ? err->msg : "no answer");
	else
		xstr_replace(which, NULL);
	bool is = p->trouble || p->list_trouble;
	if (is && !was)
		p->handler.trouble(p->handler.ctx, p, err);
	else if (!is && (was || !p->worked))
		p->handler.trouble(p->handler.ctx, p, NULL);
}

static void system_works(struct publisher *p) {
	p->tries = 0;
	p->prompted = false;
	p->not_before = (struct mono){0};
	if (p->trouble)
		p->compare_not_before = (struct mono){0}; /* it is back */
	if (p->trouble || !p->worked)
		set_trouble(p, &p->trouble, NULL);
	p->worked = true;
}

/* Calls that were under way together fail together, and count once. */
static void system_fails(struct publisher *p, const struct err *err) {
	static const struct err silent;
	bool first = !p->trouble;
	struct slot *s;

	if (first || mono_reached(p->not_before, now_of(p))) {
		p->tries += !p->prompted; /* a try out of turn makes the pause no longer */
		p->prompted = false;
		p->not_before = mono_add(now_of(p), publisher_backoff(p, p->tries));
	}
	set_trouble(p, &p->trouble, err ? err : &silent);
	if (first)
		DL_FOREACH (p->queue, s)
			if (!slot_is_right(s))
				slot_set_state(s, slot_unsettled(s), p->trouble);
}

/* ---- answers ---- */

/* What is wrong is the way to it, or its credentials as long as they never did: else they may not do for this entry alone. */
static bool is_systems(const struct publisher *p, int result) {
	return result == -ENOTCONN || result == -ETIMEDOUT || result == -EIO || (result == -EACCES && !p->worked);
}

static bool is_unknown(int result) { return result != -ENOTCONN && result != -EACCES && result != -EINVAL; }

static void call_refused(struct slot *s, const struct err *err) {
	s->refused = true;
	slot_notice(s, err && *err->msg ? err->msg : "this system cannot hold it");
	slot_consider(s);
}

static void call_failed(struct slot *s, int result, const struct err *err) {
	struct publisher *p = s->publisher;
	const char *why = err && *err->msg ? err->msg : NULL;
	/* What was changed by others is looked at again at once, the first time. */
	bool at_once = is_systems(p, result) || (s->tries == 0 && (result == -ESTALE || result == -EEXIST));

	slot_end_check(s);
	if (is_unknown(result))
		s->known = NOT_KNOWN;
	if (is_systems(p, result)) {
		system_fails(p, err);
	} else {
		system_works(p);
		s->tries++;
	}
	if (result == -EACCES && why)
		slot_notice(s, why);
	if (at_once)
		slot_enqueue(s);
	else
		slot_wait(s, mono_add(now_of(p), publisher_backoff(p, s->tries)));
	slot_set_state(s, slot_unsettled(s), why);
}

/* A call is over. False: it failed, and the slot waits for its turn. */
static bool call_over(struct slot *s, int result, const struct err *err) {
	struct publisher *p = s->publisher;

	p->busy--;
	s->place = IDLE;
	s->changed = p->comparison;
	if (result == 0) {
		system_works(p);
		return true;
	}
	if (result == -EINVAL) {
		system_works(p);
		call_refused(s, err);
	} else {
		call_failed(s, result, err);
	}
	return false;
}

static void looked(void *user, int result, struct discovery_found *found, size_t n, const struct err *err) {
	struct slot *s = user;
	struct publisher *p = s->publisher;

	if (call_over(s, result, err)) {
		slot_lost(s, ABSENT);
		for (size_t i = 0; i < n; i++)
			if (strcmp(found[i].entry.key, s->key) == 0)
				slot_found(s, &found[i]);
		slot_consider(s);
	}
	publisher_go_on(p);
}

static void was_set(void *user, int result, const char *version, const struct err *err) {
	struct slot *s = user;
	struct publisher *p = s->publisher;

	if (call_over(s, result, err)) {
		slot_lost(s, PRESENT);
		s->actual.entry = s->sent;
		s->sent = (struct discovery_entry){0};
		s->actual.version = xstrdup(version ? version : "");
		slot_notice(s, err && *err->msg ? err->msg : NULL);
		slot_end_check(s);
		slot_consider(s);
	}
	publisher_go_on(p);
}

static void was_unset(void *user, int result, const char *version, const struct err *err) {
	struct slot *s = user;
	struct publisher *p = s->publisher;
	(void)version;

	if (call_over(s, result, err)) {
		slot_lost(s, ABSENT);
		if (!s->refused)
			slot_notice(s, err && *err->msg ? err->msg : NULL);
		slot_consider(s);
	}
	publisher_go_on(p);
}

/* ---- calls ---- */

static void perform(struct slot *s, enum action action) {
	struct publisher *p = s->publisher;
	const struct discovery_ops *ops = p->system->ops;

	slot_leave(s);
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

/* One call at a time to a system that is in trouble: the rest wait for what becomes of it. */
static bool may_call(const struct publisher *p) {
	size_t most = p->trouble || !p->worked ? 1 : AT_ONCE;
	return p->started && p->busy + p->comparing < most && mono_reached(p->not_before, now_of(p));
}

static void compare(struct publisher *p);

static void make_calls(struct publisher *p) {
	if (p->compare_again && may_call(p) && mono_reached(p->compare_not_before, now_of(p)))
		compare(p);
	while (p->queue && may_call(p)) {
		struct slot *s = p->queue;
		enum action action = slot_decide(s);
		if (action_is_call(action))
			perform(s, action);
		else
			slot_settle(s, action);
	}
}

/* ---- comparison ---- */

/* Of which nothing is wanted and nothing is there: known only while it was not known what is. */
static void drop_empty_subjects(struct publisher *p) {
	struct subject *u, *next;

	HASH_ITER (hh, p->subjects, u, next)
		if (u->keys.n == 0)
			subject_free(p, u);
}

/* Of those too of which there is nothing: until now nobody knew that. */
static void tell_all(const struct publisher *p) {
	for (const struct subject *u = p->subjects; u; u = u->hh.next)
		if (u->ordered)
			p->handler.progress(p->handler.ctx, u->workload);
}

static void list_failed(struct publisher *p, const struct err *err) {
	static const struct err silent;

	p->compare_tries++;
	p->compare_not_before = mono_add(now_of(p), publisher_backoff(p, p->compare_tries));
	p->compare_again = true;
	set_trouble(p, &p->list_trouble, err ? err : &silent);
}

static void list_works(struct publisher *p, const struct err *warning) {
	const char *text = warning && *warning->msg ? warning->msg : NULL;

	p->compare_tries = 0;
	system_works(p);
	set_trouble(p, &p->list_trouble, NULL);
	if (text && (!p->list_noticed || strcmp(p->list_noticed, text) != 0))
		p->handler.notice(p->handler.ctx, p, "", text);
	xstr_replace(&p->list_noticed, text);
}

/* What was changed since this was asked is known better than by the answer. */
static bool is_news(const struct publisher *p, const struct slot *s) { return s->place != BUSY && s->changed < p->comparison; }

static void take_list(struct publisher *p, struct discovery_found *found, size_t n) {
	struct slot *s, *next;

	HASH_ITER (hh, p->slots, s, next)
		if (is_news(p, s))
			slot_lost(s, ABSENT);
	for (size_t i = 0; i < n; i++) {
		s = slot_get(p, found[i].entry.key);
		if (is_news(p, s))
			slot_found(s, &found[i]);
	}
}

/* A system that only checks has nothing that could be listed: what is right is checked again, and stays right until it is not. */
static void check_all(struct publisher *p) {
	struct slot *s, *next;

	HASH_ITER (hh, p->slots, s, next)
		if (s->place != BUSY && slot_is_right(s) && !s->checking) {
			s->checking = true;
			p->checking++;
		}
}

static void consider_all(struct publisher *p) {
	struct slot *s, *next;

	HASH_ITER (hh, p->slots, s, next) {
		s->refused = false;
		if (!(s->place == WAITING && s->tries > 0))
			slot_consider(s);
	}
}

static void compared(void *user, int result, struct discovery_found *found, size_t n, const struct err *err) {
	struct publisher *p = user;

	p->comparing = false;
	if (p->sync_again) { /* somebody asked after this was begun */
		compare(p);
		return;
	}
	if (result < 0) {
		list_failed(p, err);
		p->handler.compared(p->handler.ctx, p);
		publisher_go_on(p);
		return;
	}
	bool first = p->compared.ms == 0;
	list_works(p, err);
	p->next_comparison = mono_add(now_of(p), p->settings.interval);
	p->compared = wall_of(p);
	if (p->system->ops->only_checks)
		check_all(p);
	else
		take_list(p, found, n);
	consider_all(p);
	if (first)
		tell_all(p);
	drop_empty_subjects(p);
	if (p->checking == 0)
		p->handler.compared(p->handler.ctx, p);
	publisher_go_on(p);
}

static void compare(struct publisher *p) {
	size_t n = 0;
	const struct discovery_entry **wanted = xnew_n(const struct discovery_entry *, HASH_COUNT(p->slots));

	for (struct slot *s = p->slots; s; s = s->hh.next)
		if (s->wanting)
			wanted[n++] = &s->wanted;
	p->compare_again = p->sync_again = false;
	p->comparing = true;
	p->comparison++;
	p->requests++;
	p->system->ops->list(p->system, wanted, n, compared, p);
	free(wanted);
}

void publisher_sync(struct publisher *p) {
	if (p->comparing)
		p->sync_again = true;
	else
		compare(p);
	publisher_go_on(p);
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
	while (p->waiting && mono_reached(p->waiting->not_before, now)) {
		struct slot *s = p->waiting;
		if (s->state == PUBLISHER_FOREIGN || s->state == PUBLISHER_SUPERSEDED)
			s->known = NOT_KNOWN;
		slot_enqueue(s);
	}
}

void publisher_due(struct publisher *p) {
	struct mono now = now_of(p);

	end_waits(p, now);
	if (mono_reached(p->next_comparison, now) && !p->comparing)
		p->compare_again = true;
	say_late(p, now);
	publisher_go_on(p);
}

static struct mono next_call(const struct publisher *p) {
	struct mono t = MONO_NEVER;

	if (p->queue)
		t = p->not_before;
	if (p->compare_again)
		t = mono_min(t, p->compare_not_before.ns > p->not_before.ns ? p->compare_not_before : p->not_before);
	else if (!p->comparing)
		t = mono_min(t, p->next_comparison);
	/* What could be called now waits for a call that is under way. */
	return mono_reached(t, now_of(p)) && p->busy + p->comparing > 0 ? MONO_NEVER : t;
}

void publisher_go_on(struct publisher *p) {
	make_calls(p);
	struct mono t = mono_min(p->waiting ? p->waiting->not_before : MONO_NEVER, p->on_time ? p->on_time->deadline : MONO_NEVER);
	p->clock.wake(p->clock.ctx, p->started ? mono_min(t, next_call(p)) : t);
}
