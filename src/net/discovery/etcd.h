/* A client of etcd 3 by its JSON gateway (3.4 and later): ranges, transactions, authentication.
 *
 * Contract. No callback runs inside the call that asked; each runs exactly once, unless the call or the client is freed before:
 * that cancels it and no callback follows, and it is allowed anywhere, in a callback too. The caller bounds what is outstanding.
 *
 * Members are asked in order, from the one that answered last. A question goes on to the next one when a member fails in any way, a
 * transaction only when nothing of it can have been done. Where there is a user, the token is got before the first call and again
 * when etcd does not know it any more, once for all calls that wait for it; the password is read from its file each time.
 *
 * Results, with err "10.0.0.1:2379: 403: etcdserver: permission denied" (never a secret):
 *
 *   -ESTALE    a comparison of the transaction does not hold: nothing was changed
 *   -EACCES    wrong password, no permission, or no password to be had: nothing was changed
 *   -EREMOTEIO refused by etcd, which says why: nothing was changed
 *   -ENOTCONN  no member took it: nothing was changed
 *   -EPROTO    the answer cannot be understood; of a transaction: the outcome is not known
 *   -ETIMEDOUT, -EIO  the outcome is not known */
#ifndef DISCOVERY_ETCD_H
#define DISCOVERY_ETCD_H

#include "net/discovery/etcd-wire.h"

#include "base/mono.h"
#include "http/client.h"

#define ETCD_KEYS_MAX ((size_t)1 << 18) /* of one range */

struct etcd;
struct etcd_call;

struct etcd_options {
	struct strs urls;                 /* "http://host:port", "https://host:port"; at least one */
	const char *user, *password_file; /* both or none */
	struct http_tls tls;              /* of https URLs */
};

struct etcd_answer {
	int result;
	struct etcd_kvs kvs; /* of a range or get; the callback may take them by etcd_kvs_move */
	int64_t revision;    /* of the store then; of what a transaction wrote */
	struct err err;      /* where result is negative */
};

typedef void etcd_done_fn(void *ctx, struct etcd_answer *answer);

/* A page of a range, which it may take by etcd_kvs_move. NULL: what was given before counts no more, the range begins again. It
 * frees neither the call nor the client. */
typedef void etcd_page_fn(void *ctx, struct etcd_kvs *kvs);

struct etcd_cb {
	etcd_done_fn *fn;
	etcd_page_fn *page; /* of a range; NULL: all of it is collected in the answer */
	void *ctx;
	struct mono deadline; /* of everything, authentication too */
};

/* Everything is copied but for the HTTP client, which must outlive it. -EINVAL: a URL is none, half of the credentials is missing.
 */
int etcd_new(struct http_client *http, const struct etcd_options *options, struct etcd **ret, struct err *err);
void etcd_free(struct etcd *e);

/* All keys from `from` to before `end`, ascending, as they were at one revision; page by page of `page` keys (0: 512). */
struct etcd_call *etcd_range(struct etcd *e, const char *from, const char *end, size_t page, struct etcd_cb cb);
/* Those of `keys` (at most 128) that are there, at one revision. */
struct etcd_call *etcd_get(struct etcd *e, const struct strs *keys, struct etcd_cb cb);
struct etcd_call *etcd_txn(struct etcd *e, const struct etcd_txn *txn, struct etcd_cb cb);
/* Asks nobody and ends with this error: for one who owes a callback and finds out beforehand. */
struct etcd_call *etcd_fail(struct etcd *e, const struct err *err, struct etcd_cb cb);
void etcd_call_free(struct etcd_call *call); /* NULL is fine */

#endif
