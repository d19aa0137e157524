/* Neighbour rows: written by us and read by ip(8), written by ip(8) and read by us. */
#include "net/netlink/neigh.h"

#include "netlab.h"

#include <errno.h>
#include <linux/neighbour.h>
#include <linux/rtnetlink.h>

#define MAC "02:42:0a:14:00:32"

struct lab {
	int ns;
	struct nlsock *s;
	unsigned vxlan, veth;
};

static void lab_close(struct lab *l) {
	nlsock_free(l->s);
	if (l->ns >= 0)
		close(l->ns);
}

static void lab_open(struct lab *l) {
	struct err err;
	l->ns = netlab_new();
	netlab_do(l->ns, "ip link add vxlan0 type vxlan id 4097 local 10.99.0.11 dstport 4789 proxy\n"
			 "ip link add veth1 type veth peer name eth0\n"
			 "for i in vxlan0 veth1 eth0; do ip link set $i up; done");
	l->vxlan = netlab_index(l->ns, "vxlan0");
	l->veth = netlab_index(l->ns, "veth1");
	if (nlsock_open(l->ns, &l->s, &err) < 0)
		fail_msg("%s", err.msg);
}

#define LAB(l) \
	struct lab l CLEANUP(lab_close) = {.ns = -1}; \
	lab_open(&l)

/* What ip(8) says of that address, without spaces at its end. */
static char *ip_says(const struct lab *l, const char *address) {
	char *text = netlab_run(l->ns, "ip neigh show to %s nud all", address);
	for (size_t n = strlen(text); n > 0 && strchr(" \n", text[n - 1]); n--)
		text[n - 1] = '\0';
	return text;
}

#define expect_ip(l, address, expected) \
	do { \
		CLEANUP_FREE char *says = ip_says(l, address); \
		assert_string_equal(says, expected); \
	} while (0)

static void a_permanent_row_replaces_whatever_was_there(void **state) {
	(void)state;
	LAB(l);
	static const char *const addresses[] = {"10.20.0.50", "fd00:20::50"};
	struct mac mac = netlab_mac(MAC);
	netlab_do(l.ns, "ip neigh add 10.20.0.50 lladdr 02:00:00:00:00:01 dev vxlan0 nud reachable");
	for (size_t i = 0; i < 2; i++) {
		struct ip ip = netlab_ip(addresses[i]);
		struct err err = {0};
		CLEANUP_FREE char *expected = xasprintf("%s dev vxlan0 lladdr " MAC " PERMANENT", addresses[i]);
		for (int again = 0; again < 2; again++)
			if (neigh_replace_permanent(l.s, l.vxlan, &ip, &mac, &err) < 0)
				fail_msg("%s", err.msg);
		expect_ip(&l, addresses[i], expected);
		assert_int_equal(neigh_delete(l.s, l.vxlan, &ip, &err), 0);
		expect_ip(&l, addresses[i], "");
	}
}

static void deleting_what_is_not_there_says_so(void **state) {
	(void)state;
	LAB(l);
	struct ip ip = netlab_ip("10.20.0.50");
	struct err err = {0};
	assert_int_equal(neigh_delete(l.s, l.vxlan, &ip, &err), -ENOENT);
	assert_non_null(strstr(err.msg, "delete neighbour 10.20.0.50 of link "));
}

static void a_row_for_a_link_that_is_gone_is_refused(void **state) {
	(void)state;
	LAB(l);
	struct ip ip = netlab_ip("fd00::1");
	struct mac mac = netlab_mac(MAC);
	struct err err = {0};
	assert_int_equal(neigh_replace_permanent(l.s, 4711, &ip, &mac, &err), -ENODEV);
	assert_non_null(strstr(err.msg, "set neighbour fd00::1 of link 4711: kernel"));
}

struct found {
	struct neigh_row rows[16];
	size_t n;
};

static int keep_row(void *arg, const struct neigh_row *row, struct err *err) {
	struct found *f = arg;
	(void)err;
	if (!row)
		f->n = 0;
	else if (!(row->state & NUD_NOARP) && f->n < sizeof(f->rows) / sizeof(f->rows[0])) /* those are the multicast groups */
		f->rows[f->n++] = *row;
	return 0;
}

static struct found find(struct lab *l, unsigned ifindex) {
	struct found f = {.n = 0};
	struct err err;
	if (neigh_dump(l->s, ifindex, keep_row, &f, &err) < 0)
		fail_msg("%s", err.msg);
	return f;
}

static const struct neigh_row *row_of(const struct found *f, const char *address) {
	struct ip ip = netlab_ip(address);
	for (size_t i = 0; i < f->n; i++)
		if (ip_equal(&f->rows[i].ip, &ip))
			return &f->rows[i];
	fail_msg("there is no row of %s", address);
	return NULL;
}

static void rows_of_both_families_are_read_with_their_state(void **state) {
	(void)state;
	LAB(l);
	struct mac mac = netlab_mac(MAC);
	netlab_do(l.ns, "ip neigh add 10.20.0.50 lladdr " MAC " dev vxlan0 nud permanent\n"
			"ip neigh add 10.20.0.51 lladdr " MAC " dev vxlan0 nud stale extern_learn\n"
			"ip neigh add fd00:20::50 lladdr " MAC " dev vxlan0 nud permanent\n"
			"ip neigh add 10.20.0.52 dev veth1 nud incomplete");
	struct found f = find(&l, l.vxlan);
	assert_int_equal(f.n, 3);
	const struct neigh_row *permanent = row_of(&f, "10.20.0.50"), *external = row_of(&f, "10.20.0.51");
	assert_true(neigh_is_permanent(permanent));
	assert_true(permanent->has_mac && mac_equal(&permanent->mac, &mac));
	assert_false(permanent->external);
	assert_false(neigh_is_permanent(external));
	assert_true(external->external);
	assert_true(neigh_is_permanent(row_of(&f, "fd00:20::50")));
	f = find(&l, 0);
	const struct neigh_row *incomplete = row_of(&f, "10.20.0.52");
	assert_int_equal(f.n, 4);
	assert_false(incomplete->has_mac);
	assert_int_equal(incomplete->ifindex, l.veth);
	f = find(&l, l.veth);
	assert_int_equal(f.n, 1);
}

static void ten_thousand_rows_are_read(void **state) {
	(void)state;
	LAB(l);
	netlab_do(l.ns, "sysctl -qw net.ipv4.neigh.default.gc_thresh3=20000 2>/dev/null || true\n"
			"i=0; while [ $i -lt 10000 ]; do echo neigh add 10.20.$((i / 250)).$((i %% 250 + 1)) lladdr " MAC
			" dev vxlan0 nud permanent; i=$((i + 1)); done | ip -batch -");
	size_t n = 0;
	CLEANUP_FREE char *text = netlab_run(l.ns, "ip neigh show dev vxlan0 nud permanent | wc -l");
	struct found f = find(&l, l.vxlan);
	n = strtoul(text, NULL, 10);
	assert_int_equal(n, 10000);
	assert_int_equal(f.n, sizeof(f.rows) / sizeof(f.rows[0]));
}

/* ---- bad input ---- */

static const struct bad {
	const char *what;
	uint16_t type;
	uint8_t family;
	int ifindex;
	uint16_t attribute;
	size_t size;
	int code;
} bad[] = {
	{"IPv4", RTM_NEWNEIGH, AF_INET, 3, NDA_DST, 4, 0},
	{"IPv6 that goes", RTM_DELNEIGH, AF_INET6, 3, NDA_DST, 16, 0},
	{"a miss, which is a question", RTM_GETNEIGH, AF_INET, 3, NDA_DST, 4, -EBADMSG},
	{"an FDB row", RTM_NEWNEIGH, AF_BRIDGE, 3, NDA_DST, 4, -EBADMSG},
	{"no family", RTM_NEWNEIGH, AF_UNSPEC, 3, NDA_DST, 4, -EBADMSG},
	{"no link", RTM_NEWNEIGH, AF_INET, 0, NDA_DST, 4, -EBADMSG},
	{"a negative link", RTM_NEWNEIGH, AF_INET, -3, NDA_DST, 4, -EBADMSG},
	{"no address", RTM_NEWNEIGH, AF_INET, 3, NDA_LLADDR, 6, -EBADMSG},
	{"an address of the other family", RTM_NEWNEIGH, AF_INET, 3, NDA_DST, 16, -EBADMSG},
	{"the other way round", RTM_NEWNEIGH, AF_INET6, 3, NDA_DST, 4, -EBADMSG},
	{"an address of no bytes", RTM_NEWNEIGH, AF_INET, 3, NDA_DST, 0, -EBADMSG},
	{"an address of five bytes", RTM_NEWNEIGH, AF_INET, 3, NDA_DST, 5, -EBADMSG},
};

static struct nlmsghdr *make_bad(char *buf, const struct bad *b) {
	static const uint8_t bytes[32] = {1, 2, 3};
	struct nlmsghdr *m = nlsock_put(buf, b->type, 0, sizeof(struct ndmsg));
	struct ndmsg *nd = mnl_nlmsg_get_payload(m);
	nd->ndm_family = b->family;
	nd->ndm_ifindex = b->ifindex;
	mnl_attr_put(m, b->attribute, b->size, bytes);
	return m;
}

static void a_message_that_is_no_whole_row_is_refused(void **state) {
	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		_Alignas(struct nlmsghdr) char buf[NLSOCK_REQUEST_MAX];
		struct neigh_row row = {.ifindex = 77};
		struct err err = {0};
		int r = neigh_parse(make_bad(buf, &bad[i]), &row, &err);
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
		struct neigh_row row;
		m->nlmsg_len = n;
		CLEANUP_FREE struct nlmsghdr *cut = xmalloc(n); /* exact: reading beyond its end is seen */
		memcpy(cut, buf, n);
		assert_int_equal(neigh_parse(cut, &row, NULL), -EBADMSG);
	}
}

int main(void) {
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_permanent_row_replaces_whatever_was_there),
		cmocka_unit_test(deleting_what_is_not_there_says_so),
		cmocka_unit_test(a_row_for_a_link_that_is_gone_is_refused),
		cmocka_unit_test(rows_of_both_families_are_read_with_their_state),
		cmocka_unit_test(ten_thousand_rows_are_read),
		cmocka_unit_test(a_message_that_is_no_whole_row_is_refused),
		cmocka_unit_test(a_row_cut_anywhere_is_refused),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
