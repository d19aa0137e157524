/* What survives the manager: copies of the records, with the persisted fields only, as of the last commit. */
#ifndef SIM_DISK_H
#define SIM_DISK_H

#include "resched/resched.h"

struct disk {
	struct takeover **takeovers;
	struct workload **workloads;
	struct world_container **memory;
	size_t n_takeovers, n_workloads, n_memory;
};

struct takeover *disk_copy_takeover(const struct takeover *t);
struct workload *disk_copy_workload(const struct workload *w);
struct world_container *disk_copy_container(const struct world_container *c);

/* Each takes its record; one of the same identity is replaced. */
void disk_put_takeover(struct disk *d, struct takeover *t);
void disk_put_workload(struct disk *d, struct workload *w);
void disk_put_memory(struct disk *d, struct world_container *c);
void disk_forget_workload(struct disk *d, const char *id);
void disk_forget_memory(struct disk *d, const char *key);
/* Moves everything of `from` over. */
void disk_apply(struct disk *d, struct disk *from);
void disk_clear(struct disk *d);

#endif
