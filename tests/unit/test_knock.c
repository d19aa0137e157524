/* Who answers, who does not, and how that is told apart. */
#include "net/netlink/knock.h"

#include "net/netlink/netns.h"
#include "netlab.h"

#include <errno.h>
#include <linux/icmp.h>
#include <stdatomic.h>
#include <sys/socket.h>

#define PATIENCE span_sec(60)
#define BRIEF span_ms(300)

/* Two hosts on a wire; `far` forwards, and says that there is no way to 198.51.100.0/24. */
struct lab {
	int near, far;
};

static void lab_close(struct lab *l) {
	if (l->near >= 0)
		close(l->near);
	if (l->far >= 0)
		close(l->far);
}

static void lab_open(struct lab *l) {
	l->near = netlab_new();
	l->far = netlab_new();
	/* By lo a host hears its own ICMP errors. */
	netlab_do(l->near,
		  "ip link set lo up; ip link add eth0 type veth peer name eth0 netns /proc/%d/fd/%d; ip link set eth0 up\n"
		  "ip addr add 10.99.0.11/24 dev eth0; ip addr add fd00::11/64 dev eth0 nodad",
		  getpid(), l->far);
	netlab_do(l->far, "ip link set eth0 up; ip addr add 10.99.0.12/24 dev eth0; ip addr add fd00::12/64 dev eth0 nodad\n"
			  "echo 1 >/proc/sys/net/ipv4/ip_forward; ip route add unreachable 198.51.100.0/24");
	netlab_do(l->near, "ip route add 198.51.100.0/24 via 10.99.0.12; ip route add unreachable 192.0.2.0/24\n"
			   "ip neigh add 10.99.0.99 lladdr 02:42:00:00:00:99 dev eth0 nud permanent");
}

#define LAB(l) \
	struct lab l CLEANUP(lab_close) = {-1, -1}; \
	lab_open(&l)

static struct knock icmp(const struct lab *l, const char *to, struct span timeout) {
	struct ip ip = netlab_ip(to);
	struct knock k = {.sign = KNOCK_SIGN_MAX};
	struct err err;
	if (knock_icmp(l->near, &ip, timeout, &k, &err) < 0)
		fail_msg("%s: %s", to, err.msg);
	assert_true(k.us >= 0);
	return k;
}

static struct knock tcp(const struct lab *l, const char *to, uint16_t port, struct span timeout) {
	struct ip ip = netlab_ip(to);
	struct knock k = {.sign = KNOCK_SIGN_MAX};
	struct err err;
	if (knock_tcp(l->near, &ip, port, timeout, &k, &err) < 0)
		fail_msg("%s: %s", to, err.msg);
	assert_true(k.us >= 0);
	return k;
}

#define expect(knock, expected) assert_string_equal(knock_sign_name((knock).sign), knock_sign_name(expected))

static int listener(int ns, const char *address, uint16_t port) {
	struct ip ip = netlab_ip(address);
	struct sockaddr_storage addr;
	struct err err;
	socklen_t len = ip_to_sockaddr(&ip, port, &addr);
	int fd = netns_socket(ns, ip.family, SOCK_STREAM, 0, &err);
	assert_true(fd >= 0);
	assert_int_equal(bind(fd, (struct sockaddr *)&addr, len), 0);
	assert_int_equal(listen(fd, 8), 0);
	return fd;
}

static void a_host_that_is_there_answers(void **state) {
	(void)state;
	LAB(l);
	CLEANUP_FD int v4 = listener(l.far, "10.99.0.12", 80), v6 = listener(l.far, "fd00::12", 80);
	expect(icmp(&l, "10.99.0.12", PATIENCE), KNOCK_ANSWERED);
	expect(icmp(&l, "fd00::12", PATIENCE), KNOCK_ANSWERED);
	expect(tcp(&l, "10.99.0.12", 80, PATIENCE), KNOCK_ANSWERED);
	expect(tcp(&l, "fd00::12", 80, PATIENCE), KNOCK_ANSWERED);
}

static void a_port_nobody_listens_on_is_refused(void **state) {
	(void)state;
	LAB(l);
	expect(tcp(&l, "10.99.0.12", 80, PATIENCE), KNOCK_REFUSED);
	expect(tcp(&l, "fd00::12", 80, PATIENCE), KNOCK_REFUSED);
}

static void a_host_that_drops_everything_is_silent_until_the_time_is_over(void **state) {
	(void)state;
	LAB(l);
	netlab_do(l.far, "nft 'add table inet t; add chain inet t c { type filter hook input priority 0; }; "
			 "add rule inet t c icmp type echo-request drop; add rule inet t c icmpv6 type echo-request drop; "
			 "add rule inet t c meta l4proto tcp drop'");
	static const char *const addresses[] = {"10.99.0.12", "fd00::12"};
	for (size_t i = 0; i < 2; i++) {
		struct knock k = icmp(&l, addresses[i], BRIEF), t = tcp(&l, addresses[i], 80, BRIEF);
		expect(k, KNOCK_SILENT);
		expect(t, KNOCK_SILENT);
		assert_true(k.us >= 300000 && t.us >= 300000);
	}
}

/* As where a VXLAN device's proxy answers for a host that is dead. */
static void an_address_whose_mac_is_known_is_not_there_for_that(void **state) {
	(void)state;
	LAB(l);
	expect(icmp(&l, "10.99.0.99", BRIEF), KNOCK_SILENT);
	expect(tcp(&l, "10.99.0.99", 80, BRIEF), KNOCK_SILENT);
}

static void no_way_is_told_from_silence(void **state) {
	(void)state;
	LAB(l);
	static const struct {
		const char *what, *to;
	} cases[] = {
		{"a route that says so", "192.0.2.1"},
		{"no route", "203.0.113.1"},
		{"no IPv6 route", "2001:db8::1"},
		{"another host says so", "198.51.100.1"},
		{"nobody with that address on the wire", "10.99.0.77"},
	};
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct knock k = icmp(&l, cases[i].to, PATIENCE), t = tcp(&l, cases[i].to, 80, PATIENCE);
		if (k.sign != KNOCK_UNREACHABLE || t.sign != KNOCK_UNREACHABLE)
			fail_msg("%s: ICMP %s, TCP %s", cases[i].what, knock_sign_name(k.sign), knock_sign_name(t.sign));
	}
}

/* ---- somebody else's replies ---- */

struct forger {
	int fd;
	atomic_bool stop;
	atomic_uint sent;
};

static void *forge(void *data) {
	struct forger *f = data;
	struct ip to = netlab_ip("10.99.0.11");
	struct sockaddr_storage addr;
	socklen_t len = ip_to_sockaddr(&to, 0, &addr);
	uint8_t reply[24] = {ICMP_ECHOREPLY, 0, 0xff, 0xfe, 0, 0, 0, 1}; /* as good as a reply without the cookie can be */
	for (unsigned id = 0; !atomic_load(&f->stop); id = (id + 1) & 0xffff) {
		uint32_t sum = id + 1;
		reply[4] = (uint8_t)(id >> 8);
		reply[5] = (uint8_t)id;
		sum = (sum & 0xffff) + (sum >> 16);
		reply[2] = (uint8_t)(~sum >> 8);
		reply[3] = (uint8_t)~sum;
		if (sendto(f->fd, reply, sizeof(reply), 0, (struct sockaddr *)&addr, len) > 0)
			atomic_fetch_add(&f->sent, 1);
	}
	return NULL;
}

static void replies_to_somebody_else_are_none_to_us(void **state) {
	(void)state;
	LAB(l);
	struct forger f = {.fd = -1};
	struct err err;
	pthread_t thread;
	netlab_do(l.far, "nft 'add table inet t; add chain inet t c { type filter hook input priority 0; }; "
			 "add rule inet t c icmp type echo-request drop'");
	f.fd = netns_socket(l.far, AF_INET, SOCK_RAW, IPPROTO_ICMP, &err);
	assert_true(f.fd >= 0);
	assert_int_equal(pthread_create(&thread, NULL, forge, &f), 0);
	struct knock k = icmp(&l, "10.99.0.12", BRIEF);
	atomic_store(&f.stop, true);
	pthread_join(thread, NULL);
	close(f.fd);
	expect(k, KNOCK_SILENT);
	assert_true(atomic_load(&f.sent) > 0);
}

static void what_cannot_be_asked_is_an_error_and_no_silence(void **state) {
	(void)state;
	CLEANUP_FD int null = open("/dev/null", O_RDONLY | O_CLOEXEC);
	struct ip ip = netlab_ip("10.99.0.12"), none = {0};
	struct knock k;
	struct err err = {0};
	assert_true(knock_icmp(null, &ip, BRIEF, &k, &err) < 0);
	assert_true(knock_tcp(null, &ip, 80, BRIEF, &k, &err) < 0);
	CLEANUP_FD int ns = netlab_new();
	assert_true(knock_tcp(ns, &none, 80, BRIEF, &k, &err) < 0);
	/* Nobody may connect to a broadcast address: our own fault. */
	netlab_do(ns, "ip link set lo up; ip link add eth0 type veth peer name e1; ip addr add 10.99.0.11/24 dev eth0; ip link set "
		      "eth0 up");
	ip = netlab_ip("10.99.0.255");
	assert_int_equal(knock_icmp(ns, &ip, BRIEF, &k, &err), -EACCES);
}

static void a_name_for_every_sign(void **state) {
	(void)state;
	for (int i = 0; i < KNOCK_SIGN_MAX; i++)
		assert_true(knock_sign_name((enum knock_sign)i)[0] != '\0');
}

int main(void) {
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_host_that_is_there_answers),
		cmocka_unit_test(a_port_nobody_listens_on_is_refused),
		cmocka_unit_test(a_host_that_drops_everything_is_silent_until_the_time_is_over),
		cmocka_unit_test(an_address_whose_mac_is_known_is_not_there_for_that),
		cmocka_unit_test(no_way_is_told_from_silence),
		cmocka_unit_test(replies_to_somebody_else_are_none_to_us),
		cmocka_unit_test(what_cannot_be_asked_is_an_error_and_no_silence),
		cmocka_unit_test(a_name_for_every_sign),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
