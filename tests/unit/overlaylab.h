/* An imitation of what an engine makes of an overlay, for the agent's tests: a folder of namespaces with one overlay (bridge, VXLAN
 * device, a port for each container) and sandboxes of containers. Kept by descriptors only; the folder holds links to them. */
#ifndef TESTS_OVERLAYLAB_H
#define TESTS_OVERLAYLAB_H

#include "netlab.h"

#define NETWORK "9kbo1k4mvxabcdefghijklmno"
#define OVERLAY_FILE "1-9kbo1k4mvx"
#define OWN_VTEP "10.99.0.12"
#define OTHER_VTEP "10.99.0.13"
#define DEAD_VTEP "10.99.0.11"
#define MAC "02:42:0a:14:00:32"
#define IP "10.20.0.50"

struct overlaylab {
	char dir[32];
	int ns; /* the overlay's */
	int sandboxes[8];
	size_t n;
};

static inline void overlaylab_link(struct overlaylab *l, const char *name, int ns) {
	CLEANUP_FREE char *path = xasprintf("%s/%s", l->dir, name), *target = xasprintf("/proc/self/fd/%d", ns);
	assert_int_equal(symlink(target, path), 0);
}

static inline void overlaylab_open(struct overlaylab *l) {
	*l = (struct overlaylab){.ns = netlab_new()};
	strcpy(l->dir, "/tmp/heir-test-XXXXXX");
	assert_non_null(mkdtemp(l->dir));
	netlab_do(l->ns, "ip link add br0 type bridge; ip addr add 10.20.0.1/24 dev br0; ip link set br0 up\n"
			 "ip link add vxlan0 type vxlan id 4097 dstport 4789 proxy l2miss l3miss\n"
			 "ip link set vxlan0 master br0 up");
	overlaylab_link(l, OVERLAY_FILE, l->ns);
}

/* Leaves the overlay, as when its last container stops. */
static inline void overlaylab_leave(struct overlaylab *l) {
	CLEANUP_FREE char *path = xasprintf("%s/%s", l->dir, OVERLAY_FILE);
	assert_int_equal(unlink(path), 0);
}

/* A container whose eth0 has that MAC and address; its port is veth<number of the sandbox>. Returns the sandbox's namespace. */
static inline int overlaylab_add(struct overlaylab *l, const char *sandbox, const char *mac, const char *ip) {
	int ns = netlab_new();

	overlaylab_link(l, sandbox, ns);
	/* A veth is made where it is wanted by the other end's number of a process there; a child that waits is that process. */
	int ends[2];
	assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
	pid_t pid = fork();
	if (pid == 0) {
		char byte;
		if (setns(ns, CLONE_NEWNET) < 0)
			_exit(1);
		close(ends[1]);
		_exit(read(ends[0], &byte, 1) == 0 ? 0 : 1);
	}
	assert_true(pid > 0);
	for (bool there = false; !there;) {
		CLEANUP_FREE char *own = netlab_run(ns, "readlink /proc/self/ns/net");
		CLEANUP_FREE char *childs = netlab_run(ns, "readlink /proc/%d/ns/net", (int)pid);
		there = strcmp(own, childs) == 0;
	}
	netlab_do(l->ns, "ip link add veth%zu type veth peer name eth0 address %s netns %d; ip link set veth%zu master br0 up",
		  l->n, mac, (int)pid, l->n);
	close(ends[0]);
	close(ends[1]);
	assert_int_equal(waitpid(pid, NULL, 0), pid);
	netlab_do(ns,
		  "echo 1 >/proc/sys/net/ipv6/conf/all/disable_ipv6; ip link set lo up; ip addr add %s/24 dev eth0; ip link set "
		  "eth0 up",
		  ip);
	l->sandboxes[l->n++] = ns;
	return ns;
}

static inline void overlaylab_close(struct overlaylab *l) {
	CLEANUP_FREE char *command = xasprintf("rm -rf %s", l->dir);

	for (size_t i = 0; i < l->n; i++)
		close(l->sandboxes[i]);
	close(l->ns);
	assert_int_equal(system(command), 0);
}

static inline void assert_lines(char *got, const char *expected) {
	assert_string_equal(got, expected);
	free(got);
}

#endif
