/* SPDX-License-Identifier: Apache-2.0 */
/* store_contract.h - tests that every driver passes: each has an empty store with the channel "hall". */
#ifndef TESTS_STORE_CONTRACT_H
#define TESTS_STORE_CONTRACT_H

#include "support/store_asking.h"

/* The state becomes a struct asking. */
int contract_set_up(void **state);
int contract_tear_down(void **state);
/* With each driver that is here; how many failed. */
int contract_run(struct CMUnitTest *tests, size_t len);

#endif
