/* See dns-table.h. */
#include "net/discovery/dns-table.h"

#include "base/alloc.h"

#include <stdlib.h>
#include <string.h>

const char *dns_type_name(enum dns_type type) {
	switch (type) {
	case DNS_A:
		return "A";
	case DNS_CNAME:
		return "CNAME";
	case DNS_SOA:
		return "SOA";
	case DNS_PTR:
		return "PTR";
	case DNS_TXT:
		return "TXT";
	case DNS_AAAA:
		return "AAAA";
	case DNS_SRV:
		return "SRV";
	case DNS_AXFR:
		return "AXFR";
	}
	return "?";
}

/* The type as one character before the name: a list of ten thousand entries is half a million of these. */
static char *key_of(const char *name, enum dns_type type) {
	size_t n = strlen(name) + 1;
	char *key = xmalloc(n + 1);

	key[0] = (char)type;
	memcpy(key + 1, name, n);
	return key;
}

static struct dns_rrset *find(const struct dns_table *t, const char *name, enum dns_type type) {
	char *key CLEANUP_FREE = key_of(name, type);
	struct dns_rrset *set;

	HASH_FIND_STR(t->sets, key, set);
	return set;
}

const struct dns_rrset *dns_table_find(const struct dns_table *t, const char *name, enum dns_type type) {
	return find(t, name, type);
}

static struct dns_rrset *find_or_make(struct dns_table *t, const char *name, enum dns_type type) {
	struct dns_rrset *set = find(t, name, type);

	if (set)
		return set;
	set = xnew(struct dns_rrset);
	set->key = key_of(name, type);
	set->name = xstrdup(name);
	set->type = type;
	HASH_ADD_KEYPTR(hh, t->sets, set->key, strlen(set->key), set);
	return set;
}

void dns_table_add(struct dns_table *t, const char *name, enum dns_type type, const char *data) {
	struct dns_rrset *set = find_or_make(t, name, type);
	struct dns_datum *datum;

	HASH_FIND_STR(set->data, data, datum);
	if (!datum) {
		datum = xnew(struct dns_datum);
		datum->text = xstrdup(data);
		HASH_ADD_KEYPTR(hh, set->data, datum->text, strlen(datum->text), datum);
	}
	datum->count++;
}

static void drop_datum(struct dns_rrset *set, struct dns_datum *datum) {
	HASH_DEL(set->data, datum);
	free(datum->text);
	free(datum);
}

static void drop_set(struct dns_table *t, struct dns_rrset *set) {
	struct dns_datum *datum, *next;

	HASH_ITER (hh, set->data, datum, next) {
		drop_datum(set, datum);
	}
	HASH_DEL(t->sets, set);
	free(set->key);
	free(set->name);
	free(set);
}

void dns_table_remove(struct dns_table *t, const char *name, enum dns_type type, const char *data) {
	struct dns_rrset *set = find(t, name, type);
	struct dns_datum *datum = NULL;

	if (set)
		HASH_FIND_STR(set->data, data, datum);
	if (!datum || --datum->count > 0)
		return;
	drop_datum(set, datum);
	if (!set->data)
		drop_set(t, set);
}

unsigned dns_table_count(const struct dns_table *t, const char *name, enum dns_type type, const char *data) {
	struct dns_rrset *set = find(t, name, type);
	struct dns_datum *datum = NULL;

	if (set)
		HASH_FIND_STR(set->data, data, datum);
	return datum ? datum->count : 0;
}

void dns_table_clear(struct dns_table *t) {
	struct dns_rrset *set, *next;

	HASH_ITER (hh, t->sets, set, next) {
		drop_set(t, set);
	}
	*t = (struct dns_table){0};
}

/* ---- lists ---- */

void dns_records_add(struct dns_records *r, const char *name, enum dns_type type, const char *data) {
	r->v = xreallocarray(r->v, r->n + 1, sizeof(*r->v));
	r->v[r->n++] = (struct dns_record){.type = type, .name = xstrdup(name), .data = xstrdup_null(data)};
}

bool dns_records_has(const struct dns_records *r, const char *name, enum dns_type type, const char *data) {
	for (size_t i = 0; i < r->n; i++) {
		const struct dns_record *v = &r->v[i];
		bool same = data && v->data ? strcmp(v->data, data) == 0 : v->data == data;
		if (v->type == type && same && strcmp(v->name, name) == 0)
			return true;
	}
	return false;
}

void dns_records_add_new(struct dns_records *r, const char *name, enum dns_type type, const char *data) {
	if (!dns_records_has(r, name, type, data))
		dns_records_add(r, name, type, data);
}

void dns_records_copy(struct dns_records *to, const struct dns_records *from) {
	struct dns_records copy = {0};

	for (size_t i = 0; i < from->n; i++)
		dns_records_add(&copy, from->v[i].name, from->v[i].type, from->v[i].data);
	dns_records_clear(to);
	*to = copy;
}

void dns_records_clear(struct dns_records *r) {
	for (size_t i = 0; i < r->n; i++) {
		free(r->v[i].name);
		free(r->v[i].data);
	}
	free(r->v);
	*r = (struct dns_records){0};
}
