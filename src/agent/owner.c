/* See owner.h. */
#include "agent/owner.h"

#include "base/alloc.h"

#include <stdlib.h>
#include <string.h>

static struct ip ip_of(const char *text) {
	struct ip ip = {0};

	if (text)
		(void)ip_parse(text, &ip, NULL); /* checked by the message */
	return ip;
}

struct owner owner_from_wire(const struct wire_owner *wire) {
	struct owner owner = {
		.network_id = xstrdup(wire->network_id),
		.ip = ip_of(wire->ip),
		.ip6 = ip_of(wire->ip6),
		.vtep = ip_of(wire->vtep),
		.local = xstrdup_null(wire->local),
		.watch = wire->watch,
	};

	(void)mac_parse(wire->mac, &owner.mac, NULL); /* checked by the message */
	return owner;
}

struct owner owner_copy(const struct owner *owner) {
	struct owner copy = *owner;

	copy.network_id = xstrdup(owner->network_id);
	copy.local = xstrdup_null(owner->local);
	return copy;
}

void owner_clear(struct owner *owner) {
	free(owner->network_id);
	free(owner->local);
	*owner = (struct owner){0};
}

void owners_free(struct owner *owners, size_t n) {
	for (size_t i = 0; i < n; i++)
		owner_clear(&owners[i]);
	free(owners);
}

bool owner_is(const struct owner *owner, const char *network_id, const struct mac *mac) {
	return mac_equal(&owner->mac, mac) && strcmp(owner->network_id, network_id) == 0;
}

bool owner_is_on(const struct owner *owner, const char *network_prefix) {
	return strncmp(owner->network_id, network_prefix, strlen(network_prefix)) == 0;
}
