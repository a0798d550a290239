/* SPDX-License-Identifier: Apache-2.0 */
/* Accounts by double entry. Bytes come out of a source, an operator's grant or an upload that a peer delivered, and are
 * from then on in exactly one other book. A change is a list of moves: what one book loses another gains, so the sum
 * over an account, with sources negative, and so the sum over the ledger, is always zero. */
#ifndef COPSE_ACCOUNT_H
#define COPSE_ACCOUNT_H

#include "store/transaction.h"
#include <jansson.h>

#define COPSE_ACCOUNT_BYTES 64
#define COPSE_JOURNAL_ENTRIES 64 /* of an account that are kept; what they add up to is its record */

enum copse_book {
  COPSE_BOOK_GRANTED, /* source: operators' grants */
  COPSE_BOOK_EARNED,  /* source: uploads its peers delivered for the CDN */
  COPSE_BOOK_CREDIT,  /* can be leased */
  COPSE_BOOK_LEASED,  /* prepaid at the dataplanes that root its trees */
  COPSE_BOOK_CHARGED, /* carried: bytes times CDN edges, to the byte as dataplanes counted */
  COPSE_BOOK_LOST,    /* leased to a dataplane that died together with the count of what it had carried */
  COPSE_BOOK_COUNT
};

extern const char *const copse_book_names[COPSE_BOOK_COUNT];

struct copse_account_record {
  uint64_t bytes[COPSE_BOOK_COUNT];
  uint64_t entries; /* in the journal so far */
};

struct copse_move {
  enum copse_book from, to;
  uint64_t bytes;
};

#define COPSE_MOVES_MAX 8 /* different ones in one entry */
/* An entry of an account's journal in the making. */
struct copse_account_change {
  char name[COPSE_ACCOUNT_BYTES];
  uint64_t revision; /* of the account; 0: it is new */
  struct copse_account_record record;
  struct copse_move moves[COPSE_MOVES_MAX];
  size_t move_count;
};

/* Strict: false for what is no account, also when its books do not add up to zero. */
bool copse_account_read(const json_t *json, struct copse_account_record *out);
json_t *copse_account_write(const struct copse_account_record *record);
/* What is in the books of an account less what came out of its sources: zero. */
int64_t copse_account_residual(const struct copse_account_record *record);

/* A change that starts from a record at a revision; `record` null: from an empty account that does not exist yet. */
void copse_account_begin(struct copse_account_change *change, const char *name, uint64_t revision,
                         const struct copse_account_record *record);
/* Moves bytes, of a book that is no source at most what it has. Returns how many. */
uint64_t copse_account_move(struct copse_account_change *change, enum copse_book from, enum copse_book to,
                            uint64_t bytes);
/* Adds the account and the journal's entry to a transaction that compares the account's revision. Without moves nothing
 * is added. `why` is an object that the entry carries, borrowed; `at_s` seconds of the calendar. */
void copse_account_finish(struct copse_account_change *change, const json_t *why, uint64_t at_s,
                          struct copse_transaction *transaction);

/* The account as it is in the store. -ENOENT, -EBADMSG when its record cannot be read, errors of the store. */
int copse_account_get(struct copse_store *store, const char *name, struct copse_account_record *record,
                      uint64_t *revision);
/* The journal's entries, oldest first, owned by the caller. 0 or an error of the store. */
int copse_account_journal(struct copse_store *store, const char *name, json_t **entries);

#endif
