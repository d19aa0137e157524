/*
 * Who may answer for an address: what all askers heard is held against what heird says of the containers' generations.
 *
 * heird is asked for them all the time, since a container that was removed is forgotten. An answer of somebody who was never
 * seen is a failure, like one of somebody who never had that address.
 */
#ifndef TESTS_NETNS_JUDGE_H
#define TESTS_NETNS_JUDGE_H

#include "asker.h"
#include "chaos.h"

void judge_forget(void);
/* Asks heird who there is; nothing is learned when it does not answer. */
void judge_learn(void);

/* Of every answer that any asker was given for the address of a container of that name:
 * - it came from a generation of that container;
 * - once an asker was answered by a newer generation, nothing it asked later was answered by an older one;
 * - once anybody was, nothing that was asked later was answered by an older one, but on the older one's own host, which nobody
 *   can keep from hearing itself while it is cut off;
 * where the newer one's takeover had evidence that it was so ("presumed" promises nothing), and but for an asker whose own host was
 * ill while the newer one came: a host that heird cannot reach acknowledges nothing, and the takeover did not wait for it. When
 * it is back its kernel has the rows of before until heird has reached its agent. Such answers are counted and told, each kind by
 * itself; the first rule has no exception. */
void judge_answers(const struct web *first, const struct chaos *c);

#endif
