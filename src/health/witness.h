/* Addresses that are asked only to know whether the manager itself is cut off. */
#ifndef HEALTH_WITNESS_H
#define HEALTH_WITNESS_H

#include "base/err.h"
#include "base/mono.h"
#include "base/strs.h"
#include "health/brake.h"
#include "health/reach.h"

struct witness;

/* addresses: numeric "address:port", asked by TCP. -EINVAL names the bad one. None is fine. */
int witness_new(struct reach *reach, const struct strs *addresses, struct witness **ret, struct err *err);
void witness_free(struct witness *w); /* cancels what is asked; NULL is fine */

/* Asks all that are not being asked already. */
void witness_ask(struct witness *w, struct span timeout);

/* Whether one answered since that time. */
enum brake_witness witness_state(const struct witness *w, struct mono since);

#endif
