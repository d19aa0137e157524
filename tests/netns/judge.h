/*
 * Who may answer for an address: what all askers heard is held against what heird says of the containers' generations.
 *
 * heird is asked for them all the time, since a container that was removed is forgotten. An answer of somebody who was never
 * seen is a failure, like one of somebody who never had that address.
 */
#ifndef TESTS_NETNS_JUDGE_H
#define TESTS_NETNS_JUDGE_H

#include "asker.h"

void judge_forget(void);
/* Asks heird who there is; nothing is learned when it does not answer. */
void judge_learn(void);

/* Of every answer that any asker was given for the address of a container of that name:
 * - it came from a generation of that container;
 * - once an asker was answered by a newer generation, nothing it asked later was answered by an older one;
 * - once anybody was, nothing that was asked later was answered by an older one, but on the older one's own host, which nobody
 *   can keep from hearing itself while it is cut off;
 * where the newer one's takeover had evidence that it was so ("presumed" promises nothing: such answers are counted and told). */
void judge_answers(const struct web *first);

#endif
