/* See lines.h. */
#include "engine/lines.h"

#include <errno.h>
#include <string.h>

static int give(const char *line, size_t n, lines_fn *fn, void *ctx, struct err *err) {
	while (n > 0 && line[n - 1] == '\r')
		n--;
	return n > 0 ? fn(ctx, line, n, err) : 0;
}

static int too_long(const struct lines *l, struct err *err) {
	return err_set(err, -EMSGSIZE, "a line longer than %zu bytes", l->limit);
}

int lines_end(struct lines *l, lines_fn *fn, void *ctx, struct err *err) {
	struct buf line = l->rest; /* fn may clear l */

	if (line.len == 0)
		return 0;
	l->rest = (struct buf){0};
	int r = give(line.data, line.len, fn, ctx, err);
	buf_clear(&line);
	return r;
}

int lines_push(struct lines *l, const char *data, size_t n, lines_fn *fn, void *ctx, struct err *err) {
	for (const char *end; n > 0 && (end = memchr(data, '\n', n));) {
		size_t len = (size_t)(end - data);
		int r;
		if (l->rest.len + len > l->limit)
			return too_long(l, err);
		if (l->rest.len > 0) {
			buf_append(&l->rest, data, len);
			r = lines_end(l, fn, ctx, err);
		} else {
			r = give(data, len, fn, ctx, err);
		}
		if (r != 0)
			return r;
		data = end + 1;
		n -= len + 1;
	}
	if (l->rest.len + n > l->limit)
		return too_long(l, err);
	if (n > 0)
		buf_append(&l->rest, data, n);
	return 0;
}

void lines_clear(struct lines *l) { buf_clear(&l->rest); }
