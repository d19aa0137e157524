/* Network namespaces for tests: made by unshare in a thread, kept alive by a descriptor only, so that nothing is left behind
 * however a test ends. Only root can make them: without it a test says so and is skipped, and where CI is set it has failed. */
#ifndef TESTS_NETLAB_H
#define TESTS_NETLAB_H

#include "base/alloc.h"
#include "base/buf.h"
#include "base/cleanup.h"
#include "base/ip.h"
#include "base/mac.h"

#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/types.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

static inline void *netlab_thread(void *data) {
	if (unshare(CLONE_NEWNET) == 0)
		*(int *)data = open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC);
	return NULL;
}

/* A new, empty namespace. */
static inline int netlab_new(void) {
	pthread_t thread;
	int fd = -1;

	assert_int_equal(pthread_create(&thread, NULL, netlab_thread, &fd), 0);
	assert_int_equal(pthread_join(thread, NULL), 0);
	if (fd < 0 && getenv("CI"))
		fail_msg("only root can make network namespaces, and CI has to");
	if (fd < 0) {
		print_message("SKIPPED: only root can make network namespaces\n");
		skip();
	}
	return fd;
}

/* The child's side: never returns. */
static inline void netlab_exec(int ns_fd, int out, char *command) {
	char *const argv[] = {(char[]){"sh"}, (char[]){"-ec"}, command, NULL};

	if (setns(ns_fd, CLONE_NEWNET) == 0 && dup2(out, STDOUT_FILENO) >= 0)
		execv("/bin/sh", argv);
	_exit(127);
}

/* Runs a shell's commands in the namespace and returns what they print: the caller's to free. The test fails when one fails. */
static inline __attribute__((format(printf, 2, 3))) char *netlab_run(int ns_fd, const char *fmt, ...) {
	char command[4096], piece[4096];
	struct buf text = {0};
	int ends[2], status = 0;
	va_list ap;
	ssize_t n;

	va_start(ap, fmt);
	assert_true(vsnprintf(command, sizeof(command), fmt, ap) < (int)sizeof(command));
	va_end(ap);
	assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
	pid_t pid = fork();
	if (pid == 0)
		netlab_exec(ns_fd, ends[1], command);
	assert_true(pid > 0);
	close(ends[1]);
	while ((n = read(ends[0], piece, sizeof(piece))) > 0)
		buf_append(&text, piece, (size_t)n);
	close(ends[0]);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	if (!WIFEXITED(status) || WEXITSTATUS(status) != 0)
		fail_msg("this ended with %#x: %s", (unsigned)status, command);
	return buf_take(&text);
}

#define netlab_do(...) free(netlab_run(__VA_ARGS__))

static inline struct ip netlab_ip(const char *text) {
	struct ip ip = {0};
	assert_int_equal(ip_parse(text, &ip, NULL), 0);
	return ip;
}

static inline struct mac netlab_mac(const char *text) {
	struct mac mac = {{0}};
	assert_int_equal(mac_parse(text, &mac, NULL), 0);
	return mac;
}

/* The number of a link by its name. */
static inline unsigned netlab_index(int ns_fd, const char *name) {
	CLEANUP_FREE char *text = netlab_run(ns_fd, "ip -o link show dev %s", name);
	return (unsigned)strtoul(text, NULL, 10);
}

#endif
