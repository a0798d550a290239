/* SPDX-License-Identifier: Apache-2.0 */
/* The whole control plane of some PoPs behind real HTTPS servers on loopback, over dataplanes that forward nothing and
 * whose counters are what standard input says. Prints one JSON line when it is ready; ends when standard input does.
 *
 * usage: test-api-server [CONFIGURATION], e.g. 'http = { connections = 10; };'
 * lines of input: count POP tree|member ID NAME=N …      adds to counters of the dataplane of PoP number POP (from 0)
 *                 count POP link NAME NAME=N …
 *                 count POP worker - NAME=N …
 *                 permit POP member ID                   the member has proven its address
 * each is answered with a line: ok, or what is wrong */
#include "cluster.h"
#include "http/server.h"
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define POPS 3
#define LINK_BPS 100000000
#define WORDS_MAX 16

static struct cluster cluster;
static struct copse_http *http[POPS];

#define FIELD(struct_, field_) #field_, offsetof(struct copse_##struct_##_counters, field_)
static const struct {
  const char *kind, *name;
  size_t offset;
} fields[] = {
  {"tree", FIELD(tree, packets)},
  {"tree", FIELD(tree, bytes)},
  {"tree", "red", offsetof(struct copse_tree_counters, copy_drops[COPSE_DROP_RED])},
  {"tree", "no_allowance", offsetof(struct copse_tree_counters, copy_drops[COPSE_DROP_NO_ALLOWANCE])},
  {"member", FIELD(member, rx_packets)},
  {"member", FIELD(member, rx_bytes)},
  {"member", FIELD(member, tx_packets)},
  {"member", FIELD(member, tx_bytes)},
  {"link", FIELD(link, packets)},
  {"link", FIELD(link, bytes)},
  {"link", FIELD(link, drops)},
  {"worker", FIELD(worker, rx_packets)},
  {"worker", FIELD(worker, tx_packets)},
  {"worker", "bad_tag", offsetof(struct copse_worker_counters, packet_drops[COPSE_DROP_BAD_TAG])},
  {"worker", "link_budget", offsetof(struct copse_worker_counters, copy_drops[COPSE_DROP_LINK_BUDGET])},
  {"worker", "not_wanted", offsetof(struct copse_worker_counters, copy_drops[COPSE_DROP_NOT_WANTED])},
};

/* The counters of an object; null when the dataplane has none of that name. */
static char *
find_counters(struct fake_dataplane *fake, const char *kind, const char *name) {
  struct fake_tree *tree = fake_tree_find(fake, strtoull(name, NULL, 16));
  const struct copse_api_member *member = fake_member_find(fake, strtoull(name, NULL, 16));
  const struct copse_api_link *link = fake_link_find(fake, name);

  if (strcmp(kind, "worker") == 0)
    return (char *)fake_worker_counters(fake);
  if (strcmp(kind, "tree") == 0 && tree != NULL)
    return (char *)fake_tree_counters(fake, tree->set.slot);
  if (strcmp(kind, "member") == 0 && member != NULL)
    return (char *)fake_member_counters(fake, member->slot);
  if (strcmp(kind, "link") == 0 && link != NULL)
    return (char *)fake_link_counters(fake, link->slot);
  return NULL;
}

static const char *
count(struct fake_dataplane *fake, char **words, size_t word_count) {
  char *counters = find_counters(fake, words[2], words[3]);

  if (counters == NULL)
    return "no such object";
  for (size_t i = 4; i < word_count; i++) {
    char *equals = strchr(words[i], '=');
    bool known = false;

    if (equals == NULL)
      return "NAME=N is expected";
    *equals = '\0';
    for (size_t j = 0; j < sizeof(fields) / sizeof(fields[0]); j++) {
      if (strcmp(fields[j].kind, words[2]) == 0 && strcmp(fields[j].name, words[i]) == 0) {
        *(uint64_t *)(void *)(counters + fields[j].offset) += strtoull(equals + 1, NULL, 10);
        known = true;
      }
    }
    if (!known)
      return "no such counter";
  }
  return "ok";
}

static const char *
permit(struct fake_dataplane *fake, const char *id) {
  const struct copse_api_member *member = fake_member_find(fake, strtoull(id, NULL, 16));

  if (member == NULL)
    return "no such object";
  fake_member_state(fake, member->slot)->id = member->id;
  fake_member_state(fake, member->slot)->permission_until = UINT64_MAX;
  return "ok";
}

static const char *
obey(char *line) {
  char *words[WORDS_MAX];
  size_t word_count = 0, pop;

  for (char *word = strtok(line, " \n"); word != NULL && word_count < WORDS_MAX; word = strtok(NULL, " \n"))
    words[word_count++] = word;
  pop = word_count > 1 ? strtoul(words[1], NULL, 10) : POPS;
  if (word_count < 4 || pop >= POPS)
    return "not understood";
  if (strcmp(words[0], "count") == 0)
    return count(cluster.pops[pop].dataplane, words, word_count);
  return strcmp(words[0], "permit") == 0 ? permit(cluster.pops[pop].dataplane, words[3]) : "not understood";
}

/* Lines are short and come one at a time. */
static void
on_input(evutil_socket_t fd, short what, void *context) {
  char line[512];
  ssize_t length = read(fd, line, sizeof(line) - 1);

  (void)what;
  if (length <= 0) {
    event_base_loopbreak(context);
    return;
  }
  line[length] = '\0';
  puts(obey(line));
  fflush(stdout);
}

static void
say_where(void) {
  printf("{\"directory\":\"%s\",\"pops\":[", cluster.folder);
  for (size_t i = 0; i < POPS; i++)
    printf("%s{\"name\":\"%s\",\"url\":\"https://127.0.0.1:%u\"}", i == 0 ? "" : ",", cluster.pops[i].name,
           copse_http_port(http[i]));
  puts("]}");
  fflush(stdout);
}

int
main(int argc, char **argv) {
  struct copse_error error;
  struct event *input;

  cluster_start(&cluster, POPS, LINK_BPS, argc > 1 ? argv[1] : "");
  for (size_t i = 0; i < POPS; i++) {
    if (copse_http_start(cluster.pops[i].control, &cluster.pops[i].config.http, &http[i], &error) < 0) {
      fprintf(stderr, "test-api-server: %s\n", error.text);
      return EXIT_FAILURE;
    }
  }
  say_where();
  input = event_new(cluster.base, STDIN_FILENO, EV_READ | EV_PERSIST, on_input, cluster.base);
  event_add(input, NULL);
  event_base_dispatch(cluster.base);
  event_free(input);
  for (size_t i = 0; i < POPS; i++)
    copse_http_stop(http[i]);
  cluster_stop(&cluster);
  return EXIT_SUCCESS;
}
