/* Network namespaces that look like an engine's overlay, for measurements. Kept alive by descriptors only, so that nothing is left
 * behind however a measurement ends. What goes wrong ends the program. */
#ifndef BENCH_STANDIN_H
#define BENCH_STANDIN_H

#include "base/alloc.h"
#include "base/err.h"

#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

static inline void standin_check(int r, const struct err *err) {
	if (r >= 0)
		return;
	fprintf(stderr, "%s\n", err->msg);
	exit(EXIT_FAILURE);
}

static inline void standin_must(bool ok, const char *what) {
	if (ok)
		return;
	perror(what);
	exit(EXIT_FAILURE);
}

static inline void *standin_thread(void *data) {
	if (unshare(CLONE_NEWNET) == 0)
		*(int *)data = open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC);
	return NULL;
}

/* A new, empty namespace. */
static inline int standin_netns(void) {
	pthread_t thread;
	int fd = -1;

	standin_must(pthread_create(&thread, NULL, standin_thread, &fd) == 0, "thread");
	pthread_join(thread, NULL);
	standin_must(fd >= 0, "network namespace");
	return fd;
}

/* A file of that text, read from its beginning. */
static inline int standin_input(const char *text) {
	int fd = memfd_create("input", MFD_CLOEXEC);
	ssize_t n = (ssize_t)strlen(text);

	standin_must(fd >= 0 && write(fd, text, (size_t)n) == n && lseek(fd, 0, SEEK_SET) == 0, "input");
	return fd;
}

/* Runs a shell's command in the namespace; its exit status. */
static inline int standin_shell(int ns, const char *command, const char *input) {
	int in = standin_input(input), status;
	pid_t pid = fork();

	if (pid == 0) {
		if (setns(ns, CLONE_NEWNET) == 0 && dup2(in, STDIN_FILENO) == 0)
			execl("/bin/sh", "sh", "-ec", command, (char *)NULL);
		_exit(127);
	}
	standin_must(pid > 0 && waitpid(pid, &status, 0) == pid, "shell");
	close(in);
	return WIFEXITED(status) ? WEXITSTATUS(status) : 255;
}

static inline void standin_do(int ns, const char *command, const char *input) {
	if (standin_shell(ns, command, input) == 0)
		return;
	fprintf(stderr, "this failed: %s\n", command);
	exit(EXIT_FAILURE);
}

/* A bridge and its VXLAN device, as an engine makes them, and forwarding rows: lines for `bridge -batch`. */
static inline int standin_overlay(const char *rows) {
	int ns = standin_netns();

	standin_do(ns,
		   "ip link add br0 type bridge; ip addr add 10.20.0.1/16 dev br0; ip link set br0 up\n"
		   "ip link add vxlan0 type vxlan id 4097 dstport 4789 proxy l2miss l3miss\n"
		   "ip link set vxlan0 master br0 up; bridge -batch -",
		   rows);
	return ns;
}

#endif
