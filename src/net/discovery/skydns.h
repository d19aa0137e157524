/* The key layout of SkyDNS, as CoreDNS' etcd plugin reads it, in etcd 3 (its JSON gateway, 3.4 and later).
 *
 * "web" in domain svc.local is <prefix>/local/svc/web/<key> = {"host":"10.20.0.50","port":80,"ttl":10,…}; a second address is a
 * leaf of its own, <key>-6. The reverse record of 10.20.0.50 is <prefix>/arpa/in-addr/10/20/0/50 = {"host":"web.svc.local"}. The
 * mark is two more fields, "heir" and "heir_key", which others do not read. All keys of an entry change in one transaction that
 * compares what was there.
 *
 * In an entry's way is whatever else stands at its own leaves, and a leaf at the service's name, which CoreDNS would no longer
 * answer once there is one below it. Other leaves below the name may be anybody's. A foreign reverse record stays, and so does one
 * of another entry of ours with the same address. Without `reverse` no reverse record is read, nor is one of ours taken away.
 *
 * look() finds an entry where `wanted` is to be, under every other service's name and address under which it was seen or set since
 * the last list, and, where it stood and is at none of these, wherever it is below the domain. set() and unset() refuse as stale
 * what stands at one of these besides. */
#ifndef DISCOVERY_SKYDNS_H
#define DISCOVERY_SKYDNS_H

#include "net/discovery/discovery.h"

#define SKYDNS_PREFIX_MAX 128 /* bytes */

struct skydns_options {
	struct strs urls;                 /* of etcd members, in the order to try */
	const char *prefix;               /* NULL: "/skydns" */
	const char *domain;               /* "svc.local" */
	const char *user, *password_file; /* NULL: no authentication */
	struct http_tls tls;              /* of https URLs */
	unsigned ttl;                     /* s; 0: 10 */
	bool reverse;                     /* keep reverse records */
};

/* Everything is copied. */
int skydns_new(const struct discovery_env *env, const struct skydns_options *options, struct discovery **ret, struct err *err);

#endif
