/* What must hold, whatever happens. Judged on the true world (fake.h, kernel.h), never on what the machine believes; what the
 * machine believes is only asked for what it promises by it. */
#ifndef SIM_CHECK_H
#define SIM_CHECK_H

struct sim;

/* check-effect.c: when an effect is given out, and when it happens. */
void check_effect(struct sim *s, const struct effect *e);
void check_sent(struct sim *s, const struct effect *e);
void check_heard(struct sim *s, const struct flight *f); /* its answer is about to be given */
void check_happens(struct sim *s, const struct flight *f);
void check_cut_instead(struct sim *s, const struct fake_container *c); /* by an engine that was asked to cut another */
void check_node_removal(struct sim *s, int node);                      /* all its addresses are freed at once */

/* check-agent.c: orders that agents obey, and what quarantines promise. */
void check_obeyed(struct sim *s, struct sim_agent *a, const struct flight *f);
void check_quarantine(struct sim *s, int node, unsigned before, unsigned now);
void check_rows(struct sim *s, const struct flight *f, int node);
void check_kernel_heard(struct sim *s, int node);           /* the manager knows what it drops */
void check_kernel_forgot(struct sim *s, int node);          /* all of it */
void check_fenced(struct sim *s, const struct takeover *t); /* it goes on behind its evidence */
void check_packets(struct sim *s);

/* check-pace.c: limits and pauses. */
void check_pace_effect(struct sim *s, const struct effect *e);
void check_pace_answer(struct sim *s, const struct flight *f, const struct takeover *t);
void check_pace_copy(struct sim *s, const struct workload_copy *copy);
void check_pace_targets(struct sim *s);
void check_pace_turn(struct sim *s, const struct takeover *t, struct seen_takeover *was);
void check_pace_nodes(struct sim *s); /* after every event */

/* check-log.c: the log alone. */
void check_log(struct sim *s, const struct resched_log *l);           /* a line that is to be written with the present turn */
void check_log_written(struct sim *s, const struct store_log_row *l); /* it is on disk */
void check_log_all(struct sim *s);                                    /* in the end */

/* check-discovery.c: what stands in the registries. */
void check_entry_set(struct sim *s, int registry, const struct registry_slot *slot, const struct discovery_entry *e); /* now */
void check_entry_unset(struct sim *s, int registry, const struct registry_slot *slot);
void check_may_withdraw(struct sim *s, const char *workload); /* the machine says so */
void check_ordered(struct sim *s, const struct effect *e);
void check_withdrawn(struct sim *s, const struct flight *f); /* a release happens */
void check_named(struct sim *s, const struct takeover *t);   /* it says that its owner is published */
char *check_found(struct sim *s);                            /* in the end: what is not yet as it must be; NULL: nothing. Owned */
char *check_told(const struct sim *s);                       /* and what takeovers say of it */

/* check.c */
void check_begin(struct sim *s);
void check_clear(struct sim *s);
struct seen_takeover *check_seen(struct sim *s, const char *takeover); /* NULL: too many */
void check_commit(struct sim *s);                                      /* something is written */
void check_turn(struct sim *s);                                        /* after a turn, before its effects are given out */
void check_world(struct sim *s);                                       /* after every event */
bool check_is_lost(const struct sim *s, const char *node);             /* given up by the machine */
const struct takeover *check_takeover(const struct sim *s, const char *id);
const struct workload *check_workload(const struct sim *s, const char *id);
int check_life(const struct sim *s); /* counted up whenever counters of attempts and tries may begin anew */
void check_new_life(struct sim *s);

/* check-end.c */
char *check_end(struct sim *s); /* what is not yet as it must be; NULL: nothing. Owned */

#endif
