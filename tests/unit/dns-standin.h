/* A stand-in DNS server on the test's own loop, UDP and TCP on one port of loopback: a primary that does questions, updates with
 * their prerequisites (RFC 2136, 3.2) and transfers, signed. The test may spoil its answers. Included by the tests that need it. */
#ifndef TESTS_DNS_STANDIN_H
#define TESTS_DNS_STANDIN_H

#include "net/discovery/dns-message.h"

#include "base/buf.h"
#include "standin.h"

#include <gnutls/crypto.h>
#include <gnutls/gnutls.h>
#include <ldns/ldns.h>
#include <time.h>

#define STANDIN_KEY "heir."
#define STANDIN_SECRET "c2VjcmV0IHNlY3JldCBzZWNyZXQgc2VjcmV0IHNlYzE="
#define STANDIN_OTHER_SECRET "b3RoZXIgb3RoZXIgb3RoZXIgb3RoZXIgb3RoZXIgb3Q="

enum spoil {
	SPOIL_NOT,
	SPOIL_RCODE,        /* `rcode`, signed */
	SPOIL_TSIG,         /* NOTAUTH with `tsig_error`; BADTIME signed, the others not */
	SPOIL_TRUNCATED,    /* over UDP */
	SPOIL_GARBAGE,      /* bytes */
	SPOIL_ID,           /* another request's */
	SPOIL_QUESTION,     /* another question's */
	SPOIL_SENDER,       /* the good answer, from another port */
	SPOIL_UNSIGNED,     /* the good answer, without TSIG */
	SPOIL_SIGNATURE,    /* by another secret */
	SPOIL_AUTHORITY,    /* from a cache */
	SPOIL_SILENCE,      /* nothing */
	SPOIL_CUT,          /* over TCP: the half of the (second) message, and closed */
	SPOIL_LOST,         /* it is done, and nothing is said */
	SPOIL_END,          /* of a transfer: closed before its last message, which is left out */
	SPOIL_UNSIGNED_END, /* of a transfer: the last message unsigned */
};

enum spoilt { SPOILT_QUERY = 1, SPOILT_UPDATE = 2, SPOILT_TRANSFER = 4, SPOILT_ALL = 7 };

struct dns_standin;

struct dns_standin_conn {
	uv_tcp_t tcp;
	struct dns_standin *server;
	struct buf in;
	struct dns_standin_conn *prev, *next;
};

struct dns_standin {
	uv_loop_t *loop;
	uv_udp_t udp, stranger;
	uv_tcp_t tcp;
	int port;
	struct dns_table zone; /* of all zones */
	enum spoil spoil;
	enum spoilt spoilt;
	unsigned times; /* how many of them; then all is good */
	bool and_good;  /* the good answer follows the spoilt one */
	unsigned rcode, tsig_error;
	const char *refused_zone; /* for transfers */
	size_t queries, updates, transfers, over_tcp;
	struct dns_standin_conn *conns;
	char room[65536];
	void (*before_update)(struct dns_standin *s); /* as if somebody else were quicker; once */
};

/* ---- records ---- */

static inline char *standin_lower(char *text) {
	for (char *p = text; *p; p++)
		if (*p >= 'A' && *p <= 'Z')
			*p = (char)(*p + 32);
	return text;
}

static inline char *standin_data(const ldns_rr *rr) {
	struct buf b = {0};
	for (size_t i = 0; i < ldns_rr_rd_count(rr); i++) {
		char *part = ldns_rdf2str(ldns_rr_rdf(rr, i));
		buf_printf(&b, "%s%s", i ? " " : "", part);
		free(part);
	}
	return buf_take(&b);
}

static inline ldns_rr *standin_rr(const char *name, enum dns_type type, const char *data) {
	char *text = xasprintf("%s 10 IN %s %s", name, dns_type_name(type), data);
	ldns_rr *rr = NULL;
	assert(ldns_rr_new_frm_str(&rr, text, 0, NULL, NULL) == LDNS_STATUS_OK);
	free(text);
	return rr;
}

static inline ldns_rr *standin_soa(const char *zone) {
	char *text = xasprintf("%s 10 IN SOA ns.%s root.%s 1 2 3 4 5", zone, zone, zone);
	ldns_rr *rr = NULL;
	assert(ldns_rr_new_frm_str(&rr, text, 0, NULL, NULL) == LDNS_STATUS_OK);
	free(text);
	return rr;
}

/* ---- what is asked ---- */

struct standin_call {
	struct dns_standin *server;
	ldns_pkt *query;
	char *name;
	enum dns_type type;
	enum spoil spoil;
	bool tcp;
	struct sockaddr_storage from;
	struct dns_standin_conn *conn;
	ldns_rdf *mac;
	unsigned signed_before;
};

static inline ldns_pkt *standin_reply(const struct standin_call *c, unsigned rcode) {
	ldns_pkt *p = ldns_pkt_new();
	ldns_pkt_set_id(p, ldns_pkt_id(c->query));
	ldns_pkt_set_qr(p, true);
	ldns_pkt_set_aa(p, c->spoil != SPOIL_AUTHORITY);
	ldns_pkt_set_opcode(p, ldns_pkt_get_opcode(c->query));
	ldns_pkt_set_rcode(p, (uint8_t)rcode);
	if (c->spoil == SPOIL_QUESTION) {
		ldns_rr *other = ldns_rr_new();
		ldns_rr_set_owner(other, ldns_dname_new_frm_str("other.example."));
		ldns_rr_set_type(other, (ldns_rr_type)c->type);
		ldns_rr_set_class(other, LDNS_RR_CLASS_IN);
		ldns_rr_set_question(other, true);
		ldns_pkt_push_rr(p, LDNS_SECTION_QUESTION, other);
	} else
		ldns_pkt_push_rr(p, LDNS_SECTION_QUESTION, ldns_rr_clone(ldns_rr_list_rr(ldns_pkt_question(c->query), 0)));
	return p;
}

static inline void standin_push_set(ldns_pkt *p, const struct dns_rrset *set) {
	for (const struct dns_datum *d = set ? set->data : NULL; d; d = d->hh.next)
		ldns_pkt_push_rr(p, LDNS_SECTION_ANSWER, standin_rr(set->name, set->type, d->text));
}

static inline ldns_pkt *standin_query(const struct standin_call *c) {
	ldns_pkt *p = standin_reply(c, LDNS_RCODE_NOERROR);
	const struct dns_rrset *alias = dns_table_find(&c->server->zone, c->name, DNS_CNAME);
	c->server->queries++;
	standin_push_set(p, alias ? alias : dns_table_find(&c->server->zone, c->name, c->type));
	return p;
}

static inline unsigned standin_check(const struct dns_table *zone, const ldns_rr_list *require) {
	struct dns_table wanted = {0};
	unsigned rcode = LDNS_RCODE_NOERROR;

	for (size_t i = 0; i < ldns_rr_list_rr_count(require); i++) {
		const ldns_rr *rr = ldns_rr_list_rr(require, i);
		char *name = standin_lower(ldns_rdf2str(ldns_rr_owner(rr))), *data = standin_data(rr);
		enum dns_type type = (enum dns_type)ldns_rr_get_type(rr);
		if (ldns_rr_get_class(rr) == LDNS_RR_CLASS_IN)
			dns_table_add(&wanted, name, type, data);
		else if (dns_table_find(zone, name, type))
			rcode = LDNS_RCODE_YXRRSET;
		free(name);
		free(data);
	}
	for (const struct dns_rrset *w = wanted.sets; w; w = w->hh.next) {
		const struct dns_rrset *set = dns_table_find(zone, w->name, w->type);
		if (!set || HASH_COUNT(set->data) != HASH_COUNT(w->data))
			rcode = LDNS_RCODE_NXRRSET;
		for (const struct dns_datum *d = w->data; d; d = d->hh.next)
			if (dns_table_count(zone, w->name, w->type, d->text) == 0)
				rcode = LDNS_RCODE_NXRRSET;
	}
	dns_table_clear(&wanted);
	return rcode;
}

static inline void standin_apply(struct dns_table *zone, const ldns_rr_list *change) {
	for (size_t i = 0; i < ldns_rr_list_rr_count(change); i++) {
		const ldns_rr *rr = ldns_rr_list_rr(change, i);
		char *name = standin_lower(ldns_rdf2str(ldns_rr_owner(rr))), *data = standin_data(rr);
		enum dns_type type = (enum dns_type)ldns_rr_get_type(rr);
		bool add = ldns_rr_get_class(rr) == LDNS_RR_CLASS_IN;
		assert(add || ldns_rr_get_class(rr) == LDNS_RR_CLASS_NONE);
		if (add && dns_table_count(zone, name, type, data) == 0)
			dns_table_add(zone, name, type, data);
		else if (!add)
			dns_table_remove(zone, name, type, data);
		free(name);
		free(data);
	}
}

static inline ldns_pkt *standin_update(const struct standin_call *c) {
	struct dns_standin *s = c->server;
	void (*before)(struct dns_standin *) = s->before_update;

	s->before_update = NULL;
	if (before)
		before(s);
	s->updates++;
	unsigned rcode = standin_check(&s->zone, ldns_pkt_answer(c->query));
	if (rcode == LDNS_RCODE_NOERROR)
		standin_apply(&s->zone, ldns_pkt_authority(c->query));
	return standin_reply(c, rcode);
}

/* ---- how it is said ---- */

static inline uint8_t *standin_wire(struct standin_call *c, ldns_pkt *p, size_t *n) {
	const char *secret = c->spoil == SPOIL_SIGNATURE ? STANDIN_OTHER_SECRET : STANDIN_SECRET;
	bool unsigned_last = c->spoil == SPOIL_UNSIGNED_END && c->signed_before > 0;
	uint8_t *wire = NULL;

	if (c->spoil == SPOIL_ID)
		ldns_pkt_set_id(p, (uint16_t)~ldns_pkt_id(p));
	if (c->spoil != SPOIL_UNSIGNED && !unsigned_last)
		assert(ldns_pkt_tsig_sign_next(p, STANDIN_KEY, secret, 300, "hmac-sha256.", c->mac, c->signed_before > 0) ==
		       LDNS_STATUS_OK);
	assert(ldns_pkt2wire(&wire, p, n) == LDNS_STATUS_OK);
	if (ldns_pkt_tsig(p) && c->type == DNS_AXFR) {
		ldns_rdf_deep_free(c->mac);
		c->mac = ldns_rdf_clone(ldns_rr_rdf(ldns_pkt_tsig(p), 3));
		c->signed_before++;
	}
	ldns_pkt_free(p);
	return wire;
}

struct standin_sent {
	union {
		uv_udp_send_t udp;
		uv_write_t tcp;
	} req;
	uv_handle_t *close;
	char data[];
};

static inline void standin_conn_end(uv_handle_t *h) {
	struct dns_standin_conn *conn = h->data;
	buf_clear(&conn->in);
	free(conn);
}

static inline void standin_conn_close(struct dns_standin_conn *conn) {
	if (uv_is_closing((uv_handle_t *)&conn->tcp))
		return;
	DL_DELETE(conn->server->conns, conn);
	uv_close((uv_handle_t *)&conn->tcp, standin_conn_end);
}

static inline void standin_tcp_sent(uv_write_t *req, int status) {
	struct standin_sent *sent = req->data;
	if (sent->close && status == 0)
		standin_conn_close(sent->close->data);
	free(sent);
}

static inline void standin_udp_sent(uv_udp_send_t *req, int status) {
	(void)status;
	free(req->data);
}

static inline void standin_say_tcp(struct dns_standin_conn *conn, const uint8_t *wire, size_t n, size_t cut) {
	struct standin_sent *sent = xcalloc(1, sizeof(*sent) + n + 2);
	uv_buf_t buf = uv_buf_init(sent->data, (unsigned)(n + 2 - cut));

	sent->data[0] = (char)(n >> 8);
	sent->data[1] = (char)n;
	memcpy(sent->data + 2, wire, n);
	sent->req.tcp.data = sent;
	sent->close = cut ? (uv_handle_t *)&conn->tcp : NULL;
	if (uv_is_closing((uv_handle_t *)&conn->tcp) ||
	    uv_write(&sent->req.tcp, (uv_stream_t *)&conn->tcp, &buf, 1, standin_tcp_sent) < 0)
		free(sent);
}

static inline void standin_say(struct standin_call *c, const uint8_t *wire, size_t n, size_t cut) {
	if (c->tcp) {
		standin_say_tcp(c->conn, wire, n, cut);
		return;
	}
	struct standin_sent *sent = xcalloc(1, sizeof(*sent) + n);
	uv_buf_t buf = uv_buf_init(sent->data, (unsigned)n);
	memcpy(sent->data, wire, n);
	sent->req.udp.data = sent;
	uv_udp_t *from = c->spoil == SPOIL_SENDER ? &c->server->stranger : &c->server->udp;
	assert(uv_udp_send(&sent->req.udp, from, &buf, 1, (struct sockaddr *)&c->from, standin_udp_sent) == 0);
}

/* Takes the packet. */
static inline void standin_send(struct standin_call *c, ldns_pkt *p, bool cut) {
	size_t n;
	uint8_t *wire = standin_wire(c, p, &n);
	standin_say(c, wire, n, cut ? n / 2 : 0);
	free(wire);
}

/* ---- transfers: three records in a message ---- */

static inline bool standin_is_in(const char *name, const char *zone) {
	size_t n = strlen(name), m = strlen(zone);
	return n > m && strcmp(name + n - m, zone) == 0;
}

static inline void standin_transfer(struct standin_call *c) {
	struct dns_standin *s = c->server;
	size_t in_message = 1;

	s->transfers++;
	if (s->refused_zone && strcmp(s->refused_zone, c->name) == 0) {
		standin_send(c, standin_reply(c, LDNS_RCODE_REFUSED), false);
		return;
	}
	ldns_pkt *p = standin_reply(c, LDNS_RCODE_NOERROR);
	ldns_pkt_push_rr(p, LDNS_SECTION_ANSWER, standin_soa(c->name));
	for (const struct dns_rrset *set = s->zone.sets; set; set = set->hh.next)
		for (const struct dns_datum *d = set->data; standin_is_in(set->name, c->name) && d; d = d->hh.next) {
			if (in_message++ % 3 == 0) {
				standin_send(c, p, false);
				p = standin_reply(c, LDNS_RCODE_NOERROR);
			}
			ldns_pkt_push_rr(p, LDNS_SECTION_ANSWER, standin_rr(set->name, set->type, d->text));
		}
	if (c->spoil == SPOIL_END) {
		standin_send(c, p, true);
		return;
	}
	ldns_pkt_push_rr(p, LDNS_SECTION_ANSWER, standin_soa(c->name));
	standin_send(c, p, c->spoil == SPOIL_CUT);
}

/* ---- all of it ---- */

/* RFC 8945, 4.3.3, with an error, which ldns cannot sign. */
static inline ldns_rdf *standin_mac(const struct standin_call *c, const uint8_t *unsigned_wire, size_t n, const ldns_rr *tsig) {
	static const uint8_t any_and_ttl[] = {0, 255, 0, 0, 0, 0};
	static const int variables[] = {0, 1, 2, 5, 6};
	uint8_t mac[34] = {0, 32};
	ldns_rdf *secret = NULL;
	gnutls_hmac_hd_t h;

	assert(ldns_str2rdf_b64(&secret, STANDIN_SECRET) == LDNS_STATUS_OK);
	gnutls_hmac_init(&h, GNUTLS_MAC_SHA256, ldns_rdf_data(secret), ldns_rdf_size(secret));
	gnutls_hmac(h, ldns_rdf_data(c->mac), ldns_rdf_size(c->mac));
	gnutls_hmac(h, unsigned_wire, n);
	gnutls_hmac(h, ldns_rdf_data(ldns_rr_owner(tsig)), ldns_rdf_size(ldns_rr_owner(tsig)));
	gnutls_hmac(h, any_and_ttl, sizeof(any_and_ttl));
	for (size_t i = 0; i < sizeof(variables) / sizeof(variables[0]); i++) {
		const ldns_rdf *rdf = ldns_rr_rdf(tsig, (size_t)variables[i]);
		gnutls_hmac(h, ldns_rdf_data(rdf), ldns_rdf_size(rdf));
	}
	gnutls_hmac_deinit(h, mac + 2);
	ldns_rdf_deep_free(secret);
	return ldns_rdf_new_frm_data(LDNS_RDF_TYPE_INT16_DATA, sizeof(mac), mac);
}

/* An hour ahead, where it is BADTIME; that one alone is signed. */
static inline void standin_tsig_error(struct standin_call *c) {
	ldns_pkt *p = standin_reply(c, LDNS_RCODE_NOTAUTH);
	struct dns_standin *s = c->server;
	uint64_t now = (uint64_t)time(NULL) + 3600;
	uint8_t other[8] = {0, 6}, none[2] = {0}, *bare = NULL, *wire = NULL;
	size_t n_bare, n;

	assert(ldns_pkt2wire(&bare, p, &n_bare) == LDNS_STATUS_OK);
	assert(ldns_pkt_tsig_sign(p, STANDIN_KEY, STANDIN_SECRET, 300, "hmac-sha256.", c->mac) == LDNS_STATUS_OK);
	ldns_rr *tsig = ldns_pkt_tsig(p);
	for (size_t i = 0; i < 6; i++)
		other[2 + i] = (uint8_t)(now >> (8 * (5 - i)));
	ldns_rdf_deep_free(ldns_rr_set_rdf(tsig, ldns_native2rdf_int16(LDNS_RDF_TYPE_INT16, (uint16_t)s->tsig_error), 5));
	ldns_rdf_deep_free(ldns_rr_set_rdf(tsig, ldns_rdf_new_frm_data(LDNS_RDF_TYPE_INT16_DATA, sizeof(other), other), 6));
	ldns_rdf *mac = s->tsig_error == TSIG_BADTIME ? standin_mac(c, bare, n_bare, tsig)
						      : ldns_rdf_new_frm_data(LDNS_RDF_TYPE_INT16_DATA, sizeof(none), none);
	ldns_rdf_deep_free(ldns_rr_set_rdf(tsig, mac, 3));
	assert(ldns_pkt2wire(&wire, p, &n) == LDNS_STATUS_OK);
	standin_say(c, wire, n, 0);
	free(bare);
	free(wire);
	ldns_pkt_free(p);
}

static inline void standin_good(struct standin_call *c) {
	if (c->type == DNS_AXFR)
		standin_transfer(c);
	else if (ldns_pkt_get_opcode(c->query) == LDNS_PACKET_UPDATE)
		standin_send(c, standin_update(c), c->spoil == SPOIL_CUT);
	else
		standin_send(c, standin_query(c), c->spoil == SPOIL_CUT);
}

static inline void standin_spoilt(struct standin_call *c) {
	static const uint8_t garbage[] = {0xff, 0x00, 0x80, 0x80, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xc0, 0x0c};
	ldns_pkt *p;

	switch (c->spoil) {
	case SPOIL_RCODE:
		standin_send(c, standin_reply(c, c->server->rcode), false);
		break;
	case SPOIL_TSIG:
		standin_tsig_error(c);
		break;
	case SPOIL_TRUNCATED:
		p = standin_reply(c, LDNS_RCODE_NOERROR);
		ldns_pkt_set_tc(p, !c->tcp);
		standin_send(c, p, false);
		break;
	case SPOIL_GARBAGE:
		standin_say(c, garbage, sizeof(garbage), 0);
		break;
	case SPOIL_LOST:
		ldns_pkt_free(standin_update(c));
		break;
	case SPOIL_SILENCE:
		break;
	default:
		standin_good(c);
	}
}

static inline enum spoilt standin_kind(const struct standin_call *c) {
	if (c->type == DNS_AXFR)
		return SPOILT_TRANSFER;
	return ldns_pkt_get_opcode(c->query) == LDNS_PACKET_UPDATE ? SPOILT_UPDATE : SPOILT_QUERY;
}

static inline void standin_take(struct standin_call *c, const char *wire, size_t n) {
	struct dns_standin *s = c->server;

	assert(ldns_wire2pkt(&c->query, (const uint8_t *)wire, n) == LDNS_STATUS_OK);
	assert(ldns_pkt_tsig_verify(c->query, (const uint8_t *)wire, n, STANDIN_KEY, STANDIN_SECRET, NULL));
	assert(c->tcp || n <= DNS_UDP_MAX);
	const ldns_rr *question = ldns_rr_list_rr(ldns_pkt_question(c->query), 0);
	c->name = standin_lower(ldns_rdf2str(ldns_rr_owner(question)));
	c->type = (enum dns_type)ldns_rr_get_type(question);
	c->mac = ldns_rdf_clone(ldns_rr_rdf(ldns_pkt_tsig(c->query), 3));
	s->over_tcp += c->tcp;
	if (s->times > 0 && (s->spoilt & standin_kind(c)) && !(c->tcp && s->spoil == SPOIL_TRUNCATED)) {
		s->times--;
		c->spoil = s->spoil;
		standin_spoilt(c);
		c->spoil = SPOIL_NOT;
		if (s->and_good)
			standin_good(c);
	} else
		standin_good(c);
	ldns_rdf_deep_free(c->mac);
	free(c->name);
	ldns_pkt_free(c->query);
}

static inline void standin_room(uv_handle_t *h, size_t n, uv_buf_t *buf) {
	struct dns_standin *s = h->type == UV_UDP ? h->data : ((struct dns_standin_conn *)h->data)->server;
	(void)n;
	*buf = uv_buf_init(s->room, sizeof(s->room));
}

static inline void standin_datagram(uv_udp_t *udp, ssize_t n, const uv_buf_t *buf, const struct sockaddr *from, unsigned flags) {
	struct standin_call c = {.server = udp->data};
	(void)flags;
	if (n <= 0 || !from)
		return;
	memcpy(&c.from, from, sizeof(struct sockaddr_in));
	standin_take(&c, buf->base, (size_t)n);
}

static inline void standin_bytes(uv_stream_t *stream, ssize_t n, const uv_buf_t *buf) {
	struct dns_standin_conn *conn = stream->data;
	if (n < 0) {
		standin_conn_close(conn);
		return;
	}
	buf_append(&conn->in, buf->base, (size_t)n);
	const uint8_t *in = (const uint8_t *)conn->in.data;
	size_t size = conn->in.len >= 2 ? (size_t)in[0] << 8 | in[1] : SIZE_MAX - 2;
	if (conn->in.len < size + 2)
		return;
	struct standin_call c = {.server = conn->server, .conn = conn, .tcp = true};
	standin_take(&c, conn->in.data + 2, size);
	buf_consume(&conn->in, size + 2);
}

static inline void standin_tcp_accept(uv_stream_t *listener, int status) {
	struct dns_standin *s = listener->data;
	struct dns_standin_conn *conn = xnew(struct dns_standin_conn);
	assert(status == 0);
	conn->server = s;
	uv_tcp_init(s->loop, &conn->tcp);
	conn->tcp.data = conn;
	DL_APPEND(s->conns, conn);
	assert(uv_accept(listener, (uv_stream_t *)&conn->tcp) == 0);
	uv_read_start((uv_stream_t *)&conn->tcp, standin_room, standin_bytes);
}

static inline void dns_standin_listen(struct dns_standin *s, uv_loop_t *loop) {
	struct sockaddr_in any = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	struct sockaddr_in other = any;
	int n = sizeof(any);

	s->loop = loop;
	uv_tcp_init(loop, &s->tcp);
	uv_udp_init(loop, &s->udp);
	uv_udp_init(loop, &s->stranger);
	s->tcp.data = s->udp.data = s->stranger.data = s;
	assert(uv_tcp_bind(&s->tcp, (struct sockaddr *)&any, 0) == 0);
	assert(uv_tcp_getsockname(&s->tcp, (struct sockaddr *)&any, &n) == 0);
	s->port = ntohs(any.sin_port);
	assert(uv_listen((uv_stream_t *)&s->tcp, 16, standin_tcp_accept) == 0);
	assert(uv_udp_bind(&s->udp, (struct sockaddr *)&any, 0) == 0);
	assert(uv_udp_bind(&s->stranger, (struct sockaddr *)&other, 0) == 0);
	assert(uv_udp_recv_start(&s->udp, standin_room, standin_datagram) == 0);
}

/* From now on nobody listens there. */
static inline void dns_standin_close_tcp(struct dns_standin *s) {
	if (!uv_is_closing((uv_handle_t *)&s->tcp))
		uv_close((uv_handle_t *)&s->tcp, NULL);
}

static inline void dns_standin_stop(struct dns_standin *s) {
	while (s->conns)
		standin_conn_close(s->conns);
	dns_standin_close_tcp(s);
	uv_close((uv_handle_t *)&s->udp, NULL);
	uv_close((uv_handle_t *)&s->stranger, NULL);
	dns_table_clear(&s->zone);
}

#endif
