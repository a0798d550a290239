/* SPDX-License-Identifier: Apache-2.0 */
/* What a member reports, several times a second, and what it is told. */
#include "plan.h"
#include "state.h"
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#define WRITE_MS 500     /* progress goes into the store so often at most */
#define RATE_MS 1000     /* rates are measured over at least so long */
#define PEERS_MAX 64     /* in an answer */
#define PEERS_NEAREST 48 /* of them */
#define SENT_MAX 1024    /* ranges in a report */
#define PPM 1000000U

static bool
read_optional(const json_t *body, const char *name, uint64_t *out, struct copse_answer *answer) {
  if (json_object_get(body, name) == NULL || copse_json_number(body, name, out))
    return true;
  copse_answer_fail(answer, 400, name, "%s: must be a whole number of bytes", name);
  return false;
}

static bool
read_loss(const json_t *body, uint64_t *out, struct copse_answer *answer) {
  if (json_object_get(body, "loss_ppm") == NULL || (copse_json_number(body, "loss_ppm", out) && *out <= PPM))
    return true;
  copse_answer_fail(answer, 400, "loss_ppm", "loss_ppm: must be a whole number, at most %u", PPM);
  return false;
}

static bool
check_sent(const json_t *body, struct copse_answer *answer) {
  const json_t *sent = json_object_get(body, "sent");
  size_t index;
  json_t *item;

  if (sent != NULL && (!json_is_array(sent) || json_array_size(sent) > SENT_MAX)) {
    copse_answer_fail(answer, 400, "sent", "sent: must be at most %d ranges [first, count]", SENT_MAX);
    return false;
  }
  json_array_foreach(sent, index, item) {
    if (json_array_size(item) != 2 || !json_is_integer(json_array_get(item, 0)) ||
        !json_is_integer(json_array_get(item, 1))) {
      copse_answer_fail(answer, 400, "sent", "sent: must be ranges [first, count]");
      return false;
    }
  }
  return true;
}

static bool
read_progress(const json_t *body, const struct copse_session *session, struct copse_progress *progress,
              struct copse_answer *answer) {
  uint32_t blocks = copse_session_blocks(session);
  bool want;

  if (!copse_json_number(body, "have", &progress->have) || progress->have > blocks) {
    copse_answer_fail(answer, 400, "have", "have: must be a number of blocks, at most %u", blocks);
    return false;
  }
  if (!copse_answer_flag(body, "done", &progress->done, answer) ||
      !copse_answer_flag(body, "busy", &progress->busy, answer) || !copse_answer_flag(body, "want", &want, answer))
    return false;
  if (progress->done && progress->have != blocks) {
    copse_answer_fail(answer, 400, "done", "done: %llu of %u blocks are not all", (unsigned long long)progress->have,
                      blocks);
    return false;
  }
  return read_optional(body, "cdn_bytes", &progress->cdn_bytes, answer) &&
         read_optional(body, "direct_bytes", &progress->direct_bytes, answer) &&
         read_optional(body, "sent_bytes", &progress->sent_bytes, answer) &&
         read_loss(body, &progress->loss_ppm, answer) && check_sent(body, answer);
}

/* Bits per second since `*before`, which becomes `now`; 0 when there was no before, or another life. */
static uint64_t
rate(uint64_t *before, uint64_t now, uint64_t passed_ms) {
  uint64_t grown = passed_ms == 0 || now < *before ? 0 : now - *before;

  *before = now;
  return grown == 0 ? 0 : grown * 8000 / passed_ms;
}

/* The member as our dataplane has it; null when it has not, or cannot be asked. */
static const struct copse_shadow_member *
member_here(const struct copse_control *control, const struct copse_member *member) {
  return copse_dataplane_counters(control->dataplane) == NULL || control->nodes.state < COPSE_NODES_READY
           ? NULL
           : copse_shadow_member(&control->nodes.shadow, member->id);
}

/* Rates since the last measurement, once enough time has passed: what it says itself, and what our dataplane counts. */
static void
measure(const struct copse_control *control, struct copse_member *member, struct copse_progress *progress,
        uint64_t now_ms) {
  const struct copse_shadow_member *here = member_here(control, member);
  struct copse_member_local *local = &member->local;
  uint64_t passed_ms = local->rated_ms == 0 ? 0 : now_ms - local->rated_ms;
  struct copse_member_counters counters = {0};

  if (local->rated_ms != 0 && passed_ms < RATE_MS)
    return;
  if (here != NULL)
    copse_counters_member(copse_dataplane_counters(control->dataplane), here->set.slot, &counters);
  progress->cdn_bps = rate(&local->rated_cdn, progress->cdn_bytes, passed_ms);
  progress->direct_bps = rate(&local->rated_direct, progress->direct_bytes, passed_ms);
  progress->in_bps = rate(&local->rated_in, counters.rx_bytes, passed_ms);
  progress->out_bps = rate(&local->rated_out, counters.tx_bytes, passed_ms);
  local->rated_ms = now_ms;
}

/* The dataplane may send to it: it has proven its address in this life of the dataplane. */
static bool
is_permitted(const struct copse_control *control, const struct copse_member *member) {
  const struct copse_shadow_member *here = member_here(control, member);
  struct copse_member_state state;

  if (here == NULL)
    return false;
  copse_counters_member_state(copse_dataplane_counters(control->dataplane), here->set.slot, &state);
  return state.id == member->number && state.permission_until != 0;
}

/* Of a member that is there: not of one that has joined elsewhere meanwhile. Rates are measured when they are written,
 * for those in between would be known to nobody. */
static void
write_progress(struct copse_control *control, const struct copse_session *session, struct copse_member *member,
               struct copse_progress *progress, uint64_t now_ms) {
  char key[sizeof("/sessions//progress/") + COPSE_SESSION_BYTES + COPSE_ID_BYTES], member_key[sizeof(key)];
  char *text;

  if (progress->done == member->progress.done && progress->busy == member->progress.busy &&
      now_ms - member->local.written_ms < WRITE_MS)
    return;
  measure(control, member, progress, now_ms);
  snprintf(key, sizeof(key), "/sessions/%s/progress/%s", session->id, member->id);
  snprintf(member_key, sizeof(member_key), "/sessions/%s/members/%s", session->id, member->id);
  text = copse_json_take(copse_progress_write(progress));
  if (text != NULL) {
    const struct copse_compare compare = {.key = member_key, .revision = member->revision};
    const struct copse_change change = {.kind = COPSE_CHANGE_PUT, .key = key, .value = text};

    if (copse_control_commit(control, &compare, 1, &change, 1) == 0)
      member->local.written_ms = now_ms;
  }
  free(text);
}

static void
add_tree(json_t *trees, uint32_t number, const char *root, uint64_t rate_bps) {
  json_array_append_new(
    trees, json_pack("{s:I, s:s, s:I}", "label", (json_int_t)number, "root", root, "rate_bps", (json_int_t)rate_bps));
}

/* The number members here know a tree by that has left the plan and drains. */
static void
add_draining(const struct copse_control *control, const struct copse_session *session, json_t *trees) {
  for (size_t i = 0; i < session->installed.count; i++) {
    const struct copse_installed *installed = session->installed.items[i];
    const struct copse_shadow_tree *tree =
      strcmp(installed->pop, control->config->pop) != 0 || copse_session_tree(session, installed->tree) != NULL
        ? NULL
        : copse_shadow_tree(&control->nodes.shadow, installed->tree);

    /* Links come before members: the last hop is a member if any is. */
    if (tree != NULL && tree->set.hops > 0 && tree->hops[tree->set.hops - 1].kind == COPSE_HOP_MEMBER)
      add_tree(trees, tree->hops[tree->set.hops - 1].label, installed->record.root, 0);
  }
}

/* Trees a member here may get data of: those of the plan, and those that still drain. */
static json_t *
trees_json(const struct copse_control *control, const struct copse_session *session) {
  json_t *trees = json_array();

  for (size_t i = 0; i < session->plan.tree_count; i++) {
    const struct copse_planned_tree *tree = &session->plan.trees[i];

    if (tree->status == COPSE_TREE_OK)
      add_tree(trees, tree->number, tree->root, tree->rate_bps);
  }
  add_draining(control, session, trees);
  return trees;
}

static json_t *
peer_json(const struct copse_session *session, const struct copse_member *peer, bool near) {
  const char *format = strchr(peer->record.address, ':') == NULL ? "http://%s:%u" : "http://[%s]:%u";
  uint64_t have = peer->record.seed ? copse_session_blocks(session) : peer->progress.have;
  char url[COPSE_ADDRESS_BYTES + 16];

  snprintf(url, sizeof(url), format, peer->record.address, peer->record.http_port);
  return json_pack("{s:s, s:s, s:b, s:s, s:I, s:b, s:b}", "member", peer->id, "pop", peer->record.pop, "near", near,
                   "url", url, "have", (json_int_t)have, "done", copse_member_complete(peer), "busy",
                   peer->progress.busy);
}

/* The peers that an answer names. All walks begin behind the member that asks. */
struct naming {
  const struct copse_control *control;
  const struct copse_session *session;
  size_t start;
  bool *named; /* by place after `start` */
  json_t *peers;
};

/* The peer so many places behind the member, null when it is there no more or is named already. */
static const struct copse_member *
unnamed(const struct naming *naming, size_t place) {
  const struct copse_set *members = &naming->session->members;
  const struct copse_member *peer = members->items[(naming->start + place) % members->count];

  return peer->revision == 0 || naming->named[place] ? NULL : peer;
}

static void
name_peer(struct naming *naming, size_t place, const struct copse_member *peer, bool near) {
  naming->named[place] = true;
  json_array_append_new(naming->peers, peer_json(naming->session, peer, near));
}

static void
name_own_area(struct naming *naming) {
  for (size_t i = 1; i < naming->session->members.count && json_array_size(naming->peers) < PEERS_NEAREST; i++) {
    const struct copse_member *peer = unnamed(naming, i);

    if (peer != NULL && strcmp(peer->record.pop, naming->control->config->pop) == 0)
      name_peer(naming, i, peer, true);
  }
}

struct distance {
  const char *pop;
  double delay_ms;
};

static int
compare_distances(const void *a, const void *b) {
  const struct distance *left = a, *right = b;

  return left->delay_ms < right->delay_ms ? -1 : left->delay_ms > right->delay_ms;
}

/* Area by area in order of delay. Of a member that is alone in its area the nearest are near. */
static void
name_nearest(struct naming *naming) {
  const struct copse_set *areas = &naming->session->areas;
  struct distance *distances = calloc(areas->count + 1, sizeof(*distances));
  bool alone = json_array_size(naming->peers) == 0;

  for (size_t i = 0; distances != NULL && i < areas->count; i++) {
    const char *pop = ((const struct copse_area_state *)areas->items[i])->pop;

    distances[i] = (struct distance){.pop = pop, .delay_ms = copse_measure_delay(naming->control, pop)};
  }
  if (distances != NULL)
    qsort(distances, areas->count, sizeof(*distances), compare_distances);
  for (size_t i = 0; distances != NULL && i < areas->count && json_array_size(naming->peers) < PEERS_NEAREST; i++) {
    for (size_t j = 1; j < naming->session->members.count && json_array_size(naming->peers) < PEERS_NEAREST; j++) {
      const struct copse_member *peer = unnamed(naming, j);

      if (peer != NULL && strcmp(peer->record.pop, distances[i].pop) == 0)
        name_peer(naming, j, peer, alone);
    }
    alone = alone && json_array_size(naming->peers) == 0;
  }
  free(distances);
}

/* The nearest, and some however far, so that all are named by somebody. */
static json_t *
peers_json(const struct copse_control *control, const struct copse_session *session,
           const struct copse_member *member) {
  struct naming naming = {.control = control, .session = session, .peers = json_array()};

  naming.named = calloc(session->members.count + 1, sizeof(*naming.named));
  while (naming.start < session->members.count && session->members.items[naming.start] != member)
    naming.start++;
  if (naming.named != NULL) {
    name_own_area(&naming);
    if (json_array_size(naming.peers) < PEERS_NEAREST)
      name_nearest(&naming);
  }
  for (size_t i = 1; naming.named != NULL && i < session->members.count && json_array_size(naming.peers) < PEERS_MAX;
       i++) {
    const struct copse_member *peer = unnamed(&naming, i);

    if (peer != NULL)
      name_peer(&naming, i, peer, strcmp(peer->record.pop, control->config->pop) == 0);
  }
  free(naming.named);
  return naming.peers;
}

/* "cdn" also where trees may still be planned: what is fetched from seeds meanwhile is missing from their uplinks when
 * the trees are there. */
static const char *
mode_of(const struct copse_control *control, const struct copse_session *session, const struct copse_member *member) {
  if (session->finished || member->record.direct)
    return "direct";
  for (size_t i = 0; i < session->plan.tree_count; i++)
    if (session->plan.trees[i].status == COPSE_TREE_OK)
      return "cdn";
  return copse_plan_behind(&control->model, session) ? "cdn" : "direct";
}

void
copse_member_sync(struct copse_control *control, const struct copse_caller *caller, const char *session_id,
                  const char *member_id, const json_t *body, struct copse_answer *answer) {
  const json_t *bitmap = json_object_get(body, "bitmap");
  uint64_t now_ms = copse_control_now();
  struct copse_progress progress = {0};
  struct copse_session *session;
  struct copse_member *member;
  json_t *send;

  if (!copse_member_find(control, caller, session_id, member_id, &session, &member, answer))
    return;
  progress = member->progress;
  if (!read_progress(body, session, &progress, answer))
    return;
  if (bitmap != NULL && (!json_is_string(bitmap) ||
                         !copse_interest_take(member, json_string_value(bitmap), copse_session_blocks(session)))) {
    copse_answer_fail(answer, 400, "bitmap", "bitmap: must be base64 of %u bits", copse_session_blocks(session));
    return;
  }
  member->local.seen_ms = now_ms;
  progress.unproven = !is_permitted(control, member);
  write_progress(control, session, member, &progress, now_ms);
  send = copse_orders_sync(control, session, member, body, now_ms);
  session = copse_model_session(&control->model, session_id); /* the model has been refreshed */
  member = session == NULL ? NULL : copse_session_member(session, member_id);
  if (member == NULL) {
    json_decref(send);
    copse_answer_fail(answer, 404, NULL, "no such member any more");
    return;
  }
  answer->status = 200;
  answer->body =
    json_pack("{s:s, s:s, s:b, s:I, s:I, s:o, s:o, s:o, s:o}", "state", session->finished ? "finished" : "open", "mode",
              mode_of(control, session, member), "permitted", is_permitted(control, member), "blocks",
              (json_int_t)copse_session_blocks(session), "waiting", (json_int_t)copse_orders_waiting(control, session),
              "send", send, "injected", copse_orders_injected(session), "trees", trees_json(control, session), "peers",
              peers_json(control, session, member));
  if (answer->body == NULL)
    copse_answer_fail(answer, 503, NULL, "no memory");
}
