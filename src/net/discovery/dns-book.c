/* Which records are ours. See dns-plan.h. */
#include "net/discovery/dns-plan.h"

#include "base/alloc.h"

#include <stdlib.h>
#include <string.h>

struct dns_known {
	char *key;
	struct dns_records records, maybe;
	uint64_t turn; /* of its last change. One without records is kept for as long as a call may be older */
	UT_hash_handle hh;
};

static void claim(struct dns_table *t, const struct dns_records *r) {
	for (size_t i = 0; i < r->n; i++)
		dns_table_add(t, r->v[i].name, r->v[i].type, r->v[i].data);
}

static void unclaim(struct dns_table *t, struct dns_records *r) {
	for (size_t i = 0; i < r->n; i++)
		dns_table_remove(t, r->v[i].name, r->v[i].type, r->v[i].data);
	dns_records_clear(r);
}

static struct dns_known *find(const struct dns_book *b, const char *key) {
	struct dns_known *k;

	HASH_FIND_STR(b->known, key, k);
	return k;
}

static struct dns_known *find_or_make(struct dns_book *b, const char *key) {
	struct dns_known *k = find(b, key);

	if (!k) {
		k = xnew(struct dns_known);
		k->key = xstrdup(key);
		HASH_ADD_KEYPTR(hh, b->known, k->key, strlen(k->key), k);
	}
	k->turn = ++b->turn;
	return k;
}

static void forget(struct dns_book *b, struct dns_known *k) {
	unclaim(&b->claims, &k->records);
	unclaim(&b->claims, &k->maybe);
	HASH_DEL(b->known, k);
	free(k->key);
	free(k);
}

void dns_book_clear(struct dns_book *b) {
	struct dns_known *k, *next;

	HASH_ITER (hh, b->known, k, next) {
		forget(b, k);
	}
	dns_table_clear(&b->claims);
	*b = (struct dns_book){0};
}

void dns_book_put(struct dns_book *b, const char *key, const struct dns_records *records) {
	struct dns_known *k = find_or_make(b, key);

	claim(&b->claims, records);
	unclaim(&b->claims, &k->records);
	unclaim(&b->claims, &k->maybe);
	dns_records_copy(&k->records, records);
}

void dns_book_expect(struct dns_book *b, const char *key, const struct dns_records *records) {
	struct dns_known *k = find_or_make(b, key);

	for (size_t i = 0; i < records->n; i++) {
		const struct dns_record *r = &records->v[i];
		if (dns_records_has(&k->maybe, r->name, r->type, r->data))
			continue;
		dns_records_add(&k->maybe, r->name, r->type, r->data);
		dns_table_add(&b->claims, r->name, r->type, r->data);
	}
}

void dns_book_settle(struct dns_book *b, const char *key) {
	struct dns_known *k = find_or_make(b, key);
	unclaim(&b->claims, &k->maybe);
}

bool dns_book_has_since(const struct dns_book *b, const char *key, uint64_t turn) {
	const struct dns_known *k = find(b, key);
	return k && k->turn > turn;
}

void dns_book_retain(struct dns_book *b, const struct dns_table *keys, uint64_t turn) {
	struct dns_known *k, *next;

	HASH_ITER (hh, b->known, k, next) {
		if (k->turn <= turn && !dns_table_find(keys, k->key, DNS_TXT))
			forget(b, k);
	}
}

void dns_book_prune(struct dns_book *b, uint64_t turn) {
	struct dns_known *k, *next;

	HASH_ITER (hh, b->known, k, next) {
		if (k->turn <= turn && k->records.n == 0 && k->maybe.n == 0)
			forget(b, k);
	}
}

bool dns_book_others(const struct dns_book *b, const char *key, const struct dns_record *r) {
	const struct dns_known *k = find(b, key);
	unsigned own = 0;

	if (k)
		own = (unsigned)dns_records_has(&k->records, r->name, r->type, r->data) +
		      (unsigned)dns_records_has(&k->maybe, r->name, r->type, r->data);
	return dns_table_count(&b->claims, r->name, r->type, r->data) > own;
}
