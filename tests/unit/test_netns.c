/* Naming a namespace, working in one, and what an engine's folder of them means. */
#include "net/netlink/netns.h"

#include "netlab.h"

#include <errno.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/stat.h>

static struct netns opened(const char *path) {
	struct netns ns = NETNS_NONE;
	struct err err;
	if (netns_open(path, &ns, &err) < 0)
		fail_msg("%s", err.msg);
	return ns;
}

static struct netns opened_fd(int fd) {
	char path[64];
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	return opened(path);
}

static void a_namespace_is_recognized_whatever_path_leads_to_it(void **state) {
	(void)state;
	CLEANUP_FD int lab = netlab_new();
	struct netns a CLEANUP_NETNS = opened_fd(lab), b CLEANUP_NETNS = opened_fd(lab);
	struct netns mine CLEANUP_NETNS = opened("/proc/self/ns/net"), none = NETNS_NONE;
	assert_true(a.fd != b.fd);
	assert_true(netns_same(&a, &b));
	assert_false(netns_same(&a, &mine));
	assert_false(netns_same(&none, &none));
}

static void what_is_no_network_namespace_is_refused(void **state) {
	(void)state;
	static const struct {
		const char *path, *says;
		int code;
	} cases[] = {
		{"/nonexistent/ns", "No such file", -ENOENT},
		{"/dev/null", "is not a network namespace", -EINVAL},
		{"/proc/self/ns/uts", "is not a network namespace", -EINVAL},
		{"/proc/self", "is not a network namespace", -EINVAL},
		{"/proc/self/cmdline", "is not a network namespace", -EINVAL},
	};
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct netns ns = NETNS_NONE;
		struct err err = {0};
		int r = netns_open(cases[i].path, &ns, &err);
		if (r != cases[i].code || ns.fd != -1 || !strstr(err.msg, cases[i].says))
			fail_msg("%s: %d, \"%s\"", cases[i].path, r, err.msg);
	}
}

static int look_inside(void *arg, struct err *err) {
	struct netns *seen = arg;
	sigset_t blocked;

	assert_true(pthread_sigmask(SIG_SETMASK, NULL, &blocked) == 0 && sigismember(&blocked, SIGTERM) == 1);
	return netns_open("/proc/thread-self/ns/net", seen, err);
}

static int fail_inside(void *arg, struct err *err) {
	(void)arg;
	return err_set(err, -EBUSY, "no luck");
}

static void a_call_runs_inside_and_the_caller_stays_where_it_was(void **state) {
	(void)state;
	CLEANUP_FD int lab = netlab_new();
	struct netns before CLEANUP_NETNS = opened("/proc/thread-self/ns/net"), inside CLEANUP_NETNS = NETNS_NONE;
	struct netns wanted CLEANUP_NETNS = opened_fd(lab);
	struct err err = {0};
	sigset_t mask;
	assert_int_equal(netns_call(lab, look_inside, &inside, &err), 0);
	assert_true(netns_same(&inside, &wanted));
	struct netns after CLEANUP_NETNS = opened("/proc/thread-self/ns/net");
	assert_true(netns_same(&before, &after));
	pthread_sigmask(SIG_SETMASK, NULL, &mask);
	assert_false(sigismember(&mask, SIGTERM));
	assert_int_equal(netns_call(lab, fail_inside, NULL, &err), -EBUSY);
	assert_string_equal(err.msg, "no luck");
}

static void what_cannot_be_entered_is_an_error(void **state) {
	(void)state;
	CLEANUP_FD int fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
	struct err err = {0};
	assert_true(netns_call(fd, fail_inside, NULL, &err) < 0);
	assert_non_null(strstr(err.msg, "enter network namespace"));
	assert_true(netns_socket(-1, AF_INET, SOCK_DGRAM, 0, &err) < 0);
	assert_non_null(strstr(err.msg, "enter network namespace"));
}

static bool binds(int fd, const char *address) {
	struct ip ip = netlab_ip(address);
	struct sockaddr_storage addr;
	socklen_t len = ip_to_sockaddr(&ip, 0, &addr);
	return bind(fd, (struct sockaddr *)&addr, len) == 0;
}

static void a_socket_stays_in_the_namespace_it_was_opened_in(void **state) {
	(void)state;
	CLEANUP_FD int lab = netlab_new();
	struct err err = {0};
	netlab_do(lab, "ip link set lo up; ip address add 10.77.0.1/24 dev lo");
	CLEANUP_FD int inside = netns_socket(lab, AF_INET, SOCK_DGRAM, 0, &err);
	CLEANUP_FD int outside = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	assert_true(inside >= 0);
	assert_true(fcntl(inside, F_GETFD) & FD_CLOEXEC);
	assert_true(binds(inside, "10.77.0.1"));
	assert_false(binds(outside, "10.77.0.1"));
	assert_true(netns_socket(lab, AF_INET, SOCK_STREAM, 4711, &err) < 0);
	assert_non_null(strstr(err.msg, "open a socket"));
}

/* ---- an engine's folder ---- */

#define OVERLAY_ID "x7b2c9d8e1f0a3b4c5d6e7f8g"

static const struct {
	const char *name;
	enum netns_kind kind;
	const char *network;
} names[] = {
	{"1-x7b2c9d8e1", NETNS_OVERLAY, "x7b2c9d8e1"},
	{"9-x7b2c9d8e1", NETNS_OVERLAY, "x7b2c9d8e1"},
	{"10-x7b2c9d8e", NETNS_OVERLAY, "x7b2c9d8e"},
	{"123-x7b2c9d8", NETNS_OVERLAY, "x7b2c9d8"},
	{"lb_x7b2c9d8e", NETNS_BALANCER, "x7b2c9d8e"},
	{"0123456789ab", NETNS_SANDBOX, ""},
	{"default", NETNS_SANDBOX, ""},
	{"ingress_sbox", NETNS_SANDBOX, ""},
	{"lb_", NETNS_SANDBOX, ""},
	{"1-", NETNS_SANDBOX, ""},
	{"1-x7b", NETNS_SANDBOX, ""},
	{"-x7b2c9d8e1", NETNS_SANDBOX, ""},
	{"1-x7b2c9d8e1f", NETNS_SANDBOX, ""},
	{"1-x7b2/../..", NETNS_SANDBOX, ""}, /* not made: no file can have it */
	{"1-x7b2c9d8._", NETNS_SANDBOX, ""},
	{"1x-7b2c9d8e1", NETNS_SANDBOX, ""},
};

static int check_entry(void *arg, const struct netns_entry *e, struct err *err) {
	size_t *seen = arg;

	(void)err;
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		if (strcmp(names[i].name, e->name) != 0)
			continue;
		if (names[i].kind != e->kind || strcmp(names[i].network, e->network) != 0)
			fail_msg("%s: kind %d of \"%s\"", e->name, (int)e->kind, e->network);
		assert_int_equal(access(e->path, F_OK), 0);
		assert_int_equal(netns_entry_is_of(e, OVERLAY_ID), names[i].network[0] != '\0');
		assert_false(netns_entry_is_of(e, "x7b2d"));
		++*seen;
		return 0;
	}
	fail_msg("%s was not made", e->name);
	return -1;
}

static int stop_at_once(void *arg, const struct netns_entry *e, struct err *err) {
	++*(size_t *)arg;
	return err_set(err, -ECANCELED, "%s", e->name);
}

static void the_names_in_an_engines_folder_say_what_is_what(void **state) {
	(void)state;
	char dir[] = "/tmp/heir-netns-XXXXXX";
	struct err err = {0};
	size_t made = 0, seen = 0;
	assert_non_null(mkdtemp(dir));
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		CLEANUP_FREE char *path = xasprintf("%s/%s", dir, names[i].name);
		CLEANUP_FD int fd = strchr(names[i].name, '/') ? -1 : open(path, O_CREAT | O_WRONLY | O_CLOEXEC, 0600);
		made += fd >= 0;
	}
	assert_int_equal(made, sizeof(names) / sizeof(names[0]) - 1);
	assert_int_equal(netns_scan_dir(dir, check_entry, &seen, &err), 0);
	assert_int_equal(seen, made);
	seen = 0;
	assert_int_equal(netns_scan_dir(dir, stop_at_once, &seen, &err), -ECANCELED);
	assert_int_equal(seen, 1);
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		CLEANUP_FREE char *path = xasprintf("%s/%s", dir, names[i].name);
		(void)unlink(path); /* one was not made */
	}
	assert_int_equal(rmdir(dir), 0);
	assert_int_equal(netns_scan_dir(dir, check_entry, &seen, &err), -ENOENT);
	assert_non_null(strstr(err.msg, dir));
}

int main(void) {
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_namespace_is_recognized_whatever_path_leads_to_it),
		cmocka_unit_test(what_is_no_network_namespace_is_refused),
		cmocka_unit_test(a_call_runs_inside_and_the_caller_stays_where_it_was),
		cmocka_unit_test(what_cannot_be_entered_is_an_error),
		cmocka_unit_test(a_socket_stays_in_the_namespace_it_was_opened_in),
		cmocka_unit_test(the_names_in_an_engines_folder_say_what_is_what),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
