// cycles MACHINE MODEL: compiles a network for a machine, simulates it beside the golden model and
// prints its cycles. Exit code 0: every value equals the golden model's.
#include <cstdio>
#include <systemc>

#include "core/error.h"
#include "explore/flow/machine.h"
#include "explore/flow/pipeline.h"

int sc_main(int argc, char** argv) {  // SystemC owns main()
  if (argc != 3) {
    std::fprintf(stderr, "usage: cycles MACHINE MODEL\n");
    return 2;
  }
  try {
    workbench::CompileRequest request;
    request.machine = workbench::find_machine_file(argv[1]);
    request.model.name = argv[2];
    const workbench::Compiled compiled = workbench::compile_network(request);
    const workbench::RunResult result = workbench::run_network(compiled).result;
    std::printf("%lld cycles\n", static_cast<long long>(result.report.cycles.value));
    return workbench::passed(result) ? 0 : 1;
  } catch (const workbench::Error& error) {
    std::fprintf(stderr, "%s\n", error.what());
    return 2;
  }
}
