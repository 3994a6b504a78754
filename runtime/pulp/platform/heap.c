/* L1 and L2 heaps: first fit over free chunks in order of address, neighbours joined. As PMSIS has
 * it, who frees says the size. */
/* Small rather than fast: nothing here is called often. */
#if defined(__GNUC__) && !defined(__clang__)
#pragma GCC optimize("Os")
#endif
#include "platform.h"

#define GRAIN 8u

static uint32_t rounded(uint32_t size) {
  return size < GRAIN ? GRAIN : (size + GRAIN - 1u) & ~(GRAIN - 1u);
}

void platform_heap_init(platform_heap_t *heap, void *begin, void *end) {
  const uint32_t low = ((uint32_t)(uintptr_t)begin + GRAIN - 1u) & ~(GRAIN - 1u);
  const uint32_t high = (uint32_t)(uintptr_t)end & ~(GRAIN - 1u);
  heap->first = NULL;
  if (high > low) platform_heap_give(heap, (void *)(uintptr_t)low, high - low);
}

void *platform_heap_take(platform_heap_t *heap, uint32_t size) {
  const uint32_t need = rounded(size);
  if (need < size) return NULL;
  for (platform_chunk_t **link = &heap->first; *link != NULL; link = &(*link)->next) {
    platform_chunk_t *chunk = *link;
    if (chunk->size < need) continue;
    if (chunk->size == need) {
      *link = chunk->next;
    } else {
      platform_chunk_t *rest = (platform_chunk_t *)((char *)chunk + need);
      rest->size = chunk->size - need;
      rest->next = chunk->next;
      *link = rest;
    }
    return chunk;
  }
  return NULL;
}

void platform_heap_give(platform_heap_t *heap, void *pointer, uint32_t size) {
  if (pointer == NULL) return;
  platform_chunk_t *chunk = pointer, *before = NULL, *after = heap->first;
  chunk->size = rounded(size);
  while (after != NULL && after < chunk) {
    before = after;
    after = after->next;
  }
  chunk->next = after;
  if (after != NULL && (char *)chunk + chunk->size == (char *)after) {
    chunk->size += after->size;
    chunk->next = after->next;
  }
  if (before == NULL) {
    heap->first = chunk;
  } else if ((char *)before + before->size == (char *)chunk) {
    before->size += chunk->size;
    before->next = chunk->next;
  } else {
    before->next = chunk;
  }
}
