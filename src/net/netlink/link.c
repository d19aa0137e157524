/* See link.h. Taken apart with libmnl: libnl-route 3.7 reads through a null pointer when a VXLAN device comes without its data. In
 * the tests it is the independent reader. */
#include "net/netlink/link.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/if.h>
#include <linux/if_link.h>
#include <linux/rtnetlink.h>
#include <string.h>

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

static int bad_size(const char *what, const struct nlattr *a, struct err *err) {
	return err_set(err, -EBADMSG, "link: %s of %u bytes", what, mnl_attr_get_payload_len(a));
}

static int take_u32(const struct nlattr *a, const char *what, uint32_t *ret, struct err *err) {
	if (mnl_attr_get_payload_len(a) != sizeof(*ret))
		return bad_size(what, a, err);
	*ret = mnl_attr_get_u32(a);
	return 0;
}

/* Text with or without its end: kinds come with neither a rule nor a need for one. */
static int take_text(const struct nlattr *a, const char *what, char *ret, size_t size, struct err *err) {
	size_t n = strnlen(mnl_attr_get_payload(a), mnl_attr_get_payload_len(a));

	if (n >= size)
		return bad_size(what, a, err);
	memcpy(ret, mnl_attr_get_payload(a), n);
	ret[n] = '\0';
	return 0;
}

/* ---- what only VXLAN devices say ---- */

static int take_flag(const struct nlattr *a, bool *ret, struct err *err) {
	if (mnl_attr_get_payload_len(a) != 1)
		return bad_size("flag", a, err);
	*ret = mnl_attr_get_u8(a) != 0;
	return 0;
}

static int take_local(const struct nlattr *a, struct ip *ret, struct err *err) {
	*ret = ip_from_bytes(mnl_attr_get_payload(a), mnl_attr_get_payload_len(a));
	return ip_is_set(ret) ? 0 : bad_size("local address", a, err);
}

static int take_port(const struct nlattr *a, uint16_t *ret, struct err *err) {
	if (mnl_attr_get_payload_len(a) != sizeof(*ret))
		return bad_size("port", a, err);
	*ret = ntohs(mnl_attr_get_u16(a));
	return 0;
}

static int take_vxlan(struct link_vxlan *v, const struct nlattr *a, struct err *err) {
	switch (mnl_attr_get_type(a)) {
	case IFLA_VXLAN_ID:
		return take_u32(a, "VNI", &v->vni, err);
	case IFLA_VXLAN_PORT:
		return take_port(a, &v->port, err);
	case IFLA_VXLAN_LOCAL:
	case IFLA_VXLAN_LOCAL6:
		return take_local(a, &v->local, err);
	case IFLA_VXLAN_PROXY:
		return take_flag(a, &v->proxy, err);
	case IFLA_VXLAN_LEARNING:
		return take_flag(a, &v->learning, err);
	case IFLA_VXLAN_L2MISS:
		return take_flag(a, &v->l2miss, err);
	case IFLA_VXLAN_L3MISS:
		return take_flag(a, &v->l3miss, err);
	default:
		return 0;
	}
}

static int take_vxlan_nest(struct link_row *row, const struct nlattr *nest, struct err *err) {
	const struct nlattr *a;

	int r = nlsock_check_nest(nest, err);
	if (r < 0)
		return r;
	row->is_vxlan = true;
	nlsock_for_each_nested (a, nest) {
		r = take_vxlan(&row->vxlan, a, err);
		if (r < 0)
			return r;
	}
	return 0;
}

/* ---- what all links say ---- */

static int take_info(struct link_row *row, const struct nlattr *nest, struct err *err) {
	const struct nlattr *a, *data = NULL;

	int r = nlsock_check_nest(nest, err);
	if (r < 0)
		return r;
	nlsock_for_each_nested (a, nest) {
		if (mnl_attr_get_type(a) == IFLA_INFO_KIND)
			r = take_text(a, "kind", row->kind, sizeof(row->kind), err);
		if (mnl_attr_get_type(a) == IFLA_INFO_DATA)
			data = a;
		if (r < 0)
			return r;
	}
	return data && strcmp(row->kind, "vxlan") == 0 ? take_vxlan_nest(row, data, err) : 0;
}

static void take_mac(struct link_row *row, const struct nlattr *a) {
	if (mnl_attr_get_payload_len(a) == sizeof(row->mac))
		memcpy(&row->mac, mnl_attr_get_payload(a), sizeof(row->mac));
}

static int take_attribute(struct link_row *row, const struct nlattr *a, struct err *err) {
	uint32_t nsid = 0;
	int r;

	switch (mnl_attr_get_type(a)) {
	case IFLA_IFNAME:
		return take_text(a, "name", row->name, sizeof(row->name), err);
	case IFLA_MASTER:
		return take_u32(a, "master", &row->master, err);
	case IFLA_LINK:
		return take_u32(a, "peer", &row->peer, err);
	case IFLA_LINK_NETNSID:
		r = take_u32(a, "peer's namespace", &nsid, err);
		row->peer_nsid = r < 0 ? -1 : (int)nsid;
		return r;
	case IFLA_ADDRESS:
		take_mac(row, a);
		return 0;
	case IFLA_LINKINFO:
		return take_info(row, a, err);
	default:
		return 0;
	}
}

int link_parse(const struct nlmsghdr *m, struct link_row *ret, struct err *err) {
	const struct ifinfomsg *info = mnl_nlmsg_get_payload(m);
	const struct nlattr *a;

	int r = check_header(m, err);
	if (r < 0)
		return r;
	struct link_row row = {.ifindex = (unsigned)info->ifi_index, .up = info->ifi_flags & IFF_UP, .peer_nsid = -1};
	nlsock_for_each_attr (a, m, sizeof(*info)) {
		r = take_attribute(&row, a, err);
		if (r < 0)
			return r;
	}
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
	if (r < 0)
		err_wrap(err, "read links");
	return r;
}

int link_set_up(struct nlsock *s, unsigned ifindex, bool up, struct err *err) {
	_Alignas(struct nlmsghdr) char buf[NLSOCK_REQUEST_MAX];
	struct nlmsghdr *m = nlsock_put(buf, RTM_NEWLINK, 0, sizeof(struct ifinfomsg));
	struct ifinfomsg *info = mnl_nlmsg_get_payload(m);

	info->ifi_index = (int)ifindex;
	info->ifi_change = IFF_UP;
	info->ifi_flags = up ? IFF_UP : 0;
	int r = nlsock_request(s, m, err);
	if (r < 0)
		err_wrap(err, "set link %u %s", ifindex, up ? "up" : "down");
	return r;
}
