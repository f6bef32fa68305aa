/* SPDX-License-Identifier: Apache-2.0 */
/* powercut.h - in test builds, a file system that loses unsynced data when the process is killed. */
#ifndef STORE_SQLITE_POWERCUT_H
#define STORE_SQLITE_POWERCUT_H

#include <stddef.h>

#ifdef STOA_FAULTS
/* The name of the VFS when STOA_POWERCUT is set in the environment, else NULL (the default VFS). */
const char *powercut_vfs(void);
#else
#define powercut_vfs() NULL
#endif

#endif
