/* One entry of service discovery: where a service of a container is reached. Pure; no system's own words.
 *
 * An entry is ours when what stands in the system is marked with our cluster and its key. Whatever else stands there is foreign. */
#ifndef DISCOVERY_ENTRY_H
#define DISCOVERY_ENTRY_H

#include "base/err.h"
#include "base/strs.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define DISCOVERY_KEY_MAX 64
#define DISCOVERY_TEXT_MAX 4096 /* of tags and meta together */

struct discovery_entry {
	char *key;      /* stable over all generations, unique in one system: a DNS label, "h0123456789ab-1" */
	char *workload; /* "<cluster>/<ID of its first container>" */
	unsigned generation;
	char *service;          /* a DNS label: [a-z0-9]([a-z0-9-]{0,61}[a-z0-9])? */
	char *address;          /* IPv4, numeric; NULL: none. One of the two is there */
	char *address6;         /* IPv6, numeric */
	uint16_t port;          /* 0: none is known */
	struct strs tags;       /* sorted, unique, without control characters */
	struct strs meta;       /* "key=value", sorted by key; keys [A-Za-z0-9_-]{1,64} */
	char *node, *container; /* where it runs; the container's name */
	bool host;              /* the address is the host's (a published port), not the container's own on an overlay */
};

void discovery_entry_clear(struct discovery_entry *e);
void discovery_entry_copy(struct discovery_entry *to, const struct discovery_entry *from); /* replaces what `to` held */
/* All that clients see, and the marks: nothing needs to be written where it is so. */
bool discovery_entry_equal(const struct discovery_entry *a, const struct discovery_entry *b);
/* -EINVAL with what is wrong: whatever came from labels or from a server is checked by this before it is used. */
int discovery_entry_check(const struct discovery_entry *e, struct err *err);
/* "web at 10.20.0.50:80, generation 2 on h2". Owned. */
char *discovery_entry_text(const struct discovery_entry *e);
/* "<cluster>/<ID>" and the number of the service (from 1) as a key. Returns key. */
const char *discovery_key(const char *workload, unsigned service, char key[DISCOVERY_KEY_MAX]);

bool discovery_is_label(const char *text); /* a DNS label, lower case */

/* One text that holds all of an entry but its key, for systems that have no fields of their own for it:
 * "heir=1 cluster=prod workload=… generation=2 …", URL-escaped values, one space between. Owned. */
char *discovery_entry_encode(const struct discovery_entry *e, const char *cluster);
/* Reads it back. 0: ours; 1: not written by heir of this cluster (nothing is filled); -EINVAL: damaged. The caller sets the key. */
int discovery_entry_decode(const char *text, const char *cluster, struct discovery_entry *ret, struct err *err);

#endif
