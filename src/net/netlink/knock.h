/* Does an address answer, asked from inside a namespace? By ICMP echo or by a TCP connection, never by ARP: a VXLAN device answers
 * that from its own table. Blocks until the answer or the timeout. ICMP needs CAP_NET_RAW. */
#ifndef NETLINK_KNOCK_H
#define NETLINK_KNOCK_H

#include "base/err.h"
#include "base/ip.h"
#include "base/mono.h"

#include <stdint.h>

enum knock_sign {
	KNOCK_SILENT,      /* no answer in time */
	KNOCK_ANSWERED,    /* an echo reply from that address; a TCP connection */
	KNOCK_REFUSED,     /* TCP: reset. Somebody with that address is there */
	KNOCK_UNREACHABLE, /* a host on the way, or our own (by lo, if it is up), says that there is no way */
	KNOCK_SIGN_MAX,
};

const char *knock_sign_name(enum knock_sign sign); /* "silent", … */

struct knock {
	enum knock_sign sign;
	int64_t us; /* until it was known */
};

/* Returns 0 and the answer, or an error when it could not be asked. */
int knock_icmp(int ns_fd, const struct ip *to, struct span timeout, struct knock *ret, struct err *err);
int knock_tcp(int ns_fd, const struct ip *to, uint16_t port, struct span timeout, struct knock *ret, struct err *err);

#endif
