/* The real store under a simulated history: `sim --real-store DIR`. */
#ifndef SIM_REAL_H
#define SIM_REAL_H

#include "resched/effect.h"
#include "store/store.h"

struct sim;
struct real;

/* One long and kind history in a new file below dir, until so many takeovers are done: nodes fail one after the other and return.
 * Prints how much memory is used on the way, and how long a manager that was killed takes to go on. False when it grows, or when
 * anything goes wrong. */
bool real_run(const char *dir, unsigned takeovers);

struct store *real_open(struct sim *s);
void real_wait(struct sim *s); /* until everything that was committed is on disk, and told */
void real_performed(struct sim *s, const struct effect *e);

#endif
