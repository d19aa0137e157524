/* Systems of service discovery as they are, whatever managers believe: what stands in them, and the calls on their way there. A
 * call may be lost, refused, done and not heard of, or done long after it was given up; and what stands there may be lost, spoilt
 * or somebody else's. All of it by compare-and-set, as net/discovery/discovery.h demands of every kind.
 *
 * One of them is asked through its vtable by as many managers as there are. */
#ifndef SIM_REGISTRY_H
#define SIM_REGISTRY_H

#include "net/discovery/discovery.h"

#define REGISTRIES 2

struct registry_slot {
	char key[DISCOVERY_KEY_MAX];
	bool present, foreign, incomplete;
	struct discovery_entry entry;  /* where it is ours */
	struct discovery_entry before; /* as an old copy of the system has it; without a key: nothing */
	unsigned version;
	bool disturbed; /* by a fault, or by a call that was given up before: no manager can know of it before it compares again */
};

enum registry_state { REGISTRY_WORKS, REGISTRY_DOWN, REGISTRY_SILENT, REGISTRY_REFUSES };

struct registry {
	bool there, required;
	enum registry_state state;
	bool slow;
	struct registry_slot *slots; /* one for each key that ever was */
	int n_slots;
	unsigned versions;
};

struct sim;
struct registry_call;

/* That manager's way to it. Taken by a publisher. */
struct discovery *registry_open(struct sim *s, int registry, unsigned manager);
const struct registry_slot *registry_slot(const struct registry *r, const char *key); /* NULL: nothing ever was there */
/* It is waited for: a takeover goes by what it says. */
bool registry_counts(const struct sim *s, int registry);

void registry_heal(struct sim *s);
void registry_clear(struct sim *s);

/* Faults; each draws from s->rng. */
void registry_fault_down(struct sim *s);
void registry_fault_silent(struct sim *s);
void registry_fault_slow(struct sim *s);
void registry_fault_refuses(struct sim *s);
void registry_fault_loses(struct sim *s);
void registry_fault_reverts(struct sim *s);
void registry_fault_spoilt(struct sim *s);
void registry_fault_foreign(struct sim *s);

#endif
