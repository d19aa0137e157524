/* sim: random histories against the rescheduling machine, each made from its seed alone.
 *
 *   sim --seeds N [--first F] [--jobs J]        histories F to F + N - 1, in J processes
 *   sim --regressions FILE …                    those of the file as well, before the others
 *   sim --seed S [--without LIST] [--nodes N] [-v]
 *                                               one of them, without some of its faults (numbers), containers (c and a
 *                                               number) or service discovery (d), on at most N nodes; -v tells it
 *   sim --real-store DIR [--takeovers N]        one kind history against a real file: memory, and how fast a killed manager
 *                                               is back
 *   --brief                                     failures in one line each, nothing shrunk
 *
 * In the build with the planted bugs (mutants.h), N seeds for each:
 *   sim --mutants [--seeds N] [--jobs J] [NAME...]
 *   sim --mutant NAME …                         any of the above with that one */
#include "mutants.h"
#include "real.h"
#include "runs.h"

#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define SEEDS_FOR_COVERAGE 20000
#define FAILURES_TOLD 10

struct options {
	unsigned long n, first;
	int jobs;
	bool one, brief, verbose, mutants;
	const char *regressions;
	const char *real; /* the folder of --real-store */
	unsigned long takeovers;
	struct variant variant;
};

static unsigned long number(const char *text) {
	char *end;
	unsigned long n = strtoul(text, &end, 10);

	if (*end || end == text) {
		fprintf(stderr, "sim: \"%s\" is no number\n", text);
		exit(64);
	}
	return n;
}

/* "3,7,c2,d" */
static void parse_without(const char *list, struct variant *v) {
	char *copy = strdup(list), *rest = copy, *word;

	while ((word = strsep(&rest, ",")) != NULL) {
		if (strcmp(word, "d") == 0) {
			v->discovery = true;
			continue;
		}
		bool container = *word == 'c';
		unsigned long i = number(word + container);
		if (i >= (container ? CONTAINERS_MAX : FAULTS_MAX)) {
			fprintf(stderr, "sim: no history has a fault or container \"%s\"\n", word);
			exit(64);
		}
		*(container ? &v->container[i] : &v->fault[i]) = true;
	}
	free(copy);
}

/* As it is given on the command line. */
static void print_variant(unsigned long seed, const struct variant *v) {
	const char *before = " --without ";

	printf("sim --seed %lu", seed);
	for (int i = 0; i < FAULTS_MAX; i++)
		if (v->fault[i]) {
			printf("%s%d", before, i);
			before = ",";
		}
	for (int i = 0; i < CONTAINERS_MAX; i++)
		if (v->container[i]) {
			printf("%sc%d", before, i);
			before = ",";
		}
	if (v->discovery)
		printf("%sd", before);
	if (v->nodes_max)
		printf(" --nodes %d", v->nodes_max);
	printf(" -v\n");
}

static void tell_shrunk(unsigned long seed, const struct verdict *failed) {
	struct variant least;
	struct verdict v;

	shrink(seed, failed, &least);
	for (int i = failed->n_faults; i < FAULTS_MAX; i++)
		least.fault[i] = false;
	printf("---- the history of seed %lu, without what has nothing to do with it ----\n", seed);
	runs_one(seed, &least, true, &v);
	printf("---- its end: %s ----\n     to see it again: ", v.failure);
	print_variant(seed, &least);
}

static unsigned long run_seeds(const struct options *o) {
	struct runs r;

	runs_all(o->first, o->n, o->jobs, &r);
	for (int i = 0; i < r.n_failures && (o->brief || i < FAILURES_TOLD); i++) {
		const struct run_failure *f = &r.failures[i];
		printf("FAIL seed %lu: %s\n     to see it: sim --seed %lu -v\n", f->seed, f->verdict.failure, f->seed);
		if (i == 0 && !o->brief)
			tell_shrunk(f->seed, &f->verdict);
	}
	return r.failed;
}

/* "SEED [--without LIST] [--nodes N]", a comment after #. False: not a line of that kind. */
static bool parse_line(char *line, unsigned long *ret_seed, struct variant *ret) {
	char *rest = line, *word = strtok_r(rest, " \t\n", &rest);

	*ret = (struct variant){0};
	if (!word || *word == '#')
		return false;
	*ret_seed = number(word);
	while ((word = strtok_r(NULL, " \t\n", &rest)) && *word != '#') {
		const char *value = strtok_r(NULL, " \t\n", &rest);
		if (strcmp(word, "--without") == 0 && value)
			parse_without(value, ret);
		else if (strcmp(word, "--nodes") == 0 && value)
			ret->nodes_max = (int)number(value);
		else {
			fprintf(stderr, "sim: what is \"%s\" among the regressions?\n", word);
			exit(64);
		}
	}
	return true;
}

static unsigned long run_regressions(const char *path, unsigned long *ret_passed) {
	char line[1024];
	unsigned long failed = 0, seed;
	struct variant variant;
	struct verdict v;
	FILE *f = fopen(path, "r");

	if (!f) {
		perror(path);
		exit(1);
	}
	while (fgets(line, sizeof(line), f)) {
		if (!parse_line(line, &seed, &variant))
			continue;
		runs_one(seed, &variant, false, &v);
		*ret_passed += v.invariant == INV_NONE;
		if (v.invariant == INV_NONE)
			continue;
		failed++;
		printf("FAIL regression: %s\n     to see it: ", v.failure);
		print_variant(seed, &variant);
	}
	fclose(f);
	return failed;
}

static int run_one(const struct options *o) {
	struct verdict v;

	runs_one(o->first, &o->variant, o->verbose, &v);
	if (v.invariant != INV_NONE)
		printf("FAIL seed %lu: %s\n", o->first, v.failure);
	printf("%d passed, %d failed\n", v.invariant == INV_NONE, v.invariant != INV_NONE);
	return v.invariant != INV_NONE;
}

static void parse(int argc, char **argv, struct options *o) {
	static const struct option options[] = {
		{"seeds", required_argument, NULL, 'n'},
		{"first", required_argument, NULL, 'f'},
		{"seed", required_argument, NULL, 's'},
		{"jobs", required_argument, NULL, 'j'},
		{"without", required_argument, NULL, 'w'},
		{"nodes", required_argument, NULL, 'N'},
		{"brief", no_argument, NULL, 'b'},
		{"verbose", no_argument, NULL, 'v'},
#ifdef HEIR_MUTANTS
		{"mutants", no_argument, NULL, 'm'},
		{"mutant", required_argument, NULL, 'M'},
#endif
		{"regressions", required_argument, NULL, 'r'},
		{"real-store", required_argument, NULL, 'R'},
		{"takeovers", required_argument, NULL, 't'},
		{0},
	};
	int c;

	while ((c = getopt_long(argc, argv, "v", options, NULL)) != -1) {
		switch (c) {
		case 'n':
			o->n = number(optarg);
			break;
		case 's':
			o->one = true;
			__attribute__((fallthrough));
		case 'f':
			o->first = number(optarg);
			break;
		case 'j':
			o->jobs = (int)number(optarg);
			break;
		case 'w':
			parse_without(optarg, &o->variant);
			break;
		case 'N':
			o->variant.nodes_max = (int)number(optarg);
			break;
		case 'r':
			o->regressions = optarg;
			break;
		case 'b':
			o->brief = true;
			break;
		case 'v':
			o->verbose = true;
			break;
		case 'R':
			o->real = optarg;
			break;
		case 't':
			o->takeovers = number(optarg);
			break;
#ifdef HEIR_MUTANTS
		case 'm':
			o->mutants = true;
			break;
		case 'M':
			if (mutants_switch_on(optarg))
				break;
			fprintf(stderr, "sim: there is no mutant \"%s\"\n", optarg);
			exit(64);
#endif
		default:
			exit(64);
		}
	}
	if (o->jobs < 1)
		o->jobs = 1;
}

int main(int argc, char **argv) {
	struct options o = {.n = 2000, .takeovers = 2000, .first = 1, .jobs = (int)sysconf(_SC_NPROCESSORS_ONLN)};
	unsigned long passed = 0, failed = 0;

	parse(argc, argv, &o);
	if (o.real)
		return !real_run(o.real, (unsigned)o.takeovers);
	if (o.one)
		return run_one(&o);
#ifdef HEIR_MUTANTS
	if (o.mutants)
		return mutants_run(o.n, o.jobs, argv + optind) > 0;
#endif
	if (o.regressions)
		failed += run_regressions(o.regressions, &passed);
	unsigned long bad = run_seeds(&o);
	passed += o.n - bad;
	failed += bad;
	bool covered = coverage_print() || o.n < SEEDS_FOR_COVERAGE;
	if (!covered)
		printf("FAIL: something was never visited\n");
	printf("%lu passed, %lu failed\n", passed, failed + !covered);
	return failed || !covered;
}
