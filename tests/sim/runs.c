/* See runs.h. */
#include "runs.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#define CHUNK 20 /* seeds that one process takes in a row */

void *runs_shared(size_t size) {
	void *p = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	if (p == MAP_FAILED) {
		perror("sim: mmap");
		exit(1);
	}
	return p;
}

pid_t runs_fork(void) {
	fflush(stdout);
	pid_t pid = fork();

	if (pid < 0) {
		perror("sim: fork");
		exit(1);
	}
	return pid;
}

/* True when it came to its own end. */
static bool wait_for(pid_t pid, struct verdict *ret) {
	int status;

	if (waitpid(pid, &status, 0) == pid && WIFEXITED(status) && WEXITSTATUS(status) == 0)
		return true;
	*ret = (struct verdict){.invariant = INV_SIMULATOR};
	snprintf(ret->failure, sizeof(ret->failure), "(%d) it does not come to an end of its own: %s %d", INV_SIMULATOR,
		 WIFSIGNALED(status) ? "signal" : "exit", WIFSIGNALED(status) ? WTERMSIG(status) : WEXITSTATUS(status));
	return false;
}

void runs_one(unsigned long seed, const struct variant *variant, bool verbose, struct verdict *ret) {
	struct verdict *v = runs_shared(sizeof(*v));
	pid_t pid = runs_fork();

	if (pid == 0) {
		sim_run(seed, variant, verbose, v);
		fflush(stdout);
		_exit(0);
	}
	if (wait_for(pid, ret))
		*ret = *v;
	munmap(v, sizeof(*v));
}

/* ---- many ---- */

/* What a process leaves behind. */
struct job {
	pid_t pid;
	unsigned long at; /* the seed's number that it is at, from 0 */
	struct runs runs;
	unsigned char coverage[]; /* when it came to its end */
};

static void note(struct runs *r, unsigned long seed, const struct verdict *v) {
	r->failed++;
	if (r->n_failures < RUNS_TOLD_MAX)
		r->failures[r->n_failures++] = (struct run_failure){seed, *v};
}

static void work(struct job *j, unsigned long first, unsigned long n, unsigned long jobs, unsigned long mine) {
	static const struct variant all;
	struct verdict v;

	for (; j->at < n; j->at++) {
		if (j->at / CHUNK % jobs != mine)
			continue;
		sim_run(first + j->at, &all, false, &v);
		if (v.invariant != INV_NONE)
			note(&j->runs, first + j->at, &v);
	}
	coverage_save(j->coverage);
}

/* After a crash the next process goes on behind it. */
static void run_job(struct job *j, unsigned long first, unsigned long n, int jobs, int mine) {
	pid_t pid = runs_fork();

	if (pid == 0) {
		work(j, first, n, (unsigned long)jobs, (unsigned long)mine);
		_exit(0);
	}
	j->pid = pid; /* the child shares j */
}

static void finish_job(struct job *j, unsigned long first, unsigned long n, int jobs, int mine) {
	struct verdict v;

	while (!wait_for(j->pid, &v)) {
		note(&j->runs, first + j->at, &v);
		j->at++;
		run_job(j, first, n, jobs, mine);
	}
}

static int by_seed(const void *a, const void *b) {
	const struct run_failure *x = a, *y = b;
	return x->seed < y->seed ? -1 : x->seed > y->seed;
}

static void collect(struct job **job, int jobs, struct runs *ret) {
	struct run_failure *all = calloc((size_t)jobs * RUNS_TOLD_MAX, sizeof(*all));
	size_t n = 0;

	*ret = (struct runs){0};
	for (int i = 0; i < jobs; i++) {
		ret->failed += job[i]->runs.failed;
		for (int k = 0; k < job[i]->runs.n_failures; k++)
			all[n++] = job[i]->runs.failures[k];
		coverage_add(job[i]->coverage);
	}
	qsort(all, n, sizeof(*all), by_seed);
	for (size_t i = 0; i < n && i < RUNS_TOLD_MAX; i++)
		ret->failures[ret->n_failures++] = all[i];
	free(all);
}

void runs_all(unsigned long first, unsigned long n, int jobs, struct runs *ret) {
	size_t size = sizeof(struct job) + coverage_size();
	struct job **job = calloc((size_t)jobs, sizeof(*job));

	for (int i = 0; i < jobs; i++) {
		job[i] = runs_shared(size);
		run_job(job[i], first, n, jobs, i);
	}
	for (int i = 0; i < jobs; i++)
		finish_job(job[i], first, n, jobs, i);
	collect(job, jobs, ret);
	for (int i = 0; i < jobs; i++)
		munmap(job[i], size);
	free(job);
}

/* ---- shrinking ---- */

static bool still_fails(unsigned long seed, const struct variant *v, enum invariant wanted) {
	struct verdict now;

	runs_one(seed, v, false, &now);
	return now.invariant == wanted;
}

/* Several at once first, then fewer: most of them have nothing to do with it. */
static bool drop_range(unsigned long seed, enum invariant wanted, bool *left_out, int n, int size, struct variant *v) {
	bool any = false;

	for (int from = 0; from < n; from += size) {
		bool before[FAULTS_MAX] = {false};
		int to = from + size < n ? from + size : n, dropped = 0;
		memcpy(before, left_out, (size_t)n * sizeof(bool));
		for (int i = from; i < to; i++) {
			dropped += !left_out[i];
			left_out[i] = true;
		}
		if (dropped && still_fails(seed, v, wanted))
			any = true;
		else
			memcpy(left_out, before, (size_t)n * sizeof(bool));
	}
	return any;
}

void shrink(unsigned long seed, const struct verdict *failed, struct variant *ret) {
	int nodes = failed->n_nodes, faults = failed->n_faults;

	*ret = (struct variant){0};
	for (int size = faults / 2; size > 1; size /= 2)
		(void)drop_range(seed, failed->invariant, ret->fault, faults, size, ret);
	ret->discovery = true;
	ret->discovery = still_fails(seed, ret, failed->invariant);
	while (nodes > 3) {
		struct variant less = *ret;
		less.nodes_max = nodes - 1;
		if (!still_fails(seed, &less, failed->invariant))
			break;
		*ret = less;
		nodes--;
	}
	(void)drop_range(seed, failed->invariant, ret->container, failed->n_containers, 1, ret);
	while (drop_range(seed, failed->invariant, ret->fault, faults, 1, ret))
		;
}
