/* SPDX-License-Identifier: Apache-2.0 */
/* loop_uv.h - a loop of libuv within ours: for libwebsockets, which wants one. For core/net only. */
#ifndef LOOP_LOOP_UV_H
#define LOOP_LOOP_UV_H

struct loop;
struct uv_loop_s;

/* Made by the first call. */
struct uv_loop_s *loop_uv(struct loop *loop);
/* After a call into libwebsockets from outside its callbacks: libuv runs in the next turn. Cheap. */
void loop_uv_wake(struct loop *loop);

#endif
