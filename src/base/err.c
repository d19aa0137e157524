/* See err.h. */
#include "base/err.h"

#include <assert.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

int err_set(struct err *err, int code, const char *fmt, ...) {
	assert(code < 0);
	if (!err)
		return code;
	err->code = code;
	va_list ap;
	va_start(ap, fmt);
	vsnprintf(err->msg, sizeof(err->msg), fmt, ap);
	va_end(ap);
	return code;
}

int err_wrap(struct err *err, const char *fmt, ...) {
	char context[sizeof(err->msg)];

	if (!err)
		return -1;
	va_list ap;
	va_start(ap, fmt);
	vsnprintf(context, sizeof(context), fmt, ap);
	va_end(ap);
	char old[sizeof(err->msg)];
	memcpy(old, err->msg, sizeof(old));
	size_t n = strlen(context);
	snprintf(err->msg, sizeof(err->msg), "%s", context);
	if (n + 3 < sizeof(err->msg))
		snprintf(err->msg + n, sizeof(err->msg) - n, ": %s", old);
	return err->code;
}

int err_errno(struct err *err, int code, const char *fmt, ...) {
	char context[sizeof(err->msg)];

	assert(code < 0);
	if (!err)
		return code;
	va_list ap;
	va_start(ap, fmt);
	vsnprintf(context, sizeof(context), fmt, ap);
	va_end(ap);
	char reason[96];
	const char *s = strerror_r(-code, reason, sizeof(reason)); /* the GNU one */
	err->code = code;
	size_t n = strlen(context);
	snprintf(err->msg, sizeof(err->msg), "%s", context);
	if (n + 3 < sizeof(err->msg))
		snprintf(err->msg + n, sizeof(err->msg) - n, ": %s", s);
	return code;
}
