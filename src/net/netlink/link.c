/* See link.h. */
#include "net/netlink/link.h"

#include "net/netlink/nlobj.h"

#include <errno.h>
#include <linux/if.h>
#include <linux/rtnetlink.h>
#include <netlink/route/link.h>
#include <netlink/route/link/vxlan.h>
#include <stdio.h>
#include <string.h>

#define VXLAN_PORT 4789 /* IANA's, which the kernel says even where it was not set */

static int check_header(const struct nlmsghdr *m, struct err *err) {
	const struct ifinfomsg *info = mnl_nlmsg_get_payload(m);

	if (m->nlmsg_type != RTM_NEWLINK && m->nlmsg_type != RTM_DELLINK)
		return err_set(err, -EBADMSG, "not a link: message type %u", m->nlmsg_type);
	int r = nlsock_check(m, sizeof(*info), err);
	if (r < 0)
		return r;
	if (info->ifi_family != AF_UNSPEC || info->ifi_index <= 0)
		return err_set(err, -EBADMSG, "not a link: family %u, number %d", info->ifi_family, info->ifi_index);
	return 0;
}

static struct link_vxlan vxlan_of(struct rtnl_link *link) {
	struct nl_addr *local CLEANUP_NL_ADDR = NULL;
	uint32_t vni = 0, port = VXLAN_PORT;

	/* What a device does not say stays as it is. */
	(void)rtnl_link_vxlan_get_id(link, &vni);
	(void)rtnl_link_vxlan_get_port(link, &port);
	(void)rtnl_link_vxlan_get_local(link, &local);
	return (struct link_vxlan){
		.vni = vni,
		.port = (uint16_t)port,
		.local = nlobj_ip(local),
		.proxy = rtnl_link_vxlan_get_proxy(link) > 0,
		.learning = rtnl_link_vxlan_get_learning(link) > 0,
		.l2miss = rtnl_link_vxlan_get_l2miss(link) > 0,
		.l3miss = rtnl_link_vxlan_get_l3miss(link) > 0,
	};
}

static struct link_row row_of(struct rtnl_link *link) {
	const char *kind = rtnl_link_get_type(link), *name = rtnl_link_get_name(link);
	struct link_row row = {
		.ifindex = (unsigned)rtnl_link_get_ifindex(link),
		.up = rtnl_link_get_flags(link) & IFF_UP,
		.master = (unsigned)rtnl_link_get_master(link),
		.peer = (unsigned)rtnl_link_get_link(link),
		.peer_nsid = -1,
		.is_vxlan = rtnl_link_is_vxlan(link),
	};
	int32_t nsid = -1;

	if (rtnl_link_get_link_netnsid(link, &nsid) == 0)
		row.peer_nsid = nsid;
	snprintf(row.name, sizeof(row.name), "%s", name ? name : "");
	snprintf(row.kind, sizeof(row.kind), "%s", kind ? kind : "");
	(void)nlobj_mac(rtnl_link_get_addr(link), &row.mac); /* zeroes do */
	if (row.is_vxlan)
		row.vxlan = vxlan_of(link);
	return row;
}

int link_parse(const struct nlmsghdr *m, struct link_row *ret, struct err *err) {
	struct nl_object *object CLEANUP_NL_OBJECT = NULL;

	int r = check_header(m, err);
	if (r == 0)
		r = nlobj_parse(m, &object, err);
	if (r < 0)
		return r;
	struct link_row row = row_of((struct rtnl_link *)object);
	if (!row.name[0])
		return err_set(err, -EBADMSG, "link %u without a name", row.ifindex);
	*ret = row;
	return 0;
}

struct dump {
	link_fn *fn;
	void *arg;
};

static int dump_row(void *arg, const struct nlmsghdr *m, struct err *err) {
	const struct dump *d = arg;
	struct link_row row;

	if (!m)
		return d->fn(d->arg, NULL, err);
	int r = link_parse(m, &row, err);
	return r < 0 ? r : d->fn(d->arg, &row, err);
}

int link_dump(struct nlsock *s, link_fn *fn, void *arg, struct err *err) {
	_Alignas(struct nlmsghdr) char buf[NLSOCK_REQUEST_MAX];
	struct nlmsghdr *m = nlsock_put(buf, RTM_GETLINK, 0, sizeof(struct ifinfomsg));
	struct dump d = {.fn = fn, .arg = arg};

	mnl_attr_put_u32(m, IFLA_EXT_MASK, RTEXT_FILTER_SKIP_STATS);
	int r = nlsock_dump(s, m, dump_row, &d, err);
	return r < 0 ? err_wrap(err, "read links") : 0;
}

int link_set_up(struct nlsock *s, unsigned ifindex, bool up, struct err *err) {
	_Alignas(struct nlmsghdr) char buf[NLSOCK_REQUEST_MAX];
	struct nlmsghdr *m = nlsock_put(buf, RTM_NEWLINK, 0, sizeof(struct ifinfomsg));
	struct ifinfomsg *info = mnl_nlmsg_get_payload(m);

	info->ifi_index = (int)ifindex;
	info->ifi_change = IFF_UP;
	info->ifi_flags = up ? IFF_UP : 0;
	int r = nlsock_request(s, m, err);
	return r < 0 ? err_wrap(err, "set link %u %s", ifindex, up ? "up" : "down") : 0;
}
