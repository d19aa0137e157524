/* What engines send, into every parser: lines of a stream, then each line as JSON into inspect, lists, info and events. */
#include "engine/container.h"
#include "engine/parse.h"
#include "engine/progress.h"

#include <stdint.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void parse_lists(const json_t *j) {
	struct engine_entry *entries;
	struct engine_network *networks;
	struct engine_task *tasks;
	struct engine_swarm_node *nodes;
	struct engine_image *images;
	struct err err;
	size_t n;

	if (engine_entries_parse(j, &entries, &n, &err) == 0)
		engine_entries_free(entries, n);
	if (engine_networks_parse(j, &networks, &n, &err) == 0)
		engine_networks_free(networks, n);
	if (engine_tasks_parse(j, &tasks, &n, &err) == 0)
		engine_tasks_free(tasks, n);
	if (engine_swarm_nodes_parse(j, &nodes, &n, &err) == 0)
		engine_swarm_nodes_free(nodes, n);
	if (engine_images_parse(j, &images, &n, &err) == 0)
		engine_images_free(images, n);
}

static void parse_objects(const json_t *j) {
	struct engine_container container;
	struct engine_info info;
	struct engine_network network;
	struct engine_swarm swarm;
	struct engine_event event;
	struct err err;

	if (engine_container_parse(j, &container, &err) == 0)
		engine_container_clear(&container);
	if (engine_info_parse(j, &info, &err) == 0)
		engine_info_clear(&info);
	if (engine_network_parse(j, &network, &err) == 0)
		engine_network_clear(&network);
	if (engine_swarm_parse(j, &swarm, &err) == 0)
		engine_swarm_clear(&swarm);
	if (engine_event_parse(j, &event, &err) == 0)
		engine_event_clear(&event);
}

static int on_line(void *ctx, const char *line, size_t n, struct err *err) {
	CLEANUP_JSON json_t *j = NULL;

	(void)ctx;
	if (json_parse(line, n, "fuzz", &j, err) < 0)
		return 0;
	parse_objects(j);
	parse_lists(j);
	return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
	struct lines lines = {.limit = 16384};
	struct progress progress = {0};
	struct err err;
	size_t half = size / 2;

	if (lines_push(&lines, (const char *)data, half, on_line, NULL, &err) == 0 &&
	    lines_push(&lines, (const char *)data + half, size - half, on_line, NULL, &err) == 0)
		(void)lines_end(&lines, on_line, NULL, &err); /* only that nothing breaks is looked at */
	lines_clear(&lines);
	progress_push(&progress, (const char *)data, size);
	(void)progress_end(&progress, &err);
	progress_clear(&progress);
	return 0;
}
