/* FDB rows: written by us and read by bridge(8), written by bridge(8) and read by us, and each message read by libnl-route as well.
 */
#include "net/netlink/fdb.h"

#include "base/json.h"
#include "netlab.h"

#include <errno.h>
#include <linux/neighbour.h>
#include <linux/rtnetlink.h>
#include <netlink/route/neighbour.h>

/* ---- a namespace like an engine's: bridge, VXLAN device, a container's port ---- */

struct lab {
	int ns;
	struct nlsock *s;
	unsigned bridge, vxlan, vxlan6, veth;
};

static void lab_close(struct lab *l) {
	nlsock_free(l->s);
	if (l->ns >= 0)
		close(l->ns);
}

static void lab_open(struct lab *l) {
	struct err err;
	l->ns = netlab_new();
	netlab_do(l->ns, "ip link add br0 type bridge\n"
			 "ip link add vxlan0 master br0 type vxlan id 4097 local 10.99.0.11 dstport 4789 proxy l2miss l3miss\n"
			 "ip link add vxlan6 master br0 type vxlan id 4098 local fd00::11 dstport 4790\n"
			 "ip link add veth1 master br0 type veth peer name eth0\n"
			 "for i in br0 vxlan0 vxlan6 veth1 eth0; do ip link set $i up; done");
	l->bridge = netlab_index(l->ns, "br0");
	l->vxlan = netlab_index(l->ns, "vxlan0");
	l->vxlan6 = netlab_index(l->ns, "vxlan6");
	l->veth = netlab_index(l->ns, "veth1");
	if (nlsock_open(l->ns, &l->s, &err) < 0)
		fail_msg("%s", err.msg);
}

#define LAB(l) \
	struct lab l CLEANUP(lab_close) = {.ns = -1}; \
	lab_open(&l)

static void replace(struct lab *l, const struct fdb_row *row) {
	struct err err;
	if (fdb_replace(l->s, row, &err) < 0)
		fail_msg("%s", err.msg);
}

/* ---- rows as text ---- */

static bool json_has(const json_t *list, const char *word) {
	json_t *item;
	size_t i;
	json_array_foreach (list, i, item)
		if (strcmp(json_string_value(item), word) == 0)
			return true;
	return false;
}

/* What bridge(8) says of the rows of that MAC, one after another. */
static char *bridge_says(const struct lab *l, const char *mac) {
	CLEANUP_FREE char *text = netlab_run(l->ns, "bridge -j fdb show");
	CLEANUP_JSON json_t *rows = NULL;
	struct buf out = {0};
	json_t *row;
	size_t i;
	assert_int_equal(json_parse(text, strlen(text), "bridge", &rows, NULL), 0);
	json_array_foreach (rows, i, row) {
		if (strcmp(json_str_or(row, "mac", ""), mac) != 0)
			continue;
		buf_printf(&out, "%s", json_str_or(row, "ifname", "?"));
		if (json_at(row, "dst"))
			buf_printf(&out, " dst %s", json_str_or(row, "dst", ""));
		if (json_at(row, "port"))
			buf_printf(&out, " port %d", (int)json_int_or(row, "port", 0));
		if (json_at(row, "vni"))
			buf_printf(&out, " vni %d", (int)json_int_or(row, "vni", 0));
		if (json_at(row, "master"))
			buf_printf(&out, " master %s", json_str_or(row, "master", ""));
		buf_printf(&out, "%s", json_has(json_at(row, "flags"), "self") ? " self" : "");
		buf_printf(&out, " %s%s;", json_str_or(row, "state", ""),
			   json_has(json_at(row, "flags"), "sticky") ? " sticky" : "");
	}
	return buf_take(&out);
}

#define expect_bridge(l, mac, expected) \
	do { \
		CLEANUP_FREE char *says = bridge_says(l, mac); \
		assert_string_equal(says, expected); \
	} while (0)

struct found {
	struct mac mac;
	struct fdb_row rows[8];
	size_t n, all, again;
};

static int keep_row(void *arg, const struct fdb_row *row, struct err *err) {
	struct found *f = arg;
	(void)err;
	if (!row) {
		f->n = f->all = 0;
		f->again++;
		return 0;
	}
	f->all++;
	if (mac_equal(&row->mac, &f->mac) && f->n < sizeof(f->rows) / sizeof(f->rows[0]))
		f->rows[f->n++] = *row;
	return 0;
}

static struct found find(struct lab *l, unsigned ifindex, const char *mac) {
	struct found f = {.mac = netlab_mac(mac)};
	struct err err;
	if (fdb_dump(l->s, ifindex, keep_row, &f, &err) < 0)
		fail_msg("%s", err.msg);
	return f;
}

/* ---- writing ---- */

#define MAC "02:42:0a:14:00:32"

static void the_observers_row_points_to_the_new_host(void **state) {
	(void)state;
	LAB(l);
	netlab_do(l.ns, "bridge fdb add " MAC " dev vxlan0 dst 10.99.0.11 self permanent");
	replace(&l, &(struct fdb_row){.mac = netlab_mac(MAC),
				      .ifindex = l.vxlan,
				      .self = true,
				      .state = FDB_PERMANENT,
				      .dst = netlab_ip("10.99.0.12")});
	expect_bridge(&l, MAC, "vxlan0 dst 10.99.0.12 self permanent;");
}

static void the_targets_row_takes_the_mac_from_the_vxlan_device(void **state) {
	(void)state;
	LAB(l);
	netlab_do(l.ns, "bridge fdb add " MAC " dev vxlan0 master dynamic");
	replace(&l, &(struct fdb_row){.mac = netlab_mac(MAC), .ifindex = l.veth, .state = FDB_STATIC, .sticky = true});
	expect_bridge(&l, MAC, "veth1 master br0 static sticky;");
}

static void every_kind_of_row_is_what_bridge_shows(void **state) {
	(void)state;
	LAB(l);
	const struct {
		const char *what, *expected;
		struct fdb_row row;
	} cases[] = {
		{"static", "veth1 master br0 static;", {.ifindex = l.veth, .state = FDB_STATIC}},
		{"learned", "veth1 master br0 ;", {.ifindex = l.veth, .state = FDB_LEARNED}},
		{"the host's own", "veth1 master br0 permanent;", {.ifindex = l.veth, .state = FDB_PERMANENT}},
		{"a VXLAN row that ages",
		 "vxlan0 dst 10.99.0.9 self ;",
		 {.ifindex = l.vxlan, .self = true, .state = FDB_LEARNED, .dst = netlab_ip("10.99.0.9")}},
		{"port and VNI of its own",
		 "vxlan0 dst 10.99.0.9 port 4791 vni 77 self permanent;",
		 {.ifindex = l.vxlan,
		  .self = true,
		  .state = FDB_PERMANENT,
		  .dst = netlab_ip("10.99.0.9"),
		  .port = 4791,
		  .vni = 77}},
		{"an IPv6 remote",
		 "vxlan6 dst fd00::12 self permanent;",
		 {.ifindex = l.vxlan6, .self = true, .state = FDB_PERMANENT, .dst = netlab_ip("fd00::12")}},
	};
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct fdb_row row = cases[i].row;
		struct err err = {0};
		row.mac = netlab_mac(MAC);
		if (fdb_replace(l.s, &row, &err) < 0)
			fail_msg("%s: %s", cases[i].what, err.msg);
		CLEANUP_FREE char *shown = bridge_says(&l, MAC);
		if (strcmp(shown, cases[i].expected) != 0)
			fail_msg("%s: bridge says \"%s\", expected \"%s\"", cases[i].what, shown, cases[i].expected);
		struct found f = find(&l, row.ifindex, MAC);
		assert_int_equal(f.n, 1);
		row.master = f.rows[0].master;
		assert_int_equal(row.master, row.self ? 0 : l.bridge);
		assert_memory_equal(&f.rows[0].dst, &row.dst, sizeof(row.dst));
		assert_int_equal(f.rows[0].port, row.port);
		assert_int_equal(f.rows[0].vni, row.vni);
		assert_int_equal(f.rows[0].state, row.state);
		assert_int_equal(f.rows[0].self, row.self);
		if (fdb_delete(l.s, &row, &err) < 0)
			fail_msg("%s: %s", cases[i].what, err.msg);
		expect_bridge(&l, MAC, "");
	}
}

static void replacing_twice_is_the_same_as_once(void **state) {
	(void)state;
	LAB(l);
	struct fdb_row row = {.mac = netlab_mac(MAC), .ifindex = l.veth, .state = FDB_STATIC, .sticky = true};
	replace(&l, &row);
	replace(&l, &row);
	expect_bridge(&l, MAC, "veth1 master br0 static sticky;");
	row.sticky = false;
	replace(&l, &row);
	expect_bridge(&l, MAC, "veth1 master br0 static;");
}

static void deleting_what_is_not_there_says_so(void **state) {
	(void)state;
	LAB(l);
	struct fdb_row rows[] = {
		{.mac = netlab_mac(MAC), .ifindex = l.vxlan, .self = true, .dst = netlab_ip("10.99.0.12")},
		{.mac = netlab_mac(MAC), .ifindex = l.veth},
	};
	for (size_t i = 0; i < 2; i++) {
		struct err err = {0};
		assert_int_equal(fdb_delete(l.s, &rows[i], &err), -ENOENT);
		assert_non_null(strstr(err.msg, "delete FDB row " MAC " dev "));
	}
}

static void a_vxlan_row_is_deleted_with_its_remote_or_with_any(void **state) {
	(void)state;
	LAB(l);
	struct fdb_row row = {.mac = netlab_mac(MAC), .ifindex = l.vxlan, .self = true, .state = FDB_PERMANENT};
	struct err err = {0};
	netlab_do(l.ns, "bridge fdb add " MAC " dev vxlan0 dst 10.99.0.12 self permanent");
	row.dst = netlab_ip("10.99.0.11");
	assert_int_equal(fdb_delete(l.s, &row, &err), 0);
	expect_bridge(&l, MAC, "vxlan0 dst 10.99.0.12 self permanent;");
	row.dst = (struct ip){0};
	assert_int_equal(fdb_delete(l.s, &row, &err), 0);
	expect_bridge(&l, MAC, "");
}

static void a_row_for_a_link_that_is_gone_is_refused(void **state) {
	(void)state;
	LAB(l);
	struct fdb_row row = {.mac = netlab_mac(MAC), .ifindex = 4711, .state = FDB_STATIC};
	struct err err = {0};
	assert_int_equal(fdb_replace(l.s, &row, &err), -ENODEV);
	assert_non_null(strstr(err.msg, "set FDB row " MAC " dev 4711 master static: kernel"));
}

/* ---- reading ---- */

static void the_rows_of_one_device_are_its_own_and_its_bridges(void **state) {
	(void)state;
	LAB(l);
	netlab_do(l.ns, "bridge fdb add " MAC " dev vxlan0 master dynamic\n"
			"bridge fdb add " MAC " dev vxlan0 dst 10.99.0.12 self permanent\n"
			"bridge fdb add " MAC " dev vxlan6 dst fd00::12 self permanent");
	struct found f = find(&l, l.vxlan, MAC);
	assert_int_equal(f.n, 2);
	const struct fdb_row *own = &f.rows[f.rows[1].self], *port = &f.rows[!f.rows[1].self];
	assert_true(own->self && !port->self);
	assert_int_equal(own->state, FDB_PERMANENT);
	assert_int_equal(port->state, FDB_LEARNED);
	assert_int_equal(port->master, l.bridge);
	assert_int_equal(find(&l, 0, MAC).n, 3);
	assert_int_equal(find(&l, l.veth, MAC).n, 0);
}

static void ten_thousand_rows_are_streamed(void **state) {
	(void)state;
	LAB(l);
	netlab_do(l.ns, "i=0; while [ $i -lt 10000 ]; do printf 'fdb add 02:aa:00:00:%%02x:%%02x dev vxlan0 dst 10.99.%%d.%%d self "
			"permanent\\n' "
			"$((i / 256)) $((i %% 256)) $((i / 250)) $((i %% 250 + 1)); i=$((i + 1)); done | bridge -batch -");
	struct found f = find(&l, l.vxlan, "02:aa:00:00:27:0f");
	assert_int_equal(f.n, 1);
	assert_true(f.all >= 10000);
	struct ip last = netlab_ip("10.99.39.250");
	assert_true(ip_equal(&f.rows[0].dst, &last));
}

/* The same bytes, read by somebody else. */
static int compare_with_libnl(void *arg, const struct nlmsghdr *m, struct err *err) {
	struct rtnl_neigh *n = NULL;
	struct fdb_row row;
	unsigned *compared = arg;

	if (!m)
		return 0;
	if (fdb_parse(m, &row, err) < 0)
		return err->code;
	assert_int_equal(rtnl_neigh_parse((struct nlmsghdr *)(uintptr_t)m, &n), 0);
	assert_int_equal(rtnl_neigh_get_family(n), AF_BRIDGE);
	assert_int_equal(rtnl_neigh_get_ifindex(n), row.ifindex);
	assert_int_equal(rtnl_neigh_get_master(n), row.master);
	assert_memory_equal(nl_addr_get_binary_addr(rtnl_neigh_get_lladdr(n)), row.mac.bytes, 6);
	assert_int_equal(!!(rtnl_neigh_get_flags(n) & NTF_SELF), row.self);
	assert_int_equal(!!(rtnl_neigh_get_flags(n) & 0x40), row.sticky);
	assert_int_equal(!!(rtnl_neigh_get_state(n) & NUD_PERMANENT), row.state == FDB_PERMANENT);
	assert_int_equal(!!(rtnl_neigh_get_state(n) & NUD_NOARP) && row.state != FDB_PERMANENT, row.state == FDB_STATIC);
	struct nl_addr *dst = rtnl_neigh_get_dst(n);
	assert_int_equal(dst ? nl_addr_get_len(dst) : 0, ip_size(&row.dst));
	if (dst)
		assert_memory_equal(nl_addr_get_binary_addr(dst), row.dst.bytes, ip_size(&row.dst));
	rtnl_neigh_put(n);
	++*compared;
	return 0;
}

static void libnl_reads_the_same_from_every_message(void **state) {
	(void)state;
	LAB(l);
	_Alignas(struct nlmsghdr) char buf[NLSOCK_REQUEST_MAX];
	unsigned compared = 0;
	struct err err = {0};
	replace(&l, &(struct fdb_row){.mac = netlab_mac(MAC), .ifindex = l.veth, .state = FDB_STATIC, .sticky = true});
	replace(&l, &(struct fdb_row){.mac = netlab_mac(MAC),
				      .ifindex = l.vxlan,
				      .self = true,
				      .state = FDB_PERMANENT,
				      .dst = netlab_ip("10.99.0.12")});
	replace(&l, &(struct fdb_row){.mac = netlab_mac(MAC),
				      .ifindex = l.vxlan6,
				      .self = true,
				      .state = FDB_PERMANENT,
				      .dst = netlab_ip("fd00::12")});
	struct nlmsghdr *m = nlsock_put(buf, RTM_GETNEIGH, 0, sizeof(struct ndmsg));
	((struct ndmsg *)mnl_nlmsg_get_payload(m))->ndm_family = AF_BRIDGE;
	if (nlsock_dump(l.s, m, compare_with_libnl, &compared, &err) < 0)
		fail_msg("%s", err.msg);
	assert_true(compared >= 3);
}

/* ---- bad input ---- */

struct bad {
	const char *what;
	uint16_t type;
	uint8_t family;
	int ifindex;
	uint16_t attribute;
	size_t size;
	bool without_mac;
	int code;
};

static const struct bad bad[] = {
	{"as it should be", RTM_NEWNEIGH, AF_BRIDGE, 3, NDA_DST, 4, false, 0},
	{"a row that goes", RTM_DELNEIGH, AF_BRIDGE, 3, NDA_DST, 16, false, 0},
	{"an attribute nobody knows", RTM_NEWNEIGH, AF_BRIDGE, 3, 99, 3, false, 0},
	{"a miss, which is a question", RTM_GETNEIGH, AF_BRIDGE, 3, NDA_DST, 4, false, -EBADMSG},
	{"a link", RTM_NEWLINK, AF_BRIDGE, 3, NDA_DST, 4, false, -EBADMSG},
	{"a neighbour", RTM_NEWNEIGH, AF_INET, 3, NDA_DST, 4, false, -EBADMSG},
	{"no link", RTM_NEWNEIGH, AF_BRIDGE, 0, NDA_DST, 4, false, -EBADMSG},
	{"a negative link", RTM_NEWNEIGH, AF_BRIDGE, -1, NDA_DST, 4, false, -EBADMSG},
	{"no MAC", RTM_NEWNEIGH, AF_BRIDGE, 3, NDA_DST, 4, true, -EBADMSG},
	{"a MAC of five bytes", RTM_NEWNEIGH, AF_BRIDGE, 3, NDA_LLADDR, 5, true, -EBADMSG},
	{"a MAC of twenty bytes", RTM_NEWNEIGH, AF_BRIDGE, 3, NDA_LLADDR, 20, true, -EBADMSG},
	{"a remote of no bytes", RTM_NEWNEIGH, AF_BRIDGE, 3, NDA_DST, 0, false, -EBADMSG},
	{"a remote of five bytes", RTM_NEWNEIGH, AF_BRIDGE, 3, NDA_DST, 5, false, -EBADMSG},
	{"a remote of seventeen bytes", RTM_NEWNEIGH, AF_BRIDGE, 3, NDA_DST, 17, false, -EBADMSG},
	{"a port of one byte", RTM_NEWNEIGH, AF_BRIDGE, 3, NDA_PORT, 1, false, -EBADMSG},
	{"a port of four bytes", RTM_NEWNEIGH, AF_BRIDGE, 3, NDA_PORT, 4, false, -EBADMSG},
	{"a VNI of three bytes", RTM_NEWNEIGH, AF_BRIDGE, 3, NDA_VNI, 3, false, -EBADMSG},
	{"a master of two bytes", RTM_NEWNEIGH, AF_BRIDGE, 3, NDA_MASTER, 2, false, -EBADMSG},
	{"a VLAN of no bytes", RTM_NEWNEIGH, AF_BRIDGE, 3, NDA_VLAN, 0, false, -EBADMSG},
	{"a link to send through of eight bytes", RTM_NEWNEIGH, AF_BRIDGE, 3, NDA_IFINDEX, 8, false, -EBADMSG},
	{"a nexthop of one byte", RTM_NEWNEIGH, AF_BRIDGE, 3, NDA_NH_ID, 1, false, -EBADMSG},
	{"a source VNI of one byte", RTM_NEWNEIGH, AF_BRIDGE, 3, NDA_SRC_VNI, 1, false, -EBADMSG},
};

static struct nlmsghdr *make_bad(char *buf, const struct bad *b) {
	static const uint8_t bytes[32] = {1, 2, 3};
	struct nlmsghdr *m = nlsock_put(buf, b->type, 0, sizeof(struct ndmsg));
	struct ndmsg *nd = mnl_nlmsg_get_payload(m);
	nd->ndm_family = b->family;
	nd->ndm_ifindex = b->ifindex;
	if (!b->without_mac)
		mnl_attr_put(m, NDA_LLADDR, 6, bytes);
	mnl_attr_put(m, b->attribute, b->size, bytes);
	return m;
}

static void a_message_that_is_no_whole_row_is_refused(void **state) {
	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		_Alignas(struct nlmsghdr) char buf[NLSOCK_REQUEST_MAX];
		struct fdb_row row = {.ifindex = 77};
		struct err err = {0};
		int r = fdb_parse(make_bad(buf, &bad[i]), &row, &err);
		if (r != bad[i].code || (r < 0 && row.ifindex != 77))
			fail_msg("%s: %d (%s), expected %d", bad[i].what, r, err.msg, bad[i].code);
	}
}

static void a_row_cut_anywhere_is_refused_or_lacks_only_its_end(void **state) {
	(void)state;
	_Alignas(struct nlmsghdr) char buf[NLSOCK_REQUEST_MAX];
	struct nlmsghdr *m = make_bad(buf, &bad[0]);
	uint32_t whole = m->nlmsg_len;
	unsigned taken = 0;
	for (uint32_t n = NLMSG_HDRLEN; n < whole; n++) {
		struct fdb_row row;
		m->nlmsg_len = n;
		/* An exact copy on the heap: reading beyond its end is seen. */
		CLEANUP_FREE struct nlmsghdr *cut = xmalloc(n);
		memcpy(cut, buf, n);
		taken += fdb_parse(cut, &row, NULL) == 0;
	}
	/* With the MAC and without the remote, its padding there or not. */
	assert_int_equal(taken, 3);
}

int main(void) {
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_observers_row_points_to_the_new_host),
		cmocka_unit_test(the_targets_row_takes_the_mac_from_the_vxlan_device),
		cmocka_unit_test(every_kind_of_row_is_what_bridge_shows),
		cmocka_unit_test(replacing_twice_is_the_same_as_once),
		cmocka_unit_test(deleting_what_is_not_there_says_so),
		cmocka_unit_test(a_vxlan_row_is_deleted_with_its_remote_or_with_any),
		cmocka_unit_test(a_row_for_a_link_that_is_gone_is_refused),
		cmocka_unit_test(the_rows_of_one_device_are_its_own_and_its_bridges),
		cmocka_unit_test(ten_thousand_rows_are_streamed),
		cmocka_unit_test(libnl_reads_the_same_from_every_message),
		cmocka_unit_test(a_message_that_is_no_whole_row_is_refused),
		cmocka_unit_test(a_row_cut_anywhere_is_refused_or_lacks_only_its_end),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
