/* sim: random histories against the rescheduling machine, each made from its seed alone.
 *
 *   sim --seeds N [--first F]   histories F to F + N - 1
 *   sim --seed S [-v]           one of them; -v tells it */
#include "sim.h"

#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SEEDS_FOR_COVERAGE 2000
#define FAILURES_TOLD 10

static unsigned long number(const char *text) {
	char *end;
	unsigned long n = strtoul(text, &end, 10);

	if (*end || end == text) {
		fprintf(stderr, "sim: \"%s\" is no number\n", text);
		exit(64);
	}
	return n;
}

static bool run_one(unsigned long seed, bool verbose) {
	struct verdict v;
	struct variant all = {0};

	sim_run(seed, &all, verbose, &v);
	if (v.invariant == INV_NONE)
		return true;
	printf("FAIL seed %lu: %s\n     to see it: sim --seed %lu -v\n", seed, v.failure, seed);
	return false;
}

int main(int argc, char **argv) {
	static const struct option options[] = {
		{"seeds", required_argument, NULL, 'n'}, {"first", required_argument, NULL, 'f'},
		{"seed", required_argument, NULL, 's'},  {"brief", no_argument, NULL, 'b'},
		{"verbose", no_argument, NULL, 'v'},     {0},
	};
	unsigned long n = 2000, first = 1, passed = 0, failed = 0;
	bool verbose = false, one = false, brief = false;
	int c;

	while ((c = getopt_long(argc, argv, "v", options, NULL)) != -1) {
		switch (c) {
		case 'n':
			n = number(optarg);
			break;
		case 'f':
			first = number(optarg);
			break;
		case 's':
			first = number(optarg);
			n = 1;
			one = true;
			break;
		case 'b':
			brief = true;
			break;
		case 'v':
			verbose = true;
			break;
		default:
			return 64;
		}
	}
	for (unsigned long seed = first; seed < first + n && failed < (brief ? n : FAILURES_TOLD); seed++) {
		if (run_one(seed, verbose)) {
			passed++;
			continue;
		}
		if (++failed == 1 && !verbose && !brief) {
			printf("---- the history of seed %lu ----\n", seed);
			(void)run_one(seed, true);
			printf("---- its end ----\n");
		}
	}
	bool covered = true;
	if (!one) {
		covered = coverage_print() || n < SEEDS_FOR_COVERAGE;
		if (!covered)
			printf("FAIL: something was never visited\n");
	}
	printf("%lu passed, %lu failed\n", passed, failed + !covered);
	return failed || !covered;
}
