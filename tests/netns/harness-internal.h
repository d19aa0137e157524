/* Between the harness's own files. */
#ifndef TESTS_NETNS_HARNESS_INTERNAL_H
#define TESTS_NETNS_HARNESS_INTERNAL_H

#include "harness.h"

const char *lab_name(void);
void client_forget(void);

#endif
