/* See publisher.h. Orders, what is told of them, and what there is to look at. */
#include "net/discovery/publisher-internal.h"

#include "base/alloc.h"
#include "base/mutant.h"

#include <assert.h>
#include <string.h>
#include <utlist.h>

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

/* ---- orders ---- */

static void want(struct publisher *p, struct subject *u, const struct discovery_entry *e) {
	bool first = !slot_find(p, e->key);
	struct slot *s = slot_get(p, e->key);

	if (!s->wanting || !discovery_entry_equal(&s->wanted, e)) {
		s->tries = 0;
		xstr_replace(&s->detail, NULL);
		s->refused = false;
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
		slot_consider(s);
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
		/* It may have come back, and somebody waits. */
		p->prompted |= p->trouble && !mono_reached(p->not_before, now_of(p));
		p->not_before = (struct mono){0};
		want_no_more(p, u);
		for (size_t i = 0; i < order->n; i++)
			want(p, u, &order->entries[i]);
	}
	struct strs keys = {0};
	strs_copy(&keys, &u->keys);
	for (size_t i = 0; i < keys.n; i++)
		consider_key(p, keys.v[i]);
	strs_clear(&keys);
	u = subject_find(p, order->workload); /* may be gone with its last key */
	if (u && u->keys.n == 0 && p->compared.ms)
		subject_free(p, u);
	p->handler.progress(p->handler.ctx, order->workload);
	publisher_go_on(p);
}

/* Of one key: it is as ordered; or it cannot become so for now. */
static bool is_done(const struct publisher *p, const char *key, const struct slot **ret) {
	const struct slot *s = *ret = slot_find(p, key);

	if (!s)
		return true;
	if (s->place == BUSY && !s->checking && !MUTANT(CALL_UNDER_WAY_IGNORED))
		return false; /* whatever is known, it is about to change */
	return s->wanting ? slot_is_right(s) : s->known != PRESENT ? s->known == ABSENT : s->actual.foreign;
}

static bool is_hopeless(const struct slot *s) {
	return s && (s->state == PUBLISHER_FOREIGN || s->state == PUBLISHER_SUPERSEDED || s->state == PUBLISHER_REFUSED);
}

void publisher_progress(const struct publisher *p, const char *workload, struct publisher_progress *ret) {
	const struct subject *u = subject_find(p, workload);
	const struct slot *s;
	bool hope = false;

	/* Before the first comparison nobody knows what stands there, but where it was looked. */
	bool known = p->compared.ms != 0 || (u && u->keys.n > 0);
	*ret = (struct publisher_progress){.published = known, .detail = known ? NULL : p->trouble ? p->trouble : p->list_trouble};
	hope = !known;
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
	return p;
}

void publisher_start(struct publisher *p) {
	p->started = true;
	p->compare_again = true;
	publisher_go_on(p);
}

void publisher_free(struct publisher *p) {
	struct slot *s, *next;
	struct subject *u, *next_u;

	if (!p)
		return;
	discovery_free(p->system);
	HASH_ITER (hh, p->slots, s, next) {
		if (s->place == BUSY)
			s->place = IDLE; /* its call is gone with the system */
		slot_free(s);
	}
	HASH_ITER (hh, p->subjects, u, next_u)
		subject_free(p, u);
	p->clock.close(p->clock.ctx);
	strs_clear(&p->settings.adopt);
	free(p->trouble);
	free(p->list_trouble);
	free(p->list_noticed);
	free(p);
}

const char *publisher_name(const struct publisher *p) { return p->system->name; }
const char *publisher_kind(const struct publisher *p) { return p->system->ops->kind; }
bool publisher_only_checks(const struct publisher *p) { return p->system->ops->only_checks; }
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
	*ret = (struct publisher_summary){.comparing = p->comparing,
					  .trouble = p->trouble ? p->trouble : p->list_trouble,
					  .compared = p->compared,
					  .requests = p->requests};
	for (const struct slot *s = p->slots; s; s = s->hh.next) {
		ret->entries += s->wanting;
		ret->differences += s->state != PUBLISHER_OK;
	}
}
