/* A DNS zone by dynamic update (RFC 2136) with TSIG (RFC 8945), through ldns' packets on sockets of our own.
 *
 * An entry of service "web" with key K in zone example. is
 *
 *   web.example.            A, AAAA     one for each instance of the service
 *   K.web.example.          A, AAAA     this instance
 *   _web._tcp.example.      SRV         0 0 <port> K.web.example., where a port is known
 *   K._heir.example.        TXT         the whole entry (discovery_entry_encode): whose it is, and what compare-and-set compares
 *   50.0.20.10.in-addr.arpa. PTR        web.example., in its own zone and update, where that zone is configured
 *
 * Every update has prerequisites: the TXT as it was (or none), and that the service's name holds nothing but what our own entries
 * put there. So a foreign record is never overwritten or joined. A reverse record that is foreign is left, with a warning.
 *
 * Where the zone cannot be transferred, only entries that are wanted are found, and a list says so once, as a warning. BIND 9.18
 * holds at most a hundred addresses of one name (max-records-per-type) and answers SERVFAIL to more. */
#ifndef DISCOVERY_DNS_H
#define DISCOVERY_DNS_H

#include "net/discovery/discovery.h"

enum dns_algorithm { DNS_HMAC_SHA256, DNS_HMAC_SHA512, DNS_ALGORITHM_MAX };

struct dns_options {
	const char *server;              /* "host:port" of the zones' primary, numeric or a name */
	const char *zone;                /* "svc.example." */
	struct strs reverse;             /* zones for PTR: "20.10.in-addr.arpa."; may be empty */
	const char *key_name, *key_file; /* TSIG; the file holds the key in base64 */
	enum dns_algorithm algorithm;
	unsigned ttl; /* s; 0: 10 */
};

/* Everything is copied. */
int dns_new(const struct discovery_env *env, const struct dns_options *options, struct discovery **ret, struct err *err);

#endif
