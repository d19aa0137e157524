/* Whose orders are obeyed (identity.h), on the loop: an order with a new epoch waits, with all that come after it, until the epoch
 * is on disk. */
#ifndef AGENT_ADMISSION_H
#define AGENT_ADMISSION_H

#include "agent/order.h"

/* The rest of an admitted order. */
typedef void admission_fn(struct order *o);

/* Answers the order when it is refused. operator_says: it replaces whoever was obeyed. */
void admission_ask(struct order *o, bool operator_says, admission_fn *run);

#endif
