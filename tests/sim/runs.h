/* Histories in processes of their own: one that ends in a crash is a failure like any other, and takes nothing along. */
#ifndef SIM_RUNS_H
#define SIM_RUNS_H

#include "sim.h"

#include <stdbool.h>
#include <sys/types.h>

/* One history. */
void runs_one(unsigned long seed, const struct variant *variant, bool verbose, struct verdict *ret);

struct run_failure {
	unsigned long seed;
	struct verdict verdict;
};

#define RUNS_TOLD_MAX 64

struct runs {
	unsigned long failed;                       /* how many of them */
	struct run_failure failures[RUNS_TOLD_MAX]; /* the first of these, in the order of their seeds */
	int n_failures;
};

/* n seeds from the first on, in so many processes; what comes out does not depend on how many. Their coverage is added to ours. */
void runs_all(unsigned long first, unsigned long n, int jobs, struct runs *ret);

/* What processes share, zeroed; and one more of them. It is over where there is none. */
void *runs_shared(size_t size);
pid_t runs_fork(void);

/* Leaves out of a failing history whatever can be: the same invariant breaks without it. */
void shrink(unsigned long seed, const struct verdict *failed, struct variant *ret);

#endif
