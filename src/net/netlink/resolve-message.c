/* See resolve-internal.h. The messages are taken apart by ldns; what is held against the question, and what is taken of them, is
 * here. */
#include "net/netlink/resolve-internal.h"

#include "base/alloc.h"
#include "base/cleanup.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

CLEANUP_DEFINE(packet, ldns_pkt, ldns_pkt_free)
CLEANUP_DEFINE(rdf, ldns_rdf, ldns_rdf_deep_free)

void resolve_reverse_name(const struct ip *address, char name[DNS_NAME_MAX + 1]) {
	const uint8_t *b = address->bytes;
	char *at = name;

	if (address->family == AF_INET) {
		snprintf(name, DNS_NAME_MAX + 1, "%u.%u.%u.%u.in-addr.arpa", b[3], b[2], b[1], b[0]);
		return;
	}
	for (size_t i = sizeof(address->bytes); i-- > 0;)
		at += sprintf(at, "%x.%x.", b[i] & 15, b[i] >> 4);
	strcpy(at, "ip6.arpa");
}

int resolve_query_write(const struct resolve_query *query, uint8_t **ret, size_t *ret_n, struct err *err) {
	CLEANUP(cleanup_packet) ldns_pkt *packet = NULL;

	ldns_rdf *name = ldns_dname_new_frm_str(query->name);
	if (!name)
		return err_set(err, -EINVAL, "\"%.80s\" is no name of the DNS", query->name);
	packet = ldns_pkt_query_new(name, query->type, LDNS_RR_CLASS_IN, LDNS_RD);
	if (!packet) {
		ldns_rdf_deep_free(name);
		return err_set(err, -EINVAL, "a query for \"%.80s\" cannot be made", query->name);
	}
	ldns_pkt_set_id(packet, query->id);
	ldns_status status = ldns_pkt2wire(ret, packet, ret_n);
	return status == LDNS_STATUS_OK ? 0 : err_set(err, -EINVAL, "%.80s: %s", query->name, ldns_get_errorstr_by_id(status));
}

int resolve_answer_id(const uint8_t *data, size_t n) {
	return n >= DNS_HEADER_SIZE && (data[2] & 0x80) ? data[0] << 8 | data[1] : -1;
}

/* Names in the DNS have no case, and a server may give the question back in its own. */
static bool is_asked(const struct resolve_query *query, const ldns_pkt *packet) {
	const ldns_rr_list *questions = ldns_pkt_question(packet);
	CLEANUP(cleanup_rdf) ldns_rdf *name = ldns_dname_new_frm_str(query->name);

	if (!name || ldns_pkt_id(packet) != query->id || !ldns_pkt_qr(packet) || ldns_rr_list_rr_count(questions) != 1 ||
	    ldns_pkt_get_opcode(packet) != LDNS_PACKET_QUERY)
		return false;
	const ldns_rr *rr = ldns_rr_list_rr(questions, 0);
	return ldns_rr_get_type(rr) == query->type && ldns_rr_get_class(rr) == LDNS_RR_CLASS_IN &&
	       ldns_dname_compare(ldns_rr_owner(rr), name) == 0;
}

static void take_address(const ldns_rdf *data, struct resolve_answer *to) {
	struct ip ip = ip_from_bytes(ldns_rdf_data(data), ldns_rdf_size(data));
	char text[IP_TEXT_MAX];

	if (ip_is_set(&ip))
		strs_add_new(&to->addresses, ip_format(&ip, text));
}

/* ldns escapes what is not printable, but not all of what is no ASCII. */
static void take_name(const ldns_rdf *data, struct resolve_answer *to) {
	CLEANUP_FREE char *text = ldns_rdf2str(data);
	size_t n = text ? strlen(text) : 0;

	if (n > 1 && text[n - 1] == '.')
		text[--n] = '\0';
	for (size_t i = 0; i < n; i++)
		if (text[i] < 0x20 || text[i] > 0x7e)
			text[i] = '?';
	if (n > 0)
		strs_add_new(&to->names, text);
}

/* Whose the records are is not asked: an alias (CNAME) leads to other names, and what counts is what the client gets. */
static void take_records(const struct resolve_query *query, const ldns_pkt *packet, struct resolve_answer *to) {
	const ldns_rr_list *records = ldns_pkt_answer(packet);

	for (size_t i = 0; i < ldns_rr_list_rr_count(records); i++) {
		const ldns_rr *rr = ldns_rr_list_rr(records, i);
		if (ldns_rr_get_type(rr) != query->type || ldns_rr_rd_count(rr) != 1)
			continue;
		if (query->type == LDNS_RR_TYPE_PTR)
			take_name(ldns_rr_rdf(rr, 0), to);
		else
			take_address(ldns_rr_rdf(rr, 0), to);
	}
}

/* That there is no such name is an answer. */
static void take_code(const ldns_pkt *packet, struct resolve_answer *to) {
	ldns_pkt_rcode code = ldns_pkt_get_rcode(packet);

	if (code == LDNS_RCODE_NOERROR || code == LDNS_RCODE_NXDOMAIN) {
		if (ldns_pkt_tc(packet))
			xstr_replace(&to->why, "cut off");
		return;
	}
	CLEANUP_FREE char *text = ldns_pkt_rcode2str(code);
	xstr_replace(&to->why, text ? text : "an error");
}

int resolve_answer_read(const struct resolve_query *query, const uint8_t *data, size_t n, struct resolve_answer *to) {
	CLEANUP(cleanup_packet) ldns_pkt *packet = NULL;

	if (resolve_answer_id(data, n) != query->id || ldns_wire2pkt(&packet, data, n) != LDNS_STATUS_OK)
		return -EBADMSG;
	if (!is_asked(query, packet))
		return -EBADMSG;
	take_records(query, packet, to);
	take_code(packet, to);
	return 0;
}
