/* TSIG (RFC 8945): signs a request and checks what comes back, a transfer's messages in their chain. The digest is put together
 * here and not by ldns, whose own (1.8.3) ends the process by an assertion at messages near 64 KiB, and which can check no transfer
 * in which messages are left unsigned (5.3.1). */
#ifndef DISCOVERY_DNS_TSIG_H
#define DISCOVERY_DNS_TSIG_H

#include "base/err.h"
#include "net/discovery/dns.h"

#include <ldns/ldns.h>
#include <stdbool.h>
#include <stdint.h>

#define DNS_MESSAGE_MAX 65535 /* with its signature */
#define DNS_UNSIGNED_MAX 99   /* messages of a transfer in a row; RFC 8945, 5.3.1 */

struct dns_key {
	char *name;
	uint8_t *secret;
	size_t n;
	enum dns_algorithm algorithm;
};

void dns_key_clear(struct dns_key *k);
void dns_key_copy(struct dns_key *to, const struct dns_key *from); /* `to` is empty */
/* secret: in base64. -EINVAL: it is none, or the name is none. The secret is in no error. */
int dns_key_make(const char *name, const char *secret, enum dns_algorithm algorithm, struct dns_key *ret, struct err *err);

/* One request and its answers. */
struct dns_tsig {
	struct dns_key key;
	void *digest; /* what the next signature is over, so far; NULL: not signed yet */
	unsigned signed_before, unsigned_since;
};

void dns_tsig_clear(struct dns_tsig *t);
/* A new message: *wire (by malloc) with its TSIG behind it. -EPROTO: too long for a message then. */
int dns_tsig_sign(struct dns_tsig *t, uint8_t **wire, size_t *n, struct err *err);

struct dns_tsig_said {
	bool is_signed;
	unsigned error; /* of the TSIG; 0: none */
	int64_t skew;   /* s that the server's clock is ahead, of BADTIME */
};

/* -EPROTO: not signed, or not rightly. Then nothing has changed and another answer may be checked. What is taken without a
 * signature: that the server does not know the key, and (in_transfer) messages behind a transfer's first. */
int dns_tsig_check(struct dns_tsig *t, const ldns_pkt *p, const uint8_t *wire, size_t n, bool in_transfer,
		   struct dns_tsig_said *ret, struct err *err);

enum { TSIG_BADSIG = 16, TSIG_BADKEY = 17, TSIG_BADTIME = 18 }; /* RFC 8945, 3 */

#endif
