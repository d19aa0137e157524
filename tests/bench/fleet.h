/* What stand-in engines have and say: containers by number and those that were created since, and an answer for each request. No
 * connections, no loop. What goes wrong ends the program. */
#ifndef BENCH_FLEET_H
#define BENCH_FLEET_H

#include "base/buf.h"

#include <stdbool.h>

struct fleet_shape {
	int containers;      /* of an engine; the first of them has opted in */
	int lost;            /* so many of the first engines have other containers, */
	int lost_containers; /* so many, and all of them have opted in */
	const char *inspect; /* file with the answer for a container, made into each by its ID, name and environment */
};

struct fleet_answer {
	int status;
	struct buf body;
	bool created; /* a container was */
};

void fleet_init(int engines, const struct fleet_shape *shape);
/* path: without a version, and with its query. */
void fleet_answer(int engine, const char *method, const char *path, const char *body, struct fleet_answer *ret);

#endif
