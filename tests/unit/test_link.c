/* Links as ip(8) makes them and shows them. */
#include "net/netlink/link.h"

#include "base/json.h"
#include "net/netlink/netns.h"
#include "netlab.h"

#include <errno.h>
#include <linux/if_link.h>
#include <linux/rtnetlink.h>
#include <netlink/route/link.h>
#include <netlink/route/link/vxlan.h>

struct lab {
	int ns, other;
	struct nlsock *s;
};

static void lab_close(struct lab *l) {
	nlsock_free(l->s);
	if (l->ns >= 0)
		close(l->ns);
	if (l->other >= 0)
		close(l->other);
}

/* Like an overlay's namespace; eth0 is in a container's. */
static void lab_open(struct lab *l) {
	struct err err;
	l->ns = netlab_new();
	l->other = netlab_new();
	netlab_do(l->ns, "ip link add br0 type bridge\n"
			 "ip link add vxlan0 master br0 type vxlan id 4097 local 10.99.0.11 dstport 4790 proxy l2miss l3miss\n"
			 "ip link add vxlan6 type vxlan id 16777215 local fd00::11 dstport 4789 nolearning\n"
			 "ip link add veth1 master br0 type veth peer name here\n");
	/* The other end, into a namespace that has a descriptor only. */
	netlab_do(l->ns,
		  "ip link add veth2 address 02:42:00:00:00:02 master br0 type veth "
		  "peer name eth0 address 02:42:0a:14:00:32 netns /proc/%d/fd/%d",
		  getpid(), l->other);
	netlab_do(l->ns, "ip link set veth2 up");
	if (nlsock_open(l->ns, &l->s, &err) < 0)
		fail_msg("%s", err.msg);
}

#define LAB(l) \
	struct lab l CLEANUP(lab_close) = {.ns = -1, .other = -1}; \
	lab_open(&l)

struct found {
	struct link_row rows[16];
	size_t n;
};

static int keep_row(void *arg, const struct link_row *row, struct err *err) {
	struct found *f = arg;
	(void)err;
	if (!row)
		f->n = 0;
	else if (f->n < sizeof(f->rows) / sizeof(f->rows[0]))
		f->rows[f->n++] = *row;
	return 0;
}

static struct found find_all(struct nlsock *s) {
	struct found f = {.n = 0};
	struct err err;
	if (link_dump(s, keep_row, &f, &err) < 0)
		fail_msg("%s", err.msg);
	return f;
}

static const struct link_row *row_of(const struct found *f, const char *name) {
	for (size_t i = 0; i < f->n; i++)
		if (strcmp(f->rows[i].name, name) == 0)
			return &f->rows[i];
	fail_msg("there is no link %s", name);
	return NULL;
}

static bool shown_up(const json_t *link) {
	json_t *flag;
	size_t i;
	json_array_foreach (json_at(link, "flags"), i, flag)
		if (strcmp(json_string_value(flag), "UP") == 0)
			return true;
	return false;
}

static void what_ip_shows_of_every_link_is_what_is_read(void **state) {
	(void)state;
	LAB(l);
	CLEANUP_FREE char *text = netlab_run(l.ns, "ip -j -d link");
	CLEANUP_JSON json_t *shown = NULL;
	json_t *link;
	size_t i;
	struct found f = find_all(l.s);
	assert_int_equal(json_parse(text, strlen(text), "ip", &shown, NULL), 0);
	assert_int_equal(f.n, json_array_size(shown));
	assert_int_equal(f.n, 7);
	json_array_foreach (shown, i, link) {
		const struct link_row *row = row_of(&f, json_str_or(link, "ifname", ""));
		const char *master = json_str_or(link, "master", NULL), *peer = json_str_or(link, "link", NULL);
		struct mac mac = netlab_mac(json_str_or(link, "address", ""));
		assert_int_equal(row->ifindex, json_int_or(link, "ifindex", 0));
		assert_string_equal(row->kind, json_str_or(link, "linkinfo.info_kind", ""));
		assert_int_equal(row->up, shown_up(link));
		assert_int_equal(row->master, master ? row_of(&f, master)->ifindex : 0);
		assert_true(mac_equal(&row->mac, &mac));
		assert_int_equal(row->peer_nsid, json_int_or(link, "link_netnsid", -1));
		assert_int_equal(row->peer, peer ? row_of(&f, peer)->ifindex : json_int_or(link, "link_index", 0));
	}
}

static void a_vxlan_device_is_read_with_all_that_matters(void **state) {
	(void)state;
	LAB(l);
	struct found f = find_all(l.s);
	const struct link_row *v4 = row_of(&f, "vxlan0"), *v6 = row_of(&f, "vxlan6");
	struct ip local4 = netlab_ip("10.99.0.11"), local6 = netlab_ip("fd00::11");
	assert_true(v4->is_vxlan && v6->is_vxlan);
	assert_int_equal(v4->vxlan.vni, 4097);
	assert_int_equal(v4->vxlan.port, 4790);
	assert_true(ip_equal(&v4->vxlan.local, &local4));
	assert_true(v4->vxlan.proxy && v4->vxlan.l2miss && v4->vxlan.l3miss && v4->vxlan.learning);
	assert_int_equal(v6->vxlan.vni, 16777215);
	assert_int_equal(v6->vxlan.port, 4789);
	assert_true(ip_equal(&v6->vxlan.local, &local6));
	assert_false(v6->vxlan.proxy || v6->vxlan.l2miss || v6->vxlan.l3miss || v6->vxlan.learning);
	assert_false(row_of(&f, "br0")->is_vxlan);
}

static int compare_with_libnl(void *arg, struct err *err) {
	const struct found *f = arg;
	struct nl_sock *sock = nl_socket_alloc();
	struct nl_cache *cache = NULL;
	(void)err;
	assert_int_equal(nl_connect(sock, NETLINK_ROUTE), 0);
	assert_int_equal(rtnl_link_alloc_cache(sock, AF_UNSPEC, &cache), 0);
	assert_int_equal(nl_cache_nitems(cache), f->n);
	for (size_t i = 0; i < f->n; i++) {
		const struct link_row *row = &f->rows[i];
		struct rtnl_link *link = rtnl_link_get(cache, (int)row->ifindex);
		int32_t nsid = -1;
		uint32_t vni = 0, port = 0;
		(void)rtnl_link_get_link_netnsid(link, &nsid); /* fails where there is none */
		assert_string_equal(rtnl_link_get_name(link), row->name);
		assert_int_equal(rtnl_link_get_master(link), row->master);
		assert_int_equal(rtnl_link_get_link(link), row->peer);
		assert_int_equal(nsid, row->peer_nsid);
		assert_int_equal(rtnl_link_is_vxlan(link), row->is_vxlan);
		if (row->is_vxlan && rtnl_link_vxlan_get_id(link, &vni) == 0 && rtnl_link_vxlan_get_port(link, &port) == 0) {
			assert_int_equal(vni, row->vxlan.vni);
			assert_int_equal(port, row->vxlan.port);
			assert_int_equal(rtnl_link_vxlan_get_proxy(link), row->vxlan.proxy);
		}
		rtnl_link_put(link);
	}
	nl_cache_free(cache);
	nl_socket_free(sock);
	return 0;
}

static void libnl_reads_the_same(void **state) {
	(void)state;
	LAB(l);
	struct found f = find_all(l.s);
	assert_int_equal(netns_call(l.ns, compare_with_libnl, &f, NULL), 0);
}

static void both_ends_of_a_pair_in_two_namespaces_name_each_other(void **state) {
	(void)state;
	LAB(l);
	struct nlsock *inside CLEANUP_NLSOCK = NULL;
	struct err err;
	if (nlsock_open(l.other, &inside, &err) < 0)
		fail_msg("%s", err.msg);
	struct found out = find_all(l.s), in = find_all(inside);
	const struct link_row *port = row_of(&out, "veth2"), *eth0 = row_of(&in, "eth0");
	struct mac mac = netlab_mac("02:42:0a:14:00:32");
	assert_int_equal(port->peer, eth0->ifindex);
	assert_int_equal(eth0->peer, port->ifindex);
	assert_true(port->peer_nsid >= 0 && eth0->peer_nsid >= 0);
	assert_true(mac_equal(&eth0->mac, &mac));
	assert_int_equal(row_of(&out, "veth1")->peer, row_of(&out, "here")->ifindex);
	assert_int_equal(row_of(&out, "veth1")->peer_nsid, -1);
}

static bool is_up(struct nlsock *s, const char *name) {
	struct found f = find_all(s);
	return row_of(&f, name)->up;
}

static void a_link_is_set_up_and_down(void **state) {
	(void)state;
	LAB(l);
	unsigned veth2 = netlab_index(l.ns, "veth2");
	struct err err = {0};
	assert_true(is_up(l.s, "veth2"));
	for (int again = 0; again < 2; again++)
		assert_int_equal(link_set_up(l.s, veth2, false, &err), 0);
	assert_false(is_up(l.s, "veth2"));
	CLEANUP_FREE char *down = netlab_run(l.ns, "ip -o link show dev veth2 up");
	assert_string_equal(down, "");
	assert_int_equal(link_set_up(l.s, veth2, true, &err), 0);
	assert_true(is_up(l.s, "veth2"));
	assert_int_equal(link_set_up(l.s, 4711, true, &err), -ENODEV);
	assert_non_null(strstr(err.msg, "set link 4711 up: kernel"));
}

/* ---- bad input ---- */

static const struct bad {
	const char *what;
	uint16_t type;
	uint8_t family;
	int ifindex;
	const char *name; /* NULL: none */
	size_t size;
	int code;
} bad[] = {
	{"a link", RTM_NEWLINK, AF_UNSPEC, 3, "veth1", 6, 0},
	{"a link that goes", RTM_DELLINK, AF_UNSPEC, 3, "veth1", 6, 0},
	{"a port that leaves its bridge", RTM_DELLINK, AF_BRIDGE, 3, "veth1", 6, -EBADMSG},
	{"a row of something else", RTM_NEWNEIGH, AF_UNSPEC, 3, "veth1", 6, -EBADMSG},
	{"number zero", RTM_NEWLINK, AF_UNSPEC, 0, "veth1", 6, -EBADMSG},
	{"a negative number", RTM_NEWLINK, AF_UNSPEC, -3, "veth1", 6, -EBADMSG},
	{"no name", RTM_NEWLINK, AF_UNSPEC, 3, NULL, 0, -EBADMSG},
	{"an empty name", RTM_NEWLINK, AF_UNSPEC, 3, "", 1, -EBADMSG},
	{"a name without its end", RTM_NEWLINK, AF_UNSPEC, 3, "veth1", 5, 0},
	{"the longest name", RTM_NEWLINK, AF_UNSPEC, 3, "0123456789abcde", 16, 0},
	{"a name that is too long", RTM_NEWLINK, AF_UNSPEC, 3, "0123456789abcdef", 17, -EBADMSG},
};

static struct nlmsghdr *make_bad(char *buf, const struct bad *b) {
	struct nlmsghdr *m = nlsock_put(buf, b->type, 0, sizeof(struct ifinfomsg));
	struct ifinfomsg *info = mnl_nlmsg_get_payload(m);
	info->ifi_family = b->family;
	info->ifi_index = b->ifindex;
	mnl_attr_put_u32(m, IFLA_MTU, 1500);
	if (b->name)
		mnl_attr_put(m, IFLA_IFNAME, b->size, b->name);
	return m;
}

static void a_message_that_is_no_whole_link_is_refused(void **state) {
	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		_Alignas(struct nlmsghdr) char buf[NLSOCK_REQUEST_MAX];
		struct link_row row = {.ifindex = 77};
		struct err err = {0};
		int r = link_parse(make_bad(buf, &bad[i]), &row, &err);
		if (r != bad[i].code || (r < 0 && row.ifindex != 77))
			fail_msg("%s: %d (%s), expected %d", bad[i].what, r, err.msg, bad[i].code);
	}
}

static void a_vxlan_device_whose_data_are_odd_is_refused(void **state) {
	(void)state;
	static const struct {
		const char *what, *kind;
		uint16_t type;
		size_t size;
		int code;
	} cases[] = {
		{"whole", "vxlan", IFLA_VXLAN_ID, 4, 0},
		{"a VNI of three bytes", "vxlan", IFLA_VXLAN_ID, 3, -EBADMSG},
		{"a port of four bytes", "vxlan", IFLA_VXLAN_PORT, 4, -EBADMSG},
		{"a flag of no bytes", "vxlan", IFLA_VXLAN_PROXY, 0, -EBADMSG},
		{"a local address of six bytes", "vxlan", IFLA_VXLAN_LOCAL, 6, -EBADMSG},
		{"other data of another kind", "bridge", IFLA_VXLAN_ID, 3, 0},
		{"a kind that is too long", "0123456789abcdef", IFLA_VXLAN_ID, 4, -EBADMSG},
		{"no data at all", "vxlan", 0, 0, 0},
		{"data that are no attributes", "vxlan", 0, 3, -EBADMSG},
	};
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		_Alignas(struct nlmsghdr) char buf[NLSOCK_REQUEST_MAX];
		struct link_row row;
		struct err err = {0};
		struct nlmsghdr *m = make_bad(buf, &bad[0]);
		struct nlattr *info = mnl_attr_nest_start(m, IFLA_LINKINFO);
		mnl_attr_put_strz(m, IFLA_INFO_KIND, cases[i].kind);
		if (cases[i].type) {
			struct nlattr *data = mnl_attr_nest_start(m, IFLA_INFO_DATA);
			mnl_attr_put(m, cases[i].type, cases[i].size, "\1\1\1\1\1\1");
			mnl_attr_nest_end(m, data);
		} else if (cases[i].size) {
			mnl_attr_put(m, IFLA_INFO_DATA, cases[i].size, "\1\1\1\1\1\1");
		}
		mnl_attr_nest_end(m, info);
		int r = link_parse(m, &row, &err);
		if (r != cases[i].code || (r == 0 && row.is_vxlan != (cases[i].type && strcmp(cases[i].kind, "vxlan") == 0)))
			fail_msg("%s: %d (%s), expected %d", cases[i].what, r, err.msg, cases[i].code);
	}
}

static void a_link_cut_anywhere_is_refused(void **state) {
	(void)state;
	_Alignas(struct nlmsghdr) char buf[NLSOCK_REQUEST_MAX];
	struct nlmsghdr *m = make_bad(buf, &bad[0]);
	uint32_t whole = m->nlmsg_len - 2; /* the rest only fills up the name's attribute */
	for (uint32_t n = NLMSG_HDRLEN; n < whole; n++) {
		struct link_row row;
		m->nlmsg_len = n;
		CLEANUP_FREE struct nlmsghdr *cut = xmalloc(n); /* exact: reading beyond its end is seen */
		memcpy(cut, buf, n);
		assert_int_equal(link_parse(cut, &row, NULL), -EBADMSG);
	}
}

int main(void) {
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_ip_shows_of_every_link_is_what_is_read),
		cmocka_unit_test(a_vxlan_device_is_read_with_all_that_matters),
		cmocka_unit_test(libnl_reads_the_same),
		cmocka_unit_test(both_ends_of_a_pair_in_two_namespaces_name_each_other),
		cmocka_unit_test(a_link_is_set_up_and_down),
		cmocka_unit_test(a_message_that_is_no_whole_link_is_refused),
		cmocka_unit_test(a_vxlan_device_whose_data_are_odd_is_refused),
		cmocka_unit_test(a_link_cut_anywhere_is_refused),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
