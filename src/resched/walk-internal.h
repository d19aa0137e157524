/* What the files of the walk share. From the bottom up: walk-row, walk-effect, walk-end, then what the rows themselves decide and
 * answer (walk-plan, walk-fence, walk-answer), and the walk over them. */
#ifndef RESCHED_WALK_INTERNAL_H
#define RESCHED_WALK_INTERNAL_H

#include "resched/resched-internal.h"

#define RETRY_MS 250 /* before a row's second try; doubled up to the settings' cap */

/* walk-row.c */
struct workload *walk_workload(const struct resched *r, const struct takeover *t); /* never NULL while it is open */
bool walk_node_is_lost(const struct resched *r, const char *name);                 /* given up; false where it is not known */
bool takeover_has_overlay(const struct takeover *t);
void walk_set_state(struct resched *r, struct takeover *t, enum takeover_state state);
void walk_set_row(struct resched *r, struct takeover *t, enum takeover_row row);
/* What became of the row's step. detail: NULL leaves what was said before. */
void walk_record(struct resched *r, struct takeover *t, enum step_outcome outcome, const char *detail);
void walk_row_done(struct resched *r, struct takeover *t, const char *detail);
void walk_row_skip(struct resched *r, struct takeover *t, const char *detail);
/* Again, later; retry: the longer the more tries there were. */
void walk_delay(struct resched *r, struct takeover *t, struct span d);
void walk_retry(struct resched *r, struct takeover *t);
void walk_ask_operator(struct resched *r, struct takeover *t);
/* Waits, and after as many looks as there are attempts an operator is told; it goes on looking all the same. */
void walk_wait_or_ask(struct resched *r, struct takeover *t);
/* The target does not say what became of an effect. It goes on looking, but somebody should know. */
void walk_look_again(struct resched *r, struct takeover *t, const struct effect_result *result);

/* walk-effect.c */
const char *walk_restart_policy(const struct resched *r, const struct takeover *t); /* that it is to have; "" for none */
/* Under way from now on: fill it, then effect_emit. */
struct effect *walk_begin_effect(struct resched *r, struct takeover *t, enum effect_kind kind, struct span deadline);
/* The row's effect of that kind. */
void walk_emit(struct resched *r, struct takeover *t, enum effect_kind kind);

/* walk-end.c */
void walk_finish(struct resched *r, struct takeover *t);
/* From the next turn on it goes back. */
void walk_abort(struct resched *r, struct takeover *t, enum takeover_abort how);
void walk_fail(struct resched *r, struct takeover *t, const char *detail);
/* One step back; an aborted takeover has no others. */
void walk_undo(struct resched *r, struct takeover *t);
void walk_undo_result(struct resched *r, struct takeover *t, const struct effect_result *result);
void walk_target_lost(struct resched *r, struct takeover *t);

/* Rows that the machine decides. They leave the row, or say why they wait. */
void walk_plan(struct resched *r, struct takeover *t); /* walk-plan.c */
/* Why no target may be looked for now, `running` others being under way; NULL when one may. Owned. */
char *walk_obstacle(struct resched *r, const struct takeover *t, const struct world_container *c, unsigned running,
		    bool *ret_operator);
/* Where t would make w again, like c. */
void walk_ask_plan(const struct resched *r, const struct takeover *t, const struct workload *w, const struct world_container *c,
		   const struct plan_claim *claims, size_t n_claims, struct plan_choice *ret);
void walk_evidence(struct resched *r, struct takeover *t); /* walk-fence.c */
enum evidence walk_evidence_demanded(const struct resched *r, const struct takeover *t);
/* What there will be when all agents have done as they are told. */
enum evidence walk_evidence_to_come(const struct resched *r, const struct takeover *t);
/* The ledger names the new owner; once. */
void walk_claim(struct resched *r, struct takeover *t); /* walk-fence.c */

/* walk-prove.c */
bool walk_has_agents(const struct resched *r, const struct takeover *t); /* some observer has one that answers */
/* Right after a start it is not known yet who is an observer, and whose agent answers: to be looked at again in a moment. */
bool walk_awaits_agents(struct resched *r, const struct takeover *t);
void walk_repair(struct resched *r, struct takeover *t);
void walk_prove(struct resched *r, struct takeover *t);

/* walk-publish.c: rows of the machine's own, as walk-prove.c's. */
bool walk_has_host_entries(const struct resched *r, const struct takeover *t);
bool walk_has_entries(const struct resched *r, const struct takeover *t);
void walk_withdraw(struct resched *r, struct takeover *t);
void walk_publish(struct resched *r, struct takeover *t);

/* walk-answer.c: what the row says to a result. */
void walk_did(struct resched *r, struct takeover *t, const struct effect_result *result);
void walk_refused(struct resched *r, struct takeover *t, const struct effect_result *result);
void walk_seen(struct resched *r, struct takeover *t, const struct effect_result *result);

#endif
