/* What was read of SkyDNS' keys, as entries; and the one transaction that changes an entry. Pure. */
#ifndef DISCOVERY_SKYDNS_JUDGE_H
#define DISCOVERY_SKYDNS_JUDGE_H

#include "net/discovery/discovery.h"
#include "net/discovery/skydns-keys.h"

/* The keys that tell how one entry stands: those it is to have (wanted may be NULL), its service's name, and those that `was` had
 * (may be NULL). Appended. */
void skydns_touched(const struct skydns_layout *l, const struct discovery_entry *wanted, const struct skydns_marks *was,
		    struct strs *ret);

/* All entries of ours among kvs (one for each key of theirs), and what foreign is in the way of `wanted`, which has as its version
 * what of ours is there too: who overwrites it moves all of that. only: nothing but this key's; NULL: all. kvs may be in any order.
 * A foreign reverse record is in nobody's way: it is told in the content of an entry that is complete.
 *
 * Two entries with one address (two services of a container) share its one reverse record: it is the first one's, and the other is
 * complete without. */
void skydns_judge(const struct skydns_layout *l, const struct etcd_kvs *kvs, const struct discovery_entry *const *wanted,
		  size_t n_wanted, const char *only, struct discovery_found **ret, size_t *ret_n);

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

/* kvs: what skydns_touched asked for. wanted NULL: all of `was` goes. was_version NULL: nothing was there. key: the entry's.
 * -ESTALE, -EEXIST with what is there, or -EINVAL; *ret is to be cleared in any case. */
int skydns_plan(const struct skydns_layout *l, const char *key, const struct discovery_entry *wanted, const char *was_version,
		const struct etcd_kvs *kvs, struct skydns_change *ret, struct err *err);
void skydns_change_clear(struct skydns_change *c);
/* What stands there once it is done at that revision. Owned. */
char *skydns_change_version(const struct skydns_change *c, int64_t revision);

#endif
