/* See client.h. libcurl says which sockets and which timer it waits for; libuv waits, and tells it what happened.
 *
 * libcurl must not be entered again from its own callbacks (curl_multi_add_handle answers CURLM_RECURSIVE_API_CALL, removing a
 * handle there is not allowed at all). `in_curl` says that we are in one; what is asked for meanwhile waits in the todo list and is
 * done at the next turn of the loop. on_done is called outside of libcurl, so there everything is done at once. */
#include "http/client-internal.h"

#include "base/alloc.h"

#include <assert.h>
#include <errno.h>
#include <signal.h>
#include <utlist.h>

#define CONNECTIONS_MAX 512L /* of a share; above it each answer closes an idle one, and looks at all to find it */

struct watch {
	uv_poll_t poll;
	struct share *share;
	curl_socket_t fd;
};

static void drain_finished(struct share *share) {
	int left;

	for (CURLMsg *m; (m = curl_multi_info_read(share->multi, &left));) {
		char *req = NULL;
		CURLcode code = m->data.result;
		if (m->msg != CURLMSG_DONE)
			continue;
		curl_easy_getinfo(m->easy_handle, CURLINFO_PRIVATE, &req);
		http_request_finish((struct http_request *)(void *)req, code);
	}
}

static void act(struct share *share, curl_socket_t fd, int events) {
	int running;

	share->client->in_curl++;
	curl_multi_socket_action(share->multi, fd, events, &running);
	share->client->in_curl--;
	drain_finished(share);
}

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

static void do_one(struct http_request *req) {
	unsigned todo = req->todo;

	DL_DELETE(req->client->todo, req);
	req->todo = 0;
	if (todo & TODO_FREE)
		http_request_destroy(req);
	else if (todo & TODO_START)
		http_request_start_now(req);
	else if (req->added && !req->paused)
		http_request_resume_now(req);
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

void http_request_later(struct http_request *req, enum todo what) {
	struct http_client *client = req->client;

	if (!req->todo)
		DL_APPEND(client->todo, req);
	req->todo |= what;
	uv_idle_start(&client->wake, run_todo);
}

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
