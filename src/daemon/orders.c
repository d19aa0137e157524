/* See orders.h. */
#include "daemon/orders.h"

#include "base/alloc.h"
#include "config/config.h"

#include <assert.h>
#include <string.h>

/* What was ordered last of one workload. */
struct ordered {
	char *workload;
	uint64_t stamp;
	bool nothing;
	struct publication_report told; /* without its detail */
	bool told_once;
	UT_hash_handle hh;
};

struct orders {
	struct publisher *systems[CONFIG_DISCOVERY_SYSTEMS_MAX];
	size_t n;
	bool any_required;
	orders_report_fn *report;
	void *ctx;
	struct ordered *ordered;
	const char *
		giving; /* not every system has been told of this one yet: what they say of it before that is of the order before */
};

struct orders *orders_new(orders_report_fn *report, void *ctx) {
	struct orders *o = xnew(struct orders);

	o->report = report;
	o->ctx = ctx;
	return o;
}

static void ordered_free(struct orders *all, struct ordered *o) {
	HASH_DEL(all->ordered, o);
	free(o->workload);
	free(o);
}

void orders_free(struct orders *o) {
	struct ordered *one, *next;

	if (!o)
		return;
	HASH_ITER (hh, o->ordered, one, next)
		ordered_free(o, one);
	free(o);
}

void orders_add(struct orders *o, struct publisher *p) {
	assert(o->n < CONFIG_DISCOVERY_SYSTEMS_MAX && !o->ordered);
	o->systems[o->n++] = p;
	o->any_required |= publisher_is_required(p);
}

/* ---- what comes back ---- */

/* Systems that are not required are followed, and not waited for; where none is, all of them tell. */
static struct publication_report sum_up(const struct orders *all, const struct ordered *o) {
	struct publication_report r = {.stamp = o->stamp, .published = true};

	for (size_t i = 0; i < all->n; i++) {
		const struct publisher *p = all->systems[i];
		struct publisher_progress one;
		if (all->any_required && !publisher_is_required(p))
			continue;
		publisher_progress(p, o->workload, &one);
		r.published &= one.published;
		r.awaited |= one.awaited;
		if (!one.published && !r.detail)
			r.detail = one.detail ? one.detail : publisher_name(p);
	}
	return r;
}

void orders_progress(struct orders *all, const char *workload) {
	struct ordered *o = NULL;

	HASH_FIND_STR(all->ordered, workload, o);
	if (!o || (all->giving && strcmp(all->giving, workload) == 0))
		return;
	const struct publication_report r = sum_up(all, o);
	bool same = o->told_once && o->told.stamp == r.stamp && o->told.published == r.published && o->told.awaited == r.awaited;
	if (same && r.published)
		return;
	o->told = r;
	o->told.detail = NULL;
	o->told_once = true;
	all->report(all->ctx, workload, &r);
	if (o->nothing && r.published)
		ordered_free(all, o);
}

/* ---- orders ---- */

static void take_entry(const struct effect *e, const struct service_entry *s, struct discovery_entry *ret) {
	char key[DISCOVERY_KEY_MAX];

	*ret = (struct discovery_entry){
		.key = xstrdup(discovery_key(e->workload, s->number, key)),
		.workload = xstrdup(e->workload),
		.generation = s->generation,
		.service = xstrdup(s->service),
		.address = xstrdup_null(s->address),
		.address6 = xstrdup_null(s->address6),
		.port = s->port,
		.node = xstrdup(s->node),
		.container = xstrdup(s->container),
		.host = s->host,
	};
	strs_copy(&ret->tags, &s->tags);
	strs_copy(&ret->meta, &s->meta);
}

static struct ordered *ordered_get(struct orders *all, const char *workload) {
	struct ordered *o = NULL;

	HASH_FIND_STR(all->ordered, workload, o);
	if (o)
		return o;
	o = xnew(struct ordered);
	o->workload = xstrdup(workload);
	HASH_ADD_KEYPTR(hh, all->ordered, o->workload, strlen(o->workload), o);
	return o;
}

void orders_give(struct orders *all, const struct effect *e, const struct discovery_entry *names) {
	struct discovery_entry *entries = xnew_n(struct discovery_entry, e->n_entries);
	struct publisher_order order = {
		.workload = e->workload, .generation = e->generation, .stamp = e->stamp, .entries = entries};
	struct publisher_order asked = order;

	for (size_t i = 0; i < e->n_entries; i++)
		take_entry(e, &e->entries[i], &entries[order.n++]);
	asked.entries = names;
	asked.n = names != NULL;
	struct ordered *o = ordered_get(all, e->workload);
	o->stamp = e->stamp;
	o->nothing = order.n == 0 && asked.n == 0;
	o->told_once = false;
	all->giving = e->workload;
	for (size_t i = 0; i < all->n; i++)
		publisher_order(all->systems[i], publisher_only_checks(all->systems[i]) ? &asked : &order);
	all->giving = NULL;
	orders_progress(all, e->workload);
	for (size_t i = 0; i < order.n; i++)
		discovery_entry_clear(&entries[i]);
	free(entries);
}
