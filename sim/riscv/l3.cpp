#include "sim/riscv/l3.h"

#include <algorithm>
#include <cmath>

#include "core/error.h"

namespace workbench::riscv {
namespace {

constexpr Word kAddress = 0x00, kLocal = 0x04, kLength = 0x08, kCommand = 0x0c, kDone = 0x10,
               kFile = 0x14, kFileSize = 0x18, kSize = 0x1c, kClusterClock = 0x20,
               kFabricClock = 0x24;
constexpr Word kRead = 1, kWrite = 2, kReadFile = 3;
constexpr std::size_t kNameMax = 255;

Word hertz(double megahertz) {
  return static_cast<Word>(std::min(std::round(megahertz * 1e6), 4294967295.0));
}

}  // namespace

L3::L3(const pulp::Machine& machine, Memories& memories, Code& code,
       const std::map<std::string, std::string>& files)
    : machine_(machine),
      memories_(memories),
      code_(code),
      registers_(static_cast<std::size_t>(machine.cluster.cores) + 1) {
  for (const auto& [name, bytes] : files) files_.emplace_back(name, &bytes);
}

const std::string* L3::file(Word handle) const {
  return handle > 0 && handle <= files_.size() ? files_[handle - 1].second : nullptr;
}

Word L3::load(unsigned hart, Word offset) const {
  const Registers& mine = registers_[hart];
  switch (offset) {
    case kCommand:
      return begun_;
    case kDone:
      return static_cast<Word>(done_);
    case kFile:
      return mine.file;
    case kFileSize:
      return file(mine.file) != nullptr ? static_cast<Word>(file(mine.file)->size()) : 0;
    case kSize:
      return static_cast<Word>(memories_.l3.bytes.size());
    case kClusterClock:
      return hertz(machine_.clocks.cluster);
    case kFabricClock:
      return hertz(machine_.clocks.fabric);
    default:
      return 0;
  }
}

// A handle, or where a name lies in L2 or L1.
void L3::open(Registers& registers, Word value) {
  if (file(value) != nullptr) {
    registers.file = value;
    return;
  }
  std::string name;
  for (Memory* memory : {&memories_.l2, &memories_.l1}) {
    for (Word at = value; memory->holds(at, 1) && name.size() < kNameMax; ++at) {
      if (*memory->at(at) == 0) break;
      name += static_cast<char>(*memory->at(at));
    }
  }
  const auto found = std::find_if(files_.begin(), files_.end(),
                                  [&](const auto& one) { return one.first == name; });
  registers.file = found == files_.end() ? 0 : static_cast<Word>(found - files_.begin()) + 1;
}

void L3::check(const Transfer& transfer) const {
  const Registers& it = transfer.what;
  if (transfer.command < kRead || transfer.command > kReadFile) {
    fail("L3 command {}: expected {} to {}", transfer.command, kRead, kReadFile);
  }
  const std::string* const from = file(it.file);
  if (transfer.command == kReadFile && from == nullptr) {
    fail("L3 transfer of core {}: no file is open", transfer.hart);
  }
  const std::uint64_t there =
      transfer.command == kReadFile ? from->size() : memories_.l3.bytes.size();
  if (it.address > there || it.length > there - it.address) {
    fail("L3 transfer of core {}: expected bytes {} to {}, found {} of them", transfer.hart,
         it.address, std::uint64_t{it.address} + it.length, there);
  }
  if (!memories_.l2.holds(it.local, it.length)) {
    fail("L3 transfer of core {}: expected {} bytes of L2 at 0x{:x}, which are not there",
         transfer.hart, it.length, it.local);
  }
}

std::optional<std::int64_t> L3::store(unsigned hart, Word offset, Word value, std::int64_t now) {
  Registers& mine = registers_[hart];
  switch (offset) {
    case kAddress:
      mine.address = value;
      return {};
    case kLocal:
      mine.local = value;
      return {};
    case kLength:
      mine.length = value;
      return {};
    case kFile:
      open(mine, value);
      return {};
    case kCommand:
      break;
    default:
      return {};
  }
  Transfer transfer{hart, value, mine};
  check(transfer);
  const double cycles = std::ceil(mine.length / machine_.l3_bytes_per_cycle());
  transfer.begin = std::max(now, free_at_);
  transfer.done =
      transfer.begin + machine_.l3.transfer_cycles + static_cast<std::int64_t>(cycles) + 1;
  free_at_ = transfer.done;
  ++begun_;
  queue_.push_back(transfer);
  return queue_.size() == 1 ? next() : std::nullopt;
}

std::optional<std::int64_t> L3::next() const {
  if (queue_.empty()) return {};
  return queue_.front().done;
}

unsigned L3::finish() {
  const Transfer transfer = queue_.front();
  queue_.pop_front();
  const Registers& it = transfer.what;
  std::uint8_t* const l2 = memories_.l2.at(it.local);
  if (it.length > 0 && transfer.command == kReadFile) {
    std::memcpy(l2, file(it.file)->data() + it.address, it.length);
  } else if (it.length > 0) {
    std::uint8_t* const l3 = memories_.l3.at(it.address);
    std::memcpy(transfer.command == kRead ? l2 : l3, transfer.command == kRead ? l3 : l2,
                it.length);
  }
  if (transfer.command != kWrite) code_.written(it.local, it.length);
  moved_ += it.length;
  ++done_;
  if (log_ != nullptr) log_->push_back({0, transfer.begin, transfer.done, it.length});
  return transfer.hart;
}

}  // namespace workbench::riscv
