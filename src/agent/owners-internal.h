/* Shared by the orders that are about owners. */
#ifndef AGENT_OWNERS_INTERNAL_H
#define AGENT_OWNERS_INTERNAL_H

#include "agent/order.h"

struct owner *owners_from_wire(const struct wire_owners *owners);                                   /* as many as there are */
struct wire_owner_state owner_state_of(const struct wire_owner *asked, struct rows_result *result); /* takes what result holds */

/* False, and the order has failed, when nothing is known of the engine's overlays. */
bool order_refresh(struct order *o, struct kernel *kernel);

#endif
