/*
 * A small disk for the state file, that can be filled, made read-only as a failing disk is, and mended. There is one at a time; it
 * is gone when the scenario ends, however that comes.
 */
#ifndef TESTS_NETNS_DISK_H
#define TESTS_NETNS_DISK_H

#define DISK_STATE "disk/heir.db" /* of heird_options */

void disk_make(void);
void disk_fill(void);
void disk_make_room(void);
/* As the kernel does it itself when it finds an error on a disk. Only disk_mend helps, with nobody using it. */
void disk_break(void);
void disk_mend(void);
/* The state file, or what stands beside it ("-wal"), cannot be written any more, and can be again. */
void disk_freeze_file(const char *suffix);
void disk_thaw_file(const char *suffix);

#endif
