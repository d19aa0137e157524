/* Base64 (RFC 4648, section 4), with its padding: bytes as text. */
#ifndef BASE_BASE64_H
#define BASE_BASE64_H

#include "base/buf.h"

#include <stddef.h>

void base64_append(struct buf *b, const void *data, size_t n);
/* Strict: whole quadruples, padding only at the end, no stray bits. *ret is owned and NUL-terminated; untouched when -EINVAL. */
int base64_decode(const char *text, size_t n, char **ret, size_t *ret_n);

#endif
