#include "tests/reference/systolic_array.h"

#include <algorithm>
#include <array>
#include <deque>
#include <optional>

namespace workbench::reference {

namespace {

constexpr std::int64_t kRows = 96, kColumns = 16, kWeights = 2, kPhases = 2;

std::int64_t up(std::int64_t a, std::int64_t b) { return (a + b - 1) / b; }

// What row r multiplies in a step: a channel under a kernel position, or nothing.
struct RowUse {
  std::int64_t channel = -1, kernel_y = 0, kernel_x = 0;
};

// Steps of a pixel, each with the use of all rows.
std::vector<std::vector<RowUse>> row_uses(const ArrayShape& shape) {
  const std::int64_t area = shape.kernel_h * shape.kernel_w;
  std::vector<std::vector<RowUse>> steps;
  for (std::int64_t word = 0; word < shape.full; ++word) {
    for (std::int64_t tap = 0; tap < area; ++tap) {
      std::vector<RowUse> rows(kRows);
      for (std::int64_t r = 0; r < kRows; ++r) {
        if (word * kRows + r >= shape.in_ch) continue;
        rows[static_cast<std::size_t>(r)] = {word * kRows + r, tap / shape.kernel_w,
                                             tap % shape.kernel_w};
      }
      steps.push_back(rows);
    }
  }
  // Copies stand side by side in a word, so that each serves another pair of section and position.
  const std::int64_t width = kRows / shape.copies;
  for (std::int64_t first = 0; first < shape.sections * area; first += shape.copies) {
    std::vector<RowUse> rows(kRows);
    for (std::int64_t copy = 0; copy < shape.copies; ++copy) {
      const std::int64_t pair = first + copy;
      if (pair >= shape.sections * area) break;
      const std::int64_t section = pair / area, tap = pair % area;
      for (std::int64_t j = 0; j < width; ++j) {
        const std::int64_t channel = shape.full * kRows + section * width + j;
        if (channel >= shape.in_ch) continue;
        rows[static_cast<std::size_t>(copy * width + j)] = {channel, tap / shape.kernel_w,
                                                            tap % shape.kernel_w};
      }
    }
    steps.push_back(rows);
  }
  return steps;
}

// Brings the slabs of all passes in order, as buffers are free.
class FilterLoader {
 public:
  FilterLoader(const FilterSupply& supply, std::int64_t slab, std::int64_t slabs,
               std::int64_t buffers_of_slab)
      : supply_(supply),
        slab_(slab),
        slabs_(slabs),
        of_slab_(buffers_of_slab),
        free_(supply.buffers) {}

  std::int64_t loaded() const { return loaded_; }
  void release() { free_ += of_slab_; }

  // One memory cycle.
  void clock() {
    if (waited_ < supply_.latency) {
      ++waited_;
      return;
    }
    if (loaded_ == slabs_) return;
    if (!loading_) {
      if (free_ < of_slab_) return;
      free_ -= of_slab_;
      loading_ = true;
    }
    received_ += supply_.bytes_per_cycle;
    if (received_ + 1e-9 >= static_cast<double>((loaded_ + 1) * slab_)) {
      ++loaded_;
      loading_ = false;
    }
  }

 private:
  FilterSupply supply_;
  std::int64_t slab_, slabs_, of_slab_, free_;
  std::int64_t waited_ = 0, loaded_ = 0;
  bool loading_ = false;
  double received_ = 0;
};

// A step on its way: which pass and pixel it is of, and what the rows get of it.
struct Tag {
  std::int64_t pass = 0, pixel = 0, step = 0;
  std::int64_t phase = 0;
  std::array<std::int8_t, kRows> word{};
};

struct Cell {
  std::int8_t operand = 0;
  std::array<std::int64_t, kWeights> sums{};
};

class Array {
 public:
  Array(const ArrayShape& shape, std::span<const std::int8_t> input,
        std::span<const std::int8_t> weights, std::span<const OutputChannel> channels)
      : shape_(shape),
        input_(input),
        weights_(weights),
        channels_(channels),
        uses_(row_uses(shape)),
        half_rate_(static_cast<std::int64_t>(uses_.size()) > 64),
        cells_(static_cast<std::size_t>(kRows * kColumns)) {
    result_.resize(static_cast<std::size_t>(shape.out_h * shape.out_w * shape.out_ch));
    fill_filters();
  }

  std::int64_t steps() const { return static_cast<std::int64_t>(uses_.size()); }
  std::int64_t channels_of_pass() const { return kColumns * kWeights * (half_rate_ ? 1 : kPhases); }
  std::int64_t passes() const { return up(shape_.out_ch, channels_of_pass()); }
  // A configuration word of 8 bytes per channel; a byte per weight.
  std::int64_t slab_bytes() const {
    return channels_of_pass() * 8 + steps() * channels_of_pass() * kRows;
  }
  bool done() const { return left_ == passes() * shape_.out_h * shape_.out_w; }
  const std::vector<std::int8_t>& result() const { return result_; }

  Tag entering(std::int64_t pass, std::int64_t fed) const {
    Tag tag{.pass = pass, .pixel = fed / steps(), .step = fed % steps()};
    for (std::int64_t r = 0; r < kRows; ++r) tag.word[static_cast<std::size_t>(r)] = lane(tag, r);
    return tag;
  }

  // One DSP clock; `entering`: the step whose operands are at row 0 now.
  void clock(const std::optional<Tag>& entering) {
    on_the_way_.push_front(entering);
    on_the_way_.pop_back();
    accumulate();
    // From the far corner on, so that every cell still sees its neighbours' registers of before.
    for (std::int64_t r = kRows - 1; r >= 0; --r) {
      for (std::int64_t c = kColumns - 1; c >= 0; --c) clock_cell(r, c);
    }
  }

 private:
  Cell& cell(std::int64_t r, std::int64_t c) {
    return cells_[static_cast<std::size_t>(r * kColumns + c)];
  }
  // The step that is at a place `delay` clocks behind row 0, column 0.
  const std::optional<Tag>& at(std::int64_t delay) const {
    return on_the_way_[static_cast<std::size_t>(delay)];
  }

  void clock_cell(std::int64_t r, std::int64_t c) {
    const std::optional<Tag>& tag = at(r + c);
    Cell& own = cell(r, c);
    own.operand = c > 0 ? cell(r, c - 1).operand
                  : tag ? tag->word[static_cast<std::size_t>(r)]
                        : std::int8_t{0};
    for (std::int64_t k = 0; k < kWeights; ++k) {
      const auto index = static_cast<std::size_t>(k);
      const std::int64_t above = r > 0 ? cell(r - 1, c).sums[index] : 0;
      own.sums[index] = above + (tag ? own.operand * filters_[place(*tag, r, c, k)] : 0);
    }
  }

  // What leaves the last row goes to the accumulators, a clock after it was summed. A pixel is done
  // with the second clock of its last step.
  void accumulate() {
    for (std::int64_t c = 0; c < kColumns; ++c) {
      const std::optional<Tag>& tag = at(kRows + c);
      if (!tag) continue;
      for (std::int64_t k = 0; k < kWeights; ++k) {
        auto& sum =
            accumulators_[static_cast<std::size_t>((c * kPhases + tag->phase) * kWeights + k)];
        if (tag->step == 0) sum = 0;
        sum += cell(kRows - 1, c).sums[static_cast<std::size_t>(k)];
        if (tag->step == steps() - 1) leave(*tag, channel(*tag, c, k), sum);
      }
      const bool last = tag->step == steps() - 1 && tag->phase == kPhases - 1;
      if (last && c == kColumns - 1) ++left_;
    }
  }

  std::int64_t channel(const Tag& tag, std::int64_t column, std::int64_t k) const {
    const std::int64_t phases = half_rate_ ? 1 : kPhases;
    if (tag.phase >= phases) return -1;
    return tag.pass * channels_of_pass() + (column * phases + tag.phase) * kWeights + k;
  }

  std::int8_t lane(const Tag& tag, std::int64_t row) const {
    const RowUse& use = uses_[static_cast<std::size_t>(tag.step)][static_cast<std::size_t>(row)];
    if (use.channel < 0) return 0;
    const std::int64_t y = tag.pixel / shape_.out_w * shape_.stride_h - shape_.pad_h +
                           use.kernel_y * shape_.dilation_h;
    const std::int64_t x = tag.pixel % shape_.out_w * shape_.stride_w - shape_.pad_w +
                           use.kernel_x * shape_.dilation_w;
    if (y < 0 || y >= shape_.in_h || x < 0 || x >= shape_.in_w) return 0;
    return input_[static_cast<std::size_t>((y * shape_.in_w + x) * shape_.in_ch + use.channel)];
  }

  std::size_t place(const Tag& tag, std::int64_t r, std::int64_t c, std::int64_t k) const {
    const std::int64_t clock = (tag.pass * steps() + tag.step) * kPhases + tag.phase;
    return static_cast<std::size_t>(((clock * kColumns + c) * kRows + r) * kWeights + k);
  }

  // The weight of every cell in every clock of a pixel.
  void fill_filters() {
    filters_.resize(
        static_cast<std::size_t>(passes() * steps() * kPhases * kColumns * kRows * kWeights));
    for (Tag tag; tag.pass < passes(); ++tag.pass) {
      for (tag.step = 0; tag.step < steps(); ++tag.step) {
        for (tag.phase = 0; tag.phase < kPhases; ++tag.phase) fill_clock(tag);
      }
    }
  }

  void fill_clock(const Tag& tag) {
    for (std::int64_t c = 0; c < kColumns; ++c) {
      for (std::int64_t k = 0; k < kWeights; ++k) {
        const std::int64_t out = channel(tag, c, k);
        if (out < 0 || out >= shape_.out_ch) continue;
        for (std::int64_t r = 0; r < kRows; ++r)
          filters_[place(tag, r, c, k)] = weight(tag, r, out);
      }
    }
  }

  std::int8_t weight(const Tag& tag, std::int64_t row, std::int64_t channel) const {
    const RowUse& use = uses_[static_cast<std::size_t>(tag.step)][static_cast<std::size_t>(row)];
    if (use.channel < 0) return 0;
    const std::int64_t filter = channel * shape_.in_ch + use.channel;
    return weights_[static_cast<std::size_t>(
        (filter * shape_.kernel_h + use.kernel_y) * shape_.kernel_w + use.kernel_x)];
  }

  void leave(const Tag& tag, std::int64_t channel, std::int64_t sum) {
    if (channel < 0 || channel >= shape_.out_ch) return;
    const OutputChannel& config = channels_[static_cast<std::size_t>(channel)];
    std::int64_t value = (sum + config.bias) * config.scale;
    if (config.shift > 0) value = ((value >> (config.shift - 1)) + 1) >> 1;
    value = std::clamp<std::int64_t>(value, -128, 127);
    if (shape_.relu) value = std::max<std::int64_t>(value, 0);
    result_[static_cast<std::size_t>(tag.pixel * shape_.out_ch + channel)] =
        static_cast<std::int8_t>(value);
  }

  ArrayShape shape_;
  std::span<const std::int8_t> input_, weights_;
  std::span<const OutputChannel> channels_;
  std::vector<std::vector<RowUse>> uses_;
  bool half_rate_;
  std::vector<Cell> cells_;
  std::array<std::int64_t, kColumns * kPhases * kWeights> accumulators_{};
  std::vector<std::int8_t> filters_;
  std::deque<std::optional<Tag>> on_the_way_ =
      std::deque<std::optional<Tag>>(static_cast<std::size_t>(kRows + kColumns));
  std::int64_t left_ = 0;  // pixels of all passes
  std::vector<std::int8_t> result_;
};

}  // namespace

ArrayRun run_array(const ArrayShape& shape, std::span<const std::int8_t> input,
                   std::span<const std::int8_t> weights, std::span<const OutputChannel> channels,
                   const FilterSupply& supply) {
  Array array(shape, input, weights, channels);
  const std::int64_t of_slab = array.steps() > supply.buffer_steps ? supply.buffers : 1;
  FilterLoader loader(supply, array.slab_bytes(), array.passes(), of_slab);
  const std::int64_t pixels = shape.out_h * shape.out_w;
  ArrayRun run;
  std::int64_t pass = 0, fed = 0;  // steps of the pass that have entered
  for (std::int64_t cycle = 0; !array.done(); ++cycle) {
    std::optional<Tag> entering;
    if (pass < array.passes() && loader.loaded() > pass) {
      if (fed == 0) run.pass_begins.push_back(cycle);
      entering = array.entering(pass, fed++);
    }
    for (std::int64_t phase = 0; phase < kPhases; ++phase) {
      if (entering) entering->phase = phase;
      array.clock(entering);
    }
    loader.clock();
    if (fed == pixels * array.steps()) {
      run.pass_ends.push_back(cycle + 1);
      loader.release();
      ++pass;
      fed = 0;
    }
    run.finished = cycle + 1;
  }
  run.result = array.result();
  return run;
}

}  // namespace workbench::reference
