// workbench asm: a program's text or JSON, checked, as the other form; of the PULP family, as a
// file to run. workbench disasm: a saved program, or JSON of another tool, as text.

#include "app/commands.h"
#include "app/terminal.h"
#include "core/error.h"
#include "core/file.h"
#include "explore/report/isa_reference.h"
#include "isa/pulp/program.h"
#include "isa/xdnn/assembly.h"
#include "isa/xdnn/listing_text.h"

namespace workbench::app {

namespace {

// To the output, in the format that was asked for.
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

}  // namespace

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

namespace {

void write_text(const std::string& text, const ListingOptions& options) {
  if (options.output.empty()) {
    print(text);
  } else {
    write_file(options.output, text);
  }
}

}  // namespace

int disasm(const ListingOptions& options) {
  require_writable_file(options.output);
  const std::string contents = read_file(options.file);
  const std::string name = options.file.string();
  if (options.format == "json" && options.explain) fail("--explain: excludes --format json");
  if (pulp::is_program(contents)) {
    if (options.format == "json") fail("--format json: {} is a PULP program, which is text", name);
    const pulp::Program program = pulp::load_bytes(contents, name);
    write_text(options.explain ? explained(explained_instructions(program)) : disassemble(program),
               options);
    return 0;
  }
  const xdnn::Listing listing = xdnn::any_listing(contents, name);
  if (options.explain) {
    write_text(explained(explained_instructions(listing)), options);
  } else {
    write_listing(listing, options);
  }
  return 0;
}

int isa(const IsaOptions& options) {
  print(isa_reference(options.family));
  return 0;
}

}  // namespace workbench::app
