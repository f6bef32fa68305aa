/* SPDX-License-Identifier: Apache-2.0 */
/* store_contract.h - runs tests with every driver; each test gets an empty store with the channel "hall". */
#ifndef TESTS_STORE_CONTRACT_H
#define TESTS_STORE_CONTRACT_H

#include "support/store_asking.h"

/* Sets the state to a struct asking. */
int contract_set_up(void **state);
int contract_tear_down(void **state);
/* Runs the tests with each available driver; returns the number of failures. */
int contract_run(struct CMUnitTest *tests, size_t len);

#endif
