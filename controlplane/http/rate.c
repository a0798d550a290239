/* SPDX-License-Identifier: Apache-2.0 */
#include "rate.h"
#include <netinet/in.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>

/* Set associative: an address has four places, chosen by a keyed hash; the place unused longest is given away. */
#define SETS 1024
#define WAYS 4
#define NS_PER_S 1e9

struct client {
  uint64_t id; /* of the address; 0: free */
  uint64_t seen_ns;
  double tokens;
};

struct bucket {
  uint8_t family;
  uint8_t prefix[8];
};

struct copse_rate {
  double per_s, burst;
  uint8_t key[crypto_shorthash_KEYBYTES];
  struct client clients[SETS][WAYS];
};

struct copse_rate *
copse_rate_create(double per_s, uint64_t burst) {
  struct copse_rate *rate = calloc(1, sizeof(*rate));

  if (rate != NULL) {
    rate->per_s = per_s;
    rate->burst = (double)burst;
    crypto_shorthash_keygen(rate->key);
  }
  return rate;
}

void
copse_rate_free(struct copse_rate *rate) {
  free(rate);
}

/* A keyed hash of the address stands for it: without the key nobody can aim at another's bucket. */
static uint64_t
identify(const struct copse_rate *rate, const struct sockaddr *address) {
  struct bucket bucket = {.family = AF_INET};
  uint64_t id;

  if (address->sa_family == AF_INET) {
    memcpy(bucket.prefix, &((const struct sockaddr_in *)address)->sin_addr, 4);
  } else if (address->sa_family == AF_INET6) {
    const struct in6_addr *v6 = &((const struct sockaddr_in6 *)address)->sin6_addr;
    if (IN6_IS_ADDR_V4MAPPED(v6)) {
      memcpy(bucket.prefix, &v6->s6_addr[12], 4);
    } else {
      bucket.family = AF_INET6;
      memcpy(bucket.prefix, v6, sizeof(bucket.prefix));
    }
  }
  crypto_shorthash((uint8_t *)&id, (const uint8_t *)&bucket, sizeof(bucket), rate->key);
  return id == 0 ? 1 : id;
}

static struct client *
find(struct copse_rate *rate, uint64_t id, uint64_t now_ns) {
  struct client *set = rate->clients[id % SETS];
  struct client *oldest = &set[0];

  for (int way = 0; way < WAYS; way++) {
    if (set[way].id == id)
      return &set[way];
    if (set[way].seen_ns < oldest->seen_ns)
      oldest = &set[way];
  }
  *oldest = (struct client){.id = id, .seen_ns = now_ns, .tokens = rate->burst};
  return oldest;
}

bool
copse_rate_take(struct copse_rate *rate, const struct sockaddr *address, uint64_t now_ns) {
  struct client *client = find(rate, identify(rate, address), now_ns);

  if (now_ns > client->seen_ns) {
    client->tokens += (double)(now_ns - client->seen_ns) / NS_PER_S * rate->per_s;
    client->tokens = client->tokens < rate->burst ? client->tokens : rate->burst;
    client->seen_ns = now_ns;
  }
  if (client->tokens < 1)
    return false;
  client->tokens -= 1;
  return true;
}
