/* See secret.h. */
#include "net/discovery/secret.h"

#include "base/alloc.h"
#include "base/cleanup.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

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
