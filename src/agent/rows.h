/* The kernel's rows that decide where frames for an owner's MAC go: what they should be, what they are, and making them so.
 *
 *   the owner lives on another node            the owner lives here
 *   MAC dev vxlan dst VTEP self permanent      MAC dev vxlan dst OWN-VTEP self permanent: drops frames of a stale copy
 *   IP dev vxlan lladdr MAC PERMANENT          no such row: the proxy's answers would teach the bridge wrongly
 *   no row of the bridge on a container's port MAC dev veth master bridge static sticky
 *
 * Everything but rows_plan blocks. */
#ifndef AGENT_ROWS_H
#define AGENT_ROWS_H

#include "agent/owner.h"
#include "agent/scene.h"
#include "base/err.h"
#include "base/strs.h"
#include "net/netlink/fdb.h"
#include "net/netlink/neigh.h"

#include <stdbool.h>
#include <stddef.h>

/* What there is for one owner. */
struct actual {
	struct fdb_row *fdb; /* of the MAC: on the VXLAN device, and of its bridge */
	size_t n_fdb;
	struct neigh_row *neigh; /* of the addresses, on the VXLAN device */
	size_t n_neigh;
};

enum change_kind { CHANGE_FDB_SET, CHANGE_FDB_DELETE, CHANGE_NEIGH_SET, CHANGE_NEIGH_DELETE, CHANGE_KIND_MAX };

struct change {
	enum change_kind kind;
	struct fdb_row fdb;
	struct neigh_row neigh;
};

#define CHANGES_MAX 16

struct plan {
	struct change changes[CHANGES_MAX];
	size_t n;
	char error[160]; /* what cannot be made right by rows; "" */
};

/* Where the owner is at home. port: the bridge's end of its container's link; NULL: elsewhere, or its container is not there. */
struct site {
	const struct overlay *overlay;
	const struct link_row *vxlan, *port;
};

/* Pure: what is to be changed, in this order. */
void rows_plan(const struct owner *owner, const struct site *site, const struct actual *actual, struct plan *ret);
/* The same for an owner that is to be forgotten: takes away what only we can have put there. */
void rows_plan_forget(const struct owner *owner, const struct site *site, const struct actual *actual, struct plan *ret);

enum rows_mode { ROWS_LOOK, ROWS_MEND, ROWS_FORGET };

struct rows_result {
	bool joined, right;
	struct strs before, after;
	size_t changed;
	char *error;   /* NULL: none */
	struct ip via; /* where the VXLAN device sends to; not set: nowhere */
	bool on_port;  /* the bridge has the MAC on a container's port */
};

/* One result for each owner, all owners of one scene that was refreshed. Errors of the kernel are the owners' errors. */
void rows_work(struct scene *scene, const char *netns_dir, enum rows_mode mode, const struct owner *owners, size_t n,
	       struct rows_result *results);
void rows_results_free(struct rows_result *results, size_t n);

#endif
