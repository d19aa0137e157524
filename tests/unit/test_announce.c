/* What is sent byte for byte, and what neighbours and bridges make of it. */
#include "net/netlink/announce.h"

#include "base/mono.h"
#include "net/netlink/netns.h"
#include "netlab.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/if_packet.h>
#include <net/ethernet.h>
#include <poll.h>
#include <sys/socket.h>

#define MAC "02:42:0a:14:00:32"
#define MAC_BYTES 0x02, 0x42, 0x0a, 0x14, 0x00, 0x32
#define PATIENCE_MS 60000

static const uint8_t arp_bytes[] = {0, 1, 8, 0, 6, 4, 0, 2, MAC_BYTES, 10, 20, 0, 50, MAC_BYTES, 10, 20, 0, 50};

static const uint8_t advertisement_bytes[] = {136, 0, 0, 0, 0x20, 0, 0, 0, 0xfd, 0,    0, 0, 0,        0,
					      0,   0, 0, 0, 0,    0, 0, 0, 0,    0x50, 2, 1, MAC_BYTES};

static void what_is_sent_is_what_the_standards_say(void **state) {
	(void)state;
	struct ip v4 = netlab_ip("10.20.0.50"), v6 = netlab_ip("fd00::50");
	struct mac mac = netlab_mac(MAC);
	uint8_t packet[ANNOUNCE_MAX];
	assert_int_equal(announce_encode(&v4, &mac, packet), sizeof(arp_bytes));
	assert_memory_equal(packet, arp_bytes, sizeof(arp_bytes));
	assert_int_equal(announce_encode(&v6, &mac, packet), sizeof(advertisement_bytes));
	assert_memory_equal(packet, advertisement_bytes, sizeof(advertisement_bytes));
}

/* A container's namespace with eth0, and what it is plugged into. */
struct lab {
	int inside, outside;
	unsigned eth0;
};

static void lab_close(struct lab *l) {
	if (l->inside >= 0)
		close(l->inside);
	if (l->outside >= 0)
		close(l->outside);
}

static void lab_open(struct lab *l) {
	l->inside = netlab_new();
	l->outside = netlab_new();
	netlab_do(l->outside,
		  "ip link add veth1 type veth peer name eth0 address " MAC " netns /proc/%d/fd/%d; ip link set veth1 up", getpid(),
		  l->inside);
	netlab_do(l->inside, "ip link set eth0 up; ip addr add 10.20.0.50/24 dev eth0; ip addr add fd00::50/64 dev eth0 nodad");
	l->eth0 = netlab_index(l->inside, "eth0");
}

#define LAB(l) \
	struct lab l CLEANUP(lab_close) = {.inside = -1, .outside = -1}; \
	lab_open(&l)

static void announce(const struct lab *l, const char *address) {
	struct ip ip = netlab_ip(address);
	struct err err;
	if (announce_address(l->inside, l->eth0, &ip, &err) < 0)
		fail_msg("%s", err.msg);
}

/* ---- on the wire ---- */

static int listen_on(const struct lab *l, uint16_t type) {
	struct sockaddr_ll addr = {
		.sll_family = AF_PACKET, .sll_protocol = htons(type), .sll_ifindex = (int)netlab_index(l->outside, "veth1")};
	struct err err;
	int fd = netns_socket(l->outside, AF_PACKET, SOCK_RAW, 0, &err);
	assert_true(fd >= 0);
	assert_int_equal(bind(fd, (struct sockaddr *)&addr, sizeof(addr)), 0);
	return fd;
}

/* The first frame whose message of that size begins with this byte at that place. */
static void await_frame(int fd, size_t at, uint8_t first, size_t size, uint8_t ret[static 128]) {
	struct pollfd p = {.fd = fd, .events = POLLIN};
	do {
		if (poll(&p, 1, PATIENCE_MS) != 1)
			fail_msg("no frame came");
		memset(ret, 0, 128);
	} while (recv(fd, ret, 128, 0) < (ssize_t)(at + size) || ret[at] != first);
}

static void an_arp_reply_goes_to_everybody(void **state) {
	(void)state;
	LAB(l);
	static const uint8_t header[] = {0xff, 0xff, 0xff, 0xff, 0xff, 0xff, MAC_BYTES, 0x08, 0x06};
	uint8_t frame[128];
	CLEANUP_FD int fd = listen_on(&l, ETHERTYPE_ARP);
	announce(&l, "10.20.0.50");
	await_frame(fd, sizeof(header), 0, sizeof(arp_bytes), frame);
	assert_memory_equal(frame, header, sizeof(header));
	assert_memory_equal(frame + sizeof(header), arp_bytes, sizeof(arp_bytes));
}

static void an_advertisement_goes_to_all_nodes_from_the_address_itself(void **state) {
	(void)state;
	LAB(l);
	static const uint8_t header[] = {0x33, 0x33, 0, 0, 0, 1, MAC_BYTES, 0x86, 0xdd};
	struct ip from = netlab_ip("fd00::50"), to = netlab_ip("ff02::1");
	uint8_t frame[128];
	CLEANUP_FD int fd = listen_on(&l, ETHERTYPE_IPV6);
	announce(&l, "fd00::50");
	await_frame(fd, sizeof(header) + 40, 136, sizeof(advertisement_bytes), frame);
	assert_memory_equal(frame, header, sizeof(header));
	assert_int_equal(frame[14 + 7], 255);
	assert_memory_equal(frame + 14 + 8, from.bytes, 16);
	assert_memory_equal(frame + 14 + 24, to.bytes, 16);
	assert_memory_equal(frame + 14 + 44, advertisement_bytes + 4, sizeof(advertisement_bytes) - 4);
}

/* ---- what it does ---- */

static void await_text(int ns, const char *command, const char *wanted) {
	struct mono deadline = mono_add(mono_now(), span_ms(PATIENCE_MS));
	for (;;) {
		CLEANUP_FREE char *text = netlab_run(ns, "%s", command);
		if (strstr(text, wanted))
			return;
		if (mono_reached(deadline, mono_now()))
			fail_msg("%s: \"%s\", waiting for \"%s\"", command, text, wanted);
	}
}

static void a_neighbour_that_knew_another_mac_believes_it(void **state) {
	(void)state;
	LAB(l);
	netlab_do(l.outside, "ip addr add 10.20.0.3/24 dev veth1; ip addr add fd00::3/64 dev veth1 nodad\n"
			     "ip neigh add 10.20.0.50 lladdr 02:00:00:00:00:01 dev veth1 nud stale\n"
			     "ip neigh add fd00::50 lladdr 02:00:00:00:00:01 dev veth1 nud stale");
	announce(&l, "10.20.0.50");
	await_text(l.outside, "ip neigh show to 10.20.0.50", "lladdr " MAC);
	announce(&l, "fd00::50");
	await_text(l.outside, "ip neigh show to fd00::50", "lladdr " MAC);
}

static void a_bridge_that_had_the_mac_on_its_vxlan_device_moves_it_to_the_port(void **state) {
	(void)state;
	LAB(l);
	static const char *const addresses[] = {"10.20.0.50", "fd00::50"};
	netlab_do(l.outside, "ip link add br0 type bridge\n"
			     "ip link add vxlan0 master br0 type vxlan id 4097 local 10.99.0.11 dstport 4789 proxy\n"
			     "ip link set veth1 master br0; for i in br0 vxlan0; do ip link set $i up; done");
	await_text(l.outside, "bridge -d link show dev veth1", "state forwarding");
	for (size_t i = 0; i < 2; i++) {
		netlab_do(l.outside, "bridge fdb replace " MAC " dev vxlan0 master dynamic");
		announce(&l, addresses[i]);
		await_text(l.outside, "bridge fdb show br br0 | grep " MAC, MAC " dev veth1 master br0");
	}
}

static void what_cannot_be_announced_is_an_error(void **state) {
	(void)state;
	LAB(l);
	struct ip v4 = netlab_ip("10.20.0.50"), foreign = netlab_ip("fd00::51");
	struct err err = {0};
	assert_int_equal(announce_address(l.inside, 4711, &v4, &err), -ENODEV);
	assert_non_null(strstr(err.msg, "announce 10.20.0.50: packets of link 4711"));
	assert_int_equal(announce_address(l.inside, l.eth0, &foreign, &err), -EADDRNOTAVAIL);
	netlab_do(l.inside, "ip link set eth0 down");
	assert_int_equal(announce_address(l.inside, l.eth0, &v4, &err), -ENETDOWN);
}

int main(void) {
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_is_sent_is_what_the_standards_say),
		cmocka_unit_test(an_arp_reply_goes_to_everybody),
		cmocka_unit_test(an_advertisement_goes_to_all_nodes_from_the_address_itself),
		cmocka_unit_test(a_neighbour_that_knew_another_mac_believes_it),
		cmocka_unit_test(a_bridge_that_had_the_mac_on_its_vxlan_device_moves_it_to_the_port),
		cmocka_unit_test(what_cannot_be_announced_is_an_error),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
