/* SPDX-License-Identifier: Apache-2.0 */
/* Our dataplane's table: read once, then brought to what the model wants, one batch at a time. */
#include "state.h"
#include <copse/log.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#define REFUSED_MS 1000

static void read_table(struct copse_control *control);

/* Applies what was just appended to the batch from `start` on to the shadow. */
static void
reflect(struct copse_nodes *nodes, size_t start) {
  const struct copse_api_operation *operation = (const void *)(nodes->operations.bytes + start);

  if (nodes->operations.failed || copse_shadow_apply(&nodes->shadow, operation->kind, operation + 1) < 0)
    nodes->broken = true;
}

void
copse_nodes_link(struct copse_nodes *nodes, const struct copse_api_link *link) {
  size_t start = nodes->operations.length;

  copse_operations_link(&nodes->operations, link);
  reflect(nodes, start);
}

void
copse_nodes_target(struct copse_nodes *nodes, const struct copse_api_target *target) {
  size_t start = nodes->operations.length;

  copse_operations_target(&nodes->operations, target);
  reflect(nodes, start);
}

void
copse_nodes_member(struct copse_nodes *nodes, const struct copse_api_member *member) {
  size_t start = nodes->operations.length;
  bool known = member->slot < nodes->shadow.limits.members && nodes->shadow.member_at[member->slot] != NULL;

  copse_operations_member(&nodes->operations, member);
  reflect(nodes, start);
  if (!known && !nodes->broken)
    nodes->shadow.member_at[member->slot]->batch = nodes->sent + 1;
}

void
copse_nodes_tree(struct copse_nodes *nodes, const struct copse_api_tree *tree, const struct copse_api_hop *hops) {
  size_t start = nodes->operations.length;

  copse_operations_tree(&nodes->operations, tree, hops);
  reflect(nodes, start);
}

void
copse_nodes_allowance(struct copse_nodes *nodes, uint32_t slot, uint64_t total_bytes) {
  size_t start = nodes->operations.length;

  copse_operations_allowance(&nodes->operations, slot, total_bytes);
  reflect(nodes, start);
}

void
copse_nodes_branch(struct copse_nodes *nodes, uint32_t slot, uint32_t hop, uint32_t blocks, bool wanted) {
  struct copse_api_interest interest = {.kind = COPSE_HOP_LINK, .slot = slot, .hop = hop};
  size_t start = nodes->operations.length;
  uint64_t *none = NULL;

  if (!wanted) {
    interest.blocks = blocks;
    interest.words = (blocks + 63) / 64;
    none = calloc(interest.words, sizeof(*none));
    if (none == NULL)
      return; /* the next walk tries again */
  }
  copse_operations_interest(&nodes->operations, &interest, none);
  reflect(nodes, start);
  free(none);
}

void
copse_nodes_remove(struct copse_nodes *nodes, enum copse_api_operation_kind kind, uint32_t slot) {
  size_t start = nodes->operations.length;

  copse_operations_remove(&nodes->operations, kind, slot);
  reflect(nodes, start);
}

bool
copse_nodes_refused(const struct copse_nodes *nodes, const char *id, uint64_t now_ms) {
  for (size_t i = 0; i < COPSE_REFUSED_MAX; i++)
    if (now_ms < nodes->refused[i].until_ms && strcmp(nodes->refused[i].id, id) == 0)
      return true;
  return false;
}

/* Finds whom the operation that failed was about. */
struct culprit {
  uint32_t operation, at;
  char id[COPSE_NAME_BYTES]; /* "": nobody we know */
};

static int
find_culprit(void *context, uint16_t kind, const void *record, size_t length) {
  struct culprit *culprit = context;

  uint64_t id = 0;

  (void)length;
  if (culprit->at++ != culprit->operation)
    return 0;
  if (kind == COPSE_API_MEMBER_SET)
    id = ((const struct copse_api_member *)record)->id;
  if (kind == COPSE_API_TREE_SET)
    id = ((const struct copse_api_tree *)record)->id;
  if (id != 0)
    snprintf(culprit->id, sizeof(culprit->id), "%016llx", (unsigned long long)id);
  if (kind == COPSE_API_LINK_SET)
    copse_copy(culprit->id, sizeof(culprit->id), ((const struct copse_api_link *)record)->name);
  if (kind == COPSE_API_TARGET_SET)
    copse_copy(culprit->id, sizeof(culprit->id), ((const struct copse_api_target *)record)->name);
  return 0;
}

/* So that one bad object does not hold up all others, it is left out of batches for a while. Where that cannot be done
 * the batch would be refused again: batches wait instead. */
static void
remember_refusal(struct copse_nodes *nodes, const struct copse_api_result *result) {
  struct culprit culprit = {.operation = result->operation};
  struct copse_refused *refused = &nodes->refused[nodes->next_refused];
  uint64_t now_ms = copse_control_now();

  copse_operations_each(&nodes->operations, find_culprit, &culprit);
  if (culprit.id[0] == '\0' || now_ms < refused->until_ms) {
    nodes->resume_ms = now_ms + REFUSED_MS;
    return;
  }
  memcpy(refused->id, culprit.id, sizeof(refused->id));
  refused->until_ms = now_ms + REFUSED_MS;
  nodes->next_refused = (nodes->next_refused + 1) % COPSE_REFUSED_MAX;
}

static void
on_result(void *context, const struct copse_api_result *result) {
  struct copse_control *control = context;
  struct copse_nodes *nodes = &control->nodes;

  if (nodes->state != COPSE_NODES_SENDING)
    return;
  if (result->status == 0) {
    nodes->shadow.generation = result->generation;
    nodes->confirmed = nodes->sent;
    nodes->state = COPSE_NODES_READY;
    copse_control_soon(control);
    if (control->taken != NULL)
      control->taken(control->taken_context);
    return;
  }
  if (result->status == -ECONNRESET)
    return; /* `down` follows */
  copse_log(COPSE_LOG_WARNING, "the dataplane refused operation %u of %u: %s (%s)", result->operation,
            nodes->operations.count, result->text, strerror(-result->status));
  if (result->status != -ESTALE)
    remember_refusal(nodes, result);
  read_table(control);
}

static int
take_operation(void *context, uint16_t kind, const void *record, size_t length) {
  (void)length;
  return copse_shadow_apply(context, kind, record);
}

/* The labels members have been told must stay theirs. */
static void
keep_member_labels(struct copse_control *control) {
  struct copse_shadow *shadow = &control->nodes.shadow;

  for (size_t i = 0; i < control->model.sessions.count; i++) {
    const struct copse_session *session = control->model.sessions.items[i];

    for (size_t j = 0; j < session->members.count; j++) {
      const struct copse_member *member = session->members.items[j];

      if (member->revision != 0 && strcmp(member->record.pop, control->config->pop) == 0 &&
          copse_shadow_member(shadow, member->id) == NULL)
        copse_shadow_label_mark(shadow, member->record.label);
    }
  }
}

void
copse_nodes_labels(struct copse_control *control) {
  struct copse_shadow *shadow = &control->nodes.shadow;

  if (shadow->label_slots.count < shadow->label_slots.limit)
    return;
  copse_shadow_label_recount(shadow);
  keep_member_labels(control);
}

static void
on_dump(void *context, int status, const void *body, size_t bytes) {
  struct copse_control *control = context;
  struct copse_nodes *nodes = &control->nodes;
  const struct copse_api_limits *limits = &copse_dataplane_hello(control->dataplane)->limits;

  if (nodes->state != COPSE_NODES_READING || status == -ECONNRESET)
    return;
  copse_shadow_free(&nodes->shadow);
  if (status == 0)
    status = copse_shadow_create(&nodes->shadow, limits);
  if (status == 0)
    status = copse_operations_read(body, bytes, take_operation, &nodes->shadow);
  if (status < 0) {
    copse_log(COPSE_LOG_ERROR, "the dataplane's table cannot be read: %s", strerror(-status));
    nodes->state = COPSE_NODES_AWAY;
    nodes->resume_ms = copse_control_now() + REFUSED_MS;
    return;
  }
  nodes->shadow.generation = ((const struct copse_api_batch *)body)->expected_generation;
  keep_member_labels(control);
  copse_log(COPSE_LOG_INFO, "the dataplane holds %zu trees, %zu members, %zu links", nodes->shadow.trees.count,
            nodes->shadow.members.count, nodes->shadow.links.count);
  nodes->broken = false;
  nodes->state = COPSE_NODES_READY;
  control->sampler.known = false;
  copse_control_soon(control);
}

static void
read_table(struct copse_control *control) {
  control->nodes.state = COPSE_NODES_READING;
  if (copse_dataplane_dump(control->dataplane, on_dump, control) < 0)
    control->nodes.state = COPSE_NODES_AWAY; /* asked again by the next walk */
}

static void
on_up(void *context) {
  struct copse_control *control = context;
  uint64_t instance;
  const struct copse_counters *former = copse_dataplane_former(control->dataplane, &instance);

  if (former != NULL)
    copse_credit_note_finals(control, former, instance);
  read_table(control);
}

static void
on_down(void *context) {
  struct copse_control *control = context;

  control->nodes.state = COPSE_NODES_AWAY;
}

int
copse_nodes_start(struct copse_control *control, struct copse_error *error) {
  const struct copse_dataplane_hooks hooks = {.context = control, .up = on_up, .down = on_down};

  return copse_dataplane_create(control->base, control->config->dataplane, &hooks, &control->dataplane, error);
}

static void
send_batch(struct copse_control *control) {
  struct copse_nodes *nodes = &control->nodes;

  if (nodes->broken ||
      copse_dataplane_batch(control->dataplane, nodes->shadow.generation, &nodes->operations, on_result, control) < 0) {
    copse_log(COPSE_LOG_ERROR, "a batch for the dataplane could not be made; reading its table again");
    read_table(control);
    return;
  }
  nodes->sent++;
  nodes->state = COPSE_NODES_SENDING;
}

void
copse_nodes_walk(struct copse_control *control, uint64_t now_ms) {
  struct copse_nodes *nodes = &control->nodes;

  if (nodes->state == COPSE_NODES_AWAY && now_ms >= nodes->resume_ms && copse_dataplane_connected(control->dataplane))
    read_table(control);
  if (nodes->state != COPSE_NODES_READY)
    return;
  if (control->store_status == 0)
    copse_credit_walk(control, now_ms);
  if (now_ms < nodes->resume_ms)
    return;
  copse_operations_clear(&nodes->operations);
  copse_nodes_labels(control);
  copse_desire_walk(control, now_ms);
  copse_measure_targets(control, now_ms);
  copse_credit_push(control);
  copse_interest_walk(control, now_ms);
  if (nodes->operations.count > 0 || nodes->broken)
    send_batch(control);
}

void
copse_nodes_stop(struct copse_control *control) {
  copse_dataplane_free(control->dataplane);
  control->dataplane = NULL;
  copse_shadow_free(&control->nodes.shadow);
  copse_set_free(&control->nodes.finals, free);
  copse_operations_free(&control->nodes.operations);
}
