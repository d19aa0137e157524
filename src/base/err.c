/* See err.h. */
#include "base/err.h"

#include "base/utf8.h"

#include <assert.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

/* Cut where it is too long, never inside a character: it may be for JSON. */
static void format(char *to, size_t size, const char *fmt, va_list ap) {
	vsnprintf(to, size, fmt, ap);
	utf8_trim(to);
}

static void append(char *msg, size_t size, const char *text) {
	size_t n = strlen(msg);

	if (n + 3 >= size)
		return;
	size_t room = size - n - 3, length = strnlen(text, room);
	memcpy(msg + n, ": ", 2);
	memcpy(msg + n + 2, text, length);
	msg[n + 2 + length] = '\0';
	utf8_trim(msg);
}

int err_set(struct err *err, int code, const char *fmt, ...) {
	assert(code < 0);
	if (!err)
		return code;
	err->code = code;
	va_list ap;
	va_start(ap, fmt);
	format(err->msg, sizeof(err->msg), fmt, ap);
	va_end(ap);
	return code;
}

int err_wrap(struct err *err, const char *fmt, ...) {
	char context[sizeof(err->msg)];

	if (!err)
		return -1;
	va_list ap;
	va_start(ap, fmt);
	format(context, sizeof(context), fmt, ap);
	va_end(ap);
	append(context, sizeof(context), err->msg);
	memcpy(err->msg, context, sizeof(context));
	return err->code;
}

int err_errno(struct err *err, int code, const char *fmt, ...) {
	char context[sizeof(err->msg)];

	assert(code < 0);
	if (!err)
		return code;
	va_list ap;
	va_start(ap, fmt);
	format(context, sizeof(context), fmt, ap);
	va_end(ap);
	char reason[96];
	const char *s = strerror_r(-code, reason, sizeof(reason)); /* the GNU one */
	err->code = code;
	append(context, sizeof(context), s);
	memcpy(err->msg, context, sizeof(context));
	return code;
}
