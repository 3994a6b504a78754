// workbench asm: a program's text or JSON, checked, as the other form; of the PULP family, as a
// file to run.
#include "app/commands.h"
#include "app/listing.h"
#include "core/file.h"
#include "isa/pulp/program.h"

namespace workbench::app {

void write_listing(const xdnn::Listing& listing, const ListingOptions& options) {
  const std::string contents =
      options.format == "json" ? xdnn::print_json(listing) : xdnn::print_text(listing);
  if (options.output.empty()) {
    print(contents);
  } else {
    write_file(options.output, contents);
  }
}

// A program of the PULP family: saved where there is a file to save it in, else as text again.
void write_pulp(const pulp::Program& program, const ListingOptions& options) {
  if (options.output.empty()) {
    print(disassemble(program));
  } else {
    save(program, options.output);
  }
}

int assemble(const ListingOptions& options) {
  require_writable_file(options.output);
  const std::string text = read_file(options.file);
  if (pulp::is_assembly(text)) {
    write_pulp(pulp::assemble(text, options.file.string()), options);
    return 0;
  }
  write_listing(xdnn::parse_listing(text, options.file.string()), options);
  return 0;
}

}  // namespace workbench::app
