/* What stands in the registries, against what runs: at every change, at every release, when a takeover says that its owner is
 * published, and in the end.
 *
 * What a fault has disturbed, or a call that was given up and took effect all the same, no manager can know of before it compares
 * again: that is only judged in the end. */
#include "checks.h"

#include "base/alloc.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define WISHES_MAX 128

/* One service of a container that runs, as it is to be found. */
struct wish {
	char key[DISCOVERY_KEY_MAX];
	const char *service, *tag, *node, *container;
	char address[40];
	uint16_t port;
	unsigned generation;
	bool host;
};

/* ---- what is to be there ---- */

static const struct fake_service unlabelled;

static const struct fake_service *service_of(const struct sim *s, const struct fake_container *c, int i) {
	enum publish_scope scope = s->settings.discovery.scope;

	if (i < c->n_services)
		return &c->services[i];
	bool all = scope == PUBLISH_ALL || (scope == PUBLISH_OPTED_IN && c->opted);
	return i == 0 && all ? &unlabelled : NULL;
}

static bool by_host(const struct sim *s, const struct fake_service *v) {
	return (v->address == SERVICE_UNSAID ? s->settings.discovery.address : v->address) == SERVICE_HOST;
}

static bool fill_address(const struct fake_container *c, const struct fake_service *v, struct wish *w) {
	if (w->host) {
		agents_vtep(c->node, w->address);
		w->port = c->bound;
		return c->bound && (v->port == 0 || v->port == 80);
	}
	for (int k = 0; k < FAKE_NETS; k++) /* the first by its name, "back" */
		if (*c->ip[k])
			snprintf(w->address, sizeof(w->address), "%s", c->ip[k]);
	w->port = v->port;
	return *w->address;
}

static bool wish_for(const struct sim *s, const char *workload, const struct fake_container *c, int i, struct wish *ret) {
	const struct fake_service *v = service_of(s, c, i);

	if (!v)
		return false;
	*ret = (struct wish){.service = *v->name ? v->name : c->name,
			     .tag = v->tag,
			     .node = s->fake.nodes[c->node].name,
			     .container = c->name,
			     .generation = fake_generation(c),
			     .host = by_host(s, v)};
	discovery_key(workload, (unsigned)i + 1, ret->key);
	return service_is_name(ret->service) && fill_address(c, v, ret);
}

static bool is_ill(const struct sim *s, const struct fake_container *c) {
	return c->unhealthy && s->settings.discovery.withdraw_unhealthy;
}

static bool is_same(const char *a, const char *b) { return strcmp(a ? a : "", b ? b : "") == 0; }

static bool is_as_wished(const struct registry_slot *slot, const struct wish *w) {
	const struct discovery_entry *e = slot ? &slot->entry : NULL;

	return slot && slot->present && !slot->foreign && !slot->incomplete && is_same(e->service, w->service) &&
	       is_same(e->address, w->address) && !e->address6 && e->port == w->port && e->generation == w->generation &&
	       e->host == w->host && is_same(e->node, w->node) && is_same(e->container, w->container) && e->meta.n == 0 &&
	       e->tags.n == (*w->tag != '\0') && (!e->tags.n || strcmp(e->tags.v[0], w->tag) == 0);
}

/* ---- at every change ---- */

static const char *id_of(const char *workload) {
	const char *slash = strrchr(workload, '/');
	return slash ? slash + 1 : workload;
}

/* That generation of it; the one that ran before any other. NULL. */
static const struct fake_container *container_of(const struct sim *s, const char *workload, unsigned generation) {
	const struct truth *t = sim_truth_named(s, workload);
	const struct fake_container *found = NULL;

	if (!t)
		return fake_by_id(&s->fake, id_of(workload));
	for (int i = 0; i < s->fake.n_containers; i++) {
		const struct fake_container *c = s->fake.containers[i];
		if (sim_truth(s, c) == t && fake_generation(c) == generation && (!found || c->proved))
			found = c;
	}
	return found;
}

/* It says what its container has: nobody else's address, name or number, and where it really was made. */
static void check_content(struct sim *s, const struct fake_container *c, const struct discovery_entry *e) {
	const char *number = strrchr(e->key, '-');
	struct wish w;

	int i = number ? atoi(number + 1) - 1 : -1;
	const struct fake_service *v = i >= 0 && i < FAKE_SERVICES ? service_of(s, c, i) : NULL;
	if (!v) {
		sim_fail(s, INV_FOUND, "%s is published, and %s is no service", e->key, c->id);
		return;
	}
	(void)wish_for(s, e->workload, c, i, &w);
	if (!is_same(e->address, w.address) || e->host != w.host || !is_same(e->node, w.node) ||
	    (*v->name && !is_same(e->service, v->name)))
		sim_fail(s, INV_FOUND, "%s is published as %s at %s on %s: it is %s at %s on %s", e->key, e->service, e->address,
			 e->node, w.service, w.address, w.node);
}

void check_entry_set(struct sim *s, int registry, const struct registry_slot *slot, const struct discovery_entry *e) {
	const struct fake_container *c = container_of(s, e->workload, e->generation);
	const struct truth *t = sim_truth_named(s, e->workload);

	if (slot->present && slot->foreign)
		sim_fail(s, INV_FOUND, "something foreign at %s is overwritten in registry %d", slot->key, registry);
	if (slot->present && !slot->foreign && slot->entry.generation > e->generation)
		sim_fail(s, INV_FOUND, "generation %u of %s is overwritten by %u in registry %d", slot->entry.generation, slot->key,
			 e->generation, registry);
	if (!c) {
		sim_fail(s, INV_FOUND, "generation %u of %s is published, which never was", e->generation, e->workload);
		return;
	}
	if (e->generation > 1 && (!c->proved || !t || !(t->verified & UINT64_C(1) << (e->generation & 63))))
		sim_fail(s, INV_FOUND, "generation %u of %s (%s) is published, and nobody has %s it", e->generation, e->workload,
			 c->id, c->proved ? "verified" : "seen");
	check_content(s, c, e);
}

void check_entry_unset(struct sim *s, int registry, const struct registry_slot *slot) {
	if (slot->foreign)
		sim_fail(s, INV_FOUND, "something foreign at %s is taken out of registry %d", slot->key, registry);
}

/* ---- what the machine lets go of ---- */

static bool is_given_up(const struct sim *s, const char *node) {
	const struct world_node *n = world_node(resched_world(s->machine), node);
	const char *reason;

	return check_is_lost(s, node) && (n->confirmed_dead || !resched_brake_holds(s->machine, &reason));
}

static bool is_open(const struct sim *s, const char *workload) {
	for (const struct takeover *t = resched_takeovers(s->machine); t; t = t->hh.next)
		if (!takeover_is_over(t->state) && strcmp(t->workload, workload) == 0)
			return true;
	return false;
}

/* Whoever it is to name, where nothing is under way: the owner, or the container that is of no workload. NULL. */
static const struct fake_container *named_in_peace(const struct sim *s, const char *workload) {
	const struct workload *w = check_workload(s, workload);

	if (!w && sim_truth_named(s, workload))
		return NULL;
	if (!w)
		return fake_by_id(&s->fake, id_of(workload));
	if (w->orphan || w->exhausted || w->abandoned || w->gone || !w->verified || is_open(s, workload))
		return NULL;
	return fake_by_id(&s->fake, w->container);
}

/* It runs, and nobody has seen that it does not. */
static bool is_to_be_found(const struct sim *s, const struct fake_container *c) {
	const char *node = c ? s->fake.nodes[c->node].name : NULL;
	const struct world_container *seen = c ? world_container(resched_world(s->machine), node, c->id) : NULL;

	if (!c || !c->exists || !c->running || is_ill(s, c) || is_given_up(s, node))
		return false;
	return !seen || (seen->running && !(seen->unhealthy && s->settings.discovery.withdraw_unhealthy));
}

void check_may_withdraw(struct sim *s, const char *workload) {
	const struct fake_container *c = named_in_peace(s, workload);
	struct wish w;

	if (s->acting_old)
		return; /* until it finds that it is not the manager any more, it does not know what was made meanwhile */
	for (int i = 0; i < FAKE_SERVICES && is_to_be_found(s, c); i++)
		if (wish_for(s, workload, c, i, &w))
			sim_fail(s, INV_FOUND, "%s may be taken out of the registries, and %s runs on %s", workload, c->id, w.node);
}

void check_ordered(struct sim *s, const struct effect *e) {
	const struct fake_container *c = named_in_peace(s, e->workload);
	size_t wishes = 0;
	struct wish w;

	if (!is_to_be_found(s, c) || !world_container(resched_world(s->machine), s->fake.nodes[c->node].name, c->id))
		return;
	for (int i = 0; i < FAKE_SERVICES; i++)
		wishes += wish_for(s, e->workload, c, i, &w);
	if (e->n_entries < wishes)
		sim_fail(s, INV_FOUND, "%zu of %zu entries of %s are ordered, which runs on %s", e->n_entries, wishes, c->id,
			 w.node);
}

/* ---- takeovers ---- */

static bool is_said(const struct takeover *t, const char *warning) {
	for (size_t i = 0; i < t->warnings.n; i++)
		if (strncmp(t->warnings.v[i], warning, strlen(warning)) == 0)
			return true;
	return false;
}

/* From now on the address may be another's: nobody is to be sent to the old host any more. */
void check_withdrawn(struct sim *s, const struct flight *f) {
	const struct takeover *t = s->machine ? check_takeover(s, f->effect->takeover) : NULL;

	/* One that an earlier manager sent may come when it is long over; one that goes on where another stopped had released. */
	if (!t || takeover_is_resumed(t) || takeover_is_over(t->state) || t->row != ROW_RELEASE || is_said(t, "not withdrawn: "))
		return;
	for (int i = 0; i < REGISTRIES; i++)
		for (int k = 0; k < s->registries[i].n_slots && registry_counts(s, i); k++) {
			const struct registry_slot *slot = &s->registries[i].slots[k];
			if (slot->present && !slot->foreign && !slot->disturbed && slot->entry.host &&
			    strcmp(slot->entry.workload, t->workload) == 0)
				sim_fail(s, INV_FOUND, "takeover %s releases, and registry %d still sends to %s port %u on %s",
					 t->id, i, slot->entry.address, slot->entry.port, slot->entry.node);
		}
}

void check_named(struct sim *s, const struct takeover *t) {
	const struct fake_container *c = fake_by_id(&s->fake, t->new_id);
	struct wish w;

	for (int k = 0; k < FAKE_SERVICES && c && c->running && !c->unhealthy; k++)
		for (int i = 0; i < REGISTRIES && wish_for(s, t->workload, c, k, &w); i++) {
			const struct registry_slot *slot = registry_slot(&s->registries[i], w.key);
			bool named = slot && slot->present && !slot->foreign && slot->entry.generation == t->generation;
			if (registry_counts(s, i) && !named && !(slot && slot->disturbed))
				sim_fail(s, INV_FOUND, "takeover %s says that %s is published, and registry %d does not name it",
					 t->id, c->id, i);
		}
}

/* ---- in the end ---- */

struct wishes {
	struct wish v[WISHES_MAX];
	size_t n;
};

static void wish_all(const struct sim *s, const char *workload, const struct fake_container *c, struct wishes *ret) {
	if (!c || !c->exists || !c->running || is_ill(s, c))
		return;
	for (int i = 0; i < FAKE_SERVICES && ret->n < WISHES_MAX; i++)
		ret->n += wish_for(s, workload, c, i, &ret->v[ret->n]);
}

/* Nobody has its address, and an operator is needed. */
static bool is_without_owner(const struct sim *s, const struct workload *w) {
	for (const struct takeover *t = resched_takeovers(s->machine); t; t = t->hh.next)
		if (t->state == TAKEOVER_NEEDS_OPERATOR && strcmp(t->workload, w->id) == 0)
			return t->released;
	return false;
}

static void wish_everything(const struct sim *s, struct wishes *ret) {
	char workload[64];

	for (int i = 0; i < s->n_truths; i++) {
		const struct workload *w = check_workload(s, s->truths[i].workload);
		if (w && !w->gone && !is_without_owner(s, w))
			wish_all(s, w->id, fake_by_id(&s->fake, w->container), ret);
	}
	for (int i = 0; i < s->fake.n_containers; i++) {
		const struct fake_container *c = s->fake.containers[i];
		snprintf(workload, sizeof(workload), "%s/%s", FAKE_CLUSTER, c->id);
		if (!sim_truth(s, c))
			wish_all(s, workload, c, ret);
	}
}

static bool is_wished(const struct wishes *all, const char *key) {
	for (size_t i = 0; i < all->n; i++)
		if (strcmp(all->v[i].key, key) == 0)
			return true;
	return false;
}

static char *wrong_in(const struct registry *r, int number, const struct wishes *all) {
	for (size_t i = 0; i < all->n; i++) {
		const struct wish *w = &all->v[i];
		const struct registry_slot *slot = registry_slot(r, w->key);
		char *text = slot && slot->present ? discovery_entry_text(&slot->entry) : xstrdup("nothing");
		char *wrong =
			is_as_wished(slot, w)
				? NULL
				: xasprintf("registry %d has %s at %s instead of %s (\"%s\") at %s, port %u, generation %u on %s",
					    number, text, w->key, w->service, w->container, w->address, w->port, w->generation,
					    w->node);
		free(text);
		if (wrong)
			return wrong;
	}
	for (int i = 0; i < r->n_slots; i++)
		if (r->slots[i].present && !is_wished(all, r->slots[i].key))
			return xasprintf("registry %d still has %s: generation %u on %s", number, r->slots[i].key,
					 r->slots[i].entry.generation, r->slots[i].entry.node);
	return NULL;
}

char *check_found(struct sim *s) {
	struct wishes *all;
	char *wrong = NULL;

	if (!s->settings.discovery.any)
		return NULL;
	all = xnew(struct wishes);
	wish_everything(s, all);
	for (int i = 0; i < REGISTRIES && !wrong; i++)
		if (s->registries[i].there)
			wrong = wrong_in(&s->registries[i], i, all);
	free(all);
	return wrong;
}

/* All registries are right by now: whoever moved it, and has its owner still, says so. */
char *check_told(const struct sim *s) {
	struct wish w;

	for (const struct takeover *t = resched_takeovers(s->machine); t; t = t->hh.next) {
		const struct workload *o = check_workload(s, t->workload);
		const struct fake_container *c = fake_by_id(&s->fake, t->new_id);
		if (t->state != TAKEOVER_DONE || !o || o->newest != t || !c || !c->running || !s->settings.discovery.any)
			continue;
		bool wanted = wish_for(s, t->workload, c, 0, &w) || wish_for(s, t->workload, c, 1, &w);
		if (t->published == PUBLISHED_NO)
			return xasprintf("takeover %s says that %s is not published, and it is", t->id, c->id);
		if (t->published == PUBLISHED_NOTHING && wanted)
			return xasprintf("takeover %s says that there is nothing to publish, and %s is published", t->id, c->id);
	}
	return NULL;
}
