/* An IPv4 or IPv6 address without port, zone or prefix length: a value, compared and copied as one.
 * <netinet/ip.h> and <netinet/ip_icmp.h> have a struct ip of their own: with this, include <linux/ip.h>, <linux/icmp.h>. */
#ifndef BASE_IP_H
#define BASE_IP_H

#include "base/err.h"

#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct ip {
	uint8_t family;    /* AF_INET, AF_INET6; 0: no address */
	uint8_t bytes[16]; /* in network order, IPv4 in the first four; the rest is zero */
};

#define IP_TEXT_MAX INET6_ADDRSTRLEN

/* Four or sixteen bytes; anything else gives no address. */
struct ip ip_from_bytes(const void *bytes, size_t n);
size_t ip_size(const struct ip *ip); /* 4, 16 or 0 */

/* Strict: four decimal numbers, or RFC 4291 text. -EINVAL. */
int ip_parse(const char *text, struct ip *ret, struct err *err);
/* Returns text. No address is "". IPv6 as in RFC 5952. */
const char *ip_format(const struct ip *ip, char text[IP_TEXT_MAX]);

int ip_compare(const struct ip *a, const struct ip *b); /* a total order: none, IPv4, IPv6 */
static inline bool ip_equal(const struct ip *a, const struct ip *b) { return ip_compare(a, b) == 0; }
static inline bool ip_is_set(const struct ip *ip) { return ip->family != 0; }

/* Fills a socket address and returns its length; 0 for no address. */
socklen_t ip_to_sockaddr(const struct ip *ip, uint16_t port, struct sockaddr_storage *ret);

#endif
