/* What stands in the zones. See dns-internal.h.
 *
 * A list transfers the zone and the reverse zones. Where that fails for the zone, for whatever reason (the server does not allow
 * it, or a firewall lets no TCP through), what is wanted is asked for key by key; entries of ours that nobody wants any more cannot
 * be found then. The list fails only when these questions do. A look asks for one entry's names, in two rounds, since only its TXT
 * says which service's names those are. */
#include "net/discovery/dns-internal.h"

#include "base/alloc.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define SLICE ((size_t)1000) /* entries that are judged in one turn of the loop */

static const struct dns_records no_records;

/* ---- whose it is ---- */

int dns_entry_seen(const struct dns *d, const struct dns_table *seen, const char *key, struct discovery_entry *ret,
		   char **ret_text) {
	char *name CLEANUP_FREE = dns_key_name(&d->zones, key);
	const struct dns_rrset *set = dns_table_find(seen, name, DNS_TXT);

	if (!set)
		return 1;
	struct discovery_entry e = {0};
	char *text CLEANUP_FREE = HASH_COUNT(set->data) == 1 ? dns_txt_text(set->data->text) : NULL;
	if (!text || discovery_entry_decode(text, d->cluster, &e, NULL) != 0)
		return 2;
	e.key = xstrdup(key);
	if (discovery_entry_check(&e, NULL) < 0) {
		discovery_entry_clear(&e);
		return 2;
	}
	*ret = e;
	*ret_text = TAKE_PTR(text);
	return 0;
}

/* ---- what was found ---- */

static struct discovery_found *add_found(struct dns_call *call) {
	size_t n = call->n_found;

	if ((n & (n + 1)) == 0) /* doubled at 0, 1, 3, 7, … */
		call->found = xreallocarray(call->found, 2 * n + 1, sizeof(*call->found));
	call->n_found++;
	call->found[n] = (struct discovery_found){0};
	return &call->found[n];
}

/* Only where it was looked is something missing. */
static bool was_looked_at(const struct dns_call *call, const struct dns_record *r) {
	if (!call->whole)
		return dns_table_find(&call->asked, r->name, r->type) != NULL;
	const char *zone = r->type == DNS_PTR ? dns_reverse_zone(&call->dns->zones, r->name) : NULL;
	return !zone || strs_has(&call->fetched, zone);
}

static void keep_looked_at(const struct dns_call *call, const struct dns_records *all, struct dns_records *ret) {
	for (size_t i = 0; i < all->n; i++)
		if (was_looked_at(call, &all->v[i]))
			dns_records_add(ret, all->v[i].name, all->v[i].type, all->v[i].data);
}

static char *is_incomplete(const char *foreign, const char *missing) {
	if (foreign && missing)
		return xasprintf("foreign: %s; missing: %s", foreign, missing);
	return xasprintf("%s: %s", foreign ? "foreign" : "missing", foreign ? foreign : missing);
}

static void judge_ours(struct dns_call *call, struct discovery_found *f) {
	const struct dns_zones *zones = &call->dns->zones;
	struct dns_records all CLEANUP_DNS_RECORDS = {0}, wanted CLEANUP_DNS_RECORDS = {0};
	struct dns_records places CLEANUP_DNS_RECORDS = {0};
	const struct dns_change c = {
		.book = &call->dns->book, .key = f->entry.key, .old = &no_records, .wanted = &wanted, .places = &places};

	dns_records_of(zones, &f->entry, f->version, &all);
	keep_looked_at(call, &all, &wanted);
	dns_places_of(zones, &f->entry, &places);
	char *foreign CLEANUP_FREE = dns_plan_foreign(&c, &call->strange);
	char *missing CLEANUP_FREE = dns_plan_missing(&c, &call->seen);
	f->incomplete = foreign || missing;
	if (f->incomplete)
		f->content = is_incomplete(foreign, missing);
}

static void judge_wanted(struct dns_call *call, const struct discovery_entry *wanted) {
	struct dns_records places CLEANUP_DNS_RECORDS = {0};
	const struct dns_change c = {
		.book = &call->dns->book, .key = wanted->key, .old = &no_records, .wanted = &no_records, .places = &places};

	dns_places_of(&call->dns->zones, wanted, &places);
	char *foreign = dns_plan_foreign(&c, &call->strange);
	if (!foreign)
		return;
	struct discovery_found *f = add_found(call);
	f->entry.key = xstrdup(wanted->key);
	f->foreign = true;
	f->version = foreign;
	f->content = xstrdup(foreign);
}

/* ---- entries of ours ---- */

static void find_ours(struct dns_call *call, const char *key) {
	struct discovery_entry e;
	char *text;

	if (dns_entry_seen(call->dns, &call->seen, key, &e, &text) != 0)
		return;
	struct discovery_found *f = add_found(call);
	f->entry = e;
	f->version = text;
}

static void find_all_ours(struct dns_call *call) {
	for (const struct dns_rrset *set = call->seen.sets; set; set = set->hh.next) {
		char *key CLEANUP_FREE = set->type == DNS_TXT ? dns_key_of(&call->dns->zones, set->name) : NULL;
		if (key)
			find_ours(call, key);
	}
}

static void note_gone(struct dns_call *call, const char *key) {
	if (!dns_book_has_since(&call->dns->book, key, call->turn))
		dns_book_put(&call->dns->book, key, &no_records);
}

/* Without a transfer nothing is said of those that nobody asked about. */
static void note_rest(struct dns_call *call) {
	for (size_t i = 0; i < call->n_wanted; i++)
		if (!dns_table_find(&call->ours, call->wanted[i].key, DNS_TXT))
			note_gone(call, call->wanted[i].key);
	if (call->whole)
		dns_book_retain(&call->dns->book, &call->ours, call->turn);
}

/* ---- all of it ---- */

static void on_next_turn(uv_timer_t *timer) {
	struct dns_call *call = timer->data;
	call->after_turn(call);
}

/* Ten thousand entries take too long for one turn of the loop. What others change between two of them is claimed in the book, and
 * what is claimed is never judged as foreign. */
static void go_on(struct dns_call *call, void (*next)(struct dns_call *call)) {
	if (call->n_found + call->n_wanted <= SLICE) {
		next(call);
		return;
	}
	call->after_turn = next;
	uv_timer_start(&call->timer, on_next_turn, 1, 0); /* of 0 it may run in this turn */
}

/* Goes through what was found, a slice in each turn. */
static void each_found(struct dns_call *call, void (*fn)(struct dns_call *call, struct discovery_found *f),
		       void (*self)(struct dns_call *call), void (*next)(struct dns_call *call)) {
	size_t end = call->at + SLICE < call->n_found ? call->at + SLICE : call->n_found;

	for (; call->at < end; call->at++)
		fn(call, &call->found[call->at]);
	go_on(call, end < call->n_found ? self : next);
}

static void judge_all_wanted(struct dns_call *call) {
	for (size_t i = 0; i < call->n_wanted; i++)
		if (!dns_table_find(&call->ours, call->wanted[i].key, DNS_TXT))
			judge_wanted(call, &call->wanted[i]);
	dns_call_end(call, 0, NULL, NULL);
}

static void judge_all_ours(struct dns_call *call) { each_found(call, judge_ours, judge_all_ours, judge_all_wanted); }

static void judge(struct dns_call *call) {
	note_rest(call);
	dns_find_strange(call, &call->strange);
	call->at = 0;
	go_on(call, judge_all_ours);
}

static void note_found(struct dns_call *call, struct discovery_found *f) {
	dns_table_add(&call->ours, f->entry.key, DNS_TXT, "");
	dns_note(call->dns, f, call->turn);
}

static void note_all_found(struct dns_call *call) { each_found(call, note_found, note_all_found, judge); }

static void compile(struct dns_call *call) {
	call->at = 0;
	note_all_found(call);
}

static void compile_all(struct dns_call *call) {
	find_all_ours(call);
	go_on(call, compile);
}

/* ---- questions ---- */

static void ask_once(struct dns_call *call, struct dns_records *questions, const char *name, enum dns_type type) {
	if (type == DNS_CNAME || dns_table_find(&call->asked, name, type)) /* an alias shows in the answers about the others */
		return;
	dns_table_add(&call->asked, name, type, "");
	dns_records_add(questions, name, type, NULL);
}

static void ask_places(struct dns_call *call, struct dns_records *questions, const struct discovery_entry *e) {
	struct dns_records places CLEANUP_DNS_RECORDS = {0};

	dns_places_of(&call->dns->zones, e, &places);
	for (size_t i = 0; i < places.n; i++)
		ask_once(call, questions, places.v[i].name, places.v[i].type);
}

static void ask_reverse(struct dns_call *call, struct dns_records *questions, const struct discovery_found *f) {
	struct dns_records records CLEANUP_DNS_RECORDS = {0};

	dns_records_of(&call->dns->zones, &f->entry, f->version, &records);
	for (size_t i = 0; i < records.n; i++)
		if (records.v[i].type == DNS_PTR)
			ask_once(call, questions, records.v[i].name, DNS_PTR);
}

static void ask(struct dns_call *call, const struct dns_records *questions, dns_job_fn *fn) {
	struct err err;
	int r = dns_ask(&call->client, questions, &call->seen, dns_call_cb(call, fn), &call->job, &err);

	if (r < 0)
		dns_call_end(call, r, NULL, &err);
}

static void on_names_seen(void *ctx, int result, const struct err *err) {
	struct dns_call *call = ctx;

	dns_call_next_job(call);
	if (result < 0)
		dns_call_end(call, result, NULL, err);
	else if (!dns_learn(call, compile))
		compile(call);
}

/* The first round is over. */
static void on_txt_seen(void *ctx, int result, const struct err *err) {
	struct dns_call *call = ctx;
	struct dns_records questions CLEANUP_DNS_RECORDS = {0};
	const char *key = call->wanted[0].key;

	dns_call_next_job(call);
	if (result < 0) {
		dns_call_end(call, result, NULL, err);
		return;
	}
	find_ours(call, key);
	for (size_t i = 0; i < call->n_found; i++)
		dns_note(call->dns, &call->found[i], call->turn);
	ask_places(call, &questions, &call->wanted[0]);
	for (size_t i = 0; i < call->n_found; i++) {
		ask_places(call, &questions, &call->found[i].entry);
		ask_reverse(call, &questions, &call->found[i]);
	}
	ask(call, &questions, on_names_seen);
}

void dns_look_first(struct dns_call *call) {
	struct dns_records questions CLEANUP_DNS_RECORDS = {0};
	char *name CLEANUP_FREE = dns_key_name(&call->dns->zones, call->wanted[0].key);

	ask_once(call, &questions, name, DNS_TXT);
	ask(call, &questions, on_txt_seen);
}

/* ---- without a transfer ---- */

static void on_keys_seen(void *ctx, int result, const struct err *err) {
	struct dns_call *call = ctx;

	dns_call_next_job(call);
	if (result < 0) {
		dns_call_end(call, result, NULL, err);
		return;
	}
	call->dns->warned = true;
	compile_all(call);
}

/* Its TXT, and the names that are the service's. One that DNS can never hold has none. */
static void ask_for(struct dns_call *call, struct dns_records *questions, const struct discovery_entry *wanted) {
	struct dns_records places CLEANUP_DNS_RECORDS = {0};
	char *instance CLEANUP_FREE = xasprintf("%s.%s.", wanted->key, wanted->service);

	dns_places_of(&call->dns->zones, wanted, &places);
	if (dns_records_check(&places, NULL) < 0)
		return;
	for (size_t i = 0; i < places.n; i++)
		if (strncmp(places.v[i].name, instance, strlen(instance)) != 0)
			ask_once(call, questions, places.v[i].name, places.v[i].type);
}

/* The zone's SOA too: that nothing is wanted does not say that the server is there. */
static void ask_for_wanted(struct dns_call *call) {
	struct dns_records questions CLEANUP_DNS_RECORDS = {0};

	ask_once(call, &questions, call->dns->zones.zone, DNS_SOA);
	for (size_t i = 0; i < call->n_wanted; i++)
		ask_for(call, &questions, &call->wanted[i]);
	ask(call, &questions, on_keys_seen);
}

static void not_transferred(struct dns_call *call, const struct err *err) {
	struct err warning = *err;

	dns_table_clear(&call->seen); /* of a transfer that ended in the middle */
	err_wrap(&warning, "the zone cannot be transferred, so that entries of heir's that nobody wants are not found");
	if (!call->dns->warned)
		dns_call_warn(call, &warning);
	ask_for_wanted(call);
}

/* ---- transfers ---- */

static void on_transferred(void *ctx, int result, const struct err *err);

static const char *zone_at(const struct dns_call *call) {
	const struct dns_zones *zones = &call->dns->zones;
	return call->at == 0 ? zones->zone : zones->reverse.v[call->at - 1];
}

static void transfer(struct dns_call *call) {
	struct err err;
	int r = dns_ask_transfer(&call->client, zone_at(call), &call->seen, dns_call_cb(call, on_transferred), &call->job, &err);

	if (r < 0)
		dns_call_end(call, r, NULL, &err);
}

static void transfer_next(struct dns_call *call) {
	if (call->at++ < call->dns->zones.reverse.n) {
		transfer(call);
		return;
	}
	compile_all(call);
}

static void reverse_transferred(struct dns_call *call, int result, const struct err *err) {
	struct err warning;

	if (result == 0)
		strs_add(&call->fetched, zone_at(call));
	else {
		warning = *err;
		err_wrap(&warning, "reverse records are not looked at");
		dns_call_warn(call, &warning);
	}
	transfer_next(call);
}

static void on_transferred(void *ctx, int result, const struct err *err) {
	struct dns_call *call = ctx;

	dns_call_next_job(call);
	if (call->at > 0)
		reverse_transferred(call, result, err);
	else if (result < 0)
		not_transferred(call, err);
	else {
		call->whole = true;
		call->dns->warned = false;
		transfer_next(call);
	}
}

void dns_list_first(struct dns_call *call) { transfer(call); }
