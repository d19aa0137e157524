/* See crash.h. */
#include "daemon/crash.h"

#include "base/log.h"
#include "daemon/daemon.h"

#include <stdlib.h>
#include <string.h>

void crash_point(const struct daemon *d, const char *takeover, const char *when) {
	const char *wanted = getenv("HEIR_CRASH_AT");

	if (!wanted || !*takeover)
		return;
	for (const struct takeover *t = resched_takeovers(d->machine); t; t = t->hh.next) {
		const char *row = takeover_row_name(t->row);
		size_t n = strlen(row);
		if (strcmp(t->id, takeover) != 0 || strncmp(wanted, row, n) != 0 || wanted[n] != ':' ||
		    strcmp(wanted + n + 1, when) != 0)
			continue;
		log_warning("crash-point", LOG_STR("at", wanted), LOG_STR("takeover", takeover));
		_exit(137);
	}
}
