/* See coverage.h. */
#include "coverage.h"
#include "coverage-table.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define NAMES_MAX 64
#define MOVES_MAX 512

/* A move of a takeover, packed: where it stood, what was answered, where it stands. */
struct move {
	unsigned key;
	unsigned long n;
};

static struct {
	unsigned long rows[ROW_MAX], states[TAKEOVER_STATE_MAX], aborts[3], cleans[CLEAN_MAX];
	unsigned long effects[EFFECT_KIND_MAX][4];
	struct move moves[MOVES_MAX];
	struct {
		const char *name; /* literals of this very program: the same in every process that was forked from it */
		unsigned long n;
	} faults[NAMES_MAX], ends[NAMES_MAX];
} seen;

/* ---- counting ---- */

static unsigned long *count_of(unsigned key) {
	int i = 0;

	while (i < MOVES_MAX - 1 && seen.moves[i].n && seen.moves[i].key != key)
		i++;
	seen.moves[i].key = key;
	return &seen.moves[i].n;
}

static enum coverage_next next_of(const struct coverage_answer *at, const struct takeover *now) {
	if (takeover_is_over(now->state))
		return NEXT_OVER;
	if (now->abort != at->abort)
		return NEXT_BACK;
	if (now->state == TAKEOVER_NEEDS_OPERATOR)
		return NEXT_OPERATOR;
	if (now->row == at->row)
		return now->state == TAKEOVER_WAITING ? NEXT_WAITS : NEXT_SAME;
	return now->row > at->row && (now->row == at->row + 1 || !takeover_rule(at->row)->has_do) ? NEXT_ON : NEXT_OTHER;
}

static unsigned row_of(const struct coverage_answer *at) { return at->abort != ABORT_NO ? ROW_MAX : (unsigned)at->row; }

void coverage_answered(const struct coverage_answer *at, const struct takeover *now) {
	++*count_of(COVERAGE_KEY(row_of(at), at->look, at->outcome, next_of(at, now)));
}

/* Rows that the machine decides by itself, without an answer. */
static void count_decision(const struct takeover *before, const struct takeover *now) {
	const struct coverage_answer at = {.row = before->row, .abort = before->abort};
	bool moved = before->row != now->row || before->state != now->state || before->abort != now->abort;

	if (moved && before->abort == ABORT_NO && !takeover_is_over(before->state) && !takeover_rule(before->row)->has_do)
		++*count_of(COVERAGE_KEY(before->row, 0, 0, next_of(&at, now)));
}

void coverage_takeover(const struct takeover *before, const struct takeover *now) {
	int from = before ? (int)before->row : -1;

	if (before && before->row > now->row)
		from = (int)now->row - 1;
	for (int r = from + 1; r <= (int)now->row; r++)
		seen.rows[r]++;
	if (before)
		count_decision(before, now);
	seen.states[now->state] += !before || before->state != now->state;
	seen.aborts[now->abort] += !before || before->abort != now->abort;
}

void coverage_copy(enum clean_row row) { seen.cleans[row]++; }
void coverage_effect(enum effect_kind kind, enum effect_outcome outcome) { seen.effects[kind][outcome]++; }

void coverage_fault(const char *name) {
	int i = 0;
	while (i < NAMES_MAX - 1 && seen.faults[i].name && seen.faults[i].name != name)
		i++;
	seen.faults[i].name = name;
	seen.faults[i].n++;
}

void coverage_end(const char *how) {
	int i = 0;
	while (i < NAMES_MAX - 1 && seen.ends[i].name && seen.ends[i].name != how)
		i++;
	seen.ends[i].name = how;
	seen.ends[i].n++;
}

/* ---- from one process to another ---- */

size_t coverage_size(void) { return sizeof(seen); }
void coverage_save(void *to) { memcpy(to, &seen, sizeof(seen)); }

static void add_all(unsigned long *to, const unsigned long *from, size_t n) {
	for (size_t i = 0; i < n; i++)
		to[i] += from[i];
}

#define ADD(field) add_all((unsigned long *)seen.field, (const unsigned long *)o->field, sizeof(seen.field) / sizeof(unsigned long))

void coverage_add(const void *from) {
	const __typeof__(seen) *o = from;

	ADD(rows);
	ADD(states);
	ADD(aborts);
	ADD(cleans);
	ADD(effects);
	for (int i = 0; i < MOVES_MAX && o->moves[i].n; i++)
		*count_of(o->moves[i].key) += o->moves[i].n;
	for (int i = 0; i < NAMES_MAX && o->faults[i].name; i++) {
		coverage_fault(o->faults[i].name);
		for (int k = 0; k < NAMES_MAX; k++)
			if (seen.faults[k].name == o->faults[i].name)
				seen.faults[k].n += o->faults[i].n - 1;
	}
	for (int i = 0; i < NAMES_MAX && o->ends[i].name; i++) {
		coverage_end(o->ends[i].name);
		for (int k = 0; k < NAMES_MAX; k++)
			if (seen.ends[k].name == o->ends[i].name)
				seen.ends[k].n += o->ends[i].n - 1;
	}
}

/* ---- telling ---- */

static int by_name(const void *a, const void *b) { return strcmp(*(const char *const *)a, *(const char *const *)b); }

static bool print_one(const char *kind, const char *name, unsigned long n) {
	printf("  %-10s %-26s %10lu%s\n", kind, name, n, n ? "" : "  NEVER VISITED");
	return n > 0;
}

static void move_name(unsigned key, char text[96]) {
	static const char *const outcomes[] = {"ok", "refused", "not done", "unknown"};
	static const char *const nexts[] = {"over", "goes back", "operator", "stays", "next row", "another row", "waits"};
	unsigned row = COVERAGE_ROW(key);

	if (row < ROW_MAX && !takeover_rule((enum takeover_row)row)->has_do) {
		snprintf(text, 96, "%s decided: %s", takeover_row_name((enum takeover_row)row), nexts[COVERAGE_NEXT(key)]);
		return;
	}
	snprintf(text, 96, "%s %s, %s: %s", row == ROW_MAX ? "going back" : takeover_row_name((enum takeover_row)row),
		 COVERAGE_LOOK(key) ? "seen" : "done", outcomes[COVERAGE_OUTCOME(key)], nexts[COVERAGE_NEXT(key)]);
}

static bool is_listed(unsigned key) {
	for (size_t i = 0; i < coverage_n_moves; i++)
		if (coverage_moves[i].key == key)
			return true;
	return false;
}

static bool print_move(const struct coverage_move *m) {
	unsigned long n = 0;
	char name[96];

	for (int k = 0; k < MOVES_MAX; k++)
		if (seen.moves[k].n && seen.moves[k].key == m->key)
			n = seen.moves[k].n;
	move_name(m->key, name);
	printf("  %-10s %-48s %8lu%s\n", "move", name, n, n ? "" : m->seldom ? "  seldom" : "  NEVER MADE");
	return n > 0 || m->seldom;
}

/* Each that is listed was made; one that is made and not listed is missing in the list. */
static bool print_moves(void) {
	bool all = true;
	char name[96];

	for (size_t i = 0; i < coverage_n_moves; i++)
		all &= print_move(&coverage_moves[i]);
	const char *more[MOVES_MAX];
	size_t n_more = 0;
	for (int k = 0; k < MOVES_MAX && seen.moves[k].n; k++) {
		if (is_listed(seen.moves[k].key))
			continue;
		char *line = malloc(128);
		move_name(seen.moves[k].key, name);
		snprintf(line, 128, "%-48s %8lu  not in the list (0x%x)", name, seen.moves[k].n, seen.moves[k].key);
		more[n_more++] = line;
	}
	qsort(more, n_more, sizeof(more[0]), by_name);
	for (size_t i = 0; i < n_more; i++) {
		printf("  %-10s %s\n", "move", more[i]);
		free((void *)more[i]);
	}
	return all;
}

static void print_names(const char *kind, const void *list) {
	const __typeof__(seen.faults[0]) *names = list;
	const char *sorted[NAMES_MAX];
	size_t n = 0;

	while (n < NAMES_MAX && names[n].name) {
		sorted[n] = names[n].name;
		n++;
	}
	qsort(sorted, n, sizeof(sorted[0]), by_name);
	for (size_t i = 0; i < n; i++)
		for (size_t k = 0; k < n; k++)
			if (names[k].name == sorted[i])
				(void)print_one(kind, sorted[i], names[k].n);
}

static bool print_effects(void) {
	bool all = true;

	for (int k = 0; k < EFFECT_KIND_MAX; k++) {
		const unsigned long *n = seen.effects[k];
		printf("  %-10s %-16s ok %lu, refused %lu, not done %lu, unknown %lu\n", "effect",
		       effect_kind_name((enum effect_kind)k), n[0], n[1], n[2], n[3]);
		all &= n[EFFECT_OK] && n[EFFECT_NOT_DONE] && (n[EFFECT_UNKNOWN] || k == EFFECT_PUBLISH); /* given, or not */
	}
	return all;
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
	all &= print_effects();
	all &= print_moves();
	print_names("fault", seen.faults);
	print_names("end", seen.ends);
	return all;
}
