/* Datagrams as of a DNS server, but any bytes: as the answer to a name's question and to an address's. What is taken of them has to
 * be fit for a message and a log. */
#include "net/netlink/resolve-internal.h"

#include "base/alloc.h"

#include <assert.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void try_as(const struct resolve_query *query, const uint8_t *data, size_t size) {
	struct resolve_answer *answer = xnew(struct resolve_answer);
	struct ip ip;

	int r = resolve_answer_read(query, data, size, answer);
	assert(r == 0 || (answer->addresses.n == 0 && answer->names.n == 0 && !answer->why));
	for (size_t i = 0; i < answer->addresses.n; i++)
		assert(ip_parse(answer->addresses.v[i], &ip, NULL) == 0);
	for (size_t i = 0; i < answer->names.n; i++)
		for (const char *c = answer->names.v[i]; *c; c++)
			assert(*c >= 0x20 && *c <= 0x7e);
	resolve_answers_free(answer, 1);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
	static const struct {
		ldns_rr_type type;
		const char *name;
	} cases[] = {
		{LDNS_RR_TYPE_A, "web"},
		{LDNS_RR_TYPE_AAAA, "web"},
		{LDNS_RR_TYPE_PTR, "50.0.20.10.in-addr.arpa"},
	};
	int id = resolve_answer_id(data, size);

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct resolve_query query = {.id = (uint16_t)(id < 0 ? 0 : id), .type = cases[i].type};
		strcpy(query.name, cases[i].name);
		try_as(&query, data, size);
	}
	return 0;
}
