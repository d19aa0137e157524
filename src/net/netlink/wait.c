/* See wait.h. */
#include "net/netlink/wait.h"

#include <errno.h>
#include <poll.h>

int wait_for(int fd, short events, struct mono deadline) {
	for (;;) {
		struct span left = mono_since(mono_now(), deadline);
		int64_t ms = left.ns > 0 ? (left.ns + 999999) / 1000000 : 0;
		struct pollfd p = {.fd = fd, .events = events};
		int r = poll(&p, 1, ms > 3600000 ? 3600000 : (int)ms);
		if (r < 0 && errno != EINTR)
			return -errno;
		if (r > 0 || (r == 0 && ms == 0))
			return r;
	}
}
