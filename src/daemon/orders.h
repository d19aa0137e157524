/* What service discovery was told of each workload, and what came of it over all systems. Free of the loop: the simulator gives its
 * orders through it, too. */
#ifndef DAEMON_ORDERS_H
#define DAEMON_ORDERS_H

#include "net/discovery/publisher.h"
#include "resched/resched.h"

struct orders;

/* The machine's, as often as what it says changes; also from inside of orders_give. */
typedef void orders_report_fn(void *ctx, const char *workload, const struct publication_report *report);

struct orders *orders_new(orders_report_fn *report, void *ctx);
void orders_free(struct orders *o); /* not the publishers. NULL is fine */

/* Borrowed; its handler's progress is to be given to orders_progress. All of them before the first order. */
void orders_add(struct orders *o, struct publisher *p);
void orders_progress(struct orders *o, const char *workload);

/* Of EFFECT_PUBLISH. names: what the engines' own DNS ("docker") is to say instead; NULL: nothing. */
void orders_give(struct orders *o, const struct effect *e, const struct discovery_entry *names);

#endif
