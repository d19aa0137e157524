/* Whatever the file holds, the answer is a configuration or an error that names file and line. */
#include "config/config.h"

#include <assert.h>
#include <stdint.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
	struct config *c = NULL;
	struct err err = {0};

	int r = config_parse((const char *)data, size, "fuzz.yaml", "/nonexistent", &c, &err);
	assert(r == 0 ? c != NULL && c->cluster && c->engine_count > 0 : c == NULL && !strncmp(err.msg, "fuzz.yaml:", 10));
	config_free(c);
	return 0;
}
