/* See addr.h. */
#include "net/netlink/addr.h"

#include "net/netlink/nlobj.h"

#include <errno.h>
#include <linux/if_addr.h>
#include <linux/rtnetlink.h>
#include <netlink/route/addr.h>

static int check_header(const struct nlmsghdr *m, struct err *err) {
	const struct ifaddrmsg *ifa = mnl_nlmsg_get_payload(m);

	if (m->nlmsg_type != RTM_NEWADDR && m->nlmsg_type != RTM_DELADDR)
		return err_set(err, -EBADMSG, "not an address: message type %u", m->nlmsg_type);
	int r = nlsock_check(m, sizeof(*ifa), err);
	if (r < 0)
		return r;
	unsigned bits = ifa->ifa_family == AF_INET ? 32 : ifa->ifa_family == AF_INET6 ? 128 : 0;
	if (bits == 0 || ifa->ifa_prefixlen > bits || ifa->ifa_index == 0)
		return err_set(err, -EBADMSG, "not an address: family %u, prefix %u, link %u", ifa->ifa_family, ifa->ifa_prefixlen,
			       ifa->ifa_index);
	return 0;
}

/* libnl makes 0.0.0.0 of an address that is not there. */
static bool has_address(const struct nlmsghdr *m) {
	const struct nlattr *a;
	bool found = false;

	nlsock_for_each_attr (a, m, sizeof(struct ifaddrmsg))
		found = found || mnl_attr_get_type(a) == IFA_LOCAL || mnl_attr_get_type(a) == IFA_ADDRESS;
	return found;
}

int addr_parse(const struct nlmsghdr *m, struct addr_row *ret, struct err *err) {
	struct nl_object *object CLEANUP_NL_OBJECT = NULL;

	int r = check_header(m, err);
	if (r == 0)
		r = nlobj_parse(m, &object, err);
	if (r < 0)
		return r;
	const struct ifaddrmsg *ifa = mnl_nlmsg_get_payload(m);
	struct rtnl_addr *addr = (struct rtnl_addr *)object;
	struct addr_row row = {
		.ifindex = ifa->ifa_index,
		.ip = nlobj_ip(rtnl_addr_get_local(addr)),
		.prefix = ifa->ifa_prefixlen,
		.tentative = rtnl_addr_get_flags(addr) & (IFA_F_TENTATIVE | IFA_F_DADFAILED),
	};
	if (row.ip.family != ifa->ifa_family || !has_address(m))
		return err_set(err, -EBADMSG, "address row without an address of its family");
	*ret = row;
	return 0;
}

struct dump {
	addr_fn *fn;
	void *arg;
};

static int dump_row(void *arg, const struct nlmsghdr *m, struct err *err) {
	const struct dump *d = arg;
	struct addr_row row;

	if (!m)
		return d->fn(d->arg, NULL, err);
	const struct ifaddrmsg *ifa = mnl_nlmsg_get_payload(m);
	if (m->nlmsg_len >= mnl_nlmsg_size(sizeof(*ifa)) && ifa->ifa_family != AF_INET && ifa->ifa_family != AF_INET6)
		return 0; /* other protocols have addresses, too */
	int r = addr_parse(m, &row, err);
	return r < 0 ? r : d->fn(d->arg, &row, err);
}

int addr_dump(struct nlsock *s, addr_fn *fn, void *arg, struct err *err) {
	_Alignas(struct nlmsghdr) char buf[NLSOCK_REQUEST_MAX];
	struct nlmsghdr *m = nlsock_put(buf, RTM_GETADDR, 0, sizeof(struct ifaddrmsg));
	struct dump d = {.fn = fn, .arg = arg};

	int r = nlsock_dump(s, m, dump_row, &d, err);
	if (r < 0)
		err_wrap(err, "read addresses");
	return r;
}
