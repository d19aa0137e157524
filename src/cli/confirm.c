/* Asking back: what cannot be taken back is done only after a word was typed that nobody types by accident. */
#include "cli/cli.h"
#include "cli/text.h"

#include "base/alloc.h"

#include <stdlib.h>
#include <string.h>

#define KEY_YES 'y'

const struct argp_option cli_yes_option[] = {
	{.name = "yes", .key = KEY_YES, .doc = "Do not ask back"},
	{0},
};

int cli_on_yes(void *user, int key, const char *arg) {
	(void)arg;
	if (key != KEY_YES)
		return -1;
	((struct cli *)user)->yes = true;
	return 0;
}

/* Without its end, and what is around it. */
static bool is_word(char *line, const char *word) {
	line += strspn(line, " \t");
	line[strcspn(line, " \t\r\n")] = '\0';
	return strcmp(line, word) == 0;
}

int cli_confirm(const struct cli *cli, const char *what, const char *word) {
	char *safe CLEANUP_FREE = text_safe(word), *line CLEANUP_FREE = NULL;
	size_t size = 0;

	if (cli->yes)
		return CLI_OK;
	fprintf(cli->errors, "%s\nType %s to do it: ", what, safe);
	fflush(cli->errors);
	if (getline(&line, &size, cli->in) > 0 && is_word(line, word))
		return CLI_OK;
	fprintf(cli->errors, "heir: not confirmed, nothing was done (--yes does not ask)\n");
	return CLI_FAILED;
}
