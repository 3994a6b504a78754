// The engines through which words simply stream: pool, eltwise, upsample, download, upload. One
// command at a time, row by row.
#pragma once

#include <systemc>

#include "sim/xdnn/overlay.h"

namespace workbench::xdnn {

class StreamUnit : public sc_core::sc_module {
 public:
  StreamUnit(sc_core::sc_module_name name, Overlay& overlay, Unit unit, Client client);

 private:
  void run();  // SC_THREAD
  void stream_row(std::int32_t instruction, const StreamCost& cost);
  void transfer_row(std::int32_t instruction, const StreamCost& cost, std::int64_t bytes,
                    std::int64_t& moved);

  Overlay& overlay_;
  Unit unit_;
  Client client_;
  int resource_;
};

}  // namespace workbench::xdnn
