/* Changing one entry. See dns-internal.h.
 *
 *   set:   old reverse records ─▶ forward ─┬─ done ────────────────────▶ new reverse records ─▶ end
 *                                    ▲     └─ not as it was ─▶ look ─┐
 *                                    └──────────────────────────────┘
 *   unset: look ─▶ reverse records ─▶ TXT and forward ─▶ end
 *
 * The first update is made of what the book knows, without a look: mostly that is how it is. When its prerequisites do not hold it
 * is looked at, once, and the second update has as its prerequisites what was seen. Where a reverse record is to go first, it is
 * looked at before that: no update of a reverse zone can have a prerequisite in another zone. */
#include "net/discovery/dns-internal.h"

#include "base/alloc.h"

#include <errno.h>
#include <string.h>

struct dns_change dns_change_of(const struct dns_call *call, const struct dns_records *old) {
	return (struct dns_change){
		.book = &call->dns->book,
		.key = call->was ? call->was->entry.key : call->wanted[0].key,
		.old = old,
		.wanted = &call->new,
		.places = &call->places,
		.adopt = call->was && call->was->foreign,
		.ttl = call->dns->ttl,
	};
}

static void end_with(struct dns_call *call, int code, const struct err *err) { dns_call_end(call, code, NULL, err); }

static void end_saying(struct dns_call *call, int code, const char *name, const char *what) {
	struct err err;

	err_set(&err, code, "%s: %s", name, what);
	end_with(call, code, &err);
}

/* ---- forward ---- */

static void look(struct dns_call *call, dns_job_fn *fn) {
	struct dns_records questions CLEANUP_DNS_RECORDS = {0};
	struct err err;

	for (size_t i = 0; i < call->places.n; i++)
		if (call->places.v[i].type != DNS_CNAME) /* shows in the answers about the others */
			dns_records_add(&questions, call->places.v[i].name, call->places.v[i].type, NULL);
	dns_table_clear(&call->seen);
	int r = dns_ask(&call->client, &questions, &call->seen, dns_call_cb(call, fn), &call->job, &err);
	if (r < 0)
		end_with(call, r, &err);
}

static void end_done(struct dns_call *call) { dns_call_end(call, 0, TAKE_PTR(call->text), NULL); }

static bool is_unknown(int result) { return result == -ETIMEDOUT || result == -EIO; }

static void on_set_seen(void *ctx, int result, const struct err *err);

static void on_forward(void *ctx, int result, const struct err *err) {
	struct dns_call *call = ctx;
	const char *key = call->wanted[0].key;

	dns_call_next_job(call);
	if (result == 0) {
		dns_book_put(&call->dns->book, key, &call->new);
		dns_reverse_enter(call, end_done);
		return;
	}
	if (!is_unknown(result))
		dns_book_settle(&call->dns->book, key);
	if (result == -ESTALE && call->attempts++ == 0)
		look(call, on_set_seen);
	else
		end_with(call, result, err);
}

static int send_forward(struct dns_call *call, const struct dns_change *c, struct err *err) {
	struct dns_update update;

	dns_update_init(&update);
	int r = dns_plan_update(c, &call->seen, &update, err);
	if (r == 0)
		r = dns_ask_update(&call->client, call->dns->zones.zone, &update, dns_call_cb(call, on_forward), &call->job, err);
	dns_update_clear(&update);
	return r;
}

static void forward_from(struct dns_call *call) {
	const struct dns_change c = dns_change_of(call, call->from);
	struct err err;
	int r = send_forward(call, &c, &err);

	if (r == 0)
		dns_book_expect(&call->dns->book, c.key, &call->new);
	else if (r != -EEXIST || !dns_learn(call, forward_from))
		end_with(call, r, &err);
}

static void forward(struct dns_call *call, const struct dns_records *old) {
	call->from = old;
	dns_reverse_leave(call, forward_from);
}

/* ---- what was seen instead ---- */

static const struct dns_record *txt_of(const struct dns_records *r) {
	for (size_t i = 0; i < r->n; i++)
		if (r->v[i].type == DNS_TXT)
			return &r->v[i];
	return NULL;
}

/* Its TXT is exactly that of these records; of none: there is none. */
static bool has_txt_of(const struct dns_call *call, const char *name, const struct dns_records *r) {
	const struct dns_rrset *set = dns_table_find(&call->seen, name, DNS_TXT);
	const struct dns_record *txt = txt_of(r);

	if (!set || !txt)
		return !set && !txt;
	return HASH_COUNT(set->data) == 1 && strcmp(set->data->text, txt->data) == 0;
}

static void end_other(struct dns_call *call, const char *name) {
	struct discovery_entry entry = {0};
	char *text CLEANUP_FREE = NULL;
	struct err err;
	int whose = dns_entry_seen(call->dns, &call->seen, call->wanted[0].key, &entry, &text);

	discovery_entry_clear(&entry);
	if (whose == 2) {
		char *content CLEANUP_FREE = dns_rrset_text(dns_table_find(&call->seen, name, DNS_TXT));
		err_set(&err, -EEXIST, "a foreign record is there: \"%s\"", content);
		end_with(call, -EEXIST, &err);
		return;
	}
	end_saying(call, -ESTALE, name, whose == 0 ? "another entry is there now" : "the entry is not there any more");
}

static void adopt_seen(struct dns_call *call) {
	const struct dns_change c = dns_change_of(call, &call->old);
	char *foreign CLEANUP_FREE = dns_plan_foreign(&c, &call->seen);
	struct err err;

	if (foreign && strcmp(foreign, call->was->version) == 0) {
		forward(call, &call->old);
		return;
	}
	err_set(&err, -ESTALE, "what is foreign there has changed: \"%s\"", foreign ? foreign : "");
	end_with(call, -ESTALE, &err);
}

static void on_set_seen(void *ctx, int result, const struct err *err) {
	struct dns_call *call = ctx;
	const char *name = call->new.v[0].name;

	dns_call_next_job(call);
	if (result < 0)
		end_with(call, result, err);
	else if (has_txt_of(call, name, &call->new)) /* a repeat; written again, it mends what is missing */
		forward(call, &call->new);
	else if (call->was && call->was->foreign)
		adopt_seen(call);
	else if (has_txt_of(call, name, &call->old))
		forward(call, &call->old);
	else
		end_other(call, name);
}

static int prepare(struct dns_call *call, struct err *err) {
	const struct dns_zones *zones = &call->dns->zones;
	int r = discovery_entry_check(&call->wanted[0], err);

	if (r < 0)
		return r;
	call->text = discovery_entry_encode(&call->wanted[0], call->dns->cluster);
	dns_records_of(zones, &call->wanted[0], call->text, &call->new);
	dns_places_of(zones, &call->wanted[0], &call->places);
	if (call->was && !call->was->foreign) {
		dns_records_of(zones, &call->was->entry, call->was->version, &call->old);
		dns_places_of(zones, &call->was->entry, &call->places);
	}
	return dns_records_check(&call->new, err);
}

void dns_set_first(struct dns_call *call) {
	const struct dns_change c = dns_change_of(call, &call->old);
	struct err err;
	int r = prepare(call, &err);

	if (r < 0) {
		end_with(call, r, &err);
		return;
	}
	if (c.adopt || dns_reverse_leaves_any(call)) {
		look(call, on_set_seen);
		return;
	}
	dns_plan_expected(&c, &call->seen);
	forward(call, &call->old);
}

/* ---- taking away ---- */

static void removed(struct dns_call *call) {
	dns_book_put(&call->dns->book, call->was->entry.key, &call->new);
	end_done(call);
}

static void on_removed(void *ctx, int result, const struct err *err);

static void remove_forward(struct dns_call *call) {
	const struct dns_change c = dns_change_of(call, &call->old);
	struct dns_update update;
	struct err err;

	dns_update_init(&update);
	dns_plan_removal(&c, &update);
	int r = dns_ask_update(&call->client, call->dns->zones.zone, &update, dns_call_cb(call, on_removed), &call->job, &err);
	dns_update_clear(&update);
	if (r < 0)
		end_with(call, r, &err);
}

static void on_unset_seen(void *ctx, int result, const struct err *err) {
	struct dns_call *call = ctx;
	const char *name = call->old.v[0].name;

	dns_call_next_job(call);
	if (result < 0)
		end_with(call, result, err);
	else if (!dns_table_find(&call->seen, name, DNS_TXT))
		dns_reverse_leave(call, removed);
	else if (has_txt_of(call, name, &call->old))
		dns_reverse_leave(call, remove_forward);
	else
		end_saying(call, -ESTALE, name, "another entry is there now");
}

static void look_at_txt(struct dns_call *call) {
	const struct dns_records one = {.v = call->old.v, .n = 1};
	struct err err;

	dns_table_clear(&call->seen);
	int r = dns_ask(&call->client, &one, &call->seen, dns_call_cb(call, on_unset_seen), &call->job, &err);
	if (r < 0)
		end_with(call, r, &err);
}

static void on_removed(void *ctx, int result, const struct err *err) {
	struct dns_call *call = ctx;

	dns_call_next_job(call);
	if (result == 0)
		removed(call);
	else if (result == -ESTALE && call->attempts++ == 0)
		look_at_txt(call);
	else
		end_with(call, result, err);
}

void dns_unset_first(struct dns_call *call) {
	if (call->was->foreign) {
		end_saying(call, -EEXIST, call->was->entry.key, "it is not heir's");
		return;
	}
	dns_records_of(&call->dns->zones, &call->was->entry, call->was->version, &call->old);
	if (dns_reverse_leaves_any(call))
		look_at_txt(call);
	else
		remove_forward(call);
}
