/* See agents.h. */
#include "agents.h"

#include "base/alloc.h"
#include "harness-internal.h"
#include "kernel.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <errno.h>
#include <linux/if_packet.h>
#include <net/ethernet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static const char *const hosts[] = {"h1", "h2", "h3"};

/* --- agents --- */

json_t *status_of_agent(const char *host) {
	json_t *status = NULL;

	if (lab_try("agent %s status", host) != 0)
		return NULL;
	char *text CLEANUP_FREE = lab("agent %s status", host);
	(void)json_parse(text, strlen(text), "status", &status, NULL); /* NULL says it */
	return status;
}

bool agent_is(const char *node, const char *state) {
	json_t *list CLEANUP_JSON = heir("node ls"), *j;
	size_t i;

	json_array_foreach (list, i, j)
		if (strcmp(json_str_or(j, "name", ""), node) == 0)
			return strcmp(json_str_or(j, "agent", ""), state) == 0;
	return false;
}

void agents_ready(void) {
	for (size_t i = 0; i < sizeof hosts / sizeof hosts[0]; i++) {
		char *what CLEANUP_FREE = xasprintf("the agent of %s is ok", hosts[i]);
		wait_until(what, agent_is(hosts[i], "ok"));
	}
}

/* --- quarantine --- */

/* An address and not the beginning of a longer one. */
static bool names(const char *text, const char *ip) {
	size_t n = strlen(ip);

	for (const char *at = strstr(text, ip); at; at = strstr(at + n, ip))
		if (!isdigit((unsigned char)at[n]) && at[n] != '.')
			return true;
	return false;
}

bool drops(const char *host, const char *other) {
	char *table CLEANUP_FREE = lab("quarantine %s", host);

	return strstr(table, "saddr") && strstr(table, "daddr") && strstr(table, "drop") && names(table, host_ip(other));
}

static bool drops_something(void) {
	for (size_t i = 0; i < sizeof hosts / sizeof hosts[0]; i++)
		for (size_t k = 0; k < sizeof hosts / sizeof hosts[0]; k++)
			if (drops(hosts[i], hosts[k]))
				return true;
	return false;
}

void expect_no_quarantine(void) {
	wait_until("the quarantine is lifted everywhere", !drops_something());
	note("the quarantine is lifted");
}

/* --- rows --- */

void in_overlay(const char *host, const char *command) {
	char *network CLEANUP_FREE = network_id("ov"), netns[PATH_MAX];
	struct kernel_error err;

	if (kernel_overlay_netns(lab_name(), host, network, netns, &err) < 0)
		failed("%s", err.text);
	char *line CLEANUP_FREE = xasprintf("nsenter --net=%s -- %s", netns, command);
	if (system(line) != 0)
		failed("%s: %s", host, command);
}

void poison(const char *observer, const struct web *w, const char *wrong) {
	char *command CLEANUP_FREE =
		xasprintf("bridge fdb replace %s dev vxlan0 dst %s self permanent", w->nets[0].mac, host_ip(wrong));

	in_overlay(observer, command);
	note("%s: row of %s poisoned, to %s", observer, w->name, wrong);
}

/* --- what heird says --- */

bool evidence_is(const char *container, const char *evidence) {
	json_t *t CLEANUP_JSON = takeover_newest(container);
	return strcmp(json_str_or(t, "evidence", ""), evidence) == 0;
}

bool takeover_warns(const char *container, const char *part) {
	json_t *t CLEANUP_JSON = takeover_newest(container), *list = json_object_get(t, "warnings"), *j;
	size_t i;

	json_array_foreach (list, i, j)
		if (strstr(json_string_value(j), part))
			return true;
	return false;
}

void expect_no_warnings(const char *container) {
	json_t *t CLEANUP_JSON = takeover_newest(container), *list = json_object_get(t, "warnings");

	if (json_array_size(list) > 0)
		failed("the takeover of %s has a warning: %s", container, json_string_value(json_array_get(list, 0)));
}

void expect_proven(const char *container) {
	json_t *t CLEANUP_JSON = takeover_newest(container);

	assert_string_equal(json_str_or(t, "evidence", ""), "quarantined");
	expect_no_warnings(container);
	assert_true(step_is(container, "repair", "ok"));
	assert_true(step_is(container, "verify", "ok"));
}

/* --- frames --- */

#define VOICE "voice: "

/* busybox has nothing that sends UDP but its system log. */
struct web voice_run(const char *host, const char *arguments, const char *listener, const char *other) {
	struct web w;

	lab_do("docker %s run -d --name voice --stop-signal KILL %s heir-lab/busybox:1 sh -c "
	       "'mkdir -p /www; hostname >/www/index.html; httpd -p 80 -h /www; syslogd -R %s:9999 -R %s:9999; "
	       "while :; do logger -t voice $(hostname); usleep 100000; done'",
	       host, arguments, listener, other);
	if (!web_find(host, "voice", &w))
		failed("voice does not run on %s", host);
	return w;
}

/* 120 s of two voices need a few MiB. */
enum { FRAMES_KEPT = 64 << 20 };

static int open_packet_socket(void *argument) {
	int *fd = argument, size = FRAMES_KEPT;

	*fd = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, htons(ETH_P_ALL));
	if (*fd < 0 || setsockopt(*fd, SOL_SOCKET, SO_RCVBUFFORCE, &size, sizeof size) < 0)
		return -errno;
	return 0;
}

void capture_begin(struct capture *c, const struct web *at) {
	char netns[PATH_MAX];
	struct kernel_error err;

	*c = (struct capture){.fd = -1};
	(void)snprintf(c->where, sizeof c->where, "%s on %s", at->name, at->host);
	container_netns(at, netns);
	if (kernel_in_netns(netns, open_packet_socket, &c->fd, &err) < 0)
		failed("capture at %s: %s", c->where, err.text);
}

static void keep(struct capture *c, const char *frame, size_t size) {
	const char *said = memmem(frame, size, VOICE, strlen(VOICE));
	size_t i = 0, head = said ? (size_t)(said - frame) + strlen(VOICE) : size;

	if (head + 12 > size)
		return;
	while (i < c->n && memcmp(c->voices[i].page, frame + head, 12) != 0)
		i++;
	if (i == CAPTURE_VOICES_MAX)
		failed("too many voices at %s", c->where);
	if (i == c->n)
		memcpy(c->voices[c->n++].page, frame + head, 12);
	c->voices[i].n++;
}

static void drain(struct capture *c) {
	struct tpacket_stats stats;
	socklen_t size = sizeof stats;
	char frame[2048];
	ssize_t n;

	while ((n = recv(c->fd, frame, sizeof frame, 0)) >= 0 || errno == EINTR || errno == ENETDOWN)
		if (n > 0)
			keep(c, frame, (size_t)n);
	if (getsockopt(c->fd, SOL_PACKET, PACKET_STATISTICS, &stats, &size) < 0 || stats.tp_drops > 0)
		failed("frames at %s were missed", c->where);
}

size_t capture_count(struct capture *c, const struct web *voice) {
	drain(c);
	for (size_t i = 0; i < c->n; i++)
		if (memcmp(c->voices[i].page, voice->page, 12) == 0)
			return c->voices[i].n;
	return 0;
}

void capture_end(struct capture *c) {
	(void)close(c->fd); /* was only read */
	c->fd = -1;
}
