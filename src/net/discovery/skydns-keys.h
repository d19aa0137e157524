/* The layout of SkyDNS in etcd: which keys an entry has, what stands in them, and whose that is. Pure; see skydns.h.
 *
 * A value of ours has two fields that others do not read: "heir", the whole entry (discovery_entry_encode), and "heir_key", its
 * key. It is ours where it stands in one of the places that it gives itself; a copy of it elsewhere is foreign, as is all that
 * cannot be understood. */
#ifndef DISCOVERY_SKYDNS_KEYS_H
#define DISCOVERY_SKYDNS_KEYS_H

#include "net/discovery/entry.h"
#include "net/discovery/etcd-wire.h"

#include "base/ip.h"

#define SKYDNS_PLACES_MAX 4   /* two addresses, each with its reverse record */
#define SKYDNS_VERSION_MAX 16 /* keys; where more are marked as one entry's, the rest is left for the next time */
#define SKYDNS_SAID_MAX 160   /* bytes of a foreign value that are shown */

struct skydns_layout {
	char *prefix, *domain, *cluster;
	char *base; /* "/skydns/local/svc" */
	unsigned ttl;
	bool reverse;
};

/* -EINVAL: the prefix is no path of plain names, or the domain no list of labels. `ret` is then as nothing. */
int skydns_layout_init(struct skydns_layout *ret, const char *prefix, const char *domain, const char *cluster, struct err *err);
void skydns_layout_clear(struct skydns_layout *l);

/* What is below a key: from "<key>/" to before "<key>0". CoreDNS asks so too, and takes the key itself when nothing is there. */
char *skydns_below(const char *key);
char *skydns_behind(const char *key);

char *skydns_service_key(const struct skydns_layout *l, const char *service);
char *skydns_reverse_key(const struct skydns_layout *l, const struct ip *ip);
/* Its /24 or /64, whose reverse records are read together. */
char *skydns_reverse_net(const struct skydns_layout *l, const struct ip *ip);
/* All of them. */
char *skydns_reverse_root(const struct skydns_layout *l);

/* One key of an entry, and what is to stand there. */
struct skydns_place {
	char *key;
	char *value;         /* NULL unless filled */
	const char *address; /* the entry's, borrowed; NULL of a reverse record */
	bool reverse;
};

struct skydns_places {
	struct skydns_place v[SKYDNS_PLACES_MAX];
	size_t n;
};

/* -EINVAL where the layout has no room for it. */
int skydns_check(const struct discovery_entry *e, struct err *err);
/* Of an entry that was checked. Reverse records only where the layout keeps them. */
void skydns_places_of(const struct skydns_layout *l, const struct discovery_entry *e, struct skydns_places *ret);
void skydns_places_fill(const struct skydns_layout *l, const struct discovery_entry *e, struct skydns_places *ret); /* and values */
void skydns_places_clear(struct skydns_places *p);
/* NULL: none of them. */
const struct skydns_place *skydns_place_at(const struct skydns_places *p, const char *key);

/* True: it is ours, and *ret is filled. ret_good: the value is the one that the entry in it is to have here. */
bool skydns_is_ours(const struct skydns_layout *l, const struct etcd_kv *kv, struct discovery_entry *ret, bool *ret_good);
/* A foreign one for people: "/skydns/local/svc/web" holds "{…}". Printable, cut. Owned. */
char *skydns_say(const struct etcd_kv *kv);

/* ---- versions: the keys of what was found with their revisions, "key=12 key=13" ---- */

struct skydns_mark {
	char *key;
	int64_t revision;
};

struct skydns_marks {
	struct skydns_mark v[SKYDNS_VERSION_MAX];
	size_t n;
};

void skydns_marks_add(struct skydns_marks *m, const char *key, int64_t revision); /* once; what is too much is left */
void skydns_marks_clear(struct skydns_marks *m);
const struct skydns_mark *skydns_mark_of(const struct skydns_marks *m, const char *key); /* NULL: it is not in it */
char *skydns_version(const struct skydns_marks *m);
/* False: it is no version. */
bool skydns_version_read(const char *version, struct skydns_marks *ret);

#endif
