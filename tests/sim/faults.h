/* The faults, by file. Each draws what it needs from s->rng, which is its own while it strikes. */
#ifndef SIM_FAULTS_H
#define SIM_FAULTS_H

#include "sim.h"

#define FAULTS_SEC 100 /* no history lasts longer before it is healed */

/* faults-nodes.c */
void fault_cut(struct sim *s);
void fault_half_cut(struct sim *s);
void fault_flap(struct sim *s);
void fault_storm(struct sim *s);
void fault_power(struct sim *s);
void fault_rack(struct sim *s);
void fault_engine(struct sim *s);
void fault_slow(struct sim *s);
void fault_targets(struct sim *s);
void faults_power(struct sim *s, int node, bool on);
void faults_power_on(struct sim *s, const struct event *e);
void faults_heal_node(struct sim *s, int node);

/* faults-people.c */
void fault_user_stop(struct sim *s);
void fault_user_start(struct sim *s);
void fault_user_remove(struct sim *s);
void fault_user_rename(struct sim *s);
void fault_confirm(struct sim *s);
void fault_thief(struct sim *s);
void fault_squatter(struct sim *s);
void fault_double(struct sim *s);
void fault_image(struct sim *s);
void fault_unhealthy(struct sim *s);
void faults_foreign_leaves(struct sim *s, const struct event *e);

#endif
