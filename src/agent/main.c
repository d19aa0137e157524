/* heir-agent: the kernel's side of heir, one on each node. The command line, the signals, the loop. */
#include "agent/serve.h"

#include "base/alloc.h"
#include "base/ip.h"
#include "base/log.h"

#include <argp.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sysexits.h>
#include <systemd/sd-daemon.h>

#define DEFAULT_STATE "/var/lib/heir/agent.json"

enum option_key {
	OPTION_CONFIG = 'c',
	OPTION_CHECK = 'k',
	OPTION_LISTEN = 256,
	OPTION_ENGINE,
	OPTION_ENGINE_PID,
	OPTION_NETNS_DIR,
	OPTION_STATE,
	OPTION_SWARM_CONTROL,
	OPTION_CLUSTER,
	OPTION_TLS_CA,
	OPTION_TLS_CERT,
	OPTION_TLS_KEY,
};

struct arguments {
	const char *config;
	bool check;
	struct agent_config given; /* on the command line */
};

static void replace(char **to, const char *value) { xstr_replace(to, value); }

static error_t parse_pid(const char *arg, struct argp_state *state, int *ret) {
	char *end;
	long pid = strtol(arg, &end, 10);

	if (*end || pid < 1 || pid > INT_MAX)
		argp_error(state, "--engine-pid: expected a process, got %s", arg);
	*ret = (int)pid;
	return 0;
}

static error_t parse_option(int key, char *arg, struct argp_state *state) {
	struct arguments *a = state->input;
	struct agent_config *c = &a->given;

	switch (key) {
	case OPTION_CONFIG:
		a->config = arg;
		return 0;
	case OPTION_CHECK:
		a->check = true;
		return 0;
	case OPTION_LISTEN:
		return replace(&c->listen, arg), 0;
	case OPTION_ENGINE:
		return replace(&c->engine, arg), 0;
	case OPTION_ENGINE_PID:
		return parse_pid(arg, state, &c->engine_pid);
	case OPTION_NETNS_DIR:
		return replace(&c->netns_dir, arg), 0;
	case OPTION_STATE:
		return replace(&c->state, arg), 0;
	case OPTION_SWARM_CONTROL:
		return replace(&c->swarm_control, arg), 0;
	case OPTION_CLUSTER:
		return replace(&c->cluster, arg), 0;
	case OPTION_TLS_CA:
		return replace(&c->tls_ca, arg), 0;
	case OPTION_TLS_CERT:
		return replace(&c->tls_cert, arg), 0;
	case OPTION_TLS_KEY:
		return replace(&c->tls_key, arg), 0;
	case ARGP_KEY_ARG:
		argp_usage(state);
		return 0;
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

/* What the command line says wins. Takes its strings. */
static void merge(struct agent_config *c, struct agent_config *given) {
	char **to[] = {&c->listen,  &c->engine, &c->netns_dir, &c->state,  &c->swarm_control,
		       &c->cluster, &c->tls_ca, &c->tls_cert,  &c->tls_key};
	char **from[] = {&given->listen,  &given->engine, &given->netns_dir, &given->state,  &given->swarm_control,
			 &given->cluster, &given->tls_ca, &given->tls_cert,  &given->tls_key};

	for (size_t i = 0; i < sizeof(to) / sizeof(to[0]); i++)
		if (*from[i])
			xstr_replace(to[i], *from[i]);
	if (given->engine_pid)
		c->engine_pid = given->engine_pid;
	if (!c->state)
		c->state = xstrdup(DEFAULT_STATE);
	agent_config_clear(given);
}

static int settle(struct arguments *a, struct agent_config *ret, struct err *err) {
	int r = a->config ? agent_config_load(a->config, ret, err) : 0;

	if (r < 0)
		return r;
	merge(ret, &a->given);
	return agent_config_check(ret, err);
}

static bool is_loopback(const char *listen) {
	const char *host = strstr(listen, "://") + 3;
	return strncmp(host, "127.", 4) == 0 || strncmp(host, "[::1]", 5) == 0;
}

static void on_signal(uv_signal_t *signal, int number) {
	log_info("stopping", LOG_INT("signal", number), LOG_STR("next", "rows and quarantine stay as they are"));
	uv_stop(signal->loop);
}

/* A job that hangs in the kernel must not keep the agent from ending. */
static void leave_soon(void) {
	signal(SIGALRM, SIG_DFL);
	alarm(10);
}

static int serve(const struct agent_config *config) {
	uv_loop_t *loop = uv_default_loop();
	uv_signal_t term, interrupt;
	struct service service;
	struct err err = {0};

	uv_signal_init(loop, &term);
	uv_signal_init(loop, &interrupt);
	int r = service_start(&service, loop, config, &err);
	if (r < 0) {
		log_error("start", LOG_STR("error", err.msg));
	} else {
		uv_signal_start(&term, on_signal, SIGTERM);
		uv_signal_start(&interrupt, on_signal, SIGINT);
		if (!config->tls_ca && !is_loopback(config->listen))
			log_warning("no-tls", LOG_STR("listen", config->listen),
				    LOG_STR("next", "whoever reaches this address can change this host's network"));
		log_info("started", LOG_STR("version", HEIR_VERSION), LOG_STR("listen", config->listen),
			 LOG_STR("instance", service.instance), LOG_STR("manager", service.identity.manager),
			 LOG_INT("epoch", service.identity.epoch));
		(void)sd_notify(0, "READY=1"); /* without systemd there is nobody to tell */
		uv_run(loop, UV_RUN_DEFAULT);
	}
	leave_soon();
	uv_close((uv_handle_t *)&term, NULL);
	uv_close((uv_handle_t *)&interrupt, NULL);
	service_stop(&service);
	uv_run(loop, UV_RUN_DEFAULT);
	service_clear(&service);
	uv_loop_close(loop);
	return r < 0 ? EXIT_FAILURE : EXIT_SUCCESS;
}

/* A namespace is a descriptor or two, and there may be hundreds. Threads of the pool wait in the kernel more than they work. */
static void set_limits(void) {
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_cur < limit.rlim_max) {
		limit.rlim_cur = limit.rlim_max;
		(void)setrlimit(RLIMIT_NOFILE, &limit); /* it is seen when they run out, and said then */
	}
	(void)setenv("UV_THREADPOOL_SIZE", "8", 0); /* fails for want of memory only */
}

int main(int argc, char **argv) {
	static const struct argp_option options[] = {
		{"config", OPTION_CONFIG, "FILE", 0, "Configuration (YAML); options given besides win", 0},
		{"check", OPTION_CHECK, NULL, 0, "Only check the configuration", 0},
		{"listen", OPTION_LISTEN, "URL", 0, "http://address:port or https://address:port", 0},
		{"engine", OPTION_ENGINE, "URL", 0, "The engine's socket: unix:///path", 0},
		{"engine-pid", OPTION_ENGINE_PID, "PID", 0, "The engine's process, where its socket does not say", 0},
		{"netns-dir", OPTION_NETNS_DIR, "DIR", 0,
		 "The engine's folder of network namespaces, where it is not the usual one", 0},
		{"state", OPTION_STATE, "FILE", 0, "Whom the agent obeys (" DEFAULT_STATE ")", 0},
		{"swarm-control", OPTION_SWARM_CONTROL, "URL", 0, "A swarm manager's control socket, where it is not the usual one",
		 0},
		{"cluster", OPTION_CLUSTER, "NAME", 0, "Take the orders of this cluster only", 0},
		{"tls-ca", OPTION_TLS_CA, "FILE", 0, "Who signs managers' certificates", 0},
		{"tls-cert", OPTION_TLS_CERT, "FILE", 0, "The agent's certificate", 0},
		{"tls-key", OPTION_TLS_KEY, "FILE", 0, "Its key", 0},
		{0},
	};
	static const struct argp argp = {
		.options = options,
		.parser = parse_option,
		.doc = "Keeps a host's overlay networks in line with who owns which address, on the orders of heird."};
	struct arguments a = {0};
	struct agent_config config = {0};
	struct err err;

	argp_program_version = "heir-agent " HEIR_VERSION;
	argp_err_exit_status = EX_USAGE;
	argp_parse(&argp, argc, argv, 0, NULL, &a);
	if (settle(&a, &config, &err) < 0) {
		fprintf(stderr, "heir-agent: %s\n", err.msg);
		return EX_USAGE;
	}
	int status = EXIT_SUCCESS;
	if (a.check) {
		printf("heir-agent: ok, listens on %s\n", config.listen);
	} else {
		set_limits();
		signal(SIGPIPE, SIG_IGN);
		status = serve(&config);
	}
	agent_config_clear(&config);
	return status;
}
