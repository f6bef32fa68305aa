/* SPDX-License-Identifier: Apache-2.0 */
/* grapheme.h - what people see as one character: an extended grapheme cluster (Unicode Standard Annex 29), such as a
 * family emoji of 25 bytes. */
#ifndef WIRE_GRAPHEME_H
#define WIRE_GRAPHEME_H

#include "base/slice.h"

/* True: text is exactly one visible grapheme cluster. Reads each byte, so the caller limits the length. False for
 * invalid UTF-8. */
bool grapheme_is_one(struct slice text);

#endif
