/* See fdb.h. States and flags mean on the wire what bridge(8) makes of them (iproute2 6.1, bridge/fdb.c): permanent is NOARP with
 * PERMANENT, static is NOARP with REACHABLE, dynamic is REACHABLE. */
#include "net/netlink/fdb.h"

#include <arpa/inet.h>
#include <assert.h>
#include <errno.h>
#include <linux/neighbour.h>
#include <linux/rtnetlink.h>
#include <stdio.h>

#ifndef NTF_STICKY
#define NTF_STICKY (1 << 6) /* Linux 4.20 */
#endif

static const uint16_t state_bits[] = {
	[FDB_LEARNED] = NUD_REACHABLE,
	[FDB_STATIC] = NUD_NOARP | NUD_REACHABLE,
	[FDB_PERMANENT] = NUD_NOARP | NUD_PERMANENT,
};
static_assert(sizeof(state_bits) / sizeof(state_bits[0]) == FDB_STATE_MAX, "every state has its bits");

static const char *const state_names[] = {
	[FDB_LEARNED] = "learned",
	[FDB_STATIC] = "static",
	[FDB_PERMANENT] = "permanent",
};
static_assert(sizeof(state_names) / sizeof(state_names[0]) == FDB_STATE_MAX, "every state has its name");

/* ---- reading ---- */

static enum fdb_state state_of(uint16_t bits) {
	if (bits & NUD_PERMANENT)
		return FDB_PERMANENT;
	return bits & NUD_NOARP ? FDB_STATIC : FDB_LEARNED;
}

/* How long each attribute has to be; 0: not ours to read. NDA_DST: 4 or 16. */
static size_t size_of(uint16_t type) {
	switch (type) {
	case NDA_LLADDR:
		return sizeof(struct mac);
	case NDA_PORT:
	case NDA_VLAN:
		return sizeof(uint16_t);
	case NDA_VNI:
	case NDA_SRC_VNI:
	case NDA_IFINDEX:
	case NDA_MASTER:
	case NDA_NH_ID:
		return sizeof(uint32_t);
	default:
		return 0;
	}
}

static void take_number(struct fdb_row *row, uint16_t type, const struct nlattr *a) {
	switch (type) {
	case NDA_PORT:
		row->port = ntohs(mnl_attr_get_u16(a));
		break;
	case NDA_VLAN:
		row->vlan = mnl_attr_get_u16(a);
		break;
	case NDA_VNI:
		row->vni = mnl_attr_get_u32(a);
		break;
	case NDA_SRC_VNI:
		row->src_vni = mnl_attr_get_u32(a);
		break;
	case NDA_IFINDEX:
		row->via = mnl_attr_get_u32(a);
		break;
	case NDA_MASTER:
		row->master = mnl_attr_get_u32(a);
		break;
	case NDA_NH_ID:
		row->nexthop = mnl_attr_get_u32(a);
		break;
	default:
		break;
	}
}

static int take_attribute(struct fdb_row *row, const struct nlattr *a, struct err *err) {
	uint16_t type = mnl_attr_get_type(a), n = mnl_attr_get_payload_len(a);
	const void *payload = mnl_attr_get_payload(a);

	if (type == NDA_DST) {
		row->dst = ip_from_bytes(payload, n);
		return ip_is_set(&row->dst) ? 0 : err_set(err, -EBADMSG, "FDB row: a remote of %u bytes", n);
	}
	if (size_of(type) == 0)
		return 0;
	if (n != size_of(type))
		return err_set(err, -EBADMSG, "FDB row: attribute %u has %u bytes", type, n);
	if (type == NDA_LLADDR)
		memcpy(&row->mac, payload, sizeof(row->mac));
	else
		take_number(row, type, a);
	return 0;
}

static int take_header(struct fdb_row *row, const struct nlmsghdr *m, struct err *err) {
	const struct ndmsg *nd = mnl_nlmsg_get_payload(m);

	if (m->nlmsg_type != RTM_NEWNEIGH && m->nlmsg_type != RTM_DELNEIGH)
		return err_set(err, -EBADMSG, "not an FDB row: message type %u", m->nlmsg_type);
	int r = nlsock_check(m, sizeof(*nd), err);
	if (r < 0)
		return r;
	if (nd->ndm_family != AF_BRIDGE || nd->ndm_ifindex <= 0)
		return err_set(err, -EBADMSG, "not an FDB row: family %u, link %d", nd->ndm_family, nd->ndm_ifindex);
	*row = (struct fdb_row){
		.ifindex = (unsigned)nd->ndm_ifindex,
		.self = nd->ndm_flags & NTF_SELF,
		.sticky = nd->ndm_flags & NTF_STICKY,
		.external = nd->ndm_flags & NTF_EXT_LEARNED,
		.state = state_of(nd->ndm_state),
	};
	return 0;
}

int fdb_parse(const struct nlmsghdr *m, struct fdb_row *ret, struct err *err) {
	struct fdb_row row = {0};
	const struct nlattr *a;
	bool has_mac = false;

	int r = take_header(&row, m, err);
	if (r < 0)
		return r;
	nlsock_for_each_attr (a, m, sizeof(struct ndmsg)) {
		r = take_attribute(&row, a, err);
		if (r < 0)
			return r;
		has_mac = has_mac || mnl_attr_get_type(a) == NDA_LLADDR;
	}
	if (!has_mac)
		return err_set(err, -EBADMSG, "FDB row without a MAC");
	*ret = row;
	return 0;
}

struct dump {
	unsigned ifindex;
	fdb_fn *fn;
	void *arg;
};

static int dump_row(void *arg, const struct nlmsghdr *m, struct err *err) {
	const struct dump *d = arg;
	struct fdb_row row = {0};

	if (!m)
		return d->fn(d->arg, NULL, err);
	int r = fdb_parse(m, &row, err);
	if (r < 0)
		return r;
	if (d->ifindex && row.ifindex != d->ifindex) /* kernels before 4.20 give all */
		return 0;
	return d->fn(d->arg, &row, err);
}

int fdb_dump(struct nlsock *s, unsigned ifindex, fdb_fn *fn, void *arg, struct err *err) {
	_Alignas(struct nlmsghdr) char buf[NLSOCK_REQUEST_MAX];
	struct nlmsghdr *m = nlsock_put(buf, RTM_GETNEIGH, 0, sizeof(struct ndmsg));
	struct ndmsg *nd = mnl_nlmsg_get_payload(m);
	struct dump d = {.ifindex = ifindex, .fn = fn, .arg = arg};

	nd->ndm_family = AF_BRIDGE;
	nd->ndm_ifindex = (int)ifindex;
	int r = nlsock_dump(s, m, dump_row, &d, err);
	if (r < 0)
		err_wrap(err, "read the FDB");
	return r;
}

/* ---- writing ---- */

static void put_remote(struct nlmsghdr *m, const struct fdb_row *row) {
	if (ip_is_set(&row->dst))
		mnl_attr_put(m, NDA_DST, ip_size(&row->dst), row->dst.bytes);
	if (row->port)
		mnl_attr_put_u16(m, NDA_PORT, htons(row->port));
	if (row->vni)
		mnl_attr_put_u32(m, NDA_VNI, row->vni);
	if (row->src_vni)
		mnl_attr_put_u32(m, NDA_SRC_VNI, row->src_vni);
	if (row->via)
		mnl_attr_put_u32(m, NDA_IFINDEX, row->via);
	if (row->nexthop)
		mnl_attr_put_u32(m, NDA_NH_ID, row->nexthop);
}

static int change(struct nlsock *s, const struct fdb_row *row, uint16_t type, uint16_t flags, struct err *err) {
	_Alignas(struct nlmsghdr) char buf[NLSOCK_REQUEST_MAX];
	struct nlmsghdr *m = nlsock_put(buf, type, flags, sizeof(struct ndmsg));
	struct ndmsg *nd = mnl_nlmsg_get_payload(m);

	assert(row->ifindex && row->state < FDB_STATE_MAX);
	nd->ndm_family = AF_BRIDGE;
	nd->ndm_ifindex = (int)row->ifindex;
	nd->ndm_state = state_bits[row->state];
	nd->ndm_flags = row->self ? NTF_SELF : NTF_MASTER;
	if (row->sticky)
		nd->ndm_flags |= NTF_STICKY;
	if (row->external)
		nd->ndm_flags |= NTF_EXT_LEARNED;
	mnl_attr_put(m, NDA_LLADDR, sizeof(row->mac), row->mac.bytes);
	put_remote(m, row);
	if (row->vlan)
		mnl_attr_put_u16(m, NDA_VLAN, row->vlan);
	return nlsock_request(s, m, err);
}

int fdb_replace(struct nlsock *s, const struct fdb_row *row, struct err *err) {
	char text[FDB_TEXT_MAX];

	int r = change(s, row, RTM_NEWNEIGH, NLM_F_CREATE | NLM_F_REPLACE, err);
	if (r < 0)
		err_wrap(err, "set FDB row %s", fdb_format(row, text));
	return r;
}

int fdb_delete(struct nlsock *s, const struct fdb_row *row, struct err *err) {
	char text[FDB_TEXT_MAX];

	int r = change(s, row, RTM_DELNEIGH, 0, err);
	if (r < 0)
		err_wrap(err, "delete FDB row %s", fdb_format(row, text));
	return r;
}

const char *fdb_format(const struct fdb_row *row, char text[FDB_TEXT_MAX]) {
	char mac[MAC_TEXT_MAX], dst[IP_TEXT_MAX];

	snprintf(text, FDB_TEXT_MAX, "%s dev %u%s%s %s %s%s", mac_format(&row->mac, mac), row->ifindex,
		 ip_is_set(&row->dst) ? " dst " : "", ip_format(&row->dst, dst), row->self ? "self" : "master",
		 state_names[row->state], row->sticky ? " sticky" : "");
	return text;
}
