/* What the histories have visited, all together: a simulator that never comes by a state proves nothing about it. */
#ifndef SIM_COVERAGE_H
#define SIM_COVERAGE_H

#include "resched/resched.h"

#include <stdbool.h>

struct coverage;

/* Where a takeover stood when an answer came, and where it stood after it. */
struct coverage_answer {
	enum takeover_row row;
	bool look;
	enum effect_outcome outcome;
	enum takeover_abort abort;
};

void coverage_takeover(const struct takeover *before, const struct takeover *now); /* before may be NULL */
void coverage_answered(const struct coverage_answer *at, const struct takeover *now);
void coverage_copy(enum clean_row row);
void coverage_effect(enum effect_kind kind, enum effect_outcome outcome);
void coverage_fault(const char *name);
void coverage_end(const char *how);

/* All that was counted in this process, to be added to another's. */
size_t coverage_size(void);
void coverage_save(void *to);
void coverage_add(const void *from);

/* Prints the counts; false when something was never visited. */
bool coverage_print(void);

#endif
