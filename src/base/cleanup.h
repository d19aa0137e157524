/* Scope-bound ownership: a local marked with one of these is released when it goes out of scope,
 * so that the happy path needs no labels. TAKE_PTR hands the value over and leaves NULL behind. */
#ifndef BASE_CLEANUP_H
#define BASE_CLEANUP_H

#include <stdlib.h>
#include <unistd.h>

#define CLEANUP(fn) __attribute__((cleanup(fn)))

/* Defines cleanup_NAME(T **) that calls free_fn on the pointer. free_fn takes NULL. */
#define CLEANUP_DEFINE(name, type, free_fn) \
	static inline void cleanup_##name(type **p) { free_fn(*p); }

static inline void cleanup_free(void *p) {
	void **pp = p;
	free(*pp);
}

static inline void cleanup_fd(int *fd) {
	if (*fd >= 0)
		close(*fd);
}

#define CLEANUP_FREE CLEANUP(cleanup_free)
#define CLEANUP_FD CLEANUP(cleanup_fd)

#define TAKE_PTR(p) \
	({ \
		__typeof__(p) take_ptr_ = (p); \
		(p) = NULL; \
		take_ptr_; \
	})

static inline int take_fd(int *fd) {
	int taken = *fd;
	*fd = -1;
	return taken;
}

#endif
