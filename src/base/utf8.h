/* UTF-8 (RFC 3629) in text from outside: what is none is shown as such, and nothing is cut inside a character. JSON takes no other
 * text. */
#ifndef BASE_UTF8_H
#define BASE_UTF8_H

#include <stddef.h>

/* The character at p, which ends with a NUL somewhere; returns its bytes, 0 when it is none. */
size_t utf8_decode(const char *p, unsigned *ret);
/* How many of the n bytes fit into max, whole characters only. */
size_t utf8_fit(const char *text, size_t n, size_t max);
/* The same of a text, for "%.*s". */
int utf8_shown(const char *text, int max);
/* Takes away what is left of a character that was cut at the end. */
void utf8_trim(char *text);
/* Each byte that belongs to no character as "?". Owned. */
char *utf8_repair(const char *text);

#endif
