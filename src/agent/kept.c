/* See kept.h. */
#include "agent/kept.h"

#include "base/alloc.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* A MAC or an address that some owner has. */
struct interest {
	struct ip ip; /* a MAC stands in it with family 0 */
	size_t n;
	UT_hash_handle hh;
};

static void make_key(char key[KEPT_KEY_MAX], const char *network_id, const struct mac *mac) {
	char text[MAC_TEXT_MAX];
	snprintf(key, KEPT_KEY_MAX, "%s/%s", network_id, mac_format(mac, text));
}

struct kept *kept_find(const struct kept_list *list, const char *network_id, const struct mac *mac) {
	char key[KEPT_KEY_MAX];
	struct kept *found;

	make_key(key, network_id, mac);
	HASH_FIND_STR(list->all, key, found);
	return found;
}

/* ---- interests ---- */

static struct interest *find_interest(const struct kept_list *list, const struct ip *ip) {
	struct interest *found;

	HASH_FIND(hh, list->interests, ip, sizeof(*ip), found);
	return found;
}

static void interest_add(struct kept_list *list, const struct ip *ip) {
	struct interest *found = find_interest(list, ip);

	if (!found) {
		found = xnew(struct interest);
		found->ip = *ip;
		HASH_ADD(hh, list->interests, ip, sizeof(*ip), found);
	}
	found->n++;
}

static void interest_drop(struct kept_list *list, const struct ip *ip) {
	struct interest *found = find_interest(list, ip);

	if (--found->n > 0)
		return;
	HASH_DEL(list->interests, found);
	free(found);
}

static struct ip as_ip(const struct mac *mac) {
	struct ip ip = {0};
	memcpy(ip.bytes, mac->bytes, sizeof(mac->bytes));
	return ip;
}

static void interests_change(struct kept_list *list, const struct owner *owner,
			     void (*change)(struct kept_list *, const struct ip *)) {
	struct ip mac = as_ip(&owner->mac);

	if (!owner->watch)
		return;
	change(list, &mac);
	if (ip_is_set(&owner->ip))
		change(list, &owner->ip);
	if (ip_is_set(&owner->ip6))
		change(list, &owner->ip6);
}

bool kept_interests_ip(const struct kept_list *list, const struct ip *ip) { return find_interest(list, ip) != NULL; }

bool kept_interests_mac(const struct kept_list *list, const struct mac *mac) {
	struct ip ip = as_ip(mac);
	return find_interest(list, &ip) != NULL;
}

/* ---- the list ---- */

void kept_set(struct kept_list *list, const struct owner *owner) {
	struct kept *kept = xnew(struct kept);

	make_key(kept->key, owner->network_id, &owner->mac);
	kept->owner = owner_copy(owner);
	kept_forget(list, owner->network_id, &owner->mac);
	HASH_ADD_STR(list->all, key, kept);
	interests_change(list, &kept->owner, interest_add);
}

static void drop(struct kept_list *list, struct kept *kept) {
	interests_change(list, &kept->owner, interest_drop);
	HASH_DEL(list->all, kept);
	owner_clear(&kept->owner);
	free(kept);
}

void kept_forget(struct kept_list *list, const char *network_id, const struct mac *mac) {
	struct kept *kept = kept_find(list, network_id, mac);

	if (kept)
		drop(list, kept);
}

void kept_clear(struct kept_list *list) {
	struct kept *kept, *next;

	HASH_ITER (hh, list->all, kept, next)
		drop(list, kept);
}

bool kept_flip(struct kept *kept, struct mono now) {
	kept->flips[kept->n_flips++ % KEPT_FLIPS_MAX] = now;
	struct mono oldest = kept->flips[kept->n_flips % KEPT_FLIPS_MAX]; /* meaningless until the ring is full */
	if (kept->contested || kept->n_flips < KEPT_FLIPS_MAX || mono_since(oldest, now).ns > KEPT_FLIPS_WINDOW.ns)
		return false;
	return kept->contested = true;
}
