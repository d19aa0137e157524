/* The agent's settings, read as strictly as the manager's (config.h). Everything may be given on the command line instead. */
#ifndef CONFIG_AGENT_H
#define CONFIG_AGENT_H

#include "base/cleanup.h"
#include "base/err.h"

#include <stddef.h>

struct agent_config {
	char *listen;        /* "http://address:port" or "https://address:port"; NULL: not given, as all that follow */
	char *engine;        /* "unix:///path" */
	int engine_pid;      /* 0: not given */
	char *netns_dir;     /* path */
	char *state;         /* path */
	char *swarm_control; /* "unix:///path" */
	char *cluster;       /* the only one whose orders are taken; NULL: the first manager's */
	char *tls_ca, *tls_cert, *tls_key; /* paths of readable files */
};

/* The error begins with "FILE:LINE: ". Contradictions are looked for by agent_config_check, when the command line was read too. */
int agent_config_load(const char *path, struct agent_config *ret, struct err *err);
int agent_config_parse(const char *text, size_t len, const char *name, const char *base_dir, struct agent_config *ret,
		       struct err *err);

/* What is missing, what does not go together. */
int agent_config_check(const struct agent_config *c, struct err *err);

void agent_config_clear(struct agent_config *c);

#endif
