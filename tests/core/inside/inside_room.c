/* SPDX-License-Identifier: Apache-2.0 */
#include "channel/room.c"

#include "inside/inside.h"

struct receiver *room_member(const struct room *room, size_t index) {
    return room->members[index];
}
