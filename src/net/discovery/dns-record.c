/* See dns-record.h. */
#include "net/discovery/dns-record.h"

#include "base/alloc.h"
#include "base/buf.h"
#include "base/ip.h"

#include <ctype.h>
#include <errno.h>
#include <ldns/ldns.h>
#include <string.h>

#define TXT_PIECE ((size_t)255) /* RFC 1035, 3.3: a character-string's length is one byte */

char *dns_name(const char *text) {
	bool absolute = text && *text && text[strlen(text) - 1] == '.';
	char *name = xasprintf("%s%s", text ? text : "", absolute ? "" : ".");
	ldns_rdf *rdf = ldns_dname_new_frm_str(name);

	if (!rdf || !text || !*text) {
		ldns_rdf_deep_free(rdf);
		free(name);
		return NULL;
	}
	ldns_rdf_deep_free(rdf);
	for (char *p = name; *p; p++)
		*p = (char)tolower((unsigned char)*p);
	return name;
}

void dns_zones_clear(struct dns_zones *z) {
	free(z->zone);
	strs_clear(&z->reverse);
	*z = (struct dns_zones){0};
}

/* ---- names ---- */

/* "web.svc.example."; in the root zone "web.". */
static char *within(const char *label, const char *zone) {
	struct buf b = {0};

	buf_puts(&b, label);
	buf_puts(&b, ".");
	buf_puts(&b, strcmp(zone, ".") == 0 ? "" : zone);
	return buf_take(&b);
}

static char *instance_name(const struct dns_zones *z, const struct discovery_entry *e) {
	char *service CLEANUP_FREE = within(e->service, z->zone);
	return within(e->key, service);
}

static char *srv_name(const struct dns_zones *z, const struct discovery_entry *e) {
	char *label CLEANUP_FREE = xasprintf("_%s._tcp", e->service);
	return within(label, z->zone);
}

char *dns_key_name(const struct dns_zones *z, const char *key) {
	char *heir CLEANUP_FREE = within("_heir", z->zone);
	return within(key, heir);
}

char *dns_key_of(const struct dns_zones *z, const char *name) {
	const char *dot = strchr(name, '.');

	if (!dot)
		return NULL;
	char *key = xstrndup(name, (size_t)(dot - name));
	char *whole CLEANUP_FREE = dns_key_name(z, key);
	if (strcmp(whole, name) == 0 && discovery_is_label(key) && strlen(key) < DISCOVERY_KEY_MAX)
		return key;
	free(key);
	return NULL;
}

static char *reverse_name(const char *address) {
	struct buf b = {0};
	struct ip ip;

	if (ip_parse(address, &ip, NULL) < 0)
		return NULL;
	bool four = ip.family == AF_INET;
	for (size_t i = ip_size(&ip); i-- > 0;)
		if (four)
			buf_printf(&b, "%u.", ip.bytes[i]);
		else
			buf_printf(&b, "%x.%x.", ip.bytes[i] & 15U, ip.bytes[i] >> 4U);
	buf_puts(&b, four ? "in-addr.arpa." : "ip6.arpa.");
	return buf_take(&b);
}

static bool is_within(const char *name, const char *zone) {
	size_t n = strlen(name), m = strlen(zone);
	return n > m && name[n - m - 1] == '.' && strcmp(name + n - m, zone) == 0;
}

const char *dns_reverse_zone(const struct dns_zones *z, const char *name) {
	const char *best = NULL;

	for (size_t i = 0; i < z->reverse.n; i++)
		if (is_within(name, z->reverse.v[i]) && (!best || strlen(z->reverse.v[i]) > strlen(best)))
			best = z->reverse.v[i];
	return best;
}

/* ---- records ---- */

/* Addresses as ldns writes them: of IPv6 there is more than one way. */
static void add_address(struct dns_records *r, const char *name, const char *address) {
	char text[IP_TEXT_MAX];
	struct ip ip;

	if (address && ip_parse(address, &ip, NULL) == 0)
		dns_records_add(r, name, ip.family == AF_INET ? DNS_A : DNS_AAAA, ip_format(&ip, text));
}

static void add_reverse(const struct dns_zones *z, struct dns_records *r, const char *service, const char *address) {
	char *name CLEANUP_FREE = address ? reverse_name(address) : NULL;

	if (name && dns_reverse_zone(z, name))
		dns_records_add(r, name, DNS_PTR, service);
}

void dns_records_of(const struct dns_zones *z, const struct discovery_entry *e, const char *text, struct dns_records *ret) {
	char *key CLEANUP_FREE = dns_key_name(z, e->key), *data CLEANUP_FREE = dns_txt_data(text);
	char *service CLEANUP_FREE = within(e->service, z->zone), *instance CLEANUP_FREE = instance_name(z, e);
	char *srv CLEANUP_FREE = srv_name(z, e), *target CLEANUP_FREE = xasprintf("0 0 %u %s", e->port, instance);

	dns_records_add(ret, key, DNS_TXT, data);
	add_address(ret, service, e->address);
	add_address(ret, service, e->address6);
	add_address(ret, instance, e->address);
	add_address(ret, instance, e->address6);
	if (e->port)
		dns_records_add(ret, srv, DNS_SRV, target);
	add_reverse(z, ret, service, e->address);
	add_reverse(z, ret, service, e->address6);
}

void dns_places_of(const struct dns_zones *z, const struct discovery_entry *e, struct dns_records *ret) {
	char *key CLEANUP_FREE = dns_key_name(z, e->key), *service CLEANUP_FREE = within(e->service, z->zone);
	char *instance CLEANUP_FREE = instance_name(z, e), *srv CLEANUP_FREE = srv_name(z, e);
	const struct {
		const char *name;
		enum dns_type types[3];
	} places[] = {{key, {DNS_TXT, DNS_CNAME}},
		      {service, {DNS_A, DNS_AAAA, DNS_CNAME}},
		      {instance, {DNS_A, DNS_AAAA, DNS_CNAME}},
		      {srv, {DNS_SRV, DNS_CNAME}}};
	size_t n = sizeof(places) / sizeof(places[0]) - (e->port ? 0 : 1);

	for (size_t i = 0; i < n; i++)
		for (size_t t = 0; t < 3 && places[i].types[t]; t++)
			dns_records_add_new(ret, places[i].name, places[i].types[t], NULL);
}

int dns_records_check(const struct dns_records *r, struct err *err) {
	for (size_t i = 0; i < r->n; i++) {
		ldns_rdf *rdf = ldns_dname_new_frm_str(r->v[i].name);
		if (!rdf)
			return err_set(err, -EINVAL, "\"%s\" is too long for a name in DNS", r->v[i].name);
		ldns_rdf_deep_free(rdf);
	}
	return 0;
}

/* ---- TXT ---- */

char *dns_txt_data(const char *text) {
	struct buf b = {0};
	size_t left = strlen(text);

	do {
		size_t n = left < TXT_PIECE ? left : TXT_PIECE;
		buf_puts(&b, b.len ? " \"" : "\"");
		buf_append(&b, text, n);
		buf_puts(&b, "\"");
		text += n;
		left -= n;
	} while (left > 0);
	return buf_take(&b);
}

char *dns_txt_text(const char *data) {
	struct buf b = {0};

	for (const char *p = data; *p; p++)
		if (*p == '"' && p[1] == ' ' && p[2] == '"')
			p += 2; /* between two pieces */
		else if (*p != '"')
			buf_append(&b, p, 1);
	char *text = buf_take(&b);
	char *again CLEANUP_FREE = dns_txt_data(text);
	if (!strchr(text, '\\') && strcmp(again, data) == 0)
		return text;
	free(text);
	return NULL;
}
