/* The manager dies before and after every row of what comes when a node is back: its stale copy is put away, it gets its place in
 * the swarm back, or what it had. */
#include "crashes.h"

#include "base/alloc.h"
#include "resched/takeover.h"
#include "resched/workload.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Rows of the clean-up that do something. */
static size_t add_clean(struct crash *crashes, size_t n) {
	for (int row = 0; row < CLEAN_MAX; row++) {
		char *name CLEANUP_FREE = xasprintf("clean-%s", clean_row_name((enum clean_row)row));
		if (row == CLEAN_WAIT || row == CLEAN_KEPT)
			continue;
		n = crash_add(crashes, n, name, row == CLEAN_RENAME ? COURSE_KEEP : COURSE_PLAIN, true);
	}
	return n;
}

int main(int argc, char **argv) {
	struct crash crashes[2 * (CLEAN_MAX + ROW_MAX)];
	size_t n = add_clean(crashes, 0);

	n = crash_add(crashes, n, takeover_row_name(ROW_FENCE_DISCONNECT), COURSE_OLDEST, true);
	n = crash_add(crashes, n, takeover_row_name(ROW_FENCE_STOP), COURSE_OLDEST, true);
	const char *kind = getenv("HEIR_OVERLAY");
	if (!kind || !*kind) /* nobody is a member of anything where a key/value store holds the overlay */
		n = crash_add(crashes, n, "restore-node", COURSE_REMOVAL, true);
	return crashes_run(argc, argv, crashes, n);
}
