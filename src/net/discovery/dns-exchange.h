/* One request to one server and what it answers: over UDP, asked again while nothing comes, and over TCP where it is too long,
 * where the answer is cut off, and for transfers. On sockets of our own: ldns' way to send blocks.
 *
 * Over UDP what does not count (dns-message.h) is as if it had not come, and the socket is connected, so that the kernel drops what
 * other addresses send. Over TCP it ends the exchange. */
#ifndef DISCOVERY_DNS_EXCHANGE_H
#define DISCOVERY_DNS_EXCHANGE_H

#include "base/mono.h"
#include "net/discovery/dns-message.h"

#include <sys/socket.h>
#include <uv.h>

#define DNS_PEERS_MAX 4

/* Where one server is reached; the next is tried when one says that nothing is there. */
struct dns_peers {
	struct sockaddr_storage at[DNS_PEERS_MAX];
	size_t n;
};

struct dns_exchange;

/* A message that counts. 1: more is expected (of a transfer); 0: that was all; negative: it is no good. The exchange must not be
 * freed here. */
typedef int dns_message_fn(void *ctx, const struct dns_request *request, const struct dns_answer *answer, struct err *err);
/* 0: the last message returned 0. Else what that returned, or -ENOTCONN (nothing got there), -ETIMEDOUT, -EIO, -EPROTO; of a
 * request that changes something, what got there and was not answered so that it counts is -ETIMEDOUT or -EIO. */
typedef void dns_exchanged_fn(void *ctx, int result, const struct err *err);

struct dns_exchange_options {
	uv_loop_t *loop;
	const struct dns_peers *peers; /* copied; at least one */
	struct mono deadline;
	dns_message_fn *on_message;
	dns_exchanged_fn *on_done; /* once, never within the call that started it; may free it */
	void *ctx;
};

/* Takes what the request holds. */
struct dns_exchange *dns_exchange_start(const struct dns_exchange_options *options, struct dns_request *request);
void dns_exchange_free(struct dns_exchange *x); /* cancels; no callback follows. NULL is fine */

#endif
