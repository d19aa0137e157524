/* See entry.h. */
#include "net/discovery/entry.h"

#include "base/alloc.h"
#include "base/buf.h"
#include "base/cleanup.h"
#include "base/ip.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#define LABEL_MAX 63
#define META_KEY_MAX 64
#define KEY_ID_DIGITS 12

void discovery_entry_clear(struct discovery_entry *e) {
	char *owned[] = {e->key, e->workload, e->service, e->address, e->address6, e->node, e->container};

	for (size_t i = 0; i < sizeof(owned) / sizeof(owned[0]); i++)
		free(owned[i]);
	strs_clear(&e->tags);
	strs_clear(&e->meta);
	*e = (struct discovery_entry){0};
}

void discovery_entry_copy(struct discovery_entry *to, const struct discovery_entry *from) {
	struct discovery_entry copy = {
		.key = xstrdup_null(from->key),
		.workload = xstrdup_null(from->workload),
		.generation = from->generation,
		.service = xstrdup_null(from->service),
		.address = xstrdup_null(from->address),
		.address6 = xstrdup_null(from->address6),
		.port = from->port,
		.node = xstrdup_null(from->node),
		.container = xstrdup_null(from->container),
		.host = from->host,
	};

	strs_copy(&copy.tags, &from->tags);
	strs_copy(&copy.meta, &from->meta);
	discovery_entry_clear(to);
	*to = copy;
}

static bool is_same(const char *a, const char *b) { return a == b || (a && b && strcmp(a, b) == 0); }

bool discovery_entry_equal(const struct discovery_entry *a, const struct discovery_entry *b) {
	return is_same(a->key, b->key) && is_same(a->workload, b->workload) && a->generation == b->generation &&
	       is_same(a->service, b->service) && is_same(a->address, b->address) && is_same(a->address6, b->address6) &&
	       a->port == b->port && strs_equal(&a->tags, &b->tags) && strs_equal(&a->meta, &b->meta) &&
	       is_same(a->node, b->node) && is_same(a->container, b->container) && a->host == b->host;
}

/* ---- what it may be ---- */

static bool is_label_char(char c) { return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-'; }

bool discovery_is_label(const char *text) {
	size_t n = text ? strlen(text) : 0;

	if (n == 0 || n > LABEL_MAX || text[0] == '-' || text[n - 1] == '-')
		return false;
	for (size_t i = 0; i < n; i++)
		if (!is_label_char(text[i]))
			return false;
	return true;
}

static bool is_plain(const char *text) {
	for (const unsigned char *p = (const unsigned char *)text; *p; p++)
		if (*p < 0x20 || *p == 0x7f)
			return false;
	return true;
}

static bool is_meta_char(char c) {
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' || c == '_';
}

static bool is_meta(const char *text) {
	const char *equals = strchr(text, '=');

	if (!equals || equals == text || equals - text > META_KEY_MAX)
		return false;
	for (const char *p = text; p < equals; p++)
		if (!is_meta_char(*p))
			return false;
	return is_plain(equals);
}

static bool is_address(const char *text, int family) {
	struct ip ip;
	return ip_parse(text, &ip, NULL) == 0 && ip.family == family;
}

static int check_lists(const struct discovery_entry *e, struct err *err) {
	size_t size = 0;

	for (size_t i = 0; i < e->tags.n; i++) {
		if (!*e->tags.v[i] || !is_plain(e->tags.v[i]))
			return err_set(err, -EINVAL, "service %s: a tag is empty or has control characters in it", e->service);
		size += strlen(e->tags.v[i]) + 1;
	}
	for (size_t i = 0; i < e->meta.n; i++) {
		if (!is_meta(e->meta.v[i]))
			return err_set(err, -EINVAL, "service %s: meta is letters, digits, \"-\" and \"_\", \"=\" and a text",
				       e->service);
		size += strlen(e->meta.v[i]) + 1;
	}
	return size > DISCOVERY_TEXT_MAX ? err_set(err, -EINVAL, "service %s: tags and meta of %zu bytes are more than %d",
						   e->service, size, DISCOVERY_TEXT_MAX)
					 : 0;
}

int discovery_entry_check(const struct discovery_entry *e, struct err *err) {
	if (!discovery_is_label(e->service))
		return err_set(err, -EINVAL, "a service's name is a DNS label of a-z, 0-9 and \"-\", at most %d of them",
			       LABEL_MAX);
	if (!discovery_is_label(e->key))
		return err_set(err, -EINVAL, "service %s: its key is no DNS label", e->service);
	if (!e->workload || !*e->workload || !is_plain(e->workload))
		return err_set(err, -EINVAL, "service %s: of no workload", e->service);
	if (!e->address && !e->address6)
		return err_set(err, -EINVAL, "service %s: no address", e->service);
	if (e->address && !is_address(e->address, AF_INET))
		return err_set(err, -EINVAL, "service %s: its address is none of IPv4", e->service);
	if (e->address6 && !is_address(e->address6, AF_INET6))
		return err_set(err, -EINVAL, "service %s: its address6 is none of IPv6", e->service);
	if ((e->node && !is_plain(e->node)) || (e->container && !is_plain(e->container)))
		return err_set(err, -EINVAL, "service %s: control characters in a name", e->service);
	return check_lists(e, err);
}

/* ---- for people, and keys ---- */

char *discovery_entry_text(const struct discovery_entry *e) {
	struct buf b = {0};

	buf_printf(&b, "%s at ", e->service ? e->service : "?");
	if (e->address)
		buf_puts(&b, e->address);
	if (e->address6)
		buf_printf(&b, "%s%s", e->address ? " and " : "", e->address6);
	if (e->port)
		buf_printf(&b, ", port %u", e->port);
	buf_printf(&b, ", generation %u on %s", e->generation, e->node ? e->node : "?");
	return buf_take(&b);
}

const char *discovery_key(const char *workload, unsigned service, char key[DISCOVERY_KEY_MAX]) {
	const char *slash = strrchr(workload, '/'), *id = slash ? slash + 1 : workload;
	size_t n = 0;

	key[n++] = 'h';
	for (; *id && n <= KEY_ID_DIGITS; id++)
		key[n++] = is_label_char(*id) ? *id : '-';
	(void)snprintf(key + n, DISCOVERY_KEY_MAX - n, "-%u", service);
	return key;
}

/* ---- as one text ---- */

static bool is_unreserved(unsigned char c) { return is_meta_char((char)c) || c == '.' || c == '/' || c == ':' || c == '~'; }

static void put_escaped(struct buf *b, const char *text) {
	for (const unsigned char *p = (const unsigned char *)text; *p; p++)
		if (is_unreserved(*p))
			buf_append(b, p, 1);
		else
			buf_printf(b, "%%%02X", *p);
}

static void put(struct buf *b, const char *name, const char *value) {
	if (!value)
		return;
	buf_printf(b, " %s=", name);
	put_escaped(b, value);
}

static void put_number(struct buf *b, const char *name, unsigned value) {
	if (value)
		buf_printf(b, " %s=%u", name, value);
}

char *discovery_entry_encode(const struct discovery_entry *e, const char *cluster) {
	struct buf b = {0};

	buf_puts(&b, "heir=1");
	put(&b, "cluster", cluster);
	put(&b, "workload", e->workload);
	put_number(&b, "generation", e->generation);
	put(&b, "service", e->service);
	put(&b, "address", e->address);
	put(&b, "address6", e->address6);
	put_number(&b, "port", e->port);
	put_number(&b, "host", e->host);
	put(&b, "node", e->node);
	put(&b, "container", e->container);
	for (size_t i = 0; i < e->tags.n; i++)
		put(&b, "tag", e->tags.v[i]);
	for (size_t i = 0; i < e->meta.n; i++)
		put(&b, "meta", e->meta.v[i]);
	return buf_take(&b);
}

static int hex_digit(char c) {
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'A' && c <= 'F')
		return c - 'A' + 10;
	return -1;
}

/* NULL: damaged. Owned. */
static char *unescape(const char *text, size_t n) {
	char *out = xmalloc(n + 1);
	size_t len = 0;

	for (size_t i = 0; i < n; i++) {
		int c = (unsigned char)text[i];
		if (c == '%') {
			int high = i + 2 < n ? hex_digit(text[i + 1]) : -1;
			int low = high >= 0 ? hex_digit(text[i + 2]) : -1;
			c = low < 0 ? 0 : high * 16 + low;
			i += 2;
		}
		if (c == 0) {
			free(out);
			return NULL;
		}
		out[len++] = (char)c;
	}
	out[len] = '\0';
	return out;
}

static bool read_number(const char *text, unsigned long most, unsigned long *ret) {
	char *end;

	if (*text < '0' || *text > '9')
		return false;
	errno = 0;
	*ret = strtoul(text, &end, 10);
	return errno == 0 && *end == '\0' && *ret <= most;
}

struct decoding {
	struct discovery_entry *entry;
	bool marked; /* "heir=1" */
	char *cluster;
};

/* False: the value is none. What is not known is left for a later heir to understand. */
static bool take(struct decoding *d, const char *name, char *value) {
	struct discovery_entry *e = d->entry;
	const struct {
		const char *name;
		char **to;
	} texts[] = {{"cluster", &d->cluster},   {"workload", &e->workload}, {"service", &e->service},    {"address", &e->address},
		     {"address6", &e->address6}, {"node", &e->node},         {"container", &e->container}};
	unsigned long number = 0;

	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
		if (strcmp(name, texts[i].name) == 0) {
			if (*texts[i].to)
				return false;
			*texts[i].to = xstrdup(value);
			return true;
		}
	if (strcmp(name, "heir") == 0)
		return d->marked = strcmp(value, "1") == 0;
	if (strcmp(name, "tag") == 0)
		strs_add(&e->tags, value);
	else if (strcmp(name, "meta") == 0)
		strs_add(&e->meta, value);
	else if (strcmp(name, "generation") == 0) {
		if (!read_number(value, UINT32_MAX, &number))
			return false;
		e->generation = (unsigned)number;
	} else if (strcmp(name, "port") == 0) {
		if (!read_number(value, UINT16_MAX, &number))
			return false;
		e->port = (uint16_t)number;
	} else if (strcmp(name, "host") == 0) {
		if (!read_number(value, 1, &number))
			return false;
		e->host = number == 1;
	}
	return true;
}

static bool take_pair(struct decoding *d, const char *text, size_t n) {
	const char *equals = memchr(text, '=', n);

	if (!equals)
		return false;
	char *name CLEANUP_FREE = xstrndup(text, (size_t)(equals - text));
	char *value CLEANUP_FREE = unescape(equals + 1, n - (size_t)(equals + 1 - text));
	return value && take(d, name, value);
}

int discovery_entry_decode(const char *text, const char *cluster, struct discovery_entry *ret, struct err *err) {
	struct discovery_entry e = {0};
	struct decoding d = {.entry = &e};
	bool good = true;

	if (strncmp(text, "heir=", 5) != 0)
		return 1;
	for (const char *p = text; good && *p;) {
		size_t n = strcspn(p, " ");
		good = take_pair(&d, p, n);
		p += n;
		p += *p == ' ';
	}
	bool ours = d.marked && d.cluster && strcmp(d.cluster, cluster) == 0;
	bool other = good && d.marked && d.cluster && !ours;
	free(d.cluster);
	if (ours && good && e.workload && e.service && (e.address || e.address6)) {
		*ret = e;
		return 0;
	}
	discovery_entry_clear(&e);
	return other ? 1 : err_set(err, -EINVAL, "a mark of heir's is damaged");
}
