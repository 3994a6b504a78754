// RNN, GRU and LSTM: all results at once, when the first element of a turn is asked for. States are
// double, as core/eval/recurrent.cpp has them.
#include "compiler/pulp/c_text.h"
#include "compiler/pulp/fabric/elements.h"

namespace workbench::pulp {

namespace {

// Text of the functions that run all sequences. `d` is a direction, "row" a gate's cell counted
// through all directions.
class Sequences {
 public:
  Sequences(ElementWriter& w, const Recurrent& op)
      : w_(w), op_(op), h_(op.hidden), rows_(op.gates() * op.hidden) {}

  void write() {
    arrays();
    activation("gate", op_.gate, true);
    if (op_.kind != Recurrent::Kind::Rnn) activation("cell", op_.cell, true);
    if (op_.kind == Recurrent::Kind::Lstm) activation("result", op_.result, false);
    products();
    run();
  }

 private:
  std::string own(const char* what) const { return fmt::format("{}_{}", w_.name, what); }
  std::int64_t inputs() const { return w_.in(0)[2]; }
  std::int64_t batch() const { return w_.in(0)[1]; }
  bool is_lstm() const { return op_.kind == Recurrent::Kind::Lstm; }

  void add(const std::string& head, const Body& body) {
    w_.tables += fmt::format("static {} {{\n{}}}\n", head, body.text());
  }

  void arrays() {
    const auto array = [&](const char* type, const char* what, std::int64_t size) {
      w_.tables += fmt::format("static {} {}[{}];\n", type, own(what), size);
    };
    w_.tables += fmt::format("static int32_t {};\n", own("known"));
    array("float", "results", element_count(w_.out()));
    array("float", "x", inputs());
    array("double", "h", h_);
    array("double", "next", h_);
    if (is_lstm()) array("double", "c", h_);
    if (op_.kind != Recurrent::Kind::Gru) return;
    array("double", "reset", h_);
    if (!op_.linear_before_reset) array("double", "reset_h", h_);
  }

  void activation(const char* what, Activation::Kind kind, bool clips) {
    Body body;
    if (clips && op_.clip > 0) {
      const std::string bound = c_double(static_cast<double>(op_.clip));
      body.line(fmt::format("x = fabric_clip(x, -{0}, {0});", bound));
    }
    const bool hard = kind == Activation::Kind::HardSigmoid;
    const Activation of{.kind = kind, .alpha = hard ? 0.2F : 1, .beta = hard ? 0.5F : 1};
    body.line(fmt::format("return {};", w_.activated(of, "0")));
    add(fmt::format("double {}(double x)", own(what)), body);
  }

  void products() {
    Body of_x;
    of_x.line("double sum = 0;");
    of_x.loop("k", inputs());
    of_x.line(fmt::format("sum += (double){} * (double){}[k];",
                          w_.read(1, fmt::format("row * {} + k", inputs())), own("x")));
    of_x.close();
    of_x.line("return sum;");
    add(fmt::format("double {}(int32_t row)", own("of_x")), of_x);
    Body of_h;
    of_h.line("double sum = 0;");
    of_h.loop("k", h_);
    of_h.line(
        fmt::format("sum += (double){} * h[k];", w_.read(2, fmt::format("row * {} + k", h_))));
    of_h.close();
    of_h.line("return sum;");
    add(fmt::format("double {}(int32_t row, const double* h)", own("of_h")), of_h);
    Body sum;
    sum.line(fmt::format("const int32_t row = d * {} + r;", rows_));
    sum.line(fmt::format("return {}(row) + {}(row, {}){}{};", own("of_x"), own("of_h"), own("h"),
                         input_bias("r"), state_bias("r")));
    add(fmt::format("double {}(int32_t d, int32_t r)", own("sum")), sum);
  }

  // " + ..." of a cell `r` of direction "d". No sum here is -0, so that 0 changes none.
  std::string input_bias(const std::string& r) const { return bias(r, 0); }
  std::string state_bias(const std::string& r) const { return bias(r, rows_); }
  std::string bias(const std::string& r, std::int64_t from) const {
    if (!w_.has(3)) return "";
    return fmt::format(" + (double){}",
                       w_.read(3, fmt::format("d * {} + {} + {}", 2 * rows_, from, r)));
  }
  std::string gate(std::int64_t number) const {
    return fmt::format("{}(d, {} + k)", own("sum"), number * h_);
  }
  std::string peephole(std::int64_t number, const std::string& c) const {
    if (!w_.has(6)) return "";
    return fmt::format(" + (double){} * {}",
                       w_.read(6, fmt::format("d * {} + {} + k", 3 * h_, number * h_)), c);
  }

  void initial(Body& body, const char* what, std::size_t operand) const {
    const std::string from = w_.has(operand)
                                 ? "(double)" + w_.read(operand, fmt::format("s * {} + k", h_))
                                 : std::string("0");
    body.line(fmt::format("for (int32_t k = 0; k < {}; ++k) {}[k] = {};", h_, own(what), from));
  }
  void store(Body& body, const char* what, const std::string& at) const {
    body.line(fmt::format("for (int32_t k = 0; k < {}; ++k) {}[({}) * {} + k] = (float){}[k];", h_,
                          own("results"), at, h_, own(what)));
  }

  void run() {
    const std::int64_t steps = w_.in(0)[0], d = op_.directions();
    Body body;
    body.loop("s", d * batch());
    body.line(fmt::format("const int32_t d = s / {0}, n = s % {0};", batch()));
    initial(body, "h", 4);
    if (is_lstm()) initial(body, "c", 5);
    body.loop("t", steps);
    const std::string back = fmt::format("{} - t", steps - 1);
    using Direction = Recurrent::Direction;
    body.line(fmt::format("const int32_t time = {};", op_.direction == Direction::Forward ? "t"
                                                      : op_.direction == Direction::Reverse
                                                          ? back
                                                          : "d == 1 ? " + back + " : t"));
    body.line(fmt::format("for (int32_t k = 0; k < {}; ++k) {}[k] = {};", inputs(), own("x"),
                          w_.read(0, fmt::format("(time * {} + n) * {} + k", batch(), inputs()))));
    step(body);
    body.line(
        fmt::format("for (int32_t k = 0; k < {}; ++k) {}[k] = {}[k];", h_, own("h"), own("next")));
    if (w_.result_number == 0) {
      store(body, "h", fmt::format("(time * {} + d) * {} + n", d, batch()));
    }
    body.close();
    if (w_.result_number > 0) store(body, w_.result_number == 1 ? "h" : "c", "s");
    body.close();
    body.line(fmt::format("{} = 1;", own("known")));
    add(fmt::format("void {}(void)", own("run")), body);
  }

  // All of "next" from x and h.
  void step(Body& body) {
    switch (op_.kind) {
      case Recurrent::Kind::Rnn:
        body.line(fmt::format("for (int32_t k = 0; k < {}; ++k) {}[k] = {}({});", h_, own("next"),
                              own("gate"), gate(0)));
        return;
      case Recurrent::Kind::Gru:
        return gru(body);
      case Recurrent::Kind::Lstm:
        return lstm(body);
    }
  }

  void gru(Body& body) {
    body.line(fmt::format("for (int32_t k = 0; k < {}; ++k) {}[k] = {}({});", h_, own("reset"),
                          own("gate"), gate(1)));
    const bool linear = op_.linear_before_reset;
    if (!linear) {
      body.line(fmt::format("for (int32_t k = 0; k < {}; ++k) {}[k] = {}[k] * {}[k];", h_,
                            own("reset_h"), own("reset"), own("h")));
    }
    body.loop("k", h_);
    body.line(fmt::format("const int32_t r = {} + k, row = d * {} + r;", 2 * h_, rows_));
    body.line(fmt::format("const double z = {}({});", own("gate"), gate(0)));
    const std::string of_h =
        fmt::format("{}(row, {}){}", own("of_h"), own(linear ? "h" : "reset_h"), state_bias("r"));
    body.line(fmt::format("const double state = {};",
                          linear ? fmt::format("{}[k] * ({})", own("reset"), of_h) : of_h));
    body.line(fmt::format("const double n_k = {}({}(row) + state{});", own("cell"), own("of_x"),
                          input_bias("r")));
    body.line(fmt::format("{}[k] = (1 - z) * n_k + z * {}[k];", own("next"), own("h")));
    body.close();
  }

  void lstm(Body& body) {
    body.loop("k", h_);
    body.line(fmt::format("const double old = {}[k];", own("c")));
    body.line(fmt::format("const double in = {}({}{});", own("gate"), gate(0), peephole(0, "old")));
    body.line(op_.input_forget ? std::string("const double forget = 1 - in;")
                               : fmt::format("const double forget = {}({}{});", own("gate"),
                                             gate(2), peephole(2, "old")));
    body.line(fmt::format("const double c = forget * old + in * {}({});", own("cell"), gate(3)));
    body.line(fmt::format("const double out = {}({}{});", own("gate"), gate(1), peephole(1, "c")));
    body.line(fmt::format("{}[k] = c;", own("c")));
    body.line(fmt::format("{}[k] = out * {}(c);", own("next"), own("result")));
    body.close();
  }

  ElementWriter& w_;
  const Recurrent& op_;
  const std::int64_t h_, rows_;
};

}  // namespace

bool write_element(ElementWriter& w, const Recurrent& op) {
  if (!w.all_real()) return false;
  Sequences(w, op).write();
  w.at_begin += fmt::format("  {}_known = 0;\n", w.name);
  w.body.line(fmt::format("if (!{0}_known) {0}_run();", w.name));
  w.body.line(fmt::format("return {}_results[i];", w.name));
  return true;
}

}  // namespace workbench::pulp
