/* Who owns what, and that the kernel goes on saying so: the owners that were ordered, watches in their overlays' namespaces, and
 * repairs when somebody else changes a row that decides. An overlay that is joined later gets its owners' rows then.
 *
 * Two agents, or an agent and an engine, must not fight for ever: an owner whose rows were changed ten times within a minute is
 * contested and left alone until the next order for it. */
#ifndef AGENT_KEEPER_H
#define AGENT_KEEPER_H

#include "agent/owner.h"
#include "agent/service.h"

struct keeper *keeper_new(struct service *service);
/* Nothing is kept from here on; handles close on the loop, and jobs of the queues end, before it may be freed. NULL is fine. */
void keeper_close(struct keeper *k);
void keeper_free(struct keeper *k);

/* Adds or replaces; it is contested no more. The rows themselves are the order's business. */
void keeper_set(struct keeper *k, const struct owner *owner);
const struct owner *keeper_find(const struct keeper *k, const char *network_id, const struct mac *mac); /* NULL: none */
void keeper_forget(struct keeper *k, const char *network_id, const struct mac *mac);
bool keeper_is_contested(const struct keeper *k, const char *network_id, const struct mac *mac);

/* Looks for overlays and the engine; it is done every two seconds and when the engine's folder changes besides. */
void keeper_scan(struct keeper *k);

/* Fills owners, repaired, flips, contested and former. */
void keeper_report(const struct keeper *k, struct wire_status *status);

#endif
