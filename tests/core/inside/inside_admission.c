/* SPDX-License-Identifier: Apache-2.0 */
#include "limit/admission.c"

#include "inside/inside.h"

unsigned admission_seats(const struct admission_control *control) {
    return control->seats;
}
