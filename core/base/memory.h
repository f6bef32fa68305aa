/* SPDX-License-Identifier: Apache-2.0 */
/* memory.h - allocation that cannot fail.
 *
 * Out of memory ends the process with one line; the master starts a new worker. Callers do not check for NULL. Any
 * thread may allocate, and may free the memory of another thread.
 */
#ifndef BASE_MEMORY_H
#define BASE_MEMORY_H

#include <stddef.h>

#define MUST_CHECK __attribute__((warn_unused_result))
#define PRINTF_LIKE(fmt, first) __attribute__((format(printf, fmt, first)))

/* Zeroed. */
void *memory_new(size_t len) __attribute__((malloc, returns_nonnull));
/* Like realloc; new bytes are not zeroed. */
void *memory_resize(void *ptr, size_t len) __attribute__((returns_nonnull));
/* A NUL-terminated copy of len bytes. */
char *memory_copy(const char *ptr, size_t len) __attribute__((malloc, returns_nonnull));

#define NEW(type) ((type *)memory_new(sizeof(type)))
#define NEW_ARRAY(type, n) ((type *)memory_new(sizeof(type) * (n)))

/* The struct whose given member ptr points to. */
#define CONTAINER(ptr, type, member) ((type *)((char *)(ptr)-offsetof(type, member)))

#endif
