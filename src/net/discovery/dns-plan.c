/* See dns-plan.h. */
#include "net/discovery/dns-plan.h"

#include "base/alloc.h"
#include "base/buf.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static bool is_reverse(const struct dns_record *r) { return r->type == DNS_PTR; }

/* ---- as text ---- */

static int compare_texts(const void *a, const void *b) { return strcmp(*(char *const *)a, *(char *const *)b); }

/* NULL: none. Takes the list. */
static char *join_sorted(struct strs *texts) {
	struct buf b = {0};

	if (texts->n > 0)
		qsort(texts->v, texts->n, sizeof(*texts->v), compare_texts);
	for (size_t i = 0; i < texts->n; i++)
		buf_printf(&b, "%s%s", i ? "; " : "", texts->v[i]);
	bool any = texts->n > 0;
	strs_clear(texts);
	return any ? buf_take(&b) : NULL;
}

static void add_text(struct strs *texts, const char *name, enum dns_type type, const char *data) {
	char *text CLEANUP_FREE = xasprintf("%s %s %s", name, dns_type_name(type), data);
	strs_add(texts, text);
}

char *dns_rrset_text(const struct dns_rrset *set) {
	struct strs texts = {0};

	for (const struct dns_datum *d = set ? set->data : NULL; d; d = d->hh.next)
		add_text(&texts, set->name, set->type, d->text);
	char *text = join_sorted(&texts);
	return text ? text : xstrdup("");
}

/* ---- whose it is ---- */

static bool has(const struct dns_records *r, const struct dns_record *record) {
	return dns_records_has(r, record->name, record->type, record->data);
}

static bool is_foreign(const struct dns_change *c, const struct dns_rrset *set, const struct dns_datum *d) {
	return !dns_records_has(c->old, set->name, set->type, d->text) &&
	       dns_table_count(&c->book->claims, set->name, set->type, d->text) == 0;
}

char *dns_plan_foreign(const struct dns_change *c, const struct dns_table *seen) {
	struct strs texts = {0};

	for (size_t i = 0; i < c->places->n; i++) {
		const struct dns_rrset *set = dns_table_find(seen, c->places->v[i].name, c->places->v[i].type);
		for (const struct dns_datum *d = set ? set->data : NULL; d; d = d->hh.next)
			if (is_foreign(c, set, d))
				add_text(&texts, set->name, set->type, d->text);
	}
	return join_sorted(&texts);
}

/* Any of ours will do as the reverse record of an address that several entries have. */
static bool is_reverse_missing(const struct dns_change *c, const struct dns_record *r, const struct dns_table *seen) {
	const struct dns_rrset *set = dns_table_find(seen, r->name, DNS_PTR);
	return !set || dns_plan_reverse(c, r->name, set, NULL) == DNS_REVERSE_CHANGE;
}

char *dns_plan_missing(const struct dns_change *c, const struct dns_table *seen) {
	struct strs texts = {0};

	for (size_t i = 0; i < c->wanted->n; i++) {
		const struct dns_record *r = &c->wanted->v[i];
		bool missing =
			is_reverse(r) ? is_reverse_missing(c, r, seen) : dns_table_count(seen, r->name, r->type, r->data) == 0;
		if (missing)
			add_text(&texts, r->name, r->type, r->data);
	}
	return join_sorted(&texts);
}

/* ---- forward ---- */

void dns_plan_expected(const struct dns_change *c, struct dns_table *ret) {
	for (size_t i = 0; i < c->places->n; i++) {
		const struct dns_record *p = &c->places->v[i];
		const struct dns_rrset *set = dns_table_find(&c->book->claims, p->name, p->type);
		for (const struct dns_datum *d = set ? set->data : NULL; d; d = d->hh.next) {
			const struct dns_record r = {.name = p->name, .type = p->type, .data = d->text};
			if (dns_book_others(c->book, c->key, &r))
				dns_table_add(ret, r.name, r.type, r.data);
		}
	}
	for (size_t i = 0; i < c->old->n; i++) {
		const struct dns_record *r = &c->old->v[i];
		if (!is_reverse(r) && dns_table_count(ret, r->name, r->type, r->data) == 0)
			dns_table_add(ret, r->name, r->type, r->data);
	}
}

/* Its own that it is not to have any more, and that no other entry has too. */
static void delete_old(const struct dns_change *c, struct dns_update *u) {
	for (size_t i = 0; i < c->old->n; i++) {
		const struct dns_record *r = &c->old->v[i];
		if (!is_reverse(r) && !has(c->wanted, r) && !dns_book_others(c->book, c->key, r))
			dns_update_delete(u, r->name, r->type, r->data);
	}
}

static void delete_foreign(const struct dns_change *c, const struct dns_table *seen, struct dns_update *u) {
	for (size_t i = 0; i < c->places->n; i++) {
		const struct dns_rrset *set = dns_table_find(seen, c->places->v[i].name, c->places->v[i].type);
		for (const struct dns_datum *d = set ? set->data : NULL; d; d = d->hh.next)
			if (is_foreign(c, set, d) && !dns_records_has(c->wanted, set->name, set->type, d->text))
				dns_update_delete(u, set->name, set->type, d->text);
	}
}

int dns_plan_update(const struct dns_change *c, const struct dns_table *seen, struct dns_update *ret, struct err *err) {
	char *foreign CLEANUP_FREE = c->adopt ? NULL : dns_plan_foreign(c, seen);

	if (foreign)
		return err_set(err, -EEXIST, "foreign records are there: \"%s\"", foreign);
	for (size_t i = 0; i < c->places->n; i++)
		dns_update_require(ret, c->places->v[i].name, c->places->v[i].type,
				   dns_table_find(seen, c->places->v[i].name, c->places->v[i].type));
	delete_old(c, ret);
	if (c->adopt)
		delete_foreign(c, seen, ret);
	for (size_t i = 0; i < c->wanted->n; i++)
		if (!is_reverse(&c->wanted->v[i]))
			dns_update_add(ret, c->wanted->v[i].name, c->wanted->v[i].type, c->ttl, c->wanted->v[i].data);
	return 0;
}

void dns_plan_removal(const struct dns_change *c, struct dns_update *ret) {
	struct dns_table own CLEANUP_DNS_TABLE = {0};

	for (size_t i = 0; i < c->old->n; i++)
		dns_table_add(&own, c->old->v[i].name, c->old->v[i].type, c->old->v[i].data);
	for (size_t i = 0; i < c->old->n; i++)
		if (c->old->v[i].type == DNS_TXT)
			dns_update_require(ret, c->old->v[i].name, DNS_TXT, dns_table_find(&own, c->old->v[i].name, DNS_TXT));
	delete_old(c, ret);
}

/* ---- reverse ---- */

/* Another entry has it. */
static bool is_others(const struct dns_change *c, const struct dns_rrset *claimed, const struct dns_datum *d) {
	const struct dns_record r = {.name = claimed->name, .type = DNS_PTR, .data = d->text};
	return dns_book_others(c->book, c->key, &r);
}

static bool is_right_reverse(const struct dns_change *c, const char *name, const char *data) {
	const struct dns_rrset *claimed = dns_table_find(&c->book->claims, name, DNS_PTR);
	const struct dns_datum *d = NULL;

	if (claimed)
		HASH_FIND_STR(claimed->data, data, d);
	return dns_records_has(c->wanted, name, DNS_PTR, data) || (d && is_others(c, claimed, d));
}

/* What it is to say: this entry's word, or that of another entry that has the address. NULL: nothing. */
static const char *reverse_wanted(const struct dns_change *c, const char *name) {
	const struct dns_rrset *claimed = dns_table_find(&c->book->claims, name, DNS_PTR);

	for (size_t i = 0; i < c->wanted->n; i++)
		if (is_reverse(&c->wanted->v[i]) && strcmp(c->wanted->v[i].name, name) == 0)
			return c->wanted->v[i].data;
	for (const struct dns_datum *d = claimed ? claimed->data : NULL; d; d = d->hh.next)
		if (is_others(c, claimed, d))
			return d->text;
	return NULL;
}

/* No alias may be there: an update of a name that is one is left out without a word (RFC 2136, 3.4.2.2). */
static void change_reverse(const struct dns_change *c, const char *name, const struct dns_rrset *seen, bool add,
			   struct dns_update *u) {
	dns_update_require(u, name, DNS_PTR, seen);
	dns_update_require(u, name, DNS_CNAME, NULL);
	for (const struct dns_datum *d = seen ? seen->data : NULL; d; d = d->hh.next)
		if (!is_right_reverse(c, name, d->text) && dns_records_has(c->old, name, DNS_PTR, d->text))
			dns_update_delete(u, name, DNS_PTR, d->text);
	if (add)
		dns_update_add(u, name, DNS_PTR, c->ttl, reverse_wanted(c, name));
}

enum dns_reverse dns_plan_reverse(const struct dns_change *c, const char *name, const struct dns_rrset *seen,
				  struct dns_update *ret) {
	bool stale = false, foreign = false, right = false, wanted = reverse_wanted(c, name) != NULL;

	for (const struct dns_datum *d = seen ? seen->data : NULL; d; d = d->hh.next)
		if (is_right_reverse(c, name, d->text))
			right = true;
		else if (dns_records_has(c->old, name, DNS_PTR, d->text))
			stale = true;
		else
			foreign = true;
	if (!stale && wanted && !right && foreign)
		return DNS_REVERSE_FOREIGN;
	if (!stale && (right || !wanted))
		return DNS_REVERSE_RIGHT;
	if (ret)
		change_reverse(c, name, seen, wanted && !right && !foreign, ret);
	return DNS_REVERSE_CHANGE;
}
