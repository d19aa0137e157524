/* The planted bugs, and the proof that each is found. Nothing of it is there but with -DHEIR_MUTANTS. */
#ifndef SIM_MUTANTS_H
#define SIM_MUTANTS_H

#ifdef HEIR_MUTANTS

#include "sim.h"

#include "base/mutant.h"

struct mutant_story {
	const char *name;
	unsigned breaks; /* invariants, a bit each: it is found when one of these does not hold */
	const char *what;
};

extern const struct mutant_story mutant_stories[MUTANT_MAX]; /* mutants-table.c */

/* Those that have to be found by these invariants alone as well: no other is looked at then. */
struct mutant_again {
	enum mutant mutant;
	unsigned by;
};

extern const struct mutant_again mutants_again[];
extern const size_t n_mutants_again;

bool mutants_switch_on(const char *name); /* false: there is none of that name */

/* First none, which has to pass; then each of them on as many of n seeds as it takes, in so many processes. The names of some, or
 * NULL for all that are demanded. What did not go as it should. */
int mutants_run(unsigned long n, int jobs, char *const *names);

#endif

#endif
