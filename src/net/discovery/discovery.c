/* See discovery.h. */
#include "net/discovery/discovery.h"

#include <stdlib.h>

void discovery_found_clear(struct discovery_found *f) {
	discovery_entry_clear(&f->entry);
	free(f->version);
	free(f->content);
	*f = (struct discovery_found){0};
}
