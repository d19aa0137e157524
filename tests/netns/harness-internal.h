/* Between the harness's own files: harness.c (programs and scenarios), command.c (waiting, commands, the laboratory), heird.c (the
 * manager and what it says) and promise.c (containers, the client, the kernel). */
#ifndef TESTS_NETNS_HARNESS_INTERNAL_H
#define TESTS_NETNS_HARNESS_INTERNAL_H

#include "harness.h"

#include <limits.h>

/* harness.c */
const char *lab_name(void);
const char *lab_options(void);
const char *checkout(void);         /* its path */
char *state_path(const char *name); /* of a file of this scenario's manager */
double scenario_began(void);
void scenario_at_end(void (*undo)(void)); /* one; also when it fails, after heird was killed */

/* command.c: through a shell, so that arguments can be quoted. Standard output is returned, errors go to the test's. */
char *capture(const char *command, int *ret_status);
void shell(const char *command); /* says when it fails, and goes on */

void cut_forget(void);

/* heird.c */
bool heird_runs(void);
bool heird_publishes(void); /* it was started with a section discovery */
char *api_url(void);

/* promise.c */
void client_forget(void);
char *network_id(const char *name);
void container_netns(const struct web *w, char path[static PATH_MAX]);

#endif
