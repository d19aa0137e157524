/*
 * What the scenarios with service discovery ask besides (harness.h): the real servers, what stands in them, and clients that
 * resolve a name through each of them ten times a second.
 *
 * The clients are processes in the manager's network namespace, one for each system, so that one that hangs keeps no other waiting.
 * They ask as anybody does: named and Consul's DNS by UDP, etcd by HTTP like CoreDNS, which reads the same keys. What they hear is
 * written to files; they end with the scenario.
 */
#ifndef TESTS_NETNS_DISCO_H
#define TESTS_NETNS_DISCO_H

#include "harness.h"

enum disco_system { DISCO_CONSUL, DISCO_ETCD, DISCO_BIND, DISCO_MAX };

extern const char *const disco_names[DISCO_MAX]; /* as `lab discovery` calls them: "consul" */

#define DISCO_EACH(s) for (enum disco_system s = 0; s < DISCO_MAX; s++)

/* --- servers --- */

/* All of them; "--acl --auth" or "". They are gone at the next reset. */
void disco_up(const char *options);
/* `lab discovery WHAT SYSTEM`: "stop", "start", "hang", "wake", "garbage". */
void disco_do(const char *what, enum disco_system s);
void disco_slow(enum disco_system s, unsigned ms); /* 0 ends it */
char *disco_file(const char *name);                /* the path of "token", "password", "key", "key512", "key-wrong", ... */

/* --- heird's configuration --- */

struct disco_wanted {
	const char *section;       /* more keys of `discovery`: "address: host, "; NULL */
	const char *of[DISCO_MAX]; /* more keys of that system: ", required: false"; NULL */
	const char *secrets;       /* in this folder are the files token, password and key; NULL: the servers' own */
	bool secret;               /* give token and password, which servers without ACL and users take for nothing */
};

/* For heird_options' discovery. */
char *disco_configuration(const struct disco_wanted *wanted);

/* --- what stands there --- */

enum { DISCO_ENTRIES_MAX = 8, DISCO_ANSWER_MAX = 256 };

/* An entry of ours, by the mark that it carries. */
struct disco_entry {
	char address[46], address6[46]; /* "": none */
	char node[64], workload[160];
	unsigned port, generation;
};

/* Those of that service, all of them ours. Returns how many. */
size_t disco_read(enum disco_system s, const char *service, struct disco_entry entries[static DISCO_ENTRIES_MAX]);
/* There is one and no other, of that generation on that node. */
bool disco_names_owner(enum disco_system s, const char *service, unsigned generation, const char *node);
/* There is none. */
bool disco_has_none(enum disco_system s, const char *service);
/* What a client hears now: addresses in order, "10.20.0.50 fd00::50"; "" there are none; "-" no answer. */
const char *disco_resolve(enum disco_system s, const char *service, char answer[static DISCO_ANSWER_MAX]);
bool disco_resolves(enum disco_system s, const char *service, const char *answer);
/* The same of a reverse question: names, with dots at their ends. */
bool disco_reverse_is(enum disco_system s, const char *ip, const char *name);

/* Wait until it is so in each system. */
void expect_published(const char *service, const char *address, unsigned generation, const char *node);
void expect_gone(const char *service);

/* --- clients --- */

void resolvers_run(const char *service);

/* Of the answers to questions that were asked since then. Times are clock_now()'s. */
struct resolved {
	size_t n;           /* questions */
	size_t right;       /* answered with this address and no other */
	size_t empty;       /* answered: there is none */
	size_t silent;      /* not answered */
	size_t other;       /* answered with another address, or with several */
	double first, last; /* when the first and the last right answer came; 0: never */
	double gap;         /* s: the longest time between two right answers */
};

struct resolved resolved_as(enum disco_system s, const char *address, double since);
/* Each question through each system was answered with this address, and there were some. */
void expect_always_answered(const char *address, double since);
/* No question asked since then was answered with that address. Says how long there was no answer before the new one, since `gone`.
 */
void expect_never_named(const char *old, const char *new, double since);

/* When that row of the newest takeover was begun, by heird's log. */
double step_began(const char *container, const char *step);

#endif
