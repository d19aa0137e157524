/* Answers: whether they count, what they say, and their records. See dns-message.h. */
#include "net/discovery/dns-message.h"

#include "base/alloc.h"
#include "base/buf.h"

#include <ctype.h>
#include <errno.h>
#include <string.h>

#define HEADER ((size_t)12)

void dns_answer_clear(struct dns_answer *a) {
	ldns_pkt_free(a->packet);
	*a = (struct dns_answer){0};
}

/* ---- is it an answer to this? ---- */

static bool is_dname(const ldns_rdf *rdf, const char *text) {
	ldns_rdf *other = ldns_dname_new_frm_str(text);
	bool same = rdf && other && ldns_dname_compare(rdf, other) == 0;

	ldns_rdf_deep_free(other);
	return same;
}

/* Servers may leave the question out: of updates (RFC 2136, 3.8), of errors, and behind a transfer's first message. */
static bool is_question(const struct dns_request *q, const ldns_pkt *p) {
	const ldns_rr_list *list = ldns_pkt_question(p);
	size_t n = list ? ldns_rr_list_rr_count(list) : 0;

	if (n == 0)
		return dns_request_changes(q) || ldns_pkt_get_rcode(p) != LDNS_RCODE_NOERROR || q->answers > 0;
	const ldns_rr *rr = ldns_rr_list_rr(list, 0);
	return n == 1 && ldns_rr_get_type(rr) == (ldns_rr_type)q->type && ldns_rr_get_class(rr) == LDNS_RR_CLASS_IN &&
	       is_dname(ldns_rr_owner(rr), q->name);
}

static int check_header(const struct dns_request *q, const ldns_pkt *p, struct err *err) {
	if (!ldns_pkt_qr(p) || ldns_pkt_id(p) != q->id || ldns_pkt_get_opcode(p) != q->opcode)
		return err_set(err, -EPROTO, "an answer to something else");
	if (!is_question(q, p))
		return err_set(err, -EPROTO, "an answer to another question");
	return 0;
}

int dns_answer_read(struct dns_request *q, const uint8_t *wire, size_t n, struct dns_answer *ret, struct err *err) {
	struct dns_answer a CLEANUP_DNS_ANSWER = {0};

	if (n < HEADER || ldns_wire2pkt(&a.packet, wire, n) != LDNS_STATUS_OK)
		return err_set(err, -EPROTO, "an answer that is no DNS message");
	int r = check_header(q, a.packet, err);
	if (r == 0)
		r = dns_tsig_check(&q->tsig, a.packet, wire, n, q->type == DNS_AXFR, &a.tsig, err);
	if (r < 0)
		return r;
	q->answers++;
	a.rcode = (unsigned)ldns_pkt_get_rcode(a.packet);
	if (ldns_pkt_edns(a.packet))
		a.rcode |= (unsigned)ldns_pkt_edns_extended_rcode(a.packet) << 4U;
	*ret = a;
	a.packet = NULL;
	return 0;
}

bool dns_answer_is_truncated(const struct dns_answer *a) { return ldns_pkt_tc(a->packet); }

/* ---- what it says ---- */

static int refused_signature(const struct dns_request *q, const struct dns_answer *a, struct err *err) {
	switch (a->tsig.error) {
	case TSIG_BADKEY:
		return err_set(err, -EACCES, "it does not know key %s with this algorithm (BADKEY)", q->tsig.key.name);
	case TSIG_BADTIME:
		return err_set(err, -EACCES, "its clock is %lld s %s ours, which is too much for signatures (BADTIME)",
			       (long long)(a->tsig.skew < 0 ? -a->tsig.skew : a->tsig.skew),
			       a->tsig.skew < 0 ? "behind" : "ahead of");
	case TSIG_BADSIG:
		return err_set(err, -EACCES, "it has another secret for key %s (BADSIG)", q->tsig.key.name);
	default:
		return err_set(err, -EACCES, "it does not accept key %s (error %u)", q->tsig.key.name, a->tsig.error);
	}
}

static const struct {
	unsigned rcode;
	int code;
	const char *text;
} of_all[] =
	{
		{LDNS_RCODE_SERVFAIL, -EIO, "it failed (SERVFAIL)"},
		{LDNS_RCODE_REFUSED, -EACCES, "it refuses (REFUSED)"},
		{LDNS_RCODE_NOTAUTH, -EPROTO, "it is not the zone's server (NOTAUTH)"},
		{LDNS_RCODE_NOTIMPL, -EPROTO, "it cannot do that (NOTIMP)"},
		{LDNS_RCODE_FORMERR, -EPROTO, "it does not understand (FORMERR)"},
},
  of_updates[] = {
	  {LDNS_RCODE_YXDOMAIN, -ESTALE, "it is not as it was (YXDOMAIN)"},
	  {LDNS_RCODE_NXDOMAIN, -ESTALE, "it is not as it was (NXDOMAIN)"},
	  {LDNS_RCODE_YXRRSET, -ESTALE, "it is not as it was (YXRRSET)"},
	  {LDNS_RCODE_NXRRSET, -ESTALE, "it is not as it was (NXRRSET)"},
	  {LDNS_RCODE_NOTZONE, -EPROTO, "that is not in this zone (NOTZONE)"},
};

int dns_answer_result(const struct dns_request *q, const struct dns_answer *a, struct err *err) {
	bool changes = dns_request_changes(q);

	if (a->tsig.error)
		return refused_signature(q, a, err);
	if (a->rcode == LDNS_RCODE_NOERROR || (a->rcode == LDNS_RCODE_NXDOMAIN && !changes))
		return 0;
	for (size_t i = 0; i < sizeof(of_all) / sizeof(of_all[0]); i++)
		if (of_all[i].rcode == a->rcode)
			return err_set(err, of_all[i].code, "%s: %s", q->name, of_all[i].text);
	for (size_t i = 0; changes && i < sizeof(of_updates) / sizeof(of_updates[0]); i++)
		if (of_updates[i].rcode == a->rcode)
			return err_set(err, of_updates[i].code, "%s: %s", q->name, of_updates[i].text);
	return err_set(err, -EPROTO, "%s: it answers with code %u", q->name, a->rcode);
}

/* ---- records ---- */

static bool is_kept(ldns_rr_type type) {
	return type == (ldns_rr_type)DNS_A || type == (ldns_rr_type)DNS_AAAA || type == (ldns_rr_type)DNS_CNAME ||
	       type == (ldns_rr_type)DNS_PTR || type == (ldns_rr_type)DNS_TXT || type == (ldns_rr_type)DNS_SRV;
}

static void lower(char *text) {
	for (; text && *text; text++)
		*text = (char)tolower((unsigned char)*text);
}

static bool is_plain(const uint8_t *text, size_t n, const char *more) {
	for (size_t i = 0; i < n; i++)
		if (text[i] >= 0x80 || !(isalnum(text[i]) || (text[i] && strchr(more, text[i]))))
			return false;
	return true;
}

/* Of an rdf, which has labels of their own lengths and no pointers: ldns has unfolded them. */
static bool put_plain_name(struct buf *b, const uint8_t *wire, size_t n) {
	size_t before = b->len, at = 0;

	while (at + 1 < n && wire[at] > 0 && wire[at] < n - at && is_plain(wire + at + 1, wire[at], "-_")) {
		buf_append(b, wire + at + 1, wire[at]);
		buf_puts(b, ".");
		at += wire[at] + 1U;
	}
	if (at > 0 && at + 1 == n && wire[at] == 0)
		return true;
	b->len = before;
	return false;
}

static bool put_plain_string(struct buf *b, const uint8_t *wire, size_t n) {
	if (n == 0 || wire[0] != n - 1 || !is_plain(wire + 1, n - 1, " !#$%&'()*+,-./:;<=>?@[]^_`{|}~"))
		return false;
	buf_puts(b, "\"");
	buf_append(b, wire + 1, n - 1);
	buf_puts(b, "\"");
	return true;
}

/* As a zone file has it; ldns escapes what cannot be printed. It prints character by character: what has nothing to escape, nearly
 * everything of a large zone, is copied. */
static bool put_text(struct buf *b, const ldns_rdf *rdf) {
	ldns_rdf_type type = ldns_rdf_get_type(rdf);

	if (type == LDNS_RDF_TYPE_DNAME && put_plain_name(b, ldns_rdf_data(rdf), ldns_rdf_size(rdf)))
		return true;
	if (type == LDNS_RDF_TYPE_STR && put_plain_string(b, ldns_rdf_data(rdf), ldns_rdf_size(rdf)))
		return true;
	char *text = ldns_rdf2str(rdf);
	buf_puts(b, text ? text : "");
	bool good = text != NULL;
	LDNS_FREE(text);
	return good;
}

/* Owned. */
static char *data_text(const ldns_rr *rr) {
	struct buf b = {0};

	for (size_t i = 0; i < ldns_rr_rd_count(rr); i++) {
		buf_puts(&b, i ? " " : "");
		(void)put_text(&b, ldns_rr_rdf(rr, i)); /* what cannot be read is told by there being nothing */
	}
	char *text = buf_take(&b);
	if (ldns_rr_get_type(rr) != LDNS_RR_TYPE_TXT)
		lower(text);
	return text;
}

static bool keep(const ldns_rr *rr, const char *only, struct dns_table *to) {
	if (ldns_rr_get_class(rr) != LDNS_RR_CLASS_IN || !is_kept(ldns_rr_get_type(rr)))
		return true;
	struct buf owner = {0};
	bool good = put_text(&owner, ldns_rr_owner(rr));
	char *name CLEANUP_FREE = buf_take(&owner), *data CLEANUP_FREE = data_text(rr);
	lower(name);
	good &= *data != '\0';
	if (good && (!only || strcmp(only, name) == 0))
		dns_table_add(to, name, (enum dns_type)ldns_rr_get_type(rr), data);
	return good;
}

int dns_answer_collect(const struct dns_answer *a, const char *name, struct dns_table *to, struct err *err) {
	const ldns_rr_list *list = ldns_pkt_answer(a->packet);

	if (!ldns_pkt_aa(a->packet))
		return err_set(err, -EPROTO, "%s: it is not the server of that name's zone", name);
	for (size_t i = 0; list && i < ldns_rr_list_rr_count(list); i++)
		if (!keep(ldns_rr_list_rr(list, i), name, to))
			return err_set(err, -EPROTO, "%s: a record that cannot be understood", name);
	return 0;
}

/* ---- transfers ---- */

static int end_transfer(const struct dns_transfer *t, const struct dns_answer *a, bool last, struct err *err) {
	if (!last)
		return err_set(err, -EPROTO, "%s: records behind a transfer's end", t->zone);
	if (!a->tsig.is_signed)
		return err_set(err, -EPROTO, "%s: a transfer whose end is not signed", t->zone);
	return 0;
}

/* RFC 5936, 2.2: the zone's SOA, everything else, and the SOA again. */
int dns_transfer_push(struct dns_transfer *t, const struct dns_answer *a, struct err *err) {
	const ldns_rr_list *list = ldns_pkt_answer(a->packet);
	size_t n = list ? ldns_rr_list_rr_count(list) : 0;

	for (size_t i = 0; i < n; i++) {
		const ldns_rr *rr = ldns_rr_list_rr(list, i);
		bool soa = ldns_rr_get_type(rr) == LDNS_RR_TYPE_SOA;
		if ((!t->begun && !soa) || (soa && !is_dname(ldns_rr_owner(rr), t->zone)))
			return err_set(err, -EPROTO, "%s: a transfer that does not begin with the zone's SOA", t->zone);
		if (soa && t->begun)
			return end_transfer(t, a, i + 1 == n, err);
		t->begun = true;
		if (++t->records > t->limit)
			return err_set(err, -EPROTO, "%s: more than %zu records", t->zone, t->limit);
		if (!soa && !keep(rr, NULL, t->to))
			return err_set(err, -EPROTO, "%s: a record that cannot be understood", t->zone);
	}
	return n ? 1 : err_set(err, -EPROTO, "%s: a transfer's message without records", t->zone);
}
