/*
 * dump: reading a large forwarding database, by the agent's code and by bridge(8).
 *
 *	dump ROWS ROUNDS
 *
 * In one namespace whose VXLAN device has that many rows. A line for each round, in milliseconds: a dump by net/netlink (a socket
 * is opened, every row parsed, as an agent's look does), `bridge fdb show` into nothing, and what starting that program costs
 * without a dump, which is not its reading. That both see as many rows is checked first.
 */
#include "base/buf.h"
#include "base/mono.h"
#include "net/netlink/fdb.h"
#include "standin.h"

static int count(void *arg, const struct fdb_row *row, struct err *err) {
	size_t *n = arg;

	(void)err;
	*n = row ? *n + 1 : 0;
	return 0;
}

static size_t dump(int ns) {
	CLEANUP_NLSOCK struct nlsock *s = NULL;
	struct err err = {0};
	size_t n = 0;

	standin_check(nlsock_open(ns, &s, &err), &err);
	standin_check(fdb_dump(s, 0, count, &n, &err), &err);
	return n;
}

static void bridge(int ns, const char *command) {
	int status;
	pid_t pid = fork();

	if (pid == 0) {
		int nothing = open("/dev/null", O_WRONLY | O_CLOEXEC);
		if (setns(ns, CLONE_NEWNET) == 0 && dup2(nothing, STDOUT_FILENO) >= 0)
			execlp("bridge", "bridge", command, strcmp(command, "fdb") == 0 ? "show" : NULL, (char *)NULL);
		_exit(127);
	}
	standin_must(pid > 0 && waitpid(pid, &status, 0) == pid, "bridge");
	if (status != 0) {
		fprintf(stderr, "dump: bridge %s ended with %#x\n", command, (unsigned)status);
		exit(EXIT_FAILURE);
	}
}

static double ms_since(struct mono start) { return span_to_sec(mono_since(start, mono_now())) * 1000; }

static void measure(int ns) {
	struct mono start = mono_now();
	(void)dump(ns); /* counted before */
	double own = ms_since(start);

	start = mono_now();
	bridge(ns, "fdb");
	double bridges = ms_since(start);

	start = mono_now();
	bridge(ns, "-Version");
	printf("%.3f %.3f %.3f\n", own, bridges, ms_since(start));
}

static char *rows(int n) {
	struct buf text = {0};

	for (int i = 0; i < n; i++)
		buf_printf(&text, "fdb add 02:42:0a:%02x:%02x:%02x dev vxlan0 dst 10.99.%d.%d self permanent\n", i >> 16 & 255,
			   i >> 8 & 255, i & 255, i % 50, 1 + i % 250);
	return buf_take(&text);
}

int main(int argc, char **argv) {
	if (argc != 3) {
		fprintf(stderr, "usage: dump ROWS ROUNDS\n");
		return 64;
	}
	char *wanted = rows(atoi(argv[1]));
	int ns = standin_overlay(wanted);
	size_t n = dump(ns);
	char *same = xasprintf("test $(bridge fdb show | wc -l) -eq %zu && test %zu -ge %s", n, n, argv[1]);
	standin_do(ns, same, "");
	for (int i = atoi(argv[2]); i > 0; i--)
		measure(ns);
	free(same);
	free(wanted);
	return EXIT_SUCCESS;
}
