#include "sim/riscv/cluster.h"

#include <algorithm>

#include "core/error.h"

namespace workbench::riscv {
namespace {

constexpr Word kFabricId = 31U << 5;
constexpr Word kEventUnitPort = 0x10204000, kPortBytes = 0x400;
constexpr Word kMchanPort = 0x10204400, kMchanShared = 0x10201800, kTimer = 0x10200400;
constexpr Word kConsole = 0x1a10f000, kConsoleBytes = 0x1000, kCoreStatus = 0x1a1040a0;
constexpr Word kL3Port = 0x1a102000;
// docs/facts/riscv.md 2: what a load of the event unit takes that need not wait.
constexpr std::int64_t kEventLoadCycles = 4;
constexpr std::size_t kFramesMax = 4096;
constexpr Word kCodeBytesMax = 4 << 20;  // each is counted apart, core by core

// That tells the same until something else happens, of the event unit, DMA and L3.
bool is_constant_register(Word address) {
  constexpr Word kEventsEnd = 0x38;  // where loads begin that wait or count as arrivals
  return address - kEventUnitPort < kEventsEnd || address == kMchanPort + 4 ||
         address == kMchanShared + 4 || address - kL3Port < 0x100 || address == kCoreStatus;
}

// Addresses that instructions may come from: what the segments span of L2.
std::pair<Word, Word> code_range(const Elf& program) {
  Word begin = ~0U, end = 0;
  for (const Segment& segment : program.segments) {
    if (!segment.executable) continue;
    begin = std::min(begin, segment.address);
    end = std::max(end, segment.address + segment.memory_bytes);
  }
  return {begin & ~1U, end};
}

void check_segments(const Elf& program, Memories& memories) {
  bool code = false;
  for (const Segment& segment : program.segments) {
    code |= segment.executable;
    if (memories.l2.holds(segment.address, segment.memory_bytes)) continue;
    if (!segment.executable && memories.l1.holds(segment.address, segment.memory_bytes)) continue;
    fail("segment of {} bytes at 0x{:x}: expected a place in L2 (0x{:x}, {} bytes){}: link with {}",
         segment.memory_bytes, segment.address, kL2Base, memories.l2.bytes.size(),
         segment.executable
             ? ""
             : fmt::format(" or in L1 (0x{:x}, {} bytes)", kL1Base, memories.l1.bytes.size()),
         "runtime/pulp/platform/link.ld, or --set a larger l2.size_bytes");
  }
  if (!code) {
    fail("expected a segment with instructions, found none of {}: link with {}",
         program.segments.size(), "runtime/pulp/platform/link.ld");
  }
}

Code code_of(const Elf& program, const pulp::Machine& machine, Memories& memories) {
  check_segments(program, memories);
  const auto [begin, end] = code_range(program);
  if (end - begin > kCodeBytesMax) {
    fail("instructions from 0x{:x} to 0x{:x}: expected them within {} bytes", begin, end,
         kCodeBytesMax);
  }
  return {begin, {memories.l2.at(begin), end - begin}, machine};
}

}  // namespace

Cluster::Cluster(const Elf& program, const pulp::Machine& machine, const ClusterOptions& options)
    : program_(program),
      machine_(machine),
      options_(options),
      memories_(machine),
      banks_(machine.l1),
      code_(code_of(program, machine, memories_)),
      events_(static_cast<unsigned>(machine.cluster.cores)),
      dma_(machine, memories_, banks_, code_),
      l3_(machine, memories_, code_, options.files),
      wheel_(static_cast<unsigned>(machine.cluster.cores) + 1 + Mchan::kLanes + 1,
             static_cast<unsigned>(machine.cluster.cores) + 1, machine.l1.round_robin != 0),
      shared_cache_(machine.icache.shared_bytes, machine.icache.shared_ways,
                    machine.icache.line_bytes),
      function_at_(code_.size(), -1),
      watched_at_(code_.size(), -1),
      returns_to_(code_.size(), 0),
      calls_(static_cast<std::size_t>(machine.cluster.cores) + 1) {
  load_program();
  if (!options.observe) return;
  dma_.log_to(dma_moves_);
  l3_.log_to(l3_moves_);
}

void Cluster::load_program() {
  for (const Segment& segment : program_.segments) {
    Memory& memory =
        memories_.l2.holds(segment.address, segment.memory_bytes) ? memories_.l2 : memories_.l1;
    if (segment.bytes.empty()) continue;
    std::memcpy(memory.at(segment.address), segment.bytes.data(), segment.bytes.size());
  }
  for (std::size_t k = 0; k < program_.functions.size(); ++k) {
    const Op* const op = code_.at(program_.functions[k].address);
    if (op == nullptr) continue;
    std::int32_t& function = function_at_[code_.index(op)];
    if (function < 0) function = static_cast<std::int32_t>(k);
    if (options_.watch_all) watched_at_[code_.index(op)] = function;
    const auto watched =
        std::find(options_.watched.begin(), options_.watched.end(), program_.functions[k].name);
    if (watched == options_.watched.end()) continue;
    watched_at_[code_.index(op)] = static_cast<std::int32_t>(watched - options_.watched.begin());
  }
  Op* const entry = code_.at(program_.entry);
  if (entry == nullptr) {
    fail("entry 0x{:x}: expected it among the instructions, 0x{:x} to 0x{:x}", program_.entry,
         code_.address(&code_[0]), code_.address(&code_[code_.size() - 1]));
  }
  const auto cores = static_cast<unsigned>(machine_.cluster.cores);
  for (unsigned k = 0; k <= cores; ++k) {
    Hart& hart = harts_.emplace_back(machine_.icache);
    hart.number = k;
    hart.id = k == cores ? kFabricId : k;
    hart.l1_cycles = k == cores ? machine_.l2.load_cycles : 0;
    hart.l2_cycles = k == cores ? 0 : machine_.l2.load_cycles;
    hart.op = entry;
    hart.count.resize(code_.size());
    hart.stalls.resize(code_.size());
    wheel_.put(k, 0);
  }
}

int Cluster::run() {
  while (running_) {
    if (wheel_.idle()) fail_asleep();
    const unsigned actor = wheel_.next();
    if (options_.max_cycles > 0 && wheel_.now() > options_.max_cycles) {
      fail(
          "the program has not ended after {} cycles; core 0 is at {}: --max-cycles N lets it go "
          "on",
          options_.max_cycles, place(harts_[0].op));
    }
    if (standstill_.looks() || wheel_.now() >= standstill_.time()) look_for_standstill(actor);
    turn(actor);
  }
  return exit_code_;
}

void Cluster::look_for_standstill(unsigned actor) {
  if (wheel_.now() >= standstill_.time()) standstill_.turn(wheel_.now(), harts_.size());
  if (!standstill_.looks()) return;
  if (actor >= harts_.size()) {
    standstill_.changed();
    return;
  }
  const Hart& hart = harts_[actor];
  standstill_.visits(hart, hart.count[code_.index(hart.op)]);
  const bool transfers = dma_.under_way() || l3_.next().has_value();
  if (standstill_.proven(harts_) && !transfers) fail_standstill();
}

void Cluster::park(Hart& hart, Op* op, std::int64_t time) {
  hart.op = op;
  hart.time = time;
  wheel_.put(hart.number, time);
}

// Memory ------------------------------------------------------------------------------------

Cluster::Access Cluster::load(Hart& hart, Op* op, Word address, unsigned bytes, std::int64_t& time,
                              Word& value) {
  Stalls& stalls = hart.stalls[code_.index(op)];
  if (memories_.l2.holds(address, bytes)) {
    std::memcpy(&value, memories_.l2.at(address), bytes);
    stalls.memory += hart.l2_cycles;
    time += hart.l2_cycles;
    return Access::Done;
  }
  if (memories_.l1.holds(address, bytes)) {
    std::memcpy(&value, memories_.l1.at(address), bytes);
    const std::int64_t done = banks_.serve(address, time) + hart.l1_cycles;
    stalls.memory += done - time;
    time = done;
    return Access::Done;
  }
  const bool own = address - kEventUnitPort < 2 * kPortBytes;
  hart.op = op;
  if (!is_constant_register(address)) standstill_.changed();
  value = load_register(hart, address);
  after_registers();
  if (!own) {
    stalls.memory += machine_.l2.load_cycles;
    time += machine_.l2.load_cycles;
  }
  return Access::Done;
}

Cluster::Access Cluster::store(Hart& hart, Op* op, Word address, unsigned bytes, std::int64_t& time,
                               Word value) {
  Stalls& stalls = hart.stalls[code_.index(op)];
  if (memories_.l2.holds(address, bytes)) {
    if (std::memcmp(memories_.l2.at(address), &value, bytes) != 0) standstill_.changed();
    std::memcpy(memories_.l2.at(address), &value, bytes);
    code_.written(address, bytes);
    stalls.memory += hart.l2_cycles;
    time += hart.l2_cycles;
    return Access::Done;
  }
  standstill_.changed();  // whatever it is, but for cores that are far from L1
  if (memories_.l1.holds(address, bytes)) {
    std::memcpy(memories_.l1.at(address), &value, bytes);
    const std::int64_t done = banks_.serve(address, time) + hart.l1_cycles;
    stalls.memory += done - time;
    time = done;
    return Access::Done;
  }
  hart.op = op;
  if (!store_register(hart, address, value)) {
    ++stalls.queue;
    ++hart.queue;
    return Access::Retry;
  }
  after_registers();
  if (address - kEventUnitPort >= 2 * kPortBytes) {
    stalls.memory += machine_.l2.load_cycles;
    time += machine_.l2.load_cycles;
  }
  return Access::Done;
}

Word Cluster::load_register(Hart& hart, Word address) {
  if (address - kEventUnitPort < kPortBytes)
    return events_.load(hart.number, address - kEventUnitPort);
  if (address == kMchanPort || address == kMchanShared) return dma_.allocate(hart.number);
  if (address == kMchanPort + 4 || address == kMchanShared + 4) return dma_.status();
  if (address - kTimer < 0x40) {
    const std::int64_t counted = wheel_.now() - timer_begin_;
    return address - kTimer == 0x08 ? static_cast<Word>(counted) : 0;
  }
  if (address - kL3Port < 0x100) return l3_.load(hart.number, address - kL3Port);
  if (address == kCoreStatus) return 0;
  program_fault(hart, hart.op,
                fmt::format("loads from 0x{:x}, where nothing is: {}", address, there_is()));
}

// False: later.
bool Cluster::store_register(Hart& hart, Word address, Word value) {
  const std::int64_t now = wheel_.now();
  if (address - kEventUnitPort < kPortBytes) {
    events_.store(hart.number, address - kEventUnitPort, value);
  } else if (address == kMchanPort || address == kMchanShared) {
    return dma_.command(hart.number, value, now);
  } else if (address == kMchanPort + 4 || address == kMchanShared + 4) {
    dma_.free(value);
  } else if (address - kTimer < 0x40) {
    if (address - kTimer == 0x20) timer_begin_ = now;
  } else if (address - kL3Port < 0x100) {
    const auto next = l3_.store(hart.number, address - kL3Port, value, now);
    if (next) wheel_.put(static_cast<unsigned>(harts_.size()) + Mchan::kLanes, *next);
  } else if (address - kConsole < kConsoleBytes) {
    console_ += static_cast<char>(value);
  } else if (address == kCoreStatus) {
    if ((value >> 31 & 1) != 0) stop(value & 0x7fffffff);
  } else {
    program_fault(hart, hart.op,
                  fmt::format("stores to 0x{:x}, where nothing is: {}", address, there_is()));
  }
  return true;
}

// Whom registers have woken, and what they have started.
void Cluster::after_registers() {
  for (const Mchan::Start& start : dma_.take_starts()) {
    wheel_.put(static_cast<unsigned>(harts_.size()) + start.lane, start.time);
  }
  for (const unsigned hart : dma_.take_events()) events_.raise(hart, EventUnit::kDmaEvent);
  for (const EventUnit::Woken& woken : events_.take_woken()) wake(harts_[woken.hart], woken);
}

// Events ------------------------------------------------------------------------------------

void Cluster::sleep(Hart& hart, Op* op) {
  hart.op = op;
  hart.asleep = true;
  hart.sleep_begin = wheel_.now();
}

void Cluster::wake(Hart& hart, const EventUnit::Woken& woken) {
  CHECK(hart.asleep, "core {} is awake", hart.number);
  std::int64_t time = wheel_.now() + machine_.cluster.barrier_cycles;
  Op* const op = hart.op;
  Stalls& stalls = hart.stalls[code_.index(op)];
  (woken.waited == EventUnit::Wait::Barrier ? stalls.barrier : stalls.event) +=
      time - hart.sleep_begin - 1;
  ++hart.count[code_.index(op)];
  hart.x[op->rd] = woken.value;
  hart.asleep = false;
  if (options_.observe) {
    options_.observe(*this, {.kind = CoreEvent::Kind::Slept,
                             .hart = hart.number,
                             .time = time,
                             .begin = hart.sleep_begin,
                             .waited = woken.waited});
  }
  const bool loop_ends = (op->flags & Op::kLoopEnd) != 0;
  Op* const next = loop_ends ? end_of_body(hart, op, time) : op + op->halfwords;
  park(hart, next, time);
}

Cluster::Access Cluster::event_load(Hart& hart, Op* op, Word address, std::int64_t& time,
                                    Word& value) {
  if (address - kEventUnitPort >= kPortBytes) {
    return load(hart, op, address, 4, time, value);
  }
  standstill_.changed();
  const auto granted = events_.event_load(hart.number, address - kEventUnitPort);
  if (!granted) sleep(hart, op);
  after_registers();  // that may have woken this core again
  if (!granted) return Access::Asleep;
  value = *granted;
  hart.stalls[code_.index(op)].event += kEventLoadCycles - 1;
  time += kEventLoadCycles - 1;
  return Access::Done;
}

Cluster::Access Cluster::system(Hart& hart, Op* op, std::int64_t& time) {
  switch (static_cast<Opcode>(op->opcode)) {
    case Opcode::ecall:
      // What bare programs call to end, as under RISC-V's proxy kernel.
      if (hart.x[17] != 93)
        program_fault(hart, op, fmt::format("ecall {}: only 93, exit", hart.x[17]));
      stop(hart.x[10] & 0x7fffffff);
      return Access::Asleep;
    case Opcode::wfi:
      standstill_.changed();
      if (events_.wait_for_interrupt(hart.number)) return Access::Done;
      op->rd = Op::kNoRegister;
      sleep(hart, op);
      return Access::Asleep;
    default:
      program_fault(hart, op, "ebreak");
  }
  (void)time;
}

void Cluster::stop(Word exit_code) {
  running_ = false;
  exit_code_ = static_cast<int>(exit_code);
}

// Control -----------------------------------------------------------------------------------

void Cluster::set_loop(Hart& hart, Op* op) {
  Loop& loop = hart.loops[op->rd & 1];
  const Word here = code_.address(op);
  const auto set_end = [&](Word address) {
    loop.end = target(hart, op, address);
    loop.end->flags |= Op::kLoopEnd;
  };
  switch (static_cast<Opcode>(op->opcode)) {
    case Opcode::lp_starti:
      loop.start = target(hart, op, here + op->immediate);
      break;
    case Opcode::lp_endi:
      set_end(here + op->immediate);
      break;
    case Opcode::lp_count:
      loop.count = hart.x[op->rs1];
      break;
    case Opcode::lp_counti:
      loop.count = op->immediate;
      break;
    case Opcode::lp_setup:
      loop.count = hart.x[op->rs1];
      loop.start = op + op->halfwords;
      set_end(here + op->immediate);
      break;
    default:  // lp.setupi
      loop.count = op->immediate;
      loop.start = op + op->halfwords;
      set_end(here + 2U * op->rs1);
      break;
  }
}

// The inner loop first; a loop whose counter is 1 or less ends.
Op* Cluster::end_of_body(Hart& hart, Op* op, std::int64_t& time) {
  for (Loop& loop : hart.loops) {
    if (loop.end != op || loop.start == nullptr) continue;
    if (loop.count <= 1) {
      loop.count = 0;
      continue;
    }
    --loop.count;
    if (loop.start->opcode == Op::kUndecoded) code_.decode(loop.start);
    const std::int64_t less = op->stall - code_.stall(*op, *loop.start);
    if (less != 0) hart.stalls[code_.index(op)].not_stalled += less;
    time -= less;
    return loop.start;
  }
  return op + op->halfwords;
}

Op* Cluster::target(Hart& hart, const Op* op, Word address) {
  Op* const to = code_.at(address);
  if (to == nullptr) {
    program_fault(
        hart, op,
        fmt::format("goes to 0x{:x}, where no instructions are: the program's are at "
                    "0x{:x} to 0x{:x}",
                    address, code_.address(&code_[0]), code_.address(&code_[code_.size() - 1])));
  }
  return to;
}

// Calls and returns, by the functions that the file names.
void Cluster::jumped(Hart& hart, const Op* to, std::int64_t time) {
  const std::size_t at = code_.index(to);
  if (returns_to_[at] != 0) {
    while (!hart.frames.empty() &&
           std::any_of(hart.frames.begin(), hart.frames.end(),
                       [&](const Frame& frame) { return frame.back == to; })) {
      leave(hart, time);
    }
  }
  if (function_at_[at] < 0 || hart.frames.size() >= kFramesMax) return;
  const Op* const back = code_.at(hart.x[1]);
  if (back != nullptr) call(hart, at, back, time);
}

void Cluster::call(Hart& hart, std::size_t at, const Op* back, std::int64_t time) {
  returns_to_[code_.index(back)] = 1;
  const std::int32_t function = function_at_[at], watched = watched_at_[at];
  hart.frames.push_back({static_cast<std::size_t>(function), back, time, watched});
  if (options_.tree) {
    const auto next = static_cast<std::int32_t>(hart.tree.size());
    const auto [found, is_new] = hart.children.try_emplace({hart.node, function}, next);
    if (is_new) hart.tree.push_back({hart.node, function, 0});
    enter_node(hart, found->second, time);
  }
  if (watched < 0) return;
  options_.observe(*this, {.kind = CoreEvent::Kind::Enters,
                           .hart = hart.number,
                           .time = time,
                           .watched = static_cast<std::size_t>(watched)});
}

// The innermost call has returned.
void Cluster::leave(Hart& hart, std::int64_t time) {
  const Frame frame = hart.frames.back();
  hart.frames.pop_back();
  Calls& calls = calls_[hart.number][frame.function];
  ++calls.count;
  calls.cycles += time - frame.begin;
  calls.longest = std::max(calls.longest, time - frame.begin);
  if (options_.tree) {
    const std::int32_t parent = hart.tree[static_cast<std::size_t>(hart.node)].parent;
    enter_node(hart, std::max(0, parent), time);
  }
  if (frame.watched < 0) return;
  options_.observe(*this, {.kind = CoreEvent::Kind::Leaves,
                           .hart = hart.number,
                           .time = time,
                           .watched = static_cast<std::size_t>(frame.watched)});
}

void Cluster::enter_node(Hart& hart, std::int32_t node, std::int64_t time) const {
  hart.tree[static_cast<std::size_t>(hart.node)].cycles += time - hart.node_since;
  hart.node_since = time;
  hart.node = node;
}

std::int64_t Cluster::fetch(Hart& hart, Op* op) {
  const pulp::Machine::ICache& cache = machine_.icache;
  const std::int64_t line = static_cast<std::int64_t>(code_.address(op)) / cache.line_bytes;
  hart.line = line;
  if (cache.private_bytes > 0 && !hart.cache.misses(line)) return 0;
  std::int64_t cycles = cache.private_bytes > 0 ? cache.private_miss_cycles : 0;
  if (shared_cache_.misses(line)) cycles += cache.shared_miss_cycles;
  hart.stalls[code_.index(op)].fetch += cycles;
  hart.fetch += cycles;
  return cycles;
}

// Errors ------------------------------------------------------------------------------------

std::string Cluster::place(const Op* op) const {
  const Word address = code_.address(op);
  const Symbol* function = nullptr;
  for (const Symbol& symbol : program_.functions) {
    if (symbol.address <= address) function = &symbol;
  }
  if (function == nullptr) return fmt::format("0x{:x}", address);
  return fmt::format("0x{:x} ({}+{})", address, function->name, address - function->address);
}

void Cluster::program_fault(const Hart& hart, const Op* op, const std::string& what) const {
  fail("{} at {}: {} (cycle {})", name_of(hart), place(op), what, wheel_.now());
}

std::string Cluster::there_is() const {
  const auto range = [](const Memory& memory) {
    return fmt::format("0x{:x} to 0x{:x}", memory.base, memory.base + memory.bytes.size());
  };
  return fmt::format("L1 is {}, L2 {} (--set l1.size_bytes, l2.size_bytes)", range(memories_.l1),
                     range(memories_.l2));
}

std::string Cluster::name_of(const Hart& hart) const {
  const bool fabric = hart.number == static_cast<unsigned>(machine_.cluster.cores);
  return fabric ? "the fabric controller" : fmt::format("core {}", hart.number);
}

void Cluster::fail_standstill() const {
  std::string text;
  for (const Hart& hart : harts_) {
    if (hart.asleep) continue;
    text += fmt::format("{} {} at {}", text.empty() ? "" : ",", name_of(hart), place(hart.op));
  }
  fail(
      "the program never ends: at cycle {} nothing changes any more, and cores go round for "
      "ever:{}; "
      "what they wait for never comes",
      wheel_.now(), text);
}

void Cluster::fail_asleep() const {
  std::string text;
  for (const Hart& hart : harts_) {
    text += fmt::format("{} {} at {} for {}", text.empty() ? "" : ",", hart.number, place(hart.op),
                        events_.waits_for(hart.number));
  }
  fail("all cores sleep for good at cycle {}:{}", wheel_.now(), text);
}

}  // namespace workbench::riscv
