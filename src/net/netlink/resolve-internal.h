/* The messages of resolve.h, as they are on the wire (RFC 1035). Pure. */
#ifndef NETLINK_RESOLVE_INTERNAL_H
#define NETLINK_RESOLVE_INTERNAL_H

#include "net/netlink/resolve.h"

#include <ldns/ldns.h>
#include <stdint.h>

#define DNS_NAME_MAX 253
#define DNS_HEADER_SIZE 12

struct resolve_query {
	uint16_t id;
	ldns_rr_type type; /* A, AAAA, PTR */
	char name[DNS_NAME_MAX + 1];
	size_t question; /* whose it is */
	bool open;       /* no answer came */
};

/* "50.0.20.10.in-addr.arpa", and the like of IPv6. */
void resolve_reverse_name(const struct ip *address, char name[DNS_NAME_MAX + 1]);

/* The query in *ret, which is to be freed. -EINVAL: its name cannot be asked for. */
int resolve_query_write(const struct resolve_query *query, uint8_t **ret, size_t *ret_n, struct err *err);

/* The ID of a datagram that has the head of an answer; -1: it has not. */
int resolve_answer_id(const uint8_t *data, size_t n);
/* Adds what the message says to `to`. -EBADMSG: it is none, or the answer to another question, and `to` is as it was. */
int resolve_answer_read(const struct resolve_query *query, const uint8_t *data, size_t n, struct resolve_answer *to);

#endif
