/* Messages as the kernel's, but any bytes: into every parser of one. What one says yes to has to be fit for use. */
#include "net/netlink/addr.h"
#include "net/netlink/fdb.h"
#include "net/netlink/link.h"
#include "net/netlink/neigh.h"

#include <assert.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void parse_rows(const struct nlmsghdr *m) {
	char text[FDB_TEXT_MAX];
	struct fdb_row fdb;
	struct neigh_row neigh;
	struct addr_row addr;
	struct err err;

	if (fdb_parse(m, &fdb, &err) == 0)
		assert(fdb.ifindex > 0 && fdb.state < FDB_STATE_MAX && strlen(fdb_format(&fdb, text)) < FDB_TEXT_MAX);
	if (neigh_parse(m, &neigh, &err) == 0)
		assert(neigh.ifindex > 0 && ip_is_set(&neigh.ip));
	if (addr_parse(m, &addr, &err) == 0)
		assert(addr.ifindex > 0 && ip_is_set(&addr.ip) && addr.prefix <= ip_size(&addr.ip) * 8);
}

static void parse_link(const struct nlmsghdr *m) {
	struct link_row link;
	struct err err;

	if (link_parse(m, &link, &err) == 0)
		assert(link.ifindex > 0 && link.name[0] && memchr(link.name, 0, sizeof(link.name)) &&
		       memchr(link.kind, 0, sizeof(link.kind)));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
	struct nlmsghdr *m;

	if (size < sizeof(*m))
		return 0;
	m = malloc(size); /* exact: reading beyond its end is seen */
	if (!m)
		return 0;
	memcpy(m, data, size);
	m->nlmsg_len = (uint32_t)size; /* nobody hands on a message that is longer than its datagram */
	parse_rows(m);
	parse_link(m);
	free(m);
	return 0;
}
