/* See host.h.
 *
 * A path below /proc/PID/root is looked up in that process's mount namespace, but an absolute symbolic link in it leads out again
 * to our own root: so /run is tried before /var/run. */
#include "agent/host.h"

#include "base/alloc.h"
#include "base/cleanup.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

static int peer_of(const char *path, pid_t *ret, struct err *err) {
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	struct ucred peer;
	socklen_t n = sizeof(peer);

	if (strlen(path) >= sizeof(address.sun_path))
		return err_set(err, -EINVAL, "%s: too long for a socket", path);
	strcpy(address.sun_path, path);
	CLEANUP_FD int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return err_errno(err, -errno, "socket");
	if (connect(fd, (struct sockaddr *)&address, sizeof(address)) < 0)
		return err_errno(err, -errno, "engine %s", path);
	if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &n) < 0)
		return err_errno(err, -errno, "engine %s: its process", path);
	if (peer.pid <= 0)
		return err_set(err, -ESRCH, "engine %s: its process is not visible from here; say --engine-pid", path);
	*ret = peer.pid;
	return 0;
}

static bool is_dockerd(pid_t pid) {
	CLEANUP_FREE char *path = xasprintf("/proc/%d/comm", (int)pid);
	char name[16] = "";

	CLEANUP_FD int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t n = fd < 0 ? -1 : read(fd, name, sizeof(name) - 1);
	return n > 0 && strcmp(name, "dockerd\n") == 0;
}

/* Where systemd holds the socket, its peer is process 1. One dockerd is the engine; of several nobody knows which. */
static int only_dockerd(pid_t *ret, struct err *err) {
	struct dirent *entry;
	pid_t found = 0;
	int n = 0;

	DIR *proc = opendir("/proc");
	if (!proc)
		return err_errno(err, -errno, "/proc");
	while ((entry = readdir(proc))) {
		pid_t pid = (pid_t)strtol(entry->d_name, NULL, 10);
		if (pid > 1 && is_dockerd(pid)) {
			found = pid;
			n++;
		}
	}
	closedir(proc);
	if (n != 1)
		return err_set(err, -ESRCH,
			       "systemd holds the engine's socket, and there are %d processes named dockerd; say --engine-pid", n);
	*ret = found;
	return 0;
}

static int find_pid(const struct host_settings *settings, pid_t *ret, struct err *err) {
	pid_t pid = settings->engine_pid;
	char proc[32];

	if (pid == 0) {
		const char *path = strncmp(settings->engine, "unix://", 7) == 0 ? settings->engine + 7 : settings->engine;
		int r = peer_of(path, &pid, err);
		if (r == 0 && pid == 1)
			r = only_dockerd(&pid, err);
		if (r < 0)
			return r;
	}
	snprintf(proc, sizeof(proc), "/proc/%d/ns/net", (int)pid);
	if (access(proc, R_OK) < 0)
		return err_errno(err, -errno, "the engine's process %d", (int)pid);
	*ret = pid;
	return 0;
}

/* The first that is there; else the first. */
static char *below_root(pid_t pid, const char *rest) {
	char *run = xasprintf("/proc/%d/root/run/docker/%s", (int)pid, rest);
	char *var = xasprintf("/proc/%d/root/var/run/docker/%s", (int)pid, rest);

	if (access(run, F_OK) < 0 && access(var, F_OK) == 0) {
		free(run);
		return var;
	}
	free(var);
	return run;
}

int host_find(const struct host_settings *settings, struct host *ret, struct err *err) {
	const char *control = settings->swarm_control;
	pid_t pid = 0;

	int r = find_pid(settings, &pid, err);
	if (r < 0 && !settings->netns_dir)
		return r;
	if (control && strncmp(control, "unix://", 7) == 0)
		control += 7;
	*ret = (struct host){
		.pid = pid,
		.netns_dir = settings->netns_dir ? xstrdup(settings->netns_dir) : below_root(pid, "netns"),
		.net = pid ? xasprintf("/proc/%d/ns/net", (int)pid) : xstrdup("/proc/self/ns/net"),
		.control = control ? xstrdup(control)
			   : pid   ? below_root(pid, "swarm/control.sock")
				   : NULL,
	};
	return 0;
}

void host_clear(struct host *host) {
	free(host->netns_dir);
	free(host->net);
	free(host->control);
	*host = (struct host){0};
}
