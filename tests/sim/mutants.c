/* See mutants.h. A mutant is found when a history fails by an invariant that it breaks. One that fails otherwise, that is never
 * asked, or that nobody finds is a fault: of the checks, of the world that cannot show it, or of the mutant. */
#include "mutants.h"

#ifdef HEIR_MUTANTS

#include "runs.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>

#define SEEDS_UNSPOILT 2000

enum mutant mutant_on;
unsigned long mutant_reached;

bool mutants_switch_on(const char *name) {
	for (int m = MUTANT_NONE + 1; m < MUTANT_MAX; m++)
		if (strcmp(mutant_stories[m].name, name) == 0) {
			mutant_on = (enum mutant)m;
			return true;
		}
	return false;
}

/* One mutant's process, shared with it. */
struct hunt {
	enum mutant mutant;
	unsigned by; /* looked at alone; 0: all are */
	pid_t pid;
	bool over;
	unsigned long reached, seeds;
	struct verdict verdict;
};

static void hunt(struct hunt *h, unsigned long n) {
	const struct variant all = {.only = h->by};

	mutant_on = h->mutant;
	while (h->seeds < n && h->verdict.invariant == INV_NONE) {
		h->seeds++;
		sim_run(h->seeds, &all, false, &h->verdict);
		h->reached = mutant_reached;
	}
}

static void begin(struct hunt *h, unsigned long n) {
	pid_t pid = runs_fork();

	if (pid == 0) {
		hunt(h, n);
		_exit(0);
	}
	h->pid = pid; /* which the child shares */
}

static void await_one(struct hunt *hunts, int n) {
	int status;
	pid_t pid = wait(&status);

	for (int i = 0; i < n; i++) {
		struct hunt *h = &hunts[i];
		if (h->pid != pid)
			continue;
		h->over = true;
		if (WIFEXITED(status) && WEXITSTATUS(status) == 0)
			continue;
		h->verdict.invariant = INV_SIMULATOR;
		snprintf(h->verdict.failure, sizeof(h->verdict.failure), "it ends with status %x", (unsigned)status);
	}
}

static bool tell(const struct hunt *h) {
	const struct mutant_story *m = &mutant_stories[h->mutant];
	const struct verdict *v = &h->verdict;
	unsigned breaks = h->by ? h->by : m->breaks;
	bool found = v->invariant != INV_NONE, ok = found && breaks & (1U << v->invariant);

	printf("%-4s  %-30s ", ok ? "ok" : "FAIL", m->name);
	if (found)
		printf("caught after %lu seeds by %sinvariant %s%s\n", h->seeds, h->by ? "nothing but " : "", v->failure,
		       ok ? "" : ", which it does not break");
	else
		printf("%s in %lu seeds: %s\n", h->reached ? "not caught" : "never reached", h->seeds, m->what);
	fflush(stdout);
	return ok;
}

/* Told in their order. */
static int run_hunts(struct hunt *hunts, int n, unsigned long seeds, int jobs) {
	int begun = 0, told = 0, running = 0, failed = 0;

	while (told < n) {
		while (running < jobs && begun < n) {
			begin(&hunts[begun++], seeds);
			running++;
		}
		await_one(hunts, begun);
		running--;
		for (; told < n && hunts[told].over; told++)
			failed += !tell(&hunts[told]);
	}
	return failed;
}

static bool is_wanted(enum mutant m, char *const *names) {
	if (!*names)
		return true;
	while (*names && strcmp(*names, mutant_stories[m].name) != 0)
		names++;
	return *names;
}

static bool passes_unspoilt(int jobs) {
	struct runs r;

	runs_all(1, SEEDS_UNSPOILT, jobs, &r);
	printf("%-4s  no mutant: %lu of %d seeds fail%s%s\n", r.failed ? "FAIL" : "ok", r.failed, SEEDS_UNSPOILT,
	       r.failed ? ": " : "", r.failed ? r.failures[0].verdict.failure : "");
	return r.failed == 0;
}

int mutants_run(unsigned long n, int jobs, char *const *names) {
	struct hunt *hunts = runs_shared(sizeof(*hunts) * (MUTANT_MAX + n_mutants_again));
	int wanted = 0;

	for (int m = MUTANT_NONE + 1; m < MUTANT_MAX; m++)
		if (is_wanted((enum mutant)m, names))
			hunts[wanted++].mutant = (enum mutant)m;
	for (size_t i = 0; i < n_mutants_again; i++)
		if (is_wanted(mutants_again[i].mutant, names))
			hunts[wanted++] = (struct hunt){.mutant = mutants_again[i].mutant, .by = mutants_again[i].by};
	int failed = !passes_unspoilt(jobs);
	failed += run_hunts(hunts, wanted, n, jobs);
	printf("%d passed, %d failed\n", wanted + 1 - failed, failed);
	return failed;
}

#endif
