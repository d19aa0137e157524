/* See announce.h. */
#include "net/netlink/announce.h"

#include "base/cleanup.h"
#include "net/netlink/netns.h"

#include <arpa/inet.h>
#include <assert.h>
#include <errno.h>
#include <linux/if_packet.h>
#include <net/ethernet.h>
#include <net/if_arp.h>
#include <netinet/icmp6.h>
#include <string.h>
#include <sys/socket.h>

struct arp_packet {
	uint16_t hardware, protocol;
	uint8_t hardware_size, protocol_size;
	uint16_t operation;
	uint8_t sender_mac[6], sender_ip[4], target_mac[6], target_ip[4];
};
static_assert(sizeof(struct arp_packet) == 28 && sizeof(struct arp_packet) <= ANNOUNCE_MAX, "no holes");

struct advertisement {
	uint8_t type, code;
	uint16_t checksum;
	uint32_t flags;
	uint8_t target[16];
	uint8_t option, option_words, mac[6];
};
static_assert(sizeof(struct advertisement) == 32 && sizeof(struct advertisement) <= ANNOUNCE_MAX, "no holes");

size_t announce_encode(const struct ip *ip, const struct mac *mac, uint8_t ret[ANNOUNCE_MAX]) {
	struct arp_packet arp = {
		.hardware = htons(ARPHRD_ETHER),
		.protocol = htons(ETHERTYPE_IP),
		.hardware_size = sizeof(mac->bytes),
		.protocol_size = 4,
		.operation = htons(ARPOP_REPLY),
	};
	struct advertisement advertisement = {
		.type = ND_NEIGHBOR_ADVERT,
		.flags = ND_NA_FLAG_OVERRIDE,
		.option = ND_OPT_TARGET_LINKADDR,
		.option_words = 1,
	};

	if (ip->family == AF_INET6) {
		memcpy(advertisement.target, ip->bytes, sizeof(advertisement.target));
		memcpy(advertisement.mac, mac->bytes, sizeof(advertisement.mac));
		memcpy(ret, &advertisement, sizeof(advertisement));
		return sizeof(advertisement);
	}
	memcpy(arp.sender_mac, mac->bytes, sizeof(arp.sender_mac));
	memcpy(arp.sender_ip, ip->bytes, sizeof(arp.sender_ip));
	memcpy(arp.target_mac, mac->bytes, sizeof(arp.target_mac));
	memcpy(arp.target_ip, ip->bytes, sizeof(arp.target_ip));
	memcpy(ret, &arp, sizeof(arp));
	return sizeof(arp);
}

/* A packet socket on the interface, and the interface's MAC, which it knows. */
static int open_packet(int ns_fd, unsigned ifindex, struct mac *ret_mac, struct err *err) {
	/* Protocol 0: it hears nothing. */
	struct sockaddr_ll addr = {.sll_family = AF_PACKET, .sll_ifindex = (int)ifindex};
	socklen_t len = sizeof(addr);
	CLEANUP_FD int fd = netns_socket(ns_fd, AF_PACKET, SOCK_DGRAM, 0, err);

	if (fd < 0)
		return fd;
	if (bind(fd, (struct sockaddr *)&addr, sizeof(addr)) < 0 || getsockname(fd, (struct sockaddr *)&addr, &len) < 0)
		return err_errno(err, -errno, "packets of link %u", ifindex);
	if (addr.sll_halen != sizeof(ret_mac->bytes))
		return err_set(err, -EINVAL, "link %u has no MAC", ifindex);
	memcpy(ret_mac->bytes, addr.sll_addr, sizeof(ret_mac->bytes));
	return take_fd(&fd);
}

static int send_arp(int fd, unsigned ifindex, const uint8_t *packet, size_t n, struct err *err) {
	struct sockaddr_ll to = {
		.sll_family = AF_PACKET,
		.sll_protocol = htons(ETHERTYPE_ARP),
		.sll_ifindex = (int)ifindex,
		.sll_halen = ETH_ALEN,
	};

	memset(to.sll_addr, 0xff, ETH_ALEN);
	if (sendto(fd, packet, n, 0, (struct sockaddr *)&to, sizeof(to)) < 0)
		return err_errno(err, -errno, "send ARP on link %u", ifindex);
	return 0;
}

static int set_up(int fd, unsigned ifindex) {
	int hops = 255, index = (int)ifindex; /* receivers take nothing that was forwarded */

	if (setsockopt(fd, IPPROTO_IPV6, IPV6_MULTICAST_HOPS, &hops, sizeof(hops)) < 0)
		return -errno;
	return setsockopt(fd, IPPROTO_IPV6, IPV6_MULTICAST_IF, &index, sizeof(index)) < 0 ? -errno : 0;
}

static int send_advertisement(int ns_fd, unsigned ifindex, const struct ip *ip, const uint8_t *packet, size_t n, struct err *err) {
	struct sockaddr_in6 from = {.sin6_family = AF_INET6, .sin6_scope_id = ifindex};
	struct sockaddr_in6 to = {.sin6_family = AF_INET6, .sin6_scope_id = ifindex, .sin6_addr = {{{0xff, 2, [15] = 1}}}};
	CLEANUP_FD int fd = netns_socket(ns_fd, AF_INET6, SOCK_RAW, IPPROTO_ICMPV6, err);

	if (fd < 0)
		return fd;
	memcpy(&from.sin6_addr, ip->bytes, sizeof(from.sin6_addr));
	int r = set_up(fd, ifindex);
	if (r < 0)
		return err_errno(err, r, "set up an ICMPv6 socket");
	if (bind(fd, (struct sockaddr *)&from, sizeof(from)) < 0)
		return err_errno(err, -errno, "speak for the address on link %u", ifindex);
	if (sendto(fd, packet, n, 0, (struct sockaddr *)&to, sizeof(to)) < 0)
		return err_errno(err, -errno, "send a neighbour advertisement on link %u", ifindex);
	return 0;
}

int announce_address(int ns_fd, unsigned ifindex, const struct ip *ip, struct err *err) {
	uint8_t packet[ANNOUNCE_MAX];
	struct mac mac;
	char text[IP_TEXT_MAX];
	CLEANUP_FD int fd = open_packet(ns_fd, ifindex, &mac, err);

	assert(ip_is_set(ip));
	int r = fd;
	if (fd >= 0) {
		size_t n = announce_encode(ip, &mac, packet);
		r = ip->family == AF_INET ? send_arp(fd, ifindex, packet, n, err)
					  : send_advertisement(ns_fd, ifindex, ip, packet, n, err);
	}
	if (r < 0)
		err_wrap(err, "announce %s", ip_format(ip, text));
	return r;
}
