/* What goes to etcd's JSON gateway and what comes back: bodies, and strict parsers of the answers. Pure.
 *
 * The gateway is protobuf's JSON: bytes are base64, 64-bit numbers are strings, and what is zero, false or empty is left out
 * (docs/engine-facts.md). */
#ifndef DISCOVERY_ETCD_WIRE_H
#define DISCOVERY_ETCD_WIRE_H

#include "base/buf.h"
#include "base/err.h"
#include "base/strs.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define ETCD_SAID_MAX 320    /* bytes of etcd's own words that go into an error */
#define ETCD_TOKEN_MAX 16384 /* a JWT is longer than a simple token */

struct etcd_kv {
	char *key, *value; /* any bytes, with a NUL behind them */
	size_t key_len, value_len;
	int64_t mod_revision; /* from 1 */
};

struct etcd_kvs {
	struct etcd_kv *v;
	size_t n, cap;
};

void etcd_kvs_clear(struct etcd_kvs *kvs);
/* Hands all of `from` over, behind what `to` holds. */
void etcd_kvs_move(struct etcd_kvs *to, struct etcd_kvs *from);

struct etcd_compare {
	const char *key;
	int64_t mod_revision; /* 0: there must be none */
};

struct etcd_write {
	const char *key;
	const char *value; /* NULL: it is deleted */
};

/* All of `writes`, if every comparison holds; else nothing. A key may be written once. etcd's own limit is 128 of each. */
struct etcd_txn {
	const struct etcd_compare *compares;
	size_t n_compares;
	const struct etcd_write *writes;
	size_t n_writes;
};

/* A page of all keys from `from` to before `end`. revision: as it was then; 0: now. All bodies are owned by the caller. */
char *etcd_range_body(const char *from, size_t from_len, const char *end, size_t limit, int64_t revision);
/* Several keys as they are at one revision. */
char *etcd_get_body(const struct strs *keys);
char *etcd_txn_body(const struct etcd_txn *txn);
/* NULL: one of the two is no UTF-8. */
char *etcd_authenticate_body(const char *user, const char *password);

struct etcd_page {
	struct etcd_kvs kvs;
	int64_t revision; /* of the store */
	bool more;
};

/* -EINVAL: not what etcd answers; nothing is left in *ret then. In a range's page keys ascend, from `from` on, before `end`. */
int etcd_range_parse(const char *text, size_t n, const struct etcd_kv *from, const char *end, struct etcd_page *ret,
		     struct err *err);
/* Those of `keys` that are there, in their order. */
int etcd_get_parse(const char *text, size_t n, const struct strs *keys, struct etcd_page *ret, struct err *err);
int etcd_txn_parse(const char *text, size_t n, bool *ret_succeeded, int64_t *ret_revision, struct err *err);
/* The token is owned: it is a secret. */
int etcd_token_parse(const char *text, size_t n, char **ret, struct err *err);

/* What etcd says instead of an answer. Its codes are gRPC's and say too little: InvalidArgument is a wrong password as well as a
 * missing token. So its words count, which clients have relied on since 3.0. */
enum etcd_error {
	ETCD_ERROR_OTHER,     /* a change may have been done */
	ETCD_ERROR_REFUSED,   /* it cannot be: nothing was changed */
	ETCD_ERROR_TOKEN,     /* the token is no longer good, or there is none: authenticate and ask again. Nothing was changed */
	ETCD_ERROR_DENIED,    /* wrong password, or no permission. Nothing was changed */
	ETCD_ERROR_NO_AUTH,   /* authentication is not enabled: no token is needed */
	ETCD_ERROR_NO_LEADER, /* this member cannot now: nothing was changed */
	ETCD_ERROR_COMPACTED, /* the revision asked for is gone */
	ETCD_ERROR_GARBAGE,   /* not etcd's words */
	ETCD_ERROR_MAX,
};

/* err: "503: etcdserver: no leader". secret: what it was asked with, which is not quoted; NULL: nothing. */
enum etcd_error etcd_error_parse(int status, const char *text, size_t n, const char *secret, struct err *err);

#endif
