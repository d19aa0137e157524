/* Where entries of ours may stand: an entry's keys in etcd hold its service's name and its addresses, and so cannot be told by its
 * key alone. Where a change that moves them is not answered, both the old ones and the new ones are asked for. Pure. */
#ifndef DISCOVERY_SKYDNS_KNOWN_H
#define DISCOVERY_SKYDNS_KNOWN_H

#include "net/discovery/skydns-keys.h"

#include "base/strs.h"

#include <stdbool.h>
#include <stdint.h>

#define SKYDNS_KNOWN_MAX 16 /* places of one entry; of more, the first goes where it only may be */

struct skydns_known;

struct skydns_known *skydns_known_new(const struct skydns_layout *l); /* borrowed */
void skydns_known_free(struct skydns_known *k);                       /* NULL is fine */

/* Notes the places of an entry that was checked. stands: it was seen there, or set; else it may have been. */
void skydns_known_add(struct skydns_known *k, const struct discovery_entry *e, bool stands);
/* What is known of it is as if it were noted now. */
void skydns_known_renew(struct skydns_known *k, const char *key);
void skydns_known_drop(struct skydns_known *k, const char *key); /* it stands nowhere */
bool skydns_known_stands(const struct skydns_known *k, const char *key);
/* Each once, behind what is in ret. */
void skydns_known_places(const struct skydns_known *k, const char *key, struct strs *ret);

/* A turn begins, in which everything is read. */
uint64_t skydns_known_turn(struct skydns_known *k);
/* It was read: what was not noted in this turn or later is not there any more. */
void skydns_known_forget(struct skydns_known *k, uint64_t turn);

#endif
