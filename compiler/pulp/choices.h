// What the optimal tiler may do beyond the library's kernels on all cores, a tile at a time.
#pragma once

namespace workbench::pulp {

enum class Use {
  Never,
  WhereFaster,  // of the plans with and without, the one of fewer modelled cycles
  Always,       // wherever it is possible: for tests, which hold it to the golden model
};

struct Choices {
  Use other_rows = Use::WhereFaster;   // maps cut into other rows than the network's (share_rows.h)
  Use own_kernels = Use::WhereFaster;  // beside the library's
  Use fewer_cores = Use::WhereFaster;
  Use passes = Use::WhereFaster;        // over input channels where tiles with all of them fit, too
  Use far_prefetch = Use::WhereFaster;  // constants from several layers ahead and in more slices
  Use smaller_memories = Use::WhereFaster;  // plans for less of L1 and L2 than there is
};

inline Choices all_choices(Use use) { return {use, use, use, use, use, use}; }

}  // namespace workbench::pulp
