/* See identity.h. */
#include "agent/identity.h"

#include "base/alloc.h"
#include "base/cleanup.h"
#include "base/json.h"
#include "base/mutant.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define FILE_MAX 8192

enum identity_verdict identity_judge(const struct wire_envelope *seen, const struct wire_envelope *given) {
	if (!seen->manager)
		return IDENTITY_ADOPT;
	if (strcmp(seen->manager, given->manager) != 0 || strcmp(seen->cluster, given->cluster) != 0)
		return IDENTITY_OTHER;
	if (given->epoch < seen->epoch && !MUTANT(OLD_EPOCH_OBEYED))
		return IDENTITY_STALE;
	return given->epoch > seen->epoch ? IDENTITY_ADOPT : IDENTITY_OBEY;
}

static int parse(const char *text, size_t n, struct wire_envelope *ret, struct err *err) {
	CLEANUP_JSON json_t *j = NULL;
	int r = json_parse(text, n, "identity", &j, err);

	return r < 0 ? r : wire_decode(&wire_envelope_shape, j, true, ret, err);
}

int identity_load(const char *path, struct wire_envelope *ret, struct err *err) {
	char text[FILE_MAX];

	*ret = (struct wire_envelope){0};
	CLEANUP_FD int fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return errno == ENOENT ? 0 : err_errno(err, -errno, "%s", path);
	ssize_t n = read(fd, text, sizeof(text));
	if (n < 0)
		return err_errno(err, -errno, "%s", path);
	if (parse(text, (size_t)n, ret, err) < 0)
		return err_wrap(err, "%s", path);
	return 0;
}

static int write_all(int fd, const char *text) {
	size_t n = strlen(text);

	while (n > 0) {
		ssize_t written = write(fd, text, n);
		if (written < 0 && errno != EINTR)
			return -errno;
		text += written > 0 ? written : 0;
		n -= written > 0 ? (size_t)written : 0;
	}
	return fsync(fd) < 0 ? -errno : 0;
}

static int sync_directory(const char *path) {
	const char *slash = strrchr(path, '/');
	CLEANUP_FREE char *dir = !slash ? xstrdup(".") : slash == path ? xstrdup("/") : xstrndup(path, (size_t)(slash - path));

	CLEANUP_FD int fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return fd < 0 || fsync(fd) < 0 ? -errno : 0;
}

int identity_save(const char *path, const struct wire_envelope *identity, struct err *err) {
	CLEANUP_JSON json_t *j = wire_encode(&wire_envelope_shape, identity);
	CLEANUP_FREE char *text = json_text(j), *temporary = xasprintf("%s.new", path);

	CLEANUP_FD int fd = open(temporary, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	if (fd < 0)
		return err_errno(err, -errno, "%s", temporary);
	int r = write_all(fd, text);
	if (r < 0)
		return err_errno(err, r, "%s", temporary);
	if (rename(temporary, path) < 0)
		return err_errno(err, -errno, "%s", path);
	r = sync_directory(path);
	return r < 0 ? err_errno(err, r, "the directory of %s", path) : 0;
}
