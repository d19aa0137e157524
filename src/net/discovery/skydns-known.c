/* See skydns-known.h. */
#include "net/discovery/skydns-known.h"

#include "base/alloc.h"

#include <stdlib.h>
#include <string.h>
#include <uthash.h>

struct spot {
	char *key; /* etcd's */
	uint64_t turn;
	bool stands;
};

struct known {
	char *key; /* the entry's */
	struct spot *v;
	size_t n;
	UT_hash_handle hh;
};

struct skydns_known {
	const struct skydns_layout *layout;
	struct known *all;
	uint64_t turn;
};

struct skydns_known *skydns_known_new(const struct skydns_layout *l) {
	struct skydns_known *k = xnew(struct skydns_known);

	k->layout = l;
	return k;
}

static struct known *find(const struct skydns_known *k, const char *key) {
	struct known *of;

	HASH_FIND_STR(k->all, key, of);
	return of;
}

static struct known *get(struct skydns_known *k, const char *key) {
	struct known *of = find(k, key);

	if (of)
		return of;
	of = xnew(struct known);
	of->key = xstrdup(key);
	HASH_ADD_KEYPTR(hh, k->all, of->key, strlen(of->key), of);
	return of;
}

static void remove_spot(struct known *of, size_t i) {
	free(of->v[i].key);
	memmove(&of->v[i], &of->v[i + 1], (--of->n - i) * sizeof(*of->v));
}

static struct spot *spot_at(struct known *of, const char *key) {
	for (size_t i = 0; i < of->n; i++)
		if (strcmp(of->v[i].key, key) == 0)
			return &of->v[i];
	return NULL;
}

/* Rather one where it only may be. */
static void make_room(struct known *of) {
	size_t i = 0;

	if (of->n < SKYDNS_KNOWN_MAX)
		return;
	while (i < of->n && of->v[i].stands)
		i++;
	remove_spot(of, i < of->n ? i : 0);
}

static struct spot *get_spot(struct known *of, const char *key) {
	struct spot *s = spot_at(of, key);

	if (s)
		return s;
	make_room(of);
	of->v = xreallocarray(of->v, of->n + 1, sizeof(*of->v));
	of->v[of->n] = (struct spot){.key = xstrdup(key)};
	return &of->v[of->n++];
}

void skydns_known_add(struct skydns_known *k, const struct discovery_entry *e, bool stands) {
	struct known *of = get(k, e->key);
	struct skydns_places places;

	skydns_places_of(k->layout, e, &places);
	for (size_t i = 0; i < places.n; i++) {
		struct spot *s = get_spot(of, places.v[i].key);
		s->turn = k->turn;
		s->stands |= stands;
	}
	skydns_places_clear(&places);
}

void skydns_known_renew(struct skydns_known *k, const char *key) {
	struct known *of = find(k, key);

	for (size_t i = 0; of && i < of->n; i++)
		of->v[i].turn = k->turn;
}

static void drop(struct skydns_known *k, struct known *of) {
	HASH_DEL(k->all, of);
	while (of->n > 0)
		remove_spot(of, of->n - 1);
	free(of->v);
	free(of->key);
	free(of);
}

void skydns_known_drop(struct skydns_known *k, const char *key) {
	struct known *of = find(k, key);

	if (of)
		drop(k, of);
}

bool skydns_known_stands(const struct skydns_known *k, const char *key) {
	const struct known *of = find(k, key);

	for (size_t i = 0; of && i < of->n; i++)
		if (of->v[i].stands)
			return true;
	return false;
}

void skydns_known_places(const struct skydns_known *k, const char *key, struct strs *ret) {
	const struct known *of = find(k, key);

	for (size_t i = 0; of && i < of->n; i++)
		strs_add_new(ret, of->v[i].key);
}

uint64_t skydns_known_turn(struct skydns_known *k) { return ++k->turn; }

static void forget(struct known *of, uint64_t turn) {
	size_t left = 0;

	for (size_t i = 0; i < of->n; i++)
		if (of->v[i].turn < turn)
			free(of->v[i].key);
		else
			of->v[left++] = of->v[i];
	of->n = left;
}

void skydns_known_forget(struct skydns_known *k, uint64_t turn) {
	struct known *of, *next;

	HASH_ITER (hh, k->all, of, next) {
		forget(of, turn);
		if (of->n == 0)
			drop(k, of);
	}
}

void skydns_known_free(struct skydns_known *k) {
	struct known *of, *next;

	if (!k)
		return;
	HASH_ITER (hh, k->all, of, next)
		drop(k, of);
	free(k);
}
