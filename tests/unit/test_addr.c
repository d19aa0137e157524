/* Addresses as ip(8) sets them. */
#include "net/netlink/addr.h"

#include "netlab.h"

#include <errno.h>
#include <linux/if_addr.h>
#include <linux/rtnetlink.h>

struct found {
	struct addr_row rows[16];
	size_t n;
};

static int keep_row(void *arg, const struct addr_row *row, struct err *err) {
	struct found *f = arg;
	(void)err;
	if (!row)
		f->n = 0;
	else if (f->n < sizeof(f->rows) / sizeof(f->rows[0]))
		f->rows[f->n++] = *row;
	return 0;
}

static const struct addr_row *row_of(const struct found *f, const char *address) {
	struct ip ip = netlab_ip(address);
	for (size_t i = 0; i < f->n; i++)
		if (ip_equal(&f->rows[i].ip, &ip))
			return &f->rows[i];
	fail_msg("%s is not there", address);
	return NULL;
}

static struct found find_all(int ns) {
	struct nlsock *s CLEANUP_NLSOCK = NULL;
	struct found f = {.n = 0};
	struct err err;
	if (nlsock_open(ns, &s, &err) < 0 || addr_dump(s, keep_row, &f, &err) < 0)
		fail_msg("%s", err.msg);
	return f;
}

static void addresses_of_both_families_are_read_with_link_and_prefix(void **state) {
	(void)state;
	CLEANUP_FD int ns = netlab_new();
	netlab_do(ns, "ip link add eth0 type veth peer name veth1; ip link set eth0 up; ip link set lo up\n"
		      "ip addr add 10.20.0.50/24 dev eth0; ip addr add 10.20.0.51/24 dev eth0\n"
		      "ip addr add 192.0.2.1 peer 192.0.2.2 dev veth1\n"
		      "ip addr add fd00:20::50/64 dev eth0 nodad; ip addr add fd00:20::51/128 dev veth1");
	unsigned eth0 = netlab_index(ns, "eth0"), veth1 = netlab_index(ns, "veth1");
	struct found f = find_all(ns);
	const struct {
		const char *address;
		unsigned ifindex, prefix;
	} expected[] = {
		{"127.0.0.1", 1, 8},      {"::1", 1, 128},          {"10.20.0.50", eth0, 24},
		{"10.20.0.51", eth0, 24}, {"192.0.2.1", veth1, 32}, {"fd00:20::50", eth0, 64},
	};
	for (size_t i = 0; i < sizeof(expected) / sizeof(expected[0]); i++) {
		const struct addr_row *row = row_of(&f, expected[i].address);
		if (row->ifindex != expected[i].ifindex || row->prefix != expected[i].prefix || row->tentative)
			fail_msg("%s: link %u, prefix %u, tentative %d", expected[i].address, row->ifindex, row->prefix,
				 row->tentative);
	}
	assert_true(row_of(&f, "fd00:20::51")->tentative); /* veth1 is down: nobody was asked */
}

static void a_namespace_without_addresses_has_none(void **state) {
	(void)state;
	CLEANUP_FD int ns = netlab_new();
	assert_int_equal(find_all(ns).n, 0);
}

/* ---- bad input ---- */

static const struct bad {
	const char *what;
	uint16_t type;
	uint8_t family, prefix;
	unsigned ifindex;
	uint16_t attribute;
	size_t size;
	int code;
} bad[] = {
	{"IPv4", RTM_NEWADDR, AF_INET, 32, 3, IFA_LOCAL, 4, 0},
	{"IPv6 that goes", RTM_DELADDR, AF_INET6, 128, 3, IFA_ADDRESS, 16, 0},
	{"a route", RTM_NEWROUTE, AF_INET, 24, 3, IFA_LOCAL, 4, -EBADMSG},
	{"no family", RTM_NEWADDR, AF_UNSPEC, 24, 3, IFA_LOCAL, 4, -EBADMSG},
	{"no link", RTM_NEWADDR, AF_INET, 24, 0, IFA_LOCAL, 4, -EBADMSG},
	{"a prefix of 33 bits", RTM_NEWADDR, AF_INET, 33, 3, IFA_LOCAL, 4, -EBADMSG},
	{"a prefix of 129 bits", RTM_NEWADDR, AF_INET6, 129, 3, IFA_ADDRESS, 16, -EBADMSG},
	{"no address", RTM_NEWADDR, AF_INET, 24, 3, IFA_LABEL, 4, -EBADMSG},
	{"an address of the other family", RTM_NEWADDR, AF_INET, 24, 3, IFA_LOCAL, 16, -EBADMSG},
	{"an address of five bytes", RTM_NEWADDR, AF_INET, 24, 3, IFA_LOCAL, 5, -EBADMSG},
	{"an address of no bytes", RTM_NEWADDR, AF_INET6, 64, 3, IFA_ADDRESS, 0, -EBADMSG},
};

static struct nlmsghdr *make_bad(char *buf, const struct bad *b) {
	static const char bytes[32] = {1, 2, 3};
	struct nlmsghdr *m = nlsock_put(buf, b->type, 0, sizeof(struct ifaddrmsg));
	struct ifaddrmsg *ifa = mnl_nlmsg_get_payload(m);
	*ifa = (struct ifaddrmsg){.ifa_family = b->family, .ifa_prefixlen = b->prefix, .ifa_index = b->ifindex};
	mnl_attr_put(m, b->attribute, b->size, bytes);
	return m;
}

static void a_message_that_is_no_whole_row_is_refused(void **state) {
	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		_Alignas(struct nlmsghdr) char buf[NLSOCK_REQUEST_MAX];
		struct addr_row row = {.ifindex = 77};
		struct err err = {0};
		int r = addr_parse(make_bad(buf, &bad[i]), &row, &err);
		if (r != bad[i].code || (r < 0 && row.ifindex != 77))
			fail_msg("%s: %d (%s), expected %d", bad[i].what, r, err.msg, bad[i].code);
	}
}

static void a_row_cut_anywhere_is_refused(void **state) {
	(void)state;
	_Alignas(struct nlmsghdr) char buf[NLSOCK_REQUEST_MAX];
	struct nlmsghdr *m = make_bad(buf, &bad[0]);
	uint32_t whole = m->nlmsg_len;
	for (uint32_t n = NLMSG_HDRLEN; n < whole; n++) {
		struct addr_row row;
		m->nlmsg_len = n;
		CLEANUP_FREE struct nlmsghdr *cut = xmalloc(n); /* exact: reading beyond its end is seen */
		memcpy(cut, buf, n);
		assert_int_equal(addr_parse(cut, &row, NULL), -EBADMSG);
	}
}

int main(void) {
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(addresses_of_both_families_are_read_with_link_and_prefix),
		cmocka_unit_test(a_namespace_without_addresses_has_none),
		cmocka_unit_test(a_message_that_is_no_whole_row_is_refused),
		cmocka_unit_test(a_row_cut_anywhere_is_refused),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
