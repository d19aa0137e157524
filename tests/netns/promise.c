/* What heir promises, asked of those who know: the containers, the client, and the kernel of every host. */
#include "harness-internal.h"

#include "base/alloc.h"
#include "base/buf.h"
#include "kernel.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

static const char *const hosts[] = {"h1", "h2", "h3"};

/* --- containers --- */

#define IMAGE "heir-lab/busybox:1"

static json_t *inspect(const char *host, const char *name) {
	char *text CLEANUP_FREE = NULL;
	json_t *list CLEANUP_JSON = NULL;

	if (lab_try("docker %s container inspect %s", host, name) != 0)
		return NULL;
	text = lab("docker %s container inspect %s", host, name);
	struct err err = {0};
	if (json_parse(text, strlen(text), "inspect", &list, &err) < 0)
		failed("%s", err.msg);
	return json_incref(json_array_get(list, 0));
}

static void copy(char *to, size_t size, const char *text) { (void)snprintf(to, size, "%s", text); }

bool web_find(const char *host, const char *name, struct web *ret) {
	json_t *j CLEANUP_JSON = inspect(host, name), *net;
	struct web w = {0};
	const char *key;

	if (!j || !json_bool_or(j, "State.Running", false))
		return false;
	copy(w.host, sizeof w.host, host);
	copy(w.name, sizeof w.name, json_str_or(j, "Name", "/") + 1);
	copy(w.id, sizeof w.id, json_str_or(j, "Id", ""));
	(void)snprintf(w.page, sizeof w.page, "%.12s", w.id);
	json_object_foreach (json_at(j, "NetworkSettings.Networks"), key, net) {
		if (w.n_nets == WEB_NETWORKS_MAX)
			break;
		copy(w.nets[w.n_nets].name, sizeof w.nets[0].name, key);
		copy(w.nets[w.n_nets].ip, sizeof w.nets[0].ip, json_str_or(net, "IPAddress", ""));
		copy(w.nets[w.n_nets].mac, sizeof w.nets[0].mac, json_str_or(net, "MacAddress", ""));
		w.n_nets++;
	}
	*ret = w;
	return true;
}

void start(const char *host, const char *name) {
	wait_until("the container starts", lab_try("docker %s start %s", host, name) == 0);
}

bool web_exists(const char *host, const char *id) { return lab_try("docker %s container inspect %s", host, id) == 0; }

struct web web_run(const char *host, const char *name, const char *arguments) {
	return web_run_image(host, name, arguments, IMAGE);
}

struct web web_run_image(const char *host, const char *name, const char *arguments, const char *image) {
	struct web w;

	lab_do("docker %s create --name %s --stop-signal KILL %s %s"
	       " sh -c 'mkdir -p /www; hostname >/www/index.html; exec httpd -f -p 80 -h /www'",
	       host, name, arguments, image);
	start(host, name);
	if (!web_find(host, name, &w))
		failed("%s does not run on %s", name, host);
	return w;
}

unsigned count_running(const char *name) {
	unsigned n = 0;

	for (size_t i = 0; i < sizeof hosts / sizeof hosts[0]; i++) {
		char *ids CLEANUP_FREE = lab("docker %s ps -q --filter name='^/%s$'", hosts[i], name);
		for (const char *p = ids; *p; p = *p ? p + 1 : p) {
			n++;
			p += strcspn(p, "\n");
		}
	}
	return n;
}

void prefer_target(const char *host, const char *other) {
	static const char create[] = "create --stop-signal KILL";

	lab_do("docker %s %s --name warm --network ov " IMAGE " sleep 100000", host, create);
	start(host, "warm");
	for (int i = 1; i <= 3; i++)
		lab_do("docker %s run -d --stop-signal KILL --name filler%d " IMAGE " sleep 100000", other, i);
}

/* --- the client --- */

static char client_host[8];

void client_forget(void) { client_host[0] = '\0'; }

void client_run(const char *host, const char *networks, const char *addresses) {
	copy(client_host, sizeof client_host, host);
	/* busybox's own wget -T is known to crash. One line for each attempt: address, page. */
	lab_do("docker %s create --name client --stop-signal KILL %s " IMAGE
	       " sh -c 'ask() { while :; do echo \"$1 $(timeout 1 wget -q -O- http://$1/ 2>/dev/null || echo -)\"; sleep 0.3; "
	       "done; }; "
	       "for ip; do ask $ip & done; wait' client %s",
	       host, networks, addresses);
	start(host, "client");
}

/* "2026-11-23T04:38:12.123456789Z 10.20.0.50 d497b66056d5" */
struct attempt {
	double at;
	char ip[46], page[16];
};

static bool parse_attempt(const char *line, struct attempt *ret) {
	char stamp[40];
	struct tm tm = {0};

	ret->page[0] = '\0';
	if (sscanf(line, "%39s %45s %15s", stamp, ret->ip, ret->page) < 2)
		return false;
	const char *fraction = strptime(stamp, "%Y-%m-%dT%H:%M:%S", &tm);
	if (!fraction)
		return false;
	ret->at = (double)timegm(&tm) + (*fraction == '.' ? atof(fraction) : 0);
	return true;
}

/* Goes over the attempts for that address, oldest first. */
typedef void attempt_fn(void *user, const struct attempt *a);

static void each_attempt(const char *ip, attempt_fn *see, void *user) {
	char *text CLEANUP_FREE = lab("docker %s logs -t client 2>&1", client_host), *rest = text;
	struct attempt a;

	for (char *line = strsep(&rest, "\n"); line; line = strsep(&rest, "\n"))
		if (parse_attempt(line, &a) && strcmp(a.ip, ip) == 0)
			see(user, &a);
}

static void keep_last(void *user, const struct attempt *a) { *(struct attempt *)user = *a; }

bool client_hears(const char *ip, const struct web *w) {
	struct attempt last = {0};
	each_attempt(ip, keep_last, &last);
	return strcmp(last.page, w->page) == 0;
}

bool client_hears_nothing(const char *ip) {
	struct attempt last = {0};
	each_attempt(ip, keep_last, &last);
	return strcmp(last.page, "-") == 0;
}

void wait_ready(const struct web *w) {
	char *what CLEANUP_FREE = xasprintf("heird knows %s", w->name);

	wait_until(what, heir_knows(w->host, w->name));
	for (size_t i = 0; i < w->n_nets && client_host[0]; i++) {
		char *hears CLEANUP_FREE = xasprintf("the client hears %s from %s", w->name, w->nets[i].ip);
		wait_until(hears, client_hears(w->nets[i].ip, w));
	}
}

struct span_of {
	const char *page;
	double first, last;
};

static void keep_span(void *user, const struct attempt *a) {
	struct span_of *s = user;

	if (strcmp(a->page, s->page) != 0)
		return;
	s->first = s->first > 0 ? s->first : a->at;
	s->last = a->at;
}

static struct span_of span_of(const char *ip, const struct web *w) {
	struct span_of s = {.page = w->page};
	each_attempt(ip, keep_span, &s);
	return s;
}

double client_first(const char *ip, const struct web *w) { return span_of(ip, w).first; }
double client_last(const char *ip, const struct web *w) { return span_of(ip, w).last; }

/* --- the kernel --- */

char *network_id(const char *name) { return lab("docker h2 network inspect --format '{{.Id}}' %s", name); }

void container_netns(const struct web *w, char path[static PATH_MAX]) {
	char *pid CLEANUP_FREE = lab("docker %s inspect --format '{{.State.Pid}}' %s", w->host, w->id);
	struct kernel_error err;

	if (kernel_container_netns((pid_t)atol(pid), path, &err) < 0)
		failed("%s on %s: %s", w->name, w->host, err.text);
}

static void expect_address(const struct web *w, const char *ip, const char *mac, const struct kernel_addresses *addresses,
			   const struct kernel_links *links) {
	const struct kernel_address *address = kernel_find_address(addresses, ip);
	if (!address)
		failed("the namespace of %s on %s has not %s", w->name, w->host, ip);
	const struct kernel_link *link = kernel_find_link(links, address->dev);
	if (!link || strcmp(link->mac, mac) != 0)
		failed("%s of %s on %s: expected MAC %s, got %s", address->dev, w->name, w->host, mac,
		       link ? link->mac : "no link");
}

void expect_in_kernel(const struct web *w) {
	struct kernel_addresses addresses = {0};
	struct kernel_links links = {0};
	struct kernel_error err;
	char netns[PATH_MAX];

	container_netns(w, netns);
	if (kernel_read_addresses(netns, &addresses, &err) < 0 || kernel_read_links(netns, &links, &err) < 0)
		failed("%s on %s: %s", w->name, w->host, err.text);
	for (size_t i = 0; i < w->n_nets; i++)
		expect_address(w, w->nets[i].ip, w->nets[i].mac, &addresses, &links);
	kernel_addresses_free(&addresses);
	kernel_links_free(&links);
}

/* Where the host would send what is for that MAC: a VTEP, "" for nowhere known; false when it has not joined the network. */
static bool read_vtep(const char *host, const char *network, const char *mac, char vtep[static 46]) {
	struct kernel_fdb fdb = {0};
	struct kernel_error err;
	char netns[PATH_MAX];

	if (kernel_overlay_netns(lab_name(), host, network, netns, &err) < 0)
		return false;
	if (kernel_read_fdb(netns, &fdb, &err) < 0)
		failed("%s: %s", host, err.text);
	const struct kernel_fdb_row *row = kernel_find_vtep_row(&fdb, mac, NULL);
	copy(vtep, 46, row ? row->dst : "");
	kernel_fdb_free(&fdb);
	return true;
}

/* On its own host no row may send it elsewhere, on others there is one and it names the host. */
static bool is_right(const char *observer, const struct web *w, const char *vtep) {
	bool own = strcmp(observer, w->host) == 0;

	return (own && *vtep == '\0') || strcmp(vtep, host_ip(w->host)) == 0;
}

static bool points_right(const char *host, const char *network, const char *mac, const struct web *w) {
	char now[46];

	if (!read_vtep(host, network, mac, now))
		failed("%s has not joined network %s", host, network);
	return is_right(host, w, now);
}

bool rows_right(const char *observer, const struct web *w) {
	for (size_t i = 0; i < w->n_nets; i++) {
		char *network CLEANUP_FREE = network_id(w->nets[i].name);
		char vtep[46];
		if (read_vtep(observer, network, w->nets[i].mac, vtep) && !is_right(observer, w, vtep))
			return false;
	}
	return true;
}

static double since_cut(void) { return time_of_cut() > 0 ? clock_now() - time_of_cut() : 0; }

void expect_rows(const char *observer, const struct web *w) {
	bool own = strcmp(observer, w->host) == 0;

	for (size_t i = 0; i < w->n_nets; i++) {
		char *network CLEANUP_FREE = network_id(w->nets[i].name);
		char before[46] = "";
		if (!read_vtep(observer, network, w->nets[i].mac, before))
			continue; /* nobody there uses it */
		const char *want = own ? "nowhere else" : host_ip(w->host);
		bool was = is_right(observer, w, before);
		char *what CLEANUP_FREE = xasprintf("%s: the row of %s on %s: %s, to become %s", observer, w->nets[i].mac,
						    w->nets[i].name, before, want);
		wait_until(what, points_right(observer, network, w->nets[i].mac, w));
		note("%s: FDB row of %s (%s on %s) points to %s, %.1f s after the cut%s", observer, w->nets[i].mac, w->name,
		     w->nets[i].name, want, since_cut(), was ? " or before" : "");
	}
}

/* --- the promise --- */

static void expect_same_addresses(const struct web *old, const struct web *new) {
	assert_int_equal(new->n_nets, old->n_nets);
	for (size_t i = 0; i < old->n_nets; i++) {
		assert_string_equal(new->nets[i].name, old->nets[i].name);
		assert_string_equal(new->nets[i].ip, old->nets[i].ip);
		assert_string_equal(new->nets[i].mac, old->nets[i].mac);
	}
}

static void expect_record(const struct web *old, const json_t *t) {
	const json_t *list = json_object_get(t, "networks"), *j;
	size_t i;

	assert_string_equal(json_str_or(t, "from", ""), old->host);
	assert_true(heird_publishes() == (json_at(t, "published") != NULL));
	assert_non_null(json_at(t, "evidence"));
	assert_int_equal(json_array_size(list), old->n_nets);
	json_array_foreach (list, i, j)
		if (!json_bool_or(j, "kept", false))
			failed("takeover of %s: the address on %s was not kept", old->name, json_str_or(j, "name", "?"));
}

static void expect_answered(const struct web *old, const struct web *new) {
	for (size_t i = 0; i < new->n_nets &&client_host[0]; i++) {
		const char *ip = new->nets[i].ip;
		char *what CLEANUP_FREE =
			xasprintf("the client on %s hears the replacement of %s from %s", client_host, new->name, ip);
		wait_until(what, client_hears(ip, new));
		double last = client_last(ip, old), first = client_first(ip, new);
		note("%s: last answer %.1f s before and first answer of the replacement on %s %.1f s after the cut", ip,
		     time_of_cut() - last, new->host, first - time_of_cut());
	}
}

struct web expect_served(const struct web *old, const char *to) {
	struct web new;

	if (!web_find(to, old->name, &new))
		failed("%s does not run on %s", old->name, to);
	assert_string_not_equal(new.id, old->id);
	expect_same_addresses(old, &new);
	expect_in_kernel(&new);
	if (client_host[0])
		expect_rows(client_host, &new);
	expect_rows(new.host, &new);
	expect_answered(old, &new);
	return new;
}

struct web expect_moved(const struct web *old) {
	char *what CLEANUP_FREE = xasprintf("the takeover of %s is done", old->name);

	wait_until(what, takeover_is(old->name, "done"));
	json_t *t CLEANUP_JSON = takeover_newest(old->name);
	const char *to = json_str_or(t, "to", "?");
	note("%s moved from %s to %s, generation %d, evidence %s, %.2f s", old->name, old->host, to,
	     (int)json_int_or(t, "generation", 0), json_str_or(t, "evidence", "none"),
	     json_real_value(json_object_get(t, "seconds")));
	expect_record(old, t);
	return expect_served(old, to);
}

void expect_returned(const struct web *stale, const struct web *owner) {
	char *what CLEANUP_FREE = xasprintf("%s takes part again", stale->host);

	wait_until(what, node_is(stale->host, "alive"));
	wait_until("the stale copy is removed", !web_exists(stale->host, stale->id));
	note("%s takes part again, its copy of %s is gone", stale->host, stale->name);
	assert_int_equal(count_running(owner->name), 1);
	expect_in_kernel(owner);
	for (size_t i = 0; i < owner->n_nets && client_host[0]; i++) {
		const char *ip = owner->nets[i].ip;
		wait_until("the client hears the owner", client_hears(ip, owner));
		double stale_last = client_last(ip, stale), owner_first = client_first(ip, owner);
		if (stale_last > owner_first)
			failed("%s: the stale copy answered %.1f s after the replacement had", ip, stale_last - owner_first);
	}
}
