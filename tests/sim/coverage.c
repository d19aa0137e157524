/* See coverage.h. */
#include "coverage.h"

#include <stdio.h>
#include <string.h>

#define NAMES_MAX 40

static struct {
	unsigned long rows[ROW_MAX], states[TAKEOVER_STATE_MAX], aborts[3], cleans[CLEAN_MAX];
	unsigned long effects[EFFECT_KIND_MAX][4];
	struct {
		const char *name;
		unsigned long n;
	} faults[NAMES_MAX], ends[NAMES_MAX];
} seen;

void coverage_takeover(const struct takeover *before, const struct takeover *now) {
	int from = before ? (int)before->row : -1;

	if (before && before->row > now->row)
		from = (int)now->row - 1;
	for (int r = from + 1; r <= (int)now->row; r++)
		seen.rows[r]++;
	seen.states[now->state] += !before || before->state != now->state;
	seen.aborts[now->abort] += !before || before->abort != now->abort;
}

void coverage_answered(const struct coverage_answer *at, const struct takeover *now) {
	(void)at;
	(void)now;
}
void coverage_copy(enum clean_row row) { seen.cleans[row]++; }
void coverage_effect(enum effect_kind kind, enum effect_outcome outcome) { seen.effects[kind][outcome]++; }

void coverage_fault(const char *name) {
	int i = 0;
	while (i < NAMES_MAX - 1 && seen.faults[i].name && strcmp(seen.faults[i].name, name) != 0)
		i++;
	seen.faults[i].name = name;
	seen.faults[i].n++;
}

void coverage_end(const char *how) {
	int i = 0;
	while (i < NAMES_MAX - 1 && seen.ends[i].name && strcmp(seen.ends[i].name, how) != 0)
		i++;
	seen.ends[i].name = how;
	seen.ends[i].n++;
}

static bool print_one(const char *kind, const char *name, unsigned long n) {
	printf("  %-10s %-26s %10lu%s\n", kind, name, n, n ? "" : "  NEVER VISITED");
	return n > 0;
}

bool coverage_print(void) {
	static const char *const aborts[] = {"no", "roll back", "fail"};
	bool all = true;

	for (int i = 0; i < ROW_MAX; i++)
		all &= print_one("row", takeover_row_name((enum takeover_row)i), seen.rows[i]);
	for (int i = 0; i < TAKEOVER_STATE_MAX; i++)
		all &= print_one("state", takeover_state_name((enum takeover_state)i), seen.states[i]);
	for (int i = 0; i < 3; i++)
		all &= print_one("abort", aborts[i], seen.aborts[i]);
	for (int i = 0; i < CLEAN_MAX; i++)
		all &= print_one("clean-up", clean_row_name((enum clean_row)i), seen.cleans[i]);
	for (int k = 0; k < EFFECT_KIND_MAX; k++) {
		const unsigned long *n = seen.effects[k];
		printf("  %-10s %-16s ok %lu, refused %lu, not done %lu, unknown %lu\n", "effect",
		       effect_kind_name((enum effect_kind)k), n[0], n[1], n[2], n[3]);
		all &= n[EFFECT_OK] && n[EFFECT_NOT_DONE] && n[EFFECT_UNKNOWN];
	}
	for (int i = 0; i < NAMES_MAX && seen.faults[i].name; i++)
		(void)print_one("fault", seen.faults[i].name, seen.faults[i].n);
	for (int i = 0; i < NAMES_MAX && seen.ends[i].name; i++)
		(void)print_one("end", seen.ends[i].name, seen.ends[i].n);
	return all;
}
