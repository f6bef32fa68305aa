/* SPDX-License-Identifier: Apache-2.0 */
/* store_sound.h - what may be asked of a store, of any driver and by any caller. */
#ifndef STORE_STORE_SOUND_H
#define STORE_STORE_SOUND_H

#include "store/store_request.h"

/* False: STORE_BAD. Text is UTF-8 without NUL, no longer than it may be; content and attachments are JSON; what the
 * operation needs is there. A body of broken JSON would spoil every answer that it is part of, and a text that a
 * database refuses would cost all that were sent with it. Touches nothing but its argument. */
bool store_request_sound(const struct store_request *request);
/* An id of a list. False: it is left out; the others of the list are answered. */
bool store_id_sound(struct slice id, size_t most);

#endif
