/* See ip.h. */
#include "base/ip.h"

#include <arpa/inet.h>
#include <errno.h>
#include <string.h>

struct ip ip_from_bytes(const void *bytes, size_t n) {
	struct ip ip = {0};

	if (n != 4 && n != 16)
		return ip;
	ip.family = n == 4 ? AF_INET : AF_INET6;
	memcpy(ip.bytes, bytes, n);
	return ip;
}

size_t ip_size(const struct ip *ip) { return ip->family == AF_INET ? 4 : ip->family == AF_INET6 ? 16 : 0; }

int ip_parse(const char *text, struct ip *ret, struct err *err) {
	struct ip ip = {.family = strchr(text, ':') ? AF_INET6 : AF_INET};

	if (inet_pton(ip.family, text, ip.bytes) != 1)
		return err_set(err, -EINVAL, "\"%.64s\" is not an IP address", text);
	*ret = ip;
	return 0;
}

const char *ip_format(const struct ip *ip, char text[IP_TEXT_MAX]) {
	if (!ip_is_set(ip) || !inet_ntop(ip->family, ip->bytes, text, IP_TEXT_MAX))
		text[0] = '\0';
	return text;
}

int ip_compare(const struct ip *a, const struct ip *b) {
	if (ip_size(a) != ip_size(b))
		return ip_size(a) < ip_size(b) ? -1 : 1;
	return memcmp(a->bytes, b->bytes, ip_size(a));
}

socklen_t ip_to_sockaddr(const struct ip *ip, uint16_t port, struct sockaddr_storage *ret) {
	struct sockaddr_in *in = (struct sockaddr_in *)ret;
	struct sockaddr_in6 *in6 = (struct sockaddr_in6 *)ret;

	*ret = (struct sockaddr_storage){.ss_family = ip->family};
	if (ip->family == AF_INET) {
		in->sin_port = htons(port);
		memcpy(&in->sin_addr, ip->bytes, sizeof(in->sin_addr));
		return sizeof(*in);
	}
	if (ip->family == AF_INET6) {
		in6->sin6_port = htons(port);
		memcpy(&in6->sin6_addr, ip->bytes, sizeof(in6->sin6_addr));
		return sizeof(*in6);
	}
	return 0;
}
