/* The daemon's log: one event, one line, key=value, to stderr. Text is quoted and escaped where it needs to be, so that nothing
 * from outside can forge a line. When stderr goes to the systemd journal ($JOURNAL_STREAM) each line starts with its <priority>
 * (sd-daemon(3)) and has no time of its own. Secrets are never passed here.
 *
 *   log_info("node-dead", LOG_STR("node", name), LOG_INT("misses", 3));
 *   -> time=2026-01-02T03:04:05.678Z level=info event=node-dead node=h1 misses=3
 */
#ifndef BASE_LOG_H
#define BASE_LOG_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

enum log_level {
	LOG_LEVEL_ERROR,
	LOG_LEVEL_WARNING,
	LOG_LEVEL_INFO,
	LOG_LEVEL_DEBUG,
	LOG_LEVEL_MAX,
};

enum log_kind { LOG_KIND_END, LOG_KIND_STR, LOG_KIND_INT, LOG_KIND_SEC };

struct log_field {
	enum log_kind kind;
	const char *key;
	const char *str; /* NULL: the field is left out */
	int64_t num;
	double sec;
};

#define LOG_STR(k, v) ((struct log_field){.kind = LOG_KIND_STR, .key = (k), .str = (v)})
#define LOG_INT(k, v) ((struct log_field){.kind = LOG_KIND_INT, .key = (k), .num = (int64_t)(v)})
#define LOG_SEC(k, v) ((struct log_field){.kind = LOG_KIND_SEC, .key = (k), .sec = (v)})

/* fields ends with a LOG_KIND_END. */
void log_write(enum log_level level, const char *event, const struct log_field *fields);

#define log_at(level, event, ...) \
	log_write(level, event, (const struct log_field[]){__VA_ARGS__ __VA_OPT__(, ){.kind = LOG_KIND_END}})
#define log_error(event, ...) log_at(LOG_LEVEL_ERROR, event, __VA_ARGS__)
#define log_warning(event, ...) log_at(LOG_LEVEL_WARNING, event, __VA_ARGS__)
#define log_info(event, ...) log_at(LOG_LEVEL_INFO, event, __VA_ARGS__)
#define log_debug(event, ...) log_at(LOG_LEVEL_DEBUG, event, __VA_ARGS__)

void log_set_level(enum log_level level); /* default: info */
/* For tests: NULL brings stderr back. */
void log_set_stream(FILE *stream);

#endif
