/* SPDX-License-Identifier: Apache-2.0 */
/* fields.h - a message body made of several byte strings, each preceded by its length. */
#ifndef BUS_FIELDS_H
#define BUS_FIELDS_H

#include <stdint.h>

#include "base/buffer.h"

void fields_add(struct buffer *out, struct slice part);
/* Takes the next part from rest. False: none left, or it is truncated. */
bool fields_take(struct slice *rest, struct slice *part_r) MUST_CHECK;
/* Removes every part equal to this one from parts; parts must be complete. */
void fields_remove(struct buffer *parts, struct slice part);
/* Eight bytes, big-endian. */
void fields_add_number(struct buffer *out, uint64_t number);
bool fields_take_number(struct slice *rest, uint64_t *number_r) MUST_CHECK;

#endif
