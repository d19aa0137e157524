/* The vtable of a DNS zone: how a call begins (its turn, the server's address, the key) and ends. See dns.h. */
#include "net/discovery/dns.h"

#include "base/alloc.h"
#include "base/ip.h"
#include "net/discovery/dns-internal.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <utlist.h>

#define DEFAULT_TTL 10
#define DEFAULT_TIMEOUT span_sec(5)
#define TTL_MAX 0x7fffffffU /* RFC 2181, 8 */

/* ---- the server's address ---- */

/* Outlives its call, since libuv cannot always cancel it. */
struct dns_resolving {
	uv_getaddrinfo_t req;
	struct dns_call *call; /* NULL: nobody waits any more */
};

static void forget_resolving(struct dns_call *call) {
	if (!call->resolving)
		return;
	call->resolving->call = NULL;
	(void)uv_cancel((uv_req_t *)&call->resolving->req); /* one that runs comes back to nobody */
	call->resolving = NULL;
}

/* ---- end ---- */

static void on_timer_closed(uv_handle_t *h) { free(h->data); }

static void free_call(struct dns_call *call) {
	DL_DELETE(call->dns->calls, call);
	forget_resolving(call);
	dns_job_free(call->job);
	dns_key_clear(&call->client.key);
	for (size_t i = 0; i < call->n_wanted; i++)
		discovery_entry_clear(&call->wanted[i]);
	free(call->wanted);
	if (call->was)
		discovery_found_clear(call->was);
	free(call->was);
	for (size_t i = 0; i < call->n_found; i++)
		discovery_found_clear(&call->found[i]);
	free(call->found);
	free(call->text);
	dns_table_clear(&call->seen);
	dns_table_clear(&call->asked);
	dns_table_clear(&call->ours);
	dns_table_clear(&call->strange);
	dns_table_clear(&call->seen_reverse);
	dns_records_clear(&call->old);
	dns_records_clear(&call->new);
	dns_records_clear(&call->places);
	dns_records_clear(&call->reverse);
	strs_clear(&call->fetched);
	uv_close((uv_handle_t *)&call->timer, on_timer_closed);
}

/* The oldest call that is under way was asked then. */
static uint64_t oldest_turn(const struct dns *d) {
	uint64_t turn = d->book.turn;
	const struct dns_call *call;

	DL_FOREACH (d->calls, call)
		turn = call->turn < turn ? call->turn : turn;
	return turn;
}

static void wake_waiting(struct dns *d) {
	struct dns_call *call;

	DL_FOREACH (d->calls, call) {
		if (!call->begun)
			uv_timer_start(&call->timer, call->timer.timer_cb, 0, 0);
	}
}

void dns_call_end(struct dns_call *call, int result, char *version, const struct err *err) {
	struct dns *d = call->dns;
	discovery_list_fn *on_list = call->on_list;
	discovery_done_fn *on_done = call->on_done;
	struct discovery_found *found = TAKE_PTR(call->found);
	size_t n = call->n_found;
	void *user = call->user;
	struct err told = err ? *err : call->warning;

	if (told.code)
		err_wrap(&told, "%s: %s", d->base.name, d->server);
	call->n_found = 0;
	free_call(call);
	if (on_list)
		dns_book_prune(&d->book, oldest_turn(d));
	wake_waiting(d);
	if (on_list)
		on_list(user, result, result == 0 ? found : NULL, result == 0 ? n : 0, told.code ? &told : NULL);
	else
		on_done(user, result, version, told.code ? &told : NULL);
	for (size_t i = 0; i < n; i++)
		discovery_found_clear(&found[i]);
	free(found);
	free(version);
}

void dns_call_warn(struct dns_call *call, const struct err *err) {
	if (!call->warning.code)
		call->warning = *err;
}

struct dns_job_cb dns_call_cb(struct dns_call *call, dns_job_fn *fn) {
	return (struct dns_job_cb){.fn = fn, .ctx = call};
}

void dns_call_next_job(struct dns_call *call) { dns_job_free(TAKE_PTR(call->job)); }

/* ---- beginning ---- */

static int take_key(struct dns_call *call, struct err *err) {
	struct dns *d = call->dns;
	const char *secret;
	int r = secret_get(d->secret, &secret, err);

	return r < 0 ? err_set(err, -EACCES, "%s", err->msg)
		     : dns_key_make(d->key_name, secret, d->algorithm, &call->client.key, err);
}

static void start(struct dns_call *call) {
	struct err err;
	int r = take_key(call, &err);

	uv_timer_stop(&call->timer);
	if (r < 0)
		dns_call_end(call, -EACCES, NULL, &err);
	else
		call->first(call);
}

static void add_peer(struct dns_call *call, const struct sockaddr *at) {
	size_t size = at->sa_family == AF_INET ? sizeof(struct sockaddr_in) : sizeof(struct sockaddr_in6);
	struct dns_peers *peers = &call->client.peers;

	if ((at->sa_family == AF_INET || at->sa_family == AF_INET6) && peers->n < DNS_PEERS_MAX)
		memcpy(&peers->at[peers->n++], at, size);
}

static void on_resolved(uv_getaddrinfo_t *req, int status, struct addrinfo *list) {
	struct dns_resolving *resolving = req->data;
	struct dns_call *call = resolving->call;
	struct err err;

	free(resolving);
	if (call) {
		call->resolving = NULL;
		for (const struct addrinfo *a = list; status == 0 && a; a = a->ai_next)
			add_peer(call, a->ai_addr);
		if (call->client.peers.n > 0)
			start(call);
		else {
			err_set(&err, -ENOTCONN, "%s", status < 0 ? uv_strerror(status) : "no address");
			dns_call_end(call, -ENOTCONN, NULL, &err);
		}
	}
	uv_freeaddrinfo(list);
}

static void resolve(struct dns_call *call) {
	const struct addrinfo hints = {.ai_family = AF_UNSPEC, .ai_socktype = SOCK_DGRAM};
	const struct dns *d = call->dns;
	struct sockaddr_storage at;
	struct err err;
	struct ip ip;

	if (ip_parse(d->host, &ip, NULL) == 0) {
		ip_to_sockaddr(&ip, (uint16_t)strtoul(d->port, NULL, 10), &at);
		add_peer(call, (const struct sockaddr *)&at);
		start(call);
		return;
	}
	struct dns_resolving *resolving = xnew(struct dns_resolving);
	resolving->call = call;
	resolving->req.data = resolving;
	int r = uv_getaddrinfo(call->dns->loop, &resolving->req, on_resolved, d->host, d->port, &hints);
	if (r == 0) {
		call->resolving = resolving;
		return;
	}
	free(resolving);
	err_set(&err, -ENOTCONN, "%s", uv_strerror(r));
	dns_call_end(call, -ENOTCONN, NULL, &err);
}

static bool share_service(const struct dns_call *a, const struct dns_call *b) {
	for (size_t i = 0; i < 2; i++)
		for (size_t j = 0; j < 2; j++)
			if (a->services[i] && b->services[j] && strcmp(a->services[i], b->services[j]) == 0)
				return true;
	return false;
}

/* Entries of one service have records in one set: of two changes at once, the second's prerequisites would not hold. */
static bool is_held_up(const struct dns_call *call) {
	for (const struct dns_call *c = call->dns->calls; c != call; c = c->next)
		if (share_service(c, call))
			return true;
	return false;
}

static void on_timer(uv_timer_t *timer) {
	struct dns_call *call = timer->data;
	struct span left = mono_since(mono_now(), call->client.deadline);
	struct err err;

	if (left.ns <= 0) {
		int code = call->begun ? err_set(&err, -ENOTCONN, "its address was not found in time")
				       : err_set(&err, -ESTALE, "other changes of the service took all the time");
		dns_call_end(call, code, NULL, &err);
		return;
	}
	uv_timer_start(timer, on_timer, (uint64_t)span_to_ms(left) + 1, 0);
	if (call->begun || is_held_up(call))
		return;
	call->begun = true;
	resolve(call);
}

static struct dns_call *new_call(struct dns *d, void (*first)(struct dns_call *), void *user) {
	struct dns_call *call = xnew(struct dns_call);

	call->dns = d;
	call->first = first;
	call->user = user;
	call->turn = d->book.turn;
	call->client.loop = d->loop;
	call->client.deadline = mono_add(mono_now(), d->timeout);
	uv_timer_init(d->loop, &call->timer);
	call->timer.data = call;
	uv_timer_start(&call->timer, on_timer, 0, 0);
	DL_APPEND(d->calls, call);
	return call;
}

static void take_wanted(struct dns_call *call, const struct discovery_entry *const *wanted, size_t n) {
	call->wanted = xnew_n(struct discovery_entry, n ? n : 1);
	call->n_wanted = n;
	for (size_t i = 0; i < n; i++)
		discovery_entry_copy(&call->wanted[i], wanted[i]);
}

static void take_was(struct dns_call *call, const struct discovery_found *was) {
	call->was = xnew(struct discovery_found);
	call->was->foreign = was->foreign;
	call->was->version = xstrdup(was->version);
	discovery_entry_copy(&call->was->entry, &was->entry);
}

/* ---- the vtable ---- */

static void dns_list(struct discovery *base, const struct discovery_entry *const *wanted, size_t n, discovery_list_fn *done,
		     void *user) {
	struct dns_call *call = new_call((struct dns *)base, dns_list_first, user);
	call->on_list = done;
	take_wanted(call, wanted, n);
}

static void dns_look(struct discovery *base, const struct discovery_entry *wanted, discovery_list_fn *done, void *user) {
	struct dns_call *call = new_call((struct dns *)base, dns_look_first, user);
	call->on_list = done;
	take_wanted(call, &wanted, 1);
}

static void dns_set(struct discovery *base, const struct discovery_entry *wanted, const struct discovery_found *was,
		    discovery_done_fn *done, void *user) {
	struct dns_call *call = new_call((struct dns *)base, dns_set_first, user);
	call->on_done = done;
	take_wanted(call, &wanted, 1);
	if (was)
		take_was(call, was);
	call->services[0] = call->wanted[0].service;
	call->services[1] = call->was ? call->was->entry.service : NULL;
}

static void dns_unset(struct discovery *base, const struct discovery_found *was, discovery_done_fn *done, void *user) {
	struct dns_call *call = new_call((struct dns *)base, dns_unset_first, user);
	call->on_done = done;
	take_was(call, was);
	call->services[0] = call->was->entry.service;
}

static void dns_free(struct discovery *base) {
	struct dns *d = (struct dns *)base;

	while (d->calls)
		free_call(d->calls);
	dns_learning_clear(&d->learning);
	dns_book_clear(&d->book);
	dns_zones_clear(&d->zones);
	secret_free(d->secret);
	free(d->key_name);
	free(d->server);
	free(d->host);
	free(d->port);
	free(d->cluster);
	free(d->base.name);
	free(d);
}

static const struct discovery_ops dns_ops = {
	.kind = "dns",
	.list = dns_list,
	.look = dns_look,
	.set = dns_set,
	.unset = dns_unset,
	.free = dns_free,
};

/* ---- options ---- */

static bool is_port(const char *text) {
	size_t n = strspn(text, "0123456789");
	return n > 0 && n <= 5 && !text[n] && strtoul(text, NULL, 10) >= 1 && strtoul(text, NULL, 10) <= UINT16_MAX;
}

/* "ns1:53", "10.0.0.1:53", "[2001:db8::1]:53". */
static int take_server(struct dns *d, const char *server, struct err *err) {
	const char *colon = server ? strrchr(server, ':') : NULL;
	size_t n = colon ? (size_t)(colon - server) : 0;
	bool six = n > 2 && server[0] == '[' && server[n - 1] == ']';

	if (n == 0 || !is_port(colon + 1) || (!six && memchr(server, ':', n)))
		return err_set(err, -EINVAL, "the server is given as host:port, [address]:port for IPv6");
	d->server = xstrdup(server);
	d->port = xstrdup(colon + 1);
	d->host = six ? xstrndup(server + 1, n - 2) : xstrndup(server, n);
	return 0;
}

static int take_zones(struct dns *d, const struct dns_options *options, struct err *err) {
	d->zones.zone = dns_name(options->zone);
	if (!d->zones.zone)
		return err_set(err, -EINVAL, "the zone's name is none");
	for (size_t i = 0; i < options->reverse.n; i++) {
		char *name CLEANUP_FREE = dns_name(options->reverse.v[i]);
		if (!name)
			return err_set(err, -EINVAL, "the name of a reverse zone is none");
		strs_add_new(&d->zones.reverse, name);
	}
	return 0;
}

static int take_options(struct dns *d, const struct dns_options *options, struct err *err) {
	if (options->ttl > TTL_MAX || options->algorithm >= DNS_ALGORITHM_MAX)
		return err_set(err, -EINVAL, "there is no such TTL or algorithm");
	if (!options->key_name || !options->key_file)
		return err_set(err, -EINVAL, "a key with a name and a file is needed");
	d->key_name = dns_name(options->key_name);
	if (!d->key_name)
		return err_set(err, -EINVAL, "the key's name is none");
	d->secret = secret_new(options->key_file);
	d->algorithm = options->algorithm;
	d->ttl = options->ttl ? options->ttl : DEFAULT_TTL;
	int r = take_server(d, options->server, err);
	return r < 0 ? r : take_zones(d, options, err);
}

int dns_new(const struct discovery_env *env, const struct dns_options *options, struct discovery **ret, struct err *err) {
	struct dns *d = xnew(struct dns);

	d->base = (struct discovery){.ops = &dns_ops, .name = xstrdup(env->name)};
	d->loop = env->loop;
	d->cluster = xstrdup(env->cluster);
	d->timeout = env->timeout.ns ? env->timeout : DEFAULT_TIMEOUT;
	int r = take_options(d, options, err);
	if (r < 0) {
		err_wrap(err, "%s", d->base.name);
		dns_free(&d->base);
		return r;
	}
	*ret = &d->base;
	return 0;
}
