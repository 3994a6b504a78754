// Order of service at a shared resource.
#include <gtest/gtest.h>

#include <deque>
#include <string>
#include <vector>

#include "sim/common/arbiter.h"
#include "sim/common/kernel.h"
#include "tests/support/fresh_kernel.h"

namespace workbench::sim {
namespace {

struct Request {
  std::string name;
  std::int64_t arrival;
  int client;
  std::int64_t servers, cycles;
};

// Asks once and notes when it was served, in its own place.
class Customer : public sc_core::sc_module {
 public:
  Customer(sc_core::sc_module_name name, Request request, Arbiter& arbiter, std::string& served)
      : sc_module(name), request_(std::move(request)), arbiter_(arbiter), served_(served) {
    SC_HAS_PROCESS(Customer);
    SC_THREAD(run);
  }

 private:
  void run() {
    wait(cycles(request_.arrival));
    const std::int64_t begin = arbiter_.acquire(request_.client, request_.servers, request_.cycles);
    EXPECT_EQ(begin, now());
    served_ = request_.name + "@" + std::to_string(begin);
  }

  Request request_;
  Arbiter& arbiter_;
  std::string& served_;
};

// "name@time" of each request.
std::vector<std::string> serve(std::int64_t servers, const std::vector<Request>& requests) {
  std::vector<std::string> served(requests.size());
  const FreshKernel kernel;
  Arbiter arbiter("arbiter", servers);
  std::deque<Customer> customers;
  for (std::size_t i = 0; i < requests.size(); ++i) {
    customers.emplace_back(requests[i].name.c_str(), requests[i], arbiter, served[i]);
  }
  sc_core::sc_start();
  return served;
}

using Served = std::vector<std::string>;

TEST(Arbiter, a_free_server_serves_at_once) {
  EXPECT_EQ(serve(1, {{"a", 5, 0, 1, 10}}), (Served{"a@5"}));
}

TEST(Arbiter, a_busy_server_serves_when_it_is_free_and_no_sooner) {
  EXPECT_EQ(serve(1, {{"a", 0, 0, 1, 10}, {"b", 3, 1, 1, 1}}), (Served{"a@0", "b@10"}));
  EXPECT_EQ(serve(1, {{"a", 0, 0, 1, 10}, {"b", 10, 1, 1, 1}}), (Served{"a@0", "b@10"}));
}

TEST(Arbiter, the_first_to_arrive_is_the_first_to_be_served) {
  // The lower client number does not help who comes later.
  EXPECT_EQ(serve(1, {{"a", 0, 5, 1, 10}, {"b", 2, 4, 1, 10}, {"c", 1, 9, 1, 10}}),
            (Served{"a@0", "b@20", "c@10"}));
}

TEST(Arbiter, ties_go_to_the_lower_client_whoever_asked_first) {
  EXPECT_EQ(serve(1, {{"a", 4, 2, 1, 10}, {"b", 4, 1, 1, 10}, {"c", 4, 3, 1, 10}}),
            (Served{"a@14", "b@4", "c@24"}));
  EXPECT_EQ(serve(1, {{"b", 4, 1, 1, 10}, {"c", 4, 3, 1, 10}, {"a", 4, 2, 1, 10}}),
            (Served{"b@4", "c@24", "a@14"}));
}

TEST(Arbiter, two_servers_serve_two_at_a_time) {
  EXPECT_EQ(serve(2, {{"a", 0, 0, 1, 10}, {"b", 0, 1, 1, 4}, {"c", 0, 2, 1, 1}}),
            (Served{"a@0", "b@0", "c@4"}));
}

TEST(Arbiter, who_wants_two_servers_waits_for_both_and_is_not_overtaken) {
  EXPECT_EQ(serve(2, {{"a", 0, 0, 1, 10}, {"b", 1, 1, 2, 5}, {"c", 2, 2, 1, 1}}),
            (Served{"a@0", "b@10", "c@15"}));
}

TEST(Arbiter, nobody_waits_for_more_servers_than_there_are) {
  EXPECT_EQ(serve(1, {{"a", 0, 0, 2, 10}, {"b", 0, 1, 2, 10}}), (Served{"a@0", "b@10"}));
}

TEST(Arbiter, a_request_of_no_cycles_holds_nobody_up) {
  EXPECT_EQ(serve(1, {{"a", 0, 0, 1, 0}, {"b", 0, 1, 1, 10}}), (Served{"a@0", "b@0"}));
}

}  // namespace
}  // namespace workbench::sim
