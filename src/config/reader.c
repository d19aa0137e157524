/* See reader.h. Numbers and durations are taken digit by digit: no sign, no fraction, no octal, no "80a". */
#include "config/reader.h"

#include "base/alloc.h"
#include "base/cleanup.h"
#include "base/duration.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

int reader_refuse(const struct reader *r, const struct node *n, const char *fmt, ...) {
	char reason[256];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(reason, sizeof(reason), fmt, ap);
	va_end(ap);
	return err_set(r->err, -EINVAL, "%s:%u: %s", r->name, n->line, reason);
}

int reader_expected(const struct reader *r, const struct field *f, const struct node *n, const char *what) {
	char quoted[DOCUMENT_QUOTED_MAX];

	if (n->kind != NODE_SCALAR || !*n->text)
		return reader_refuse(r, n, "%s: expected %s, got %s", f->key, what, node_describe(n));
	return reader_refuse(r, n, "%s: expected %s, got '%s'", f->key, what, document_quote(n->text, quoted));
}

/* A URL may hold a password, so it is not repeated. */
static int expected_url(const struct reader *r, const struct field *f, const struct node *n, const char *what) {
	return reader_refuse(r, n, "%s: expected %s", f->key, what);
}

const struct node *node_at(const struct node *mapping, const char *key) {
	for (size_t i = 0; mapping->kind == NODE_MAPPING && i < mapping->n; i++)
		if (!strcmp(mapping->keys[i]->text, key))
			return mapping->items[i];
	return NULL;
}

static const struct field *find_field(const struct field *table, const char *key) {
	for (const struct field *f = table; f->key; f++)
		if (!strcmp(f->key, key))
			return f;
	return NULL;
}

int read_fields(const struct reader *r, const struct field *table, const struct node *n, void *base) {
	char quoted[DOCUMENT_QUOTED_MAX];

	for (size_t i = 0; i < n->n; i++) {
		const struct field *f = find_field(table, n->keys[i]->text);
		if (!f)
			return reader_refuse(r, n->keys[i], "unknown key '%s'", document_quote(n->keys[i]->text, quoted));
		int status = f->read(r, f, n->items[i], (char *)base + f->offset);
		if (status < 0)
			return status;
	}
	return 0;
}

int read_mapping(const struct reader *r, const struct field *f, const struct node *n, void *to) {
	if (n->kind != NODE_MAPPING)
		return reader_expected(r, f, n, "a mapping");
	return read_fields(r, f->sub, n, to);
}

int read_word(const struct reader *r, const struct field *f, const struct node *n, void *to) {
	char choices[128] = "";

	for (int i = 0; f->words[i]; i++) {
		if (n->kind == NODE_SCALAR && !strcmp(n->text, f->words[i])) {
			*(int *)to = i;
			return 0;
		}
		size_t used = strlen(choices);
		snprintf(choices + used, sizeof(choices) - used, "%s%s", i ? ", " : "one of ", f->words[i]);
	}
	return reader_expected(r, f, n, choices);
}

int read_int(const struct reader *r, const struct field *f, const struct node *n, void *to) {
	const char *rest;
	int64_t value;

	if (n->kind != NODE_SCALAR || !n->plain || !duration_digits(n->text, &value, &rest) || *rest)
		return reader_expected(r, f, n, "a number");
	if (value < f->low || value > f->high)
		return reader_refuse(r, n, "%s: must be %lld to %lld, got %s", f->key, (long long)f->low, (long long)f->high,
				     n->text);
	*(int *)to = (int)value;
	return 0;
}

int read_bool(const struct reader *r, const struct field *f, const struct node *n, void *to) {
	if (n->kind != NODE_SCALAR || !n->plain || (strcmp(n->text, "true") != 0 && strcmp(n->text, "false") != 0))
		return reader_expected(r, f, n, "true or false");
	*(bool *)to = !strcmp(n->text, "true");
	return 0;
}

int read_duration(const struct reader *r, const struct field *f, const struct node *n, void *to) {
	char low[DURATION_TEXT_MAX], high[DURATION_TEXT_MAX];
	struct span value;

	if (n->kind != NODE_SCALAR || !duration_parse(n->text, &value))
		return reader_expected(r, f, n, "a duration (a whole number with unit ms, s, m or h)");
	duration_format(span_ms(f->low), low);
	duration_format(span_ms(f->high), high);
	if (span_less(value, span_ms(f->low)) || span_less(span_ms(f->high), value))
		return reader_refuse(r, n, "%s: must be %s to %s, got %s", f->key, low, high, n->text);
	*(struct span *)to = value;
	return 0;
}

/* Also when an earlier default stands there. */
static int store(void *to, char *value) {
	char **text = to;
	free(*text);
	*text = value;
	return 0;
}

int read_name(const struct reader *r, const struct field *f, const struct node *n, void *to) {
	size_t len = n->kind == NODE_SCALAR ? strlen(n->text) : 0;

	if (len < 1 || len > 63 || strspn(n->text, READER_LETTERS READER_DIGITS "_.-") != len)
		return reader_expected(r, f, n, "a name of 1 to 63 letters, digits, '_', '.' or '-'");
	return store(to, xstrdup(n->text));
}

int read_text(const struct reader *r, const struct field *f, const struct node *n, void *to) {
	if (n->kind != NODE_SCALAR || !*n->text)
		return reader_expected(r, f, n, "a text");
	return store(to, xstrdup(n->text));
}

int read_path(const struct reader *r, const struct field *f, const struct node *n, void *to) {
	if (n->kind != NODE_SCALAR || !*n->text || strlen(n->text) > 1000)
		return reader_expected(r, f, n, "a path");
	return store(to, *n->text == '/' ? xstrdup(n->text) : xasprintf("%s/%s", r->base_dir, n->text));
}

/* 0, or the reason as a negative errno. Without O_NONBLOCK a FIFO would hang here. */
static int check_readable(const char *path) {
	int fd CLEANUP_FD = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	struct stat st;

	if (fd < 0 || fstat(fd, &st) < 0)
		return -errno;
	if (S_ISDIR(st.st_mode))
		return -EISDIR;
	return S_ISREG(st.st_mode) && st.st_size > 0 ? 0 : -ENODATA;
}

int read_file(const struct reader *r, const struct field *f, const struct node *n, void *to) {
	int status = read_path(r, f, n, to);
	if (status < 0)
		return status;
	const char *path = *(char **)to;
	status = check_readable(path);
	if (status == -ENODATA)
		return reader_refuse(r, n, "%s: %s is empty or no file", f->key, path);
	if (status < 0)
		return reader_refuse(r, n, "%s: cannot read %s: %s", f->key, path, strerror(-status));
	return 0;
}

bool url_is_unix(const char *text) {
	size_t len = strlen(text);
	/* sun_path holds 108 bytes with its NUL. */
	return !strncmp(text, "unix:///", 8) && text[8] && text[len - 1] != '/' && len - 7 < 108;
}

static bool is_port(const char *text) {
	const char *rest;
	int64_t port;
	return duration_digits(text, &port, &rest) && !*rest && port >= 1 && port <= 65535;
}

static bool is_host_and_port(const char *host) {
	bool bracketed = *host == '[';
	size_t len =
		bracketed ? strspn(host + 1, READER_DIGITS "abcdefABCDEF:.") : strspn(host, READER_LETTERS READER_DIGITS "_.-");
	if (len == 0 || (bracketed && host[++len] != ']'))
		return false;
	const char *colon = host + len + bracketed;
	return *colon == ':' && is_port(colon + 1);
}

bool url_has_host_and_port(const char *text, const char *scheme) {
	size_t n = strlen(scheme);

	return !strncmp(text, scheme, n) && !strncmp(text + n, "://", 3) && strlen(text) <= 300 && is_host_and_port(text + n + 3);
}

int read_unix_url(const struct reader *r, const struct field *f, const struct node *n, void *to) {
	if (n->kind != NODE_SCALAR || !url_is_unix(n->text))
		return expected_url(r, f, n, "unix:///path (of at most 107 bytes)");
	return store(to, xstrdup(n->text));
}

int read_tcp_url(const struct reader *r, const struct field *f, const struct node *n, void *to) {
	if (n->kind != NODE_SCALAR || !url_has_host_and_port(n->text, "tcp"))
		return expected_url(r, f, n, "tcp://host:port");
	return store(to, xstrdup(n->text));
}

int read_http_url(const struct reader *r, const struct field *f, const struct node *n, void *to) {
	if (n->kind != NODE_SCALAR || (!url_has_host_and_port(n->text, "http") && !url_has_host_and_port(n->text, "https")))
		return expected_url(r, f, n, "http://host:port or https://host:port");
	return store(to, xstrdup(n->text));
}

int read_host_and_port(const struct reader *r, const struct field *f, const struct node *n, void *to) {
	if (n->kind != NODE_SCALAR || strlen(n->text) > 300 || !is_host_and_port(n->text))
		return reader_expected(r, f, n, "host:port");
	return store(to, xstrdup(n->text));
}

static int read_another(const struct reader *r, const struct field *f, const struct node *n, field_read_fn *read, struct strs *to) {
	char *text CLEANUP_FREE = NULL;

	int status = read(r, f, n, &text);
	if (status < 0)
		return status;
	if (strs_has(to, text))
		return reader_refuse(r, n, "%s: %s is given twice", f->key, text);
	strs_add(to, text);
	return 0;
}

int reader_each(const struct reader *r, const struct field *f, const struct node *n, field_read_fn *read, struct strs *to) {
	if (n->kind != NODE_LIST)
		return read_another(r, f, n, read, to);
	if (n->n > READER_LIST_MAX)
		return reader_refuse(r, n, "%s: more than %d", f->key, READER_LIST_MAX);
	for (size_t i = 0; i < n->n; i++) {
		int status = read_another(r, f, n->items[i], read, to);
		if (status < 0)
			return status;
	}
	return 0;
}
