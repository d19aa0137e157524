/* From an engine's socket to where it keeps its things. The test itself is the engine. */
#include "agent/host.h"

#include "base/alloc.h"
#include "base/cleanup.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

struct bed {
	char dir[32], url[64];
	int fd;
};

static int set_up(void **state) {
	struct bed *b = xnew(struct bed);
	struct sockaddr_un a = {.sun_family = AF_UNIX};

	strcpy(b->dir, "/tmp/heir-test-XXXXXX");
	assert_non_null(mkdtemp(b->dir));
	snprintf(b->url, sizeof(b->url), "unix://%s/sock", b->dir);
	snprintf(a.sun_path, sizeof(a.sun_path), "%s/sock", b->dir);
	b->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_int_equal(bind(b->fd, (struct sockaddr *)&a, sizeof(a)), 0);
	assert_int_equal(listen(b->fd, 16), 0);
	*state = b;
	return 0;
}

static int tear_down(void **state) {
	struct bed *b = *state;

	close(b->fd);
	assert_int_equal(unlink(b->url + 7), 0);
	assert_int_equal(rmdir(b->dir), 0);
	free(b);
	return 0;
}

static void the_socket_leads_to_the_engines_own_mounts(void **state) {
	struct bed *b = *state;
	struct host_settings settings = {.engine = b->url};
	CLEANUP_FREE char *dir = xasprintf("/proc/%d/root/run/docker/netns", (int)getpid());
	CLEANUP_FREE char *var = xasprintf("/proc/%d/root/var/run/docker/netns", (int)getpid());
	struct host host;
	struct err err;

	if (host_find(&settings, &host, &err) < 0)
		fail_msg("%s", err.msg);
	assert_int_equal(host.pid, getpid());
	assert_true(strcmp(host.netns_dir, dir) == 0 || strcmp(host.netns_dir, var) == 0);
	assert_non_null(strstr(host.control, "docker/swarm/control.sock"));
	host_clear(&host);
}

static void what_was_said_is_not_looked_for(void **state) {
	struct bed *b = *state;
	struct host_settings settings = {
		.engine = b->url, .netns_dir = "/somewhere/netns", .swarm_control = "unix:///elsewhere/control.sock"};
	struct host host;
	struct err err;

	assert_int_equal(host_find(&settings, &host, &err), 0);
	assert_string_equal(host.netns_dir, "/somewhere/netns");
	assert_string_equal(host.control, "/elsewhere/control.sock");
	host_clear(&host);
	settings.engine = "unix:///nonexistent/docker.sock"; /* the folder is known all the same */
	assert_int_equal(host_find(&settings, &host, &err), 0);
	assert_int_equal(host.pid, 0);
	host_clear(&host);
}

static void an_engine_that_is_not_there_is_an_error(void **state) {
	struct host_settings settings = {.engine = "unix:///nonexistent/docker.sock"};
	struct host host;
	struct err err;

	(void)state;
	assert_int_equal(host_find(&settings, &host, &err), -ENOENT);
	assert_string_equal(err.msg, "engine /nonexistent/docker.sock: No such file or directory");
}

static void a_process_that_ended_is_an_error(void **state) {
	struct bed *b = *state;
	pid_t pid = fork();
	struct host host;
	struct err err;

	if (pid == 0)
		_exit(0);
	assert_int_equal(waitpid(pid, NULL, 0), pid);
	struct host_settings settings = {.engine = b->url, .engine_pid = pid};
	assert_int_equal(host_find(&settings, &host, &err), -ENOENT);
	assert_non_null(strstr(err.msg, "the engine's process"));
}

#define T(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void) {
	const struct CMUnitTest tests[] = {
		T(the_socket_leads_to_the_engines_own_mounts),
		T(what_was_said_is_not_looked_for),
		T(an_engine_that_is_not_there_is_an_error),
		T(a_process_that_ended_is_an_error),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
