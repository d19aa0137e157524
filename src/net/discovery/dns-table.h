/* Records as sets by name and type: what stands in a zone, what an answer holds, what our entries claim. Pure.
 *
 * Names are absolute and in lower case, data are as a zone file has them ("10.20.0.50", "0 0 80 a.example."): equal records are
 * equal texts. A record that is added twice counts twice and is still one. */
#ifndef DISCOVERY_DNS_TABLE_H
#define DISCOVERY_DNS_TABLE_H

#include "base/cleanup.h"

#include <stdbool.h>
#include <stddef.h>
#include <uthash.h>

/* By their numbers in the protocol. */
enum dns_type { DNS_A = 1, DNS_CNAME = 5, DNS_SOA = 6, DNS_PTR = 12, DNS_TXT = 16, DNS_AAAA = 28, DNS_SRV = 33, DNS_AXFR = 252 };

const char *dns_type_name(enum dns_type type);

struct dns_datum {
	char *text;
	unsigned count;
	UT_hash_handle hh;
};

struct dns_rrset {
	char *key, *name;
	enum dns_type type;
	struct dns_datum *data; /* for (d = set->data; d; d = d->hh.next) */
	UT_hash_handle hh;
};

struct dns_table {
	struct dns_rrset *sets;
};

void dns_table_add(struct dns_table *t, const char *name, enum dns_type type, const char *data);
void dns_table_remove(struct dns_table *t, const char *name, enum dns_type type, const char *data); /* once */
/* NULL: there is none. A set that is found has at least one record. */
const struct dns_rrset *dns_table_find(const struct dns_table *t, const char *name, enum dns_type type);
unsigned dns_table_count(const struct dns_table *t, const char *name, enum dns_type type, const char *data);
void dns_table_clear(struct dns_table *t); /* can be used again */
#define CLEANUP_DNS_TABLE CLEANUP(dns_table_clear)

/* A list of single records, in order. One without data stands for the whole set of its name and type. */
struct dns_record {
	enum dns_type type;
	char *name, *data;
};

struct dns_records {
	struct dns_record *v;
	size_t n;
};

void dns_records_add(struct dns_records *r, const char *name, enum dns_type type, const char *data); /* copies; data may be NULL */
/* Unless it is there. */
void dns_records_add_new(struct dns_records *r, const char *name, enum dns_type type, const char *data);
bool dns_records_has(const struct dns_records *r, const char *name, enum dns_type type, const char *data);
void dns_records_copy(struct dns_records *to, const struct dns_records *from); /* replaces what `to` held */
void dns_records_clear(struct dns_records *r);
#define CLEANUP_DNS_RECORDS CLEANUP(dns_records_clear)

#endif
