/* See listen.h. */
#include "http/listen.h"

#include "base/alloc.h"
#include "base/cleanup.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#define BACKLOG 64

/* 0: nobody listens there, and nothing stands in the way any more. */
static int unix_clear_stale(const char *path, const struct sockaddr_un *addr, struct err *err) {
	struct stat st;
	if (lstat(path, &st) < 0)
		return errno == ENOENT ? 0 : err_errno(err, -errno, "%s", path);
	if (!S_ISSOCK(st.st_mode))
		return err_set(err, -EEXIST, "%s is there and is no socket", path);
	CLEANUP_FD int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return err_errno(err, -errno, "socket");
	if (connect(fd, (const struct sockaddr *)addr, sizeof(*addr)) == 0 || errno == EAGAIN)
		return err_set(err, -EADDRINUSE, "%s: another process listens there", path);
	if (errno != ECONNREFUSED)
		return err_errno(err, -errno, "%s", path);
	if (unlink(path) < 0 && errno != ENOENT)
		return err_errno(err, -errno, "remove the stale %s", path);
	return 0;
}

/* The mode is the umask's work, so that there is no moment in which others could connect. */
static int unix_bind(int fd, const char *path, const struct sockaddr_un *addr, struct err *err) {
	mode_t old = umask(0117);
	int r = bind(fd, (const struct sockaddr *)addr, sizeof(*addr));
	int e = errno;
	(void)umask(old); /* the value before */
	if (r < 0)
		return err_errno(err, -e, "listen on %s", path);
	return 0;
}

static int listen_unix(const char *path, struct http_listener *ret, struct err *err) {
	struct sockaddr_un addr = {.sun_family = AF_UNIX};
	struct stat st;
	int r;

	if (path[0] != '/' || strlen(path) >= sizeof(addr.sun_path))
		return err_set(err, -EINVAL, "socket path %.128s: must start with / and have less than %zu bytes", path,
			       sizeof(addr.sun_path));
	strcpy(addr.sun_path, path);
	if ((r = unix_clear_stale(path, &addr, err)) < 0)
		return r;
	CLEANUP_FD int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return err_errno(err, -errno, "socket");
	if ((r = unix_bind(fd, path, &addr, err)) < 0)
		return r;
	if (lstat(path, &st) < 0 || listen(fd, BACKLOG) < 0) {
		r = err_errno(err, -errno, "listen on %s", path);
		(void)unlink(path); /* the error above is what counts */
		return r;
	}
	*ret = (struct http_listener){.fd = take_fd(&fd), .path = xstrdup(path), .inode = st.st_ino};
	return 0;
}

/* "address:port" or "[address]:port", numeric. */
static int tcp_address(const char *text, struct sockaddr_storage *ret, socklen_t *ret_len, struct err *err) {
	const char *colon = strrchr(text, ':');
	bool brackets = text[0] == '[' && colon && colon > text + 1 && colon[-1] == ']';
	struct addrinfo hints = {.ai_flags = AI_NUMERICHOST | AI_NUMERICSERV | AI_PASSIVE, .ai_socktype = SOCK_STREAM},
			*found = NULL;

	if (!colon || strlen(colon + 1) > 5 || strtoul(colon + 1, NULL, 10) > UINT16_MAX) /* getaddrinfo cuts it silently */
		return err_set(err, -EINVAL, "%.128s: expected address:port", text);
	CLEANUP_FREE char *host =
		brackets ? xstrndup(text + 1, (size_t)(colon - text) - 2) : xstrndup(text, (size_t)(colon - text));
	int r = getaddrinfo(host, colon + 1, &hints, &found);
	if (r != 0)
		return err_set(err, -EINVAL, "%.128s: %s", text, gai_strerror(r));
	memcpy(ret, found->ai_addr, found->ai_addrlen);
	*ret_len = found->ai_addrlen;
	freeaddrinfo(found);
	return 0;
}

static unsigned port_of(int fd) {
	union {
		struct sockaddr any;
		struct sockaddr_in v4;
		struct sockaddr_in6 v6;
	} a = {0};
	socklen_t len = sizeof(a);
	if (getsockname(fd, &a.any, &len) < 0)
		return 0;
	return ntohs(a.any.sa_family == AF_INET6 ? a.v6.sin6_port : a.v4.sin_port);
}

static int listen_tcp(const char *text, struct http_listener *ret, struct err *err) {
	struct sockaddr_storage addr = {0};
	socklen_t len = 0;
	int one = 1;
	int r = tcp_address(text, &addr, &len, err);
	if (r < 0)
		return r;
	CLEANUP_FD int fd = socket(addr.ss_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return err_errno(err, -errno, "socket");
	(void)setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one)); /* without it only a quick restart fails */
	if (bind(fd, (struct sockaddr *)&addr, len) < 0 || listen(fd, BACKLOG) < 0)
		return err_errno(err, -errno, "listen on %s", text);
	unsigned port = port_of(fd);
	*ret = (struct http_listener){.port = port, .fd = take_fd(&fd)};
	return 0;
}

int http_listen(const char *url, struct http_listener *ret, struct err *err) {
	if (strncmp(url, "unix://", 7) == 0)
		return listen_unix(url + 7, ret, err);
	if (strncmp(url, "tcp://", 6) == 0)
		return listen_tcp(url + 6, ret, err);
	return err_set(err, -EINVAL, "%.128s: expected unix:///path or tcp://address:port", url);
}

void http_listener_clear(struct http_listener *l) {
	struct stat st;

	if (l->path && lstat(l->path, &st) == 0 && st.st_ino == l->inode)
		(void)unlink(l->path); /* one that stays is replaced at the next start */
	free(l->path);
	l->path = NULL;
	if (l->fd >= 0)
		close(l->fd);
	l->fd = -1;
}
