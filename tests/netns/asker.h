/*
 * A client on every host that asks every address all the time, and what it was told: harness.h's one client grown to all hosts.
 *
 * What they hear is written to a file of this machine, not to an engine's log: it is read without asking the host, which may be
 * cut, frozen or off. Times are the machine's uptime, which is one clock for all hosts; for each question both when it was asked
 * and when it was answered are known. So "asked after" says something even of an observer that was frozen in the middle.
 */
#ifndef TESTS_NETNS_ASKER_H
#define TESTS_NETNS_ASKER_H

#include "harness.h"

struct answer {
	double asked, answered; /* s of uptime, to 0.01 */
	char ip[46];
	char page[16]; /* who: a short ID; "-" nobody */
};

double uptime_now(void);

/* Containers named "asker-hN" on ov, on h1 to hN; "10.20.200.50 10.20.200.51". They come back by themselves with their engine. */
void askers_run(int hosts, const char *addresses);
struct web asker_on(int host);
/* Those that did not come back with it. */
void askers_revive(void);
int askers_hosts(void);

/* Goes over what the asker of that host heard, oldest first. */
typedef void answer_fn(void *user, const struct answer *a);
void asker_each(int host, answer_fn *see, void *user);

/* Its newest question for that address was answered by w. */
bool asker_hears(int host, const char *ip, const struct web *w);
/* Waits until every host's asker is answered by w, on each of its addresses, to a question asked from now on. */
void expect_heard_everywhere(const struct web *w);
/* How many questions for ip that this host asked since then were answered by w, and how many by nobody. */
size_t asker_count(int host, const char *ip, const char *page, double since);

/* No observer ever hears the old one again once it has heard the new one; and once anybody has, no host but the old one's own hears
 * the old one. Says how many questions this was seen on. */
void expect_never_both(const struct web *old, const struct web *new);

#endif
