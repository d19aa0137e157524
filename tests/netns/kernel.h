/*
 * The tests' own reader of the kernel.
 *
 * What heir says about addresses and forwarding rows is checked against the kernel by code that shares nothing with heir:
 * no header, no parser, no socket. libnl-route-3 reads links, addresses and neighbours. It returns no AF_BRIDGE rows, so
 * the forwarding database (FDB) is read with libmnl.
 *
 * Every reader takes the path of a network namespace and works in a thread of its own that enters it and ends there: the
 * caller stays where it is. Needs root. Addresses are text as the API prints them ("10.20.0.50", "02:42:0a:14:00:32",
 * lower case), so that they compare with JSON; an absent one is "".
 *
 * Functions return 0 or a negative errno with a message in err, and leave ret_ parameters untouched on failure.
 */
#ifndef TESTS_NETNS_KERNEL_H
#define TESTS_NETNS_KERNEL_H

#include <limits.h>
#include <net/if.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

enum { KERNEL_MAC_SIZE = sizeof "02:42:0a:14:00:32" };

struct kernel_error {
	char text[512];
};

/*
 * One row of the FDB. There are two tables in one dump. Rows of the VXLAN device itself (self) say which VTEP has a MAC:
 * dev, dst. Rows of the bridge (master is its name) say which port has a MAC: dev.
 */
struct kernel_fdb_row {
	char mac[KERNEL_MAC_SIZE];
	char dst[INET6_ADDRSTRLEN]; /* VTEP, "" in a bridge's row */
	char dev[IF_NAMESIZE];
	char master[IF_NAMESIZE]; /* "" in a device's own row */
	bool self;
	bool permanent; /* NUD_PERMANENT */
	bool sticky;    /* NTF_STICKY: learning does not move it */
	uint16_t state; /* NUD_... */
	uint8_t flags;  /* NTF_... */
};

struct kernel_fdb {
	struct kernel_fdb_row *rows;
	size_t count;
};

struct kernel_link {
	int index;
	int peer; /* IFLA_LINK: of a veth its other end's index, in another namespace; 0 for none */
	int master;
	bool up; /* as set by the administrator */
	char name[IF_NAMESIZE];
	char mac[KERNEL_MAC_SIZE];
	char kind[32]; /* "veth", "bridge", "vxlan", or "" */
};

struct kernel_links {
	struct kernel_link *rows;
	size_t count;
};

struct kernel_address {
	char dev[IF_NAMESIZE];
	char address[INET6_ADDRSTRLEN];
	int prefix;
};

struct kernel_addresses {
	struct kernel_address *rows;
	size_t count;
};

struct kernel_neighbour {
	char address[INET6_ADDRSTRLEN];
	char mac[KERNEL_MAC_SIZE];
	char dev[IF_NAMESIZE];
	int state; /* NUD_... */
};

struct kernel_neighbours {
	struct kernel_neighbour *rows;
	size_t count;
};

/* The caller frees what was read. Freeing a zeroed or freed one does nothing. */
int kernel_read_fdb(const char *netns, struct kernel_fdb *ret_fdb, struct kernel_error *err);
int kernel_read_links(const char *netns, struct kernel_links *ret_links, struct kernel_error *err);
int kernel_read_addresses(const char *netns, struct kernel_addresses *ret_addresses, struct kernel_error *err);
int kernel_read_neighbours(const char *netns, struct kernel_neighbours *ret_neighbours, struct kernel_error *err);

void kernel_fdb_free(struct kernel_fdb *fdb);
void kernel_links_free(struct kernel_links *links);
void kernel_addresses_free(struct kernel_addresses *addresses);
void kernel_neighbours_free(struct kernel_neighbours *neighbours);

/* Find in what was read: the first match, borrowed, or NULL. A NULL dev matches any. */
const struct kernel_fdb_row *kernel_find_vtep_row(const struct kernel_fdb *fdb, const char *mac, const char *dev);
const struct kernel_fdb_row *kernel_find_port_row(const struct kernel_fdb *fdb, const char *mac, const char *master);
const struct kernel_link *kernel_find_link(const struct kernel_links *links, const char *name);
const struct kernel_address *kernel_find_address(const struct kernel_addresses *addresses, const char *address);
const struct kernel_neighbour *kernel_find_neighbour(const struct kernel_neighbours *neighbours, const char *address,
						     const char *dev);

/*
 * Call run(argument) in a thread inside the namespace and wait for it. Its result, 0 or a negative errno, is returned.
 * Sockets it opens stay in that namespace, and may be handed back and used outside.
 */
int kernel_in_netns(const char *netns, int (*run)(void *argument), void *argument, struct kernel_error *err);

/*
 * Where namespaces are. Paths are valid as long as the host, engine or process they belong to runs; they are not opened.
 *
 * An overlay network's namespace on a host of the lab is "<n>-<first 10 of the network's ID>" and can be seen only in the
 * engine's mount namespace: it is reached through the host's first process. It exists while a container of that host uses
 * the network: -ENOENT otherwise.
 */
int kernel_overlay_netns(const char *lab, const char *host, const char *network_id, char ret_path[static PATH_MAX],
			 struct kernel_error *err);
int kernel_host_netns(const char *lab, const char *host, char ret_path[static PATH_MAX], struct kernel_error *err);
int kernel_container_netns(pid_t pid, char ret_path[static PATH_MAX], struct kernel_error *err);

#endif
