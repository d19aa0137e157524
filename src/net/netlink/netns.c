/* See netns.h. */
#include "net/netlink/netns.h"

#include "base/alloc.h"

#include <assert.h>
#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <linux/nsfs.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/vfs.h>

/* An engine's names are cut to 12 characters (libnetwork's GenerateKey), and of "10-", a network's tenth joining, that leaves 9 of
 * its ID. "lb_" leaves 9 as well. */
#define NAME_MAX_SIGNS 12
#define NETWORK_MIN_SIGNS 6
#define BALANCER_PREFIX "lb_"

static_assert(NAME_MAX_SIGNS - 2 < sizeof(((struct netns_entry *)0)->network), "what is left of an ID has room");

static bool is_network_namespace(int fd) {
	struct statfs fs;

	return fstatfs(fd, &fs) == 0 && fs.f_type == NSFS_MAGIC && ioctl(fd, NS_GET_NSTYPE) == CLONE_NEWNET;
}

int netns_open(const char *path, struct netns *ret, struct err *err) {
	struct stat st;
	CLEANUP_FD int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK); /* a FIFO must not hold us */

	if (fd < 0)
		return err_errno(err, -errno, "open namespace %s", path);
	if (!is_network_namespace(fd))
		return err_set(err, -EINVAL, "%s is not a network namespace", path);
	if (fstat(fd, &st) < 0)
		return err_errno(err, -errno, "look at namespace %s", path);
	*ret = (struct netns){.fd = take_fd(&fd), .device = st.st_dev, .inode = st.st_ino};
	return 0;
}

void netns_close(struct netns *ns) {
	if (ns->fd >= 0)
		close(ns->fd);
	*ns = NETNS_NONE;
}

bool netns_same(const struct netns *a, const struct netns *b) {
	return a->fd >= 0 && b->fd >= 0 && a->device == b->device && a->inode == b->inode;
}

/* ---- working in one ---- */

struct visit {
	int ns_fd;
	netns_fn *fn;
	void *arg;
	struct err *err;
	int result;
};

static void *visit_thread(void *data) {
	struct visit *v = data;

	if (setns(v->ns_fd, CLONE_NEWNET) < 0)
		v->result = err_errno(v->err, -errno, "enter network namespace");
	else
		v->result = v->fn(v->arg, v->err);
	return NULL;
}

int netns_call(int ns_fd, netns_fn *fn, void *arg, struct err *err) {
	struct visit v = {.ns_fd = ns_fd, .fn = fn, .arg = arg, .err = err};
	sigset_t all, before;
	pthread_t thread;

	sigfillset(&all);
	(void)pthread_sigmask(SIG_SETMASK, &all, &before); /* fails for a wrong "how" only */
	int r = pthread_create(&thread, NULL, visit_thread, &v);
	(void)pthread_sigmask(SIG_SETMASK, &before, NULL);
	if (r != 0)
		return err_errno(err, -r, "start a thread for a network namespace");
	r = pthread_join(thread, NULL);
	assert(r == 0);
	return v.result;
}

struct opening {
	int domain, type, protocol, fd;
};

static int open_socket(void *arg, struct err *err) {
	struct opening *o = arg;

	o->fd = socket(o->domain, o->type | SOCK_CLOEXEC, o->protocol);
	return o->fd < 0 ? err_errno(err, -errno, "open a socket") : 0;
}

int netns_socket(int ns_fd, int domain, int type, int protocol, struct err *err) {
	struct opening o = {.domain = domain, .type = type, .protocol = protocol, .fd = -1};

	int r = netns_call(ns_fd, open_socket, &o, err);
	return r < 0 ? r : o.fd;
}

/* ---- an engine's folder ---- */

static bool is_network_part(const char *text) {
	size_t n = strlen(text);

	for (size_t i = 0; i < n; i++)
		if (!isalnum((unsigned char)text[i]))
			return false;
	return n >= NETWORK_MIN_SIGNS && n <= NAME_MAX_SIGNS - 2;
}

/* What follows the prefix of an overlay's or a balancer's name; NULL for other names. */
static const char *network_part(const char *name, enum netns_kind *ret_kind) {
	size_t digits = strspn(name, "0123456789");
	const char *rest = NULL;

	if (digits > 0 && name[digits] == '-') {
		*ret_kind = NETNS_OVERLAY;
		rest = name + digits + 1;
	} else if (strncmp(name, BALANCER_PREFIX, strlen(BALANCER_PREFIX)) == 0) {
		*ret_kind = NETNS_BALANCER;
		rest = name + strlen(BALANCER_PREFIX);
	}
	return rest && strlen(name) <= NAME_MAX_SIGNS && is_network_part(rest) ? rest : NULL;
}

static struct netns_entry entry_of(const char *name, const char *path) {
	struct netns_entry e = {.kind = NETNS_SANDBOX, .name = name, .path = path};
	enum netns_kind kind = NETNS_SANDBOX;
	const char *part = network_part(name, &kind);

	if (part) {
		e.kind = kind;
		memcpy(e.network, part, strlen(part) + 1);
	}
	return e;
}

bool netns_entry_is_of(const struct netns_entry *e, const char *network_id) {
	size_t n = strlen(e->network);

	return n > 0 && strncmp(e->network, network_id, n) == 0;
}

static void cleanup_dir(DIR **d) {
	if (*d)
		closedir(*d);
}

int netns_scan_dir(const char *dir, netns_entry_fn *fn, void *arg, struct err *err) {
	CLEANUP(cleanup_dir) DIR *names = opendir(dir);
	const struct dirent *d;
	int r = 0;

	if (!names)
		return err_errno(err, -errno, "open folder of namespaces %s", dir);
	while (r >= 0 && (errno = 0, d = readdir(names))) {
		if (d->d_name[0] == '.')
			continue;
		CLEANUP_FREE char *path = xasprintf("%s/%s", dir, d->d_name);
		struct netns_entry e = entry_of(d->d_name, path);
		r = fn(arg, &e, err);
	}
	if (r < 0)
		return r;
	return errno ? err_errno(err, -errno, "read folder of namespaces %s", dir) : 0;
}
