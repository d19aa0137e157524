/* See secret.h. */
#include "net/discovery/secret.h"

#include "base/alloc.h"
#include "base/base64.h"
#include "base/cleanup.h"
#include "base/json.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define BASE64_TELLING 4 /* digits; fewer may be anything */

struct secret {
	char *path, *text; /* NULL: not read */
	struct stat seen;  /* the file when it was read */
};

static void forget(struct secret *s) {
	if (s->text)
		explicit_bzero(s->text, strlen(s->text));
	free(s->text);
	s->text = NULL;
}

struct secret *secret_new(const char *path) {
	if (!path)
		return NULL;
	struct secret *s = xnew(struct secret);
	s->path = xstrdup(path);
	return s;
}

void secret_free(struct secret *s) {
	if (!s)
		return;
	forget(s);
	free(s->path);
	free(s);
}

static bool is_same_file(const struct stat *a, const struct stat *b) {
	return a->st_dev == b->st_dev && a->st_ino == b->st_ino && a->st_size == b->st_size &&
	       a->st_mtim.tv_sec == b->st_mtim.tv_sec && a->st_mtim.tv_nsec == b->st_mtim.tv_nsec &&
	       a->st_ctim.tv_sec == b->st_ctim.tv_sec && a->st_ctim.tv_nsec == b->st_ctim.tv_nsec;
}

/* Trims it in place; false: no secret can be that. */
static bool take(struct secret *s, char *text) {
	char *end = text + strlen(text);

	while (*text && isspace((unsigned char)*text))
		text++;
	while (end > text && isspace((unsigned char)end[-1]))
		*--end = '\0';
	for (const char *p = text; *p; p++)
		if ((unsigned char)*p < 0x20 || *p == 0x7f)
			return false;
	if (!*text)
		return false;
	s->text = xstrdup(text);
	return true;
}

static int read_file(struct secret *s, struct err *err) {
	char text[SECRET_MAX + 2];
	int fd CLEANUP_FD = open(s->path, O_RDONLY | O_CLOEXEC);

	if (fd < 0 || fstat(fd, &s->seen) < 0)
		return err_errno(err, -errno, "%s", s->path);
	ssize_t n = read(fd, text, sizeof(text) - 1);
	if (n < 0)
		return err_errno(err, -errno, "%s", s->path);
	text[n] = '\0';
	bool good = n <= SECRET_MAX && strlen(text) == (size_t)n && take(s, text);
	explicit_bzero(text, sizeof(text));
	return good ? 0 : err_set(err, -EINVAL, "%s: is empty, too long, or no text of one line", s->path);
}

int secret_get(struct secret *s, const char **ret, struct err *err) {
	struct stat now;

	*ret = NULL;
	if (!s)
		return 0;
	bool known = s->text && stat(s->path, &now) == 0 && is_same_file(&now, &s->seen);
	if (!known) {
		forget(s);
		int r = read_file(s, err);
		if (r < 0)
			return r;
	}
	*ret = s->text;
	return 0;
}

/* ---- is it told? ---- */

static void wipe(struct buf *b) {
	if (b->data)
		explicit_bzero(b->data, b->len);
	buf_clear(b);
}

static bool is_told_in_json(const char *secret, const char *words, size_t n) {
	json_t *j CLEANUP_JSON = json_string(secret);
	struct buf b CLEANUP(wipe) = {0};

	if (!j)
		return false;
	b.data = json_dumps(j, JSON_ENCODE_ANY);
	b.len = strlen(b.data);
	return memmem(words, n, b.data + 1, b.len - 2) != NULL; /* without its quotes */
}

/* before: bytes in the same group of three. Digits that hold bits of its neighbours too are left out. */
static bool is_told_in_base64(const char *secret, size_t before, const char *words, size_t n) {
	struct buf bytes CLEANUP(wipe) = {0}, b CLEANUP(wipe) = {0};

	buf_append(&bytes, (const char[2]){0}, before);
	buf_puts(&bytes, secret);
	base64_append(&b, bytes.data, bytes.len);
	size_t from = (before * 8 + 5) / 6, to = bytes.len * 8 / 6;
	return to >= from + BASE64_TELLING && memmem(words, n, b.data + from, to - from);
}

bool secret_is_told(const char *secret, const char *words, size_t n) {
	if (!secret)
		return false;
	if (memmem(words, n, secret, strlen(secret)) || is_told_in_json(secret, words, n))
		return true;
	for (size_t before = 0; before < 3; before++)
		if (is_told_in_base64(secret, before, words, n))
			return true;
	return false;
}
