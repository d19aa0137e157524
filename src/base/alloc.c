/* See alloc.h. */
#include "base/alloc.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void *must(void *p) {
	if (!p) {
		fputs("level=error event=out-of-memory\n", stderr);
		abort();
	}
	return p;
}

void *xmalloc(size_t size) { return must(malloc(size ? size : 1)); }

void *xcalloc(size_t n, size_t size) { return must(calloc(n ? n : 1, size ? size : 1)); }

void *xreallocarray(void *p, size_t n, size_t size) { return must(reallocarray(p, n ? n : 1, size ? size : 1)); }

char *xstrdup(const char *s) { return must(strdup(s)); }

char *xstrndup(const char *s, size_t n) { return must(strndup(s, n)); }

char *xstrdup_null(const char *s) { return s ? xstrdup(s) : NULL; }

char *xvasprintf(const char *fmt, va_list ap) {
	char *s = NULL;
	int r = vasprintf(&s, fmt, ap);

	return must(r < 0 ? NULL : s);
}

char *xasprintf(const char *fmt, ...) {
	va_list ap;

	va_start(ap, fmt);
	char *s = xvasprintf(fmt, ap);
	va_end(ap);
	return s;
}

void xstr_replace(char **s, const char *value) {
	if (*s == value || (*s && value && strcmp(*s, value) == 0))
		return;
	char *copy = xstrdup_null(value);
	free(*s);
	*s = copy;
}
