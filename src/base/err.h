/* Errors as values: a function that can fail returns 0 or a negative errno-like code and fills `struct err *err`, its last
 * parameter, with what went wrong and with which thing. Each layer adds its context once by err_wrap.
 * Libraries return errors, the top logs them, once. No secret ever goes into a message. */
#ifndef BASE_ERR_H
#define BASE_ERR_H

struct err {
	int code;      /* 0 or negative */
	char msg[512]; /* one line, no trailing newline; cut when longer, not inside of a character */
};

/* Fills err (may be NULL) and returns code, which must be negative. */
int err_set(struct err *err, int code, const char *fmt, ...) __attribute__((format(printf, 3, 4)));

/* Puts "context: " before the message; returns err->code (or -1 when err is NULL). */
int err_wrap(struct err *err, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* err_set with ": strerror(code)" appended. */
int err_errno(struct err *err, int code, const char *fmt, ...) __attribute__((format(printf, 3, 4)));

#endif
