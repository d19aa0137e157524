/* What was read of SkyDNS' keys, as entries; and the one transaction that changes an entry. Pure. */
#ifndef DISCOVERY_SKYDNS_JUDGE_H
#define DISCOVERY_SKYDNS_JUDGE_H

#include "net/discovery/discovery.h"
#include "net/discovery/skydns-keys.h"

/* The keys that tell how one entry stands: those it is to have (wanted may be NULL), its service's name, and those that `was` had
 * (may be NULL). Appended. */
void skydns_touched(const struct skydns_layout *l, const struct discovery_entry *wanted, const struct skydns_marks *was,
		    struct strs *ret);

/* What was read. It is understood page by page, as it comes: ten thousand entries at once would hold up the loop. */
struct skydns_view;

struct skydns_view *skydns_view_new(const struct skydns_layout *l); /* borrowed */
void skydns_view_free(struct skydns_view *v);                       /* NULL is fine */
void skydns_view_add(struct skydns_view *v, struct etcd_kvs *kvs);  /* takes all of them; in any order, each key once */
size_t skydns_view_count(const struct skydns_view *v);
/* Back to the first n that were added; not after the first judgement. */
void skydns_view_cut(struct skydns_view *v, size_t n);
/* The i-th, as it was added; NULL: it is not ours. */
const struct discovery_entry *skydns_view_entry(const struct skydns_view *v, size_t i);

/* All entries of ours in the view (one for each key of theirs), and what foreign is in the way of `wanted`, which has as its
 * version what of ours is there too: who overwrites it moves all of that. only: nothing but this key's; NULL: all. A foreign
 * reverse record is in nobody's way: it is told in the content of an entry that is complete.
 *
 * Two entries with one address (two services of a container) share its one reverse record: it is the first one's, and the other is
 * complete without. */
void skydns_judge(struct skydns_view *v, const struct discovery_entry *const *wanted, size_t n_wanted, const char *only,
		  struct discovery_found **ret, size_t *ret_n);

#define SKYDNS_COMPARES_MAX (SKYDNS_VERSION_MAX + SKYDNS_PLACES_MAX + 1)
#define SKYDNS_WRITES_MAX (SKYDNS_VERSION_MAX + SKYDNS_PLACES_MAX)

/* It borrows from itself: not to be copied. */
struct skydns_change {
	struct etcd_compare compares[SKYDNS_COMPARES_MAX];
	struct etcd_write writes[SKYDNS_WRITES_MAX];
	size_t n_compares, n_writes; /* no writes: it is done already */
	char *left;                  /* a foreign reverse record that stays, for people; NULL: none */
	struct skydns_marks was;
	struct skydns_places places;
	char *service_key;
};

/* The view: of what skydns_touched asked for, and of where the entry may stand besides. wanted NULL: all of `was` goes. was_version
 * NULL: nothing was there. key: the entry's. -ESTALE, -EEXIST with what is there, or -EINVAL; *ret is to be cleared in any case. */
int skydns_plan(struct skydns_view *v, const char *key, const struct discovery_entry *wanted, const char *was_version,
		struct skydns_change *ret, struct err *err);
void skydns_change_clear(struct skydns_change *c);
/* What stands there once it is done at that revision. Owned. */
char *skydns_change_version(const struct skydns_change *c, int64_t revision);

#endif
