/* The state file of the simulator: heird's store (store.h) on the virtual clock. It outlives the managers.
 *
 * A commit takes time: it is written, then synced, then told. It may fail as a whole when the disk is full; one that was not synced
 * when its manager died may be there afterwards or not, and never by halves. What an older manager still wants to write when
 * another one has opened the file is refused. */
#ifndef SIM_DISK_H
#define SIM_DISK_H

#include "store/store.h"

struct sim;
struct disk;

struct disk *disk_new(struct sim *s);
void disk_free(struct disk *d);

/* For the present manager; the epoch is counted up. store_close when it is killed. */
struct store *disk_open(struct disk *d);
/* Whoever has it open is not the manager any more: another one is about to open it. */
void disk_fence(struct disk *d);
bool disk_has(const struct disk *d, enum store_table table, const char *key);
/* By a commit that was waited for, whoever made it: at once. */
void disk_put(struct disk *d, enum store_table table, const char *key, const char *text);
/* Lines of the IP log that are on it. */
size_t disk_lines(const struct disk *d);

#endif
