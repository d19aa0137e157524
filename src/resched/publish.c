/* What service discovery is to say of every container that wants to be found: a state, as what agents are told (seats.c). It is
 * found anew in every turn, and ordered when it is another than was ordered last; what the systems say of it comes back as a
 * report. Retries and the systems' own words are not known here.
 *
 * A moved workload's entries name the owner that was verified last, so those with its own address stay as they are throughout a
 * takeover and change in place when the new owner is verified. Entries with a host's address are withdrawn when that host is given
 * up, and before the release at the latest. */
#include "resched/publish-internal.h"

#include "base/alloc.h"
#include "base/hash.h"
#include "base/mutant.h"

#include <string.h>

#define RETRY_SEC 1
#define NOTHING_WANTED UINT64_C(0)

struct publication {
	char *subject;   /* the workload's ID; of a container that is of none, the one it would have */
	uint64_t wanted; /* stamps; NOTHING_WANTED */
	uint64_t told;
	bool told_once;
	uint64_t ordering, pending; /* the stamp under way, and its effect; 0: none */
	struct mono not_before;
	uint64_t reported;
	bool published, awaited;
	char *detail;
	unsigned generation;
	bool wanting;                 /* still, in this turn */
	UT_hash_handle hh, by_effect; /* the latter: of those under way */
};

static void publication_free(struct publication *p) {
	free(p->subject);
	free(p->detail);
	free(p);
}

void publish_clear(struct resched *r) {
	struct publication *p, *next;

	HASH_CLEAR(by_effect, r->publishing);
	HASH_ITER (hh, r->publications, p, next) {
		HASH_DEL(r->publications, p);
		publication_free(p);
	}
}

void publish_serve(struct workload *w, unsigned generation, const char *node, const char *container) {
	w->served.generation = generation;
	xstr_replace(&w->served.node, node);
	xstr_replace(&w->served.container, container);
	w->dirty = true;
}

/* ---- what is ordered ---- */

static uint64_t hash_strs(uint64_t h, const struct strs *s) {
	for (size_t i = 0; i < s->n; i++)
		h = hash_text(h, s->v[i]);
	return hash_number(h, s->n);
}

static uint64_t stamp_of(const struct wanted *w) {
	uint64_t h = HASH_START;

	if (w->n == 0 && !w->names)
		return NOTHING_WANTED;
	for (size_t i = 0; i < w->n; i++) {
		const struct service_entry *e = &w->entries[i];
		const char *texts[] = {e->service, e->address, e->address6, e->node, e->container};
		for (size_t k = 0; k < sizeof(texts) / sizeof(texts[0]); k++)
			h = hash_text(h, texts[k]);
		h = hash_number(hash_number(hash_number(h, e->number), e->port), e->generation);
		h = hash_strs(hash_strs(hash_number(h, e->host), &e->tags), &e->meta);
	}
	if (w->names)
		h = hash_text(hash_text(h, w->node), w->container);
	return h == NOTHING_WANTED ? 1 : h;
}

static struct service_entry copy_entry(const struct service_entry *from) {
	struct service_entry e = *from;

	e.service = xstrdup(from->service);
	e.address = xstrdup_null(from->address);
	e.address6 = xstrdup_null(from->address6);
	e.node = xstrdup(from->node);
	e.container = xstrdup(from->container);
	e.tags = e.meta = (struct strs){0};
	strs_copy(&e.tags, &from->tags);
	strs_copy(&e.meta, &from->meta);
	return e;
}

static void order(struct resched *r, struct publication *p, const struct wanted *w) {
	struct effect *e = effect_new(r, EFFECT_PUBLISH, span_sec(5));

	e->workload = xstrdup(p->subject);
	e->generation = w->generation;
	e->stamp = p->wanted;
	e->entries = xnew_n(struct service_entry, w->n);
	for (size_t i = 0; i < w->n; i++)
		e->entries[e->n_entries++] = copy_entry(&w->entries[i]);
	e->check_names = w->names;
	e->node = xstrdup_null(w->node);
	e->container = xstrdup_null(w->container);
	p->ordering = p->wanted;
	p->pending = e->id;
	HASH_ADD(by_effect, r->publishing, pending, sizeof(p->pending), p);
	effect_emit(r, e);
}

static struct publication *publication(struct resched *r, const char *subject, bool create) {
	struct publication *p = NULL;

	HASH_FIND_STR(r->publications, subject, p);
	if (p || !create)
		return p;
	p = xnew(struct publication);
	p->subject = xstrdup(subject);
	HASH_ADD_KEYPTR(hh, r->publications, p->subject, strlen(p->subject), p);
	return p;
}

static bool is_told(const struct publication *p) { return p->told_once && p->told == p->wanted; }

static void order_if_due(struct resched *r, struct publication *p, const struct wanted *w) {
	if (p->pending || is_told(p))
		return;
	r->publish_due = true;
	if (mono_reached(p->not_before, r->now))
		order(r, p, w);
	else
		wake_at(r, p->not_before);
}

/* Once something was wanted of it there is a record of it, until all systems say that nothing is. NULL: there is none. */
static struct publication *bring_up_to_date(struct resched *r, const struct wanted *w) {
	uint64_t stamp = stamp_of(w);
	struct publication *p = publication(r, w->subject, stamp != NOTHING_WANTED && !w->unknown);

	if (!p)
		return NULL;
	p->wanting = true;
	p->generation = w->generation;
	if (w->unknown)
		return p;
	p->wanted = stamp;
	order_if_due(r, p, w);
	return p;
}

static void drop_unwanted(struct resched *r) {
	struct publication *p, *next;

	HASH_ITER (hh, r->publications, p, next) {
		if (!p->wanting) {
			const struct wanted nothing = {.generation = p->generation};
			p->wanted = NOTHING_WANTED;
			order_if_due(r, p, &nothing);
		}
		p->wanting = false;
		if (p->wanted == NOTHING_WANTED && is_told(p) && !p->pending && p->reported == p->told && p->published) {
			HASH_DEL(r->publications, p);
			publication_free(p);
		}
	}
}

static void want_loners(struct resched *r) {
	for (const struct world_container *c = r->world.containers; c; c = c->hh.next) {
		if (!publish_is_asked(r, c) || c->remembered) /* only what has a workload is remembered, or what was removed */
			continue;
		char *subject;
		struct wanted w = {0};
		if (!ledger_identify(r, c, &subject)) {
			w.subject = subject;
			w.generation = 1;
			publish_want_container(r, c, &w);
			(void)bring_up_to_date(r, &w); /* nobody waits for it */
		}
		free(subject);
	}
}

/* Nothing of what decides it can have changed. */
static bool is_quiet(const struct resched *r) {
	if (r->world_changed || r->publish_due)
		return false;
	for (const struct workload *w = r->workloads; w; w = w->hh.next)
		if (takeover_open(r, w))
			return false;
	return true;
}

/* Ended, and not published. */
static struct takeover *unpublished(const struct workload *w) {
	struct takeover *t = w->newest;
	bool is = t && t->state == TAKEOVER_DONE && t->published == PUBLISHED_NO && t->generation == w->served.generation;

	return is ? t : NULL;
}

void publish_turn(struct resched *r) {
	if (!r->settings.discovery.any || is_quiet(r))
		return;
	r->publish_due = false;
	want_loners(r);
	for (const struct workload *w = r->workloads; w; w = w->hh.next) {
		struct wanted wanted = {0};
		publish_want_workload(r, w, &wanted);
		if (unpublished(w))
			(void)publication(r, w->id, true); /* also that nothing is wanted has to be said */
		(void)bring_up_to_date(r, &wanted);        /* a takeover that waits asks itself */
	}
	drop_unwanted(r);
}

/* ---- what comes back ---- */

bool publish_result(struct resched *r, uint64_t effect, const struct effect_result *result) {
	struct publication *p = NULL;

	HASH_FIND(by_effect, r->publishing, &effect, sizeof(effect), p);
	if (!p)
		return false;
	HASH_DELETE(by_effect, r->publishing, p);
	p->pending = 0;
	if (result->outcome == EFFECT_OK || MUTANT(ORDER_NOT_GIVEN_AGAIN)) {
		p->told = p->ordering;
		p->told_once = true;
	} else {
		p->not_before = mono_add(r->now, span_sec(RETRY_SEC));
	}
	return true;
}

/* A takeover that ended unpublished is published after all. */
static bool published_late(struct resched *r, struct workload *w) {
	struct takeover *t = unpublished(w);

	if (!t || MUTANT(LATE_NOT_SAID))
		return false;
	t->published = PUBLISHED_YES;
	t->dirty = true;
	log_nets(r, t, "publish", "ok", "service discovery names the new owner now");
	return true;
}

/* Its takeover waits for it, or has given up waiting. */
static bool is_news(struct resched *r, const struct publication *p) {
	struct workload *w = workload_find(r, p->subject);
	const struct takeover *t = w ? takeover_open(r, w) : NULL;

	if (t)
		return t->row == ROW_WITHDRAW || t->row == ROW_PUBLISH;
	return w && p->published && p->reported == p->wanted && published_late(r, w);
}

bool resched_published(struct resched *r, const char *workload, const struct publication_report *report) {
	struct publication *p = publication(r, workload, false);

	if (!p || (p->told_once && report->stamp != p->told && report->stamp != p->ordering))
		return false; /* of what is not wanted any more */
	p->reported = report->stamp;
	p->published = report->published;
	p->awaited = report->awaited;
	xstr_replace(&p->detail, report->detail);
	r->publish_due |= p->published && p->wanted == NOTHING_WANTED; /* it can be forgotten */
	return is_news(r, p);
}

enum answer publish_said(struct resched *r, const struct workload *w, const char **ret_detail) {
	struct wanted wanted = {0};

	publish_want_workload(r, w, &wanted);
	if (!wanted.incomplete)
		(void)publication(r, w->id, true); /* that nothing is wanted has to be said, too */
	const struct publication *p = bring_up_to_date(r, &wanted);
	bool known =
		p && p->reported == p->told && !wanted.incomplete && !wanted.unknown && (is_told(p) || MUTANT(OLD_REPORT_COUNTS));
	*ret_detail = wanted.unknown      ? "the host's address is not known yet"
		      : wanted.incomplete ? "the new owner's published port is not known yet"
		      : p && p->detail    ? p->detail
					  : "no answer yet";

	if (known && p->published)
		return ANSWER_YES;
	return known && !p->awaited ? ANSWER_NO : ANSWER_UNKNOWN;
}

/* ---- what is left of before ---- */

/* What is known of a node's containers is what its engine said, or that it will say nothing any more. */
static bool is_decided(const struct resched *r, const char *node) {
	const struct world_node *n = node ? world_node(&r->world, node) : NULL;

	return !n || publish_is_surely_lost(r, n) || (n->verdict == NODE_ALIVE && (n->listed || MUTANT(WITHDRAWN_BEFORE_LISTED)));
}

static bool wants_anything(const struct resched *r, const struct workload *w) {
	struct wanted wanted = {0};

	publish_want_workload(r, w, &wanted);
	return wanted.n > 0 || wanted.incomplete || wanted.unknown;
}

/* Perhaps it is only known that it is there. */
static bool runs_somewhere(const struct resched *r, const char *id) {
	const struct world_container *c = world_container_by_id(&r->world, id);

	if (c && c->running && publish_is_asked(r, c) && !publish_is_ill(r, c))
		return true;
	for (const struct world_node *n = r->world.nodes; n; n = n->hh.next)
		if (n->unseen.n && strs_has(&n->unseen, id) && !world_container(&r->world, n->name, id) &&
		    !publish_is_surely_lost(r, n))
			return true;
	return false;
}

bool resched_may_withdraw(const struct resched *r, const char *workload, const char *node, unsigned generation) {
	const struct publication *p = publication((struct resched *)r, workload, false);
	const struct workload *w = workload_find(r, workload);
	const char *slash = strrchr(workload, '/');

	if (!r->store_ok || (p && p->wanted != NOTHING_WANTED))
		return false; /* perhaps another manager has the store by now, and wants it */
	if (!w)
		return slash && is_decided(r, node) && !runs_somewhere(r, slash + 1);
	return generation <= w->last_generation && is_decided(r, w->node) && is_decided(r, w->served.node) && !wants_anything(r, w);
}
