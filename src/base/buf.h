/* A growing byte buffer that is always NUL-terminated, for text and bodies. */
#ifndef BASE_BUF_H
#define BASE_BUF_H

#include <stddef.h>

struct buf {
	char *data; /* NULL while empty and never written */
	size_t len, cap;
};

void buf_append(struct buf *b, const void *data, size_t n);
void buf_puts(struct buf *b, const char *s);
void buf_printf(struct buf *b, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* Drops the first n bytes. */
void buf_consume(struct buf *b, size_t n);
/* Hands the text over (never NULL) and leaves the buffer empty. */
char *buf_take(struct buf *b);
void buf_clear(struct buf *b); /* frees what it holds; the buffer can be used again */

#define CLEANUP_BUF CLEANUP(buf_clear)

#endif
