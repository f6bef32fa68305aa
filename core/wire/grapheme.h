/* SPDX-License-Identifier: Apache-2.0 */
/* grapheme.h - what people take for one character: an extended grapheme cluster (Unicode Standard Annex 29), such as a
 * family emoji of 25 bytes. */
#ifndef WIRE_GRAPHEME_H
#define WIRE_GRAPHEME_H

#include "base/slice.h"

/* Is the text one of them, and does it show? Looks at each byte; the caller bounds them. False for what is no UTF-8. */
bool grapheme_is_one(struct slice text);

#endif
