/*
 * lossy: a slow and lossy link, for kernels that have no netem.
 *
 *	lossy QUEUE LOSS_PERCENT DELAY_MS JITTER_MS SEED
 *
 * Takes packets from that nfnetlink queue of the network namespace it is started in (iptables -j NFQUEUE) and decides for each
 * one by itself: lost, or let go on after DELAY_MS, give or take up to JITTER_MS. So packets overtake each other where there is
 * jitter, as on a real bad link. The kernel keeps the packet, only its number comes here: a heap holds the numbers by the time
 * at which they are due. The same seed and the same packets give the same fates.
 *
 * SIGTERM ends it: what waits is let go on at once, and what became of all is said. Whoever ends it takes the rule away first,
 * for a queue that nobody reads loses everything.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <libmnl/libmnl.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netfilter/nfnetlink_queue.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum { WAITING_MAX = 16384, MESSAGE_MAX = 65536 };

struct waiting {
	int64_t due; /* ns */
	uint32_t packet;
};

static struct waiting heap[WAITING_MAX];
static size_t n_waiting;
static uint64_t random_state;
static unsigned long n_seen, n_lost;
static volatile sig_atomic_t ended;

static uint16_t queue;
static uint64_t loss; /* in 100 */
static int64_t delay, jitter;
static struct mnl_socket *kernel;

static _Noreturn void die(const char *what) {
	fprintf(stderr, "lossy: %s: %s\n", what, strerror(errno));
	exit(EXIT_FAILURE);
}

static void end(int number) {
	(void)number;
	ended = 1;
}

static int64_t now(void) {
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

/* splitmix64, 0 to n - 1. */
static uint64_t draw(uint64_t n) {
	uint64_t z = random_state += 0x9e3779b97f4a7c15;

	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
	z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
	return (z ^ (z >> 31)) % n;
}

/* --- the heap: the root is due first --- */

static void swap(size_t a, size_t b) {
	struct waiting keep = heap[a];

	heap[a] = heap[b];
	heap[b] = keep;
}

static void heap_push(int64_t due, uint32_t packet) {
	size_t i = n_waiting++;

	heap[i] = (struct waiting){.due = due, .packet = packet};
	for (; i > 0 && heap[i].due < heap[(i - 1) / 2].due; i = (i - 1) / 2)
		swap(i, (i - 1) / 2);
}

static uint32_t heap_pop(void) {
	uint32_t packet = heap[0].packet;

	heap[0] = heap[--n_waiting];
	for (size_t i = 0, least; (least = 2 * i + 1) < n_waiting; i = least) {
		if (least + 1 < n_waiting && heap[least + 1].due < heap[least].due)
			least++;
		if (heap[i].due <= heap[least].due)
			break;
		swap(i, least);
	}
	return packet;
}

/* --- the kernel --- */

static struct nlmsghdr *message(char *buf, unsigned type) {
	struct nlmsghdr *h = mnl_nlmsg_put_header(buf);

	h->nlmsg_type = (uint16_t)((NFNL_SUBSYS_QUEUE << 8) | type);
	h->nlmsg_flags = NLM_F_REQUEST;
	struct nfgenmsg *g = mnl_nlmsg_put_extra_header(h, sizeof *g);
	g->nfgen_family = AF_UNSPEC;
	g->version = NFNETLINK_V0;
	g->res_id = htons(queue);
	return h;
}

static void tell(const struct nlmsghdr *h) {
	if (mnl_socket_sendto(kernel, h, h->nlmsg_len) < 0)
		die("the kernel");
}

static void settle(uint32_t packet, uint32_t verdict) {
	char buf[256];
	struct nlmsghdr *h = message(buf, NFQNL_MSG_VERDICT);
	struct nfqnl_msg_verdict_hdr v = {.verdict = htonl(verdict), .id = htonl(packet)};

	mnl_attr_put(h, NFQA_VERDICT_HDR, sizeof v, &v);
	tell(h);
}

/* Its own number is enough. The queue is as long as the heap: what does not fit is lost. */
static void bind_queue(void) {
	char buf[256];
	struct nlmsghdr *h = message(buf, NFQNL_MSG_CONFIG);
	struct nfqnl_msg_config_cmd command = {.command = NFQNL_CFG_CMD_BIND};
	struct nfqnl_msg_config_params params = {.copy_mode = NFQNL_COPY_META};

	mnl_attr_put(h, NFQA_CFG_CMD, sizeof command, &command);
	tell(h);
	h = message(buf, NFQNL_MSG_CONFIG);
	mnl_attr_put(h, NFQA_CFG_PARAMS, sizeof params, &params);
	mnl_attr_put_u32(h, NFQA_CFG_QUEUE_MAXLEN, htonl(WAITING_MAX));
	tell(h);
}

static void kernel_open(void) {
	int on = 1;

	kernel = mnl_socket_open2(NETLINK_NETFILTER, SOCK_CLOEXEC | SOCK_NONBLOCK);
	if (!kernel || mnl_socket_bind(kernel, 0, MNL_SOCKET_AUTOPID) < 0)
		die("a netlink socket");
	/* A full socket loses a packet, no more. */
	(void)setsockopt(mnl_socket_get_fd(kernel), SOL_NETLINK, NETLINK_NO_ENOBUFS, &on, sizeof on);
	bind_queue();
}

/* --- packets --- */

static int64_t lateness(void) {
	int64_t span = 2 * jitter;

	return delay - jitter + (span > 0 ? (int64_t)draw((uint64_t)span) : 0);
}

static void packet_came(uint32_t packet) {
	n_seen++;
	if (draw(100) < loss || n_waiting == WAITING_MAX) {
		n_lost++;
		settle(packet, NF_DROP);
		return;
	}
	heap_push(now() + lateness(), packet);
}

static int read_attribute(const struct nlattr *a, void *user) {
	(void)user;
	if (mnl_attr_get_type(a) != NFQA_PACKET_HDR)
		return MNL_CB_OK;
	const struct nfqnl_msg_packet_hdr *p = mnl_attr_get_payload(a);
	packet_came(ntohl(p->packet_id));
	return MNL_CB_OK;
}

static int read_message(const struct nlmsghdr *h, void *user) {
	if ((h->nlmsg_type & 0xff) != NFQNL_MSG_PACKET)
		return MNL_CB_OK;
	return mnl_attr_parse(h, sizeof(struct nfgenmsg), read_attribute, user);
}

/* ENOENT: the kernel has forgotten a packet that waited, since a device that it came by or was to leave by is gone. */
static void take_packets(void) {
	static char buf[MESSAGE_MAX];
	ssize_t n;

	while ((n = mnl_socket_recvfrom(kernel, buf, sizeof buf)) > 0)
		if (mnl_cb_run(buf, (size_t)n, 0, 0, read_message, NULL) < 0 && errno != ENOENT)
			die("the queue");
	if (n < 0 && errno != EAGAIN && errno != EINTR && errno != ENOBUFS)
		die("the queue");
}

static void let_go(int64_t until) {
	while (n_waiting > 0 && heap[0].due <= until)
		settle(heap_pop(), NF_ACCEPT);
}

static int milliseconds_left(void) {
	int64_t left = n_waiting > 0 ? heap[0].due - now() : 1000000000;

	return left > 0 ? (int)(left / 1000000) + 1 : 0;
}

static long long number(const char *text, long long max) {
	char *rest;
	long long n = strtoll(text, &rest, 10);

	if (*rest || rest == text || n < 0 || n > max) {
		fprintf(stderr, "lossy: %s: not a number up to %lld\n", text, max);
		exit(64);
	}
	return n;
}

static void read_arguments(int argc, char **argv) {
	if (argc != 6) {
		fprintf(stderr, "usage: lossy QUEUE LOSS_PERCENT DELAY_MS JITTER_MS SEED\n");
		exit(64);
	}
	queue = (uint16_t)number(argv[1], UINT16_MAX);
	loss = (uint64_t)number(argv[2], 100);
	delay = number(argv[3], 60000) * 1000000;
	jitter = number(argv[4], delay / 1000000) * 1000000;
	random_state = (uint64_t)number(argv[5], INT64_MAX);
}

int main(int argc, char **argv) {
	struct sigaction action = {.sa_handler = end};

	read_arguments(argc, argv);
	(void)sigaction(SIGTERM, &action, NULL);
	kernel_open();
	struct pollfd p = {.fd = mnl_socket_get_fd(kernel), .events = POLLIN};
	while (!ended) {
		(void)poll(&p, 1, milliseconds_left()); /* whatever it says, both are looked at */
		take_packets();
		let_go(now());
	}
	let_go(INT64_MAX);
	fprintf(stderr, "lossy: %lu packets, %lu lost\n", n_seen, n_lost);
	return EXIT_SUCCESS;
}
