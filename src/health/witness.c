/* See witness.h. */
#include "health/witness.h"

#include "base/alloc.h"

#include <errno.h>
#include <stdlib.h>

struct watched {
	struct witness *witness;
	struct reach_address address;
	struct reach_ask *ask; /* under way */
};

struct witness {
	struct reach *reach;
	bool answered;
	struct mono last; /* answer, when answered */
	size_t n;
	struct watched watched[];
};

int witness_new(struct reach *reach, const struct strs *addresses, struct witness **ret, struct err *err) {
	struct witness *w = xcalloc(1, sizeof(*w) + addresses->n * sizeof(w->watched[0]));

	w->reach = reach;
	w->n = addresses->n;
	for (size_t i = 0; i < w->n; i++) {
		w->watched[i].witness = w;
		if (reach_address_parse(addresses->v[i], &w->watched[i].address))
			continue;
		free(w);
		return err_set(err, -EINVAL, "witness %.128s: expected a numeric address:port", addresses->v[i]);
	}
	*ret = w;
	return 0;
}

void witness_free(struct witness *w) {
	if (!w)
		return;
	for (size_t i = 0; i < w->n; i++)
		reach_cancel(w->watched[i].ask);
	free(w);
}

static void on_answer(void *user, const struct reach_answer *answer) {
	struct watched *watched = user;

	watched->ask = NULL;
	if (!reach_answers(answer))
		return;
	watched->witness->answered = true;
	watched->witness->last = mono_now();
}

void witness_ask(struct witness *w, struct span timeout) {
	for (size_t i = 0; i < w->n; i++)
		if (!w->watched[i].ask)
			w->watched[i].ask =
				reach_ask(w->reach, &w->watched[i].address, REACH_TCP, timeout, on_answer, &w->watched[i]);
}

enum brake_witness witness_state(const struct witness *w, struct mono since) {
	if (w->n == 0)
		return BRAKE_WITNESS_NONE;
	return w->answered && w->last.ns >= since.ns ? BRAKE_WITNESS_ANSWERS : BRAKE_WITNESS_SILENT;
}
