/* What is to be done with a key: a decision out of what is wanted and what is known to stand there, without any call. */
#include "net/discovery/publisher-internal.h"

#include "base/alloc.h"
#include "base/cleanup.h"
#include "base/mutant.h"

#include <assert.h>
#include <string.h>
#include <utlist.h>

#define FOREIGN_LOOK_SEC 30 /* what is in the way is looked at again this often */

/* ---- workloads ---- */

struct subject *subject_find(const struct publisher *p, const char *workload) {
	struct subject *s = NULL;
	HASH_FIND_STR(p->subjects, workload, s);
	return s;
}

struct subject *subject_get(struct publisher *p, const char *workload) {
	struct subject *u = subject_find(p, workload);

	if (u)
		return u;
	u = xnew(struct subject);
	u->workload = xstrdup(workload);
	HASH_ADD_KEYPTR(hh, p->subjects, u->workload, strlen(u->workload), u);
	return u;
}

void subject_free(struct publisher *p, struct subject *u) {
	if (u->on_time)
		DL_DELETE(p->on_time, u);
	HASH_DEL(p->subjects, u);
	strs_clear(&u->keys);
	free(u->workload);
	free(u);
}

/* Nothing of it is wanted, and nothing of it is there. Who ordered that is told when it is known of the whole. */
static void forget_key(struct publisher *p, const char *workload, const char *key) {
	struct subject *u = workload ? subject_find(p, workload) : NULL;

	if (!u)
		return;
	strs_remove(&u->keys, key);
	if (u->keys.n == 0 && (p->compared.ms || !u->ordered))
		subject_free(p, u);
}

/* ---- slots ---- */

struct slot *slot_find(const struct publisher *p, const char *key) {
	struct slot *s = NULL;
	HASH_FIND_STR(p->slots, key, s);
	return s;
}

struct slot *slot_get(struct publisher *p, const char *key) {
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

void slot_end_check(struct slot *s) {
	struct publisher *p = s->publisher;

	if (!s->checking)
		return;
	s->checking = false;
	if (--p->checking == 0)
		p->handler.compared(p->handler.ctx, p);
}

void slot_free(struct slot *s) {
	assert(s->place != BUSY);
	slot_leave(s);
	HASH_DEL(s->publisher->slots, s);
	discovery_entry_clear(&s->wanted);
	discovery_entry_clear(&s->sent);
	discovery_found_clear(&s->actual);
	free(s->key);
	free(s->detail);
	free(s->noticed);
	free(s);
}

void slot_found(struct slot *s, struct discovery_found *f) {
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

void slot_lost(struct slot *s, enum knowledge known) {
	discovery_found_clear(&s->actual);
	s->known = known;
}

static const char *workload_of(const struct slot *s) {
	return s->wanted.workload ? s->wanted.workload : s->known == PRESENT ? s->actual.entry.workload : NULL;
}

static void tell(struct slot *s) {
	const char *workload = workload_of(s);

	if (workload && subject_find(s->publisher, workload))
		s->publisher->handler.progress(s->publisher->handler.ctx, workload);
}

void slot_set_state(struct slot *s, enum publisher_state state, const char *detail) {
	bool same = s->state == state && !s->detail == !detail && (!detail || strcmp(s->detail, detail) == 0);

	if (s->state != state)
		s->since = wall_of(s->publisher);
	s->state = state;
	xstr_replace(&s->detail, detail);
	if (!same)
		tell(s);
}

void slot_notice(struct slot *s, const char *text) {
	if (text && (!s->noticed || strcmp(s->noticed, text) != 0))
		s->publisher->handler.notice(s->publisher->handler.ctx, s->publisher, s->key, text);
	xstr_replace(&s->noticed, text);
}

/* ---- the decision ---- */

static bool may_adopt(const struct slot *s) {
	return s->wanting && (strs_has(&s->publisher->settings.adopt, s->wanted.service) || MUTANT(FOREIGN_OVERWRITTEN));
}

/* Of the same workload and written by somebody who knows more than we do. */
static bool is_superseded(const struct slot *s) {
	const struct discovery_entry *actual = &s->actual.entry;
	const struct subject *subject = subject_find(s->publisher, actual->workload);

	return subject && subject->ordered && actual->generation > subject->generation && !MUTANT(LATER_MANAGER_OVERWRITTEN);
}

static bool may_unset(const struct slot *s) {
	const struct publisher *p = s->publisher;
	const struct discovery_entry *actual = &s->actual.entry;
	const struct subject *u = subject_find(p, actual->workload);

	return (u && u->ordered) || p->handler.may_withdraw(p->handler.ctx, actual->workload, actual->node, actual->generation);
}

bool slot_is_right(const struct slot *s) {
	return s->wanting && s->known == PRESENT && !s->actual.foreign && !s->actual.incomplete &&
	       discovery_entry_equal(&s->wanted, &s->actual.entry);
}

/* What cannot be held is no reason to leave there what is not so any more. */
static enum action decide_refused(const struct slot *s) {
	bool old = s->known == PRESENT && !s->actual.foreign && !is_superseded(s) && !slot_is_right(s);

	return old ? DO_UNSET : DO_NOTHING;
}

enum action slot_decide(const struct slot *s) {
	if (s->known == NOT_KNOWN)
		return s->wanting || s->wanted.workload ? DO_LOOK : DO_DROP;
	if (s->refused && s->wanting)
		return decide_refused(s);
	if (s->known == ABSENT)
		return s->wanting ? DO_SET : DO_DROP;
	if (s->actual.foreign)
		return !s->wanting ? DO_DROP : may_adopt(s) ? DO_SET : DO_WATCH;
	if (is_superseded(s))
		return DO_WATCH;
	if (s->wanting)
		return slot_is_right(s) && !s->checking ? DO_NOTHING : DO_SET;
	return may_unset(s) ? DO_UNSET : DO_NOTHING;
}

enum publisher_state slot_unsettled(const struct slot *s) {
	if (!s->wanting)
		return PUBLISHER_ORPHANED;
	if (s->tries == 0 && !s->publisher->trouble)
		return PUBLISHER_PENDING;
	return s->known == PRESENT ? PUBLISHER_STALE : PUBLISHER_MISSING;
}

/* ---- queue ---- */

void slot_leave(struct slot *s) {
	struct publisher *p = s->publisher;

	if (s->place == QUEUED)
		DL_DELETE(p->queue, s);
	else if (s->place == WAITING)
		DL_DELETE(p->waiting, s);
	s->place = IDLE;
}

void slot_enqueue(struct slot *s) {
	slot_leave(s);
	DL_APPEND(s->publisher->queue, s);
	s->place = QUEUED;
}

/* From the end: nearly always it is the last one. NULL: none. */
static struct slot *last_before(struct slot *waiting, struct mono t) {
	struct slot *s = waiting ? waiting->prev : NULL;

	while (s && s->not_before.ns > t.ns)
		s = s == waiting ? NULL : s->prev;
	return s;
}

void slot_wait(struct slot *s, struct mono until) {
	slot_leave(s);
	s->not_before = until;
	s->place = WAITING;
	struct slot **waiting = &s->publisher->waiting, *before = last_before(*waiting, until);
	if (before)
		DL_APPEND_ELEM(*waiting, before, s);
	else
		DL_PREPEND(*waiting, s);
}

static void drop(struct slot *s) {
	char *workload CLEANUP_FREE = xstrdup_null(workload_of(s));

	slot_end_check(s);
	tell(s);
	forget_key(s->publisher, workload, s->key);
	slot_free(s);
}

static void watch(struct slot *s) {
	const struct publisher *p = s->publisher;
	char *theirs CLEANUP_FREE = s->actual.foreign ? xstrdup_null(s->actual.content) : discovery_entry_text(&s->actual.entry);

	slot_notice(s, theirs ? theirs : "something foreign is there");
	slot_set_state(s, s->actual.foreign ? PUBLISHER_FOREIGN : PUBLISHER_SUPERSEDED, theirs);
	slot_wait(s, mono_add(now_of(p), span_sec(FOREIGN_LOOK_SEC)));
}

/* Settled: it is as it should be, or there is nothing that could be done about it. */
void slot_settle(struct slot *s, enum action action) {
	slot_leave(s);
	if (action == DO_DROP) {
		drop(s);
		return;
	}
	slot_end_check(s);
	if (action == DO_WATCH) {
		watch(s);
	} else if (s->refused && s->wanting) {
		slot_set_state(s, PUBLISHER_REFUSED, s->noticed);
	} else {
		s->tries = 0;
		slot_set_state(s, s->wanting ? PUBLISHER_OK : PUBLISHER_ORPHANED, NULL);
	}
}

void slot_consider(struct slot *s) {
	if (s->place == BUSY)
		return;
	enum action action = slot_decide(s);
	if (!action_is_call(action)) {
		slot_settle(s, action);
		return;
	}
	if (!slot_is_right(s))
		slot_set_state(s, slot_unsettled(s), s->publisher->trouble ? s->publisher->trouble : s->detail);
	slot_enqueue(s);
}
