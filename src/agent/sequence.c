/* See sequence.h. */
#include "agent/sequence.h"

#include "base/alloc.h"
#include "base/mutant.h"

#include <stdlib.h>
#include <string.h>

#define SUBJECTS_MAX 200000 /* of addresses long gone; a manager that has so many alive tells them again */

struct sequence_entry {
	char *subject;
	int64_t order;
	UT_hash_handle hh;
};

static struct sequence_entry *find(const struct sequence *s, const char *subject) {
	struct sequence_entry *e = NULL;

	HASH_FIND_STR(s->newest, subject, e);
	return e;
}

bool sequence_is_late(const struct sequence *s, int64_t epoch, const char *subject, int64_t order) {
	const struct sequence_entry *e = s->epoch == epoch ? find(s, subject) : NULL;

	return e && order > 0 && order < e->order && !MUTANT(OLD_ORDER_OBEYED);
}

void sequence_note(struct sequence *s, int64_t epoch, const char *subject, int64_t order) {
	if (s->epoch != epoch || HASH_COUNT(s->newest) >= SUBJECTS_MAX) {
		sequence_clear(s);
		s->epoch = epoch;
	}
	struct sequence_entry *e = find(s, subject);
	if (!e) {
		e = xnew(struct sequence_entry);
		e->subject = xstrdup(subject);
		HASH_ADD_KEYPTR(hh, s->newest, e->subject, strlen(e->subject), e);
	}
	e->order = order;
}

void sequence_clear(struct sequence *s) {
	struct sequence_entry *e, *next;

	HASH_ITER (hh, s->newest, e, next) {
		HASH_DEL(s->newest, e);
		free(e->subject);
		free(e);
	}
	*s = (struct sequence){0};
}
