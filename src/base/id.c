/* See id.h. */
#include "base/id.h"

#include <ctype.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

void id_random(char text[ID_TEXT_MAX]) {
	uint64_t bits;

	if (getrandom(&bits, sizeof(bits), 0) != (ssize_t)sizeof(bits))
		abort(); /* cannot happen for 8 bytes on a booted Linux (getrandom(2)) */
	snprintf(text, ID_TEXT_MAX, "%016llx", (unsigned long long)bits);
}

bool id_is_hex(const char *text) {
	size_t n = strlen(text);

	if (n == 0 || n > 128)
		return false;
	for (; *text; text++)
		if (!isxdigit((unsigned char)*text))
			return false;
	return true;
}
