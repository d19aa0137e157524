/* The manager dies before and after every row of a takeover, and its successor finishes what was begun, once, so that nothing at
 * the end tells that anybody died. */
#include "crashes.h"

#include "resched/takeover.h"

int main(int argc, char **argv) {
	struct crash crashes[2 * (ROW_MAX + 2)];
	size_t n = 0;

	for (int row = 0; row < ROW_MAX; row++)
		n = crash_add(crashes, n, takeover_row_name((enum takeover_row)row), row == ROW_IMAGE ? COURSE_IMAGE : COURSE_PLAIN,
			      false);
	n = crash_add(crashes, n, "quarantine", COURSE_PLAIN, false);
	n = crash_add(crashes, n, "tell", COURSE_PLAIN, false);
	return crashes_run(argc, argv, crashes, n);
}
