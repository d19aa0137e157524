/* heir config check FILE: what `heird --check` says, without heird. */
#include "cli/cli.h"
#include "cli/text.h"

#include "config/config.h"

static int check(struct cli *cli, const char *path) {
	struct config *config CLEANUP(cleanup_config) = NULL;
	char *name CLEANUP_FREE = text_safe(path);
	struct err err = {0};

	if (config_load(path, &config, &err) < 0) {
		char *reason CLEANUP_FREE = text_safe(err.msg);
		fprintf(cli->errors, "%s\n", reason);
		return CLI_USAGE;
	}
	if (!cli->quiet)
		fprintf(cli->out, "%s: good: cluster %s, %zu engine%s\n", name, config->cluster, config->engine_count,
			config->engine_count == 1 ? "" : "s");
	return CLI_OK;
}

int cli_config(struct cli *cli, int argc, char **argv) {
	static const struct cli_syntax syntax = {
		.args_doc = "check FILE", .doc = "Checks a configuration of heird.", .min = 2, .max = 2};
	static const struct cli_verb verbs[] = {{"check", 1, check}, {0}};

	return cli_dispatch(cli, argc, argv, &syntax, verbs);
}
