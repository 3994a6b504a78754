// Statistics kept from one run to the next. An entry is a file whose name is the SHA-256 of all
// that its contents depend on: the network, the values asked for, every sample's every number, this
// program. Entries are never stale, and results are the same bits with and without.
#pragma once

#include <filesystem>
#include <functional>
#include <optional>
#include <string>
#include <string_view>

#include "compiler/quantize/calibrate.h"
#include "data/samples.h"

namespace workbench {

// What the user asked for: "none", a folder, or, empty, $WORKBENCH_CACHE (likewise), else the
// folder workbench of $XDG_CACHE_HOME or of ~/.cache. Empty result: no cache. Throws Error for a
// folder that was named and cannot be made.
std::filesystem::path cache_folder(const std::string& asked);

// The same samples with a cache; they are all read once, to know them. No folder, or less than two
// samples, which take no longer to run than to look up: as they were. `warn` is told of entries
// that are damaged (which are made anew) and of a folder that cannot be written.
SampleSource with_cache(const SampleSource& samples, const std::filesystem::path& folder,
                        std::function<void(const std::string&)> warn);

// The name of the entry for the values in `names` of that graph over those samples (CHECKed to have
// a cache).
std::string cache_key(const Graph& graph, const std::vector<std::string>& names,
                      const SampleSource& samples);

// Nothing for no entry, or for one that is not, byte by byte, what was written. Several processes
// may read and write at once.
std::optional<Statistics> cached_statistics(const SampleCache& cache, const std::string& key);
// Where entries take more than 1 GiB, those that were not used for longest go.
void cache_statistics(const SampleCache& cache, const std::string& key, const Statistics& values);

// The form of an entry: what was written is what is read, to the last bit; nothing for any other
// bytes.
std::string statistics_bytes(const Statistics& statistics);
std::optional<Statistics> statistics_from(std::string_view bytes);

}  // namespace workbench
