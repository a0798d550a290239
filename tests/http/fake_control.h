/* SPDX-License-Identifier: Apache-2.0 */
/* A control plane that is only a store and a loop; its members and trees echo what they were asked. */
#ifndef TEST_FAKE_CONTROL_H
#define TEST_FAKE_CONTROL_H

#include "control.h"
#include <stdatomic.h>

struct copse_control {
  struct copse_store *store;
  struct event_base *base;
  atomic_bool healthy;
  atomic_int unready; /* so many times a member that joined is not ready yet */
  atomic_bool takes;  /* the dataplane takes a batch in the next turn of the loop */
  void (*taken)(void *context);
  void *taken_context;
};

#endif
