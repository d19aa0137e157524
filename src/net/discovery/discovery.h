/* A system of service discovery behind a vtable: Consul, SkyDNS keys in etcd, a DNS zone, the engines' own DNS.
 *
 * A system only says what stands in it and changes one entry at a time, by compare-and-set: what is changed must still be what the
 * caller saw. Which entries there are to be, retries and their delays, and what is a conflict: publisher.h.
 *
 * Contract. One loop thread. No callback runs inside the call that asked; each runs exactly once, unless the system is freed
 * before. Freeing it cancels everything and no callback follows. Every call ends by itself within `timeout`. Any number of calls
 * may be under way at once; the publisher bounds them. Errors, as a negative result with err filled ("consul: 10.0.0.1:8500:
 * Connection refused"; never a secret):
 *
 *   -ESTALE  it is not what was compared with (any more): nothing was changed; look again
 *   -EEXIST  something foreign is there: nothing was changed; err says what, in quotes
 *   -EACCES  the credentials were refused
 *   -EPROTO  the answer cannot be understood, or as things are now it cannot be asked
 *   -EINVAL  this entry can never be held by this system (as a name outside its zone); err says why
 *   -ENOTCONN it did not get there: nothing was changed
 *   -ETIMEDOUT, -EIO  the outcome is not known: look before doing it again */
#ifndef DISCOVERY_DISCOVERY_H
#define DISCOVERY_DISCOVERY_H

#include "net/discovery/entry.h"

#include "base/mono.h"
#include "http/client.h"

#include <uv.h>

/* What stands in a system under one key. */
struct discovery_found {
	struct discovery_entry entry; /* its key always; of a foreign one nothing else */
	bool foreign;                 /* not ours: `content` says what it is */
	bool incomplete; /* ours, and parts of it are missing or wrong (a reverse record, a second address): set it again */
	char *version;   /* what compare-and-set compares with; means nothing to others. Never NULL */
	char *content;   /* for people, of a foreign one and of an incomplete one; NULL */
};

void discovery_found_clear(struct discovery_found *f);

/* What was found, all of it ours or in the way of ours. Valid during the call; the callee may take fields and leave them NULL. */
typedef void discovery_list_fn(void *user, int result, struct discovery_found *found, size_t n, const struct err *err);
/* version: of what stands there now (0 of a set); NULL otherwise. `err` with a result of 0: a warning, as of a reverse record that
 * is foreign and was left; NULL: none. */
typedef void discovery_done_fn(void *user, int result, const char *version, const struct err *err);

struct discovery;

struct discovery_ops {
	const char *kind; /* "consul" */
	/* Every entry of ours, and what foreign stands where one of `wanted` is to be. */
	void (*list)(struct discovery *d, const struct discovery_entry *const *wanted, size_t n, discovery_list_fn *done,
		     void *user);
	/* The same of one key only. */
	void (*look)(struct discovery *d, const struct discovery_entry *wanted, discovery_list_fn *done, void *user);
	/* Makes it so. was: what stands there, as it was found or set last; NULL: nothing does. A foreign `was` is overwritten: the
	 * caller knows that it may be (adopted by the configuration). */
	void (*set)(struct discovery *d, const struct discovery_entry *wanted, const struct discovery_found *was,
		    discovery_done_fn *done, void *user);
	/* Takes it away. One that is not there any more counts as done. */
	void (*unset)(struct discovery *d, const struct discovery_found *was, discovery_done_fn *done, void *user);
	void (*free)(struct discovery *d);
	bool only_checks; /* nothing stands in it that it could list: set says whether it is so */
};

/* The common head of every kind. */
struct discovery {
	const struct discovery_ops *ops;
	char *name; /* as configured; in every error */
};

/* What every kind is made with. Borrowed: must outlive it, but for the texts, which are copied. */
struct discovery_env {
	uv_loop_t *loop;
	struct http_client *http;
	const char *cluster; /* marks what is ours */
	const char *name;    /* of the system */
	struct span timeout; /* of one call; 0: 5 s */
};

static inline void discovery_free(struct discovery *d) { /* NULL is fine */
	if (d)
		d->ops->free(d);
}

#endif
