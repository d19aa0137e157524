/* A listening socket from "unix:///path" or "tcp://address:port". */
#ifndef HTTP_LISTEN_H
#define HTTP_LISTEN_H

#include "base/err.h"

#include <sys/types.h>

struct http_listener {
	int fd;
	char *path; /* of a unix socket, else NULL */
	ino_t inode;
	unsigned port; /* of TCP, else 0 */
};

/* As http_server_new says. Not blocking. ret is to be cleared after success only. */
int http_listen(const char *url, struct http_listener *ret, struct err *err);

/* Closes the socket (unless fd is -1) and removes its path if it is still ours. */
void http_listener_clear(struct http_listener *l);

#endif
