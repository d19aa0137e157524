/* See progress.h. */
#include "engine/progress.h"

#include "base/alloc.h"
#include "base/json.h"
#include "engine/call.h"
#include "engine/engine.h"

#include <errno.h>

static int on_line(void *ctx, const char *line, size_t n, struct err *err) {
	struct progress *p = ctx;
	CLEANUP_JSON json_t *j = NULL;

	int r = engine_parse_json(line, n, &j, err);
	if (r < 0)
		return r;
	p->n_lines++;
	const char *error = json_str_or(j, "errorDetail.message", json_str_or(j, "error", NULL));
	if (error && !p->error)
		p->error = engine_quote(error);
	return 0;
}

void progress_push(struct progress *p, const char *data, size_t n) {
	p->lines.limit = ENGINE_LINE_MAX;
	if (p->bad.code == 0)
		(void)lines_push(&p->lines, data, n, on_line, p, &p->bad); /* kept in bad, said at the end */
}

int progress_end(struct progress *p, struct err *err) {
	if (p->bad.code == 0)
		(void)lines_end(&p->lines, on_line, p, &p->bad);
	if (p->error)
		return err_set(err, -EREMOTEIO, "%s", p->error);
	if (p->bad.code != 0)
		return err_set(err, -EBADMSG, "%s", p->bad.msg);
	return 0;
}

void progress_clear(struct progress *p) {
	lines_clear(&p->lines);
	free(p->error);
	*p = (struct progress){0};
}
