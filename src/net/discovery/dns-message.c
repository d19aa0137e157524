/* See dns-message.h. */
#include "net/discovery/dns-message.h"

#include "base/alloc.h"
#include "net/discovery/dns-record.h"

#include <assert.h>
#include <errno.h>
#include <string.h>
#include <sys/random.h>

#define FUDGE 300 /* s; RFC 8945, 10 */

static const char *const algorithms[] = {[DNS_HMAC_SHA256] = "hmac-sha256.", [DNS_HMAC_SHA512] = "hmac-sha512."};
static_assert(sizeof(algorithms) / sizeof(algorithms[0]) == DNS_ALGORITHM_MAX, "a name for each");

const char *dns_algorithm_name(enum dns_algorithm algorithm) { return algorithms[algorithm]; }

static ldns_rdf *dname(const char *text) { return ldns_dname_new_frm_str(text); }

/* ---- key ---- */

void dns_key_clear(struct dns_key *k) {
	if (k->secret)
		explicit_bzero(k->secret, strlen(k->secret));
	free(k->secret);
	free(k->name);
	*k = (struct dns_key){0};
}

static bool is_base64(const char *text) {
	ldns_rdf *bytes = NULL;

	if (ldns_str2rdf_b64(&bytes, text) != LDNS_STATUS_OK)
		return false;
	bool some = ldns_rdf_size(bytes) > 0;
	explicit_bzero(ldns_rdf_data(bytes), ldns_rdf_size(bytes));
	ldns_rdf_deep_free(bytes);
	return some;
}

int dns_key_make(const char *name, const char *secret, enum dns_algorithm algorithm, struct dns_key *ret, struct err *err) {
	char *absolute CLEANUP_FREE = dns_name(name);

	if (!absolute)
		return err_set(err, -EINVAL, "a key's name is a name as in DNS");
	if (!is_base64(secret))
		return err_set(err, -EINVAL, "the file of key %s holds no base64", name);
	*ret = (struct dns_key){.name = TAKE_PTR(absolute), .secret = xstrdup(secret), .algorithm = algorithm};
	return 0;
}

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
	dns_key_clear(&q->key);
	ldns_rdf_deep_free(q->mac);
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
static int sign(const struct dns_key *key, ldns_pkt *p, struct dns_request *ret, struct err *err) {
	uint8_t *wire = NULL;

	ldns_pkt_set_id(p, random_id());
	ldns_status status = ldns_pkt_tsig_sign(p, key->name, key->secret, FUDGE, algorithms[key->algorithm], NULL);
	if (status == LDNS_STATUS_OK)
		status = ldns_pkt2wire(&wire, p, &ret->n);
	if (status == LDNS_STATUS_OK && ret->n <= DNS_MESSAGE_MAX) {
		ret->id = ldns_pkt_id(p);
		ret->opcode = ldns_pkt_get_opcode(p);
		ret->mac = ldns_rdf_clone(ldns_rr_rdf(ldns_pkt_tsig(p), 3));
		ret->wire = xmalloc(ret->n);
		memcpy(ret->wire, wire, ret->n);
	}
	LDNS_FREE(wire);
	ldns_pkt_free(p);
	if (status != LDNS_STATUS_OK)
		return err_set(err, -EINVAL, "no message can be made: %s", ldns_get_errorstr_by_id(status));
	return ret->wire ? 0
			 : err_set(err, -EINVAL, "a message of %zu bytes is more than DNS can carry: too many instances", ret->n);
}

static int fill(const struct dns_key *key, ldns_pkt *p, const char *name, enum dns_type type, struct dns_request *ret,
		struct err *err) {
	struct dns_request q = {.type = type};
	int r = sign(key, p, &q, err);

	if (r < 0)
		return r;
	q.name = xstrdup(name);
	q.key = (struct dns_key){.name = xstrdup(key->name), .secret = xstrdup(key->secret), .algorithm = key->algorithm};
	*ret = q;
	return 0;
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
		return err_set(err, -EINVAL, "a record for %s cannot be made", zone);
	}
	return fill(key, p, zone, DNS_SOA, ret, err);
}
