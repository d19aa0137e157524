/* See skydns-keys.h. */
#include "net/discovery/skydns-keys.h"

#include "net/discovery/skydns.h"

#include "base/alloc.h"
#include "base/cleanup.h"
#include "base/json.h"

#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#define DOMAIN_MAX 253
#define SECOND "-6" /* of an entry with two addresses */
#define LABEL_MAX 63
#define IPV4_NET_BYTES 3
#define IPV6_NET_BYTES 8

/* ---- the layout ---- */

static bool is_prefix(const char *text) {
	size_t n = strlen(text);

	if (n < 2 || n > SKYDNS_PREFIX_MAX || text[0] != '/' || text[n - 1] == '/' || strstr(text, "//"))
		return false;
	for (const char *p = text; *p; p++)
		if (!isalnum((unsigned char)*p) && !strchr("/-_.", *p))
			return false;
	return true;
}

/* "svc.local" -> "/local/svc"; false: it is no domain. */
static bool put_reversed(struct buf *b, const char *domain) {
	const char *end = domain + strlen(domain);

	while (end > domain) {
		const char *start = end;
		while (start > domain && start[-1] != '.')
			start--;
		CLEANUP_FREE char *label = xstrndup(start, (size_t)(end - start));
		if (!discovery_is_label(label))
			return false;
		buf_printf(b, "/%s", label);
		if (start == domain)
			return true;
		end = start - 1;
	}
	return false;
}

int skydns_layout_init(struct skydns_layout *ret, const char *prefix, const char *domain, const char *cluster, struct err *err) {
	struct buf base CLEANUP_BUF = {0};

	*ret = (struct skydns_layout){0};
	if (!is_prefix(prefix))
		return err_set(err, -EINVAL, "prefix \"%.64s\": expected a path of plain names, as \"/skydns\"", prefix);
	buf_puts(&base, prefix);
	if (strlen(domain) > DOMAIN_MAX || !put_reversed(&base, domain))
		return err_set(err, -EINVAL, "domain \"%.64s\": expected labels of a-z, 0-9 and \"-\" with dots between", domain);
	*ret = (struct skydns_layout){
		.prefix = xstrdup(prefix), .domain = xstrdup(domain), .cluster = xstrdup(cluster), .base = buf_take(&base)};
	return 0;
}

void skydns_layout_clear(struct skydns_layout *l) {
	free(l->prefix);
	free(l->domain);
	free(l->cluster);
	free(l->base);
	*l = (struct skydns_layout){0};
}

/* ---- keys ---- */

char *skydns_below(const char *key) { return xasprintf("%s/", key); }
char *skydns_behind(const char *key) { return xasprintf("%s%c", key, '/' + 1); }

char *skydns_service_key(const struct skydns_layout *l, const char *service) { return xasprintf("%s/%s", l->base, service); }

char *skydns_reverse_root(const struct skydns_layout *l) { return xasprintf("%s/arpa", l->prefix); }

static char *reverse_path(const struct skydns_layout *l, const struct ip *ip, size_t bytes) {
	struct buf b = {0};

	buf_printf(&b, "%s/arpa/%s", l->prefix, ip->family == AF_INET ? "in-addr" : "ip6");
	for (size_t i = 0; i < bytes; i++)
		if (ip->family == AF_INET)
			buf_printf(&b, "/%d", ip->bytes[i]);
		else
			buf_printf(&b, "/%x/%x", ip->bytes[i] >> 4, ip->bytes[i] & 15);
	return buf_take(&b);
}

char *skydns_reverse_key(const struct skydns_layout *l, const struct ip *ip) { return reverse_path(l, ip, ip_size(ip)); }

char *skydns_reverse_net(const struct skydns_layout *l, const struct ip *ip) {
	return reverse_path(l, ip, ip->family == AF_INET ? IPV4_NET_BYTES : IPV6_NET_BYTES);
}

/* ---- values ---- */

static json_t *value_new(const struct skydns_layout *l, const struct discovery_entry *e, const char *host) {
	CLEANUP_FREE char *mark = discovery_entry_encode(e, l->cluster);
	json_t *j = json_object();

	json_set_str(j, "host", host);
	json_object_set_new(j, "ttl", json_integer(l->ttl));
	json_set_str(j, "heir", mark);
	json_set_str(j, "heir_key", e->key);
	return j;
}

static char *forward_value(const struct skydns_layout *l, const struct discovery_entry *e, const char *address) {
	CLEANUP_JSON json_t *j = value_new(l, e, address);
	struct buf text CLEANUP_BUF = {0};

	for (size_t i = 0; i < e->tags.n; i++)
		buf_printf(&text, "%s%s", i > 0 ? "," : "", e->tags.v[i]);
	if (e->port)
		json_object_set_new(j, "port", json_integer(e->port));
	if (text.len > 0)
		json_set_str(j, "text", text.data);
	return json_text(j);
}

static char *reverse_value(const struct skydns_layout *l, const struct discovery_entry *e) {
	CLEANUP_FREE char *host = xasprintf("%s.%s", e->service, l->domain);
	CLEANUP_JSON json_t *j = value_new(l, e, host);

	return json_text(j);
}

/* ---- an entry's places ---- */

int skydns_check(const struct discovery_entry *e, struct err *err) {
	int r = discovery_entry_check(e, err);

	if (r == 0 && e->address && e->address6 && strlen(e->key) + strlen(SECOND) > LABEL_MAX)
		r = err_set(err, -EINVAL, "service %s: its key is too long for a second address", e->service);
	return r;
}

/* Where a record stands is asked of every one that is read, what is to stand there of few: values are made apart. */
static void add_address(const struct skydns_layout *l, const struct discovery_entry *e, const char *address, const char *suffix,
			struct skydns_places *to) {
	struct ip ip;

	if (!address || ip_parse(address, &ip, NULL) < 0)
		return;
	to->v[to->n++] =
		(struct skydns_place){.key = xasprintf("%s/%s/%s%s", l->base, e->service, e->key, suffix), .address = address};
	if (l->reverse)
		to->v[to->n++] = (struct skydns_place){.key = skydns_reverse_key(l, &ip), .reverse = true};
}

void skydns_places_of(const struct skydns_layout *l, const struct discovery_entry *e, struct skydns_places *ret) {
	*ret = (struct skydns_places){0};
	add_address(l, e, e->address, "", ret);
	add_address(l, e, e->address6, e->address ? SECOND : "", ret);
}

static char *value_at(const struct skydns_layout *l, const struct discovery_entry *e, const struct skydns_place *p) {
	return p->reverse ? reverse_value(l, e) : forward_value(l, e, p->address);
}

void skydns_places_fill(const struct skydns_layout *l, const struct discovery_entry *e, struct skydns_places *ret) {
	skydns_places_of(l, e, ret);
	for (size_t i = 0; i < ret->n; i++)
		ret->v[i].value = value_at(l, e, &ret->v[i]);
}

void skydns_places_clear(struct skydns_places *p) {
	for (size_t i = 0; i < p->n; i++) {
		free(p->v[i].key);
		free(p->v[i].value);
	}
	*p = (struct skydns_places){0};
}

const struct skydns_place *skydns_place_at(const struct skydns_places *p, const char *key) {
	for (size_t i = 0; i < p->n; i++)
		if (strcmp(p->v[i].key, key) == 0)
			return &p->v[i];
	return NULL;
}

/* ---- whose it is ---- */

/* False: it stands elsewhere than it says. */
static bool stands_where_it_says(const struct skydns_layout *l, const struct discovery_entry *e, const struct etcd_kv *kv,
				 bool *ret_good) {
	struct skydns_places places;

	skydns_places_of(l, e, &places);
	const struct skydns_place *p = skydns_place_at(&places, kv->key);
	if (p) {
		CLEANUP_FREE char *value = value_at(l, e, p);
		*ret_good = strlen(value) == kv->value_len && memcmp(value, kv->value, kv->value_len) == 0;
	}
	skydns_places_clear(&places);
	return p != NULL;
}

/* Not "host" and the rest: what others see may be wrong, and is then mended. */
bool skydns_is_ours(const struct skydns_layout *l, const struct etcd_kv *kv, struct discovery_entry *ret, bool *ret_good) {
	CLEANUP_JSON json_t *j = NULL;
	struct discovery_entry e = {0};

	if (strlen(kv->key) != kv->key_len || json_parse(kv->value, kv->value_len, "value", &j, NULL) < 0)
		return false;
	const char *mark = json_str_or(j, "heir", NULL), *key = json_str_or(j, "heir_key", NULL);
	if (!mark || !key || discovery_entry_decode(mark, l->cluster, &e, NULL) != 0)
		return false;
	e.key = xstrdup(key);
	if (skydns_check(&e, NULL) < 0 || !stands_where_it_says(l, &e, kv, ret_good)) {
		discovery_entry_clear(&e);
		return false;
	}
	*ret = e;
	return true;
}

static void put_printable(struct buf *b, const char *text, size_t n) {
	for (size_t i = 0; i < n && i < SKYDNS_SAID_MAX; i++)
		buf_append(b, isprint((unsigned char)text[i]) ? &text[i] : "?", 1);
	if (n > SKYDNS_SAID_MAX)
		buf_puts(b, "...");
}

char *skydns_say(const struct etcd_kv *kv) {
	struct buf b = {0};

	put_printable(&b, kv->key, kv->key_len);
	buf_puts(&b, " holds \"");
	put_printable(&b, kv->value, kv->value_len);
	buf_puts(&b, "\"");
	return buf_take(&b);
}

/* ---- versions ---- */

const struct skydns_mark *skydns_mark_of(const struct skydns_marks *m, const char *key) {
	for (size_t i = 0; i < m->n; i++)
		if (strcmp(m->v[i].key, key) == 0)
			return &m->v[i];
	return NULL;
}

/* In order, so that one state has one text. */
void skydns_marks_add(struct skydns_marks *m, const char *key, int64_t revision) {
	size_t i = m->n;

	if (m->n == SKYDNS_VERSION_MAX || skydns_mark_of(m, key))
		return;
	for (; i > 0 && strcmp(m->v[i - 1].key, key) > 0; i--)
		m->v[i] = m->v[i - 1];
	m->v[i] = (struct skydns_mark){.key = xstrdup(key), .revision = revision};
	m->n++;
}

void skydns_marks_clear(struct skydns_marks *m) {
	for (size_t i = 0; i < m->n; i++)
		free(m->v[i].key);
	*m = (struct skydns_marks){0};
}

char *skydns_version(const struct skydns_marks *m) {
	struct buf b = {0};

	for (size_t i = 0; i < m->n; i++)
		buf_printf(&b, "%s%s=%lld", i > 0 ? " " : "", m->v[i].key, (long long)m->v[i].revision);
	return buf_take(&b);
}

static bool read_mark(const char *text, size_t n, struct skydns_marks *to) {
	const char *equals = memchr(text, '=', n);
	char *end;

	if (text[0] != '/' || !equals || !isdigit((unsigned char)equals[1]) || to->n == SKYDNS_VERSION_MAX)
		return false;
	errno = 0;
	long long revision = strtoll(equals + 1, &end, 10);
	if (errno || end != text + n || revision == 0)
		return false;
	CLEANUP_FREE char *key = xstrndup(text, (size_t)(equals - text));
	skydns_marks_add(to, key, revision);
	return true;
}

bool skydns_version_read(const char *version, struct skydns_marks *ret) {
	bool good = *version != '\0';

	*ret = (struct skydns_marks){0};
	for (const char *p = version; good && *p;) {
		size_t n = strcspn(p, " ");
		good = read_mark(p, n, ret);
		p += n;
		p += *p == ' ';
	}
	if (!good)
		skydns_marks_clear(ret);
	return good;
}
