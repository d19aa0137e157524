/* See strs.h. */
#include "base/strs.h"

#include "base/alloc.h"

#include <stdlib.h>
#include <string.h>

void strs_add(struct strs *s, const char *text) {
	s->v = xreallocarray(s->v, s->n + 1, sizeof(*s->v));
	s->v[s->n++] = xstrdup(text);
}

void strs_add_new(struct strs *s, const char *text) {
	if (!strs_has(s, text))
		strs_add(s, text);
}

bool strs_has(const struct strs *s, const char *text) {
	for (size_t i = 0; i < s->n; i++)
		if (strcmp(s->v[i], text) == 0)
			return true;
	return false;
}

void strs_remove(struct strs *s, const char *text) {
	size_t i = 0;

	while (i < s->n && strcmp(s->v[i], text) != 0)
		i++;
	if (i == s->n)
		return;
	free(s->v[i]);
	memmove(&s->v[i], &s->v[i + 1], (s->n - i - 1) * sizeof(*s->v));
	s->n--;
}

bool strs_equal(const struct strs *a, const struct strs *b) {
	if (a->n != b->n)
		return false;
	for (size_t i = 0; i < a->n; i++)
		if (strcmp(a->v[i], b->v[i]) != 0)
			return false;
	return true;
}

void strs_copy(struct strs *to, const struct strs *from) {
	struct strs copy = {0};

	for (size_t i = 0; i < from->n; i++)
		strs_add(&copy, from->v[i]);
	strs_clear(to);
	*to = copy;
}

void strs_clear(struct strs *s) {
	for (size_t i = 0; i < s->n; i++)
		free(s->v[i]);
	free(s->v);
	*s = (struct strs){0};
}
