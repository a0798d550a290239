/* SPDX-License-Identifier: Apache-2.0 */
/* Which PoP is next, and when; time as an argument. */
#include "pops.h"
#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <errno.h>
#include <string.h>

#define SECOND 1000000000ULL

static struct pops pops;

static void
fill(void) {
  pops = (struct pops){0};
  for (const char *url = "abc"; *url; url++)
    cr_assert(eq(int, pops_add(&pops, url, 1), 0));
}

static void
clear(void) {
  pops_free(&pops);
}

TestSuite(pops, .init = fill, .fini = clear);

Test(pops, come_one_after_another_and_again) {
  for (const char *url = "abcab"; *url; url++) {
    cr_expect(eq(chr, *pops_url(&pops), *url));
    cr_expect(pops_next(&pops));
  }
}

Test(pops, who_refuses_is_not_asked_again) {
  cr_expect(pops_next(&pops));
  cr_expect(pops_refuse(&pops));
  cr_expect(eq(str, (char *)pops_url(&pops), "c"));
  cr_expect(pops_next(&pops));
  cr_expect(eq(str, (char *)pops_url(&pops), "a"));
  cr_expect(pops_refuse(&pops));
  cr_expect(eq(str, (char *)pops_url(&pops), "c"));
  cr_expect(not(pops_next(&pops)), "the only one left is kept");
  cr_expect(not(pops_refuse(&pops)));
}

Test(pops, one_that_does_not_serve_is_given_up_after_a_while) {
  uint64_t now = 77 * SECOND;

  pops_joined(&pops, now);
  pops_served(&pops, now += 3 * SECOND);
  cr_expect(not(pops_give_up(&pops, now + POPS_PATIENCE_NS - 1)));
  cr_expect(pops_give_up(&pops, now + POPS_PATIENCE_NS));
  cr_expect(eq(str, (char *)pops_url(&pops), "b"));
}

Test(pops, those_that_never_serve_are_given_up_ever_later) {
  uint64_t now = 77 * SECOND, patience = POPS_PATIENCE_NS;

  for (int i = 0; i < 20; i++) {
    pops_joined(&pops, now);
    cr_expect(not(pops_give_up(&pops, now + patience - 1)), "%d", i);
    cr_assert(pops_give_up(&pops, now += patience), "%d", i);
    patience = patience < POPS_PATIENCE_MAX_NS ? 2 * patience : patience;
  }
  pops_joined(&pops, now);
  pops_served(&pops, now);
  cr_expect(pops_give_up(&pops, now + POPS_PATIENCE_NS), "one that did is not excused for what others were");
}

Test(pops, the_only_one_is_never_given_up) {
  struct pops one = {0};

  cr_assert(eq(int, pops_add(&one, "x", 1), 0));
  pops_joined(&one, SECOND);
  cr_expect(not(pops_give_up(&one, 1000 * SECOND)));
  cr_expect(not(pops_refuse(&one)));
  cr_expect(eq(str, (char *)pops_url(&one), "x"));
  pops_free(&one);
}

Test(pops, are_so_many_at_most) {
  while (pops.count < POPS_MAX)
    cr_assert(eq(int, pops_add(&pops, "y", 1), 0));
  cr_expect(eq(int, pops_add(&pops, "y", 1), -ENOSPC));
}
