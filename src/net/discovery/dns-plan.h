/* What is decided about records: whose they are, what is missing, and what update makes an entry so. Pure.
 *
 * A record carries no mark of its own; only the TXT does. So the book keeps which records our entries are made of, as far as list,
 * look and set have seen them: a record that no entry of the book has is foreign. */
#ifndef DISCOVERY_DNS_PLAN_H
#define DISCOVERY_DNS_PLAN_H

#include "base/err.h"
#include "net/discovery/dns-message.h"
#include "net/discovery/dns-record.h"

#include <stdint.h>

struct dns_known;

struct dns_book {
	struct dns_known *known;
	struct dns_table claims; /* every record of every entry; counted */
	uint64_t turn;           /* counted up by each change */
};

void dns_book_clear(struct dns_book *b);
/* These are the entry's records. None: it is not there. */
void dns_book_put(struct dns_book *b, const char *key, const struct dns_records *records);
/* These may be its records too, until it is put: their update is under way, or its outcome is not known. */
void dns_book_expect(struct dns_book *b, const char *key, const struct dns_records *records);
/* They are not: it is as it was. */
void dns_book_settle(struct dns_book *b, const char *key);
bool dns_book_has_since(const struct dns_book *b, const char *key, uint64_t turn); /* it was changed after that */
/* Every entry that has no TXT in `keys`, by its key, is not there, but for those that were changed after `turn`. */
void dns_book_retain(struct dns_book *b, const struct dns_table *keys, uint64_t turn);
/* Drops entries that are not there and were not changed after `turn`, when the oldest call that may still see them was asked. */
void dns_book_prune(struct dns_book *b, uint64_t turn);
/* An entry other than `key` has it. */
bool dns_book_others(const struct dns_book *b, const char *key, const struct dns_record *record);

/* ---- one entry ---- */

struct dns_change {
	const struct dns_book *book;
	const char *key;
	const struct dns_records *old, *wanted; /* its records so far (to be taken away), and those it is to have; may be empty */
	const struct dns_records *places;       /* dns_places_of, of both */
	bool adopt;                             /* what is foreign in its places is taken away */
	unsigned ttl;
};

/* What stands in its places when all is as the book has it and `old` is true. */
void dns_plan_expected(const struct dns_change *c, struct dns_table *ret);
/* What no entry of ours has there, and neither `old`: "web.svc.example. A 10.9.9.9; …", sorted. NULL: nothing. Owned. */
char *dns_plan_foreign(const struct dns_change *c, const struct dns_table *seen);
/* Those of `wanted` that do not stand there. A foreign reverse record is not one: it is left. NULL: none. Owned. */
char *dns_plan_missing(const struct dns_change *c, const struct dns_table *seen);
/* Everything of `wanted` but the reverse records is made so, with what is seen as prerequisites. -EEXIST with what is foreign, in
 * quotes. */
int dns_plan_update(const struct dns_change *c, const struct dns_table *seen, struct dns_update *ret, struct err *err);
/* Takes `old` away, where its TXT is what it was. */
void dns_plan_removal(const struct dns_change *c, struct dns_update *ret);

/* What is to be done about the reverse record `name`, which is seen (NULL: it is not there). What the book has of the entry itself
 * says nothing: `wanted` does. */
enum dns_reverse { DNS_REVERSE_RIGHT, DNS_REVERSE_CHANGE, DNS_REVERSE_FOREIGN };
enum dns_reverse dns_plan_reverse(const struct dns_change *c, const char *name, const struct dns_rrset *seen,
				  struct dns_update *ret);

/* A set as text: "web.svc.example. A 10.0.0.1; web.svc.example. A 10.0.0.2", sorted. Owned. */
char *dns_rrset_text(const struct dns_rrset *set);

#endif
