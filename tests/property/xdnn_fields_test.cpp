// Nothing in a third-party program is decoration: every field of every opcode is changed by one, in
// one bit, and for its neighbour's value. Each such program must be refused, raise a hazard,
// compute something else, take another time or be noted; what survives must be a field that is
// listed as one without effect.
#include <fmt/format.h>
#include <gtest/gtest.h>
#include <malloc.h>

#include <algorithm>
#include <cstdlib>
#include <map>
#include <random>
#include <set>

#include "compiler/xdnn/replay.h"
#include "compiler/xdnn/replay_fields.h"
#include "compiler/xdnn/replay_listing.h"
#include "compiler/xdnn/replay_network.h"
#include "core/error.h"
#include "core/file.h"
#include "isa/xdnn/assembly.h"
#include "isa/xdnn/footprint.h"
#include "isa/xdnn/listing_text.h"
#include "isa/xdnn/races.h"
#include "sim/golden/golden.h"
#include "sim/verdict.h"
#include "sim/xdnn/simulate.h"
#include "tests/support/random_xdnn.h"
#include "tests/support/seeds.h"
#include "tests/support/vendor_program.h"
#include "tests/support/xdnn_program.h"

namespace workbench::xdnn {
namespace {

// WORKBENCH_FIELD_MUTANTS: for long runs by hand.
std::size_t of_each(std::size_t usual) {
  const char* number = std::getenv("WORKBENCH_FIELD_MUTANTS");
  return number == nullptr ? usual : std::strtoull(number, nullptr, 10);
}

#if defined(__SANITIZE_ADDRESS__)
constexpr std::uint64_t kSeeds = 3;
constexpr std::size_t kOfEach = 1;
constexpr bool kEveryOpcode = false;  // so few networks have not all of them
#else
constexpr std::uint64_t kSeeds = 12;  // of each style
constexpr bool kEveryOpcode = true;
constexpr std::size_t kOfEach = 1;  // mutants of an opcode's field in one way
#endif

enum class Way { PlusOne, FlippedBit, NeighboursValue };
constexpr Way kWays[] = {Way::PlusOne, Way::FlippedBit, Way::NeighboursValue};

struct Case {
  std::string name;
  Machine machine;
  Listing listing;
  Graph network;
  std::vector<Tensor> inputs, golden;
};

struct Seen {
  std::string fault;  // of an error, a hazard or a mismatch; empty: bit-exact
  std::vector<std::string> notes;
  std::vector<std::pair<Cycles, Cycles>> times;
};

Seen look(const Case& c, const Listing& listing) {
  Seen seen;
  try {
    const Replay replayed = replay(listing, c.network, c.machine);
    const auto result = simulate(replayed.program, c.machine, c.inputs, {.threads = 1});
    seen.notes = replayed.notes;
    for (const Interval& i : result.timeline.intervals) seen.times.emplace_back(i.begin, i.end);
    if (!result.hazards.empty()) {
      seen.fault = to_string(result.hazards[0]);
    } else if (!compare(c.network, c.golden, result.tensors).bit_exact()) {
      seen.fault = "other values";
    }
  } catch (const Error& error) {
    seen.fault = error.what();
  }
  return seen;
}

std::optional<Case> make_case(std::string name, Listing listing, const Machine& machine,
                              Graph network, std::uint64_t seed) {
  Case c{.name = std::move(name),
         .machine = machine,
         .listing = std::move(listing),
         .network = std::move(network),
         .inputs = {},
         .golden = {}};
  std::mt19937_64 random(seed);
  for (const ValueId id : c.network.inputs) {
    Tensor tensor = Tensor::uninitialized(ElementType::Float32, c.network.value(id).shape);
    for (float& value : tensor.mutable_values<float>()) {
      value = static_cast<float>(between(random, -640, 640)) * 0.1F;
    }
    c.inputs.push_back(std::move(tensor));
  }
  c.golden = golden::run(c.network, c.inputs);
  const Seen seen = look(c, c.listing);
  EXPECT_EQ(seen.fault, "") << c.name;
  if (!seen.fault.empty()) return std::nullopt;
  return c;
}

std::vector<Case> make_cases() {
  std::vector<Case> cases;
  const auto keep = [&](std::optional<Case> c) {
    if (c) cases.push_back(std::move(*c));
  };
  const Machine v3 = load_machine("configs/v3_96.yaml"), v2 = load_machine("configs/v2_28.yaml");
  for (const auto style : {VendorStyle::V3, VendorStyle::Throughput, VendorStyle::V2}) {
    const Machine& machine = style == VendorStyle::V2 ? v2 : v3;
    for (std::uint64_t seed = seed_of(1); seed < seed_of(1) + kSeeds; ++seed) {
      const std::string name = fmt::format("style {} seed {}", static_cast<int>(style), seed);
      const Listing listing = parse_listing(vendor_program(seed, style, machine), "net");
      keep(make_case(name, listing, machine,
                     quantized_for(network_of(listing, machine, seed), machine), seed));
    }
  }
  return cases;
}

// --- mutants -------------------------------------------------------------------------------------

struct FieldMutant {
  const Case* of = nullptr;
  std::size_t entry = 0;
  std::vector<std::pair<std::string, std::int64_t>> fields;  // with their new values
};

std::vector<std::string> numbers_of(const Entry& entry, Dialect dialect) {
  std::vector<std::string> keys{"id"};
  for (const std::string_view key : template_of(dialect, entry.opcode)) {
    const auto rule = field_rule(key);
    if (rule && !rule->text && entry.find(key) != nullptr) keys.emplace_back(key);
  }
  return keys;
}

std::optional<FieldMutant> mutant_of(const Case& c, std::size_t at, std::size_t field, Way way,
                                     std::mt19937_64& random) {
  const Entry& entry = c.listing.entries[at];
  const std::vector<std::string> keys = numbers_of(entry, c.listing.dialect);
  const std::string &key = keys[field], &next = keys[(field + 1) % keys.size()];
  const std::int64_t value = number(entry, *entry.find(key));
  const std::int64_t other = number(entry, *entry.find(next));
  const auto rule = *field_rule(key);
  const std::int64_t flipped = value ^ (std::int64_t{1} << (rule.high == 1 ? 0 : random() % 8));
  FieldMutant mutant{&c, at, {}};
  switch (way) {
    case Way::PlusOne:
      mutant.fields = {{key, value == rule.high ? value - 1 : value + 1}};
      break;
    case Way::FlippedBit:
      mutant.fields = {{key, flipped}};
      break;
    case Way::NeighboursValue:
      if (value == other) return std::nullopt;
      mutant.fields = {{key, other}, {next, value}};
      break;
  }
  return mutant;
}

Listing mutated(const FieldMutant& mutant) {
  Listing listing = mutant.of->listing;
  for (const auto& [key, value] : mutant.fields) {
    listing.entries[mutant.entry].set(key, std::to_string(value));
  }
  return listing;
}

// Why it may be the same program; empty: it may not.
std::string_view without_effect(const FieldMutant& mutant, const std::string& key) {
  const Machine& machine = mutant.of->machine;
  Entry entry = mutant.of->listing.entries[mutant.entry];
  for (const auto& [changed, value] : mutant.fields) entry.set(changed, std::to_string(value));
  const Instruction instruction = instruction_from(entry);
  for (const FieldWithoutEffect& row : fields_without_effect()) {
    if (row.is(instruction, key, machine)) return row.why;
  }
  return "";
}

// Tiles go through other words of the activation memory, which nothing else uses.
bool moves_tiles(const FieldMutant& mutant) {
  const auto written = [&](const Entry& entry) {
    std::vector<std::int64_t> words;
    const Step step{.instruction = instruction_from(entry)};
    for (const AmRegion& region : footprint(step, mutant.of->machine).am_writes) {
      words.insert(words.end(), {region.word_begin, region.word_end});
    }
    return words;
  };
  return written(mutant.of->listing.entries[mutant.entry]) !=
         written(mutated(mutant).entries[mutant.entry]);
}

// What a gather brings is read by no instruction behind it, wherever it lies: the host takes the
// same bytes from DDR.
bool brings_unread(const FieldMutant& mutant, const std::string& field) {
  if (field != "uram_dest") return false;
  const Machine& machine = mutant.of->machine;
  const auto unread_in = [&](const Listing& listing) {
    const auto at = listing.entries.begin() + static_cast<std::ptrdiff_t>(mutant.entry);
    const Footprint brought = footprint({.instruction = instruction_from(*at)}, machine);
    return std::all_of(at + 1, listing.entries.end(), [&](const Entry& entry) {
      if (!executed(entry)) return true;
      const Footprint later = footprint({.instruction = instruction_from(entry)}, machine);
      return std::all_of(later.am_reads.begin(), later.am_reads.end(), [&](const AmRegion& read) {
        return std::all_of(
            brought.am_writes.begin(), brought.am_writes.end(), [&](const AmRegion& written) {
              return written.word_end <= read.word_begin || read.word_end <= written.word_begin;
            });
      });
    });
  };
  return unread_in(mutant.of->listing) && unread_in(mutated(mutant));
}

// Its result has as many sections, and who reads them before they are written over reads no copy.
bool copies_unread(const FieldMutant& mutant, const std::string& field) {
  if (field != "dst_full_sect_num" && field != "dst_repl_sect_num") return false;
  const Machine& machine = mutant.of->machine;
  const auto written = [&](const Listing& listing) {
    return footprint({.instruction = instruction_from(listing.entries[mutant.entry])}, machine)
        .am_writes;
  };
  const std::vector<AmRegion> words = written(mutant.of->listing);
  const auto meet = [&](const std::vector<AmRegion>& others) {
    return std::any_of(others.begin(), others.end(), [&](const AmRegion& other) {
      return std::any_of(words.begin(), words.end(), [&](const AmRegion& word) {
        return other.word_begin < word.word_end && word.word_begin < other.word_end;
      });
    });
  };
  const auto sections = [](const Entry& entry) {
    return tail(instruction_from(entry)).destination.sections();
  };
  const Listing& listing = mutant.of->listing;
  if (sections(listing.entries[mutant.entry]) != sections(mutated(mutant).entries[mutant.entry])) {
    return false;
  }
  for (std::size_t i = mutant.entry + 1; i < listing.entries.size(); ++i) {
    if (!executed(listing.entries[i])) continue;
    const Instruction reader = instruction_from(listing.entries[i]);
    const Footprint touched = footprint({.instruction = reader}, machine);
    if (meet(touched.am_reads) && tail(reader).source.replicated()) return false;
    if (meet(touched.am_writes)) return true;
  }
  return true;
}

bool excused(const FieldMutant& mutant) {
  return std::all_of(mutant.fields.begin(), mutant.fields.end(), [&](const auto& field) {
    const bool buffer = field.first.starts_with("SRCAM-Buffer_") || field.first == "EWA_2nd-Src_AM";
    return !without_effect(mutant, field.first).empty() || (buffer && moves_tiles(mutant)) ||
           brings_unread(mutant, field.first) || copies_unread(mutant, field.first);
  });
}

struct Tally {
  std::size_t mutants = 0, survivors = 0;
};

TEST(XdnnFields, every_one_of_every_opcode_means_something) {
  // Each simulation has an activation memory of its own: new pages for it would take most of the
  // time.
  mallopt(M_MMAP_THRESHOLD, 1 << 30);
  mallopt(M_TRIM_THRESHOLD, 1 << 30);
  const std::vector<Case> cases = make_cases();
  std::map<const Case*, Seen> before;
  for (const Case& c : cases) before[&c] = look(c, c.listing);
  std::mt19937_64 random(seed_of(3));
  std::map<std::tuple<bool, std::string, std::string, Way>, std::vector<FieldMutant>> pools;
  for (const Case& c : cases) {
    for (std::size_t at = 0; at < c.listing.entries.size(); ++at) {
      const Entry& entry = c.listing.entries[at];
      if (!executed(entry)) continue;
      const auto keys = numbers_of(entry, c.listing.dialect);
      for (std::size_t field = 0; field < keys.size(); ++field) {
        for (const Way way : kWays) {
          if (auto mutant = mutant_of(c, at, field, way, random)) {
            pools[{is_v2(c.listing.dialect), entry.opcode, keys[field], way}].push_back(
                std::move(*mutant));
          }
        }
      }
    }
  }
  std::map<std::string, Tally> tallies;  // by opcode
  for (auto& [what, pool] : pools) {
    std::shuffle(pool.begin(), pool.end(), random);
    pool.resize(std::min(pool.size(), of_each(kOfEach)));
    for (const FieldMutant& mutant : pool) {
      Tally& tally = tallies[std::get<1>(what)];
      ++tally.mutants;
      const Seen& was = before.at(mutant.of);
      const Seen seen = look(*mutant.of, mutated(mutant));
      const bool noticed =
          !seen.fault.empty() || seen.notes != was.notes || seen.times != was.times;
      if (noticed) continue;
      ++tally.survivors;
      const Replay same = replay(mutated(mutant), mutant.of->network, mutant.of->machine);
      EXPECT_TRUE(races(same.program, mutant.of->machine).empty()) << mutant.of->name;
      EXPECT_TRUE(excused(mutant)) << [&] {
        std::string text = fmt::format("{}: {} '{}':", mutant.of->name, std::get<1>(what),
                                       name_of(mutant.of->listing.entries[mutant.entry]));
        for (const auto& [key, value] : mutant.fields) {
          text += fmt::format(" {} {} -> {}", key,
                              mutant.of->listing.entries[mutant.entry].find(key)->value, value);
        }
        text += "; of";
        for (const Field& field : mutant.of->listing.entries[mutant.entry].fields) {
          text += fmt::format(" {} {}", field.key, field.value);
        }
        return text;
      }();
    }
  }
  for (const auto& [opcode, tally] : tallies) {
    fmt::print("{:18} {} mutants, {} of fields without effect\n", opcode, tally.mutants,
               tally.survivors);
  }
  EXPECT_TRUE(!kEveryOpcode || tallies.size() == 9U)
      << "an opcode of which nothing is tried is not tested";
}

// The page that tells users has these rows, and no others.
TEST(XdnnFields, without_effect_are_all_listed) {
  std::string rows = "|---|---|---|\n";
  for (const FieldWithoutEffect& row : fields_without_effect()) {
    rows += fmt::format("| {} | {} | {} |\n", row.instructions, row.fields, row.why);
  }
  EXPECT_NE(read_file("docs/reliability.md").find(rows + "\n"), std::string::npos) << rows;
}

}  // namespace
}  // namespace workbench::xdnn
