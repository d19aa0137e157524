/*
 * The tests' own reader of the kernel: see kernel.h.
 *
 * A thread, not a process, enters the namespace: setns(CLONE_NEWNET) concerns the calling thread only, and results need
 * not be sent through a pipe. A thread that has been in a namespace is never used again.
 */
#include "kernel.h"

#include <arpa/inet.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <libmnl/libmnl.h>
#include <linux/neighbour.h>
#include <linux/rtnetlink.h>
#include <netlink/addr.h>
#include <netlink/cache.h>
#include <netlink/netlink.h>
#include <netlink/route/addr.h>
#include <netlink/route/link.h>
#include <netlink/route/neighbour.h>
#include <pthread.h>
#include <sched.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#ifndef NTF_STICKY
#define NTF_STICKY (1 << 6)
#endif

/* A dump during which the table changed is marked by the kernel and read again: this often. */
enum { DUMP_TRIES = 20 };

static int __attribute__((format(printf, 3, 4))) fail(struct kernel_error *err, int code, const char *format, ...) {
	va_list arguments;

	va_start(arguments, format);
	(void)vsnprintf(err->text, sizeof err->text, format, arguments); /* cut short is fine */
	va_end(arguments);
	return code;
}

/* Make room for one more row and return it, zeroed; NULL without memory. */
static void *add_row(void **rows, size_t *count, size_t size) {
	char *grown = realloc(*rows, (*count + 1) * size);

	if (!grown)
		return NULL;
	*rows = grown;
	return memset(grown + size * (*count)++, 0, size);
}

static void print_mac(char text[static KERNEL_MAC_SIZE], const uint8_t mac[static 6]) {
	(void)snprintf(text, KERNEL_MAC_SIZE, "%02x:%02x:%02x:%02x:%02x:%02x", mac[0], mac[1], mac[2], mac[3], mac[4], mac[5]);
}

/* Names are looked up from inside the namespace. A link that has gone meanwhile gets its number for a name. */
static void print_dev(char name[static IF_NAMESIZE], int index) {
	if (!if_indextoname((unsigned)index, name))
		(void)snprintf(name, IF_NAMESIZE, "#%d", index);
}

/* --- entering a namespace --- */

struct visit {
	const char *netns;
	int (*run)(void *argument);
	void *argument;
	struct kernel_error *err;
	int result;
};

static void *visit_thread(void *data) {
	struct visit *visit = data;
	int fd = open(visit->netns, O_RDONLY | O_CLOEXEC);

	if (fd < 0) {
		visit->result = fail(visit->err, -errno, "open %s: %m", visit->netns);
		return NULL;
	}
	if (setns(fd, CLONE_NEWNET) < 0)
		visit->result = fail(visit->err, -errno, "enter %s: %m", visit->netns);
	close(fd);
	if (visit->result == 0)
		visit->result = visit->run(visit->argument);
	return NULL;
}

int kernel_in_netns(const char *netns, int (*run)(void *argument), void *argument, struct kernel_error *err) {
	struct visit visit = {.netns = netns, .run = run, .argument = argument, .err = err};
	pthread_t thread;
	int r;

	err->text[0] = '\0';
	r = pthread_create(&thread, NULL, visit_thread, &visit);
	if (r != 0)
		return fail(err, -r, "no thread: %s", strerror(r));
	(void)pthread_join(thread, NULL); /* cannot fail: ours, joined once */
	if (visit.result < 0 && err->text[0] == '\0')
		(void)fail(err, visit.result, "in %s: %s", netns, strerror(-visit.result));
	return visit.result;
}

/* --- forwarding database, with libmnl --- */

static int keep_fdb_attribute(const struct nlattr *attribute, void *data) {
	struct kernel_fdb_row *row = data;
	const void *payload = mnl_attr_get_payload(attribute);
	uint16_t size = mnl_attr_get_payload_len(attribute);

	switch (mnl_attr_get_type(attribute)) {
	case NDA_LLADDR:
		if (size == 6)
			print_mac(row->mac, payload);
		break;
	case NDA_DST:
		if (size == 4 || size == 16)
			(void)inet_ntop(size == 4 ? AF_INET : AF_INET6, payload, row->dst, sizeof row->dst);
		break;
	case NDA_MASTER:
		if (size == 4)
			print_dev(row->master, (int)mnl_attr_get_u32(attribute));
		break;
	default:
		break;
	}
	return MNL_CB_OK;
}

static int keep_fdb_row(const struct nlmsghdr *message, void *data) {
	struct kernel_fdb *fdb = data;
	const struct ndmsg *neighbour = mnl_nlmsg_get_payload(message);
	struct kernel_fdb_row *row;

	if (message->nlmsg_type != RTM_NEWNEIGH || neighbour->ndm_family != AF_BRIDGE)
		return MNL_CB_OK;
	row = add_row((void **)&fdb->rows, &fdb->count, sizeof *row);
	if (!row) {
		errno = ENOMEM;
		return MNL_CB_ERROR;
	}
	print_dev(row->dev, neighbour->ndm_ifindex);
	row->state = neighbour->ndm_state;
	row->flags = neighbour->ndm_flags;
	row->self = (neighbour->ndm_flags & NTF_SELF) != 0;
	row->sticky = (neighbour->ndm_flags & NTF_STICKY) != 0;
	row->permanent = (neighbour->ndm_state & NUD_PERMANENT) != 0;
	return mnl_attr_parse(message, sizeof *neighbour, keep_fdb_attribute, row);
}

static int dump_fdb(struct mnl_socket *socket, unsigned sequence, struct kernel_fdb *fdb) {
	_Alignas(struct nlmsghdr) char buffer[32768];
	struct nlmsghdr *request = mnl_nlmsg_put_header(buffer);
	struct ndmsg *neighbour;

	request->nlmsg_type = RTM_GETNEIGH;
	request->nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP;
	request->nlmsg_seq = sequence;
	neighbour = mnl_nlmsg_put_extra_header(request, sizeof *neighbour);
	neighbour->ndm_family = AF_BRIDGE;
	if (mnl_socket_sendto(socket, request, request->nlmsg_len) < 0)
		return -errno;
	for (;;) {
		ssize_t size = mnl_socket_recvfrom(socket, buffer, sizeof buffer);
		int r;

		if (size < 0)
			return -errno;
		r = mnl_cb_run(buffer, (size_t)size, sequence, mnl_socket_get_portid(socket), keep_fdb_row, fdb);
		if (r < 0)
			return -errno;
		if (r == MNL_CB_STOP)
			return 0;
	}
}

/* A fresh socket for each try: of an interrupted dump, answers are still on their way to the old one. */
static int read_fdb_once(void *data) {
	struct mnl_socket *socket = mnl_socket_open2(NETLINK_ROUTE, SOCK_CLOEXEC);
	int r;

	if (!socket)
		return -errno;
	r = mnl_socket_bind(socket, 0, MNL_SOCKET_AUTOPID) < 0 ? -errno : dump_fdb(socket, 1, data);
	(void)mnl_socket_close(socket); /* nothing was written */
	return r;
}

int kernel_read_fdb(const char *netns, struct kernel_fdb *ret_fdb, struct kernel_error *err) {
	for (int try = 0;; try++) {
		struct kernel_fdb fdb = {0};
		int r = kernel_in_netns(netns, read_fdb_once, &fdb, err);

		if (r == 0) {
			*ret_fdb = fdb;
			return 0;
		}
		kernel_fdb_free(&fdb);
		if (r != -EINTR || try >= DUMP_TRIES)
			return r;
	}
}

/* --- links, addresses, neighbours, with libnl-route-3 --- */

/* What to list and how to keep one object of it. */
struct listing {
	int (*fill)(struct nl_sock *socket, struct nl_cache **ret_cache);
	int (*keep)(struct nl_object *object, void *rows);
	void *rows;
};

/* libnl has error numbers of its own. */
static int from_libnl(int r) {
	switch (-r) {
	case NLE_NOMEM:
		return -ENOMEM;
	case NLE_PERM:
		return -EPERM;
	case NLE_DUMP_INTR:
		return -EINTR;
	default:
		return -EIO;
	}
}

static int list(void *data) {
	const struct listing *listing = data;
	struct nl_sock *socket = nl_socket_alloc();
	struct nl_cache *cache = NULL;
	int r;

	if (!socket)
		return -ENOMEM;
	r = nl_connect(socket, NETLINK_ROUTE);
	for (int try = 0; r == 0 && !cache && try < DUMP_TRIES; try++) {
		r = listing->fill(socket, &cache);
		if (r == -NLE_DUMP_INTR)
			r = 0;
	}
	r = r < 0 ? from_libnl(r) : cache ? 0 : -EINTR;
	if (r == 0) {
		struct nl_object *object = nl_cache_get_first(cache);

		for (; object && r == 0; object = nl_cache_get_next(object))
			r = listing->keep(object, listing->rows);
	}
	nl_cache_free(cache);
	nl_socket_free(socket);
	return r;
}

static void print_nl_mac(char text[static KERNEL_MAC_SIZE], const struct nl_addr *address) {
	if (address && nl_addr_get_len(address) == 6)
		print_mac(text, nl_addr_get_binary_addr(address));
}

static void print_nl_ip(char text[static INET6_ADDRSTRLEN], const struct nl_addr *address) {
	int family = address ? nl_addr_get_family(address) : AF_UNSPEC;

	if (family == AF_INET || family == AF_INET6)
		(void)inet_ntop(family, nl_addr_get_binary_addr(address), text, INET6_ADDRSTRLEN);
}

static int fill_links(struct nl_sock *socket, struct nl_cache **ret_cache) {
	return rtnl_link_alloc_cache(socket, AF_UNSPEC, ret_cache);
}

static int keep_link(struct nl_object *object, void *data) {
	struct rtnl_link *link = (struct rtnl_link *)object;
	struct kernel_links *links = data;
	struct kernel_link *row = add_row((void **)&links->rows, &links->count, sizeof *row);
	const char *kind = rtnl_link_get_type(link);

	if (!row)
		return -ENOMEM;
	row->index = rtnl_link_get_ifindex(link);
	row->peer = rtnl_link_get_link(link);
	row->master = rtnl_link_get_master(link);
	row->up = (rtnl_link_get_flags(link) & IFF_UP) != 0;
	(void)snprintf(row->name, sizeof row->name, "%s", rtnl_link_get_name(link));
	(void)snprintf(row->kind, sizeof row->kind, "%s", kind ? kind : "");
	print_nl_mac(row->mac, rtnl_link_get_addr(link));
	return 0;
}

static int fill_addresses(struct nl_sock *socket, struct nl_cache **ret_cache) { return rtnl_addr_alloc_cache(socket, ret_cache); }

static int keep_address(struct nl_object *object, void *data) {
	struct rtnl_addr *address = (struct rtnl_addr *)object;
	struct kernel_addresses *addresses = data;
	struct kernel_address *row = add_row((void **)&addresses->rows, &addresses->count, sizeof *row);

	if (!row)
		return -ENOMEM;
	print_dev(row->dev, rtnl_addr_get_ifindex(address));
	print_nl_ip(row->address, rtnl_addr_get_local(address));
	row->prefix = rtnl_addr_get_prefixlen(address);
	return 0;
}

static int fill_neighbours(struct nl_sock *socket, struct nl_cache **ret_cache) {
	return rtnl_neigh_alloc_cache(socket, ret_cache);
}

static int keep_neighbour(struct nl_object *object, void *data) {
	struct rtnl_neigh *neighbour = (struct rtnl_neigh *)object;
	struct kernel_neighbours *neighbours = data;
	struct kernel_neighbour *row = add_row((void **)&neighbours->rows, &neighbours->count, sizeof *row);

	if (!row)
		return -ENOMEM;
	print_dev(row->dev, rtnl_neigh_get_ifindex(neighbour));
	print_nl_ip(row->address, rtnl_neigh_get_dst(neighbour));
	print_nl_mac(row->mac, rtnl_neigh_get_lladdr(neighbour));
	row->state = rtnl_neigh_get_state(neighbour);
	return 0;
}

int kernel_read_links(const char *netns, struct kernel_links *ret_links, struct kernel_error *err) {
	struct kernel_links links = {0};
	struct listing listing = {fill_links, keep_link, &links};
	int r = kernel_in_netns(netns, list, &listing, err);

	if (r < 0)
		kernel_links_free(&links);
	else
		*ret_links = links;
	return r;
}

int kernel_read_addresses(const char *netns, struct kernel_addresses *ret_addresses, struct kernel_error *err) {
	struct kernel_addresses addresses = {0};
	struct listing listing = {fill_addresses, keep_address, &addresses};
	int r = kernel_in_netns(netns, list, &listing, err);

	if (r < 0)
		kernel_addresses_free(&addresses);
	else
		*ret_addresses = addresses;
	return r;
}

int kernel_read_neighbours(const char *netns, struct kernel_neighbours *ret_neighbours, struct kernel_error *err) {
	struct kernel_neighbours neighbours = {0};
	struct listing listing = {fill_neighbours, keep_neighbour, &neighbours};
	int r = kernel_in_netns(netns, list, &listing, err);

	if (r < 0)
		kernel_neighbours_free(&neighbours);
	else
		*ret_neighbours = neighbours;
	return r;
}

void kernel_fdb_free(struct kernel_fdb *fdb) {
	free(fdb->rows);
	*fdb = (struct kernel_fdb){0};
}

void kernel_links_free(struct kernel_links *links) {
	free(links->rows);
	*links = (struct kernel_links){0};
}

void kernel_addresses_free(struct kernel_addresses *addresses) {
	free(addresses->rows);
	*addresses = (struct kernel_addresses){0};
}

void kernel_neighbours_free(struct kernel_neighbours *neighbours) {
	free(neighbours->rows);
	*neighbours = (struct kernel_neighbours){0};
}

/* --- finding rows --- */

const struct kernel_fdb_row *kernel_find_vtep_row(const struct kernel_fdb *fdb, const char *mac, const char *dev) {
	for (size_t i = 0; i < fdb->count; i++) {
		const struct kernel_fdb_row *row = &fdb->rows[i];

		if (row->self && row->dst[0] && strcmp(row->mac, mac) == 0 && (!dev || strcmp(row->dev, dev) == 0))
			return row;
	}
	return NULL;
}

const struct kernel_fdb_row *kernel_find_port_row(const struct kernel_fdb *fdb, const char *mac, const char *master) {
	for (size_t i = 0; i < fdb->count; i++) {
		const struct kernel_fdb_row *row = &fdb->rows[i];

		if (row->master[0] && strcmp(row->mac, mac) == 0 && (!master || strcmp(row->master, master) == 0))
			return row;
	}
	return NULL;
}

const struct kernel_link *kernel_find_link(const struct kernel_links *links, const char *name) {
	for (size_t i = 0; i < links->count; i++)
		if (strcmp(links->rows[i].name, name) == 0)
			return &links->rows[i];
	return NULL;
}

const struct kernel_address *kernel_find_address(const struct kernel_addresses *addresses, const char *address) {
	for (size_t i = 0; i < addresses->count; i++)
		if (strcmp(addresses->rows[i].address, address) == 0)
			return &addresses->rows[i];
	return NULL;
}

const struct kernel_neighbour *kernel_find_neighbour(const struct kernel_neighbours *neighbours, const char *address,
						     const char *dev) {
	for (size_t i = 0; i < neighbours->count; i++) {
		const struct kernel_neighbour *row = &neighbours->rows[i];

		if (strcmp(row->address, address) == 0 && (!dev || strcmp(row->dev, dev) == 0))
			return row;
	}
	return NULL;
}

/* --- where namespaces are --- */

/* The first process of a host of the lab, which lives as long as the host is on. */
static int host_init(const char *lab, const char *host, long *ret_pid, struct kernel_error *err) {
	char path[PATH_MAX];
	FILE *file;
	long pid = 0;

	(void)snprintf(path, sizeof path, "/run/heir-lab/%s/%s/init.pid", lab, host);
	file = fopen(path, "re");
	if (!file)
		return fail(err, -errno, "%s of lab %s is off: %s: %m", host, lab, path);
	if (fscanf(file, "%ld", &pid) != 1 || pid <= 1)
		pid = 0;
	(void)fclose(file); /* was only read */
	if (pid == 0)
		return fail(err, -EINVAL, "%s holds no PID", path);
	*ret_pid = pid;
	return 0;
}

int kernel_overlay_netns(const char *lab, const char *host, const char *network_id, char ret_path[static PATH_MAX],
			 struct kernel_error *err) {
	char folder[PATH_MAX];
	const struct dirent *entry;
	DIR *names;
	long pid = 0;
	int r;

	r = host_init(lab, host, &pid, err);
	if (r < 0)
		return r;
	(void)snprintf(folder, sizeof folder, "/proc/%ld/root/run/docker/netns", pid);
	names = opendir(folder);
	if (!names)
		return fail(err, -errno, "%s: %m", folder);
	r = -ENOENT;
	while (r != 0 && (entry = readdir(names))) {
		const char *dash = strchr(entry->d_name, '-');

		/* "1-...", not "lb_…": a load balancer's has the same ID in it but no dash */
		if (!dash || strlen(dash + 1) != 10 || strncmp(dash + 1, network_id, 10) != 0)
			continue;
		if (snprintf(ret_path, PATH_MAX, "%s/%s", folder, entry->d_name) < PATH_MAX)
			r = 0;
	}
	(void)closedir(names); /* was only read */
	if (r < 0)
		return fail(err, r, "%s has not joined network %.10s: no such namespace in %s", host, network_id, folder);
	return 0;
}

int kernel_host_netns(const char *lab, const char *host, char ret_path[static PATH_MAX], struct kernel_error *err) {
	char path[PATH_MAX];

	(void)snprintf(path, sizeof path, "/run/netns/heir-%s-%s", lab, host);
	if (access(path, F_OK) < 0)
		return fail(err, -errno, "%s of lab %s is off: %s: %m", host, lab, path);
	memcpy(ret_path, path, strlen(path) + 1);
	return 0;
}

int kernel_container_netns(pid_t pid, char ret_path[static PATH_MAX], struct kernel_error *err) {
	char path[PATH_MAX];

	(void)snprintf(path, sizeof path, "/proc/%ld/ns/net", (long)pid);
	if (pid <= 0 || access(path, F_OK) < 0)
		return fail(err, -ENOENT, "there is no process %ld", (long)pid);
	memcpy(ret_path, path, strlen(path) + 1);
	return 0;
}
