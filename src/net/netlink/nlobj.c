/* See nlobj.h. */
#include "net/netlink/nlobj.h"

#include <errno.h>
#include <netlink/errno.h>
#include <stdlib.h>
#include <sys/socket.h>

/* libnl gives the object to its callback only for as long as that runs. */
static void keep_object(struct nl_object *object, void *arg) {
	struct nl_object **kept = arg;

	if (*kept)
		return;
	nl_object_get(object);
	*kept = object;
}

int nlobj_parse(const struct nlmsghdr *m, struct nl_object **ret, struct err *err) {
	struct nl_object *object CLEANUP_NL_OBJECT = NULL;
	struct nl_msg *msg CLEANUP_NL_MSG = nlmsg_convert((struct nlmsghdr *)(uintptr_t)m); /* copies */

	if (!msg)
		return err_set(err, -ENOMEM, "no memory for a netlink message");
	nlmsg_set_proto(msg, NETLINK_ROUTE);
	int r = nl_msg_parse(msg, keep_object, &object);
	if (r < 0 || !object)
		return err_set(err, -EBADMSG, "netlink message of type %u: %s", m->nlmsg_type, r < 0 ? nl_geterror(r) : "empty");
	*ret = TAKE_PTR(object);
	return 0;
}

struct ip nlobj_ip(const struct nl_addr *addr) {
	int family = addr ? nl_addr_get_family(addr) : AF_UNSPEC;

	if (family != AF_INET && family != AF_INET6)
		return (struct ip){0};
	return ip_from_bytes(nl_addr_get_binary_addr(addr), nl_addr_get_len(addr));
}

bool nlobj_mac(const struct nl_addr *addr, struct mac *ret) {
	*ret = (struct mac){{0}};
	if (!addr || nl_addr_get_len(addr) != sizeof(ret->bytes))
		return false;
	memcpy(ret->bytes, nl_addr_get_binary_addr(addr), sizeof(ret->bytes));
	return true;
}

struct nl_addr *nlobj_addr(int family, const void *bytes, size_t n) {
	struct nl_addr *addr = nl_addr_build(family, bytes, n);

	if (!addr)
		abort(); /* no memory: as in base/alloc.h */
	return addr;
}
