/* Reverse records of one entry: each in its own zone and update. See dns-internal.h.
 *
 *   each name: ask, change ─▶ the next ─▶ after_reverse
 *
 * A reverse record is found by nothing but its entry: one that outlives it would be foreign to everybody for ever, and in the way
 * of the right one. So those that an entry leaves go while it still stands: what fails there ends the call, and the next one begins
 * with an entry that is as it was. Those that it gets come when it stands: what fails then is missing, and every list says so. */
#include "net/discovery/dns-internal.h"

#include "base/alloc.h"

#include <errno.h>
#include <string.h>

static const struct dns_records no_records;

static struct dns_change change_of(const struct dns_call *call) {
	struct dns_change c = dns_change_of(call, &call->old);

	if (call->leaving)
		c.wanted = &no_records;
	return c;
}

static void next(struct dns_call *call);

static void done_with_it(struct dns_call *call) {
	call->at++;
	call->reverse_attempts = 0;
	next(call);
}

/* Not when the server says that it never will: the address' name is not worth more than the service's. */
static bool may_be_repeated(int result) {
	return result == -ETIMEDOUT || result == -EIO || result == -ENOTCONN || result == -ESTALE;
}

static void failed(struct dns_call *call, const struct err *err) {
	struct err told = *err;

	err_wrap(&told, "its reverse record %s", call->reverse.v[call->at].name);
	if (call->leaving && may_be_repeated(told.code)) {
		dns_call_end(call, told.code, NULL, &told);
		return;
	}
	dns_call_warn(call, &told);
	done_with_it(call);
}

static void on_changed(void *ctx, int result, const struct err *err) {
	struct dns_call *call = ctx;

	dns_call_next_job(call);
	if (result == -ESTALE && call->reverse_attempts++ == 0)
		next(call);
	else if (result < 0)
		failed(call, err);
	else
		done_with_it(call);
}

static void change(struct dns_call *call, const struct dns_change *c, const char *name, const struct dns_rrset *set) {
	const char *zone = dns_reverse_zone(&call->dns->zones, name);
	struct dns_update update;
	struct err err;

	dns_update_init(&update);
	(void)dns_plan_reverse(c, name, set, &update);
	int r = dns_ask_update(&call->client, zone, &update, dns_call_cb(call, on_changed), &call->job, &err);
	dns_update_clear(&update);
	if (r < 0)
		failed(call, &err);
}

static void is_foreign(struct dns_call *call, const struct dns_rrset *set) {
	char *text CLEANUP_FREE = dns_rrset_text(set);
	struct err err;

	err_set(&err, -EEXIST, "is foreign and was left: \"%s\"", text);
	failed(call, &err);
}

static void on_seen(void *ctx, int result, const struct err *err) {
	struct dns_call *call = ctx;
	struct dns_change c = change_of(call);

	dns_call_next_job(call);
	if (result < 0) {
		failed(call, err);
		return;
	}
	const char *name = call->reverse.v[call->at].name;
	const struct dns_rrset *set = dns_table_find(&call->seen_reverse, name, DNS_PTR);
	const struct dns_rrset *alias = dns_table_find(&call->seen_reverse, name, DNS_CNAME);
	enum dns_reverse what = alias ? DNS_REVERSE_FOREIGN : dns_plan_reverse(&c, name, set, NULL);
	if (what == DNS_REVERSE_FOREIGN)
		is_foreign(call, alias ? alias : set);
	else if (what == DNS_REVERSE_CHANGE)
		change(call, &c, name, set);
	else
		done_with_it(call);
}

static void next(struct dns_call *call) {
	struct err err;

	if (call->at == call->reverse.n) {
		dns_records_clear(&call->reverse);
		call->after_reverse(call);
		return;
	}
	const struct dns_records one = {.v = &call->reverse.v[call->at], .n = 1};
	dns_table_clear(&call->seen_reverse);
	int r = dns_ask(&call->client, &one, &call->seen_reverse, dns_call_cb(call, on_seen), &call->job, &err);
	if (r < 0)
		failed(call, &err);
}

static void begin(struct dns_call *call, void (*after)(struct dns_call *call)) {
	call->at = 0;
	call->reverse_attempts = 0;
	call->after_reverse = after;
	next(call);
}

static bool is_left(const struct dns_call *call, const struct dns_record *r) {
	return r->type == DNS_PTR && !dns_records_has(&call->new, r->name, DNS_PTR, r->data);
}

bool dns_reverse_leaves_any(const struct dns_call *call) {
	for (size_t i = 0; i < call->old.n; i++)
		if (is_left(call, &call->old.v[i]))
			return true;
	return false;
}

void dns_reverse_leave(struct dns_call *call, void (*after)(struct dns_call *call)) {
	for (size_t i = 0; i < call->old.n && !call->leaving; i++) /* once in a call */
		if (is_left(call, &call->old.v[i]))
			dns_records_add_new(&call->reverse, call->old.v[i].name, DNS_PTR, NULL);
	call->leaving = true;
	begin(call, after);
}

void dns_reverse_enter(struct dns_call *call, void (*after)(struct dns_call *call)) {
	for (size_t i = 0; i < call->new.n; i++)
		if (call->new.v[i].type == DNS_PTR)
			dns_records_add_new(&call->reverse, call->new.v[i].name, DNS_PTR, NULL);
	call->leaving = false;
	begin(call, after);
}
