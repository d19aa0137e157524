/* See dns-tsig.h. */
#include "net/discovery/dns-tsig.h"

#include "base/alloc.h"
#include "base/buf.h"
#include "net/discovery/dns-record.h"

#include <assert.h>
#include <errno.h>
#include <gnutls/crypto.h>
#include <gnutls/gnutls.h>
#include <string.h>
#include <time.h>

#define FUDGE 300 /* s; RFC 8945, 10 */
#define HEADER ((size_t)12)
#define ARCOUNT 10
#define TYPE_TSIG 250
#define CLASS_ANY 255
#define MAC_MAX 64

static const struct {
	const char *name;
	gnutls_mac_algorithm_t mac;
	size_t size;
} algorithms[] = {
	[DNS_HMAC_SHA256] = {"hmac-sha256.", GNUTLS_MAC_SHA256, 32},
	[DNS_HMAC_SHA512] = {"hmac-sha512.", GNUTLS_MAC_SHA512, 64},
};
static_assert(sizeof(algorithms) / sizeof(algorithms[0]) == DNS_ALGORITHM_MAX, "one for each");

/* Where RFC 8945, 4.2 has them in a TSIG. */
enum { RDF_ALGORITHM, RDF_TIME, RDF_FUDGE, RDF_MAC, RDF_ID, RDF_ERROR, RDF_OTHER, RDF_MAX };

/* ---- key ---- */

void dns_key_clear(struct dns_key *k) {
	if (k->secret)
		explicit_bzero(k->secret, k->n);
	free(k->secret);
	free(k->name);
	*k = (struct dns_key){0};
}

void dns_key_copy(struct dns_key *to, const struct dns_key *from) {
	*to = (struct dns_key){.name = xstrdup(from->name), .secret = xmalloc(from->n), .n = from->n, .algorithm = from->algorithm};
	memcpy(to->secret, from->secret, from->n);
}

int dns_key_make(const char *name, const char *secret, enum dns_algorithm algorithm, struct dns_key *ret, struct err *err) {
	char *absolute CLEANUP_FREE = dns_name(name);
	ldns_rdf *bytes = NULL;

	if (!absolute)
		return err_set(err, -EINVAL, "a key's name is a name as in DNS");
	if (ldns_str2rdf_b64(&bytes, secret) != LDNS_STATUS_OK || ldns_rdf_size(bytes) == 0) {
		ldns_rdf_deep_free(bytes);
		return err_set(err, -EINVAL, "the file of key %s holds no base64", absolute);
	}
	struct dns_key from = {.name = absolute, .secret = ldns_rdf_data(bytes), .n = ldns_rdf_size(bytes), .algorithm = algorithm};
	dns_key_copy(ret, &from);
	explicit_bzero(ldns_rdf_data(bytes), ldns_rdf_size(bytes));
	ldns_rdf_deep_free(bytes);
	return 0;
}

/* ---- digest ---- */

static void put_number(struct buf *b, uint64_t number, unsigned size) {
	for (unsigned i = size; i-- > 0;) {
		uint8_t byte = (uint8_t)(number >> (8 * i));
		buf_append(b, &byte, 1);
	}
}

static void put_name(struct buf *b, const char *name) {
	ldns_rdf *rdf = ldns_dname_new_frm_str(name);

	assert(rdf); /* checked when the key was made */
	ldns_dname2canonical(rdf);
	buf_append(b, ldns_rdf_data(rdf), ldns_rdf_size(rdf));
	ldns_rdf_deep_free(rdf);
}

static gnutls_hmac_hd_t begin(const struct dns_key *key) {
	gnutls_hmac_hd_t h;
	int r = gnutls_hmac_init(&h, algorithms[key->algorithm].mac, key->secret, key->n);

	assert(r == 0);
	return h;
}

static void feed(gnutls_hmac_hd_t h, const void *data, size_t n) {
	int r = n ? gnutls_hmac(h, data, n) : 0;

	assert(r == 0);
}

/* Everything of the TSIG that is signed (4.3.3). Behind a transfer's first message only the time is. */
static void feed_variables(gnutls_hmac_hd_t h, const struct dns_tsig *t, const struct buf *time, const struct buf *rest) {
	struct buf b CLEANUP_BUF = {0};

	if (t->signed_before <= 1) {
		put_name(&b, t->key.name);
		put_number(&b, CLASS_ANY, 2);
		put_number(&b, 0, 4);
		put_name(&b, algorithms[t->key.algorithm].name);
	}
	buf_append(&b, time->data, time->len);
	if (t->signed_before <= 1)
		buf_append(&b, rest->data, rest->len);
	feed(h, b.data, b.len);
}

/* The next signature is over this one. */
static void chain(struct dns_tsig *t, const uint8_t *mac, size_t n) {
	uint8_t size[2] = {(uint8_t)(n >> 8), (uint8_t)n};
	gnutls_hmac_hd_t h = begin(&t->key);

	if (t->digest)
		gnutls_hmac_deinit(t->digest, NULL);
	feed(h, size, sizeof(size));
	feed(h, mac, n);
	t->digest = h;
	t->signed_before++;
	t->unsigned_since = 0;
}

void dns_tsig_clear(struct dns_tsig *t) {
	if (t->digest)
		gnutls_hmac_deinit(t->digest, NULL);
	dns_key_clear(&t->key);
	*t = (struct dns_tsig){0};
}

/* ---- signing ---- */

static void put_tsig(struct buf *b, const struct dns_tsig *t, const struct buf *time, const uint8_t *mac, const uint8_t *id) {
	struct buf data CLEANUP_BUF = {0};
	size_t size = algorithms[t->key.algorithm].size;

	put_name(&data, algorithms[t->key.algorithm].name);
	buf_append(&data, time->data, time->len);
	put_number(&data, size, 2);
	buf_append(&data, mac, size);
	buf_append(&data, id, 2);
	put_number(&data, 0, 4); /* no error, nothing else */
	put_name(b, t->key.name);
	put_number(b, TYPE_TSIG, 2);
	put_number(b, CLASS_ANY, 2);
	put_number(b, 0, 4);
	put_number(b, data.len, 2);
	buf_append(b, data.data, data.len);
}

int dns_tsig_sign(struct dns_tsig *t, uint8_t **wire, size_t *n, struct err *err) {
	struct buf b = {0}, now CLEANUP_BUF = {0}, rest CLEANUP_BUF = {0};
	gnutls_hmac_hd_t h = begin(&t->key);
	uint8_t mac[MAC_MAX];

	put_number(&now, (uint64_t)time(NULL), 6);
	put_number(&now, FUDGE, 2);
	put_number(&rest, 0, 4);
	feed(h, *wire, *n);
	feed_variables(h, t, &now, &rest);
	gnutls_hmac_deinit(h, mac);
	buf_append(&b, *wire, *n);
	put_tsig(&b, t, &now, mac, *wire);
	if (b.len > DNS_MESSAGE_MAX) {
		int r = err_set(err, -EPROTO, "a message of %zu bytes is more than DNS can carry: too many instances", b.len);
		buf_clear(&b);
		return r;
	}
	chain(t, mac, algorithms[t->key.algorithm].size);
	*n = b.len;
	free(*wire);
	*wire = (uint8_t *)buf_take(&b);
	(*wire)[ARCOUNT + 1]++; /* ours have fewer than 255 */
	return 0;
}

/* ---- checking ---- */

static size_t number16(const uint8_t *at) { return (size_t)at[0] << 8 | at[1]; }

/* Behind the name at `at`; n: it goes beyond the end. */
static size_t skip_name(const uint8_t *wire, size_t n, size_t at) {
	while (at < n && wire[at] != 0) {
		if (wire[at] >= 0xc0)
			return at + 2 <= n ? at + 2 : n;
		at += (size_t)wire[at] + 1;
	}
	return at < n ? at + 1 : n;
}

/* Where the last record begins; 0: nowhere. The message is known to parse. */
static size_t last_record(const uint8_t *wire, size_t n) {
	size_t questions = number16(wire + 4), at = HEADER;
	size_t records = number16(wire + 6) + number16(wire + 8) + number16(wire + ARCOUNT);

	for (size_t i = 0; i < questions && at < n; i++)
		at = skip_name(wire, n, at) + 4;
	for (size_t i = 0; i + 1 < records && at < n; i++) {
		at = skip_name(wire, n, at);
		at = at + 10 <= n ? at + 10 + number16(wire + at + 8) : n;
	}
	return records > 0 && number16(wire + ARCOUNT) > 0 && at < n ? at : 0;
}

static bool is_dname(const ldns_rdf *rdf, const char *text) {
	ldns_rdf *other = ldns_dname_new_frm_str(text);
	bool same = rdf && other && ldns_dname_compare(rdf, other) == 0;

	ldns_rdf_deep_free(other);
	return same;
}

/* An unsigned number of `size` bytes at `at` of a field. */
static uint64_t number_at(const ldns_rdf *rdf, size_t at, size_t size) {
	const uint8_t *bytes = ldns_rdf_data(rdf);
	uint64_t number = 0;

	if (ldns_rdf_size(rdf) < at + size)
		return 0;
	for (size_t i = 0; i < size; i++)
		number = number << 8 | bytes[at + i];
	return number;
}

static void put_rdf(struct buf *b, const ldns_rdf *rdf) { buf_append(b, ldns_rdf_data(rdf), ldns_rdf_size(rdf)); }

/* As it was before it was signed: with the ID that it had then, and one record less. */
static void feed_message(gnutls_hmac_hd_t h, const uint8_t *wire, size_t size, const ldns_rdf *id) {
	uint8_t header[HEADER];
	size_t additional = number16(wire + ARCOUNT) - 1;

	memcpy(header, wire, HEADER);
	header[0] = (uint8_t)(number_at(id, 0, 2) >> 8);
	header[1] = (uint8_t)number_at(id, 0, 2);
	header[ARCOUNT] = (uint8_t)(additional >> 8);
	header[ARCOUNT + 1] = (uint8_t)additional;
	feed(h, header, HEADER);
	feed(h, wire + HEADER, size - HEADER);
}

/* A MAC that is cut short is not taken. */
static bool is_mac_right(const struct dns_tsig *t, const ldns_rr *rr, const uint8_t *wire, size_t size) {
	struct buf time CLEANUP_BUF = {0}, rest CLEANUP_BUF = {0};
	const ldns_rdf *said = ldns_rr_rdf(rr, RDF_MAC);
	size_t mac_size = algorithms[t->key.algorithm].size;
	gnutls_hmac_hd_t h = gnutls_hmac_copy(t->digest);
	uint8_t mac[MAC_MAX];

	assert(h);
	put_rdf(&time, ldns_rr_rdf(rr, RDF_TIME));
	put_rdf(&time, ldns_rr_rdf(rr, RDF_FUDGE));
	put_rdf(&rest, ldns_rr_rdf(rr, RDF_ERROR));
	put_rdf(&rest, ldns_rr_rdf(rr, RDF_OTHER));
	feed_message(h, wire, size, ldns_rr_rdf(rr, RDF_ID));
	feed_variables(h, t, &time, &rest);
	gnutls_hmac_deinit(h, mac);
	return ldns_rdf_size(said) == mac_size + 2 && gnutls_memcmp(ldns_rdf_data(said) + 2, mac, mac_size) == 0;
}

static int check_time(const ldns_rr *rr, unsigned error, struct err *err) {
	int64_t off = (int64_t)number_at(ldns_rr_rdf(rr, RDF_TIME), 0, 6) - (int64_t)time(NULL);

	if (error != TSIG_BADTIME && (off < 0 ? -off : off) > (int64_t)number_at(ldns_rr_rdf(rr, RDF_FUDGE), 0, 2))
		return err_set(err, -EPROTO, "its answer is signed for another time, %lld s off: the clocks differ",
			       (long long)off);
	return 0;
}

static int check_unsigned(struct dns_tsig *t, const uint8_t *wire, size_t n, bool in_transfer, struct err *err) {
	if (!in_transfer || t->signed_before < 2 || t->unsigned_since >= DNS_UNSIGNED_MAX)
		return err_set(err, -EPROTO, "its answer is not signed");
	t->unsigned_since++;
	feed(t->digest, wire, n);
	return 0;
}

/* A server that does not know the key has nothing to sign with (5.3.2). All that this can do is to deny. */
static bool is_unsigned_refusal(const ldns_pkt *p, unsigned error) {
	return ldns_pkt_get_rcode(p) == LDNS_RCODE_NOTAUTH && (error == TSIG_BADSIG || error == TSIG_BADKEY);
}

int dns_tsig_check(struct dns_tsig *t, const ldns_pkt *p, const uint8_t *wire, size_t n, bool in_transfer,
		   struct dns_tsig_said *ret, struct err *err) {
	const ldns_rr *rr = ldns_pkt_tsig(p);
	struct dns_tsig_said said = {.is_signed = rr != NULL};
	size_t at = rr ? last_record(wire, n) : 0;

	*ret = said;
	if (!rr)
		return check_unsigned(t, wire, n, in_transfer, err);
	if (ldns_rr_rd_count(rr) < RDF_MAX || at == 0)
		return err_set(err, -EPROTO, "its answer's signature is none");
	said.error = (unsigned)number_at(ldns_rr_rdf(rr, RDF_ERROR), 0, 2);
	if (said.error == TSIG_BADTIME)
		said.skew = (int64_t)number_at(ldns_rr_rdf(rr, RDF_OTHER), 2, 6) - (int64_t)time(NULL);
	*ret = said;
	if (is_unsigned_refusal(p, said.error))
		return 0;
	if (!is_dname(ldns_rr_rdf(rr, RDF_ALGORITHM), algorithms[t->key.algorithm].name) ||
	    !is_dname(ldns_rr_owner(rr), t->key.name) || !is_mac_right(t, rr, wire, at))
		return err_set(err, -EPROTO, "its answer's signature is wrong");
	int r = check_time(rr, said.error, err);
	if (r == 0 && in_transfer)
		chain(t, ldns_rdf_data(ldns_rr_rdf(rr, RDF_MAC)) + 2, algorithms[t->key.algorithm].size);
	return r;
}
