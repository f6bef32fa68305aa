/* SPDX-License-Identifier: Apache-2.0 */
/* store_sound.h - checks requests to a store, for every driver and caller. */
#ifndef STORE_STORE_SOUND_H
#define STORE_STORE_SOUND_H

#include "store/store_request.h"

/* False: answer STORE_BAD. Text must be UTF-8 without NUL and within its bound; content and attachments must be JSON;
 * required arguments must be there. Broken JSON in a body would spoil every answer that contains it, and a text that
 * the database refuses would fail the whole batch. Reads only its argument. */
bool store_request_sound(const struct store_request *request);
/* An id in a list. False: leave it out and answer the others. */
bool store_id_sound(struct slice id, size_t most);

#endif
