/* An entry as records of zones, and its text as the data of a TXT. Pure. */
#ifndef DISCOVERY_DNS_RECORD_H
#define DISCOVERY_DNS_RECORD_H

#include "net/discovery/dns-table.h"
#include "net/discovery/entry.h"

struct dns_zones {
	char *zone; /* "svc.example." */
	struct strs reverse;
};

/* A domain name as it is used here: absolute, in lower case. Owned. NULL: it is none. */
char *dns_name(const char *text);
void dns_zones_clear(struct dns_zones *z);

/* All that the entry is made of, its TXT (which holds `text`) first, reverse records last. */
void dns_records_of(const struct dns_zones *z, const struct discovery_entry *e, const char *text, struct dns_records *ret);
/* The sets of the zone (none of a reverse one) in which it has records, or in which something would be in its way: an alias, and
 * both kinds of address. Without data. Added to what is there. */
void dns_places_of(const struct dns_zones *z, const struct discovery_entry *e, struct dns_records *ret);
/* -EINVAL: it has names that are none (too long). */
int dns_records_check(const struct dns_records *r, struct err *err);

char *dns_key_name(const struct dns_zones *z, const char *key); /* of its TXT. Owned */
/* The key of an entry whose TXT has that name; owned. NULL: no entry's. */
char *dns_key_of(const struct dns_zones *z, const char *name);
/* The configured zone of a reverse name, the longest; NULL: none. Borrowed. */
const char *dns_reverse_zone(const struct dns_zones *z, const char *name);

/* A text as a TXT's data: in quotes, in pieces of 255 bytes. It holds no quotes, backslashes or control characters. Owned. */
char *dns_txt_data(const char *text);
/* And back; owned. NULL: not written by dns_txt_data. */
char *dns_txt_text(const char *data);

#endif
