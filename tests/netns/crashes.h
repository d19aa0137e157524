/*
 * heird ends at a named point (src/daemon/crash.h), is started again, and everything is held against a run in which it did not:
 * the takeover as it is when it is done, and all that is left when the node that had failed is back (endstate.h).
 *
 * Every point has the same scene, in a laboratory that is reset: web on h1 with an address on ov, h2 the only possible target, a
 * client on h3, h1's cable pulled and plugged in again. A course is a variant of it, for rows that otherwise have nothing to do;
 * the uninterrupted run of a course is made when the first point of it needs it.
 */
#ifndef TESTS_NETNS_CRASHES_H
#define TESTS_NETNS_CRASHES_H

#include "harness.h"

enum course {
	COURSE_PLAIN,
	COURSE_IMAGE,   /* the target has to be given the image */
	COURSE_KEEP,    /* stale copies are kept */
	COURSE_OLDEST,  /* it is moved back, by a second takeover; heird is there anew for that */
	COURSE_REMOVAL, /* the address is freed by taking the node out of its swarm */
	COURSE_MAX,
};

struct crash {
	char name[64]; /* of the scenario */
	char at[48];   /* "release:before" */
	enum course course;
	bool later; /* it comes to it only when the node is back */
};

/* Adds both points of that name: count of crashes so far, and the new one. */
size_t crash_add(struct crash *crashes, size_t n, const char *point, enum course course, bool later);
/* Runs them as scenarios; what main returns. */
int crashes_run(int argc, char **argv, const struct crash *crashes, size_t n);

#endif
