/* See disco.h: the servers, heird's configuration of them, and the entries that stand there, read by programs that are not ours. */
#include "disco-internal.h"

#include "base/alloc.h"
#include "base/buf.h"
#include "base/wall.h"
#include "harness-internal.h"
#include "kernel.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

const char *const disco_names[DISCO_MAX] = {[DISCO_CONSUL] = "consul", [DISCO_ETCD] = "etcd", [DISCO_BIND] = "bind"};

/* --- servers --- */

void disco_up(const char *options) {
	lab_do("discovery up %s", options);
	note("consul, etcd and bind answer");
}

void disco_do(const char *what, enum disco_system s) {
	lab_do("discovery %s %s", what, disco_names[s]);
	note("%s: %s", disco_names[s], what);
}

void disco_slow(enum disco_system s, unsigned ms) {
	lab_do("discovery slow %s %u", disco_names[s], ms);
	note("%s: answers are late by %u ms", disco_names[s], ms);
}

char *disco_file(const char *name) {
	char *folder CLEANUP_FREE = lab("discovery folder");
	return xasprintf("%s/%s", folder, name);
}

char *disco_netns(void) { return xasprintf("/run/netns/heir-%s", lab_name()); }

/* --- heird's configuration --- */

char *disco_configuration(const struct disco_wanted *w) {
	char *own CLEANUP_FREE = lab("discovery folder");
	const char *folder = w->secrets ? w->secrets : own;
	const char *more[DISCO_MAX];
	struct buf b = {0};

	DISCO_EACH(s)
	more[s] = w->of[s] ? w->of[s] : "";
	buf_printf(&b, "discovery:\n  %s\n  systems:\n", w->section ? w->section : "interval: 5m");
	buf_printf(&b, "    - {kind: consul, url: \"http://10.99.0.1:8500\"");
	if (w->secret)
		buf_printf(&b, ", token_file: \"%s/token\"", folder);
	buf_printf(&b, "%s}\n    - {kind: skydns, url: \"http://10.99.0.1:2389\", domain: svc.local, reverse: true",
		   more[DISCO_CONSUL]);
	if (w->secret)
		buf_printf(&b, ", user: heir, password_file: \"%s/password\"", folder);
	buf_printf(&b,
		   "%s}\n    - {kind: dns, server: \"10.99.0.1:53\", zone: lab.example, "
		   "reverse: [20.10.in-addr.arpa, 0.0.d.f.ip6.arpa], key_name: heir, key_file: \"%s/key\"%s}\n",
		   more[DISCO_ETCD], folder, more[DISCO_BIND]);
	return buf_take(&b);
}

/* --- marks --- */

/* The value of that name in "heir=1 cluster=lab ... generation=2"; "" where it is not there. */
static void mark_field(const char *mark, const char *name, char *value, size_t size) {
	char *wanted CLEANUP_FREE = xasprintf(" %s=", name);
	const char *at = strstr(mark, wanted);

	at = at ? at + strlen(wanted) : "";
	(void)snprintf(value, size, "%.*s", (int)strcspn(at, " "), at);
}

static unsigned mark_number(const char *mark, const char *name) {
	char text[16];

	mark_field(mark, name, text, sizeof text);
	return (unsigned)strtoul(text, NULL, 10);
}

static struct disco_entry read_mark(const char *mark) {
	struct disco_entry e = {.port = mark_number(mark, "port"), .generation = mark_number(mark, "generation")};

	mark_field(mark, "address", e.address, sizeof e.address);
	mark_field(mark, "address6", e.address6, sizeof e.address6);
	mark_field(mark, "node", e.node, sizeof e.node);
	mark_field(mark, "workload", e.workload, sizeof e.workload);
	return e;
}

struct list {
	struct disco_entry *entries;
	size_t n;
};

/* What is one entry may stand there as several values. */
static void keep(struct list *list, const struct disco_entry *e) {
	for (size_t i = 0; i < list->n; i++)
		if (strcmp(list->entries[i].workload, e->workload) == 0 && list->entries[i].generation == e->generation)
			return;
	if (list->n == DISCO_ENTRIES_MAX)
		failed("more than %d entries of one service", DISCO_ENTRIES_MAX);
	list->entries[list->n++] = *e;
}

static void keep_marked(struct list *list, const char *mark, const char *service) {
	char of[64];

	mark_field(mark, "service", of, sizeof of);
	if (strncmp(mark, "heir=1 ", strlen("heir=1 ")) != 0 || strcmp(of, service) != 0)
		return;
	struct disco_entry e = read_mark(mark);
	keep(list, &e);
}

/* --- entries --- */

static void copy(char *to, size_t size, const char *text) { (void)snprintf(to, size, "%s", text); }

static void read_consul(const char *service, struct list *list) {
	char *text CLEANUP_FREE = lab("discovery http /v1/catalog/service/%s", service);
	json_t *all CLEANUP_JSON = NULL, *j;
	struct err err = {0};
	size_t i;

	if (json_parse(text, strlen(text), "consul", &all, &err) < 0)
		failed("%s", err.msg);
	json_array_foreach (all, i, j) {
		struct disco_entry e = {.port = (unsigned)json_int_or(j, "ServicePort", 0)};
		const char *generation = json_str_or(j, "ServiceMeta.heir-generation", NULL);
		if (!generation)
			continue;
		e.generation = (unsigned)strtoul(generation, NULL, 10);
		copy(e.address, sizeof e.address, json_str_or(j, "ServiceAddress", ""));
		copy(e.address6, sizeof e.address6, json_str_or(j, "ServiceMeta.heir-address6", ""));
		copy(e.node, sizeof e.node, json_str_or(j, "ServiceMeta.heir-node", ""));
		copy(e.workload, sizeof e.workload, json_str_or(j, "ServiceMeta.heir-workload", ""));
		keep(list, &e);
	}
}

static void read_etcd(const char *service, struct list *list) {
	char *text CLEANUP_FREE = lab("discovery etcdctl get --prefix --print-value-only /skydns/local/svc/%s/", service);
	char *rest = text;

	for (char *line = strsep(&rest, "\n"); line; line = strsep(&rest, "\n")) {
		json_t *j CLEANUP_JSON = NULL;
		if (json_parse(line, strlen(line), "etcd", &j, NULL) == 0)
			keep_marked(list, json_str_or(j, "heir", ""), service);
	}
}

/* "\"heir=1 clus\" \"ter=lab\"": what is in the quotes. */
static char *unquote(const char *rdata) {
	struct buf b = {0};
	bool inside = false;

	for (const char *p = rdata; *p; p++)
		if (*p == '"')
			inside = !inside;
		else if (inside)
			buf_append(&b, p, 1);
	return buf_take(&b);
}

static void read_bind(const char *service, struct list *list) {
	char *key CLEANUP_FREE = disco_file("key-foreign");
	char *text CLEANUP_FREE =
		lab("discovery dig lab.example AXFR -y hmac-sha256:foreign:$(cat '%s') +noall +answer +onesoa", key);
	char *rest = text;

	for (char *line = strsep(&rest, "\n"); line; line = strsep(&rest, "\n")) {
		const char *quote = strchr(line, '"');
		char *mark CLEANUP_FREE = quote ? unquote(quote) : NULL;
		if (mark && strstr(line, "TXT\t\""))
			keep_marked(list, mark, service);
	}
}

size_t disco_read(enum disco_system s, const char *service, struct disco_entry entries[static DISCO_ENTRIES_MAX]) {
	static void (*const readers[DISCO_MAX])(const char *, struct list *) = {
		[DISCO_CONSUL] = read_consul, [DISCO_ETCD] = read_etcd, [DISCO_BIND] = read_bind};
	struct list list = {.entries = entries};

	readers[s](service, &list);
	return list.n;
}

bool disco_names_owner(enum disco_system s, const char *service, unsigned generation, const char *node) {
	struct disco_entry e[DISCO_ENTRIES_MAX];

	return disco_read(s, service, e) == 1 && e[0].generation == generation && strcmp(e[0].node, node) == 0;
}

bool disco_has_none(enum disco_system s, const char *service) {
	struct disco_entry e[DISCO_ENTRIES_MAX];

	return disco_read(s, service, e) == 0;
}

/* --- what a client hears --- */

struct question {
	enum disco_system s;
	const char *service;
	char *answer;
};

static int ask_one(void *argument) {
	const struct question *q = argument;

	disco_ask(q->s, q->service, q->answer);
	return 0;
}

const char *disco_resolve(enum disco_system s, const char *service, char answer[static DISCO_ANSWER_MAX]) {
	struct question q = {.s = s, .service = service, .answer = answer};
	char *netns CLEANUP_FREE = disco_netns();
	struct kernel_error err;

	if (kernel_in_netns(netns, ask_one, &q, &err) < 0)
		failed("%s", err.text);
	return answer;
}

bool disco_resolves(enum disco_system s, const char *service, const char *answer) {
	char now[DISCO_ANSWER_MAX];

	return strcmp(disco_resolve(s, service, now), answer) == 0;
}

static char *reverse_key(const char *ip) {
	char *path = xasprintf("/skydns/arpa/in-addr/%s", ip);

	for (char *p = path; *p; p++)
		*p = *p == '.' ? '/' : *p;
	return path;
}

bool disco_reverse_is(enum disco_system s, const char *ip, const char *name) {
	if (s == DISCO_BIND) {
		char *found CLEANUP_FREE = lab("discovery dig -x %s +short", ip);
		return strcmp(found, name) == 0;
	}
	assert_int_equal(s, DISCO_ETCD); /* Consul has no reverse records of services */
	char *key CLEANUP_FREE = reverse_key(ip), *text CLEANUP_FREE = lab("discovery etcdctl get --print-value-only %s", key);
	json_t *j CLEANUP_JSON = NULL;
	(void)json_parse(text, strlen(text), "etcd", &j, NULL); /* NULL says it */
	const char *host = json_str_or(j, "host", "");
	return strncmp(host, name, strlen(host)) == 0 && (name[strlen(host)] == '\0' || strcmp(name + strlen(host), ".") == 0);
}

/* --- expectations --- */

void expect_published(const char *service, const char *address, unsigned generation, const char *node) {
	DISCO_EACH(s) {
		char *what CLEANUP_FREE = xasprintf("%s: %s of generation %u on %s", disco_names[s], service, generation, node);
		wait_until(what, disco_names_owner(s, service, generation, node));
		char *answers CLEANUP_FREE = xasprintf("%s: %s is %s", disco_names[s], service, address);
		wait_until(answers, disco_resolves(s, service, address));
	}
	note("%s is %s, generation %u on %s, in every system", service, address, generation, node);
}

void expect_gone(const char *service) {
	DISCO_EACH(s) {
		char *what CLEANUP_FREE = xasprintf("%s: %s is gone", disco_names[s], service);
		wait_until(what, disco_has_none(s, service) && disco_resolves(s, service, ""));
	}
	note("%s is in no system any more", service);
}

static double step_seconds(const char *container, const char *step) {
	json_t *t CLEANUP_JSON = takeover_newest(container), *j;
	size_t i;

	json_array_foreach (json_object_get(t, "steps"), i, j)
		if (strcmp(json_str_or(j, "name", ""), step) == 0)
			return json_number_value(json_object_get(j, "seconds"));
	failed("the takeover of %s has no %s", container, step);
}

/* The log tells when it ended, the takeover how long it took. */
double step_began(const char *container, const char *step) {
	json_t *list CLEANUP_JSON = heir("log"), *j;
	struct wall t = {0};
	size_t i;

	json_array_foreach (list, i, j)
		if (strcmp(json_str_or(j, "container", ""), container) == 0 && strcmp(json_str_or(j, "step", ""), step) == 0 &&
		    wall_parse(json_str_or(j, "time", ""), &t, NULL) < 0)
			failed("the log has no time of %s's %s", container, step);
	if (t.ms == 0)
		failed("the log does not tell of %s's %s", container, step);
	return (double)t.ms / 1000 - step_seconds(container, step);
}
