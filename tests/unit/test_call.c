/* What each command asks the manager for, and the status that it ends with. */
#include "cli/cli.h"

#include "base/alloc.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cmocka.h>

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

/* A manager for one request. */
struct manager {
	int fd;
	const char *answer;
	char asked[1024];
};

static void *serve(void *user) {
	struct manager *m = user;
	size_t len = 0;
	int fd CLEANUP_FD = accept4(m->fd, NULL, NULL, SOCK_CLOEXEC);

	while (fd >= 0 && len + 1 < sizeof(m->asked) && !strstr(m->asked, "\r\n\r\n")) {
		ssize_t n = read(fd, m->asked + len, sizeof(m->asked) - 1 - len);
		if (n <= 0)
			break;
		len += (size_t)n;
	}
	if (fd >= 0)
		(void)send(fd, m->answer, strlen(m->answer), MSG_NOSIGNAL); /* a client that left is seen by the test */
	return NULL;
}

static const struct {
	const char *what;
	cli_command_fn *run;
	char *args[5]; /* after the command's name */
	enum cli_format format;
	const char *asked, *answer;
	int status;
	const char *out, *errors;
} calls[] = {
	{"a list of events",
	 cli_log,
	 {"--ip", "10.0.0.1", "--container=a b", "--since", "2026-01-02T03:04:05Z"},
	 CLI_JSON,
	 "GET /v1/log?ip=10.0.0.1&container=a%20b&since=2026-01-02T03%3A04%3A05.000Z HTTP",
	 "200 OK\r\n\r\n{\"a\":1}\n{\"b\":2}\n",
	 CLI_OK,
	 "[\n{\"a\":1},\n{\"b\":2}\n]\n",
	 ""},
	{"no events", cli_log, {NULL}, CLI_JSON, "GET /v1/log HTTP", "200 OK\r\n\r\n", CLI_OK, "[]\n", ""},
	{"events as they come",
	 cli_log,
	 {"--follow"},
	 CLI_JSONL,
	 "GET /v1/log?follow=1 HTTP",
	 "200 OK\r\n\r\n{\"a\":1}\n",
	 CLI_OK,
	 "{\"a\":1}\n",
	 ""},
	{"events refused",
	 cli_log,
	 {NULL},
	 CLI_JSONL,
	 "GET /v1/log HTTP",
	 "400 Bad\r\n\r\n{\"error\":\"ip: no address\"}",
	 CLI_FAILED,
	 "",
	 "heir: ip: no address\n"},
	{"a drill with changes",
	 cli_drill,
	 {"h1", "-q"},
	 CLI_TABLE,
	 "GET /v1/drill/h1 HTTP",
	 "200 OK\r\n\r\n{\"changes\":true}",
	 CLI_CHANGES,
	 "",
	 ""},
	{"a drill without", cli_drill, {"h1", "-q"}, CLI_TABLE, "GET /v1/drill/h1 HTTP", "200 OK\r\n\r\n{}", CLI_OK, "", ""},
	{"a name with a slash",
	 cli_container,
	 {"inspect", "../x"},
	 CLI_TABLE,
	 "GET /v1/containers/..%2Fx HTTP",
	 "404 Not Found\r\n\r\n{\"error\":\"no container \\u001b[31m\"}",
	 CLI_FAILED,
	 "",
	 "heir: no container \\u{1b}[31m\n"},
	{"an operator's word",
	 cli_node,
	 {"confirm-dead", "--yes", "h1"},
	 CLI_TABLE,
	 "POST /v1/nodes/h1/confirm-dead HTTP",
	 "204 No Content\r\n\r\n",
	 CLI_OK,
	 "h1 is taken for dead on your word\n",
	 ""},
	{"an operator's word for this manager",
	 cli_node,
	 {"confirm-manager", "-y", "h1"},
	 CLI_TABLE,
	 "POST /v1/nodes/h1/confirm-manager HTTP",
	 "204 No Content\r\n\r\n",
	 CLI_OK,
	 "h1 has an agent that obeys this manager now\n",
	 ""},
	{"a hold with its reason",
	 cli_node,
	 {"hold", "-y", "h1", "--reason", "new disks"},
	 CLI_TABLE,
	 "POST /v1/nodes/h1/hold?reason=new%20disks HTTP",
	 "200 OK\r\n\r\n{}",
	 CLI_OK,
	 "h1 is held until you release it\n",
	 ""},
	{"a hold without one",
	 cli_node,
	 {"hold", "-y", "h1"},
	 CLI_TABLE,
	 "POST /v1/nodes/h1/hold?reason=no%20reason%20was%20given HTTP",
	 "200 OK\r\n\r\n{}",
	 CLI_OK,
	 "h1 is held until you release it\n",
	 ""},
	{"a release that is refused",
	 cli_node,
	 {"release", "-y", "h1"},
	 CLI_TABLE,
	 "POST /v1/nodes/h1/release HTTP",
	 "409 Conflict\r\n\r\n{\"error\":\"h1 is not held\"}",
	 CLI_FAILED,
	 "",
	 "heir: h1 is not held\n"},
	{"another try",
	 cli_takeover,
	 {"retry", "-y", "web"},
	 CLI_TABLE,
	 "POST /v1/takeovers/web/retry HTTP",
	 "200 OK\r\n\r\n{}",
	 CLI_OK,
	 "it is tried again\n",
	 ""},
	{"giving up",
	 cli_takeover,
	 {"abandon", "--yes", "3f2a"},
	 CLI_JSONL,
	 "POST /v1/takeovers/3f2a/abandon HTTP",
	 "200 OK\r\n\r\n{\"a\":1}",
	 CLI_OK,
	 "{\"a\":1}\n",
	 ""},
	{"a look at all kernels",
	 cli_verify,
	 {"-q"},
	 CLI_TABLE,
	 "GET /v1/verify HTTP",
	 "200 OK\r\n\r\n{\"differ\":false}",
	 CLI_OK,
	 "",
	 ""},
	{"a look that finds differences",
	 cli_verify,
	 {"-q"},
	 CLI_TABLE,
	 "GET /v1/verify HTTP",
	 "200 OK\r\n\r\n{\"differ\":true}",
	 CLI_CHANGES,
	 "",
	 ""},
	{"a repair",
	 cli_verify,
	 {"-q", "--repair"},
	 CLI_TABLE,
	 "POST /v1/verify HTTP",
	 "200 OK\r\n\r\n{\"differ\":false}",
	 CLI_OK,
	 "",
	 ""},
	{"the brake released",
	 cli_go,
	 {"-y"},
	 CLI_TABLE,
	 "POST /v1/go HTTP",
	 "200 OK\r\n\r\n{}",
	 CLI_OK,
	 "the storm brake is released\n",
	 ""},
	{"a page instead of JSON",
	 cli_status,
	 {NULL},
	 CLI_TABLE,
	 "GET /v1/status HTTP",
	 "502 Bad Gateway\r\n\r\n<html>",
	 CLI_FAILED,
	 "",
	 "heir: the manager answered with HTTP status 502\n"},
	{"no answer", cli_status, {NULL}, CLI_TABLE, "GET /v1/status HTTP", "", CLI_UNREACHABLE, "", NULL},
};

static void call(size_t i, const char *dir) {
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	char *host CLEANUP_FREE = xasprintf("unix://%s/%zu", dir, i), *out = NULL, *errors = NULL;
	char *answer CLEANUP_FREE = *calls[i].answer ? xasprintf("HTTP/1.1 %s", calls[i].answer) : xstrdup("");
	struct manager m = {.fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0), .answer = answer};
	size_t out_len, errors_len;
	pthread_t thread;

	snprintf(address.sun_path, sizeof(address.sun_path), "%s", host + strlen("unix://"));
	assert_int_equal(bind(m.fd, (struct sockaddr *)&address, sizeof(address)), 0);
	assert_int_equal(listen(m.fd, 1), 0);
	assert_int_equal(pthread_create(&thread, NULL, serve, &m), 0);
	struct cli cli = {.host = host,
			  .format = calls[i].format,
			  .out = open_memstream(&out, &out_len),
			  .errors = open_memstream(&errors, &errors_len)};
	char *argv[8] = {"heir"};
	int argc = 1;
	while (argc < 6 && calls[i].args[argc - 1]) {
		argv[argc] = calls[i].args[argc - 1];
		argc++;
	}
	int status = calls[i].run(&cli, argc, argv);
	pthread_join(thread, NULL);
	close(m.fd);
	unlink(address.sun_path);
	fclose(cli.out);
	fclose(cli.errors);
	bool same = status == calls[i].status && !strncmp(m.asked, calls[i].asked, strlen(calls[i].asked)) &&
		    !strcmp(out, calls[i].out) && (!calls[i].errors || !strcmp(errors, calls[i].errors));
	if (!same)
		fail_msg("%s: asked %s\nended with %d, printed %s, complained %s", calls[i].what, m.asked, status, out, errors);
	free(out);
	free(errors);
}

/* ---- asking back ---- */

static const struct {
	const char *what;
	cli_command_fn *run;
	char *args[3];
	const char *typed, *says;
} refusals[] = {
	{"nothing is typed", cli_node, {"confirm-dead", "h1"}, "", "Type h1 to do it: heir: not confirmed"},
	{"another word", cli_node, {"confirm-dead", "h1"}, "h2\n", "not confirmed"},
	{"yes is no name", cli_node, {"release", "h1"}, "yes\n", "not confirmed"},
	{"more than the word", cli_node, {"hold", "h1"}, "h11\n", "not confirmed"},
	{"an empty line", cli_takeover, {"abandon", "web"}, "\n", "Type web to do it: heir: not confirmed"},
	{"a retry", cli_takeover, {"retry", "web"}, "no\n", "not confirmed"},
	{"the brake", cli_go, {NULL}, "GO\n", "Type go to do it: heir: not confirmed"},
	{"a manager", cli_node, {"confirm-manager", "h1"}, "", "not confirmed"},
};

/* Nobody listens there: a command that went on would end with 69. */
static int ask_back(cli_command_fn *run, char *const args[3], const char *typed, char **ret_errors) {
	char *out = NULL;
	size_t out_len, errors_len;
	struct cli cli = {.host = "unix:///nowhere/heir.sock",
			  .in = fmemopen((void *)(uintptr_t)(*typed ? typed : " "), *typed ? strlen(typed) : 1, "r"),
			  .out = open_memstream(&out, &out_len),
			  .errors = open_memstream(ret_errors, &errors_len)};
	char *argv[4] = {"heir"};
	int argc = 1;

	while (argc < 4 && args[argc - 1]) {
		argv[argc] = args[argc - 1];
		argc++;
	}
	int status = run(&cli, argc, argv);
	fclose(cli.in);
	fclose(cli.out);
	fclose(cli.errors);
	free(out);
	return status;
}

static void what_is_not_confirmed_is_not_done(void **state) {
	(void)state;
	for (size_t i = 0; i < COUNT(refusals); i++) {
		char *errors CLEANUP_FREE = NULL;
		int status = ask_back(refusals[i].run, refusals[i].args, refusals[i].typed, &errors);
		if (status != CLI_FAILED || !strstr(errors, refusals[i].says))
			fail_msg("%s: ended with %d: %s", refusals[i].what, status, errors);
	}
}

static void the_name_is_the_confirmation(void **state) {
	char *const node[3] = {"confirm-dead", "h1"}, *const go[3] = {NULL};
	char *errors CLEANUP_FREE = NULL, *more CLEANUP_FREE = NULL;

	(void)state;
	assert_int_equal(ask_back(cli_node, node, "  h1 \n", &errors), CLI_UNREACHABLE);
	assert_int_equal(ask_back(cli_go, go, "go\n", &more), CLI_UNREACHABLE);
}

static void each_command_asks_for_its_path_and_ends_with_its_status(void **state) {
	(void)state;
	char dir[] = "/tmp/heir-cli-XXXXXX";
	assert_non_null(mkdtemp(dir));
	for (size_t i = 0; i < COUNT(calls); i++)
		call(i, dir);
	rmdir(dir);
}

int main(void) {
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_command_asks_for_its_path_and_ends_with_its_status),
		cmocka_unit_test(what_is_not_confirmed_is_not_done),
		cmocka_unit_test(the_name_is_the_confirmation),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
