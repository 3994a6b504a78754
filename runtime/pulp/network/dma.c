// Transfers (dma.h).
#include "dma.h"

enum { kCommandBytes = 65535 };  // of a transfer, at most

static int32_t smaller(int32_t a, int32_t b) { return a < b ? a : b; }

static inline uint32_t counter_of(int32_t id) { return (uint32_t)id % kDmaCounters; }

// `count` lines, which lie without gaps in L1.
static inline void push(transfers_t* transfers, const int32_t* f, uint8_t* l2, uint8_t* l1,
                        int32_t count) {
  const uint32_t counter = counter_of(f[kDmaId]);
  const int32_t length = f[kDmaLength];
  pi_cl_dma_copy_t* copy = &transfers->counters[counter];
  // The DMA counts a core's commands under the counter that the core has taken last.
  if (transfers->last != counter) dma_wait(transfers, (int32_t)counter);
  transfers->last = counter;
  copy->dir = f[kDmaToL1] ? PI_CL_DMA_DIR_EXT2LOC : PI_CL_DMA_DIR_LOC2EXT;
  copy->ext = (uintptr_t)l2;
  copy->loc = (uintptr_t)l1;
  copy->size = (uint16_t)(count * length);
  copy->merge = transfers->counted[counter];
  transfers->counted[counter] = 1;
  if (count == 1) {
    pi_cl_dma_memcpy(copy);
  } else {
    copy->stride = (uint32_t)f[kDmaL2LineStride];
    copy->length = (uint32_t)length;
    pi_cl_dma_memcpy_2d(copy);
  }
}

// All lines of a row, with one command where they are not too long for that.
static void lines_at_once(transfers_t* transfers, const int32_t* f, uint8_t* l2, uint8_t* l1) {
  const int32_t lines = f[kDmaLines], length = f[kDmaLength];
  if ((int64_t)lines * length <= kCommandBytes) {
    push(transfers, f, l2, l1, lines);
    return;
  }
  const int32_t at_once = kCommandBytes / length;
  for (int32_t line = 0; line < lines; line += at_once) {
    push(transfers, f, l2 + line * f[kDmaL2LineStride], l1 + line * length,
         smaller(at_once, lines - line));
  }
}

static __attribute__((noinline)) void row(transfers_t* transfers, const int32_t* f, uint8_t* l2,
                                          uint8_t* l1, int32_t begin, int32_t end) {
  if (f[kDmaTwoD] && f[kDmaL1LineStride] == f[kDmaLength]) {
    lines_at_once(transfers, f, l2, l1);
    return;
  }
  for (int32_t line = begin; line < end; ++line) {
    push(transfers, f, l2 + line * f[kDmaL2LineStride], l1 + line * f[kDmaL1LineStride], 1);
  }
}

typedef struct {
  int32_t begin, end;
} share_t;

static share_t share(int32_t n, int is_shared) {
  const int32_t core = (int32_t)pi_core_id(), each = (n + NUM_CORES - 1) / NUM_CORES;
  const share_t all = {0, n};
  const share_t mine = {smaller(core * each, n), smaller((core + 1) * each, n)};
  return is_shared ? mine : all;
}

// Rows and planes, or lines one by one. Apart, so that what is common needs few registers.
static __attribute__((noinline)) void copy_pieces(transfers_t* transfers, const int32_t* f,
                                                  uint8_t* l2, uint8_t* l1) {
  const int by_rows = f[kDmaRows] > 1, by_planes = !by_rows && f[kDmaPlanes] > 1;
  const int by_lines = !by_rows && !by_planes && !f[kDmaTwoD];
  const share_t planes = share(f[kDmaPlanes], f[kDmaSplit] && by_planes);
  const share_t rows = share(f[kDmaRows], f[kDmaSplit] && by_rows);
  const share_t lines = share(f[kDmaLines], f[kDmaSplit] && by_lines);
  for (int32_t plane = planes.begin; plane < planes.end; ++plane) {
    for (int32_t r = rows.begin; r < rows.end; ++r) {
      row(transfers, f, l2 + plane * f[kDmaL2PlaneStride] + r * f[kDmaL2RowStride],
          l1 + plane * f[kDmaL1PlaneStride] + r * f[kDmaL1RowStride], lines.begin, lines.end);
    }
  }
}

void dma_copy(transfers_t* transfers, const memories_t* memories, const int32_t* f) {
  const int one_row = f[kDmaRows] == 1 && f[kDmaPlanes] == 1;
  if ((!f[kDmaSplit] || (one_row && f[kDmaTwoD])) && pi_core_id() != 0) return;
  if (f[kDmaLength] == 0 || f[kDmaLines] == 0) return;
  uint8_t* const l2 = memories->l2 + f[kDmaL2];
  uint8_t* const l1 = memories->l1 + f[kDmaL1];
  if (one_row && f[kDmaLines] == 1) {
    if (pi_core_id() == 0) push(transfers, f, l2, l1, 1);
  } else if (one_row && f[kDmaTwoD]) {
    row(transfers, f, l2, l1, 0, f[kDmaLines]);
  } else {
    copy_pieces(transfers, f, l2, l1);
  }
}

void dma_wait(transfers_t* transfers, int32_t id) {
  const uint32_t counter = counter_of(id);
  if (!transfers->counted[counter]) return;
  pi_cl_dma_wait(&transfers->counters[counter]);
  transfers->counted[counter] = 0;
}

static void finish(l3_request_t* of) {
  if (of->is_read) {
    pi_cl_ram_read_wait(&of->request);
  } else {
    pi_cl_ram_write_wait(&of->request);
  }
  of->in_flight = 0;
}

static l3_request_t* request_at(const transfers_t* transfers, int32_t i) {
  const int32_t at = transfers->l3_first + i;
  return &l3_requests[at < network_l3_requests ? at : at - network_l3_requests];
}

static void drop_finished(transfers_t* transfers) {
  while (transfers->l3_count > 0 && !request_at(transfers, 0)->in_flight) {
    transfers->l3_first =
        transfers->l3_first + 1 < network_l3_requests ? transfers->l3_first + 1 : 0;
    --transfers->l3_count;
  }
}

// One that is free; where all are in flight, the oldest, once it is done.
static l3_request_t* next_request(transfers_t* transfers, int32_t id, int is_read) {
  if (transfers->l3_count == network_l3_requests) finish(request_at(transfers, 0));
  drop_finished(transfers);
  l3_request_t* request = request_at(transfers, transfers->l3_count);
  ++transfers->l3_count;
  request->id = id;
  request->is_read = (uint8_t)is_read;
  request->in_flight = 1;
  return request;
}

static void l3_row(transfers_t* transfers, const memories_t* memories, const int32_t* f,
                   int32_t first) {
  const uint32_t l3 = memories->l3 + (uint32_t)(f[kL3L3] + first * f[kL3L3Stride]);
  uint8_t* l2 = memories->l2 + f[kL3L2] + first * f[kL3L2Stride];
  l3_request_t* of = next_request(transfers, f[kL3Id], f[kL3ToL2]);
  if (f[kL3ToL2]) {
    pi_cl_ram_read(memories->ram, l3, l2, (uint32_t)f[kL3Length], &of->request);
  } else {
    pi_cl_ram_write(memories->ram, l3, l2, (uint32_t)f[kL3Length], &of->request);
  }
}

// Rows without gaps in L2.
static void l3_rows(transfers_t* transfers, const memories_t* memories, const int32_t* f) {
  const uint32_t l3 = memories->l3 + (uint32_t)f[kL3L3], stride = (uint32_t)f[kL3L3Stride];
  const uint32_t length = (uint32_t)f[kL3Length], bytes = length * (uint32_t)f[kL3Rows];
  uint8_t* l2 = memories->l2 + f[kL3L2];
  l3_request_t* of = next_request(transfers, f[kL3Id], f[kL3ToL2]);
  if (f[kL3ToL2]) {
    pi_cl_ram_read_2d(memories->ram, l3, l2, bytes, stride, length, &of->request);
  } else {
    pi_cl_ram_write_2d(memories->ram, l3, l2, bytes, stride, length, &of->request);
  }
}

void l3_copy(transfers_t* transfers, const memories_t* memories, const int32_t* f) {
  if (pi_core_id() != 0 || f[kL3Length] == 0) return;
  if (f[kL3Rows] > 1 && f[kL3L2Stride] == f[kL3Length]) {
    l3_rows(transfers, memories, f);
  } else {
    for (int32_t r = 0; r < f[kL3Rows]; ++r) l3_row(transfers, memories, f, r);
  }
}

void l3_wait(transfers_t* transfers, int32_t id) {
  if (pi_core_id() != 0) return;
  for (int32_t i = 0; i < transfers->l3_count; ++i) {
    l3_request_t* of = request_at(transfers, i);
    if (of->in_flight && of->id == id) finish(of);
  }
  drop_finished(transfers);
}

void finish_transfers(transfers_t* transfers) {
  for (int32_t counter = 0; counter < kDmaCounters; ++counter) dma_wait(transfers, counter);
  for (int32_t i = 0; i < transfers->l3_count; ++i) {
    l3_request_t* of = request_at(transfers, i);
    if (of->in_flight) finish(of);
  }
  drop_finished(transfers);
}
