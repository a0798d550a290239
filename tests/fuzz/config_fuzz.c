/* SPDX-License-Identifier: Apache-2.0 */
/* Configuration text: whatever it says, reading it ends with success or a sentence, and frees what it took. */
#include "input.h"
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
const char *__lsan_default_suppressions(void);
const char *__lsan_default_options(void);

/* libconfig 1.5 loses the string it was reading when it meets a syntax error. */
const char *
__lsan_default_suppressions(void) {
  return "leak:libconfig.so\n";
}

const char *
__lsan_default_options(void) {
  return "print_suppressions=0";
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  struct copse_trees_input input = {0};
  struct copse_error error = {{0}};
  char *text = strndup((const char *)data, size);

  if (!text)
    return 0;
  if (copse_trees_input_text("fuzz", text, &input, &error) == 0) {
    struct copse_network network = copse_topology_network(&input.topology);
    struct copse_plan plan;
    if (copse_build_trees(&network, input.areas, input.area_count, &input.shape, &plan, &error) != 0 ||
        copse_verify_plan(&network, input.areas, input.area_count, &input.shape, &plan, &error) != 0)
      abort(); /* what was accepted can be built, and the plan is right */
    copse_plan_free(&plan);
  } else if (!error.text[0]) {
    abort();
  }
  copse_trees_input_free(&input);
  free(text);
  return 0;
}
