/* What DNS servers send: as an answer to a question, an update and a transfer; then, as if it were signed, its records, and the
 * marks in its texts. The first byte says which it answers; ID and flags are made right, so that the parser is not stopped at the
 * door. */
#include "net/discovery/dns-message.h"
#include "net/discovery/dns-record.h"

#include "base/alloc.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define NAME "web.svc.example."
#define ZONE "svc.example."

static void read_marks(const struct dns_table *t) {
	const struct dns_zones zones = {.zone = (char[]){ZONE}};

	for (const struct dns_rrset *set = t->sets; set; set = set->hh.next) {
		char *key = dns_key_of(&zones, set->name);
		free(key);
		for (const struct dns_datum *d = set->data; d; d = d->hh.next) {
			char *text = set->type == DNS_TXT ? dns_txt_text(d->text) : NULL;
			struct discovery_entry e = {0};
			struct err err;
			if (text && discovery_entry_decode(text, "prod", &e, &err) == 0)
				(void)discovery_entry_check(&e, &err);
			discovery_entry_clear(&e);
			free(text);
		}
	}
}

static void read_records(ldns_pkt *p, const struct dns_request *q) {
	struct dns_table t = {0};
	struct dns_transfer transfer = {.zone = ZONE, .to = &t, .limit = 1000};
	struct dns_answer a = {.packet = p, .tsig.is_signed = true, .rcode = (unsigned)ldns_pkt_get_rcode(p)};
	struct err err;

	(void)dns_answer_is_truncated(&a);
	(void)dns_answer_result(q, &a, &err);
	(void)dns_answer_collect(&a, NAME, &t, &err);
	if (dns_transfer_push(&transfer, &a, &err) > 0)
		(void)dns_transfer_push(&transfer, &a, &err);
	read_marks(&t);
	dns_table_clear(&t);
}

static void make_request(uint8_t kind, struct dns_request *ret) {
	struct dns_key key;
	struct dns_update u;
	struct err err;

	if (dns_key_make("heir.", "c2VjcmV0", DNS_HMAC_SHA256, &key, &err) < 0)
		abort();
	dns_update_init(&u);
	int r = kind % 3 == 0   ? dns_request_query(&key, NAME, DNS_TXT, ret, &err)
		: kind % 3 == 1 ? dns_request_update(&key, ZONE, &u, ret, &err)
				: dns_request_query(&key, ZONE, DNS_AXFR, ret, &err);
	if (r < 0)
		abort();
	dns_update_clear(&u);
	dns_key_clear(&key);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
	struct dns_request q;
	struct dns_answer a;
	struct err err;
	ldns_pkt *p = NULL;

	if (size < 13)
		return 0;
	make_request(data[0], &q);
	size_t n = size - 1;
	uint8_t *wire = xmalloc(n); /* of its size, so that a byte too far is seen */
	memcpy(wire, data + 1, n);
	wire[0] = (uint8_t)(q.id >> 8);
	wire[1] = (uint8_t)q.id;
	wire[2] = (uint8_t)(0x84 | (q.opcode << 3) | (wire[2] & 2));
	for (int i = 0; i < 2; i++) /* a transfer's second message is another thing than its first */
		if (dns_answer_read(&q, wire, n, &a, &err) == 0)
			dns_answer_clear(&a);
	if (ldns_wire2pkt(&p, wire, n) == LDNS_STATUS_OK)
		read_records(p, &q);
	ldns_pkt_free(p);
	free(wire);
	dns_request_clear(&q);
	return 0;
}
