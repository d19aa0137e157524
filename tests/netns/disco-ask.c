/* See disco.h: one question to one system, as a client asks it. Blocking, for a second at most; in the network namespace of whoever
 * calls. */
#include "disco-internal.h"

#include "base/alloc.h"
#include "base/buf.h"

#include <arpa/inet.h>
#include <curl/curl.h>
#include <gnutls/gnutls.h>
#include <ldns/ldns.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define SERVER "10.99.0.1"
#define ETCD "http://" SERVER ":2389"

enum { ANSWER_MS = 1000 };

/* --- a list of answers, in order --- */

static int compare_texts(const void *a, const void *b) { return strcmp(*(char *const *)a, *(char *const *)b); }

static void join(struct strs *list, char answer[static DISCO_ANSWER_MAX]) {
	size_t used = 0;

	if (list->n > 1)
		qsort(list->v, list->n, sizeof list->v[0], compare_texts);
	answer[0] = '\0';
	for (size_t i = 0; i < list->n && used < DISCO_ANSWER_MAX; i++)
		used += (size_t)snprintf(answer + used, DISCO_ANSWER_MAX - used, "%s%s", i ? " " : "", list->v[i]);
}

/* --- DNS --- */

/* Connected, so that a port on which nobody listens is heard of at once. Returns the size of the answer, -1: none. */
static ssize_t exchange(uint16_t port, const uint8_t *question, size_t n, uint8_t *answer, size_t size) {
	struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(port)};
	int fd CLEANUP_FD = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	struct pollfd p = {.fd = fd, .events = POLLIN};

	(void)inet_pton(AF_INET, SERVER, &to.sin_addr); /* is one */
	if (fd < 0 || connect(fd, (struct sockaddr *)&to, sizeof to) < 0 || send(fd, question, n, 0) < 0)
		return -1;
	return poll(&p, 1, ANSWER_MS) == 1 ? recv(fd, answer, size, 0) : -1;
}

static void keep_rdata(const ldns_pkt *packet, ldns_rr_type type, struct strs *found) {
	const ldns_rr_list *list = ldns_pkt_answer(packet);

	for (size_t i = 0; i < ldns_rr_list_rr_count(list); i++) {
		const ldns_rr *rr = ldns_rr_list_rr(list, i);
		if (ldns_rr_get_type(rr) != type)
			continue;
		char *text CLEANUP_FREE = ldns_rdf2str(ldns_rr_rdf(rr, 0));
		strs_add_new(found, text);
	}
}

static bool read_answer(const uint8_t *data, size_t n, uint16_t id, ldns_rr_type type, struct strs *found) {
	ldns_pkt *packet = NULL;
	bool good = ldns_wire2pkt(&packet, data, n) == LDNS_STATUS_OK && ldns_pkt_id(packet) == id;
	ldns_pkt_rcode rcode = good ? ldns_pkt_get_rcode(packet) : LDNS_RCODE_SERVFAIL;

	good = good && (rcode == LDNS_RCODE_NOERROR || rcode == LDNS_RCODE_NXDOMAIN);
	if (good)
		keep_rdata(packet, type, found);
	ldns_pkt_free(packet);
	return good;
}

/* Appends what is found. False: no answer. */
static bool ask_dns(uint16_t port, const char *name, ldns_rr_type type, struct strs *found) {
	uint8_t *question = NULL, answer[4096];
	ldns_pkt *packet = NULL;
	uint16_t id = (uint16_t)(rand() & 0xffff);
	size_t size;

	if (ldns_pkt_query_new_frm_str(&packet, name, type, LDNS_RR_CLASS_IN, 0) != LDNS_STATUS_OK)
		return false;
	ldns_pkt_set_id(packet, id);
	bool made = ldns_pkt2wire(&question, packet, &size) == LDNS_STATUS_OK;
	ldns_pkt_free(packet);
	ssize_t n = made ? exchange(port, question, size, answer, sizeof answer) : -1;
	free(question);
	return n > 0 && read_answer(answer, (size_t)n, id, type, found);
}

static bool ask_zone(uint16_t port, const char *service, const char *suffix, struct strs *found) {
	char *name CLEANUP_FREE = xasprintf("%s.%s.", service, suffix);

	return ask_dns(port, name, LDNS_RR_TYPE_A, found) && ask_dns(port, name, LDNS_RR_TYPE_AAAA, found);
}

/* --- etcd --- */

static char *to_base64(const char *text) {
	gnutls_datum_t from = {.data = (unsigned char *)text, .size = (unsigned)strlen(text)}, to;

	if (gnutls_base64_encode2(&from, &to) < 0)
		abort(); /* out of memory */
	char *copy = xstrndup((char *)to.data, to.size);
	gnutls_free(to.data);
	return copy;
}

static json_t *parse_base64(const char *text) {
	gnutls_datum_t from = {.data = (unsigned char *)text, .size = (unsigned)strlen(text)}, to;
	json_t *j = NULL;

	if (gnutls_base64_decode2(&from, &to) < 0)
		return NULL;
	(void)json_parse((char *)to.data, to.size, "etcd", &j, NULL); /* NULL says it */
	gnutls_free(to.data);
	return j;
}

static size_t keep_body(char *data, size_t size, size_t n, void *user) {
	buf_append(user, data, size * n);
	return size * n;
}

/* New reference; NULL: no answer. */
static json_t *post(const char *path, const char *body) {
	char *url CLEANUP_FREE = xasprintf("%s%s", ETCD, path);
	struct buf said CLEANUP_BUF = {0};
	json_t *j = NULL;
	long status = 0;

	CURL *c = curl_easy_init();
	curl_easy_setopt(c, CURLOPT_URL, url);
	curl_easy_setopt(c, CURLOPT_POSTFIELDS, body);
	curl_easy_setopt(c, CURLOPT_TIMEOUT_MS, (long)ANSWER_MS);
	curl_easy_setopt(c, CURLOPT_NOSIGNAL, 1L);
	curl_easy_setopt(c, CURLOPT_WRITEFUNCTION, keep_body);
	curl_easy_setopt(c, CURLOPT_WRITEDATA, &said);
	if (curl_easy_perform(c) == CURLE_OK)
		curl_easy_getinfo(c, CURLINFO_RESPONSE_CODE, &status);
	curl_easy_cleanup(c);
	if (status == 200 && said.data)
		(void)json_parse(said.data, said.len, "etcd", &j, NULL); /* NULL says it */
	return j;
}

/* The end of a range of all that begins with it: the last byte, which is a slash, counted up. */
static bool ask_etcd(const char *prefix, struct strs *found) {
	char *end CLEANUP_FREE = xstrdup(prefix);
	json_t *kv;
	size_t i;

	end[strlen(end) - 1]++;
	char *from CLEANUP_FREE = to_base64(prefix), *to CLEANUP_FREE = to_base64(end);
	char *body CLEANUP_FREE = xasprintf("{\"key\":\"%s\",\"range_end\":\"%s\"}", from, to);
	json_t *answer CLEANUP_JSON = post("/v3/kv/range", body);
	json_array_foreach (json_object_get(answer, "kvs"), i, kv) {
		json_t *value CLEANUP_JSON = parse_base64(json_str_or(kv, "value", ""));
		const char *host = json_str_or(value, "host", NULL);
		if (host)
			strs_add_new(found, host);
	}
	return json_is_object(answer);
}

/* --- both ways --- */

static bool ask(enum disco_system s, const char *service, struct strs *found) {
	char *prefix CLEANUP_FREE = xasprintf("/skydns/local/svc/%s/", service);

	switch (s) {
	case DISCO_CONSUL:
		return ask_zone(8600, service, "service.consul", found);
	case DISCO_BIND:
		return ask_zone(53, service, "lab.example", found);
	case DISCO_ETCD:
		return ask_etcd(prefix, found);
	default:
		abort();
	}
}

void disco_ask(enum disco_system s, const char *service, char answer[static DISCO_ANSWER_MAX]) {
	struct strs found = {0};

	if (ask(s, service, &found))
		join(&found, answer);
	else
		(void)snprintf(answer, DISCO_ANSWER_MAX, "-");
	strs_clear(&found);
}
