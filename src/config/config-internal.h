/* Between config.c (the file as a whole) and engines.c (its list of engines). */
#ifndef CONFIG_CONFIG_INTERNAL_H
#define CONFIG_CONFIG_INTERNAL_H

#include "config/config.h"
#include "config/document.h"
#include "config/reader.h"

#define ENGINES_MAX 16384

field_read_fn config_read_engines; /* struct config: its engines */
void config_free_engines(struct config *c);

#endif
