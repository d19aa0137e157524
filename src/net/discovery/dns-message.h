/* DNS messages: questions, updates (RFC 2136) and transfers (RFC 5936), signed, and answers to them, by ldns. Pure but for the wall
 * clock, which TSIG is about.
 *
 * An answer counts when it is one to this request (ID, kind, question) and is signed with its key over it. What does not count is
 * nobody's word: over UDP the true answer may still come. */
#ifndef DISCOVERY_DNS_MESSAGE_H
#define DISCOVERY_DNS_MESSAGE_H

#include "base/err.h"
#include "net/discovery/dns-table.h"
#include "net/discovery/dns-tsig.h"

#include <ldns/ldns.h>
#include <stdint.h>

#define DNS_UDP_MAX 1232 /* what passes every path in one piece; announced by EDNS, and no longer request goes by UDP */

/* ---- an update's contents ---- */

struct dns_update {
	ldns_rr_list *require, *change;
	bool bad; /* a record in it could not be made */
};

void dns_update_init(struct dns_update *u);
void dns_update_clear(struct dns_update *u);
/* The set has exactly these records; NULL: there is none. */
void dns_update_require(struct dns_update *u, const char *name, enum dns_type type, const struct dns_rrset *set);
void dns_update_add(struct dns_update *u, const char *name, enum dns_type type, unsigned ttl, const char *data);
void dns_update_delete(struct dns_update *u, const char *name, enum dns_type type, const char *data);

/* ---- requests ---- */

struct dns_request {
	uint8_t *wire; /* signed */
	size_t n;
	uint16_t id;
	ldns_pkt_opcode opcode;
	char *name;         /* asked about; of an update the zone */
	enum dns_type type; /* SOA of an update */
	struct dns_tsig tsig;
	unsigned answers;
};

void dns_request_clear(struct dns_request *q);
/* Both copy the key. type DNS_AXFR asks for a transfer. -EINVAL: the name is none. -EPROTO: no message can be made of what is there
 * now, as where a service has too many instances; once it has fewer, it can. */
int dns_request_query(const struct dns_key *key, const char *name, enum dns_type type, struct dns_request *ret, struct err *err);
int dns_request_update(const struct dns_key *key, const char *zone, const struct dns_update *u, struct dns_request *ret,
		       struct err *err);
bool dns_request_changes(const struct dns_request *q);

/* ---- answers ---- */

struct dns_answer {
	ldns_pkt *packet;
	unsigned rcode; /* with EDNS' part */
	struct dns_tsig_said tsig;
};

void dns_answer_clear(struct dns_answer *a);
#define CLEANUP_DNS_ANSWER CLEANUP(dns_answer_clear)

/* -EPROTO: it does not count, and nothing is changed. A transfer's messages are read in their order. */
int dns_answer_read(struct dns_request *q, const uint8_t *wire, size_t n, struct dns_answer *ret, struct err *err);
bool dns_answer_is_truncated(const struct dns_answer *a);
/* What the server says of it: 0, or -ESTALE (of an update: a prerequisite does not hold), -EACCES, -EIO, -EPROTO. Of a
 * question that the name is not there counts as an answer. */
int dns_answer_result(const struct dns_request *q, const struct dns_answer *a, struct err *err);
/* The records of `name` in its answer section, of types that enum dns_type has, added. -EPROTO: the server does not speak for that
 * zone. */
int dns_answer_collect(const struct dns_answer *a, const char *name, struct dns_table *to, struct err *err);

/* ---- transfers ---- */

struct dns_transfer {
	const char *zone;
	struct dns_table *to;  /* all records of types that enum dns_type has, but SOA */
	size_t limit, records; /* -EPROTO beyond: a zone of that many records is not for this */
	bool begun;
};

/* 0: that was the last message; 1: there is more; -EPROTO. */
int dns_transfer_push(struct dns_transfer *t, const struct dns_answer *a, struct err *err);

#endif
