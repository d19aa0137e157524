/* The machine's records as JSON and back: what the store keeps of takeovers, workloads and containers. Pure. A document that is not
 * understood is an error that names the field; nothing is guessed. */
#ifndef DAEMON_RECORDS_H
#define DAEMON_RECORDS_H

#include "base/err.h"
#include "base/json.h"
#include "resched/resched.h"

/* Compact, in the order in which it was made: sorted, as json_text has it, takes twice as long. */
char *record_text(const json_t *j);

json_t *record_from_takeover(const struct takeover *t); /* new reference */
int record_to_takeover(const json_t *j, struct takeover **ret, struct err *err);

json_t *record_from_workload(const struct workload *w);
int record_to_workload(const json_t *j, struct workload **ret, struct err *err);

/* [{"name", "id", "ip", "ip6", "mac", "kind"}] */
json_t *record_from_nets(const struct world_net *nets, size_t n);
int record_to_nets(const json_t *list, struct world_net **ret, size_t *ret_n, struct err *err);

#endif
