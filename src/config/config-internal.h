/* Between config.c (the file as a whole), engines.c (its list of engines) and discovery.c (where their services are published). */
#ifndef CONFIG_CONFIG_INTERNAL_H
#define CONFIG_CONFIG_INTERNAL_H

#include "config/config.h"
#include "config/document.h"
#include "config/reader.h"

#define ENGINES_MAX 16384

/* Bounds of durations. */
#define MINUTE INT64_C(60000)
#define HOUR (60 * MINUTE)

field_read_fn config_read_engines; /* struct config: its engines */
void config_free_engines(struct config *c);

extern const struct field config_discovery_fields[]; /* struct config */
/* What needs the whole file: engines may stand below. */
int config_check_discovery(const struct reader *r, const struct node *root, const struct config *c);
void config_free_discovery(struct config *c);

void config_free_labels(struct config_label *labels, size_t n);

#endif
