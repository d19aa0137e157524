/* Tells neighbours and bridges where an address is: a gratuitous ARP in its reply form (as `arping -A`; the request form would be
 * answered, and spoiled, by a VXLAN device's proxy), or an unsolicited neighbour advertisement (RFC 4861, 7.2.6). The MAC is the
 * interface's own. Needs CAP_NET_RAW. */
#ifndef NETLINK_ANNOUNCE_H
#define NETLINK_ANNOUNCE_H

#include "base/err.h"
#include "base/ip.h"
#include "base/mac.h"

#include <stddef.h>
#include <stdint.h>

/* Sends one of them from that interface of the namespace. */
int announce_address(int ns_fd, unsigned ifindex, const struct ip *ip, struct err *err);

/* What is sent: an ARP packet after its Ethernet header (RFC 826), or an ICMPv6 message without checksum. Returns its size. Pure.
 */
#define ANNOUNCE_MAX 32
size_t announce_encode(const struct ip *ip, const struct mac *mac, uint8_t ret[ANNOUNCE_MAX]);

#endif
