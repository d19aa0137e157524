/* See client.h. libcurl says which sockets and which timer it waits for; libuv waits, and tells it what happened.
 *
 * libcurl must not be entered again from its own callbacks (curl_multi_add_handle answers CURLM_RECURSIVE_API_CALL, removing a
 * handle there is not allowed at all). `in_curl` says that we are in one; what is asked for meanwhile waits in the todo list and is
 * done at the next turn of the loop. on_done is called outside of libcurl, so there everything is done at once. */
#include "http/client.h"

#include "base/alloc.h"
#include "base/buf.h"

#include <assert.h>
#include <curl/curl.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <utlist.h>

#define SHARES 16
#define CONNECTIONS_MAX 512L /* of a share; above it each answer closes an idle one, and looks at all to find it */
#define IDLE_SECONDS_MAX 15L /* heartbeats keep theirs; what a listing opened is not kept for a thousand engines */
#define DEFAULT_BODY_LIMIT ((size_t)1 << 20)
#define DEFAULT_BUFFER_SIZE 16384L
#define DEFAULT_CONNECT_MS 10000L

enum todo {
	TODO_START = 1 << 0,
	TODO_RESUME = 1 << 1,
	TODO_FREE = 1 << 2,
};

/* libcurl 7.88 walks all of a multi handle's connections whenever a request ends. With a thousand engines that was a quarter of all
 * work, so they are shared out by host and port. */
struct share {
	struct http_client *client;
	CURLM *multi;
	uv_timer_t timer;
};

struct http_client {
	uv_loop_t *loop;
	struct share shares[SHARES];
	uv_idle_t wake; /* runs while there is something to do */
	int open_handles;
	unsigned in_curl;
	size_t n_requests;
	struct http_request *todo;
};

struct http_request {
	struct http_client *client;
	struct share *share;
	CURL *easy;
	struct curl_slist *headers;
	char *where; /* for errors: host and port, or the socket's path */
	char *post;
	CURLcode setup; /* the first option that libcurl refused */
	http_done_fn *on_done;
	http_header_fn *on_header;
	http_response_fn *on_response;
	http_data_fn *on_data;
	http_source_fn *source;
	void *ctx;
	struct span connect_timeout, deadline;
	size_t body_limit;

	bool running, added, dead, paused, responded;
	bool cut, too_large;
	int status;
	size_t header_bytes;
	struct buf body;
	char reason[CURL_ERROR_SIZE];

	unsigned todo;
	struct http_request *prev, *next;
};

struct watch {
	uv_poll_t poll;
	struct share *share;
	curl_socket_t fd;
};

static void run_todo(uv_idle_t *wake);
static void request_destroy(struct http_request *req);

static void request_later(struct http_request *req, enum todo what) {
	struct http_client *client = req->client;

	if (!req->todo)
		DL_APPEND(client->todo, req);
	req->todo |= what;
	uv_idle_start(&client->wake, run_todo);
}

/* The end of a request. */

static const char *timeout_text(const struct http_request *req, bool sent, char *text, size_t n) {
	double seconds = span_to_sec(sent ? req->deadline : req->connect_timeout);

	if (!sent && req->deadline.ns > 0 && span_less(req->deadline, req->connect_timeout))
		seconds = span_to_sec(req->deadline);
	snprintf(text, n, sent ? "no complete answer within %.1f s" : "no connection within %.1f s", seconds);
	return text;
}

static const char *failure_text(const struct http_request *req, CURLcode code, bool sent, char *text, size_t n) {
	long os_error = 0;

	if (req->too_large) {
		snprintf(text, n, "answer larger than %zu bytes",
			 req->header_bytes > HTTP_HEADERS_MAX ? HTTP_HEADERS_MAX : req->body_limit);
		return text;
	}
	switch (code) {
	case CURLE_OPERATION_TIMEDOUT:
		return timeout_text(req, sent, text, n);
	case CURLE_GOT_NOTHING:
		return "closed without an answer";
	case CURLE_PARTIAL_FILE:
		return "closed in the middle of the answer";
	case CURLE_COULDNT_CONNECT:
		curl_easy_getinfo(req->easy, CURLINFO_OS_ERRNO, &os_error);
		if (os_error)
			return strerror_r((int)os_error, text, n);
		break;
	default:
		break;
	}
	return req->reason[0] ? req->reason : curl_easy_strerror(code);
}

static enum http_outcome classify(const struct http_request *req, CURLcode code, bool sent) {
	if (code == CURLE_OK || req->cut)
		return HTTP_ANSWERED;
	if (req->too_large)
		return HTTP_BAD;
	if (!sent)
		return HTTP_NOT_SENT;
	if (code == CURLE_WEIRD_SERVER_REPLY || code == CURLE_UNSUPPORTED_PROTOCOL)
		return HTTP_BAD;
	return HTTP_UNKNOWN;
}

static int outcome_code(enum http_outcome outcome, CURLcode code) {
	if (code == CURLE_OPERATION_TIMEDOUT)
		return -ETIMEDOUT;
	return outcome == HTTP_NOT_SENT ? -ECONNREFUSED : outcome == HTTP_BAD ? -EBADMSG : -EIO;
}

static void remove_from_multi(struct http_request *req) {
	if (!req->added)
		return;
	req->client->in_curl++;
	curl_multi_remove_handle(req->share->multi, req->easy);
	req->client->in_curl--;
	req->added = false;
}

/* The callback may free the request: nothing of it is touched afterwards. */
static void request_finish(struct http_request *req, CURLcode code) {
	struct http_result result = {.status = req->status};
	CLEANUP_BUF struct buf body = req->body;
	char text[160];
	long sent = 0;

	curl_easy_getinfo(req->easy, CURLINFO_REQUEST_SIZE, &sent);
	req->body = (struct buf){0};
	result.outcome = classify(req, code, sent > 0);
	result.body = body.data ? body.data : "";
	result.body_len = body.len;
	if (result.outcome != HTTP_ANSWERED)
		err_set(&result.err, outcome_code(result.outcome, code), "%s: %s", req->where,
			failure_text(req, code, sent > 0, text, sizeof(text)));
	remove_from_multi(req);
	req->running = false;
	if (!req->dead && req->on_done)
		req->on_done(req->ctx, &result);
}

static void drain_finished(struct share *share) {
	int left;

	for (CURLMsg *m; (m = curl_multi_info_read(share->multi, &left));) {
		char *req = NULL;
		CURLcode code = m->data.result;
		if (m->msg != CURLMSG_DONE)
			continue;
		curl_easy_getinfo(m->easy_handle, CURLINFO_PRIVATE, &req);
		request_finish((struct http_request *)(void *)req, code);
	}
}

static void act(struct share *share, curl_socket_t fd, int events) {
	int running;

	share->client->in_curl++;
	curl_multi_socket_action(share->multi, fd, events, &running);
	share->client->in_curl--;
	drain_finished(share);
}

/* libcurl's wishes, for libuv. */

static void on_timer(uv_timer_t *timer) { act(timer->data, CURL_SOCKET_TIMEOUT, 0); }

static int want_timer(CURLM *multi, long ms, void *ctx) {
	struct share *share = ctx;

	(void)multi;
	if (ms < 0)
		return uv_timer_stop(&share->timer);
	uv_update_time(share->client->loop); /* the loop's time is that of the turn's start: the timer would be early */
	return uv_timer_start(&share->timer, on_timer, (uint64_t)ms, 0);
}

static void on_socket(uv_poll_t *poll, int status, int events) {
	struct watch *w = poll->data;
	int flags = status < 0 ? CURL_CSELECT_ERR : 0;

	if (events & UV_READABLE)
		flags |= CURL_CSELECT_IN;
	if (events & UV_WRITABLE)
		flags |= CURL_CSELECT_OUT;
	act(w->share, w->fd, flags); /* w may be gone afterwards */
}

static void watch_closed(uv_handle_t *handle) { free(handle->data); }

static struct watch *watch_new(struct share *share, curl_socket_t fd) {
	struct watch *w = xnew(struct watch);

	w->share = share;
	w->fd = fd;
	w->poll.data = w;
	if (uv_poll_init_socket(share->client->loop, &w->poll, fd) < 0) {
		free(w);
		return NULL;
	}
	curl_multi_assign(share->multi, fd, w);
	return w;
}

/* CURL_POLL_REMOVE comes before libcurl closes the socket, and the poll must be off it by then. */
static int want_socket(CURL *easy, curl_socket_t fd, int what, void *ctx, void *socket_ctx) {
	struct share *share = ctx;
	struct watch *w = socket_ctx;

	(void)easy;
	if (what == CURL_POLL_REMOVE) {
		if (!w)
			return 0;
		uv_poll_stop(&w->poll);
		uv_close((uv_handle_t *)&w->poll, watch_closed);
		curl_multi_assign(share->multi, fd, NULL);
		return 0;
	}
	if (!w)
		w = watch_new(share, fd);
	if (!w)
		return -1;
	int events = (what & CURL_POLL_IN ? UV_READABLE : 0) | (what & CURL_POLL_OUT ? UV_WRITABLE : 0);
	return uv_poll_start(&w->poll, events, on_socket) < 0 ? -1 : 0;
}

/* libcurl 7.88 opens sockets without CLOEXEC. */
static curl_socket_t open_socket(void *ctx, curlsocktype purpose, struct curl_sockaddr *address) {
	(void)ctx;
	(void)purpose;
	return socket(address->family, address->socktype | SOCK_CLOEXEC, address->protocol);
}

static int limit_keepalive(void *ctx, curl_socket_t fd, curlsocktype purpose) {
	int probes = 3;

	(void)ctx;
	(void)purpose;
	(void)setsockopt(fd, IPPROTO_TCP, TCP_KEEPCNT, &probes,
			 sizeof(probes)); /* no TCP on a unix socket: nothing to limit there */
	return CURL_SOCKOPT_OK;
}

/* An answer as it comes. */

static void got_response(struct http_request *req) {
	long status = 0;

	curl_easy_getinfo(req->easy, CURLINFO_RESPONSE_CODE, &status);
	if (status < 200 || req->responded)
		return;
	req->responded = true;
	req->status = (int)status;
	if (req->on_response && !req->dead)
		req->on_response(req->ctx, (int)status);
}

static void got_header(struct http_request *req, char *line) {
	char *colon = strchr(line, ':');

	if (!colon || !req->on_header || req->dead)
		return;
	*colon = '\0';
	req->on_header(req->ctx, line, colon + 1 + strspn(colon + 1, " \t"));
}

static size_t on_header_line(char *data, size_t size, size_t n, void *ctx) {
	struct http_request *req = ctx;

	req->header_bytes += size * n;
	if (req->dead)
		return 0;
	if (req->header_bytes > HTTP_HEADERS_MAX) {
		req->too_large = true;
		return 0;
	}
	CLEANUP_FREE char *line = xstrndup(data, size * n);
	line[strcspn(line, "\r\n")] = '\0';
	if (line[0] == '\0')
		got_response(req);
	else
		got_header(req, line);
	return size * n;
}

static size_t collect(struct http_request *req, const char *data, size_t n) {
	bool success = req->status >= 200 && req->status < 300;
	size_t limit = success ? req->body_limit : HTTP_ERROR_BODY_MAX;

	if (n <= limit - req->body.len) {
		buf_append(&req->body, data, n);
		return n;
	}
	if (success) {
		req->too_large = true;
		return 0;
	}
	buf_append(&req->body, data, limit - req->body.len);
	req->cut = true; /* enough to say why; the rest may be endless */
	return 0;
}

static size_t on_body(char *data, size_t size, size_t n, void *ctx) {
	struct http_request *req = ctx;

	if (req->dead)
		return 0;
	if (!req->on_data || req->status < 200 || req->status > 299)
		return collect(req, data, size * n);
	if (req->paused)
		return CURL_WRITEFUNC_PAUSE;
	req->on_data(req->ctx, data, size * n);
	return req->dead ? 0 : size * n;
}

static size_t on_source(char *data, size_t size, size_t n, void *ctx) {
	struct http_request *req = ctx;

	if (req->dead)
		return CURL_READFUNC_ABORT;
	ssize_t got = req->source(req->ctx, data, size * n);
	if (got == HTTP_SOURCE_LATER)
		return CURL_READFUNC_PAUSE;
	return got < 0 ? CURL_READFUNC_ABORT : (size_t)got;
}

/* Setting up. */

#define SET(req, option, value) \
	do { \
		if ((req)->setup == CURLE_OK) \
			(req)->setup = curl_easy_setopt((req)->easy, option, value); \
	} while (0)

static void add_header(struct http_request *req, const char *line) {
	struct curl_slist *list = curl_slist_append(req->headers, line);

	if (list)
		req->headers = list;
	else
		req->setup = CURLE_OUT_OF_MEMORY;
}

static void set_up_body(struct http_request *req, const struct http_options *o) {
	const char *method = o->method ? o->method : "GET";
	bool get = strcmp(method, "GET") == 0;

	if (o->source) {
		SET(req, CURLOPT_POST, 1L);
		SET(req, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)-1);
		SET(req, CURLOPT_READFUNCTION, on_source);
		SET(req, CURLOPT_READDATA, req);
		add_header(req, "Transfer-Encoding: chunked");
	} else if (o->body || strcmp(method, "POST") == 0 || strcmp(method, "PUT") == 0) {
		req->post = xstrndup("", 0);
		req->post = xreallocarray(req->post, o->body_len + 1, 1);
		if (o->body_len > 0 && o->body)
			memcpy(req->post, o->body, o->body_len);
		SET(req, CURLOPT_POST, 1L);
		SET(req, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)o->body_len);
		SET(req, CURLOPT_POSTFIELDS, req->post);
	} else if (strcmp(method, "HEAD") == 0) {
		SET(req, CURLOPT_NOBODY, 1L);
	}
	if (!get)
		SET(req, CURLOPT_CUSTOMREQUEST, method);
	add_header(req, "Expect:"); /* no waiting for a "100 Continue" */
	for (size_t i = 0; o->headers && o->headers[i]; i++)
		add_header(req, o->headers[i]);
	SET(req, CURLOPT_HTTPHEADER, req->headers);
}

static void set_up_tls(struct http_request *req, const struct http_tls *tls) {
	SET(req, CURLOPT_SSL_VERIFYPEER, tls->insecure ? 0L : 1L);
	SET(req, CURLOPT_SSL_VERIFYHOST, tls->insecure ? 0L : 2L);
	if (tls->ca)
		SET(req, CURLOPT_CAINFO, tls->ca);
	if (tls->cert)
		SET(req, CURLOPT_SSLCERT, tls->cert);
	if (tls->key)
		SET(req, CURLOPT_SSLKEY, tls->key);
}

static void set_up_connection(struct http_request *req, const struct http_options *o) {
	SET(req, CURLOPT_PROTOCOLS_STR, "http,https");
	SET(req, CURLOPT_URL, o->url);
	SET(req, CURLOPT_PROXY, "");
	SET(req, CURLOPT_NOSIGNAL, 1L);
	SET(req, CURLOPT_QUICK_EXIT, 1L); /* cancelling does not wait for a resolver thread */
	SET(req, CURLOPT_OPENSOCKETFUNCTION, open_socket);
	SET(req, CURLOPT_MAXAGE_CONN, IDLE_SECONDS_MAX);
	SET(req, CURLOPT_CONNECTTIMEOUT_MS, (long)span_to_ms(req->connect_timeout));
	SET(req, CURLOPT_HTTP_VERSION, o->http2 ? (long)CURL_HTTP_VERSION_2TLS : (long)CURL_HTTP_VERSION_1_1);
	SET(req, CURLOPT_BUFFERSIZE, o->buffer_size ? (long)o->buffer_size : DEFAULT_BUFFER_SIZE);
	if (o->unix_socket)
		SET(req, CURLOPT_UNIX_SOCKET_PATH, o->unix_socket);
	if (o->tls)
		set_up_tls(req, o->tls);
	if (o->changes) {
		/* On a connection that was used before, libcurl repeats a request that got no answer, POST too. */
		SET(req, CURLOPT_FRESH_CONNECT, 1L);
		SET(req, CURLOPT_FORBID_REUSE, 1L);
	}
	if (o->keepalive) {
		SET(req, CURLOPT_TCP_KEEPALIVE, 1L);
		SET(req, CURLOPT_TCP_KEEPIDLE, 15L);
		SET(req, CURLOPT_TCP_KEEPINTVL, 5L);
		SET(req, CURLOPT_SOCKOPTFUNCTION, limit_keepalive);
	}
}

static void set_up_callbacks(struct http_request *req) {
	SET(req, CURLOPT_PRIVATE, req);
	SET(req, CURLOPT_ERRORBUFFER, req->reason);
	SET(req, CURLOPT_HEADERFUNCTION, on_header_line);
	SET(req, CURLOPT_HEADERDATA, req);
	SET(req, CURLOPT_WRITEFUNCTION, on_body);
	SET(req, CURLOPT_WRITEDATA, req);
	SET(req, CURLOPT_USERAGENT, "heir");
}

static char *where_text(const struct http_options *o) {
	const char *host = o->url ? strstr(o->url, "://") : NULL;

	if (o->unix_socket)
		return xstrdup(o->unix_socket);
	host = host ? host + 3 : "no URL";
	return xstrndup(host, strnlen(host, strcspn(host, "/?#")));
}

/* FNV-1a */
static size_t share_of(const char *where) {
	uint32_t h = 2166136261;

	for (; *where; where++)
		h = (h ^ (unsigned char)*where) * 16777619;
	return (h ^ h >> 16) % SHARES;
}

struct http_request *http_request_new(struct http_client *client, const struct http_options *o) {
	struct http_request *req = xnew(struct http_request);

	req->client = client;
	req->easy = curl_easy_init();
	if (!req->easy)
		abort(); /* as every allocation here: see alloc.h */
	req->where = where_text(o);
	req->share = &client->shares[share_of(req->where)];
	req->on_done = o->on_done;
	req->on_header = o->on_header;
	req->on_response = o->on_response;
	req->on_data = o->on_data;
	req->source = o->source;
	req->ctx = o->ctx;
	req->deadline = o->deadline;
	req->connect_timeout = o->connect_timeout.ns > 0 ? o->connect_timeout : span_ms(DEFAULT_CONNECT_MS);
	req->body_limit = o->body_limit ? o->body_limit : DEFAULT_BODY_LIMIT;
	set_up_connection(req, o);
	set_up_callbacks(req);
	set_up_body(req, o);
	client->n_requests++;
	return req;
}

static void request_destroy(struct http_request *req) {
	struct http_client *client = req->client;

	remove_from_multi(req);
	if (req->todo)
		DL_DELETE(client->todo, req);
	client->in_curl++;
	curl_easy_cleanup(req->easy);
	client->in_curl--;
	curl_slist_free_all(req->headers);
	buf_clear(&req->body);
	free(req->post);
	free(req->where);
	free(req);
	client->n_requests--;
}

void http_request_free(struct http_request *req) {
	if (!req)
		return;
	req->dead = true;
	if (req->client->in_curl)
		request_later(req, TODO_FREE);
	else
		request_destroy(req);
}

static long deadline_ms(struct span deadline) {
	if (deadline.ns <= 0)
		return 0;
	int64_t ms = span_to_ms(deadline);
	return ms < 1 ? 1 : ms > 1000000000 ? 1000000000 : (long)ms;
}

static void start_now(struct http_request *req) {
	CURLcode code = req->setup;

	if (code == CURLE_OK)
		code = curl_easy_setopt(req->easy, CURLOPT_TIMEOUT_MS, deadline_ms(req->deadline));
	if (code == CURLE_OK && curl_multi_add_handle(req->share->multi, req->easy) != CURLM_OK)
		code = CURLE_FAILED_INIT;
	if (code == CURLE_OK)
		req->added = true;
	else
		request_finish(req, code);
}

void http_request_start(struct http_request *req) {
	assert(!req->running && !req->dead);
	buf_clear(&req->body);
	req->running = true;
	req->paused = req->responded = req->cut = req->too_large = false;
	req->status = 0;
	req->header_bytes = 0;
	req->reason[0] = '\0';
	if (req->client->in_curl || req->setup != CURLE_OK)
		request_later(req, TODO_START);
	else
		start_now(req);
}

bool http_request_is_running(const struct http_request *req) { return req->running; }

void http_request_set_deadline(struct http_request *req, struct span deadline) { req->deadline = deadline; }

void http_request_pause(struct http_request *req) { req->paused = true; }

void http_request_resume(struct http_request *req) {
	req->paused = false;
	if (req->running && !req->dead)
		request_later(req, TODO_RESUME);
}

static void resume_now(struct http_request *req) {
	req->client->in_curl++;
	curl_easy_pause(req->easy, CURLPAUSE_CONT);
	req->client->in_curl--;
}

static void do_one(struct http_request *req) {
	unsigned todo = req->todo;

	DL_DELETE(req->client->todo, req);
	req->todo = 0;
	if (todo & TODO_FREE)
		request_destroy(req);
	else if (todo & TODO_START)
		start_now(req);
	else if (req->added && !req->paused)
		resume_now(req);
}

static void run_todo(uv_idle_t *wake) {
	struct http_client *client = wake->data;

	struct http_request *counted;
	int n;

	DL_COUNT(client->todo, counted, n);
	while (n-- > 0 && client->todo) /* what is asked for meanwhile waits for the next turn */
		do_one(client->todo);
	if (!client->todo)
		uv_idle_stop(wake);
	for (size_t i = 0; i < SHARES; i++)
		drain_finished(&client->shares[i]);
}

/* The client. */

static void release(struct http_client *client) {
	if (--client->open_handles == 0)
		free(client);
}

static void handle_closed(uv_handle_t *handle) { release(handle->data); }

static void timer_closed(uv_handle_t *handle) {
	const struct share *share = handle->data;
	release(share->client);
}

static int set_up_multi(struct share *share) {
	CURLM *m = share->multi = curl_multi_init();

	return m && curl_multi_setopt(m, CURLMOPT_SOCKETFUNCTION, want_socket) == CURLM_OK &&
			       curl_multi_setopt(m, CURLMOPT_SOCKETDATA, share) == CURLM_OK &&
			       curl_multi_setopt(m, CURLMOPT_TIMERFUNCTION, want_timer) == CURLM_OK &&
			       curl_multi_setopt(m, CURLMOPT_TIMERDATA, share) == CURLM_OK &&
			       curl_multi_setopt(m, CURLMOPT_MAXCONNECTS, CONNECTIONS_MAX) == CURLM_OK &&
			       curl_multi_setopt(m, CURLMOPT_PIPELINING, CURLPIPE_NOTHING) == CURLM_OK
		       ? 0
		       : -EINVAL;
}

static int set_up_shares(struct http_client *client) {
	int r = 0;

	for (size_t i = 0; i < SHARES && r == 0; i++) {
		struct share *share = &client->shares[i];
		share->client = client;
		share->timer.data = share;
		r = set_up_multi(share);
	}
	return r;
}

static void clean_up_shares(struct http_client *client) {
	for (size_t i = 0; i < SHARES; i++)
		curl_multi_cleanup(client->shares[i].multi); /* NULL is fine */
}

/* TLS libraries write without MSG_NOSIGNAL: a peer that goes away must not end the process. */
static void ignore_sigpipe(void) {
	struct sigaction old;

	if (sigaction(SIGPIPE, NULL, &old) == 0 && old.sa_handler == SIG_DFL)
		signal(SIGPIPE, SIG_IGN);
}

int http_client_new(uv_loop_t *loop, struct http_client **ret_client, struct err *err) {
	if (curl_global_init(CURL_GLOBAL_DEFAULT) != 0)
		return err_set(err, -EIO, "libcurl cannot be initialised");
	ignore_sigpipe();
	struct http_client *client = xnew(struct http_client);
	client->loop = loop;
	if (set_up_shares(client) < 0) {
		clean_up_shares(client);
		free(client);
		return err_set(err, -EINVAL, "libcurl refuses its options");
	}
	for (size_t i = 0; i < SHARES; i++)
		uv_timer_init(loop, &client->shares[i].timer);
	uv_idle_init(loop, &client->wake);
	client->wake.data = client;
	client->open_handles = SHARES + 1;
	*ret_client = client;
	return 0;
}

void http_client_free(struct http_client *client) {
	if (!client)
		return;
	assert(!client->in_curl);
	while (client->todo)
		run_todo(&client->wake);
	assert(client->n_requests == 0);
	clean_up_shares(client);
	for (size_t i = 0; i < SHARES; i++)
		uv_close((uv_handle_t *)&client->shares[i].timer, timer_closed);
	uv_close((uv_handle_t *)&client->wake, handle_closed);
}

uv_loop_t *http_client_loop(const struct http_client *client) { return client->loop; }
