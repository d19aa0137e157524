/* See harness.h: time, waiting, and commands to the laboratory. */
#include "harness-internal.h"

#include "base/alloc.h"
#include "base/buf.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

double clock_now(void) {
	struct timespec t;
	clock_gettime(CLOCK_REALTIME, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

void note(const char *format, ...) {
	va_list ap;

	printf("#   %6.1f s  ", clock_now() - scenario_began());
	va_start(ap, format);
	vprintf(format, ap);
	va_end(ap);
	putchar('\n');
	fflush(stdout);
}

void failed(const char *format, ...) {
	char text[4096];
	va_list ap;

	va_start(ap, format);
	(void)vsnprintf(text, sizeof text, format, ap); /* a long text is cut */
	va_end(ap);
	fail_msg("%s", text);
	abort(); /* not reached: cmocka jumps out of the scenario */
}

/* --- waiting --- */

struct wait wait_begin(const char *what, double seconds) {
	return (struct wait){.what = what, .until = clock_now() + seconds};
}

void wait_pause(const struct wait *w) {
	if (clock_now() > w->until)
		failed("waited in vain: %s", w->what);
	(void)usleep(50000);
}

/* --- commands --- */

char *capture(const char *command, int *ret_status) {
	struct buf out = {0};
	char chunk[4096];
	size_t n;

	FILE *pipe = popen(command, "re");
	if (!pipe)
		failed("%s: %s", command, strerror(errno));
	while ((n = fread(chunk, 1, sizeof chunk, pipe)) > 0)
		buf_append(&out, chunk, n);
	int status = pclose(pipe);
	*ret_status = WIFEXITED(status) ? WEXITSTATUS(status) : 255;
	while (out.len > 0 && out.data[out.len - 1] == '\n')
		out.data[--out.len] = '\0';
	return buf_take(&out);
}

void shell(const char *command) {
	fflush(stdout);
	if (system(command) != 0)
		note("failed: %s", command);
}

static char *lab_command(const char *format, va_list ap) {
	struct buf text = {0};
	char *arguments CLEANUP_FREE = NULL;

	if (vasprintf(&arguments, format, ap) < 0)
		abort();
	buf_printf(&text, "tests/netns/lab %s", arguments);
	return buf_take(&text);
}

char *lab(const char *format, ...) {
	va_list ap;
	int status;

	va_start(ap, format);
	char *command CLEANUP_FREE = lab_command(format, ap);
	va_end(ap);
	char *out = capture(command, &status);
	if (status != 0) {
		char *text CLEANUP_FREE = out;
		failed("exit status %d: %s\n%s", status, command, text);
	}
	return out;
}

void lab_do(const char *format, ...) {
	va_list ap;
	int status;

	va_start(ap, format);
	char *command CLEANUP_FREE = lab_command(format, ap);
	va_end(ap);
	char *out CLEANUP_FREE = capture(command, &status);
	if (status != 0)
		failed("exit status %d: %s\n%s", status, command, out);
}

int lab_try(const char *format, ...) {
	va_list ap;
	int status;

	va_start(ap, format);
	char *command CLEANUP_FREE = lab_command(format, ap);
	va_end(ap);
	char *quiet CLEANUP_FREE = xasprintf("%s 2>/dev/null", command);
	char *out CLEANUP_FREE = capture(quiet, &status);
	return status;
}

const char *host_ip(const char *host) {
	static char texts[4][32];
	static unsigned next;
	char *text = texts[next++ % 4];

	(void)snprintf(text, sizeof texts[0], "10.99.0.%d", 10 + atoi(host + 1));
	return text;
}

static double cut_at;

double time_of_cut(void) { return cut_at; }

void cut_forget(void) { cut_at = 0; }

void cut(const char *host) {
	cut_at = clock_now();
	lab_do("cut %s", host);
	note("%s: cable pulled", host);
}

void power_off(const char *host) {
	cut_at = clock_now();
	lab_do("poweroff %s", host);
	note("%s: power off", host);
}

void heal(const char *host) {
	lab_do("heal %s", host);
	note("%s: cable plugged in", host);
}
