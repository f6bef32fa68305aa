/* SPDX-License-Identifier: Apache-2.0 */
/* loop_uv.h - a libuv loop within ours, for libwebsockets. For core/net only. */
#ifndef LOOP_LOOP_UV_H
#define LOOP_LOOP_UV_H

struct loop;
struct uv_loop_s;

/* The first call creates it. */
struct uv_loop_s *loop_uv(struct loop *loop);
/* After a call into libwebsockets from outside its callbacks: libuv runs in the next turn. Cheap. */
void loop_uv_wake(struct loop *loop);

#endif
