/* heir verify [--repair]: ledger, engine and every kernel side by side. */
#include "cli/cli.h"
#include "cli/text.h"

#include "base/alloc.h"
#include "base/buf.h"

#include <errno.h>

static char *kernels_of(const json_t *address) {
	struct buf b CLEANUP_BUF = {0};
	json_t *k;
	size_t i;

	json_array_foreach (json_at(address, "kernels"), i, k) {
		char *node CLEANUP_FREE = text_at(k, "node"), *problem CLEANUP_FREE = text_at(k, "problem"),
			   *from CLEANUP_FREE = text_at(k, "answered_from");
		buf_printf(&b, "%s%s: %s", b.len ? "; " : "", node,
			   json_at(k, "problem")              ? problem
			   : !json_bool_or(k, "joined", true) ? "not joined"
			   : json_str_or(k, "address", NULL)  ? "has it"
							      : "right");
		if (json_at(k, "answered_from"))
			buf_printf(&b, " (answered from %s)", from);
	}
	return xstrdup(b.len ? b.data : "no agent");
}

static void render_unproven(const struct cli *cli, const json_t *unproven) {
	const char *node;
	json_t *why;

	json_object_foreach ((json_t *)(uintptr_t)unproven, node, why) {
		char *name CLEANUP_FREE = text_safe(node), *reason CLEANUP_FREE = text_value(why);
		fprintf(cli->out, "%s proves nothing: its agent is %s\n", name, reason);
	}
}

/* The rows of kernels that differ, to see what is wrong there. */
static void render_rows(const struct cli *cli, const json_t *address) {
	json_t *k;
	size_t i;

	json_array_foreach (json_at(address, "kernels"), i, k) {
		char *node CLEANUP_FREE = text_at(k, "node"), *ip CLEANUP_FREE = text_at(address, "ip");
		json_t *row;
		size_t n;
		if (!json_at(k, "problem"))
			continue;
		fprintf(cli->out, "%s on %s:\n", ip, node);
		json_array_foreach (json_at(k, "rows"), n, row) {
			char *text CLEANUP_FREE = text_value(row);
			fprintf(cli->out, "    %s\n", text);
		}
	}
}

void cli_render_verify(const struct cli *cli, const json_t *answer) {
	static const char *const columns[] = {"IP", "MAC", "CONTAINER", "LEDGER", "ENGINE", "STATE", "KERNELS", NULL};
	json_t *a;
	size_t i;

	if (cli->quiet)
		return;
	struct table *t = table_new(columns);
	json_array_foreach (json_at(answer, "addresses"), i, a) {
		char *cells[] = {text_at(a, "ip"),   text_at(a, "mac"),    text_at(a, "container"),
				 text_at(a, "node"), text_at(a, "engine"), text_at(a, "state"),
				 kernels_of(a)};
		table_add(t, cells);
	}
	table_end(t, cli->out);
	json_array_foreach (json_at(answer, "addresses"), i, a)
		render_rows(cli, a);
	render_unproven(cli, json_at(answer, "unproven"));
	if (json_array_size(json_at(answer, "discovery")) == 0)
		return;
	fprintf(cli->out, "In service discovery:\n");
	cli_render_discovery(cli, json_at(answer, "discovery"));
}

static int on_option(void *user, int key, const char *arg) {
	bool *repair = user;

	(void)arg;
	if (key != 'r')
		return -EINVAL;
	*repair = true;
	return 0;
}

int cli_verify(struct cli *cli, int argc, char **argv) {
	static const struct argp_option own[] = {
		{.name = "repair", .key = 'r', .doc = "Make the rows right that are not, and look again"},
		{0},
	};
	bool repair = false;
	const struct cli_syntax syntax = {.doc = "What the ledger, the engines and the kernels of all hosts with an agent say of "
						 "every managed address.\vEnds with 2 "
						 "when they differ (after the repair, if one was asked for).",
					  .options = own,
					  .on_option = on_option,
					  .user = &repair};
	const char *args[CLI_ARGS_MAX];
	json_t *answer CLEANUP_JSON = NULL;

	cli_parse(cli, argc, argv, &syntax, args);
	int status = cli_call(cli, repair ? "POST" : "GET", "/v1/verify", &answer);
	if (status != CLI_OK)
		return status;
	cli_print(cli, answer, cli_render_verify);
	return json_bool_or(answer, "differ", false) ? CLI_CHANGES : CLI_OK;
}
