/*
 * engines: a thousand Docker engines in one process, to measure what watching them costs.
 *
 *	engines COUNT PORT CONTAINERS INSPECT.json
 *
 * Engine i listens on 127.1.A.B:PORT (A = i / 250, B = 1 + i % 250) and answers what a manager asks of a healthy engine: ping,
 * version, info, the lists, one container (INSPECT.json with another ID and name), and an event stream that stays open and silent.
 * Nothing ever changes in them. The first container of each has opted in, the others have not. Plain HTTP/1.1 with kept
 * connections, GET only; everything is on loopback. "ready" is printed when all listen; SIGTERM ends it.
 */
#include "base/alloc.h"
#include "base/buf.h"
#include "base/cleanup.h"
#include "base/json.h"

#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <uv.h>

enum { REQUEST_MAX = 8192, ANSWER_ID_MAX = 65 };

struct connection {
	uv_tcp_t tcp;
	int engine;
	size_t len;
	char in[REQUEST_MAX];
};

struct answer {
	uv_write_t write;
	struct buf text;
};

static uv_loop_t *loop;
static int containers;
static json_t *inspect;

static void check(int r, const char *what) {
	if (r >= 0)
		return;
	fprintf(stderr, "engines: %s: %s\n", what, uv_strerror(r));
	exit(EXIT_FAILURE);
}

/* ---- what an engine says ---- */

static void container_id(char id[ANSWER_ID_MAX], int engine, int number) {
	snprintf(id, ANSWER_ID_MAX, "%08x%08x%048d", (unsigned)engine, (unsigned)number, 0);
}

static void say_info(struct buf *b, int engine) {
	buf_printf(b,
		   "{\"ID\":\"ENGINE-%d\",\"Name\":\"host%d\",\"ServerVersion\":\"26.1.5\",\"NCPU\":8,\"MemTotal\":33554432000,"
		   "\"OperatingSystem\":\"Debian GNU/Linux 12\",\"OSType\":\"linux\",\"Architecture\":\"x86_64\","
		   "\"Runtimes\":{\"runc\":{\"path\":\"runc\"}},\"DefaultRuntime\":\"runc\",\"Driver\":\"overlay2\","
		   "\"Plugins\":{\"Volume\":[\"local\"],\"Network\":[\"bridge\",\"host\",\"macvlan\",\"null\",\"overlay\"],"
		   "\"Log\":[\"json-file\",\"local\",\"syslog\"]},\"Labels\":[],\"LiveRestoreEnabled\":false,"
		   "\"Swarm\":{\"NodeID\":\"\",\"NodeAddr\":\"\",\"LocalNodeState\":\"inactive\",\"ControlAvailable\":false,"
		   "\"RemoteManagers\":null}}",
		   engine, engine);
}

static void say_version(struct buf *b, int engine) {
	(void)engine;
	buf_puts(b,
		 "{\"Version\":\"26.1.5\",\"ApiVersion\":\"1.45\",\"MinAPIVersion\":\"1.24\",\"Os\":\"linux\",\"Arch\":\"amd64\","
		 "\"KernelVersion\":\"6.1.0\"}");
}

static void say_ping(struct buf *b, int engine) {
	(void)engine;
	buf_puts(b, "OK");
}

static void say_containers(struct buf *b, int engine) {
	char id[ANSWER_ID_MAX];

	buf_puts(b, "[");
	for (int i = 0; i < containers; i++) {
		container_id(id, engine, i);
		buf_printf(b,
			   "%s{\"Id\":\"%s\",\"Names\":[\"/"
			   "c%d-%d\"],\"Image\":\"app:1\",\"ImageID\":\"sha256:%064d\",\"State\":\"running\","
			   "\"Status\":\"Up 2 hours\",\"Labels\":{},\"Ports\":[],\"Mounts\":[]}",
			   i ? "," : "", id, engine, i, 1);
	}
	buf_puts(b, "]");
}

static void say_networks(struct buf *b, int engine) {
	static const char *const names[] = {"bridge", "host", "null"};

	buf_puts(b, "[");
	for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
		buf_printf(
			b,
			"%s{\"Name\":\"%s\",\"Id\":\"%032d%032zu\",\"Scope\":\"local\",\"Driver\":\"%s\",\"IPAM\":{\"Config\":[]}}",
			i ? "," : "", names[i], engine, i, names[i]);
	buf_puts(b, "]");
}

static void say_images(struct buf *b, int engine) {
	(void)engine;
	buf_puts(b, "[");
	for (int i = 0; i < 10; i++)
		buf_printf(b, "%s{\"Id\":\"sha256:%064d\",\"RepoTags\":[\"app:%d\"],\"RepoDigests\":[],\"Labels\":null}",
			   i ? "," : "", i, i);
	buf_puts(b, "]");
}

/* Other IDs and names; and of the first, the word that opts it in. */
static void say_container(struct buf *b, int engine, const char *id) {
	unsigned number = 0;
	char name[32];

	sscanf(id, "%*8x%8x", &number);
	snprintf(name, sizeof name, "/c%d-%u", engine, number);
	json_t *copy CLEANUP_JSON = json_deep_copy(inspect);
	json_object_set_new(copy, "Id", json_stringn(id, 64));
	json_object_set_new(copy, "Name", json_string(name));
	json_t *config = json_object_get(copy, "Config"), *state = json_object_get(copy, "State");
	json_object_set_new(state, "Status", json_string("running"));
	json_object_set_new(state, "Running", json_true());
	json_object_set_new(config, "Labels", json_object());
	json_object_set_new(config, "Env", json_pack("[s, s]", "PATH=/bin", number == 0 ? "reschedule:on-node-failure" : "LANG=C"));
	char *text CLEANUP_FREE = json_dumps(copy, JSON_COMPACT);
	buf_puts(b, text);
}

/* ---- HTTP ---- */

static void on_closed(uv_handle_t *h) { free(h->data); }

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

static bool say(struct buf *body, int engine, const char *path) {
	static const struct {
		const char *path;
		void (*say)(struct buf *b, int engine);
	} sayings[] = {
		{"/_ping", say_ping},
		{"/version", say_version},
		{"/info", say_info},
		{"/networks", say_networks},
		{"/containers/json", say_containers},
		{"/images/json", say_images},
	};

	for (size_t i = 0; i < sizeof sayings / sizeof sayings[0]; i++) {
		size_t len = strlen(sayings[i].path);
		if (strncmp(path, sayings[i].path, len) == 0 && strchr("? ", path[len])) {
			sayings[i].say(body, engine);
			return true;
		}
	}
	if (strncmp(path, "/containers/", 12) != 0 || strlen(path) < 12 + 64)
		return false;
	say_container(body, engine, path + 12);
	return true;
}

static void answer(struct connection *c, const char *request) {
	const char *space = strchr(request, ' ');
	const char *path = without_version(space ? space + 1 : request);
	struct buf text = {0}, body CLEANUP_BUF = {0};

	if (strncmp(path, "/events", 7) == 0) {
		buf_puts(&text, "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n");
	} else {
		bool known = say(&body, c->engine, path);
		if (!known)
			buf_puts(&body, "{\"message\":\"page not found\"}");
		buf_printf(&text,
			   "HTTP/1.1 %s\r\nApi-Version: 1.45\r\nContent-Type: application/json\r\nContent-Length: %zu\r\n\r\n%s",
			   known ? "200 OK" : "404 Not Found", body.len, body.data);
	}
	send_text(c, &text);
}

static void on_alloc(uv_handle_t *h, size_t wanted, uv_buf_t *ret) {
	struct connection *c = h->data;
	(void)wanted;
	*ret = uv_buf_init(c->in + c->len, (unsigned)(REQUEST_MAX - 1 - c->len));
}

static void on_read(uv_stream_t *s, ssize_t n, const uv_buf_t *unused) {
	struct connection *c = s->data;
	char *end;

	(void)unused;
	if (n < 0) {
		uv_close((uv_handle_t *)s, on_closed);
		return;
	}
	c->len += (size_t)n;
	c->in[c->len] = '\0';
	while ((end = strstr(c->in, "\r\n\r\n"))) {
		*end = '\0';
		answer(c, c->in);
		c->len -= (size_t)(end + 4 - c->in);
		memmove(c->in, end + 4, c->len + 1);
	}
}

static void on_connection(uv_stream_t *listener, int status) {
	if (status < 0)
		return;
	struct connection *c = xnew(struct connection);
	c->engine = (int)(intptr_t)listener->data;
	uv_tcp_init(loop, &c->tcp);
	c->tcp.data = c;
	if (uv_accept(listener, (uv_stream_t *)&c->tcp) < 0 || uv_read_start((uv_stream_t *)&c->tcp, on_alloc, on_read) < 0)
		uv_close((uv_handle_t *)&c->tcp, on_closed);
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

int main(int argc, char **argv) {
	struct rlimit files;
	json_error_t error;

	if (argc != 5) {
		fprintf(stderr, "usage: engines COUNT PORT CONTAINERS INSPECT.json\n");
		return 64;
	}
	int count = atoi(argv[1]), port = atoi(argv[2]);
	containers = atoi(argv[3]);
	inspect = json_load_file(argv[4], 0, &error);
	if (!inspect) {
		fprintf(stderr, "engines: %s: %s\n", argv[4], error.text);
		return EXIT_FAILURE;
	}
	getrlimit(RLIMIT_NOFILE, &files);
	files.rlim_cur = files.rlim_max;
	setrlimit(RLIMIT_NOFILE, &files);
	loop = uv_default_loop();
	uv_tcp_t *listeners = xnew_n(uv_tcp_t, (size_t)count);
	for (int i = 0; i < count; i++)
		listen_on(&listeners[i], i, port);
	puts("ready");
	fflush(stdout);
	uv_run(loop, UV_RUN_DEFAULT);
	return EXIT_SUCCESS;
}
