/* Between the harness's own files. */
#ifndef TESTS_NETNS_HARNESS_INTERNAL_H
#define TESTS_NETNS_HARNESS_INTERNAL_H

#include "harness.h"

#include <limits.h>

const char *lab_name(void);
void client_forget(void);
char *network_id(const char *name);
void container_netns(const struct web *w, char path[static PATH_MAX]);

#endif
