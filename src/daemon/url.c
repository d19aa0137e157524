/* See url.h. */
#include "daemon/url.h"

#include <arpa/inet.h>
#include <ifaddrs.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

bool url_host_port(const char *url, char *ret_host, size_t size, unsigned *ret_port) {
	const char *p = strstr(url, "://");

	if (!p || strncmp(url, "unix", 4) == 0)
		return false;
	p += 3;
	bool bracket = *p == '[';
	const char *end = bracket ? strchr(p, ']') : strchr(p, ':');
	const char *colon = end ? strchr(end, ':') : NULL;
	p += bracket;
	if (!colon || end <= p || (size_t)(end - p) >= size)
		return false;
	memcpy(ret_host, p, (size_t)(end - p));
	ret_host[end - p] = '\0';
	*ret_port = (unsigned)strtoul(colon + 1, NULL, 10);
	return *ret_port > 0 && *ret_port < 65536;
}

static bool is_address(const struct sockaddr *a, const char *host) {
	struct in_addr v4;
	struct in6_addr v6;

	if (a->sa_family == AF_INET && inet_pton(AF_INET, host, &v4) == 1)
		return memcmp(&((const struct sockaddr_in *)(const void *)a)->sin_addr, &v4, sizeof(v4)) == 0;
	if (a->sa_family == AF_INET6 && inet_pton(AF_INET6, host, &v6) == 1)
		return memcmp(&((const struct sockaddr_in6 *)(const void *)a)->sin6_addr, &v6, sizeof(v6)) == 0;
	return false;
}

bool url_host_is_ours(const char *host) {
	struct ifaddrs *list;
	bool ours = strcmp(host, "localhost") == 0 || strncmp(host, "127.", 4) == 0 || strcmp(host, "::1") == 0;

	if (ours || getifaddrs(&list) < 0)
		return ours;
	for (const struct ifaddrs *i = list; i && !ours; i = i->ifa_next)
		ours = i->ifa_addr && is_address(i->ifa_addr, host);
	freeifaddrs(list);
	return ours;
}
