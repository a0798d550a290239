/* SPDX-License-Identifier: Apache-2.0 */
#include "account.h"
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

const char *const copse_book_names[COPSE_BOOK_COUNT] = {"granted", "earned", "credit", "leased", "charged", "lost"};

static bool
is_source(enum copse_book book) {
  return book == COPSE_BOOK_GRANTED || book == COPSE_BOOK_EARNED;
}

static void
key_of(enum copse_book book, char key[16]) {
  snprintf(key, 16, "%s_bytes", copse_book_names[book]);
}

static bool
read_number(const json_t *json, const char *name, uint64_t *out) {
  const json_t *value = json_object_get(json, name);

  *out = (uint64_t)json_integer_value(value);
  return json_is_integer(value) && json_integer_value(value) >= 0;
}

bool
copse_account_read(const json_t *json, struct copse_account_record *out) {
  char key[16];

  for (int book = 0; book < COPSE_BOOK_COUNT; book++) {
    key_of(book, key);
    if (!read_number(json, key, &out->bytes[book]))
      return false;
  }
  return read_number(json, "entries", &out->entries) && copse_account_residual(out) == 0;
}

json_t *
copse_account_write(const struct copse_account_record *record) {
  json_t *json = json_object();
  char key[16];

  for (int book = 0; book < COPSE_BOOK_COUNT; book++) {
    key_of(book, key);
    json_object_set_new(json, key, json_integer((json_int_t)record->bytes[book]));
  }
  json_object_set_new(json, "entries", json_integer((json_int_t)record->entries));
  return json;
}

int64_t
copse_account_residual(const struct copse_account_record *record) {
  uint64_t sum = 0;

  for (int book = 0; book < COPSE_BOOK_COUNT; book++)
    sum += is_source(book) ? -record->bytes[book] : record->bytes[book];
  return (int64_t)sum;
}

void
copse_account_begin(struct copse_account_change *change, const char *name, uint64_t revision,
                    const struct copse_account_record *record) {
  *change = (struct copse_account_change){.revision = revision};
  snprintf(change->name, sizeof(change->name), "%s", name);
  if (record != NULL)
    change->record = *record;
}

uint64_t
copse_account_move(struct copse_account_change *change, enum copse_book from, enum copse_book to, uint64_t bytes) {
  uint64_t *books = change->record.bytes;
  struct copse_move *move = change->moves;

  if (!is_source(from) && bytes > books[from])
    bytes = books[from];
  while (move < change->moves + change->move_count && (move->from != from || move->to != to))
    move++;
  if (bytes == 0 || move == change->moves + COPSE_MOVES_MAX)
    return 0;
  if (move == change->moves + change->move_count)
    change->moves[change->move_count++] = (struct copse_move){.from = from, .to = to};
  move->bytes += bytes;
  books[from] += is_source(from) ? bytes : -bytes;
  books[to] += bytes;
  return bytes;
}

static json_t *
entry_json(const struct copse_account_change *change, const json_t *why, uint64_t at_s) {
  json_t *moves = json_array();
  json_t *entry =
    json_pack("{s:I, s:I, s:o}", "entry", (json_int_t)change->record.entries, "at_s", (json_int_t)at_s, "moves", moves);

  for (size_t i = 0; i < change->move_count; i++)
    json_array_append_new(moves, json_pack("{s:s, s:s, s:I}", "from", copse_book_names[change->moves[i].from], "to",
                                           copse_book_names[change->moves[i].to], "bytes",
                                           (json_int_t)change->moves[i].bytes));
  json_object_update(entry, (json_t *)why);
  return entry;
}

/* Text of a record that was just written, which is consumed; null when memory is short. */
static char *
take_text(json_t *json) {
  char *text = json == NULL ? NULL : json_dumps(json, JSON_COMPACT);

  json_decref(json);
  return text;
}

void
copse_account_finish(struct copse_account_change *change, const json_t *why, uint64_t at_s,
                     struct copse_transaction *transaction) {
  uint64_t place = change->record.entries % COPSE_JOURNAL_ENTRIES;

  if (change->move_count == 0 && change->revision != 0)
    return;
  change->record.entries++;
  copse_transaction_compare(transaction, change->revision, "/accounts/%s", change->name);
  copse_transaction_put(transaction, take_text(copse_account_write(&change->record)), "/accounts/%s", change->name);
  copse_transaction_put(transaction, take_text(entry_json(change, why, at_s)), "/journal/%s/%02u", change->name,
                        (unsigned)place);
}

int
copse_account_get(struct copse_store *store, const char *name, struct copse_account_record *record,
                  uint64_t *revision) {
  char key[sizeof("/accounts/") + COPSE_ACCOUNT_BYTES];
  struct copse_value value;
  json_t *json;
  int result;

  snprintf(key, sizeof(key), "/accounts/%s", name);
  result = copse_store_get(store, key, &value);
  if (result < 0)
    return result;
  json = json_loads(value.value, 0, NULL);
  *revision = value.revision;
  result = copse_account_read(json, record) ? 0 : -EBADMSG;
  json_decref(json);
  copse_value_free(&value);
  return result;
}

static int
compare_entries(const void *a, const void *b) {
  json_int_t left = json_integer_value(json_object_get(*(json_t *const *)a, "entry"));
  json_int_t right = json_integer_value(json_object_get(*(json_t *const *)b, "entry"));

  return (left > right) - (left < right);
}

int
copse_account_journal(struct copse_store *store, const char *name, json_t **entries) {
  json_t *sorted[COPSE_JOURNAL_ENTRIES];
  char prefix[sizeof("/journal//") + COPSE_ACCOUNT_BYTES];
  struct copse_values values;
  size_t count = 0;
  int result;

  snprintf(prefix, sizeof(prefix), "/journal/%s/", name);
  result = copse_store_list(store, prefix, &values);
  if (result < 0)
    return result;
  for (size_t i = 0; i < values.count && count < COPSE_JOURNAL_ENTRIES; i++) {
    sorted[count] = json_loads(values.items[i].value, 0, NULL);
    count += sorted[count] != NULL;
  }
  copse_values_free(&values);
  qsort(sorted, count, sizeof(void *), compare_entries);
  *entries = json_array();
  for (size_t i = 0; i < count; i++)
    json_array_append_new(*entries, sorted[i]);
  return *entries == NULL ? -ENOMEM : 0;
}
