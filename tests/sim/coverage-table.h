/* Every answer that a row of the step table can be given, and what becomes of the takeover then. */
#ifndef SIM_COVERAGE_TABLE_H
#define SIM_COVERAGE_TABLE_H

#include <stdbool.h>
#include <stddef.h>

enum coverage_next {
	NEXT_OVER,     /* done, rolled back or failed */
	NEXT_BACK,     /* it goes back from now on, or on again */
	NEXT_OPERATOR, /* in the same row or another, it waits for an operator */
	NEXT_SAME,     /* it stays in its row: it looks, or tries again later */
	NEXT_ON,       /* the next row */
	NEXT_OTHER,    /* another one */
	NEXT_WAITS,    /* it stays, and waits for something else than an answer */
};

#define COVERAGE_KEY(row, look, outcome, next) \
	(((unsigned)(row) << 8) | ((unsigned)(look) << 6) | ((unsigned)(outcome) << 4) | (unsigned)(next))
#define COVERAGE_ROW(key) ((key) >> 8)
#define COVERAGE_LOOK(key) ((key) >> 6 & 1)
#define COVERAGE_OUTCOME(key) ((key) >> 4 & 3)
#define COVERAGE_NEXT(key) ((key)&15)

/* Those that are seldom can be made, but even 20,000 histories may not come by them. */
struct coverage_move {
	unsigned key;
	bool seldom;
};

extern const struct coverage_move coverage_moves[];
extern const size_t coverage_n_moves;

#endif
