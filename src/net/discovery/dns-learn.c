/* What other managers made since the last list. See dns-internal.h.
 *
 * A record that no entry of the book has is foreign, or of an entry that another manager made. A question cannot tell which: the
 * marks are under names that only a transfer shows. One transfer answers all calls that wonder at the time, and what stayed foreign
 * then is taken for foreign for a while, since whatever is in the way is looked at again and again. */
#include "net/discovery/dns-internal.h"

#include "base/alloc.h"

#include <errno.h>
#include <utlist.h>

#define FOREIGN_FOR span_sec(60)

/* What was changed since this was asked is known better than it was seen. */
void dns_note(struct dns *d, const struct discovery_found *f, uint64_t turn) {
	struct dns_records records CLEANUP_DNS_RECORDS = {0};

	if (dns_book_has_since(&d->book, f->entry.key, turn))
		return;
	dns_records_of(&d->zones, &f->entry, f->version, &records);
	dns_book_put(&d->book, f->entry.key, &records);
}

void dns_find_strange(const struct dns_call *call, struct dns_table *ret) {
	const struct dns_table *claims = &call->dns->book.claims;

	for (const struct dns_rrset *set = call->seen.sets; set; set = set->hh.next) {
		const struct dns_rrset *claimed = dns_table_find(claims, set->name, set->type);
		for (const struct dns_datum *d = set->data; d; d = d->hh.next) {
			const struct dns_datum *ours = NULL;
			if (claimed)
				HASH_FIND_STR(claimed->data, d->text, ours);
			if (!ours)
				dns_table_add(ret, set->name, set->type, d->text);
		}
	}
}

/* ---- what is known to be foreign ---- */

static void forget_in_time(struct dns_learning *l) {
	struct mono now = mono_now();

	if (!mono_reached(l->foreign_until, now))
		return;
	dns_table_clear(&l->foreign);
	l->foreign_until = mono_add(now, FOREIGN_FOR);
}

static bool is_known(const struct dns_learning *l, const struct dns_rrset *set, const struct dns_datum *d) {
	return set->type == DNS_PTR /* nothing is learned about those */ ||
	       dns_table_count(&l->foreign, set->name, set->type, d->text) > 0;
}

static bool is_anything_new(const struct dns_call *call) {
	struct dns_table strange CLEANUP_DNS_TABLE = {0};

	dns_find_strange(call, &strange);
	for (const struct dns_rrset *set = strange.sets; set; set = set->hh.next)
		for (const struct dns_datum *d = set->data; d; d = d->hh.next)
			if (!is_known(&call->dns->learning, set, d))
				return true;
	return false;
}

static void remember_foreign(const struct dns_call *call) {
	struct dns_learning *l = &call->dns->learning;
	struct dns_table strange CLEANUP_DNS_TABLE = {0};

	dns_find_strange(call, &strange);
	for (const struct dns_rrset *set = strange.sets; set; set = set->hh.next)
		for (const struct dns_datum *d = set->data; d; d = d->hh.next)
			if (!is_known(l, set, d))
				dns_table_add(&l->foreign, set->name, set->type, d->text);
}

/* ---- the transfer ---- */

static void note_zone(struct dns *d) {
	const struct dns_learning *l = &d->learning;

	for (const struct dns_rrset *set = l->zone.sets; set; set = set->hh.next) {
		char *key CLEANUP_FREE = set->type == DNS_TXT ? dns_key_of(&d->zones, set->name) : NULL;
		struct discovery_found f = {0};
		if (key && dns_entry_seen(d, &l->zone, key, &f.entry, &f.version) == 0)
			dns_note(d, &f, l->turn);
		discovery_found_clear(&f);
	}
}

/* Each goes on in a turn of its own: what it does may free everything. */
static void on_turn(uv_timer_t *timer) {
	struct dns_call *call = timer->data;

	call->learning = false;
	call->after_learning(call);
}

static void forget_transfer(struct dns_learning *l) {
	dns_job_free(TAKE_PTR(l->job));
	dns_key_clear(&l->client.key);
	dns_table_clear(&l->zone);
}

/* Where the server did not say, it is wondered again the next time. */
static void on_learned(void *ctx, int result, const struct err *err) {
	struct dns *d = ctx;
	bool said = result == 0 || result == -EACCES || result == -EPROTO;
	struct dns_call *call;

	(void)err; /* where nothing is to be learned, it stays foreign */
	if (result == 0)
		note_zone(d);
	forget_transfer(&d->learning);
	forget_in_time(&d->learning);
	DL_FOREACH (d->calls, call) {
		if (!call->learning)
			continue;
		if (said)
			remember_foreign(call);
		uv_timer_start(&call->timer, on_turn, 0, 0);
	}
}

static bool start(struct dns *d, const struct dns_client *client) {
	struct dns_learning *l = &d->learning;
	const struct dns_job_cb cb = {.fn = on_learned, .ctx = d};

	l->client = *client;
	l->client.key = (struct dns_key){0};
	dns_key_copy(&l->client.key, &client->key);
	l->turn = d->book.turn;
	bool started = dns_ask_transfer(&l->client, d->zones.zone, &l->zone, cb, &l->job, NULL) == 0;
	if (!started)
		dns_key_clear(&l->client.key);
	return started;
}

/* No call waits for a transfer that may last longer than itself. */
static bool join(const struct dns_call *call) {
	struct dns_learning *l = &call->dns->learning;
	return l->job ? mono_reached(l->client.deadline, call->client.deadline) : start(call->dns, &call->client);
}

bool dns_learn(struct dns_call *call, void (*next)(struct dns_call *call)) {
	forget_in_time(&call->dns->learning);
	if (call->after_learning || !is_anything_new(call) || !join(call))
		return false;
	call->after_learning = next;
	call->learning = true;
	return true;
}

void dns_learning_clear(struct dns_learning *l) {
	forget_transfer(l);
	dns_table_clear(&l->foreign);
}
