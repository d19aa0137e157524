/* What the files of service discovery share: publish-want.c finds what is to be said of whom, publish.c orders it and hears what
 * came of it, walk-publish.c has the rows of a takeover. */
#ifndef RESCHED_PUBLISH_INTERNAL_H
#define RESCHED_PUBLISH_INTERNAL_H

#include "resched/walk-internal.h"

/* What is wanted of one subject; all of it borrowed from the world. */
struct wanted {
	const char *subject;
	unsigned generation; /* the highest of it that nobody else can be about to publish */
	struct service_entry entries[SERVICES_MAX];
	size_t n;
	bool names;
	const char *node, *container; /* whose names */
	bool incomplete;              /* a published port is not known yet */
	bool unknown;                 /* where one is reached is not, just after a start: what is said is left as it is */
};

/* ---- publish-want.c; fills ret, which is empty ---- */

void publish_want_workload(const struct resched *r, const struct workload *w, struct wanted *ret);
/* A container that is of no workload. */
void publish_want_container(const struct resched *r, const struct world_container *c, struct wanted *ret);
/* Its labels ask for it, or the configuration does. */
bool publish_is_asked(const struct resched *r, const struct world_container *c);
bool publish_is_host(const struct resched *r, const struct service *s); /* its host's address is to be published */
/* Its own check says so, and that counts. */
bool publish_is_ill(const struct resched *r, const struct world_container *c);
/* Given up, and not because it may be we who are cut off. */
bool publish_is_surely_lost(const struct resched *r, const struct world_node *n);

/* ---- publish.c ---- */

/* YES: every system says what is wanted now. NO: not so, and nobody waits for it any longer. UNKNOWN: it may still come. detail:
 * what is missing. */
enum answer publish_said(struct resched *r, const struct workload *w, const char **ret_detail);

#endif
