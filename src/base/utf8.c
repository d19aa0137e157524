/* See utf8.h. */
#include "base/utf8.h"

#include "base/buf.h"

#include <stdbool.h>
#include <string.h>

static bool is_tail(char c) { return ((unsigned char)c & 0xc0) == 0x80; }

/* As its first byte says; 0: none begins so. */
static size_t length_of(char first) {
	unsigned char c = (unsigned char)first;

	if (c < 0x80)
		return 1;
	return c < 0xc2 ? 0 : c < 0xe0 ? 2 : c < 0xf0 ? 3 : c < 0xf5 ? 4 : 0;
}

/* Longer than need be, half of a UTF-16 pair, or beyond the last one. */
static bool is_none(unsigned c, size_t len) {
	return (len == 3 && c < 0x800) || (len == 4 && c < 0x10000) || (c >= 0xd800 && c < 0xe000) || c > 0x10ffff;
}

size_t utf8_decode(const char *p, unsigned *ret) {
	size_t len = length_of(*p);
	unsigned c = (unsigned char)*p & (len < 2 ? 0xffu : 0xffu >> (len + 1));

	for (size_t i = 1; i < len; i++) {
		if (!is_tail(p[i]))
			return 0;
		c = c << 6 | ((unsigned char)p[i] & 0x3f);
	}
	*ret = c;
	return is_none(c, len) ? 0 : len;
}

size_t utf8_fit(const char *text, size_t n, size_t max) {
	size_t back = 0;

	if (n <= max)
		return n;
	while (back < 4 && back < max && is_tail(text[max - back]))
		back++;
	return back < 4 ? max - back : max; /* no character is as long as that */
}

int utf8_shown(const char *text, int max) { return (int)utf8_fit(text, strlen(text), (size_t)max); }

void utf8_trim(char *text) {
	size_t n = strlen(text), tail = 0;

	while (tail < n && tail < 3 && is_tail(text[n - 1 - tail]))
		tail++;
	if (tail < n && length_of(text[n - 1 - tail]) > tail + 1)
		text[n - 1 - tail] = '\0';
}

char *utf8_repair(const char *text) {
	struct buf b = {0};
	unsigned c;

	for (size_t len = 0; *text; text += len ? len : 1) {
		len = utf8_decode(text, &c);
		buf_append(&b, len ? text : "?", len ? len : 1);
	}
	return buf_take(&b);
}
