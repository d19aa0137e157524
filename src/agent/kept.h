/* The owners whose rows are kept right, what an event must be about to matter to them, and how often they were fought for. Pure: no
 * clock, no kernel. */
#ifndef AGENT_KEPT_H
#define AGENT_KEPT_H

#include "agent/owner.h"
#include "base/mono.h"

#include <stdbool.h>
#include <stddef.h>
#include <uthash.h>

#define KEPT_FLIPS_MAX 10
#define KEPT_FLIPS_WINDOW span_sec(60)
#define KEPT_KEY_MAX (WIRE_ID_MAX + MAC_TEXT_MAX + 2)

struct kept {
	char key[KEPT_KEY_MAX];
	struct owner owner;
	struct mono flips[KEPT_FLIPS_MAX]; /* a ring of the last ones */
	size_t n_flips;                    /* since it was ordered */
	bool contested;
	unsigned reign;     /* the manager's start in which it was ordered; the keeper's */
	struct mono logged; /* when a repair was logged last */
	size_t unlogged;    /* repairs since */
	UT_hash_handle hh;
};

struct interest;

struct kept_list {
	struct kept *all; /* a uthash: walk it by hh.next */
	struct interest *interests;
};

/* Adds or replaces, and nothing that was before counts any more. */
void kept_set(struct kept_list *list, const struct owner *owner);
void kept_forget(struct kept_list *list, const char *network_id, const struct mac *mac);
struct kept *kept_find(const struct kept_list *list, const char *network_id, const struct mac *mac); /* NULL: none */
void kept_clear(struct kept_list *list);

/* Whether a watched owner has it. */
bool kept_interests_mac(const struct kept_list *list, const struct mac *mac);
bool kept_interests_ip(const struct kept_list *list, const struct ip *ip);

/* Somebody else changed its rows. True when this made it contested: KEPT_FLIPS_MAX of them within KEPT_FLIPS_WINDOW. */
bool kept_flip(struct kept *kept, struct mono now);

#endif
