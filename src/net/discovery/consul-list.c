/* What is found, made into what discovery.h calls found: one of each key. */
#include "net/discovery/consul-internal.h"

#include "base/alloc.h"

#include <inttypes.h>
#include <string.h>

static int compare_wants(const void *a, const void *b) {
	return strcmp(((const struct consul_want *)a)->key, ((const struct consul_want *)b)->key);
}

static const struct consul_want *want_of(const struct consul_op *op, const char *key) {
	const struct consul_want sought = {.key = (char *)(uintptr_t)key};

	return op->n_wants ? bsearch(&sought, op->wants, op->n_wants, sizeof(*op->wants), compare_wants) : NULL;
}

/* NULL: nothing. Owned. */
static char *what_is_wrong(const struct consul_place *p, size_t ours, const struct consul_want *want) {
	if (p->s.damaged)
		return xstrdup(p->s.content);
	if (ours > 1)
		return xasprintf("it stands on %zu nodes", ours);
	if (p->lost)
		return xstrdup("the agent of its host does not have it");
	if (!p->own && p->s.index == 0)
		return xstrdup("it is at its agent and not in the catalog");
	if (want && want->host != p->host && want->node && p->s.entry.node && strcmp(want->node, p->s.entry.node) == 0)
		return xasprintf("it stands on node \"%.64s\"", p->node ? p->node : "?");
	return NULL;
}

static void fill(struct discovery_found *f, struct consul_place *p, char *wrong) {
	*f = (struct discovery_found){
		.foreign = p->s.foreign,
		.incomplete = wrong != NULL,
		.version = p->own ? xasprintf("%" PRId64, p->s.index) : xstrdup(CONSUL_AT_AGENT),
		.content = p->s.foreign ? TAKE_PTR(p->s.content) : wrong,
	};
	f->entry = p->s.entry;
	p->s.entry = (struct discovery_entry){0};
}

/* What is wanted there and stands there is kept alive; and what stands there when nobody has said yet what is wanted, as right
 * after a start: the next listing, or an unset, ends that. */
static void keep(const struct consul_place *p, const struct consul_want *want) {
	if (!p->host || p->lost || p->s.damaged)
		return;
	if (want ? want->host == p->host : !consul_is_kept(p->host, p->s.entry.key))
		consul_keep(p->host, &p->s.entry);
}

/* A foreign one is in the way only where ours is to be. */
static struct consul_place *in_the_way(struct consul_place *group, size_t n, const struct consul_want *want) {
	for (size_t i = 0; i < n && want; i++)
		if (group[i].s.foreign && (want->host ? group[i].host == want->host : group[i].own))
			return &group[i];
	return NULL;
}

/* False: nothing of it is to be told. */
static bool take_group(struct consul_op *op, struct consul_place *group, size_t n, struct discovery_found *ret) {
	const struct consul_want *want = want_of(op, group[0].s.entry.key);
	struct consul_place *foreign = group[0].s.foreign ? in_the_way(group, n, want) : NULL;
	size_t ours = 0;

	while (ours < n && !group[ours].s.foreign)
		ours++;
	if (ours > 0) {
		keep(&group[0], want);
		fill(ret, &group[0], what_is_wrong(&group[0], ours, want));
	} else if (foreign) {
		fill(ret, foreign, NULL);
	}
	return ours > 0 || foreign;
}

/* What is not wanted at an agent any more is left to expire there; not what was set since this was begun. */
static bool is_unwanted(const struct consul_op *op, const struct consul_host *h, const struct consul_kept *k) {
	const struct consul_want *want = want_of(op, k->entry.key);

	return !k->left && (want ? want->host != h : op->all) && k->since.ns < op->begun.ns;
}

static void forget_unwanted(struct consul_op *op) {
	for (size_t i = 0; i < op->consul->n_hosts; i++) {
		struct consul_host *h = &op->consul->hosts[i];
		struct consul_kept *k, *next;
		HASH_ITER (hh, h->kept, k, next) {
			if (is_unwanted(op, h, k))
				consul_forget(h, k->entry.key);
		}
	}
}

static void on_found(void *ctx, int result, struct consul_place *places, size_t n, const struct err *why) {
	struct consul_op *op = ctx;
	size_t n_found = 0, end;

	if (result < 0) {
		struct err err = *why;
		consul_op_fail(op, result, &err);
		return;
	}
	struct discovery_found *found = xnew_n(struct discovery_found, n + 1);
	for (size_t i = 0; i < n; i = end) {
		end = i + 1;
		while (end < n && strcmp(places[end].s.entry.key, places[i].s.entry.key) == 0)
			end++;
		n_found += take_group(op, &places[i], end - i, &found[n_found]);
	}
	forget_unwanted(op);
	consul_op_listed(op, found, n_found);
	for (size_t i = 0; i < n_found; i++)
		discovery_found_clear(&found[i]);
	free(found);
}

static void start(struct consul_op *op, const struct discovery_entry *const *wanted, size_t n, const char *key) {
	struct consul *c = op->consul;
	bool *hosts CLEANUP_FREE = xnew_n(bool, c->n_hosts + 1);

	op->wants = xnew_n(struct consul_want, n + 1);
	op->n_wants = n;
	for (size_t i = 0; i < n; i++) {
		struct consul_host *host = consul_host_of(c, wanted[i]->node);
		op->wants[i] =
			(struct consul_want){.key = xstrdup(wanted[i]->key), .node = xstrdup_null(wanted[i]->node), .host = host};
		if (host && !consul_is_silent(host))
			hosts[host - c->hosts] = true;
	}
	if (n > 1)
		qsort(op->wants, n, sizeof(*op->wants), compare_wants);
	consul_op_find(op, key, hosts, on_found);
}

void consul_list(struct discovery *d, const struct discovery_entry *const *wanted, size_t n, discovery_list_fn *done, void *user) {
	struct consul_op *op = consul_op_new(d, done, NULL, user);

	op->all = true;
	start(op, wanted, n, NULL);
}

void consul_look(struct discovery *d, const struct discovery_entry *wanted, discovery_list_fn *done, void *user) {
	start(consul_op_new(d, done, NULL, user), &wanted, 1, wanted->key);
}
