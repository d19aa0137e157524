/* See agent.h. */
#include "agent/service.h"

#include "base/alloc.h"

#include <string.h>

static int find_host(struct kernel *k, struct err *err) {
	struct host host;

	int r = host_find(k->settings, &host, err);
	if (r < 0)
		return r;
	host_clear(&k->host);
	k->host = host;
	return 0;
}

int kernel_refresh(struct kernel *k, struct err *err) {
	if (k->host.netns_dir && scene_refresh(&k->scene, k->host.netns_dir, err) == 0)
		return 0;
	int r = find_host(k, err);
	return r < 0 ? r : scene_refresh(&k->scene, k->host.netns_dir, err);
}

void kernel_clear(struct kernel *k) {
	scene_clear(&k->scene);
	host_clear(&k->host);
}
