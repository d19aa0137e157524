/* See base64.h. */
#include "base/base64.h"

#include "base/alloc.h"

#include <errno.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>

static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

static void append_group(struct buf *b, const unsigned char *p, size_t n) {
	uint32_t bits = (uint32_t)p[0] << 16 | (n > 1 ? (uint32_t)p[1] << 8 : 0) | (n > 2 ? p[2] : 0);
	const char group[] = {
		digits[bits >> 18],
		digits[bits >> 12 & 63],
		n > 1 ? digits[bits >> 6 & 63] : '=',
		n > 2 ? digits[bits & 63] : '=',
	};

	buf_append(b, group, sizeof(group));
}

void base64_append(struct buf *b, const void *data, size_t n) {
	const unsigned char *p = data;

	for (; n > 0; n -= n < 3 ? n : 3, p += 3)
		append_group(b, p, n < 3 ? n : 3);
}

static int digit_of(char c) {
	if (c >= 'A' && c <= 'Z')
		return c - 'A';
	if (c >= 'a' && c <= 'z')
		return c - 'a' + 26;
	if (c >= '0' && c <= '9')
		return c - '0' + 52;
	return c == '+' ? 62 : c == '/' ? 63 : -1;
}

/* The bytes of one quadruple, of which `n` digits are none of padding. False: no base64. */
static bool decode_group(const char *text, size_t n, unsigned char out[3]) {
	uint32_t bits = 0;

	for (size_t i = 0; i < 4; i++) {
		int digit = i < n ? digit_of(text[i]) : 0;
		if (digit < 0)
			return false;
		bits = bits << 6 | (uint32_t)digit;
	}
	out[0] = (unsigned char)(bits >> 16);
	out[1] = (unsigned char)(bits >> 8);
	out[2] = (unsigned char)bits;
	return (n > 3 || out[2] == 0) && (n > 2 || out[1] == 0);
}

int base64_decode(const char *text, size_t n, char **ret, size_t *ret_n) {
	size_t padding = n > 1 && text[n - 1] == '=' ? (text[n - 2] == '=' ? 2 : 1) : 0;

	if (n % 4 != 0)
		return -EINVAL;
	unsigned char *out = xmalloc(n / 4 * 3 + 1);
	for (size_t i = 0; i < n; i += 4)
		if (!decode_group(text + i, i + 4 == n ? 4 - padding : 4, out + i / 4 * 3)) {
			free(out);
			return -EINVAL;
		}
	*ret_n = n / 4 * 3 - padding;
	out[*ret_n] = '\0';
	*ret = (char *)out;
	return 0;
}
