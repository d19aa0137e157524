/* An address and where it lives, as values. */
#ifndef AGENT_OWNER_H
#define AGENT_OWNER_H

#include "base/ip.h"
#include "base/mac.h"
#include "net/wire/message.h"

#include <stdbool.h>

struct owner {
	char *network_id;
	struct mac mac;
	struct ip ip, ip6; /* not set: none */
	struct ip vtep;    /* not set: not known, of one to be forgotten only */
	char *local;       /* the sandbox on this node that has it, or NULL */
	bool watch;
};

/* The message was decoded: its texts are what they should be. */
struct owner owner_from_wire(const struct wire_owner *wire);
struct owner owner_copy(const struct owner *owner);
void owner_clear(struct owner *owner);
void owners_free(struct owner *owners, size_t n);

bool owner_is(const struct owner *owner, const char *network_id, const struct mac *mac);
/* The engine names an overlay's namespace by how the network's ID begins. */
bool owner_is_on(const struct owner *owner, const char *network_prefix);

#endif
