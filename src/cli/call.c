/* Asking the manager and printing its answer. */
#include "cli/cli.h"
#include "cli/text.h"

#include "base/alloc.h"
#include "base/buf.h"
#include "http/request.h"

#include <errno.h>
#include <string.h>

#define TIMEOUT span_sec(60)

static int complain(const struct cli *cli, const char *text, int status) {
	char *safe CLEANUP_FREE = text_safe(text);
	fprintf(cli->errors, "heir: %s\n", safe);
	return status;
}

int cli_fail(const struct cli *cli, const struct err *err) {
	if (err->code == -EINVAL)
		return complain(cli, err->msg, CLI_USAGE);
	return complain(cli, err->msg, err->code == -ENOTCONN || err->code == -ETIMEDOUT ? CLI_UNREACHABLE : CLI_FAILED);
}

int cli_refused(const struct cli *cli, long status, const char *body, size_t len) {
	json_t *answer CLEANUP_JSON = NULL;
	char *plain CLEANUP_FREE = xasprintf("the manager answered with HTTP status %ld", status);

	if (json_parse(body ? body : "", len, "answer", &answer, NULL) < 0)
		return complain(cli, plain, CLI_FAILED);
	return complain(cli, json_str_or(answer, "error", plain), CLI_FAILED);
}

static int ask(struct cli *cli, const struct request *request, json_t **ret) {
	struct buf body CLEANUP_BUF = {0};
	struct err err = {0};
	long status;

	if (request_perform(request, &status, &body, &err) < 0)
		return cli_fail(cli, &err);
	if (status < 200 || status > 299)
		return cli_refused(cli, status, body.data, body.len);
	if (body.len == 0) {
		*ret = json_object();
		return CLI_OK;
	}
	if (json_parse(body.data, body.len, "the manager's answer", ret, &err) < 0)
		return complain(cli, err.msg, CLI_FAILED);
	return CLI_OK;
}

int cli_call(struct cli *cli, const char *method, const char *path, json_t **ret) {
	const struct request request = {.host = cli->host, .method = method, .path = path, .timeout = TIMEOUT};
	return ask(cli, &request, ret);
}

int cli_post(struct cli *cli, const char *path, const json_t *body, json_t **ret) {
	char *text CLEANUP_FREE = json_text(body);
	const struct request request = {.host = cli->host, .method = "POST", .path = path, .body = text, .timeout = TIMEOUT};
	return ask(cli, &request, ret);
}

int cli_call_named(struct cli *cli, const char *method, const char *before, const char *name, const char *after, json_t **ret) {
	char *escaped CLEANUP_FREE = request_escape(name);
	char *path CLEANUP_FREE = xasprintf("%s%s%s", before, escaped, after);
	return cli_call(cli, method, path, ret);
}

/* Every control character, the C1 ones too, is escaped in ASCII. */
static void print_json(const struct cli *cli, const json_t *value, size_t flags) {
	json_dumpf(value, cli->out, flags | JSON_ENSURE_ASCII | JSON_ENCODE_ANY);
	fputc('\n', cli->out);
}

void cli_print(const struct cli *cli, const json_t *answer, cli_render_fn *render) {
	json_t *item;
	size_t i;

	if (cli->format == CLI_TABLE)
		render(cli, answer);
	else if (cli->format == CLI_JSON)
		print_json(cli, answer, JSON_INDENT(2));
	else if (!json_is_array(answer))
		print_json(cli, answer, JSON_COMPACT);
	else
		json_array_foreach (answer, i, item)
			print_json(cli, item, JSON_COMPACT);
}

int cli_show(struct cli *cli, const char *path, cli_render_fn *render) {
	json_t *answer CLEANUP_JSON = NULL;

	int status = cli_call(cli, "GET", path, &answer);
	if (status == CLI_OK)
		cli_print(cli, answer, render);
	return status;
}

int cli_show_named(struct cli *cli, const char *before, const char *name, cli_render_fn *render) {
	json_t *answer CLEANUP_JSON = NULL;

	int status = cli_call_named(cli, "GET", before, name, "", &answer);
	if (status == CLI_OK)
		cli_print(cli, answer, render);
	return status;
}
