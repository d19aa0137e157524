/* See log.h. */
#include "base/log.h"

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/wall.h"

#include <assert.h>
#include <ctype.h>
#include <stdlib.h>
#include <string.h>

static const struct {
	const char *name;
	int priority; /* syslog(3)'s */
} levels[] = {
	[LOG_LEVEL_ERROR] = {"error", 3},
	[LOG_LEVEL_WARNING] = {"warning", 4},
	[LOG_LEVEL_INFO] = {"info", 6},
	[LOG_LEVEL_DEBUG] = {"debug", 7},
};
static_assert(sizeof(levels) / sizeof(levels[0]) == LOG_LEVEL_MAX, "a name for every level");

static enum log_level threshold = LOG_LEVEL_INFO;
static FILE *output;

void log_set_level(enum log_level level) { threshold = level; }

void log_set_stream(FILE *stream) { output = stream; }

static bool is_plain(const char *s) {
	if (!*s)
		return false;
	for (; *s; s++)
		if (!isgraph((unsigned char)*s) || *s == '"' || *s == '=' || *s == '\\')
			return false;
	return true;
}

static void append_text(struct buf *b, const char *s) {
	if (is_plain(s)) {
		buf_puts(b, s);
		return;
	}
	buf_puts(b, "\"");
	for (; *s; s++) {
		unsigned char c = (unsigned char)*s;
		if (c == '"' || c == '\\')
			buf_printf(b, "\\%c", c);
		else if (c == '\n')
			buf_puts(b, "\\n");
		else if (c < 0x20 || c == 0x7f)
			buf_printf(b, "\\x%02x", c);
		else
			buf_append(b, s, 1);
	}
	buf_puts(b, "\"");
}

static void append_field(struct buf *b, const struct log_field *f) {
	if (f->kind == LOG_KIND_STR && !f->str)
		return;
	buf_printf(b, " %s=", f->key);
	switch (f->kind) {
	case LOG_KIND_STR:
		append_text(b, f->str);
		return;
	case LOG_KIND_INT:
		buf_printf(b, "%lld", (long long)f->num);
		return;
	case LOG_KIND_SEC:
		buf_printf(b, "%.3f", f->sec);
		return;
	case LOG_KIND_END:
		return;
	}
}

void log_write(enum log_level level, const char *event, const struct log_field *fields) {
	struct buf b CLEANUP_BUF = {0};
	char time[WALL_TEXT_MAX];

	if (level > threshold)
		return;
	if (getenv("JOURNAL_STREAM"))
		buf_printf(&b, "<%d>level=%s", levels[level].priority, levels[level].name);
	else
		buf_printf(&b, "time=%s level=%s", wall_format(wall_now(), time), levels[level].name);
	buf_printf(&b, " event=%s", event);
	for (const struct log_field *f = fields; f->kind != LOG_KIND_END; f++)
		append_field(&b, f);
	buf_puts(&b, "\n");
	/* One write, so that lines of several processes on one pipe do not mix. A log that cannot be written is no reason to stop.
	 */
	FILE *to = output ? output : stderr;
	(void)fwrite(b.data, 1, b.len, to);
	(void)fflush(to);
}
