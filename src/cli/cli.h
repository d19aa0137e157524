/* What the commands of `heir` share: where the manager is, how to print, and the exit statuses. A command is a row in main.c's
 * table; it asks the manager for JSON and either prints that as it is or renders it for people. Rendering is pure: JSON in, text
 * out. */
#ifndef CLI_CLI_H
#define CLI_CLI_H

#include "base/cleanup.h"
#include "base/err.h"
#include "base/json.h"

#include <argp.h>
#include <stdbool.h>
#include <stdio.h>

enum {
	CLI_OK = 0,
	CLI_FAILED = 1,
	CLI_CHANGES = 2,     /* differences or changes pending: drill, verify, discovery */
	CLI_USAGE = 64,      /* also: the configuration is refused */
	CLI_UNREACHABLE = 69 /* the manager */
};

enum cli_format { CLI_TABLE, CLI_JSON, CLI_JSONL, CLI_FORMAT_MAX };

struct cli {
	const char *host;
	enum cli_format format;
	bool quiet;         /* names or IDs only, or nothing, as fits the command */
	bool yes;           /* nothing is asked back */
	bool problems;      /* only what is not as it is to be */
	const char *reason; /* of a hold; NULL */
	FILE *in, *out, *errors;
};

/* ---- arguments ---- */

#define CLI_ARGS_MAX 3

/* What a command takes besides the options that all of them take. */
struct cli_syntax {
	const char *args_doc, *doc;
	int min, max;                                           /* positional arguments */
	const struct argp_option *options;                      /* its own, or NULL */
	int (*on_option)(void *user, int key, const char *arg); /* negative: not understood */
	void *user;
};

extern const struct argp cli_common; /* --host, --format, -q; input: struct cli */

/* Fills args with the positional arguments (borrowed, NULL where not given); on bad usage the process ends with 64. */
void cli_parse(struct cli *cli, int argc, char **argv, const struct cli_syntax *syntax, const char *args[CLI_ARGS_MAX]);

/* ---- asking back ---- */

/* For commands that change something: -y. As a syntax's options and on_option; its user is the struct cli. */
extern const struct argp_option cli_yes_option[];
int cli_on_yes(void *user, int key, const char *arg);
/* Says what would be done, and has `word` typed for it. CLI_OK, or the exit status after having said that nothing was done. */
int cli_confirm(const struct cli *cli, const char *what, const char *word);

/* ---- commands: argv[0] is the command's name; the exit status is returned ---- */

typedef int cli_command_fn(struct cli *cli, int argc, char **argv);

cli_command_fn cli_status, cli_go, cli_node, cli_container, cli_takeover, cli_log, cli_explain, cli_drill, cli_verify,
	cli_discovery, cli_config;

/* `heir node inspect NAME`: the word after the command. */
struct cli_verb {
	const char *name;
	int args; /* how many follow it */
	int (*run)(struct cli *cli, const char *arg);
};

/* verbs ends with a NULL name. */
int cli_dispatch(struct cli *cli, int argc, char **argv, const struct cli_syntax *syntax, const struct cli_verb *verbs);

/* ---- asking ---- */

/* Asks the manager. CLI_OK and a new reference, or the exit status after having said why. */
int cli_call(struct cli *cli, const char *method, const char *path, json_t **ret);
/* The same for "<before><name, escaped><after>". */
int cli_call_named(struct cli *cli, const char *method, const char *before, const char *name, const char *after, json_t **ret);
/* POSTs a body of JSON, which stays the caller's. */
int cli_post(struct cli *cli, const char *path, const json_t *body, json_t **ret);
/* The exit status for a request that failed, after having said why. */
int cli_fail(const struct cli *cli, const struct err *err);
/* The same for an HTTP answer that is no 2xx. */
int cli_refused(const struct cli *cli, long status, const char *body, size_t len);

/* ---- printing ---- */

typedef void cli_render_fn(const struct cli *cli, const json_t *answer);

/* As --format says: indented JSON, a line for each element of a list, or what render makes of it. */
void cli_print(const struct cli *cli, const json_t *answer, cli_render_fn *render);

/* The whole way of a command that asks and prints. */
int cli_show(struct cli *cli, const char *path, cli_render_fn *render);
int cli_show_named(struct cli *cli, const char *before, const char *name, cli_render_fn *render);

cli_render_fn cli_render_status, cli_render_nodes, cli_render_node, cli_render_containers, cli_render_container,
	cli_render_takeovers, cli_render_takeover, cli_render_event, cli_render_explain, cli_render_drill, cli_render_verify,
	cli_render_discovery, cli_render_systems;

/* Whether `heir drill` ends with 2. */
bool cli_drill_has_changes(const json_t *answer);
/* Whether `heir discovery` does: of a list of entries or systems. */
bool cli_discovery_has_problems(const json_t *list);

#endif
