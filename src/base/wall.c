/* See wall.h. */
#include "base/wall.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

struct wall wall_now(void) {
	struct timespec ts;

	clock_gettime(CLOCK_REALTIME, &ts);
	return (struct wall){(int64_t)ts.tv_sec * 1000 + ts.tv_nsec / 1000000};
}

const char *wall_format(struct wall t, char text[WALL_TEXT_MAX]) {
	time_t sec = (time_t)(t.ms / 1000);
	struct tm tm;

	if (!gmtime_r(&sec, &tm)) {
		snprintf(text, WALL_TEXT_MAX, "1970-01-01T00:00:00.000Z");
		return text;
	}
	size_t n = strftime(text, WALL_TEXT_MAX, "%Y-%m-%dT%H:%M:%S", &tm);
	snprintf(text + n, WALL_TEXT_MAX - n, ".%03dZ", (int)(t.ms % 1000));
	return text;
}

static int parse_offset(const char *s, int *ret_minutes) {
	int h, m, used = 0;

	if ((s[0] == 'Z' || s[0] == 'z') && s[1] == '\0') {
		*ret_minutes = 0;
		return 0;
	}
	if ((s[0] != '+' && s[0] != '-') || sscanf(s + 1, "%2d:%2d%n", &h, &m, &used) != 2 || used != 5 || s[6] != '\0')
		return -EINVAL;
	if (h > 23 || m > 59)
		return -EINVAL;
	*ret_minutes = (s[0] == '-' ? -1 : 1) * (h * 60 + m);
	return 0;
}

int wall_parse(const char *text, struct wall *ret_t, struct err *err) {
	struct tm tm = {0};
	int minutes, ms = 0;

	const char *p = strptime(text, "%Y-%m-%dT%H:%M:%S", &tm);
	if (!p)
		return err_set(err, -EINVAL, "\"%.40s\" is not an RFC 3339 time", text);
	if (*p == '.') {
		int scale = 100;
		for (p++; isdigit((unsigned char)*p); p++, scale /= 10)
			ms += (*p - '0') * scale;
	}
	if (parse_offset(p, &minutes) < 0)
		return err_set(err, -EINVAL, "\"%.40s\" is not an RFC 3339 time: no Z or offset", text);
	*ret_t = (struct wall){((int64_t)timegm(&tm) - minutes * 60) * 1000 + ms};
	return 0;
}
