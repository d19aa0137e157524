/* Names and addresses out of a YAML document: what DNS takes, and nothing that it would take for something else. */
#include "config/reader.h"

#include "base/alloc.h"
#include "base/cleanup.h"
#include "base/ip.h"

#include <ctype.h>
#include <string.h>

#define LABEL_MAX 63
#define DOMAIN_MAX 253 /* as text, without the dot at its end */

int read_ip(const struct reader *r, const struct field *f, const struct node *n, void *to) {
	struct ip ip;

	if (n->kind != NODE_SCALAR || ip_parse(n->text, &ip, NULL) < 0)
		return reader_expected(r, f, n, "a numeric address");
	xstr_replace(to, n->text);
	return 0;
}

/* Of the label that text begins with; 0: it begins with none. */
static size_t label_length(const char *text, const char *alphabet) {
	size_t n = strspn(text, alphabet);
	return n > 0 && n <= LABEL_MAX && text[0] != '-' && text[n - 1] != '-' ? n : 0;
}

int read_label(const struct reader *r, const struct field *f, const struct node *n, void *to) {
	size_t len = n->kind == NODE_SCALAR ? label_length(n->text, "abcdefghijklmnopqrstuvwxyz" READER_DIGITS "-") : 0;

	if (len == 0 || n->text[len])
		return reader_expected(r, f, n, "a DNS label (1 to 63 of a-z, 0-9 and '-')");
	xstr_replace(to, n->text);
	return 0;
}

/* Zones and keys have underscores in their names, hosts have not. */
static bool is_domain(const char *text) {
	for (size_t n; (n = label_length(text, READER_LETTERS READER_DIGITS "-_")) > 0; text += n + 1) {
		if (!text[n] || !strcmp(text + n, "."))
			return true;
		if (text[n] != '.')
			return false;
	}
	return false;
}

/* DNS takes no notice of case; what is compared byte by byte (CoreDNS' keys, TSIG names) is lower case. */
static int read_domain_to(const struct reader *r, const struct field *f, const struct node *n, const char *end, char **to) {
	size_t len = n->kind == NODE_SCALAR ? strlen(n->text) : 0;

	len -= len > 0 && n->text[len - 1] == '.';
	if (len == 0 || len > DOMAIN_MAX || !is_domain(n->text))
		return reader_expected(r, f, n, "a domain's name");
	char *name CLEANUP_FREE = xasprintf("%.*s%s", (int)len, n->text, end);
	for (char *p = name; *p; p++)
		*p = (char)tolower((unsigned char)*p);
	xstr_replace(to, name);
	return 0;
}

/* Of services, which are hosts. */
int read_domain(const struct reader *r, const struct field *f, const struct node *n, void *to) {
	if (n->kind == NODE_SCALAR && strchr(n->text, '_'))
		return reader_expected(r, f, n, "a domain's name without underscores");
	return read_domain_to(r, f, n, "", to);
}

int read_zone(const struct reader *r, const struct field *f, const struct node *n, void *to) {
	return read_domain_to(r, f, n, ".", to);
}
