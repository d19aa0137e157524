/* See mono.h. */
#include "base/mono.h"

#include <time.h>

struct mono mono_now(void) {
	struct timespec ts;

	clock_gettime(CLOCK_BOOTTIME, &ts);
	return (struct mono){(int64_t)ts.tv_sec * 1000000000 + ts.tv_nsec};
}
