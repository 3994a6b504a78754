// Loops in PULP programs: what the compiler makes of a tiler's, what is kept, how it is written,
// what is refused.
#include <gtest/gtest.h>

#include "compiler/pulp/layer_code.h"
#include "compiler/pulp/tile_loops.h"
#include "core/error.h"
#include "isa/pulp/loops.h"
#include "program.pb.h"

namespace workbench::pulp {
namespace {

// A program of one layer from its lines, as a person would write it.
Program program_of(const std::string& lines) { return assemble(".layer name=a\n" + lines, "a.s"); }

// As emission hands it on, with the loops that it noted: what follows "tile " in a text is a
// number.
Program in_loops_of(Program program, std::vector<TileLoop> loops) {
  const std::string mark = "tile ";
  program.text_numbers.resize(program.instructions.size());
  for (std::size_t i = 0; i < program.instructions.size(); ++i) {
    const std::string& text = program.info.instruction_text[i];
    const std::size_t at = text.find(mark);
    if (at != std::string::npos) program.text_numbers[i] = {{at + mark.size(), text.size()}};
  }
  return in_tile_loops({std::move(program), std::move(loops)});
}

// Its instructions as they are written.
std::string written(const Program& program) {
  const std::string text = disassemble(program), layer = ".layer name=a\n";
  return text.substr(text.find(layer) + layer.size());
}

std::string message(const auto& action) {
  try {
    action();
  } catch (const Error& error) {
    return error.what();
  }
  return "accepted";
}

std::string assembling(const std::string& lines) {
  return message([&] { program_of(lines); });
}

TEST(PulpLoops, a_nest_comes_to_its_blocks_in_the_order_of_the_tiler) {
  const Block all{0, 5, 1, 8, 0, 4};  // blocks of 3, 2 channels; of 4, 3 rows
  const Cut cut{.out_c = 3, .out_h = 4, .out_w = 4};
  const Nest channels(all, cut, LoopOrder::ChannelsOuter, kSliceLoops);
  const Nest rows(all, cut, LoopOrder::RowsOuter, kTileLoops);
  EXPECT_EQ(channels.trips(), (std::array<std::int64_t, 3>{2, 2, 1}));
  EXPECT_EQ(rows.trips(), (std::array<std::int64_t, 3>{2, 1, 2}));
  EXPECT_EQ(channels.over(),
            (std::array{LoopOver::SliceChannels, LoopOver::SliceRows, LoopOver::SliceColumns}));
  EXPECT_EQ(rows.over(), (std::array{LoopOver::Rows, LoopOver::Columns, LoopOver::Channels}));
  const std::vector<Block> expected{
      {0, 3, 1, 5, 0, 4}, {0, 3, 5, 8, 0, 4}, {3, 5, 1, 5, 0, 4}, {3, 5, 5, 8, 0, 4}};
  ASSERT_EQ(channels.size(), 4u);
  ASSERT_EQ(rows.size(), 4u);
  for (std::size_t i = 0; i < 4; ++i) EXPECT_EQ(channels[i], expected[i]) << i;
  for (std::size_t i = 0; i < 4; ++i) EXPECT_EQ(rows[i], expected[i / 2 + i % 2 * 2]) << i;
}

TEST(PulpLoops, a_listing_notes_the_loops_it_is_written_in) {
  LoopedProgram looped;
  Listing to{looped, 0, "a"};
  to.add(Code{});
  to.over(Nest({0, 2, 0, 3, 0, 1}, {}, LoopOrder::ChannelsOuter, kTileLoops),
          [&](std::size_t tile) {
            to.add(Barrier{});
            if (tile == 4) to.add(DmaWait{});
          });
  std::vector<std::vector<std::int32_t>> at;
  for (const TileLoop& loop : looped.loops) at.push_back(loop.at);
  const std::vector<std::vector<std::int32_t>> expected{
      {1, 4, 8}, {1, 2, 3, 4}, {1, 2}, {2, 3}, {3, 4}, {4, 5, 7, 8}, {4, 5}, {5, 7}, {7, 8}};
  EXPECT_EQ(at, expected);
}

TEST(PulpLoops, tiles_in_two_buffers_are_a_loop_over_pairs_of_tiles) {
  std::string lines;
  for (int tile = 0; tile < 8; ++tile) {
    lines += fmt::format("code instructions=300 text=\"code a tile {}\"\n", tile);
    lines += fmt::format("dma l2={:#x} l1={:#x} length=64\n", 4096 + 64 * tile, 64 * (tile % 2));
    lines += "barrier\n";
  }
  EXPECT_EQ(written(in_loops_of(program_of(lines),
                                {{{0, 3, 6, 9, 12, 15, 18, 21, 24}, LoopOver::Columns}})),
            "loop count=4 over=columns\n"
            "  code instructions=300 text=\"code a tile {0+2*i}\"  # 0+6*i\n"
            "  dma l2=0x1000+0x80*i length=64  # 1+6*i\n"
            "  barrier  # 2+6*i\n"
            "  code instructions=300 text=\"code a tile {1+2*i}\"  # 3+6*i\n"
            "  dma l2=0x1040+0x80*i l1=0x40 length=64  # 4+6*i\n"
            "  barrier  # 5+6*i\n"
            "end\n");
}

TEST(PulpLoops, loops_in_a_loop_advance_together) {
  std::string lines;
  for (int row = 0; row < 3; ++row) {
    for (int column = 0; column < 5; ++column) {
      lines += fmt::format("dma l2={} length=8\nbarrier\n", 1000 * row + 96 - 8 * column);
    }
    lines += "counter_stop\n";
  }
  const std::vector<TileLoop> loops{{{0, 11, 22, 33}},
                                    {{0, 2, 4, 6, 8, 10}},
                                    {{11, 13, 15, 17, 19, 21}},
                                    {{22, 24, 26, 28, 30, 32}}};
  EXPECT_EQ(written(in_loops_of(program_of(lines), loops)),
            "loop count=3\n"
            "  loop count=5\n"
            "    dma l2=0x60+0x3e8*i-0x8*j length=8  # 0+11*i+2*j\n"
            "    barrier  # 1+11*i+2*j\n"
            "  end\n"
            "  counter_stop  # 10+11*i\n"
            "end\n");
}

// No output is under way before the first tile, and no tile follows the last.
TEST(PulpLoops, prologue_and_epilogue_of_a_pipeline_are_peeled) {
  std::string lines;
  TileLoop loop;
  int count = 0;
  const auto add = [&](const std::string& line) { lines += line + "\n", ++count; };
  for (int tile = 0; tile < 6; ++tile) {
    loop.at.push_back(count);
    add(fmt::format("code text=\"code a tile {}\"", tile));
    if (tile < 5) add(fmt::format("dma l2={}", 64 * (tile + 1)));
    if (tile > 0) add("dma_wait id=2");
  }
  loop.at.push_back(count);
  EXPECT_EQ(written(in_loops_of(program_of(lines), {loop})),
            "code text=\"code a tile 0\"  # 0\n"
            "dma l2=0x40  # 1\n"
            "loop count=4\n"
            "  code text=\"code a tile {1+1*i}\"  # 2+3*i\n"
            "  dma l2=0x80+0x40*i  # 3+3*i\n"
            "  dma_wait id=2  # 4+3*i\n"
            "end\n"
            "code text=\"code a tile 5\"  # 14\n"
            "dma_wait id=2  # 15\n");
}

// Any two iterations are a step apart; the first here only looks like the others.
TEST(PulpLoops, an_iteration_between_two_steps_goes_with_the_longer_run) {
  const Program program = in_loops_of(
      program_of("dma l2=5\nbarrier\ndma l2=8\nbarrier\ndma l2=16\nbarrier\ndma l2=24\nbarrier\n"),
      {{{0, 2, 4, 6, 8}}});
  EXPECT_EQ(program.loops, (std::vector<LoopRange>{{.first = 2, .length = 2, .count = 3}}));
}

TEST(PulpLoops, iterations_that_do_not_advance_steadily_stay_as_they_are) {
  EXPECT_EQ(written(in_loops_of(program_of("dma l2=0\ndma l2=8\ndma l2=24\ndma l2=25\n"),
                                {{{0, 1, 2, 3, 4}}})),
            "dma  # 0\ndma l2=0x8  # 1\ndma l2=0x18  # 2\ndma l2=0x19  # 3\n");
}

TEST(PulpLoops, what_no_loop_of_the_tiler_emitted_is_none) {
  std::string lines, expected;
  for (int i = 0; i < 6; ++i) lines += "barrier\n", expected += fmt::format("barrier  # {}\n", i);
  EXPECT_EQ(written(in_loops_of(program_of(lines), {})), expected);
  EXPECT_EQ(written(in_loops_of(program_of(lines), {{{2, 2, 2}}, {{2, 3}}})), expected);
}

// Loops have variables for four in each other: the outermost of five is written out.
TEST(PulpLoops, the_innermost_four_of_five_loops_are_kept) {
  LoopedProgram looped;
  looped.program.info.layers = {{.name = "a", .op = "", .shape = {}, .merged = {}}};
  Listing to{looped, 0, "a"};
  const auto nested = [&](const auto& self, int depth) -> void {
    to.loop(LoopOver::Lines, 3, [&](std::int64_t) {
      to.add(Barrier{});
      depth > 1 ? self(self, depth - 1) : to.add(DmaWait{});
    });
  };
  nested(nested, 5);
  // An iteration of the innermost loop is 2 instructions, of those around it 1 + 3 * 2 = 7,
  // 1 + 3 * 7 = 22, 67 and 202.
  const Program program = in_tile_loops(looped);
  ASSERT_EQ(program.instructions.size(), 3u * 202);
  ASSERT_EQ(program.loops.size(), 3u * 4);
  for (const std::int64_t k : {0, 1, 2}) {
    EXPECT_EQ(program.loops[static_cast<std::size_t>(4 * k)],
              (LoopRange{.first = 1 + 202 * k, .length = 67, .count = 3, .over = LoopOver::Lines}));
  }
  EXPECT_EQ(in_loops(program).size(), 3u * (4 + 6));
}

// Braces are the marks of formulas only in loops, and figures with leading zeros are words.
TEST(PulpLoops, texts_that_look_like_formulas_stay_as_they_are) {
  Program program;
  program.info.layers = {{.name = "a", .op = "", .shape = {}, .merged = {}}};
  for (const char* text : {"{1+1*i}", "tile 01", "x 99999999999999999999"}) {
    for (int i = 0; i < 5; ++i) {
      program.instructions.push_back(DmaWait{});
      program.info.instruction_layer.push_back(0);
      program.info.instruction_text.push_back(text);
    }
  }
  program =
      in_tile_loops({std::move(program),
                     {{{0, 1, 2, 3, 4, 5}}, {{5, 6, 7, 8, 9, 10}}, {{10, 11, 12, 13, 14, 15}}}});
  EXPECT_EQ(program.loops.size(), 2u);  // all but those with braces
  const Program again = load_bytes(save_bytes(program), "p");
  EXPECT_EQ(again.info.instruction_text, program.info.instruction_text);
  EXPECT_EQ(assemble(disassemble(program), "p").info.instruction_text,
            program.info.instruction_text);
}

TEST(PulpLoops, programs_keep_the_loops_they_have_and_no_others) {
  const std::string in_loop =
      "loop count=2 over=slice_rows\n"
      "  barrier text=\"a {3+1*i}\"  # 0+1*i\n"
      "end\n";
  const Program program = program_of(in_loop);
  EXPECT_EQ(
      program.loops,
      (std::vector<LoopRange>{{.first = 0, .length = 1, .count = 2, .over = LoopOver::SliceRows}}));
  EXPECT_EQ(written(program), in_loop);
  EXPECT_EQ(written(load_bytes(save_bytes(program), "a.pulp")), in_loop);
  const std::string unrolled = "barrier  # 0\nbarrier  # 1\nbarrier  # 2\nbarrier  # 3\n";
  EXPECT_EQ(written(program_of(unrolled)), unrolled);
}

TEST(PulpLoops, instructions_that_are_no_iterations_are_written_one_by_one) {
  Program program = program_of("loop count=3\ndma l2=0+64*i\nend\n");
  program.instructions[1] = Dma{.l2 = 65};
  EXPECT_EQ(written(program), "dma  # 0\ndma l2=0x41  # 1\ndma l2=0x80  # 2\n");
  program.instructions[1] = Barrier{};
  EXPECT_EQ(written(program), "dma  # 0\nbarrier text=\"dma a\"  # 1\ndma l2=0x80  # 2\n");
  program.loops[0].count = 4;
  EXPECT_EQ(assemble(disassemble(program), "a").instructions, program.instructions);
}

TEST(PulpLoops, a_person_may_write_them) {
  const Program program = program_of(
      "loop count=2\n"
      "  loop count=3 # columns\n"
      "    dma l2=0x100+16*j-1*i length=4+4*i text=\"tile {3-1*j} of 9\"\n"
      "  end\n"
      "  barrier\n"
      "end\n");
  ASSERT_EQ(program.instructions.size(), 8u);
  EXPECT_TRUE(program.instructions[6] == Instruction(Dma{.l2 = 256 + 32 - 1, .length = 8}));
  EXPECT_EQ(program.info.instruction_text[6], "tile 1 of 9");
  EXPECT_EQ(program.info.instruction_text[7], "barrier a");
}

TEST(PulpLoops, wrong_loops_are_refused_with_their_line) {
  EXPECT_EQ(assembling("loop count=2\nbarrier\n"), "a.s:2: loop: has no end");
  EXPECT_EQ(assembling("end\n"), "a.s:2: end: ends no loop");
  EXPECT_EQ(assembling("loop count=2\nend\n"), "a.s:2: loop: there is nothing in it");
  EXPECT_EQ(assembling("barrier\nloop\nbarrier\nend\n"),
            "a.s:3: loop: count must lie between 1 and 524288, found 0");
  EXPECT_EQ(assembling("loop count=2 over=fields\nend\n"),
            "a.s:2: loop: field over: expected one of nothing, slice_channels, slice_rows, "
            "slice_columns, channels, rows, columns, lines, pieces, passes, found \"fields\"");
  EXPECT_EQ(assembling("loop count=2 step=4\nend\n"), "a.s:2: loop: no field 'step'");
  const std::string loop = "loop count=2\n";
  EXPECT_EQ(assembling(loop + loop + loop + loop + loop + "barrier\nend\nend\nend\nend\nend\n"),
            "a.s:6: loop: more than 4 in each other");
  EXPECT_EQ(assembling(loop + "dma l2=4+4*j\nend\n"),
            "a.s:3: dma: field l2: grows with 2 loops, 1 are around it");
  EXPECT_EQ(assembling("dma l2=4+4*i\n"),
            "a.s:2: dma: field l2: grows with 1 loops, 0 are around it");
  EXPECT_EQ(assembling(loop + "dma l2=4+4*x\nend\n"),
            "a.s:3: dma: field l2: expected START+STEP*VARIABLE with the variables i to l, found "
            "\"4+4*x\"");
  EXPECT_EQ(assembling(loop + "dma l2=4+4*i+4*i\nend\n").substr(0, 36),
            "a.s:3: dma: field l2: expected START");
  EXPECT_EQ(assembling(loop + "kernel kind=1+1*i\nend\n").substr(0, 46),
            "a.s:3: kernel: field kind: expected one of con");
  EXPECT_EQ(assembling(loop + "dma split=0+1*i\nend\n"),
            "a.s:3: dma: field split: no number that could grow");
  EXPECT_EQ(assembling(loop + "dma text=\"{i}\"\nend\n"),
            "a.s:3: dma: field text: no formula between its braces");
  EXPECT_EQ(assembling("loop count=3\ndma l2=0+0x8000000000*i\nend\n"), "accepted");
  EXPECT_EQ(assembling("loop count=4\ndma l2=0+0x8000000000*i\nend\n"),
            "a.s:3: dma: field l2: grows beyond 1099511627776");
}

// A file of a hundred bytes must not make gigabytes.
TEST(PulpLoops, what_would_unroll_without_bounds_is_refused) {
  EXPECT_EQ(assembling("loop count=100000\nloop count=100000\nbarrier\nend\nend\n"),
            "a.s:3: loop: count must lie between 1 and 5, found 100000");
  const std::string many = "loop count=500000\nbarrier\nend\n";
  EXPECT_EQ(assembling(many + many),
            "a.s:6: barrier: with it, loops unroll to over 524288 instructions");
  const std::string text(1000, 'x');
  EXPECT_EQ(assembling("loop count=500000\nbarrier text=" + text + "\nend\n"),
            "a.s:3: barrier: with it, loops unroll to over 134217728 bytes of text");
}

file::PulpProgram old_file() {
  file::PulpProgram message;
  message.set_version(1);
  message.set_family("pulp");
  message.mutable_info()->add_layers()->set_name("a");
  for (int i = 0; i < 2; ++i) {
    message.add_instructions()->set_opcode("barrier");
    message.mutable_info()->add_instruction_layer(0);
    message.mutable_info()->add_instruction_text("barrier a");
  }
  return message;
}

std::string loading(const file::PulpProgram& message_of) {
  return message([&] { load_bytes(message_of.SerializeAsString(), "a.pulp"); });
}

TEST(PulpLoops, files_without_loops_are_still_read) {
  file::PulpProgram old = old_file();
  const Program program = load_bytes(old.SerializeAsString(), "a.pulp");
  EXPECT_EQ(written(program), "barrier  # 0\nbarrier  # 1\n");
  old.mutable_info()->mutable_instruction_layer()->RemoveLast();
  EXPECT_EQ(loading(old), "a.pulp: not a program: as many layer entries as instructions expected");
  old.set_version(3);
  EXPECT_EQ(loading(old), "a.pulp: program version 3, this workbench reads 1 and 2");
}

TEST(PulpLoops, wrong_loops_in_files_are_refused_with_their_entry) {
  const auto with = [](std::int64_t count, std::int64_t length) {
    file::PulpProgram file = old_file();
    file.add_entries()->mutable_instruction()->set_opcode("barrier");
    file.mutable_entries(0)->set_text("barrier a");
    file::Entry& loop = *file.add_entries();
    loop.set_count(count);
    loop.set_length(length);
    *file.add_entries() = file.entries(0);
    return file;
  };
  EXPECT_EQ(loading(with(7, 1)), "accepted");
  file::PulpProgram over = with(7, 1);
  over.mutable_entries(1)->set_over(10);
  EXPECT_EQ(loading(over), "a.pulp: a loop passes over one of 10 things, found number 10");
  EXPECT_EQ(loading(with(7, 2)), "a.pulp: entry 1: loop: 2 entries are in it, 1 follow");
  EXPECT_EQ(loading(with(7, INT64_MAX)).substr(0, 23), "a.pulp: entry 1: loop: ");
  EXPECT_EQ(loading(with(7, -1)), "a.pulp: entry 1: loop: there is nothing in it");
  EXPECT_EQ(loading(with(INT64_MIN, 1)).substr(0, 23), "a.pulp: entry 1: loop: ");
  EXPECT_EQ(loading(with(0, 0)), "a.pulp: an entry has to be an instruction or a loop");
  file::PulpProgram grows = with(7, 1);
  file::Advance& advance = *grows.mutable_entries(2)->add_advances();
  advance.set_field("id");
  EXPECT_EQ(loading(grows), "a.pulp: entry 2: barrier: field id: no number that could grow");
  grows.mutable_entries(2)->mutable_instruction()->set_opcode("dma_wait");
  for (int i = 0; i < 9; ++i) advance.add_steps(INT64_MIN);
  EXPECT_EQ(loading(grows),
            "a.pulp: entry 2: dma_wait: field id: grows with 9 loops, 1 are around it");
  advance.mutable_steps()->Truncate(1);
  EXPECT_EQ(loading(grows), "a.pulp: entry 2: dma_wait: field id: grows beyond 1099511627776");
}

}  // namespace
}  // namespace workbench::pulp
