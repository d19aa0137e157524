/* Does a host answer at all? Asked of its kernel, not of its engine: a TCP connection to a port, where acceptance and refusal both
 * are an answer, and an ICMP echo where the process may send one (else silently left out). */
#ifndef HEALTH_REACH_H
#define HEALTH_REACH_H

#include "base/mono.h"

#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>
#include <sys/socket.h>
#include <uv.h>

enum reach_sign {
	REACH_SKIPPED,  /* not asked, or could not be asked: not permitted, or our own fault (no file descriptors) */
	REACH_SILENT,   /* no answer in time, or unreachable */
	REACH_ACCEPTED, /* TCP: connected; ICMP: echo reply */
	REACH_REFUSED,  /* TCP: reset */
};

struct reach_answer {
	enum reach_sign tcp, ping;
};

static inline bool reach_sign_answers(enum reach_sign s) { return s == REACH_ACCEPTED || s == REACH_REFUSED; }
static inline bool reach_answers(const struct reach_answer *a) { return reach_sign_answers(a->tcp) || reach_sign_answers(a->ping); }
/* Silence is believed only where TCP was tried: many networks drop ICMP, and we may be out of descriptors. */
static inline bool reach_is_silent(const struct reach_answer *a) { return a->tcp == REACH_SILENT && !reach_answers(a); }

/* What all questions share: the ICMP sockets. Free it after its questions; the loop must run on until its handles are closed. */
struct reach;
struct reach *reach_new(uv_loop_t *loop);
void reach_free(struct reach *r);

struct reach_address {
	struct sockaddr_storage addr; /* with the port */
	socklen_t len;
};

/* "10.0.0.1:80", "[fe80::1]:80": numeric only. False when it is not one. */
bool reach_address_parse(const char *text, struct reach_address *ret);

/* Called once, from the loop: when TCP answers (the other sign may be REACH_SKIPPED then), else when both are known, at the latest
 * at the timeout. The question is over. */
typedef void reach_fn(void *user, const struct reach_answer *answer);

enum reach_how { REACH_TCP = 1, REACH_PING = 2 };

struct reach_ask *reach_ask(struct reach *r, const struct reach_address *to, unsigned how, struct span timeout, reach_fn *done,
			    void *user);
void reach_cancel(struct reach_ask *a); /* no callback follows; NULL is fine */

#endif
