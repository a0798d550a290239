/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TEST_ACCOUNT_H
#define TEST_ACCOUNT_H

#include <stdio.h>

#define ACCOUNT_TEXT_BYTES 256
/* The record of an account that was granted what it holds. */
static inline char *
account_text(char text[ACCOUNT_TEXT_BYTES], unsigned long long credit, unsigned long long leased) {
  snprintf(text, ACCOUNT_TEXT_BYTES,
           "{\"granted_bytes\":%llu,\"earned_bytes\":0,\"credit_bytes\":%llu,\"leased_bytes\":%llu,"
           "\"charged_bytes\":0,\"lost_bytes\":0,\"entries\":0}",
           credit + leased, credit, leased);
  return text;
}

#endif
