/* SPDX-License-Identifier: Apache-2.0 */
/* A client's offer is read to its end or refused; the accepted window is one that RFC 7692 allows. */
#include <stdlib.h>

#include "wire/deflate_offer.h"

int LLVMFuzzerTestOneInput(const unsigned char *bytes, size_t len);

int LLVMFuzzerTestOneInput(const unsigned char *bytes, size_t len) {
    struct deflate_offer offer = {0};
    struct buffer answer = {0};
    if (!deflate_offer_read((struct slice){(const char *)bytes, len}, &offer)) return 0;
    if (offer.window_bits && (offer.window_bits < 8 || offer.window_bits > 15)) abort();
    if (offer.accepted && offer.reads_all != (offer.window_bits == 0 || offer.window_bits == 15)) abort();
    deflate_offer_answer(&offer, &answer);
    buffer_done(&answer);
    return 0;
}
