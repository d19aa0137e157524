/* What is told of changes, and that nothing is lost silently. */
#include "net/netlink/watch.h"

#include "net/netlink/netns.h"
#include "netlab.h"

#include <errno.h>
#include <linux/neighbour.h>
#include <linux/rtnetlink.h>
#include <poll.h>
#include <sys/socket.h>

#define MAC "02:42:0a:14:00:32"
#define PATIENCE_MS 60000

struct lab {
	int ns;
	struct watch *w;
	unsigned bridge, vxlan, veth;
};

static void lab_close(struct lab *l) {
	watch_free(l->w);
	if (l->ns >= 0)
		close(l->ns);
}

static void lab_open(struct lab *l, size_t buffer) {
	struct err err;
	l->ns = netlab_new();
	netlab_do(l->ns, "ip link add br0 type bridge\n"
			 "ip link add vxlan0 master br0 type vxlan id 4097 local 10.99.0.11 dstport 4789 proxy l2miss l3miss\n"
			 "ip link add veth1 master br0 type veth peer name eth0\n"
			 "for i in br0 vxlan0 veth1 eth0; do ip link set $i up; done");
	l->bridge = netlab_index(l->ns, "br0");
	l->vxlan = netlab_index(l->ns, "vxlan0");
	l->veth = netlab_index(l->ns, "veth1");
	if (watch_open(l->ns, buffer, &l->w, &err) < 0)
		fail_msg("%s", err.msg);
}

#define LAB(l, buffer) \
	struct lab l CLEANUP(lab_close) = {.ns = -1}; \
	lab_open(&l, buffer)

/* Reads until an event is what is waited for. */
struct waiting {
	bool (*is)(const struct lab *l, const struct watch_event *e);
	const struct lab *l;
	bool found;
};

static void look(void *arg, const struct watch_event *e) {
	struct waiting *w = arg;
	w->found = w->found || w->is(w->l, e);
}

static void wait_until_readable(const struct lab *l, const char *what) {
	struct pollfd p = {.fd = watch_fd(l->w), .events = POLLIN};
	if (poll(&p, 1, PATIENCE_MS) != 1)
		fail_msg("nothing was told of %s", what);
}

static void wait_for(struct lab *l, const char *what, bool (*is)(const struct lab *, const struct watch_event *)) {
	struct waiting w = {.is = is, .l = l};
	while (!w.found) {
		struct err err;
		wait_until_readable(l, what);
		if (watch_read(l->w, look, &w, &err) < 0)
			fail_msg("%s", err.msg);
	}
}

#define DST "10.99.0.12"

static bool is_self_row(const struct lab *l, const struct watch_event *e) {
	struct mac mac = netlab_mac(MAC);
	struct ip dst = netlab_ip(DST);
	return e->kind == WATCH_FDB && e->fdb.self && e->fdb.ifindex == l->vxlan && mac_equal(&e->fdb.mac, &mac) &&
	       ip_equal(&e->fdb.dst, &dst) && e->fdb.state == FDB_PERMANENT;
}

static bool is_new_self_row(const struct lab *l, const struct watch_event *e) { return is_self_row(l, e) && !e->gone; }
static bool is_gone_self_row(const struct lab *l, const struct watch_event *e) { return is_self_row(l, e) && e->gone; }

static bool is_sticky_row(const struct lab *l, const struct watch_event *e) {
	return e->kind == WATCH_FDB && !e->gone && !e->fdb.self && e->fdb.ifindex == l->veth && e->fdb.master == l->bridge &&
	       e->fdb.sticky && e->fdb.state == FDB_STATIC;
}

static void a_poisoned_row_is_told(void **state) {
	(void)state;
	LAB(l, 0);
	netlab_do(l.ns, "bridge fdb replace " MAC " dev vxlan0 dst " DST " self permanent");
	wait_for(&l, "the new VXLAN row", is_new_self_row);
	netlab_do(l.ns, "bridge fdb replace " MAC " dev veth1 master static sticky");
	wait_for(&l, "the bridge's row", is_sticky_row);
	netlab_do(l.ns, "bridge fdb del " MAC " dev vxlan0 self");
	wait_for(&l, "the row that went", is_gone_self_row);
}

static bool is_neighbour(const struct lab *l, const struct watch_event *e) {
	struct ip ip = netlab_ip("fd00:20::50");
	return e->kind == WATCH_NEIGH && !e->gone && e->neigh.ifindex == l->vxlan && ip_equal(&e->neigh.ip, &ip) &&
	       neigh_is_permanent(&e->neigh);
}

static bool is_gone_neighbour(const struct lab *l, const struct watch_event *e) {
	struct ip ip = netlab_ip("10.20.0.50");
	(void)l;
	return e->kind == WATCH_NEIGH && e->gone && ip_equal(&e->neigh.ip, &ip);
}

static void a_neighbour_is_told(void **state) {
	(void)state;
	LAB(l, 0);
	netlab_do(l.ns, "ip neigh add fd00:20::50 lladdr " MAC " dev vxlan0 nud permanent");
	wait_for(&l, "the IPv6 neighbour", is_neighbour);
	netlab_do(l.ns, "ip neigh add 10.20.0.50 lladdr " MAC " dev vxlan0 nud permanent; ip neigh del 10.20.0.50 dev vxlan0");
	wait_for(&l, "the neighbour that went", is_gone_neighbour);
}

static bool is_down(const struct lab *l, const struct watch_event *e) {
	return e->kind == WATCH_LINK && !e->gone && e->link.ifindex == l->veth && !e->link.up;
}

static bool is_off_the_bridge(const struct lab *l, const struct watch_event *e) {
	/* The bridge tells of it as of a link that goes: to be kept apart from one that does. */
	assert_false(e->kind == WATCH_OVERRUN || (e->kind == WATCH_LINK && e->gone));
	return e->kind == WATCH_LINK && e->link.ifindex == l->veth && e->link.master == 0;
}

static bool is_gone_link(const struct lab *l, const struct watch_event *e) {
	return e->kind == WATCH_LINK && e->gone && e->link.ifindex == l->veth && strcmp(e->link.name, "veth1") == 0;
}

static void a_link_is_told_when_it_changes_leaves_its_bridge_and_goes(void **state) {
	(void)state;
	LAB(l, 0);
	netlab_do(l.ns, "ip link set veth1 down");
	wait_for(&l, "the link that is down", is_down);
	netlab_do(l.ns, "ip link set veth1 nomaster");
	wait_for(&l, "the port that left", is_off_the_bridge);
	netlab_do(l.ns, "ip link del veth1");
	wait_for(&l, "the link that went", is_gone_link);
}

static void count(void *arg, const struct watch_event *e) {
	(void)e;
	++*(unsigned *)arg;
}

static void reading_never_waits(void **state) {
	(void)state;
	LAB(l, 0);
	unsigned n = 0;
	struct err err;
	while (watch_read(l.w, count, &n, &err) == 1)
		;
	assert_int_equal(watch_read(l.w, count, &n, &err), 0);
}

/* ---- a flood ---- */

#define ROWS 50000 /* each is told when it comes and when it changes */

struct tally {
	size_t rows, overruns, events;
	unsigned char seen[ROWS / 8 + 1];
	struct ip dst;
};

static int keep_row(void *arg, const struct fdb_row *row, struct err *err) {
	struct tally *t = arg;
	(void)err;
	if (!row) {
		t->rows = 0;
		memset(t->seen, 0, sizeof(t->seen));
		return 0;
	}
	const uint8_t *b = row->mac.bytes;
	if (b[0] != 2 || b[1] != 0xaa || !ip_equal(&row->dst, &t->dst))
		return 0;
	size_t i = (size_t)b[3] << 16 | (size_t)b[4] << 8 | b[5];
	assert_true(i < ROWS && !(t->seen[i / 8] >> (i % 8) & 1));
	t->seen[i / 8] = (unsigned char)(t->seen[i / 8] | 1 << (i % 8));
	t->rows++;
	return 0;
}

static void flood(struct nlsock *s, unsigned ifindex, const char *dst) {
	struct fdb_row row = {.ifindex = ifindex, .self = true, .state = FDB_PERMANENT, .dst = netlab_ip(dst)};
	for (unsigned i = 0; i < ROWS; i++) {
		struct err err;
		row.mac = (struct mac){{2, 0xaa, 0, (uint8_t)(i >> 16), (uint8_t)(i >> 8), (uint8_t)i}};
		if (fdb_replace(s, &row, &err) < 0)
			fail_msg("%s", err.msg);
	}
}

static void count_overruns(void *arg, const struct watch_event *e) {
	struct tally *t = arg;
	t->overruns += e->kind == WATCH_OVERRUN;
	t->events++;
}

static void a_flood_of_100000_events_is_reported_and_a_dump_afterwards_is_complete(void **state) {
	(void)state;
	LAB(l, 65536);
	struct nlsock *s CLEANUP_NLSOCK = NULL;
	struct tally *t CLEANUP_FREE = xnew(struct tally);
	struct err err;
	int r;
	assert_int_equal(nlsock_open(l.ns, &s, &err), 0);
	flood(s, l.vxlan, "10.99.0.12");
	flood(s, l.vxlan, "10.99.0.13");
	while ((r = watch_read(l.w, count_overruns, t, &err)) == 1)
		;
	assert_int_equal(r, 0);
	assert_true(t->overruns > 0);
	assert_true(t->events < 2 * ROWS);
	t->dst = netlab_ip("10.99.0.13");
	assert_int_equal(fdb_dump(s, l.vxlan, keep_row, t, &err), 0);
	assert_int_equal(t->rows, ROWS);
	/* And it goes on. */
	netlab_do(l.ns, "bridge fdb replace " MAC " dev vxlan0 dst " DST " self permanent");
	wait_for(&l, "a row after the flood", is_new_self_row);
}

static void with_room_enough_nothing_is_lost(void **state) {
	(void)state;
	LAB(l, 256u << 20);
	struct nlsock *s CLEANUP_NLSOCK = NULL;
	struct tally *t CLEANUP_FREE = xnew(struct tally);
	struct err err;
	int r, turns = 0;
	assert_int_equal(nlsock_open(l.ns, &s, &err), 0);
	flood(s, l.vxlan, "10.99.0.12");
	while ((r = watch_read(l.w, count_overruns, t, &err)) == 1)
		turns++;
	assert_int_equal(r, 0);
	assert_true(turns > 1); /* the loop has its turn in between */
	assert_int_equal(t->overruns, 0);
	assert_true(t->events >= ROWS);
}

/* ---- strangers ---- */

static void a_message_that_is_none_of_the_kernels_is_passed_over(void **state) {
	(void)state;
	LAB(l, 0);
	_Alignas(struct nlmsghdr) char buf[NLSOCK_REQUEST_MAX];
	struct sockaddr_nl to = {.nl_family = AF_NETLINK};
	socklen_t len = sizeof(to);
	unsigned n = 0;
	struct err err;
	while (watch_read(l.w, count, &n, &err) == 1)
		;
	n = 0;
	assert_int_equal(getsockname(watch_fd(l.w), (struct sockaddr *)&to, &len), 0);
	CLEANUP_FD int fd = netns_socket(l.ns, AF_NETLINK, SOCK_RAW, NETLINK_ROUTE, &err);
	struct nlmsghdr *m = nlsock_put(buf, RTM_NEWNEIGH, 0, sizeof(struct ndmsg));
	((struct ndmsg *)mnl_nlmsg_get_payload(m))->ndm_family = AF_BRIDGE;
	((struct ndmsg *)mnl_nlmsg_get_payload(m))->ndm_ifindex = 1;
	mnl_attr_put(m, NDA_LLADDR, 6, "\2\2\2\2\2\2");
	to.nl_groups = 0;
	assert_int_equal(sendto(fd, m, m->nlmsg_len, 0, (struct sockaddr *)&to, sizeof(to)), m->nlmsg_len);
	wait_until_readable(&l, "a stranger's message");
	assert_int_equal(watch_read(l.w, count, &n, &err), 0);
	assert_int_equal(n, 0);
}

static void a_namespace_that_cannot_be_entered_is_not_watched(void **state) {
	(void)state;
	CLEANUP_FD int null = open("/dev/null", O_RDONLY | O_CLOEXEC);
	struct watch *w = NULL;
	struct err err = {0};
	assert_true(watch_open(null, 0, &w, &err) < 0);
	assert_null(w);
	watch_free(NULL);
}

int main(void) {
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_poisoned_row_is_told),
		cmocka_unit_test(a_neighbour_is_told),
		cmocka_unit_test(a_link_is_told_when_it_changes_leaves_its_bridge_and_goes),
		cmocka_unit_test(reading_never_waits),
		cmocka_unit_test(a_flood_of_100000_events_is_reported_and_a_dump_afterwards_is_complete),
		cmocka_unit_test(with_room_enough_nothing_is_lost),
		cmocka_unit_test(a_message_that_is_none_of_the_kernels_is_passed_over),
		cmocka_unit_test(a_namespace_that_cannot_be_entered_is_not_watched),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
