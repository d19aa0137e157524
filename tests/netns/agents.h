/*
 * What the scenarios with agents ask besides (harness.h): the agents, the kernels about what the agents do there, and captures of
 * what really arrives.
 */
#ifndef TESTS_NETNS_AGENTS_H
#define TESTS_NETNS_AGENTS_H

#include "harness.h"

/* What the agent of that host says of itself; new reference. NULL when it says nothing. */
json_t *status_of_agent(const char *host);
/* As `heir node ls` has it: "none", "ok", "unreachable", "stale-epoch". */
bool agent_is(const char *node, const char *state);
void agents_ready(void); /* waits until all three are "ok" */

/* The kernel of that host drops VXLAN from and to the other one. */
bool drops(const char *host, const char *other);
/* Waits until no host drops anything any more. */
void expect_no_quarantine(void);

/* A row on that host is made to send what is for w to another host. */
void poison(const char *observer, const struct web *w, const char *wrong);
/* `ip -batch` or the like in the namespace of ov on that host; a shell's words. */
void in_overlay(const char *host, const char *command);

/* The newest takeover's evidence, and whether a warning of it contains this. */
bool evidence_is(const char *container, const char *evidence);
bool takeover_warns(const char *container, const char *part);
/* None at all; says which there is. */
void expect_no_warnings(const char *container);

/* Its takeover was fenced by quarantine, repaired and verified, without a warning. */
void expect_proven(const char *container);

/* --- frames --- */

/* A container that serves like web_run's and besides sends its short ID ten times a second, as UDP, to both addresses. */
struct web voice_run(const char *host, const char *arguments, const char *listener, const char *other);

enum { CAPTURE_VOICES_MAX = 8 };

/* Every frame that arrives at, or leaves, a container. Read when it is asked; the kernel keeps them until then. */
struct capture {
	int fd;
	char where[80];
	struct {
		char page[13];
		size_t n;
	} voices[CAPTURE_VOICES_MAX];
	size_t n;
};

void capture_begin(struct capture *c, const struct web *at);
/* How many of that voice there were. Fails the scenario when one may have been missed. */
size_t capture_count(struct capture *c, const struct web *voice);
void capture_end(struct capture *c);

#endif
