/* SPDX-License-Identifier: Apache-2.0 */
/* The content on disk: put, resume after a kill in the middle of anything, finish. */
#include "bits.h"
#include "blocks.h"
#include <copse/wire.h>
#include <criterion/criterion.h>
#include <criterion/new/assert.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define BLOCKS 21U
#define SIZE ((BLOCKS - 1) * (size_t)COPSE_BLOCK_BYTES + 777)

static char directory[] = "/tmp/copse-store-XXXXXX", source[64], target[64], part[80], have[80];
static uint8_t bytes[SIZE];
static struct content content;

static void
write_file(const char *path, const void *data, size_t size) {
  FILE *file = fopen(path, "w");

  cr_assert(eq(sz, fwrite(data, 1, size, file), size));
  fclose(file);
}

static void
setup(void) {
  struct copse_error error;
  uint8_t sha256[COPSE_HASH_BYTES], expected[COPSE_HASH_BYTES];

  cr_assert(ne(ptr, mkdtemp(directory), NULL));
  snprintf(source, sizeof(source), "%s/source.bin", directory);
  snprintf(target, sizeof(target), "%s/target", directory);
  snprintf(part, sizeof(part), "%s.part", target);
  snprintf(have, sizeof(have), "%s.part.have", target);
  randombytes_buf(bytes, sizeof(bytes));
  write_file(source, bytes, sizeof(bytes));
  int fd = open(source, O_RDONLY);
  cr_assert(eq(int, content_hash(fd, source, &content, sha256, NULL, &error), 0), "%s", error.text);
  close(fd);
  crypto_hash_sha256(expected, bytes, sizeof(bytes));
  cr_expect(eq(int, memcmp(sha256, expected, sizeof(sha256)), 0));
  cr_expect(eq(str, content.manifest.name, "source.bin"));
}

static void
teardown(void) {
  unlink(source);
  unlink(target);
  unlink(part);
  unlink(have);
  rmdir(directory);
  content_free(&content);
}

TestSuite(store, .init = setup, .fini = teardown);

static struct blocks *
open_target(void) {
  struct copse_error error;
  struct blocks *blocks = NULL;

  cr_assert(eq(int, blocks_open_fetched(target, &content, NULL, &blocks, &error), 0), "%s", error.text);
  return blocks;
}

static enum put
put(struct blocks *blocks, uint32_t block) {
  return blocks_put(blocks, block, bytes + (size_t)block * COPSE_BLOCK_BYTES);
}

static enum finish
finish(struct blocks *blocks) {
  struct copse_error error = {.text = ""};
  enum finish result;

  while ((result = blocks_finish(blocks, &error)) == FINISH_MORE)
    ;
  return result;
}

static void
expect_target_exact(void) {
  static uint8_t found[SIZE + 1];
  FILE *file = fopen(target, "r");

  cr_assert(ne(ptr, file, NULL));
  cr_expect(eq(sz, fread(found, 1, sizeof(found), file), SIZE));
  fclose(file);
  cr_expect(eq(int, memcmp(found, bytes, SIZE), 0));
  cr_expect(ne(int, access(part, F_OK), 0));
  cr_expect(ne(int, access(have, F_OK), 0));
}

Test(store, all_blocks_make_the_file) {
  struct blocks *blocks = open_target();

  for (uint32_t i = 0; i < BLOCKS; i++) {
    uint32_t block = i * 8 % BLOCKS;
    cr_expect(not(blocks_has(blocks, block)));
    cr_expect(eq(int, put(blocks, block), PUT_STORED));
    cr_expect(eq(int, put(blocks, block), PUT_KNOWN));
    cr_expect(eq(u32, blocks_have(blocks), i + 1));
  }
  cr_expect(ne(int, access(target, F_OK), 0), "no final name before it was verified");
  cr_expect(not(blocks_finished(blocks)));
  cr_expect(eq(int, finish(blocks), FINISH_DONE));
  cr_expect(blocks_finished(blocks));
  uint8_t expected[COPSE_HASH_BYTES];
  crypto_hash_sha256(expected, bytes, sizeof(bytes));
  cr_expect(eq(int, memcmp(blocks_sha256(blocks), expected, sizeof(expected)), 0));
  expect_target_exact();
  blocks_close(blocks);
}

Test(store, wrong_bytes_are_not_written) {
  struct blocks *blocks = open_target();
  uint8_t wrong[COPSE_BLOCK_BYTES];

  memcpy(wrong, bytes, sizeof(wrong));
  wrong[16383] ^= 1;
  cr_expect(eq(int, blocks_put(blocks, 0, wrong), PUT_BAD));
  cr_expect(eq(int, blocks_put(blocks, 1, bytes), PUT_BAD), "the bytes of another block");
  cr_expect(eq(u32, blocks_have(blocks), 0));
  blocks_close(blocks);
}

Test(store, ranges_that_are_here) {
  struct blocks *blocks = open_target();

  put(blocks, 1);
  put(blocks, 2);
  put(blocks, BLOCKS - 1);
  cr_expect(blocks_cover(blocks, COPSE_BLOCK_BYTES, 2UL * COPSE_BLOCK_BYTES));
  cr_expect(blocks_cover(blocks, COPSE_BLOCK_BYTES + 5, 1));
  cr_expect(not(blocks_cover(blocks, COPSE_BLOCK_BYTES - 1, 2)));
  cr_expect(not(blocks_cover(blocks, COPSE_BLOCK_BYTES, 2UL * COPSE_BLOCK_BYTES + 1)));
  cr_expect(blocks_cover(blocks, SIZE - 777, 777));
  cr_expect(not(blocks_cover(blocks, SIZE - 777, 778)));
  cr_expect(not(blocks_cover(blocks, UINT64_MAX, 2)));
  uint8_t found[100];
  cr_expect(eq(int, blocks_read(blocks, SIZE - 100, found, 100), 0));
  cr_expect(eq(int, memcmp(found, bytes + SIZE - 100, 100), 0));
  cr_expect(eq(int, blocks_read(blocks, SIZE - 99, found, 100), -EIO));
  blocks_close(blocks);
}

Test(store, resumes_what_was_saved) {
  struct blocks *blocks = open_target();

  for (uint32_t block = 0; block < 10; block++)
    put(blocks, block);
  blocks_close(blocks);
  blocks = open_target();
  cr_expect(eq(u32, blocks_have(blocks), 10));
  for (uint32_t block = 10; block < BLOCKS; block++)
    cr_expect(eq(int, put(blocks, block), PUT_STORED));
  cr_expect(eq(int, finish(blocks), FINISH_DONE));
  expect_target_exact();
  blocks_close(blocks);
}

/* A child puts and saves for ever and is killed at a random moment; what it leaves is used, and never wrong. */
Test(store, killed_in_the_middle) {
  uint32_t before = 0;

  for (int round = 0; round < 12; round++) {
    pid_t child = fork();
    if (child == 0) {
      struct copse_error error;
      struct blocks *blocks;
      if (blocks_open_fetched(target, &content, NULL, &blocks, &error) < 0)
        _exit(1);
      for (uint32_t i = 0; i < BLOCKS - 2; i++) {
        put(blocks, (i * 5) % (BLOCKS - 2));
        blocks_save(blocks);
        usleep(300);
      }
      for (;;)
        pause();
    }
    usleep(200 + (useconds_t)round * 900);
    kill(child, SIGKILL);
    waitpid(child, NULL, 0);
    struct blocks *blocks = open_target();
    uint8_t found[COPSE_BLOCK_BYTES];
    cr_expect(ge(u32, blocks_have(blocks), before), "nothing saved is lost");
    before = blocks_have(blocks);
    cr_expect(eq(u32, bits_count(blocks_bitmap(blocks), BLOCKS), before));
    for (uint32_t block = 0; block < BLOCKS; block++) {
      uint32_t length = content_block_bytes(&content, block);
      if (!blocks_has(blocks, block))
        continue;
      cr_assert(eq(int, blocks_read(blocks, (uint64_t)block * COPSE_BLOCK_BYTES, found, length), 0));
      cr_expect(eq(int, memcmp(found, bytes + (size_t)block * COPSE_BLOCK_BYTES, length), 0));
    }
    blocks_close(blocks);
  }
  cr_expect(gt(u32, before, 0), "the children got somewhere");
}

static void
overwrite(const char *path, long offset, const void *data, size_t size) {
  FILE *file = fopen(path, "r+");

  fseek(file, offset, SEEK_SET);
  fwrite(data, 1, size, file);
  fclose(file);
}

Test(store, claims_are_not_believed) {
  struct blocks *blocks = open_target();

  for (uint32_t block = 0; block < 10; block++)
    put(blocks, block);
  blocks_close(blocks);
  overwrite(part, 3L * COPSE_BLOCK_BYTES + 9, "damage", 6);
  overwrite(have, 56, "\xff\xff\xff", 3);
  blocks = open_target();
  cr_expect(eq(u32, blocks_have(blocks), 9));
  cr_expect(not(blocks_has(blocks, 3)));
  cr_expect(not(blocks_has(blocks, 10)));
  cr_expect(eq(int, blocks_bitmap(blocks)[2] >> (BLOCKS - 16), 0), "no bits beyond the last block");
  blocks_close(blocks);
}

Test(store, state_cut_short_or_of_other_content_begins_anew) {
  struct blocks *blocks = open_target();

  put(blocks, 0);
  blocks_close(blocks);
  cr_assert(eq(int, truncate(have, 57), 0));
  blocks = open_target();
  cr_expect(eq(u32, blocks_have(blocks), 0));
  put(blocks, 0);
  blocks_close(blocks);
  overwrite(have, 30, "another", 7);
  blocks = open_target();
  cr_expect(eq(u32, blocks_have(blocks), 0));
  blocks_close(blocks);
}

Test(store, damage_before_the_end_is_found) {
  struct blocks *blocks = open_target();

  for (uint32_t block = 0; block < BLOCKS; block++)
    put(blocks, block);
  overwrite(part, 7L * COPSE_BLOCK_BYTES, "damage", 6);
  cr_expect(eq(int, finish(blocks), FINISH_BAD_BLOCK));
  cr_expect(ne(int, access(target, F_OK), 0));
  cr_expect(not(blocks_has(blocks, 7)));
  cr_expect(eq(int, put(blocks, 7), PUT_STORED));
  cr_expect(eq(int, finish(blocks), FINISH_DONE));
  expect_target_exact();
  blocks_close(blocks);
}

Test(store, what_is_here_is_verified_while_more_comes) {
  struct blocks *blocks = open_target();

  for (uint32_t block = 0; block < BLOCKS / 2; block++)
    put(blocks, block);
  cr_expect(eq(int, finish(blocks), FINISH_WAITING));
  for (uint32_t block = BLOCKS - 1; block > BLOCKS / 2; block--)
    put(blocks, block);
  cr_expect(eq(int, finish(blocks), FINISH_WAITING), "one is missing");
  put(blocks, BLOCKS / 2);
  overwrite(part, (long)(BLOCKS / 2) * COPSE_BLOCK_BYTES, "damage", 6);
  cr_expect(eq(int, finish(blocks), FINISH_BAD_BLOCK));
  put(blocks, BLOCKS / 2);
  cr_expect(eq(int, finish(blocks), FINISH_DONE));
  uint8_t expected[COPSE_HASH_BYTES];
  crypto_hash_sha256(expected, bytes, sizeof(bytes));
  cr_expect(eq(int, memcmp(blocks_sha256(blocks), expected, sizeof(expected)), 0));
  expect_target_exact();
  blocks_close(blocks);
}

Test(store, one_writer_at_a_time) {
  struct blocks *blocks = open_target(), *second = NULL;
  struct copse_error error;

  cr_expect(eq(int, blocks_open_fetched(target, &content, NULL, &second, &error), -EBUSY));
  cr_expect(eq(ptr, second, NULL));
  blocks_close(blocks);
}

Test(store, an_existing_file_is_accepted_or_left_alone) {
  struct copse_error error;
  struct blocks *blocks;

  write_file(target, bytes, sizeof(bytes));
  blocks = open_target();
  cr_expect(blocks_finished(blocks));
  cr_expect(eq(u32, blocks_have(blocks), BLOCKS));
  blocks_close(blocks);
  write_file(target, "precious", 8);
  cr_expect(eq(int, blocks_open_fetched(target, &content, NULL, &blocks, &error), -EEXIST));
  struct stat stat_;
  stat(target, &stat_);
  cr_expect(eq(long, stat_.st_size, 8));
}

Test(store, a_name_taken_meanwhile_is_not_replaced) {
  struct blocks *blocks = open_target();
  struct stat stat_;

  for (uint32_t block = 0; block < BLOCKS; block++)
    put(blocks, block);
  write_file(target, "precious", 8);
  cr_expect(eq(int, finish(blocks), FINISH_FAILED));
  stat(target, &stat_);
  cr_expect(eq(long, stat_.st_size, 8));
  blocks_close(blocks);
}

Test(store, files_that_cannot_be_shared) {
  struct copse_error error;
  uint8_t sha256[COPSE_HASH_BYTES];
  struct content none;
  int fd = open("/dev/null", O_RDONLY);

  cr_expect(eq(int, content_hash(fd, "/dev/null", &none, sha256, NULL, &error), -EINVAL));
  close(fd);
  write_file(target, "", 0);
  fd = open(target, O_RDONLY);
  cr_expect(eq(int, content_hash(fd, target, &none, sha256, NULL, &error), -EINVAL));
  close(fd);
}
