/* What an engine's URL says about its host. */
#ifndef DAEMON_URL_H
#define DAEMON_URL_H

#include <stdbool.h>
#include <stddef.h>

/* Of "tcp://host:port" (brackets around IPv6 are taken off). False for unix:// and for what is no such URL. */
bool url_host_port(const char *url, char *ret_host, size_t size, unsigned *ret_port);

/* A loopback address, "localhost", or an address of one of our own interfaces. Names are not resolved: false. */
bool url_host_is_ours(const char *host);

#endif
