/* See registry.h. */
#include "sim.h"

#include "base/alloc.h"
#include "base/cleanup.h"
#include "base/hash.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define TIMEOUT_MS 5000

enum call_kind { CALL_LIST, CALL_LOOK, CALL_SET, CALL_UNSET };

struct registry_call {
	enum call_kind kind;
	int registry;
	unsigned manager;
	struct discovery_entry entry; /* of LIST none */
	struct strs keys;             /* LIST: that are wanted */
	unsigned was;                 /* the version that is compared with; 0: nothing is to be there */
	discovery_list_fn *listed;
	discovery_done_fn *done;
	void *user;
	int events; /* of it in the queue */
	bool on_its_way, answered;
	int result;
	char version[16];
	const char *why;
	struct discovery_found *found;
	size_t n_found;
	struct registry_call *next;
};

/* A manager's way to one of them. */
struct way {
	struct discovery head; /* first */
	struct sim *sim;
	int registry;
	unsigned manager;
};

/* ---- what stands there ---- */

static struct registry_slot *slot_find(const struct registry *r, const char *key) {
	for (int i = 0; i < r->n_slots; i++)
		if (strcmp(r->slots[i].key, key) == 0)
			return &r->slots[i];
	return NULL;
}

static struct registry_slot *slot_get(struct registry *r, const char *key) {
	struct registry_slot *known = slot_find(r, key);

	if (known)
		return known;
	if ((r->n_slots & (r->n_slots - 1)) == 0)
		r->slots = xreallocarray(r->slots, r->n_slots ? (size_t)r->n_slots * 2 : 1, sizeof(*r->slots));
	struct registry_slot *s = &r->slots[r->n_slots++];
	*s = (struct registry_slot){0};
	snprintf(s->key, sizeof(s->key), "%s", key);
	return s;
}

const struct registry_slot *registry_slot(const struct registry *r, const char *key) { return slot_find(r, key); }

bool registry_counts(const struct sim *s, int registry) {
	bool any = false;

	for (int i = 0; i < REGISTRIES; i++)
		any |= s->registries[i].there && s->registries[i].required;
	return s->registries[registry].there && (!any || s->registries[registry].required);
}

static void put(struct registry *r, struct registry_slot *s, const struct discovery_entry *e) {
	discovery_entry_copy(&s->before, &s->entry);
	discovery_entry_copy(&s->entry, e);
	s->present = true;
	s->foreign = s->incomplete = false;
	s->version = ++r->versions;
}

static void take_away(struct registry_slot *s) {
	if (!s->foreign)
		discovery_entry_copy(&s->before, &s->entry);
	s->present = s->foreign = s->incomplete = false;
}

static void show(const struct registry_slot *s, struct discovery_found *ret) {
	*ret = (struct discovery_found){.foreign = s->foreign, .incomplete = s->incomplete, .version = xasprintf("%u", s->version)};
	if (!s->foreign)
		discovery_entry_copy(&ret->entry, &s->entry);
	else
		ret->content = xstrdup("10.9.9.9");
	xstr_replace(&ret->entry.key, s->key);
}

/* ---- a call where it arrives ---- */

static bool is_shown(const struct registry_call *c, const struct registry_slot *s) {
	if (!s->present)
		return false;
	if (c->kind == CALL_LOOK)
		return strcmp(c->entry.key, s->key) == 0;
	return !s->foreign || strs_has(&c->keys, s->key);
}

static void look(const struct registry *r, struct registry_call *c) {
	c->found = xnew_n(struct discovery_found, (size_t)r->n_slots);
	for (int i = 0; i < r->n_slots; i++)
		if (is_shown(c, &r->slots[i]))
			show(&r->slots[i], &c->found[c->n_found++]);
}

/* It was given up, or whoever sent it is gone: nobody will hear of it. */
static bool is_late(const struct sim *s, const struct registry_call *c) {
	return c->answered || !s->machine || c->manager != s->manager;
}

static void change(struct sim *s, struct registry_call *c) {
	struct registry *r = &s->registries[c->registry];
	struct registry_slot *slot = slot_get(r, c->entry.key);

	if (c->kind == CALL_UNSET && !slot->present)
		return;
	if ((slot->present ? slot->version : 0) != c->was) {
		c->result = slot->present && slot->foreign ? -EEXIST : -ESTALE;
		c->why = slot->foreign ? "\"10.9.9.9\" is there" : "it has changed";
		return;
	}
	if (c->kind == CALL_SET) {
		check_entry_set(s, c->registry, slot, &c->entry);
		put(r, slot, &c->entry);
		snprintf(c->version, sizeof(c->version), "%u", slot->version);
	} else {
		check_entry_unset(s, c->registry, slot);
		take_away(slot);
	}
	slot->disturbed = is_late(s, c);
}

static const char *name_of(enum call_kind k) {
	static const char *const names[] = {"list", "look", "set", "unset"};
	return names[k];
}

static void say(const struct sim *s, const struct registry_call *c, const char *how) {
	char *text CLEANUP_FREE = c->entry.service ? discovery_entry_text(&c->entry) : NULL;

	sim_say(s, "  registry %d.%u %s %s %s %s%s%s", c->registry, c->manager, how, name_of(c->kind),
		c->entry.key ? c->entry.key : "", text ? text : "", c->result < 0 ? ": " : "",
		c->result < 0 ? (c->why ? c->why : "error") : "");
}

static void perform(struct sim *s, struct registry_call *c) {
	if (c->kind == CALL_LIST || c->kind == CALL_LOOK)
		look(&s->registries[c->registry], c);
	else
		change(s, c);
	if (c->kind != CALL_LOOK)
		say(s, c, "does");
}

/* ---- the way there and back ---- */

static void call_free(struct registry_call *c) {
	for (size_t i = 0; i < c->n_found; i++)
		discovery_found_clear(&c->found[i]);
	free(c->found);
	discovery_entry_clear(&c->entry);
	strs_clear(&c->keys);
	free(c);
}

/* What nobody can notice any more is dropped. */
static void sweep(struct sim *s) {
	for (struct registry_call **p = &s->calls; *p;) {
		struct registry_call *c = *p;
		if (c->on_its_way || (c->events && old_is_alive(s, c->manager))) {
			p = &c->next;
			continue;
		}
		*p = c->next;
		call_free(c);
	}
}

static void event_in(struct sim *s, int ms, unsigned manager, void (*fn)(struct sim *s, const struct event *e),
		     struct registry_call *c) {
	c->events++;
	sim_at(s, span_ms(ms), manager, fn, 0, 0, c);
}

static void hear(struct sim *s, struct registry_call *c) {
	struct err err = {0};

	c->answered = true;
	if (c->result < 0) {
		say(s, c, "answers");
		(void)err_set(&err, c->result, "registry %d: %s", c->registry, c->why ? c->why : "error");
	}
	if (c->listed)
		c->listed(c->user, c->result, c->result < 0 ? NULL : c->found, c->result < 0 ? 0 : c->n_found,
			  c->result < 0 ? &err : NULL);
	else
		c->done(c->user, c->result, c->result < 0 || c->kind != CALL_SET ? NULL : c->version, c->result < 0 ? &err : NULL);
}

static void answers(struct sim *s, const struct event *e) {
	struct registry_call *c = e->data;

	c->events--;
	if (!c->answered)
		hear(s, c);
	sweep(s);
}

static void times_out(struct sim *s, const struct event *e) {
	struct registry_call *c = e->data;

	c->events--;
	if (!c->answered) {
		c->result = -ETIMEDOUT;
		c->why = "no answer";
		hear(s, c);
	}
	sweep(s);
}

static void fail_in(struct sim *s, struct registry_call *c, int ms, int result, const char *why) {
	c->result = result;
	c->why = why;
	event_in(s, ms, c->manager, answers, c);
}

static void arrives(struct sim *s, const struct event *e);

static void again_in(struct sim *s, struct registry_call *c, struct span in) {
	c->on_its_way = true;
	c->events++;
	sim_at(s, in, 0, arrives, 0, 0, c);
}

/* b: it is done, and the answer is lost. */
static void arrives(struct sim *s, const struct event *e) {
	struct registry_call *c = e->data;
	const struct registry *r = &s->registries[c->registry];
	struct span pause;

	c->events--;
	c->on_its_way = false;
	if (old_holds(s, c->manager, &pause)) { /* it was about to send it */
		again_in(s, c, pause);
		return;
	}
	if (r->state == REGISTRY_SILENT) {
		if (rng_permille(&s->rng, 500)) /* it lies in its socket */
			again_in(s, c, sim_ms(s, 200, 1500));
		sweep(s);
		return;
	}
	if (r->state == REGISTRY_DOWN) {
		fail_in(s, c, 1, -ENOTCONN, "connection refused");
		return;
	}
	if (r->state == REGISTRY_REFUSES) {
		fail_in(s, c, 2, -EACCES, "permission denied");
		return;
	}
	perform(s, c);
	if (!e->b)
		event_in(s, rng_range(&s->rng, 1, 20), c->manager, answers, c);
	sweep(s);
}

static void arrive_in(struct sim *s, struct registry_call *c, int ms, bool unheard) {
	c->on_its_way = true;
	c->events++;
	sim_at(s, span_ms(ms), 0, arrives, 0, unheard, c);
}

static void go_wrong(struct sim *s, struct registry_call *c, struct rng *r) {
	switch (rng_below(r, 5)) {
	case 0: /* lost on the way, and known to be */
		fail_in(s, c, rng_range(r, 1, 200), -ENOTCONN, "connection reset");
		return;
	case 1: /* lost on the way */
		return;
	case 2: /* done, and the answer is lost */
		arrive_in(s, c, rng_range(r, 1, 300), true);
		return;
	case 3: /* done long after it was given up */
		arrive_in(s, c, rng_range(r, TIMEOUT_MS + 10, rng_permille(r, 300) ? 40000 : 9000), true);
		return;
	default: /* its leader says no, and it may be done all the same */
		fail_in(s, c, rng_range(r, 20, 300), -EIO, "500: no leader");
		if (rng_permille(r, 500))
			arrive_in(s, c, rng_range(r, 1, 300), true);
		return;
	}
}

/* Chance of its own, so that what is asked of a registry changes nothing else. */
static void ask(struct discovery *d, struct registry_call call) {
	const struct way *w = (const struct way *)d;
	struct sim *s = w->sim;
	struct registry_call *c = xnew(struct registry_call);
	uint64_t what = hash_number(call.entry.key ? hash_text(HASH_START, call.entry.key) : HASH_START, call.kind);
	struct rng r = rng_stream(s->seed, STREAM_DISCOVERY, (uint64_t)s->now.ns, hash_number(what, (uint64_t)w->registry));

	*c = call;
	c->registry = w->registry;
	c->manager = w->manager;
	c->next = s->calls;
	s->calls = c;
	event_in(s, TIMEOUT_MS, c->manager, times_out, c);
	if (!s->healed && rng_permille(&r, s->trouble))
		go_wrong(s, c, &r);
	else
		arrive_in(s, c, s->registries[c->registry].slow ? rng_range(&r, 500, 7000) : rng_range(&r, 1, 30), false);
}

/* ---- the vtable ---- */

static unsigned version_of(const struct discovery_found *was) { return was ? (unsigned)strtoul(was->version, NULL, 10) : 0; }

static void way_list(struct discovery *d, const struct discovery_entry *const *wanted, size_t n, discovery_list_fn *done,
		     void *user) {
	struct registry_call c = {.kind = CALL_LIST, .listed = done, .user = user};

	for (size_t i = 0; i < n; i++)
		strs_add(&c.keys, wanted[i]->key);
	ask(d, c);
}

static void way_look(struct discovery *d, const struct discovery_entry *wanted, discovery_list_fn *done, void *user) {
	struct registry_call c = {.kind = CALL_LOOK, .listed = done, .user = user};

	discovery_entry_copy(&c.entry, wanted);
	ask(d, c);
}

static void way_set(struct discovery *d, const struct discovery_entry *wanted, const struct discovery_found *was,
		    discovery_done_fn *done, void *user) {
	struct registry_call c = {.kind = CALL_SET, .was = version_of(was), .done = done, .user = user};

	discovery_entry_copy(&c.entry, wanted);
	ask(d, c);
}

static void way_unset(struct discovery *d, const struct discovery_found *was, discovery_done_fn *done, void *user) {
	struct registry_call c = {.kind = CALL_UNSET, .was = version_of(was), .done = done, .user = user};

	discovery_entry_copy(&c.entry, &was->entry);
	ask(d, c);
}

/* Its manager is gone, and hears of no answer. */
static void way_free(struct discovery *d) { free(d); }

struct discovery *registry_open(struct sim *s, int registry, unsigned manager) {
	static const struct discovery_ops ops = {"registry", way_list, way_look, way_set, way_unset, way_free, false};
	static char first[] = "first", second[] = "second";
	struct way *w = xnew(struct way);

	*w = (struct way){.head = {&ops, registry ? second : first}, .sim = s, .registry = registry, .manager = manager};
	return &w->head;
}

/* ---- faults ---- */

static int any_registry(struct sim *s) {
	int i = rng_below(&s->rng, REGISTRIES);
	return s->registries[i].there ? i : 0;
}

static void works_again(struct sim *s, const struct event *e) {
	struct registry *r = &s->registries[e->a];

	if (r->state != REGISTRY_WORKS)
		sim_say(s, "FAULT registry %d works again", e->a);
	r->state = REGISTRY_WORKS;
}

static void break_down(struct sim *s, enum registry_state how, const char *word) {
	int i = any_registry(s);

	s->registries[i].state = how;
	sim_say(s, "FAULT registry %d %s", i, word);
	sim_at(s, sim_ms(s, 1000, rng_permille(&s->rng, 600) ? 12000 : 60000), 0, works_again, i, 0, NULL);
}

void registry_fault_down(struct sim *s) { break_down(s, REGISTRY_DOWN, "is down"); }
void registry_fault_silent(struct sim *s) { break_down(s, REGISTRY_SILENT, "does not answer"); }
void registry_fault_refuses(struct sim *s) { break_down(s, REGISTRY_REFUSES, "takes nobody's credentials"); }

static void quick_again(struct sim *s, const struct event *e) { s->registries[e->a].slow = false; }

void registry_fault_slow(struct sim *s) {
	int i = any_registry(s);

	s->registries[i].slow = true;
	sim_say(s, "FAULT registry %d is slow", i);
	sim_at(s, sim_ms(s, 3000, 40000), 0, quick_again, i, 0, NULL);
}

static void lose(struct sim *s, int registry, struct registry_slot *slot) {
	sim_say(s, "FAULT registry %d loses %s", registry, slot->key);
	take_away(slot);
	slot->disturbed = true;
}

void registry_fault_loses(struct sim *s) {
	int i = any_registry(s);
	struct registry *r = &s->registries[i];

	for (int k = 0; k < r->n_slots; k++)
		if (r->slots[k].present && !r->slots[k].foreign && rng_permille(&s->rng, 600))
			lose(s, i, &r->slots[k]);
}

/* It was restored from an old copy. */
void registry_fault_reverts(struct sim *s) {
	int i = any_registry(s);
	struct registry *r = &s->registries[i];

	for (int k = 0; k < r->n_slots; k++) {
		struct registry_slot *slot = &r->slots[k];
		if (slot->foreign || !slot->before.key || !rng_permille(&s->rng, 700))
			continue;
		struct discovery_entry old = slot->before;
		slot->before = (struct discovery_entry){0};
		put(r, slot, &old);
		discovery_entry_clear(&old);
		slot->disturbed = true;
		sim_say(s, "FAULT registry %d has %s as it was before: generation %u on %s", i, slot->key, slot->entry.generation,
			slot->entry.node);
	}
}

void registry_fault_spoilt(struct sim *s) {
	int i = any_registry(s);
	struct registry *r = &s->registries[i];

	for (int k = 0; k < r->n_slots; k++)
		if (r->slots[k].present && !r->slots[k].foreign && rng_permille(&s->rng, 400)) {
			r->slots[k].incomplete = r->slots[k].disturbed = true;
			r->slots[k].version = ++r->versions;
			sim_say(s, "FAULT in registry %d parts of %s are lost", i, r->slots[k].key);
		}
}

static void foreign_leaves(struct sim *s, const struct event *e) {
	struct registry_slot *slot = &s->registries[e->a].slots[e->b];

	if (!slot->foreign)
		return;
	sim_say(s, "FAULT in registry %d what is foreign at %s leaves", e->a, slot->key);
	take_away(slot);
	slot->disturbed = true;
}

/* Somebody else's value where ours is, was or is to be. */
void registry_fault_foreign(struct sim *s) {
	int i = any_registry(s), c = rng_below(&s->rng, s->fake.n_containers);
	struct registry *r = &s->registries[i];
	char workload[32], key[DISCOVERY_KEY_MAX];

	snprintf(workload, sizeof(workload), "%s/%s", FAKE_CLUSTER, s->fake.containers[c]->id);
	struct registry_slot *slot = slot_get(r, discovery_key(workload, 1, key));
	if (slot->present && !slot->foreign)
		take_away(slot);
	slot->present = slot->foreign = slot->disturbed = true;
	slot->version = ++r->versions;
	sim_say(s, "FAULT in registry %d something foreign stands at %s", i, key);
	sim_at(s, sim_ms(s, 2000, 60000), 0, foreign_leaves, i, (int)(slot - r->slots), NULL);
}

/* ---- in the end ---- */

void registry_heal(struct sim *s) {
	for (int i = 0; i < REGISTRIES; i++) {
		struct registry *r = &s->registries[i];
		struct event e = {.a = i};
		works_again(s, &e);
		r->slow = false;
		for (e.b = 0; e.b < r->n_slots; e.b++)
			foreign_leaves(s, &e);
	}
}

void registry_clear(struct sim *s) {
	while (s->calls) {
		struct registry_call *c = s->calls;
		s->calls = c->next;
		call_free(c);
	}
	for (int i = 0; i < REGISTRIES; i++) {
		for (int k = 0; k < s->registries[i].n_slots; k++) {
			discovery_entry_clear(&s->registries[i].slots[k].entry);
			discovery_entry_clear(&s->registries[i].slots[k].before);
		}
		free(s->registries[i].slots);
	}
}
