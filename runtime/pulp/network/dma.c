// Transfers (dma.h).
#include "dma.h"

enum { kCommandBytes = 65535 };  // of a transfer, at most

static int32_t smaller(int32_t a, int32_t b) { return a < b ? a : b; }

// A line, or all lines of a row, with one command where it is not too long for that.
static void command(transfers_t* transfers, const int32_t* f, uint8_t* l2, uint8_t* l1,
                    int32_t lines) {
  const int32_t counter = f[kDmaId] % kDmaCounters, length = f[kDmaLength];
  const int32_t at_once = lines == 1 ? 1 : kCommandBytes / length;
  pi_cl_dma_copy_t* copy = &transfers->counters[counter];
  copy->dir = f[kDmaToL1] ? PI_CL_DMA_DIR_EXT2LOC : PI_CL_DMA_DIR_LOC2EXT;
  for (int32_t line = 0; line < lines; line += at_once) {
    const int32_t count = smaller(at_once, lines - line);
    copy->ext = (uintptr_t)(l2 + line * f[kDmaL2LineStride]);
    copy->loc = (uintptr_t)(l1 + line * length);
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
}

static void row(transfers_t* transfers, const int32_t* f, uint8_t* l2, uint8_t* l1, int32_t begin,
                int32_t end) {
  if (f[kDmaTwoD] && f[kDmaL1LineStride] == f[kDmaLength]) {
    command(transfers, f, l2, l1, end);
    return;
  }
  for (int32_t line = begin; line < end; ++line) {
    command(transfers, f, l2 + line * f[kDmaL2LineStride], l1 + line * f[kDmaL1LineStride], 1);
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

void dma_copy(transfers_t* transfers, const memories_t* memories, const int32_t* f) {
  const int by_rows = f[kDmaRows] > 1, by_planes = !by_rows && f[kDmaPlanes] > 1;
  const int by_lines = !by_rows && !by_planes && !f[kDmaTwoD];
  const int one_piece = !by_rows && !by_planes && !by_lines;
  if (f[kDmaLength] == 0 || f[kDmaLines] == 0) return;
  if ((!f[kDmaSplit] || one_piece) && pi_core_id() != 0) return;
  const share_t planes = share(f[kDmaPlanes], f[kDmaSplit] && by_planes);
  const share_t rows = share(f[kDmaRows], f[kDmaSplit] && by_rows);
  const share_t lines = share(f[kDmaLines], f[kDmaSplit] && by_lines);
  for (int32_t plane = planes.begin; plane < planes.end; ++plane) {
    for (int32_t r = rows.begin; r < rows.end; ++r) {
      uint8_t* l2 = memories->l2 + f[kDmaL2] + plane * f[kDmaL2PlaneStride] + r * f[kDmaL2RowStride];
      uint8_t* l1 = memories->l1 + f[kDmaL1] + plane * f[kDmaL1PlaneStride] + r * f[kDmaL1RowStride];
      row(transfers, f, l2, l1, lines.begin, lines.end);
    }
  }
}

void dma_wait(transfers_t* transfers, int32_t id) {
  const int32_t counter = id % kDmaCounters;
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

// One that is free; where all are in flight, the first, once it is done.
static l3_request_t* next_request(transfers_t* transfers, int32_t id, int is_read) {
  l3_request_t* request = transfers->requests;
  for (int i = 0; i < kL3Requests && request->in_flight; ++i) request = &transfers->requests[i];
  if (request->in_flight) finish(request);
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
  for (int i = 0; i < kL3Requests; ++i) {
    l3_request_t* of = &transfers->requests[i];
    if (of->in_flight && of->id == id) finish(of);
  }
}
