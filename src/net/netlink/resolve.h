/* What a DNS server answers, asked from inside a namespace: an engine's own does so at 127.0.0.11 in a container's only. By UDP,
 * all questions at once, each once. Blocks until all are answered or the time is over. */
#ifndef NETLINK_RESOLVE_H
#define NETLINK_RESOLVE_H

#include "base/err.h"
#include "base/ip.h"
#include "base/mono.h"
#include "base/strs.h"

#include <stdbool.h>
#include <stddef.h>

#define RESOLVE_MAX 64 /* questions at once: a socket has room for all their answers, and the server for the queries */

struct resolve_question {
	const char *name;  /* a name of the DNS, of which A and AAAA are asked; NULL: */
	struct ip address; /* whose PTR is */
};

/* Every address and name once, in the order of the server; names without the last dot and without control characters. */
struct resolve_answer {
	struct strs addresses, names;
	char *why; /* "silent", "refused", "SERVFAIL", …, of one half of a name's too; NULL: answered, if with nothing */
};

void resolve_answers_free(struct resolve_answer *answers, size_t n);

/* Returns 0 and as many answers as questions, or an error when it could not be asked.
 * heard: the server said something. It is asked for something besides that no server has to pass on to another, so one that is
 * there is heard even when it has no answer to any of the questions. */
int resolve(int ns_fd, const struct ip *server, const struct resolve_question *questions, size_t n, struct span timeout,
	    struct resolve_answer **ret, bool *ret_heard, struct err *err);

#endif
