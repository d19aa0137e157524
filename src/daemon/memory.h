/* What opted-in containers looked like, so that they can be made again: a dead engine cannot be asked. Pure but for the batches
 * that it fills; the store's documents of it are made and read here and in restore.c. */
#ifndef DAEMON_MEMORY_H
#define DAEMON_MEMORY_H

#include "base/json.h"
#include "resched/resched.h"
#include "store/store.h"

struct memory;

struct memory *memory_new(const struct resched *machine); /* which says what is ours to move, and what must stay as it was */
void memory_free(struct memory *m);                       /* NULL is fine */

/* It was seen so; kept if it is ours to move. */
void memory_keep(struct memory *m, const struct world_container *c, const json_t *inspect);
/* As the store has it: nothing is to be written. */
void memory_put_back(struct memory *m, const struct world_container *c, const json_t *inspect, const char *document);
/* It is not there any more: forgotten, unless a workload is made again from it. */
void memory_gone(struct memory *m, const char *node, const char *id);
/* "<node>/<id>": no workload needs it any more; forgotten, unless it is there. */
void memory_unneeded(struct memory *m, const char *key);
void memory_settled(struct memory *m, const char *key);

/* What changed since the last call; documents that are as they were are left out. */
void memory_write(struct memory *m, struct store_batch *batch);
/* Keys whose documents are to be deleted; the list is the caller's then. */
void memory_take_forgotten(struct memory *m, struct strs *ret);
/* Everything is written again: a commit failed. */
void memory_mark(struct memory *m);

json_t *memory_spec(const struct memory *m, const char *node, const char *id); /* the inspected JSON, a new reference; NULL */
size_t memory_count(const struct memory *m);

#endif
