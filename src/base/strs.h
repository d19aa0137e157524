/* A list of owned strings. */
#ifndef BASE_STRS_H
#define BASE_STRS_H

#include <stdbool.h>
#include <stddef.h>

struct strs {
	char **v;
	size_t n;
};

void strs_add(struct strs *s, const char *text);
/* Adds unless it is there already. */
void strs_add_new(struct strs *s, const char *text);
void strs_remove(struct strs *s, const char *text); /* the first one like it, if there is one */
bool strs_has(const struct strs *s, const char *text);
bool strs_equal(const struct strs *a, const struct strs *b);
void strs_copy(struct strs *to, const struct strs *from); /* replaces what `to` held */
void strs_clear(struct strs *s);                          /* frees what it holds; can be used again */

#endif
