/* See neigh.h. */
#include "net/netlink/neigh.h"

#include "net/netlink/nlobj.h"

#include <errno.h>
#include <linux/neighbour.h>
#include <linux/rtnetlink.h>
#include <netlink/route/neighbour.h>
#include <stdlib.h>

CLEANUP_DEFINE(rtnl_neigh, struct rtnl_neigh, rtnl_neigh_put)
#define CLEANUP_RTNL_NEIGH CLEANUP(cleanup_rtnl_neigh)

bool neigh_is_permanent(const struct neigh_row *row) { return row->state & NUD_PERMANENT; }

static int check_header(const struct nlmsghdr *m, struct err *err) {
	const struct ndmsg *nd = mnl_nlmsg_get_payload(m);

	if (m->nlmsg_type != RTM_NEWNEIGH && m->nlmsg_type != RTM_DELNEIGH)
		return err_set(err, -EBADMSG, "not a neighbour: message type %u", m->nlmsg_type);
	int r = nlsock_check(m, sizeof(*nd), err);
	if (r < 0)
		return r;
	if ((nd->ndm_family != AF_INET && nd->ndm_family != AF_INET6) || nd->ndm_ifindex <= 0)
		return err_set(err, -EBADMSG, "not a neighbour: family %u, link %d", nd->ndm_family, nd->ndm_ifindex);
	return 0;
}

int neigh_parse(const struct nlmsghdr *m, struct neigh_row *ret, struct err *err) {
	struct rtnl_neigh *n CLEANUP_RTNL_NEIGH = NULL;

	int r = check_header(m, err);
	if (r < 0)
		return r;
	const struct ndmsg *nd = mnl_nlmsg_get_payload(m);
	r = rtnl_neigh_parse((struct nlmsghdr *)(uintptr_t)m, &n); /* only reads it */
	if (r < 0)
		return err_set(err, -EBADMSG, "neighbour: %s", nl_geterror(r));
	struct neigh_row row = {
		.ip = nlobj_ip(rtnl_neigh_get_dst(n)),
		.ifindex = (unsigned)nd->ndm_ifindex,
		.state = nd->ndm_state,
		.external = nd->ndm_flags & NTF_EXT_LEARNED,
	};
	row.has_mac = nlobj_mac(rtnl_neigh_get_lladdr(n), &row.mac);
	if (row.ip.family != nd->ndm_family)
		return err_set(err, -EBADMSG, "neighbour without an address of its family");
	*ret = row;
	return 0;
}

struct dump {
	unsigned ifindex;
	neigh_fn *fn;
	void *arg;
};

static int dump_row(void *arg, const struct nlmsghdr *m, struct err *err) {
	const struct dump *d = arg;
	struct neigh_row row = {0};

	if (!m)
		return d->fn(d->arg, NULL, err);
	const struct ndmsg *nd = mnl_nlmsg_get_payload(m);
	if (m->nlmsg_len >= mnl_nlmsg_size(sizeof(*nd)) && nd->ndm_family != AF_INET && nd->ndm_family != AF_INET6)
		return 0; /* other protocols have neighbours, too */
	int r = neigh_parse(m, &row, err);
	if (r < 0)
		return r;
	if (d->ifindex && row.ifindex != d->ifindex) /* kernels before 4.20 give all */
		return 0;
	return d->fn(d->arg, &row, err);
}

int neigh_dump(struct nlsock *s, unsigned ifindex, neigh_fn *fn, void *arg, struct err *err) {
	_Alignas(struct nlmsghdr) char buf[NLSOCK_REQUEST_MAX];
	struct nlmsghdr *m = nlsock_put(buf, RTM_GETNEIGH, 0, sizeof(struct ndmsg));
	struct dump d = {.ifindex = ifindex, .fn = fn, .arg = arg};

	if (ifindex)
		mnl_attr_put_u32(m, NDA_IFINDEX, ifindex);
	int r = nlsock_dump(s, m, dump_row, &d, err);
	if (r < 0)
		err_wrap(err, "read neighbours");
	return r;
}

static struct rtnl_neigh *make_row(unsigned ifindex, const struct ip *ip) {
	struct nl_addr *dst CLEANUP_NL_ADDR = nlobj_addr(ip->family, ip->bytes, ip_size(ip));
	struct rtnl_neigh *n = rtnl_neigh_alloc();

	if (!n)
		abort(); /* no memory: as in base/alloc.h */
	rtnl_neigh_set_ifindex(n, (int)ifindex);
	(void)rtnl_neigh_set_dst(n, dst); /* fails for another family than was set before: none was */
	return n;
}

/* r is of the libnl function that built the message. */
static int send_built(struct nlsock *s, int r, struct nl_msg *msg, struct err *err) {
	if (r < 0)
		return err_set(err, -EINVAL, "%s", nl_geterror(r));
	return nlsock_request(s, nlmsg_hdr(msg), err);
}

int neigh_replace_permanent(struct nlsock *s, unsigned ifindex, const struct ip *ip, const struct mac *mac, struct err *err) {
	struct rtnl_neigh *n CLEANUP_RTNL_NEIGH = make_row(ifindex, ip);
	struct nl_addr *lladdr CLEANUP_NL_ADDR = nlobj_addr(AF_LLC, mac->bytes, sizeof(mac->bytes));
	struct nl_msg *msg CLEANUP_NL_MSG = NULL;
	char text[IP_TEXT_MAX];

	rtnl_neigh_set_lladdr(n, lladdr);
	rtnl_neigh_set_state(n, NUD_PERMANENT);
	int r = rtnl_neigh_build_add_request(n, NLM_F_CREATE | NLM_F_REPLACE, &msg);
	r = send_built(s, r, msg, err);
	if (r < 0)
		err_wrap(err, "set neighbour %s of link %u", ip_format(ip, text), ifindex);
	return r;
}

int neigh_delete(struct nlsock *s, unsigned ifindex, const struct ip *ip, struct err *err) {
	struct rtnl_neigh *n CLEANUP_RTNL_NEIGH = make_row(ifindex, ip);
	struct nl_msg *msg CLEANUP_NL_MSG = NULL;
	char text[IP_TEXT_MAX];

	int r = rtnl_neigh_build_delete_request(n, 0, &msg);
	r = send_built(s, r, msg, err);
	if (r < 0)
		err_wrap(err, "delete neighbour %s of link %u", ip_format(ip, text), ifindex);
	return r;
}
