/* SPDX-License-Identifier: Apache-2.0 */
#include "base/map.h"
#include "presence/presence_internal.h"

#include "inside/inside.h"

size_t presence_connections(const struct presence *presence, struct slice of_user) {
    const struct presence_user *user = map_find(presence->users, of_user);
    return user ? user->connections : 0;
}
