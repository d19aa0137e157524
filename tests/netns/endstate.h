/*
 * What is true at the end, as one document: what heird says of its takeovers, the ledger and the nodes, every container on every
 * host as its engine has it, the rows in the kernels, what is dropped there, what the agents keep, and how often engines created
 * and started anything of heir's. Whatever is another at every run (IDs, times, counters) has a stable name or is left out, so
 * that two runs can be held against each other field by field.
 */
#ifndef TESTS_NETNS_ENDSTATE_H
#define TESTS_NETNS_ENDSTATE_H

#include "harness.h"

/* `first` is generation 1 of what was moved, whose ID lives on in names; `since`: events are counted from there. New reference. */
json_t *endstate_read(const struct web *first, double since);

/* A line for each field that is not the same, with both values; NULL when there is none. */
char *endstate_difference(const json_t *expected, const json_t *got);

#endif
