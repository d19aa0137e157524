/*
 * engines: a thousand Docker engines in one process, to measure what watching them costs, and what losing some of them.
 *
 *	engines COUNT PORT CONTAINERS INSPECT.json [LOST CONTAINERS_OF_LOST]
 *
 * Engine i listens on 127.1.A.B:PORT (A = i / 250, B = 1 + i % 250) and answers what a manager asks of a healthy engine: ping,
 * version, info, the lists, a container (INSPECT.json with another ID and name), and an event stream that stays open and silent;
 * and the calls of a takeover: create, start, rename, update, stop, remove (fleet.c). The first container of each engine has opted
 * in, the others have not; of the first LOST engines all have. Plain HTTP/1.1 with kept connections; everything is on loopback.
 *
 * SIGUSR1 takes the first LOST engines away at once: their listeners and connections are closed, so that connecting is refused.
 * SIGTERM ends the program. On stdout, with times in seconds since 1970:
 *
 *	ready                           all listen
 *	silent TIME                     SIGUSR1 has been obeyed
 *	create TIME ENGINE NAME         a container was created
 */
#include "fleet.h"

#include "base/alloc.h"
#include "base/cleanup.h"

#include <netinet/in.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/resource.h>
#include <time.h>
#include <utlist.h>
#include <uv.h>

enum { REQUEST_MAX = 16384 };

struct connection {
	uv_tcp_t tcp;
	int engine;
	size_t len;
	struct connection *prev, *next;
	char in[REQUEST_MAX];
};

struct answer {
	uv_write_t write;
	struct buf text;
};

static uv_loop_t *loop;
static uv_tcp_t *listeners;
static struct connection *connections;
static int lost;

static void check(int r, const char *what) {
	if (r >= 0)
		return;
	fprintf(stderr, "engines: %s: %s\n", what, uv_strerror(r));
	exit(EXIT_FAILURE);
}

static double now(void) {
	struct timespec t;

	clock_gettime(CLOCK_REALTIME, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

/* ---- HTTP ---- */

static void on_closed(uv_handle_t *h) {
	struct connection *c = h->data;

	DL_DELETE(connections, c);
	free(c);
}

static void on_written(uv_write_t *w, int status) {
	struct answer *a = w->data;

	(void)status; /* a reader that is gone is told by the read */
	buf_clear(&a->text);
	free(a);
}

static void send_text(struct connection *c, struct buf *text) {
	struct answer *a = xnew(struct answer);

	a->text = *text;
	*text = (struct buf){0};
	a->write.data = a;
	uv_buf_t out = uv_buf_init(a->text.data, (unsigned)a->text.len);
	if (uv_write(&a->write, (uv_stream_t *)&c->tcp, &out, 1, on_written) < 0)
		on_written(&a->write, 0);
}

/* "/v1.45/info" is "/info". */
static const char *without_version(const char *path) {
	if (strncmp(path, "/v1.", 4) != 0)
		return path;
	const char *rest = strchr(path + 1, '/');
	return rest ? rest : path;
}

static void put_answer(struct buf *text, struct fleet_answer *a) {
	buf_printf(text,
		   "HTTP/1.1 %d Whatever\r\nApi-Version: 1.45\r\nContent-Type: application/json\r\nContent-Length: %zu\r\n\r\n%s",
		   a->status, a->body.len, a->body.len ? a->body.data : "");
	buf_clear(&a->body);
}

/* A 204 has no length. */
static void put_empty(struct buf *text) { buf_puts(text, "HTTP/1.1 204 No Content\r\nApi-Version: 1.45\r\n\r\n"); }

/* head: "GET /v1.45/info HTTP/1.1", and other lines. */
static void answer(struct connection *c, char *head, const char *body) {
	char *rest = head, *method = strsep(&rest, " "), *asked = rest ? strsep(&rest, " ") : NULL;
	const char *path = without_version(asked ? asked : "");
	struct buf text = {0};
	struct fleet_answer a;

	if (strncmp(path, "/events", 7) == 0) {
		buf_puts(&text, "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n");
		send_text(c, &text);
		return;
	}
	fleet_answer(c->engine, method, path, body, &a);
	if (a.created)
		printf("create %.3f %d %s\n", now(), c->engine, strchr(path, '=') ? strchr(path, '=') + 1 : "");
	if (a.status == 204)
		put_empty(&text);
	else
		put_answer(&text, &a);
	send_text(c, &text);
}

static size_t content_length(const char *head) {
	const char *at = strcasestr(head, "\r\nContent-Length:");
	return at ? strtoul(at + 17, NULL, 10) : 0;
}

/* True: a whole request was there. */
static bool take_request(struct connection *c) {
	char *end = strstr(c->in, "\r\n\r\n");
	if (!end)
		return false;
	*end = '\0';
	char *body = end + 4;
	size_t used = (size_t)(body - c->in) + content_length(c->in);
	if (used > c->len) {
		*end = '\r';
		return false;
	}
	char after = c->in[used];
	c->in[used] = '\0';
	answer(c, c->in, body);
	c->in[used] = after;
	c->len -= used;
	memmove(c->in, c->in + used, c->len + 1);
	return true;
}

static void on_alloc(uv_handle_t *h, size_t wanted, uv_buf_t *ret) {
	struct connection *c = h->data;
	(void)wanted;
	*ret = uv_buf_init(c->in + c->len, (unsigned)(REQUEST_MAX - 1 - c->len));
}

static void drop(struct connection *c) {
	if (!uv_is_closing((uv_handle_t *)&c->tcp))
		uv_close((uv_handle_t *)&c->tcp, on_closed);
}

static void on_read(uv_stream_t *s, ssize_t n, const uv_buf_t *unused) {
	struct connection *c = s->data;

	(void)unused;
	if (n < 0) {
		drop(c); /* gone; or, with no room left for it, a request as nobody sends it */
		return;
	}
	c->len += (size_t)n;
	c->in[c->len] = '\0';
	while (take_request(c))
		;
}

static void on_connection(uv_stream_t *listener, int status) {
	if (status < 0)
		return;
	struct connection *c = xnew(struct connection);
	c->engine = (int)(intptr_t)listener->data;
	DL_APPEND(connections, c);
	uv_tcp_init(loop, &c->tcp);
	c->tcp.data = c;
	if (uv_accept(listener, (uv_stream_t *)&c->tcp) < 0 || uv_read_start((uv_stream_t *)&c->tcp, on_alloc, on_read) < 0)
		drop(c);
}

static void listen_on(uv_tcp_t *listener, int engine, int port) {
	struct sockaddr_in address;
	char text[32];

	snprintf(text, sizeof text, "127.1.%d.%d", engine / 250, 1 + engine % 250);
	check(uv_ip4_addr(text, port, &address), text);
	check(uv_tcp_init(loop, listener), text);
	listener->data = (void *)(intptr_t)engine;
	check(uv_tcp_bind(listener, (struct sockaddr *)&address, 0), text);
	check(uv_listen((uv_stream_t *)listener, 64, on_connection), text);
}

/* ---- the end of some ---- */

static void on_lose(uv_signal_t *s, int number) {
	struct connection *c;

	(void)number;
	uv_signal_stop(s);
	for (int i = 0; i < lost; i++)
		uv_close((uv_handle_t *)&listeners[i], NULL);
	DL_FOREACH (connections, c)
		if (c->engine < lost)
			drop(c);
	printf("silent %.3f\n", now());
}

static void allow_many_files(void) {
	struct rlimit files;

	getrlimit(RLIMIT_NOFILE, &files);
	files.rlim_cur = files.rlim_max;
	setrlimit(RLIMIT_NOFILE, &files);
}

int main(int argc, char **argv) {
	uv_signal_t lose;

	if (argc != 5 && argc != 7) {
		fprintf(stderr, "usage: engines COUNT PORT CONTAINERS INSPECT.json [LOST CONTAINERS_OF_LOST]\n");
		return 64;
	}
	int count = atoi(argv[1]), port = atoi(argv[2]);
	lost = argc == 7 ? atoi(argv[5]) : 0;
	const struct fleet_shape shape = {
		.containers = atoi(argv[3]),
		.lost = lost,
		.lost_containers = argc == 7 ? atoi(argv[6]) : 0,
		.inspect = argv[4],
	};
	setvbuf(stdout, NULL, _IOLBF, 0);
	allow_many_files();
	fleet_init(count, &shape);
	loop = uv_default_loop();
	listeners = xnew_n(uv_tcp_t, (size_t)count);
	for (int i = 0; i < count; i++)
		listen_on(&listeners[i], i, port);
	check(uv_signal_init(loop, &lose), "signal");
	check(uv_signal_start(&lose, on_lose, SIGUSR1), "signal");
	puts("ready");
	uv_run(loop, UV_RUN_DEFAULT);
	return EXIT_SUCCESS;
}
