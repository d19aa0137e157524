/* What the parts of the vtable share: dns.c begins and ends calls, dns-set.c changes, dns-list.c looks, dns-learn.c finds
 * out what other managers made, dns-reverse.c changes reverse records. */
#ifndef DISCOVERY_DNS_INTERNAL_H
#define DISCOVERY_DNS_INTERNAL_H

#include "net/discovery/dns-client.h"
#include "net/discovery/dns-plan.h"
#include "net/discovery/dns.h"
#include "net/discovery/secret.h"

struct dns_call;

/* What other managers made since the last list: dns-learn.c. */
struct dns_learning {
	struct dns_client client; /* of the one transfer that is under way, where there is a job */
	struct dns_job *job;
	struct dns_table zone;
	uint64_t turn;            /* the book's when it was asked */
	struct dns_table foreign; /* that no transfer needs to be made for */
	struct mono foreign_until;
};

struct dns {
	struct discovery base;
	uv_loop_t *loop;
	char *cluster;
	struct span timeout;
	char *server, *host, *port; /* "ns1:53", "ns1", "53" */
	struct dns_zones zones;
	char *key_name;
	struct secret *secret;
	enum dns_algorithm algorithm;
	unsigned ttl;
	struct dns_book book;
	struct dns_learning learning;
	struct dns_call *calls; /* in the order in which they came */
	bool warned;            /* that orphans cannot be found; until a transfer is whole */
};

struct dns_resolving;

/* One call of the vtable. */
struct dns_call {
	struct dns *dns;
	void (*first)(struct dns_call *call); /* once it is its turn, and the server's address and the key are there */
	uv_timer_t timer;
	bool begun;
	struct dns_resolving *resolving;
	struct dns_client client;
	struct dns_job *job;

	discovery_list_fn *on_list; /* one of the two */
	discovery_done_fn *on_done;
	void *user;

	struct discovery_entry *wanted; /* copies */
	size_t n_wanted;
	struct discovery_found *was; /* a copy; NULL: none */
	const char *services[2];     /* what it changes: one at a time; NULL: no more */

	struct dns_table seen, asked;
	struct err warning;
	uint64_t turn; /* the book's when it was asked */

	/* of a change */
	char *text; /* the new TXT's */
	struct dns_records old, new, places, reverse;
	unsigned attempts;
	size_t at; /* in reverse, or of a list in the zones */

	bool leaving; /* reverse records of `old`; false again for those of `new` */
	unsigned reverse_attempts;
	struct dns_table seen_reverse;
	void (*after_reverse)(struct dns_call *call);

	const struct dns_records *from; /* what is taken away: `old`, or `new` in a repeat */

	void (*after_learning)(struct dns_call *call); /* NULL: nothing strange was seen yet */
	bool learning;                                 /* it waits for that */

	/* of a list */
	struct strs fetched; /* reverse zones that were transferred */
	bool whole;          /* the zone itself was */
	struct discovery_found *found;
	size_t n_found;
	struct dns_table ours, strange;            /* keys of what was found; what was seen and no entry of ours has */
	void (*after_turn)(struct dns_call *call); /* in the next turn of the loop */

	struct dns_call *prev, *next;
};

/* ---- dns.c ---- */

/* The last thing that its caller does: the callback may free everything. `version` is taken, and NULL for a list. An error gets the
 * names of the system and the server before it. */
void dns_call_end(struct dns_call *call, int result, char *version, const struct err *err);
void dns_call_warn(struct dns_call *call, const struct err *err); /* the first one is told */
struct dns_job_cb dns_call_cb(struct dns_call *call, dns_job_fn *fn);
/* Frees the job that has ended. */
void dns_call_next_job(struct dns_call *call);

/* ---- dns-list.c ---- */

/* The entry of that key as `seen` has it. 0: ours, and *ret_text its TXT (owned); 1: there is none; 2: its TXT is foreign. */
int dns_entry_seen(const struct dns *d, const struct dns_table *seen, const char *key, struct discovery_entry *ret,
		   char **ret_text);
void dns_list_first(struct dns_call *call);
void dns_look_first(struct dns_call *call);

/* ---- dns-learn.c ---- */

/* The entry was seen by who asked in that turn. */
void dns_note(struct dns *d, const struct discovery_found *f, uint64_t turn);
void dns_find_strange(const struct dns_call *call, struct dns_table *ret); /* what was seen and no entry of ours has */
/* What is strange may be of an entry that is not in the book: transfers the zone, puts what it has there, and goes on with `next`.
 * False: there is nothing strange but what is known to be foreign, the call learned already, or it cannot; nothing follows. */
bool dns_learn(struct dns_call *call, void (*next)(struct dns_call *call));
void dns_learning_clear(struct dns_learning *l);

/* ---- dns-reverse.c ---- */

bool dns_reverse_leaves_any(const struct dns_call *call); /* `old` has a reverse record that `new` has not */
/* Takes those away, the first time in a call, and goes on with `after`, perhaps at once. What may be repeated ends the call: the
 * entry still stands. What the server never allows, and what is foreign, is a warning. */
void dns_reverse_leave(struct dns_call *call, void (*after)(struct dns_call *call));
/* Makes those of `new`, which stands, and goes on with `after`, perhaps at once. What fails is a warning. */
void dns_reverse_enter(struct dns_call *call, void (*after)(struct dns_call *call));

/* ---- dns-set.c ---- */

struct dns_change dns_change_of(const struct dns_call *call, const struct dns_records *old);

void dns_set_first(struct dns_call *call);
void dns_unset_first(struct dns_call *call);

#endif
