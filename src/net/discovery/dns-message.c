/* See dns-message.h. */
#include "net/discovery/dns-message.h"

#include "base/alloc.h"

#include <assert.h>
#include <errno.h>
#include <string.h>
#include <sys/random.h>

static ldns_rdf *dname(const char *text) { return ldns_dname_new_frm_str(text); }

/* ---- an update's contents ---- */

void dns_update_init(struct dns_update *u) {
	*u = (struct dns_update){.require = ldns_rr_list_new(), .change = ldns_rr_list_new()};
}

void dns_update_clear(struct dns_update *u) {
	ldns_rr_list_deep_free(u->require);
	ldns_rr_list_deep_free(u->change);
	*u = (struct dns_update){0};
}

static ldns_rr *empty_rr(const char *name, enum dns_type type) {
	ldns_rdf *owner = dname(name);
	ldns_rr *rr = owner ? ldns_rr_new() : NULL;

	if (!rr)
		return NULL;
	ldns_rr_set_owner(rr, owner);
	ldns_rr_set_type(rr, (ldns_rr_type)type);
	return rr;
}

static ldns_rr *full_rr(const char *name, enum dns_type type, unsigned ttl, const char *data) {
	char *text CLEANUP_FREE = xasprintf("%s %u IN %s %s", name, ttl, dns_type_name(type), data);
	ldns_rr *rr = NULL;

	return ldns_rr_new_frm_str(&rr, text, 0, NULL, NULL) == LDNS_STATUS_OK ? rr : NULL;
}

static void put(struct dns_update *u, ldns_rr_list *list, ldns_rr *rr, ldns_rr_class class) {
	if (!rr) {
		u->bad = true;
		return;
	}
	ldns_rr_set_class(rr, class);
	ldns_rr_list_push_rr(list, rr);
}

/* RFC 2136, 2.4.2 and 2.4.3. */
void dns_update_require(struct dns_update *u, const char *name, enum dns_type type, const struct dns_rrset *set) {
	if (!set) {
		ldns_rr *rr = empty_rr(name, type);
		if (rr)
			ldns_rr_set_ttl(rr, 0);
		put(u, u->require, rr, LDNS_RR_CLASS_NONE);
		return;
	}
	for (const struct dns_datum *d = set->data; d; d = d->hh.next)
		put(u, u->require, full_rr(name, type, 0, d->text), LDNS_RR_CLASS_IN);
}

void dns_update_add(struct dns_update *u, const char *name, enum dns_type type, unsigned ttl, const char *data) {
	put(u, u->change, full_rr(name, type, ttl, data), LDNS_RR_CLASS_IN);
}

/* RFC 2136, 2.5.4. */
void dns_update_delete(struct dns_update *u, const char *name, enum dns_type type, const char *data) {
	put(u, u->change, full_rr(name, type, 0, data), LDNS_RR_CLASS_NONE);
}

/* ---- requests ---- */

void dns_request_clear(struct dns_request *q) {
	free(q->wire);
	free(q->name);
	dns_tsig_clear(&q->tsig);
	*q = (struct dns_request){0};
}

bool dns_request_changes(const struct dns_request *q) { return q->opcode == LDNS_PACKET_UPDATE; }

static uint16_t random_id(void) {
	uint16_t id = 0;
	ssize_t n = getrandom(&id, sizeof(id), 0);

	assert(n == sizeof(id));
	return id;
}

/* Takes the packet. */
static int fill(const struct dns_key *key, ldns_pkt *p, const char *name, enum dns_type type, struct dns_request *ret,
		struct err *err) {
	struct dns_request q = {.type = type, .id = random_id(), .opcode = ldns_pkt_get_opcode(p), .name = xstrdup(name)};

	ldns_pkt_set_id(p, q.id);
	dns_key_copy(&q.tsig.key, key);
	ldns_status status = ldns_pkt2wire(&q.wire, p, &q.n);
	ldns_pkt_free(p);
	int r = status == LDNS_STATUS_OK ? dns_tsig_sign(&q.tsig, &q.wire, &q.n, err)
					 : err_set(err, -EPROTO, "no message can be made: %s", ldns_get_errorstr_by_id(status));
	if (r < 0)
		dns_request_clear(&q);
	else
		*ret = q;
	return r;
}

int dns_request_query(const struct dns_key *key, const char *name, enum dns_type type, struct dns_request *ret, struct err *err) {
	ldns_rdf *owner = dname(name);
	ldns_pkt *p = owner ? ldns_pkt_query_new(owner, (ldns_rr_type)type, LDNS_RR_CLASS_IN, 0) : NULL;

	if (!p) {
		ldns_rdf_deep_free(owner);
		return err_set(err, -EINVAL, "\"%s\" is no name in DNS", name);
	}
	if (type != DNS_AXFR)
		ldns_pkt_set_edns_udp_size(p, DNS_UDP_MAX);
	return fill(key, p, name, type, ret, err);
}

int dns_request_update(const struct dns_key *key, const char *zone, const struct dns_update *u, struct dns_request *ret,
		       struct err *err) {
	ldns_rdf *owner = u->bad ? NULL : dname(zone);
	ldns_pkt *p = owner ? ldns_update_pkt_new(owner, LDNS_RR_CLASS_IN, u->require, u->change, NULL) : NULL;

	if (!p) {
		ldns_rdf_deep_free(owner);
		return err_set(err, -EPROTO, "a record for %s cannot be made", zone);
	}
	return fill(key, p, zone, DNS_SOA, ret, err);
}
