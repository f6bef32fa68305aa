/* SPDX-License-Identifier: Apache-2.0 */
/* loop_fd.h - descriptors on the loop. */
#ifndef LOOP_LOOP_FD_H
#define LOOP_LOOP_FD_H

struct loop;
struct loop_fd;

enum { LOOP_READ = 1, LOOP_WRITE = 2, LOOP_HANGUP = 4 /* the peer ended its side; bytes may still wait */ };

/* Level-triggered. The descriptor stays the caller's. */
struct loop_fd *loop_fd_new(struct loop *loop, int fd, int interest, void (*ready)(void *owner, int fd, int ready),
                            void *owner);
void loop_fd_set(struct loop_fd *fd, int interest);
void loop_fd_free(struct loop_fd **fd);

#endif
