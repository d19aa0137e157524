/* See quarantine.h. The table is written as text and read as JSON. It is deleted and made anew in one transaction: there is no
 * moment in which the dead could speak, and nothing of an older form of it stays. */
#include "net/netlink/quarantine.h"

#include "base/alloc.h"
#include "base/buf.h"
#include "base/json.h"
#include "net/netlink/netns.h"

#include <assert.h>
#include <errno.h>
#include <linux/netlink.h>
#include <nftables/libnftables.h>
#include <pthread.h>
#include <string.h>
#include <sys/socket.h>

#define TABLE "heir"
#define RAW_PRIORITY (-300) /* NF_IP_PRI_RAW: before connection tracking */

/* The four rules, each with its set of addresses. */
static const struct rule {
	const char *chain, *protocol, *field, *set;
	uint8_t family;
} rules[] = {
	{"prerouting", "ip", "saddr", "from4", AF_INET},
	{"prerouting", "ip6", "saddr", "from6", AF_INET6},
	{"output", "ip", "daddr", "to4", AF_INET},
	{"output", "ip6", "daddr", "to6", AF_INET6},
};
#define N_RULES (sizeof(rules) / sizeof(rules[0]))

static const char *const chains[] = {"prerouting", "output"}; /* named as their hooks */
#define N_CHAINS (sizeof(chains) / sizeof(chains[0]))

static bool is_from(const struct rule *r) { return r->field[0] == 's'; }

void quarantine_clear(struct quarantine *q) {
	free(q->rows);
	free(q->ports);
	*q = (struct quarantine){0};
}

/* ---- running libnftables ---- */

static pthread_mutex_t turn = PTHREAD_MUTEX_INITIALIZER;

struct job {
	const char *commands;
	unsigned flags;
	char *output; /* to be freed */
};

/* libnftables ends the whole process where it cannot open its socket (1.0.6, netlink_init_error). */
static int check_socket(struct err *err) {
	CLEANUP_FD int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_NETFILTER);

	return fd < 0 ? err_errno(err, -errno, "open a netfilter socket") : 0;
}

/* Its words are several lines with a picture of the place: the first one says it. */
static int nft_error(struct nft_ctx *nft, struct err *err) {
	const char *words = nft_ctx_get_error_buffer(nft);

	if (!words || !*words)
		words = "failed without a word";
	return err_set(err, -EPROTO, "nftables: %.*s", (int)strcspn(words, "\n"), words);
}

static void cleanup_nft(struct nft_ctx **nft) {
	if (*nft)
		nft_ctx_free(*nft);
}

static int run_inside(void *arg, struct err *err) {
	struct job *job = arg;

	int r = check_socket(err);
	if (r < 0)
		return r;
	CLEANUP(cleanup_nft) struct nft_ctx *nft = nft_ctx_new(NFT_CTX_DEFAULT);
	if (!nft || nft_ctx_buffer_output(nft) != 0 || nft_ctx_buffer_error(nft) != 0)
		return err_set(err, -ENOMEM, "no memory for nftables");
	nft_ctx_output_set_flags(nft, job->flags);
	if (nft_run_cmd_from_buffer(nft, job->commands) != 0)
		return nft_error(nft, err);
	job->output = xstrdup(nft_ctx_get_output_buffer(nft));
	return 0;
}

static int run(int ns_fd, struct job *job, struct err *err) {
	(void)pthread_mutex_lock(&turn); /* fails for a mutex that is broken only */
	int r = netns_call(ns_fd, run_inside, job, err);
	(void)pthread_mutex_unlock(&turn);
	return r;
}

static int command(int ns_fd, const char *commands, struct err *err) {
	struct job job = {.commands = commands};

	int r = run(ns_fd, &job, err);
	free(job.output);
	return r;
}

/* The list of what the command lists; new reference. */
static int query(int ns_fd, const char *commands, json_t **ret, struct err *err) {
	struct job job = {.commands = commands, .flags = NFT_CTX_OUTPUT_JSON | NFT_CTX_OUTPUT_NUMERIC_ALL};
	CLEANUP_JSON json_t *answer = NULL;
	json_t *list = NULL;

	int r = run(ns_fd, &job, err);
	if (r < 0)
		return r;
	CLEANUP_FREE char *text = job.output;
	r = json_parse(text, strlen(text), "nftables", &answer, err);
	if (r == 0)
		r = json_get_array(answer, "nftables", &list, err);
	if (r < 0)
		return r;
	*ret = list ? json_incref(list) : json_array();
	return 0;
}

/* ---- reading ---- */

static bool is_word(const json_t *j, const char *path, const char *word) { return strcmp(json_str_or(j, path, ""), word) == 0; }

/* {"match": {"op": "==", "left": {"payload": {"protocol", "field"}}, "right": "@set"}} */
static bool matches(const json_t *expr, const char *protocol, const char *field, const char *set) {
	const char *right = json_str_or(expr, "match.right", "");

	return is_word(expr, "match.op", "==") && is_word(expr, "match.left.payload.protocol", protocol) &&
	       is_word(expr, "match.left.payload.field", field) && right[0] == '@' && strcmp(right + 1, set) == 0;
}

static bool is_rule(const json_t *rule, const struct rule *wanted) {
	const json_t *expr = json_at(rule, "expr");

	return is_word(rule, "chain", wanted->chain) && json_array_size(expr) == 3 &&
	       matches(json_array_get(expr, 0), "udp", "dport", "ports") &&
	       matches(json_array_get(expr, 1), wanted->protocol, wanted->field, wanted->set) &&
	       json_object_get(json_array_get(expr, 2), "drop");
}

static bool is_chain(const json_t *chain, const char *name) {
	return is_word(chain, "name", name) && is_word(chain, "hook", name) && is_word(chain, "type", "filter") &&
	       is_word(chain, "policy", "accept") && json_int_or(chain, "prio", 0) == RAW_PRIORITY;
}

/* What was found of our table. */
struct found {
	struct quarantine *q;
	unsigned rules, chains; /* bits */
	bool foreign;           /* something that is not ours, or not as we made it */
};

static void find_chain(struct found *f, const json_t *chain) {
	for (unsigned i = 0; i < N_CHAINS; i++)
		if (!(f->chains & 1u << i) && is_chain(chain, chains[i])) {
			f->chains |= 1u << i;
			return;
		}
	f->foreign = true;
}

static void find_rule(struct found *f, const json_t *rule) {
	for (unsigned i = 0; i < N_RULES; i++)
		if (!(f->rules & 1u << i) && is_rule(rule, &rules[i])) {
			f->rules |= 1u << i;
			return;
		}
	f->foreign = true;
}

static struct quarantine_row *row_for(struct quarantine *q, const struct ip *ip) {
	for (size_t i = 0; i < q->n; i++)
		if (ip_equal(&q->rows[i].ip, ip))
			return &q->rows[i];
	q->rows = xreallocarray(q->rows, q->n + 1, sizeof(*q->rows));
	q->rows[q->n] = (struct quarantine_row){.ip = *ip};
	return &q->rows[q->n++];
}

static void add_port(struct quarantine *q, uint16_t port) {
	for (size_t i = 0; i < q->n_ports; i++)
		if (q->ports[i] == port)
			return;
	q->ports = xreallocarray(q->ports, q->n_ports + 1, sizeof(*q->ports));
	q->ports[q->n_ports++] = port;
}

/* "10.99.0.11", or {"elem": {"val": "10.99.0.11", "counter": {"packets", "bytes"}}} */
static int read_address(struct found *f, const struct rule *rule, const json_t *elem, struct err *err) {
	const char *text = json_is_string(elem) ? json_string_value(elem) : json_str_or(elem, "elem.val", "");
	struct ip ip;

	int r = ip_parse(text, &ip, err);
	if (r < 0)
		return r;
	f->foreign = f->foreign || json_at(elem, "elem.timeout"); /* it would end by itself */
	struct quarantine_row *row = row_for(f->q, &ip);
	struct quarantine_count *count = is_from(rule) ? &row->from : &row->to;
	count->packets = (uint64_t)json_int_or(elem, "elem.counter.packets", 0);
	count->bytes = (uint64_t)json_int_or(elem, "elem.counter.bytes", 0);
	return 0;
}

static int read_port(struct found *f, const json_t *elem, struct err *err) {
	json_int_t port = json_integer_value(elem); /* 0 when it is none */

	if (port < 1 || port > UINT16_MAX)
		return err_set(err, -EINVAL, "a port that is none");
	add_port(f->q, (uint16_t)port);
	return 0;
}

static int read_set(struct found *f, const json_t *set, struct err *err) {
	const struct rule *rule = NULL;
	json_t *elems = NULL, *elem;
	size_t i;

	for (i = 0; i < N_RULES; i++)
		if (is_word(set, "name", rules[i].set))
			rule = &rules[i];
	if (!rule && !is_word(set, "name", "ports")) {
		f->foreign = true;
		return 0;
	}
	int r = json_get_array(set, "elem", &elems, err);
	json_array_foreach (elems, i, elem) {
		if (r == 0)
			r = rule ? read_address(f, rule, elem, err) : read_port(f, elem, err);
	}
	return r;
}

static int read_item(struct found *f, const json_t *item, struct err *err) {
	const json_t *set = json_at(item, "set"), *chain = json_at(item, "chain"), *rule = json_at(item, "rule");

	if (set)
		return read_set(f, set, err);
	if (chain)
		find_chain(f, chain);
	else if (rule)
		find_rule(f, rule);
	else if (!json_at(item, "table") && !json_at(item, "metainfo"))
		f->foreign = true;
	return 0;
}

static int by_address(const void *a, const void *b) {
	return ip_compare(&((const struct quarantine_row *)a)->ip, &((const struct quarantine_row *)b)->ip);
}

static int by_number(const void *a, const void *b) { return *(const uint16_t *)a - *(const uint16_t *)b; }

static void sort_all(struct quarantine *q) {
	if (q->n)
		qsort(q->rows, q->n, sizeof(*q->rows), by_address);
	if (q->n_ports)
		qsort(q->ports, q->n_ports, sizeof(*q->ports), by_number);
}

/* An address that is in one set of its two is dropped in one direction only. */
static bool is_whole(const json_t *list, const struct quarantine *q) {
	size_t elements = 0, i;
	json_t *item;

	json_array_foreach (list, i, item)
		if (json_at(item, "set") && !is_word(item, "set.name", "ports"))
			elements += json_array_size(json_at(item, "set.elem"));
	return elements == 2 * q->n;
}

static int read_table(const json_t *list, struct quarantine *ret, struct err *err) {
	struct quarantine q CLEANUP_QUARANTINE = {0};
	struct found f = {.q = &q};
	json_t *item;
	size_t i;

	json_array_foreach (list, i, item) {
		int r = read_item(&f, item, err);
		if (r < 0)
			return r;
	}
	sort_all(&q);
	q.in_force = !f.foreign && f.chains == (1u << N_CHAINS) - 1 && f.rules == (1u << N_RULES) - 1 && q.n > 0 && q.n_ports > 0 &&
		     is_whole(list, &q);
	*ret = q;
	q = (struct quarantine){0};
	return 0;
}

enum presence { ABSENT, PLAIN, FLAGGED };

/* 1 when the text that the command prints has this in it. */
static int prints(int ns_fd, const char *commands, const char *words, struct err *err) {
	struct job job = {.commands = commands, .flags = NFT_CTX_OUTPUT_TERSE};

	int r = run(ns_fd, &job, err);
	if (r == 0)
		r = strstr(job.output, words) != NULL;
	free(job.output);
	return r;
}

/* By text: as JSON, 1.0.6 prints a table's flags from beyond an array, and the process dies of it or there is no output. */
static int look_for_table(int ns_fd, enum presence *ret, struct err *err) {
	int r = prints(ns_fd, "list tables inet", "table inet " TABLE "\n", err);

	*ret = ABSENT;
	if (r <= 0)
		return r;
	r = prints(ns_fd, "list table inet " TABLE, "\n\tflags ", err);
	if (r < 0)
		return r;
	*ret = r ? FLAGGED : PLAIN;
	return 0;
}

int quarantine_read(int ns_fd, struct quarantine *ret, struct err *err) {
	CLEANUP_JSON json_t *list = NULL;
	enum presence presence = ABSENT;

	*ret = (struct quarantine){0};
	int r = look_for_table(ns_fd, &presence, err);
	if (r == 0 && presence == PLAIN)
		r = query(ns_fd, "list table inet " TABLE, &list, err);
	if (r == 0 && presence == PLAIN)
		r = read_table(list, ret, err);
	if (r < 0)
		err_wrap(err, "read the quarantine");
	return r;
}

/* ---- writing ---- */

/* What is wanted, sorted and each once, with what was counted of it so far. */
static struct quarantine wanted_of(const struct ip *dead, size_t n, const uint16_t *ports, size_t n_ports,
				   const struct quarantine *now) {
	struct quarantine q = {0};

	for (size_t i = 0; i < n; i++) {
		assert(ip_is_set(&dead[i]));
		(void)row_for(&q, &dead[i]);
	}
	for (size_t i = 0; i < now->n; i++)
		for (size_t j = 0; j < q.n; j++)
			if (ip_equal(&now->rows[i].ip, &q.rows[j].ip))
				q.rows[j] = now->rows[i];
	if (n_ports == 0)
		add_port(&q, QUARANTINE_PORT);
	for (size_t i = 0; i < n_ports; i++)
		add_port(&q, ports[i]);
	sort_all(&q);
	return q;
}

static bool same(const struct quarantine *a, const struct quarantine *b) {
	if (a->n != b->n || a->n_ports != b->n_ports || memcmp(a->ports, b->ports, a->n_ports * sizeof(*a->ports)) != 0)
		return false;
	for (size_t i = 0; i < a->n; i++)
		if (!ip_equal(&a->rows[i].ip, &b->rows[i].ip))
			return false;
	return true;
}

static void put_element(struct buf *b, bool first, const struct rule *rule, const struct quarantine_row *row, bool counted) {
	const struct quarantine_count *count = is_from(rule) ? &row->from : &row->to;
	char text[IP_TEXT_MAX];

	buf_printf(b, "%s%s", first ? "elements = { " : ", ", ip_format(&row->ip, text));
	if (counted)
		buf_printf(b, " counter packets %llu bytes %llu", (unsigned long long)count->packets,
			   (unsigned long long)count->bytes);
}

/* Type and elements on lines of their own: else 1.0.6 does not take them. */
static void put_set(struct buf *b, const struct rule *rule, const struct quarantine *q, bool counted) {
	bool first = true;

	buf_printf(b, "set %s {\ntype %s\n%s", rule->set, rule->family == AF_INET ? "ipv4_addr" : "ipv6_addr",
		   counted ? "counter\n" : "");
	for (size_t i = 0; i < q->n; i++) {
		if (q->rows[i].ip.family != rule->family)
			continue;
		put_element(b, first, rule, &q->rows[i], counted);
		first = false;
	}
	buf_puts(b, first ? "}\n" : " }\n}\n");
}

static void put_chain(struct buf *b, const char *chain) {
	buf_printf(b, "chain %s {\ntype filter hook %s priority %d; policy accept;\n", chain, chain, RAW_PRIORITY);
	for (size_t i = 0; i < N_RULES; i++)
		if (strcmp(rules[i].chain, chain) == 0)
			buf_printf(b, "udp dport @ports %s %s @%s drop\n", rules[i].protocol, rules[i].field, rules[i].set);
	buf_puts(b, "}\n");
}

static void put_ports(struct buf *b, const struct quarantine *q) {
	buf_puts(b, "set ports {\ntype inet_service\nelements = { ");
	for (size_t i = 0; i < q->n_ports; i++)
		buf_printf(b, "%s%u", i ? ", " : "", q->ports[i]);
	buf_puts(b, " }\n}\n");
}

static char *table_text(const struct quarantine *q, bool counted) {
	struct buf b = {0};

	buf_puts(&b, "add table inet " TABLE "\ndelete table inet " TABLE "\n"); /* the first, so that the second cannot fail */
	if (q->n > 0) {
		buf_puts(&b, "table inet " TABLE " {\n");
		put_ports(&b, q);
		for (size_t i = 0; i < N_RULES; i++)
			put_set(&b, &rules[i], q, counted);
		for (size_t i = 0; i < N_CHAINS; i++)
			put_chain(&b, chains[i]);
		buf_puts(&b, "}\n");
	}
	return buf_take(&b);
}

static int write_table(int ns_fd, const struct quarantine *q, struct err *err) {
	CLEANUP_FREE char *counted = table_text(q, true), *plain = table_text(q, false);

	int r = command(ns_fd, counted, err);
	return r < 0 && q->n > 0 ? command(ns_fd, plain, err) : r; /* Linux before 5.7 does not count for each address */
}

static int confirm(int ns_fd, const struct quarantine *wanted, struct err *err) {
	struct quarantine now CLEANUP_QUARANTINE = {0};

	int r = quarantine_read(ns_fd, &now, err);
	if (r < 0)
		return err_set(err, -EIO, "the quarantine was written and cannot be read");
	if (wanted->n == 0 ? now.n > 0 : !now.in_force || !same(&now, wanted))
		return err_set(err, -EIO, "the kernel has another quarantine than it was given");
	return 0;
}

int quarantine_apply(int ns_fd, const struct ip *dead, size_t n, const uint16_t *ports, size_t n_ports, struct err *err) {
	struct quarantine now CLEANUP_QUARANTINE = {0}, wanted CLEANUP_QUARANTINE = {0};

	/* What cannot be read is not ours, or broken: it is replaced all the same. */
	(void)quarantine_read(ns_fd, &now, NULL);
	wanted = wanted_of(dead, n, ports, n_ports, &now);
	if (wanted.n > 0 && now.in_force && same(&now, &wanted))
		return 0;
	int r = write_table(ns_fd, &wanted, err);
	if (r == 0)
		return confirm(ns_fd, &wanted, err);
	err_wrap(err, "set the quarantine");
	return r;
}
