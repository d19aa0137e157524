/* Between the files of disco.h: disco.c (servers, entries), disco-ask.c (one question) and resolvers.c (clients that ask). */
#ifndef TESTS_NETNS_DISCO_INTERNAL_H
#define TESTS_NETNS_DISCO_INTERNAL_H

#include "disco.h"

/* disco-ask.c. See disco_resolve. */
void disco_ask(enum disco_system s, const char *service, char answer[static DISCO_ANSWER_MAX]);

/* disco.c: the manager's network namespace. */
char *disco_netns(void);

#endif
