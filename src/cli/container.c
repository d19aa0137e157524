/* heir container ls|inspect */
#include "cli/cli.h"
#include "cli/text.h"

#include "base/alloc.h"

static void render_names(const struct cli *cli, const json_t *list) {
	json_t *container;
	size_t i;

	json_array_foreach (list, i, container) {
		char *name CLEANUP_FREE = text_at(container, "name");
		fprintf(cli->out, "%s\n", name);
	}
}

static char *short_id(const json_t *container) {
	char *id = text_at(container, "id");
	char *cut = xstrndup(id, 12);
	free(id);
	return cut;
}

void cli_render_containers(const struct cli *cli, const json_t *answer) {
	static const char *const columns[] = {"NAME", "ID", "NODE", "STATE", "POLICY", "GEN", "ADDRESSES", NULL};
	json_t *c;
	size_t i;

	if (cli->quiet) {
		render_names(cli, answer);
		return;
	}
	struct table *t = table_new(columns);
	json_array_foreach (answer, i, c) {
		char *cells[] = {text_at(c, "name"),
				 short_id(c),
				 text_at(c, "node"),
				 text_at(c, "state"),
				 text_at(c, "policy"),
				 text_at(c, "generation"),
				 text_networks(json_at(c, "networks"))};
		table_add(t, cells);
	}
	table_end(t, cli->out);
}

static void render_networks(FILE *out, const json_t *networks) {
	static const char *const columns[] = {"  NETWORK", "IP", "IP6", "MAC", NULL};
	struct table *t = table_new(columns);
	json_t *n;
	size_t i;

	json_array_foreach (networks, i, n) {
		char *name CLEANUP_FREE = text_at(n, "name");
		char *cells[] = {xasprintf("  %s", name), text_at(n, "ip"), text_at(n, "ip6"), text_at(n, "mac")};
		table_add(t, cells);
	}
	table_end(t, out);
}

void cli_render_container(const struct cli *cli, const json_t *answer) {
	static const char *const fields[] = {"id", "node", "state", "workload", "generation", "policy", "policy_source", "image"};
	char *name CLEANUP_FREE = text_at(answer, "name");

	fprintf(cli->out, "%s\n", name);
	if (cli->quiet)
		return;
	for (size_t i = 0; i < sizeof(fields) / sizeof(fields[0]); i++)
		text_field_at(cli->out, fields[i], answer, fields[i]);
	render_networks(cli->out, json_at(answer, "networks"));
	text_list(cli->out, "cannot be moved", json_at(answer, "reasons"));
	text_list(cli->out, "warnings", json_at(answer, "warnings"));
}

static int ls(struct cli *cli, const char *arg) {
	(void)arg;
	return cli_show(cli, "/v1/containers", cli_render_containers);
}

static int inspect(struct cli *cli, const char *arg) { return cli_show_named(cli, "/v1/containers/", arg, cli_render_container); }

int cli_container(struct cli *cli, int argc, char **argv) {
	static const struct cli_syntax syntax = {
		.args_doc = "ls | inspect NAME", .doc = "The containers, wherever they are.", .min = 1, .max = 2};
	static const struct cli_verb verbs[] = {{"ls", 0, ls}, {"inspect", 1, inspect}, {0}};

	return cli_dispatch(cli, argc, argv, &syntax, verbs);
}
