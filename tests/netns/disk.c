/* See disk.h: ext4 on a loop device, without a journal of its own, so that it is small. */
#include "disk.h"

#include "harness-internal.h"

#include "base/alloc.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void run(const char *what, const char *command) {
	int status;

	char *out CLEANUP_FREE = capture(command, &status);
	if (status != 0)
		failed("%s: exit status %d: %s\n%s", what, status, command, out);
}

static void mount_it(void) {
	char *place CLEANUP_FREE = state_path("disk"), *image CLEANUP_FREE = state_path("disk.image");
	char *command CLEANUP_FREE = xasprintf("mount -o loop,errors=remount-ro '%s' '%s'", image, place);

	run("mount the small disk", command);
}

/* Its files may be in use still: what uses them is killed after this. */
static void unmount_it(void) {
	char *place CLEANUP_FREE = state_path("disk");
	char *command CLEANUP_FREE =
		xasprintf("chattr -i '%s'/* 2>/dev/null; ! mountpoint -q '%s' || umount -l '%s'", place, place, place);

	shell(command);
}

void disk_make(void) {
	char *place CLEANUP_FREE = state_path("disk"), *image CLEANUP_FREE = state_path("disk.image");
	char *command CLEANUP_FREE =
		xasprintf("mkdir -p '%s' && truncate -s 2M '%s' && mkfs.ext4 -q -O ^has_journal -m 0 '%s'", place, image, image);

	scenario_at_end(unmount_it);
	run("make a small disk", command);
	mount_it();
	note("the state file is on a disk of 2 MiB");
}

void disk_fill(void) {
	char *place CLEANUP_FREE = state_path("disk");
	/* Ever less at a time: what does not fit is not written in part. */
	char *command CLEANUP_FREE =
		xasprintf("cd '%s' && for size in 64k 1k 1k; do dd if=/dev/zero bs=$size 2>/dev/null >>filler; "
			  "sync -f .; done; ! dd if=/dev/zero of=more bs=4k count=1 conv=fsync 2>/dev/null && "
			  "rm -f more",
			  place);

	run("fill the disk", command);
	note("the disk is full");
}

void disk_make_room(void) {
	char *place CLEANUP_FREE = state_path("disk");
	char *command CLEANUP_FREE = xasprintf("rm '%s/filler'", place);

	run("make room", command);
	note("there is room on the disk again");
}

void disk_break(void) {
	char *place CLEANUP_FREE = state_path("disk");
	char *command CLEANUP_FREE =
		xasprintf("echo 1 >/sys/fs/ext4/$(basename \"$(findmnt -no SOURCE '%s')\")/trigger_fs_error && "
			  "! touch '%s/file' 2>/dev/null",
			  place, place);

	run("break the disk", command);
	note("the kernel has made the disk read-only");
}

void disk_mend(void) {
	char *place CLEANUP_FREE = state_path("disk"), *image CLEANUP_FREE = state_path("disk.image");
	/* On a copy: a laboratory that was made meanwhile has the old one in its hosts' mount namespaces, where it stays as it is.
	 * 1: errors were found and corrected. */
	char *command CLEANUP_FREE = xasprintf(
		"umount '%s' && cp '%s' '%s.copy' && mv '%s.copy' '%s' && { e2fsck -fy '%s' >/dev/null 2>&1 || [ $? -eq 1 ]; }",
		place, image, image, image, image, image);

	run("mend the disk", command);
	mount_it();
	note("the disk is mended");
}

static void change_file(const char *suffix, const char *how) {
	char *path CLEANUP_FREE = state_path(DISK_STATE);
	char *command CLEANUP_FREE = xasprintf("chattr %s '%s%s'", how, path, suffix);

	run("change the file", command);
}

void disk_freeze_file(const char *suffix) {
	change_file(suffix, "+i");
	note("%s%s cannot be written", DISK_STATE, suffix);
}

void disk_thaw_file(const char *suffix) {
	change_file(suffix, "-i");
	note("%s%s can be written again", DISK_STATE, suffix);
}
