/* See create.h. */
#include "daemon/create.h"

#include "base/alloc.h"
#include "base/cleanup.h"

#include <errno.h>

/* Only overlays carry addresses; the others are looked up by name. */
static size_t take_addresses(const struct effect *e, struct spec_address *addresses) {
	size_t n = 0;

	for (size_t i = 0; i < e->n_nets; i++)
		if (e->nets[i].kind != NET_LOCAL)
			addresses[n++] = (struct spec_address){e->nets[i].name, e->nets[i].ip, e->nets[i].ip6, e->nets[i].mac};
	return n;
}

int create_spec(const struct effect *e, const json_t *inspect, int api, const char *cluster, struct spec *ret, struct err *err) {
	struct spec_address *addresses CLEANUP_FREE = xnew_n(struct spec_address, e->n_nets);
	size_t n = take_addresses(e, addresses);
	const struct spec_options options = {
		.api = api,
		.workload = e->workload,
		.takeover = e->takeover,
		.cluster = cluster,
		.generation = e->generation,
		.image = e->image,
		.no_restart = true,
		.addresses = addresses,
		.address_count = n,
	};

	return inspect ? spec_make(inspect, &options, ret, err) : err_set(err, -EINVAL, "nothing is remembered of it");
}
