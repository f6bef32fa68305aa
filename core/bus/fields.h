/* SPDX-License-Identifier: Apache-2.0 */
/* fields.h - a message's body that is made of several byte strings, one after another, each behind its length. */
#ifndef BUS_FIELDS_H
#define BUS_FIELDS_H

#include <stdint.h>

#include "base/buffer.h"

void fields_add(struct buffer *out, struct slice part);
/* The next one, taken from rest. False: there is none, or it is cut off. */
bool fields_take(struct slice *rest, struct slice *part_r) MUST_CHECK;
/* Takes each part that is equal to this one out of parts, which are whole. */
void fields_remove(struct buffer *parts, struct slice part);
/* Eight bytes, the highest first. */
void fields_add_number(struct buffer *out, uint64_t number);
bool fields_take_number(struct slice *rest, uint64_t *number_r) MUST_CHECK;

#endif
