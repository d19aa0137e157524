/* See agent.h. */
#include "agent/service.h"

#include "base/alloc.h"

#include <errno.h>
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

/* An engine makes its folder with its first namespace. Of one that had any, a missing folder is an error. */
static int look_again(struct kernel *k, struct err *err) {
	int r = scene_refresh(&k->scene, k->host.netns_dir, err);
	return r == -ENOENT && !k->settings->netns_dir && k->scene.n == 0 ? 0 : r;
}

int kernel_refresh(struct kernel *k, struct err *err) {
	if (k->host.netns_dir && scene_refresh(&k->scene, k->host.netns_dir, err) == 0)
		return 0;
	int r = find_host(k, err);
	return r < 0 ? r : look_again(k, err);
}

void kernel_clear(struct kernel *k) {
	scene_clear(&k->scene);
	host_clear(&k->host);
}
